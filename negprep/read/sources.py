"""Where the bytes of a log come from: files, folders, globs and standard input, plain or compressed."""

from __future__ import annotations

import glob
import io
import lzma
import os
import re
import shutil
import stat
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from negprep.errors import BadDataError, OutputError, UsageError
from negprep.read.foreign import HEAD, only_member, open_zip, refuse_foreign, refuse_managed

_CODECS = {
    "gzip": rb"\x1f\x8b",
    "zstd": rb"\x28\xb5\x2f\xfd",
    "bz2": rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)",
    "zip": rb"PK(?:\x03\x04|\x05\x06)",
}
_STANDARD_OUTPUT = 1
_PARQUET = rb"PAR[1E]"


@dataclass(frozen=True)
class Source:
    """One input file, or standard input.

    Attributes
    ----------
    name : str
        What messages call it.
    path : Path or None
        None for standard input.
    spool : file or None
        An unlinked temporary copy of what cannot be read twice (a pipe), or the redirected file itself.
    codec : {"gzip", "zstd", "bz2", "zip"} or None
        How the bytes are compressed, by their first bytes. A zip archive holds one file.
    parquet : bool
        Whether they are Parquet; text otherwise.
    fingerprint : tuple of int
        Size, time of change and inode when the source was found.
    empty : bool
        Whether it holds no byte, decompressed.
    aligned : bool
        Whether ``open`` gives one space for each run of them, and none at the ends of lines.
    """

    name: str
    path: Path | None
    spool: IO[bytes] | None
    codec: str | None
    parquet: bool
    fingerprint: tuple[int, ...]
    empty: bool = False
    aligned: bool = False

    def raw(self) -> BinaryIO:
        """The bytes as they are, from the start."""
        if self.spool is None:
            return cast(Path, self.path).open("rb")
        self.spool.seek(0)
        return os.fdopen(os.dup(self.spool.fileno()), "rb")

    def open(self) -> BinaryIO:
        """The bytes, decompressed, from the start."""
        raw = self.raw()
        try:
            plain: Any = raw if self.codec is None else io.BufferedReader(_Inflated(raw, self.codec, self.name))
            return cast(BinaryIO, io.BufferedReader(_Squeezed(plain, self.name)) if self.aligned else plain)
        except BaseException:
            raw.close()
            raise

    def check_unchanged(self) -> None:
        """Raise ``BadDataError`` if the file is no longer the one that was found."""
        with machine_errors(self.name):
            now = _fingerprint(os.fstat(self.spool.fileno()) if self.spool else cast(Path, self.path).stat())
        if now != self.fingerprint:
            raise BadDataError(
                "the file changed while it was read", place=self.name, remedy="run again when it is whole"
            )

    def close(self) -> None:
        """Let go of the temporary copy."""
        if self.spool is not None:
            self.spool.close()


class _Inflated(io.RawIOBase):
    """Decompressed bytes; damaged data becomes ``BadDataError``."""

    def __init__(self, raw: BinaryIO, codec: str, name: str) -> None:
        import pyarrow as pa

        self._codec, self._name, self._raw = codec, name, raw
        self._stream: Any = _unzipped(raw, name) if codec == "zip" else pa.CompressedInputStream(raw, codec)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a writable buffer has no name in typing on Python 3.11
        try:
            return cast(int, self._stream.readinto(buffer))
        except OSError as error:
            if error.errno is not None:
                raise
            cut = "Truncated" in str(error)
            what = f"the {self._codec} data is " + ("cut short" if cut else f"damaged: {one_line(error)}")
            raise BadDataError(what, place=self._name, remedy="copy or make the file again") from None
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
            what = f"the zip data is damaged: {one_line(error)}"
            raise BadDataError(what, place=self._name, remedy="copy or make the file again") from None

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            self._raw.close()
        super().close()


class _Squeezed(io.RawIOBase):
    """Text in aligned columns with one space between fields; line ends stay where they are."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self._name, self._ready, self._rest = stream, name, b"", b"\n"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a writable buffer has no name in typing on Python 3.11
        while not self._ready:
            data = self._stream.read(1 << 20)
            if b'"' in data:
                what = "a quote in columns that runs of spaces separate: are spaces in it text?"
                raise BadDataError(what, place=self._name, remedy="write it as CSV, or name another --delimiter")
            text = self._rest + data
            # What a space at the end becomes depends on what follows. The first byte has been handed on already.
            kept = len(text.rstrip(b" ")) if data else len(text)
            squeezed = re.sub(rb"(?<=[\r\n]) +| +(?=[\r\n]|\Z)", b"", text[:kept])
            self._ready = re.sub(rb" {2,}", b" ", squeezed)[1:]
            self._rest = text[max(0, kept - 1) :] if data else b""
            if not data:
                break
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def _unzipped(raw: BinaryIO, name: str) -> IO[bytes]:
    archive = open_zip(raw, name)
    return archive.open(only_member(archive, name))


def find_sources(where: str, wanted: Callable[[str], bool] = bool) -> tuple[Source, ...]:
    """The files that ``where`` names, in the order of their names.

    Parameters
    ----------
    where : str
        A file, a folder (all files below it but those whose name starts with ``_`` or ``.``), a glob, or ``-``.
    wanted : callable
        Whether a file within a folder is one of the log, by its name.

    Raises
    ------
    OutputError
        A file does not exist or cannot be read, no file matches, or standard input is closed.
    UsageError
        It is empty.
    BadDataError
        A folder has no file, belongs to a table with a log of its own (Delta Lake, Iceberg, Hudi) or to a job that has
        not ended; or a file is of a kind that negprep does not read.
    """
    if not where:
        raise UsageError("a file name is empty", remedy="give a path")
    if where == "-":
        if sys.stdin is None:
            raise OutputError("standard input is closed", remedy="pipe a log in, or name a file")
        return (_identified("stdin", None, sys.stdin.buffer),)
    path = Path(where)
    if path.is_dir():
        found, folders = _below(path)
        files = [file for file in found if wanted(file.name)]
        refuse_managed(files, folders)
        if not files:
            raise BadDataError(
                "no data file in the folder", place=where, remedy="names starting with _ or . are ignored"
            )
    elif not path.exists() and glob.has_magic(where):
        matches = sorted(Path(match) for match in glob.glob(where, recursive=True))  # noqa: PTH207
        visible = [match for match in matches if not match.name.startswith(("_", "."))]
        below = [_below(match) if match.is_dir() else ([match], []) for match in visible]
        files = [file for inner, _ in below for file in inner]
        refuse_managed(files, [folder for _, folders in below for folder in folders])
        if not files:
            raise OutputError("no file matches", place=where, remedy="check the pattern")
    else:
        files = [path]
        refuse_managed(files, [])
    return tuple(_identified(str(file), file, None) for file in files)


def _below(folder: Path) -> tuple[list[Path], list[Path]]:
    """The visible files below a folder, sorted, and the folder itself with those that they may lie in."""
    files, inner = [], [folder]
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(("_", "."))]
        inner += [Path(parent, name) for name in folders]
        files += [Path(parent, name) for name in names if not name.startswith(("_", "."))]
    return sorted(files), inner


def _identified(name: str, path: Path | None, stream: IO[bytes] | None) -> Source:
    with machine_errors(name):
        handle = path.open("rb") if path is not None else cast(IO[bytes], stream)
        spool = None
        try:
            _refuse_standard_output(name, os.fstat(handle.fileno()))
            if path is None or not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
                spool = _spooled(handle)
        finally:
            if path is not None:
                handle.close()
        status = os.fstat(spool.fileno()) if spool is not None else cast(Path, path).stat()
        plain = Source(name, path, spool, None, False, _fingerprint(status))
        with plain.raw() as raw:
            head = raw.read(HEAD)
        codec = next((codec for codec, magic in _CODECS.items() if re.match(magic, head)), None)
        source = Source(name, path, spool, codec, re.match(_PARQUET, head) is not None, plain.fingerprint)
        if codec is not None:
            with source.open() as inflated:
                head = inflated.read(HEAD)
            kinds = {"Parquet": _PARQUET, **_CODECS}
            inner = next((kind for kind, magic in kinds.items() if re.match(magic, head)), None)
            if inner is not None:
                raise BadDataError(f"{inner} inside {codec}", place=name, remedy=f"decompress the {codec} first")
    refuse_foreign(head, name, codec)
    return replace(source, empty=not head)


def _refuse_standard_output(name: str, status: os.stat_result) -> None:
    """Refuse an input that is the file to which standard output goes: what is written would be read, or replace it."""
    if sys.stdout is None:  # closed: its number may be another file's
        return
    try:
        written = os.fstat(_STANDARD_OUTPUT)
    except OSError:  # closed later
        return
    if stat.S_ISREG(status.st_mode) and os.path.samestat(status, written):
        emptied = (
            "" if status.st_size else ", and is empty: the shell empties the file after > before it starts a command"
        )
        what = f"is the file that standard output goes to{emptied}"
        raise UsageError(what, place=name, remedy="send standard output to another file")


def _spooled(handle: IO[bytes]) -> IO[bytes]:
    """``handle`` itself where it can be read again, else an unlinked copy."""
    if stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
        return os.fdopen(os.dup(handle.fileno()), "rb")
    copy = tempfile.TemporaryFile(prefix="negprep-")  # noqa: SIM115 - lives as long as the source
    shutil.copyfileobj(handle, copy, 1 << 20)
    copy.flush()
    return copy


def _fingerprint(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_size, status.st_mtime_ns, status.st_ino)


@contextmanager
def machine_errors(name: str) -> Iterator[None]:
    """Turn what the operating system refuses into ``OutputError``."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        what = "no such file or folder" if isinstance(error, FileNotFoundError) else str(error.strerror).lower()
        raise OutputError(what, place=name) from error


def one_line(error: BaseException) -> str:
    """The first line of a library's message."""
    return (str(error).splitlines() or [type(error).__name__])[0].strip().rstrip(".")
