"""The rows of a log between reading and grouping: in memory while they fit, else in a spill file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import as_numpy, from_numpy
from negprep.encoding import RawIds
from negprep.spill import Extent, SpillFile
from negprep.vocabulary import Codes


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a log.

    Attributes
    ----------
    users, items : RawIds
    times : int64, shape (n,), or None
    positive : bool, shape (n,), or None
        None: all are.
    """

    users: RawIds
    items: RawIds
    times: npt.NDArray[np.int64] | None
    positive: npt.NDArray[np.bool_] | None

    def __len__(self) -> int:
        return len(self.users[1] if isinstance(self.users, tuple) else self.users)

    def take(self, which: slice | npt.NDArray[np.int64]) -> Rows:
        """Those of the rows, in that order; of a slice, views. Of rows of codes."""
        return Rows(
            self.users[which],
            self.items[which],
            None if self.times is None else self.times[which],
            None if self.positive is None else self.positive[which],
        )

    def to_arrow(self) -> pa.RecordBatch:
        """As a batch."""
        columns = {"users": _ids_to_arrow(self.users), "items": _ids_to_arrow(self.items)}
        if self.times is not None:
            columns["times"] = from_numpy(self.times)
        if self.positive is not None:
            columns["positive"] = from_numpy(self.positive.view(np.uint8))
        return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    @classmethod
    def from_arrow(cls, batch: pa.RecordBatch) -> Rows:
        """What ``to_arrow`` made."""
        has = set(batch.schema.names)
        return cls(
            _ids_from_arrow(batch.column("users")),
            _ids_from_arrow(batch.column("items")),
            as_numpy(batch.column("times")) if "times" in has else None,
            as_numpy(batch.column("positive")).view(np.bool_) if "positive" in has else None,
        )


@dataclass(frozen=True, eq=False)
class Gathered:
    """Rows of codes of a range of users, who are counted from its first.

    Attributes
    ----------
    users, items : int32, shape (n,)
    times : int64, shape (n,), or None
    positive : bool, shape (n,), or None
    """

    users: Codes
    items: Codes
    times: npt.NDArray[np.int64] | None
    positive: npt.NDArray[np.bool_] | None

    @classmethod
    def room_for(cls, n_rows: int, *, times: bool, positive: bool) -> Gathered:
        """Room for so many rows."""
        return cls(
            np.empty(n_rows, np.int32),
            np.empty(n_rows, np.int32),
            np.empty(n_rows, np.int64) if times else None,
            np.empty(n_rows, bool) if positive else None,
        )

    def __len__(self) -> int:
        return len(self.users)

    def put(self, begin: int, rows: Gathered | Rows) -> int:
        """Copy rows to where they begin; where they end."""
        here = slice(begin, end := begin + len(rows))
        self.users[here] = rows.users
        self.items[here] = rows.items
        if self.times is not None and rows.times is not None:
            self.times[here] = rows.times
        if self.positive is not None and rows.positive is not None:
            self.positive[here] = rows.positive
        return end

    def first(self, n_rows: int) -> Gathered:
        """The first of the rows: views."""
        times = None if self.times is None else self.times[:n_rows]
        positive = None if self.positive is None else self.positive[:n_rows]
        return Gathered(self.users[:n_rows], self.items[:n_rows], times, positive)


class RowStore:
    """Keeps the rows of a log, in their order; spilled ones can be gone through again.

    Parameters
    ----------
    limit : int
        Bytes kept in memory; beyond, all rows are in a spill file.
    folder : str or None
        Where that file is.
    has_times, has_positive : bool
        Which columns the rows have.

    Attributes
    ----------
    n_bytes : int
        Of all rows, wherever they are.
    """

    def __init__(self, limit: int, folder: str | None, *, has_times: bool, has_positive: bool) -> None:
        self.has_times, self.has_positive = has_times, has_positive
        self._limit, self.folder = limit, folder
        self.n_bytes = self._count = 0
        self._kept: list[Rows] = []
        self._spill: SpillFile | None = None
        self._extents: list[Extent] = []

    def __len__(self) -> int:
        return self._count

    @property
    def is_spilled(self) -> bool:
        """Whether the rows are in a file."""
        return self._spill is not None

    def append(self, rows: Rows) -> None:
        """Add rows."""
        self._kept.append(rows)
        self._count += len(rows)
        self.n_bytes += _size(rows.users) + _size(rows.items) + _size(rows.times) + _size(rows.positive)
        if self._spill is None and self.n_bytes > self._limit:
            self._spill = SpillFile(self.folder)
        if self._spill is not None:
            self._extents.extend(self._spill.write(kept.to_arrow()) for kept in self._kept)
            self._kept.clear()

    def __iter__(self) -> Iterator[Rows]:
        yield from self._kept
        if self._spill is not None:
            for extent in self._extents:
                yield Rows.from_arrow(self._spill.read(extent))

    def drain(self) -> Iterator[Rows]:
        """The rows, each batch forgotten as it is given."""
        kept, self._kept = self._kept, []
        return drained(kept)

    def close(self) -> None:
        """Forget the rows."""
        self._kept.clear()
        if self._spill is not None:
            self._spill.close()


def drained(pieces: list[Rows]) -> Iterator[Rows]:
    """The pieces, each forgotten as it is given."""
    pieces.reverse()
    while pieces:
        yield pieces.pop()


def _size(values: RawIds | npt.NDArray[np.generic] | None) -> int:
    if values is None:
        return 0
    return values[0].nbytes + values[1].nbytes if isinstance(values, tuple) else values.nbytes


def _ids_to_arrow(ids: RawIds) -> pa.Array:
    if isinstance(ids, tuple):
        return pa.DictionaryArray.from_arrays(from_numpy(ids[1]), ids[0])
    return from_numpy(ids)


def _ids_from_arrow(column: pa.Array) -> RawIds:
    if pa.types.is_dictionary(column.type):
        return column.dictionary, as_numpy(column.indices)
    values: npt.NDArray[np.int64] = as_numpy(column)
    return values
