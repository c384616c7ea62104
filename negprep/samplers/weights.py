"""Item weights as whole numbers, and the table that draws from them in one look-up.

Weights are quantised before anything is drawn, so that no sum depends on its order and every machine draws the same:
the *units* of all items of a catalog add up to ``n_items * column`` exactly, with ``column`` the largest power of two
that keeps this within 2**62, at most 2**62 / n_items. The probabilities that a sampler states are those of the units.

Source of the table: Walker, An efficient method for generating discrete random variables with general distributions,
ACM TOMS 1977; made here from prefix sums, as in Huebschle-Schneider and Sanders, Parallel weighted random sampling,
ACM TOMS 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from functools import cached_property

import numpy as np
import numpy.typing as npt

from negprep.draw import Words
from negprep.samplers.guide import Guide

Units = npt.NDArray[np.int64]

_TOTAL_BITS = 62
_COIN_BITS = 32
_LOW_HALF = np.uint64(0xFFFFFFFF)
_MOST_ITEMS = 1 << (_TOTAL_BITS - _COIN_BITS)
_MOST_GUIDED = 1 << 20
"""Of more items, a guide would take longer to make than it saves."""

_DIGITS = Context(prec=40)
_WHOLE = 10**30
"""Real weights become whole numbers in this unit of the largest, before they are shared out as units."""


@dataclass(frozen=True, eq=False)
class Weights:
    """The weight of every item of a catalog.

    Attributes
    ----------
    units : int64, shape (n_items,)
        Not negative; their sum is ``n_items << column_bits``.
    column_bits : int
    """

    units: Units
    column_bits: int

    def __len__(self) -> int:
        return len(self.units)

    @cached_property
    def before(self) -> Units:
        """The units of all items before each item, and of all: int64, shape (n_items + 1,)."""
        return np.concatenate([[0], np.cumsum(self.units)])

    def find(self, points: Units) -> Units:
        """The item that each point of all units belongs to: int64, the shape of ``points``, (m,)."""
        if len(self) > _MOST_GUIDED:
            return np.searchsorted(self.before[1:], points, side="right")
        return self._guide.find(points)

    @cached_property
    def _guide(self) -> Guide:
        return Guide(self.before[1:], self.column_bits)

    @cached_property
    def all_positive(self) -> bool:
        """Whether every item has a unit at least."""
        return bool(self.units.min(initial=1) > 0)

    def reordered(self, items: npt.NDArray[np.integer]) -> Weights:
        """The weights of the same items in another order."""
        return Weights(self.units[items], self.column_bits)

    @cached_property
    def _table(self) -> tuple[Words, npt.NDArray[np.int32], Words]:
        """For each column the item itself below a threshold, and from there on its alias.

        Returns
        -------
        packed : uint64, shape (n_items,)
            The upper 32 bits of the threshold, and the bits in which the alias differs from the item.
        aliases : int32
        lower : uint64
            The rest of the threshold's bits.
        """
        column, n_items = 1 << self.column_bits, len(self)
        excess = self.units - column
        is_small = excess < 0
        small, large = np.flatnonzero(is_small), np.flatnonzero(~is_small)
        lacks, spare = np.cumsum(-excess[small]), np.cumsum(excess[large])
        begins = lacks + excess[small]
        thresholds, aliases = self.units.copy(), np.arange(n_items)
        # What the small columns lack is taken from the large ones in order; the one that runs out is itself filled up
        # by the next.
        aliases[small] = large[np.searchsorted(spare, begins, side="right")]
        served = np.searchsorted(begins, spare, side="left")
        overrun = np.where(served > 0, lacks.take(served - 1, mode="clip") if small.size else 0, 0) - spare
        overrun = np.maximum(overrun, 0)
        thresholds[large] = column - overrun
        aliases[large] = np.where(overrun > 0, np.append(large[1:], -1), large)
        thresholds[aliases == np.arange(n_items)] = 0
        fine = self.column_bits - _COIN_BITS
        upper = (thresholds >> fine).astype(np.uint64)
        lower = (thresholds & ((1 << fine) - 1)).astype(np.uint64)
        differences = (aliases ^ np.arange(n_items)).astype(np.uint64)
        return (upper << np.uint64(32)) | differences, aliases.astype(np.int32), lower

    def look_up(
        self, columns: Units, coins: Words, *, out: Words, others: npt.NDArray[np.bool_]
    ) -> tuple[Units, Units]:
        """Items of random columns and coins, of any one shape.

        Parameters
        ----------
        columns : int64
            0 to n_items - 1, all equally likely.
        coins : uint64
            Random upper 32 bits, and zeros. Overwritten.
        out : uint64
            Memory for the items.
        others : bool
            Memory to work in.

        Returns
        -------
        items : int64
            ``out``.
        undecided : int64
            The flat places at which the coin equals the upper bits of the threshold, so that ``settle`` must decide.
        """
        self._table[0].take(columns, out=out, mode="clip")
        np.greater_equal(coins, out, out=others)
        np.subtract(out, coins, out=coins)
        # The upper bits are equal where the subtraction leaves no others.
        is_decided = not coins.size or coins.min() > _LOW_HALF
        undecided = np.empty(0, np.int64) if is_decided else np.flatnonzero(coins <= _LOW_HALF)
        # To copy where `others` is set would take several times as long as to multiply by it.
        np.multiply(np.bitwise_and(out, _LOW_HALF, out=out), others, out=out)
        items = out.view(np.int64)
        return np.bitwise_xor(items, columns, out=items), undecided

    def settle(self, columns: Units, words: Words) -> Units:
        """The items of undecided columns, given a further random word for each."""
        _, aliases, lower = self._table
        fine = self.column_bits - _COIN_BITS
        rest = words >> np.uint64(64 - fine) if fine else np.zeros_like(words)
        return np.where(rest < lower[columns], columns, aliases[columns])


def quantised(values: list[Decimal], which: npt.NDArray[np.integer]) -> Weights:
    """Weights of a catalog whose item ``j`` has the real weight ``values[which[j]]``.

    Parameters
    ----------
    values : list of Decimal
        Not negative, at least one of those that occur positive.
    which : integers, shape (n_items,)

    Returns
    -------
    Weights
        An item of positive weight has at least one unit. What rounding leaves over goes, a unit each, to the first
        items of positive weight.
    """
    n_items = len(which)
    if n_items > _MOST_ITEMS:
        raise ValueError(f"weights for {n_items} items; the most are {_MOST_ITEMS}")
    column_bits = _TOTAL_BITS - (n_items - 1).bit_length()
    total = n_items << column_bits
    occurs = np.bincount(which, minlength=len(values))
    largest = max(value for value, count in zip(values, occurs, strict=True) if count)
    whole = [int(_DIGITS.multiply(_DIGITS.divide(value, largest), _WHOLE)) for value in values]
    everything = sum(part * int(count) for part, count in zip(whole, occurs, strict=True))
    shares = [
        max(1, part * total // everything) if value > 0 and count else 0
        for part, value, count in zip(whole, values, occurs, strict=True)
    ]
    units = np.array(shares, np.int64)[which]
    return Weights(_topped_up(units, total), column_bits)


def _topped_up(units: Units, total: int) -> Units:
    """The units with a sum of exactly ``total``; overwritten."""
    positive = np.flatnonzero(units)
    missing = total - sum_of(units)
    rounds, rest = divmod(missing, len(positive)) if missing >= 0 else (0, 0)
    units[positive] += rounds
    units[positive[:rest]] += 1
    if missing < 0:  # items of next to no weight were raised to one unit: the heaviest pay for it
        order = positive[np.argsort(-units[positive], kind="stable")]
        spare = np.cumsum(units[order] - 1)
        last = int(np.searchsorted(spare, -missing))
        before = int(spare[last - 1]) if last else 0
        units[order[:last]] = 1
        units[order[last]] -= -missing - before
    return units


def sum_of(units: Units) -> int:
    """The exact sum of numbers below 2**63, however many."""
    return (int((units >> 32).sum()) << 32) + int((units & 0xFFFFFFFF).sum())


def popularity_weights(counts: npt.NDArray[np.int64], *, alpha: Decimal, smooth: Decimal) -> Weights:
    """(count + smooth) ** alpha for every item; 0 where count + smooth is 0.

    Parameters
    ----------
    counts : int64, shape (n_items,)
        Train positives of each item.
    alpha : Decimal
        0 makes all items alike, 1 is proportional; a negative one favours the rare.
    smooth : Decimal
        Not negative. Above 0, items without a train positive can be drawn.

    Raises
    ------
    ValueError
        No item has a positive weight.

    Notes
    -----
    Powers are taken in decimal arithmetic, which rounds alike on every machine, once for each distinct count.
    Source: Mikolov et al., Distributed representations of words and phrases, NIPS 2013 (alpha 0.75).
    """
    distinct, which = np.unique(counts, return_inverse=True)
    bases = [Decimal(int(count)) + smooth for count in distinct]
    if not any(base > 0 for base in bases):
        raise ValueError("no item has a positive weight")
    return quantised([_DIGITS.power(base, alpha) if base > 0 else Decimal(0) for base in bases], which)
