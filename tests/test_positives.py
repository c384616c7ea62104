"""Rules on values and events."""

from __future__ import annotations

import pyarrow as pa
import pytest

from negprep.errors import BadDataError, UsageError
from negprep.positives import PositiveRule

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
    rule = PositiveRule.parse(text)
    assert rule.role == "value"
    batch = pa.record_batch({"value": pa.array(VALUES)})
    assert rule(batch).tolist() == [test(value) for value in VALUES]
    assert rule(batch.slice(2, 3)).tolist() == [test(value) for value in VALUES[2:5]]
    assert rule(batch.slice(0, 0)).tolist() == []
    rule.check(1)


@pytest.mark.parametrize("text", [pa.string(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_events(text):
    rule = PositiveRule.parse(" purchase , cart")
    assert rule.role == "event"
    events = pa.array(["view", "cart", "purchase", "Purchase"]).cast(text)
    assert rule(pa.record_batch({"event": events})).tolist() == [False, True, True, False]
    rule.check(2)


@pytest.mark.parametrize("text", ["", " ", ",", "a,,b", ">=", ">>4", "=>4", "<four", ">=nan", ">inf", ">=4,5", "!"])
def test_what_is_no_rule(text):
    with pytest.raises(UsageError, match="--positive"):
        PositiveRule.parse(text)


def test_nothing_satisfies_a_comparison():
    rule = PositiveRule.parse(">=9")
    for values in ([3.0, 1.0], [], [5.0]):
        rule(pa.record_batch({"value": pa.array(values, pa.float64())}))
    with pytest.raises(BadDataError, match=r"no interaction has a value >=9 \(values go from 1 to 5\)"):
        rule.check(0)


def test_an_event_that_does_not_occur():
    rule = PositiveRule.parse("purchase,buy")
    rule(pa.record_batch({"event": ["view", "purchase"]}))
    with pytest.raises(BadDataError, match=r"no event 'buy' in the log \(found: purchase, view\)"):
        rule.check(1)


def test_an_event_that_occurs_late_among_many():
    rule = PositiveRule.parse("rare")
    for start in range(0, 100, 10):
        rule(pa.record_batch({"event": [f"e{number}" for number in range(start, start + 10)]}))
    assert rule(pa.record_batch({"event": ["x", "rare"]})).tolist() == [False, True]
    rule.check(1)
