"""An output that is a folder of part files."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from negprep.writing.destination import METADATA, refuse_contents
from negprep.writing.output import Output
from negprep.writing.parquet import ROW_GROUP_ROWS
from negprep.writing.sink import PathSink, machine_errors
from negprep.writing.staging import PARTS, Staging, complete, final_mode, make_file, settle, sweep, sync_folder
from negprep.writing.text import TextStream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from negprep.writing.destination import Destination
    from negprep.writing.document import Document
    from negprep.writing.kind import Kind, RowStream

PART_ROWS = 8 * ROW_GROUP_ROWS
"""About how many rows a part file should have. It ends where `Output.next_part` says, between two users."""


class Part:
    """A part file, which another thread than that of its output may fill."""

    def __init__(self, stream: RowStream, place: str) -> None:
        self.rows_written = 0
        self._stream, self._place = stream, place

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next rows of the part."""
        with machine_errors(self._place):
            self._stream.write(batch)
        self.rows_written += batch.num_rows

    def end(self) -> None:
        """Complete the rows; the footer waits for `FolderOutput.finish`."""
        with machine_errors(self._place):
            self._stream.end_rows()


class NamedText:
    """A text of its own within a folder."""

    def __init__(self, stream: TextStream, place: str) -> None:
        self._stream, self._place = stream, place

    def write_fields(self, fields: Sequence[pa.Array]) -> None:
        """Take the next lines, as `TextStream.write_fields` does."""
        with machine_errors(self._place):
            self._stream.write_fields(fields)

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next rows."""
        with machine_errors(self._place):
            self._stream.write(batch)


class FolderOutput(Output):
    """``part-00000.parquet``, ``part-00001.parquet`` ..., ``_SUCCESS``: built as a hidden folder beside the target.

    It takes the target's name in one step. With `force`, an earlier output moves away just before, is put back if that
    step fails, and is removed afterwards. Text has no footer: beside it, ``_negprep.json`` holds the metadata.
    """

    def __init__(self, destination: Destination, schema: pa.Schema, *, kind: Kind, force: bool) -> None:
        super().__init__(destination, schema, kind=kind)
        self._force = force
        self._staging = Staging(destination.path)
        self._folder = self._staging.path(PARTS)
        self._parts: list[RowStream] = []
        self._part: RowStream | None = None
        self._inner, self._first = "", 0
        self._named: list[TextStream] = []

    def open(self) -> None:
        """Make the hidden folder."""
        sweep(self._destination.path)
        refuse_contents(self._destination, force=self._force)
        self._staging.open()
        self._folder.mkdir(mode=0o700)

    def next_part(self) -> None:
        """Complete the rows of the part file; its footer waits for `finish`."""
        if self._part is not None:
            with machine_errors(self._destination.place):
                self._part.end_rows()
            self._part = None

    def start_part(self, folder: str = "") -> Part:
        """Begin a part that may be filled while others are, within a folder of that name, where one is given."""
        self.next_part()
        if folder != self._inner:
            self._inner, self._first = folder, len(self._parts)
            with machine_errors(self._destination.place):
                (self._folder / folder).mkdir(mode=0o700)
        with machine_errors(self._destination.place):
            part, self._part = Part(self._current(), self._destination.place), None
        return part

    def start_text(self, name: str, header: Sequence[str] = (), separator: str = "\t") -> NamedText:
        """Begin a text of that name, in place of parts."""
        with machine_errors(self._destination.place):
            make_file(self._folder / name)
        stream = TextStream(PathSink(self._folder / name), header, separator)
        self._streams.append(stream)
        self._named.append(stream)
        return NamedText(stream, self._destination.place)

    def write_beside(self, suffix_name: str, table: pa.Table) -> None:
        """Add a file whose name begins with an underscore."""
        self._write_table(self._folder / f"_{suffix_name}{self._kind.ending}", table)

    def finish(self, metadata: dict[str, str], companion: Document | None = None) -> None:
        """Complete all part files, and give the folder its name."""
        path = self._destination.path
        with machine_errors(self._destination.place):
            if not self._parts and not self._named:
                self._current()
            for part in [*self._parts, *self._named]:
                part.close(metadata)
            if self._kind.is_text:
                make_file(self._folder / METADATA)
                PathSink(self._folder / METADATA).write(f"{metadata.get('negprep', '{}')}\n".encode())
            make_file(self._folder / "_SUCCESS")
            mode, inner_mode = (final_mode(self._folder / "new", full) for full in (0o666, 0o777))
            for held in sorted(self._folder.rglob("*"), reverse=True):
                settle(held, inner_mode if held.is_dir() else mode)
            settle(self._folder, final_mode(path, 0o777))
            if companion is not None:
                companion.stage()
            refuse_contents(self._destination, force=self._force)
            complete()
            with ExitStack() as undo:
                if companion is not None:
                    companion.exchange(undo, decider=self._folder)
                self._staging.exchange(PARTS, undo, decider=self._folder)
            sync_folder(path.parent)

    def close(self) -> None:
        """Remove what is unfinished."""
        super().close()
        self._staging.close()

    def _current(self) -> RowStream:
        if self._part is None:
            path: Path = self._folder / self._inner / f"part-{len(self._parts) - self._first:05}{self._kind.ending}"
            make_file(path)
            self._part = self._add(PathSink(path), self._schema)
            self._parts.append(self._part)
        return self._part
