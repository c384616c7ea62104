"""Samplers that are asked for what cannot be, and files beside the log that say what cannot be."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

import negprep
from negprep.cli.closing import closing_text
from negprep.options.options import Options
from negprep.pipeline import prepare

LOG = pa.table(
    {
        "user": [1, 1, 1, 2, 2, 3],
        "item": [10, 11, 12, 10, 13, 12],
        "time": [1, 2, 3, 4, 5, 6],
        "value": [5, 1, 4, 4, 2, 5],
    }
)
CATALOG = pa.table({"item": [10, 11, 12, 13], "kind": ["a", "b", "a", "b"]})


def weights(items, values):
    return {"sampler": "popularity", "weights": pa.table({"item": items, "weight": pa.array(values, pa.float64())})}


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"sampler": "popular"}, "no sampler is called 'popular'"),
        ({"sampler": "Uniform"}, "no sampler is called 'Uniform'"),
        ({"sampler": ""}, "no sampler is called ''"),
        ({"sampler": ()}, "no sampler is named"),
        ({"sampler": 5}, "sampler is 5"),
        ({"sampler": ("uniform", 5)}, r"sampler is \('uniform', 5\)"),
        ({"sampler": ("uniform:0.5", "popularity:0.4")}, "sum to 0.9, not to 1"),
        ({"sampler": ("uniform:0.5", "popularity:0.6")}, "sum to 1.1, not to 1"),
        ({"sampler": "uniform:0.5"}, "sum to 0.5, not to 1"),
        ({"sampler": ("uniform:0.5", "popularity=2")}, "each needs a share, or each a count"),
        ({"sampler": ("uniform", "popularity")}, "each needs a share, or each a count"),
        ({"sampler": ("uniform:0.5", "popularity")}, "each needs a share, or each a count"),
        ({"sampler": ("uniform:0.5", "uniform:0.5")}, "--sampler uniform is given twice"),
        ({"sampler": "uniform=0"}, "'0' is not a whole number above 0"),
        ({"sampler": ("uniform=2", "popularity=0")}, "'0' is not a whole number above 0"),
        ({"sampler": "uniform=1.5"}, "'1.5' is not a whole number"),
        ({"sampler": "uniform=-1"}, "'-1' is not a whole number"),
        ({"sampler": "uniform="}, "'' is not a whole number"),
        ({"sampler": ("uniform:0", "popularity:1")}, "'0' is not a share above 0"),
        ({"sampler": ("uniform:nan", "popularity:1")}, "'nan' is not a share"),
        ({"sampler": ("uniform:1e0",)}, "'1e0' is not a share"),
        ({"sampler": ("uniform:0.33333333333", "popularity:0.66666666667")}, "too many digits"),
        ({"sampler": ("uniform=2", "popularity=1"), "num_neg": 4}, "sum to 3, and --num-neg is 4"),
        ({"sampler": ("uniform=999999", "popularity=2")}, "num_neg is 1000001"),
        ({"sampler": "weak"}, "--sampler weak without weak interactions"),
        ({"alpha": 1.0}, "--alpha without --sampler popularity"),
        ({"smooth": 1.0}, "--smooth without --sampler popularity"),
        ({"weights": CATALOG}, "--weights without --sampler popularity"),
        ({"sampler": "popularity", "alpha": math.nan}, "alpha is nan"),
        ({"sampler": "popularity", "alpha": math.inf}, "alpha is inf"),
        ({"sampler": "popularity", "alpha": 11}, "alpha is 11"),
        ({"sampler": "popularity", "alpha": "1"}, "alpha is '1'"),
        ({"sampler": "popularity", "alpha": True}, "alpha is True"),
        ({"sampler": "popularity", "smooth": -0.1}, "smooth is -0.1"),
        ({"sampler": "popularity", "smooth": math.nan}, "smooth is nan"),
        ({"same": "kind"}, "--same names a column of --items, which is not given"),
        ({"items": CATALOG, "same": "item"}, "--same item: that is the column of the items, all different"),
        ({"items": CATALOG, "same": "available_from", "available_at_time": True}, "--available-at-time, which reads"),
        (
            {"sampler": "uniform", "levels": "0.5,0.3", "layout": "pairwise", "positive": ">=3"},
            "--levels and --sampler each specify what is drawn",
        ),
    ],
    ids=str,
)
def test_what_does_not_fit(keywords, message):
    with pytest.raises(negprep.UsageError, match=message) as caught:
        negprep.train(LOG, **keywords)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (weights([10, 11], [1, -1]), "item 11 has the weight -1"),
        (weights([10, 11], [1, math.nan]), "row 2: missing or infinite value"),
        (weights([10, 11], [1, None]), "row 2: missing or infinite value; repair or remove the row"),
        (
            {"sampler": "popularity", "weights": pa.table({"item": [10], "rating": [1]})},
            "no column 'weight', which --weights needs",
        ),
        (
            {"items": pa.table({"item": [10, None], "kind": ["a", "a"]}), "same": "kind"},
            "row 2: null item id; repair or remove the row",
        ),
        (weights([10, 11], [1, math.inf]), "row 2: missing or infinite value"),
        (weights([10, 11, 10], [1, 2, 3]), "item 10 has two values of weight"),
        (weights([1, 2], [1, 2]), "no item of the catalog has a weight above 0"),
        (weights([10, 11], [0, 0]), "no item of the catalog has a weight above 0"),
        (
            {"items": pa.table({"item": [10, 11], "kind": [None, 1.5]}), "same": "kind"},
            "row 2: the column 'kind' has the type double; --same needs names or whole numbers: write them as strings",
        ),
        (
            {"items": pa.table({"item": [10, 11], "kind": [True, False]}), "same": "kind"},
            "row 1: the column 'kind' has the type bool; --same needs",
        ),
        (
            {"items": pa.table({"item": [10, 11], "kind": ["a", "b\0"]}), "same": "kind"},
            "row 2: the column 'kind' holds a NUL byte; UTF-16",
        ),
        ({"items": CATALOG, "same": "colour"}, "no column 'colour' among those of the items"),
        (
            {"items": pa.table({"item": [10, 11, 10], "kind": ["a", "a", "b"]}), "same": "kind"},
            "item 10 has two values of kind",
        ),
        (
            {"items": pa.table({"item": [10, 11, 10], "available_from": [1, 1, 2]}), "available_at_time": True},
            "item 10 has two values of available_from",
        ),
        ({"sampler": "popularity", "positive": ">=3", "items": CATALOG.slice(1, 1)}, "no item .* has a train positive"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_bad_data(keywords, message):
    with pytest.raises(negprep.BadDataError, match=message) as caught:
        negprep.train(LOG, **keywords)
    assert "\n" not in str(caught.value)


def test_the_same_row_twice_is_no_contradiction():
    twice = pa.concat_tables([CATALOG, CATALOG])
    assert negprep.train(LOG, items=twice, same="kind").equals(negprep.train(LOG, items=CATALOG, same="kind"))
    once, again = weights([10, 11], [1, 2]), weights([10, 11, 10], [1, 2, 1])
    assert negprep.train(LOG, **once).equals(negprep.train(LOG, **again))


def test_candidates_are_never_weak():
    with pytest.raises(negprep.UsageError, match="candidates are items that the user never touched"):
        negprep.test(LOG, sampler="weak", positive=">=3")


def test_available_at_time_needs_a_time():
    with pytest.raises(negprep.NegprepError, match="--available-at-time needs times"):
        negprep.train(LOG.drop_columns(["time"]), available_at_time=True)
    with pytest.raises(negprep.UsageError, match="--keep-time first needs times"):
        negprep.train(LOG.drop_columns(["time"]), keep_time="first")
    with pytest.raises(negprep.BadDataError, match="more than one column could be the time"):
        negprep.train(LOG.append_column("timestamp", LOG["time"]), available_at_time=True)


def test_an_output_over_weights_or_weak_pairs(tmp_path):
    """What the run reads is never overwritten by it."""
    for name, sampler in (("weak", "weak"), ("weights", "popularity")):
        beside = tmp_path / f"{name}.parquet"
        negprep.train(LOG, beside, num_neg=1)
        before = beside.read_bytes()
        options = Options(command="train", num_neg=1, holdout="none", sampler=sampler, **{name: str(beside)})
        with pytest.raises(negprep.NegprepError, match=f"{name}.parquet"):
            negprep.prepare(LOG, str(beside), options)
        assert beside.read_bytes() == before


def summary_of(tmp_path, log, **options):
    return prepare(log, str(tmp_path / "rows.parquet"), Options(command="train", **{"holdout": "none"} | options))


def warnings_of(tmp_path, log, **options):
    return summary_of(tmp_path, log, **options).warnings


def test_log_q_that_is_of_no_use_is_told(tmp_path):
    log = pa.table({"user": [1, 1, 2, 2], "item": [10, 11, 11, 12], "value": [5, 1, 5, 1]})
    found = summary_of(tmp_path, log, sampler="weak", positive=">=4", with_log_q=True, strict=True)
    note = "the log q of a positive is -inf where weak alone draws; mix it with uniform to correct by it"
    assert (found.warnings, found.notes) == ([], [note])
    assert f"  note          {note}\n" in closing_text(found, "a", "b")
    part = pa.table({"item": [10, 11]})
    popular = {"sampler": "popularity", "with_log_q": True}
    assert warnings_of(tmp_path, log, items=part, **popular) == [
        "1 item of the log is not in --items (12), with 1 of 4 positives: is it the catalog of this log?",
        "the log q of a positive outside the catalog is -inf: it has no weight there",
    ]
    assert warnings_of(tmp_path, log, **popular) == []


def test_weak_that_finds_nothing_is_warned_of(tmp_path):
    log = pa.table({"user": [1, 1, 2, 2], "item": [10, 11, 11, 12], "value": [5, 1, 5, 1]})
    expected = ["no weak interaction could be drawn: all negatives come from elsewhere"]
    assert warnings_of(tmp_path, log, sampler="weak", positive=">=1") == expected
    assert warnings_of(tmp_path, log, sampler="weak", positive=">=4") == []


def test_a_holdout_of_nothing_is_warned_of(tmp_path):
    expected = ["--holdout after:100 holds nothing out of this log"]
    assert warnings_of(tmp_path, LOG, holdout="after:100") == expected
    assert warnings_of(tmp_path, LOG, holdout="after:4") == []


def test_unknown_rows_of_weak_are_counted(tmp_path):
    weak = pa.table({"user": [1, 9, 2], "item": [13, 10, 99]})
    options = Options(command="train", holdout="none", weak=weak)
    assert prepare(LOG, str(tmp_path / "rows.parquet"), options).weak_unknown == 2


def test_an_item_may_have_no_category_and_no_date():
    """What a row lacks is not said of the item: it is in no category, and there from its first interaction on."""
    kinds, dates = ["a", None, "a", "b"], [9, None, 1, 1]
    some = pa.table({"item": [10, 11, 12, 13], "kind": kinds, "available_from": pa.array(dates, pa.int64())})
    rows = negprep.train(LOG, items=some, same="kind", num_neg=2).to_pylist()
    kind_of = dict(zip([10, 11, 12, 13], kinds, strict=True))
    positives = iter([row for row in rows if row["label"]])
    current = None
    for row in rows:
        current = next(positives) if row["label"] else current
        assert row["label"] or kind_of[row["item"]] == kind_of[current["item"]] is not None
    assert {row["item"] for row in rows if not row["label"]} == {10, 12}
    without = some.drop_columns(["available_from"]).append_column("available_from", pa.array([None] * 4, pa.int64()))
    plain = negprep.train(LOG, items=some.select(["item"]), available_at_time=True)
    assert negprep.train(LOG, items=without, available_at_time=True).equals(plain)


def test_the_log_q_of_a_positive_whose_user_can_get_nothing():
    """As if it were the one eligible item: probability 1, by weights and uniformly."""
    log = pa.table({"user": [1, 1, 2], "item": [10, 11, 10]})
    for sampler in ("uniform", "popularity"):
        options = {"layout": "listwise", "num_neg": 1, "with_log_q": True, "holdout": "none"}
        rows = negprep.train(log, sampler=sampler, **options).to_pylist()
        assert [row["pos_log_q"] for row in rows if row["user"] == 1] == [0.0, 0.0]


def test_a_short_user_of_one_negative_is_not_told_to_lower_it():
    log = pa.table({"user": [1, 1, 2], "item": [10, 11, 10]})
    with pytest.raises(negprep.BadDataError, match="has 0 eligible items of the 1 needed; choose --on-short"):
        negprep.train(log, on_short="error", num_neg=1, holdout="none")
