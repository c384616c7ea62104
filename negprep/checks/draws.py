"""What fair draws can be expected to be, and how they vary."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from negprep.arrays import Codes, Floats
from negprep.checks.completeness import Known, RangeCheck
from negprep.checks.expected import Placed, PlacedShown, PlaceRanges, Windows
from negprep.checks.log_ids import Codebook
from negprep.checks.observed import LogByRange
from negprep.checks.pair_set import PairSet, Rows, count_into, steps
from negprep.checks.promises import Promise
from negprep.checks.ranges import ArrayStore, PairParts, Part
from negprep.checks.results import Findings
from negprep.checks.sweep import Drawn, Totals


class Drawable:
    """What can be drawn, as the ranges of users that were checked show it one after the other."""

    def __init__(
        self, log: LogByRange, terms: Promise, totals: Totals, settled: Known, findings: Findings, store: ArrayStore
    ) -> None:
        self.terms, self.totals, self.settled, self.findings = terms, totals, settled, findings
        self.ranges = log.ranges
        self.items: Codebook = log.log_ids.items
        self.catalog = log.catalog  # bool (n_items,)
        self.known = True  # Whether it is known which positives are held out, and so what can be drawn
        self.avoided, self.weak = PairParts(store), PairParts(store)
        perhaps = terms.is_train and not terms.has_metadata and not totals.hit
        self.avoided_and_held = PairParts(store) if perhaps else None  # a foreign file may avoid held-out items, too
        n_users = len(log.log_ids.users)
        self.eligible, self.held = np.zeros(n_users, np.int64), np.zeros(n_users, np.int64)  # items, positives
        self.any_weak = False  # Whether anyone has a weak item that could be drawn
        self.popularity = np.zeros(len(self.items), np.int64)  # int64 (n_items,): Positives with each item

    def add(self, checked: RangeCheck) -> None:
        """Take the next range."""
        positives, supply, first = checked.in_log.positives, checked.supply, checked.in_log.users.first
        for here in steps(len(positives)):
            count_into(self.popularity, positives.items[here])
        self.known &= supply is not None
        if supply is None:
            return
        mine = slice(first, first + positives.n_users)
        self.eligible[mine] = supply.eligible
        self.any_weak |= bool(len(supply.weak))
        if self.terms.restricted:
            return  # there is a law for each positive, which is found range by range
        self.avoided.add(first, supply.avoided)
        self.weak.add(first, supply.weak)
        if self.avoided_and_held is not None and checked.held is not None:
            held = positives.where(checked.held)
            self.held[mine] = held.counts
            self.avoided_and_held.add(first, supply.avoided.union(held.where(self.catalog[held.items])))


_STEP = 1 << 17
_ROUNDING = 1e-12


Numbers = npt.NDArray[np.float64] | Rows


@dataclass(frozen=True, eq=False)
class UserSets:
    """Of each user, the items that can be drawn. Sums of whole numbers over items are exact."""

    pairs: PairParts | PairSet  # What is in the sets, or, with ``left_out``, what of the catalog is not
    left_out: bool
    catalog: npt.NDArray[np.bool_]  # bool (n_items,)

    @property
    def _parts(self) -> Iterator[Part]:
        """The pairs, a range of users after the other."""
        parts: Iterable[Part] = [Part.of(0, self.pairs)] if isinstance(self.pairs, PairSet) else self.pairs
        return chain.from_iterable(part.steps() for part in parts)

    def over_owners(self, of_owners: Floats) -> Floats:
        """For each item the sum of a value over the owners who may get it: float64, shape (n_items,)."""
        listed = np.zeros(len(self.catalog))
        for part in self._parts:  # one after the other, so that the same comes out however the pairs are parted
            np.add.at(listed, part.items, of_owners[part.first : part.first + part.n_users][part.users])
        found: Floats = np.where(self.catalog, of_owners.sum() - listed, 0.0) if self.left_out else listed
        return found

    def over_items(self, of_items: Numbers) -> Floats:
        """For each owner the sum of a value over the owner's items: float64, shape (n_owners,)."""
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

    def masses(self, weights: Numbers, bins: Rows, n_bins: int) -> Iterator[tuple[slice, Floats]]:
        """For some owners after the others, the sum of the weights over their items in each bin."""
        found: Any = np.zeros((self.pairs.n_users, n_bins), weights.dtype)
        for part in self._parts:
            of_items = bins[part.items]
            listed = slice(None) if of_items.min(initial=0) >= 0 else of_items >= 0
            places = part.users[listed] * np.int64(n_bins) + of_items[listed]
            sums: Any = np.zeros(part.n_users * n_bins, weights.dtype)
            np.add.at(sums, places, weights[part.items[listed]])
            found[part.first : part.first + part.n_users] = sums.reshape(part.n_users, n_bins)
        if self.left_out:
            whole, inside = np.zeros(n_bins, weights.dtype), bins >= 0
            np.add.at(whole, bins[inside], (weights * self.catalog)[inside])
            found = whole - found
        yield slice(None), _real(found)


@dataclass(frozen=True, eq=False)
class WindowSets:
    """As ``UserSets``, of positives: of a range of places, what of it the user has, or, with ``left_out``, has not.

    Sums over ranges are differences of running sums, and sums over the ranges that hold a place are running sums of
    what begins less what has ended: neither takes longer where ranges are long.
    """

    items: Rows  # int64 (n_places,): The item at each place
    listed: Codes  # int32 (n_pairs,): The place of each pair of a user and an item, by user, and of a user ascending
    ranges: PlaceRanges  # Of each owner; owners by user
    left_out: bool
    n_items: int

    def over_owners(self, of_owners: Floats) -> Floats:
        """For each item the sum of a value over the owners who may get it: float64, shape (n_items,)."""
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

    def over_items(self, of_items: Numbers) -> Floats:
        """For each owner the sum of a value over the owner's items: float64, shape (n_owners,)."""
        found = np.empty(len(self.ranges.lows))
        for part, sums in self._sums(of_items[self.items]):
            found[part] = sums
        return found

    def masses(self, weights: Numbers, bins: Rows, n_bins: int) -> Iterator[tuple[slice, Floats]]:
        """For some owners after the others, the sum of the weights over their items in each bin."""
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


_FAR = 2.0**13


@dataclass(frozen=True, eq=False)
class Draws:
    """What was drawn, and from what."""

    sets: UserSets | WindowSets
    weights: Numbers  # float64 or int64 (n_items,)
    items: Rows  # int64 (n_items,): How often each item was drawn
    draws: Floats  # float64 (n_owners,)
    squares: Floats | None = None  # float64 (n_owners,), or None
    groups: Floats | None = None  # float64 (n_owners,), or None

    @cached_property
    def mass(self) -> Floats:
        """W of each owner."""
        return self.sets.over_items(self.weights)

    @cached_property
    def shares(self) -> Floats:
        """D / W of each owner, 0 where nothing can be drawn."""
        return np.divide(self.draws, self.mass, out=np.zeros_like(self.mass), where=self.mass > 0.5e-12)

    @cached_property
    def spread(self) -> Floats:
        """By what each owner's covariance of one draw is multiplied: D, or less where draws of a group differ.

        Of k of m without replacement it is k (m - k) / (m - 1).
        """
        if self.squares is None:
            return np.where(self.mass > 0, self.draws, 0.0)
        m = self.mass
        return np.divide(m * self.draws - self.squares, m - 1, out=np.zeros_like(m), where=m > 1.5).clip(0)

    @cached_property
    def expected(self) -> Floats:
        """What each item can expect."""
        return self._real * self._over_owners(self.shares)

    @cached_property
    def _real(self) -> Floats:
        return self.weights.astype(np.float64)

    def _over_owners(self, of_owners: Floats) -> Floats:
        """For each item the sum over the owners who may get it.

        Sums are differences of larger ones, and shares of a small W are large. So that their rounding does not drown
        what a heavy item gets from others, owners whose W are far apart are summed apart; an item heavier than W is
        with none of them.
        """
        some = self._real[self._real > 0]
        if not some.size or some.max() < _FAR * some.min():
            return self.sets.over_owners(of_owners)
        sizes = np.floor(np.log(np.maximum(self.mass, 1e-300)) / math.log(_FAR))
        found = np.zeros(len(self.weights))
        for size in np.unique(sizes[of_owners != 0]):
            mine = sizes == size
            part = self.sets.over_owners(np.where(mine, of_owners, 0.0))
            found += np.where(self._real <= self.mass[mine].max(), part, 0.0)
        return found

    @cached_property
    def _once(self) -> Floats:
        """The spread over W of each owner."""
        return np.divide(self.spread, self.mass, out=np.zeros_like(self.mass), where=self.mass > 0)

    @cached_property
    def _sums_of_once(self) -> Floats:
        return self._over_owners(self._once)

    @cached_property
    def variances(self) -> Floats:
        """The variance of each item's number."""
        twice = np.divide(self._once, self.mass, out=np.zeros_like(self.mass), where=self.mass > 0)
        found = self._real * self._sums_of_once - self._real**2 * self._over_owners(twice)
        return found.clip(0)

    @cached_property
    def trials(self) -> Floats:
        """How many draws, or groups, may give each item."""
        return self.sets.over_owners(self.draws if self.groups is None else self.groups)

    def covariance(self, bins: Rows, n_bins: int) -> Floats:
        """That of the numbers of bins of items (-1 is none): shape (n_bins, n_bins)."""
        found = np.zeros((n_bins, n_bins))
        for part, masses in self.sets.masses(self.weights, bins, n_bins):
            whole = self.mass[part, None]
            shares = np.divide(masses, whole, out=np.zeros_like(masses), where=whole > 0)
            spread = shares * self.spread[part, None]
            found += np.diag(spread.sum(axis=0)) - shares.T @ spread
        return found

    def products(self, vectors: list[Floats]) -> list[Floats]:
        """The covariance matrix of the items' numbers times each of some vectors, without writing the matrix down."""
        return [self._product(values) for values in vectors]

    def _product(self, values: Floats) -> Floats:
        weighted = self._real * values
        means = np.divide(self.sets.over_items(weighted), self.mass, out=np.zeros_like(self.mass), where=self.mass > 0)
        return weighted * self._sums_of_once - self._real * self._over_owners(self._once * means)


@dataclass(eq=False)
class DrawsByRange:
    """What owners of several ranges have drawn, who are too many to be held at a time: all is added up."""

    parts: Callable[[], Iterator[Draws]]  # Gives the draws of each range, one after the other
    weights: Numbers  # As of ``Draws``
    items: Rows  # As of ``Draws``

    def __post_init__(self) -> None:
        self.expected, self.variances, self.trials = (np.zeros(len(self.items)) for _ in range(3))
        for part in self.parts():
            self.expected += part.expected
            self.variances += part.variances
            self.trials += part.trials

    def products(self, vectors: list[Floats]) -> list[Floats]:
        """As of ``Draws``."""
        found = [np.zeros(len(self.items)) for _ in vectors]
        for part in self.parts():
            for sums, more in zip(found, part.products(vectors), strict=True):
                sums += more
        return found

    def covariance(self, bins: Rows, n_bins: int) -> Floats:
        """That of the numbers of bins of items (-1 is none): shape (n_bins, n_bins)."""
        found = np.zeros((n_bins, n_bins))
        for part in self.parts():
            found += part.covariance(bins, n_bins)
        return found


Law = Draws | DrawsByRange
"""What was drawn by a sampler, and from what."""


_TELLING = 25.0


def law_of(drawable: Drawable, ranges: Callable[[], Iterator[RangeCheck]], name: str, drawn: Drawn) -> Law | None:
    """What a sampler has drawn, and from what; None where it is not known which draws differ from each other."""
    terms, units = drawable.terms, drawable.settled.units
    if not drawable.known or (terms.levels and terms.restricted):
        return None
    weights = units if name == "popularity" and units is not None else drawable.catalog.astype(np.int64)
    if terms.restricted:
        return _law_of_positives(drawable, ranges, name, drawn, weights)
    left_out = name != "weak"
    sets = UserSets(_avoided(drawable, drawn) if left_out else drawable.weak, left_out, drawable.catalog)
    if drawn.first_items is not None and drawn.first_draws is not None:
        return Draws(sets, weights, drawn.first_items, drawn.first_draws.astype(np.float64))
    draws = drawn.draws.astype(np.float64)
    if terms.chance is not None and terms.num_neg == 1:  # of a group there is one draw at most
        return Draws(sets, weights, drawn.items, draws)
    if terms.distinct and _is_apart(terms):
        if _has_no_number(terms) or terms.num_neg is None:
            return None
        most = np.minimum(drawable.eligible, terms.num_neg).clip(1)
        return Draws(sets, weights, drawn.items, draws, draws * most, draws / most)
    if not terms.distinct:
        return Draws(sets, weights, drawn.items, draws)
    if terms.heads_repeat:
        return None
    return Draws(sets, weights, drawn.items, draws, drawn.squares.astype(float), drawn.groups.astype(float))


def _law_of_positives(
    drawable: Drawable, ranges: Callable[[], Iterator[RangeCheck]], name: str, drawn: Drawn, weights: Rows
) -> Law | None:
    """Where the positive decides what can be drawn."""
    terms = drawable.terms
    by_number = _is_ungrouped(terms) or (_is_apart(terms) and bool(terms.distinct) and drawn.first_items is None)
    if by_number and _has_no_number(terms):
        return None
    if not by_number and terms.distinct and terms.heads_repeat and drawn.first_items is None:
        return None

    def parts() -> Iterator[Draws]:
        for checked in ranges():
            windows = Windows(checked.in_log, drawable.catalog, available=terms.available)
            yield _of_range(checked, windows, name, weights, by_number=by_number)

    items = drawn.items if drawn.first_items is None else drawn.first_items
    return next(parts()) if len(drawable.ranges) == 1 else DrawsByRange(parts, weights, items)


def _avoided(drawable: Drawable, drawn: Drawn) -> PairParts:
    """What the draws avoid: in a foreign train file perhaps the held-out positives, too."""
    if drawable.avoided_and_held is None:
        return drawable.avoided
    rates = drawn.draws / np.maximum(drawable.eligible, 1)
    return drawable.avoided if float((rates * drawable.held).sum()) < _TELLING else drawable.avoided_and_held


def _of_range(checked: RangeCheck, windows: Windows, name: str, weights: Rows, *, by_number: bool) -> Draws:
    """What the positives of a range have drawn."""
    supply, in_log, terms, drawn = checked.supply, checked.in_log, checked.terms, checked.tallies.drawn[name]
    if supply is None:
        raise ValueError("it is not known which positives are held out")
    left_out = name not in ("weak", "impression")
    placed = Placed(supply.avoided if left_out else supply.weak, windows)

    def sets(owners: Rows) -> WindowSets:
        ranges, listed = PlaceRanges.of(windows, placed, in_log, owners), placed.places
        if name == "impression":
            shown = PlacedShown(in_log, windows)
            begins, ends = shown.within(owners, ranges.lows, ranges.highs)
            ranges, listed = PlaceRanges(ranges.lows, ranges.highs, begins, ends), shown.places
        return WindowSets(windows.items, listed, ranges, left_out, len(in_log.items))

    if drawn.first_items is not None and drawn.first_draws is not None:
        owners = np.flatnonzero(drawn.first_draws)
        return Draws(sets(owners), weights, drawn.first_items, drawn.first_draws[owners].astype(np.float64))
    if not by_number:
        owners = np.flatnonzero(drawn.draws)
        draws = drawn.draws[owners].astype(np.float64)
        if not terms.distinct:
            return Draws(sets(owners), weights, drawn.items, draws)
        squares, groups = (each[owners].astype(np.float64) for each in (drawn.squares, drawn.groups))
        return Draws(sets(owners), weights, drawn.items, draws, squares, groups)
    owners, num_neg = np.flatnonzero(checked.tallies.present), terms.num_neg or 0
    rows, of_owners = checked.tallies.present[owners], sets(owners)
    mass = of_owners.over_items(weights)
    if not terms.distinct:
        return Draws(of_owners, weights, drawn.items, np.where(mass > 0, rows * float(num_neg), 0.0))
    most = np.minimum(np.rint(mass), num_neg)
    groups = rows / np.maximum(most, 1) if terms.layout == "pairwise" else rows.astype(np.float64)
    return Draws(of_owners, weights, drawn.items, groups * most, groups * most**2, groups)


def _is_ungrouped(terms: Promise) -> bool:
    """Whether it is not known which negative is whose."""
    return terms.shuffled and terms.is_train and terms.layout == "pointwise"


def _is_apart(terms: Promise) -> bool:
    """Whether the negatives of a positive do not stand together."""
    return terms.shuffled and terms.is_train and terms.layout in ("pointwise", "pairwise")


def _has_no_number(terms: Promise) -> bool:
    """Whether it is not known how many draws of a sampler a group has."""
    by_chance = terms.heads_repeat or terms.chance is not None
    falls_back = terms.samplers in (("weak",), ("impression",))
    return len(terms.samplers) > 1 or falls_back or terms.num_neg is None or by_chance
