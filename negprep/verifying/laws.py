"""By what law each sampler has drawn: from which sets, with which weights, how often, and which draws differ."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from negprep.verifying.chance import Draws
from negprep.verifying.pairs import PairSet, Rows
from negprep.verifying.sets import Sets, UserSets, WindowSets
from negprep.verifying.supply import Supply
from negprep.verifying.tallies import Drawn
from negprep.verifying.units import units_of
from negprep.verifying.verdict import Verdict
from negprep.verifying.windows import Placed, Ranges, Windows

_TELLING = 25.0


class Laws:
    """The laws of a file.

    Parameters
    ----------
    verdict : Verdict
    """

    def __init__(self, verdict: Verdict) -> None:
        self._verdict, self._truth, self._terms = verdict, verdict.truth, verdict.terms

    @cached_property
    def _windows(self) -> Windows:
        return Windows(self._truth, available=self._terms.available)

    def __call__(self, name: str, drawn: Drawn) -> Draws | None:
        """What a sampler has drawn, and from what; None where it is not known which draws differ from each other."""
        supply, truth, terms = self._verdict.supply, self._truth, self._terms
        if supply is None or (terms.levels and terms.restricted):
            return None
        units = self._units if name == "popularity" else None
        weights = truth.catalog.astype(np.int64) if units is None else units
        pairs, left_out = supply.weak, False
        if name != "weak":
            pairs, left_out = self._avoided(supply, drawn), True
        in_no_order = terms.shuffled and terms.is_train
        ungrouped = in_no_order and terms.layout == "pointwise"
        apart = ungrouped or (in_no_order and terms.layout == "pairwise")
        if drawn.first_items is not None and drawn.first_draws is not None:
            owners = self._owners(drawn.first_draws)
            firsts = drawn.first_draws[owners].astype(np.float64)
            return Draws(self._sets(pairs, owners, left_out=left_out), weights, drawn.first_items, firsts)
        if (terms.distinct and apart) or (terms.restricted and ungrouped):
            return self._by_number(drawn, pairs, weights, supply)
        owners = self._owners(drawn.draws)
        sets, draws = self._sets(pairs, owners, left_out=left_out), drawn.draws[owners].astype(np.float64)
        if not terms.distinct:
            return Draws(sets, weights, drawn.items, draws)
        if terms.heads_repeat:
            return None
        squares, groups = (each[owners].astype(np.float64) for each in (drawn.squares, drawn.groups))
        return Draws(sets, weights, drawn.items, draws, squares, groups)

    @cached_property
    def _units(self) -> Rows | None:
        return units_of(self._verdict)

    def _owners(self, draws: Rows) -> Rows:
        """Users, or the positives that have draws."""
        return np.flatnonzero(draws) if self._terms.restricted else np.arange(len(draws))

    def _sets(self, pairs: PairSet, owners: Rows, *, left_out: bool) -> Sets:
        if not self._terms.restricted:
            return UserSets(pairs, left_out, self._truth.catalog)
        placed = Placed(pairs, self._windows)
        ranges = Ranges.of(self._windows, placed, self._truth, owners)
        return WindowSets(self._windows.items, placed.places, ranges, left_out, len(self._truth.items))

    def _by_number(self, drawn: Drawn, pairs: PairSet, weights: Rows, supply: Supply) -> Draws | None:
        """Where it is not known which negatives are of one group: every positive has as many as it must.

        None where that depends on the sampler that drew.
        """
        terms, tallies = self._terms, self._verdict.tallies
        if len(terms.samplers) > 1 or terms.samplers == ("weak",) or tallies.num_neg is None or terms.heads_repeat:
            return None
        if not terms.restricted:
            draws = drawn.draws.astype(np.float64)
            most = np.minimum(supply.eligible, tallies.num_neg).clip(1)
            sets = self._sets(pairs, np.arange(len(draws)), left_out=True)
            return Draws(sets, weights, drawn.items, draws, draws * most, draws / most)
        owners = np.flatnonzero(tallies.present)
        sets, rows = self._sets(pairs, owners, left_out=True), tallies.present[owners]
        mass = sets.over_items(weights)
        if not terms.distinct:
            return Draws(sets, weights, drawn.items, np.where(mass > 0, rows * float(tallies.num_neg), 0.0))
        most = np.minimum(np.rint(mass), tallies.num_neg)
        groups = rows / np.maximum(most, 1) if terms.layout == "pairwise" else rows.astype(np.float64)
        return Draws(sets, weights, drawn.items, groups * most, groups * most**2, groups)

    def _avoided(self, supply: Supply, drawn: Drawn) -> PairSet:
        """What the draws avoid: in a foreign train file perhaps the held-out positives, too, which is not said."""
        verdict, terms, truth = self._verdict, self._terms, self._truth
        if terms.says_itself or not terms.is_train or verdict.held is None or verdict.tallies.hits is not None:
            return supply.avoided
        held = truth.positives.where(verdict.held)
        rates = drawn.draws / np.maximum(supply.eligible, 1)
        if float(rates[held.users].sum()) < _TELLING:
            return supply.avoided
        held = held.where(truth.catalog[held.items])
        return supply.avoided.union(held)
