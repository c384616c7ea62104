"""The catalog by category and time: the window of a positive holds exactly the items that its negatives may be."""

from __future__ import annotations

import random

import numpy as np
import pytest
from randomness.experiments import seen_of

from negprep.sample.restrictions import CatalogOrder

ENDS = (np.iinfo(np.int64).min, np.iinfo(np.int64).max)


def cases():
    chance = random.Random(8)
    for n_items in (1, 2, 7, 40):
        for with_segments in (None, 1, 3):
            for lone in (0.0, 0.3, 1.0):
                for with_times in (False, True):
                    for with_drawable in (False, True):
                        segments = with_segments and [
                            -1 if chance.random() < lone else chance.randrange(with_segments) for _ in range(n_items)
                        ]
                        times = with_times and [chance.choice([*range(5), *ENDS]) for _ in range(n_items)]
                        drawable = with_drawable and [chance.random() < 0.6 for _ in range(n_items)]
                        yield n_items, segments, times or None, drawable or None


def order_of(n_items, segments, times, drawable):
    return CatalogOrder.of(
        n_items,
        segments=None if segments is None else np.array(segments, np.int32),
        available=None if times is None else np.array(times, np.int64),
        drawable=None if drawable is None else np.array(drawable),
    )


def test_windows_are_those_of_plain_python():
    for n_items, segments, times, drawable in cases():
        order = order_of(n_items, segments, times, drawable)
        assert sorted(order.items.tolist()) == list(range(n_items))
        assert order.positions[order.items].tolist() == list(range(n_items))
        asked = [(item, at) for item in range(n_items + 2) for at in (*range(-1, 6), *ENDS)]
        items, ats = (np.array(column) for column in zip(*asked, strict=True))
        lows, highs = order.windows(items.astype(np.int32), None if times is None else ats)
        for item, at, low, high in zip(items.tolist(), ats.tolist(), lows.tolist(), highs.tolist(), strict=True):
            mine = 0 if segments is None else segments[item] if item < n_items else -1
            wanted = {
                other
                for other in range(n_items)
                if mine >= 0
                and (segments is None or segments[other] == mine)
                and (times is None or times[other] <= at)
                and (drawable is None or drawable[other])
            }
            assert low <= high
            assert set(order.items[low:high].tolist()) == wanted, (segments, times, drawable, item, at)


@pytest.mark.parametrize("n_segments", [1, 2])
def test_a_positive_outside_the_catalog_has_no_category(n_segments):
    """However many categories there are."""
    order = order_of(4, [0, n_segments - 1, 0, 0], None, None)
    lows, highs = order.windows(np.array([4, 5], np.int32), None)
    assert (highs - lows).tolist() == [0, 0]


def test_a_positive_outside_the_catalog_has_a_time():
    lows, highs = order_of(3, None, [5, 2, 9], None).windows(np.array([3, 4], np.int32), np.array([5, 1]))
    assert (highs - lows).tolist() == [2, 0]


def test_seen_sets_move_along():
    chance = random.Random(3)
    order = order_of(30, [chance.randrange(3) for _ in range(30)], None, None)
    lists = [sorted(chance.sample(range(30), size)) for size in (0, 3, 30, 11)]
    moved = order.reorder(seen_of(lists, 30))
    assert moved.starts.tolist() == [0, 0, 3, 33, 44]
    for user, items in enumerate(lists):
        here = moved.items[moved.starts[user] : moved.starts[user + 1]].tolist()
        assert here == sorted(here)
        assert sorted(order.items[here].tolist()) == items
