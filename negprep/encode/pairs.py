"""Distinct (user, item) pairs in compressed sparse rows; the interactions and the items of a log."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Codes, Mask, Positions, Times, Words
from negprep.arrow import as_numpy, from_numpy, pc
from negprep.encode.vocabulary import Vocabulary
from negprep.errors import BadDataError
from negprep.sample.rng import combine
from negprep.sample.seen import Seen

_COMPARED = 1 << 15
"""Pairs at a time: within a cache."""

_FEW = 8
"""Fewer than one pair in so many are found faster by their places than by a mask."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Distinct (user, item) pairs in compressed sparse rows.

    ``starts``: int64, shape (n_users + 1,). User ``u`` has ``items[starts[u]:starts[u + 1]]``.
    ``items``: int32, shape (n_pairs,). Ascending within a user.
    ``times``: int64, shape (n_pairs,), or None. Nanoseconds since 1970.
    ``carried``: By column of the log that is carried along, int32, shape (n_pairs,). The code of the value of the row
      that gave the pair its time.
    """

    starts: Positions
    items: Codes
    times: Times | None = None
    carried: Mapping[str, Codes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def n_users(self) -> int:
        """How many users there are, those without a pair among them."""
        return len(self.starts) - 1

    @cached_property
    def counts(self) -> Positions:
        """How many pairs each user has: int64, shape (n_users,)."""
        return np.diff(self.starts)

    def users(self, begin: int = 0, end: int | None = None) -> Codes:
        """The user of each pair from ``begin`` to ``end``: int32, ascending."""
        end = len(self) if end is None else end
        first = int(np.searchsorted(self.starts, begin, side="right")) - 1
        last = max(first, int(np.searchsorted(self.starts, end, side="left")))
        bounds = self.starts[first : last + 1].clip(begin, end)
        return np.repeat(np.arange(first, last, dtype=np.int32), bounds[1:] - bounds[:-1])

    def users_at(self, places: Positions) -> Codes:
        """The user of the pair at each of some places, which ascend: int32."""
        if len(places) * _FEW < self.n_users:
            return (self.starts.searchsorted(places, side="right") - 1).astype(np.int32)
        before = places.searchsorted(self.starts)
        return np.repeat(np.arange(self.n_users, dtype=np.int32), np.diff(before))

    def where(self, mask: Mask) -> Pairs:
        """The pairs for which ``mask``, bool of shape (n_pairs,), holds; where it holds for all, these, not copied."""
        n_kept = np.count_nonzero(mask)
        if n_kept == len(mask):
            return self
        if _FEW * n_kept < len(mask):
            places = np.flatnonzero(mask)
            starts: Positions = places.searchsorted(self.starts)
            return self._with(starts, lambda values: values[places])
        lost_before = np.flatnonzero(~mask).searchsorted(self.starts)
        return self._with(self.starts - lost_before, lambda values: values[mask])

    def repeated(self, counts: npt.NDArray[np.int32]) -> Pairs:
        """Each pair ``counts`` times, shape (n_pairs,): no longer distinct."""
        ends = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        return self._with(ends[self.starts], lambda values: np.repeat(values, counts))

    def of_users(self, first: int, last: int) -> Pairs:
        """The pairs of the users from ``first`` up to ``last``, who become 0, 1, ..."""
        begin, end = self.starts[first], self.starts[last]
        return self._with(self.starts[first : last + 1] - begin, lambda values: values[begin:end])

    def _with(self, starts: Positions, choose: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> Pairs:
        """Some of the pairs, as chosen from each array, with starts of their own."""
        times = None if self.times is None else choose(self.times)
        return Pairs(starts, choose(self.items), times, {name: choose(codes) for name, codes in self.carried.items()})

    def without_times(self) -> Pairs:
        """The same pairs, their times forgotten."""
        return replace(self, times=None)


def no_pairs(n_users: int) -> Pairs:
    """Nothing, for so many users."""
    return Pairs(np.zeros(n_users + 1, np.int64), np.empty(0, np.int32))


def pair_keys(purpose: Words, users: Words, items: Words) -> Words:
    """The key of each (user, item) pair for a purpose: uint64. ``users`` and ``items`` are keys and broadcast."""
    return combine(combine(purpose, users), items)


def group_pairs(
    users: Codes,
    items: Codes,
    n_users: int,
    n_items: int,
    *,
    times: Times | None = None,
    latest: bool = True,
    carried: Mapping[str, Codes] | None = None,
) -> Pairs:
    """Distinct pairs of the rows of a log, given the codes of each row.

    A pair that occurs more than once has the latest of its times, or, if not ``latest``, the earliest; and what is
    ``carried`` of a row with that time: of several, of the one whose codes are the smallest, column by column.
    """
    carried = carried or {}
    if _ascend(users, items):
        return Pairs(_starts(users, n_users), items, times, carried)
    packed = users * np.int64(n_items)
    packed += items
    if times is None and not carried:
        packed.sort()
    else:
        order = np.argsort(packed)
        packed = packed[order]
        times = None if times is None else times[order]
        carried = {name: codes[order] for name, codes in carried.items()}
    first = _first_of_run(packed)
    if not first.all():
        packed, starts = packed[first], np.flatnonzero(first)
        sizes, rows = np.diff(starts, append=len(first)), np.arange(len(first) if carried else 0)
        if times is not None:
            given, times = times, (np.maximum if latest else np.minimum).reduceat(times, starts)
            if carried:
                rows = np.flatnonzero(given == np.repeat(times, sizes))
        carried = _smallest(carried, rows, starts, sizes)
    return replace(_unpack(packed, n_users, n_items), times=times, carried=carried)


def _smallest(carried: Mapping[str, Codes], rows: Positions, starts: Positions, sizes: Positions) -> dict[str, Codes]:
    """Of the rows that each run has among those given, the codes of the smallest, column by column."""
    found = {}
    runs = np.repeat(np.arange(len(starts)), sizes)[rows] if carried else rows
    for name, codes in carried.items():
        begins = np.flatnonzero(np.append(True, runs[1:] != runs[:-1]))
        found[name] = np.minimum.reduceat(codes[rows], begins)
        kept = codes[rows] == found[name][runs]
        rows, runs = rows[kept], runs[kept]
    return found


def merge_pairs(parts: list[Pairs], n_items: int) -> Pairs:
    """The pairs that occur in any of the parts, which have the same users. Times are forgotten."""
    filled = [part for part in parts if len(part)] or parts[:1]
    if len(filled) == 1:
        return filled[0].without_times()
    users = np.concatenate([part.users() for part in filled])
    return group_pairs(users, np.concatenate([part.items for part in filled]), filled[0].n_users, n_items)


def merge_disjoint(parts: list[Pairs], n_items: int) -> tuple[Pairs, npt.NDArray[np.int8]]:
    """Disjoint pairs of the same users as one; which part each is from: int8, shape (n_pairs,)."""
    packed = np.concatenate([part.users() * np.int64(n_items) + part.items for part in parts])
    order = np.argsort(packed, kind="stable")  # ascending runs, which this merges
    starts = np.add.reduce([part.starts for part in parts])
    times = None if parts[0].times is None else np.concatenate([part.times for part in parts])[order]
    carried = {name: np.concatenate([part.carried[name] for part in parts])[order] for name in parts[0].carried}
    items = np.concatenate([part.items for part in parts])[order]
    marks = np.repeat(np.arange(len(parts), dtype=np.int8), [len(part) for part in parts])[order]
    return Pairs(starts, items, times, carried), marks


def subtract_pairs(pairs: Pairs, other: Pairs, n_items: int) -> Pairs:
    """The pairs that ``other`` lacks."""
    return pairs.where(~are_among(pairs, other, n_items)) if len(pairs) and len(other) else pairs


def are_among(pairs: Pairs, other: Pairs, n_items: int) -> Mask:
    """Which pairs ``other`` has as well: bool, shape (n_pairs,)."""
    if not len(other):
        return np.zeros(len(pairs), bool)
    packed = pairs.users() * np.int64(n_items) + pairs.items
    taken = other.users() * np.int64(n_items) + other.items
    found: Mask = taken.take(np.searchsorted(taken, packed), mode="clip") == packed
    return found


@dataclass(frozen=True, eq=False)
class Shown:
    """Weak pairs by the impression in which they were shown.

    ``starts``: int64, shape (n_users + 1,). User ``u`` has the impressions ``starts[u]`` to ``starts[u + 1]``.
    ``groups``: int32, shape (n_impressions,). The code by which the log calls each, ascending within a user.
    ``pairs``: The items of each impression, in the place of a user. Some may have none.
    """

    starts: Positions
    groups: Codes
    pairs: Pairs

    @classmethod
    def of(cls, users: Codes, groups: Codes, items: Codes, n_users: int, n_items: int) -> Shown:
        """From rows, shape (n,), in any order and perhaps repeated."""
        named, places = np.unique(users.astype(np.int64) << 32 | groups, return_inverse=True)
        starts = np.searchsorted(named, np.arange(n_users + 1) << 32)
        pairs = group_pairs(places.astype(np.int32), items, len(named), n_items)
        return cls(starts, (named & 0xFFFFFFFF).astype(np.int32), pairs)

    def without(self, other: Pairs, n_items: int) -> Shown:
        """What is left without the pairs of users and items of ``other``."""
        if not len(other) or not len(self.pairs):
            return self
        packed = self.users()[self.pairs.users()] * np.int64(n_items) + self.pairs.items
        taken = other.users() * np.int64(n_items) + other.items
        found = taken.take(np.searchsorted(taken, packed), mode="clip")
        return replace(self, pairs=self.pairs.where(found != packed))

    def users(self) -> Codes:
        """The user of each impression: int32, ascending."""
        return np.repeat(np.arange(len(self.starts) - 1, dtype=np.int32), np.diff(self.starts))


def _ascend(users: Codes, items: Codes) -> bool:
    """Whether the pairs are distinct and in order already."""
    for begin in range(0, len(users), _COMPARED):
        these, those = users[begin : begin + _COMPARED + 1], items[begin : begin + _COMPARED + 1]
        later, same = these[1:] > these[:-1], these[1:] == these[:-1]
        if not (later | (same & (those[1:] > those[:-1]))).all():
            return False
    return True


def _starts(users: Codes, n_users: int) -> Positions:
    """Where the pairs of each user begin, and the end: of ascending users, some of whom may have none.

    By the runs of equal users: a search for each user takes ten times as long where users have few pairs.
    """
    if not len(users):
        return np.zeros(n_users + 1, np.int64)
    runs = np.concatenate([[0], np.flatnonzero(users[1:] != users[:-1]) + 1, [len(users)]])
    if len(runs) == n_users + 1:
        return runs
    counts = np.zeros(n_users + 1, np.int64)
    counts[users[runs[:-1]] + 1] = np.diff(runs)
    return np.cumsum(counts)


def _first_of_run(packed: npt.NDArray[np.int64]) -> Mask:
    first = np.ones(len(packed), bool)
    np.not_equal(packed[1:], packed[:-1], out=first[1:])
    return first


def _unpack(packed: npt.NDArray[np.int64], n_users: int, n_items: int) -> Pairs:
    """Pairs of distinct ascending values user * n_items + item; ``packed`` is overwritten."""
    bases = np.arange(n_users + 1) * np.int64(n_items)
    starts = np.searchsorted(packed, bases)
    packed -= np.repeat(bases[:-1], np.diff(starts))
    return Pairs(starts, packed.astype(np.int32))


@dataclass(frozen=True, eq=False)
class Items:
    """The items of a run: those of the catalog first, which may be drawn, then others that the log has.

    The code of an item in all arrays is its position here.

    ``catalog``, ``others``: Disjoint. Both integer or both string, unless one is empty.
    """

    catalog: Vocabulary
    others: Vocabulary

    @property
    def n_catalog(self) -> int:
        """How many items may be drawn."""
        return len(self.catalog)

    def __len__(self) -> int:
        return len(self.catalog) + len(self.others)

    @cached_property
    def ids(self) -> pa.Array:
        """The id of each code, all int64 or all string."""
        if not len(self.others):
            return self.catalog.ids
        kind = pa.int64() if self.catalog.is_integer and self.others.is_integer else pa.string()
        return pa.concat_arrays([self.catalog.ids.cast(kind), self.others.ids.cast(kind)])

    @cached_property
    def written(self) -> pa.Array:
        """The id of each code in the type in which ids are written."""
        return self.catalog.some(self.ids).written

    @cached_property
    def keys(self) -> Words:
        """The random key of each code: uint64, shape (len(self),)."""
        return np.concatenate([self.catalog.keys, self.others.keys]) if len(self.others) else self.catalog.keys

    @cached_property
    def vocabulary(self) -> tuple[pa.Array, Codes]:
        """All ids as written, in ascending order, and the position there of each code: int32, shape (len(self),)."""
        order = pc.sort_indices(self.ids).cast(pa.int32())
        positions = np.empty(len(self), np.int32)
        positions[as_numpy(order)] = np.arange(len(self), dtype=np.int32)
        return self.written.take(order), positions


@dataclass(frozen=True, eq=False)
class Held:
    """The pairs of files that hold out, for ``--holdout file``.

    ``test``, ``valid``: Disjoint. With times where their file has some.
    ``repeated``: Those of them that the log has as positives, too.
    """

    test: Pairs
    valid: Pairs
    repeated: Pairs

    def of_users(self, first: int, last: int) -> Held:
        """Those of the users from ``first`` up to ``last``, who become 0, 1, ..."""
        return Held(*(each.of_users(first, last) for each in (self.test, self.valid, self.repeated)))


@dataclass(frozen=True, eq=False)
class Interactions:
    """A whole log.

    ``users``: All users, those without a positive among them.
    ``weak``: Observed pairs that are not positives; disjoint from them.
    ``shown``: Those of them that the log has in an impression, where impressions are looked at.
    ``held``: Which positives files hold out, where they do.
    ``splits``: What was held out of the positives, by what decided it, for runs that hold out alike.
    ``known``: Of what follows from these and from excluded pairs, what is known before: what negatives in train avoid,
      as ``seen``, and the weak pairs that may be drawn, as ``weak``.
    """

    users: Vocabulary
    items: Items
    positives: Pairs
    weak: Pairs
    shown: Shown | None = None
    splits: dict[Hashable, Any] = field(default_factory=dict)
    held: Held | None = None
    known: Mapping[str, Seen] = field(default_factory=dict)


def with_held(positives: Pairs, held: Held, n_items: int) -> tuple[Pairs, Held]:
    """The positives of a log and of the files that hold some out; and which of the files' the log has.

    A pair has the time of its file, else that of the log. Raises BadDataError: It has neither, and times are needed.
    """
    is_timed = positives.times is not None
    files = [each for each in (held.test, held.valid) if len(each)]
    again = are_among(positives, held.test, n_items) | are_among(positives, held.valid, n_items)
    held = replace(held, repeated=positives.where(again).without_times())
    if not files:
        return positives, held
    # Of the rows of a pair the first counts: those that have times of their own come before the log, others after.
    parts = sorted([positives, *files], key=lambda part: (part.times is None, part is positives))
    packed = np.concatenate([part.users() * np.int64(n_items) + part.items for part in parts])
    order = np.argsort(packed, kind="stable")
    packed = packed[order]
    first = _first_of_run(packed)
    merged = _unpack(packed[first], positives.n_users, n_items)
    if not is_timed:
        return merged, held
    times = np.concatenate([np.zeros(len(part), np.int64) if part.times is None else part.times for part in parts])
    known = np.concatenate([np.full(len(part), part.times is not None) for part in parts])
    chosen = order[first]
    if not known[chosen].all():
        what = "some pairs of --holdout file have no time: neither their file nor the log has one"
        raise BadDataError(what, remedy="give the file a time column, or leave out what needs times")
    return replace(merged, times=times[chosen]), held


def as_seen(pairs: Pairs, items: Items) -> Seen:
    """The items of the catalog that the pairs make seen."""
    if len(items.others):
        pairs = pairs.where(pairs.items < items.n_catalog)
    return Seen(pairs.starts, pairs.items, items.n_catalog)


def join_catalog(found: Vocabulary, catalog: Vocabulary | None) -> tuple[Items, Codes | None]:
    """The items of a run from those found in the log and those of the catalog file, if there is one.

    Returns ``recode``, int32, shape (len(found),), or None: The code in ``items`` of each code in ``found``. None where
      they are the same.
    Raises BadDataError: No item of the log is in the catalog: it has other ids, or is another column.
    """
    empty = pa.nulls(0, found.ids.type)  # a slice would be pickled with all of its buffers
    if catalog is None:
        return Items(found, found.some(empty)), None
    recode = catalog.find(found.ids).copy()
    missing = np.flatnonzero(recode < 0)
    if len(found) and missing.size == len(found):
        raise BadDataError(
            f"none of the {len(found)} items of the log is in the catalog (log: {found.ids[0].as_py()!r}, catalog: "
            f"{catalog.ids[0].as_py()!r})",
            remedy="name the catalog's column with --item-col if another was taken",
        )
    recode[missing] = len(catalog) + np.arange(missing.size, dtype=np.int32)
    others = found.ids.take(from_numpy(missing)) if missing.size else empty
    kind = found.kind_with(catalog.ids)
    return Items(Vocabulary(catalog.ids, kind), Vocabulary(others, kind)), recode
