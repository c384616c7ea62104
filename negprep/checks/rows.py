"""The rows of a prepared file as arrays of codes: groups of a positive and its negatives, by ranges of users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Codes, Floats
from negprep.arrow import as_numpy, pc
from negprep.checks.log_ids import LogIds
from negprep.checks.pair_set import Rows
from negprep.checks.promises import Promise
from negprep.checks.ranges import ArrayStore, Laid, Ranges, end_to_end
from negprep.errors import BadDataError
from negprep.read.prepared import Batch, Prepared, candidate_lists, check_lengths
from negprep.threads import one_ahead

NO_ROWS: Rows = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of consecutive rows of one epoch."""

    first: int  # The number of the first row in the file
    epoch: int
    users: Codes  # int32 (n_rows,)
    items: Codes  # int32 (n_rows,)
    others: Codes | npt.NDArray[np.int8]  # int8 or int32 (n_rows,): Labels, or the second item
    sources: npt.NDArray[np.int8] | None
    ends: Rows | None = None  # int64 (n_rows,), or None: Of lists, where the negatives of each end
    log_q: Floats | None = None
    head_log_q: Floats | None = None  # float64 (n_rows,), or None: Beside labels there is none: ``log_q`` has it
    kept: Codes | None = None  # int32 (n_rows, n_columns), or None: Values of columns of the log; two of a history
    head_ends: Rows | None = None  # int64 (n_rows,), or None: Of lists of users, where the positives of each end

    def __len__(self) -> int:
        return len(self.users)

    def slice(self, begin: int, end: int) -> Columns:
        """Some of the rows."""
        cut: dict[str, Any] = {name: values[begin:end] for name, values in self._of_rows().items()}
        for name, ends in (("ends", self.ends), ("head_ends", self.head_ends)):
            if ends is not None:
                first, last = int(ends[begin - 1]) if begin else 0, int(ends[end - 1])
                cut |= {each: values[first:last] for each, values in self._of_elements(name).items()}
                cut[name] = cut[name] - first
        return replace(self, first=self.first + begin, **cut)

    def _of_rows(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays with one value a row."""
        elements = self._of_elements("ends") | self._of_elements("head_ends")
        arrays = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in ("first", "epoch")}
        return {name: values for name, values in arrays.items() if values is not None and name not in elements}

    def _of_elements(self, ends: str) -> dict[str, npt.NDArray[Any]]:
        """Of lists, the arrays with one value for each negative, or, of those with ``head_ends``, each positive."""
        if getattr(self, ends) is None:
            return {}
        arrays: dict[str, Any] = {"others": self.others, "sources": self.sources, "log_q": self.log_q}
        if ends == "head_ends":
            arrays = {"items": self.items, "head_log_q": self.head_log_q}
        return {name: values for name, values in arrays.items() if values is not None}


@dataclass(frozen=True, eq=False)
class Block:
    """Groups of rows: positives, and the negatives beside each. Codes are below 0 for ids that the log does not
    have, as those of ``Columns``.
    """

    epoch: int
    rows: int  # How many rows of the file these are
    heads: Codes  # int32 (n_groups,): The users of the positives
    head_items: Codes
    head_rows: Rows
    counts: Rows | None  # int64 (n_groups,): Negatives of each group; None where no order shows which one is whose. Of
    # users, the first positive of each leads the group, and the others have -1
    slots: Rows | None  # int64 (n_groups,): The place of each positive in its list of candidates; -1 if unclear
    users: Codes  # int32 (n_negatives,)
    items: Codes  # int32 (n_negatives,)
    negative_rows: Rows  # int64 (n_negatives,)
    groups: Rows | None  # int64 (n_negatives,), or None: Which group each is in; -1 for none
    sources: npt.NDArray[np.int8] | None = None  # int8 (n_negatives,), or None
    head_sources: npt.NDArray[np.int8] | None = None  # int8 (n_groups,), or None
    log_q: Floats | None = None  # float64 (n_negatives,), or None: As the file has it, if it was asked for
    head_log_q: Floats | None = None  # float64 (n_groups,), or None: That of the positives
    kept: Codes | None = None  # int32 (n_negatives, n_columns), or None: Columns of the log, beside each negative
    head_kept: Codes | None = None  # int32 (n_groups, n_columns), or None
    odd_labels: Rows = field(default_factory=lambda: NO_ROWS)  # Rows whose label is neither 0 nor 1
    odd_groups: Rows = field(default_factory=lambda: NO_ROWS)
    strays: Rows = field(default_factory=lambda: NO_ROWS)  # Negatives that follow no positive of their user


def _block(
    columns: Columns,
    heads: Rows,
    negatives: Rows,
    groups: Rows | None,
    counts: Rows | None,
    slots: Rows | None = None,
    **more: Any,  # noqa: ANN401
) -> Block:
    """Of labelled rows, some of them positives, others negatives."""
    odd_labels = NO_ROWS
    if len(heads) + len(negatives) < len(columns):
        odd_labels = columns.first + np.flatnonzero((columns.others != 0) & (columns.others != 1))
    return Block(
        columns.epoch,
        len(columns),
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
        odd_labels=odd_labels,
        **more,
    )


def of_lists(columns: Columns) -> Block:
    """Each row is a group."""
    counts = np.diff(columns.ends if columns.ends is not None else NO_ROWS, prepend=0)
    groups = np.repeat(np.arange(len(columns)), counts)
    rows = columns.first + np.arange(len(columns))
    others = columns.others.astype(np.int32, copy=False)
    of_rows = columns.epoch, len(columns), columns.users, columns.items, rows, counts
    return Block(*of_rows, None, columns.users[groups], others, rows[groups], groups, columns.sources)


def of_user_lists(columns: Columns) -> Block:
    """Each row is a group of a user."""
    counts, head_counts = (
        np.diff(ends if ends is not None else NO_ROWS, prepend=0) for ends in (columns.ends, columns.head_ends)
    )
    heads, negatives = (np.repeat(np.arange(len(columns)), each) for each in (head_counts, counts))
    rows = columns.first + np.arange(len(columns))
    groups, sizes = _led_by_first(heads, negatives, len(columns))
    return Block(
        columns.epoch,
        len(columns),
        columns.users[heads],
        columns.items,
        rows[heads],
        sizes,
        None,
        columns.users[negatives],
        columns.others.astype(np.int32, copy=False),
        rows[negatives],
        groups,
        columns.sources,
        strays=rows[negatives[groups < 0]],
    )


def of_user_labels(columns: Columns) -> Block:
    """The neighbouring rows of a user are a group."""
    labels, users = columns.others, columns.users
    heads, negatives = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    runs = np.concatenate([[0], np.cumsum(users[1:] != users[:-1])])
    groups, sizes = _led_by_first(runs[heads], runs[negatives], int(runs[-1]) + 1)
    return _block(columns, heads, negatives, groups, sizes, strays=columns.first + negatives[groups < 0])


def _led_by_first(heads: Rows, negatives: Rows, n_groups: int) -> tuple[Rows, Rows]:
    """For negatives the first positive of their group, and for positives how many negatives they lead, or -1.

    ``heads``, ``negatives``: the group of each, ascending.
    """
    firsts = np.searchsorted(heads, np.arange(n_groups + 1))
    has = firsts[1:] > firsts[:-1]
    sizes = np.full(len(heads), -1)
    sizes[firsts[:-1][has]] = np.bincount(negatives, minlength=n_groups)[has]
    return np.where(has, firsts[:-1], -1)[negatives], sizes


def of_pairs(columns: Columns, *, apart: bool) -> Block:
    """Groups are runs of one user and positive; with ``apart``, every row is one."""
    size, users, items, sources = len(columns), columns.users, columns.items, columns.sources
    starts = np.ones(size, bool)
    if not apart:
        starts[1:] = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
    firsts, rows = np.flatnonzero(starts), columns.first + np.arange(size)
    counts, groups = np.diff(firsts, append=size), np.cumsum(starts) - 1
    others = columns.others.astype(np.int32, copy=False)
    of_heads = columns.epoch, size, users[firsts], items[firsts], rows[firsts], counts, None
    head_sources = None if sources is None else sources[firsts]
    return Block(*of_heads, users, others, rows, groups, sources, head_sources)


def of_positives(columns: Columns) -> Block:
    """Each row is a positive."""
    none, size = np.empty(0, np.int32), len(columns)
    rows = columns.first + np.arange(size)
    return Block(columns.epoch, size, columns.users, columns.items, rows, None, None, none, none, NO_ROWS, None)


def of_labels(columns: Columns, *, grouped: bool) -> Block:
    """A positive leads the rows of its group."""
    labels = columns.others
    heads, negatives = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    if not grouped:
        return _block(columns, heads, negatives, None, None)
    if len(heads) + len(negatives) == len(labels) and heads.size and not heads[0]:
        sizes = np.diff(heads, append=len(labels))
        if np.array_equal(np.repeat(columns.users[heads], sizes), columns.users):  # as usual
            counts = sizes - 1
            return _block(columns, heads, negatives, np.repeat(np.arange(len(heads)), counts), counts)
    groups = (np.cumsum(labels == 1) - 1)[negatives]
    known = groups >= 0
    known[known] = columns.users[heads[groups[known]]] == columns.users[negatives[known]]
    counts = np.bincount(groups[known], minlength=len(heads))
    strays = columns.first + negatives[~known]
    return _block(columns, heads, negatives, np.where(known, groups, -1), counts, strays=strays)


def of_candidates(columns: Columns, full: int | None = None) -> Block:
    """The rows of a user are groups of one size, each with a positive at some place."""
    labels = columns.others
    heads, negatives = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    lists = candidate_lists(columns.users, labels == 1, full=full)
    of_rows, clear = lists.of_rows, lists.clear[lists.owners]
    # Positives are numbered in the order of rows, which is that of lists where each has one.
    head_of = np.where(clear, np.cumsum(lists.positives) - 1, -1)
    groups, of_heads = head_of[of_rows[negatives]], of_rows[heads]
    counts = np.bincount(groups[groups >= 0], minlength=len(heads))
    empty = np.bincount(lists.owners, lists.positives) == 0
    return _block(
        columns,
        heads,
        negatives,
        groups,
        np.where(clear[of_heads], counts, -1),
        np.where(clear[of_heads], heads - lists.starts[of_heads], -1),
        odd_groups=columns.first + lists.first_rows[~lists.clear & ~empty],
        strays=columns.first + lists.first_rows[empty],
    )


@dataclass(frozen=True)
class LogQColumns:
    """How the columns are called."""

    negatives: str | None = None  # Beside labels there is one for both
    positives: str | None = None  # Beside labels there is one for both

    @classmethod
    def of(cls, prepared: Prepared) -> LogQColumns:
        """Those of a file."""
        plain = {name.partition(":")[0]: name for name in prepared.names}  # RecBole's have a type
        if prepared.layout == "pointwise":
            return cls(plain.get("log_q"))
        return cls(plain.get("neg_log_q"), plain.get("pos_log_q"))

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(name for name in (self.negatives, self.positives) if name is not None)

    def values(self, batch: Batch) -> tuple[Floats | None, Floats | None]:
        """Their values, lists end to end; NaN where there is none: float64."""
        negatives, positives = (
            None if name is None else _numbers(batch.rows.column(name), name, batch)
            for name in (self.negatives, self.positives)
        )
        return negatives, positives


NOTHING = LogQColumns()


def _numbers(column: pa.Array, name: str, batch: Batch) -> Floats:
    lists = f"{name.partition('_')[0]}_items"
    if lists in batch.rows.schema.names:
        column = _flat(column, name, batch, lists)
    try:
        found: Floats = as_numpy(pc.fill_null(column.cast(pa.float64()), np.nan))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise _not_a_number(batch, name) from None
    return found


def _flat(column: pa.Array, name: str, batch: Batch, lists: str) -> pa.Array:
    """The values of lists, which in text have spaces between, end to end."""
    if pa.types.is_string(column.type):
        trimmed = pc.utf8_trim_whitespace(column)
        column = pc.if_else(
            pc.equal(trimmed, ""), pa.scalar([], pa.list_(pa.string())), pc.utf8_split_whitespace(trimmed)
        )
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        raise _not_a_number(batch, name)
    noun = "negatives" if lists == "neg_items" else "positives"
    check_lengths(name, column, batch.rows.column(lists), batch.place, noun)
    return column.flatten()


def _not_a_number(batch: Batch, name: str) -> BadDataError:
    """The error of the first row that cannot be read."""
    column = batch.rows.column(name)
    for row in range(len(column)):
        text = column[row : row + 1].cast(pa.string()) if not pa.types.is_nested(column.type) else None
        words = [None] if text is None else (text[0].as_py() or "").split()
        for word in words:
            try:
                pa.array([word], pa.string()).cast(pa.float64())
            except pa.ArrowInvalid:
                what = f"the column {name!r} has {word!r}, which is not a number"
                return BadDataError(what, place=batch.place(row), remedy="make the file again")
    what = f"the column {name!r} has the type {column.type}"
    return BadDataError(what, place=batch.place(0), remedy="make the file again")


def with_log_q(block: Block, columns: Columns) -> Block:
    """A block that was made of columns, with the log q that these have."""
    if columns.log_q is None:
        return block
    if columns.others.dtype != np.int8:  # no labels: both are as the block has them
        return replace(block, log_q=columns.log_q, head_log_q=columns.head_log_q)
    of_negatives = columns.log_q[block.negative_rows - columns.first]
    return replace(block, log_q=of_negatives, head_log_q=columns.log_q[block.head_rows - columns.first])


def with_kept(block: Block, columns: Columns) -> Block:
    """A block that was made of columns, with what these keep of the log."""
    if columns.kept is None:
        return block
    of_heads, of_negatives = (columns.kept[rows - columns.first] for rows in (block.head_rows, block.negative_rows))
    return replace(block, head_kept=of_heads, kept=of_negatives)


def fingerprints(lists: pa.Array, codes: Codes) -> Codes:
    """Two numbers for each list of codes, alike for equal lists: int32, shape (n_lists, 2)."""
    bounds = as_numpy(lists.offsets).astype(np.int64)
    bounds -= bounds[0]
    counts = np.diff(bounds)
    places = (np.arange(len(codes)) - np.repeat(bounds[:-1], counts)).astype(np.uint64)
    words = (codes.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(29))) * (places * np.uint64(2) + np.uint64(0xD1B54A32D192ED03))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(words ^ (words >> np.uint64(32)))])
    found = sums[bounds[1:]] - sums[bounds[:-1]] + counts.astype(np.uint64)
    prints: Codes = found.view(np.int32).reshape(-1, 2)
    return prints


class Blocks:
    """The blocks of a file."""

    def __init__(self, prepared: Prepared, log_ids: LogIds, terms: Promise, log_q: LogQColumns = NOTHING) -> None:
        self._prepared, self._log_ids, self._terms, self._log_q = prepared, log_ids, terms, log_q
        self.sources: list[str] = []  # The names in the column ``source`` that were met so far

    def __iter__(self) -> Iterator[Block]:
        """The blocks; a thread reads the next one while one is checked."""
        return one_ahead(self._blocks(), name="negprep-verify")

    def _blocks(self) -> Iterator[Block]:
        terms = self._terms
        if terms.layout == "listwise":
            for columns in self._columns():
                block = (of_user_lists if terms.per_user else of_lists)(columns)
                yield with_kept(with_log_q(block, columns), columns)
            return
        carried: Columns | None = None
        for columns in self._columns():
            if carried is not None and carried.epoch != columns.epoch:
                yield self._block(carried)
                carried = None
            joined = columns if carried is None else end_to_end([carried, columns])
            whole = self._whole(joined)
            if whole:
                yield self._block(joined.slice(0, whole))
            carried = joined.slice(whole, len(joined)) if whole < len(joined) else None
        if carried is not None:
            yield self._block(carried)

    def _whole(self, columns: Columns) -> int:
        """How many rows belong to groups that surely end among them."""
        terms = self._terms
        if terms.layout == "positives" or (terms.shuffled and terms.is_train):
            return len(columns)
        if terms.layout == "pairwise":
            same = (columns.users == columns.users[-1]) & (columns.items == columns.items[-1])
        elif terms.is_train and not terms.per_user:
            leads = columns.others[::-1] == 1
            return len(leads) - 1 - int(leads.argmax()) if leads.any() else 0
        else:
            same = columns.users == columns.users[-1]
        other = np.flatnonzero(~same)
        return int(other[-1]) + 1 if other.size else 0

    def _block(self, columns: Columns) -> Block:
        terms = self._terms
        if terms.layout == "pairwise":
            block = of_pairs(columns, apart=terms.levels)
        elif terms.layout == "positives":
            block = of_positives(columns)
        elif terms.per_user and not terms.shuffled:
            block = of_user_labels(columns)
        elif terms.is_train:
            block = of_labels(columns, grouped=not terms.shuffled)
        else:
            full = None if not terms.restricted or terms.num_neg is None else terms.num_neg + 1
            block = of_candidates(columns, full)
        return with_kept(with_log_q(block, columns), columns)

    def _columns(self) -> Iterator[Columns]:
        beside = (*self._terms.kept, *(["history"] if self._terms.compares_histories else []))
        for batch in self._prepared.batches((*self._log_q.names, *beside)):
            yield from _by_epoch(self._coded(batch), batch)

    def _coded(self, batch: Batch) -> Columns:
        rows, log_ids = batch.rows, self._log_ids
        sources, ends, head_ends = None, None, None
        users = log_ids.users.with_strangers(rows.column("user"))
        if "pos_items" in rows.schema.names:
            lists = rows.column("pos_items")
            heads, head_ends = log_ids.items.with_strangers(lists.values), as_numpy(lists.offsets)[1:]
        else:
            heads = log_ids.items.with_strangers(rows.column("item" if "item" in rows.schema.names else "pos_item"))
        others: Codes | npt.NDArray[np.int8] = heads[:0]
        if "label" in rows.schema.names:
            others = as_numpy(rows.column("label"))
        elif "neg_item" in rows.schema.names:
            others = log_ids.items.with_strangers(rows.column("neg_item"))
        elif "neg_items" in rows.schema.names:
            lists = rows.column("neg_items")
            others, ends = log_ids.items.with_strangers(lists.values), as_numpy(lists.offsets)[1:]
        else:
            others = np.ones(len(heads), np.int8)
        if "source" in rows.schema.names:
            column = rows.column("source")
            sources = self._source_codes(column if ends is None else column.flatten())
        log_q, is_text = self._log_q.values(batch), self._prepared.shape.kind == "text"
        of_columns = [
            each.in_file(rows.column(each.name), is_text=is_text)
            for each in log_ids.kept
            if each.name in self._terms.kept
        ]
        kept = np.stack(of_columns, axis=1) if of_columns else None
        if self._terms.compares_histories:
            lists = rows.column("history")
            prints = fingerprints(lists, log_ids.items.with_strangers(lists.flatten()))
            kept = prints if kept is None else np.concatenate([kept, prints], axis=1)
        return Columns(batch.first, 0, users, heads, others, sources, ends, *log_q, kept, head_ends)

    def _source_codes(self, column: pa.Array) -> npt.NDArray[np.int8]:
        coded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column.cast(pa.string()))
        known = []
        for word in coded.dictionary.to_pylist():
            if word not in self.sources:
                self.sources.append(word)
            known.append(self.sources.index(word))
        indices = as_numpy(coded.indices.cast(pa.int32()))
        found: npt.NDArray[np.int8] = np.array([*known, -1], np.int8)[indices]
        return found


def _by_epoch(columns: Columns, batch: Batch) -> Iterator[Columns]:
    if "epoch" not in batch.rows.schema.names:
        yield columns
        return
    epochs = as_numpy(batch.rows.column("epoch"))
    bounds = [0, *(np.flatnonzero(epochs[1:] != epochs[:-1]) + 1).tolist(), len(epochs)]
    for begin, end in pairwise(bounds):
        yield replace(columns.slice(begin, end), epoch=int(epochs[begin]))


_OF_HEADS = ("heads", "head_items", "head_rows", "counts", "slots", "head_sources", "head_kept")
_OF_NEGATIVES = ("users", "items", "negative_rows", "groups", "sources", "log_q", "kept")
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
    """Takes blocks in the order of the file, and gives those of a range in that order."""

    def __init__(self, ranges: Ranges, store: ArrayStore, kept_bytes: int) -> None:
        self._ranges, self._store, self._kept_bytes = ranges, store, kept_bytes
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
                laid.append((block.epoch, block.rows, self._store.put(arrays)))
            kept.clear()
        self._bytes = 0

    def of_range(self, at: int) -> Iterator[Block]:
        """The rows of a range, which can be had once."""
        laid, self._laid[at] = self._laid[at], []
        for epoch, rows, arrays in laid:
            members = self._store.get(arrays)
            if members["groups"] is not None:
                members["groups"] = members["groups"].astype(np.int64)
            yield Block(epoch, rows, **members)  # type: ignore[arg-type]
