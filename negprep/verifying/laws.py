"""By what law each sampler has drawn: from which sets, with which weights, how often, and which draws differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from negprep.verifying.drawn import Drawn
from negprep.verifying.evidence import Evidence
from negprep.verifying.expectations import Draws, DrawsByRange, Law
from negprep.verifying.pair_parts import PairParts
from negprep.verifying.pairs import Rows
from negprep.verifying.sets import UserSets, WindowSets
from negprep.verifying.terms import Terms
from negprep.verifying.verdict import Verdict
from negprep.verifying.windows import Placed, Reaches, Windows

_TELLING = 25.0


class Laws:
    """The laws of a file.

    Parameters
    ----------
    evidence : Evidence
    verdicts : callable
        Gives the verdict of each range of users, one after the other.
    """

    def __init__(self, evidence: Evidence, verdicts: Callable[[], Iterator[Verdict]]) -> None:
        self._evidence, self._verdicts, self._terms = evidence, verdicts, evidence.terms

    def __call__(self, name: str, drawn: Drawn) -> Law | None:
        """What a sampler has drawn, and from what; None where it is not known which draws differ from each other."""
        evidence, terms = self._evidence, self._terms
        if not evidence.known or (terms.levels and terms.restricted):
            return None
        weights = evidence.catalog.astype(np.int64)
        if name == "popularity" and evidence.units is not None:
            weights = evidence.units
        if terms.restricted:
            return self._of_positives(name, drawn, weights)
        left_out = name != "weak"
        sets = UserSets(self._avoided(drawn) if left_out else evidence.weak, left_out, evidence.catalog)
        if drawn.first_items is not None and drawn.first_draws is not None:
            return Draws(sets, weights, drawn.first_items, drawn.first_draws.astype(np.float64))
        draws = drawn.draws.astype(np.float64)
        if terms.distinct and _is_apart(terms):
            num_neg = evidence.totals.num_neg
            if _has_no_number(terms, num_neg) or num_neg is None:
                return None
            most = np.minimum(evidence.eligible, num_neg).clip(1)
            return Draws(sets, weights, drawn.items, draws, draws * most, draws / most)
        if not terms.distinct:
            return Draws(sets, weights, drawn.items, draws)
        if terms.heads_repeat:
            return None
        return Draws(sets, weights, drawn.items, draws, drawn.squares.astype(float), drawn.groups.astype(float))

    def _of_positives(self, name: str, drawn: Drawn, weights: Rows) -> Law | None:
        """Where the positive decides what can be drawn."""
        terms = self._terms
        by_number = _is_ungrouped(terms) or (terms.distinct and _is_apart(terms) and drawn.first_items is None)
        if by_number and _has_no_number(terms, self._evidence.totals.num_neg):
            return None
        if not by_number and terms.distinct and terms.heads_repeat and drawn.first_items is None:
            return None

        def parts() -> Iterator[Draws]:
            for verdict in self._verdicts():
                windows = Windows(verdict.truth, available=terms.available)
                yield _of_range(verdict, windows, name, weights, by_number=by_number)

        items = drawn.items if drawn.first_items is None else drawn.first_items
        if len(self._evidence.ranges) == 1:
            return next(parts())
        return DrawsByRange(parts, weights, items)

    def _avoided(self, drawn: Drawn) -> PairParts:
        """What the draws avoid: in a foreign train file perhaps the held-out positives, too, which is not said."""
        evidence = self._evidence
        if evidence.avoided_and_held is None:
            return evidence.avoided
        rates = drawn.draws / np.maximum(evidence.eligible, 1)
        return evidence.avoided if float((rates * evidence.held).sum()) < _TELLING else evidence.avoided_and_held


def _of_range(verdict: Verdict, windows: Windows, name: str, weights: Rows, *, by_number: bool) -> Draws:
    """What the positives of a range have drawn."""
    supply, truth, terms, drawn = verdict.supply, verdict.truth, verdict.terms, verdict.tallies.drawn[name]
    if supply is None:
        raise ValueError("it is not known which positives are held out")
    left_out = name != "weak"
    placed = Placed(supply.avoided if left_out else supply.weak, windows)

    def sets(owners: Rows) -> WindowSets:
        ranges = Reaches.of(windows, placed, truth, owners)
        return WindowSets(windows.items, placed.places, ranges, left_out, len(truth.items))

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
    owners, num_neg = np.flatnonzero(verdict.tallies.present), verdict.totals.num_neg or 0
    rows, of_owners = verdict.tallies.present[owners], sets(owners)
    mass = of_owners.over_items(weights)
    if not terms.distinct:
        return Draws(of_owners, weights, drawn.items, np.where(mass > 0, rows * float(num_neg), 0.0))
    most = np.minimum(np.rint(mass), num_neg)
    groups = rows / np.maximum(most, 1) if terms.layout == "pairwise" else rows.astype(np.float64)
    return Draws(of_owners, weights, drawn.items, groups * most, groups * most**2, groups)


def _is_ungrouped(terms: Terms) -> bool:
    """Whether it is not known which negative is whose."""
    return terms.shuffled and terms.is_train and terms.layout == "pointwise"


def _is_apart(terms: Terms) -> bool:
    """Whether the negatives of a positive do not stand together."""
    return terms.shuffled and terms.is_train and terms.layout in ("pointwise", "pairwise")


def _has_no_number(terms: Terms, num_neg: int | None) -> bool:
    """Whether it is not known how many draws of a sampler a group has."""
    return len(terms.samplers) > 1 or terms.samplers == ("weak",) or num_neg is None or terms.heads_repeat
