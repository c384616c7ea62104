"""Eligible items among which a model decides: what the samplers that have one share.

Each draw has a pool of its own, of eligible items that the model knows. An item that it does not know has no score, and
keeps the probability 1/m that it has with uniform: a word decides first whether the draw is one of these.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from negprep.draw import Words, bounded
from negprep.samplers.measures import Asks, EligibleItems
from negprep.samplers.pools import draw_pools, pool_keys
from negprep.samplers.scores import Exact, Scores
from negprep.samplers.uniform import Workspace
from negprep.seen import MaskBuffer, Positions, Seen, SeenBlock

_POOLED = 1 << 16
"""Items of pools at a time: they and their scores stay in a core's second-level cache."""

_STRANGER_WORDS = 3 << 60
"""First of the words that decide whether a draw is of the items without a score, and which."""


@dataclass(frozen=True, eq=False)
class ScoredUsers:
    """Scores for a range of users, and their seen sets in the numbers of known items.

    Attributes
    ----------
    scores : Scores
    first_user : int
        The code of the first one.
    known : Seen
        Their seen items that the model knows.
    strange : Seen or None
        Their seen items that it does not know; None where it knows all.
    """

    scores: Scores
    first_user: int
    known: Seen
    strange: Seen | None

    @classmethod
    def of(cls, scores: Scores, seen: Seen, first_user: int) -> ScoredUsers:
        """Of users whose seen sets are ``seen``."""
        return cls(scores, first_user, *scores.split(seen))

    @contextmanager
    def block(self, first: int, last: int, buffer: MaskBuffer | None) -> Iterator[ScoredBlock]:
        """The users from ``first`` up to ``last``, counted from the first one. Without a buffer, not to draw from."""
        users = np.arange(self.first_user + first, self.first_user + last)
        is_known = self.scores.users[users] >= 0
        of_known, its_units = self.scores.of_users(users[is_known])
        factors, units = np.zeros((len(users), of_known.shape[1]), of_known.dtype), np.ones(len(users))
        factors[is_known], units[is_known] = of_known, its_units
        block = SeenBlock(self.known, first, last)
        strange = None if self.strange is None else SeenBlock(self.strange, first, last)
        with ExitStack() as held:
            mask = np.zeros(0, np.uint8) if buffer is None else held.enter_context(block.marked(buffer))
            yield ScoredBlock(self.scores, is_known, factors, units, block, mask, strange)


@dataclass(frozen=True, eq=False)
class ScoredBlock:
    """Scores for the users of a block.

    Attributes
    ----------
    scores : Scores
    is_known : bool, shape (n_rows,)
        Whether the model knows the user.
    factors : shape (n_rows, width)
        Exact ones; 0 for other users.
    units : float64, shape (n_rows,)
    known, strange : SeenBlock
        As in ``ScoredUsers``.
    mask : uint8
        That of ``known``.
    """

    scores: Scores
    is_known: npt.NDArray[np.bool_]
    factors: Exact
    units: npt.NDArray[np.float64]
    known: SeenBlock
    mask: npt.NDArray[np.uint8]
    strange: SeenBlock | None

    def known_span(self, asks: Asks) -> tuple[Positions, Positions]:
        """The first eligible known item of each window, as a rank, and how many there are in it."""
        return EligibleItems(self.known).span(self._narrowed(asks))

    def strange_span(self, asks: Asks) -> tuple[Positions, Positions]:
        """The same of the eligible items that the model does not know."""
        if self.strange is None:
            return np.zeros(len(asks), np.int64), np.zeros(len(asks), np.int64)
        if asks.lows is None or asks.highs is None:
            return EligibleItems(self.strange).span(asks)
        below = self.scores.known_below
        lows, highs = (ends - below[ends] for ends in (asks.lows, asks.highs))
        return EligibleItems(self.strange).span(replace(asks, lows=lows, highs=highs))

    def _narrowed(self, asks: Asks) -> Asks:
        """The windows in the numbers of known items."""
        if asks.lows is None or asks.highs is None:
            return asks
        below = self.scores.known_below
        return replace(asks, lows=below[asks.lows], highs=below[asks.highs])

    def bounds(self, asks: Asks) -> tuple[Positions, Positions]:
        """The known items of each window: the first, and the end."""
        mine = self._narrowed(asks)
        if mine.lows is None or mine.highs is None:
            return np.zeros(len(asks), np.int64), np.full(len(asks), self.scores.n_known)
        return mine.lows, mine.highs


class ScoredItems(EligibleItems):
    """Eligible items of users that a model knows, and no points for others."""

    is_scored = True
    pool_size: int

    def __init__(self, block: SeenBlock, scored: ScoredBlock) -> None:
        super().__init__(block)
        self._scored = scored

    def span(self, asks: Asks) -> tuple[Positions, Positions]:  # noqa: D102
        base, mass = super().span(asks)
        return base, np.where(self._scored.is_known[asks.rows], mass, 0)

    def strange(self, items: Positions) -> npt.NDArray[np.bool_] | None:  # noqa: D102
        scores = self._scored.scores
        return None if scores.is_whole else scores.known_below[items + 1] == scores.known_below[items]

    def draw(self, asks: Asks, attempt: int) -> Positions:  # noqa: D102
        items = np.full(len(asks), -1)
        is_strange, parts = self._parts(asks, attempt)
        if is_strange.any():
            strange = asks.at(is_strange)
            base, points, _ = self._strange_points(strange, attempt)
            items[is_strange] = self._strangers(strange.rows, base + points)
        known = self._scored.known_span(asks)[1]
        for here, pools, keys in parts:
            drawn = self._choose(asks.at(here), keys, pools, known[here])
            items[here] = drawn if self._scored.scores.is_whole else self._scored.scores.items[drawn]
        return items

    def _parts(
        self, asks: Asks, attempt: int
    ) -> tuple[npt.NDArray[np.bool_], Iterator[tuple[Positions, Positions, Words]]]:
        """Which draws are of items without a score; and of the others, some at a time: which, pools, their keys."""
        is_strange = np.zeros(len(asks), bool)
        strange = self._scored.strange_span(asks)[1]
        if strange.any():
            _, points, strange = self._strange_points(asks, attempt)
            is_strange = points < strange
        return is_strange, self._pools(asks, np.flatnonzero(~is_strange), attempt)

    def _pools(self, asks: Asks, todo: Positions, attempt: int) -> Iterator[tuple[Positions, Positions, Words]]:
        if (asks.rows[todo[1:]] < asks.rows[todo[:-1]]).any():
            todo = todo[np.argsort(asks.rows[todo], kind="stable")]  # the pools of a user share the user's scores
        step = max(1, _POOLED // self.pool_size)
        workspace = Workspace(self.pool_size * min(step, len(todo)))
        for begin in range(0, len(todo), step):
            here = todo[begin : begin + step]
            mine = asks.at(here)
            window = None if asks.lows is None else self._scored.known_span(mine)
            keys = pool_keys(mine.keys, mine.draws, attempt)
            pools = draw_pools(
                self._scored.known, self._scored.mask, mine.rows, keys, self.pool_size, window, workspace
            )
            yield here, pools, keys

    def _strange_points(self, asks: Asks, attempt: int) -> tuple[Positions, Positions, Positions]:
        """For items without a score: the rank of the first in the window, the point drawn, and how many they are."""
        base, strange = self._scored.strange_span(asks)
        known = self._scored.known_span(asks)[1]
        return base, bounded(asks.keys, strange + known, asks.draws + _STRANGER_WORDS, attempt), strange

    def _strangers(self, rows: Positions, ranks: Positions) -> Positions:
        block, strangers = self._scored.strange, self._scored.scores.strangers
        return rows if block is None else strangers[block.select(rows, ranks)]

    def _scores_of(self, rows: Positions, pools: Positions) -> Exact:
        """Scores, in exact units, of the known items of pools, shape (size, n_pools); of -1, of anything."""
        first, last = int(rows[0]), int(rows[-1]) + 1
        return self._scored.scores.of_pools(self._scored.factors[first:last], rows - first, np.maximum(pools, 0))

    @abstractmethod
    def _choose(self, asks: Asks, keys: Words, pools: Positions, counts: Positions) -> Positions:
        """One known item of each pool.

        Parameters
        ----------
        asks : Asks
            Their users ascend.
        keys : uint64, shape (n_pools,)
            Those of the pools.
        pools : int64, shape (size, n_pools)
            Known items, -1 beyond those that exist.
        counts : int64, shape (n_pools,)
            Eligible known items in the window.
        """
