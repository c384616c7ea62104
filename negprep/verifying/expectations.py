"""What fair draws can be expected to be, and how they vary.

Each user's draws come from a set of the user's own, and under a restriction each positive's from a set of its own. So
what an item can expect, and how it varies, is summed over these owners: with weights w, W the sum of w over an owner's
set, and D draws, an item of the set expects D w / W.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from negprep.verifying.pairs import Floats, Rows
from negprep.verifying.sets import Numbers, Sets

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

    @cached_property
    def trials(self) -> Floats:
        """How many draws, or groups, may give each item."""
        return self.sets.over_owners(self.draws if self.groups is None else self.groups)

    def covariance(self, bins: Rows, n_bins: int) -> Floats:
        """That of the numbers of bins of items (-1 is none): shape (n_bins, n_bins)."""
        found = np.zeros((n_bins, n_bins))
        for part, masses in self.sets.masses(self.weights, bins, n_bins):
            whole = self.mass[part, None]
            shares = np.divide(masses, whole, out=np.zeros_like(masses), where=whole > 0)
            spread = shares * self.spread[part, None]
            found += np.diag(spread.sum(axis=0)) - shares.T @ spread
        return found

    def products(self, vectors: list[Floats]) -> list[Floats]:
        """The covariance matrix of the items' numbers times each of some vectors."""
        return [self.covary(values) for values in vectors]

    def covary(self, values: Floats) -> Floats:
        """The covariance matrix of the items' numbers times a vector, without writing the matrix down."""
        weighted = self._real * values
        means = np.divide(self.sets.over_items(weighted), self.mass, out=np.zeros_like(self.mass), where=self.mass > 0)
        return weighted * self._sums_of_once - self._real * self._over_owners(self._once * means)


@dataclass(frozen=True, eq=False)
class DrawsByRange:
    """What owners of several ranges have drawn, who are too many to be held at a time: all is added up.

    Attributes
    ----------
    parts : callable
        Gives the draws of each range, one after the other; ``items`` of each are those of all.
    weights, items
        As of ``Draws``.
    """

    parts: Callable[[], Iterator[Draws]]
    weights: Numbers
    items: Rows

    @cached_property
    def _moments(self) -> Floats:
        found = np.zeros((3, len(self.items)))
        for part in self.parts():
            found += [part.expected, part.variances, part.trials]
        return found

    @property
    def expected(self) -> Floats:
        """What each item can expect."""
        found: Floats = self._moments[0]
        return found

    @property
    def variances(self) -> Floats:
        """The variance of each item's number."""
        found: Floats = self._moments[1]
        return found

    @property
    def trials(self) -> Floats:
        """How many draws, or groups, may give each item."""
        found: Floats = self._moments[2]
        return found

    def products(self, vectors: list[Floats]) -> list[Floats]:
        """The covariance matrix of the items' numbers times each of some vectors."""
        found = [np.zeros(len(self.items)) for _ in vectors]
        for part in self.parts():
            for sums, more in zip(found, part.products(vectors), strict=True):
                sums += more
        return found

    def covariance(self, bins: Rows, n_bins: int) -> Floats:
        """That of the numbers of bins of items (-1 is none): shape (n_bins, n_bins)."""
        found = np.zeros((n_bins, n_bins))
        for part in self.parts():
            found += part.covariance(bins, n_bins)
        return found


Law = Draws | DrawsByRange
"""What was drawn by a sampler, and from what."""
