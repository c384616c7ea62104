"""Pools: several different eligible items, every choice of them equally likely, for each draw."""

from __future__ import annotations

from copy import copy

import numpy as np
import numpy.typing as npt

from negprep.draw import Words, bounded, word
from negprep.samplers.repeated import repeated
from negprep.samplers.shuffled import shuffled_ranks
from negprep.samplers.uniform import SHUFFLED_BELOW, Workspace, distinct_draws
from negprep.seen import Positions, SeenBlock


def draw_pools(
    block: SeenBlock,
    mask: npt.NDArray[np.uint8],
    rows: Positions,
    keys: Words,
    size: int,
    window: tuple[Positions, Positions] | None,
    workspace: Workspace,
) -> Positions:
    """Draw a pool for each key.

    Parameters
    ----------
    block : SeenBlock
    mask : uint8
        That of the block.
    rows : int64, shape (n_pools,)
    keys : uint64, shape (n_pools,)
        One of its own for each pool.
    size : int
    window : two int64 arrays of shape (n_pools,), or None
        The first rank, and how many ranks, a pool is drawn from. None: all of the user's.
    workspace : Workspace
        Of at least size * n_pools.

    Returns
    -------
    int64, shape (size, n_pools)
        Items in random order, -1 beyond those that exist.
    """
    if window is None:
        return distinct_draws(block, mask, rows, keys, size, workspace)
    firsts, counts = window
    ranks = draw_ranks(keys, counts, size)
    slots, pools = np.nonzero(ranks >= 0)
    items = np.full(ranks.shape, -1)
    items[slots, pools] = block.select(rows[pools], firsts[pools] + ranks[slots, pools])
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

    Attributes
    ----------
    counts : int64, shape (n,)
        How many are left.
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
