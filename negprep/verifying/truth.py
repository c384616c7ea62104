"""What a log says of some users, worked out anew: who has which positives, what is weak, what is excluded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from negprep.reading.times import Clock
from negprep.verifying.codebook import Codebook, CodesFrom
from negprep.verifying.frame import EXCLUDED, POSITIVE, WEAK, Frame, Records
from negprep.verifying.pairs import PairSet, Rows, distinct

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Truth:
    """What is so, of a range of users: their codes are counted from the first of the range.

    Attributes
    ----------
    users : CodesFrom
        Those of the range.
    items : Codebook
        All.
    catalog : bool, shape (n_items,)
    positives : PairSet
    times : int64, shape (n_positives,), or None
    weak : PairSet
        Observed pairs that are no positives, and those of ``--weak``.
    excluded : PairSet
    known_users : bool, shape (n_users,)
        Users who were not left out.
    firsts : int64, shape (n_items,), or None
        From when on each item is available.
    categories : int64, shape (n_items,), or None
    clock : Clock or None
        How the log writes its times, where they were read.
    """

    users: CodesFrom
    items: Codebook
    catalog: Mask
    positives: PairSet
    times: npt.NDArray[np.int64] | None
    weak: PairSet
    excluded: PairSet
    known_users: Mask
    firsts: npt.NDArray[np.int64] | None
    categories: npt.NDArray[np.int64] | None
    clock: Clock | None

    @cached_property
    def seen(self) -> PairSet:
        """Positives, weak and excluded."""
        return self.positives.union(self.weak, self.excluded)


@dataclass(frozen=True, eq=False)
class Said:
    """The distinct pairs of a range of users.

    Attributes
    ----------
    positives, weak, excluded : PairSet
        Weak ones are no positives.
    times : int64, shape (n_positives,), or None
    """

    positives: PairSet
    times: npt.NDArray[np.int64] | None
    weak: PairSet
    excluded: PairSet

    @classmethod
    def of(cls, records: Iterable[Records], n_users: int, frame: Frame, *, gathered: int | None = None) -> Said:
        """From the records of the range, whose users are counted from its first one.

        So many are ``gathered`` before those that repeat a pair are left out: memory grows with the pairs of a heavy
        user, and not with the rows. None: all at once, which takes half the time.
        """
        n_items, latest = len(frame.items), frame.terms.keep_time == "last"
        found = [_Found(latest, gathered, timed=kind == POSITIVE and frame.terms.with_times) for kind in range(3)]
        for some in records:
            mine = some.users * np.int64(n_items) + some.items
            for kind in np.flatnonzero(np.bincount(some.kinds, minlength=3)).tolist():
                where = slice(None) if (chosen := some.kinds == kind).all() else chosen
                found[kind].add(mine[where], None if some.times is None else some.times[where])
        sets = [PairSet(each.keys(), n_users, n_items) for each in found]
        pairs, weak, excluded = sets[POSITIVE], sets[WEAK], sets[EXCLUDED]
        return cls(pairs, found[POSITIVE].times, weak.without(pairs), excluded)

    def left(self, users: Mask, items: Mask) -> Said:
        """What is left where some users and items are left out."""
        kept = users[self.positives.users] & items[self.positives.items]
        weak, excluded = (each.where(users[each.users] & items[each.items]) for each in (self.weak, self.excluded))
        return Said(self.positives.where(kept), None if self.times is None else self.times[kept], weak, excluded)


class _Found:
    """Keys that come in pieces, and the latest or the earliest time of each."""

    def __init__(self, latest: bool, gathered: int | None, *, timed: bool) -> None:
        self.times: Rows | None = np.empty(0, np.int64) if timed else None
        self._latest, self._gathered = latest, gathered
        self._keys, self._pieces, self._pieces_of_times = np.empty(0, np.int64), list[Rows](), list[Rows]()
        self._waiting = 0

    def add(self, keys: Rows, times: Rows | None) -> None:
        """Take the next."""
        self._pieces.append(keys)
        if self.times is not None and times is not None:
            self._pieces_of_times.append(times)
        self._waiting += len(keys)
        if self._gathered is not None and self._waiting > max(self._gathered, len(self._keys)):
            self.keys()

    def keys(self) -> Rows:
        """The distinct keys so far, ascending; their times are in ``times``."""
        if self._pieces:
            joined = np.concatenate([self._keys, *self._pieces])
            self._pieces.clear()
            if self.times is None:
                self._keys = distinct(joined)
            else:
                when = np.concatenate([self.times, *self._pieces_of_times])
                self._pieces_of_times.clear()
                self._keys, self.times = _timed(joined, when, self._latest)
            self._waiting = 0
        return self._keys


def _timed(keys: Rows, times: Rows, latest: bool) -> tuple[Rows, Rows]:
    """The distinct keys, ascending, and the latest or the earliest time of each."""
    if not keys.size:
        return keys, times
    if not (keys[1:] >= keys[:-1]).all():
        order = np.argsort(keys)
        keys, times = keys[order], times[order]
    firsts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    if len(firsts) == len(keys):
        return keys, times
    return keys[firsts], (np.maximum if latest else np.minimum).reduceat(times, firsts)
