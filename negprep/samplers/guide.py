"""A search in ascending points by a table of first guesses, instead of one by halves.

Source: Chen and Asau, On generating random variates from an empirical distribution, AIIE Transactions 1974.
"""

from __future__ import annotations

import numpy as np

from negprep.seen import Positions

_STEPS = 4


class Guide:
    """Of intervals laid end to end from 0, which one a point lies in.

    Parameters
    ----------
    ends : int64, shape (n,)
        Where each interval ends, ascending; one that is empty ends where the one before it does.
    bits : int
        The points of 2**bits start from the same guess: about as many as an interval has on average.
    """

    def __init__(self, ends: Positions, bits: int) -> None:
        self._ends, self._bits = ends, bits
        firsts = np.arange((int(ends[-1]) >> bits) + 1) << bits
        self._guesses: Positions = np.searchsorted(ends, firsts, side="right")

    def find(self, points: Positions) -> Positions:
        """How many intervals end at or before each point, 0 to ``ends[-1] - 1``: int64, the shape of ``points``, (m,).

        A few steps from the guess; where many intervals are short, the search by halves after them has the same answer.
        """
        found: Positions = self._guesses[points >> self._bits]
        todo = np.flatnonzero(self._ends[found] <= points)
        for _ in range(_STEPS):
            if not todo.size:
                return found
            found[todo] += 1
            todo = todo[self._ends[found[todo]] <= points[todo]]
        found[todo] = np.searchsorted(self._ends, points[todo], side="right")
        return found
