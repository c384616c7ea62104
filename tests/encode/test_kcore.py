"""`core` and `min_positives`: the rows are those of a log from which plain Python has left out the same."""

from __future__ import annotations

import json
from collections import Counter

import independent
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from logs import as_table, random_rows

import negprep
from negprep import BadDataError, UsageError
from negprep.encode import memory
from negprep.options.options import Options
from negprep.pipeline import Run
from negprep.read.log import open_log
from negprep.summary import facts_of

ROWS = random_rows(31, users=60, items=70, most=14)


def valued(rows, ids):
    values = [1 + (user * 31 + item * 17 + time * 5) % 5 for user, item, time in rows]
    return as_table(rows, ids).append_column("value", pa.array(values))


LOGS = {
    "integers": (valued(ROWS, lambda given: given), None),
    "text": (valued(ROWS, lambda given: f"é{given}"), None),
    "weak": (valued(random_rows(32, users=80, items=60, most=22), lambda given: given), ">=3"),
}
NAMES = pytest.mark.parametrize("name", LOGS)


def reference_core(log, rule, least_of_user, least_of_item):
    """The users and the items that remain: counted anew after every single removal."""
    pairs = {
        (row["user"], row["item"]) for row in log.to_pylist() if rule is None or row["value"] >= int(rule.strip(">="))
    }
    users, items = set(log["user"].to_pylist()), set(log["item"].to_pylist())
    while True:
        mine = [(user, item) for user, item in pairs if user in users and item in items]
        of_user, of_item = Counter(user for user, _ in mine), Counter(item for _, item in mine)
        poor = [user for user in sorted(users) if of_user[user] < least_of_user]
        rare = [item for item in sorted(items) if of_item[item] < least_of_item]
        if poor:
            users.remove(poor[0])
        elif rare:
            items.remove(rare[-1])
        else:
            return users, items, len(pairs) - len(mine)


def remaining(log, users, items):
    kept = [row["user"] in users and row["item"] in items for row in log.to_pylist()]
    return log.filter(pa.array(kept))


def facts(log, command="train", **options):
    with open_log(log) as reader, Run(reader, Options(command=command, num_neg=1, **options)) as job:
        for _ in job.rows():
            pass
        return facts_of(job)["counts"]


RUNS = {
    "train": lambda log, **options: negprep.train(log, num_neg=3, **options),
    "train, last:2": lambda log, **options: negprep.train(log, holdout="last:2", with_valid=True, **options),
    "test": lambda log, **options: negprep.test(log, num_neg=6, **options),
    "test, fraction": lambda log, **options: negprep.test(log, num_neg=6, holdout="fraction:0.3", **options),
}
RUN = pytest.mark.parametrize("run", RUNS)


@RUN
@NAMES
@pytest.mark.parametrize("least", [2, 3, 4, 5])
def test_the_rows_of_a_core_are_those_of_the_log_that_is_left(name, run, least):
    log, rule = LOGS[name]
    users, items, _ = reference_core(log, rule, least, least)
    assert len(users) > 0
    assert RUNS[run](log, core=least, positive=rule).equals(RUNS[run](remaining(log, users, items), positive=rule))


@RUN
@NAMES
@pytest.mark.parametrize("least", [2, 4, 9])
def test_few_positives_leave_users_out_and_the_catalog_as_it_is(name, run, least):
    log, rule = LOGS[name]
    users, items, _ = reference_core(log, rule, least, 0)
    rows = RUNS[run](log, min_positives=least, positive=rule)
    assert rows.equals(RUNS[run](remaining(log, users, items), positive=rule, items=log.select(["item"])))


def test_both_hold_of_what_remains():
    log, _ = LOGS["integers"]
    users, items, _ = reference_core(log, None, 7, 4)
    rows = negprep.train(log, core=4, min_positives=7)
    left = remaining(log, users, items)
    assert rows.equals(negprep.train(left))
    assert min(len(known.positives) for known in independent.observe(left).values()) >= 7


@NAMES
@pytest.mark.parametrize("command", ["train", "test"])
def test_counts(name, command):
    log, rule = LOGS[name]
    users, items, removed = reference_core(log, rule, 5, 5)
    counts = facts(log, command, core=5, positive=rule, holdout="last")
    all_users, all_items = set(log["user"].to_pylist()), set(log["item"].to_pylist())
    assert counts["users"] == len(users)
    assert counts["catalog_items"] == len(items)
    assert counts["removed_users"] == len(all_users - users) > 0
    assert counts["removed_items"] == len(all_items - items) > 0
    assert counts["removed_positives"] == removed
    plain = facts(log, command, positive=rule, holdout="last")
    assert counts["positives"] + counts["removed_positives"] == plain["positives"]
    assert plain["removed_users"] == plain["removed_items"] == plain["removed_positives"] == 0


def test_a_chain_is_taken_apart_link_by_link():
    """Users and items on a line: only its ends have one neighbour, and each round moves them."""
    chain = pa.table({"user": [user for user in range(40) for _ in range(2)], "item": [i // 2 for i in range(1, 81)]})
    ring = pa.table({"user": [100, 100, 101, 101], "item": [200, 201, 200, 201]})
    counts = facts(pa.concat_tables([chain, ring]), core=2, holdout="none")
    assert (counts["users"], counts["catalog_items"], counts["removed_users"]) == (2, 2, 40)


@NAMES
@pytest.mark.parametrize("options", [{"core": 3}, {"core": 5}, {"min_positives": 5}, {"core": 2, "min_positives": 5}])
@pytest.mark.parametrize("command", ["train", "test"])
def test_a_spilled_log_gives_the_same_bytes(tmp_path, monkeypatch, name, options, command):
    monkeypatch.setattr(memory, "_FEWEST_ROWS", 40)
    log, rule = LOGS[name]
    made = []
    for limit in (None, 1):
        target = tmp_path / f"{limit}.parquet"
        settings = Options(
            command=command, num_neg=3, holdout="last:2", positive=rule, encode=True, memory=limit, **options
        )
        negprep.prepare(log, str(target), settings)
        made.append([path.read_bytes() for path in sorted(tmp_path.glob(f"{limit}.*"))])
    assert len(made[0]) == 3
    assert made[0] == made[1]


@pytest.mark.parametrize("options", [{"core": 4}, {"min_positives": 6}])
@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
def test_jobs_shards_and_the_order_of_rows_do_not_matter(options, layout):
    log, _ = LOGS["text"]
    wanted = negprep.test(log, num_neg=5, layout=layout, holdout="random:2", **options)
    backwards = log.take(pa.array(range(log.num_rows - 1, -1, -1)))
    for jobs, shard_rows in ((1, 3), (3, 7)):
        assert negprep.test(
            backwards, num_neg=5, layout=layout, holdout="random:2", jobs=jobs, shard_rows=shard_rows, **options
        ).equals(wanted)


def test_the_codes_are_of_what_is_left(tmp_path):
    log, _ = LOGS["text"]
    users, items, _ = reference_core(log, None, 5, 5)
    negprep.train(log, tmp_path / "o.parquet", encode=True, core=5)
    for column, left in (("user", users), ("item", items)):
        table = pq.read_table(tmp_path / f"o.{column}s.parquet")
        assert table[column].to_pylist() == sorted(left)
        assert table["code"].to_pylist() == list(range(len(left)))
    facts_ = json.loads(pq.read_schema(tmp_path / "o.parquet").metadata[b"negprep"])
    assert (facts_["core"], facts_["min_positives"]) == (5, None)
    assert facts_["catalog"] == "the items of the core"


def test_excluded_pairs_of_a_core():
    log, _ = LOGS["integers"]
    users, items, _ = reference_core(log, None, 5, 5)
    pairs = pa.table({"user": [user for user, _, _ in ROWS], "item": [item for _, item, _ in reversed(ROWS)]})
    left = remaining(log, users, items)
    assert negprep.train(log, core=5, exclude=pairs).equals(negprep.train(left, exclude=pairs))
    assert not negprep.train(log, core=5, exclude=pairs).equals(negprep.train(log, core=5))


@pytest.mark.parametrize("command", ["train", "test"])
def test_popularity_is_that_of_the_core(command):
    log, _ = LOGS["integers"]
    left = remaining(log, *reference_core(log, None, 5, 5)[:2])
    make = {"train": negprep.train, "test": negprep.test}[command]
    options = {"sampler": "popularity", "with_log_q": True, "num_neg": 5, "holdout": "last:2"}
    assert make(log, core=5, **options).equals(make(left, **options))
    assert make(log, core=5, memory=1, **options).equals(make(left, **options))
    weights = pa.table({"item": log["item"].unique(), "weight": pa.array(range(1, len(log["item"].unique()) + 1))})
    options["weights"] = weights
    assert make(log, core=5, **options).equals(make(left, **options))


def test_items_of_a_core_are_there_when_they_were_in_the_log():
    log, _ = LOGS["integers"]
    users, items, _ = reference_core(log, None, 4, 4)
    first = {}
    for row in log.to_pylist():
        first[row["item"]] = min(row["time"], first.get(row["item"], row["time"]))
    times = {(row["user"], row["item"]): row["time"] for row in sorted(log.to_pylist(), key=lambda row: row["time"])}
    rows = negprep.train(log, core=4, available_at_time=True, num_neg=2)
    groups = independent.groups_of(rows)
    assert {group.user for group in groups} == users
    for group in groups:
        assert all(item in items and first[item] <= times[group.user, group.positive] for item in group.negatives)


def test_a_core_without_effect_changes_no_row():
    left = remaining(LOGS["integers"][0], *reference_core(LOGS["integers"][0], None, 4, 4)[:2])
    assert negprep.train(left, core=4).equals(negprep.train(left))
    assert negprep.train(left, min_positives=4).equals(negprep.train(left))


@pytest.mark.parametrize("limit", [None, 1])
def test_nothing_is_left(limit):
    log, _ = LOGS["integers"]
    with pytest.raises(BadDataError, match=r"no user is left by --core 60; choose a smaller number, or look at the"):
        negprep.train(log, core=60, memory=limit)
    with pytest.raises(BadDataError, match="no user is left by --min-positives 60"):
        negprep.train(log, min_positives=60, memory=limit)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"core": 1}, "core is 1; choose a whole number from 2 to"),
        ({"core": 2.0}, r"core is 2.0; choose a whole number from 2 to"),
        ({"min_positives": 1}, "min_positives is 1; choose a whole number from 2 to"),
        ({"min_positives": "5"}, "min_positives is '5'; choose a whole number"),
        (
            {"core": 5, "min_positives": 5},
            "--min-positives 5 with --core 5, in which every user has as many; leave it out",
        ),
        (
            {"core": 5, "items": "items.csv"},
            "--core with --items: the catalog of a core is what remains of the log's items",
        ),
    ],
    ids=str,
)
def test_refusals(options, complaint):
    with pytest.raises(UsageError, match=complaint):
        negprep.train(LOGS["integers"][0], **options)
