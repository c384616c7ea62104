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
_FACTORS = (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03)


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


def _hashes(keys: Keys, size: int, factor: int) -> npt.NDArray[np.uint64]:
    """A place among ``size``, a power of two, for each key."""
    return (keys.view(np.uint64) * np.uint64(factor)) >> np.uint64(65 - size.bit_length())


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
            likely = np.flatnonzero(self._marks[_hashes(keys, len(self._marks), _FACTORS[0])])
            likely = likely[self._marks[_hashes(keys[likely], len(self._marks), _FACTORS[1])]]
            return likely[self._found(keys[likely])]
        return self._found(keys)

    @cached_property
    def _marks(self) -> npt.NDArray[np.bool_]:
        """Where the two hashes of a key may be (Bloom): one look, or two, tell most keys that are not here."""
        marks = np.zeros(1 << min(28, (8 * len(self.keys)).bit_length()), bool)
        for here in steps(len(self.keys)):
            for factor in _FACTORS:
                marks[_hashes(self.keys[here], len(marks), factor)] = True
        return marks

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
