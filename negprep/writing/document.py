"""A small output that is made in memory: a file that appears whole or not at all, perhaps together with another."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from negprep.writing.destination import STANDARD_OUTPUT, locate
from negprep.writing.sink import PathSink, Sink, machine_errors
from negprep.writing.staging import PARTS, Staging, complete, final_mode, make_file, settle, sweep, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack
    from pathlib import Path


class Document:
    """A document on its way: staged, then given its name.

    A pipe or a device has no temporary: what is staged is sent.

    Parameters
    ----------
    target : str
        A file, or ``-`` for standard output.
    content : callable
        Makes the document, once, when it is staged.
    elsewhere : str, optional
        How to give it another place, for messages; None: it is the output itself.
    """

    def __init__(self, target: str, content: Callable[[], bytes], elsewhere: str | None = None) -> None:
        self._target, self._content = target, content
        place = "standard output" if target == "-" else target
        self._errors = (place,) if elsewhere is None else (place, elsewhere)
        self._path: Path | None = None
        self._staging: Staging | None = None

    def stage(self) -> None:
        """Write it under a temporary name, and have the disk confirm it.

        Raises
        ------
        OutputError
            If the machine refuses. What was there before is still there.
        """
        with machine_errors(*self._errors):
            destination = locate(self._target)
            content = self._content()
            if destination.is_standard_output:
                Sink(STANDARD_OUTPUT).write(content)
            elif destination.kind == "stream":
                descriptor = os.open(destination.path, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
                try:
                    Sink(descriptor).write(content)
                finally:
                    os.close(descriptor)
            else:
                self._stage_file(destination.path, content)

    def _stage_file(self, path: Path, content: bytes) -> None:
        sweep(path)
        self._path, self._staging = path, Staging(path)
        self._staging.open()
        make_file(self._staging.path(PARTS))
        PathSink(self._staging.path(PARTS)).write(content)
        settle(self._staging.path(PARTS), final_mode(path, 0o666))

    def exchange(self, undo: ExitStack, *, decider: Path) -> None:
        """Give what is staged its name, until `undo` ends while `decider`, a temporary, still has its own."""
        if self._path is not None and self._staging is not None:
            with machine_errors(*self._errors):
                self._staging.exchange(PARTS, undo, decider=decider)
                sync_folder(self._path.parent)

    def publish(self) -> None:
        """Give what is staged its name."""
        if self._path is not None and self._staging is not None:
            with machine_errors(*self._errors):
                complete()
                self._staging.path(PARTS).replace(self._path)
                sync_folder(self._path.parent)

    def close(self) -> None:
        """Remove what is unfinished."""
        if self._staging is not None:
            self._staging.close()


def write_document(target: str, content: bytes) -> None:
    """Write a file, or into a pipe or device as it is.

    Raises
    ------
    OutputError
        If the machine refuses. What was there before is still there.
    """
    document = Document(target, lambda: content)
    try:
        document.stage()
        document.publish()
    finally:
        document.close()
