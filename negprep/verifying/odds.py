"""The probability of a draw, by the formulas of the page of samplers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from negprep.verifying.pairs import Floats, Rows
from negprep.verifying.supply import Supply
from negprep.verifying.terms import Terms
from negprep.verifying.truth import Truth
from negprep.verifying.windows import Placed, Reaches, Windows

Units = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Points:
    """How much each of some owners, users or positives, has to draw from.

    Attributes
    ----------
    eligible : int64, shape (n,)
        Items.
    units : int64, shape (n,)
        Their units of popularity.
    weak : int64, shape (n,)
        Weak items.
    """

    eligible: Rows
    units: Rows
    weak: Rows


class Owners(Protocol):
    """Whoever decides what can be drawn."""

    def points(self, owners: Rows) -> Points:
        """What some of them have."""


class ByUser:
    """Users: what can be drawn does not depend on the positive."""

    def __init__(self, truth: Truth, supply: Supply, units: Units | None) -> None:
        self._eligible, self._weak = supply.eligible, supply.weak.counts
        self._units = np.zeros(len(truth.users), np.int64)
        if units is not None:
            starts = supply.avoided.starts
            before = _before(units[supply.avoided.items])
            self._units = int(units.sum()) - (before[starts[1:]] - before[starts[:-1]])

    def points(self, owners: Rows) -> Points:
        """What some users have."""
        return Points(self._eligible[owners], self._units[owners], self._weak[owners])


class ByPositive:
    """Positives of the log: what can be drawn is cut to a window of each."""

    def __init__(self, truth: Truth, terms: Terms, supply: Supply, units: Units | None) -> None:
        self._truth, self._windows = truth, Windows(truth, available=terms.available)
        self._avoided = Placed(supply.avoided, self._windows)
        self._weak = Placed(supply.weak, self._windows) if terms.draws_weak else None
        self._before = self._avoided_before = None
        if units is not None:
            ordered = units[self._windows.items]
            self._before, self._avoided_before = _before(ordered), _before(ordered[self._avoided.places])

    def points(self, owners: Rows) -> Points:
        """What some positives have."""
        found = Reaches.of(self._windows, self._avoided, self._truth, owners)
        units = weak = np.zeros(len(owners), np.int64)
        if self._before is not None and self._avoided_before is not None:
            units = self._before[found.highs] - self._before[found.lows]
            units = units - (self._avoided_before[found.ends] - self._avoided_before[found.begins])
        if self._weak is not None:
            begins, ends = self._weak.within(self._truth.positives.users[owners], found.lows, found.highs)
            weak = ends - begins
        return Points((found.highs - found.lows) - (found.ends - found.begins), units, weak)


def _before(units: Units) -> Units:
    """Sums of all before each, and of all. They wrap around; what lies between two is right all the same."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(units)])


@dataclass(frozen=True, eq=False)
class Odds:
    """The probabilities of some owners.

    An eligible item j has ``flat + steep * units(j)``, a weak one ``listed``; the positive, as if it were eligible,
    ``own_part / (eligible + 1) + heavy_part * units / (all units + units)``.

    Attributes
    ----------
    flat, steep, listed, own_part, heavy_part : float64, shape (n,)
    points : Points
    """

    flat: Floats
    steep: Floats
    listed: Floats
    own_part: Floats
    heavy_part: Floats
    points: Points

    @classmethod
    def of(cls, terms: Terms, points: Points) -> Odds:
        """By the samplers and their shares.

        A sampler that has nothing hands its share to uniform; where nothing is eligible, weak has it all.
        """
        has = {"uniform": points.eligible > 0, "popularity": points.units > 0, "weak": points.weak > 0}
        parts = {name: np.zeros(len(points.eligible)) for name in has}
        handed = np.zeros(len(points.eligible))
        for name, share in zip(terms.samplers, np.array(terms.shares) / sum(terms.shares), strict=True):
            parts[name] = np.where(has[name], share, 0.0)
            handed += share - parts[name]
        alone = terms.samplers == ("popularity",)  # it has no fall-back
        own_part = np.zeros(len(handed)) if alone else parts["uniform"] + handed
        listed = parts["weak"] + np.where(has["uniform"], 0.0, handed)
        return cls(
            np.where(has["uniform"], own_part, 0.0) / np.maximum(points.eligible, 1),
            parts["popularity"] / np.maximum(points.units, 1),
            np.where(has["weak"], listed, 0.0) / np.maximum(points.weak, 1),
            own_part,
            np.ones(len(handed)) if alone else parts["popularity"],
            points,
        )

    def at(self, which: Rows) -> Odds:
        """Those of some owners, by their places here."""
        points = Points(*(values[which] for values in (self.points.eligible, self.points.units, self.points.weak)))
        flat, steep, listed = self.flat[which], self.steep[which], self.listed[which]
        return Odds(flat, steep, listed, self.own_part[which], self.heavy_part[which], points)

    def of_negatives(self, at: Rows, units: Units | None, weak: npt.NDArray[np.bool_] | None) -> Floats:
        """Ln q of negatives, each of an owner: float64, shape (n_negatives,).

        Parameters
        ----------
        at : int64, shape (n_negatives,)
            The place of each one's owner here.
        units : int64, shape (n_negatives,), or None
            Those of the items.
        weak : bool, shape (n_negatives,), or None
            Whether they were drawn as weak.
        """
        with np.errstate(divide="ignore"):
            # Without popularity, one logarithm for each owner is enough.
            found = np.log(self.flat)[at] if units is None else np.log(self.flat[at] + self.steep[at] * units)
            return found if weak is None else np.where(weak, np.log(self.listed)[at], found)

    def of_positives(self, units: Units | None) -> Floats:
        """Ln q of a positive of each owner: float64, shape (n,)."""
        odds = self.own_part / (self.points.eligible + 1)
        if units is not None:
            odds = odds + self.heavy_part * units / np.maximum(self.points.units + units, 1)
        with np.errstate(divide="ignore"):
            return np.log(odds)


def owners_of(truth: Truth, terms: Terms, supply: Supply, units: Units | None) -> Owners:
    """Users, or where the positive decides, the positives."""
    return ByPositive(truth, terms, supply, units) if terms.restricted else ByUser(truth, supply, units)
