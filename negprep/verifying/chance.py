"""How improbable it is that fair draws look like those of a file."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from negprep.verifying.expectations import Law
from negprep.verifying.gamma import chi_square_tail
from negprep.verifying.pairs import Floats, Rows

_PROBED = 4_000
_MOST_PROBES = 16
_CELL = 10.0
_BIN = 25.0


def worst_item(drawn: Law) -> tuple[float, int]:
    """The probability that any item is as far from what it expects as the worst one is, and which one that is.

    An item's number is a sum of independent draws (or groups) that take it or not, for which Chernoff's bound holds
    (Hoeffding, Probability inequalities for sums of bounded random variables, JASA 1963, theorem 1), however rare the
    item; times twice the number of items (Bonferroni).
    """
    trials = drawn.trials
    expected, found = drawn.expected, drawn.items.astype(np.float64)
    some = np.flatnonzero((trials > 0.5) & (drawn.weights > 0))
    if not some.size:
        return 1.0, 0
    n = np.maximum(trials[some], found[some])
    p = np.clip(expected[some] / n, 1e-300, 1 - 1e-15)
    q = np.clip(found[some] / n, 0, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.where(q > 0, q * np.log(q / p), 0.0) + np.where(q < 1, (1 - q) * np.log((1 - q) / (1 - p)), 0.0)
    exponents = n * np.maximum(far, 0)
    at = int(exponents.argmax())
    return min(1.0, 2 * len(some) * math.exp(-min(700.0, float(exponents[at])))), int(some[at])


def all_items(drawn: Law) -> tuple[float, float, float] | None:
    """The chi-square of all items against what they expect: the statistic, its degrees of freedom, the probability.

    Neighbours are added up until each cell expects ten. Cells are not independent: the statistic is taken for a
    multiple of a chi-square with its mean and variance (Box, Some theorems on quadratic forms, Ann. Math. Statist.
    1954, theorem 3.1), and these are estimated by products of the covariance with random signs. None: too few cells.
    """
    cells = _cells(drawn.expected)
    n_cells = int(cells.max(initial=-1)) + 1
    if n_cells < 5:
        return None
    inside = cells >= 0

    def summed(values: Floats) -> Floats:
        sums: Floats = np.asarray(np.bincount(cells[inside], weights=values[inside], minlength=n_cells), np.float64)
        return sums

    scale = np.sqrt(summed(drawn.variances))
    if not (scale > 0).all():
        return None
    apart = summed(drawn.items - drawn.expected) / scale
    first = second = 0.0
    n_probes = min(_MOST_PROBES, -(-_PROBED // n_cells))  # each cell is a trial of its own
    probes = [_signs(n_cells, number) for number in range(n_probes)]
    vectors = []
    for probe in probes:
        values = np.zeros(len(cells))
        values[inside] = (probe / scale)[cells[inside]]
        vectors.append(values)
    for probe, covaried in zip(probes, drawn.products(vectors), strict=True):
        product = summed(covaried) / scale
        first += float(probe @ product) / n_probes
        second += float(product @ product) / n_probes
    if first <= 0 or second <= 0:
        return None
    factor, freedom = second / first, first * first / second
    statistic = float(apart @ apart) / factor
    return statistic, freedom, chi_square_tail(statistic, freedom)


def _signs(size: int, number: int) -> Floats:
    """Ones and minus ones that look random, the same with every version of numpy."""
    words = np.arange(size, dtype=np.uint64) + np.uint64(number << 40)
    for factor, shift in ((0x9E3779B97F4A7C15, 31), (0xBF58476D1CE4E5B9, 27), (0x94D049BB133111EB, 31)):
        words = words * np.uint64(factor)
        words ^= words >> np.uint64(shift)
    found: Floats = np.where(words >> np.uint64(63), 1.0, -1.0)
    return found


def _cells(expected: Floats) -> npt.NDArray[np.int64]:
    """Neighbouring items in cells that expect ten at least: the cell of each, -1 for an item that expects nothing."""
    some = np.flatnonzero(expected > 0)
    cells = np.full(len(expected), -1)
    if not some.size:
        return cells
    before = np.floor(np.cumsum(expected[some]) / (2 * _CELL) - 1e-9)
    where = np.concatenate([[0], np.cumsum(before[1:] != before[:-1])]).astype(np.int64)
    sums = np.bincount(where, weights=expected[some])
    while len(sums) > 1 and sums[-1] < _CELL:
        where[where == len(sums) - 1] -= 1
        sums = np.bincount(where, weights=expected[some])
    cells[some] = where
    return cells


def binned(drawn: Law, bins: npt.NDArray[np.int64], n_bins: int) -> tuple[float, int, float, Floats] | None:
    """The chi-square of bins of items: statistic, degrees of freedom, probability, and drawn over expected of each bin.

    d' pinv(C) d, where C is the exact covariance of the bins, summed over the users. None: too few draws.

    Parameters
    ----------
    bins : int64, shape (n_items,)
        The bin of each item; -1 outside.
    """
    inside = bins >= 0
    found = np.bincount(bins[inside], weights=drawn.items[inside], minlength=n_bins)
    expected = np.bincount(bins[inside], weights=drawn.expected[inside], minlength=n_bins)
    if (expected > 0).sum() < 2 or expected[expected > 0].min() < _BIN:
        return None
    covariance = drawn.covariance(bins, n_bins)
    sizes, directions = np.linalg.eigh(covariance)
    kept = sizes > sizes.max(initial=0) * 1e-9
    if not kept.any():
        return None
    along = directions[:, kept].T @ (found - expected)
    statistic = float((along * along / sizes[kept]).sum())
    ratios = np.divide(found, expected, out=np.zeros(n_bins), where=expected > 0)
    return statistic, int(kept.sum()), chi_square_tail(statistic, int(kept.sum())), ratios


def even_slots(slots: Rows) -> tuple[float, int, float] | None:
    """The chi-square of places that are all as likely: statistic, degrees of freedom, probability. None: too few."""
    total = int(slots.sum())
    n_cells = min(len(slots), total // 5)
    if n_cells < 2:
        return None
    cells = np.arange(len(slots)) * n_cells // len(slots)
    found = np.bincount(cells, weights=slots, minlength=n_cells)
    expected = np.bincount(cells, minlength=n_cells) * (total / len(slots))
    statistic = float(((found - expected) ** 2 / expected).sum())
    return statistic, n_cells - 1, chi_square_tail(statistic, n_cells - 1)
