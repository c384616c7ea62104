"""Hard negatives: of a pool of eligible items one that the model scores highest (dynamic negative sampling)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from negprep.arrays import Floats, Positions, Words
from negprep.sample.measures import Asks
from negprep.sample.pools import ScoredItems
from negprep.sample.rng import bounded
from negprep.sample.scores import Exact, ScoredBlock
from negprep.sample.seen import SeenBlock

_RANKS_AT_A_TIME = 1 << 18


@dataclass(frozen=True)
class Hardness:
    """Which of a pool is taken.

    ``pool``: N.
    ``top``: M.
    ``skip``: S.
    """

    pool: int
    top: int
    skip: int

    def choices(self, counts: Positions) -> tuple[Positions, Positions, Positions]:
        """N, S and M where there are ``counts`` items, at least 1: of a small pool less is skipped, one is always left.

        Returns ``pool, skip, top``, int64, the shape of ``counts``.
        """
        pool = np.minimum(counts, self.pool)
        skip = np.minimum(pool - 1, self.skip)
        return pool, skip, np.minimum(pool - skip, self.top)


def chances(hardness: Hardness, counts: Positions, harder: Positions, alike: Positions) -> Floats:
    """The probability that a draw is a given item.

    ``counts``: int64, shape (n,). Items that there are, m.
    ``harder``: int64, shape (n,). Those with a higher score than the item.
    ``alike``: int64, shape (n,). Those with the same, the item among them: they share the ranks from harder + 1 on,
      each with the same probability.
    Returns float64, shape (n,).
    """
    of_ranks = np.empty(len(counts))
    ends = np.cumsum(alike)
    begin = 0
    while begin < len(counts):  # as many at a time as have so many ranks, or one
        before = ends[begin] - alike[begin]
        end = max(begin + 1, int(np.searchsorted(ends, before + _RANKS_AT_A_TIME, side="right")))
        which = np.repeat(np.arange(begin, end), alike[begin:end])
        starts = ends[begin:end] - alike[begin:end] - before
        ranks = harder[which] + 1 + np.arange(len(which)) - starts[which - begin]
        sums = np.add.reduceat(chances_of_ranks(hardness, counts[which], ranks), starts)
        of_ranks[begin:end] = sums / alike[begin:end]
        begin = end
    return of_ranks


def chances_of_ranks(hardness: Hardness, counts: Positions, ranks: Positions) -> Floats:
    """The probability that the item of a hardness rank is drawn: float64, shape (n,).

    ``counts``: int64, shape (n,). Items that there are, m.
    ``ranks``: int64, shape (n,). 1, the hardest, to m.

    That the item is in the pool, and t harder ones with it, has the probability C(r-1, t) C(m-r, N-1-t) / C(m, N). It
    is made as a product of N ratios for the smallest t that counts and can be, and goes from each t to the next by a
    ratio. All numbers are positive, so that nothing is lost by taking away.
    """
    size, skip, top = hardness.choices(counts)
    above, below = ranks - 1, counts - ranks
    first = np.maximum(skip, size - 1 - below)
    here = size / (counts - size + 1.0)
    for step in range(int(size.max(initial=1)) - 1):
        is_above = step < first
        numerators: npt.NDArray[Any] = np.where(
            is_above, (above - step) * (size - 1 - step) / (step + 1), below - (step - first)
        )
        here *= np.where(step < size - 1, numerators / np.maximum(counts - step, 1), 1.0)
    total = np.zeros(len(ranks))
    for step in range(hardness.top):
        harder = first + step
        counted = harder < skip + top
        total += np.where(counted, here, 0.0)
        here = (
            here * ((above - harder) / (harder + 1)) * ((size - 1 - harder) / np.maximum(below - size + 2 + harder, 1))
        )
        here = np.where(counted & (harder < above), here, 0.0)
    return total / top


_TOP_WORDS = 1 << 62
"""The first word of a pool's key that chooses among the highest."""

_SCORED = 1 << 20
"""Scores of whole users at a time."""


class HardItems(ScoredItems):
    """The eligible items of a block of users, to be drawn by hardness."""

    def __init__(self, block: SeenBlock, scored: ScoredBlock, hardness: Hardness) -> None:
        super().__init__(block, scored)
        self._hardness = hardness
        self.pool_size = hardness.pool

    def _choose(
        self,
        asks: Asks,
        keys: Words,
        pools: Positions,
        counts: Positions,
        taken: Positions | None,  # noqa: ARG002
    ) -> Positions:
        scores = self._scores_of(asks.rows, pools)
        _, skip, top = self._hardness.choices(counts)
        places = skip
        if self._hardness.top > 1:
            places = skip + bounded(keys, top, np.full(len(keys), _TOP_WORDS), 0)
        if (pools[-1] < 0).any():
            scores[pools < 0] = -np.inf
        slots = scores.argmax(axis=0) if not places.any() else _slots_at(scores, places)
        chosen: Positions = pools[slots, np.arange(len(slots))]
        return chosen

    def densities(self, groups: Asks, items: Positions, part: Floats, mass: Positions) -> Floats:  # noqa: D102
        q = np.zeros(items.shape)
        of, slots = np.nonzero((items >= 0) & (part > 0)[:, None])
        drawn = items[of, slots]
        can_be = self.has(groups.rows[of], drawn)
        of, slots, drawn = of[can_be], slots[can_be], drawn[can_be]
        q[of, slots] = part[of] * self._chances(groups.at(of), drawn, mass[of], more=0)
        return q

    def head_densities(self, groups: Asks, heads: Positions, part: Floats, mass: Positions) -> Floats:  # noqa: D102
        q = np.zeros(len(groups))
        of = np.flatnonzero(part > 0)
        q[of] = part[of] * self._chances(groups.at(of), heads[of], mass[of], more=1)
        return q

    def _chances(self, asks: Asks, items: Positions, mass: Positions, *, more: int) -> Floats:
        """The probability of items that are eligible or, with ``more`` of 1, each as if it were one more such item."""
        scores = self._scored.scores
        q = 1 / (mass + more)
        inside = np.flatnonzero(items < scores.n_items)
        codes = scores.known_below[items[inside]]
        is_known = scores.known_below[items[inside] + 1] > codes
        of, codes = inside[is_known], codes[is_known]
        known = self._scored.known_span(asks.at(of))[1] + more
        harder, alike = self._standings(asks.at(of), codes)
        q[of] *= known * chances(self._hardness, known, harder, alike + more)
        return q

    def _standings(self, asks: Asks, codes: Positions) -> tuple[Positions, Positions]:
        """How many eligible known items of its window have a higher score than each known item, and how many the same.

        Scores and sorts all of a user's eligible items, window by window.
        """
        scored = self._scored
        lows, highs = scored.bounds(asks)
        order = np.lexsort([highs, lows, asks.rows])
        rows, lows, highs = asks.rows[order], lows[order], highs[order]
        is_new = (rows[1:] != rows[:-1]) | (lows[1:] != lows[:-1]) | (highs[1:] != highs[:-1])
        bounds = [0, *(np.flatnonzero(is_new) + 1).tolist(), len(rows)] if len(rows) else []
        harder, alike = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
        first_scored, scores = -1, np.empty((0, 0))
        step = max(1, _SCORED // max(1, scored.scores.n_known))
        for begin, end in pairwise(bounds):
            row, low, high = int(rows[begin]), int(lows[begin]), int(highs[begin])
            if not first_scored <= row < first_scored + len(scores):
                first_scored, scores = row, scored.scores.of_all(scored.factors[row : row + step])
            mine = scores[row - first_scored]
            seen = scored.known.items[scored.known.starts[row] : scored.known.starts[row + 1]]
            is_eligible = np.ones(scored.scores.n_known, bool)
            is_eligible[seen] = False
            ascending = np.sort(mine[low:high][is_eligible[low:high]])
            wanted = mine[codes[order[begin:end]]]
            up_to = np.searchsorted(ascending, wanted, side="right")
            harder[order[begin:end]] = len(ascending) - up_to
            alike[order[begin:end]] = up_to - np.searchsorted(ascending, wanted, side="left")
        return harder, alike


def _slots_at(scores: Exact, places: Positions) -> Positions:
    """The slot of the score at each place, 0 the highest; of equal scores the one in the earlier slot comes first."""
    size = len(scores)
    bits = size.bit_length()
    tagged = np.where(np.isfinite(scores), scores, -(2.0**30)).T.astype(np.int64, order="C")
    tagged <<= bits
    tagged |= np.arange(size - 1, -1, -1)
    tagged.sort(axis=1)
    chosen = tagged[np.arange(len(tagged)), size - 1 - places]
    slots: npt.NDArray[np.int64] = size - 1 - (chosen & ((1 << bits) - 1))
    return slots
