"""From what each owner of draws, a user or a positive, has drawn; and sums over owners, and over their items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from negprep.verifying.pair_parts import PairParts, Part
from negprep.verifying.pairs import Codes, Floats, PairSet, Rows
from negprep.verifying.windows import Reaches

_STEP = 1 << 17
_ROUNDING = 1e-12


Numbers = npt.NDArray[np.float64] | Rows


class Sets(Protocol):
    """Of each owner, the items that can be drawn. Sums of whole numbers over items are exact."""

    def over_owners(self, of_owners: Floats) -> Floats:
        """For each item the sum of a value over the owners who may get it: float64, shape (n_items,)."""

    def over_items(self, of_items: Numbers) -> Floats:
        """For each owner the sum of a value over the owner's items: float64, shape (n_owners,)."""

    def masses(self, weights: Numbers, bins: Rows, n_bins: int) -> Iterator[tuple[slice, Floats]]:
        """For some owners after the others, the sum of the weights over their items in each bin.

        Parameters
        ----------
        bins : int64, shape (n_items,)
            The bin of each item; -1 outside.

        Yields
        ------
        slice, float64 of shape (n_some, n_bins)
            Which owners; their sums.
        """


@dataclass(frozen=True, eq=False)
class UserSets:
    """Sets of users.

    Attributes
    ----------
    pairs : PairParts or PairSet
        What is in the sets, or, with ``left_out``, what of the catalog is not.
    left_out : bool
    catalog : bool, shape (n_items,)
    """

    pairs: PairParts | PairSet
    left_out: bool
    catalog: npt.NDArray[np.bool_]

    @property
    def _parts(self) -> Iterable[Part]:
        """The pairs, a range of users after the other."""
        return [Part.of(0, self.pairs)] if isinstance(self.pairs, PairSet) else self.pairs

    def over_owners(self, of_owners: Floats) -> Floats:  # noqa: D102
        listed: Any = np.zeros(len(self.catalog))
        for part in self._parts:
            listed = _added(listed, part.items, of_owners[part.first : part.first + part.n_users][part.users])
        found: Floats = np.where(self.catalog, of_owners.sum() - listed, 0.0) if self.left_out else listed
        return found

    def over_items(self, of_items: Numbers) -> Floats:  # noqa: D102
        listed: Any = np.zeros(self.pairs.n_users, of_items.dtype)
        for part in self._parts:
            mine = listed[part.first : part.first + part.n_users]
            if of_items.dtype == np.int64:
                before = _running(of_items[part.items])
                starts = np.searchsorted(part.users, np.arange(part.n_users + 1))
                mine[:] = before[starts[1:]] - before[starts[:-1]]
            else:
                mine[:] = np.bincount(part.users, weights=of_items[part.items], minlength=part.n_users)
        found: Any = of_items[self.catalog].sum() - listed if self.left_out else listed
        return _real(found)

    def masses(self, weights: Numbers, bins: Rows, n_bins: int) -> Iterator[tuple[slice, Floats]]:  # noqa: D102
        found: Any = np.zeros((self.pairs.n_users, n_bins), weights.dtype)
        for part in self._parts:
            listed = bins[part.items] >= 0
            places = part.users[listed] * np.int64(n_bins) + bins[part.items[listed]]
            sums: Any = np.zeros(part.n_users * n_bins, weights.dtype)
            np.add.at(sums, places, weights[part.items[listed]])
            found[part.first : part.first + part.n_users] = sums.reshape(part.n_users, n_bins)
        if self.left_out:
            whole, inside = np.zeros(n_bins, weights.dtype), bins >= 0
            np.add.at(whole, bins[inside], (weights * self.catalog)[inside])
            found = whole - found
        yield slice(None), _real(found)


def _added(sums: Floats, places: Codes, values: Floats) -> Floats:
    """Sums with more values: one after the other, so that the same comes out however the values are parted."""
    if sums.any():
        places = np.concatenate([np.arange(len(sums), dtype=places.dtype), places])
        values = np.concatenate([sums, values])
    found: Any = np.bincount(places, weights=values, minlength=len(sums))
    return found  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class WindowSets:
    """Sets of positives: of a range of places, what of it the user has, or, with ``left_out``, has not.

    Sums over ranges are differences of running sums, and sums over the ranges that hold a place are running sums of
    what begins less what has ended: neither takes longer where ranges are long.

    Attributes
    ----------
    items : int64, shape (n_places,)
        The item at each place.
    listed : int32, shape (n_pairs,)
        The place of each pair of a user and an item, by user, and of a user ascending.
    ranges : Reaches
        Of each owner; owners by user.
    left_out : bool
    n_items : int
    """

    items: Rows
    listed: Codes
    ranges: Reaches
    left_out: bool
    n_items: int

    def over_owners(self, of_owners: Floats) -> Floats:  # noqa: D102
        ranges, n_places = self.ranges, len(self.items)
        found = np.zeros(n_places)
        if self.left_out:
            found += _covering(ranges.lows, ranges.highs, of_owners, n_places)
        for part, first, last in self._parts():
            begins, ends = ranges.begins[part] - first, ranges.ends[part] - first
            in_pairs = _covering(begins, ends, of_owners[part], last - first)
            listed: Any = np.bincount(self.listed[first:last], weights=in_pairs, minlength=n_places)
            found += -listed if self.left_out else listed
        found[np.abs(found) < _ROUNDING * np.abs(of_owners).sum()] = 0.0
        by_item = np.zeros(self.n_items)
        by_item[self.items] = found
        return by_item

    def over_items(self, of_items: Numbers) -> Floats:  # noqa: D102
        found = np.empty(len(self.ranges.lows))
        for part, sums in self._sums(of_items[self.items]):
            found[part] = sums
        return found

    def masses(self, weights: Numbers, bins: Rows, n_bins: int) -> Iterator[tuple[slice, Floats]]:  # noqa: D102
        apart = np.zeros((len(self.items), n_bins), weights.dtype)
        inside = np.flatnonzero(bins[self.items] >= 0)
        apart[inside, bins[self.items[inside]]] = weights[self.items[inside]]
        yield from self._sums(apart)

    def _sums(self, of_places: npt.NDArray[Any]) -> Iterator[tuple[slice, Floats]]:
        """For some owners after the others, the sums of the values of their places."""
        whole, ranges = _running(of_places), self.ranges
        for part, first, last in self._parts():
            before = _running(of_places[self.listed[first:last]])
            found = before[ranges.ends[part] - first] - before[ranges.begins[part] - first]
            if self.left_out:
                found = whole[ranges.highs[part]] - whole[ranges.lows[part]] - found
            yield part, _real(found)

    def _parts(self) -> Iterator[tuple[slice, int, int]]:
        """Some owners after the others, and which pairs are theirs."""
        for begin in range(0, len(self.ranges.lows), _STEP):
            part = slice(begin, begin + _STEP)
            yield part, int(self.ranges.begins[part].min()), int(self.ranges.ends[part].max())


def _real(values: npt.NDArray[Any]) -> Floats:
    return values.astype(np.float64)


def _running(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Sums of all before each, and of all, along the first axis. Whole ones may wrap: their differences are right."""
    found = np.zeros((len(values) + 1, *values.shape[1:]), values.dtype)
    np.cumsum(values, axis=0, out=found[1:])
    return found


def _covering(begins: Rows | Codes, ends: Rows | Codes, values: Floats, size: int) -> Floats:
    """For each of ``size`` places the sum of the values of the ranges that hold it."""
    steps: Any = np.bincount(begins, weights=values, minlength=size + 1)
    steps -= np.bincount(ends, weights=values, minlength=size + 1)
    found: Floats = np.cumsum(steps, out=steps)[:size]
    return found
