"""Ranges of users: all of them, or as many as can be looked at in memory at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from negprep.verifying.pairs import Codes, Rows

_MOST_RANGES = 1 << 14


@dataclass(frozen=True, eq=False)
class Ranges:
    """Consecutive ranges that have every user once.

    Attributes
    ----------
    bounds : tuple of int
        The first user of each range, and the number of users.
    """

    bounds: tuple[int, ...]

    @classmethod
    def whole(cls, n_users: int) -> Ranges:
        """One range."""
        return cls((0, n_users))

    @classmethod
    def of_counts(cls, counts: Rows, range_rows: int) -> Ranges:
        """Ranges that end with the user who brings them to so many rows.

        Parameters
        ----------
        counts : int64, shape (n_users,)
            Rows of each user.
        range_rows : int
        """
        before = np.cumsum(counts) - counts
        range_of = before // max(1, range_rows, int(counts.sum()) // _MOST_RANGES + 1)
        firsts = np.flatnonzero(np.append(True, range_of[1:] != range_of[:-1])).tolist()
        return cls((*firsts, len(counts)))

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def range_of(self, users: Codes) -> npt.NDArray[np.uint16]:
        """The range of each user; the first for those below 0, whom the log does not have: the shape of ``users``."""
        table = np.repeat(np.arange(len(self), dtype=np.uint16), np.diff(self.bounds))
        found: npt.NDArray[np.uint16] = np.append(table, np.uint16(0))[np.maximum(users, -1)]
        return found
