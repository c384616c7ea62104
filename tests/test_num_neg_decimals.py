"""``--num-neg 2.5``: each positive has two negatives or three, as a word of its own decides; against whole numbers."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reference
from independent import groups_of
from logs import as_table, random_rows
from scipy import stats

import negprep
from negprep.checks.promises import Promised
from negprep.checks.verify import verify
from negprep.encode import memory
from negprep.options.conflicts import refuse_on_spark
from negprep.options.options import Options
from negprep.pipeline import prepare

ROWS = random_rows(5, users=60, items=45, most=44)
LOG = as_table(ROWS)
CATALOG = pa.table({"item": sorted({row[1] for row in ROWS}), "kind": [n % 3 for n in range(45)]})
WEAK = pa.table({"user": [-3, -3, 4, 11, 18], "item": [100, 103, 106, 109, 100]})
LAYOUTS = pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
NUMBERS = pytest.mark.parametrize("num_neg", [0.125, 2.5])


def has_one_more(user, item, num_neg, seed=0, epoch=0):
    share = Fraction(repr(num_neg)) % 1
    purpose = reference.word(reference.word(seed, 0), reference.PURPOSES["number"] + epoch * 2**32)
    key = reference.mix(reference.mix(purpose ^ reference.id_key(user)) ^ reference.id_key(item))
    return reference.bounded(key, share.denominator, 0, 0) < share.numerator


@LAYOUTS
@NUMBERS
@pytest.mark.parametrize(
    "options",
    [
        {"distinct": True},
        {"seed": 9, "epoch": 3, "sampler": "popularity", "with_log_q": True},
        {"sampler": ("uniform:0.5", "popularity:0.5"), "distinct": True, "smooth": 1.0},
        {"weak": LOG.slice(0, 200), "positive": "time>=5", "sampler": "weak"},
        {"items": CATALOG, "same": "kind", "distinct": True},
        {"distinct": True, "on_short": "drop"},
    ],
    ids=str,
)
def test_groups_begin_those_of_the_whole_number_above(layout, num_neg, options):
    """And a word of the positive, not the draws, decides whether the last one is there."""
    above, seed, epoch = int(num_neg) + 1, options.get("seed", 0), options.get("epoch", 0)
    full = negprep.train(LOG, num_neg=above, layout=layout, holdout="last", **options)
    wanted = []
    for group in groups_of(full):
        lacks = len(group.negatives) == above and not has_one_more(group.user, group.positive, num_neg, seed, epoch)
        kept = group.negatives[: above - lacks]
        if kept or layout != "pairwise":
            wanted.append((group.user, group.positive, kept))
    made = negprep.train(LOG, num_neg=num_neg, layout=layout, holdout="last", **options)
    assert [(group.user, group.positive, group.negatives) for group in groups_of(made)] == wanted
    assert made.schema == full.schema


@pytest.mark.parametrize(
    ("layout", "num_neg", "shuffle"),
    [
        ("pointwise", 0.5, False),
        ("pointwise", 2.5, True),
        ("pairwise", 0.5, True),
        ("pairwise", 2.5, False),
        ("listwise", 2.5, False),
    ],
)
def test_nothing_else_matters(tmp_path, layout, num_neg, shuffle, monkeypatch):
    options = {"num_neg": num_neg, "layout": layout, "distinct": True, "epochs": 2, "shuffle": shuffle}
    once = negprep.train(LOG, **options)
    monkeypatch.setattr(memory, "_FEWEST_ROWS", 40)
    backwards = LOG.take(list(range(len(LOG)))[::-1])
    for log, more in ((LOG, {"jobs": 2, "shard_rows": 101}), (backwards, {"memory": 1})):
        assert negprep.train(log, **options, **more).equals(once)
    negprep.train(LOG, f"{tmp_path}/o/", **options, jobs=2)
    part = pa.concat_tables(pq.read_table(f"{tmp_path}/o/epoch={epoch}", partitioning=None) for epoch in range(2))
    assert part.cast(once.drop_columns("epoch").schema).equals(once.drop_columns("epoch"))
    each = [negprep.train(LOG, **{**options, "epochs": None}, epoch=epoch) for epoch in range(2)]
    assert pa.concat_tables(each).equals(once.drop_columns("epoch"))
    if not shuffle and layout == "pointwise":
        numbers = [[len(group.negatives) for group in groups_of(rows)] for rows in each]
        assert numbers[0] != numbers[1]


def test_the_share_is_exact():
    log = as_table(
        [(user, item, 0) for user in range(400) for item in range(50)] + [(400, 50 + n, 0) for n in range(9)]
    )
    rows = negprep.train(log, num_neg=1.3, holdout="none")
    found = Counter(len(group.negatives) for group in groups_of(rows))
    assert set(found) == {1, 2}
    assert stats.binomtest(found[2], found.total(), 0.3).pvalue > 1e-3
    assert stats.chisquare([found[1], found[2]], [0.7 * found.total(), 0.3 * found.total()]).pvalue > 1e-3


def test_one_way_to_write_a_whole_number():
    assert Options(command="train", num_neg=2.0) == Options(command="train", num_neg=2)
    assert negprep.train(LOG, num_neg=2.0).equals(negprep.train(LOG, num_neg=2))


@LAYOUTS
@pytest.mark.parametrize("num_neg", [0.5, 2.5])
@pytest.mark.parametrize("epochs", [None, 3])
def test_counts_are_those_of_the_rows(tmp_path, layout, num_neg, epochs):
    options = {"num_neg": num_neg, "layout": layout, "holdout": "last", "epochs": epochs}
    summary = prepare(LOG, f"{tmp_path}/o.parquet", Options(command="train", **options))
    rows = pq.read_table(tmp_path / "o.parquet")
    facts = json.loads(rows.schema.metadata[b"negprep"])
    plain = rows.drop_columns("epoch") if epochs else rows
    negatives = sum(len(group.negatives) for group in groups_of(plain))
    assert (facts["num_neg"], summary.num_neg) == (num_neg, num_neg)
    assert facts["counts"]["negatives"] == summary.negatives == negatives
    assert facts["counts"]["rows"] == summary.rows_written == rows.num_rows
    seen = negprep.inspect(LOG, num_neg=num_neg, layout=layout, holdout="last", epochs=epochs)
    assert (seen.train.rows, seen.train.negatives, seen.train.num_neg) == (rows.num_rows, negatives, num_neg)
    assert "--num-neg" in seen.test.refused


def faults(path, **options):
    return {check.name for check in verify([(str(path), None)], LOG, **options).checks if check.status == "failed"}


@LAYOUTS
@pytest.mark.parametrize("num_neg", [0.5, 2.5])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"distinct": True, "shuffle": True},
        {"distinct": True, "on_short": "drop", "epochs": 2},
        {"sampler": ("uniform:0.5", "popularity:0.5"), "holdout": "last:2"},  # with ties, which a hash decides
        {"holdout": "random:2", "with_valid": True, "split_seed": 2**64 - 1},
        {"sampler": "popularity", "distinct": True, "with_log_q": True},
        {"available_at_time": True, "epochs": 2, "distinct": True},
        {"available_at_time": True, "holdout": "random"},
    ],
    ids=str,
)
def test_verify_passes_what_is_right(tmp_path, layout, num_neg, options):
    negprep.train(LOG, tmp_path / "o.parquet", num_neg=num_neg, layout=layout, **{"holdout": "last", **options})
    report = verify([(str(tmp_path / "o.parquet"), None)], LOG)
    assert [check for check in report.checks if check.status == "failed"] == []
    statuses = {check.name: check.status for check in report.checks}
    assert statuses["one more negative as often as promised"] == "passed"
    assert statuses["each positive has as many negatives as it must"] == "passed"


@LAYOUTS
def test_verify_finds_a_wrong_share(tmp_path, layout):
    """In any order of rows, and where the positive decides what can be drawn."""
    log = as_table([(user, item, item) for user in range(300) for item in range(user % 7, 60, 3)])
    for more in ({}, {"shuffle": True}, {"available_at_time": True}):
        options = {"layout": layout, "holdout": "last", **more}
        negprep.train(log, tmp_path / "o.parquet", num_neg=0.6, **options)
        rows = pq.read_table(tmp_path / "o.parquet")
        facts = json.loads(rows.schema.metadata[b"negprep"]) | {"num_neg": 0.5}
        pq.write_table(rows.replace_schema_metadata({"negprep": json.dumps(facts)}), tmp_path / "o.parquet")
        checks = verify([(str(tmp_path / "o.parquet"), None)], log).checks
        assert [check.name for check in checks if check.status == "failed"] == [
            "one more negative as often as promised"
        ]


@pytest.mark.parametrize("layout", ["pointwise", "listwise"])
@pytest.mark.parametrize("num_neg", [0.5, 2.5])
def test_verify_finds_a_group_of_another_size(tmp_path, layout, num_neg):
    negprep.train(LOG, tmp_path / "o.parquet", num_neg=num_neg, layout=layout, holdout="last")
    rows = pq.read_table(tmp_path / "o.parquet")
    lists = groups_of(rows)
    wrong = next(place for place, group in enumerate(lists) if len(group.negatives) == int(num_neg) + 1)
    if layout == "listwise":
        several = rows.to_pylist()
        several[wrong]["neg_items"] += several[wrong]["neg_items"][:1]
    else:
        before = sum(1 + len(group.negatives) for group in lists[:wrong])
        several = rows.to_pylist()
        several.insert(before + 1, several[before + 1])
    counts = json.loads(rows.schema.metadata[b"negprep"])
    counts["counts"]["negatives"] += 1
    counts["counts"]["rows"] = len(several)
    changed = pa.Table.from_pylist(several, rows.schema).replace_schema_metadata({"negprep": json.dumps(counts)})
    pq.write_table(changed, tmp_path / "o.parquet")
    (check,) = [
        check
        for check in verify([(str(tmp_path / "o.parquet"), None)], LOG).checks
        if check.name == "each positive has as many negatives as it must"
    ]
    low, high = int(num_neg), int(num_neg) + 1
    assert (check.status, check.count) == ("failed", 1)
    assert check.examples[0].endswith(f": {high + 1} negatives, not {low} or {high}")


def test_verify_finds_a_positive_without_a_row_among_the_negatives(tmp_path):
    negprep.train(LOG, tmp_path / "o.parquet", num_neg=0.5, layout="pairwise", holdout="none")
    rows = pq.read_table(tmp_path / "o.parquet")
    several = rows.to_pylist()
    leading = {(row["user"], row["pos_item"]) for row in several}
    mine, absent = next(
        (place, item)
        for place, row in enumerate(several)
        for user, item, _ in ROWS
        if user == row["user"] and (user, item) not in leading
    )
    several[mine]["neg_item"] = absent
    pq.write_table(pa.Table.from_pylist(several, rows.schema), tmp_path / "o.parquet")
    assert faults(tmp_path / "o.parquet") == {"no negative is a positive of its user"}


@pytest.mark.parametrize(
    "options",
    [{"num_neg": 0.5}, {"bootstrap": 400}, {"weak": WEAK, "levels": "0.4,0.3"}],
    ids=["0.5", "drawn", "levels"],
)
@pytest.mark.parametrize("holdout", ["last", "random:2", "fraction:0.3"])
def test_verify_knows_the_holdouts_that_the_rows_do_not_show(tmp_path, options, holdout):
    """Where chance leaves positives without rows, the split seed decides between equal times, and of all at random."""
    beside = Promised(weak=options.get("weak"))
    path = tmp_path / "o.parquet"
    negprep.train(LOG, path, layout="pairwise", holdout=holdout, split_seed=7, with_valid=True, **options)
    checks = {check.name: check.status for check in verify([(str(path), None)], LOG, promised=beside).checks}
    assert "failed" not in checks.values()
    assert checks["each positive has as many negatives as it must"] == "passed"
    rows = pq.read_table(path)
    facts = json.loads(rows.schema.metadata[b"negprep"]) | {"split_seed": 8}
    pq.write_table(rows.replace_schema_metadata({"negprep": json.dumps(facts)}), path)
    assert "holdouts are the right ones" in faults(path, promised=beside)


def test_text_and_options(tmp_path):
    """A CSV with a summary, and one of which the option says the number."""
    negprep.train(LOG, tmp_path / "train.csv", num_neg=0.5, holdout="last")
    assert faults(tmp_path / "train.csv", promised=Promised(num_neg=0.5, holdout="last", sampler=("uniform",))) == set()
    assert "each positive has as many negatives as it must" in faults(
        tmp_path / "train.csv", promised=Promised(num_neg=1.5, holdout="last", sampler=("uniform",))
    )


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"sampler": ("uniform=3", "popularity=1")}, "counts of the samplers sum to 4, and --num-neg is 0.5"),
        ({"bootstrap": 5, "layout": "pairwise"}, "--bootstrap writes pairs, and --num-neg is 0.5"),
    ],
    ids=str,
)
def test_refusals(options, complaint):
    with pytest.raises(negprep.UsageError, match=complaint):
        negprep.train(LOG, num_neg=0.5, **options)


def test_a_test_set_and_a_cluster_have_whole_numbers():
    with pytest.raises(negprep.UsageError, match=r"--num-neg 2.5 in test, where every holdout has as many"):
        negprep.test(LOG, num_neg=2.5)
    with pytest.raises(negprep.UsageError, match=r"--num-neg 0.5 with --engine spark"):
        refuse_on_spark(Options(command="train", num_neg=0.5))
