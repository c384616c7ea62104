"""Sets of (user, item) pairs as sorted 64-bit keys, searched by halving."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from negprep.arrays import Codes, Keys

Rows = npt.NDArray[np.int64]

_MASKED = 1 << 26
_FEW = 1_000
_CACHED = 1 << 18
_MANY = 1 << 14
_STEP = 1 << 16
_SPARSE = 8
_BLOCK = 1 << 6
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SEVERAL = 2


def steps(size: int) -> Iterator[slice]:
    """Places from 0 up to ``size``, so many at a time that what is computed of them stays in a cache."""
    return (slice(begin, min(begin + _STEP, size)) for begin in range(0, size, _STEP))


def distinct(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The distinct values, ascending. Sorts in place."""
    values.sort()
    if not values.size:
        return values
    first = np.empty(len(values), bool)
    first[0] = True
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return values if first.all() else values[first]


def in_succession(places: Rows) -> Rows | slice:
    """Ascending places, as a slice where they come one after the other: then nothing is gathered."""
    if len(places) and places[-1] - places[0] == len(places) - 1 and (places[1:] > places[:-1]).all():
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


def count_into(total: Rows, codes: npt.NDArray[np.integer], weights: Rows | None = None) -> None:
    """Add how often each code occurs, or the sums of the weights."""
    if not len(codes):
        return
    low, high = int(codes.min()), int(codes.max()) + 1
    if high - low <= 8 * len(codes):
        found = np.bincount(codes - low, weights=weights, minlength=high - low)
        total[low:high] += found if weights is None else found.astype(np.int64)
    else:
        np.add.at(total, codes, 1 if weights is None else weights)


def _hashed(keys: Keys, size: int) -> tuple[Rows, npt.NDArray[np.uint8]]:
    """A place among ``size``, a power of two, for each key, and an odd number."""
    mixed = keys.view(np.uint64) * _FACTOR
    places = (mixed >> np.uint64(65 - size.bit_length())).view(np.int64)
    return places, (mixed >> np.uint64(24)).astype(np.uint8) | np.uint8(1)


def in_order(keys: Keys) -> tuple[Rows, Keys]:
    """The places of the keys in ascending order, equal ones as they came, and the keys so."""
    if (keys[1:] >= keys[:-1]).all():
        return np.arange(len(keys)), keys
    low, bits = int(keys.min(initial=0)), len(keys).bit_length()
    if (int(keys.max(initial=0)) - low).bit_length() + bits > 63:
        order = np.argsort(keys, kind="stable")
        return order, keys[order]
    packed = ((keys - low) << bits) | np.arange(len(keys))  # to sort these takes half the time of an argsort
    packed.sort()
    return packed & ((1 << bits) - 1), (packed >> bits) + low


Ordered = tuple[Keys, Rows, int]
"""Some keys, ascending, the row of each, and the epoch of all."""


class Gathered:
    """Rows with keys to be looked up in a set, held back until they are many, and then given in order of keys.

    So neighbours in memory are looked up one after the other; of few rows, each would be far from the next.
    """

    def __init__(self, pairs: PairSet) -> None:
        self._row_bits = 63 - (pairs.n_users * pairs.n_items).bit_length()
        self._packed = np.empty(max(_STEP, len(pairs) // 4), np.int64)
        self._size = self._first = self._epoch = 0

    def add(self, keys: Keys, rows: Rows, epoch: int) -> Iterator[Ordered]:
        """Take some, whose rows ascend, and give those for which there is no room, in parts."""
        if not len(keys):
            return
        if epoch != self._epoch or not self._has_room(rows):
            yield from self.take()
            self._epoch, self._first = epoch, int(rows[0])
        if self._has_room(rows):
            self._packed[self._size : self._size + len(keys)] = (keys << self._row_bits) | (rows - self._first)
            self._size += len(keys)
        else:
            order, ordered = in_order(keys)
            yield ordered, rows[order], epoch

    def _has_room(self, rows: Rows) -> bool:
        return self._size + len(rows) <= len(self._packed) and (int(rows[-1]) - self._first) >> self._row_bits == 0

    def take(self) -> Iterator[Ordered]:
        """Give all, in parts."""
        packed, self._size = self._packed[: self._size], 0
        packed.sort()
        for here in steps(len(packed)):
            rows = (packed[here] & ((1 << self._row_bits) - 1)) + self._first
            yield packed[here] >> self._row_bits, rows, self._epoch


@dataclass(frozen=True, eq=False)
class PairSet:
    """Distinct pairs."""

    keys: Keys  # int64 (n,): user * n_items + item, ascending
    n_users: int
    n_items: int

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def users(self) -> Codes:
        """The user of each pair: int32, shape (n,)."""
        return np.repeat(np.arange(self.n_users, dtype=np.int32), np.diff(self.starts))

    @cached_property
    def items(self) -> Codes:
        """The item of each pair: int32, shape (n,)."""
        found = np.empty(len(self.keys), np.int32)
        for here in steps(len(found)):
            found[here] = self.keys[here] - self.users[here] * np.int64(self.n_items)
        return found

    @cached_property
    def starts(self) -> Rows:
        """Where the pairs of each user start, and the end: int64, shape (n_users + 1,)."""
        return np.searchsorted(self.keys, np.arange(self.n_users + 1, dtype=np.int64) * self.n_items)

    @property
    def counts(self) -> Rows:
        """Pairs of each user: int64, shape (n_users,)."""
        return np.diff(self.starts)

    def find(self, keys: Keys) -> Rows:
        """The position of each of some keys, -1 for one that is not here: int64, the shape of ``keys``."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        if len(keys) > _FEW and not (keys[1:] >= keys[:-1]).all():
            # Queries in order find their neighbours in the cache: several times as fast as queries here and there.
            order, ordered = in_order(keys)
            found = np.empty(len(keys), np.int64)
            found[order] = self.find(ordered)
            return found
        begin, end = np.searchsorted(self.keys, [keys[0], keys[-1] + 1]) if len(keys) > _FEW else (0, len(self.keys))
        if end - begin == len(keys) and np.array_equal(self.keys[begin:end], keys):
            return np.arange(begin, end)
        is_dense = end - begin < _SPARSE * len(keys)
        places = begin + np.searchsorted(self.keys[begin:end], keys) if is_dense else self._bounds(keys)
        return np.where(self.keys.take(places, mode="clip") == keys, places, -1)

    def rows_in(self, keys: Keys) -> Rows:
        """Which of some keys, in any order, are here: their positions among ``keys``, ascending."""
        if not len(self.keys) or not keys.size:
            return np.empty(0, np.int64)
        if int(keys.min()) < 0:
            known = np.flatnonzero(keys >= 0)
            return known[self.rows_in(keys[known])]
        low, high = int(keys.min()), int(keys.max())
        begin, end = np.searchsorted(self.keys, [low, high + 1])
        if high - low < _MASKED and end - begin <= 4 * len(keys):  # the keys of a few users: a byte for each item
            mask = np.zeros(high - low + 1, bool)
            mask[self.keys[begin:end] - low] = True
            return np.flatnonzero(mask[keys - low])
        if len(self.keys) > _CACHED and len(keys) > _MANY:  # fewer are not worth the marks
            likely = np.concatenate([here.start + self._likely(keys[here]) for here in steps(len(keys))])
            return likely[self._found(keys[likely])]
        return self._found(keys)

    def _likely(self, keys: Keys) -> Rows:
        """Which of some keys may be here: those that have their mark, or one of several keys, at their place."""
        places, marks = _hashed(keys, len(self._marks))
        there = self._marks.take(places)
        return np.flatnonzero((there == marks) | (there == _SEVERAL))

    @cached_property
    def _marks(self) -> npt.NDArray[np.uint8]:
        """The marks of the keys at their places: one look tells nearly all keys that are not here."""
        found = np.zeros(1 << min(28, (4 * len(self.keys)).bit_length()), np.uint8)
        for here in steps(len(self.keys)):
            places, marks = _hashed(self.keys[here], len(found))
            found[places] = np.where(found.take(places) == 0, marks, _SEVERAL)
            found[places[found.take(places) != marks]] = _SEVERAL
        return found

    def _found(self, keys: Keys) -> Rows:
        """``rows_in`` by search alone."""
        ordered = np.sort(keys)
        places = self._bounds(ordered)
        hits = ordered[self.keys.take(places, mode="clip") == ordered]
        return np.flatnonzero(np.isin(keys, distinct(hits))) if hits.size else np.empty(0, np.int64)

    def _bounds(self, ordered: Keys) -> Rows:
        """``np.searchsorted`` of the keys and others, which ascend.

        Where these are far apart, each of its steps waits for memory. Here all look for their block among the first
        keys of blocks, which fit a cache, and then take the steps within their blocks together.
        """
        if len(self.keys) < _SPARSE * max(len(ordered), _BLOCK):
            return np.searchsorted(self.keys, ordered)
        places = (np.searchsorted(self._firsts, ordered) - 1).clip(0) * _BLOCK
        step = _BLOCK
        while step > 1:
            step >>= 1
            places += (self.keys.take(places + (step - 1), mode="clip") < ordered) * np.int64(step)
        places += self.keys.take(places, mode="clip") < ordered
        found: Rows = np.minimum(places, len(self.keys))
        return found

    @cached_property
    def _firsts(self) -> Keys:
        return self.keys[::_BLOCK].copy()

    def where(self, kept: npt.NDArray[np.bool_]) -> PairSet:
        """Some of the pairs."""
        if kept.all():  # what is known of them stays known
            return self
        return PairSet(self.keys[kept], self.n_users, self.n_items)

    def union(self, *others: PairSet) -> PairSet:
        """The pairs of any of these."""
        some = [each for each in (self, *others) if len(each)]
        if len(some) < 2:
            return some[0] if some else self
        return PairSet(distinct(np.concatenate([each.keys for each in some])), self.n_users, self.n_items)

    def without(self, other: PairSet) -> PairSet:
        """The pairs that the other lacks."""
        return self if not len(other) or not len(self) else self.where(other.find(self.keys) < 0)
