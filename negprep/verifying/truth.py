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
    def of(cls, records: Iterable[Records], n_users: int, frame: Frame) -> Said:
        """From the records of the range, whose users are counted from its first one."""
        n_items = len(frame.items)
        keys: list[list[Rows]] = [[np.empty(0, np.int64)] for _ in (POSITIVE, WEAK, EXCLUDED)]
        times = [np.empty(0, np.int64)]
        for some in records:
            mine = some.users * np.int64(n_items) + some.items
            for kind in np.flatnonzero(np.bincount(some.kinds, minlength=3)).tolist():
                where = some.kinds == kind
                keys[kind].append(mine if where.all() else mine[where])
                if kind == POSITIVE and some.times is not None:
                    times.append(some.times[where])
        positives, when = _timed(
            keys[POSITIVE], times if frame.terms.with_times else None, frame.terms.keep_time == "last"
        )
        pairs = PairSet(positives, n_users, n_items)
        weak = PairSet(distinct(np.concatenate(keys[WEAK])), n_users, n_items).without(pairs)
        excluded = PairSet(distinct(np.concatenate(keys[EXCLUDED])), n_users, n_items)
        return cls(pairs, when, weak, excluded)

    def left(self, users: Mask, items: Mask) -> Said:
        """What is left where some users and items are left out."""
        kept = users[self.positives.users] & items[self.positives.items]
        weak, excluded = (each.where(users[each.users] & items[each.items]) for each in (self.weak, self.excluded))
        return Said(self.positives.where(kept), None if self.times is None else self.times[kept], weak, excluded)


def _timed(keys: list[Rows], times: list[Rows] | None, latest: bool) -> tuple[Rows, Rows | None]:
    """The distinct keys, ascending, and the latest or the earliest time of each."""
    joined = np.concatenate(keys)
    keys.clear()
    if times is None:
        return distinct(joined), None
    when = np.concatenate(times)
    times.clear()
    if not joined.size:
        return joined, when
    if not (joined[1:] >= joined[:-1]).all():
        order = np.argsort(joined)
        joined, when = joined[order], when[order]
    firsts = np.flatnonzero(np.append(True, joined[1:] != joined[:-1]))
    if len(firsts) == len(joined):
        return joined, when
    return joined[firsts], (np.maximum if latest else np.minimum).reduceat(when, firsts)
