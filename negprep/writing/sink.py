"""Where the bytes of a file go, and what the machine may say to it."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from negprep.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ELSEWHERE = "name an OUTPUT elsewhere"
_REMEDIES = {
    errno.ENOSPC: f"free some space, or {_ELSEWHERE}",
    errno.EDQUOT: f"free some of your quota, or {_ELSEWHERE}",
    errno.EFBIG: "raise the limit (ulimit -f), or write part files to a folder (OUTPUT/)",
    errno.EACCES: f"allow it (chmod), or {_ELSEWHERE}",
    errno.EPERM: f"allow it (chmod), or {_ELSEWHERE}",
    errno.EROFS: _ELSEWHERE,
    errno.EIO: f"check the disk, or {_ELSEWHERE}",
    errno.EMFILE: "raise the limit (ulimit -n)",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTEMPTY: "another run has written it meanwhile: keep that, or run again with --force",
}


@contextmanager
def machine_errors(place: str, elsewhere: str = _ELSEWHERE) -> Iterator[None]:
    """Turn what the machine refuses into an `OutputError` that names `place`, and how to write `elsewhere`.

    Raises
    ------
    OutputError
        For every OSError but one.
    BrokenPipeError
        As it is: a reader that went away is no fault of the machine.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        remedy = _REMEDIES.get(error.errno or 0, _ELSEWHERE).replace(_ELSEWHERE, elsewhere)
        raise OutputError(f"cannot be written: {reason}", place=place, remedy=remedy) from error


class Sink:
    """The write half of a file, for `pyarrow.PythonFile`, on an open descriptor that stays the caller's.

    Notes
    -----
    A ParquetWriter writes a footer when it is dropped, whatever went wrong before, and so makes a readable file of
    half the rows. After `discard` what it writes goes nowhere.
    """

    closed = False

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._discarded = False

    def write(self, data: bytes) -> int:
        """Write all of `data`, unless discarded."""
        if not self._discarded:
            self._append(data)
        return len(data)

    def discard(self) -> None:
        """Forget everything that is still to come."""
        self._discarded = True

    def flush(self) -> None:
        """Nothing to do: no byte is kept here."""

    def close(self) -> None:
        """Nothing to do: the descriptor is the caller's."""

    def _append(self, data: bytes) -> None:
        _write_all(self._descriptor, data)


class PathSink(Sink):
    """A `Sink` that appends to a file by name and holds no descriptor in between.

    A folder may get hundreds of parts, and each waits open for its footer until the counts of the whole run are known.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(-1)
        self._path = path

    def _append(self, data: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            _write_all(descriptor, data)
        finally:
            os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
