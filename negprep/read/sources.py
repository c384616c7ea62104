"""Where the bytes of a log come from: files, folders, globs and standard input, plain or compressed."""

from __future__ import annotations

import difflib
import glob
import io
import json
import lzma
import os
import re
import shlex
import shutil
import stat
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, Any, BinaryIO, NamedTuple, Self, TypeAlias, cast
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Counts, Mask, Positions
from negprep.errors import BadDataError, OutputError, UsageError
from negprep.stores import (
    CHANGED,
    WHOLE,
    RemoteFile,
    find,
    is_remote,
    of_store,
    refusal,
    refuse_unknown,
    without_secrets,
)
from negprep.threads import on_threads

Bytes = npt.NDArray[np.uint8]

CODECS = {
    "gzip": rb"\x1f\x8b",
    "zstd": rb"\x28\xb5\x2f\xfd",
    "bz2": rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)",
    "zip": rb"PK(?:\x03\x04|\x05\x06)",
}
"""The first bytes of each kind of compressed file, as a regular expression."""

PARQUET = rb"PAR[1E]"
_ARROW = rb"ARROW1\0\0|\xff\xff\xff\xff[\s\S]{3}\0"
HEAD = 4096
NULL_KEY = "__HIVE_DEFAULT_PARTITION__"

_STANDARD_OUTPUT = 1
_KEY = re.compile(r"([^=]+)=(.*)", re.DOTALL)
_HIDDEN = re.compile(r"(^|/)(__MACOSX/|\._|\.DS_Store$)")
_INFLATABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_LISTED = 3
_MOST_NAMES, _ALIKE = 10_000, 0.8
_CONNECTIONS = 8


@dataclass(frozen=True)
class Source:
    """One input file, or standard input, which has no ``path``; ``name`` is what messages call it.

    ``spool`` is an unlinked copy of what cannot be read twice (a pipe), or the redirected file itself; ``codec`` how
    the bytes are compressed: ``gzip``, ``zstd``, ``bz2`` or ``zip`` (an archive of one file); ``parquet`` whether they
    are Parquet, not text; ``fingerprint`` the size, time of change and inode when the source was found. ``keys`` has
    the keys and values in the folders above it (``event=buy/``), from INPUT down, None for null. If ``aligned``,
    ``open`` gives one space for each run of spaces, and none at the ends of lines. A file in a store has neither
    ``path`` nor ``spool``, but is ``remote``; its fingerprint is its size and version. If ``array`` is not None, it is
    a JSON array, and ``open`` gives a line for each of its rows: objects, or lists, if ``array`` names their values.
    """

    name: str
    path: Path | None
    spool: IO[bytes] | None
    codec: str | None
    parquet: bool
    fingerprint: tuple[int | str, ...]
    keys: dict[str, str | None] = field(default_factory=dict)
    aligned: bool = False
    remote: RemoteFile | None = None
    array: tuple[str, ...] | None = None

    @cached_property
    def head(self) -> bytes:
        """The first bytes, decompressed; an empty source has none."""
        with machine_errors(self.name), self.open() as stream:
            return stream.read(HEAD)

    @property
    def is_table(self) -> bool:
        """Whether its columns have types: Parquet, or an Arrow file or stream, perhaps compressed as a whole."""
        return self.parquet or re.match(_ARROW, self.head) is not None

    def raw(self) -> BinaryIO:
        """The bytes as they are, from the start."""
        if self.remote is not None:
            return self.remote.open()
        if self.spool is None:
            return cast(Path, self.path).open("rb")
        self.spool.seek(0)
        return os.fdopen(os.dup(self.spool.fileno()), "rb")

    def open(self) -> BinaryIO:
        """The bytes, decompressed, from the start."""
        raw = self.raw()
        try:
            plain: Any = raw if self.codec is None else io.BufferedReader(_Inflated(raw, self.codec, self.name))
            if self.array is not None:
                plain = io.BufferedReader(_Rows(plain, self.name, self.array))
            return cast(BinaryIO, io.BufferedReader(_Squeezed(plain, self.name)) if self.aligned else plain)
        except BaseException:
            raw.close()
            raise

    def line(self, number: int) -> str:
        """What messages call one of its lines, from 1."""
        return f"{self.name}:{number}" if self.array is None else f"{self.name}: row {number}"

    def check_unchanged(self) -> None:
        """Raise ``BadDataError`` if the file is no longer the one that was found."""
        with machine_errors(self.name):
            now = (
                _version(self.remote.look_again())
                if self.remote is not None
                else _fingerprint(os.fstat(self.spool.fileno()) if self.spool else cast(Path, self.path).stat())
            )
        if now != self.fingerprint:
            raise BadDataError(CHANGED, place=self.name, remedy=WHOLE)

    def close(self) -> None:
        """Close the temporary copy."""
        if self.spool is not None:
            self.spool.close()


@dataclass(frozen=True)
class Piece:
    """Some consecutive rows of one input, as they were read: arrays of one length, by role.

    ``place`` turns a row within the piece (0-based) into ``log.csv:17``; it may read the file again: for errors only.
    ``header`` has the names in the header of a text file, by role; it is empty where there is no header.
    """

    columns: dict[str, pa.Array]
    place: Callable[[int], str]
    header: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Bounds:
    """What is known of the values of a column in some rows without reading them.

    ``low`` and ``high`` are limits of those that are there: numbers, text, or times in nanoseconds since 1970, as
    ``is_time`` says; None: unknown. So are ``nulls``. ``is_single``: floats have 32 bits.
    """

    rows: int
    nulls: int | None = None
    low: Any = None
    high: Any = None
    is_time: bool = False
    is_single: bool = False


Known: TypeAlias = Callable[[str], Bounds | None]
"""What is known of a column by its name."""

Keys: TypeAlias = dict[str, str | None]
"""The keys in the folders of a path and their values, None for null."""


class Closing:
    """A context manager that closes sources, and so removes temporary files, at its end."""

    _resources: ExitStack

    def close(self) -> None:
        """Remove temporary files."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class _Filter(io.RawIOBase):
    """A stream made of another one, which closes with it."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self._name = stream, name

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


class _Inflated(_Filter):
    """Decompressed bytes; damaged data becomes ``BadDataError``."""

    def __init__(self, raw: BinaryIO, codec: str, name: str) -> None:
        super().__init__(raw, name)
        self._codec = codec
        self._plain: Any = _unzipped(raw, name) if codec == "zip" else pa.CompressedInputStream(raw, codec)

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a writable buffer has no name in typing on Python 3.11
        try:
            return cast(int, self._plain.readinto(buffer))
        except (OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            cut = isinstance(error, OSError) and "Truncated" in str(error)
            what = f"the {self._codec} data is " + ("cut short" if cut else f"damaged: {one_line(error)}")
            raise BadDataError(what, place=self._name, remedy="copy or make the file again") from None

    def close(self) -> None:
        if not self.closed:
            self._plain.close()
        super().close()


class _Squeezed(_Filter):
    """Text in aligned columns with one space between fields; line ends stay where they are."""

    _ready, _rest = b"", b"\n"

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


_BLOCK = 1 << 17
_QUOTE, _ESCAPE, _LINE_END, _MARK = 1, 2, 3, 4
_SORTS = np.zeros(256, np.uint8)
"""Of bytes that matter to where an element of JSON ends; 0 for others."""

_SORTS[list(b'"')], _SORTS[list(b"\\")], _SORTS[list(b"\n\r")], _SORTS[list(b"[]{},")] = 1, 2, 3, 4
_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1


class _Marks(NamedTuple):
    """The brackets and commas of a block of JSON that are in no string: where they stand, and the step of each.

    A step is 1 inwards, -1 outwards, or 0, a comma; ``depth`` is how deep it is behind the mark. ``rows`` numbers the
    element of the array in which the mark is, or which it ends; ``ends`` those that end one.
    """

    places: Positions
    steps: npt.NDArray[np.int8]
    depth: Counts
    ends: Mask
    rows: Counts


class _Rows(_Filter):
    """A JSON array as JSON lines: each of its elements on a line of its own, and nothing else on it.

    Lists become objects whose keys are ``names``. Only strings, brackets and commas are looked at: what is wrong within
    an element is for whoever parses it. Between blocks it is known how deep in brackets it is, whether in a string, and
    whether behind a backslash that escapes; how many values a list has so far; and whether the element has begun.
    """

    def __init__(self, stream: BinaryIO, name: str, names: tuple[str, ...]) -> None:
        super().__init__(stream, name)
        self._keys = [f"{json.dumps(each)}:".encode() for each in names]
        self._ready = b""
        self._row = 1
        self._depth = self._field = 0
        self._in_string = self._is_escaped = self._has_begun = self._is_over = False

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a writable buffer has no name in typing on Python 3.11
        while not self._ready:
            data = self._stream.read(_BLOCK)
            if not data and not self._is_over:
                raise self._error(
                    "the JSON array has no end", "is the file cut short? Copy or make it again", self._row
                )
            if not data:
                return 0
            self._ready = self._lines(data)
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _lines(self, data: bytes) -> bytes:
        """The next bytes of the lines."""
        text = np.frombuffer(data, np.uint8)
        sorts = _SORTS[text]
        places = np.flatnonzero(sorts)
        sorts = sorts[places]
        is_quote = (sorts == _QUOTE) & ~self._behind_escape(len(text), places, sorts)
        is_within = np.logical_xor.accumulate(is_quote) ^ self._in_string
        self._in_string ^= bool(np.count_nonzero(is_quote) % 2)
        is_line_end = sorts == _LINE_END
        line_ends, torn = places[is_line_end & ~is_within], places[is_line_end & is_within]
        marks = self._marks(text, places[(sorts == _MARK) & ~is_within])
        size, over = len(data), np.flatnonzero((marks.depth == 0) & (marks.steps < 0))
        if self._is_over or len(over):
            size = 0 if self._is_over else int(marks.places[over[0]]) + 1
            if data[size:].strip() or (size and data[size - 1 : size] != b"]"):
                row = self._row if self._is_over else int(marks.rows[over[0]])
                what = "more follows where the JSON array ends behind this"
                raise self._error(what, "is a bracket wrong, or missing?", row)
            self._is_over = True
        if len(torn):
            row = int(marks.rows[np.searchsorted(marks.places, torn[0]) - 1]) if len(marks.rows) else self._row
            raise self._error("a line ends within a string", "write \\n there, or close the string", row)
        self._refuse_blank(data, marks)
        made = text.copy()
        made[line_ends] = made[marks.places[(marks.steps > 0) & (marks.depth == 1)]] = ord(" ")
        made[marks.places[marks.ends]] = ord("\n")
        lines = self._with_keys(made, marks) if self._keys else made
        self._row += int(np.count_nonzero(marks.ends & (marks.steps == 0)))
        self._depth = int(marks.depth[-1]) if len(marks.depth) else self._depth
        return lines[: len(lines) - (len(data) - size)].tobytes()

    def _behind_escape(self, size: int, places: Positions, sorts: Bytes) -> Mask:
        """Which places stand behind an odd number of backslashes."""
        begun, self._is_escaped = self._is_escaped, False
        slashes = places[sorts == _ESCAPE]
        escaped = np.zeros(size + 1 if begun or len(slashes) else 0, np.bool_)
        escaped[:1] = begun
        if len(slashes):
            starts = np.flatnonzero(np.diff(slashes, prepend=-2) != 1)
            sizes = np.diff(starts, append=len(slashes))
            number = np.arange(len(slashes)) - np.repeat(starts, sizes)
            if begun and slashes[0] == 0:
                number[: sizes[0]] -= 1  # the first is escaped itself
            escapes = slashes[number % 2 == 0]
            escaped[escapes + 1] = True
            self._is_escaped = bool(escaped[-1])
        return escaped[places] if len(escaped) else np.zeros(len(places), np.bool_)

    def _marks(self, text: Bytes, places: Positions) -> _Marks:
        steps = _STEPS[text[places]]
        depth = self._depth + np.cumsum(steps, dtype=np.int64)
        ends = ((depth == 1) & (steps == 0)) | ((depth == 0) & (steps < 0))
        return _Marks(places, steps, depth, ends, self._row + np.cumsum(ends) - ends)

    def _refuse_blank(self, data: bytes, marks: _Marks) -> None:
        """Refuse a comma without a value on one of its sides."""
        numbers = np.flatnonzero(marks.ends)
        before = np.where(numbers > 0, marks.steps[numbers - 1], -1 if self._has_begun else 0)
        for number in numbers[before >= 0].tolist():  # no object or list ends before it
            start = int(marks.places[number - 1]) + 1 if number else 0
            row, is_last = int(marks.rows[number]), marks.steps[number] < 0
            if not data[start : marks.places[number]].strip() and not (is_last and row == 1):
                raise self._error("no value stands here between commas or brackets", "remove the comma", row)
        last = numbers[-1:].tolist() or np.flatnonzero((marks.steps > 0) & (marks.depth == 1)).tolist()
        if last:
            self._has_begun = False
        self._has_begun |= bool(data[int(marks.places[last[0]]) + 1 if last else 0 :].strip())

    def _with_keys(self, made: Bytes, marks: _Marks) -> Bytes:
        """The lines, their lists as objects."""
        places, steps, depth, _, rows = marks
        is_open, is_close, is_comma = (
            (steps > 0) & (depth == 2),
            (steps < 0) & (depth == 1),
            (steps == 0) & (depth == 2),
        )
        other = np.flatnonzero(is_open & (made[places] != ord("[")))
        if len(other):
            raise self._error("this is an object, but others are lists", "write all in one form", int(rows[other[0]]))
        commas = np.cumsum(is_comma)
        begun = np.maximum.accumulate(np.where(is_open, commas, -1))
        field = np.where(begun < 0, commas + self._field, commas - begun)
        wrong = np.flatnonzero(is_close & (field + 1 != len(self._keys)))
        if len(wrong):
            count = int(field[wrong[0]]) + 1
            what = f"{count} value{'s' * (count != 1)} where --columns names {len(self._keys)}"
            raise self._error(what, "name them all, or repair the row", int(rows[wrong[0]]))
        self._field = int(field[-1]) if len(field) else self._field
        made[places[is_open]], made[places[is_close]] = ord("{"), ord("}")
        is_key = is_open | is_comma
        which = np.minimum(field[is_key], len(self._keys) - 1)
        shift = np.zeros(len(made) + 1, np.int64)
        shift[places[is_key] + 1] = np.array([len(key) for key in self._keys])[which]
        there = np.arange(len(made)) + np.cumsum(shift)[:-1]
        longer = np.empty(len(made) + int(shift.sum()), np.uint8)
        longer[there] = made
        for number, key in enumerate(self._keys):
            into = there[places[is_key][which == number]] + 1
            longer[into[:, None] + np.arange(len(key))] = np.frombuffer(key, np.uint8)
        return longer

    def _error(self, what: str, remedy: str, row: int) -> BadDataError:
        return BadDataError(what, place=f"{self._name}: row {row}", remedy=remedy)


def zip_files(raw: BinaryIO, name: str) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    """A zip archive and its visible files; ``BadDataError`` if it is damaged."""
    try:
        archive = zipfile.ZipFile(raw)
    except zipfile.BadZipFile as error:
        what = f"the zip archive is cut short or damaged ({str(error).strip().rstrip('.')})"
        raise BadDataError(what, place=name, remedy="copy or make the file again") from None
    return archive, [each for each in archive.infolist() if not each.is_dir() and not _HIDDEN.search(each.filename)]


def _unzipped(raw: BinaryIO, name: str) -> IO[bytes]:
    """The one file in a zip archive."""
    archive, members = zip_files(raw, name)
    file = quoted_file(name)
    if not members:
        raise BadDataError("the zip archive holds no file", place=name)
    if len(members) > 1:
        shown = ", ".join(each.filename for each in members[:_LISTED])
        more = f" and {len(members) - _LISTED} more" if len(members) > _LISTED else ""
        largest = shlex.quote(max(members, key=lambda each: each.file_size).filename)
        remedy = f"give one of them: unzip -p {file} {largest} | negprep train - OUTPUT"
        raise BadDataError(f"this is a zip archive of {len(members)} files: {shown}{more}", place=name, remedy=remedy)
    (member,) = members
    if member.flag_bits & 1:
        raise BadDataError("the zip archive is encrypted", place=name, remedy=f"unpack it first: unzip {file}")
    if member.compress_type not in _INFLATABLE:
        what = f"the zip archive is compressed by method {member.compress_type}"
        raise BadDataError(what, place=name, remedy=f"unpack it: 7z x -so {file} | negprep train - OUTPUT")
    return archive.open(member)


def quoted_file(name: str) -> str:
    """The name of a source for a shell; ``FILE`` stands for standard input."""
    return "FILE" if name == "stdin" else shlex.quote(name)


def find_sources(
    where: str, wanted: Callable[[str], bool] = bool, has_rows: Callable[[Keys, str], bool] | None = None
) -> tuple[Source, ...]:
    """The files that ``where`` names, in the order of their names.

    ``where`` is a file, a folder (all files below it but those whose name starts with ``_`` or ``.``), a glob, a URI of
    any of these, or ``-``; ``wanted`` decides by its name whether a file within a folder belongs to the log, and
    ``has_rows`` by the keys in its path, and the path, whether it has rows that count: else it is not opened.

    Raises ``OutputError`` if a file does not exist or cannot be read, no file matches, or standard input is closed;
    ``UsageError`` if the name is empty; ``BadDataError`` if a folder has no file, or belongs to a table with a log of
    its own (Delta Lake, Iceberg, Hudi) or to a job that has not ended.
    """
    if not where:
        raise UsageError("a file name is empty", remedy="give a path")
    if where == "-":
        if sys.stdin is None:
            raise OutputError("standard input is closed", remedy="pipe a log in, or name a file")
        return (_identified("stdin", None, sys.stdin.buffer, {}),)
    if is_remote(where):
        return _find_remote(where, wanted, has_rows)
    path, root = Path(where), None
    if not path.exists():
        refuse_unknown(where)
    files, folders = [path], list[Path]()
    if path.is_dir():
        root, (found, folders) = path, _below(path)
        files = [file for file in found if wanted(file.name)]
    elif not path.exists() and glob.has_magic(where):
        root = Path(*takewhile(lambda part: not glob.has_magic(part), path.parts))
        matches = sorted(Path(match) for match in glob.glob(where, recursive=True))  # noqa: PTH207
        visible = [match for match in matches if not match.name.startswith(("_", "."))]
        below = [_below(match) if match.is_dir() else ([match], []) for match in visible]
        files = [file for inner, _ in below for file in inner]
        folders = [folder for _, inner in below for folder in inner]
    _refuse_managed(files, folders)
    if not files and path.is_dir():
        raise BadDataError("no data file in the folder", place=where, remedy="names starting with _ or . are ignored")
    if not files:
        raise OutputError("no file matches", place=where, remedy="check the pattern")
    keyed = [(file, _keys(file.relative_to(root)) if root is not None else {}) for file in files]
    if has_rows is not None:
        keyed = [(file, keys) for file, keys in keyed if not keys or has_rows(keys, str(file))]
    return tuple(_identified(str(file), file, None, keys) for file, keys in keyed)


def _find_remote(
    where: str, wanted: Callable[[str], bool], has_rows: Callable[[Keys, str], bool] | None
) -> tuple[Source, ...]:
    """The files that a URI names."""
    found, name = find(where), without_secrets(where)
    if found.is_listed:
        paths = [PurePosixPath(path) for path in (*found.hidden, *(file.relative for file in found.files))]
        _refuse_managed_below(paths, name)
    files = [file for file in found.files if not found.is_listed or wanted(PurePosixPath(file.relative).name)]
    if not files and glob.has_magic(where):
        raise OutputError("no file matches", place=name, remedy="check the pattern")
    if not files:
        raise BadDataError("no data file in the folder", place=name, remedy="names starting with _ or . are ignored")
    sources = []
    for file in files:
        there, copy = (file, None) if file.copy is None else (None, file.copy)
        print_of = _version(file) if copy is None else _fingerprint(os.fstat(copy.fileno()))
        keys = _keys(PurePosixPath(file.relative))
        if keys and has_rows is not None and not has_rows(keys, file.name):
            continue
        sources.append(Source(file.name, None, copy, None, False, print_of, keys, remote=there))
    with closing(on_threads(_recognised, sources, threads=min(_CONNECTIONS, len(sources) or 1))) as recognised:
        return tuple(source for _, source in recognised)


def _version(file: RemoteFile) -> tuple[int | str, ...]:
    return (file.size, file.version)


def _below(folder: Path) -> tuple[list[Path], list[Path]]:
    """The visible files below a folder, sorted; the folder itself and those below it."""
    files, inner = [], [folder]
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(("_", "."))]
        inner += [Path(parent, name) for name in folders]
        files += [Path(parent, name) for name in names if not name.startswith(("_", "."))]
    return sorted(files), inner


def _keys(path: PurePath) -> dict[str, str | None]:
    """Keys and values in the folders of a path, as Hive writes them."""
    found = [match for part in path.parts[:-1] if (match := _KEY.fullmatch(part))]
    return {unquote(match[1]): None if match[2] == NULL_KEY else unquote(match[2]) for match in found}


_DUCKDB = (
    "pipe its rows in: duckdb -c \"COPY (FROM {scan}('{{path}}')) TO '/dev/stdout' (FORMAT parquet)\" "
    "| negprep train - OUTPUT"
)
_SPARK = "spark.read.{way}('{{path}}').write.parquet('log/') in Spark writes them"
_TABLES = (
    ("_delta_log", "a Delta Lake table", _DUCKDB.format(scan="delta_scan")),
    ("metadata", "an Iceberg table", _DUCKDB.format(scan="iceberg_scan")),
    (".hoodie", "a Hudi table", _SPARK.format(way="format('hudi').load")),
    ("_spark_metadata", "the output of a Spark stream (_spark_metadata)", _SPARK.format(way="parquet")),
)
"""Folders in a table whose files alone are not its rows; what the table is, and how to read it."""

_LEFTOVERS = "_temporary"


def _refuse_managed(files: list[Path], folders: list[Path]) -> None:
    """Refuse files of a Delta, Iceberg or Hudi table, or of a Spark job that has not ended.

    ``folders`` are those at and below INPUT; tables are looked for in all folders above the files, too.
    """
    parents = dict.fromkeys(file.parent for file in files)
    above = (each for parent in parents for each in (parent, *parent.absolute().parents))
    for folder in dict.fromkeys([*folders, *above]):
        for name, kind, remedy in _TABLES:
            if (folder / name).is_dir() and (name != "metadata" or _is_iceberg(folder / name)):
                what = f"this is {kind}, whose files alone are not its rows (some may be deleted or replaced)"
                shown = str(folder).replace("'", "''")
                raise BadDataError(what, place=str(folder), remedy=remedy.format(path=shown))
    of_jobs = (file.parent for file in files if file.name.startswith("part-"))
    for folder in dict.fromkeys([*folders, *of_jobs]):
        what = remedy = ""
        if _LEFTOVERS in folder.parts:
            what = "a Spark or Hadoop job has not committed these files: it is writing, or died before its end"
            remedy = "run the job again, and name the folder that it writes"
        elif (folder / _LEFTOVERS).is_dir():
            what = f"holds {_LEFTOVERS}: a Spark or Hadoop job is writing here, or died before its end"
            remove = f"rm -r {shlex.quote(str(folder / _LEFTOVERS))}"
            remedy = f"run the job again, or, if the other files are whole, {remove}"
        if what:
            raise BadDataError(what, place=str(folder), remedy=remedy)


def _refuse_managed_below(paths: list[PurePosixPath], place: str) -> None:
    """The same of the files of a store, by their paths below INPUT."""
    for name, kind, remedy in _TABLES:
        inside = [path for path in paths if name in path.parts[:-1]]
        if inside and (name != "metadata" or any(".metadata.json" in path.name for path in inside)):
            what = f"this is {kind}, whose files alone are not its rows (some may be deleted or replaced)"
            raise BadDataError(what, place=place, remedy=remedy.format(path=place.replace("'", "''")))
    if any(_LEFTOVERS in path.parts[:-1] for path in paths):
        what = f"holds {_LEFTOVERS}: a Spark or Hadoop job is writing here, or died before its end"
        raise BadDataError(what, place=place, remedy="run the job again")


def _is_iceberg(metadata: Path) -> bool:
    try:
        return any(".metadata.json" in name for name in os.listdir(metadata))  # noqa: PTH208 - Path.iterdir is slower
    except OSError:  # not to be looked into
        return False


def _identified(name: str, path: Path | None, stream: IO[bytes] | None, keys: dict[str, str | None]) -> Source:
    with machine_errors(name):
        handle = path.open("rb") if path is not None else cast(IO[bytes], stream)
        spool = None
        try:
            status = os.fstat(handle.fileno())
            _refuse_standard_output(name, status)
            if path is None or not stat.S_ISREG(status.st_mode):
                spool = _spooled(handle)
        finally:
            if path is not None:
                handle.close()
        status = os.fstat(spool.fileno()) if spool is not None else cast(Path, path).stat()
        return _recognised(Source(name, path, spool, None, False, _fingerprint(status), keys))


def _recognised(plain: Source) -> Source:
    """The source, with what its first bytes show."""
    codec = next((codec for codec, magic in CODECS.items() if re.match(magic, plain.head)), None)
    return replace(plain, codec=codec, parquet=re.match(PARQUET, plain.head) is not None)


def _refuse_standard_output(name: str, status: os.stat_result) -> None:
    """Refuse the file that standard output goes to as input: the output would be read, or replace it."""
    if sys.stdout is None:  # closed: its number may be another file's
        return
    try:
        written = os.fstat(_STANDARD_OUTPUT)
    except OSError:  # closed later
        return
    if stat.S_ISREG(status.st_mode) and os.path.samestat(status, written):
        emptied = ", and is empty: the shell empties the file after > before it starts a command"
        what = f"is the file that standard output goes to{'' if status.st_size else emptied}"
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
    """Turn errors of the operating system into ``OutputError``."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            if is_remote(name) and of_store(error):
                raise refusal(error, name) from error
            raise
        if isinstance(error, FileNotFoundError):
            raise OutputError("no such file or folder", place=name, remedy=_near(Path(name))) from error
        raise OutputError(str(error.strerror).lower(), place=name) from error


def _near(path: Path) -> str:
    """What may be meant by a path where nothing is: a name like it, else where it was looked for."""
    try:
        near = difflib.get_close_matches(path.name, sorted(os.listdir(path.parent))[:_MOST_NAMES], n=1, cutoff=_ALIKE)  # noqa: PTH208
    except OSError:
        return f"check the path: there is no folder {path.parent}"
    return (
        f"did you mean {str(path.with_name(near[0]))!r}?"
        if near
        else f"check the name: it is not in {path.parent.resolve()}"
    )


def one_line(error: BaseException) -> str:
    """The first line of a library's message."""
    return (str(error).splitlines() or [type(error).__name__])[0].strip().rstrip(".")
