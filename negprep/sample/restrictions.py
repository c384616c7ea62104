"""The catalog in another order, in which the items that a positive's negatives may be are a range of positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from negprep.arrays import Codes, Positions, Times
from negprep.sample.measures import count_up_to
from negprep.sample.seen import Seen


@dataclass(frozen=True, eq=False)
class CatalogOrder:
    """Items by category, and within one by the time from which they are available.

    ``items``: int32, shape (n_items,). The item at each position. Those that are never drawn come last.
    ``positions``: int32, shape (n_items,). The position of each item.
    ``segments``: int32, shape (n_items,), or None. The category of each item, -1 for an item that is in none. None:
      categories do not matter.
    ``bounds``: int64, shape (n_segments + 1,). The positions at which the categories begin, and at which the last one
      ends.
    ``times``: int64, shape (n_items,), or None. The time at which the item of each position becomes available. None:
      times do not matter.
    """

    items: Codes
    positions: Codes
    segments: Codes | None
    bounds: Positions
    times: Times | None

    @classmethod
    def of(
        cls,
        n_items: int,
        *,
        segments: Codes | None = None,
        available: Times | None = None,
        drawable: npt.NDArray[np.bool_] | None = None,
    ) -> CatalogOrder:
        """The order of a catalog.

        ``segments``: int32, shape (n_items,). The category of each item, from 0; -1 for none. None: categories do not
          matter.
        ``available``: int64, shape (n_items,).
        ``drawable``: bool, shape (n_items,). Which items may be drawn at all.
        """
        n_segments = 1 if segments is None else int(segments.max(initial=-1)) + 1
        places = np.zeros(n_items, np.int32) if segments is None else np.where(segments >= 0, segments, n_segments)
        if drawable is not None:
            places = np.where(drawable, places, n_segments)
        keys = [places] if available is None else [available, places]
        items = np.lexsort(keys).astype(np.int32)
        positions = np.empty(n_items, np.int32)
        positions[items] = np.arange(n_items, dtype=np.int32)
        bounds = np.searchsorted(places[items], np.arange(n_segments + 1))
        return cls(items, positions, segments, bounds, None if available is None else available[items])

    def windows(self, items: Codes, times: Times | None) -> tuple[Positions, Positions]:
        """Which positions the negatives of some positives may have.

        ``items``: int32, shape (n,). The positives; a code of n_items or more is of an item outside the catalog, which
          has no category.
        ``times``: int64, shape (n,), or None. Of the positives.
        Returns ``lows, highs``, int64, shape (n,): The first position, and the end. Both 0 for a positive without a
          category.
        """
        n_segments = len(self.bounds) - 1
        if self.segments is None:
            segments = np.zeros(len(items), np.int32)
        else:
            segments = np.where(items < len(self.items), self.segments.take(items, mode="clip"), np.int32(-1))
        lows, highs = self.bounds[segments], self.bounds[segments + 1]
        if self.times is not None and times is not None:
            if n_segments == 1:
                highs = np.minimum(highs, np.searchsorted(self.times[: self.bounds[1]], times, side="right"))
            else:
                highs = lows + count_up_to(self.times, lows, highs, times)
        none = segments < 0
        return np.where(none, 0, lows), np.where(none, 0, highs)

    def reorder(self, seen: Seen) -> Seen:
        """The same sets, of positions instead of items."""
        users = np.repeat(np.arange(seen.n_users), np.diff(seen.starts))
        packed = users * np.int64(seen.n_items) + self.positions[seen.items]
        packed.sort()
        packed -= users * np.int64(seen.n_items)
        return Seen(seen.starts, packed.astype(np.int32), seen.n_items)
