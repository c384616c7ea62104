"""Degrees: how many different items the users have, or users the items, in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

PERCENTS = (1, 5, 25, 50, 75, 95, 99)


@dataclass(frozen=True)
class Bin:
    """How many have a number from ``low`` to ``high``, both included."""

    low: int
    high: int
    count: int


@dataclass(frozen=True)
class Degrees:
    """The degrees of all users, or of all items.

    Attributes
    ----------
    least, most : int
    mean : float
    percentiles : dict of str to int
        ``"50"`` is the median: the smallest degree that at least 50 % do not exceed (nearest rank).
    one : int
        How many have degree 1.
    histogram : tuple of Bin
        From 1 on, each bin up to twice its lower end; the last one is that of the largest degree.
    """

    least: int
    most: int
    mean: float
    percentiles: dict[str, int]
    one: int
    histogram: tuple[Bin, ...]

    @classmethod
    def of(cls, degrees: npt.NDArray[np.integer[Any]]) -> Degrees:
        """Of degrees, at least one and each at least 1: integer, shape (n,)."""
        ascending = np.sort(degrees)
        size = len(ascending)
        bins = np.bincount(np.frexp(ascending)[1] - 1)  # the position of the highest bit; exact below 2**53
        return cls(
            least=int(ascending[0]),
            most=int(ascending[-1]),
            mean=float(ascending.sum()) / size,
            percentiles={str(percent): int(ascending[-(-percent * size // 100) - 1]) for percent in PERCENTS},
            one=int(np.searchsorted(ascending, 1, side="right")),
            histogram=tuple(Bin(1 << bit, (2 << bit) - 1, count) for bit, count in enumerate(bins.tolist())),
        )
