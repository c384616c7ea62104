"""Shards: contiguous ranges of output rows that fit the row groups of a file, and the parts of a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.assemble.layout import RowLayout
from negprep.assemble.section import Section
from negprep.options.options import Options
from negprep.threads import go_on
from negprep.write.output import Part
from negprep.write.parquet import ROW_GROUP_ROWS


class RowSource(Protocol):
    """What makes ranges of its rows: a section, or rows in random order."""

    @property
    def form(self) -> RowLayout:
        """The layout and the columns."""

    def prepare(self, first_row: int, last_row: int) -> Callable[[], pa.RecordBatch]:
        """What gives the rows from ``first_row`` up to ``last_row``, once: most is done, and less memory held.

        Both may run in any thread.
        """


@dataclass(frozen=True, eq=False)
class Shard:
    """A range of rows.

    Attributes
    ----------
    source : RowSource
    begin, end : int
        Rows of the source.
    starts_part : bool
        Whether a new part file begins here, if there are any.
    """

    source: RowSource
    begin: int
    end: int
    starts_part: bool

    def prepare(self) -> Callable[[], pa.RecordBatch]:
        """What gives the rows: see `RowSource`."""
        return self.source.prepare(self.begin, self.end)

    def make(self) -> pa.RecordBatch:
        """The rows."""
        return self.prepare()()


def row_group_rows(options: Options) -> int:
    """Rows of a row group, and of a shard at most: fewer where each holds a list, for about as many items."""
    return max(1, ROW_GROUP_ROWS // options.negatives_each) if options.layout == "listwise" else ROW_GROUP_ROWS


class Cutter:
    """Cuts one section after the other.

    Parameters
    ----------
    shard_rows : int
        Shards end at multiples of this many rows, counted from the start of the output or of the part.
    part_rows : int or None
        A part begins with the first user whose rows start at or after each multiple of this, so that a user's rows are
        in one part. None: there are no parts.
    """

    def __init__(self, shard_rows: int, part_rows: int | None = None) -> None:
        self._shard_rows, self._part_rows = shard_rows, part_rows
        self._rows_before = 0
        self._rows_in_part = 0
        self._part = -1

    def cut(self, section: Section) -> Iterator[Shard]:
        """The shards of the next section."""
        part_starts = self._part_starts(section)
        for begin_part, end_part in pairwise(sorted({0, *part_starts, section.n_rows})):
            starts_part = begin_part in part_starts
            if starts_part:
                self._rows_in_part = 0
            begin = begin_part
            while begin < end_part:
                end = min(end_part, begin + self._shard_rows - self._rows_in_part % self._shard_rows)
                yield Shard(section, begin, end, starts_part and begin == begin_part)
                self._rows_in_part += end - begin
                begin = end
        self._rows_before += section.n_rows

    def _part_starts(self, section: Section) -> list[int]:
        """The rows of the section with which a part begins; without parts, the first row of all."""
        if not section.n_rows:
            return []
        if self._part_rows is None:
            is_first, self._part = self._part < 0, 0
            return [0] if is_first else []
        firsts, ends = section.row_starts[:-1], section.row_starts[1:]
        rows = firsts[firsts < ends]  # of users with rows: strictly ascending
        parts = (rows + self._rows_before) // self._part_rows
        starts: list[int] = rows[np.diff(parts, prepend=self._part) > 0].tolist()
        self._part = int(parts[-1])
        return starts


_ROWS_AT_ONCE = 1 << 18
"""Of a shard, written between two looks at whether to go on: a quarter of a second as text."""


def by_part(shards: Iterable[Shard]) -> Iterator[list[Shard]]:
    """The shards of each part."""
    part: list[Shard] = []
    for shard in shards:
        if shard.starts_part and part:
            yield part
            part = []
        part.append(shard)
    if part:
        yield part


def fill(task: tuple[Part, list[Shard]]) -> npt.NDArray[np.int64]:
    """Write a part; how many negatives come from each source: int64, shape (n_sources,).

    Between shards, and between blocks of their rows, it looks whether anybody waits for the part.
    """
    part, shards = task
    sources = np.zeros(len(shards[0].source.form.sources or ()), np.int64)
    for shard in shards:
        go_on()
        rows = shard.make()
        sources += shard.source.form.source_counts(rows)
        for begin in range(0, len(rows), _ROWS_AT_ONCE):
            go_on()
            part.write(rows.slice(begin, _ROWS_AT_ONCE))
    part.end()
    return sources
