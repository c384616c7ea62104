"""Rows of a log, sorted into ranges of users: each range is small enough to be grouped by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from negprep.rows import Rows
from negprep.seen import Codes, Positions
from negprep.threads import on_threads

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
    again: Iterable[Rows],
    encode: Callable[[Rows], Rows],
    keep: Callable[[Rows], Kept],
    n_users: int,
    *,
    range_rows: int,
    jobs: int,
) -> list[UserRange[Kept]]:
    """Hand encoded rows on range by range.

    Parameters
    ----------
    rows, again : iterable of Rows
        The same, the first for counting and the second for handing on.
    encode : callable
        From rows of ids to rows of codes. Runs on threads.
    keep : callable
        Takes rows of one range, views of others; what it returns is put in ``pieces``.
    n_users : int
    range_rows : int
        A range ends with the user that brings it to so many rows.
    jobs : int
        Threads.

    Returns
    -------
    list of UserRange
        In the order of user codes, covering all of them.
    """
    counts = np.zeros(n_users, np.int64)
    for _, (users, times) in on_threads(lambda some: _tallied(encode(some)), rows, threads=jobs, ahead=jobs + 1):
        np.add.at(counts, users, times)  # np.bincount would go through all users for every batch
    before = np.cumsum(counts) - counts
    range_of = before // max(range_rows, int(counts.sum()) // _MOST_RANGES + 1)
    firsts = np.append(0, np.flatnonzero(range_of[1:] != range_of[:-1]) + 1)
    range_of = np.repeat(np.arange(len(firsts), dtype=np.int16), np.diff(firsts, append=n_users))
    pieces: list[list[Kept]] = [[] for _ in firsts]
    for _, split in on_threads(lambda some: _split(encode(some), range_of), again, threads=jobs, ahead=jobs + 1):
        for place, piece in split:
            pieces[place].append(keep(piece))
    lasts = [*firsts[1:].tolist(), n_users]
    n_rows = np.add.reduceat(counts, firsts).tolist()
    return [UserRange(*members) for members in zip(firsts.tolist(), lasts, n_rows, pieces, strict=True)]


def _tallied(coded: Rows) -> tuple[Codes, Positions | int]:
    """Users, and how many rows each of them adds: by runs, where rows of a user come together."""
    users = np.asarray(coded.users, np.int32)
    starts = np.flatnonzero(users[1:] != users[:-1]) + 1
    if 2 * len(starts) >= len(users):
        return users, 1
    starts = np.append(0, starts)
    return users[starts], np.diff(starts, append=len(users))


def _split(coded: Rows, range_of: npt.NDArray[np.int16]) -> list[tuple[int, Rows]]:
    """The ranges that rows are in, and the rows of each."""
    ranges = range_of[coded.users]
    if (ranges[1:] < ranges[:-1]).any():
        order = np.argsort(ranges, kind="stable")  # of 16-bit integers: a radix sort
        coded, ranges = coded.take(order), ranges[order]
    bounds = np.flatnonzero(ranges[1:] != ranges[:-1]) + 1
    within = pairwise([0, *bounds.tolist(), len(ranges)]) if len(ranges) else ()
    return [(int(ranges[begin]), coded.take(slice(begin, end))) for begin, end in within]
