"""Rows from a Parquet file, its page checksums verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from negprep.arrow import first_failure
from negprep.errors import BadDataError
from negprep.read.columns import refuse_duplicates
from negprep.read.sources import Piece, Source, machine_errors, one_line
from negprep.threads import one_ahead

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_ROWS = 1 << 17
_BUFFER = 1 << 20


@dataclass(frozen=True)
class ParquetInput:
    """One Parquet file, ready to be read.

    ``footer`` has the metadata of the file, ``int96`` its columns of times of 96 bits, as Spark, Hive and Impala write
    them; ``warnings`` stay empty.
    """

    source: Source
    schema: pa.Schema
    names: tuple[str, ...]
    footer: dict[bytes, bytes]
    int96: frozenset[str] = frozenset()
    warnings: list[str] = field(default_factory=list)

    def pieces(self, columns: dict[str, str]) -> Iterator[Callable[[], Piece]]:
        """The rows of the columns, by role, as functions that give a batch each."""
        names = list(dict.fromkeys(columns.values()))
        # A long string that repeats is kept once.
        text = [
            name for name in names if self.schema.field(name).type in (pa.string(), pa.large_string(), pa.string_view())
        ]
        int96 = [name for name in names if name in self.int96]
        if int96:
            self._check_range(int96)
        first = 0
        with readable(self.source), opened(self.source, text) as file:
            groups = (
                file.iter_batches(_ROWS, row_groups=[group], columns=names) for group in range(file.num_row_groups)
            )
            for batch in one_ahead(chain.from_iterable(groups), name="negprep-read"):
                arrays = {role: batch.column(batch.schema.get_field_index(name)) for role, name in columns.items()}
                yield partial(Piece, arrays, partial(self._place, first))
                first += batch.num_rows

    def _check_range(self, names: list[str]) -> None:
        """Refuse a time of 96 bits that is out of range: as nanoseconds, Arrow wraps it."""
        first = 0
        with readable(self.source), opened(self.source, [], coerce_int96_timestamp_unit="s") as file:
            for batch in file.iter_batches(_ROWS, columns=names):
                for column in batch.columns:
                    row = first_failure(column, lambda part: part.cast("timestamp[ns]"))
                    if row is not None:
                        what = f"the time {column.slice(row, 1).cast('string')[0]} is out of range"
                        remedy = "times reach from 1677-09-21 to 2262-04-11"
                        raise BadDataError(what, place=self._place(first, row), remedy=remedy)
                first += batch.num_rows

    def _place(self, first: int, row: int) -> str:
        return f"{self.source.name}: {row_number(first, row)}"


def parquet_input(source: Source) -> ParquetInput:
    """Open a Parquet file for its schema; ``BadDataError`` if it is damaged, or a name is there twice or not UTF-8."""
    with readable(source), opened(source, []) as file:
        schema = file.schema_arrow
        names = tuple(schema.names)
        leaves = [file.schema.column(number) for number in range(len(file.schema))]
        int96 = frozenset(leaf.path for leaf in leaves if leaf.physical_type == "INT96")
    refuse_duplicates(names, source.name)
    return ParquetInput(source, schema, names, dict(schema.metadata or {}), int96)


@contextmanager
def opened(source: Source, text: list[str], **options: Any) -> Iterator[pq.ParquetFile]:  # noqa: ANN401
    """The file, with ``text`` columns dictionary-encoded; further options are those of pyarrow."""
    import pyarrow.parquet as pq

    with (
        source.raw() as raw,
        pq.ParquetFile(
            source.path if source.spool is None else raw,
            read_dictionary=text,
            buffer_size=_BUFFER,
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
        remedy = "is it cut short or damaged? Copy or make it again"
        raise BadDataError(f"unreadable Parquet: {one_line(error)}", place=source.name, remedy=remedy) from None


def row_number(first: int, row: int) -> str:
    """A row, counted from 0, in the words of messages."""
    return f"row {first + row + 1}"
