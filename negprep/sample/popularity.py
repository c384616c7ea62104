"""Popularity and other item weights: quantised, guided, and cut exactly to what a user may get."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from functools import cached_property

import numpy as np
import numpy.typing as npt

from negprep.arrays import Codes, Positions, Units, Words
from negprep.sample.measures import Asks, EligibleItems, Measure, count_up_to
from negprep.sample.rng import GAMMA, bounded, mix
from negprep.sample.seen import SeenBlock, SparseBlock, ranges_of
from negprep.sample.uniform import Proposer, Workspace, draw_either

_STEPS = 4


class Guide:
    """Of intervals laid end to end from 0, which one a point lies in.

    ``ends``: int64, shape (n,). Where each interval ends, ascending; one that is empty ends where the one before it
      does.
    ``bits``: The points of 2**bits start from the same guess: about as many as an interval has on average.
    """

    def __init__(self, ends: Positions, bits: int) -> None:
        self._ends, self._bits = ends, bits
        firsts = np.arange((int(ends[-1]) >> bits) + 1) << bits
        self._guesses: Positions = np.searchsorted(ends, firsts, side="right")

    def find(self, points: Positions) -> Positions:
        """How many intervals end at or before each point, 0 to ``ends[-1] - 1``: int64, the shape of ``points``, (m,).

        A few steps from the guess; where many intervals are short, the search by halves after them has the same answer.
        """
        found: Positions = self._guesses[points >> self._bits]
        todo = np.flatnonzero(self._ends[found] <= points)
        for _ in range(_STEPS):
            if not todo.size:
                return found
            found[todo] += 1
            todo = todo[self._ends[found[todo]] <= points[todo]]
        found[todo] = np.searchsorted(self._ends, points[todo], side="right")
        return found


_TOTAL_BITS = 62
_COIN_BITS = 32
_LOW_HALF, _HIGH_HALF = np.uint64(0xFFFFFFFF), np.uint64(0xFFFFFFFF00000000)
_MOST_ITEMS = 1 << (_TOTAL_BITS - _COIN_BITS)
_MOST_GUIDED = 1 << 20
"""Of more items, a guide would take longer to make than it saves."""

_DIGITS = Context(prec=40)
_WHOLE = 10**30
"""Real weights become whole numbers in this unit of the largest, before they are shared out as units."""


@dataclass(frozen=True, eq=False)
class Weights:
    """The weight of every item of a catalog.

    ``units``: int64, shape (n_items,). Not negative; their sum is ``n_items << column_bits``.
    """

    units: Units
    column_bits: int

    def __len__(self) -> int:
        return len(self.units)

    @cached_property
    def before(self) -> Units:
        """The units of all items before each item, and of all: int64, shape (n_items + 1,)."""
        return np.concatenate([[0], np.cumsum(self.units)])

    def find(self, points: Units) -> Units:
        """The item that each point of all units belongs to: int64, the shape of ``points``, (m,)."""
        if len(self) > _MOST_GUIDED:
            return np.searchsorted(self.before[1:], points, side="right")
        return self._guide.find(points)

    @cached_property
    def _guide(self) -> Guide:
        return Guide(self.before[1:], self.column_bits)

    def reordered(self, items: npt.NDArray[np.integer]) -> Weights:
        """The weights of the same items in another order."""
        return Weights(self.units[items], self.column_bits)

    @cached_property
    def _table(self) -> tuple[Words, npt.NDArray[np.int32], Words]:
        """For each column the item itself below a threshold, and from there on its alias.

        Returns ``packed``, uint64, shape (n_items,): The upper 32 bits of the threshold, and the bits in which the
          alias differs from the item.
        Returns ``aliases``, int32.
        Returns ``lower``, uint64: The rest of the threshold's bits.
        """
        column, n_items = 1 << self.column_bits, len(self)
        excess = self.units - column
        is_small = excess < 0
        small, large = np.flatnonzero(is_small), np.flatnonzero(~is_small)
        lacks, spare = np.cumsum(-excess[small]), np.cumsum(excess[large])
        begins = lacks + excess[small]
        thresholds, aliases = self.units.copy(), np.arange(n_items)
        # What the small columns lack is taken from the large ones in order; the one that runs out is itself filled up
        # by the next.
        aliases[small] = large[np.searchsorted(spare, begins, side="right")]
        served = np.searchsorted(begins, spare, side="left")
        overrun = np.where(served > 0, lacks.take(served - 1, mode="clip") if small.size else 0, 0) - spare
        overrun = np.maximum(overrun, 0)
        thresholds[large] = column - overrun
        aliases[large] = np.where(overrun > 0, np.append(large[1:], -1), large)
        thresholds[aliases == np.arange(n_items)] = 0
        fine = self.column_bits - _COIN_BITS
        upper = (thresholds >> fine).astype(np.uint64)
        lower = (thresholds & ((1 << fine) - 1)).astype(np.uint64)
        differences = (aliases ^ np.arange(n_items)).astype(np.uint64)
        return (upper << np.uint64(32)) | differences, aliases.astype(np.int32), lower

    def look_up(
        self,
        columns: Units,
        coins: Words,
        may_differ: npt.NDArray[np.bool_] | None = None,
        *,
        out: Words,
    ) -> Units:
        """Items of random columns and coins, of any one shape.

        ``columns``: 0 to n_items - 1, all equally likely.
        ``coins``: Random upper 32 bits, and zeros. Overwritten.
        ``may_differ``: Where not so, the item is that of the column. None: everywhere.
        ``out``: The items.
        Returns int64: The flat places that ``settle`` must decide: the coin equals the upper bits of the threshold, and
          the alias differs.
        """
        self._table[0].take(columns, out=out, mode="clip")
        # The lesser of both has the difference in its lower half where the coin is beyond the threshold, else zeros.
        np.minimum(out, coins, out=coins)
        np.subtract(coins, out, out=out)
        # It is just below 0, with a difference, where the upper bits are equal, and 0 where the coin is beyond.
        is_decided = not out.size or out.max() <= _HIGH_HALF
        undecided = np.empty(0, np.int64) if is_decided else np.flatnonzero(out > _HIGH_HALF)
        np.bitwise_and(coins, _LOW_HALF, out=coins)
        if may_differ is not None:
            np.multiply(coins, may_differ, out=coins)
        np.bitwise_xor(coins, columns.view(np.uint64), out=out)
        return undecided

    def settle(self, columns: Units, words: Words) -> Units:
        """The items of undecided columns, given a further random word for each."""
        _, aliases, lower = self._table
        fine = self.column_bits - _COIN_BITS
        rest = words >> np.uint64(64 - fine) if fine else np.zeros_like(words)
        return np.where(rest < lower[columns], columns, aliases[columns])


def quantised(values: list[Decimal], which: npt.NDArray[np.integer]) -> Weights:
    """Weights of a catalog whose item ``j`` has the real weight ``values[which[j]]``.

    ``values``: Not negative, at least one of those that occur positive.
    ``which``: integers, shape (n_items,).
    Returns Weights: An item of positive weight has at least one unit. What rounding leaves over goes, a unit each, to
      the first items of positive weight.
    """
    n_items = len(which)
    if n_items > _MOST_ITEMS:
        raise ValueError(f"weights for {n_items} items; the most are {_MOST_ITEMS}")
    column_bits = _TOTAL_BITS - (n_items - 1).bit_length()
    total = n_items << column_bits
    occurs = np.bincount(which, minlength=len(values))
    largest = max(value for value, count in zip(values, occurs, strict=True) if count)
    whole = [int(_DIGITS.multiply(_DIGITS.divide(value, largest), _WHOLE)) for value in values]
    everything = sum(part * int(count) for part, count in zip(whole, occurs, strict=True))
    shares = [
        max(1, part * total // everything) if value > 0 and count else 0
        for part, value, count in zip(whole, values, occurs, strict=True)
    ]
    units = np.array(shares, np.int64)[which]
    return Weights(_topped_up(units, total), column_bits)


def _topped_up(units: Units, total: int) -> Units:
    """The units with a sum of exactly ``total``; overwritten."""
    positive = np.flatnonzero(units)
    missing = total - sum_of(units)
    rounds, rest = divmod(missing, len(positive)) if missing >= 0 else (0, 0)
    units[positive] += rounds
    units[positive[:rest]] += 1
    if missing < 0:  # items of next to no weight were raised to one unit: the heaviest pay for it
        order = positive[np.argsort(-units[positive], kind="stable")]
        spare = np.cumsum(units[order] - 1)
        last = int(np.searchsorted(spare, -missing))
        before = int(spare[last - 1]) if last else 0
        units[order[:last]] = 1
        units[order[last]] -= -missing - before
    return units


def sum_of(units: Units) -> int:
    """The exact sum of numbers below 2**63, however many."""
    return (int((units >> 32).sum()) << 32) + int((units & 0xFFFFFFFF).sum())


def popularity_weights(counts: npt.NDArray[np.int64], *, alpha: Decimal, smooth: Decimal) -> Weights:
    """(count + smooth) ** alpha for every item; 0 where count + smooth is 0.

    ``counts``: int64, shape (n_items,). Train positives of each item.
    ``alpha``: 0 makes all items alike, 1 is proportional; a negative one favours the rare.
    ``smooth``: Not negative. Above 0, items without a train positive can be drawn.
    Raises ValueError: No item has a positive weight.

    Powers are taken in decimal arithmetic, which rounds alike on every machine, once for each distinct count.
    Source: Mikolov et al., Distributed representations of words and phrases, NIPS 2013 (alpha 0.75).
    """
    distinct, which = np.unique(counts, return_inverse=True)
    bases = [Decimal(int(count)) + smooth for count in distinct]
    if not any(base > 0 for base in bases):
        raise ValueError("no item has a positive weight")
    return quantised([_DIGITS.power(base, alpha) if base > 0 else Decimal(0) for base in bases], which)


_POINT_BITS = 40
_FEW_BITS = 2
"""Users with less than this part, as a power of 1/2, of all points draw from their own at once."""

_ENTRIES_PER_SEARCH = 32
"""To make the thresholds of so many seen items takes as long as one search that makes those on its way."""

_LISTED_ITEMS = 20
"""To list the eligible items of a catalog of so many items costs as much as one search for a point."""

_CELLS = 4
"""A list has so many times as many cells as the catalog has items, at least, for a user's points."""


class EligiblePoints:
    """The eligible items of a few users, with the points that end with each.

    ``rows``: int64, shape (n_users,). Of ``block``.
    """

    def __init__(self, weights: Weights, block: SeenBlock, rows: Positions) -> None:
        n_items, begins = len(weights), block.begins[rows]
        sizes = block.ends[rows] - begins
        free = np.ones((len(rows), n_items), bool)
        free[np.repeat(np.arange(len(rows)), sizes), block.items[ranges_of(begins, sizes)]] = False
        counts = n_items - sizes
        self._ends_of = np.cumsum(counts)
        self._begins = self._ends_of - counts
        self._items = np.flatnonzero(free) - np.repeat(np.arange(len(rows)) * n_items, counts)
        units = weights.units.take(self._items)
        self._ends = np.cumsum(units)  # wraps: differences within a user are right
        before = (self._ends - units)[np.minimum(self._begins, max(0, len(units) - 1))] if len(units) else counts
        self._ends -= np.repeat(before, counts)
        most = int(self._ends[self._ends_of[counts > 0] - 1].max(initial=0))
        self._bits = max(0, most.bit_length() - (_CELLS * n_items).bit_length())
        self._cells = (most >> self._bits) + 2
        cells = (self._ends + ((1 << self._bits) - 1)) >> self._bits
        cells += np.repeat(np.arange(len(rows)) * self._cells, counts)
        self._firsts = np.cumsum(np.bincount(cells, minlength=len(rows) * self._cells), dtype=np.int32)

    def items_at(self, of: Positions, points: Positions) -> Positions:
        """The item that each point belongs to: int64, shape (k, n).

        ``of``: int64, shape (n,). The user of each, by the place in ``rows``.
        """
        cells = points >> self._bits
        cells += of * self._cells
        found, flat = self._firsts.take(cells).reshape(-1), points.reshape(-1)
        todo = np.flatnonzero(self._ends.take(found) <= flat)
        for _ in range(_STEPS):
            if not todo.size:
                break
            found[todo] += 1
            todo = todo[self._ends[found[todo]] <= flat[todo]]
        if todo.size:
            ends = self._ends_of[of[todo % len(of)]]
            found[todo] += count_up_to(self._ends, found[todo].astype(np.int64), ends, flat[todo])
        items: Positions = self._items.take(found).reshape(points.shape)
        return items


class SeenCut:
    """What is left of a catalog's weights for each of a few users.

    ``weights``: Of the items by position.
    ``starts``: int64, shape (n_rows + 1,). The user of row ``r`` has seen ``items[starts[r]:starts[r + 1]]``.
    ``items``: int32, shape (n_seen,). Positions, ascending within a user.
    """

    def __init__(self, weights: Weights, starts: Positions, items: Codes) -> None:
        self._weights, self._starts, self._items = weights, starts, items

    @cached_property
    def totals(self) -> Positions:
        """The points that each user has: int64, shape (n_rows,)."""
        totals: Positions = self._weights.before[-1] - np.diff(self._seen_before[self._starts])
        return totals

    def before(self, rows: Positions, items: Positions, n_below: Positions) -> Positions:
        """The points before some items, where the user has seen ``n_below`` lower ones: int64."""
        first = self._starts[rows]
        seen = self._seen_before[first + n_below] - self._seen_before[first]
        points: Positions = self._weights.before[items] - seen
        return points

    def items_at(self, rows: Positions, points: Positions) -> Positions:
        """The item that each point of a user belongs to: int64."""
        passed = self._seen_before[self._end_of_passed(rows, points)] - self._seen_before[self._starts[rows]]
        items: Positions = self._weights.find(points + passed)
        return items

    def _end_of_passed(self, rows: Positions, points: Positions) -> Positions:
        """Where the seen items whose threshold is at most the point end: int64, positions in ``items``."""
        if len(points) * _ENTRIES_PER_SEARCH < len(self._items):
            return self._search(rows, points)
        wanted = _packed(rows, points)
        ends: Positions = np.searchsorted(self._packed_thresholds, wanted)
        if not len(self._items):
            return ends
        tied = np.flatnonzero(self._packed_thresholds.take(ends, mode="clip") == wanted)
        if tied.size:
            last = np.searchsorted(self._packed_thresholds, wanted[tied], side="right")
            ends[tied] += count_up_to(self._thresholds, ends[tied], last, points[tied])
        return ends

    def _search(self, rows: Positions, points: Positions) -> Positions:
        """The same for few points, with thresholds made where they are looked at."""
        low, high = self._starts[rows], self._starts[rows + 1]
        before = self._seen_before[low]
        for _ in range(int((high - low).max(initial=0)).bit_length()):
            middle = (low + high) >> 1
            cut = self._seen_before[middle] - before  # first of all: sums over several users wrap
            thresholds = self._weights.before[self._items.take(middle, mode="clip")] - cut
            goes_up = (low < high) & (thresholds <= points)
            low, high = np.where(goes_up, middle + 1, low), np.where(goes_up, high, middle)
        return low

    @cached_property
    def _seen_before(self) -> Positions:
        """The units of the seen items before each, wrapping: differences within a user are right."""
        return np.concatenate([[0], np.cumsum(self._weights.units[self._items])])

    @cached_property
    def _thresholds(self) -> Positions:
        cut = self._seen_before[:-1] - self._seen_before[np.repeat(self._starts[:-1], np.diff(self._starts))]
        points: Positions = self._weights.before[self._items] - cut
        return points

    @cached_property
    def _packed_thresholds(self) -> Positions:
        """Ascending over all users, as the thresholds of each are."""
        rows = np.repeat(np.arange(len(self._starts) - 1), np.diff(self._starts))
        return _packed(rows, self._thresholds)


def _packed(rows: Positions, points: Positions) -> Positions:
    """A row and the upper bits of a point below 2**62 in one number, for one search over all users."""
    return (rows << _POINT_BITS) | (points >> (62 - _POINT_BITS))


_HALF = np.uint64(32)
_COIN_WORDS = 3 << 61
_COIN = np.uint64((int(GAMMA) * _COIN_WORDS) & ((1 << 64) - 1))
"""From the base of a word to that of the word that decides a coin which 32 bits leave undecided."""


class WeightedProposer(Proposer):
    """The same by weight, or some draws so and the others with all items alike."""

    def __init__(
        self, block: SeenBlock, mask: npt.NDArray[np.uint8] | None, workspace: Workspace, weights: Weights
    ) -> None:
        super().__init__(block, mask, workspace)
        self._weights = weights

    def _keep_coins(self, words: Words) -> None:
        np.left_shift(words, _HALF, out=self._workspace.words("coins", words.shape))

    def _weighed(
        self,
        columns: Positions,
        scratch: Positions,
        bases: Words,
        steps: Words,
        by_weight: npt.NDArray[np.bool_] | None,
    ) -> tuple[Positions, Positions]:
        shape = columns.shape
        coins = self._workspace.words("coins", shape)
        undecided = self._weights.look_up(columns, coins, by_weight, out=scratch.view(np.uint64))
        if undecided.size and by_weight is not None:
            undecided = undecided[np.broadcast_to(by_weight, shape).reshape(-1)[undecided]]
        if undecided.size:
            words = mix((bases + steps).reshape(-1)[undecided] + _COIN)
            scratch.reshape(-1)[undecided] = self._weights.settle(columns.reshape(-1)[undecided], words)
        return scratch, coins.view(np.int64)

    def _are_seen(self, places: Positions, rows: Positions, items: Positions) -> npt.NDArray[np.bool_]:
        if isinstance(self.block, SparseBlock):
            return super()._are_seen(places, rows, items)
        are_seen: npt.NDArray[np.bool_] = self._tenants.take(places, mode="clip") == items
        doubtful = np.flatnonzero(~are_seen)
        are_seen[doubtful] = self.block.contains(rows[doubtful], items[doubtful])
        return are_seen

    @cached_property
    def _tenants(self) -> Codes:
        """One of the seen items that share each byte of the mask; anything where none does.

        Whoever proposes by popularity meets seen items often. It is mostly this one, and no search is needed.
        """
        block = self.block
        tenants = self._workspace.codes("tenants", (len(block.starts) - 1) * block.width)
        rows = np.repeat(np.arange(len(block.starts) - 1), np.diff(block.starts))
        tenants[rows * block.width + (block.items & np.int32(block.width - 1))] = block.items
        return tenants


class WeightedItems(Measure):
    """For each eligible item as many points as its weight has units.

    ``weights``: Of the items by position.
    ``mask``, ``workspace``: As of ``Proposer``.
    ``totals``: int64, shape (n_rows,), or None. All points of each user, where they are known already.

    A draw first *proposes* an item of the whole catalog, which costs little; one that is seen is proposed anew, a
    bounded number of times. Then the seen items are cut out of the cumulative weights of the catalog, which the users
    share, and what is left cannot fail. For users with few points of the catalog's that is done at once.
    """

    def __init__(
        self,
        block: SeenBlock,
        weights: Weights,
        mask: npt.NDArray[np.uint8] | None = None,
        workspace: Workspace | None = None,
        totals: Positions | None = None,
    ) -> None:
        self._block, self._weights, self._totals = block, weights, totals
        self.proposer = WeightedProposer(block, mask, workspace or Workspace(), weights)

    def before(self, rows: Positions, items: Positions) -> Positions:  # noqa: D102
        cut, of = self._cut_of(rows)
        return cut.before(of, items, self._block.count_below(rows, items))

    def total(self, rows: Positions) -> Positions:  # noqa: D102
        return self._points[rows]

    def sizes(self, items: Positions) -> Positions:  # noqa: D102
        units = self._weights.units.take(items, mode="clip")
        return np.where(items < len(self._weights), units, 0)  # beyond are items outside the catalog

    def has(self, rows: Positions, items: Positions) -> npt.NDArray[np.bool_]:  # noqa: D102
        return ~self._block.contains(rows, items)

    def items_at(self, rows: Positions, points: Positions) -> Positions:  # noqa: D102
        cut, of = self._cut_of(rows)
        return cut.items_at(of, points)

    def draw(self, asks: Asks, attempt: int) -> Positions:  # noqa: D102
        if asks.lows is not None:
            return super().draw(asks, attempt)
        items: Positions = self._draw(asks, asks.draws[None], attempt)[0].astype(np.int64)
        return items

    def draw_groups(self, groups: Asks, num_neg: int) -> npt.NDArray[np.signedinteger]:  # noqa: D102
        if groups.lows is not None:
            return super().draw_groups(groups, num_neg)
        return self._draw(groups, np.arange(num_neg)[:, None], 0)

    def _draw(self, groups: Asks, numbers: Positions, attempt: int) -> Codes:
        """The draws of some ``numbers``, as of ``Proposer.draw``: int32, shape (n_draws, n_groups)."""
        proposes = None if self.proposes.all() else self.proposes[groups.rows]
        return draw_either(self.proposer, self.draw_exactly, proposes, groups.rows, groups.keys, numbers, attempt)

    @cached_property
    def proposes(self) -> npt.NDArray[np.bool_]:
        """Which users have so many points that not too many proposals fail: bool, shape (n_rows,)."""
        enough: npt.NDArray[np.bool_] = self._points >= (len(self._weights) << self._weights.column_bits) >> _FEW_BITS
        return enough

    @cached_property
    def _points(self) -> Positions:
        """All points of each user: int64, shape (n_rows,)."""
        return self._cut.totals if self._totals is None else self._totals

    def draw_exactly(self, rows: Positions, keys: Words, numbers: Positions, attempt: int) -> Positions:
        """Draws that cannot fall on a seen item: int64, in the shape to which keys and numbers broadcast, (k, n)."""
        points = bounded(keys, self._points[rows], numbers, attempt)
        wanted = np.bincount(rows, minlength=len(self._block.eligible)) * len(points)
        is_listed = wanted * _LISTED_ITEMS > len(self._weights)
        if not is_listed.any():
            return self._search(rows, points)
        listed = EligiblePoints(self._weights, self._block, np.flatnonzero(is_listed))
        of = (np.cumsum(is_listed) - 1)[rows]
        is_mine = is_listed[rows]
        if is_mine.all():
            return listed.items_at(of, points)
        items = np.empty_like(points)
        items[:, is_mine] = listed.items_at(of[is_mine], points[:, is_mine])
        items[:, ~is_mine] = self._search(rows[~is_mine], points[:, ~is_mine])
        return items

    def _search(self, rows: Positions, points: Positions) -> Positions:
        """The items of points, shape (k, n), of users of whom there are few."""
        cut, of = self._few_cut(rows)
        return cut.items_at(np.broadcast_to(of, points.shape).reshape(-1), points.reshape(-1)).reshape(points.shape)

    def _cut_of(self, rows: Positions) -> tuple[SeenCut, Positions]:
        """The weights less what is seen, and where each row is there."""
        return self._few_cut(rows) if isinstance(self._block, SparseBlock) else (self._cut, rows)

    def _few_cut(self, all_rows: Positions) -> tuple[SeenCut, Positions]:
        """The same of these users alone, who are few."""
        begins, ends = self._block.begins, self._block.ends
        is_here = np.zeros(len(begins), bool)
        is_here[all_rows] = True
        rows, of = np.flatnonzero(is_here), np.cumsum(is_here)[all_rows] - 1
        sizes = ends[rows] - begins[rows]
        items = self._block.items[ranges_of(begins[rows], sizes)]
        return SeenCut(self._weights, np.concatenate([[0], np.cumsum(sizes)]), items), of

    @cached_property
    def _cut(self) -> SeenCut:
        """Of all users of the block."""
        return SeenCut(self._weights, self._block.starts, self._block.items)


def draw_jointly(
    eligible: EligibleItems,
    weighted: WeightedItems,
    groups: Asks,
    numbers: Positions,
    attempt: int,
    proposes: npt.NDArray[np.bool_] | None,
    by_weight: npt.NDArray[np.bool_],
) -> Codes:
    """Draw from two measures, each as it would alone, for users of whom both propose: int32, shape (n_draws, n_groups).

    ``numbers``, ``attempt``, ``proposes``, ``by_weight``: As of ``Proposer.draw``.
    """
    items, left = weighted.proposer.draw(
        groups.rows, groups.keys, numbers, attempt, proposes=proposes, by_weight=by_weight
    )
    done = weighted.proposer.proposals
    if left.size:
        by = by_weight.reshape(-1)[left]
        for measure, here in ((weighted, left[by]), (eligible, left[~by])):
            if here.size:
                draws, of = np.divmod(here, len(groups))
                mine = np.broadcast_to(numbers, items.shape)[draws, of][None]
                items[draws, of] = measure.draw_exactly(groups.rows[of], groups.keys[of], mine, attempt + done)[0]
    return items
