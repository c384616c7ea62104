"""The truth of each range of users, found one after the other, and laid aside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from negprep.errors import BadDataError
from negprep.verifying.codebook import CodesFrom
from negprep.verifying.frame import Frame, Records
from negprep.verifying.pairs import PairSet, Rows
from negprep.verifying.ranges import Ranges
from negprep.verifying.shelf import Laid, Shelf
from negprep.verifying.terms import TruthTerms
from negprep.verifying.truth import Said, Truth

Mask = npt.NDArray[np.bool_]

_GATHERED = 1 << 19
"""Records of a range of a log that outgrew memory: ranges are about as large, but for that of a heavy user."""


class Truths:
    """What a log says, range by range.

    Attributes
    ----------
    frame : Frame
    ranges : Ranges
    catalog : bool, shape (n_items,)
        After ``--core``.
    known_users : bool, shape (n_users,)
        Users who were not left out.
    n_positives, n_weak, n_excluded : int
    n_excluded_at_first : int
        Those of users and items that were left out among them.

    Raises
    ------
    BadDataError
        No interaction is a positive.
    """

    def __init__(self, frame: Frame, ranges: Ranges, shelf: Shelf) -> None:
        self.frame, self.ranges, self._shelf = frame, ranges, shelf
        self.catalog, self.known_users = frame.catalog, np.ones(len(frame.users), bool)
        self._left: Mask | None = None
        self._latest: tuple[int, Truth] | None = None
        self._laid: list[Laid] = []
        self._truths: list[Truth] = []
        for at, records in enumerate(self._by_range()):
            n_users = ranges.bounds[at + 1] - ranges.bounds[at]
            gathered = _GATHERED if shelf.spilled else None
            self._laid.append(self._lay(Said.of(records, n_users, frame, gathered=gathered)))
        self.n_excluded_at_first = sum(len(self._said(at).excluded) for at in range(len(ranges)))
        if not any(len(self._said(at).positives) for at in range(len(ranges))):
            rule = frame.terms.positive
            raise BadDataError(f"no interaction of the log is a positive by {rule!r}", remedy="is it the right log?")
        if frame.terms.core is not None or frame.terms.min_positives is not None:
            self.known_users, self._left = _core(self, frame.terms)
            self.catalog = frame.catalog & self._left
            if not shelf.spilled:  # once, instead of each time that a range is looked at
                self._laid, self._left = [self._lay(self._remaining(at)) for at in range(len(ranges))], None
        self.n_positives = self.n_weak = self.n_excluded = 0
        for truth in self:
            self.n_positives += len(truth.positives)
            self.n_weak += len(truth.weak)
            self.n_excluded += len(truth.excluded)

    def __iter__(self) -> Iterator[Truth]:
        """Those of all ranges, in order."""
        return map(self.of_range, range(len(self.ranges)))

    def of_range(self, at: int) -> Truth:
        """That of a range, by its number."""
        if self._latest is None or self._latest[0] != at:
            self._latest = None  # two at a time would take twice the memory
            self._latest = at, self._truth(at)
        return self._latest[1]

    def said(self) -> Iterator[tuple[int, PairSet]]:
        """The first user and the positives of each range, before anyone is left out."""
        for at in range(len(self.ranges)):
            yield self.ranges.bounds[at], self._said(at).positives

    def _truth(self, at: int) -> Truth:
        frame, (first, last) = self.frame, self.ranges.bounds[at : at + 2]
        said = self._remaining(at)
        return Truth(
            CodesFrom(frame.users, first, last - first),
            frame.items,
            self.catalog,
            said.positives,
            said.times,
            said.weak,
            said.excluded,
            self.known_users[first:last],
            frame.firsts,
            frame.categories,
            frame.clock,
        )

    def _remaining(self, at: int) -> Said:
        first, last = self.ranges.bounds[at : at + 2]
        said = self._said(at)
        return said if self._left is None else said.left(self.known_users[first:last], self._left)

    def _lay(self, said: Said) -> Laid:
        arrays = {"positives": said.positives.keys, "times": said.times}
        return self._shelf.put({**arrays, "weak": said.weak.keys, "excluded": said.excluded.keys})

    def _said(self, at: int) -> Said:
        arrays = self._shelf.get(self._laid[at])
        n_users = self.ranges.bounds[at + 1] - self.ranges.bounds[at]
        none = np.empty(0, np.int64)

        def pairs(name: str) -> PairSet:
            found = arrays[name]
            return PairSet(none if found is None else found, n_users, len(self.frame.items))

        return Said(pairs("positives"), arrays["times"], pairs("weak"), pairs("excluded"))

    def _by_range(self) -> Iterator[Iterable[Records]]:
        """The records of each range, their users counted from its first one."""
        if len(self.ranges) == 1:
            yield self.frame.records()
            return
        laid: list[list[Laid]] = [[] for _ in range(len(self.ranges))]
        for records in self.frame.records():
            ranges = self.ranges.range_of(records.users)
            order = np.argsort(ranges, kind="stable")  # of 16-bit integers: a radix sort
            ordered = records.take(order)
            bounds = np.searchsorted(ranges[order], np.arange(len(self.ranges) + 1))
            for at in np.flatnonzero(np.diff(bounds)).tolist():
                some = ordered.take(slice(bounds[at], bounds[at + 1]))
                users = some.users - np.int32(self.ranges.bounds[at])
                arrays = {"users": users, "items": some.items, "kinds": some.kinds, "times": some.times}
                laid[at].append(self._shelf.put(arrays))
        for pieces in laid:
            yield map(self._records, pieces)

    def _records(self, laid: Laid) -> Records:
        return Records(**self._shelf.get(laid))  # type: ignore[arg-type]


def _core(truths: Truths, terms: TruthTerms) -> tuple[Mask, Mask]:
    """Which users and items are left once those with too few positives are gone, again and again."""
    of_user, of_item = max(terms.core or 0, terms.min_positives or 0), terms.core or 0
    n_items = len(truths.frame.items)
    users, items = np.ones(len(truths.frame.users), bool), np.ones(n_items, bool)
    while True:
        per_user: Rows = np.zeros(len(users), np.int64)
        per_item: Rows = np.zeros(n_items, np.int64)
        for first, pairs in truths.said():
            kept = users[first : first + pairs.n_users][pairs.users] & items[pairs.items]
            per_user[first : first + pairs.n_users] = np.bincount(pairs.users[kept], minlength=pairs.n_users)
            per_item += np.bincount(pairs.items[kept], minlength=n_items)
        more_users, more_items = users & (per_user >= of_user), items & (per_item >= of_item)
        if (more_users == users).all() and (more_items == items).all():
            return per_user >= max(of_user, 1), np.ones(n_items, bool) if terms.core is None else per_item > 0
        users, items = more_users, more_items
