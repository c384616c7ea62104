"""The way in: an OUTPUT as a user names it -> the output of that kind."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from negprep.writing.destination import locate
from negprep.writing.file import FileOutput
from negprep.writing.folder import FolderOutput
from negprep.writing.kind import Kind
from negprep.writing.sink import machine_errors
from negprep.writing.stream import StreamOutput

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from negprep.writing.output import Output


@contextmanager
def open_output(
    target: str,
    schema: pa.Schema,
    *,
    kind: Kind = Kind(),  # noqa: B008 - frozen
    force: bool = False,
) -> Iterator[Output]:
    """Open an output for rows of one schema.

    Parameters
    ----------
    target : str
        A file, a folder (ends in ``/``) or ``-``, standard output.
    schema : pyarrow.Schema
        Of every batch. Columns declared non-null take a fifth less time to write, and less to read.
    kind : Kind
        Of the file, or of its parts.
    force : bool
        Replace the earlier output that a folder holds.

    Yields
    ------
    Output

    Raises
    ------
    OutputError
        If the machine refuses: no space, no permission, a limit. Also from every method of the output.
    UsageError
        If a folder is not empty, or the stream is a terminal; see `check_output`.

    Notes
    -----
    Nothing is visible before `Output.finish`, and after an error or a signal everything is as it was. A stream is the
    exception: what was sent cannot be taken back, but it has no footer, so that no reader takes it for a whole file.

    A file that is replaced keeps its mode (not its owner) and, if `target` is a symbolic link to it, the link. A
    process that is killed leaves temporaries, whose names begin with a dot; the next run on that target removes them.
    Killed between the renames of a file and of those beside it, a moment without any other work, it can leave new
    ones beside the old file: two names cannot change in one step.
    """
    with machine_errors(target):
        destination = locate(target)
    output: Output
    if destination.kind == "file":
        output = FileOutput(destination, schema, kind=kind)
    elif destination.kind == "folder":
        output = FolderOutput(destination, schema, kind=kind, force=force)
    else:
        output = StreamOutput(destination, schema, kind=kind)
    try:
        with machine_errors(destination.place):
            output.open()
        yield output
    finally:
        output.close()
