"""How improbable it is that fair draws look like those of a file.

Each user's draws come from a set of the user's own, and under a restriction each positive's from a set of its own. So
what an item can expect, and how it varies, is summed over these owners: with weights w, W the sum of w over an owner's
set, and D draws, an item of the set expects D w / W.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from negprep.verifying.gamma import chi_square_tail
from negprep.verifying.pairs import Floats, Rows
from negprep.verifying.sets import Numbers, Sets

_PROBED = 4_000
_MOST_PROBES = 16
_CELL = 10.0
_BIN = 25.0
_FAR = 2.0**13


@dataclass(frozen=True, eq=False)
class Draws:
    """What was drawn, and from what.

    Attributes
    ----------
    sets : Sets
    weights : float64 or int64, shape (n_items,)
        Whole numbers, below 2**62 in all, are summed exactly, however far apart they are.
    items : int64, shape (n_items,)
        How often each item was drawn.
    draws : float64, shape (n_owners,)
    squares, groups : float64, shape (n_owners,), or None
        Where the draws of a group differ: the sum over the groups of the squared numbers of draws, and the number of
        groups. Weights are then all one. None: draws are independent.
    """

    sets: Sets
    weights: Numbers
    items: Rows
    draws: Floats
    squares: Floats | None = None
    groups: Floats | None = None

    @cached_property
    def mass(self) -> Floats:
        """W of each owner."""
        return self.sets.over_items(self.weights)

    @cached_property
    def shares(self) -> Floats:
        """D / W of each owner, 0 where nothing can be drawn."""
        return np.divide(self.draws, self.mass, out=np.zeros_like(self.mass), where=self.mass > 0.5e-12)

    @cached_property
    def spread(self) -> Floats:
        """By what each owner's covariance of one draw is multiplied: D, or less where draws of a group differ.

        Of k of m without replacement it is k (m - k) / (m - 1).
        """
        if self.squares is None:
            return np.where(self.mass > 0, self.draws, 0.0)
        m = self.mass
        return np.divide(m * self.draws - self.squares, m - 1, out=np.zeros_like(m), where=m > 1.5).clip(0)

    @cached_property
    def expected(self) -> Floats:
        """What each item can expect."""
        return self._real * self._over_owners(self.shares)

    @cached_property
    def _real(self) -> Floats:
        return self.weights.astype(np.float64)

    def _over_owners(self, of_owners: Floats) -> Floats:
        """For each item the sum over the owners who may get it.

        Sums are differences of larger ones, and shares of a small W are large. So that their rounding does not drown
        what a heavy item gets from others, owners whose W are far apart are summed apart; an item heavier than W is
        with none of them.
        """
        some = self._real[self._real > 0]
        if not some.size or some.max() < _FAR * some.min():
            return self.sets.over_owners(of_owners)
        sizes = np.floor(np.log(np.maximum(self.mass, 1e-300)) / math.log(_FAR))
        found = np.zeros(len(self.weights))
        for size in np.unique(sizes[of_owners != 0]):
            mine = sizes == size
            part = self.sets.over_owners(np.where(mine, of_owners, 0.0))
            found += np.where(self._real <= self.mass[mine].max(), part, 0.0)
        return found

    @cached_property
    def _once(self) -> Floats:
        """The spread over W of each owner."""
        return np.divide(self.spread, self.mass, out=np.zeros_like(self.mass), where=self.mass > 0)

    @cached_property
    def _sums_of_once(self) -> Floats:
        return self._over_owners(self._once)

    @cached_property
    def variances(self) -> Floats:
        """The variance of each item's number."""
        twice = np.divide(self._once, self.mass, out=np.zeros_like(self.mass), where=self.mass > 0)
        found = self._real * self._sums_of_once - self._real**2 * self._over_owners(twice)
        return found.clip(0)

    def covary(self, values: Floats) -> Floats:
        """The covariance matrix of the items' numbers times a vector, without writing the matrix down."""
        weighted = self._real * values
        means = np.divide(self.sets.over_items(weighted), self.mass, out=np.zeros_like(self.mass), where=self.mass > 0)
        return weighted * self._sums_of_once - self._real * self._over_owners(self._once * means)


def worst_item(drawn: Draws) -> tuple[float, int]:
    """The probability that any item is as far from what it expects as the worst one is, and which one that is.

    An item's number is a sum of independent draws (or groups) that take it or not, for which Chernoff's bound holds
    (Hoeffding, Probability inequalities for sums of bounded random variables, JASA 1963, theorem 1), however rare the
    item; times twice the number of items (Bonferroni).
    """
    trials = drawn.sets.over_owners(drawn.draws if drawn.groups is None else drawn.groups)
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


def all_items(drawn: Draws) -> tuple[float, float, float] | None:
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
    for number in range(n_probes):
        probe = _signs(n_cells, number)
        values = np.zeros(len(cells))
        values[inside] = (probe / scale)[cells[inside]]
        product = summed(drawn.covary(values)) / scale
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


def binned(drawn: Draws, bins: npt.NDArray[np.int64], n_bins: int) -> tuple[float, int, float, Floats] | None:
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
    covariance = np.zeros((n_bins, n_bins))
    for part, masses in drawn.sets.masses(drawn.weights, bins, n_bins):
        whole = drawn.mass[part, None]
        shares = np.divide(masses, whole, out=np.zeros_like(masses), where=whole > 0)
        spread = shares * drawn.spread[part, None]
        covariance += np.diag(spread.sum(axis=0)) - shares.T @ spread
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
