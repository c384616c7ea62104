"""Spilled rows by ranges of users: each range fits in memory, and has its rows together in the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from negprep.rows import Rows
from negprep.spill import Extent, SpillFile

_MOST_RANGES = 1 << 14


@dataclass(frozen=True)
class UserRange:
    """The users from code ``first`` up to ``last``, how many rows they have, and where those are."""

    first: int
    last: int
    n_rows: int
    extents: list[Extent]


def partition(
    rows: Iterable[Rows], encode: Callable[[Rows], Rows], n_users: int, spill: SpillFile, *, range_rows: int
) -> list[UserRange]:
    """Write encoded rows range by range. ``rows`` is gone through twice.

    Parameters
    ----------
    rows : iterable of Rows
    encode : callable
        From rows of ids to rows of codes.
    n_users : int
    spill : SpillFile
        Takes the encoded rows.
    range_rows : int
        A range ends with the user that brings it to so many rows.

    Returns
    -------
    list of UserRange
        In the order of user codes, covering all of them.
    """
    counts = np.zeros(n_users, np.int64)
    for some in rows:
        counts += np.bincount(encode(some).users, minlength=n_users)
    before = np.cumsum(counts) - counts
    range_of = before // max(range_rows, int(counts.sum()) // _MOST_RANGES + 1)
    firsts = np.flatnonzero(np.diff(range_of, prepend=-1))
    range_of = np.repeat(np.arange(len(firsts), dtype=np.int16), np.diff(firsts, append=n_users))
    extents: list[list[Extent]] = [[] for _ in firsts]
    for some in rows:
        coded = encode(some)
        ranges = range_of[coded.users]
        order = np.argsort(ranges, kind="stable")  # of 16-bit integers: a radix sort
        encoded = Rows(
            coded.users[order],
            coded.items[order],
            None if coded.times is None else coded.times[order],
            None if coded.positive is None else coded.positive[order],
        ).to_arrow()
        ends = np.cumsum(np.bincount(ranges, minlength=len(firsts))).tolist()
        for number, (begin, end) in enumerate(zip([0, *ends], ends, strict=False)):
            if end > begin:
                extents[number].append(spill.write(encoded.slice(begin, end - begin)))
    lasts = [*firsts[1:].tolist(), n_users]
    n_rows = np.add.reduceat(counts, firsts).tolist()
    return [UserRange(*bounds) for bounds in zip(firsts.tolist(), lasts, n_rows, extents, strict=True)]
