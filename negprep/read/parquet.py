"""Rows from a Parquet file, its page checksums verified."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from negprep.arrow import first_failure
from negprep.errors import BadDataError
from negprep.read.columns import refuse_duplicates
from negprep.read.nested import Leaf, innermost, leaves_of
from negprep.read.sources import Bounds, Known, Piece, Source, machine_errors, one_line
from negprep.stores import of_store, refusal
from negprep.threads import one_ahead

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_ROWS = 1 << 17
_TEXT_ROWS = 1 << 20
_TEXT_BYTES = 1 << 24
_BUFFER = 1 << 20
_REQUEST = 1 << 22


@dataclass(frozen=True)
class ParquetInput:
    """One Parquet file, ready to be read.

    ``footer`` has the metadata of the file, without those of pandas; ``int96`` its columns of times of 96 bits, as
    Spark, Hive and Impala write them; ``nested`` the leaves of columns of lists and objects, by name, ``leaves`` the
    path of each in the file; ``is_small``: it has one row group, of a batch at most; ``warnings`` stay empty.
    """

    source: Source
    schema: pa.Schema
    names: tuple[str, ...]
    footer: dict[bytes, bytes]
    int96: frozenset[str] = frozenset()
    nested: dict[str, Leaf] = field(default_factory=dict)
    leaves: dict[str, str] = field(default_factory=dict)
    is_small: bool = False
    warnings: list[str] = field(default_factory=list)

    def pieces(
        self, columns: dict[str, str], skips: Callable[[int, Known], bool] | None = None
    ) -> Iterator[Callable[[], Piece]]:
        """The rows of the columns or leaves, by role, as functions that give a batch each: of a leaf its column.

        That has no other leaves than those that are wanted. ``skips`` may leave out a row group, by its number of rows
        and what the statistics tell of its columns.
        """
        wanted = dict.fromkeys(columns.values())
        names = [self.leaves.get(name, name) for name in wanted]
        above = {name: self.nested[name].column if name in self.leaves else name for name in wanted}
        # A long string that repeats is kept once.
        kinds = [self.nested[name].kind if name in self.leaves else self.schema.field(name).type for name in wanted]
        text = [
            name
            for name, kind in zip(names, kinds, strict=True)
            if kind in (pa.string(), pa.large_string(), pa.string_view())
        ]
        int96 = [name for name in names if name in self.int96]
        if int96:
            self._check_range(int96)
        with readable(self.source), opened(self.source, text) as file:
            for run in _runs(file, skips):
                first = sum(file.metadata.row_group(group).num_rows for group in range(run[0]))
                groups = (
                    file.iter_batches(self._batch_rows(file, group, wanted, text), row_groups=[group], columns=names)
                    for group in run
                )
                batches = chain.from_iterable(groups)
                for batch in batches if self.is_small else one_ahead(batches, name="negprep-read"):
                    arrays = {
                        role: batch.column(batch.schema.get_field_index(above[name])) for role, name in columns.items()
                    }
                    yield partial(Piece, arrays, partial(self._place, first))
                    first += batch.num_rows

    def _batch_rows(self, file: pq.ParquetFile, group: int, wanted: Iterable[str], text: list[str]) -> int:
        """How many rows to read at a time: fewer where they have lists, in proportion to what these hold.

        More where they have text of few bytes: the distinct values of each batch are looked up once.
        """
        numbers = [self.nested[name].number for name in wanted if name in self.leaves]
        about = file.metadata.row_group(group)
        if numbers:
            held: int = max(about.column(number).num_values for number in numbers)
            return max(1, min(_ROWS, _ROWS * int(about.num_rows) // max(held, 1)))
        columns = map(about.column, range(about.num_columns) if text else ())
        n_bytes = sum(column.total_uncompressed_size for column in columns if column.path_in_schema in text)
        return max(_ROWS, min(_TEXT_ROWS, _TEXT_BYTES * int(about.num_rows) // n_bytes)) if n_bytes else _ROWS

    def _check_range(self, names: list[str]) -> None:
        """Refuse a time of 96 bits that is out of range: as nanoseconds, Arrow wraps it."""
        first = 0
        with readable(self.source), opened(self.source, [], coerce_int96_timestamp_unit="s") as file:
            for batch in file.iter_batches(_ROWS, columns=names):
                for column in map(innermost, batch.columns):
                    row = first_failure(column, lambda part: part.cast("timestamp[ns]"))
                    if row is not None:
                        what = f"the time {column.slice(row, 1).cast('string')[0]} is out of range"
                        remedy = "times reach from 1677-09-21 to 2262-04-11"
                        raise BadDataError(what, place=self._place(first, row), remedy=remedy)
                first += batch.num_rows

    def _place(self, first: int, row: int) -> str:
        return f"{self.source.name}: {row_number(first, row)}"


def _runs(file: pq.ParquetFile, skips: Callable[[int, Known], bool] | None) -> Iterator[list[int]]:
    """The row groups to read, those in succession together."""
    run: list[int] = []
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number) if skips is not None else None
        if group is None or skips is None or not skips(group.num_rows, partial(_bounds, file, group)):
            run.append(number)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _bounds(file: pq.ParquetFile, group: Any, name: str) -> Bounds | None:  # noqa: ANN401
    """What the statistics of a row group tell of a column; None if nothing."""
    number = next((at for at in range(group.num_columns) if group.column(at).path_in_schema == name), None)
    found = None if number is None else group.column(number).statistics
    if found is None or name not in file.schema_arrow.names:
        return None
    kind = file.schema_arrow.field(name).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    # NaN is null to a condition, and not counted here.
    nulls = found.null_count if found.has_null_count and not pa.types.is_floating(kind) else None
    bounds = Bounds(group.num_rows, nulls)
    if not found.has_min_max or pa.types.is_uint64(kind) or pa.types.is_uint32(kind) or pa.types.is_float16(kind):
        return bounds
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        unit = _NANOSECONDS.get(str(json.loads(found.logical_type.to_json()).get("timeUnit")))
        unit = 86400 * 10**9 if found.logical_type.type == "DATE" else unit
        raw = found.min_raw, found.max_raw
        if unit is None or not all(isinstance(each, int) for each in raw):
            return bounds
        return replace(bounds, low=raw[0] * unit, high=raw[1] * unit, is_time=True)
    try:
        low, high = found.min, found.max
    except UnicodeDecodeError:  # cut within a character
        return bounds
    fits: type = float if pa.types.is_floating(kind) else str if _is_text(kind) else int
    if not (isinstance(low, fits) and isinstance(high, fits)) or low != low or high != high:  # NaN
        return bounds
    return replace(bounds, low=low, high=high, is_single=pa.types.is_float32(kind))


_NANOSECONDS = {"milliseconds": 10**6, "microseconds": 10**3, "nanoseconds": 1}


def _is_text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string(), pa.string_view())


def parquet_input(source: Source) -> ParquetInput:
    """Open a Parquet file for its schema; ``BadDataError`` if it is damaged, or a name is there twice or not UTF-8."""
    with readable(source), opened(source, []) as file:
        schema = file.schema_arrow
        names = tuple(schema.names)
        leaves = [file.schema.column(number) for number in range(len(file.schema))]
        int96 = frozenset(leaf.path for leaf in leaves if leaf.physical_type == "INT96")
        nested = leaves_of(zip(names, schema.types, strict=True))
        paths = {name: leaves[leaf.number].path for name, leaf in nested.items()}
        is_small = file.num_row_groups == 1 and file.metadata.num_rows <= _ROWS
        if is_small and nested:
            group = file.metadata.row_group(0)
            is_small = max(group.column(number).num_values for number in range(group.num_columns)) <= _ROWS
    refuse_duplicates(names, source.name)
    footer = {key: value for key, value in (schema.metadata or {}).items() if key != b"pandas"}
    return ParquetInput(source, schema, names, footer, int96, nested, paths, is_small)


@contextmanager
def opened(source: Source, text: list[str], **options: Any) -> Iterator[pq.ParquetFile]:  # noqa: ANN401
    """The file, with ``text`` columns dictionary-encoded; further options are those of pyarrow."""
    import pyarrow.parquet as pq

    is_remote = source.remote is not None
    with (
        source.remote.open_columns() if source.remote is not None else source.raw() as raw,
        pq.ParquetFile(
            source.path if source.spool is None and not is_remote else raw,
            read_dictionary=text,
            # A column is read by so many bytes at a time: each is a request to a store.
            buffer_size=_REQUEST if is_remote else _BUFFER,
            # Pre-buffering holds all compressed pages of the file.
            pre_buffer=False,
            page_checksum_verification=True,
            **options,
        ) as file,
    ):
        yield file


@contextmanager
def readable(source: Source) -> Iterator[None]:
    """Turn errors of pyarrow into ``BadDataError``."""
    try:
        with machine_errors(source.name):
            yield
    except pa.ArrowMemoryError:
        raise
    except UnicodeDecodeError as error:
        what = f"the column name {error.object!r} is not UTF-8"
        raise BadDataError(what, place=source.name, remedy="write the file again with other names") from None
    except (pa.ArrowException, OSError) as error:
        if "Failed to launch worker thread" in str(error):  # the machine's fault, not the file's
            raise
        if source.remote is not None and of_store(error):
            raise refusal(OSError(str(error)), source.name) from None
        remedy = "is it cut short or damaged? Copy or make it again"
        raise BadDataError(f"unreadable Parquet: {one_line(error)}", place=source.name, remedy=remedy) from None


def row_number(first: int, row: int) -> str:
    """A row, counted from 0, in the words of messages."""
    return f"row {first + row + 1}"
