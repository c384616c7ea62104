"""A small output that is made in memory: a file that appears whole or not at all."""

from __future__ import annotations

import os

from negprep.writing.destination import locate
from negprep.writing.sink import Sink, machine_errors
from negprep.writing.staging import Staging, complete, final_mode, settle, sweep, sync_folder


def write_document(target: str, content: bytes) -> None:
    """Write a file, or into a pipe or device as it is.

    Raises
    ------
    OutputError
        If the machine refuses. What was there before is still there.
    """
    with machine_errors(target):
        destination = locate(target)
        if destination.kind == "stream":
            descriptor = os.open(destination.path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                Sink(descriptor).write(content)
            finally:
                os.close(descriptor)
            return
        path = destination.path
        sweep(path)
        staging = Staging(path)
        try:
            Sink(staging.open()).write(content)
            settle(staging.path(), final_mode(path, 0o666))
            complete()
            staging.path().replace(path)
            sync_folder(path.parent)
        finally:
            staging.close()
