"""The rows of a prepared file as arrays of codes: positives, and the negatives beside them, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from negprep.arrow import as_numpy
from negprep.prepared import Batch, Prepared
from negprep.verifying.pairs import Codes, Rows
from negprep.verifying.terms import Terms
from negprep.verifying.truth import Truth


@dataclass(frozen=True, eq=False)
class Block:
    """Groups of rows: positives, and the negatives beside each. Codes are -1 for ids that the log does not have.

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
    sources: npt.NDArray[np.int8] | None
    head_sources: npt.NDArray[np.int8] | None
    odd_labels: Rows
    odd_groups: Rows
    strays: Rows


_NO_ROWS = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class _Columns:
    """Columns of consecutive rows of one epoch."""

    first: int
    epoch: int
    users: Codes
    items: Codes
    others: Codes | npt.NDArray[np.int8]  # labels, or the second item
    sources: npt.NDArray[np.int8] | None
    ends: Rows | None = None  # of lists, where the negatives of each end

    def __len__(self) -> int:
        return len(self.users)

    def slice(self, begin: int, end: int) -> _Columns:
        return _Columns(
            self.first + begin,
            self.epoch,
            self.users[begin:end],
            self.items[begin:end],
            self.others[begin:end],
            None if self.sources is None else self.sources[begin:end],
        )

    def joined(self, other: _Columns) -> _Columns:
        sources = None
        if self.sources is not None and other.sources is not None:
            sources = np.concatenate([self.sources, other.sources])
        return _Columns(
            self.first,
            self.epoch,
            np.concatenate([self.users, other.users]),
            np.concatenate([self.items, other.items]),
            np.concatenate([self.others, other.others]),
            sources,
        )


class Blocks:
    """The blocks of a file.

    Attributes
    ----------
    sources : list of str
        The names in the column ``source`` that were met so far.
    """

    def __init__(self, prepared: Prepared, truth: Truth, terms: Terms) -> None:
        self._prepared, self._truth, self._terms = prepared, truth, terms
        self.sources: list[str] = []

    def __iter__(self) -> Iterator[Block]:
        if self._terms.layout == "listwise":
            for columns in self._columns():
                yield _of_lists(columns)
            return
        carried: _Columns | None = None
        for columns in self._columns():
            if carried is not None and carried.epoch != columns.epoch:
                yield self._block(carried)
                carried = None
            joined = columns if carried is None else carried.joined(columns)
            whole = self._whole(joined)
            if whole:
                yield self._block(joined.slice(0, whole))
            carried = joined.slice(whole, len(joined)) if whole < len(joined) else None
        if carried is not None:
            yield self._block(carried)

    def _whole(self, columns: _Columns) -> int:
        """How many rows belong to groups that surely end among them."""
        terms = self._terms
        if terms.layout == "positives" or (terms.shuffled and terms.is_train):
            return len(columns)
        if terms.layout == "pairwise":
            same = (columns.users == columns.users[-1]) & (columns.items == columns.items[-1])
        elif terms.is_train:
            same = np.cumsum(columns.others[::-1] == 1)[::-1] == 0
            return max(0, int(np.argmax(same)) - 1 if same.any() else len(columns) - 1)
        else:
            same = columns.users == columns.users[-1]
        other = np.flatnonzero(~same)
        return int(other[-1]) + 1 if other.size else 0

    def _block(self, columns: _Columns) -> Block:
        if self._terms.layout == "pairwise":
            return _of_pairs(columns, apart=self._terms.levels)
        if self._terms.layout == "positives":
            return _of_positives(columns)
        if not self._terms.is_train:
            return _of_candidates(columns)
        return _of_labels(columns, grouped=not self._terms.shuffled)

    def _columns(self) -> Iterator[_Columns]:
        for batch in self._prepared.batches():
            yield from _by_epoch(self._coded(batch), batch)

    def _coded(self, batch: Batch) -> _Columns:
        rows, truth = batch.rows, self._truth
        users = truth.users(rows.column("user"))
        heads = truth.items(rows.column("item" if "item" in rows.schema.names else "pos_item"))
        sources, ends = None, None
        others: Codes | npt.NDArray[np.int8] = heads[:0]
        if "label" in rows.schema.names:
            others = as_numpy(rows.column("label"))
        elif "neg_item" in rows.schema.names:
            others = truth.items(rows.column("neg_item"))
        elif "neg_items" in rows.schema.names:
            lists = rows.column("neg_items")
            others, ends = truth.items(lists.values), as_numpy(lists.offsets)[1:]
        else:
            others = np.ones(len(heads), np.int8)
        if "source" in rows.schema.names:
            column = rows.column("source")
            sources = self._source_codes(column.flatten() if pa.types.is_list(column.type) else column)
        return _Columns(batch.first, 0, users, heads, others, sources, ends)

    def _source_codes(self, column: pa.Array) -> npt.NDArray[np.int8]:
        coded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column.cast(pa.string()))
        known = []
        for word in coded.dictionary.to_pylist():
            if word not in self.sources:
                self.sources.append(word)
            known.append(self.sources.index(word))
        indices = as_numpy(coded.indices.cast(pa.int32()))
        return np.array([*known, -1], np.int8)[indices]


def _by_epoch(columns: _Columns, batch: Batch) -> Iterator[_Columns]:
    if "epoch" not in batch.rows.schema.names:
        yield columns
        return
    epochs = as_numpy(batch.rows.column("epoch"))
    bounds = [0, *(np.flatnonzero(epochs[1:] != epochs[:-1]) + 1).tolist(), len(epochs)]
    for begin, end in zip(bounds[:-1], bounds[1:], strict=True):
        part = columns.slice(begin, end) if columns.ends is None else _lists_between(columns, begin, end)
        yield _Columns(part.first, int(epochs[begin]), part.users, part.items, part.others, part.sources, part.ends)


def _lists_between(columns: _Columns, begin: int, end: int) -> _Columns:
    ends = columns.ends if columns.ends is not None else _NO_ROWS
    first = int(ends[begin - 1]) if begin else 0
    last = int(ends[end - 1])
    sources = None if columns.sources is None else columns.sources[first:last]
    return _Columns(
        columns.first + begin,
        columns.epoch,
        columns.users[begin:end],
        columns.items[begin:end],
        columns.others[first:last],
        sources,
        ends[begin:end] - first,
    )


def _of_lists(columns: _Columns) -> Block:
    ends = columns.ends if columns.ends is not None else _NO_ROWS
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
        None,
        _NO_ROWS,
        _NO_ROWS,
        _NO_ROWS,
    )


def _of_pairs(columns: _Columns, *, apart: bool) -> Block:
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
        _NO_ROWS,
        _NO_ROWS,
        _NO_ROWS,
    )


def _of_positives(columns: _Columns) -> Block:
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
        _NO_ROWS,
        None,
        None,
        None,
        _NO_ROWS,
        _NO_ROWS,
        _NO_ROWS,
    )


def _of_labels(columns: _Columns, *, grouped: bool) -> Block:
    """A positive leads the rows of its group."""
    labels, size = columns.others, len(columns)
    heads, negatives = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    counts = groups = None
    strays = _NO_ROWS
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
        None,
        columns.first + np.flatnonzero((labels != 0) & (labels != 1)),
        _NO_ROWS,
        strays,
    )


def _of_candidates(columns: _Columns) -> Block:
    """The rows of a user are groups of one size, each with a positive at some place."""
    labels, size = columns.others, len(columns)
    heads, negatives = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    starts = np.flatnonzero(np.append(True, columns.users[1:] != columns.users[:-1]))
    lengths = np.diff(starts, append=size)
    runs = np.repeat(np.arange(len(starts)), lengths)
    n_heads = np.bincount(runs[heads], minlength=len(starts))
    even = (n_heads > 0) & (lengths % np.maximum(n_heads, 1) == 0)
    group_size = np.where(even, lengths // np.maximum(n_heads, 1), lengths)
    first_group = np.cumsum(np.where(even, n_heads, 1)) - np.where(even, n_heads, 1)
    of_rows = first_group[runs] + (np.arange(size) - starts[runs]) // group_size[runs]
    n_groups = int(np.where(even, n_heads, 1).sum())
    of_heads = of_rows[heads]
    per_group = np.bincount(of_heads, minlength=n_groups)
    run_of_group = np.repeat(np.arange(len(starts)), np.where(even, n_heads, 1))
    odd = np.zeros(len(starts), bool)
    odd[run_of_group[per_group != 1]] = True
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
        None,
        columns.first + np.flatnonzero((labels != 0) & (labels != 1)),
        columns.first + starts[odd],
        _NO_ROWS,
    )
