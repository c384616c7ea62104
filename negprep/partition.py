"""Rows of a log, sorted into ranges of users: each range is small enough to be grouped by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

import numpy as np

from negprep.rows import Rows

Kept = TypeVar("Kept")

_MOST_RANGES = 1 << 14


@dataclass(frozen=True)
class UserRange(Generic[Kept]):
    """The users from code ``first`` up to ``last``, how many rows they have, and what was kept of those."""

    first: int
    last: int
    n_rows: int
    pieces: list[Kept]


def partition(
    rows: Iterable[Rows],
    encode: Callable[[Rows], Rows],
    keep: Callable[[Rows], Kept],
    n_users: int,
    *,
    range_rows: int,
) -> list[UserRange[Kept]]:
    """Hand encoded rows on range by range. ``rows`` is gone through twice.

    Parameters
    ----------
    rows : iterable of Rows
    encode : callable
        From rows of ids to rows of codes.
    keep : callable
        Takes rows of one range; what it returns is put in ``pieces``.
    n_users : int
    range_rows : int
        A range ends with the user that brings it to so many rows.

    Returns
    -------
    list of UserRange
        In the order of user codes, covering all of them.
    """
    counts = np.zeros(n_users, np.int64)
    for some in rows:
        np.add.at(counts, encode(some).users, 1)  # np.bincount would go through all users for every batch
    before = np.cumsum(counts) - counts
    range_of = before // max(range_rows, int(counts.sum()) // _MOST_RANGES + 1)
    firsts = np.append(0, np.flatnonzero(range_of[1:] != range_of[:-1]) + 1)
    range_of = np.repeat(np.arange(len(firsts), dtype=np.int16), np.diff(firsts, append=n_users))
    pieces: list[list[Kept]] = [[] for _ in firsts]
    for some in rows:
        coded = encode(some)
        ranges = range_of[coded.users]
        if (ranges[1:] < ranges[:-1]).any():
            order = np.argsort(ranges, kind="stable")  # of 16-bit integers: a radix sort
            coded, ranges = coded.take(order), ranges[order]
        bounds = np.flatnonzero(ranges[1:] != ranges[:-1]) + 1
        for begin, end in pairwise([0, *bounds.tolist(), len(ranges)] if len(ranges) else []):
            pieces[ranges[begin]].append(keep(coded.take(slice(begin, end))))
    lasts = [*firsts[1:].tolist(), n_users]
    n_rows = np.add.reduceat(counts, firsts).tolist()
    return [UserRange(*members) for members in zip(firsts.tolist(), lasts, n_rows, pieces, strict=True)]
