"""Rows from a table in memory: Arrow or pandas. It is never changed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from negprep.errors import BadDataError
from negprep.read.columns import WATCHED, refuse_duplicates
from negprep.read.pieces import Piece
from negprep.read.sources import one_line

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


_ROWS = 1 << 18


def place_in_memory(first: int, row: int) -> str:
    """``row 17``, counted from 1."""
    return f"row {first + row + 1}"


@dataclass(frozen=True)
class TableInput:
    """An Arrow table.

    Attributes
    ----------
    table : pa.Table
    warnings : list of str
        Stays empty.
    """

    table: pa.Table
    warnings: list[str]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(self.table.column_names)

    @property
    def footer(self) -> dict[bytes, bytes]:
        """The metadata of the table."""
        return dict(self.table.schema.metadata or {})

    def pieces(self, columns: dict[str, str]) -> Iterator[Callable[[], Piece]]:
        """The rows, as functions that give a batch each."""
        chosen = self.table.select(list(columns.values()))
        first = 0
        for batch in chosen.to_batches(max_chunksize=_ROWS):
            arrays = dict(zip(columns, batch.columns, strict=True))
            yield partial(Piece, arrays, partial(place_in_memory, first), {})
            first += batch.num_rows


@dataclass(frozen=True)
class FrameInput:
    """A pandas frame, and the named levels of its index.

    Attributes
    ----------
    frame : pd.DataFrame
    warnings : list of str
        Stays empty.
    """

    frame: pd.DataFrame
    warnings: list[str]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(str(name) for name in self.frame.columns)

    @property
    def spare(self) -> tuple[str, ...]:
        """The named levels of the index, but for those whose name is a column's."""
        return tuple(str(name) for name in self.frame.index.names if name is not None and str(name) not in self.names)

    @property
    def footer(self) -> dict[bytes, bytes]:
        """A frame has none."""
        return {}

    def pieces(self, columns: dict[str, str]) -> Iterator[Callable[[], Piece]]:
        """The rows, as functions that convert a slice each."""
        for first in range(0, len(self.frame), _ROWS):
            yield partial(self._piece, columns, first)

    def _piece(self, columns: dict[str, str], first: int) -> Piece:
        import pyarrow as pa

        arrays = {}
        rows = self.frame.iloc[first : first + _ROWS]
        for role, name in columns.items():
            series: Any
            if name in self.names:
                series = rows.iloc[:, self.names.index(name)]
            else:
                levels = [str(level) for level in rows.index.names]
                series = rows.index.get_level_values(levels.index(name)).to_series()
            if type(series.dtype).__name__ == "SparseDtype":
                series = series.sparse.to_dense()
            try:
                arrays[role] = pa.Array.from_pandas(series)
            except (pa.ArrowException, OverflowError) as error:
                if role.startswith(WATCHED):  # of which nothing is refused
                    arrays[role] = pa.Array.from_pandas(series.astype(str))
                    continue
                what = f"the column {name!r} holds mixed types: {one_line(error)}"
                raise BadDataError(what, remedy="make it one type, such as str") from None
        return Piece(arrays, partial(place_in_memory, first), {})


def memory_input(table: Any) -> TableInput | FrameInput:  # noqa: ANN401 - pandas may not be imported
    """The input over ``table``, a ``pa.Table`` or a pandas frame.

    Raises
    ------
    TypeError
        It is something else.
    """
    import pyarrow as pa

    pandas = sys.modules.get("pandas")
    made: TableInput | FrameInput
    if isinstance(table, pa.Table):
        made = TableInput(table, [])
    elif pandas is not None and isinstance(table, pandas.DataFrame):
        made = FrameInput(table, [])
    else:
        raise TypeError(f"a log is a path, a pyarrow.Table or a pandas.DataFrame, not {type(table).__name__}")
    refuse_duplicates(made.names, "the table")
    return made
