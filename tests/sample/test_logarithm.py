"""The logarithm: close to the C library's, and made of nothing that differs between machines."""

from __future__ import annotations

import math
import random

import numpy as np

from negprep.sample.rng import natural_log


def test_it_is_the_logarithm():
    chance = random.Random(3)
    values = [chance.random() for _ in range(20_000)]
    values += [math.ldexp(1 + chance.random(), chance.randrange(-1000, 1000)) for _ in range(20_000)]
    values += [count / whole for whole in range(1, 90) for count in range(1, whole + 1)]
    for value, found in zip(values, natural_log(np.array(values)).tolist(), strict=True):
        assert abs(found - math.log(value)) <= 2 * math.ulp(math.log(value)) + 2.0**-1074


def test_next_to_one_it_loses_no_digits():
    values = [1 + step * 2.0**-52 for step in range(1, 50)] + [1 - step * 2.0**-53 for step in range(1, 50)]
    for value, found in zip(values, natural_log(np.array(values)).tolist(), strict=True):
        assert math.isclose(found, math.log(value), rel_tol=1e-15)


def test_both_sides_of_the_fold():
    half = 0.5**0.5
    for scale in (1.0, 2.0, 2.0**-40):
        values = [scale * value for value in (half, np.nextafter(half, 0), np.nextafter(half, 1))]
        for value, found in zip(values, natural_log(np.array(values)).tolist(), strict=True):
            assert math.isclose(found, math.log(value), rel_tol=1e-15)


def test_zero_and_one():
    found = natural_log(np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert found.tolist() == [[-math.inf, 0.0], [0.0, -math.inf]]
    assert math.copysign(1, found[0, 1]) == 1


def test_nothing():
    assert natural_log(np.empty((0, 3))).shape == (0, 3)
