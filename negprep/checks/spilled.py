"""Rows and pairs of a file, brought to the range of users that they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from negprep.arrays import Codes
from negprep.checks.pair_set import PairSet
from negprep.checks.ranges import ArrayStore, Laid, Ranges
from negprep.checks.rows import NO_ROWS, Block

_OF_HEADS = ("heads", "head_items", "head_rows", "counts", "slots", "head_sources")
_OF_NEGATIVES = ("users", "items", "negative_rows", "groups", "sources", "log_q")
_OF_ROWS = ("odd_labels", "odd_groups", "strays")
MEMBERS = (*_OF_HEADS, *_OF_NEGATIVES, "head_log_q", *_OF_ROWS)
"""The arrays of a block."""


def parted(block: Block, ranges: Ranges) -> Iterator[tuple[int, Block]]:
    """The rows of each range of users, which are counted from its first one.

    A negative has the user of its group, so groups stay whole. What is known of rows alone goes with the first part.
    """
    of_heads, of_negatives = ranges.range_of(block.heads), ranges.range_of(block.users)
    head_order, head_bounds = _order(of_heads, len(ranges))
    negative_order, bounds = _order(of_negatives, len(ranges))
    some = np.flatnonzero((np.diff(head_bounds) > 0) | (np.diff(bounds) > 0)).tolist() or [0]
    groups = block.groups
    if groups is not None and len(some) > 1:
        place = np.empty(len(block.heads), np.int64)
        place[head_order] = np.arange(len(place))
        groups = np.where(groups >= 0, place.take(groups, mode="clip") if len(place) else -1, -1)
    for at in some:
        heads, negatives = (
            head_order[head_bounds[at] : head_bounds[at + 1]],
            negative_order[bounds[at] : bounds[at + 1]],
        )
        whole = len(some) == 1
        part = block if whole else _taken(block, heads, negatives)
        own = groups if whole or groups is None else groups[negatives]
        if own is not None and not whole:
            own = np.where(own >= 0, own - head_bounds[at], -1)
        first = ranges.bounds[at]
        part = replace(part, heads=_from(part.heads, first), users=_from(part.users, first), groups=own)
        if at != some[0]:
            part = replace(part, odd_labels=NO_ROWS, odd_groups=NO_ROWS, strays=NO_ROWS)
        yield at, part


def joined(blocks: Sequence[Block]) -> Block:
    """The rows of blocks of one epoch and range, one after the other."""
    if len(blocks) == 1:
        return blocks[0]
    together: dict[str, Any] = {}
    for name in MEMBERS:
        parts = [getattr(block, name) for block in blocks]
        if name == "groups" and parts[0] is not None:
            before = np.cumsum([0, *(len(block.heads) for block in blocks[:-1])])
            parts = [np.where(part >= 0, part + start, -1) for part, start in zip(parts, before, strict=True)]
        together[name] = None if any(part is None for part in parts) else np.concatenate(parts)
    return Block(blocks[0].epoch, sum(block.rows for block in blocks), **together)


def _order(ranges: npt.NDArray[np.uint16], n_ranges: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The places of rows by range, as they came within one, and where each range begins, and the end."""
    bounds = np.concatenate([[0], np.cumsum(np.bincount(ranges, minlength=n_ranges))]).astype(np.int64)
    if (ranges[1:] >= ranges[:-1]).all():
        return np.arange(len(ranges)), bounds
    return np.argsort(ranges, kind="stable"), bounds  # of 16-bit integers: a radix sort


def _taken(block: Block, heads: npt.NDArray[np.int64], negatives: npt.NDArray[np.int64]) -> Block:
    chosen: dict[str, Any] = {}
    for names, places in ((_OF_HEADS, heads), (_OF_NEGATIVES, negatives)):
        for name in names:
            array = getattr(block, name)
            chosen[name] = None if array is None else array[places]
    if block.head_log_q is not None:  # in pairs one beside each negative
        beside_negatives = len(block.head_log_q) != len(block.heads)
        chosen["head_log_q"] = block.head_log_q[negatives if beside_negatives else heads]
    return replace(block, **chosen)


def _from(users: Codes, first: int) -> Codes:
    """Codes counted from a first one; those below 0 stay."""
    return users if not first else np.where(users >= 0, users - np.int32(first), users).astype(np.int32)


def spans(epochs: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where runs of equal epochs begin and end."""
    changes = [at for at in range(1, len(epochs)) if epochs[at] != epochs[at - 1]]
    yield from pairwise([0, *changes, len(epochs)])


class RowParts:
    """Takes blocks in the order of the file, and gives those of a range in that order.

    Parameters
    ----------
    ranges : Ranges
    shelf : Shelf
    kept_bytes : int
        So much is gathered before it is laid aside, in larger blocks.
    """

    def __init__(self, ranges: Ranges, shelf: ArrayStore, kept_bytes: int) -> None:
        self._ranges, self._shelf, self._kept_bytes = ranges, shelf, kept_bytes
        self._kept: list[list[Block]] = [[] for _ in range(len(ranges))]
        self._laid: list[list[tuple[int, int, Laid]]] = [[] for _ in range(len(ranges))]
        self._bytes = 0

    def add(self, block: Block) -> None:
        """Take the next rows."""
        for at, part in parted(block, self._ranges):
            self._kept[at].append(part)
            self._bytes += sum(array.nbytes for name in MEMBERS if (array := getattr(part, name)) is not None)
        if self._bytes > self._kept_bytes:
            self.lay_aside()

    def lay_aside(self) -> None:
        """Keep nothing in memory."""
        for kept, laid in zip(self._kept, self._laid, strict=True):
            for begin, end in spans([block.epoch for block in kept]) if kept else ():
                block = joined(kept[begin:end])
                arrays = {name: getattr(block, name) for name in MEMBERS}
                if block.groups is not None:
                    arrays["groups"] = block.groups.astype(np.int32)
                laid.append((block.epoch, block.rows, self._shelf.put(arrays)))
            kept.clear()
        self._bytes = 0

    def of_range(self, at: int) -> Iterator[Block]:
        """The rows of a range, which can be had once."""
        laid, self._laid[at] = self._laid[at], []
        for epoch, rows, arrays in laid:
            members = self._shelf.get(arrays)
            if members["groups"] is not None:
                members["groups"] = members["groups"].astype(np.int64)
            yield Block(epoch, rows, **members)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Part:
    """The pairs of some users.

    Attributes
    ----------
    first, n_users : int
        The first user, and how many they are.
    users : int32, shape (n,)
        Counted from the first one, ascending.
    items : int32, shape (n,)
        Ascending within a user.
    """

    first: int
    n_users: int
    users: Codes
    items: Codes

    @classmethod
    def of(cls, first: int, pairs: PairSet) -> Part:
        """Those of a set whose users are counted from ``first``."""
        return cls(first, pairs.n_users, pairs.users, pairs.items)


class PairParts:
    """Parts that are laid aside, and may be gone through again and again.

    Parameters
    ----------
    shelf : Shelf

    Attributes
    ----------
    n_users : int
        Of all parts.
    """

    def __init__(self, shelf: ArrayStore) -> None:
        self._shelf = shelf
        self._laid: list[tuple[int, int, Laid]] = []
        self.n_users = 0

    def add(self, first: int, pairs: PairSet) -> None:
        """Lay the next part aside."""
        self._laid.append((first, pairs.n_users, self._shelf.put({"users": pairs.users, "items": pairs.items})))
        self.n_users = first + pairs.n_users

    def __iter__(self) -> Iterator[Part]:
        for first, n_users, laid in self._laid:
            arrays = self._shelf.get(laid)
            users, items = arrays["users"], arrays["items"]
            none = np.empty(0, np.int32)
            yield Part(first, n_users, none if users is None else users, none if items is None else items)
