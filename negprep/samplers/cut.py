"""The cumulative weights of a catalog with the seen items of each user cut out.

Seen items are points of the catalog that a user does not have. Cut out, they move what comes after them: an item of the
catalog at point P is at P minus the units of the user's seen items before it. A seen item's *threshold* is the point of
the user that it was cut out at.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from negprep.samplers.measures import count_up_to
from negprep.samplers.weights import Weights
from negprep.seen import Codes, Positions

_POINT_BITS = 40


class SeenCut:
    """What is left of a catalog's weights for each of a few users.

    Parameters
    ----------
    weights : Weights
        Of the items by position.
    starts : int64, shape (n_rows + 1,)
        The user of row ``r`` has seen ``items[starts[r]:starts[r + 1]]``.
    items : int32, shape (n_seen,)
        Positions, ascending within a user.
    """

    def __init__(self, weights: Weights, starts: Positions, items: Codes) -> None:
        self._weights, self._starts, self._items = weights, starts, items

    @cached_property
    def totals(self) -> Positions:
        """The points that each user has: int64, shape (n_rows,)."""
        totals: Positions = self._weights.before[-1] - np.diff(self._seen_before[self._starts])
        return totals

    def before(self, rows: Positions, items: Positions, n_below: Positions) -> Positions:
        """The points before some items, of which the user has seen ``n_below`` lower ones: int64."""
        first = self._starts[rows]
        seen = self._seen_before[first + n_below] - self._seen_before[first]
        points: Positions = self._weights.before[items] - seen
        return points

    def items_at(self, rows: Positions, points: Positions) -> Positions:
        """The item that each point of a user belongs to: int64."""
        passed = self._seen_before[self._end_of_passed(rows, points)] - self._seen_before[self._starts[rows]]
        items: Positions = self._weights.find(points + passed)
        return items

    def _end_of_passed(self, rows: Positions, points: Positions) -> Positions:
        """Where the seen items whose threshold is at most the point end: int64, positions in ``items``."""
        wanted = _packed(rows, points)
        ends: Positions = np.searchsorted(self._packed_thresholds, wanted)
        if not len(self._items):
            return ends
        tied = np.flatnonzero(self._packed_thresholds.take(ends, mode="clip") == wanted)
        if tied.size:
            last = np.searchsorted(self._packed_thresholds, wanted[tied], side="right")
            ends[tied] += count_up_to(self._thresholds, ends[tied], last, points[tied])
        return ends

    @cached_property
    def _seen_before(self) -> Positions:
        """The units of the seen items before each, wrapping: differences within a user are right."""
        return np.concatenate([[0], np.cumsum(self._weights.units[self._items])])

    @cached_property
    def _thresholds(self) -> Positions:
        cut = self._seen_before[:-1] - self._seen_before[np.repeat(self._starts[:-1], np.diff(self._starts))]
        points: Positions = self._weights.before[self._items] - cut
        return points

    @cached_property
    def _packed_thresholds(self) -> Positions:
        """Ascending over all users, as the thresholds of each are."""
        rows = np.repeat(np.arange(len(self._starts) - 1), np.diff(self._starts))
        return _packed(rows, self._thresholds)


def _packed(rows: Positions, points: Positions) -> Positions:
    """A row and the upper bits of a point below 2**62 in one number, for one search over all users."""
    return (rows << _POINT_BITS) | (points >> (62 - _POINT_BITS))
