"""All rows of an epoch in keyed random order: scattered by the top bits of a word, then sorted bucket by bucket."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Words
from negprep.arrow import Column, as_numpy, joined, taken, unwrapped, wrapped
from negprep.assemble.layout import Groups, RowLayout
from negprep.assemble.section import Section, Shard
from negprep.encode.spill import Extent, SpillFile

Packed = tuple[list[Column], int]
"""Columns of the rows of a few users, and the code of the first of these."""

_SHORT_BITS = 32
_BLOCK_GROUPS = 1 << 14


def packing_of(form: RowLayout, n_items: int) -> AsTheyAre | AsNumbers:
    """How the rows of a form are kept, with items from a catalog of ``n_items``."""
    is_plain = form.sources is None and not form.with_log_q and not form.kept and not form.with_history
    if form.layout != "pointwise" or not is_plain or form.per_user:
        return AsTheyAre()
    label = as_numpy(form.schema.empty_table()["label"].combine_chunks())
    return AsNumbers(max(1, n_items - 1).bit_length(), label.dtype)


class AsTheyAre:
    """Any columns."""

    def pack(self, pieces: Iterable[Groups], coded: RowLayout) -> Packed:
        """The rows of some groups, which ascend by user, in a coded form; all in columns of shape (n_rows,)."""
        made = [coded.batch(groups) for groups in pieces]
        rows = made[0] if len(made) == 1 else pa.concat_batches(made)
        return [unwrapped(column) for column in rows.columns], 0

    def unpack(self, pieces: list[Packed]) -> list[Column]:
        """The columns of all pieces, or of slices of these, end to end: codes in place of ids, as int32."""
        return [joined(list(column)) for column in zip(*(columns for columns, _ in pieces), strict=True)]


@dataclass(frozen=True)
class AsNumbers:
    """User, item and label in one number, which has from its top bits on: user less first user, item, label.

    ``item_bits``: Of the largest code of an item.
    ``label_dtype``: Of the labels that come out.
    """

    item_bits: int
    label_dtype: np.dtype[Any]

    def pack(self, pieces: Iterable[Groups], coded: RowLayout) -> Packed:
        """As `AsTheyAre.pack`: in uint32 where they fit, else in uint64."""
        packed = [self._packed(groups) for groups in pieces]
        numbers, first = packed[0]
        if len(packed) > 1:  # counted from the same user
            bits = self.item_bits + 1
            numbers = np.concatenate(
                [some.astype(np.uint64) + np.uint64(user - first << bits) for some, user in packed]
            )
        return [numbers], coded.first_user + first

    def _packed(self, groups: Groups) -> tuple[npt.NDArray[Any], int]:
        """The numbers, and the user that they are counted from."""
        size, num_neg = groups.negatives.shape
        first, last = (int(groups.users[0]), int(groups.users[-1])) if size else (0, 0)
        n_bits = (last - first).bit_length() + self.item_bits + 1
        kind: Any = np.uint32 if n_bits <= _SHORT_BITS else np.uint64
        numbers = np.empty((size, num_neg + 1), kind)
        for begin in range(0, size, _BLOCK_GROUPS):  # few enough for a core's second-level cache
            here = slice(begin, begin + _BLOCK_GROUPS)
            of_users = (groups.users[here] - np.int32(first)).astype(kind) << kind(self.item_bits + 1)
            numbers[here, 0] = of_users | groups.positives[here].astype(kind) << kind(1) | kind(1)
            for draw in range(num_neg):
                numbers[here, draw + 1] = of_users | groups.negatives[here, draw].astype(kind) << kind(1)
        rows = numbers.reshape(-1)
        if groups.counts is not None:
            rows = numbers[np.arange(num_neg + 1) <= groups.counts[:, None]]
        return rows, first

    def unpack(self, pieces: list[Packed]) -> list[Column]:
        """Undo `pack`."""
        numbers = joined([numbers for (numbers,), _ in pieces])
        kind = numbers.dtype.type
        users = (numbers >> kind(self.item_bits + 1)).astype(np.int32)
        users += np.repeat(np.array([first for _, first in pieces], np.int32), [len(some) for (some,), _ in pieces])
        items = (numbers >> kind(1) & kind((1 << self.item_bits) - 1)).astype(np.int32)
        return [users, items, (numbers & kind(1)).astype(self.label_dtype)]


_MOST_BITS = 14


@dataclass(frozen=True, eq=False)
class Scattered:
    """Rows ascending by bucket.

    ``words``: uint64, shape (n_rows,). By which they are put in order.
    ``bounds``: int64, shape (n_buckets + 1,). Where each bucket begins, and where the last one ends.
    """

    rows: Packed
    words: Words
    bounds: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.words)

    @property
    def nbytes(self) -> int:
        """Of all columns, the words and the bounds."""
        return sum(int(column.nbytes) for column in (self.words, self.bounds, *self.rows[0]))

    def bucket(self, number: int) -> tuple[Packed, Words] | None:
        """The rows of a bucket, as views, or None if there are none."""
        begin, end = self.bounds[number : number + 2].tolist()
        if begin == end:
            return None
        columns, first = self.rows
        return ([column[begin:end] for column in columns], first), self.words[begin:end]


def ascending(words: Words, skipped_bits: int = 0) -> npt.NDArray[np.int64]:
    """Positions of the words in ascending order, equal ones as they came: int64, the shape of ``words``.

    ``words``: uint64, shape (n,). Equal in their top ``skipped_bits`` bits.
    """
    # Of a word, the top bits beside the position are enough to sort by, but for ties. Another sort than one of whole
    # numbers alone, of positions by words, would take several times as long.
    places = np.uint64((1 << max(1, len(words) - 1).bit_length()) - 1)
    packed = (words << np.uint64(skipped_bits)) & ~places | np.arange(len(words), dtype=np.uint64)
    packed.sort()
    order = (packed & places).view(np.int64)
    tied = np.flatnonzero((packed[1:] ^ packed[:-1]) <= places)
    if tied.size:
        rows = np.union1d(tied, tied + 1)
        order[rows] = order[rows][np.argsort(words[order[rows]], kind="stable")]
    return order


class Shuffle:
    """The rows of one epoch, in memory while they fit, else in a spill file. To be closed.

    ``form``: Of the rows that come out; those that go in are of codes.
    ``n_items``: Of the catalog.
    ``most_rows``: An upper bound of the rows.
    ``bucket_rows``: About the most rows of a bucket.
    ``kept_bytes``: Of rows in memory.
    ``folder``: Where the others are.
    """

    def __init__(
        self, form: RowLayout, n_items: int, most_rows: int, bucket_rows: int, kept_bytes: int, folder: str | None
    ) -> None:
        self.form, self._packing = form, packing_of(form, n_items)
        self._bits = min(_MOST_BITS, (max(1, most_rows - 1) // bucket_rows).bit_length())
        self._sizes = np.zeros(1 << self._bits, np.int64)
        self._kept: list[Scattered] = []
        self._bytes, self._kept_bytes, self._folder = 0, kept_bytes, folder
        self._spill: SpillFile | None = None
        self._extents: list[list[Extent]] = [[] for _ in self._sizes]
        self._reading = threading.Lock()

    def scatter(self, section: Section, shard: Shard) -> Scattered:
        """Make the rows of a shard, of codes, and sort them by bucket. May run in any thread."""
        pieces, skip = section.groups(shard.begin, shard.end)
        columns, first = self._packing.pack(pieces, section.form)
        columns = [column[skip : skip + shard.end - shard.begin] for column in columns]
        words = section.order_words(shard.begin, shard.end)
        if not self._bits:
            return Scattered((columns, first), words, np.array([0, len(words)]))
        buckets = (words >> np.uint64(64 - self._bits)).astype(np.uint16)
        order = np.argsort(buckets, kind="stable")
        bounds = np.concatenate([[0], np.cumsum(np.bincount(buckets, minlength=len(self._sizes)))])
        return Scattered(([taken(column, order) for column in columns], first), words.take(order, mode="clip"), bounds)

    def add(self, rows: Scattered) -> None:
        """Take the next rows."""
        self._kept.append(rows)
        self._sizes += np.diff(rows.bounds)
        self._bytes += rows.nbytes
        if self._bytes > self._kept_bytes:
            self._spill = self._spill or SpillFile(self._folder)
            for bucket, extents in enumerate(self._extents):
                if columns := self._in_memory(bucket):
                    names = [str(place) for place in range(len(columns))]
                    extents.append(self._spill.write(pa.RecordBatch.from_arrays([*map(wrapped, columns)], names)))
            self._kept.clear()
            self._bytes = 0

    def shards(self, part_rows: int | None) -> Iterator[Shard]:
        """All rows in their order, no shard with those of two buckets; a part begins every ``part_rows``."""
        ends = np.cumsum(self._sizes)
        n_rows = int(ends[-1])
        parts = set(range(0, n_rows, part_rows or max(1, n_rows)))
        for begin, end in pairwise(sorted({0, n_rows, *ends.tolist(), *parts})):
            yield Shard(self, begin, end, begin in parts)

    def make(self, first_row: int, last_row: int) -> pa.RecordBatch:
        """The rows from ``first_row`` up to ``last_row``, of one bucket; in any thread."""
        ends = np.cumsum(self._sizes)
        bucket = int(np.searchsorted(ends, first_row, side="right"))
        before = int(ends[bucket] - self._sizes[bucket])
        pieces = [*self._spilled(bucket), *filter(None, [self._in_memory(bucket)])]
        words, *columns = [joined(list(column)) for column in zip(*pieces, strict=True)]
        order = ascending(words.view(np.uint64), self._bits)[first_row - before : last_row - before]
        return self.form.decode([wrapped(taken(column, order)) for column in columns])

    def close(self) -> None:
        """Forget the rows."""
        self._kept.clear()
        if self._spill is not None:
            self._spill.close()

    def _in_memory(self, bucket: int) -> list[Column]:
        """The words, as int64, and the columns of the rows of a bucket that are kept; nothing if there are none."""
        found = [piece for rows in self._kept if (piece := rows.bucket(bucket))]
        if not found:
            return []
        words = joined([words for _, words in found])
        return [words.view(np.int64), *self._packing.unpack([rows for rows, _ in found])]

    def _spilled(self, bucket: int) -> list[list[Column]]:
        if self._spill is None:
            return []
        with self._reading:
            batches = [self._spill.read(extent) for extent in self._extents[bucket]]
        return [[unwrapped(column) for column in batch.columns] for batch in batches]
