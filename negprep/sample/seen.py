"""Seen sets: what each user's negatives must avoid, and the two questions that every sampler asks of them.

*Membership*: is this item seen? *Selection*: which is the user's r-th eligible item? Each has more than one kernel, for
ordinary and for extreme users and catalogs; all kernels of a question give the same answer, so that the choice is a
matter of speed alone and never shows in an output.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from negprep.arrays import Codes, Positions

MASK_BYTES_PER_ENTRY = 64
"""The mask of a block has about this many bytes for each seen item: at most one lookup in 64 is a false alarm."""

_LARGEST_EXACT_MASK = 1 << 24

_BITS_PER_ENTRY, _FILTERED_BITS = 16, 1 << 22
SPARSE_BELOW = 2
"""From so many seen items a draw on, to look into a filter takes less than to mark them all, even if it must be made
first; from one on, once it is there."""

_LISTED_BYTES_PER_SEARCH = 100
"""To list the eligible items of a catalog of this many items costs as much as one binary search."""


_ENTRIES_PER_SEARCH = 32
"""To pack the seen items of a block for searches through all costs as much as one search among a user's own, for so
many."""


@dataclass(frozen=True, eq=False)
class Seen:
    """The seen items of a range of users, in compressed sparse rows.

    ``starts``: int64, shape (n_users + 1,). User ``u`` has seen ``items[starts[u]:starts[u + 1]]``.
    ``items``: int32, shape (n_seen,). Codes of catalog items, 0 to n_items - 1, ascending and distinct within a user.
    ``n_items``: Size of the catalog, below 2**31.
    """

    starts: Positions
    items: Codes
    n_items: int

    @property
    def n_users(self) -> int:
        """How many users there are."""
        return len(self.starts) - 1

    @cached_property
    def eligible(self) -> Positions:
        """How many items of the catalog each user has not seen: int64, shape (n_users,)."""
        return self.n_items - np.diff(self.starts)

    def of_users(self, users: Codes) -> Seen:
        """Those of some users alone: int32, shape (n,), ascending."""
        begins, sizes = self.starts[users], self.starts[users + 1] - self.starts[users]
        return Seen(np.concatenate([[0], np.cumsum(sizes)]), self.items[ranges_of(begins, sizes)], self.n_items)

    @cached_property
    def filter(self) -> Filter:
        """What answers most questions about few draws of many users."""
        return Filter.of(self)

    def is_sparse(self, users: npt.NDArray[np.integer], n_draws: int) -> bool:
        """Whether so many draws of ascending users are too few to mark all that the users have seen."""
        return n_draws * (1 if "filter" in vars(self) else SPARSE_BELOW) < self.count(users)

    def count(self, users: npt.NDArray[np.integer]) -> int:
        """How many items the users from the first to the last of ascending ``users`` have seen."""
        return 0 if not len(users) else int(self.starts[users[-1] + 1] - self.starts[users[0]])

    def blocks(self, users: npt.NDArray[np.integer], n_entries: int) -> Iterator[tuple[int, int, int, int]]:
        """Cut ascending ``users`` into blocks whose seen items fit a cache.

        Yields ``first_user, last_user``, int: A range of users (the end exclusive) with at most ``n_entries`` seen
          items, or one user.
        Yields ``begin, end``, int: The positions of theirs in ``users``.
        """
        begin = 0
        while begin < len(users):
            first = int(users[begin])
            last = int(np.searchsorted(self.starts, self.starts[first] + n_entries, side="right")) - 1
            last = min(max(last, first + 1), first + n_entries, int(users[-1]) + 1)
            end = begin + int(users[begin:].searchsorted(users.dtype.type(last)))
            yield first, last, begin, end
            begin = end


@dataclass(frozen=True, eq=False)
class Filter:
    """A bit for each remainder of a code modulo a power of two of each user's own: set where a seen item has it.

    It has 16 to 32 bits for each seen item, so that one unseen item in 16 to 32 is a false alarm.

    ``octets``: uint8. All bits, those of a byte from its lowest on.
    ``begins``: int64, shape (n_users,). The first bit of each user.
    ``folds``: int64, shape (n_users,). The power of two, less 1.
    """

    octets: npt.NDArray[np.uint8]
    begins: Positions
    folds: Positions

    @classmethod
    def of(cls, seen: Seen) -> Filter:
        """Of the seen items of all users."""
        sizes = np.diff(seen.starts)
        n_bits = 1 << np.ceil(np.log2(np.maximum(_BITS_PER_ENTRY * sizes, 8))).astype(np.int64)
        ends = np.cumsum(n_bits)
        begins = ends - n_bits
        octets = np.empty(int(ends[-1]) // 8 if len(ends) else 0, np.uint8)
        first, n_users = 0, seen.n_users
        while first < n_users:  # few enough users at a time for a cache
            last = max(first + 1, int(ends.searchsorted(begins[first] + _FILTERED_BITS, side="right")))
            entries = slice(seen.starts[first], seen.starts[last])
            places = np.repeat(begins[first:last] - begins[first], sizes[first:last])
            places += seen.items[entries] & np.repeat(n_bits[first:last] - 1, sizes[first:last])
            bits = np.zeros(int(ends[last - 1] - begins[first]), bool)
            bits[places] = True
            octets[begins[first] // 8 : ends[last - 1] // 8] = np.packbits(bits, bitorder="little")
            first = last
        return cls(octets, begins, n_bits - 1)


class MaskBuffer:
    """Zeroed bytes that blocks mark and clear in turn. One a thread."""

    def __init__(self) -> None:
        self._bytes = np.zeros(0, np.uint8)

    def zeros(self, size: int) -> npt.NDArray[np.uint8]:
        """``size`` zeroed bytes; whoever sets some must clear them before the next call."""
        if size > len(self._bytes):
            self._bytes = np.zeros(size, np.uint8)
        return self._bytes[:size]


class SeenBlock:
    """The seen sets of a few users, ready to be asked. Rows are users, counted from the first of the block.

    ``eligible``: int64, shape (n_rows,).
    ``starts``: int64, shape (n_rows + 1,). Row ``r`` has seen ``items[starts[r]:starts[r + 1]]``.
    ``begins``, ``ends``: int64, shape (n_rows,). The same, of each row.
    ``items``: int32, shape (n_seen,).
    ``mask_bytes``: Of the mask for each seen item, or more; None: as many as suit several draws for each.
    ``width``: Bytes of mask for each row.
    ``is_exact``: Whether the mask has a byte for each item; else codes fold into it modulo ``width``, a power of two,
      and ``contains`` must confirm its hits.
    """

    def __init__(self, seen: Seen, first_user: int, last_user: int, mask_bytes: int | None = None) -> None:
        begin, end = seen.starts[first_user], seen.starts[last_user]
        self.n_items = seen.n_items
        self.eligible = seen.eligible[first_user:last_user]
        self.items = seen.items[begin:end]
        self.starts = seen.starts[first_user : last_user + 1] - begin
        self.begins, self.ends = self.starts[:-1], self.starts[1:]
        self._n_rows = last_user - first_user
        mask_bytes = MASK_BYTES_PER_ENTRY if mask_bytes is None else mask_bytes
        share = max(64, mask_bytes * len(self.items) // self._n_rows)
        folded = 1 << (share - 1).bit_length()
        self.is_exact = seen.n_items <= folded or self._n_rows * seen.n_items <= _LARGEST_EXACT_MASK
        self.width = seen.n_items if self.is_exact else folded

    @contextmanager
    def marked(self, buffer: MaskBuffer) -> Iterator[npt.NDArray[np.uint8]]:
        """The mask, for lookups at ``row * width + item % width``: 1 where seen (or, unless exact, perhaps seen).

        It is cleared item by item at the end, which costs less than zeroing it whole.
        """
        mask = buffer.zeros(self._n_rows * self.width)
        places = self._rows * self.width
        places += self.items if self.is_exact else self.items & np.int32(self.width - 1)
        mask[places] = 1
        try:
            yield mask
        finally:
            mask[places] = 0

    def look_up(
        self,
        mask: npt.NDArray[np.uint8],
        rows: Positions,
        items: Positions,
        *,
        places: Positions,
        out: npt.NDArray[np.uint8],
    ) -> None:
        """Whether the user of each row has seen the item, or, unless exact, perhaps has: 1 or 0 in ``out``.

        ``mask``: As it is ``marked``.
        ``items``: int64, shape (k, n), of rows of shape (n,).
        ``places``: Memory to work in: int64, the shape of ``items``, as that of ``out``.
        """
        folded = items if self.is_exact else np.bitwise_and(items, self.width - 1, out=places)
        np.add(folded, rows * self.width, out=places)
        mask.take(places, out=out, mode="clip")

    def contains(self, rows: Positions, items: Positions) -> npt.NDArray[np.bool_]:
        """Whether the user of each row has seen the item, by binary search: bool, shape (n,)."""
        if not self.items.size:
            return np.zeros(len(rows), bool)
        wanted = rows * self.n_items + items
        nearest = self._packed.take(np.searchsorted(self._packed, wanted), mode="clip")
        found: npt.NDArray[np.bool_] = nearest == wanted
        return found

    def unseen(self, rows: Positions, items: Positions, mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Whether the user of each row has not seen the item, by the mask: bool, shape (n,)."""
        places = rows * self.width
        places += items if self.is_exact else items & (self.width - 1)
        free: npt.NDArray[np.bool_] = mask.take(places, mode="clip") == 0
        if not self.is_exact:
            doubtful = np.flatnonzero(~free)
            free[doubtful] = ~self.contains(rows[doubtful], items[doubtful])
        return free

    def count_below(self, rows: Positions, items: Positions) -> Positions:
        """How many items below ``items``, 0 to n_items, the user of each row has seen: int64, shape (n,)."""
        below: Positions = np.searchsorted(self._packed, rows * self.n_items + items) - self.starts[rows]
        return below

    def select(self, rows: Positions, ranks: Positions) -> Positions:
        """The eligible item of each rank.

        ``rows``: int64, shape (n,).
        ``ranks``: int64, shape (n,) or (k, n). 0 to ``eligible[row] - 1``.
        Returns int64, the shape of ``ranks``: The item with exactly ``rank`` eligible items below it.
        """
        wanted = np.bincount(rows, minlength=self._n_rows) * (ranks.shape[0] if ranks.ndim > 1 else 1)
        is_listed = wanted * _LISTED_BYTES_PER_SEARCH > self.n_items
        if not is_listed.any():
            return self.select_by_search(rows, ranks)
        lists = [self._list_eligible(row) for row in np.flatnonzero(is_listed).tolist()]
        pool, begins = np.concatenate(lists), np.zeros(self._n_rows, np.int64)
        begins[is_listed] = np.cumsum([0, *map(len, lists[:-1])])
        items: Positions = pool.take(begins[rows] + ranks, mode="clip")  # of the other rows, anything
        rest = np.flatnonzero(~is_listed[rows])
        if rest.size:
            items[..., rest] = self.select_by_search(rows[rest], ranks[..., rest])
        return items

    def _list_eligible(self, row: int) -> Positions:
        free = np.ones(self.n_items, bool)
        free[self.items[self.starts[row] : self.starts[row + 1]]] = False
        return np.flatnonzero(free)

    def select_by_search(self, rows: Positions, ranks: Positions) -> Positions:
        """As ``select``, for few ranks of many users: a binary search for each."""
        # The user's seen item number t has item - t eligible ones below it; those with at most `rank` come before.
        if ranks.size * _ENTRIES_PER_SEARCH < len(self.items):
            return self._select_within(rows, ranks)
        stride = self.n_items + 1
        before = np.searchsorted(self._packed_gaps, rows * stride + ranks, side="right") - self.starts[rows]
        items: Positions = ranks + before
        return items

    def _select_within(self, rows: Positions, ranks: Positions) -> Positions:
        """As ``select``, with nothing done for each seen item."""
        last = self._last_up_to(np.broadcast_to(rows, ranks.shape), ranks, gaps=True)
        items: Positions = ranks + last + 1 - self.begins[rows]
        return items

    def _last_up_to(self, rows: Positions, wanted: Positions, *, gaps: bool = False) -> Positions:
        """The last place in ``items`` of each user with an item up to ``wanted``; else that before the user's first.

        ``gaps``: Less the number of the user's items before it.
        """
        begins, ends = self.begins[rows], self.ends[rows]
        last: Positions = begins - 1
        if not self.items.size:
            return last
        step = 1 << int((ends - begins).max(initial=0)).bit_length()
        while step := step >> 1:
            places = last + step
            values = self.items.take(places, mode="clip")
            is_up_to = (values - (places - begins) if gaps else values) <= wanted
            is_up_to &= places < ends
            last += step * is_up_to
        return last

    @cached_property
    def mostly_seen(self) -> npt.NDArray[np.bool_]:
        """Which users have seen more than half of the catalog: bool, shape (n_rows,)."""
        return 2 * self.eligible < self.n_items

    @cached_property
    def _rows(self) -> Positions:
        return np.repeat(np.arange(self._n_rows), np.diff(self.starts))

    @cached_property
    def _packed(self) -> Positions:
        packed: Positions = self._rows * self.n_items + self.items
        return packed

    @cached_property
    def _packed_gaps(self) -> Positions:
        within = np.arange(len(self.items)) - self.starts[self._rows]
        packed: Positions = self._rows * (self.n_items + 1) + (self.items - within)
        return packed


class SparseBlock(SeenBlock):
    """The seen sets of many users of whom few draws are made: nothing is done for each seen item.

    The filter of all users stands in place of a mask, and searches go through the items of one user.
    """

    def __init__(self, seen: Seen, first_user: int, last_user: int, mask_bytes: int | None = None) -> None:
        super().__init__(seen, first_user, last_user, mask_bytes)
        self.is_exact = False
        self.octets, here = seen.filter.octets, slice(first_user, last_user)
        self._first_bits, self._folds = seen.filter.begins[here], seen.filter.folds[here]

    @classmethod
    def of_users(cls, seen: Seen, users: Codes) -> SparseBlock:
        """Of some users, who are its rows: int32, shape (n,), ascending. It has no ``starts``."""
        first = int(users[0])
        block = cls(seen, first, int(users[-1]) + 1)
        rows = users - first
        block.eligible, block._n_rows = block.eligible[rows], len(rows)
        block.begins, block.ends = block.begins[rows], block.ends[rows]
        block._first_bits, block._folds = block._first_bits[rows], block._folds[rows]
        return block

    @contextmanager
    def marked(self, buffer: MaskBuffer) -> Iterator[npt.NDArray[np.uint8]]:  # noqa: ARG002, D102
        yield self.octets

    def look_up(  # noqa: D102
        self,
        mask: npt.NDArray[np.uint8],
        rows: Positions,
        items: Positions,
        *,
        places: Positions,
        out: npt.NDArray[np.uint8],
    ) -> None:
        np.bitwise_and(items, self._folds.take(rows), out=places)
        np.add(places, self._first_bits.take(rows), out=places)
        within = (places & 7).astype(np.uint8)
        mask.take(np.right_shift(places, 3, out=places), out=out, mode="clip")
        np.right_shift(out, within, out=out)
        np.bitwise_and(out, 1, out=out)

    def contains(self, rows: Positions, items: Positions) -> npt.NDArray[np.bool_]:  # noqa: D102
        if not self.items.size:
            return np.zeros(len(rows), bool)
        last = self._last_up_to(rows, items)
        found: npt.NDArray[np.bool_] = (last >= self.begins[rows]) & (self.items.take(last, mode="clip") == items)
        return found

    def count_below(self, rows: Positions, items: Positions) -> Positions:  # noqa: D102
        below: Positions = self._last_up_to(rows, items - 1) + 1 - self.begins[rows]
        return below

    def select(self, rows: Positions, ranks: Positions) -> Positions:  # noqa: D102
        return self._select_within(rows, ranks)

    def select_by_search(self, rows: Positions, ranks: Positions) -> Positions:  # noqa: D102
        return self._select_within(rows, ranks)


def ranges_of(begins: Positions, sizes: Positions) -> Positions:
    """The places of ranges, end to end: int64, shape (sum of sizes,)."""
    ends = np.cumsum(sizes)
    places = np.arange(int(ends[-1]) if len(ends) else 0)
    places += np.repeat(begins - (ends - sizes), sizes)
    return places
