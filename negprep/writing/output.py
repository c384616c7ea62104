"""What all kinds of output share: rows in, and nothing to see before the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from negprep.writing.sink import PathSink, machine_errors
from negprep.writing.staging import make_file

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from negprep.writing.destination import Destination
    from negprep.writing.document import Document
    from negprep.writing.kind import Kind, RowStream
    from negprep.writing.sink import Sink


class Output(ABC):
    """Where rows go, in order.

    Attributes
    ----------
    rows_written : int
        Rows taken so far.
    """

    def __init__(self, destination: Destination, schema: pa.Schema, *, kind: Kind) -> None:
        self.rows_written = 0
        self._destination = destination
        self._schema = schema
        self._kind = kind
        self._streams: list[RowStream] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next rows: a batch of any size, whose memory must not change afterwards."""
        if batch.num_rows:
            with machine_errors(self._destination.place):
                self._current().write(batch)
            self.rows_written += batch.num_rows

    @abstractmethod
    def next_part(self) -> None:
        """Let the next rows begin a new part file, if this one has any. Nothing happens where there are no parts."""

    @abstractmethod
    def write_beside(self, suffix_name: str, table: pa.Table) -> None:
        """Add a file of the same kind that belongs to the output.

        Beside ``out.parquet``, "users" is ``out.users.parquet``; in a folder, ``_users.parquet``, which readers of
        folders skip.

        Raises
        ------
        UsageError
            If the output is a stream.
        """

    @abstractmethod
    def finish(self, metadata: dict[str, str], companion: Document | None = None) -> None:
        """End the output, with `metadata` in the footer of the file or of every part (or, in a folder
        of text, in ``_negprep.json``), and make it visible.

        All files of an output appear or, after an error, none; the one that everybody looks for is last. The
        `companion`, a document elsewhere, appears with them; it is made when all rows are on the disk.
        """

    @abstractmethod
    def open(self) -> None:
        """Make what the first rows need. For `open_output`."""

    def close(self) -> None:
        """Remove whatever is unfinished. For `open_output`."""
        for stream in self._streams:
            stream.discard()

    @abstractmethod
    def _current(self) -> RowStream:
        """What takes the next rows."""

    def _add(self, sink: Sink, schema: pa.Schema, kind: Kind | None = None) -> RowStream:
        stream = (kind or self._kind).stream(sink, schema)
        self._streams.append(stream)
        return stream

    def _write_table(self, path: Path, table: pa.Table, kind: Kind | None = None) -> None:
        with machine_errors(self._destination.place):
            make_file(path)
            stream = self._add(PathSink(path), table.schema, kind)
            for batch in table.to_batches():
                stream.write(batch)
            stream.close({})
