"""Reinforced negatives: of a pool of eligible items, some of them exposed, one is drawn by the policy of a model.

pi is the softmax of the scores of the pool over a temperature. Source: Ding et al., Reinforced negative sampling for
recommendation with exposure data, IJCAI 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from negprep.arrays import Floats, Positions, Words
from negprep.sample.measures import Asks
from negprep.sample.pools import ScoredItems, draw_ranks
from negprep.sample.rng import bounded, exponential, natural_log, word
from negprep.sample.scores import ScoredBlock
from negprep.sample.seen import SeenBlock

_PICK_WORDS = 1 << 62
"""Of the key of a pool, the first of the words that pick one of it."""

_EXPOSED_WORD = 3 << 60
"""Of the key of a pool, the word that is the key of its exposed items."""

_UNITS = 2.0**40
"""The weight of the likeliest item of a pool, in whole units."""

_LEAST_EXPONENT = -700.0


@dataclass(frozen=True)
class Policy:
    """How a pool is made, and drawn from.

    ``pool``: Items of a pool.
    ``exposed``: Those of them that are the user's weak interactions, where there are any.
    ``temperature``: What scores are divided by.
    """

    pool: int
    exposed: int
    temperature: float


class ReinforcedItems(ScoredItems):
    """The eligible and the exposed items of a block of users, to be drawn by a policy.

    ``exposed``: The users' weak interactions, as known items.
    """

    def __init__(self, block: SeenBlock, scored: ScoredBlock, exposed: SeenBlock, policy: Policy) -> None:
        super().__init__(block, scored)
        self._exposed, self._policy = exposed, policy
        self.pool_size = policy.pool

    def log_q(self, asks: Asks) -> Floats:
        """Ln of the probability of attempt 0 at each of some draws, given its pool: float64, shape (n,)."""
        strange, known = self._scored.strange_span(asks)[1], self._scored.known_span(asks)[1]
        log_q = np.empty(len(asks))
        is_strange, parts = self._parts(asks, 0)
        log_q[is_strange] = -natural_log((strange + known)[is_strange].astype(np.float64))
        for here, pools, keys in parts:
            slots, units = self._pick(asks.at(here), keys, pools)
            mine, total = units[slots, np.arange(len(slots))], units.sum(axis=0)
            log_q[here] = natural_log(mine / total * (known[here] / (strange + known)[here]))
        return log_q

    def _choose(
        self,
        asks: Asks,
        keys: Words,
        pools: Positions,
        counts: Positions,  # noqa: ARG002
        taken: Positions | None,
    ) -> Positions:
        slots, _ = self._pick(asks, keys, pools, taken)
        chosen: Positions = pools[slots, np.arange(len(slots))]
        return chosen

    def _pick(
        self, asks: Asks, keys: Words, pools: Positions, taken: Positions | None = None
    ) -> tuple[Positions, Positions]:
        """Put the exposed items into the pools, in place; the slot drawn of each, and the units of all slots."""
        self._expose(asks, keys, pools, taken)
        logits = self._scores_of(asks.rows, pools) * (self._scored.units[asks.rows] / self._policy.temperature)
        logits = np.where(pools >= 0, logits, -np.inf)
        logits -= logits.max(axis=0)
        weights = np.where(logits > _LEAST_EXPONENT, exponential(np.maximum(logits, _LEAST_EXPONENT)), 0.0)
        units = np.rint(weights * _UNITS).astype(np.int64)
        ends = np.cumsum(units, axis=0)
        points = bounded(keys, ends[-1], np.full(len(keys), _PICK_WORDS), 0)
        slots: Positions = (ends <= points).sum(axis=0)
        return slots, units

    def _expose(self, asks: Asks, keys: Words, pools: Positions, taken: Positions | None) -> None:
        size = self._policy.exposed
        if not size:
            return
        lows, highs = self._scored.bounds(asks)
        before = self._exposed.count_below(asks.rows, lows)
        counts = self._exposed.count_below(asks.rows, highs) - before
        ranks = draw_ranks(word(keys, _EXPOSED_WORD), counts, size)
        slots, of = np.nonzero(ranks >= 0)
        places = self._exposed.starts[asks.rows[of]] + before[of] + ranks[slots, of]
        items = self._exposed.items[places]
        if taken is not None:
            free = ~(taken[:, of] == items).any(axis=0)
            slots, of, items = slots[free], of[free], items[free]
        pools[len(pools) - 1 - slots, of] = items
