"""A file of bytes of any kind, whole under its name or not there at all."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from negprep.errors import UsageError
from negprep.writing.destination import Destination, check_output, locate
from negprep.writing.sink import machine_errors
from negprep.writing.staging import Staging, complete, final_mode, settle, sweep, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


def check_whole(target: str, inputs: Sequence[Path]) -> None:
    """Refuse a target that cannot or must not be written as one file, before anything is read: as ``check_output``."""
    check_output(target, inputs)
    _file_of(target)


@contextmanager
def open_whole(target: str) -> Iterator[BinaryIO]:
    """Open a new file under a temporary name beside ``target``, which gets that name when the block ends well.

    Raises
    ------
    UsageError
        The target is no file: a folder, a pipe, a device or standard output.
    OutputError
        The machine refuses.
    """
    with machine_errors(target):
        destination = _file_of(target)
        sweep(destination.path)
        staging = Staging(destination.path)
        try:
            descriptor = staging.open()
            with os.fdopen(os.dup(descriptor), "wb") as file:
                yield file
            settle(staging.path(), final_mode(destination.path, 0o666))
            complete()
            staging.path().replace(destination.path)
            sync_folder(destination.path.parent)
        finally:
            staging.close()


def _file_of(target: str) -> Destination:
    destination = locate(target)
    if destination.kind != "file":
        raise UsageError("is no place for one file", place=destination.place, remedy="name a file")
    return destination
