"""How many items can be drawn for a positive: all that its user has not seen, of its kind, or there at its time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from negprep.arrays import Codes
from negprep.checks.observed import UsersOfLog
from negprep.checks.pair_set import PairSet, Rows
from negprep.checks.promises import Promise

WINDOWS = 2_000
"""How many positives ``window_sizes`` is asked of at most; and ``WINDOW_WORK`` is how many items it looks at."""
WINDOW_WORK = 1 << 31


@dataclass(frozen=True, eq=False)
class Supply:
    """The items that negatives may be.

    Attributes
    ----------
    avoided : PairSet
        The pairs of a user and an item of the catalog that the user has seen.
    weak : PairSet
        Those of a user and a weak item of the catalog.
    eligible : int64, shape (n_users,)
        Items of the catalog that the user has not seen.
    weights : float64, shape (n_items,), or None
        Of popularity; 0 outside the catalog. None: it is not drawn from, or not known.
    sizes : int64, shape (n_users,)
        Different items that can be drawn for a user.
    """

    avoided: PairSet
    weak: PairSet
    eligible: Rows
    weights: npt.NDArray[np.float64] | None
    sizes: Rows

    def wanted(self, terms: Promise, num_neg: int) -> Rows:
        """Negatives of each of a user's positives, where the positive does not matter: int64, shape (n_users,)."""
        return np.minimum(self.sizes, num_neg) if terms.distinct else np.where(self.sizes > 0, num_neg, 0)


def supply_of(
    truth: UsersOfLog, terms: Promise, seen_positives: PairSet, weights: npt.NDArray[np.float64] | None
) -> Supply:
    """Work it out.

    Parameters
    ----------
    seen_positives : PairSet
        The positives that negatives avoid.
    weights : float64, shape (n_items,), or None
    """
    avoided, weak = seen_positives.union(truth.weak, truth.excluded), truth.weak.without(truth.excluded)
    if not truth.catalog.all():
        avoided, weak = (pairs.where(truth.catalog[pairs.items]) for pairs in (avoided, weak))
    eligible = int(truth.catalog.sum()) - avoided.counts
    sizes = eligible
    if weights is not None:
        weights = np.where(truth.catalog, weights, 0)
        if terms.samplers == ("popularity",):
            heavy = weights > 0
            taken = np.bincount(avoided.users[heavy[avoided.items]], minlength=len(truth.users))
            sizes = int(heavy.sum()) - taken
    if terms.draws_weak:
        sizes = sizes + weak.counts
    return Supply(avoided, weak, eligible, weights, sizes)


def window_sizes(truth: UsersOfLog, terms: Promise, supply: Supply, places: Rows) -> Rows:
    """How many different items can be drawn for each of some positives, where that depends on the positive.

    Parameters
    ----------
    places : int64, shape (n,)
        Positives, by their places among those of the log.

    Returns
    -------
    int64, shape (n,)
    """
    sizes = np.empty(len(places), np.int64)
    users, items = truth.positives.users[places], truth.positives.items[places]
    drawable = truth.catalog
    if supply.weights is not None and terms.samplers == ("popularity",):
        drawable = drawable & (supply.weights > 0)
    for at, (user, item) in enumerate(zip(users, items, strict=True)):
        window = drawable.copy()
        if truth.categories is not None:
            window &= (truth.categories == truth.categories[item]) & bool(truth.categories[item] >= 0)
        if truth.firsts is not None and truth.times is not None and terms.available:
            window &= truth.firsts <= truth.times[places[at]]
        mine = supply.avoided.items[supply.avoided.starts[user] : supply.avoided.starts[user + 1]]
        sizes[at] = int(window.sum()) - int(window[mine].sum())
        if terms.draws_weak:
            sizes[at] += int(window[supply.weak.items[supply.weak.starts[user] : supply.weak.starts[user + 1]]].sum())
    return sizes


_STEP = 1 << 16
_WIDEST = 1 << 24
_LONG = np.iinfo(np.int32).max


class Windows:
    """The order, and the range of each positive.

    Parameters
    ----------
    truth : Truth
    available : bool
        Items must have been there at the positive's time.

    Attributes
    ----------
    items : int64, shape (n_catalog,)
        The item at each place.
    places : int64, shape (n_items,)
        The place of each item, -1 outside the catalog.
    """

    def __init__(self, truth: UsersOfLog, *, available: bool) -> None:
        self._truth, inside = truth, np.flatnonzero(truth.catalog)
        self._kinds = np.zeros(len(truth.items), np.int64) if truth.categories is None else truth.categories
        self._moments: Rows | None = None
        stages = np.zeros(len(inside), np.int64)
        if available and truth.firsts is not None:
            self._moments, stages = np.unique(truth.firsts[inside], return_inverse=True)
        self._width = 2 if self._moments is None else len(self._moments) + 1
        keys = (self._kinds[inside] + 1) * self._width + stages
        order = np.argsort(keys, kind="stable")
        self.items, self._keys = inside[order], keys[order]
        self.places = np.full(len(truth.items), -1)
        self.places[self.items] = np.arange(len(inside))
        n_keys = (int(self._kinds.max(initial=-1)) + 2) * self._width
        self._table = np.searchsorted(self._keys, np.arange(n_keys)) if n_keys <= _WIDEST else None

    def of(self, positives: Rows) -> tuple[Rows, Rows]:
        """The range of places of some positives of the log, the end exclusive: int64, shape (n,) each."""
        kinds = self._kinds[self._truth.positives.items[positives]] + 1
        stages = np.ones(len(kinds), np.int64)
        if self._moments is not None and self._truth.times is not None:
            stages = np.searchsorted(self._moments, self._truth.times[positives], side="right")
        firsts = kinds * self._width
        if self._table is not None:
            return self._table[firsts], np.where(kinds > 0, self._table[firsts + stages], self._table[firsts])
        lows = np.searchsorted(self._keys, firsts)
        return lows, np.where(kinds > 0, np.searchsorted(self._keys, firsts + stages), lows)


class Placed:
    """Pairs of users and items of the catalog, each user's in the order of places.

    Parameters
    ----------
    pairs : PairSet
    windows : Windows

    Attributes
    ----------
    places : int32, shape (n_pairs,)
    """

    def __init__(self, pairs: PairSet, windows: Windows) -> None:
        self._n_places, self._starts = np.int64(len(windows.items)), pairs.starts
        self._keys = pairs.users * self._n_places + windows.places[pairs.items]
        self._keys.sort()

    @property
    def places(self) -> Codes:
        """The place of each pair's item: int32, shape (n_pairs,)."""
        found = np.empty(len(self._keys), np.int32)
        for begin in range(0, len(found), _STEP):
            found[begin : begin + _STEP] = self._keys[begin : begin + _STEP] % self._n_places
        return found

    def __len__(self) -> int:
        return len(self._keys)

    def within(self, users: Codes, lows: Rows | Codes, highs: Rows | Codes) -> tuple[Rows, Rows]:
        """The pairs of users whose places are in a range each: from which on, and the end: int64, shape (n,) each."""
        found = np.empty((2, len(users)), np.int64)
        for begin in range(0, len(users), _STEP):  # so that what is searched stays in the cache
            part = slice(begin, begin + _STEP)
            base = users[part].astype(np.int64) * self._n_places
            first, last = self._starts[int(users[part].min())], self._starts[int(users[part].max()) + 1]
            for at, bounds in enumerate((lows, highs)):
                found[at, part] = first + np.searchsorted(self._keys[first:last], base + bounds[part])
        return found[0], found[1]


@dataclass(frozen=True, eq=False)
class PlaceRanges:
    """What each of some positives can be given: a range of places, and within it pairs of its user.

    Attributes
    ----------
    lows, highs : int32, shape (n,)
    begins, ends : int32 or int64, shape (n,)
        Of the pairs.
    """

    lows: Codes
    highs: Codes
    begins: Codes | Rows
    ends: Codes | Rows

    @classmethod
    def of(cls, windows: Windows, placed: Placed, truth: UsersOfLog, positives: Rows) -> PlaceRanges:
        """Those of some positives of the log."""
        found = np.empty((2, len(positives)), np.int32)
        pairs = np.empty((2, len(positives)), np.int64 if len(placed) > _LONG else np.int32)
        for begin in range(0, len(positives), _STEP):
            part = slice(begin, begin + _STEP)
            lows, highs = windows.of(positives[part])
            pairs[:, part] = placed.within(truth.positives.users[positives[part]], lows, highs)
            found[:, part] = lows, highs
        return cls(*found, *pairs)
