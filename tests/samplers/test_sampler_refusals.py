"""Samplers that are asked for what cannot be, and files beside the log that say what cannot be."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

import negprep
from negprep.options import Options
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
        ({"sampler": None}, "sampler is None"),
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
        ({"sampler": ("uniform=2", "popularity=1"), "num_neg": 4}, "sum to 3, and --num-neg says 4"),
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
        (weights([10, 11], [1, None]), "row 2: missing or infinite value"),
        (weights([10, 11], [1, math.inf]), "row 2: missing or infinite value"),
        (weights([10, 11, 10], [1, 2, 3]), "item 10 has two values of weight"),
        (weights([1, 2], [1, 2]), "no item of the catalog has a weight above 0"),
        (weights([10, 11], [0, 0]), "no item of the catalog has a weight above 0"),
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
    with pytest.raises(negprep.NegprepError, match="no column for the times"):
        negprep.train(LOG.drop_columns(["time"]), available_at_time=True)
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


def test_log_q_of_weak_alone_is_warned_of(tmp_path):
    log = pa.table({"user": [1, 1, 2, 2], "item": [10, 11, 11, 12], "value": [5, 1, 5, 1]})
    options = Options(command="train", holdout="none", sampler="weak", positive=">=4", with_log_q=True)
    summary = prepare(log, str(tmp_path / "rows.parquet"), options)
    assert summary.warnings == [
        "the log q of a positive is -inf where weak alone draws; mix it with uniform to correct by it"
    ]
