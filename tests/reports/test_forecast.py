"""Forecasts against what the runs then write: rows to the row, refusals to the word, bytes to about a digit."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep

SAMPLE = Path(__file__).parents[2] / "sample_data"
N_ITEMS = 60
WITHIN = 0.5


def a_log(seed=0, *, users=80, most=55):
    """Times, ratings and events; some users have one item, some have nearly all and some have all of them."""
    chance = random.Random(seed)
    rows = []
    for user in range(users):
        size = N_ITEMS if user < 3 else chance.choice([1, 2, 3, 8, 20, most])
        for item in chance.sample(range(N_ITEMS), size):
            moment = chance.randrange(50)
            rows.append((user, item, moment, chance.randint(1, 5), chance.choice(["view", "cart", "buy"])))
            if chance.random() < 0.2:
                rows.append((user, item, moment + 1, chance.randint(1, 5), "view"))
    return pd.DataFrame(rows, columns=["user", "item", "time", "rating", "event"])


CATALOG = pd.DataFrame({"item": range(10, N_ITEMS + 30), "category": [n % 3 for n in range(10, N_ITEMS + 30)]})
PAIRS = pd.DataFrame({"user": range(80), "item": [user % N_ITEMS for user in range(80)]})

BOTH = [
    {},
    {"num_neg": 1},
    {"num_neg": 70},
    {"holdout": "last"},
    {"holdout": "last:3"},
    {"holdout": "random:2"},
    {"holdout": "fraction:0.25"},
    {"holdout": "after:25"},
    {"holdout": "last", "with_valid": True},
    {"distinct": True},
    {"distinct": True, "num_neg": 30, "on_short": "drop"},
    {"distinct": True, "num_neg": 30, "layout": "pairwise"},
    {"distinct": False},
    {"on_short": "drop"},
    {"on_short": "drop", "num_neg": 20, "holdout": "last:2"},
    {"layout": "pairwise"},
    {"layout": "listwise", "num_neg": 9},
    {"layout": "listwise", "on_short": "drop", "distinct": True},
    {"positive": ">=4"},
    {"positive": "buy,cart"},
    {"min_positives": 5},
    {"core": 3},
    {"core": 4, "min_positives": 9, "holdout": "last"},
    {"keep_time": "first", "holdout": "after:25"},
    {"items": CATALOG},
    {"items": CATALOG, "same": "category"},
    {"exclude": PAIRS},
    {"available_at_time": True, "holdout": "last:2"},
    {"available_at_time": True, "distinct": True, "num_neg": 40, "on_short": "drop"},
    {"sampler": "popularity", "num_neg": 20},
    {"sampler": ("uniform=2", "popularity=1")},
    {"with_log_q": True},
    {"encode": True},
    {"label_dtype": "float32"},
    {"memory": 1 << 20},
    {"split_seed": 3, "seed": 5},
]
TRAIN = [
    {"epochs": 3},
    {"epochs": 3, "shuffle": True, "holdout": "last"},
    {"epoch": 4},
    {"shuffle": True},
    {"layout": "pairwise", "bootstrap": 500},
    {"layout": "pairwise", "bootstrap": 501, "epochs": 3},
    {"layout": "pairwise", "bootstrap": 502, "epochs": 2, "on_short": "drop", "shuffle": True},
    {"layout": "pairwise", "bootstrap": 300, "available_at_time": True, "epochs": 2},
    {"layout": "pairwise", "levels": "0.4,0.3", "positive": ">=4"},
    {"sampler": "weak", "positive": "buy"},
    {"sampler": ("uniform:0.5", "weak:0.5"), "positive": ">=4", "distinct": True},
]
TEST = [
    {"num_neg": "all"},
    {"num_neg": "all", "layout": "listwise"},
    {"fold": "valid"},
    {"fold": "valid", "holdout": "last:2"},
    {"num_neg": 200, "items": CATALOG},
]
SETS = [(command, options) for options in BOTH for command in ("train", "test")]
SETS += [("train", options) for options in TRAIN] + [("test", options) for options in TEST]


def named(value):
    return (
        value
        if isinstance(value, str)
        else " ".join(f"{name}={'file' if isinstance(each, pd.DataFrame) else each}" for name, each in value.items())
    )


def written(command, log, target, **options):
    """What the run does: its summary, and the size of its files."""
    if command == "test":
        options = {"distinct": True, **options}
        options["with_valid"] = options.get("with_valid", False) or options.get("fold") == "valid"
    read = negprep.ReadOptions()
    asked = negprep.Options(command=command, read=read, **options)
    summary = negprep.prepare(log, str(target), asked)
    return summary, sum(path.stat().st_size for path in target.parent.iterdir())


@pytest.mark.parametrize(("command", "options"), SETS, ids=named)
def test_rows_are_exact(tmp_path, command, options):
    log = a_log()
    told = getattr(negprep.inspect(log, **options), command)
    summary, size = written(command, log, tmp_path / "out.parquet", **options)
    assert told.refused is None
    assert told.rows == summary.rows_written == pq.read_metadata(tmp_path / "out.parquet").num_rows
    for name in ("positives", "holdouts", "negatives", "users", "catalog_items", "num_neg", "sampler", "holdout"):
        assert getattr(told, name) == getattr(summary, name)
    for name in ("short_users", "full_users", "dropped_users"):
        assert getattr(told, name) == getattr(summary, name)
    assert told.bytes == pytest.approx(size, rel=WITHIN, abs=5_000)  # of the metadata and the footer
    assert told.warnings == tuple(summary.warnings)


@pytest.mark.parametrize("small", [{"num_neg": 99}, {"num_neg": 99, "on_short": "drop"}, {"num_neg": 7}])
def test_small_catalogs(tmp_path, small):
    log = pa.table({"user": [1, 1, 2, 2, 3, 3, 3, 3], "item": [1, 2, 1, 3, 1, 2, 3, 4], "time": [*range(8)]})
    told = negprep.inspect(log, **small).test
    if small.get("on_short") == "drop":
        assert (told.rows, told.short_users, told.dropped_users) == (0, 3, 3)
    else:
        assert told.rows == negprep.test(log, **small).num_rows
        assert (told.short_users, told.full_users) == (3, 1)


REFUSALS = [
    ("train", {"distinct": True, "on_short": "error"}, {}),
    ("test", {"on_short": "error"}, {}),
    ("test", {"sampler": "weak", "positive": ">=4"}, {}),
    ("test", {"holdout": "none"}, {}),
    ("test", {"holdout": "last:3"}, {"users": 5, "most": 1}),
    ("train", {"core": 99}, {}),
    ("test", {"holdout": "after:100"}, {}),
    ("train", {"holdout": "after:0"}, {}),
]


@pytest.mark.parametrize(("command", "options", "shape"), REFUSALS, ids=str)
def test_what_is_refused_is_said_in_the_same_words(command, options, shape):
    log = a_log(**shape)
    if shape:
        log = log.drop_duplicates("user")
    told = negprep.inspect(log, **options)
    with pytest.raises(negprep.NegprepError) as caught:
        getattr(negprep, command)(log, **options)
    assert getattr(told, command).refused == str(caught.value)
    assert told.as_dict()[command] == {"command": command, "refused": str(caught.value)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"num_neg": 0},
            "num_neg is 0; choose a whole number from 1 to 1000000, or one with up to nine decimals, such as 0.5",
        ),
        (
            {"sampler": "nearest"},
            "no sampler is called 'nearest'; choose one of uniform, popularity, weak, impression, hard, reinforced",
        ),
        ({"layout": "wide"}, "layout is 'wide'; choose one of pointwise, pairwise, listwise"),
        ({"items": "-"}, "--items is '-', and is read more than once; give a file"),
    ],
)
def test_what_neither_command_takes_is_an_error(options, message):
    with pytest.raises(negprep.UsageError) as caught:
        negprep.inspect(a_log(), **options)
    assert str(caught.value) == message


def test_the_fold_says_what_is_held_out_of_training_where_anything_is():
    log = a_log()
    assert negprep.inspect(log, fold="valid", holdout="none").train.rows == len(negprep.train(log, holdout="none"))
    held = negprep.inspect(log, fold="valid").train
    assert held.rows == len(negprep.train(log, with_valid=True))
    assert held.rows < len(negprep.train(log))


def test_an_unknown_keyword_names_the_nearest():
    with pytest.raises(
        TypeError, match=r"inspect\(\) got an unexpected keyword argument 'hold_out'; did you mean 'holdout'"
    ):
        negprep.inspect(a_log(), hold_out="last")
    with pytest.raises(TypeError, match="'force'"):
        negprep.inspect(a_log(), force=True)


def test_a_folder_to_spill_to_that_is_not_there(tmp_path):
    with pytest.raises(negprep.OutputError, match=r"nowhere: is not a folder"):
        negprep.inspect(a_log(), spill_dir=str(tmp_path / "nowhere"))


GENERATED = a_log(1, users=3_000, most=40).assign(
    user=lambda log: "customer-" + log["user"].astype(str), item=lambda log: "thing-" + log["item"].astype(str)
)
LARGER = [
    ("train", {}),
    ("train", {"holdout": "last", "layout": "pairwise"}),
    ("train", {"layout": "listwise", "num_neg": 8, "encode": True}),
    ("train", {"shuffle": True}),
    ("train", {"epochs": 3}),
    ("train", {"epochs": 2, "shuffle": True}),
    ("train", {"sampler": "popularity", "with_log_q": True}),
    ("train", {"layout": "pairwise", "bootstrap": 90_000, "shuffle": True}),
    ("test", {}),
    ("test", {"encode": True}),
]


@pytest.mark.parametrize("source", ["sample", "generated"])
@pytest.mark.parametrize(("command", "options"), LARGER, ids=named)
def test_bytes_of_a_part_tell_those_of_all(tmp_path, monkeypatch, command, options, source):
    """With row groups so small that the first is one of many."""
    monkeypatch.setattr("negprep.assemble.section.ROW_GROUP_ROWS", 10_000)
    log = SAMPLE / "log.parquet" if source == "sample" else GENERATED
    told = getattr(negprep.inspect(log, **options), command)
    summary, size = written(command, log, tmp_path / "out.parquet", **options)
    assert told.rows == summary.rows_written
    assert told.bytes == pytest.approx(size, rel=WITHIN, abs=5_000)  # of the metadata and the footer


def test_a_size_has_one_digit_and_grows_with_the_run():
    few, many = negprep.inspect(SAMPLE / "log.csv").train, negprep.inspect(SAMPLE / "log.csv", epochs=2_000).train
    assert many.rows == 2_000 * few.rows
    assert many.bytes == pytest.approx(2_000 * few.bytes, rel=WITHIN)
    assert all(len(str(each.bytes).rstrip("0")) == 1 for each in (few, many))


def test_the_facts_are_json():
    found = negprep.inspect(SAMPLE / "log.csv", holdout="none")
    facts = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert facts["log"]["pairs"] == found.log.pairs
    assert facts["train"]["rows"] == found.train.rows
    assert "rows" not in facts["test"]
    assert facts["version"] == negprep.__version__
