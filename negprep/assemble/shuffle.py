"""All rows of an epoch in keyed random order: scattered by the top bits of a word, then sorted bucket by bucket."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Words
from negprep.arrow import Column, as_numpy, joined, taken, unwrapped, wrapped
from negprep.assemble.layout import Groups, RowLayout
from negprep.assemble.section import ORDER_BITS, Section, Shard
from negprep.encode.spill import Extent, SpillFile

Packed: TypeAlias = npt.NDArray[Any]
"""Words as they are kept: uint64 or uint32."""

_BLOCK_GROUPS = 1 << 14


def packing_of(form: RowLayout, n_users: int, n_items: int, word_bits: int) -> AsTheyAre | InWords:
    """How the rows of a form are kept beside words of so many bits, with codes of so many users and items."""
    is_plain = form.sources is None and not form.with_log_q and not form.kept and not form.with_history
    beside = AsTheyAre(word_bits)
    if form.layout != "pointwise" or not is_plain or form.per_user:
        return beside
    label = as_numpy(pa.nulls(1, form.schema.field("label").type))
    packing = InWords(word_bits, max(1, n_users - 1).bit_length(), max(1, n_items - 1).bit_length(), label.dtype)
    return packing if word_bits + packing.user_bits + packing.item_bits + 1 <= _NUMBER_BITS else beside


_SHORT_BITS, _NUMBER_BITS = 32, 64


@dataclass(frozen=True)
class AsTheyAre:
    """Any columns, beside the words.

    ``word_bits``: The lowest ones, which count within a bucket.
    """

    word_bits: int

    def pack(
        self, words: Words, pieces: Iterable[Groups], coded: RowLayout, rows: slice
    ) -> tuple[Packed, list[Column]]:
        """Words, and some rows of some groups, which ascend by user: the words, and columns of the form of codes.

        May write to the words.
        """
        made = [coded.batch(groups) for groups in pieces]
        batch = (made[0] if len(made) == 1 else pa.concat_batches(made)).slice(rows.start, rows.stop - rows.start)
        words &= np.uint64((1 << self.word_bits) - 1)
        kept = words.astype(np.uint32) if self.word_bits <= _SHORT_BITS else words
        return kept, [unwrapped(column) for column in batch.columns]

    def in_order(self, words: Packed, columns: list[Column], rows: slice) -> list[Column]:
        """Some rows of all, in order: codes in place of ids, as int32."""
        order = ascending(
            words.astype(np.uint64, copy=False),
            [column for column in columns[:_IN_TIES] if isinstance(column, np.ndarray)],
        )
        return [taken(column, order[rows]) for column in columns]


_IN_TIES = 3
"""The columns of a user and an item, and of pairs that of the other item: equal words ascend by these."""


@dataclass(frozen=True)
class InWords:
    """The word, and user, item and label below it, in one number: where there is room, to sort these is all.

    ``word_bits``: The lowest ones, which count within a bucket.
    ``user_bits``, ``item_bits``: Of the largest codes.
    ``label_dtype``: Of the labels that come out.
    """

    word_bits: int
    user_bits: int
    item_bits: int
    label_dtype: np.dtype[Any]

    def pack(
        self, words: Words, pieces: Iterable[Groups], coded: RowLayout, rows: slice
    ) -> tuple[Packed, list[Column]]:
        """As `AsTheyAre.pack`: the numbers, and no columns."""
        packed = [self._packed(groups, coded.first_user) for groups in pieces]
        numbers = (packed[0] if len(packed) == 1 else np.concatenate(packed))[rows]
        words <<= np.uint64(_NUMBER_BITS - self.word_bits)
        numbers |= words
        return numbers, []

    def _packed(self, groups: Groups, first_user: int) -> Words:
        """The numbers without words."""
        size, num_neg = groups.negatives.shape
        numbers = np.empty((size, num_neg + 1), np.uint64)
        for begin in range(0, size, _BLOCK_GROUPS):  # few enough for a core's second-level cache
            here = slice(begin, begin + _BLOCK_GROUPS)
            of_users = (groups.users[here].astype(np.uint64) + np.uint64(first_user)) << np.uint64(self.item_bits + 1)
            numbers[here, 0] = of_users | groups.positives[here].astype(np.uint64) << np.uint64(1) | np.uint64(1)
            for draw in range(num_neg):
                numbers[here, draw + 1] = of_users | groups.negatives[here, draw].astype(np.uint64) << np.uint64(1)
        if groups.counts is None:
            return numbers.reshape(-1)
        return numbers[np.arange(num_neg + 1) <= groups.counts[:, None]]

    def in_order(self, words: Packed, columns: list[Column], rows: slice) -> list[Column]:  # noqa: ARG002
        """As `AsTheyAre.in_order`. Sorts the words in place."""
        words.sort()
        numbers = words[rows]
        users = (numbers >> np.uint64(self.item_bits + 1)).astype(np.int32) & np.int32((1 << self.user_bits) - 1)
        items = (numbers >> np.uint64(1)).astype(np.int32) & np.int32((1 << self.item_bits) - 1)
        return [users, items, (numbers.astype(np.int8) & np.int8(1)).astype(self.label_dtype, copy=False)]


_MOST_BITS = 14


@dataclass(frozen=True, eq=False)
class Scattered:
    """Rows ascending by bucket.

    ``words``: uint64 or uint32, shape (n_rows,). By which they are put in order, as packed.
    ``columns``: What the packing keeps beside the words.
    ``bounds``: Where each bucket begins, and where the last one ends.
    """

    words: Packed
    columns: list[Column]
    bounds: list[int]

    def __len__(self) -> int:
        return len(self.words)

    @property
    def nbytes(self) -> int:
        """Of the words and all columns."""
        return sum(int(column.nbytes) for column in (self.words, *self.columns))


def ascending(words: Words, columns: list[npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    """Positions of the words in ascending order, equal ones by columns and then as they came: int64, their shape.

    ``words``: uint64, shape (n,). Of `ORDER_BITS` bits at most.
    """
    # Another sort than one of whole numbers alone, of positions by words, would take several times as long.
    place_bits = max(1, len(words) - 1).bit_length()
    if ORDER_BITS + place_bits > _NUMBER_BITS:  # no room: of more rows than a bucket should have
        return np.lexsort((*reversed(columns), words))
    places = np.uint64((1 << place_bits) - 1)
    packed = words << np.uint64(place_bits) | np.arange(len(words), dtype=np.uint64)
    packed.sort()
    order = (packed & places).view(np.int64)
    tied = np.flatnonzero((packed[1:] ^ packed[:-1]) <= places)
    if tied.size:
        at = np.union1d(tied, tied + 1)
        rows = order[at]
        order[at] = rows[np.lexsort((*(column[rows] for column in reversed(columns)), words[rows]))]
    return order


def by_bucket(buckets: Words, bits: int) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Positions by bucket, those of one as they came; where each of the 2**bits buckets begins, and the end."""
    place_bits = max(1, len(buckets) - 1).bit_length()
    kind: Any = np.uint32 if bits + place_bits <= _SHORT_BITS else np.uint64
    packed: npt.NDArray[Any] = buckets.astype(kind) << kind(place_bits)
    packed |= np.arange(len(packed), dtype=kind)
    packed.sort()  # numpy's sort of numbers takes half the time of its radix sort of positions
    firsts = np.arange(1, 1 << bits).astype(kind) << kind(place_bits)
    bounds = [0, *packed.searchsorted(firsts).tolist(), len(packed)]
    packed &= kind((1 << place_bits) - 1)
    return packed.astype(np.int64), bounds


class Shuffle:
    """The rows of one epoch, in memory while they fit, else in a spill file. To be closed.

    ``form``: Of the rows that come out; those that go in are of codes.
    ``n_users``, ``n_items``: All that rows may have.
    ``most_rows``: An upper bound of the rows.
    ``bucket_rows``: About the most rows of a bucket.
    ``kept_bytes``: Of rows in memory.
    ``folder``: Where the others are.
    """

    def __init__(
        self,
        form: RowLayout,
        n_users: int,
        n_items: int,
        *,
        most_rows: int,
        bucket_rows: int,
        kept_bytes: int,
        folder: str | None,
    ) -> None:
        self._bits = min(_MOST_BITS, (max(1, most_rows - 1) // bucket_rows).bit_length())
        self._word_bits = ORDER_BITS - self._bits
        self.form, self._packing = form, packing_of(form, n_users, n_items, self._word_bits)
        self._sizes = np.zeros(1 << self._bits, np.int64)
        self._kept: list[Scattered] = []
        self._bytes, self._kept_bytes, self._folder = 0, kept_bytes, folder
        self._spill: SpillFile | None = None
        self._extents: list[list[Extent]] = [[] for _ in self._sizes]
        self._reading = threading.Lock()

    def scatter(self, section: Section, shard: Shard) -> Scattered:
        """Make the rows of a shard, of codes, and sort them by bucket. May run in any thread."""
        words = section.order_words(shard.begin, shard.end)
        spread = by_bucket(words >> np.uint64(self._word_bits), self._bits) if self._bits else None
        pieces, skip = section.groups(shard.begin, shard.end)
        packed, columns = self._packing.pack(words, pieces, section.form, slice(skip, skip + len(words)))
        if spread is None:
            return Scattered(packed, columns, [0, len(words)])
        order, bounds = spread
        return Scattered(packed.take(order, mode="clip"), [taken(column, order) for column in columns], bounds)

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
        rows = self._packing.in_order(words, columns, slice(first_row - before, last_row - before))
        return self.form.decode([wrapped(column) for column in rows])

    def close(self) -> None:
        """Forget the rows."""
        self._kept.clear()
        if self._spill is not None:
            self._spill.close()

    def _in_memory(self, bucket: int) -> list[Column]:
        """The words and the columns of the rows of a bucket that are kept; nothing if there are none."""
        found = []
        for rows in self._kept:
            begin, end = rows.bounds[bucket : bucket + 2]
            if begin < end:
                found.append([rows.words[begin:end], *(column[begin:end] for column in rows.columns)])
        return [joined(list(column)) for column in zip(*found, strict=True)]

    def _spilled(self, bucket: int) -> list[list[Column]]:
        if self._spill is None:
            return []
        with self._reading:
            batches = [self._spill.read(extent) for extent in self._extents[bucket]]
        return [[unwrapped(column) for column in batch.columns] for batch in batches]
