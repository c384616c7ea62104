"""What a model knows of a block of users: their factors, and their seen sets in the numbers of known items."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from negprep.samplers.measures import Asks, EligibleItems
from negprep.samplers.scores import Exact, Scores
from negprep.seen import MaskBuffer, Positions, Seen, SeenBlock


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
