"""The tail of the chi-square distribution, by the regularised incomplete gamma function."""

from __future__ import annotations

import math

_STEPS = 100_000
_TINY = 1e-300
_CLOSE = 1e-15


def chi_square_tail(statistic: float, freedom: float) -> float:
    """The probability that chi-square exceeds a value.

    Parameters
    ----------
    statistic : float
        At least 0.
    freedom : float
        Degrees of freedom, above 0; not only whole ones.

    Notes
    -----
    Q(freedom / 2, statistic / 2): below the mean by the series of P = 1 - Q, above it by the continued fraction, which
    keeps small tails exact in proportion. Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 6.5.29 and
    6.5.31, evaluated as Lentz does.
    """
    shape, bound = freedom / 2, statistic / 2
    if bound <= 0:
        return 1.0
    scale = shape * math.log(bound) - bound - math.lgamma(shape)
    if bound < shape + 1:
        return max(0.0, 1.0 - math.exp(scale) * _series(shape, bound))
    return math.exp(scale) * _fraction(shape, bound) if scale > -745 else 0.0


def _series(shape: float, bound: float) -> float:
    term = total = 1 / shape
    for step in range(1, _STEPS):
        term *= bound / (shape + step)
        total += term
        if term < total * _CLOSE:
            break
    return total


def _fraction(shape: float, bound: float) -> float:
    level = bound + 1 - shape
    upper, lower = 1 / _TINY, 1 / level
    value = lower
    for step in range(1, _STEPS):
        factor = -step * (step - shape)
        level += 2
        lower = 1 / _nonzero(factor * lower + level)
        upper = _nonzero(level + factor / upper)
        value *= upper * lower
        if abs(upper * lower - 1) < _CLOSE:
            break
    return value


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
