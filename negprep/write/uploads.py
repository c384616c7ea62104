"""Whole uploads: a file or a folder on its way into a store, and whether a URI may be written."""

from __future__ import annotations

import shlex
from glob import has_magic
from typing import TYPE_CHECKING, Any, BinaryIO

from negprep import stores
from negprep.errors import NegprepError, OutputError, UsageError
from negprep.stores import CHECK_BUCKET, copying, is_remote, is_web, pattern_of, store_errors, without_secrets

if TYPE_CHECKING:
    from pathlib import Path

    from pyarrow.fs import FileSystem

_SENT = 10 << 20
"""Bytes sent at a time: the parts of Arrow's uploads, so that it keeps none of them."""


class Upload:
    """A file on its way into a store, where nothing is to be seen before `finish`.

    Arrow completes an upload when its stream is closed or forgotten, whatever went wrong. One that is not to be
    completed is kept for ever, therefore, and the store holds its parts, under no name, until it throws them away.
    """

    def __init__(self, where: str, system: FileSystem | None = None, path: str = "") -> None:
        self._name = without_secrets(where)
        self._stream: Any = None
        with store_errors(self._name, writes=True):
            if system is None:
                system, path = stores.connected(where, **stores.upload_settings(where))
            self._stream = system.open_output_stream(path, compression=None)  # not by the ending of the name

    def send(self, file: BinaryIO, size: int | None = None) -> None:
        """Send what a file holds from where it is; at most so many bytes, a multiple of those sent at a time."""
        with store_errors(self._name, writes=True):
            while (size is None or size > 0) and (part := file.read(_SENT)):
                self._stream.write(part)
                size = None if size is None else size - len(part)

    def finish(self) -> None:
        """Complete the upload: the file has its name."""
        with store_errors(self._name, writes=True):
            self._stream.close()
        self._stream = None

    def close(self) -> None:
        """Leave undone what is not complete."""
        if self._stream is not None:
            import ctypes

            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._stream))
            self._stream = None


class FolderUpload:
    """A folder on its way into a store: its files get their names at the end, one after the other.

    Until then nothing is to be seen. All but the last bytes of each file, less than `_SENT`, are sent before: Arrow
    would keep them in memory, and sends them with the end of the upload in any case.
    """

    def __init__(self, where: str) -> None:
        self._where = where.rstrip("/")
        self._name = without_secrets(where)
        with store_errors(self._name, writes=True):
            self._system, self._base = stores.connected(self._where, **stores.upload_settings(where))
        self._files: list[tuple[str, Path, int, Upload]] = []

    def send(self, relative: str, path: Path) -> None:
        """Send a local file, which must stay as it is, as the one with that path below the folder."""
        upload = Upload(f"{self._where}/{relative}", self._system, f"{self._base}/{relative}")
        ahead = path.stat().st_size // _SENT * _SENT
        self._files.append((relative, path, ahead, upload))
        with path.open("rb") as file:
            upload.send(file, ahead)

    def finish(self) -> None:
        """Give the files their names, in the order in which they were sent. After an error none of them has its own."""
        _refuse_filled(self._where, self._system, self._base)  # by another run, meanwhile
        begun: list[str] = []
        try:
            for relative, path, ahead, upload in self._files:
                with path.open("rb") as file:
                    file.seek(ahead)
                    begun.append(relative)
                    upload.send(file)
                upload.finish()
        except BaseException as error:
            self._take_back(begun, error)
            raise

    def _take_back(self, names: list[str], error: BaseException) -> None:
        """Remove what has its name. The last upload may have been completed, whatever its answer was."""
        left = []
        for name in names:
            try:
                self._system.delete_file(f"{self._base}/{name}")
            except FileNotFoundError:
                continue
            except OSError:
                left.append(name)
        if left and isinstance(error, NegprepError):
            what = f"{error.what}; {left[0]!r} and {len(left) - 1} more files may be there, without _SUCCESS"
            remedy = f"{error.remedy}; before, remove them: {_removing(self._name)}"
            raise type(error)(what, place=self._name, remedy=remedy) from None

    def close(self) -> None:
        """Leave undone what is not complete."""
        for *_, upload in self._files:
            upload.close()


def send_folder(where: str, folder: Path, last: tuple[str, ...]) -> FolderUpload:
    """Send all files below a local folder, those with the names ``last`` at the end, in that order."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    files.sort(key=lambda path: last.index(path.name) if path.name in last else -1)
    upload = FolderUpload(where)
    try:
        for path in files:
            upload.send(path.relative_to(folder).as_posix(), path)
    except BaseException:
        upload.close()
        raise
    return upload


def check_target(where: str, inputs: list[str]) -> None:
    """Refuse a URI to which nothing can be written, before anything is read.

    Raises UsageError: It is on the web, in a store where files do not appear whole, one of the inputs, or a folder
      that is not empty: it cannot be replaced at once.
    Raises OutputError: There is no such bucket, no access, or no network.
    """
    stores.refuse_secrets(where)
    name = without_secrets(where)
    if not where.lower().startswith(("s3://", "gs://", "gcs://")):
        what = "is on the web" if is_web(where) else "is in a store where no file appears whole at once"
        raise UsageError(f"{what}: it can only be read", place=name, remedy=f"write a local file, and {copying(name)}")
    target = where.rstrip("/")
    for given in inputs:
        source = given.rstrip("/")
        if target == source or (is_remote(source) and target.startswith(f"{source}/")):
            relation = "is" if target == source else "lies in"
            raise UsageError(f"{relation} the input {without_secrets(given)}", place=name, remedy="name another OUTPUT")
        if has_magic(given) and pattern_of(given.split("/")).fullmatch(target):
            what = f"would be one of the files that INPUT, {without_secrets(given)}, matches"
            raise UsageError(what, place=name, remedy="write elsewhere")
    with store_errors(name, writes=True):
        system, path = stores.connected(where)
        bucket, _, key = path.partition("/")
        if not key:
            raise UsageError("names a bucket", place=name, remedy="name a file or a folder in it")
        if system.get_file_info(bucket).type.name == "NotFound":
            raise OutputError("there is no such bucket", place=name, remedy=CHECK_BUCKET)
        if where.endswith("/"):
            _refuse_filled(where, system, path)
        elif system.get_file_info(path).type.name == "Directory":
            raise UsageError("is a folder", place=name, remedy="name a file in it, or end OUTPUT with a slash")


def _refuse_filled(where: str, system: FileSystem, path: str) -> None:
    """Raise ``UsageError`` if there is anything in a folder, or a file of its name."""
    from pyarrow.fs import FileSelector

    name = f"{without_secrets(where).rstrip('/')}/"
    with store_errors(name, writes=True):
        kind = system.get_file_info(path).type.name
        below = [] if kind != "Directory" else system.get_file_info(FileSelector(path, recursive=True))
    if kind == "File":
        raise UsageError("is a file", place=name, remedy="leave out the slash at the end")
    held = [each.path.removeprefix(f"{path}/") for each in below if each.type.name == "File"]  # folders may be marked
    if held:
        what = f"is not empty (it holds {min(held)!r}), and no folder of a store is replaced"
        raise UsageError(what, place=name, remedy=f"name a new folder, or remove this one first: {_removing(name)}")


def _removing(name: str) -> str:
    scheme = name.partition("://")[0].lower()
    command = "aws s3 rm --recursive" if scheme == "s3" else "gcloud storage rm --recursive"
    return f"{command} {shlex.quote(name)}"
