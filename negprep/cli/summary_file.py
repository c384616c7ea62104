"""The facts of a run as JSON, in a file that appears whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from negprep.errors import OutputError, UsageError

if TYPE_CHECKING:
    from negprep.cli.request import Request
    from negprep.summary import Summary


def check_summary(request: Request) -> None:
    """Refuse, before any work, a place for the summary that cannot be written or holds something else.

    Raises
    ------
    UsageError
        It is INPUT or OUTPUT.
    OutputError
        It is a folder, its folder is missing or read-only, or standard output is closed.
    """
    if request.summary == "-" and sys.stdout is None:
        raise OutputError("standard output is closed", remedy="give --summary a file")
    if request.summary is None or request.summary == "-":
        return
    path = Path(os.path.realpath(request.summary))
    for name, other in (("INPUT", request.source), ("OUTPUT", request.target)):
        if other != "-" and path == Path(os.path.realpath(other)):
            raise UsageError(f"--summary and {name} are one file, {request.summary}", remedy="give another name")
    if path.is_dir():
        raise OutputError("a folder, where --summary needs a file", place=request.summary, remedy="name a file in it")
    if not path.parent.is_dir():
        raise OutputError("no such folder", place=str(path.parent), remedy="make it, or give --summary another place")
    if _replaceable(path) and not os.access(path.parent, os.W_OK):
        raise OutputError("the folder is read-only", place=str(path.parent), remedy="give --summary another place")


def write_summary(target: str, summary: Summary) -> None:
    """Write the summary to a file or, where `target` is ``-``, to standard output.

    Raises
    ------
    OutputError
        The file could not be written. What was there is still there.
    """
    text = json.dumps(summary.as_dict(), indent=2, allow_nan=False) + "\n"
    if target == "-":
        click.echo(text, nl=False)
        return
    path = Path(os.path.realpath(target))
    try:
        if _replaceable(path):
            _replace(path, text)
        else:
            path.write_text(text)
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "the output itself is complete"
        raise OutputError(f"the summary could not be written: {reason}", place=target, remedy=remedy) from error


def _replaceable(path: Path) -> bool:
    """Whether `path` is a file or nothing yet; /dev/stderr, a pipe or >(...) must be written to, not renamed over."""
    return path.is_file() or not path.exists()


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(text)
            file.flush()
            os.fsync(descriptor)
            os.fchmod(descriptor, 0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
