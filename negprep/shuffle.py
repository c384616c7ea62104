"""All rows of an epoch in keyed random order: scattered by the top bits of a word, then sorted bucket by bucket."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import as_numpy, from_numpy
from negprep.cutting import Shard
from negprep.draw import Words
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
    most_rows : int
        An upper bound of the rows.
    bucket_rows : int
        About the most rows of a bucket.
    kept_bytes : int
        Of rows in memory.
    folder : str or None
        Where the others are.
    """

    def __init__(self, most_rows: int, bucket_rows: int, kept_bytes: int, folder: str | None) -> None:
        self.bits = min(_MOST_BITS, (max(1, most_rows - 1) // bucket_rows).bit_length())
        self.n_rows = 0
        self._kept: list[Scattered] = []
        self._bytes, self._kept_bytes, self._folder = 0, kept_bytes, folder
        self._spill: SpillFile | None = None
        self._extents: list[list[Extent]] = [[] for _ in range(1 << self.bits)]

    def scatter(self, shard: Shard) -> Scattered:
        """Make the rows of a shard, of codes, and sort them by bucket. May run in any thread."""
        rows, words = shard.make(), shard.section.order_words(shard.begin, shard.end)
        columns = [*rows.columns, from_numpy(words.view(np.int64))]
        rows = pa.RecordBatch.from_arrays(columns, names=[*rows.schema.names, _WORD])
        if not self.bits:
            return rows, np.array([0, len(words)])
        buckets = (words >> np.uint64(64 - self.bits)).astype(np.uint16)
        order = np.argsort(buckets, kind="stable")
        bounds = np.concatenate([[0], np.cumsum(np.bincount(buckets, minlength=1 << self.bits))])
        return rows.take(from_numpy(order)), bounds

    def add(self, scattered: Scattered) -> None:
        """Take the next rows."""
        self._kept.append(scattered)
        self.n_rows += len(scattered[0])
        self._bytes += scattered[0].nbytes
        if self._bytes > self._kept_bytes:
            self._spill = self._spill or SpillFile(self._folder)
            for bucket, extents in enumerate(self._extents):
                if pieces := self._pieces(bucket):
                    extents.append(self._spill.write(pa.concat_batches(pieces)))
            self._kept.clear()
            self._bytes = 0

    def buckets(self) -> Iterator[list[pa.RecordBatch]]:
        """The rows of each bucket in turn, those that came first before the others."""
        for bucket, extents in enumerate(self._extents):
            spilled = [] if self._spill is None else [self._spill.read(extent) for extent in extents]
            yield spilled + self._pieces(bucket)

    def sort(self, bucket: list[pa.RecordBatch]) -> pa.RecordBatch | None:
        """The rows of a bucket in their order, without the words; None if it has none. May run in any thread."""
        if not bucket:
            return None
        rows = pa.concat_batches(bucket)
        words: npt.NDArray[Any] = as_numpy(rows.column(_WORD)).view(np.uint64)
        return rows.drop_columns([_WORD]).take(from_numpy(ascending(words, self.bits)))

    def parts(self, part_rows: int) -> Iterator[list[list[pa.RecordBatch]]]:
        """The buckets part by part: a power of two of parts, of about ``part_rows`` rows at most."""
        bits = min(self.bits, (max(1, self.n_rows - 1) // part_rows).bit_length())
        each, buckets = 1 << (self.bits - bits), self.buckets()
        for _ in range(1 << bits):
            part = [next(buckets) for _ in range(each)]
            if any(part):
                yield part

    def close(self) -> None:
        """Forget the rows."""
        self._kept.clear()
        if self._spill is not None:
            self._spill.close()

    def _pieces(self, bucket: int) -> list[pa.RecordBatch]:
        found = []
        for rows, bounds in self._kept:
            for begin, end in pairwise(bounds[bucket : bucket + 2].tolist()):
                if end > begin:
                    found.append(rows.slice(begin, end - begin))
        return found
