"""Rows that outgrow memory, in one nameless file: it goes with the process, however that ends."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

import pyarrow as pa

from negprep.errors import OutputError

Extent = tuple[int, int]
"""Where something lies in the file: offset and length."""


def check_spill_folder(folder: str | None) -> None:
    """Refuse a ``--spill-dir`` that is not a folder, or cannot be written to."""
    if folder is not None and not Path(folder).is_dir():
        raise OutputError("is not a folder", place=folder, remedy="name one that is there with --spill-dir")
    if folder is not None:
        SpillFile(folder).close()


class SpillFile:
    """Arrow batches of any schemas, each an Arrow IPC stream, found again by their extents.

    ``folder``: Where the file is. None: where the system keeps temporary files.
    """

    def __init__(self, folder: str | None) -> None:
        self._folder = folder or tempfile.gettempdir()
        with self._named_errors():
            self._file: BinaryIO = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
        self._end = 0

    def write(self, batch: pa.RecordBatch) -> Extent:
        """Append a batch.

        Raises OutputError: The folder is full, or cannot be written to.
        """
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        rest = memoryview(sink.getvalue())
        extent = (self._end, len(rest))
        self._end += len(rest)
        with self._named_errors():
            self._file.seek(extent[0])
            while rest:
                rest = rest[self._file.write(rest) :]
        return extent

    def read(self, extent: Extent) -> pa.RecordBatch:
        """The batch at an extent."""
        with self._named_errors():
            self._file.seek(extent[0])
            content = bytearray(extent[1])
            view = memoryview(content)
            while view:
                view = view[self._file.readinto(view) :]  # type: ignore[attr-defined]
        return pa.ipc.open_stream(pa.py_buffer(content)).read_next_batch()

    def close(self) -> None:
        """Give the space back."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"cannot hold there what does not fit in memory: {error.strerror}",
                place=self._folder,
                remedy="name a folder with room with --spill-dir, or give more --memory",
            ) from error
