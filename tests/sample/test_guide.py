"""Guided search against a search through plain lists."""

from __future__ import annotations

import random
from bisect import bisect_right
from itertools import accumulate

import numpy as np
import pytest

from negprep.sample import popularity as module
from negprep.sample.popularity import Guide, Weights

CHANCE = random.Random(5)
SHAPES = {
    "one interval": [7],
    "even": [16] * 50,
    "empty ones": [0, 0, 40, 0, 3, 0, 0, 21, 0],
    "far more short ones than steps in one guess": [1] * 40 + [1000] + [1] * 23,
    "short ones behind a long one": [4000] + [1, 0, 2] * 30,
    "random": [CHANCE.choice([0, 1, 5, 300]) for _ in range(400)],
}


@pytest.mark.parametrize("bits", [0, 3, 6, 20])
@pytest.mark.parametrize("name", SHAPES)
def test_every_point_is_found(name, bits):
    ends = list(accumulate(SHAPES[name]))
    points = list(range(ends[-1]))
    CHANCE.shuffle(points)
    found = Guide(np.array(ends), bits).find(np.array(points))
    assert found.tolist() == [bisect_right(ends, point) for point in points]


def test_no_point_is_nothing():
    assert Guide(np.array([3, 9]), 1).find(np.empty(0, np.int64)).size == 0


@pytest.mark.parametrize("most", [0, 1 << 20])
def test_weights_find_their_items_guided_or_not(monkeypatch, most):
    monkeypatch.setattr(module, "_MOST_GUIDED", most)
    units = [1 << 40, 0, (1 << 40) - 3, 3, 1 << 41, 0, 0, 1 << 42]
    weights = Weights(np.array(units), 40)
    borders = list(accumulate(units))
    points = [point for end in borders for point in (end - 2, end - 1, end) if point < borders[-1]]
    assert weights.find(np.array(points)).tolist() == [bisect_right(borders, point) for point in points]
