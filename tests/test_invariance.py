"""What must not change the rows, and what must: `train` and `test` on tables, run twice with one thing different."""

from __future__ import annotations

import random
from functools import cache

import independent
import pyarrow as pa
import pytest
from logs import as_table, random_rows

import negprep

ROWS = random_rows(77, users=40, items=60, most=25)
CATALOG = pa.table({"item": sorted({item for _, item, _ in ROWS} | {4, 5, 6})})

MAKES = {
    "train": lambda log, **options: negprep.train(log, **options),
    "train, distinct, last": lambda log, **options: negprep.train(
        log, distinct=True, num_neg=9, holdout="last", **options
    ),
    "test": lambda log, **options: negprep.test(log, num_neg=9, **options),
    "test, random": lambda log, **options: negprep.test(log, num_neg=30, holdout="random", **options),
    "train, fraction": lambda log, **options: negprep.train(
        log, num_neg=2, holdout="fraction:0.3", with_valid=True, **options
    ),
    "test, last:3": lambda log, **options: negprep.test(log, num_neg=9, holdout="last:3", **options),
    "test, random:2, valid": lambda log, **options: negprep.test(
        log, num_neg=9, holdout="random:2", fold="valid", **options
    ),
    "train, session": lambda log, **options: negprep.train(log, num_neg=2, holdout="session", **options),
    "test, random-global": lambda log, **options: negprep.test(log, num_neg=9, holdout="random-global:0.2", **options),
    "train, after": lambda log, **options: negprep.train(log, num_neg=2, holdout="after:5", **options),
    "test, after": lambda log, **options: negprep.test(log, num_neg=9, holdout="after:5", **options),
}
made_by = pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
LAYOUTS = pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])


@made_by
@pytest.mark.parametrize("shuffle", [1, 2, 3])
def test_the_order_of_the_log_does_not_matter(make, shuffle):
    rows = list(ROWS)
    random.Random(shuffle).shuffle(rows)
    assert make(as_table(rows)).equals(make(as_table(ROWS)))
    assert make(as_table(sorted(rows))).equals(make(as_table(ROWS)))


@made_by
def test_chunks_of_the_log_do_not_matter(make):
    pieces = [as_table(ROWS[start : start + 17]) for start in range(0, len(ROWS), 17)]
    assert make(pa.concat_tables(pieces)).equals(make(as_table(ROWS)))


@made_by
def test_rows_that_come_again_do_not_matter(make):
    assert make(as_table(ROWS + ROWS[::3] + ROWS[:50])).equals(make(as_table(ROWS)))


@made_by
def test_a_frame_gives_the_rows_of_a_table(make):
    frame = make(as_table(ROWS).to_pandas())
    assert frame.equals(make(as_table(ROWS)).to_pandas())


@cache
def of_first_rows(make, layout, count):
    """A log of the first rows, and what is made of it in one go."""
    log = as_table(ROWS[:count])
    return log, make(log, layout=layout)


@made_by
@LAYOUTS
@pytest.mark.parametrize(
    ("jobs", "shard_rows"),
    [*((2, rows) for rows in (2, 7, 100, 1 << 20)), *((jobs, rows) for jobs in (1, 8) for rows in (1, 100))],
)
def test_jobs_and_shards_do_not_matter(make, layout, jobs, shard_rows):
    """Shards that are smaller than a group, than a user, than the log, and larger."""
    log, whole = of_first_rows(make, layout, {1: 30, 2: 30, 7: 60}.get(shard_rows))
    assert make(log, layout=layout, jobs=jobs, shard_rows=shard_rows).equals(whole)


@made_by
def test_the_input_is_not_changed(make):
    frame = as_table(ROWS).to_pandas()
    before = frame.copy(deep=True)
    make(frame)
    assert frame.equals(before)


@made_by
def test_layouts_hold_the_same_groups(make):
    def groups(layout):
        rows = make(as_table(ROWS), layout=layout)
        is_test = "test" in next(name for name, one in MAKES.items() if one is make)
        found = independent.groups_of(rows, whole_users=is_test and layout == "pointwise")
        return [(group.user, group.positive, sorted(group.negatives)) for group in found]

    assert groups("pointwise") == groups("pairwise") == groups("listwise")


@made_by
def test_integers_as_text_are_the_same_users_and_items(make):
    """The log has `7` as an integer or as text: ids, and so keys, are the same."""
    assert make(as_table(ROWS, str)).equals(make(as_table(ROWS)))


@made_by
@pytest.mark.parametrize("other", [1, 2**32, 2**64 - 1])
def test_another_seed_changes_every_users_negatives(make, other):
    first, second = (by_user(make(as_table(ROWS), seed=seed)) for seed in (0, other))
    assert first.keys() == second.keys()
    same = [user for user, rows in first.items() if rows == second[user]]
    assert same == []


def by_user(rows):
    users = {}
    for user, *rest in zip(*rows.to_pydict().values(), strict=True):
        users.setdefault(str(user), []).append(tuple(map(str, rest)))
    return users


@cache
def with_catalog(make):
    return by_user(make(as_table(ROWS), items=CATALOG))


def holdouts(rows):
    return {group.user: group.positive for group in independent.groups_of(rows, whole_users=True)}


def test_another_seed_does_not_change_the_holdouts():
    log = as_table(ROWS)
    for holdout in ("last", "random"):
        first, second = (holdouts(negprep.test(log, num_neg=5, holdout=holdout, seed=seed)) for seed in (0, 1))
        assert first == second


def test_the_split_seed_changes_ties_only():
    users = independent.observe(as_table(ROWS))
    first, second = (holdouts(negprep.test(as_table(ROWS), num_neg=5, split_seed=seed)) for seed in (0, 1))
    changed = {user for user in first if first[user] != second[user]}
    tied = set()
    for user, known in users.items():
        times = sorted(known.times.values())
        if len(times) >= 2 and times[-1] == times[-2]:
            tied.add(user)
    assert changed
    assert changed <= tied
    whole, again = (by_user(negprep.test(as_table(ROWS), num_neg=5, split_seed=seed)) for seed in (0, 1))
    assert {user for user in whole if whole[user] != again[user]} == {str(user) for user in changed}


def test_the_split_seed_changes_random_holdouts():
    first, second = (
        holdouts(negprep.test(as_table(ROWS), num_neg=5, holdout="random", split_seed=seed)) for seed in (0, 1)
    )
    many = [user for user, known in independent.observe(as_table(ROWS)).items() if len(known.positives) > 9]
    assert sum(first[user] != second[user] for user in many) > len(many) / 2


@made_by
@pytest.mark.parametrize(
    ("user", "items"),
    [
        (10**6, [100, 103, 106]),
        (-(10**6), [100, 103, 106]),
        (10**6, [100, 999_999]),
        ("somebody", [100, 103, 106]),
        ("0007", [100, 103]),
        (10**6, [100, "no number"]),
        (10**6, ["100", "0100", "é"]),
        ("somebody", ["new", "other"]),
        (10**6, list(range(100, 220, 3))),
    ],
    ids=str,
)
def test_one_more_user_changes_no_other(make, user, items):
    """With the catalog fixed. Ids may turn from integers to text, and items may be none of the catalog."""
    more = [(user, item, time) for time, item in enumerate(items)]
    ids = str if any(isinstance(one, str) for one in [user, *items]) else (lambda given: given)
    before = with_catalog(make)
    after = by_user(make(as_table(ROWS + more, ids), items=CATALOG))
    after.pop(str(user), None)  # who may have no holdout
    assert after == before
    again = by_user(make(as_table(ROWS + more, ids), items=CATALOG, jobs=2, shard_rows=500))
    again.pop(str(user), None)
    assert again == before


@made_by
def test_one_user_less_changes_no_other(make):
    before = by_user(make(as_table(ROWS), items=CATALOG))
    gone = ROWS[0][0]
    after = by_user(make(as_table([row for row in ROWS if row[0] != gone]), items=CATALOG))
    before.pop(str(gone), None)
    assert after == before


SPECS = ["last", "random", "last:2", "last:5", "random:3", "fraction:0.25", "fraction:0.9"]


@pytest.mark.parametrize(
    ("holdout", "with_valid"), [*((spec, valid) for spec in SPECS for valid in (False, True)), ("after:6", False)]
)
@LAYOUTS
def test_train_and_folds_partition_the_positives(holdout, with_valid, layout):
    log = as_table(ROWS)
    options = {"holdout": holdout, "with_valid": with_valid, "split_seed": 9, "layout": layout}
    train = independent.check_train(log, negprep.train(log, **options, seed=1), holdout=holdout, with_valid=with_valid)
    folds = [train]
    for fold in ("test", "valid")[: 1 + with_valid]:
        rows = negprep.test(log, num_neg=8, fold=fold, **options, seed=2)
        folds.append(
            independent.check_test(log, rows, num_neg=8, fold=fold, holdout=holdout, with_valid=with_valid)
            if layout == "pointwise"
            else independent.groups_of(rows)
        )
    independent.check_partition(log, *folds)
