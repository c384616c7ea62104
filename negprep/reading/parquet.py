"""Rows from a Parquet file: the asked columns only, page checksums verified, a few pages in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from negprep.errors import BadDataError
from negprep.reading.columns import refuse_duplicates
from negprep.reading.pieces import Piece
from negprep.reading.sources import Source, machine_errors, one_line
from negprep.threads import one_ahead

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_ROWS = 1 << 17
_BUFFER = 1 << 20


@dataclass(frozen=True)
class ParquetInput:
    """One Parquet file, ready to be read.

    Attributes
    ----------
    source : Source
    schema : pa.Schema
    warnings : list of str
        Stays empty.
    """

    source: Source
    schema: pa.Schema
    warnings: list[str]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(self.schema.names)

    @property
    def footer(self) -> dict[bytes, bytes]:
        """Keys and values of the footer."""
        return dict(self.schema.metadata or {})

    def pieces(self, columns: dict[str, str]) -> Iterator[Callable[[], Piece]]:
        """The rows, as functions that give a batch each.

        Parameters
        ----------
        columns : dict of str to str
            Role to the column to read.
        """
        import pyarrow as pa

        names = list(dict.fromkeys(columns.values()))
        # A long string that repeats is kept once.
        text = [
            name for name in names if self.schema.field(name).type in (pa.string(), pa.large_string(), pa.string_view())
        ]
        first = 0
        with readable(self.source), opened(self.source, text) as file:
            groups = (
                file.iter_batches(_ROWS, row_groups=[group], columns=names) for group in range(file.num_row_groups)
            )
            for batch in one_ahead(chain.from_iterable(groups), name="negprep-read"):
                arrays = {role: batch.column(batch.schema.get_field_index(name)) for role, name in columns.items()}
                yield partial(Piece, arrays, partial(self._place, first), {})
                first += batch.num_rows

    def _place(self, first: int, row: int) -> str:
        return f"{self.source.name}: row {first + row + 1}"


def parquet_input(source: Source) -> ParquetInput:
    """Open a Parquet file for its schema.

    Raises
    ------
    BadDataError
        The file is cut or damaged, or names two columns alike.
    """
    with readable(source), opened(source, []) as file:
        schema = file.schema_arrow
    refuse_duplicates(schema.names, source.name)
    return ParquetInput(source, schema, [])


@contextmanager
def opened(source: Source, text: list[str]) -> Iterator[pq.ParquetFile]:
    """The file, with ``text`` columns dictionary-encoded."""
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
        ) as file,
    ):
        yield file


@contextmanager
def readable(source: Source) -> Iterator[None]:
    """Turn what pyarrow objects to into ``BadDataError``."""
    import pyarrow as pa

    try:
        with machine_errors(source.name):
            yield
    except pa.ArrowMemoryError:
        raise
    except (pa.ArrowException, OSError) as error:
        if "Failed to launch worker thread" in str(error):  # the machine's fault, not the file's
            raise
        remedy = "is it cut short or damaged? Copy or make it again"
        raise BadDataError(f"unreadable Parquet: {one_line(error)}", place=source.name, remedy=remedy) from None
