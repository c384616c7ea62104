"""Positives whose rows are in no order, kept back until they can be looked up users by users.

To look up keys here and there in all pairs of a log takes many times as long as to do so in those of a few users, which
stay in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from negprep.verifying.pairs import Codes, PairSet, Rows

_MOST = 1 << 22
_WINDOW_BITS = 16
"""A window has about so many pairs: their keys fit in a core's second-level cache."""


@dataclass(frozen=True, eq=False)
class Leads:
    """Positives that lead rows.

    Attributes
    ----------
    epoch : int
    users, items : int32, shape (n,)
        Below 0 for one that the log does not have.
    rows : int64, shape (n,)
    counts : int64, shape (n,), or None
        Of what each leads, if that is counted.
    sources : int8, shape (n,), or None
    """

    epoch: int
    users: Codes
    items: Codes
    rows: Rows
    counts: Rows | None
    sources: npt.NDArray[np.int8] | None

    def take(self, places: Rows | slice) -> Leads:
        """Some of them."""
        return Leads(
            self.epoch,
            self.users[places],
            self.items[places],
            self.rows[places],
            None if self.counts is None else self.counts[places],
            None if self.sources is None else self.sources[places],
        )

    @staticmethod
    def joined(parts: list[Leads]) -> Leads:
        """All of some, of one epoch."""
        counts = [part.counts for part in parts if part.counts is not None]
        sources = [part.sources for part in parts if part.sources is not None]
        return Leads(
            parts[0].epoch,
            np.concatenate([part.users for part in parts]),
            np.concatenate([part.items for part in parts]),
            np.concatenate([part.rows for part in parts]),
            np.concatenate(counts) if counts else None,
            np.concatenate(sources) if sources else None,
        )


class Waiting:
    """Collects positives, and gives them back in windows of users.

    Parameters
    ----------
    positives : PairSet
        Those of the log.
    """

    def __init__(self, positives: PairSet) -> None:
        bits = max(_WINDOW_BITS, len(positives).bit_length() - 16)
        windows = (positives.starts[:-1] >> bits).astype(np.uint16)
        self._window_of = np.append(windows, np.uint16(0))  # the last for users whom the log does not have
        self._kept: dict[int, list[Leads]] = {}
        self._size = 0

    def add(self, leads: Leads) -> Iterator[Leads]:
        """Keep some, and give back all once there are many."""
        self._kept.setdefault(leads.epoch, []).append(leads)
        self._size += len(leads.users)
        if self._size >= _MOST:
            yield from self.drain()

    def drain(self) -> Iterator[Leads]:
        """All that were kept, by epoch and window; within a window in the order in which they came."""
        kept, self._kept, self._size = self._kept, {}, 0
        for parts in kept.values():
            leads = Leads.joined(parts)
            parts.clear()
            windows = self._window_of[np.maximum(leads.users, -1)]
            order = np.argsort(windows, kind="stable")  # of 16-bit integers: a radix sort
            windows, leads = windows[order], leads.take(order)
            bounds = np.flatnonzero(np.diff(windows.astype(np.int32), prepend=-1, append=-1)).tolist()
            for begin, end in pairwise(bounds):
                yield leads.take(slice(begin, end))
