"""Popularity and other weights as a measure: proposals from the whole catalog, and the exact cut behind them."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from negprep.draw import GAMMA, Words, bounded, mix, word_bases
from negprep.samplers.cut import SeenCut
from negprep.samplers.measures import Asks, Measure
from negprep.samplers.uniform import STRIP_DRAWS, unravel
from negprep.samplers.weights import Weights
from negprep.seen import Codes, Positions, SeenBlock

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
        self._words = [np.empty(0, np.uint64)] * 4
        self._flags, self._bytes = np.empty(0, bool), np.empty(0, np.uint8)
        self._tenants = np.empty(0, np.int32)

    def tenants(self, size: int) -> Codes:
        """An item for each byte of a mask, with anything in them."""
        if size > len(self._tenants):
            self._tenants = np.empty(size, np.int32)
        return self._tenants[:size]

    def of(self, size: int) -> tuple[Words, Words, Words, Words, npt.NDArray[np.bool_], npt.NDArray[np.uint8]]:
        """Arrays of a length, with anything in them; the first is for bases, the others are for ``_propose``."""
        if size > len(self._bytes):
            self._words = [np.empty(size, np.uint64) for _ in range(4)]
            self._flags, self._bytes = np.empty(size, bool), np.empty(size, np.uint8)
        first, second, third, fourth = self._words
        return first[:size], second[:size], third[:size], fourth[:size], self._flags[:size], self._bytes[:size]


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
        bases = word_bases(asks.keys, asks.draws + (attempt << 32))
        items: Positions = self._draw(asks, bases, np.zeros(1, np.uint64), self._mask, attempt)[0]
        return items

    def draw_groups(self, groups: Asks, num_neg: int) -> Positions:  # noqa: D102
        if groups.lows is not None or self._mask is None:
            return super().draw_groups(groups, num_neg)
        first_draws = replace(groups, draws=np.zeros(len(groups), np.int64))
        steps = word_bases(np.zeros(1, np.uint64), np.arange(num_neg))
        return self._draw(first_draws, groups.keys, steps, self._mask, 0)

    def _draw(self, groups: Asks, bases: Words, steps: Words, mask: npt.NDArray[np.uint8], attempt: int) -> Positions:
        """Several draws of each group: int64, shape (n_steps, n_groups).

        Parameters
        ----------
        groups : Asks
            The first draw of each.
        bases : uint64, shape (n_groups,)
        steps : uint64, shape (n_steps,)
            What is added to the base of a group to have the key and counter of the word of ``attempt`` at each draw,
            before they are mixed.
        mask : uint8
        attempt : int
        """
        n_steps, n_groups = len(steps), len(groups)
        items, offsets = np.empty((n_steps, n_groups), np.int64), groups.rows * self._block.width
        failed = [np.empty((2, 0), np.int64)]
        width = max(1, STRIP_DRAWS // n_steps)
        for start in range(0, n_groups, width):
            here = slice(start, min(start + width, n_groups))
            size = here.stop - start
            strip = self._room.of(n_steps * size)[0].reshape(n_steps, size)
            np.add(bases[here], steps[:, None], out=strip)
            items[:, here], again = self._propose(strip, offsets[here], mask)
            draws, of = unravel(again, n_steps, size)
            failed.append(np.array([draws, of + start]))
        draws, of = np.concatenate(failed, axis=1)
        places = draws * n_groups + of
        left = self._propose_again(items.reshape(-1), places, bases[of] + steps[draws], offsets[of], mask)
        if left.size:
            draws, of = np.divmod(left, n_groups)
            asks = groups.at(of)
            items[draws, of] = self._draw_left(replace(asks, draws=asks.draws + draws), attempt + self.proposals)
        return items

    def _propose_again(
        self, items: Positions, places: Positions, bases: Words, offsets: Positions, mask: npt.NDArray[np.uint8]
    ) -> Positions:
        """Further attempts at some ``places`` of ``items``, whose words are overwritten. Returns where all failed."""
        for _ in range(1, self.proposals):
            if not places.size:
                break
            bases += _NEXT_ATTEMPT
            items[places], again = self._propose(bases, offsets, mask)
            places, bases, offsets = places[again], bases[again], offsets[again]
        return places

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
        n_items, flat = len(self._weights), bases.reshape(-1)
        if not flat.size:
            return np.empty(bases.shape, np.int64), np.empty(0, np.int64)
        _, words, looked_up, coins, others, hits = self._room.of(flat.size)
        mix(flat, looked_up, out=words)
        np.left_shift(words, _HALF, out=coins)
        np.right_shift(words, _HALF, out=words)
        np.multiply(words, np.uint64(n_items), out=words)
        rests, too_low = np.bitwise_and(words, _LOW_HALF, out=looked_up), np.uint64(2**32 % n_items)
        biased = np.flatnonzero(rests < too_low) if rests.min() < too_low else np.empty(0, np.int64)
        columns = np.right_shift(words, _HALF, out=words).view(np.int64)
        items, undecided = self._weights.look_up(columns, coins, out=looked_up, others=others)
        if undecided.size:
            coin_words = mix(flat[undecided] + _COIN)
            items[undecided] = self._weights.settle(columns[undecided], coin_words)
        places = coins.view(np.int64)
        folded = items if self._block.is_exact else np.bitwise_and(items, self._block.width - 1, out=places)
        np.add(folded.reshape(bases.shape), offsets, out=places.reshape(bases.shape))
        mask.take(places, out=hits, mode="clip")
        hits[biased] = 1
        failed = hits.view(np.bool_).nonzero()[0]
        if not self._block.is_exact:
            fails = self._tenants[places[failed]] == items[failed]
            doubtful = np.flatnonzero(~fails)
            rows = offsets[failed[doubtful] % len(offsets)] // self._block.width
            fails[doubtful] = self._block.contains(rows, items[failed[doubtful]])
            fails[np.searchsorted(failed, biased)] = True
            failed = failed[fails]
        return items.reshape(bases.shape), failed

    def _draw_left(self, asks: Asks, attempt: int) -> Positions:
        """One item for each, with the seen items cut out: of these users alone, who are few."""
        starts = self._block.starts
        is_here = np.zeros(len(starts) - 1, bool)
        is_here[asks.rows] = True
        rows, of = np.flatnonzero(is_here), np.cumsum(is_here)[asks.rows] - 1
        sizes = starts[rows + 1] - starts[rows]
        own_starts = np.concatenate([[0], np.cumsum(sizes)])
        entries = np.arange(own_starts[-1]) + np.repeat(starts[rows] - own_starts[:-1], sizes)
        cut = SeenCut(self._weights, own_starts, self._block.items[entries])
        return cut.items_at(of, bounded(asks.keys, cut.totals[of], asks.draws, attempt))

    @cached_property
    def _tenants(self) -> Codes:
        """One of the seen items that share each byte of the mask; anything where none does.

        Whoever proposes by popularity meets seen items often. It is mostly this one, and no search is needed.
        """
        block = self._block
        tenants = self._room.tenants((len(block.starts) - 1) * block.width)
        rows = np.repeat(np.arange(len(block.starts) - 1), np.diff(block.starts))
        tenants[rows * block.width + (block.items & np.int32(block.width - 1))] = block.items
        return tenants

    @cached_property
    def _cut(self) -> SeenCut:
        """Of all users of the block."""
        return SeenCut(self._weights, self._block.starts, self._block.items)
