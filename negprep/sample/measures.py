"""Measures: a whole number of points for each item that a user may get, laid end to end.

To draw is to take one of a user's points at random. Each sampler is a measure: one point for every eligible item
(uniform), as many as its weight has units (popularity), or one for each item of a list: of the user's own (weak
feedback), or of one impression. Points lie in the order of the catalog, so that a *window* of the catalog is a range of
points.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from negprep.arrays import Codes, Floats, Positions, Words
from negprep.sample.rng import bounded, word
from negprep.sample.seen import Seen, SeenBlock
from negprep.sample.uniform import Proposer, Workspace, draw_eligible, eligible_ranks


@dataclass(frozen=True, eq=False)
class Asks:
    """Draws to be made.

    ``rows``: int64, shape (n,). The user of each, counted from the first of a block.
    ``keys``: uint64, shape (n,). The random key of its group.
    ``draws``: int64, shape (n,). Its number within the group.
    ``lows``, ``highs``: int64, shape (n,), or None. The window of the catalog, the end exclusive. None: all of it.
    ``lists``: int64, shape (n,), or None. The impression of each, as ``Impressions.find`` gives it.
    """

    rows: Positions
    keys: Words
    draws: Positions
    lows: Positions | None = None
    highs: Positions | None = None
    lists: Positions | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def times(self, num_neg: int) -> Asks:
        """The draws 0 to num_neg - 1 of each, draw by draw."""
        tiled = (None if values is None else np.tile(values, num_neg) for values in (self.lows, self.highs, self.lists))
        draws = np.repeat(np.arange(num_neg), len(self))
        return Asks(np.tile(self.rows, num_neg), np.tile(self.keys, num_neg), draws, *tiled)

    def at(self, which: npt.NDArray[np.integer] | npt.NDArray[np.bool_] | slice) -> Asks:
        """Some of them."""
        more = (None if values is None else values[which] for values in (self.lows, self.highs, self.lists))
        return Asks(self.rows[which], self.keys[which], self.draws[which], *more)

    def words(self, attempt: int) -> Words:
        """The random word of an attempt at each."""
        return word(self.keys, self.draws + (attempt << 32))


class Measure(ABC):
    """Points of the items of a block of users.

    ``is_listed``: Whether the items are a list of the user's own; else they are the eligible ones.
    """

    is_listed = False

    @abstractmethod
    def before(self, rows: Positions, items: Positions) -> Positions:
        """The points of the user's items that come before ``items``: int64."""

    @abstractmethod
    def total(self, rows: Positions) -> Positions:
        """All points of the user: int64."""

    @abstractmethod
    def sizes(self, items: Positions) -> Positions:
        """The points of items if the user may get them: int64, the shape of ``items``."""

    @abstractmethod
    def has(self, rows: Positions, items: Positions) -> npt.NDArray[np.bool_]:
        """Whether the user may get the item: bool."""

    @abstractmethod
    def items_at(self, rows: Positions, points: Positions) -> Positions:
        """The item that each point belongs to: int64."""

    def rows_of(self, asks: Asks) -> Positions:
        """The rows whose points some asks draw from: those of their users."""
        return asks.rows

    def span(self, asks: Asks) -> tuple[Positions, Positions]:
        """The first point of each window, and how many there are in it."""
        rows = self.rows_of(asks)
        if asks.lows is None or asks.highs is None:
            return np.zeros(len(asks), np.int64), self.total(rows)
        base = self.before(rows, asks.lows)
        return base, self.before(rows, asks.highs) - base

    def densities(self, groups: Asks, items: Positions, part: Floats, mass: Positions) -> Floats:  # noqa: ARG002
        """The probability of items times a share: float64, shape (n_groups, num_neg), the shape of ``items``.

        ``items``: int64, shape (n_groups, num_neg).
        ``part``: float64, shape (n_groups,). The share of this measure.
        ``mass``: int64, shape (n_groups,). All points.
        """
        each = part / np.maximum(mass, 1)
        return each[:, None] * self.sizes(items)

    def head_densities(self, groups: Asks, heads: Positions, part: Floats, mass: Positions) -> Floats:  # noqa: ARG002
        """The same of the positives, shape (n_groups,), each as if it were one more item that the user may get."""
        size = self.sizes(heads)
        densities: Floats = part * size / np.maximum(mass + size, 1)
        return densities

    @property
    def has_strange(self) -> bool:
        """Whether some of what is drawn is not by this measure's own rule, but as the fall-back would draw it."""
        return False

    def strange(self, items: Positions) -> npt.NDArray[np.bool_]:
        """Which of the items drawn are so: bool, the shape of ``items``."""
        return np.zeros(items.shape, bool)

    def rest(self, asks: Asks, taken: Positions) -> Rest:
        """What is left for each of some asks, once other items are taken: see ``Rest``."""
        return PointsLeft(self, asks, taken)

    def is_empty(self, asks: Asks) -> npt.NDArray[np.bool_]:
        """Whether each window has no points: bool."""
        empty: npt.NDArray[np.bool_] = self.span(asks)[1] == 0
        return empty

    def draw(self, asks: Asks, attempt: int) -> Positions:
        """One item for each; all have points. Takes the words of ``attempt``, and rarely some of those that follow."""
        base, mass = self.span(asks)
        return self.items_at(self.rows_of(asks), base + bounded(asks.keys, mass, asks.draws, attempt))

    def draw_groups(self, groups: Asks, num_neg: int) -> npt.NDArray[np.signedinteger]:
        """The draws 0 to num_neg - 1 of each group; all groups have points: integers, shape (num_neg, n_groups)."""
        return self.draw(groups.times(num_neg), 0).reshape(num_neg, len(groups))


class EligibleItems(Measure):
    """One point for each eligible item.

    ``mask``, ``workspace``: As of ``Proposer``.
    """

    def __init__(
        self, block: SeenBlock, mask: npt.NDArray[np.uint8] | None = None, workspace: Workspace | None = None
    ) -> None:
        self._block = block
        self._proposer = Proposer(block, mask, workspace or Workspace())

    def before(self, rows: Positions, items: Positions) -> Positions:  # noqa: D102
        points: Positions = items - self._block.count_below(rows, items)
        return points

    def total(self, rows: Positions) -> Positions:  # noqa: D102
        points: Positions = self._block.eligible[rows]
        return points

    def sizes(self, items: Positions) -> Positions:  # noqa: D102
        return np.ones(items.shape, np.int64)

    def has(self, rows: Positions, items: Positions) -> npt.NDArray[np.bool_]:  # noqa: D102
        return ~self._block.contains(rows, items)

    def items_at(self, rows: Positions, points: Positions) -> Positions:  # noqa: D102
        return self._block.select(rows, points)

    def draw(self, asks: Asks, attempt: int) -> Positions:  # noqa: D102
        if asks.lows is not None:
            return super().draw(asks, attempt)
        drawn = draw_eligible(self._proposer, asks.rows, asks.keys, asks.draws[None], attempt)
        items: Positions = drawn[0].astype(np.int64)
        return items

    @property
    def proposes(self) -> npt.NDArray[np.bool_]:
        """For which users items of the whole catalog are proposed at first: bool, shape (n_rows,)."""
        return ~self._block.mostly_seen

    def draw_exactly(self, rows: Positions, keys: Words, numbers: Positions, attempt: int) -> Positions:
        """Draws that cannot fall on a seen item: int64, in the shape to which rows, keys and numbers broadcast."""
        return eligible_ranks(self._block, rows, keys, numbers, attempt)


class ListedItems(Measure):
    """One point for each item of a list of the user's own, such as the weak interactions."""

    is_listed = True

    def __init__(self, lists: Seen, first_user: int, last_user: int) -> None:
        self._block = SeenBlock(lists, first_user, last_user)

    def before(self, rows: Positions, items: Positions) -> Positions:  # noqa: D102
        points: Positions = self._block.count_below(rows, items)
        return points

    def total(self, rows: Positions) -> Positions:  # noqa: D102
        points: Positions = self._block.starts[rows + 1] - self._block.starts[rows]
        return points

    def sizes(self, items: Positions) -> Positions:  # noqa: D102
        return np.ones(items.shape, np.int64)

    def has(self, rows: Positions, items: Positions) -> npt.NDArray[np.bool_]:  # noqa: D102
        return self._block.contains(rows, items)

    def items_at(self, rows: Positions, points: Positions) -> Positions:  # noqa: D102
        items: Positions = self._block.items[self._block.starts[rows] + points].astype(np.int64)
        return items


@dataclass(frozen=True, eq=False)
class Impressions:
    """What a range of users were shown and passed over, impression by impression.

    ``starts``: int64, shape (n_users + 1,). User ``u`` has the impressions ``starts[u]`` to ``starts[u + 1]``.
    ``groups``: int32, shape (n_impressions,). The code by which the log calls each, ascending within a user.
    ``lists``: The items of each impression, in the place of a user.
    """

    starts: Positions
    groups: Codes
    lists: Seen

    def find(self, users: Codes, groups: Codes) -> Positions:
        """The impression of each user that the log calls so: int64, -1 for one in which nothing was passed over."""
        if not len(self.groups):
            return np.full(len(users), -1)
        wanted = users.astype(np.int64) << 32 | groups
        found = np.searchsorted(self._packed, wanted)
        return np.where(self._packed.take(found, mode="clip") == wanted, found, -1)

    def of_users(self, users: Codes) -> Impressions:
        """Those of some users alone: int32, shape (n,), ascending."""
        of = Seen(self.starts, np.arange(len(self.groups), dtype=np.int32), len(self.groups)).of_users(users)
        return Impressions(of.starts, self.groups[of.items], self.lists.of_users(of.items))

    @cached_property
    def _packed(self) -> Positions:
        users = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        packed: Positions = users << 32 | self.groups
        return packed


class ShownItems(ListedItems):
    """One point for each item of the impression in which a positive stands."""

    def __init__(self, impressions: Impressions, first_user: int, last_user: int) -> None:
        self._first, end = int(impressions.starts[first_user]), int(impressions.starts[last_user])
        self._none = end - self._first
        lists = impressions.lists
        starts = np.append(lists.starts[self._first : end + 1], lists.starts[end])
        super().__init__(Seen(starts, lists.items, lists.n_items), 0, self._none + 1)

    def rows_of(self, asks: Asks) -> Positions:
        """The impressions, counted from the first of the block; after the last one stands an empty one."""
        if asks.lists is None:
            return np.full(len(asks), self._none)
        return np.where(asks.lists < 0, self._none, asks.lists - self._first)

    def densities(self, groups: Asks, items: Positions, part: Floats, mass: Positions) -> Floats:
        """Those of items of the impression; what another list has given may not stand there."""
        rows = np.repeat(self.rows_of(groups), items.shape[1])
        inside = self.has(rows, items.reshape(-1)).reshape(items.shape)
        return super().densities(groups, items, part, mass) * inside


class Rest(ABC):
    """What a measure has left for each of some asks, once other items are taken.

    ``mass``, ``points``: int64, shape (n_asks,). Points of the window, all and those left.
    """

    mass: Positions
    points: Positions

    @abstractmethod
    def draw(self, which: Positions, attempt: int) -> Positions:
        """One item for each of ``which``; all have points left."""


class PointsLeft(Rest):
    """The points that are left; one is drawn at random.

    ``taken``: int64, shape (n_taken, n_asks). Different items in the window; this measure may not give the user
      all of them.
    """

    def __init__(self, measure: Measure, asks: Asks, taken: Positions) -> None:
        self._measure, self._asks = measure, asks
        self._base, self.mass = measure.span(asks)
        rows, items = np.tile(measure.rows_of(asks), len(taken)), taken.reshape(-1)
        begins, sizes = np.full(items.size, np.iinfo(np.int64).max), np.zeros(items.size, np.int64)
        has = measure.has(rows, items)
        begins[has] = measure.before(rows[has], items[has])
        sizes[has] = measure.sizes(items[has])
        order = np.argsort(begins.reshape(taken.shape), axis=0, kind="stable")
        self._begins = np.take_along_axis(begins.reshape(taken.shape), order, axis=0)
        self._sizes = np.take_along_axis(sizes.reshape(taken.shape), order, axis=0)
        self.points = self.mass - self._sizes.sum(axis=0)

    def draw(self, which: Positions, attempt: int) -> Positions:  # noqa: D102
        asks = self._asks.at(which)
        points = self._base[which] + bounded(asks.keys, self.points[which], asks.draws, attempt)
        for begins, sizes in zip(self._begins[:, which], self._sizes[:, which], strict=True):
            points += np.where(points >= begins, sizes, 0)  # ascending: what was passed has moved the point already
        return self._measure.items_at(self._measure.rows_of(asks), points)


def count_up_to(values: Positions, begins: Positions, ends: Positions, wanted: Positions) -> Positions:
    """How many of ``values[begin:end]``, which ascend, are at most ``wanted``: int64, the shape of ``wanted``."""
    low, high = begins.copy(), ends.copy()
    for _ in range(int((ends - begins).max(initial=0)).bit_length()):
        middle = (low + high) >> 1
        goes_up = (low < high) & (values.take(middle, mode="clip") <= wanted)
        low = np.where(goes_up, middle + 1, low)
        high = np.where(goes_up, high, middle)
    return low - begins
