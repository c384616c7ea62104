"""The kinds of files that hold rows: how each begins, and what its name ends in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from negprep.forms import ending_of
from negprep.writing.parquet import ROW_GROUP_ROWS, ParquetStream
from negprep.writing.text import TextStream

if TYPE_CHECKING:
    import pyarrow as pa

    from negprep.forms import FormName
    from negprep.writing.sink import Sink


class RowStream(Protocol):
    """A file that takes rows in order."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next rows; their memory must not change afterwards."""

    def end_rows(self) -> None:
        """Write the rows that are left."""

    def close(self, metadata: dict[str, str]) -> None:
        """Complete the file, with `metadata` where it has a place for it."""

    def discard(self) -> None:
        """Write nothing more."""


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes
    ----------
    ending : str
        Of part files.
    separator : str or None
        Of the fields of a text; None: it is Parquet.
    compressed : bool
        Whether the text is compressed by gzip.
    row_group_rows : int
        Rows of a row group of Parquet.
    """

    ending: str = ".parquet"
    separator: str | None = None
    compressed: bool = False
    row_group_rows: int = ROW_GROUP_ROWS

    @property
    def is_text(self) -> bool:
        """Whether it can be shown on a terminal, and has no place for metadata."""
        return self.separator is not None

    def stream(self, sink: Sink, schema: pa.Schema) -> RowStream:
        """Begin a file for rows of a schema."""
        if self.separator is None:
            return ParquetStream(sink, schema, self.row_group_rows)
        return TextStream(sink, schema.names, self.separator, compressed=self.compressed)


def kind_of(form: FormName, name: str, row_group_rows: int = ROW_GROUP_ROWS) -> Kind:
    """The kind of a file of that form and name; of the vocabularies, where the form has files of its own."""
    if form == "parquet":
        return Kind(row_group_rows=row_group_rows)
    compressed = not name.endswith("/") and name.lower().endswith(".gz")
    return Kind(".csv" if form == "csv" else ".tsv", "," if form == "csv" else "\t", compressed=compressed)


def kind_beside(name: str) -> Kind:
    """The kind of a file beside an output, whose name follows that of the output."""
    ending = ending_of(name)
    if ending in ("", ".parquet"):
        return Kind()
    return kind_of("csv" if ending.startswith(".csv") else "tsv", name)
