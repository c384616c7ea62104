"""Consecutive rows to groups: which negatives belong to which positive, by the layout."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from negprep.verifying.columns import NO_ROWS, Columns
from negprep.verifying.pairs import Codes, Floats, Rows


@dataclass(frozen=True, eq=False)
class Block:
    """Groups of rows: positives, and the negatives beside each. Codes are below 0 for ids that the log does not
    have, as those of ``Columns``.

    Attributes
    ----------
    epoch : int
    rows : int
        How many rows of the file these are.
    heads : int32, shape (n_groups,)
        The users of the positives; ``head_items`` the items, ``head_rows`` the rows, counted from 0 in the file.
    counts : int64, shape (n_groups,), or None
        Negatives of each group. None: rows are in no order, and which negative is whose is not known.
    slots : int64, shape (n_groups,), or None
        The place of each positive in its group, where candidates are labelled rows; -1 where it is not known.
    users, items : int32, shape (n_negatives,)
    negative_rows : int64, shape (n_negatives,)
    groups : int64, shape (n_negatives,), or None
        Which group each is in; -1 for none.
    sources : int8, shape (n_negatives,), or None
        Its sampler, by its place among ``Blocks.sources``.
    head_sources : int8, shape (n_groups,), or None
        That of the negative beside the positive, in pairs.
    log_q : float64, shape (n_negatives,), or None
        What the file states, if it was asked for.
    head_log_q : float64, shape (n_groups,), or None
        That of the positives; in pairs one beside each negative.
    odd_labels : int64
        Rows whose label is neither 0 nor 1.
    odd_groups : int64
        First rows of users whose candidates are no groups of one size with one positive each.
    strays : int64
        Negatives that follow no positive of their user.
    """

    epoch: int
    rows: int
    heads: Codes
    head_items: Codes
    head_rows: Rows
    counts: Rows | None
    slots: Rows | None
    users: Codes
    items: Codes
    negative_rows: Rows
    groups: Rows | None
    sources: npt.NDArray[np.int8] | None = None
    head_sources: npt.NDArray[np.int8] | None = None
    log_q: Floats | None = None
    head_log_q: Floats | None = None
    odd_labels: Rows = field(default_factory=lambda: NO_ROWS)
    odd_groups: Rows = field(default_factory=lambda: NO_ROWS)
    strays: Rows = field(default_factory=lambda: NO_ROWS)


def of_lists(columns: Columns) -> Block:
    """Each row is a group."""
    ends = columns.ends if columns.ends is not None else NO_ROWS
    counts = np.diff(ends, prepend=0)
    groups = np.repeat(np.arange(len(columns)), counts)
    rows = columns.first + np.arange(len(columns))
    return Block(
        columns.epoch,
        len(columns),
        columns.users,
        columns.items,
        rows,
        counts,
        None,
        columns.users[groups],
        columns.others.astype(np.int32, copy=False),
        rows[groups],
        groups,
        columns.sources,
    )


def of_pairs(columns: Columns, *, apart: bool) -> Block:
    """Groups are runs of one user and positive; with ``apart``, every row is one."""
    size = len(columns)
    starts = np.ones(size, bool)
    if not apart:
        starts[1:] = (columns.users[1:] != columns.users[:-1]) | (columns.items[1:] != columns.items[:-1])
    firsts = np.flatnonzero(starts)
    rows = columns.first + np.arange(size)
    return Block(
        columns.epoch,
        size,
        columns.users[firsts],
        columns.items[firsts],
        rows[firsts],
        np.diff(firsts, append=size),
        None,
        columns.users,
        columns.others.astype(np.int32, copy=False),
        rows,
        np.cumsum(starts) - 1,
        columns.sources,
        None if columns.sources is None else columns.sources[firsts],
    )


def of_positives(columns: Columns) -> Block:
    """Each row is a positive."""
    none, size = np.empty(0, np.int32), len(columns)
    rows = columns.first + np.arange(size)
    return Block(
        columns.epoch,
        size,
        columns.users,
        columns.items,
        rows,
        None,
        None,
        none,
        none,
        NO_ROWS,
        None,
    )


def of_labels(columns: Columns, *, grouped: bool) -> Block:
    """A positive leads the rows of its group."""
    labels, size = columns.others, len(columns)
    heads, negatives = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    counts = groups = None
    strays = NO_ROWS
    if grouped:
        groups = (np.cumsum(labels == 1) - 1)[negatives]
        known = groups >= 0
        known[known] = columns.users[heads[groups[known]]] == columns.users[negatives[known]]
        strays = columns.first + negatives[~known]
        groups = np.where(known, groups, -1)
        counts = np.bincount(groups[known], minlength=len(heads))
    return Block(
        columns.epoch,
        size,
        columns.users[heads],
        columns.items[heads],
        columns.first + heads,
        counts,
        None,
        columns.users[negatives],
        columns.items[negatives],
        columns.first + negatives,
        groups,
        None if columns.sources is None else columns.sources[negatives],
        odd_labels=columns.first + np.flatnonzero((labels != 0) & (labels != 1)),
        strays=strays,
    )


def of_candidates(columns: Columns, full: int | None = None) -> Block:
    """The rows of a user are groups of one size, each with a positive at some place.

    Parameters
    ----------
    full : int, optional
        Groups of a user may be of several sizes, up to this one: where they are several and not all full, no group is
        known.
    """
    labels, size = columns.others, len(columns)
    heads, negatives = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    starts = np.flatnonzero(np.append(True, columns.users[1:] != columns.users[:-1]))
    lengths = np.diff(starts, append=size)
    runs = np.repeat(np.arange(len(starts)), lengths)
    n_heads = np.bincount(runs[heads], minlength=len(starts))
    even = (n_heads > 0) & (lengths % np.maximum(n_heads, 1) == 0)
    if full is not None:
        even &= (n_heads == 1) | (lengths == n_heads * full)
    group_size = np.where(even, lengths // np.maximum(n_heads, 1), lengths)
    first_group = np.cumsum(np.where(even, n_heads, 1)) - np.where(even, n_heads, 1)
    of_rows = first_group[runs] + (np.arange(size) - starts[runs]) // group_size[runs]
    n_groups = int(np.where(even, n_heads, 1).sum())
    of_heads = of_rows[heads]
    per_group = np.bincount(of_heads, minlength=n_groups)
    run_of_group = np.repeat(np.arange(len(starts)), np.where(even, n_heads, 1))
    odd = np.zeros(len(starts), bool)
    odd[run_of_group[per_group != 1]] = True
    odd |= ~even
    # Positives are numbered in the order of rows, which is that of groups where each has one.
    position = np.full(n_groups, -1)
    position[of_heads[::-1]] = np.arange(len(heads))[::-1]
    groups = np.where(odd[runs[negatives]], -1, position[of_rows[negatives]])
    counts = np.bincount(groups[groups >= 0], minlength=len(heads))
    slots = np.where(odd[runs[heads]], -1, (heads - starts[runs[heads]]) % group_size[runs[heads]])
    counts = np.where(odd[runs[heads]], -1, counts)
    return Block(
        columns.epoch,
        size,
        columns.users[heads],
        columns.items[heads],
        columns.first + heads,
        counts,
        slots,
        columns.users[negatives],
        columns.items[negatives],
        columns.first + negatives,
        groups,
        None if columns.sources is None else columns.sources[negatives],
        odd_labels=columns.first + np.flatnonzero((labels != 0) & (labels != 1)),
        odd_groups=columns.first + starts[odd & (n_heads > 0)],
        strays=columns.first + starts[n_heads == 0],
    )
