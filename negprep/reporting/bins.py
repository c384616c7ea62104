"""Values sorted into bins that a chart can show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

EXACT = 24
"""So many different values are shown one by one."""

PER_DECADE = 8


@dataclass(frozen=True, eq=False)
class Bins:
    """Neighbouring ranges of whole numbers, and how many values lie in each.

    Attributes
    ----------
    first, last : int64, shape (n,)
        The smallest and the largest value of each range.
    sizes : int64, shape (n,)
        Values in it.
    """

    first: Counts
    last: Counts
    sizes: Counts

    @property
    def are_exact(self) -> bool:
        """Whether each bin is one value."""
        return bool((self.first == self.last).all())


def log_edges(most: int) -> Counts:
    """Where ranges begin that grow like a geometric series: 0, 1, 2, ... up to above `most`, ascending."""
    decades = len(str(most))
    grown = np.ceil(10 ** (np.arange(decades * PER_DECADE + 1) / PER_DECADE)).astype(np.int64)
    return np.unique(np.concatenate([[0, 1], grown, [10**decades]])).astype(np.int64)


def cells(values: Counts, most: int = 28) -> tuple[Counts, npt.NDArray[np.float64]]:
    """Values to at most about `most` places on a logarithmic axis.

    Returns
    -------
    places : int64, shape (n,)
        Of each value, its range.
    middles : float64, shape (n_places,)
        The value itself where a range has one, else the geometric middle of a range; 0 stays apart.
    """
    distinct, places = np.unique(values, return_inverse=True)
    if len(distinct) <= most:
        return places.astype(np.int64), distinct.astype(np.float64)
    low, high = max(int(distinct[0]), 1), int(distinct[-1])
    grown = np.ceil(np.geomspace(low, high + 1, most)).astype(np.int64)
    edges = np.unique(np.concatenate([[0], grown, [high + 1]]))
    middles = np.sqrt(edges[:-1].astype(np.float64) * (edges[1:] - 1))
    return np.searchsorted(edges, values, side="right") - 1, middles


def binned(values: Counts) -> Bins:
    """Whole numbers from 0 by value, or where there are many different ones in ranges of equal ratio."""
    distinct, sizes = np.unique(values, return_counts=True)
    if len(distinct) <= EXACT:
        return Bins(distinct, distinct, sizes.astype(np.int64))
    edges = log_edges(int(distinct[-1]))
    places = np.searchsorted(edges, distinct, side="right") - 1
    totals = np.bincount(places, weights=sizes, minlength=len(edges)).astype(np.int64)
    inside = np.arange(places[0], places[-1] + 1)
    return Bins(edges[inside], edges[inside + 1] - 1, totals[inside])
