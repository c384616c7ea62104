"""Check the log q of a file against its samplers, in a second pass over the rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Context, Decimal

import numpy as np

from negprep.arrays import Codes, Floats, Mask, Units
from negprep.checks.completeness import Known, RangeCheck
from negprep.checks.expected import Placed, PlacedShown, PlaceRanges, Supply, Windows
from negprep.checks.observed import UsersOfLog
from negprep.checks.pair_set import Rows
from negprep.checks.promises import Promise
from negprep.checks.ranges import taken
from negprep.checks.results import LOG_Q, OR_SUMMARY, Findings
from negprep.checks.rows import Block
from negprep.checks.sweep import CHOICES, Totals, choice_of

_ROUNDED = Context(prec=40)
_WHOLE = Decimal(10) ** 30
_DIGITS = 62


def units_of_counts(counts: Rows, inside: Rows, alpha: float, smooth: float) -> Rows:
    """The units of (count + smooth) ** alpha: int64, shape (n_items,); 0 outside the catalog. Sum below 2**62."""
    values, which = np.unique(counts[inside], return_inverse=True)
    bases = [Decimal(int(value)) + Decimal(repr(smooth)) for value in values]
    powers = [_ROUNDED.power(base, Decimal(repr(alpha))) if base > 0 else Decimal(0) for base in bases]
    return _spread(_units(powers, np.bincount(which, minlength=len(powers)), which), inside, len(counts))


def units_of_weights(weights: Floats, inside: Rows) -> Rows:
    """The units of the weights of a file, shape (n_items,); as ``units_of_counts``."""
    values, which = np.unique(np.maximum(weights[inside], 0.0), return_inverse=True)
    exact = [Decimal(float(value)) for value in values]
    return _spread(_units(exact, np.bincount(which, minlength=len(exact)), which), inside, len(weights))


def _units(values: list[Decimal], numbers: Rows, which: Rows) -> Rows:
    """The units of items that have one of several weights each: ``numbers`` of them each weight, ``which`` the item."""
    total = len(which) << (_DIGITS - (len(which) - 1).bit_length())
    largest = max(values)
    if largest <= 0:
        return np.zeros(len(which), np.int64)
    parts = [int(_ROUNDED.multiply(_ROUNDED.divide(value, largest), _WHOLE)) for value in values]
    whole = sum(part * int(number) for part, number in zip(parts, numbers, strict=True))
    each = [max(1, part * total // whole) if value > 0 else 0 for part, value in zip(parts, values, strict=True)]
    units = np.array(each, np.int64)[which]
    some = np.flatnonzero(units)
    missing = total - sum(unit * int(number) for unit, number in zip(each, numbers, strict=True))
    if missing >= 0:
        units[some] += missing // len(some)
        units[some[: missing % len(some)]] += 1
        return units
    for item in some[np.argsort(-units[some], kind="stable")].tolist():  # the heaviest pay for what was raised to 1
        paid = min(-missing, int(units[item]) - 1)
        units[item] -= paid
        missing += paid
        if not missing:
            break
    return units


def _spread(units: Rows, inside: Rows, n_items: int) -> Rows:
    found = np.zeros(n_items, np.int64)
    found[inside] = units
    return found


@dataclass(frozen=True, eq=False)
class Points:
    """What each owner (a user or a positive) can draw from."""

    eligible: Rows  # int64 (n,): Items
    units: Rows  # int64 (n,): Their units of popularity
    weak: Rows  # int64 (n,): Weak items
    shown: Rows  # int64 (n,): Those of the impression


class ByUser:
    """Users: what can be drawn does not depend on the positive."""

    def __init__(self, in_log: UsersOfLog, supply: Supply, units: Units | None) -> None:
        self._eligible, self._weak = supply.eligible, supply.weak.counts
        self._units = np.zeros(len(in_log.users), np.int64)
        if units is not None:
            starts = supply.avoided.starts
            before = _before(units[supply.avoided.items])
            self._units = int(units.sum()) - (before[starts[1:]] - before[starts[:-1]])

    def points(self, owners: Rows) -> Points:
        """What some users have."""
        return Points(self._eligible[owners], self._units[owners], self._weak[owners], np.zeros(len(owners), np.int64))


class ByPositive:
    """Positives of the log: what can be drawn is cut to a window of each."""

    def __init__(self, in_log: UsersOfLog, terms: Promise, supply: Supply, units: Units | None) -> None:
        self._in_log, self._windows = in_log, Windows(in_log, in_log.catalog, available=terms.available)
        self._avoided = Placed(supply.avoided, self._windows)
        self._weak = Placed(supply.weak, self._windows) if terms.draws_weak else None
        self._shown = PlacedShown(in_log, self._windows) if terms.draws_shown else None
        self._before = self._avoided_before = None
        if units is not None:
            ordered = units[self._windows.items]
            self._before, self._avoided_before = _before(ordered), _before(ordered[self._avoided.places])

    def points(self, owners: Rows) -> Points:
        """What some positives have."""
        found = PlaceRanges.of(self._windows, self._avoided, self._in_log, owners)
        units = weak = shown = np.zeros(len(owners), np.int64)
        if self._before is not None and self._avoided_before is not None:
            units = self._before[found.highs] - self._before[found.lows]
            units = units - (self._avoided_before[found.ends] - self._avoided_before[found.begins])
        if self._weak is not None:
            begins, ends = self._weak.within(self._in_log.positives.users[owners], found.lows, found.highs)
            weak = ends - begins
        if self._shown is not None:
            begins, ends = self._shown.within(owners, found.lows, found.highs)
            shown = ends - begins
        return Points((found.highs - found.lows) - (found.ends - found.begins), units, weak, shown)


def _before(units: Units) -> Units:
    """Sums of all before each, and of all. They wrap around; what lies between two is right all the same."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(units)])


@dataclass(frozen=True, eq=False)
class Odds:
    """The probabilities of some owners.

    An eligible item j has ``flat + steep * units(j)``, a weak one ``listed``, and ``shown`` more if it is of the
    impression; the positive, as if it were eligible, ``own_part / (eligible + 1) + heavy_part * units / (all units +
    units)``.
    """

    flat: Floats  # float64 (n,)
    steep: Floats  # float64 (n,)
    listed: Floats  # float64 (n,)
    shown: Floats  # float64 (n,)
    own_part: Floats  # float64 (n,)
    heavy_part: Floats  # float64 (n,)
    points: Points

    @classmethod
    def of(cls, terms: Promise, points: Points) -> Odds:
        """By the samplers and their shares.

        A sampler that has nothing hands its share to uniform; where nothing is eligible, the first of weak and
        impression that has something.
        """
        has = {
            "uniform": points.eligible > 0,
            "popularity": points.units > 0,
            "weak": points.weak > 0,
            "impression": points.shown > 0,
        }
        parts = {name: np.zeros(len(points.eligible)) for name in has}
        handed = np.zeros(len(points.eligible))
        for name, share in zip(terms.samplers, np.array(terms.shares) / sum(terms.shares), strict=True):
            parts[name] = np.where(has[name], share, 0.0)
            handed += share - parts[name]
        alone = terms.samplers == ("popularity",)  # it has no fall-back
        own_part = np.zeros(len(handed)) if alone else parts["uniform"] + handed
        rest = np.where(has["uniform"], 0.0, handed)
        for name in terms.samplers:
            if name in ("weak", "impression"):
                parts[name] = parts[name] + np.where(has[name], rest, 0.0)
                rest = np.where(has[name], 0.0, rest)
        return cls(
            np.where(has["uniform"], own_part, 0.0) / np.maximum(points.eligible, 1),
            parts["popularity"] / np.maximum(points.units, 1),
            parts["weak"] / np.maximum(points.weak, 1),
            parts["impression"] / np.maximum(points.shown, 1),
            own_part,
            np.ones(len(handed)) if alone else parts["popularity"],
            points,
        )

    def at(self, which: Rows) -> Odds:
        """Those of some owners, by their places here."""
        return taken(replace(self, points=taken(self.points, which)), which)

    def of_negatives(self, at: Rows, units: Units | None, weak: Mask | None, shown: Mask | None) -> Floats:
        """Ln q of negatives, each of an owner: float64, shape (n_negatives,).

        ``weak``: Which of them are; ``shown``: which of these are of the impression, besides.
        """
        with np.errstate(divide="ignore"):
            # Without popularity, one logarithm for each owner is enough.
            found = np.log(self.flat)[at] if units is None else np.log(self.flat[at] + self.steep[at] * units)
            if weak is None:
                return found
            listed = self.listed[at] if shown is None else self.listed[at] + np.where(shown, self.shown[at], 0.0)
            return np.where(weak, np.log(listed), found)

    def of_positives(self, units: Units | None) -> Floats:
        """Ln q of a positive of each owner: float64, shape (n,)."""
        odds = self.own_part / (self.points.eligible + 1)
        if units is not None:
            odds = odds + self.heavy_part * units / np.maximum(self.points.units + units, 1)
        with np.errstate(divide="ignore"):
            return np.log(odds)


_APART = 1e-9
"""Of the probability itself, in proportion."""


def why_not(terms: Promise, totals: Totals, settled: Known, *, known: bool) -> str | None:
    """Why log q cannot be checked, or None; ``known`` is whether the held-out positives are known."""
    if "sampler" in terms.unspecified:
        return f"what drew the negatives is not specified: add --sampler {OR_SUMMARY}"
    if any(choice_of(name) == CHOICES.index("other") for name in terms.samplers):
        return f"what {' and '.join(terms.samplers)} draws depends on a model"
    if "popularity" in terms.samplers and settled.weights is None:
        return "add --weights FILE" if terms.weights else "the train positives are not known"
    if terms.restricted and terms.layout == "pointwise" and terms.is_train and terms.shuffled:
        return "rows are in no order: which negative is beside which positive is not known"
    if (terms.draws_weak or terms.draws_shown) and not totals.source_counts:
        return "no column says which sampler drew"
    return None if known else "which positives are held out is not known, and so not what can be drawn"


def note_open(terms: Promise, totals: Totals, settled: Known, findings: Findings, compared: int) -> None:
    """Note how many users could not be compared; ``compared`` is the number of rows that were."""
    n_open = int((settled.open_users & (totals.negatives_of > 0)).sum()) if terms.is_train else 0
    if n_open:
        note = f"of {n_open} users it is not known which positives are held out"
        if not compared:
            findings.skip(LOG_Q, note)
        findings.ask(LOG_Q).note = f"{note}: their rows are left out"


class LogQ:
    """Compares log q with its right values for a range of users, block by block."""

    def __init__(self, checked: RangeCheck) -> None:
        self._checked, self._in_log, self._terms = checked, checked.in_log, checked.terms
        self._units, self.compared = checked.settled.units, 0
        if checked.supply is None:
            raise ValueError("it is not known which positives are held out")
        self._owners: ByUser | ByPositive = ByUser(self._in_log, checked.supply, self._units)
        if self._terms.restricted:
            self._owners = ByPositive(self._in_log, self._terms, checked.supply, self._units)
        everybody = np.arange(0 if self._terms.restricted else len(self._in_log.users))
        self._of_users = self._odds(everybody)

    def _odds(self, owners: Rows) -> Odds:
        return Odds.of(self._terms, self._owners.points(owners))

    def take(self, block: Block, sources: list[str]) -> None:
        """Check a block."""
        if block.log_q is None:
            return
        weak = shown = None
        if (self._terms.draws_weak or self._terms.draws_shown) and block.sources is not None:
            weak = np.array([*(source in ("weak", "impression") for source in sources), False])[block.sources]
        if self._terms.restricted:
            places = self._in_log.positives.find(self._in_log.keys(block.heads, block.head_items))
            odds, of_heads = self._odds(places.clip(0)), np.where(places >= 0, np.arange(len(places)), -1)
            groups = block.groups if block.groups is not None else np.full(len(block.items), -1)
            of_negatives = np.where(groups >= 0, of_heads.take(groups, mode="clip"), -1) if len(places) else groups
            if self._terms.draws_shown and self._in_log.drawable_shown is not None:
                in_shown = self._in_log.drawable_shown
                of_groups = np.append(np.where(places >= 0, in_shown.of_positives.take(places, mode="clip"), -1), -1)
                shown = in_shown.has(of_groups[groups], block.items)
        else:
            odds = self._of_users
            of_heads, of_negatives = block.heads.astype(np.int64), block.users.astype(np.int64)
        if self._terms.is_train and self._checked.open_users.any():
            of_heads = np.where(self._checked.open_users[block.heads.clip(0)], -1, of_heads)
            of_negatives = np.where(self._checked.open_users[block.users.clip(0)], -1, of_negatives)
        known = np.flatnonzero((of_negatives >= 0) & (block.items >= 0))
        part = slice(None) if len(known) == len(block.items) else known
        units = None if self._units is None else self._units[block.items[part]]
        right = odds.of_negatives(
            of_negatives[part], units, *(None if each is None else each[part] for each in (weak, shown))
        )
        self._compare(block.log_q[part], right, block.negative_rows[part], block.users[part], block.items[part])
        if block.head_log_q is not None:
            self._positives(block, odds, of_heads)

    def _positives(self, block: Block, odds: Odds, of_heads: Rows) -> None:
        found, users, items, rows = block.head_log_q, block.heads, block.head_items, block.head_rows
        if found is None:
            return
        if self._terms.layout == "pairwise" and block.groups is not None:
            of_heads, rows = of_heads[block.groups], block.negative_rows
            users, items = users[block.groups], items[block.groups]
        known = np.flatnonzero((of_heads >= 0) & (items >= 0))
        at, users, items = of_heads[known], users[known], items[known]
        right = odds.at(at).of_positives(None if self._units is None else self._units[items])
        self._compare(found[known], right, rows[known], users, items)

    def _compare(self, found: Floats, right: Floats, rows: Rows, users: Codes, items: Codes) -> None:
        with np.errstate(invalid="ignore"):  # infinity less infinity
            good = (np.abs(found - right) <= _APART) | (found == right)
        self.compared += len(found)
        wrong = np.flatnonzero(~good)
        self._checked.findings.found(
            LOG_Q,
            wrong,
            lambda at: self._checked.sweep.name(
                int(rows[at]), users[at], items[at], f": {found[at]:.12g}, not {right[at]:.12g}"
            ),
            rows=rows[wrong],
        )
