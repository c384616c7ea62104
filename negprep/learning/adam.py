"""Adam, lazily: a step moves the rows that the loss touched, and leaves all others and their moments as they are.

Source: Kingma and Ba, Adam, ICLR 2015, algorithm 1. With every row touched in every step it is that algorithm exactly.
Otherwise a row's moments do not decay while it is not touched, and its number of steps is its own, so that its first
step is corrected as a first one. A step costs what a batch touches, not what the catalog holds.
"""

from __future__ import annotations

import numpy as np

from negprep.learning.gmf import Factors, Floats, Gradients, Integers

_FIRST, _SECOND, _TINY = 0.9, 0.999, 1e-8


class Adam:
    """The moments of the parameters of one model, and the step.

    Parameters
    ----------
    model : Factors
        Its arrays are changed in place.
    rate : float
        About how far a parameter moves in one step.
    """

    def __init__(self, model: Factors, rate: float) -> None:
        self._users, self._items = _Rows(model.users, rate), _Rows(model.items, rate)
        self._h = _Rows(model.h[None, :], rate)  # a view: one row

    def step(self, slopes: Gradients) -> None:
        """One step against the gradients."""
        self._users.step(slopes.users, slopes.by_users)
        self._items.step(slopes.items, slopes.by_items)
        self._h.step(np.zeros(1, np.int64), slopes.by_h[None, :])


class _Rows:
    def __init__(self, values: Floats, rate: float) -> None:
        self._values, self._rate = values, values.dtype.type(rate)
        self._mean, self._square = np.zeros_like(values), np.zeros_like(values)
        self._steps = np.zeros(len(values), np.int64)

    def step(self, rows: Integers, slopes: Floats) -> None:
        first, second = self._values.dtype.type(_FIRST), self._values.dtype.type(_SECOND)
        mean = self._mean[rows] * first + slopes * (1 - first)
        square = self._square[rows] * second + slopes * slopes * (1 - second)
        self._mean[rows], self._square[rows] = mean, square
        self._steps[rows] += 1
        steps = self._steps[rows, None]
        of_mean = (1 - _FIRST**steps).astype(slopes.dtype)
        of_square = (1 - _SECOND**steps).astype(slopes.dtype)
        self._values[rows] -= self._rate * (mean / of_mean) / (np.sqrt(square / of_square) + slopes.dtype.type(_TINY))
