"""What --positive may be, and which rows it takes: of values, of events, of any column of any kind of log."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.encode.positives import Positives
from negprep.errors import BadDataError, UsageError
from negprep.options.options import Options, ReadOptions
from negprep.options.specs import PositiveRule
from negprep.pipeline import prepare
from negprep.read.columns import VALUE


def on_values(text):
    return Positives(PositiveRule.parse(text), VALUE, "rating")


def on_events(text):
    return Positives(PositiveRule.parse(text), "event", "event")


VALUES = [1.0, 2.5, 4.0, 4.5, 5.0, -1.0]


@pytest.mark.parametrize(
    ("text", "test"),
    [
        (">=4", lambda value: value >= 4),
        (" > 4 ", lambda value: value > 4),
        ("<=2.5", lambda value: value <= 2.5),
        ("<2.5", lambda value: value < 2.5),
        ("=4", lambda value: value == 4),
        ("==4.0", lambda value: value == 4),
        ("!=4", lambda value: value != 4),
        (">-1", lambda value: value > -1),
        (">=4e0", lambda value: value >= 4),
    ],
)
def test_comparisons(text, test):
    rule = on_values(text)
    batch = pa.record_batch({VALUE: pa.array(VALUES)})
    assert rule(batch).tolist() == [test(value) for value in VALUES]
    assert rule(batch.slice(2, 3)).tolist() == [test(value) for value in VALUES[2:5]]
    assert rule(batch.slice(0, 0)).tolist() == []
    rule.check(1)


@pytest.mark.parametrize("text", [pa.string(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_events(text):
    rule = on_events(" purchase , cart")
    events = pa.array(["view", "cart", "purchase", "Purchase"]).cast(text)
    assert rule(pa.record_batch({"event": events})).tolist() == [False, True, True, False]
    rule.check(2)


@pytest.mark.parametrize("text", ["", " ", ",", "a,,b", ">=", ">>4", "<four", ">=nan", ">inf", ">=4,5", "!"])
def test_what_is_no_rule(text):
    with pytest.raises(UsageError, match="--positive"):
        PositiveRule.parse(text)


def test_nothing_satisfies_a_comparison():
    rule = on_values(">=9")
    for values in ([3.0, 1.0], [], [5.0]):
        rule(pa.record_batch({VALUE: pa.array(values, pa.float64())}))
    with pytest.raises(BadDataError, match=r"no interaction has a value >=9 \(values go from 1 to 5\)"):
        rule.check(0)


def test_an_event_that_does_not_occur():
    rule = on_events("purchase,buy")
    rule(pa.record_batch({"event": ["view", "purchase"]}))
    with pytest.raises(BadDataError, match=r"no event 'buy' in the log \(found: purchase, view\)"):
        rule.check(1)


def test_an_event_that_occurs_late_among_many():
    rule = on_events("rare")
    for start in range(0, 100, 10):
        rule(pa.record_batch({"event": [f"e{number}" for number in range(start, start + 10)]}))
    assert rule(pa.record_batch({"event": ["x", "rare"]})).tolist() == [False, True]
    rule.check(1)


# any column, in any kind of log

KINDS = ["view", "add, to cart", "buy"]
ROWS = [
    {
        "user": i % 7,
        "item": i * 5 % 13,
        "rating": [1.0, 2.5, 3.0, 4.1, 5.0][i % 5],
        "n": i % 3 + 1,
        "kind": KINDS[i * 7 % 3 if i % 4 else 1],
        "is_click": i % 2 == 0,
    }
    for i in range(60)
]
RULES = {
    "rating>=4.1": lambda row: row["rating"] >= 4.1,
    "rating => 4.1": lambda row: row["rating"] >= 4.1,
    "≥4.1": lambda row: row["rating"] >= 4.1,
    "rating≤3": lambda row: row["rating"] <= 3,
    "rating≠3": lambda row: row["rating"] != 3,
    "rating!=2.5,3": lambda row: row["rating"] not in (2.5, 3),
    "rating=4.1": lambda row: row["rating"] == 4.1,
    "value<4": lambda row: row["rating"] < 4,
    "rating=3..5": lambda row: 3 <= row["rating"] <= 5,
    "3..5": lambda row: 3 <= row["rating"] <= 5,
    "rating!=2..3": lambda row: not 2 <= row["rating"] <= 3,
    "n=1,3": lambda row: row["n"] in (1, 3),
    'n="1"': lambda row: row["n"] == 1,
    "kind=buy,view": lambda row: row["kind"] != "add, to cart",
    'kind="add, to cart"': lambda row: row["kind"] == "add, to cart",
    "kind != view": lambda row: row["kind"] != "view",
    "is_click": lambda row: row["is_click"],
    "is_click=true": lambda row: row["is_click"],
    "is_click=1": lambda row: row["is_click"],
    "is_click!=True": lambda row: not row["is_click"],
    "Is Click=0": lambda row: not row["is_click"],
    '"is_click"=1': lambda row: row["is_click"],
    "user>=4": lambda row: row["user"] >= 4,
    "item=3,4": lambda row: row["item"] in (3, 4),
    "all": lambda row: True,
}


def kinds_of_logs(folder):
    """The rows in every form that is read; ratings in Parquet in single precision, too."""
    table = pa.Table.from_pylist(ROWS)
    single = table.schema.set(2, pa.field("rating", pa.float32()))
    place = table.schema.get_field_index("kind")
    pq.write_table(table, folder / "log.parquet")
    pq.write_table(table.cast(single), folder / "single.parquet")
    table.to_pandas().to_csv(folder / "log.csv", index=False)
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return {
        **{name: str(folder / name) for name in ("log.parquet", "single.parquet", "log.csv", "log.jsonl")},
        "table": table.set_column(place, "kind", table["kind"].dictionary_encode()),
        "frame": table.to_pandas(),
    }


@pytest.mark.parametrize("text", RULES)
def test_any_column_of_any_kind_of_log(text, tmp_path):
    wanted = {(row["user"], row["item"]) for row in ROWS if RULES[text](row)}
    for name, log in kinds_of_logs(tmp_path).items():
        target = str(tmp_path / "out.parquet")
        summary = prepare(log, target, Options(command="train", holdout="none", num_neg=1, positive=text))
        rows = [row for row in pq.read_table(target).to_pylist() if row["label"]]
        assert {(row["user"], row["item"]) for row in rows} == wanted, name
        assert json.loads(pq.read_schema(target).metadata[b"negprep"])["positive"] == text
        assert not negprep.verify(target, log=log).failed
        assert summary.weak == len({(row["user"], row["item"]) for row in ROWS} - wanted)


@pytest.mark.parametrize("text", ["rating>=3", "kind=buy", "is_click", "all"])
def test_train_test_fit_and_inspect_take_the_same_positives(text, tmp_path):
    log = pa.Table.from_pylist(ROWS)
    made = {}
    for command in ("train", "test"):
        options = Options(command=command, holdout="random", num_neg=1, positive=text)
        made[command] = prepare(log, str(tmp_path / f"{command}.parquet"), options)
    assert not negprep.verify([str(tmp_path / f"{name}.parquet") for name in made], log=log).failed
    found = negprep.inspect(log, holdout="random", positive=text)
    assert made["train"].positives == made["test"].positives == found.train.positives == found.test.positives
    if text != "all":
        fitted = negprep.fit(log, str(tmp_path / "m.npz"), kind="rns", holdout="random", positive=text, epochs=1)
        assert fitted.positives + fitted.laid_aside + fitted.held_out == made["train"].positives


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (
            "ratng>=4",
            UsageError,
            r"no column 'ratng', which --positive names \(found: user, item, .*did you mean 'rating'",
        ),
        ("zzz>=4", UsageError, "no column 'zzz'.*name one of them in --positive"),
        ('"Rating">=4', UsageError, "no column 'Rating'"),
        ("4", UsageError, "no column for the events.*--positive '>=4' compares the column 'rating'"),
        ("4,5", UsageError, "--positive '=4,5' compares the column 'rating'"),
        ("buy", UsageError, "no column for the events.*--event-col, or in the rule: --positive 'NAME=buy'"),
        ("is_clik", UsageError, "did you mean the column 'is_click'"),
        ("event=buy", UsageError, "no column 'event'"),
        ("kind=bye", BadDataError, r"no 'bye' in the column 'kind' of the log \(found: add, to cart, buy, view\)"),
        ("kind!=bye", BadDataError, "no 'bye' in the column 'kind'"),
        ("kind>=3", BadDataError, "row 1: 'add, to cart' is not a number"),
        ("kind", BadDataError, "row 1: .*'add, to cart', which is neither true nor false"),
        ("n", BadDataError, "row 2: .* holds 2, which is neither true nor false"),
        ("rating=high", BadDataError, "row 1: .* has the type double, and the rule compares it with text"),
        (
            "rating>=9",
            BadDataError,
            r"no interaction is a positive by --positive 'rating>=9' \('rating' goes from 1 to 5",
        ),
        ("rating!=7", BadDataError, "no interaction has 7, which --positive 'rating!=7' leaves out"),
    ],
)
def test_rules_that_do_not_fit_the_log(text, kind, message):
    with pytest.raises(kind, match=message):
        negprep.train(pa.Table.from_pylist(ROWS), holdout="none", positive=text)


@pytest.mark.parametrize(
    ("text", "ready"),
    [
        (">=4,5", "'>=4.5'"),
        ("rating>=3..5", "'rating=3..5'"),
        ("rating=5..3", "'rating=3..5'"),
        ("rating=3..", "'rating>=3'"),
        ("..3", "'<=3'"),
        ("=buy", "buy"),
        ("!=buy", "'event!=buy'"),
    ],
)
def test_slips_are_answered_with_the_ready_rule(text, ready):
    with pytest.raises(UsageError) as error:
        PositiveRule.parse(text)
    assert str(error.value).endswith(f"; write --positive {ready}")


@pytest.mark.parametrize(
    "text", ["rating>=4 and n=1", "event=a,,b", "event=", "x=nan", '"a', '"a" b', "event=a=b", "a>b", "===4"]
)
def test_what_is_no_comparison(text):
    with pytest.raises(UsageError, match="--positive"):
        PositiveRule.parse(text)


def test_names_are_of_events_first():
    """A column and an event of one name: where there is an event column, a name alone is an event's."""
    log = pa.table({"user": [1, 1, 2], "item": [1, 2, 3], "event": ["buy", "view", "view"], "buy": [False, True, True]})
    rows = negprep.train(log, holdout="none", positive="buy").to_pylist()
    assert {row["item"] for row in rows if row["label"]} == {1}
    rows = negprep.train(log, holdout="none", positive="buy=true").to_pylist()
    assert {row["item"] for row in rows if row["label"]} == {2, 3}
    none = log.set_column(2, "event", pa.array(["view"] * 3))
    with pytest.raises(BadDataError, match=r"no event 'buy' in the log .*--positive 'buy=true' means the column 'buy'"):
        negprep.train(none, holdout="none", positive="buy")


def test_a_role_and_a_column_of_its_name():
    log = pa.table({"user": [1, 1], "item": [1, 2], "value": [5, 1], "stars": [1, 5]})
    with pytest.raises(UsageError, match="which is a column, and the value is the column 'stars'"):
        negprep.train(log, holdout="none", value_col="stars", positive="value>=4")
    for positive, item in (('"value">=4', 1), ("stars>=4", 2), (">=4", 2)):
        rows = negprep.train(log, holdout="none", value_col="stars", positive=positive).to_pylist()
        assert {row["item"] for row in rows if row["label"]} == {item}


@pytest.mark.parametrize(("value", "text"), [(None, "rating>=3"), (float("nan"), "rating>=3"), (None, "kind=buy")])
def test_what_is_missing_is_refused_or_dropped_and_counted(value, text, tmp_path):
    name = text[:4] if text.startswith("kind") else "rating"
    rows = [{**row, name: value if place == 4 else row[name]} for place, row in enumerate(ROWS)]
    log = pa.Table.from_pylist(rows)
    with pytest.raises(BadDataError, match="row 5: missing value in the column of --positive"):
        negprep.train(log, holdout="none", positive=text)
    options = Options(command="train", holdout="none", positive=text, read=ReadOptions(drop_invalid=True))
    summary = prepare(log, str(tmp_path / "out.parquet"), options)
    reason = "missing value in the column of --positive" if name == "kind" else "missing or infinite value"
    assert summary.rows_dropped == {reason: 1}
