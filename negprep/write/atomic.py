"""Whole or absent: temporaries beside their target, locked while their run lives, synced and renamed."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from negprep.errors import OutputError
from negprep.options.formats import beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


ELSEWHERE = "name an OUTPUT elsewhere"
_REMEDIES = {
    errno.ENOSPC: f"free some space, or {ELSEWHERE}",
    errno.EDQUOT: f"free some of your quota, or {ELSEWHERE}",
    errno.EFBIG: "raise the limit (ulimit -f), or write part files to a folder (OUTPUT/)",
    errno.EACCES: f"allow it (chmod), or {ELSEWHERE}",
    errno.EPERM: f"allow it (chmod), or {ELSEWHERE}",
    errno.EROFS: ELSEWHERE,
    errno.EIO: f"check the disk, or {ELSEWHERE}",
    errno.EMFILE: "raise the limit (ulimit -n)",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTEMPTY: "another run has written it meanwhile: keep that, or run again with --force",
}


@contextmanager
def machine_errors(place: str, elsewhere: str = ELSEWHERE) -> Iterator[None]:
    """Turn what the machine refuses into an `OutputError` that names `place`, and how to write `elsewhere`.

    Raises OutputError: For every OSError but one.
    Raises BrokenPipeError: As it is: the machine is not to blame for a reader that went away.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        remedy = _REMEDIES.get(error.errno or 0, ELSEWHERE).replace(ELSEWHERE, elsewhere)
        raise OutputError(f"cannot be written: {reason}", place=place, remedy=remedy) from error


class Sink:
    """The write half of a file, for `pyarrow.PythonFile`, on an open descriptor that stays the caller's.

    A ParquetWriter writes a footer when it is dropped, whatever went wrong before, and so makes a readable file of
    half the rows. After `discard` what it writes goes nowhere.
    """

    closed = False

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._discarded = False

    def write(self, data: bytes | memoryview) -> int:
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

    def _append(self, data: bytes | memoryview) -> None:
        _write_all(self._descriptor, data)


class PathSink(Sink):
    """A `Sink` that appends to a file by name and holds no descriptor in between.

    A folder may get hundreds of parts, and each waits open for its footer until the counts of the whole run are known.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(-1)
        self._path = path

    def _append(self, data: bytes | memoryview) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            _write_all(descriptor, data)
        finally:
            os.close(descriptor)


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_PRIVATE = 0o600

PARTS = "parts"
"""The role of what becomes the target itself where that is a folder; any other is a file beside the target."""


_live: set[Staging] = set()
"""Those that have temporaries now."""

_before_names: list[Callable[[], None]] = []


def call_before_names(function: Callable[[], None]) -> None:
    """Have a function called when an output is complete, before the first of its files gets its name."""
    _before_names.append(function)


def complete() -> None:
    """Tell that an output is complete: only the names are to be given."""
    for function in _before_names:
        function()


def remove_all(*, attempts: int = 50) -> None:
    """Remove the temporaries of all outputs that are not complete, while other threads may still be writing them."""
    for staging in list(_live):
        for _ in range(attempts):
            if not staging.remove():
                break
            time.sleep(0.01)


class Staging:
    """The temporaries of one run, in the folder of the target that they are for.

    The first is ``.out.parquet.<16 hex digits>.tmp``: a file on which the run holds a lock for as long as it lives. The
    others have a role between the digits and the ending, which is ``.old`` for what had to make way. Readers of
    folders skip names that begin with a dot.

    ``target``: A file or folder, without symbolic links.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._token = os.urandom(8).hex()
        self._lock: int | None = None

    def path(self, role: str = "", *, ending: str = "tmp") -> Path:
        """The name of the first temporary, or of the one with that role."""
        middle = f"{self._token}.{role}" if role else self._token
        return self._target.with_name(f".{self._target.name}.{middle}.{ending}")

    def open(self) -> int:
        """Make the first temporary; return its descriptor, which is locked and stays this object's."""
        _live.add(self)
        while True:
            self._lock = os.open(self.path(), _NEW, _PRIVATE)
            with suppress(OSError):  # a file system without locks: then no run can sweep
                fcntl.flock(self._lock, fcntl.LOCK_EX)
            if os.fstat(self._lock).st_nlink:
                return self._lock
            # Another run's sweep came between the two steps, and took this for the leftover of a dead one.
            os.close(self._lock)

    def final(self, role: str) -> Path:
        """The name that the temporary with that role is for."""
        return _final(self._target, role)

    def exchange(self, role: str, undo: ExitStack, *, decider: Path) -> None:
        """Give the temporary with that role its final name, and move away what has that name.

        When `undo` ends and `decider`, a temporary, still has its own name, then all is put back.
        """
        temporary, old, final = self.path(role), self.path(role, ending="old"), self.final(role)

        def put_back() -> None:
            if not decider.exists():
                return
            if old.exists():
                old.replace(final)
            elif not temporary.exists():
                final.unlink()

        undo.callback(put_back)
        with suppress(FileNotFoundError):
            final.rename(old)
        temporary.rename(final)

    def close(self) -> None:
        """Remove every temporary that is left, and let go of the lock."""
        if self._lock is None:
            return
        try:
            self.remove()
        finally:
            os.close(self._lock)
            self._lock = None
            _live.discard(self)

    def remove(self) -> bool:
        """Remove the temporaries; whether there is one that cannot be removed: it is left for the next run."""
        with suppress(OSError):
            _clear(self._target, self._token)
            return any(token == self._token for token, *_ in _temporaries(self._target))
        return True


def sweep(target: Path) -> None:
    """Remove what dead runs left beside `target`, and give it back its name if one died between two renames."""
    for token in sorted({token for token, *_ in _temporaries(target)}):
        first = target.with_name(f".{target.name}.{token}.tmp")
        # Not ours to remove, already gone, alive, or on a file system without locks: left alone.
        with suppress(OSError), _lock_of_dead(first):
            _clear(target, token)


def make_file(path: Path) -> None:
    """Make an empty file that was not there, mode 0600."""
    os.close(os.open(path, _NEW, _PRIVATE))


def settle(path: Path, mode: int) -> None:
    """Give a file or folder its final mode, and have the disk confirm it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Have the disk confirm the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems know no fsync of a folder
            raise
    finally:
        os.close(descriptor)


def final_mode(path: Path, full: int) -> int:
    """The mode of what is replaced; of a new file, `full` (0o666 or 0o777) without the bits of the umask."""
    with suppress(FileNotFoundError):
        return path.stat().st_mode & 0o7777
    # The umask can only be read by setting it. For that moment, too strict is better than too loose.
    mask = os.umask(0o077)
    os.umask(mask)
    return full & ~mask


@contextmanager
def _lock_of_dead(first: Path) -> Iterator[None]:
    """Hold the lock of a run that is dead, so that no other sweep works on the same; else raise OSError."""
    try:
        descriptor = os.open(first, os.O_RDONLY)
    except FileNotFoundError:  # it has the target's name already: the run is over, or about to clear the rest itself
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _clear(target: Path, token: str) -> None:
    for found, role, ending, path in _temporaries(target):
        final = _final(target, role)
        if found != token:
            continue
        with suppress(OSError):
            if ending == "old" and not final.exists():
                path.rename(final)
            elif path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _final(target: Path, role: str) -> Path:
    """``out.parquet`` and ``users`` give ``out.users.parquet``."""
    return target if role == PARTS else beside(target, role)


def _temporaries(target: Path) -> list[tuple[str, str, str, Path]]:
    """Token, role, ending and path of all temporaries for `target`, those without a role last: they hold the locks."""
    shape = re.compile(rf"\.{re.escape(target.name)}\.([0-9a-f]{{16}})(?:\.(\w+))?\.(tmp|old)")
    with os.scandir(target.parent) as entries:
        found = [match for entry in entries if (match := shape.fullmatch(entry.name))]
    found.sort(key=lambda match: match[2] is None)
    return [(match[1], match[2] or "", match[3], target.with_name(match[0])) for match in found]
