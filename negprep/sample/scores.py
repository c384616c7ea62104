"""Scores of a model that no order of additions can change, and what a model knows of the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from negprep.arrays import Codes, Floats, Positions
from negprep.sample.measures import Asks, EligibleItems
from negprep.sample.seen import MaskBuffer, Seen, SeenBlock, SparseBlock

Exact = npt.NDArray[Any]
"""Whole numbers as float32 or float64."""

_LENGTHS: dict[type[np.floating[Any]], float] = {np.float32: 2.0**12 - 20, np.float64: 2.0**26 - 20}
"""Products of two vectors of this length, after each number of up to 1,025 was rounded, are exact sums: rounding adds
at most sqrt(1025) / 2 to a length."""

_DENSE_COST = 8
"""A score looked up in a matrix of all scores costs as much as this many entries of the matrix."""


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of a model for the users and the catalog of a run.

    The items that the model knows are numbered apart, in the order of the catalog: as *known* items.

    ``users``: int32, shape (n_users,). The row of each user in ``user_factors``, -1 for one that the model does not
      know.
    ``user_factors``: float32, shape (n, n_factors).
    ``items``: int64, shape (n_known,). The position in the catalog of each known item, ascending.
    ``item_factors``: float32, shape (n_known, n_factors). Times h, where the model has one.
    ``item_bias``: float32, shape (n_known,), or None.
    ``n_items``: Size of the catalog.
    ``dtype``: In which scores are made: 12 or 26 bits for the length of a vector.
    """

    users: Codes
    user_factors: npt.NDArray[np.float32]
    items: Positions
    item_factors: npt.NDArray[np.float32]
    item_bias: npt.NDArray[np.float32] | None
    n_items: int
    dtype: type[np.floating[Any]] = np.float32

    @property
    def n_known(self) -> int:
        """How many items of the catalog the model knows."""
        return len(self.items)

    @cached_property
    def is_whole(self) -> bool:
        """Whether the model knows all items, so that known items are the positions themselves."""
        return self.n_known == self.n_items

    @cached_property
    def known_below(self) -> Positions:
        """How many known items are below each position: int64, shape (n_items + 1,)."""
        is_known = np.zeros(self.n_items, bool)
        is_known[self.items] = True
        return np.concatenate([[0], np.cumsum(is_known)])

    def reordered(self, positions: Codes) -> Scores:
        """The same for a catalog in another order: ``positions``, int32, has the new position of each old one."""
        moved = positions[self.items]
        order = np.argsort(moved)
        bias = None if self.item_bias is None else self.item_bias[order]
        return replace(self, items=moved[order].astype(np.int64), item_factors=self.item_factors[order], item_bias=bias)

    def split(self, seen: Seen) -> tuple[Seen, Seen | None]:
        """Seen sets as known items, and as the others, numbered apart too; None where all are known."""
        if self.is_whole:
            return seen, None
        is_known = self.known_below[seen.items + 1] > self.known_below[seen.items]
        before = np.concatenate([[0], np.cumsum(is_known)])[seen.starts]
        known = self.known_below[seen.items[is_known]].astype(np.int32)
        others = seen.items[~is_known]
        others = others - self.known_below[others].astype(np.int32)
        return Seen(before, known, self.n_known), Seen(seen.starts - before, others, self.n_items - self.n_known)

    @cached_property
    def strangers(self) -> Positions:
        """The positions of the items that the model does not know: int64, ascending."""
        return np.flatnonzero(np.diff(self.known_below) == 0)

    def of_users(self, users: Positions) -> tuple[Exact, npt.NDArray[np.float64]]:
        """Exact factors of known users, and what to multiply their scores with to have the model's own.

        Returns ``factors``, shape (n, width).
        Returns ``units``, float64, shape (n,).
        """
        factors = self._widened(self.user_factors[self.users[users]], np.ones(len(users), np.float32), self._balance)
        lengths = _lengths(factors)
        scales = _LENGTHS[self.dtype] / np.where(lengths > 0, lengths, 1.0)
        return np.rint(factors * scales[:, None]).astype(self.dtype), 1 / (scales * self._item_scale)

    def of_pools(self, factors: Exact, rows: Positions, pools: Positions) -> Exact:
        """Scores, in exact units, of known items.

        ``factors``: shape (n_rows, width). Exact ones of users.
        ``rows``: int64, shape (n_pools,). The user of each pool.
        ``pools``: int64, shape (size, n_pools). Known items.
        Returns ``dtype``, the shape of ``pools``.
        """
        if len(factors) * self.n_known <= _DENSE_COST * pools.size:
            return self.of_all(factors).reshape(-1).take(rows * self.n_known + pools)
        scores: Exact = np.einsum("gf,sgf->sg", factors[rows], self._by_item[pools])
        return scores

    def of_all(self, factors: Exact) -> Exact:
        """Scores, in exact units, of all known items: ``dtype``, shape (n_rows, n_known)."""
        scores: Exact = factors @ self._by_factor
        return scores

    @cached_property
    def _by_item(self) -> Exact:
        """Exact factors of the known items: shape (n_known, width)."""
        return np.rint(self._widened_items * self._item_scale).astype(self.dtype)

    @cached_property
    def _by_factor(self) -> Exact:
        """The same, factor by factor, which multiplies three times as fast."""
        return np.ascontiguousarray(self._by_item.T)

    @cached_property
    def _item_scale(self) -> float:
        longest = float(_lengths(self._widened_items).max(initial=0.0))
        return _LENGTHS[self.dtype] / (longest if longest > 0 else 1.0)

    @property
    def _widened_items(self) -> npt.NDArray[np.float64]:
        bias = np.zeros(self.n_known, np.float32) if self.item_bias is None else self.item_bias
        return self._widened(self.item_factors, bias, 1 / self._balance)

    def _widened(
        self, factors: npt.NDArray[np.float32], last: npt.NDArray[np.float32], scale: float
    ) -> npt.NDArray[np.float64]:
        """The factors, and one more where there is a bias."""
        wide = factors.astype(np.float64)
        return wide if self.item_bias is None else np.column_stack([wide, last * scale])

    @cached_property
    def _balance(self) -> float:
        """A power of two that stretches the factor 1 of users, so that the bias costs neither side precision."""
        if self.item_bias is None:
            return 1.0
        longest = [
            float(_lengths(part).max(initial=0.0))
            for part in (self.user_factors, self.item_factors, self.item_bias[:, None])
        ]
        if not all(longest):
            return 1.0
        users, items, bias = longest
        return float(2.0 ** (np.frexp(users * bias / items)[1] // 2))


_ROWS_AT_A_TIME = 1 << 11


def _lengths(vectors: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Euclidean lengths of the rows, added up in the order of the columns: float64, shape (n_rows,)."""
    squares = np.zeros(len(vectors))
    for begin in range(0, len(vectors), _ROWS_AT_A_TIME):
        here = squares[begin : begin + _ROWS_AT_A_TIME]
        for column in vectors[begin : begin + _ROWS_AT_A_TIME].T.astype(np.float64):
            here += column * column
    return np.sqrt(squares)


@dataclass(frozen=True, eq=False)
class ScoredUsers:
    """Scores for a range of users, and their seen sets in the numbers of known items.

    ``first_user``: The code of the first one.
    ``known``: Their seen items that the model knows.
    ``strange``: Their seen items that it does not know; None where it knows all.
    """

    scores: Scores
    first_user: int
    known: Seen
    strange: Seen | None

    @classmethod
    def of(cls, scores: Scores, seen: Seen, first_user: int) -> ScoredUsers:
        """Of users whose seen sets are ``seen``."""
        return cls(scores, first_user, *scores.split(seen))

    def of_users(self, users: Codes) -> ScoredUsers:
        """Those of some users alone, counted from the first one: int32, shape (n,), ascending."""
        scores = replace(self.scores, users=self.scores.users[self.first_user + users])
        strange = None if self.strange is None else self.strange.of_users(users)
        return ScoredUsers(scores, 0, self.known.of_users(users), strange)

    @contextmanager
    def block(self, first: int, last: int, buffer: MaskBuffer | None) -> Iterator[ScoredBlock]:
        """The users from ``first`` up to ``last``, counted from the first one. Without a buffer, not to draw from."""
        users = np.arange(first, last)
        block = SeenBlock(self.known, first, last)
        strange = None if self.strange is None else SeenBlock(self.strange, first, last)
        with ExitStack() as held:
            mask = np.zeros(0, np.uint8) if buffer is None else held.enter_context(block.marked(buffer))
            yield ScoredBlock(self.scores, *self._factors(users), block, mask, strange)

    def sparse_block(self, users: Codes, known: SparseBlock) -> ScoredBlock:
        """Some users, whose seen items are ``known`` without being marked; the model knows all items."""
        return ScoredBlock(self.scores, *self._factors(users), known, known.octets, None)

    def _factors(self, users: npt.NDArray[np.integer]) -> tuple[npt.NDArray[np.bool_], Exact, Floats]:
        """Of users, counted from the first one: whether the model knows each; exact factors; units."""
        places = self.first_user + users
        is_known = self.scores.users[places] >= 0
        of_known, its_units = self.scores.of_users(places[is_known])
        factors, units = np.zeros((len(users), of_known.shape[1]), of_known.dtype), np.ones(len(users))
        factors[is_known], units[is_known] = of_known, its_units
        return is_known, factors, units


@dataclass(frozen=True, eq=False)
class ScoredBlock:
    """Scores for the users of a block.

    ``is_known``: bool, shape (n_rows,). Whether the model knows the user.
    ``factors``: shape (n_rows, width). Exact ones; 0 for other users.
    ``units``: float64, shape (n_rows,).
    ``known``, ``strange``: As in ``ScoredUsers``.
    ``mask``: That of ``known``.
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
