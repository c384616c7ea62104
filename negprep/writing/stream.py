"""An output that is standard output, a named pipe or a device."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from negprep.errors import UsageError
from negprep.writing.destination import STANDARD_OUTPUT, refuse_terminal
from negprep.writing.output import Output
from negprep.writing.sink import Sink, machine_errors

if TYPE_CHECKING:
    import pyarrow as pa

    from negprep.writing.destination import Destination
    from negprep.writing.document import Document
    from negprep.writing.kind import Kind, RowStream


class StreamOutput(Output):
    """Bytes sent as they come, row group by row group.

    What was sent before an error cannot be taken back. Parquet lacks its footer then, and every reader refuses it; a
    text is cut short, which only the exit code tells.
    """

    def __init__(self, destination: Destination, schema: pa.Schema, *, kind: Kind) -> None:
        super().__init__(destination, schema, kind=kind)
        self._descriptor = STANDARD_OUTPUT

    def open(self) -> None:
        """Open the device or pipe."""
        if not self._kind.is_text:
            refuse_terminal(self._destination)
        if not self._destination.is_standard_output:
            self._descriptor = os.open(self._destination.path, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
        self._add(Sink(self._descriptor), self._schema)

    def next_part(self) -> None:
        """Do nothing: there is one part."""

    def write_beside(self, suffix_name: str, table: pa.Table) -> None:  # noqa: ARG002
        """Refuse: a stream has no place for a second file."""
        raise UsageError(
            f"is a stream, and the {suffix_name} need a file of their own",
            place=self._destination.place,
            remedy="name a file or a folder",
        )

    def finish(self, metadata: dict[str, str], companion: Document | None = None) -> None:
        """Send the last rows and the footer."""
        with machine_errors(self._destination.place):
            self._current().end_rows()
            if companion is not None:
                companion.stage()
            self._current().close(metadata)
            if companion is not None:
                companion.publish()

    def close(self) -> None:
        """Send nothing more."""
        super().close()
        if self._descriptor != STANDARD_OUTPUT:
            os.close(self._descriptor)

    def _current(self) -> RowStream:
        return self._streams[0]
