"""What the log says: the positives, the weak and the excluded pairs of each range of users."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from negprep.arrays import Codes, Mask
from negprep.checks.log_ids import (
    EXCLUDED,
    POSITIVE,
    TEST,
    VALID,
    WEAK,
    Codebook,
    CodesFrom,
    KeptValues,
    LogIds,
    Records,
    no_time,
)
from negprep.checks.pair_set import PairSet, Rows, distinct
from negprep.checks.promises import LogPromise
from negprep.checks.ranges import ArrayStore, Laid, Ranges, taken
from negprep.errors import BadDataError
from negprep.read.times import Clock


@dataclass(frozen=True, eq=False)
class Shown:
    """The weak items of impressions, and in which impression each positive stands."""

    of_positives: Rows  # int64 (n_positives,): -1 for one in none
    users: Codes  # int32 (n_impressions,)
    pairs: PairSet  # Impressions, in the place of users, and weak items

    def has(self, impressions: Rows, items: Codes) -> Mask:
        """Whether each impression, -1 for none, has an item, below 0 for none."""
        keys = np.where((impressions < 0) | (items < 0), -1, impressions * np.int64(self.pairs.n_items) + items)
        found: Mask = self.pairs.find(keys) >= 0
        return found

    def sizes(self, impressions: Rows) -> Rows:
        """How many items each impression, -1 for none, has: int64."""
        return np.append(self.pairs.counts, 0)[impressions]

    def left(self, positives: Mask, pairs: Mask) -> Shown:
        """What is left of positives and of pairs."""
        return Shown(self.of_positives[positives], self.users, self.pairs.where(pairs))


@dataclass(frozen=True, eq=False)
class UserPairs:
    """The distinct pairs of a range of users."""

    positives: PairSet
    times: npt.NDArray[np.int64] | None  # int64 (n_positives,), or None
    weak: PairSet  # Observed pairs that are not positives, and those of ``--weak``
    excluded: PairSet
    kept: Codes | None  # int32 (n_positives, n_columns), or None: The values of columns that files keep
    shown: Shown | None
    test: PairSet  # Positives that files hold out for the test
    valid: PairSet  # Positives that files hold out for validation

    @classmethod
    def of(cls, records: Iterable[Records], n_users: int, log_ids: LogIds, *, gathered: int | None = None) -> UserPairs:
        """From the records of the range, whose users are counted from its first one.

        So many are ``gathered`` before those that repeat a pair are left out: memory grows with the pairs of a heavy
        user, and not with the rows. None: all at once, which takes half the time.
        """
        n_items, latest = len(log_ids.items), log_ids.terms.keep_time == "last"
        timed = (POSITIVE, TEST, VALID) if log_ids.terms.with_times else ()
        found = [_Found(latest, gathered, timed=kind in timed) for kind in range(5)]
        found[POSITIVE] = _Found(latest, gathered, timed=log_ids.terms.with_times, n_kept=len(log_ids.kept))
        shown = _FoundShown(log_ids.kept[0].null_code, gathered) if log_ids.terms.group_col is not None else None
        for some in records:
            mine = some.users * np.int64(n_items) + some.items
            if shown is not None and some.kept is not None:
                weak_rows = some.kinds == WEAK
                shown.add(some.users[weak_rows], some.kept[weak_rows, 0], some.items[weak_rows])
            for kind in np.flatnonzero(np.bincount(some.kinds, minlength=5)).tolist():
                where = slice(None) if (chosen := some.kinds == kind).all() else chosen
                times = None if some.times is None else some.times[where]
                found[kind].add(mine[where], times, None if some.kept is None else some.kept[where])
        sets = [PairSet(each.keys(), n_users, n_items) for each in found]
        pairs, weak, excluded = sets[POSITIVE], sets[WEAK], sets[EXCLUDED]
        by_impression = None if shown is None else shown.finish(pairs, found[POSITIVE].kept)
        test, valid = sets[TEST], sets[VALID].without(sets[TEST])
        times = found[POSITIVE].times
        for kind in (VALID, TEST):  # a pair has the time of its file, if that has one
            of_file = found[kind].times
            if times is not None and of_file is not None and len(of_file):
                known = of_file != no_time(log_ids.terms)
                times = times.copy()
                times[pairs.find(sets[kind].keys[known])] = of_file[known]
        return cls(pairs, times, weak.without(pairs), excluded, found[POSITIVE].kept, by_impression, test, valid)

    def left(self, users: Mask, items: Mask) -> UserPairs:
        """What is left where some users and items are left out."""
        kept = users[self.positives.users] & items[self.positives.items]
        weak, excluded, test, valid = (
            each.where(users[each.users] & items[each.items])
            for each in (self.weak, self.excluded, self.test, self.valid)
        )
        times = None if self.times is None else self.times[kept]
        values = None if self.kept is None else self.kept[kept]
        shown = self.shown
        if shown is not None:
            shown = shown.left(kept, users[shown.users[shown.pairs.users]] & items[shown.pairs.items])
        return UserPairs(self.positives.where(kept), times, weak, excluded, values, shown, test, valid)


@dataclass(frozen=True, eq=False)
class UsersOfLog(UserPairs):
    """What the log says of a range of users, whose codes are counted from the first of the range."""

    users: CodesFrom  # Those of the range
    items: Codebook  # All
    catalog: Mask  # bool (n_items,)
    known_users: Mask  # bool (n_users,): Users who were not left out
    firsts: npt.NDArray[np.int64] | None  # int64 (n_items,), or None: From when on each item is available
    categories: npt.NDArray[np.int64] | None  # int64 (n_items,), or None
    clock: Clock | None  # How the log writes its times, where they were read
    columns: list[KeptValues]  # Those of ``kept``

    def keys(self, users: Codes, items: Codes) -> Rows:
        """The keys of pairs, as those of the sets; -1 where the log lacks the user or the item."""
        keys = users * np.int64(len(self.items)) + items
        unknown = (users | items) < 0
        if unknown.any():
            keys[unknown] = -1
        return keys

    @cached_property
    def drawable_shown(self) -> Shown | None:
        """The weak items of impressions that may be drawn: of the catalog, and not excluded."""
        if self.shown is None:
            return None
        pairs, excluded = self.shown.pairs, self.excluded
        kept = self.catalog[pairs.items] & (excluded.find(self.keys(self.shown.users[pairs.users], pairs.items)) < 0)
        return self.shown.left(np.ones(len(self.positives), bool), kept)

    @cached_property
    def seen(self) -> PairSet:
        """Positives, weak and excluded."""
        return self.positives.union(self.weak, self.excluded)


class _FoundShown:
    """Weak rows of impressions that come in pieces; rows of ``none`` are in no impression."""

    def __init__(self, none: int | None, gathered: int | None) -> None:
        self._none, self._gathered, self._waiting = none, gathered, 0
        self._impressions, self._items = [np.empty(0, np.int64)], [np.empty(0, np.int32)]

    def add(self, users: Codes, groups: Codes, items: Codes) -> None:
        """Take the next."""
        some = slice(None) if self._none is None else groups != self._none
        self._impressions.append((users.astype(np.int64) << 32 | groups)[some])
        self._items.append(items[some])
        self._waiting += len(self._items[-1])
        if self._gathered is not None and self._waiting > max(self._gathered, len(self._items[0])):
            self._distinct()

    def _distinct(self) -> tuple[Rows, Codes]:
        """The distinct rows, by impression and item."""
        impressions, items = np.concatenate(self._impressions), np.concatenate(self._items)
        order = np.lexsort((items, impressions))
        impressions, items = impressions[order], items[order]
        new = (impressions[1:] != impressions[:-1]) | (items[1:] != items[:-1])
        first = np.append(True, new)[: len(items)]
        self._impressions, self._items, self._waiting = [impressions[first]], [items[first]], 0
        return self._impressions[0], self._items[0]

    def finish(self, positives: PairSet, groups: Rows | Codes | None) -> Shown:
        """Those that are no positives; ``groups`` has the impression of each positive, in its first column."""
        impressions, items = self._distinct()
        named, places = np.unique(impressions, return_inverse=True)
        users = (named >> 32).astype(np.int32)
        keys = places * np.int64(positives.n_items) + items
        kept = positives.find(users[places] * np.int64(positives.n_items) + items) < 0
        of_positives = np.full(len(positives), -1)
        if groups is not None and len(named):
            wanted = positives.users.astype(np.int64) << 32 | groups[:, 0]
            at = np.searchsorted(named, wanted)
            of_positives = np.where(named.take(at, mode="clip") == wanted, at, -1)
        return Shown(of_positives, users, PairSet(keys[kept], len(named), positives.n_items))


class _Found:
    """Keys that come in pieces, the latest or the earliest time of each, and what columns hold in its row."""

    def __init__(self, latest: bool, gathered: int | None, *, timed: bool, n_kept: int = 0) -> None:
        self.times: Rows | None = np.empty(0, np.int64) if timed else None
        self.kept: Codes | None = np.empty((0, n_kept), np.int32) if n_kept else None
        self._latest, self._gathered = latest, gathered
        self._keys, self._pieces, self._pieces_of_times = np.empty(0, np.int64), list[Rows](), list[Rows]()
        self._pieces_of_kept = list[Codes]()
        self._waiting = 0

    def add(self, keys: Rows, times: Rows | None, kept: Codes | None) -> None:
        """Take the next."""
        _append(self._pieces, keys)
        if self.times is not None and times is not None:
            _append(self._pieces_of_times, times)
        if self.kept is not None and kept is not None:
            _append(self._pieces_of_kept, kept)
        self._waiting += len(keys)
        if self._gathered is not None and self._waiting > max(self._gathered, len(self._keys)):
            self.keys()

    def keys(self) -> Rows:
        """The distinct keys so far, ascending; their times are in ``times``."""
        if self._pieces:
            joined = np.concatenate([self._keys, *self._pieces])
            self._pieces.clear()
            if self.kept is not None:
                kept = np.concatenate([self.kept, *self._pieces_of_kept])
                when = None if self.times is None else np.concatenate([self.times, *self._pieces_of_times])
                self._pieces_of_kept.clear()
                self._pieces_of_times.clear()
                self._keys, self.times, self.kept = _of_first_rows(joined, when, kept, self._latest)
            elif self.times is None:
                self._keys = distinct(joined)
            else:
                when = np.concatenate([self.times, *self._pieces_of_times])
                self._pieces_of_times.clear()
                self._keys, self.times = _timed(joined, when, self._latest)
            self._waiting = 0
        return self._keys


_LARGE = 32 << 20
"""Bytes: arrays from this size on go back to the system, and smaller ones stay in the heap (`startup`)."""


def _append(pieces: list[npt.NDArray[Any]], piece: npt.NDArray[Any]) -> None:
    """Add a piece, and join those at the end once they are large together."""
    pieces.append(piece)
    first = next((at + 1 for at in range(len(pieces) - 1, -1, -1) if pieces[at].nbytes >= _LARGE), 0)
    if sum(each.nbytes for each in pieces[first:]) >= _LARGE:
        pieces[first:] = [np.concatenate(pieces[first:])]


def _timed(keys: Rows, times: Rows, latest: bool) -> tuple[Rows, Rows]:
    """The distinct keys, ascending, and the latest or the earliest time of each."""
    if not keys.size:
        return keys, times
    if not (keys[1:] >= keys[:-1]).all():
        order = np.argsort(keys)
        keys, times = keys[order], times[order]
    if (keys[1:] != keys[:-1]).all():
        return keys, times
    firsts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    return keys[firsts], (np.maximum if latest else np.minimum).reduceat(times, firsts)


def _of_first_rows(keys: Rows, times: Rows | None, kept: Codes, latest: bool) -> tuple[Rows, Rows | None, Codes]:
    """The distinct keys, ascending, with the time and the values of one row each.

    It is the latest or the earliest, and of several the one whose values are the smallest, column by column.
    """
    by_time = [] if times is None else [-times if latest else times]
    order = np.lexsort((*kept.T[::-1], *by_time, keys))
    keys = keys[order]
    order = order[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]
    keys = keys[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]
    return keys, None if times is None else times[order], kept[order]


_GATHERED = 1 << 19
"""Records of a range of a log that outgrew memory: ranges are about as large, but for that of a heavy user."""


_SETS = ("positives", "weak", "excluded", "test", "valid")


class LogByRange:
    """The pairs of a log, range by range."""

    def __init__(self, log_ids: LogIds, ranges: Ranges, store: ArrayStore) -> None:
        self.log_ids, self.ranges, self._store = log_ids, ranges, store
        self.catalog, self.known_users = log_ids.catalog, np.ones(len(log_ids.users), bool)
        self._left: Mask | None = None
        self._latest: tuple[int, UsersOfLog] | None = None
        self._laid: list[Laid] = []
        for at, records in enumerate(self._by_range()):
            n_users = ranges.bounds[at + 1] - ranges.bounds[at]
            gathered = _GATHERED if store.spilled else None
            self._laid.append(self._lay(UserPairs.of(records, n_users, log_ids, gathered=gathered)))
        self.n_excluded_at_first = sum(len(self._first_pairs(at).excluded) for at in range(len(ranges)))
        if not any(len(self._first_pairs(at).positives) for at in range(len(ranges))):
            rule = log_ids.terms.positive
            raise BadDataError(f"no interaction of the log is a positive by {rule!r}", remedy="is it the right log?")
        if log_ids.terms.core is not None or log_ids.terms.min_positives is not None:
            self.known_users, self._left = _core(self, log_ids.terms)
            self.catalog = log_ids.catalog & self._left  # bool (n_items,): After ``--core``
            if not store.spilled:  # once, instead of each time that a range is looked at
                self._laid, self._left = [self._lay(self._remaining(at)) for at in range(len(ranges))], None
        self.n_positives = self.n_weak = self.n_excluded = 0
        for in_log in self:
            self.n_positives += len(in_log.positives)
            self.n_weak += len(in_log.weak)
            self.n_excluded += len(in_log.excluded)

    def __iter__(self) -> Iterator[UsersOfLog]:
        """Those of all ranges, in order."""
        return map(self.of_range, range(len(self.ranges)))

    def of_range(self, at: int) -> UsersOfLog:
        """That of a range, by its number."""
        if self._latest is None or self._latest[0] != at:
            self._latest = None  # two at a time would take twice the memory
            self._latest = at, self._users(at)
        return self._latest[1]

    def all_positives(self) -> Iterator[tuple[int, PairSet]]:
        """The first user and the positives of each range, before anyone is left out."""
        for at in range(len(self.ranges)):
            yield self.ranges.bounds[at], self._first_pairs(at).positives

    def _users(self, at: int) -> UsersOfLog:
        log_ids, (first, last) = self.log_ids, self.ranges.bounds[at : at + 2]
        kept = self._remaining(at)
        pairs = kept.positives, kept.times, kept.weak, kept.excluded, kept.kept, kept.shown, kept.test, kept.valid
        users, known = CodesFrom(log_ids.users, first, last - first), self.known_users[first:last]
        of_items = log_ids.firsts, log_ids.categories
        return UsersOfLog(*pairs, users, log_ids.items, self.catalog, known, *of_items, log_ids.clock, log_ids.kept)

    def _remaining(self, at: int) -> UserPairs:
        first, last = self.ranges.bounds[at : at + 2]
        kept = self._first_pairs(at)
        return kept if self._left is None else kept.left(self.known_users[first:last], self._left)

    def _lay(self, kept: UserPairs) -> Laid:
        sets = {name: getattr(kept, name).keys for name in _SETS}
        arrays = {"times": kept.times, "kept": kept.kept, **sets}
        if kept.shown is not None:
            shown = kept.shown
            arrays |= {"shown": shown.pairs.keys, "of_positives": shown.of_positives, "of_users": shown.users}
        return self._store.put(arrays)

    def _first_pairs(self, at: int) -> UserPairs:
        arrays = self._store.get(self._laid[at])
        n_users = self.ranges.bounds[at + 1] - self.ranges.bounds[at]
        n_items = len(self.log_ids.items)
        positives, weak, excluded, test, valid = (PairSet(arrays[name], n_users, n_items) for name in _SETS)  # type: ignore[arg-type]
        shown = None
        if "shown" in arrays:
            users, of_positives = arrays["of_users"], arrays["of_positives"]
            shown = Shown(of_positives, users, PairSet(arrays["shown"], len(users), n_items))  # type: ignore[arg-type]
        return UserPairs(positives, arrays["times"], weak, excluded, arrays["kept"], shown, test, valid)

    def _by_range(self) -> Iterator[Iterable[Records]]:
        """The records of each range, their users counted from its first one."""
        if len(self.ranges) == 1:
            yield self.log_ids.records()
            return
        laid: list[list[Laid]] = [[] for _ in range(len(self.ranges))]
        for records in self.log_ids.records():
            ranges = self.ranges.range_of(records.users)
            order = np.argsort(ranges, kind="stable")  # of 16-bit integers: a radix sort
            ordered = taken(records, order)
            bounds = np.searchsorted(ranges[order], np.arange(len(self.ranges) + 1))
            for at in np.flatnonzero(np.diff(bounds)).tolist():
                some = taken(ordered, slice(bounds[at], bounds[at + 1]))
                users = some.users - np.int32(self.ranges.bounds[at])
                laid[at].append(self._store.put(vars(some) | {"users": users}))
        for pieces in laid:
            yield (Records(**self._store.get(piece)) for piece in pieces)  # type: ignore[arg-type]


def _core(log: LogByRange, terms: LogPromise) -> tuple[Mask, Mask]:
    """Which users and items are left once those with too few positives are gone, again and again."""
    of_user, of_item = max(terms.core or 0, terms.min_positives or 0), terms.core or 0
    n_items = len(log.log_ids.items)
    users, items = np.ones(len(log.log_ids.users), bool), np.ones(n_items, bool)
    while True:
        per_user: Rows = np.zeros(len(users), np.int64)
        per_item: Rows = np.zeros(n_items, np.int64)
        for first, pairs in log.all_positives():
            kept = users[first : first + pairs.n_users][pairs.users] & items[pairs.items]
            per_user[first : first + pairs.n_users] = np.bincount(pairs.users[kept], minlength=pairs.n_users)
            per_item += np.bincount(pairs.items[kept], minlength=n_items)
        more_users, more_items = users & (per_user >= of_user), items & (per_item >= of_item)
        if (more_users == users).all() and (more_items == items).all():
            return per_user >= max(of_user, 1), np.ones(n_items, bool) if terms.core is None else per_item > 0
        users, items = more_users, more_items
