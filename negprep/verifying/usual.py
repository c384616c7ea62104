"""How many negatives a positive must have, where nobody says it: the number that explains most of what is there."""

from __future__ import annotations

import numpy as np

from negprep.verifying.pairs import Rows

TOLD = "or --made-by SUMMARY"
"""How to say what nobody said, after an option."""


class Usual:
    """Adds up, range by range, which groups each number explains.

    Not the one that most have is asked for: where most users have fewer items to draw from than were asked for, that is
    a number of no meaning, and those with more items have more negatives.
    """

    def __init__(self) -> None:
        self._total = 0
        self._explained = np.zeros((3, 0), np.int64)  # by any number not below it; by it alone; whether any has it

    def add(self, counts: Rows, sizes: Rows, groups: Rows | None = None, *, distinct: bool | None) -> None:
        """Take groups.

        Parameters
        ----------
        counts : int64, shape (n,)
            Negatives of groups, below 0 where that is no number.
        sizes : int64, shape (n,)
            Different items that can be drawn for them.
        groups : int64, shape (n,), optional
            How many groups each entry stands for, one by default.
        distinct : bool or None
            Whether the negatives of a group differ, so that no group has more than there are items. None: not known.
        """
        groups = np.ones(len(counts), np.int64) if groups is None else groups
        self._total += int(groups.sum())
        known = (counts >= 0) & (groups > 0)
        counts, sizes, groups = counts[known], sizes[known], groups[known]
        whole = counts == sizes  # explained by any number that is not below it
        if distinct is False:
            whole &= sizes == 0
        part = ~whole & (sizes > 0)  # explained by this number alone
        if distinct:
            part &= counts < sizes
        size = max(int(counts.max(initial=-1)) + 1, self._explained.shape[1])
        found = np.zeros((3, size), np.int64)
        found[:, : self._explained.shape[1]] = self._explained
        for row, kind in enumerate((whole, part, np.ones(len(counts), bool))):
            found[row] += np.bincount(counts, weights=np.where(kind, groups, 0), minlength=size).astype(np.int64)
        self._explained = found

    @property
    def number(self) -> int:
        """The largest of those that explain most groups; 0 without a group."""
        return self._best()[0]

    @property
    def share(self) -> float:
        """The share of the groups that it explains."""
        return self._best()[1]

    def _best(self) -> tuple[int, float]:
        wholes, parts, there = self._explained
        if not self._total or not there.any():
            return 0, 0.0
        explained = np.where(there > 0, np.cumsum(wholes) + parts, -1)
        best = int(np.flatnonzero(explained == explained.max())[-1])
        return best, float(explained[best]) / self._total
