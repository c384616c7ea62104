"""Pools: several different eligible items, every choice of them equally likely, for each draw."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from copy import copy

import numpy as np
import numpy.typing as npt

from negprep.arrays import Positions, Words
from negprep.sample.measures import Asks, EligibleItems, Rest
from negprep.sample.rng import bounded, word
from negprep.sample.scores import Exact, ScoredBlock
from negprep.sample.seen import SeenBlock
from negprep.sample.uniform import SHUFFLED_BELOW, Proposer, Workspace, distinct_draws, repeated, shuffled_ranks


def draw_pools(
    proposer: Proposer, rows: Positions, keys: Words, size: int, window: tuple[Positions, Positions] | None
) -> Positions:
    """Draw a pool for each key.

    ``rows``: int64, shape (n_pools,).
    ``keys``: uint64, shape (n_pools,). One of its own for each pool.
    ``window``: two int64 arrays of shape (n_pools,), or None. The first rank, and how many ranks, a pool is drawn from.
      None: all of the user's.
    Returns int64, shape (size, n_pools): Items in random order, -1 beyond those that exist.
    """
    if window is None:
        return distinct_draws(proposer, rows, keys, size).astype(np.int64)
    firsts, counts = window
    ranks = draw_ranks(keys, counts, size)
    slots, pools = np.nonzero(ranks >= 0)
    items = np.full(ranks.shape, -1)
    items[slots, pools] = proposer.block.select(rows[pools], firsts[pools] + ranks[slots, pools])
    return items


def draw_ranks(keys: Words, counts: Positions, size: int) -> Positions:
    """Different ranks below each count, in random order: int64, shape (size, n_keys), -1 beyond those that exist."""
    ranks = np.full((size, len(keys)), -1)
    few = np.flatnonzero(counts < SHUFFLED_BELOW * size)
    if few.size:
        ranks[:, few] = shuffled_ranks(keys[few], counts[few], size)
    many = np.flatnonzero(counts >= SHUFFLED_BELOW * size)
    if many.size:
        ranks[:, many] = _distinct_ranks(keys[many], counts[many], size)
    return ranks


def pool_keys(keys: Words, draws: Positions, attempt: int) -> Words:
    """The key of the pool of each draw: uint64."""
    return word(keys, draws + (attempt << 32) + _POOL_WORDS)


_POOL_WORDS = 2 << 60
"""First of the words that are keys of pools."""


def _distinct_ranks(keys: Words, counts: Positions, size: int) -> Positions:
    """Different ranks below ``counts``, all at least SHUFFLED_BELOW * size: int64, shape (size, n_pools)."""
    ranks = bounded(keys, counts, np.arange(size)[:, None], 1)
    suspects, attempt = np.arange(len(keys)), 2
    while suspects.size:  # a redraw meets another one with a probability below 1 / SHUFFLED_BELOW
        slots, within = repeated(ranks[:, suspects])
        pools = suspects[within]
        ranks[slots, pools] = bounded(keys[pools], counts[pools], slots, attempt)
        suspects = np.unique(pools)
        attempt += 1
    return ranks


class LeftRanks:
    """The ranks of eligible items that are left in some windows.

    ``counts``: int64, shape (n,). How many are left.
    """

    def __init__(self, block: SeenBlock, span: tuple[Positions, Positions], rows: Positions, taken: Positions) -> None:
        self._firsts, counts = span
        all_rows = np.broadcast_to(rows, taken.shape)
        is_here = taken >= 0
        is_here[is_here] = ~block.contains(all_rows[is_here], taken[is_here])
        ranks = np.full(taken.shape, np.iinfo(np.int64).max)
        ranks[is_here] = taken[is_here] - block.count_below(all_rows[is_here], taken[is_here])
        self._taken = np.sort(ranks, axis=0)
        self.counts = counts - is_here.sum(axis=0)

    def none(self) -> LeftRanks:
        """The same windows without any item."""
        nothing = copy(self)
        nothing.counts = np.zeros_like(self.counts)
        return nothing

    def shifted(self, which: Positions, places: Positions) -> Positions:
        """The ranks of places among what is left of the windows ``which``: int64, shape (n,)."""
        ranks = self._firsts[which] + places
        for taken in self._taken[:, which]:
            ranks += ranks >= taken  # ascending: what was passed has moved the rank already
        return ranks


_POOLED = 1 << 16
"""Items of pools at a time: they and their scores stay in a core's second-level cache."""

_STRANGER_WORDS = 3 << 60
"""First of the words that decide whether a draw is of the items without a score, and which."""


class ScoredItems(EligibleItems):
    """Eligible items of users that a model knows, and no points for others."""

    pool_size: int

    def __init__(self, block: SeenBlock, scored: ScoredBlock) -> None:
        super().__init__(block)
        self._scored = scored

    def span(self, asks: Asks) -> tuple[Positions, Positions]:  # noqa: D102
        base, mass = super().span(asks)
        return base, np.where(self._scored.is_known[asks.rows], mass, 0)

    @property
    def has_strange(self) -> bool:  # noqa: D102
        return not self._scored.scores.is_whole

    def strange(self, items: Positions) -> npt.NDArray[np.bool_]:  # noqa: D102
        below = self._scored.scores.known_below
        is_strange: npt.NDArray[np.bool_] = below[items + 1] == below[items]
        return is_strange

    def rest(self, asks: Asks, taken: Positions) -> Rest:  # noqa: D102
        return PoolsLeft(self, self._scored, asks, taken)

    def draw(self, asks: Asks, attempt: int) -> Positions:  # noqa: D102
        items = np.full(len(asks), -1)
        is_strange, parts = self._parts(asks, attempt)
        if is_strange.any():
            strange = asks.at(is_strange)
            base, points, _ = self._strange_points(strange, attempt)
            items[is_strange] = self.strangers_at(strange.rows, base + points)
        known = self._scored.known_span(asks)[1]
        for here, pools, keys in parts:
            items[here] = self.choose(asks.at(here), keys, pools, known[here])
        return items

    def _parts(
        self, asks: Asks, attempt: int
    ) -> tuple[npt.NDArray[np.bool_], Iterator[tuple[Positions, Positions, Words]]]:
        """Which draws are of items without a score; and of the others, some at a time: which, pools, their keys."""
        is_strange = np.zeros(len(asks), bool)
        strange = self._scored.strange_span(asks)[1]
        if strange.any():
            _, points, strange = self._strange_points(asks, attempt)
            is_strange = points < strange
        return is_strange, self._pools(asks, np.flatnonzero(~is_strange), attempt)

    def _pools(self, asks: Asks, todo: Positions, attempt: int) -> Iterator[tuple[Positions, Positions, Words]]:
        if (asks.rows[todo[1:]] < asks.rows[todo[:-1]]).any():
            todo = todo[np.argsort(asks.rows[todo], kind="stable")]  # the pools of a user share the user's scores
        step = max(1, _POOLED // self.pool_size)
        proposer = Proposer(self._scored.known, self._scored.mask, Workspace())
        for begin in range(0, len(todo), step):
            here = todo[begin : begin + step]
            mine = asks.at(here)
            window = None if asks.lows is None else self._scored.known_span(mine)
            keys = pool_keys(mine.keys, mine.draws, attempt)
            pools = draw_pools(proposer, mine.rows, keys, self.pool_size, window)
            yield here, pools, keys

    def _strange_points(self, asks: Asks, attempt: int) -> tuple[Positions, Positions, Positions]:
        """For items without a score: the rank of the first in the window, the point drawn, and how many they are."""
        base, strange = self._scored.strange_span(asks)
        known = self._scored.known_span(asks)[1]
        return base, bounded(asks.keys, strange + known, asks.draws + _STRANGER_WORDS, attempt), strange

    def choose(
        self, asks: Asks, keys: Words, pools: Positions, counts: Positions, taken: Positions | None = None
    ) -> Positions:
        """One item of each pool; see ``_choose``."""
        chosen = self._choose(asks, keys, pools, counts, taken)
        return chosen if self._scored.scores.is_whole else self._scored.scores.items[chosen]

    def strangers_at(self, rows: Positions, ranks: Positions) -> Positions:
        """The items without a score of some ranks among the user's eligible ones."""
        block, strangers = self._scored.strange, self._scored.scores.strangers
        return rows if block is None else strangers[block.select(rows, ranks)]

    def _scores_of(self, rows: Positions, pools: Positions) -> Exact:
        """Scores, in exact units, of the known items of pools, shape (size, n_pools); of -1, of anything."""
        first, last = int(rows[0]), int(rows[-1]) + 1
        return self._scored.scores.of_pools(self._scored.factors[first:last], rows - first, np.maximum(pools, 0))

    @abstractmethod
    def _choose(
        self, asks: Asks, keys: Words, pools: Positions, counts: Positions, taken: Positions | None
    ) -> Positions:
        """One known item of each pool.

        ``asks``: Their users ascend.
        ``keys``: uint64, shape (n_pools,). Those of the pools.
        ``pools``: int64, shape (size, n_pools). Known items, -1 beyond those that exist.
        ``counts``: int64, shape (n_pools,). Eligible known items in the window.
        ``taken``: int64, shape (n_taken, n_pools), or None. Known items that must not be chosen and are in no pool; -1
          for none.
        """


class PoolsLeft(Rest):
    """Pools of what is left for each of some asks, once other items are taken.

    ``taken``: int64, shape (n_taken, n_asks). Different items in the window; the measure may not give the user
      all of them.
    """

    def __init__(self, measure: ScoredItems, scored: ScoredBlock, asks: Asks, taken: Positions) -> None:
        self._measure, self._scored, self._asks = measure, scored, asks
        codes = scored.scores.known_below[taken]
        is_known = scored.scores.known_below[taken + 1] > codes
        self._taken = np.where(is_known, codes, -1)
        self._known = LeftRanks(scored.known, scored.known_span(asks), asks.rows, self._taken)
        self._strange = self._known.none()
        if scored.strange is not None:
            strange = np.where(is_known, -1, taken - codes)
            self._strange = LeftRanks(scored.strange, scored.strange_span(asks), asks.rows, strange)
        self.mass = measure.span(asks)[1]
        self.points = np.where(self.mass > 0, self._known.counts + self._strange.counts, 0)

    def draw(self, which: Positions, attempt: int) -> Positions:  # noqa: D102
        asks, strange, counts = self._asks.at(which), self._strange.counts[which], self._known.counts[which]
        points = bounded(asks.keys, strange + counts, asks.draws + _STRANGER_WORDS, attempt)
        items = np.empty(len(asks), np.int64)
        is_strange = points < strange
        if is_strange.any():
            ranks = self._strange.shifted(which[is_strange], points[is_strange])
            items[is_strange] = self._measure.strangers_at(asks.rows[is_strange], ranks)
        rest = np.flatnonzero(~is_strange)
        rest = rest[np.argsort(asks.rows[rest], kind="stable")]
        step = max(1, _POOLED // self._measure.pool_size)
        for begin in range(0, len(rest), step):
            here = rest[begin : begin + step]
            mine = asks.at(here)
            keys = pool_keys(mine.keys, mine.draws, attempt)
            pools = draw_ranks(keys, counts[here], self._measure.pool_size)
            slots, of = np.nonzero(pools >= 0)
            ranks = self._known.shifted(which[here][of], pools[slots, of])
            pools[slots, of] = self._scored.known.select(mine.rows[of], ranks)
            items[here] = self._measure.choose(mine, keys, pools, counts[here], self._taken[:, which[here]])
        return items
