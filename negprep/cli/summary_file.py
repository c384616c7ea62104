"""Where the facts of a run may go as JSON: refused before any work, if it is somewhere else's place."""

from __future__ import annotations

import fnmatch
import glob
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from negprep.errors import OutputError, UsageError
from negprep.forms import beside

if TYPE_CHECKING:
    from negprep.cli.request import Request


def check_summary(request: Request) -> None:
    """Refuse, before any work, a place for the summary that cannot be written or holds something else.

    Raises
    ------
    UsageError
        It is, or lies in, something that the run reads or writes, by whatever name.
    OutputError
        It is a folder, its folder is missing or read-only, or standard output is closed.
    """
    if request.summary == "-" and sys.stdout is None:
        raise OutputError("standard output is closed", remedy="give --summary a file")
    if request.summary is None or request.summary == "-":
        return
    path = Path(os.path.realpath(request.summary))
    options = request.options
    for name, read in (
        ("INPUT", request.source),
        ("--items", options.items),
        ("--exclude", options.exclude),
        ("--weights", options.weights),
        ("--weak", options.weak),
        ("--model", options.model),
    ):
        if isinstance(read, str):
            _refuse_read(request.summary, path, name, read)
    _refuse_written(request.summary, path, request.target, encode=options.encode)
    if path.is_dir():
        raise OutputError("a folder, where --summary needs a file", place=request.summary, remedy="name a file in it")
    if not path.parent.is_dir():
        raise OutputError("no such folder", place=str(path.parent), remedy="make it, or give --summary another place")
    if _replaceable(path) and not os.access(path.parent, os.W_OK):
        raise OutputError("the folder is read-only", place=str(path.parent), remedy="give --summary another place")


def _refuse_read(given: str, path: Path, name: str, read: str) -> None:
    """Refuse a summary that is one of the files that the run reads, or would be one the next time."""
    if read == "-":
        parts, folders = [], []
        if sys.stdin is not None and _is_open_at(given, 0):
            raise _one_file(given, name)
    elif glob.has_magic(read) and not Path(read).exists():
        if _fits(Path(given).absolute().parts, Path(read).absolute().parts):
            raise UsageError(f"--summary {given} fits the pattern of {name}, {read}", remedy="give another name")
        parts = glob.glob(read, recursive=True)  # noqa: PTH207
        folders = [part for part in parts if Path(part).is_dir()]
    else:
        parts, folders = [read], [read] if Path(read).is_dir() else []
    for folder in folders:
        if path != (real := Path(os.path.realpath(folder))) and path.is_relative_to(real):
            raise UsageError(f"--summary {given} lies in {name}, {folder}", remedy="give a place elsewhere")
        if path.is_file():
            parts += [os.path.join(parent, file) for parent, _, files in os.walk(folder) for file in files]  # noqa: PTH118
    if any(_is_same(path, part) for part in parts if part not in folders):
        raise _one_file(given, name)


def _refuse_written(given: str, path: Path, target: str, *, encode: bool) -> None:
    """Refuse a summary that would take the place of the output, or of a file beside it."""
    real = Path(os.path.realpath(target))
    if target == "-":
        if sys.stdout is not None and _is_open_at(given, 1):
            raise _one_file(given, "OUTPUT")
    elif target.endswith("/") or real.is_dir():
        if path.is_relative_to(real):
            raise UsageError(f"--summary {given} lies in OUTPUT, {target}", remedy="give a place elsewhere")
    elif _is_same(path, real):
        raise _one_file(given, "OUTPUT")
    elif encode:
        for vocabulary in ("users", "items"):
            if _is_same(path, beside(real, vocabulary)):
                raise _one_file(given, f"the {vocabulary} of --encode")


def _one_file(given: str, name: str) -> UsageError:
    return UsageError(f"--summary and {name} are one file, {given}", remedy="give another name")


def _is_same(path: Path, other: str | Path) -> bool:
    """Whether both are one file, by name or by a link of either kind; they need not exist."""
    if path == Path(os.path.realpath(other)):
        return True
    try:
        return path.samefile(other)
    except OSError:
        return False


def _is_open_at(given: str, descriptor: int) -> bool:
    """Whether a standard stream is redirected to a file or a pipe. A device such as /dev/null may be everywhere."""
    try:
        status = os.fstat(descriptor)
        return not stat.S_ISCHR(status.st_mode) and os.path.samestat(status, Path(given).stat())
    except OSError:
        return False


def _fits(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether a glob finds a path once it exists, by the names of its folders and its own."""
    if not parts or not pattern:
        return not parts and set(pattern) <= {"**"}
    if pattern[0] == "**":
        return _fits(parts, pattern[1:]) or _fits(parts[1:], pattern)
    return fnmatch.fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])


def _replaceable(path: Path) -> bool:
    """Whether `path` is a file or nothing yet; /dev/stderr, a pipe or >(...) must be written to, not renamed over."""
    return path.is_file() or not path.exists()
