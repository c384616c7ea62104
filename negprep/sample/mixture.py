"""Draws from measures: one or several in given shares, with repeats or all different.

A draw of a group is attempted again only where a distinct one is asked for and it equals an earlier one of its group:
each round is again a choice of a component and a draw from it, so that the draws of a group are those of drawing,
taking away, and drawing again (successive sampling). After a bounded number of rounds what is missing is drawn from the
points that are left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from negprep.arrays import Positions, Words
from negprep.sample.measures import Asks, EligibleItems, Measure, Rest
from negprep.sample.popularity import WeightedItems, draw_jointly
from negprep.sample.rng import bounded, natural_log, word
from negprep.sample.uniform import ROUND, STRIP_DRAWS, of_groups, repeated, suspects

Sources = npt.NDArray[np.int8]
Items = npt.NDArray[np.signedinteger]

_ROUNDS = 12
_CHOICE_WORDS = 1 << 62
"""First of the words that choose the component."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """The measures of a block of users, and how often each is drawn from.

    ``shares``: int64, shape (n_measures,).
    ``fixed``: As in ``SamplerRule``.
    ``fallback``: Drawn from where a measure has no points; the first listed measure that has, where this has none.
      None: nothing is drawn.
    """

    measures: list[Measure]
    shares: npt.NDArray[np.int64]
    fixed: bool
    fallback: EligibleItems | None

    def draw(self, groups: Asks, counts: Positions, num_neg: int, *, distinct: bool) -> tuple[Items, Sources]:
        """Draw the negatives of some groups.

        ``groups``: One a group; its draw numbers are not looked at.
        ``counts``: int64, shape (n_groups,). Draws of each group, at most num_neg; for distinct ones, at most the items
          that can be drawn.
        Returns ``items``, integers, shape (num_neg, n_groups): -1 beyond ``counts``.
        Returns ``sources``, int8, of the same shape: Which measure was drawn from; n_measures for the fall-back.
        """
        makes_strips = len(self.measures) == 1 and isinstance(self.measures[0], WeightedItems) and groups.lows is None
        width = max(1, len(groups) if makes_strips else STRIP_DRAWS // num_neg)
        starts = range(0, max(1, len(groups)), width)
        strips = [self._draw_strip(groups.at(slice(start, start + width)), num_neg) for start in starts]
        items, sources = strips[0] if len(strips) == 1 else (np.hstack(parts) for parts in zip(*strips, strict=True))
        if len(counts) and counts.min() < num_neg:
            items[np.arange(num_neg)[:, None] >= counts] = -1
        if distinct:
            self._make_distinct(groups, counts, items, sources)
        return items, sources

    def log_q(
        self, groups: Asks, items: Positions, sources: Sources, heads: Positions
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The natural logarithm of the probability of one draw.

        ``items``: int64, shape (n_groups, num_neg). What was drawn; anything beyond a group's draws.
        ``sources``: int8, of the same shape. As ``draw`` returned them.
        ``heads``: int64, shape (n_groups,). The positives of the groups; n_items for one outside the catalog.
        Returns ``log_q``, float64, shape (n_groups, num_neg): ln of the sum, over the components that can produce the
          item, of share times probability; the shares are those after fall-back, and with fixed counts those of the
          counts.
        Returns ``head_log_q``, float64, shape (n_groups,): The same of the positive, as if it were one more eligible
          item; -inf for one without weight.
        """
        masses = [measure.span(groups)[1] for measure in self._all_measures]
        given = list(self.shares / self.shares.sum())
        parts = [np.where(mass > 0, share, 0.0) for mass, share in zip(masses, given, strict=False)]
        if self.fallback is not None:
            left_over = np.zeros(len(groups))
            for share, part in zip(given, parts, strict=True):
                left_over += share - part
            open_ = masses[-1] == 0  # for these groups the fall-back has nothing, and the first list with points draws
            for listed in self._listed:
                parts[listed] = np.where(open_, parts[listed] + left_over, parts[listed])
                open_ = open_ & (masses[listed] == 0)
            parts.append(left_over)
        # Were the positive eligible, there would be points.
        of_head = parts if self.fallback is not None else [np.full(len(groups), share) for share in given]
        is_listed = np.isin(sources, self._listed)
        q, head_q = np.zeros(items.shape), np.zeros(len(groups))
        for measure, mass, part, head_part in zip(self._all_measures, masses, parts, of_head, strict=True):
            produced = is_listed if measure.is_listed else ~is_listed
            q += np.where(produced, measure.densities(groups, items, part, mass), 0.0)
            if not measure.is_listed:
                head_q += measure.head_densities(groups, heads, head_part, mass)
        return natural_log(q), natural_log(head_q)

    @cached_property
    def _all_measures(self) -> list[Measure]:
        """The measures, and the fall-back after them."""
        return [*self.measures, *([self.fallback] if self.fallback is not None else [])]

    @cached_property
    def _listed(self) -> list[int]:
        """The measures that are lists: of the users' own, or of impressions."""
        return [component for component, measure in enumerate(self.measures) if measure.is_listed]

    def _draw_strip(self, groups: Asks, num_neg: int) -> tuple[Items, Sources]:
        """Items and sources as ``draw`` gives them, some perhaps the same."""
        if len(self.measures) == 1 and not self.measures[0].is_empty(groups).any():
            items, sources = self.measures[0].draw_groups(groups, num_neg), np.zeros((num_neg, len(groups)), np.int8)
            self._mark_strange(self.measures[0], slice(None), items.reshape(-1), sources.reshape(-1))
            return items, sources
        return self._attempt(groups, np.arange(num_neg)[:, None], 0)

    def _attempt(self, groups: Asks, numbers: Positions, attempt: int) -> tuple[Items, Sources]:
        """An attempt at some draws of each group: items, shape (n_draws, n_groups), and sources.

        ``numbers``: int64, shape (n_draws, 1) or (1, n_groups). The numbers of the draws.
        """
        sources = self._choose(groups.keys, numbers, attempt)
        if self._pair is None or groups.lows is not None:
            return self._attempt_apart(groups, numbers, attempt, sources), sources
        eligible, weighted, component = self._pair
        both = eligible.proposes & weighted.proposes
        proposes = None if both.all() else both[groups.rows]
        if proposes is not None and not proposes.any():
            return self._attempt_apart(groups, numbers, attempt, sources), sources
        items = draw_jointly(eligible, weighted, groups, numbers, attempt, proposes, sources == component)
        if proposes is not None:
            others = np.flatnonzero(~proposes)
            of, some = sources.take(others, axis=1), of_groups(numbers, others)
            items[:, others] = self._attempt_apart(groups.at(others), some, attempt, of)
            sources[:, others] = of
        return items, sources

    @cached_property
    def _pair(self) -> tuple[EligibleItems, WeightedItems, int] | None:
        """The measures that can propose together, and the component of the second, where there are just these."""
        if len(self.measures) != 2:
            return None
        for component, (weighted, eligible) in enumerate([self.measures, self.measures[::-1]]):
            if isinstance(weighted, WeightedItems) and type(eligible) is EligibleItems:
                return eligible, weighted, component
        return None

    def _attempt_apart(self, groups: Asks, numbers: Positions, attempt: int, sources: Sources) -> Positions:
        """The items of ``_attempt`` from one measure after the other; sources become those after fall-back."""
        asks = replace(groups.times(len(numbers)), draws=np.broadcast_to(numbers, sources.shape).reshape(-1))
        items, flat = np.empty(len(asks), np.int64), sources.reshape(-1)
        for component, measure in enumerate(self.measures):
            chosen = slice(None) if len(self.measures) == 1 else np.flatnonzero(flat == component)
            self._draw_from(measure, asks, attempt, chosen, items, flat)
        if self.fallback is not None:
            self._draw_from(self.fallback, asks, attempt, np.flatnonzero(items < 0), items, flat)
            for component in self._listed:
                nothing = np.flatnonzero(items < 0)
                flat[nothing] = component
                self._draw_from(self.measures[component], asks, attempt, nothing, items, flat)
        return items.reshape(sources.shape)

    def _draw_from(
        self,
        measure: Measure,
        asks: Asks,
        attempt: int,
        which: Positions | slice,
        items: Positions,
        sources: Sources,
    ) -> None:
        """Fill ``items[which]``; where the measure has no points for the user, ``sources`` is the fall-back."""
        mine = asks.at(which)
        empty = measure.is_empty(mine)
        if empty.any():
            which = np.arange(len(asks))[which]
            sources[which[empty]] = len(self.measures)
            items[which[empty]] = -1
            which, mine = which[~empty], mine.at(~empty)
        if len(mine):
            items[which] = measure.draw(mine, attempt)
            self._mark_strange(measure, which, items, sources)

    def _mark_strange(self, measure: Measure, which: Positions | slice, items: Items, sources: Sources) -> None:
        """Count as fall-back what the measure drew, but not by its own rule."""
        if measure.has_strange:
            strange = measure.strange(items[which])
            sources[np.arange(len(items))[which][strange]] = len(self.measures)

    def _choose(self, keys: Words, numbers: Positions, attempt: int) -> Sources:
        """The component of each draw, as of ``_attempt``: that of the share in which a number below their sum lies."""
        ends = [int(end) for end in np.cumsum(self.shares)]
        sources = np.zeros((len(numbers), len(keys)), np.int8)
        if len(self.measures) == 1:
            return sources
        if self.fixed:
            sources[:] = np.searchsorted(ends, numbers, side="right")
            return sources
        words, total = word(keys, numbers + _CHOICE_WORDS + (attempt << 32)), ends[-1]
        for end in ends[:-1]:
            # The number, word * total / 2**64 rounded down, is at least ``end`` from this word on.
            first = -((-end << 64) // total)
            if first < 1 << 64:
                sources += words >= np.uint64(first)
        lower = np.multiply(words, np.uint64(total), out=words)
        if lower.size and lower.min() < total:  # ``bounded`` may throw these words away
            draws, of = np.nonzero(lower < total)
            few = np.broadcast_to(numbers, sources.shape)[draws, of] + _CHOICE_WORDS
            sources[draws, of] = np.searchsorted(ends, bounded(keys[of], np.array([total]), few, attempt), side="right")
        return sources

    def _make_distinct(self, groups: Asks, counts: Positions, items: Items, sources: Sources) -> None:
        """Make the draws of each group differ, in place."""
        which = suspects(items)
        which = which[counts[which] > 1]
        for round_ in range(1, _ROUNDS + 1):
            draws, within = repeated(items[:, which])
            drawn = draws < counts[which[within]]
            draws, of = draws[drawn], which[within[drawn]]
            if not of.size:
                return
            drawn_again, chosen = self._attempt(groups.at(of), draws[None], round_ * ROUND)
            items[draws, of], sources[draws, of] = drawn_again[0], chosen[0]
            which = np.unique(of)
        for draw in range(1, len(items)):  # one after the other: what a draw becomes, later ones must avoid
            is_again = (items[:draw, which] == items[draw, which]).any(axis=0) & (draw < counts[which])
            of = which[is_again]
            if of.size:
                asks = replace(groups.at(of), draws=np.full(of.size, draw))
                items[draw, of], sources[draw, of] = self._draw_from_rest(asks, items[:draw, of])

    def _draw_from_rest(self, asks: Asks, taken: Positions) -> tuple[Positions, Sources]:
        """One draw for each ask, of the points that the items taken, shape (n_taken, n), leave."""
        attempt = (_ROUNDS + 1) * ROUND
        rests = [measure.rest(asks, taken) for measure in self._all_measures]
        chosen = self._choose_of_rests(asks, rests, attempt)
        sources = chosen.copy()
        items = np.full(len(asks), -1)
        for component, rest in enumerate(rests):
            here = np.flatnonzero(chosen == component)
            if here.size:
                items[here] = rest.draw(here, attempt + 1)
                self._mark_strange(self._all_measures[component], here, items, sources)
        return items, sources

    def _choose_of_rests(self, asks: Asks, rests: list[Rest], attempt: int) -> Sources:
        """A component, with probability in proportion to its share and to the part of its points that is left.

        The fall-back has the shares of the components that never had points; and all, where nothing else is left.
        """
        n_components = len(self.measures)
        if self.fixed:
            sources = self._choose(asks.keys, asks.draws[None], attempt)[0].astype(np.int64)
        else:
            had_points = np.array([rest.mass > 0 for rest in rests[:n_components]])
            shares = np.where(had_points, self.shares[:, None], 0)
            if self.fallback is not None:
                shares = np.vstack([shares, self.shares.sum() - shares.sum(axis=0)])
            ends = np.cumsum(shares * np.array([rest.points / np.maximum(rest.mass, 1) for rest in rests]), axis=0)
            point = asks.words(attempt).astype(np.float64) * 2.0**-64 * ends[-1]
            sources = np.minimum((ends <= point).sum(axis=0), len(rests) - 1)
        if self.fallback is not None:
            has_points = np.array([rest.points > 0 for rest in rests])
            for resort in (n_components, *self._listed):
                sources[~has_points[sources, np.arange(len(asks))]] = resort
        chosen: Sources = sources.astype(np.int8)
        return chosen
