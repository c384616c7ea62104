"""How improbable it is that fair draws look like those of a file.

Each user's draws come from a set of the user's own, so what an item can expect, and how it varies, is summed over the
users: with weights w, W the sum of w over a user's set, and D draws, an item of the set expects D w / W.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from negprep.verifying.gamma import chi_square_tail
from negprep.verifying.pair_parts import PairParts, Part
from negprep.verifying.pairs import Codes, PairSet, Rows

Floats = npt.NDArray[np.float64]

_PROBED = 4_000
_MOST_PROBES = 16
_CELL = 10.0
_BIN = 25.0


@dataclass(frozen=True, eq=False)
class Sets:
    """Of each user, the items that can be drawn.

    Attributes
    ----------
    pairs : PairParts or PairSet
        What is in the sets, or, with ``left_out``, what of the catalog is not.
    left_out : bool
    catalog : bool, shape (n_items,)
    """

    pairs: PairParts | PairSet
    left_out: bool
    catalog: npt.NDArray[np.bool_]

    @property
    def parts(self) -> Iterable[Part]:
        """The pairs, a range of users after the other."""
        return [Part.of(0, self.pairs)] if isinstance(self.pairs, PairSet) else self.pairs

    def over_users(self, of_users: Floats) -> Floats:
        """For each item the sum of a value over the users who may get it."""
        listed: Any = np.zeros(len(self.catalog))
        for part in self.parts:
            values = of_users[part.first : part.first + part.n_users][part.users]
            listed = _added(listed, part.items, values)
        found: Floats = np.where(self.catalog, of_users.sum() - listed, 0.0) if self.left_out else listed
        return found

    def over_items(self, of_items: Floats) -> Floats:
        """For each user the sum of a value over the user's items."""
        listed: Any = np.zeros(self.pairs.n_users)
        for part in self.parts:
            mine = np.bincount(part.users, weights=of_items[part.items], minlength=part.n_users)
            listed[part.first : part.first + part.n_users] = mine
        found: Floats = of_items[self.catalog].sum() - listed if self.left_out else listed
        return found


def _added(sums: Floats, places: Codes, values: Floats) -> Floats:
    """Sums with more values: one after the other, so that the same comes out however the values are parted."""
    if sums.any():
        places = np.concatenate([np.arange(len(sums), dtype=places.dtype), places])
        values = np.concatenate([sums, values])
    found: Any = np.bincount(places, weights=values, minlength=len(sums))
    return found  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class Draws:
    """What was drawn, and from what.

    Attributes
    ----------
    sets : Sets
    weights : float64, shape (n_items,)
    items : int64, shape (n_items,)
        How often each item was drawn.
    draws : float64, shape (n_users,)
    squares, groups : float64, shape (n_users,), or None
        Where the draws of a group differ: the sum over the groups of the squared numbers of draws, and the number of
        groups. Weights are then all one. None: draws are independent.
    """

    sets: Sets
    weights: Floats
    items: Rows
    draws: Floats
    squares: Floats | None = None
    groups: Floats | None = None

    @cached_property
    def mass(self) -> Floats:
        """W of each user."""
        return self.sets.over_items(self.weights)

    @cached_property
    def shares(self) -> Floats:
        """D / W of each user, 0 where nothing can be drawn."""
        return np.divide(self.draws, self.mass, out=np.zeros_like(self.mass), where=self.mass > 0.5e-12)

    @cached_property
    def spread(self) -> Floats:
        """By what each user's covariance of one draw is multiplied: D, or less where draws of a group differ.

        Of k of m without replacement it is k (m - k) / (m - 1).
        """
        if self.squares is None:
            return np.where(self.mass > 0, self.draws, 0.0)
        m = self.mass
        return np.divide(m * self.draws - self.squares, m - 1, out=np.zeros_like(m), where=m > 1.5).clip(0)

    @cached_property
    def expected(self) -> Floats:
        """What each item can expect."""
        return self.weights * self.sets.over_users(self.shares)

    @cached_property
    def variances(self) -> Floats:
        """The variance of each item's number."""
        once = np.divide(self.spread, self.mass, out=np.zeros_like(self.mass), where=self.mass > 0)
        twice = np.divide(once, self.mass, out=np.zeros_like(self.mass), where=self.mass > 0)
        found = self.weights * self.sets.over_users(once) - self.weights**2 * self.sets.over_users(twice)
        return found.clip(0)

    def covary(self, values: Floats) -> Floats:
        """The covariance matrix of the items' numbers times a vector, without writing the matrix down."""
        weighted = self.weights * values
        once = np.divide(self.spread, self.mass, out=np.zeros_like(self.mass), where=self.mass > 0)
        means = np.divide(self.sets.over_items(weighted), self.mass, out=np.zeros_like(self.mass), where=self.mass > 0)
        return weighted * self.sets.over_users(once) - self.weights * self.sets.over_users(once * means)


def worst_item(drawn: Draws) -> tuple[float, int]:
    """The probability that any item is as far from what it expects as the worst one is, and which one that is.

    An item's number is a sum of independent draws (or groups) that take it or not, for which Chernoff's bound holds
    (Hoeffding, Probability inequalities for sums of bounded random variables, JASA 1963, theorem 1), however rare the
    item; times twice the number of items (Bonferroni).
    """
    trials = drawn.sets.over_users(drawn.draws if drawn.groups is None else drawn.groups)
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
    masses = np.zeros((drawn.sets.pairs.n_users, n_bins))
    for part in drawn.sets.parts:
        listed = bins[part.items] >= 0
        places = part.users[listed] * np.int64(n_bins) + bins[part.items[listed]]
        sums = np.bincount(places, weights=drawn.weights[part.items[listed]], minlength=part.n_users * n_bins)
        masses[part.first : part.first + part.n_users] = sums.reshape(part.n_users, n_bins)
    if drawn.sets.left_out:
        whole = np.bincount(bins[inside], weights=(drawn.weights * drawn.sets.catalog)[inside], minlength=n_bins)
        masses = whole - masses
    shares = np.divide(masses, drawn.mass[:, None], out=np.zeros_like(masses), where=drawn.mass[:, None] > 0)
    spread = shares * drawn.spread[:, None]
    covariance = np.diag(spread.sum(axis=0)) - shares.T @ spread
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
