"""Rows from tables: Arrow tables and pandas frames in memory, what speaks Arrow's interfaces, Arrow files and streams.

An Arrow file (also called Feather or IPC) is a stream between two marks, with a footer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa

from negprep.errors import BadDataError
from negprep.read.columns import WATCHED, refuse_duplicates
from negprep.read.nested import Leaf, leaves_of
from negprep.read.parquet import ParquetInput, parquet_input, row_number
from negprep.read.sources import Piece, Source, machine_errors, one_line

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 1 << 18
_LOOKED_AT = 100
_FILE, _END = b"ARROW1\0\0", b"\xff\xff\xff\xff\0\0\0\0"

Slices: TypeAlias = Iterator[tuple[int, Callable[[], dict[str, pa.Array]]]]
"""The number of the first row of each slice, and what makes its columns, by role."""


@dataclass(frozen=True)
class MemoryInput:
    """A table in memory, which is never changed.

    ``spare`` are the named levels of a frame's index that are not columns as well; ``slices`` gives the number of the
    first row of each slice, and what makes its columns, by role; ``place`` stands for all rows, where their numbers
    mean nothing; ``nested`` has the leaves of columns of lists and objects, by name; ``warnings`` stay empty.
    """

    names: tuple[str, ...]
    slices: Callable[[dict[str, str]], Slices]
    spare: tuple[str, ...] = ()
    footer: dict[bytes, bytes] = field(default_factory=dict)
    place: str | None = None
    nested: dict[str, Leaf] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def pieces(self, columns: dict[str, str]) -> Iterator[Callable[[], Piece]]:
        """The rows of the columns, by role, as functions that convert a slice each."""
        for first, arrays in self.slices(columns):
            yield partial(self._piece, first, arrays)

    def _piece(self, first: int, arrays: Callable[[], dict[str, pa.Array]]) -> Piece:
        place = self.place
        return Piece(arrays(), partial(row_number, first) if place is None else lambda _: place)


def memory_input(table: Any) -> MemoryInput:  # noqa: ANN401 - pandas may not be imported
    """The input over a table in memory, or over anything that gives Arrow batches.

    ``table``: A ``pa.Table``, a pandas frame, a data set of pyarrow or Hugging Face, or an object with
      ``__arrow_c_stream__`` (Polars, DuckDB, a ``pa.RecordBatchReader``) or ``__arrow_c_array__``.
    Raises TypeError: It is something else.
    """
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(table, pandas.DataFrame):
        names = tuple(str(name) for name in table.columns)
        spare = tuple(str(name) for name in table.index.names if name is not None and str(name) not in names)
        made = MemoryInput(names, partial(_slices_of_frame, table, names), spare, nested=_nested_in(table, names))
    elif isinstance(table, pa.Table):
        made = _input_of(table.schema, partial(_slices_of_table, table))
    elif hasattr(table, "scanner"):  # a data set of pyarrow, which has only the columns read that are needed
        made = _input_of(table.schema, lambda columns: _slices(_scanned(table, columns), columns))
    elif hasattr(table, "with_format") and hasattr(table, "iter"):  # a data set of Hugging Face
        names = tuple(table.column_names or ())
        schema = getattr(getattr(table, "features", None), "arrow_schema", None)
        nested = {} if schema is None else leaves_of(zip(schema.names, schema.types, strict=True))
        made = MemoryInput(
            names, lambda columns: _slices(table.with_format("arrow").iter(_ROWS), columns), nested=nested
        )
    elif hasattr(table, "__arrow_c_stream__"):
        made = _input_of_stream(table)
    elif hasattr(table, "__arrow_c_array__"):
        batch = pa.record_batch(table)
        made = _input_of(batch.schema, partial(_slices_of_table, pa.Table.from_batches([batch])))
    else:
        remedy = ": collect it first" if hasattr(table, "collect") else ""
        raise TypeError(f"a log is a path, a table, a frame or a stream, not {type(table).__name__}{remedy}")
    refuse_duplicates(made.names, "the table")
    return made


def _input_of(schema: pa.Schema, slices: Callable[[dict[str, str]], Slices]) -> MemoryInput:
    names = tuple(schema.names)
    nested = leaves_of(zip(names, schema.types, strict=True))
    return MemoryInput(names, slices, footer=dict(schema.metadata or {}), nested=nested)


def _input_of_stream(source: Any) -> MemoryInput:  # noqa: ANN401
    """The input over an object that gives a stream: a new one for each reading, or one that is read once."""
    first = [_stream(source)]

    def slices(columns: dict[str, str]) -> Slices:
        is_again = not first
        if is_again and isinstance(source, pa.RecordBatchReader):
            raise _read_already()
        try:
            stream = _stream(source) if is_again else first.pop()
        except (pa.ArrowException, ValueError, RuntimeError) as error:
            raise (_read_already() if is_again else _unreadable("the stream", error)) from None
        return _slices(stream, columns)

    return _input_of(first[0].schema, slices)


def _stream(source: Any) -> pa.RecordBatchReader:  # noqa: ANN401
    return source if isinstance(source, pa.RecordBatchReader) else pa.RecordBatchReader.from_stream(source)


def _read_already() -> BadDataError:
    return BadDataError("the stream was read already", remedy="give a table: a stream is read once")


def _scanned(dataset: Any, columns: dict[str, str]) -> Iterable[pa.RecordBatch]:  # noqa: ANN401
    batches: Iterable[pa.RecordBatch] = dataset.scanner(list(dict.fromkeys(columns.values()))).to_batches()
    return batches


def _slices(tables: Iterable[pa.RecordBatch | pa.Table], columns: dict[str, str]) -> Slices:
    """The rows of batches or tables."""
    first, rows = 0, iter(tables)
    while True:
        try:
            table = next(rows, None)
        except pa.ArrowException as error:
            raise _unreadable("the stream", error) from None
        if table is None:
            return
        whole = pa.Table.from_batches([table]) if isinstance(table, pa.RecordBatch) else table
        for within, slice_ in _slices_of_table(whole, columns):
            yield first + within, slice_
        first += whole.num_rows


def _unreadable(place: str, error: Exception) -> BadDataError:
    remedy = "is it cut short or damaged? Make it again"
    return BadDataError(f"unreadable Arrow data: {one_line(error)}", place=place, remedy=remedy)


def _slices_of_table(table: pa.Table, columns: dict[str, str]) -> Slices:
    first = 0
    for batch in table.select(list(columns.values())).to_batches(max_chunksize=_ROWS):
        yield first, partial(dict, zip(columns, batch.columns, strict=True))
        first += batch.num_rows


def _slices_of_frame(frame: pd.DataFrame, names: tuple[str, ...], columns: dict[str, str]) -> Slices:
    for first in range(0, len(frame), _ROWS):
        yield first, partial(_converted, frame.iloc[first : first + _ROWS], names, columns)


def _converted(rows: pd.DataFrame, names: tuple[str, ...], columns: dict[str, str]) -> dict[str, pa.Array]:
    """Some rows of a frame as Arrow arrays, by role."""
    arrays = {}
    for role, name in columns.items():
        series: Any
        if name in names:
            series = rows.iloc[:, names.index(name)]
        else:
            series = rows.index.get_level_values([str(level) for level in rows.index.names].index(name)).to_series()
        if type(series.dtype).__name__ == "SparseDtype":
            series = series.sparse.to_dense()
        try:
            arrays[role] = pa.Array.from_pandas(series)
        except (pa.ArrowException, OverflowError) as error:
            if role.startswith(WATCHED):  # nothing in it is refused
                arrays[role] = pa.Array.from_pandas(series.astype(str))
                continue
            what = f"the column {name!r} holds mixed types: {one_line(error)}"
            raise BadDataError(what, remedy="make it one type, such as str") from None
        except UnicodeEncodeError as error:
            what = f"the column {name!r} holds {error.object[error.start]!r}, half a character"
            remedy = "was it read with errors='surrogateescape'? Read it in its encoding"
            raise BadDataError(what, remedy=remedy) from None
    return arrays


def _nested_in(frame: pd.DataFrame, names: tuple[str, ...]) -> dict[str, Leaf]:
    """The leaves of the columns whose first values are lists or objects, by name."""
    kinds = []
    for number, name in enumerate(names):
        column = frame.iloc[:, number]
        kind = getattr(column.dtype, "pyarrow_dtype", pa.null())
        if column.dtype == object:
            first = column.iloc[:_LOOKED_AT].dropna()
            first = first if len(first) else column.dropna().iloc[:_LOOKED_AT]
            if len(first) and (isinstance(first.iloc[0], list | tuple | dict) or hasattr(first.iloc[0], "dtype")):
                for some in (first.iloc[:1], first):
                    with suppress(pa.ArrowException, OverflowError, UnicodeEncodeError):  # found when it is read
                        kind = pa.Array.from_pandas(some).type
        kinds.append((name, kind))
    return leaves_of(kinds)


@dataclass(frozen=True)
class ArrowInput:
    """An Arrow file or stream, ready to be read.

    ``footer`` has the metadata of its schema; ``nested`` the leaves of columns of lists and objects, by name;
    ``warnings`` are known once it was read.
    """

    source: Source
    schema: pa.Schema
    names: tuple[str, ...]
    footer: dict[bytes, bytes]
    nested: dict[str, Leaf]
    warnings: list[str] = field(default_factory=list)

    def pieces(self, columns: dict[str, str]) -> Iterator[Callable[[], Piece]]:
        """The rows of the columns, by role, as functions that give a batch each."""
        first = 0
        fields = map(self.names.index, columns.values())
        with _readable(self.source), _opened(self.source, fields) as (_, batches):
            for batch in batches:
                batch.validate(full=True)  # or damaged offsets would be followed anywhere
                for begin in range(0, batch.num_rows, _ROWS):
                    rows = batch.slice(begin, _ROWS)
                    arrays = {role: rows.column(name) for role, name in columns.items()}
                    yield partial(Piece, arrays, partial(self._place, first + begin))
                first += batch.num_rows
        if not _has_end(self.source) and not self.warnings:
            what = "the Arrow stream has no mark at its end: was it cut short? --expect-rows N refuses such a log"
            self.warnings.append(f"{self.source.name}: {what}")

    def _place(self, first: int, row: int) -> str:
        return f"{self.source.name}: {row_number(first, row)}"


def table_input(source: Source) -> ParquetInput | ArrowInput:
    """Open Parquet, an Arrow file or a stream for its schema.

    Raises BadDataError: It is damaged, or a name is there twice.
    """
    return parquet_input(source) if source.parquet else arrow_input(source)


def arrow_input(source: Source) -> ArrowInput:
    """Open an Arrow file or stream for its schema; with the errors of ``table_input``."""
    with _readable(source), _opened(source) as (schema, _):
        pass
    names = tuple(schema.names)
    refuse_duplicates(names, source.name)
    nested = leaves_of(zip(names, schema.types, strict=True))
    return ArrowInput(source, schema, names, dict(schema.metadata or {}), nested)


@contextmanager
def _opened(
    source: Source, fields: Iterable[int] | None = None
) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """The schema and the batches; with ``fields``, of the columns of these numbers alone."""
    options = pa.ipc.IpcReadOptions(included_fields=None if fields is None else sorted(set(fields)))
    is_file = source.head.startswith(_FILE)
    with source.open() as content:
        if is_file and source.codec is None:
            file = pa.ipc.open_file(content, options=options)
            yield file.schema, map(file.get_batch, range(file.num_record_batches))
            return
        if is_file:  # a footer cannot be read ahead of what is decompressed before it
            content.read(len(_FILE))
        stream = pa.ipc.open_stream(content, options=options)
        yield stream.schema, iter(stream)


def _has_end(source: Source) -> bool:
    """Whether an uncompressed file ends as Arrow files and streams do; a codec finds by itself what was cut off."""
    if source.codec is not None:
        return True
    with source.raw() as raw:
        raw.seek(-len(_END), 2)
        tail = raw.read()
    return tail.endswith(_FILE[:6]) if source.head.startswith(_FILE) else tail in (_END, _END[4:] * 2)


@contextmanager
def _readable(source: Source) -> Iterator[None]:
    """Turn errors of pyarrow into ``BadDataError``."""
    try:
        with machine_errors(source.name):
            yield
    except pa.ArrowMemoryError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(source.name, error) from None
