"""Hardness ranks: which of a pool is taken, and how probable that makes an item of a given rank.

A pool of N of m items without replacement is sorted by score; after the first S, one of the next M is taken, each with
the same probability.
Source: Zhang et al., Optimizing top-N collaborative filtering via dynamic negative item sampling, SIGIR 2013; with M:
Shi et al., On the theories behind hard negative sampling for recommendation, WWW 2023.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from negprep.seen import Positions

Reals = npt.NDArray[np.float64]


_RANKS_AT_A_TIME = 1 << 18


@dataclass(frozen=True)
class Hardness:
    """Which of a pool is taken.

    Attributes
    ----------
    pool : int
        N.
    top : int
        M.
    skip : int
        S.
    """

    pool: int
    top: int
    skip: int

    def choices(self, counts: Positions) -> tuple[Positions, Positions, Positions]:
        """N, S and M where there are ``counts`` items, at least 1: of a small pool less is skipped, one is always left.

        Returns
        -------
        pool, skip, top : int64, the shape of ``counts``
        """
        pool = np.minimum(counts, self.pool)
        skip = np.minimum(pool - 1, self.skip)
        return pool, skip, np.minimum(pool - skip, self.top)


def chances(hardness: Hardness, counts: Positions, harder: Positions, alike: Positions) -> Reals:
    """The probability that a draw is a given item.

    Parameters
    ----------
    hardness : Hardness
    counts : int64, shape (n,)
        Items that there are, m.
    harder : int64, shape (n,)
        Those with a higher score than the item.
    alike : int64, shape (n,)
        Those with the same, the item among them: they share the ranks from harder + 1 on, each with the same
        probability.

    Returns
    -------
    float64, shape (n,)
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


def chances_of_ranks(hardness: Hardness, counts: Positions, ranks: Positions) -> Reals:
    """The probability that the item of a hardness rank is drawn: float64, shape (n,).

    Parameters
    ----------
    hardness : Hardness
    counts : int64, shape (n,)
        Items that there are, m.
    ranks : int64, shape (n,)
        1, the hardest, to m.

    Notes
    -----
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
