"""Uniform negatives: every eligible item of a user with the same probability 1/m, with repeats or distinct."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from negprep.arrays import Codes, Positions, Words
from negprep.sample.rng import GAMMA, bounded, mix, word
from negprep.sample.seen import MaskBuffer, Seen, SeenBlock, SparseBlock


def repeated(items: Positions) -> tuple[Positions, Positions]:
    """Draw and group of every item, in an array of shape (num_neg, n_groups), that an earlier draw of its group has."""
    bits = len(items).bit_length()
    tagged = np.ascontiguousarray(((items << bits) | np.arange(len(items))[:, None]).T)
    tagged.sort(axis=1)
    group, after = np.nonzero((tagged[:, 1:] >> bits) == (tagged[:, :-1] >> bits))
    return tagged[group, after + 1] & ((1 << bits) - 1), group


SHUFFLE_WORDS = 1 << 63
"""First word of a shuffle: rank r has this one plus r. Draw d has lower ones, d + a * 2**32 at attempt a."""


def shuffled_ranks(keys: Words, counts: Positions, num_neg: int) -> Positions:
    """The first num_neg of the ranks below each count in random order: int64, (num_neg, n_keys), padded by -1."""
    ranks = np.arange(counts.max(initial=0))
    heads = np.full((num_neg, len(keys)), -1)
    if not ranks.size:
        return heads
    words = word(keys[:, None], SHUFFLE_WORDS + ranks.astype(np.uint64))
    words[ranks >= counts[:, None]] = np.iinfo(np.uint64).max
    order = np.argsort(words, axis=1, kind="stable")[:, :num_neg]
    heads[: order.shape[1]] = np.where(np.arange(order.shape[1]) < counts[:, None], order, -1).T
    return heads


BLOCK_SEEN = 1 << 15
"""Seen items whose mask is held at a time, at most: mask and words stay in a cache."""

FEWEST_SEEN = 1 << 14
"""And at least. In between, as many as lead a strip of draws: a smaller mask stays in a nearer cache, but to make one
for fewer draws takes longer than it saves."""

STRIP_DRAWS = 1 << 16
"""First attempts made at a time, so that the words stay in a cache."""

BLOCK_DRAWS = 1 << 18
"""Draws asked of a mixture at a time: as a rule, all that the users of a block lead."""

SHUFFLED_BELOW = 4
"""Distinct draws from fewer eligible items than this many times num_neg are the head of a shuffle of them all."""

_FEW_DRAWS = 16
"""Of fewer draws, each group is looked through for repeated ones at once."""

_WIDENING = 2
"""Strips of groups of more distinct draws are wider by this factor, and blocks by its square: to make these differ
takes many steps for a few draws."""

_SPARING = 16
"""Bytes of mask for each seen item where there are fewer than two draws for each: to mark it costs more than the false
alarms."""

_HALF = np.uint64(32)
_LOW_HALF = np.uint64(0xFFFFFFFF)


def uniform(
    seen: Seen, users: npt.NDArray[np.integer], keys: Words, num_neg: int, *, distinct: bool, buffer: MaskBuffer
) -> Codes:
    """Draw negatives.

    ``users``: integers, shape (n_positives,). The user of each positive, a row of ``seen``, ascending.
    ``keys``: uint64, shape (n_positives,). The random key of each positive.
    ``distinct``: The negatives of one positive differ: every ordered choice of num_neg eligible items is equally
      likely.
    ``buffer``: Memory to work in; no two threads may share one.
    Returns int32, shape (n_positives, num_neg): Item codes. -1 at the end of a row whose user has too few eligible
      items: none at all, or, for distinct draws, fewer than num_neg.
    """
    items = np.empty((num_neg, len(users)), np.int32)
    widening = _WIDENING if distinct and num_neg >= _FEW_DRAWS else 1
    step = max(1, widening * STRIP_DRAWS // num_neg)
    workspace, draw = Workspace(num_neg * min(step, len(users))), distinct_draws if distinct else _draw_repeats
    is_sparse = seen.is_sparse(users, num_neg * len(users))
    n_seen = int(seen.starts[users[-1] + 1] - seen.starts[users[0]]) if len(users) else 0
    n_draws = len(users) * num_neg
    n_entries = len(seen.items) if is_sparse else _block_seen(n_seen, n_draws, widening)
    mask_bytes = _SPARING if n_draws < 2 * n_seen else None
    for first, last, begin, end in seen.blocks(users, n_entries):
        block = (SparseBlock if is_sparse else SeenBlock)(seen, first, last, mask_bytes)
        with block.marked(buffer) as mask:
            for start in range(begin, end, step):
                here = slice(start, min(start + step, end))
                rows = users[here].astype(np.int64) - first
                items[:, here] = draw(block, mask, rows, keys[here], num_neg, workspace)
    return items.T


def _block_seen(n_seen: int, n_draws: int, widening: int) -> int:
    """Seen items whose mask is held at a time, for users who have so many and lead so many draws."""
    most = BLOCK_SEEN * widening * widening
    return min(max(FEWEST_SEEN, widening * STRIP_DRAWS * n_seen // max(1, n_draws)), most)


class Workspace:
    """Arrays that every block of draws reuses. Not to be shared by threads."""

    def __init__(self, size: int) -> None:
        self.words, self.scratch = np.empty(size, np.uint64), np.empty(size, np.uint64)
        self.hits = np.empty(size, np.uint8)


def distinct_draws(
    block: SeenBlock,
    mask: npt.NDArray[np.uint8],
    rows: Positions,
    keys: Words,
    num_neg: int,
    workspace: Workspace,
) -> Positions:
    """Every ordered choice of num_neg eligible items equally likely, for each key.

    ``mask``: That of the block.
    ``rows``: int64, shape (n_groups,).
    ``keys``: uint64, shape (n_groups,).
    ``workspace``: Of at least num_neg * n_groups.
    Returns int64, shape (num_neg, n_groups): -1 beyond the eligible items that exist.
    """

    def shuffled(rows: Positions, keys: Words) -> Positions:
        return _draw_shuffle_head(block, rows, keys, num_neg)

    def redrawn(rows: Positions, keys: Words) -> Positions:
        drawn = _draw_repeats(block, mask, rows, keys, num_neg, workspace)
        _redraw_duplicates(block, rows, keys, drawn)
        return drawn

    return _either(block.eligible[rows] < SHUFFLED_BELOW * num_neg, shuffled, redrawn, rows, keys)


def _draw_repeats(
    block: SeenBlock,
    mask: npt.NDArray[np.uint8],
    rows: Positions,
    keys: Words,
    num_neg: int,
    workspace: Workspace,
) -> Positions:
    """Independent draws: int64, shape (num_neg, n_positives), -1 for a user without an eligible item."""

    def from_catalog(rows: Positions, keys: Words) -> Positions:
        items, failed = _first_attempt(block, mask, rows, keys, num_neg, workspace)
        draws, groups = unravel(failed, num_neg, len(rows))
        items.reshape(-1)[failed] = _draw_ranks(block, rows[groups], keys[groups], draws, attempt=1)
        return items

    def from_eligible(rows: Positions, keys: Words) -> Positions:
        return _either(block.eligible[rows] == 0, nothing, by_rank, rows, keys)

    def nothing(rows: Positions, _: Words) -> Positions:
        return np.full((num_neg, len(rows)), -1)

    def by_rank(rows: Positions, keys: Words) -> Positions:
        return _draw_ranks(block, rows, keys, np.arange(num_neg)[:, None], attempt=0)

    if not block.mostly_seen.any():
        return from_catalog(rows, keys)
    return _either(block.mostly_seen[rows], from_eligible, from_catalog, rows, keys)


_Draw = Callable[[Positions, Words], Positions]


def _either(is_first: npt.NDArray[np.bool_], first: _Draw, second: _Draw, rows: Positions, keys: Words) -> Positions:
    """Draw in one way for the positives where ``is_first`` holds, and in another for the others."""
    if is_first.all():
        return first(rows, keys)
    if not is_first.any():
        return second(rows, keys)
    drawn, rest = first(rows[is_first], keys[is_first]), ~is_first
    items = np.empty((len(drawn), len(rows)), np.int64)
    items[:, is_first] = drawn
    items[:, rest] = second(rows[rest], keys[rest])
    return items


def _first_attempt(
    block: SeenBlock,
    mask: npt.NDArray[np.uint8],
    rows: Positions,
    keys: Words,
    num_neg: int,
    workspace: Workspace,
) -> tuple[Positions, Positions]:
    """Positions in the catalog, shape (num_neg, n_positives), and which of them (flat) are seen or would be biased."""
    shape, size, n_items = (num_neg, len(rows)), num_neg * len(rows), np.uint64(block.n_items)
    words, scratch = workspace.words[:size].reshape(shape), workspace.scratch[:size].reshape(shape)
    hits = workspace.hits[:size].reshape(shape)
    counters = np.arange(1, num_neg + 1, dtype=np.uint64) * GAMMA
    mix(np.add(keys, counters[:, None], out=words), scratch)
    np.right_shift(words, _HALF, out=words)
    np.multiply(words, n_items, out=words)
    too_low = np.uint64(2**32 % block.n_items)
    np.bitwise_and(words, _LOW_HALF, out=scratch)
    biased = np.flatnonzero(scratch < too_low) if scratch.min() < too_low else np.empty(0, np.int64)
    np.right_shift(words, _HALF, out=words)
    items = words.view(np.int64)
    block.look_up(mask, rows, items, places=scratch.view(np.int64), out=hits)
    hits.reshape(-1)[biased] = 1
    failed = np.flatnonzero(hits.view(np.bool_))
    if not block.is_exact:
        fails = block.contains(rows[failed % len(rows)], items.reshape(-1)[failed])
        fails[np.searchsorted(failed, biased)] = True
        failed = failed[fails]
    return items, failed


def unravel(places: Positions, num_neg: int, n_groups: int) -> tuple[Positions, Positions]:
    """Draw and group of ascending flat places; ``np.divmod`` takes several times as long."""
    firsts = np.arange(num_neg + 1) * n_groups
    draws = np.repeat(np.arange(num_neg), np.diff(np.searchsorted(places, firsts)))
    return draws, places - firsts[draws]


def _draw_ranks(block: SeenBlock, rows: Positions, keys: Words, draws: Positions, *, attempt: int) -> Positions:
    """Draws that cannot fall on a seen item: int64, in the shape to which rows, keys and draws broadcast."""
    return block.select(rows, bounded(keys, block.eligible[rows], draws, attempt))


def _redraw_duplicates(block: SeenBlock, rows: Positions, keys: Words, items: Positions) -> None:
    """Make the draws of each group differ, in place.

    In round r = 1, 2, ... every draw that equals an earlier one of its group is replaced by its attempt r + 1. No item
    is treated unlike another, so that every ordered choice is equally likely. A redraw meets one of the others with
    a probability below 1/SHUFFLED_BELOW.
    """
    suspects = _suspects(items)
    attempt = 2
    while suspects.size:
        draws, within = repeated(items[:, suspects])
        groups = suspects[within]
        redrawn = _draw_ranks(block, rows[groups], keys[groups], draws, attempt=attempt)
        items[draws, groups] = redrawn
        met = np.count_nonzero(items[:, groups] == redrawn, axis=0) > 1  # itself, and another
        suspects = np.unique(groups[met])
        attempt += 1


def _suspects(items: Positions) -> Positions:
    """The groups that have an item twice. Sorting 32 bits takes a tenth of what finding the draws takes."""
    if len(items) < _FEW_DRAWS:
        return np.arange(items.shape[1])
    ascending = np.ascontiguousarray(items.T, np.int32)
    ascending.sort(axis=1)
    return np.flatnonzero((ascending[:, 1:] == ascending[:, :-1]).any(axis=1))


def _draw_shuffle_head(block: SeenBlock, rows: Positions, keys: Words, num_neg: int) -> Positions:
    """The first num_neg of each user's eligible items in random order: int64, (num_neg, n_positives), padded by -1."""
    ranks = shuffled_ranks(keys, block.eligible[rows], num_neg)
    slots, groups = np.nonzero(ranks >= 0)
    items = np.full(ranks.shape, -1)
    items[slots, groups] = block.select(rows[groups], ranks[slots, groups])
    return items
