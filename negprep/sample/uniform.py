"""Uniform negatives: every eligible item of a user with the same probability 1/m, with repeats or distinct."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from negprep.arrays import Codes, Positions, Words
from negprep.sample.rng import GAMMA, bounded, mix, word
from negprep.sample.seen import MaskBuffer, Seen, SeenBlock, SparseBlock


def repeated(items: npt.NDArray[np.signedinteger]) -> tuple[Positions, Positions]:
    """Draw and group of every item, in an array of shape (num_neg, n_groups), that an earlier draw of its group has."""
    bits = len(items).bit_length()
    tagged = np.ascontiguousarray(((items.astype(np.int64, copy=False) << bits) | np.arange(len(items))[:, None]).T)
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

ROUND = 64
"""Attempts of a round of distinct draws; those that a draw needs beyond its share of one have a probability below
2**-50."""

_AT_ONCE = 1 << 12
"""Proposals made at a time, at least, as long as attempts are left: the calls for fewer take as long."""

_FEW_DRAWS = 16
"""Of fewer draws, each group is looked through for repeated ones at once. More are made one group after the other: they
look into one user's part of the mask."""

_WIDENING = 2
"""Strips of groups of more distinct draws are wider by this factor, and blocks by its square: to make these differ
takes many steps for a few draws."""

_SPARING = 16
"""Bytes of mask for each seen item where there are fewer than two draws for each: to mark it costs more than the false
alarms."""

_HALF = np.uint64(32)
_LOW_HALF = np.uint64(0xFFFFFFFF)
_NEXT_ATTEMPT = np.uint64((int(GAMMA) << 32) & ((1 << 64) - 1))
"""From the base of a word to that of the next attempt at the same draw."""


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
    items = _empty_items(num_neg, len(users))
    widening = _WIDENING if distinct and num_neg >= _FEW_DRAWS else 1
    step = max(1, widening * STRIP_DRAWS // num_neg)
    workspace, numbers = Workspace(), np.arange(num_neg)[:, None]
    is_sparse = seen.is_sparse(users, num_neg * len(users))
    n_seen, n_draws = seen.count(users), len(users) * num_neg
    n_entries = len(seen.items) if is_sparse else block_seen(n_seen, n_draws, widening)
    mask_bytes = _SPARING if n_draws < 2 * n_seen else None
    for first, last, begin, end in seen.blocks(users, n_entries):
        block = (SparseBlock if is_sparse else SeenBlock)(seen, first, last, mask_bytes)
        with block.marked(buffer) as mask:
            proposer = Proposer(block, mask, workspace)
            for start in range(begin, end, step):
                here = slice(start, min(start + step, end))
                rows = users[here].astype(np.int64) - first
                if distinct:
                    items[:, here] = distinct_draws(proposer, rows, keys[here], num_neg)
                else:
                    items[:, here] = draw_eligible(proposer, rows, keys[here], numbers, 0)
    return items.T


def block_seen(n_seen: int, n_draws: int, widening: int = 1) -> int:
    """Seen items whose mask is held at a time, for users who have so many and lead so many draws."""
    most = BLOCK_SEEN * widening * widening
    return min(max(FEWEST_SEEN, widening * STRIP_DRAWS * n_seen // max(1, n_draws)), most)


def _empty_items(n_draws: int, n_groups: int) -> Codes:
    """Memory for items: int32, shape (n_draws, n_groups), in the order in which they are drawn."""
    if n_draws >= _FEW_DRAWS:
        return np.empty((n_groups, n_draws), np.int32).T
    return np.empty((n_draws, n_groups), np.int32)


class Workspace:
    """Arrays that every block of draws reuses, with anything in them. Not to be shared by threads."""

    def __init__(self) -> None:
        self._arrays: dict[str, npt.NDArray[np.generic]] = {}

    def words(self, name: str, shape: tuple[int, ...]) -> Words:
        """Uint64, of some shape."""
        words: Words = self._of(name, shape, np.uint64)
        return words

    def octets(self, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """Uint8, of some shape."""
        octets: npt.NDArray[np.uint8] = self._of(name, shape, np.uint8)
        return octets

    def codes(self, name: str, size: int) -> Codes:
        """Int32, of some length."""
        codes: Codes = self._of(name, (size,), np.int32)
        return codes

    def _of(self, name: str, shape: tuple[int, ...], kind: type[np.generic]) -> npt.NDArray[Any]:
        size = prod(shape)
        if size > len(self._arrays.get(name, ())):
            self._arrays[name] = np.empty(size, kind)
        return self._arrays[name][:size].reshape(shape)


class Proposer:
    """Items of the whole catalog, proposed to each draw until one is eligible, a bounded number of times.

    ``mask``: That of ``block``, marked. None: few are proposed, and each is searched for.
    ``workspace``: Memory to work in.
    """

    proposals = 24
    """Attempts before a draw is made among the eligible items alone, which costs some ten times as much as one."""

    def __init__(self, block: SeenBlock, mask: npt.NDArray[np.uint8] | None, workspace: Workspace) -> None:
        self.block, self._mask, self._workspace = block, mask, workspace

    def draw(
        self,
        rows: Positions,
        keys: Words,
        numbers: Positions,
        attempt: int,
        *,
        proposes: npt.NDArray[np.bool_] | None = None,
        by_weight: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[Codes, Positions]:
        """Propose to several draws of each group, in the attempts from ``attempt`` on.

        ``rows``: int64, shape (n_groups,).
        ``keys``: uint64, shape (n_groups,).
        ``numbers``: int64, shape (n_draws, 1) or (1, n_groups). The numbers of the draws.
        ``proposes``: bool, shape (n_groups,), or None. Which groups it is for; the others get anything. None: all.
        ``by_weight``: bool, shape (n_draws, n_groups), or None. Which draws are to be by weight, where some are; None:
          all.
        Returns ``items``, int32, shape (n_draws, n_groups): Where all proposals failed, the last of them.
        Returns ``left``, int64: The flat places of these.
        """
        n_draws, n_groups = len(numbers), len(rows)
        by_group = n_draws >= _FEW_DRAWS
        items = _empty_items(n_draws, n_groups)
        steps = (numbers + ((attempt << 32) + 1)).astype(np.uint64) * GAMMA
        of_group = steps.shape[1] != 1
        width = max(1, STRIP_DRAWS // n_draws)
        failed = [np.empty((2, 0), np.int64)]
        for start in range(0, n_groups, width):
            here = slice(start, min(start + width, n_groups))
            some, by = steps[:, here] if of_group else steps, None if by_weight is None else by_weight[:, here]
            if by_group:
                by = None if by is None else by.T
                items.T[here], again = self.propose(keys[here, None], some.T, rows[here, None], by)
                groups = again // n_draws
                draws = again - groups * n_draws
            else:
                items[:, here], again = self.propose(keys[here], some, rows[here], by)
                draws, groups = unravel(again, n_draws, here.stop - start)
            failed.append(np.array([draws, groups + start]))
        draws, groups = failed[1] if len(failed) == 2 else np.concatenate(failed, axis=1)
        if proposes is not None:
            mine = np.flatnonzero(proposes[groups])
            draws, groups = draws[mine], groups[mine]
        left, flat = draws * n_groups + groups, items.reshape(-1, order="A")
        bases = keys[groups] + (steps[0, groups] if of_group else steps[draws, 0])
        rows, by = rows[groups], None if by_weight is None else by_weight.reshape(-1)[left]
        left = groups * n_draws + draws if by_group else left
        done = 1
        while left.size and done < self.proposals:
            n_tried = min(self.proposals - done, max(1, _AT_ONCE // left.size))
            ahead = (np.arange(done, done + n_tried, dtype=np.uint64) * _NEXT_ATTEMPT)[:, None]
            tried, again = self.propose(bases, ahead, rows, by)
            if n_tried == 1:
                flat[left] = tried[0]
            else:
                fails = np.zeros(tried.shape, bool)
                fails.reshape(-1)[again] = True
                first, each = fails.argmin(axis=0), np.arange(len(left))
                flat[left] = tried[first, each]
                again = np.flatnonzero(fails[first, each])
            left, bases, rows = left[again], bases[again], rows[again]
            by = None if by is None else by[again]
            done += n_tried
        return items, left % n_draws * n_groups + left // n_draws if by_group else left

    def propose(
        self, bases: Words, steps: Words, rows: Positions, by_weight: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Positions, Positions]:
        """Items of the whole catalog, and the flat places of those that are seen or come from a word with a bias.

        ``bases``: uint64, shape (n,), or (n, 1).
        ``steps``: uint64, shape (n_tried, 1) or (1, n), or (1, n_tried). What is added to the bases to be mixed.
        ``rows``: int64, the shape of ``bases``. The user of each.
        ``by_weight``: bool, of a shape that broadcasts to that of the items, or None. As in ``draw``.
        Returns ``items``, int64, shape (n_tried, n), or (n, n_tried): In memory that the next call reuses.
        Returns ``failed``, int64: Ascending.
        """
        block, shape = self.block, np.broadcast(bases, steps).shape
        words, scratch = self._workspace.words("words", shape), self._workspace.words("scratch", shape)
        hits = self._workspace.octets("hits", shape)
        mix(np.add(bases, steps, out=words), scratch)
        self._keep_coins(words)
        np.right_shift(words, _HALF, out=words)
        np.multiply(words, np.uint64(block.n_items), out=words)
        too_low = np.uint64(2**32 % block.n_items)
        np.bitwise_and(words, _LOW_HALF, out=scratch)
        biased = np.flatnonzero(scratch < too_low) if scratch.size and scratch.min() < too_low else _NOTHING
        np.right_shift(words, _HALF, out=words)
        items, places = self._weighed(words.view(np.int64), scratch.view(np.int64), bases, steps, by_weight)
        flat = items.reshape(-1)
        if self._mask is None:
            hits.reshape(-1)[:] = block.contains(np.broadcast_to(rows, shape).reshape(-1), flat)
        else:
            block.look_up(self._mask, rows, items, places=places, out=hits)
        hits.reshape(-1)[biased] = 1
        failed = hits.reshape(-1).view(np.bool_).nonzero()[0]
        if self._mask is not None and not block.is_exact:
            of_failed = rows[failed % len(rows)] if rows.ndim == 1 else rows[failed // shape[1], 0]
            fails = self._are_seen(places.reshape(-1)[failed], of_failed, flat[failed])
            fails[np.searchsorted(failed, biased)] = True
            failed = failed[fails]
        return items, failed

    def _keep_coins(self, words: Words) -> None:
        """Keep what of the words decides by weight, if anything does: they are overwritten next."""

    def _weighed(
        self,
        columns: Positions,
        scratch: Positions,
        bases: Words,  # noqa: ARG002
        steps: Words,  # noqa: ARG002
        by_weight: npt.NDArray[np.bool_] | None,  # noqa: ARG002
    ) -> tuple[Positions, Positions]:
        """The items of columns of the catalog, and memory of their shape that is free; all else as in ``propose``."""
        return columns, scratch

    def _are_seen(self, places: Positions, rows: Positions, items: Positions) -> npt.NDArray[np.bool_]:  # noqa: ARG002
        """Whether items that hit a mask, at some places of it, are seen."""
        return self.block.contains(rows, items)


_NOTHING = np.empty(0, np.int64)


def of_groups(numbers: Positions, groups: Positions) -> Positions:
    """The numbers, as of ``Proposer.draw``, of some groups: the same where all groups share them."""
    return numbers if numbers.shape[1] == 1 else numbers[:, groups]


def draw_eligible(proposer: Proposer, rows: Positions, keys: Words, numbers: Positions, attempt: int) -> Codes:
    """Independent draws of eligible items, all equally likely.

    ``rows``, ``keys``, ``numbers``, ``attempt``: As in ``Proposer.draw``.
    Returns int32, shape (n_draws, n_groups): -1 for a user without any.
    """
    block = proposer.block

    def draw_ranks(rows: Positions, keys: Words, numbers: Positions, attempt: int) -> Positions:
        if block.eligible[rows].all():
            return eligible_ranks(block, rows, keys, numbers, attempt)
        items = np.full(np.broadcast_shapes(numbers.shape, rows.shape), -1)
        some = np.flatnonzero(block.eligible[rows])
        items[:, some] = eligible_ranks(block, rows[some], keys[some], of_groups(numbers, some), attempt)
        return items

    proposes = None if not block.mostly_seen.any() else ~block.mostly_seen[rows]
    return draw_either(proposer, draw_ranks, proposes, rows, keys, numbers, attempt)


def draw_either(
    proposer: Proposer,
    draw: Callable[[Positions, Words, Positions, int], Positions],
    proposes: npt.NDArray[np.bool_] | None,
    rows: Positions,
    keys: Words,
    numbers: Positions,
    attempt: int,
) -> Codes:
    """Draw by proposals, and in another way what they leave and the groups to which none are made.

    ``draw``: Makes draws that cannot fail, of the shape (n_draws, n_groups), given what follows.
    ``proposes``: bool, shape (n_groups,), or None. To which groups proposals are made. None: all.
    ``rows``, ``keys``, ``numbers``, ``attempt``: As in ``Proposer.draw``.
    Returns int32, shape (n_draws, n_groups).
    """
    if proposes is not None and not proposes.any():
        return draw(rows, keys, numbers, attempt).astype(np.int32)
    items, left = proposer.draw(rows, keys, numbers, attempt, proposes=proposes)
    if left.size:
        draws, groups = np.divmod(left, len(rows))
        of = np.broadcast_to(numbers, items.shape)[draws, groups][None]
        items[draws, groups] = draw(rows[groups], keys[groups], of, attempt + proposer.proposals)[0]
    if proposes is not None:
        others = np.flatnonzero(~proposes)
        items[:, others] = draw(rows[others], keys[others], of_groups(numbers, others), attempt)
    return items


def distinct_draws(proposer: Proposer, rows: Positions, keys: Words, num_neg: int) -> Codes:
    """Every ordered choice of num_neg eligible items equally likely, for each key.

    ``rows``: int64, shape (n_groups,).
    ``keys``: uint64, shape (n_groups,).
    Returns int32, shape (num_neg, n_groups): -1 beyond the eligible items that exist.
    """
    few = proposer.block.eligible[rows] < SHUFFLED_BELOW * num_neg
    if few.all():
        return _draw_shuffle_head(proposer.block, rows, keys, num_neg)
    items = draw_eligible(proposer, rows, keys, np.arange(num_neg)[:, None], 0)
    if not few.any():
        _redraw_duplicates(proposer, rows, keys, items)
        return items
    here, others = np.flatnonzero(few), np.flatnonzero(~few)
    items[:, here] = _draw_shuffle_head(proposer.block, rows[here], keys[here], num_neg)
    part = items[:, others]
    _redraw_duplicates(proposer, rows[others], keys[others], part)
    items[:, others] = part
    return items


def unravel(places: Positions, num_neg: int, n_groups: int) -> tuple[Positions, Positions]:
    """Draw and group of ascending flat places; ``np.divmod`` takes several times as long."""
    firsts = np.arange(num_neg + 1) * n_groups
    draws = np.repeat(np.arange(num_neg), np.diff(np.searchsorted(places, firsts)))
    return draws, places - firsts[draws]


def eligible_ranks(block: SeenBlock, rows: Positions, keys: Words, numbers: Positions, attempt: int) -> Positions:
    """Draws that cannot fall on a seen item: int64, in the shape to which rows, keys and numbers broadcast."""
    return block.select(rows, bounded(keys, block.eligible[rows], numbers, attempt))


def _redraw_duplicates(proposer: Proposer, rows: Positions, keys: Words, items: Codes) -> None:
    """Make the draws of each group differ, in place.

    In round r = 1, 2, ... every draw that equals an earlier one of its group is replaced by its attempt r * ROUND. No
    item is treated unlike another, so that every ordered choice is equally likely. A redraw meets one of the others
    with a probability below 1/SHUFFLED_BELOW.
    """
    which, attempt = suspects(items), ROUND
    while which.size:
        draws, within = repeated(items[:, which])
        groups = which[within]
        redrawn = draw_eligible(proposer, rows[groups], keys[groups], draws[None], attempt)
        items[draws, groups] = redrawn[0]
        met = np.count_nonzero(items[:, groups] == redrawn, axis=0) > 1  # itself, and another
        which = np.unique(groups[met])
        attempt += ROUND


def suspects(items: npt.NDArray[np.signedinteger]) -> Positions:
    """The groups, of items of shape (num_neg, n_groups), that have one twice: int64, ascending.

    To find the draws takes ten times as long as to sort 32 bits; and where these are few, to compare all pairs of them
    takes less still.
    """
    if len(items) < _FEW_DRAWS:
        has_two = np.zeros(items.shape[1], bool)
        for draw in range(1, len(items)):
            for earlier in items[:draw]:
                has_two |= earlier == items[draw]
        return np.flatnonzero(has_two)
    ascending = np.array(items.T, np.int32, order="C")
    ascending.sort(axis=1)
    return np.flatnonzero((ascending[:, 1:] == ascending[:, :-1]).any(axis=1))


def _draw_shuffle_head(block: SeenBlock, rows: Positions, keys: Words, num_neg: int) -> Codes:
    """The first num_neg of each user's eligible items in random order: int32, (num_neg, n_positives), padded by -1."""
    ranks = shuffled_ranks(keys, block.eligible[rows], num_neg)
    slots, groups = np.nonzero(ranks >= 0)
    items = np.full(ranks.shape, -1, np.int32)
    items[slots, groups] = block.select(rows[groups], ranks[slots, groups])
    return items
