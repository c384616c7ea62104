"""The sampler of a run, at work on a section: what the draws have in common, the draws, and their log q."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from negprep.arrays import Codes, Positions, Times, Words
from negprep.options.specs import LEVELS, SCORED, SamplerRule
from negprep.sample.hard import HardItems, Hardness
from negprep.sample.measures import Asks, EligibleItems, Impressions, ListedItems, Measure, ShownItems
from negprep.sample.mixture import Mixture, Sources
from negprep.sample.pools import ScoredItems
from negprep.sample.popularity import SeenCut, WeightedItems, Weights
from negprep.sample.reinforced import Policy, ReinforcedItems
from negprep.sample.restrictions import CatalogOrder
from negprep.sample.rng import natural_log
from negprep.sample.scores import ScoredBlock, ScoredUsers, Scores
from negprep.sample.seen import MaskBuffer, Seen, SeenBlock, SparseBlock
from negprep.sample.uniform import BLOCK_DRAWS, BLOCK_SEEN, Workspace, block_seen, shuffled_ranks, uniform


@dataclass(frozen=True, eq=False)
class Plan:
    """What the draws of all users have in common.

    ``weights``: Of the catalog's items, where popularity is a component.
    ``order``: Where negatives are restricted to a window.
    ``n_train``: Train positives of all users, where they were counted.
    ``scores``: Of the run's users and catalog, where a model draws.
    ``rule``: How it draws.
    ``takes_all``: Whether every eligible item is taken, in random order, in place of draws.
    """

    sampler_rule: SamplerRule
    distinct: bool
    with_log_q: bool = False
    weights: Weights | None = None
    order: CatalogOrder | None = None
    n_train: int = 0
    scores: Scores | None = None
    rule: Hardness | Policy | None = None
    takes_all: bool = False

    @cached_property
    def ordered_weights(self) -> Weights | None:
        """The weights by position."""
        if self.weights is None or self.order is None:
            return self.weights
        return self.weights.reordered(self.order.items)

    @cached_property
    def ordered_scores(self) -> Scores | None:
        """The scores by position."""
        if self.scores is None or self.order is None:
            return self.scores
        return self.scores.reordered(self.order.positions)

    def for_users(self, users: Codes) -> Plan:
        """The same for some users alone: int32, shape (n_users,), where the model has each of them, or -1."""
        plan = replace(self, scores=None if self.scores is None else replace(self.scores, users=users))
        if self.order is not None and self.ordered_scores is not None:  # in this order already
            vars(plan)["ordered_scores"] = replace(self.ordered_scores, users=users)
        return plan


@dataclass(frozen=True, eq=False)
class Heads:
    """The positives that lead some groups.

    ``users``: int32, shape (n,). Ascending.
    ``items``: int32, shape (n,).
    ``times``: int64, shape (n,), or None. Only where the plan restricts by time.
    ``groups``: int32, shape (n,), or None. By which code the log calls the impression of each.
    """

    users: Codes
    items: Codes
    times: Times | None
    groups: Codes | None = None

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True, eq=False)
class Drawn:
    """The negatives of some groups.

    ``items``: int32, shape (n_groups, num_neg). Codes, -1 beyond the group's count.
    ``sources``: int8, of the same shape, or None. Positions in ``SamplerRule.sources``.
    ``log_q``: float64, of the same shape, or None.
    ``pos_log_q``: float64, shape (n_groups,), or None.
    ``upper``: int32, of the shape of ``items``, or None. What stands in the place of the positive beside each negative,
      where that is not always the positive.
    """

    items: Codes
    sources: Sources | None = None
    log_q: npt.NDArray[np.float64] | None = None
    pos_log_q: npt.NDArray[np.float64] | None = None
    upper: Codes | None = None


class Sampling:
    """A plan for a range of users.

    ``seen``: What the users' negatives must avoid.
    ``weak``: The weak interactions that may be drawn.
    ``first_user``: The code of the first user.
    ``impressions``: The weak interactions by impression, where those of the positive's may be drawn.
    """

    def __init__(
        self, plan: Plan, seen: Seen, weak: Seen, first_user: int = 0, impressions: Impressions | None = None
    ) -> None:
        self.plan, self._first_user = plan, first_user
        self._impressions = impressions
        if impressions is not None and plan.order is not None:
            self._impressions = replace(impressions, lists=plan.order.reorder(impressions.lists))
        draws_weak = "weak" in plan.sampler_rule.names or isinstance(plan.rule, Policy)
        self._seen = seen if plan.order is None else plan.order.reorder(seen)
        self._weak = weak if plan.order is None or not draws_weak else plan.order.reorder(weak)
        self._scored: ScoredUsers | None = None
        if plan.ordered_scores is not None:
            self._scored = ScoredUsers.of(plan.ordered_scores, self._seen, first_user)
            if isinstance(plan.rule, Policy):
                self._exposed = plan.ordered_scores.split(self._weak)[0]

    def with_scores(self, scores: Scores) -> Sampling:
        """The same with other scores of the same users and catalog. Nothing else is computed again."""
        changed = copy(self)
        changed.plan = replace(self.plan, scores=scores)
        changed._scored = ScoredUsers.of(changed.plan.ordered_scores or scores, self._seen, self._first_user)
        return changed

    @property
    def seen(self) -> Seen:
        """What the users' negatives avoid: by position, where the plan restricts to windows."""
        return self._seen

    @property
    def by_group(self) -> bool:
        """Whether the positive of a group, and not only its user, decides what can be drawn."""
        return self.plan.order is not None or self._impressions is not None

    def supply(self, heads: Heads) -> Positions:
        """How many different items can be drawn: int64, for each user, or, ``by_group``, for each group."""
        sampler, seen = self.plan.sampler_rule, self._seen
        if not self.by_group:
            supply = seen.eligible
            if not sampler.falls_back and self.plan.weights is not None:
                light = self.plan.weights.units == 0
                seen_light = _places(light, seen.items)  # in train, few or none
                supply = supply - (int(light.sum()) - np.diff(seen_light.searchsorted(seen.starts)))
            return supply + np.diff(self._weak.starts) if "weak" in sampler.names else supply
        asks = self._asks(heads, slice(None), 0, np.zeros(len(heads), np.uint64))
        shown = None if self._impressions is None else ShownItems(self._impressions, 0, seen.n_users)
        if self.plan.takes_all and shown is not None:
            return shown.span(asks)[1]
        supply = EligibleItems(SeenBlock(seen, 0, seen.n_users)).span(asks)[1]
        if "weak" in sampler.names:  # what an impression has is among it
            supply = supply + ListedItems(self._weak, 0, seen.n_users).span(asks)[1]
        elif shown is not None:
            supply = supply + shown.span(asks)[1]
        return supply

    def draw(self, heads: Heads, keys: Words, counts: Positions, num_neg: int) -> Drawn:
        """Draw the negatives of some groups.

        ``keys``: uint64, shape (n,). The random key of each group.
        ``counts``: int64, shape (n,). Draws of each group.
        ``num_neg``: At least the largest count.
        """
        sampler, sources = self.plan.sampler_rule, None
        if not self._is_sparse(heads, num_neg) and (few := self._narrowed(heads)) is not None:
            return few[0].draw(few[1], keys, counts, num_neg)
        if self.plan.takes_all:
            items = self._take_all(heads, keys, num_neg)
            sources = None if sampler.sources is None else np.zeros(items.shape, np.int8)
        elif sampler.names == ("uniform",) and self.plan.order is None:
            buffer = _mask_buffer()
            items = uniform(self._seen, heads.users, keys, num_neg, distinct=self.plan.distinct, buffer=buffer)
        else:
            items, sources = self._draw_mixture(heads, keys, counts, num_neg)
        log_q, pos_log_q = None, None
        if self.plan.with_log_q and isinstance(self.plan.rule, Policy):
            log_q, pos_log_q = self._log_q_of_pools(heads, keys, items)
        elif self.plan.with_log_q:
            log_q, pos_log_q = self._log_q(heads, items, sources)
        upper = None
        if sampler.names == LEVELS and sources is not None:
            first, last = int(heads.users[0]), int(heads.users[-1]) + 1
            groups, listed = self._asks(heads, slice(None), first, keys), ListedItems(self._weak, first, last)
            item_order = None if self.plan.order is None else self.plan.order.items
            upper = _upper_items(heads.items, sources, groups, listed, item_order)
        return Drawn(items, sources if sampler.sources is not None else None, log_q, pos_log_q, upper)

    def _narrowed(self, heads: Heads) -> tuple[Sampling, Heads] | None:
        """The same for the users of some heads alone, where most of what is seen between these is of others."""
        if not len(heads):
            return None
        first, last, starts = int(heads.users[0]), int(heads.users[-1]) + 1, self._seen.starts
        if last - first <= _FEW_USERS or 2 * len(heads) >= starts[last] - starts[first]:
            return None
        users = heads.users[np.flatnonzero(np.diff(heads.users, prepend=-1))]
        if 2 * int((starts[users + 1] - starts[users]).sum()) >= int(starts[last] - starts[first]):
            return None
        return self._of_users(users), replace(heads, users=users.searchsorted(heads.users).astype(np.int32))

    def _of_users(self, users: Codes) -> Sampling:
        """The same for some users alone: int32, shape (n,), ascending."""
        few = copy(self)
        if "_points" in vars(self):
            vars(few)["_points"] = self._points[users]
        few._seen, few._weak = self._seen.of_users(users), self._weak.of_users(users)
        few._impressions = None if self._impressions is None else self._impressions.of_users(users)
        if self._scored is not None:
            few._scored = self._scored.of_users(users)
            if isinstance(self.plan.rule, Policy):
                few._exposed = self._exposed.of_users(users)
        return few

    def _is_sparse(self, heads: Heads, num_neg: int) -> bool:
        """Whether draws are so few that nothing is to be done for each seen item, and their sampler knows how."""
        names, plan = set(self.plan.sampler_rule.names), self.plan
        if plan.order is not None or plan.takes_all or not names <= {"uniform", "popularity", "hard"}:
            return False
        if self._scored is not None and self._scored.known is not self._seen:  # the model does not know all items
            return False
        each = plan.rule.pool if isinstance(plan.rule, Hardness) else 1
        return self._seen.is_sparse(heads.users, num_neg * each * len(heads))

    def log_q_of_heads(self, heads: Heads) -> npt.NDArray[np.float64]:
        """The log q of positives alone, as that of ``draw``: float64, shape (n,)."""
        if isinstance(self.plan.rule, Policy):
            return np.full(len(heads), -np.inf)
        return self._log_q(heads, np.empty((len(heads), 0), np.int32), None)[1]

    def _take_all(self, heads: Heads, keys: Words, num_neg: int) -> Codes:
        """Every item that each group can have, in random order: int32, shape (n_groups, num_neg), padded by -1.

        Those of its impression, where impressions are what is drawn from, else all that are eligible.
        """
        items = np.full((num_neg, len(heads)), -1, np.int32)
        step = max(1, BLOCK_DRAWS // num_neg)
        for first, last, begin, end in self._seen.blocks(heads.users, BLOCK_SEEN):
            measure: Measure = EligibleItems(SeenBlock(self._seen, first, last))
            if self._impressions is not None:
                measure = ShownItems(self._impressions, first, last)
            for start in range(begin, end, step):
                here = slice(start, min(start + step, end))
                asks = self._asks(heads, here, first, keys[here])
                base, counts = measure.span(asks)
                ranks = shuffled_ranks(asks.keys, counts, num_neg)
                draws, groups = np.nonzero(ranks >= 0)
                rows = measure.rows_of(asks)[groups]
                items[draws, start + groups] = measure.items_at(rows, (base + ranks)[draws, groups])
        if self.plan.order is not None:
            items = np.where(items >= 0, self.plan.order.items.take(items, mode="clip"), np.int32(-1))
        return items.T

    def _draw_mixture(self, heads: Heads, keys: Words, counts: Positions, num_neg: int) -> tuple[Codes, Sources]:
        shape = (num_neg, len(heads))
        items, sources = np.empty(shape, np.int32), np.empty(shape, np.int8)
        step = max(1, BLOCK_DRAWS // num_neg)
        buffer, order = _mask_buffer(), self.plan.order
        names, is_sparse = set(self.plan.sampler_rule.names), self._is_sparse(heads, num_neg)
        proposes = order is None and not names.isdisjoint({"uniform", "popularity", "level"})
        n_seen = self._seen.count(heads.users)
        n_entries = block_seen(n_seen, num_neg * len(heads)) if proposes else BLOCK_SEEN
        blocks: Iterable[tuple[int, int, int, int]] = self._seen.blocks(heads.users, n_entries)
        if is_sparse:
            users = heads.users[np.flatnonzero(np.diff(heads.users, prepend=-1))]
            heads = replace(heads, users=users.searchsorted(heads.users).astype(np.int32))
            blocks = [(0, len(users), 0, len(heads))]
        for first, last, begin, end in blocks:
            scoring: AbstractContextManager[ScoredBlock | None] = self._scored_block(first, last, draws=True)
            if is_sparse:
                block: SeenBlock = (sparse := SparseBlock.of_users(self._seen, users))
                scoring = nullcontext(None if self._scored is None else self._scored.sparse_block(users, sparse))
            else:
                block = SeenBlock(self._seen, first, last)
            marked = block.marked(buffer) if proposes else nullcontext()
            with marked as mask, scoring as scored:
                totals = self._points[users] if is_sparse and "popularity" in names else None
                mixture = self._mixture(block, first, last, mask, scored, totals)
                for start in range(begin, end, step):
                    here = slice(start, min(start + step, end))
                    groups = self._asks(heads, here, first, keys[here])
                    items[:, here], sources[:, here] = mixture.draw(
                        groups, counts[here], num_neg, distinct=self.plan.distinct
                    )
        if order is not None:
            items = np.where(items >= 0, order.items.take(items, mode="clip"), np.int32(-1))
        return items.T, sources.T

    def _log_q(
        self, heads: Heads, items: Codes, sources: Sources | None
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        is_sparse = self._scored is None and self._is_sparse(heads, items.shape[1])
        if not is_sparse and (few := self._narrowed(heads)) is not None:
            return few[0]._log_q(few[1], items, sources)
        log_q, pos_log_q = np.empty(items.shape), np.empty(len(heads))
        order = self.plan.order
        n_entries = len(self._seen.items) if is_sparse else BLOCK_SEEN
        for first, last, begin, end in self._seen.blocks(heads.users, n_entries):
            here = slice(begin, end)
            groups = self._asks(heads, here, first, np.zeros(end - begin, np.uint64))
            block = (SparseBlock if is_sparse else SeenBlock)(self._seen, first, last)
            drawn, positives = items[here].astype(np.int64), heads.items[here].astype(np.int64)
            if order is not None:
                drawn = order.positions.take(drawn, mode="clip").astype(np.int64)
                inside = positives < len(order.positions)
                positives = np.where(inside, order.positions.take(positives, mode="clip"), len(order.positions))
            of = np.zeros(drawn.shape, np.int8) if sources is None else sources[here]
            with self._scored_block(first, last, draws=False) as scored:
                mixture = self._mixture(block, first, last, None, scored)
                log_q[here], pos_log_q[here] = mixture.log_q(groups, drawn, of, positives)
        return log_q, pos_log_q

    def _log_q_of_pools(
        self, heads: Heads, keys: Words, items: Codes
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Ln of the probability of each draw given its pool, which is drawn once more; of no pool for the positives."""
        log_q = np.empty(items.shape)
        for first, last, begin, end in self._seen.blocks(heads.users, BLOCK_SEEN):
            block = SeenBlock(self._seen, first, last)
            groups = self._asks(heads, slice(begin, end), first, keys[begin:end])
            with self._scored_block(first, last, draws=True) as scored:
                asks = groups.times(items.shape[1])
                measure, eligible = self._scored_items(block, first, last, scored), EligibleItems(block)
                values = -natural_log(np.maximum(eligible.span(asks)[1], 1).astype(np.float64))
                if isinstance(measure, ReinforcedItems):
                    mine = np.flatnonzero(measure.span(asks)[1] > 0)
                    values[mine] = measure.log_q(asks.at(mine))
            log_q[begin:end] = values.reshape(items.shape[1], -1).T
        return log_q, np.full(len(heads), -np.inf)

    def _scored_block(self, first: int, last: int, *, draws: bool) -> AbstractContextManager[ScoredBlock | None]:
        """The scores of a block of users, where a model draws."""
        if self._scored is None:
            return nullcontext()
        return self._scored.block(first, last, _mask_buffer("scored") if draws else None)

    def _scored_items(self, block: SeenBlock, first: int, last: int, scored: ScoredBlock | None) -> ScoredItems | None:
        if scored is None:
            return None
        if isinstance(self.plan.rule, Policy):
            return ReinforcedItems(block, scored, SeenBlock(self._exposed, first, last), self.plan.rule)
        return None if self.plan.rule is None else HardItems(block, scored, self.plan.rule)

    def _mixture(
        self,
        block: SeenBlock,
        first: int,
        last: int,
        mask: npt.NDArray[np.uint8] | None,
        scored: ScoredBlock | None,
        totals: Positions | None = None,
    ) -> Mixture:
        sampler, weights = self.plan.sampler_rule, self.plan.ordered_weights
        eligible = EligibleItems(block, mask, _workspace())
        measures: list[Measure] = []
        for name in sampler.names:
            if name == "weak":
                measures.append(ListedItems(self._weak, first, last))
            elif name == "impression" and self._impressions is not None:
                measures.append(ShownItems(self._impressions, first, last))
            elif name == "level":
                measures.append(_EligibleBelowListed(block, ListedItems(self._weak, first, last)))
            elif name in SCORED and (scored_items := self._scored_items(block, first, last, scored)) is not None:
                measures.append(scored_items)
            elif name == "popularity" and weights is not None:
                if totals is None and (isinstance(block, SparseBlock) or "_points" in vars(self)):
                    totals = self._points[first:last]
                measures.append(WeightedItems(block, weights, mask, _workspace(), totals))
            else:
                measures.append(eligible)
        shares = np.array(sampler.shares)
        return Mixture(measures, shares, sampler.fixed, eligible if sampler.falls_back else None)

    @cached_property
    def _points(self) -> Positions:
        """The points of each user by the weights of the plan: int64, shape (n_users,)."""
        seen, weights = self._seen, self.plan.ordered_weights
        points = np.empty(seen.n_users, np.int64)
        if weights is None:
            return points
        for first in range(0, seen.n_users, _BLOCK_USERS):
            last = min(first + _BLOCK_USERS, seen.n_users)
            block = SeenBlock(seen, first, last)
            points[first:last] = SeenCut(weights, block.starts, block.items).totals
        return points

    def _asks(self, heads: Heads, here: slice, first_user: int, keys: Words) -> Asks:
        rows, lists = heads.users[here].astype(np.int64) - first_user, None
        if self._impressions is not None and heads.groups is not None:
            lists = self._impressions.find(heads.users[here], heads.groups[here])
        if self.plan.order is None:
            return Asks(rows, keys, rows, lists=lists)
        times = None if heads.times is None else heads.times[here]
        return Asks(rows, keys, rows, *self.plan.order.windows(heads.items[here], times), lists)


_FEW_USERS = 64
"""Between the first and the last of so many, nobody is left out for being without a draw."""

_BLOCK_USERS = 1 << 10

_threads = threading.local()
_Kept = TypeVar("_Kept")


def _workspace() -> Workspace:
    """The memory of this thread for proposals."""
    return _of_thread("workspace", Workspace)


def _mask_buffer(name: str = "seen") -> MaskBuffer:
    """The buffer of that name of this thread."""
    return _of_thread(name, MaskBuffer)


def _of_thread(name: str, make: Callable[[], _Kept]) -> _Kept:
    """What this thread keeps under a name."""
    if not hasattr(_threads, name):
        setattr(_threads, name, make())
    kept: _Kept = getattr(_threads, name)
    return kept


_AT_ONCE = 1 << 15
"""Codes looked up at a time: numpy makes 64-bit indices of them first, which stay within a cache."""


def _places(mask: npt.NDArray[np.bool_], codes: Codes) -> Positions:
    """The places of the codes for which the mask holds: int64, ascending."""
    found = [
        begin + np.flatnonzero(mask.take(codes[begin : begin + _AT_ONCE], mode="clip"))
        for begin in range(0, len(codes), _AT_ONCE)
    ]
    return np.concatenate([np.empty(0, np.int64), *found])


UPPER_WORDS = 5 << 60
"""First of the words that draw an item in the place of the positive."""


class _EligibleBelowListed(EligibleItems):
    """The eligible items of users with a list of their own, and no points for the others.

    For `level`, which draws a weak item of the user in the place of the positive. Source: Ding et al., "An Improved
    Sampler for Bayesian Personalized Ranking by Leveraging View Data", WWW 2018.
    """

    def __init__(self, block: SeenBlock, listed: ListedItems) -> None:
        super().__init__(block)
        self._listed = listed

    def span(self, asks: Asks) -> tuple[Positions, Positions]:
        base, mass = super().span(asks)
        return base, np.where(self._listed.span(asks)[1] > 0, mass, 0)


def _upper_items(
    positives: Codes, sources: Sources, groups: Asks, listed: ListedItems, item_order: Codes | None
) -> Codes:
    """What stands above each negative: the positive of its group or, beside those of `level`, a weak item.

    Shape of ``sources``: (n_groups, num_neg). ``item_order`` has the item at each position, where a catalog is ordered.
    """
    upper = np.repeat(positives[:, None], sources.shape[1], axis=1)
    of, draws = np.nonzero(sources == LEVELS.index("level"))
    if of.size:
        drawn = listed.draw(replace(groups.at(of), draws=draws + UPPER_WORDS), 0)
        upper[of, draws] = drawn if item_order is None else item_order[drawn]
    return upper
