"""An output that is one file."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from negprep.writing.kind import kind_beside
from negprep.writing.output import Output
from negprep.writing.sink import Sink, machine_errors
from negprep.writing.staging import Staging, complete, final_mode, settle, sweep, sync_folder

if TYPE_CHECKING:
    import pyarrow as pa

    from negprep.writing.destination import Destination
    from negprep.writing.document import Document
    from negprep.writing.kind import Kind, RowStream


class FileOutput(Output):
    """One file, built under a temporary name beside its own, as are the files that belong to it."""

    def __init__(self, destination: Destination, schema: pa.Schema, *, kind: Kind) -> None:
        super().__init__(destination, schema, kind=kind)
        self._staging = Staging(destination.path)
        self._beside: list[str] = []

    def open(self) -> None:
        """Make the temporary."""
        sweep(self._destination.path)
        self._add(Sink(self._staging.open()), self._schema)

    def next_part(self) -> None:
        """Do nothing: there is one part."""

    def write_beside(self, suffix_name: str, table: pa.Table) -> None:
        """Add a file beside the target, under a temporary name for now."""
        self._write_table(self._staging.path(suffix_name), table, kind_beside(self._staging.final(suffix_name).name))
        self._beside.append(suffix_name)

    def finish(self, metadata: dict[str, str], companion: Document | None = None) -> None:
        """Complete the file and give it its name."""
        temporary, path = self._staging.path(), self._destination.path
        with machine_errors(self._destination.place):
            self._current().close(metadata)
            for name in self._beside:
                settle(self._staging.path(name), final_mode(self._staging.final(name), 0o666))
            settle(temporary, final_mode(path, 0o666))
            if companion is not None:
                companion.stage()
            complete()
            with ExitStack() as undo:
                for name in self._beside:
                    self._staging.exchange(name, undo, decider=temporary)
                if companion is not None:
                    companion.exchange(undo, decider=temporary)
                temporary.replace(path)
            sync_folder(path.parent)

    def close(self) -> None:
        """Remove what is unfinished."""
        super().close()
        self._staging.close()

    def _current(self) -> RowStream:
        return self._streams[0]
