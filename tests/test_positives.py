"""What --positive may be, and which rows it takes: of values, of events, of any column of any kind of log."""

from __future__ import annotations

import pyarrow as pa
import pytest

from negprep.errors import BadDataError, UsageError
from negprep.positive_rule import PositiveRule
from negprep.positives import Positives


def on_values(text):
    return Positives(PositiveRule.parse(text), "value", "rating")


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
    batch = pa.record_batch({"value": pa.array(VALUES)})
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
        rule(pa.record_batch({"value": pa.array(values, pa.float64())}))
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
