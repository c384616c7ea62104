"""Blocks of rows cut up by ranges of users, and blocks of one range joined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from negprep.verifying.columns import NO_ROWS
from negprep.verifying.grouping import Block
from negprep.verifying.pairs import Codes
from negprep.verifying.ranges import Ranges

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
