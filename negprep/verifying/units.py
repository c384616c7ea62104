"""Weights of items as the whole units in which popularity draws them: by the page of randomness, number by number."""

from __future__ import annotations

from decimal import Context, Decimal

import numpy as np

from negprep.verifying.pairs import Floats, Rows

_ROUNDED = Context(prec=40)
_WHOLE = Decimal(10) ** 30
_DIGITS = 62


def units_of_counts(counts: Rows, inside: Rows, alpha: float, smooth: float) -> Rows:
    """The units of (count + smooth) ** alpha.

    Parameters
    ----------
    counts : int64, shape (n_items,)
        Train positives of each item.
    inside : int64, shape (n_catalog,)
        The items of the catalog, ascending.
    alpha, smooth : float

    Returns
    -------
    int64, shape (n_items,)
        0 outside the catalog. The sum is below 2**62.
    """
    values, which = np.unique(counts[inside], return_inverse=True)
    bases = [Decimal(int(value)) + Decimal(repr(smooth)) for value in values]
    powers = [_ROUNDED.power(base, Decimal(repr(alpha))) if base > 0 else Decimal(0) for base in bases]
    return _spread(_units(powers, np.bincount(which, minlength=len(powers)), which), inside, len(counts))


def units_of_weights(weights: Floats, inside: Rows) -> Rows:
    """The units of the weights of a file, shape (n_items,); as ``units_of_counts``."""
    values, which = np.unique(np.maximum(weights[inside], 0.0), return_inverse=True)
    exact = [Decimal(float(value)) for value in values]
    return _spread(_units(exact, np.bincount(which, minlength=len(exact)), which), inside, len(weights))


def _units(values: list[Decimal], numbers: Rows, which: Rows) -> Rows:
    """The units of items that have one of several weights each: ``numbers`` of them each weight, ``which`` the item."""
    total = len(which) << (_DIGITS - (len(which) - 1).bit_length())
    largest = max(values)
    if largest <= 0:
        return np.zeros(len(which), np.int64)
    parts = [int(_ROUNDED.multiply(_ROUNDED.divide(value, largest), _WHOLE)) for value in values]
    whole = sum(part * int(number) for part, number in zip(parts, numbers, strict=True))
    each = [max(1, part * total // whole) if value > 0 else 0 for part, value in zip(parts, values, strict=True)]
    units = np.array(each, np.int64)[which]
    some = np.flatnonzero(units)
    missing = total - sum(unit * int(number) for unit, number in zip(each, numbers, strict=True))
    if missing >= 0:
        units[some] += missing // len(some)
        units[some[: missing % len(some)]] += 1
        return units
    for item in some[np.argsort(-units[some], kind="stable")].tolist():  # the heaviest pay for what was raised to 1
        paid = min(-missing, int(units[item]) - 1)
        units[item] -= paid
        missing += paid
        if not missing:
            break
    return units


def _spread(units: Rows, inside: Rows, n_items: int) -> Rows:
    found = np.zeros(n_items, np.int64)
    found[inside] = units
    return found
