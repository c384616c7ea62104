"""What to expect by log and promises: which positives are held out, and which items can be drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from negprep.arrays import Codes, Mask
from negprep.checks.observed import UsersOfLog
from negprep.checks.pair_set import PairSet, Rows, steps
from negprep.checks.promises import Promise
from negprep.errors import RowError, UsageError
from negprep.options.specs import SESSION, HoldoutRule
from negprep.read.times import Clock, parse_instant

_NEVER, _ALWAYS = np.iinfo(np.int64).max, np.iinfo(np.int64).min


@dataclass(frozen=True, eq=False)
class Expected:
    """The positives of a fold, as far as the rule decides."""

    sizes: Rows  # int64 (n_users,): How many each user has
    may: Mask  # bool (n_positives,): Whether a positive may be one of them
    must: Mask  # bool (n_positives,): Whether it must be
    unsure: Mask | None = None  # bool (n_users,), or None: Of whom ``sizes`` are the most that there may be

    def settled(self, positives: PairSet) -> bool:
        """Whether the rule leaves no choice."""
        return bool((per_user(positives, self.may) == self.sizes).all())

    def of_users(self, positives: PairSet, chosen: Mask) -> Expected:
        """The same for some users; of the others nothing."""
        mine = chosen[positives.users]
        return Expected(np.where(chosen, self.sizes, 0), self.may & mine, self.must & mine)

    def by_hash(self, in_log: UsersOfLog, seed: int) -> Expected:
        """The same, where the rule leaves a choice to the split seed: docs/internals/randomness.md."""
        positives = in_log.positives
        places = np.flatnonzero(self.may & ~self.must)
        of_users, users = _mixed(_purpose(seed, _SPLIT) ^ _user_keys(in_log)), positives.users[places]
        words = _mixed(of_users[users] ^ in_log.items.vocabulary.keys[positives.items[places]])
        order = np.lexsort((~words, users))  # the largest first
        number = np.arange(len(order)) - np.searchsorted(users, users)
        held, wanted = self.must.copy(), self.sizes - per_user(positives, self.must)
        held[places[order[number < wanted[users]]]] = True
        return _exactly(positives, held)

    def without_cold(self, positives: PairSet, held: Expected, mode: str, items: tuple[Mask, Mask]) -> Expected:
        """Without the holdouts that ``--drop-cold`` drops.

        ``held``: What is held out of train. ``items``: bool, shape (n_items,) each: which surely have a positive in
        train, and which may have one.
        """
        users, may, must = positives.users, self.may, self.must
        if mode != "items":
            warm = (positives.counts > held.sizes)[users]
            may, must = may & warm, must & warm
        open_items = np.zeros(len(may), bool)
        if mode != "users":
            sure, possible = items
            open_items = may & ~sure[positives.items] & possible[positives.items]
            may, must = may & possible[positives.items], must & sure[positives.items]
        left, before = per_user(positives, may), per_user(positives, self.may)
        touched = (left < before) & (before != self.sizes)  # some are dropped, and it is open whether these were due
        unsure = touched | (per_user(positives, open_items) > 0)
        return Expected(np.minimum(self.sizes, left), may, must, unsure)


def expected(in_log: UsersOfLog, rule: HoldoutRule, part: str, *, with_valid: bool, seed: int = 0) -> Expected:
    """What must be in a fold."""
    positives = in_log.positives
    counts = positives.counts
    if rule.kind == "none":
        return _nothing(positives)
    if rule.kind == "after":
        held = _times(in_log) >= cut_of(rule, in_log.clock)
        return _nothing(positives) if part == "valid" else _exactly(positives, held)
    if rule.kind in ("session", "random-global", "file"):
        if rule.kind == "file":
            test, valid = _among(positives, in_log.test), _among(positives, in_log.valid)
        else:
            test, valid = _sessions(in_log, seed) if rule.kind == "session" else _drawn_globally(in_log, rule, seed)
        valid &= with_valid
        return _exactly(positives, {"train": test | valid, "test": test, "valid": valid}[part])
    wanted = _wanted(counts, rule)
    n_test = np.minimum(wanted, counts - 1).clip(0)
    n_all = np.minimum(2 * wanted if with_valid else wanted, counts - 1).clip(0)
    sizes = {"train": n_all, "test": n_test, "valid": n_all - n_test}[part]
    if rule.kind == "random":
        may = np.repeat(sizes > 0, counts)
        return Expected(sizes, may, np.zeros(len(positives), bool))
    times, users = _times(in_log), positives.users
    may, must = np.repeat(sizes > 0, counts), np.repeat(sizes > 0, counts)
    if part != "test":  # nothing before the last of those held out
        bounds = _nth_latest(times, positives, n_all)
        for here in steps(len(times)):
            bound = bounds[users[here]]
            may[here] &= times[here] >= bound
            must[here] &= times[here] > bound
    if part != "train":
        bounds = _nth_latest(times, positives, n_test)
        for here in steps(len(times)):
            bound = bounds[users[here]]
            may[here] &= times[here] >= bound if part == "test" else times[here] <= bound
            must[here] &= times[here] > bound if part == "test" else times[here] < bound
    must |= may & (per_user(positives, may) == sizes)[users]  # where there is no choice between equal times
    return Expected(sizes, may, must)


def cut_of(rule: HoldoutRule, clock: Clock | None = None) -> int:
    """The time of ``after:TIME`` in nanoseconds since 1970, in a log with such a clock."""
    try:
        return parse_instant(rule.time, clock)[0]
    except RowError as error:
        raise UsageError(f"--holdout {rule}: {error.what}", remedy=error.remedy) from None


def _exactly(positives: PairSet, held: Mask) -> Expected:
    return Expected(per_user(positives, held), held, held)


def _among(positives: PairSet, pairs: PairSet) -> Mask:
    """Which positives are among some pairs."""
    found, places = np.zeros(len(positives), bool), positives.find(pairs.keys)
    found[places[places >= 0]] = True
    return found


def _sessions(in_log: UsersOfLog, seed: int) -> tuple[Mask, Mask]:
    """The positives of each user's last session, and of the one before; the first of all is in neither."""
    positives, times = in_log.positives, _times(in_log)
    names = [each.name for each in in_log.columns]
    if SESSION in names and in_log.kept is not None:
        sessions = in_log.kept[:, names.index(SESSION)]
        test = _last_named(in_log, sessions, np.ones(len(positives), bool), seed)
        return test, _last_named(in_log, sessions, ~test, seed)
    order = np.lexsort((times, positives.users))
    users, when = positives.users[order], times[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (users[1:] != users[:-1]) | (when[1:] != when[:-1])
    number = np.cumsum(begins)  # from 1, of all sessions in the order of users and times
    firsts, lasts = np.zeros(positives.n_users, np.int64), np.zeros(positives.n_users, np.int64)
    some = positives.counts > 0
    firsts[some], lasts[some] = number[positives.starts[:-1][some]], number[positives.starts[1:][some] - 1]
    from_end = np.empty(len(order), np.int64)
    from_end[order] = np.where(number == firsts[users], -1, lasts[users] - number)
    return from_end == 0, from_end == 1


def _last_named(in_log: UsersOfLog, sessions: Codes, left: Mask, seed: int) -> Mask:
    """Of each user those left that have the session of the latest of them, unless all have it."""
    users, words = in_log.positives.users, _words(in_log, seed)
    some = np.flatnonzero(left)
    order = some[np.lexsort((words[some], _times(in_log)[some], users[some]))]
    ends = np.flatnonzero(np.append(users[order[1:]] != users[order[:-1]], True)) if len(order) else order
    named = np.full(len(in_log.users), -1, np.int64)
    named[users[order[ends]]] = sessions[order[ends]]
    mine: Mask = left & (sessions == named[users])
    mine &= (per_user(in_log.positives, left & ~mine) > 0)[users]
    return mine


def _words(in_log: UsersOfLog, seed: int) -> npt.NDArray[np.uint64]:
    """The word of each positive, by which a split is drawn, and decides between equal times."""
    of_users = _mixed(_purpose(seed, _SPLIT) ^ _user_keys(in_log))
    return _mixed(of_users[in_log.positives.users] ^ in_log.items.vocabulary.keys[in_log.positives.items])


def _drawn_globally(in_log: UsersOfLog, rule: HoldoutRule, seed: int) -> tuple[Mask, Mask]:
    """The positives whose word is in the first share of all words, and in the next one."""
    words = _words(in_log, seed)
    numerator, denominator = rule.share
    ends = [(each * numerator * 2**64) // denominator for each in (1, 2)]
    test = words < np.uint64(ends[0])
    return test, ~test & (words < np.uint64(min(ends[1], 2**64 - 1)))


def tested_users(ranges: Iterable[UsersOfLog], terms: Promise) -> Mask | None:
    """Which users of all ranges ``--test-users`` may hold out: bool, shape (n_users,). None: everybody."""
    if terms.sample is None or terms.rule is None:
        return None
    can, words = [], []
    for in_log in ranges:
        due = expected(in_log, terms.rule, "test", with_valid=terms.with_valid, seed=terms.split_seed)
        can.append(due.sizes > 0)
        words.append(_mixed(_purpose(terms.split_seed, _TEST_USERS) ^ _user_keys(in_log)))
    chosen, of_users = np.concatenate(can), np.concatenate(words)
    places = np.flatnonzero(chosen)
    chosen[places[np.argsort(of_users[places], kind="stable")[terms.sample.of(len(places)) :]]] = False
    return chosen


_GAMMA, _SPLIT, _TEST_USERS = 0x9E3779B97F4A7C15, 3, 20


def _purpose(seed: int, number: int) -> npt.NDArray[np.uint64]:
    """The key of a purpose: docs/internals/randomness.md."""
    of_seed = _mixed(np.array([(seed + _GAMMA) % 2**64], np.uint64))
    return _mixed(of_seed + np.uint64((number + 1) * _GAMMA % 2**64))


def _mixed(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of splitmix64."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _user_keys(in_log: UsersOfLog) -> npt.NDArray[np.uint64]:
    """The hash of the id of each user of a range: uint64, shape (n_users,)."""
    first = in_log.users.first
    return in_log.users.codebook.vocabulary.keys[first : first + len(in_log.users)]


def _nothing(positives: PairSet) -> Expected:
    none = np.zeros(len(positives), bool)
    return Expected(np.zeros(positives.n_users, np.int64), none, none)


def _times(in_log: UsersOfLog) -> npt.NDArray[np.int64]:
    if in_log.times is None:
        raise ValueError("the log was read without times")
    return in_log.times


def _wanted(counts: Rows, rule: HoldoutRule) -> Rows:
    if not rule.is_share:
        return np.full(len(counts), rule.number)
    numerator, denominator = rule.share
    whole, rest = np.divmod(counts * numerator, denominator)
    return whole + (2 * rest >= denominator)


def per_user(positives: PairSet, which: Mask) -> Rows:
    """How many of each user's positives are among some of them: int64, shape (n_users,)."""
    if 2 * np.count_nonzero(which) <= len(which):
        return np.bincount(positives.users[np.flatnonzero(which)], minlength=positives.n_users)
    others = np.flatnonzero(~which)  # fewer
    return positives.counts - np.bincount(positives.users[others], minlength=positives.n_users)


def _nth_latest(times: npt.NDArray[np.int64], positives: PairSet, ranks: Rows) -> npt.NDArray[np.int64]:
    """The time of each user's positive of a rank, 1 for the latest; the end of time where the rank is 0."""
    found = np.full(positives.n_users, _NEVER)
    some = np.flatnonzero(ranks > 0)
    if not some.size:
        return found
    if int(ranks.max()) == 1:
        filled = np.flatnonzero(positives.counts > 0)
        latest = np.full(positives.n_users, _ALWAYS)
        latest[filled] = np.maximum.reduceat(times, positives.starts[filled])
        found[some] = latest[some]
        return found
    distinct_times, places = np.unique(times, return_inverse=True)
    ordered = positives.users * np.int64(len(distinct_times)) + places
    ordered.sort()  # by user, and within a user by time
    chosen = ordered[positives.starts[1:][some] - ranks[some]] - some * np.int64(len(distinct_times))
    found[some] = distinct_times[chosen]
    return found


@dataclass(frozen=True, eq=False)
class Supply:
    """The items that negatives may be."""

    avoided: PairSet  # The pairs of a user and an item of the catalog that the user has seen
    weak: PairSet  # Those of a user and a weak item of the catalog
    eligible: Rows  # int64 (n_users,): Items of the catalog that the user has not seen
    weights: npt.NDArray[np.float64] | None  # float64 (n_items,), or None: Of popularity
    sizes: Rows  # int64 (n_users,): Different items that can be drawn for a user

    def wanted(self, terms: Promise, num_neg: int) -> Rows:
        """Negatives of each of a user's positives, where the positive does not matter: int64, shape (n_users,)."""
        return np.minimum(self.sizes, num_neg) if terms.distinct else np.where(self.sizes > 0, num_neg, 0)


def supply_of(
    in_log: UsersOfLog, terms: Promise, seen_positives: PairSet, weights: npt.NDArray[np.float64] | None
) -> Supply:
    """The items that the negatives of a range of users may be."""
    avoided, weak = seen_positives.union(in_log.weak, in_log.excluded), in_log.weak.without(in_log.excluded)
    if not in_log.catalog.all():
        avoided, weak = (pairs.where(in_log.catalog[pairs.items]) for pairs in (avoided, weak))
    eligible = int(in_log.catalog.sum()) - avoided.counts
    sizes = eligible
    if weights is not None:
        weights = np.where(in_log.catalog, weights, 0)
        if terms.samplers == ("popularity",):
            heavy = weights > 0
            taken = np.bincount(avoided.users[heavy[avoided.items]], minlength=len(in_log.users))
            sizes = int(heavy.sum()) - taken
    if terms.draws_weak or terms.draws_shown:  # at most: what impressions have, ``window_sizes`` counts
        sizes = sizes + weak.counts
    return Supply(avoided, weak, eligible, weights, sizes)


_STEP = 1 << 16
_WIDEST = 1 << 24
_LONG = np.iinfo(np.int32).max


class Windows:
    """Some items in an order in which those that a positive's negatives may be are a range of places."""

    def __init__(self, in_log: UsersOfLog, items: Mask, *, available: bool) -> None:
        self._in_log, inside = in_log, np.flatnonzero(items)
        self._kinds = np.zeros(len(in_log.items), np.int64) if in_log.categories is None else in_log.categories
        self._moments: Rows | None = None
        stages = np.zeros(len(inside), np.int64)
        if available and in_log.firsts is not None:
            self._moments, stages = np.unique(in_log.firsts[inside], return_inverse=True)
        self._width = 2 if self._moments is None else len(self._moments) + 1
        keys = (self._kinds[inside] + 1) * self._width + stages
        order = np.argsort(keys, kind="stable")
        self.items, self._keys = inside[order], keys[order]
        self.places = np.full(len(in_log.items), -1)  # int64 (n_items,): The place of each item; -1: it has none
        self.places[self.items] = np.arange(len(inside))
        n_keys = (int(self._kinds.max(initial=-1)) + 2) * self._width
        self._table = np.searchsorted(self._keys, np.arange(n_keys)) if n_keys <= _WIDEST else None

    def of(self, positives: Rows) -> tuple[Rows, Rows]:
        """The range of places of some positives of the log, the end exclusive: int64, shape (n,) each."""
        kinds = self._kinds[self._in_log.positives.items[positives]] + 1
        stages = np.ones(len(kinds), np.int64)
        if self._moments is not None and self._in_log.times is not None:
            stages = np.searchsorted(self._moments, self._in_log.times[positives], side="right")
        firsts = kinds * self._width
        if self._table is not None:
            return self._table[firsts], np.where(kinds > 0, self._table[firsts + stages], self._table[firsts])
        lows = np.searchsorted(self._keys, firsts)
        return lows, np.where(kinds > 0, np.searchsorted(self._keys, firsts + stages), lows)


class Placed:
    """Pairs of users and items of the catalog, each user's in the order of places."""

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


class PlacedShown:
    """The weak items of impressions that may be drawn, each impression's in the order of places."""

    def __init__(self, in_log: UsersOfLog, windows: Windows) -> None:
        shown = in_log.drawable_shown
        if shown is None:
            raise ValueError("the log was read without impressions")
        self._of_positives, self._is_empty = shown.of_positives, not len(shown.pairs)
        self._placed = Placed(shown.pairs, windows)

    @property
    def places(self) -> Codes:
        """The place of each item: int32, shape (n_pairs,)."""
        return self._placed.places

    def within(self, positives: Rows, lows: Rows | Codes, highs: Rows | Codes) -> tuple[Rows, Rows]:
        """The items of the impressions of some positives in a range of places each: from which on, and the end."""
        if self._is_empty:
            return np.zeros(len(positives), np.int64), np.zeros(len(positives), np.int64)
        impressions = self._of_positives[positives]
        begins, ends = self._placed.within(impressions.clip(0), lows, highs)
        return begins, np.where(impressions < 0, begins, ends)


@dataclass(frozen=True, eq=False)
class PlaceRanges:
    """What each of some positives can be given: a range of places, and within it pairs of its user."""

    lows: Codes  # int32 (n,)
    highs: Codes  # int32 (n,)
    begins: Codes | Rows  # int32 or int64 (n,): Of the pairs
    ends: Codes | Rows  # int32 or int64 (n,): Of the pairs

    @classmethod
    def of(cls, windows: Windows, placed: Placed, in_log: UsersOfLog, positives: Rows) -> PlaceRanges:
        """Those of some positives of the log."""
        found = np.empty((2, len(positives)), np.int32)
        pairs = np.empty((2, len(positives)), np.int64 if len(placed) > _LONG else np.int32)
        for begin in range(0, len(positives), _STEP):
            part = slice(begin, begin + _STEP)
            lows, highs = windows.of(positives[part])
            pairs[:, part] = placed.within(in_log.positives.users[positives[part]], lows, highs)
            found[:, part] = lows, highs
        return cls(*found, *pairs)


def window_sizes(in_log: UsersOfLog, terms: Promise, supply: Supply, places: Rows) -> Rows:
    """How many different items can be drawn for each of some positives, where that depends on the positive.

    Returns int64, shape (n,).
    """
    drawable = in_log.catalog
    if supply.weights is not None and terms.samplers == ("popularity",):
        drawable = drawable & (supply.weights > 0)
    windows = Windows(in_log, drawable, available=terms.available)
    if terms.draws_shown and terms.takes_all:
        begins, ends = PlacedShown(in_log, windows).within(places, *windows.of(places))
        return ends - begins
    avoided = Placed(supply.avoided.where(drawable[supply.avoided.items]), windows)
    found = PlaceRanges.of(windows, avoided, in_log, places)
    sizes = found.highs.astype(np.int64) - found.lows - (found.ends - found.begins)
    if terms.draws_weak:
        begins, ends = Placed(supply.weak, windows).within(in_log.positives.users[places], found.lows, found.highs)
        sizes += ends - begins
    elif terms.draws_shown:
        begins, ends = PlacedShown(in_log, windows).within(places, found.lows, found.highs)
        sizes += ends - begins
    return sizes
