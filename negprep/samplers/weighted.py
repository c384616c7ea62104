"""Popularity and other weights as a measure: proposals from the whole catalog, and the exact cut behind them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import numpy.typing as npt

from negprep.draw import GAMMA, Words, bounded, mix, word_bases
from negprep.samplers.cut import SeenCut
from negprep.samplers.measures import Asks, Measure
from negprep.samplers.uniform import unravel
from negprep.samplers.weights import Weights
from negprep.seen import Positions, SeenBlock

_HALF = np.uint64(32)
_LOW_HALF = np.uint64(0xFFFFFFFF)
_WORDS = (1 << 64) - 1
_NEXT_ATTEMPT = np.uint64((int(GAMMA) << 32) & _WORDS)
"""From the base of a word to that of the next attempt at the same draw."""

_COIN_WORDS = 3 << 61
_COIN = np.uint64((int(GAMMA) * _COIN_WORDS) & _WORDS)
"""From the base of a word to that of the word that decides a coin which 32 bits leave undecided."""


class Proposing:
    """Arrays that every block of proposals reuses. One a thread."""

    def __init__(self) -> None:
        self._words = [np.empty(0, np.uint64)] * 3
        self._flags, self._bytes = np.empty(0, bool), np.empty(0, np.uint8)

    def of(self, shape: tuple[int, ...]) -> tuple[Words, Words, Words, npt.NDArray[np.bool_], npt.NDArray[np.uint8]]:
        """Arrays of a shape, with anything in them."""
        size = int(np.prod(shape))
        if size > len(self._bytes):
            self._words = [np.empty(size, np.uint64) for _ in range(3)]
            self._flags, self._bytes = np.empty(size, bool), np.empty(size, np.uint8)
        first, second, third = (words[:size].reshape(shape) for words in self._words)
        return first, second, third, self._flags[:size].reshape(shape), self._bytes[:size].reshape(shape)


class WeightedItems(Measure):
    """For each eligible item as many points as its weight has units.

    Parameters
    ----------
    block : SeenBlock
    weights : Weights
        Of the items by position.
    mask : uint8, optional
        The mask of ``block``, marked. Without it nothing can be proposed, and every draw takes the way of those whose
        proposals all failed.
    room : Proposing, optional

    Notes
    -----
    A draw first *proposes* an item of the whole catalog, which costs little; one that is seen is proposed anew, a
    bounded number of times. Then the seen items are cut out of the cumulative weights of the catalog, which the users
    share, and what is left cannot fail.
    """

    proposals = 12
    """Attempts at a proposal before seen items are cut out, which costs some ten times as much as one."""

    def __init__(
        self,
        block: SeenBlock,
        weights: Weights,
        mask: npt.NDArray[np.uint8] | None = None,
        room: Proposing | None = None,
    ) -> None:
        self._block, self._weights, self._mask = block, weights, mask
        self._room = Proposing() if room is None else room

    def before(self, rows: Positions, items: Positions) -> Positions:  # noqa: D102
        return self._cut.before(rows, items, self._block.count_below(rows, items))

    def total(self, rows: Positions) -> Positions:  # noqa: D102
        return self._cut.totals[rows]

    def is_empty(self, asks: Asks) -> npt.NDArray[np.bool_]:  # noqa: D102
        if asks.lows is not None or not self._weights.all_positive:
            return super().is_empty(asks)
        empty: npt.NDArray[np.bool_] = self._block.eligible[asks.rows] == 0
        return empty

    def sizes(self, items: Positions) -> Positions:  # noqa: D102
        units = self._weights.units.take(items, mode="clip")
        return np.where(items < len(self._weights), units, 0)  # beyond are items outside the catalog

    def has(self, rows: Positions, items: Positions) -> npt.NDArray[np.bool_]:  # noqa: D102
        return ~self._block.contains(rows, items)

    def items_at(self, rows: Positions, points: Positions) -> Positions:  # noqa: D102
        return self._cut.items_at(rows, points)

    def draw(self, asks: Asks, attempt: int) -> Positions:  # noqa: D102
        if asks.lows is not None or self._mask is None:
            return super().draw(asks, attempt)
        bases = word_bases(asks.keys, asks.draws + (attempt << 32))[None]
        items: Positions = self._draw(bases, asks.rows, self._mask, asks.at, attempt)[0]
        return items

    def draw_groups(self, groups: Asks, num_neg: int) -> Positions:  # noqa: D102
        if groups.lows is not None or self._mask is None:
            return super().draw_groups(groups, num_neg)

        def asks_at(places: Positions) -> Asks:
            draws, of = unravel(places, num_neg, len(groups))
            return Asks(groups.rows[of], groups.keys[of], draws)

        bases = word_bases(groups.keys, np.arange(num_neg)[:, None])
        return self._draw(bases, groups.rows, self._mask, asks_at, 0)

    def _draw(
        self,
        bases: Words,
        rows: Positions,
        mask: npt.NDArray[np.uint8],
        asks_at: Callable[[Positions], Asks],
        attempt: int,
    ) -> Positions:
        """One item for each word: int64, shape (num_neg, n).

        Parameters
        ----------
        bases : uint64, shape (num_neg, n)
            The keys and counters of the words of ``attempt``, before they are mixed.
        rows : int64, shape (n,)
        mask : uint8
        asks_at
            Gives the asks of some flat places.
        attempt : int
        """
        offsets = rows * self._block.width
        proposed, todo = self._propose(bases, offsets, mask)
        items = proposed.copy()
        flat, bases = items.reshape(-1), bases.reshape(-1)[todo]
        offsets = offsets[unravel(todo, len(items), len(rows))[1]]
        for _ in range(1, self.proposals):
            if not todo.size:
                return items
            bases += _NEXT_ATTEMPT
            flat[todo], again = self._propose(bases, offsets, mask)
            todo, bases, offsets = todo[again], bases[again], offsets[again]
        if todo.size:
            flat[todo] = self._draw_left(asks_at(todo), attempt + self.proposals)
        return items

    def _propose(self, bases: Words, offsets: Positions, mask: npt.NDArray[np.uint8]) -> tuple[Positions, Positions]:
        """Items of the whole catalog, and the flat places of those that are seen or come from a word with a bias.

        Parameters
        ----------
        bases : uint64, shape (n,) or (num_neg, n)
        offsets : int64, shape (n,)
            Where the mask of the user begins.
        mask : uint8

        Returns
        -------
        items : int64, the shape of ``bases``
            In memory that the next call reuses.
        failed : int64
        """
        n_items = len(self._weights)
        if not bases.size:
            return np.empty(bases.shape, np.int64), np.empty(0, np.int64)
        words, looked_up, coins, others, hits = self._room.of(bases.shape)
        np.copyto(words, bases)
        mix(words, looked_up)
        np.left_shift(words, _HALF, out=coins)
        np.right_shift(words, _HALF, out=words)
        np.multiply(words, np.uint64(n_items), out=words)
        rests, too_low = np.bitwise_and(words, _LOW_HALF, out=looked_up), np.uint64(2**32 % n_items)
        biased = np.flatnonzero(rests < too_low) if rests.min() < too_low else np.empty(0, np.int64)
        columns = np.right_shift(words, _HALF, out=words).view(np.int64)
        items, undecided = self._weights.look_up(columns, coins, out=looked_up, others=others)
        if undecided.size:
            coin_words = mix(bases.reshape(-1)[undecided] + _COIN)
            items.reshape(-1)[undecided] = self._weights.settle(columns.reshape(-1)[undecided], coin_words)
        places = coins.view(np.int64)
        folded = items if self._block.is_exact else np.bitwise_and(items, self._block.width - 1, out=places)
        np.add(folded, offsets, out=places)
        mask.take(places, out=hits, mode="clip")
        hits.reshape(-1)[biased] = 1
        failed = np.flatnonzero(hits.view(np.bool_))
        if not self._block.is_exact:
            rows = offsets[failed % len(offsets)] // self._block.width
            fails = self._block.contains(rows, items.reshape(-1)[failed])
            fails[np.searchsorted(failed, biased)] = True
            failed = failed[fails]
        return items, failed

    def _draw_left(self, asks: Asks, attempt: int) -> Positions:
        """One item for each, with the seen items cut out: of these users alone, who are few."""
        rows, of = np.unique(asks.rows, return_inverse=True)
        starts = self._block.starts
        sizes = starts[rows + 1] - starts[rows]
        own_starts = np.concatenate([[0], np.cumsum(sizes)])
        entries = np.arange(own_starts[-1]) + np.repeat(starts[rows] - own_starts[:-1], sizes)
        cut = SeenCut(self._weights, own_starts, self._block.items[entries])
        return cut.items_at(of, bounded(asks.keys, cut.totals[of], asks.draws, attempt))

    @cached_property
    def _cut(self) -> SeenCut:
        """Of all users of the block."""
        return SeenCut(self._weights, self._block.starts, self._block.items)
