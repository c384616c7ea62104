"""All rows of an epoch in keyed random order: scattered by the top bits of a word, then sorted bucket by bucket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import as_numpy, from_numpy, take_rows
from negprep.cutting import Shard
from negprep.draw import Words
from negprep.layout import Form
from negprep.section import Section
from negprep.spill import Extent, SpillFile

_WORD = "word of the order"
_MOST_BITS = 14
_SORTED_BITS = np.uint64(32)

Scattered = tuple[pa.RecordBatch, npt.NDArray[np.int64]]
"""Rows ascending by bucket, their words as the last column, and where each bucket begins and ends."""


def ascending(words: Words, skipped_bits: int = 0) -> npt.NDArray[np.int64]:
    """Positions of the words in ascending order, equal ones as they came: int64, the shape of ``words``.

    Parameters
    ----------
    words : uint64, shape (n,)
        Equal in their top ``skipped_bits`` bits.
    """
    # Two passes of 16 bits, which numpy sorts by radix, take a quarter of the time of a sort by the whole word.
    top = ((words << np.uint64(skipped_bits)) >> _SORTED_BITS).astype(np.uint32)
    order = np.argsort(top.astype(np.uint16), kind="stable")
    order = order[np.argsort((top >> np.uint32(16)).astype(np.uint16)[order], kind="stable")]
    sorted_top = top[order]
    tied = np.flatnonzero(sorted_top[1:] == sorted_top[:-1])
    if tied.size:
        places = np.union1d(tied, tied + 1)
        rows = order[places]
        order[places] = rows[np.argsort(words[rows], kind="stable")]
    return order


class Shuffle:
    """The rows of one epoch, in memory while they fit, else in a spill file. To be closed.

    Parameters
    ----------
    form : Form
        Of the rows that come out; those that go in are of codes.
    most_rows : int
        An upper bound of the rows.
    bucket_rows : int
        About the most rows of a bucket.
    kept_bytes : int
        Of rows in memory.
    folder : str or None
        Where the others are.
    """

    def __init__(self, form: Form, most_rows: int, bucket_rows: int, kept_bytes: int, folder: str | None) -> None:
        self.form = form
        self._bits = min(_MOST_BITS, (max(1, most_rows - 1) // bucket_rows).bit_length())
        self._sizes = np.zeros(1 << self._bits, np.int64)
        self._kept: list[list[pa.RecordBatch]] = [[] for _ in self._sizes]
        self._bytes, self._kept_bytes, self._folder = 0, kept_bytes, folder
        self._spill: SpillFile | None = None
        self._extents: list[list[Extent]] = [[] for _ in self._sizes]
        self._reading = threading.Lock()

    def scatter(self, section: Section, shard: Shard) -> Scattered:
        """Make the rows of a shard, of codes, and sort them by bucket. May run in any thread."""
        rows, words = shard.make(), section.order_words(shard.begin, shard.end)
        columns = [*rows.columns, from_numpy(words.view(np.int64))]
        rows = pa.RecordBatch.from_arrays(columns, names=[*rows.schema.names, _WORD])
        if not self._bits:
            return rows, np.array([0, len(words)])
        buckets = (words >> np.uint64(64 - self._bits)).astype(np.uint16)
        order = np.argsort(buckets, kind="stable")
        bounds = np.concatenate([[0], np.cumsum(np.bincount(buckets, minlength=len(self._sizes)))])
        return take_rows(rows, order), bounds

    def add(self, scattered: Scattered) -> None:
        """Take the next rows."""
        rows, bounds = scattered
        for bucket, (begin, end) in enumerate(pairwise(bounds.tolist())):
            if end > begin:
                self._kept[bucket].append(rows.slice(begin, end - begin))
        self._sizes += np.diff(bounds)
        self._bytes += rows.nbytes
        if self._bytes > self._kept_bytes:
            self._spill = self._spill or SpillFile(self._folder)
            for pieces, extents in zip(self._kept, self._extents, strict=True):
                if pieces:
                    extents.append(self._spill.write(pa.concat_batches(pieces)))
                    pieces.clear()
            self._bytes = 0

    def shards(self, part_rows: int | None) -> Iterator[Shard]:
        """All rows in their order, no shard with those of two buckets; a part begins every ``part_rows``."""
        ends = np.cumsum(self._sizes)
        n_rows = int(ends[-1])
        parts = set(range(0, n_rows, part_rows or max(1, n_rows)))
        for begin, end in pairwise(sorted({0, n_rows, *ends.tolist(), *parts})):
            yield Shard(self, begin, end, begin in parts)

    def make(self, first_row: int, last_row: int) -> pa.RecordBatch:
        """The rows from ``first_row`` up to ``last_row``, of one bucket. May run in any thread."""
        ends = np.cumsum(self._sizes)
        bucket = int(np.searchsorted(ends, first_row, side="right"))
        before = int(ends[bucket] - self._sizes[bucket])
        rows = pa.concat_batches([*self._spilled(bucket), *self._kept[bucket]])
        words: npt.NDArray[Any] = as_numpy(rows.column(_WORD)).view(np.uint64)
        order = ascending(words, self._bits)[first_row - before : last_row - before]
        return self.form.decode(take_rows(rows.drop_columns([_WORD]), order))

    def close(self) -> None:
        """Forget the rows."""
        self._kept.clear()
        if self._spill is not None:
            self._spill.close()

    def _spilled(self, bucket: int) -> list[pa.RecordBatch]:
        if self._spill is None:
            return []
        with self._reading:
            return [self._spill.read(extent) for extent in self._extents[bucket]]
