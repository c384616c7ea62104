"""What an OUTPUT names (a file, a folder, a stream), whether a run may write there, and single files written whole."""

from __future__ import annotations

import json
import os
import shlex
import stat
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from glob import has_magic
from io import BytesIO
from pathlib import Path
from re import fullmatch
from typing import TYPE_CHECKING, BinaryIO, Literal

from negprep import stores
from negprep.errors import OutputError, UsageError
from negprep.options.formats import SAMPLER_FILE, is_exchanged
from negprep.stores import (
    CHECK_BUCKET,
    copying,
    is_remote,
    is_web,
    pattern_of,
    refuse_local_only,
    refuse_unknown,
    store_errors,
    without_secrets,
)
from negprep.write.atomic import (
    ELSEWHERE,
    PARTS,
    Sink,
    Staging,
    complete,
    final_mode,
    machine_errors,
    make_file,
    settle,
    sweep,
    sync_folder,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import ExitStack

    from pyarrow.fs import FileSystem


STANDARD_OUTPUT = 1

METADATA = "_negprep.json"
"""What holds the metadata in a folder of text."""

DATA_SET = "negprep.json"
"""What holds the facts of a data set."""


@dataclass(frozen=True)
class Destination:
    """Where an output goes.

    ``place``: What messages call it.
    ``kind``: {"file", "folder", "stream"}. A stream is standard output, a named pipe or a device such as ``/dev/null``:
      written as it is, without a temporary.
    ``path``: Without symbolic links, but for a stream: a link to a file stays, and the file that it leads to is
      replaced.
    ``uri``: The name of a file or folder in a store, which is built beside `path`, in the folder of temporary files.
    """

    place: str
    kind: Literal["file", "folder", "stream"]
    path: Path
    uri: str = ""

    @property
    def elsewhere(self) -> str:
        """How to write elsewhere, where the machine refuses."""
        folder = self.path.parent
        return f"set TMPDIR to a folder elsewhere: {folder} is where it is built" if self.uri else ELSEWHERE

    @property
    def is_standard_output(self) -> bool:
        """Whether it was named ``-``."""
        return self.kind == "stream" and self.path == Path("-")


def locate(target: str) -> Destination:
    """Find out what an OUTPUT names."""
    if target == "-":
        return Destination("standard output", "stream", Path(target))
    if is_remote(target):
        name = without_secrets(target)
        kind: Literal["file", "folder"] = "folder" if name.endswith("/") else "file"
        return Destination(name, kind, Path(tempfile.gettempdir(), name.rstrip("/").rpartition("/")[2]), target)
    if not Path(target).exists():
        refuse_unknown(target)
    path = Path(os.path.realpath(target))
    if target.endswith("/"):
        return Destination(target, "folder", path)
    try:
        # Not of `path`: the links under /proc to which /dev/stdout leads can be followed, but not spelt out.
        mode = Path(target).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = stat.S_IFREG
    if stat.S_ISDIR(mode):
        raise UsageError("is a folder", place=target, remedy=f"write part files into it with {target}/, or name a file")
    if stat.S_ISREG(mode):
        return Destination(target, "file", path)
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        return Destination(target, "stream", Path(target))
    raise UsageError("is neither a file nor a folder nor a pipe", place=target, remedy="name another OUTPUT")


def check_output(target: str, inputs: Sequence[Path], *, force: bool = False, is_text: bool = False) -> None:
    """Refuse an OUTPUT that cannot or must not be written, before anything is read.

    ``target``: A file, a folder (ends in ``/``) or ``-``.
    ``inputs``: All files and folders that the run reads.
    ``force``: Whether a folder with an earlier output may be replaced.
    ``is_text``: Whether a terminal can show it.
    Raises UsageError: If it is one of the inputs (by name, symbolic link or hard link) or lies in one, or one lies in
      it; if it is a terminal; if it is a folder that is not empty and either `force` is not given or it holds
      anything else; if it is a folder and has no slash at the end, or a file and has one.
    Raises OutputError: If its folder is missing or cannot be written to.

    What a store may hold, `check_target` decides.
    """
    refuse_local_only(target)
    with machine_errors(target):
        destination = locate(target)
        if destination.kind == "stream":
            if not is_text:
                refuse_terminal(destination)
        else:
            _refuse_parent(destination)
        if destination.kind == "folder":
            refuse_contents(destination, force=force)
        for source in inputs:
            if source.exists():
                _refuse_input(destination, source)


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
            refuse_filled(where, system, path)
        elif system.get_file_info(path).type.name == "Directory":
            raise UsageError("is a folder", place=name, remedy="name a file in it, or end OUTPUT with a slash")


def refuse_filled(where: str, system: FileSystem, path: str) -> None:
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
        raise UsageError(what, place=name, remedy=f"name a new folder, or remove this one first: {removing(name)}")


def removing(name: str) -> str:
    """The command that removes a folder of a store."""
    scheme = name.partition("://")[0].lower()
    command = "aws s3 rm --recursive" if scheme == "s3" else "gcloud storage rm --recursive"
    return f"{command} {shlex.quote(name)}"


@contextmanager
def open_stream(destination: Destination) -> Iterator[int]:
    """The descriptor of a stream, open to be written to."""
    if destination.is_standard_output:
        yield STANDARD_OUTPUT
        return
    descriptor = os.open(destination.path, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def refuse_terminal(destination: Destination) -> None:
    """Raise UsageError if the bytes would land on a screen."""
    if destination.is_standard_output:
        shown = os.isatty(STANDARD_OUTPUT)
    elif destination.path.is_char_device():
        with open_stream(destination) as descriptor:
            shown = os.isatty(descriptor)
    else:
        shown = False
    if shown:
        raise UsageError(
            "is a terminal, and Parquet is not text",
            place=destination.place,
            remedy="name a file, or redirect it (> out.parquet)",
        )


def refuse_contents(destination: Destination, *, force: bool) -> None:
    """Raise UsageError if a folder holds anything, or with `force` anything but an earlier output."""
    try:
        held = sorted(destination.path.iterdir())
        strange = [found for path in held for found in _strange(path)] if force else []
    except FileNotFoundError:  # nothing there, or moved away by another run that is about to replace it
        return
    if held and not force:
        raise UsageError(
            f"is not empty (it holds {held[0].name!r})",
            place=destination.place,
            remedy="name a new folder, or replace what an earlier run wrote with --force",
        )
    if strange:
        name = str(strange[0].relative_to(destination.path))
        raise UsageError(
            f"holds {name!r}, which negprep did not write, and --force removes outputs only",
            place=destination.place,
            remedy="name another folder, or empty it yourself",
        )


def _strange(path: Path) -> list[Path]:
    """What no output has, of an entry of a folder and what is in it."""
    # Spark writes the same names, and check sums as ._SUCCESS.crc and .part-00000.crc.
    if path.is_dir() and fullmatch(r"epoch=\d+", path.name):
        return [inner for inner in path.iterdir() if inner.is_dir() or not _is_part(inner)]
    return [path] if path.is_dir() or not (_is_part(path) or _is_exchanged(path) or _is_of_data_set(path)) else []


def _is_part(path: Path) -> bool:
    return path.name.removeprefix(".").startswith(("part-", "_"))


def _is_of_data_set(path: Path) -> bool:
    """Whether it is one of the files of a data set, which holds a list of them."""
    if path.name in (DATA_SET, "README.md", "negprep.toml"):
        return (path.parent / DATA_SET).is_file()
    if path.name == SAMPLER_FILE:
        return True
    try:
        listed = json.loads((path.parent / DATA_SET).read_bytes())["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return path.name in listed


def _is_exchanged(path: Path) -> bool:
    """Whether it has the name of a file for another program, in a folder whose metadata negprep wrote."""
    return is_exchanged(path.name) and (path.parent / METADATA).is_file()


def _refuse_parent(destination: Destination) -> None:
    path, place = destination.path, destination.place
    if not path.parent.exists():
        raise OutputError(f"there is no folder {path.parent}", place=place, remedy="create it (mkdir -p)")
    if not path.parent.is_dir():
        raise OutputError(f"{path.parent} is not a folder", place=place, remedy="name an OUTPUT elsewhere")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(
            f"nothing can be created in {path.parent}",
            place=place,
            remedy="allow it (chmod), or name an OUTPUT elsewhere",
        )
    with tempfile.TemporaryFile(dir=path.parent):
        pass  # root may write anywhere, by the permissions, and a file system may refuse all the same
    if destination.kind == "folder":
        if path.exists() and not path.is_dir():
            raise UsageError("is a file", place=place, remedy="leave out the slash at the end")
        if path.is_mount():
            raise UsageError("is a mount point and cannot be replaced", place=place, remedy="name a folder inside it")
    elif path.exists() and not os.access(path, os.W_OK):
        raise OutputError("is read-only", place=place, remedy="allow it (chmod), or name another OUTPUT")


def _refuse_input(destination: Destination, source: Path) -> None:
    path, real = destination.path, Path(os.path.realpath(source))
    if destination.kind == "stream":
        status = os.fstat(STANDARD_OUTPUT) if destination.is_standard_output else path.stat()
        same = stat.S_ISREG(status.st_mode) and os.path.samestat(status, source.stat())
    else:
        same = path.exists() and path.samefile(source)
    if same:
        raise UsageError(f"is the input {source}", place=destination.place, remedy="name another OUTPUT")
    if destination.kind == "folder" and real.is_relative_to(path):
        raise UsageError(f"holds the input {source}", place=destination.place, remedy="name another OUTPUT")
    if destination.kind != "stream" and real.is_dir() and path.is_relative_to(real):
        raise UsageError(
            f"lies in the input {source} and would be read with it next time",
            place=destination.place,
            remedy="name an OUTPUT elsewhere",
        )


class Document:
    """A file on its way: staged beside its target, then given its name. A pipe or a device is sent what is staged.

    ``target``: A file, or ``-`` for standard output.
    ``fill``: Writes the content, once, when it is staged.
    ``elsewhere``: How to give it another place, for messages; None: it is the output itself.
    """

    def __init__(self, target: str, fill: Callable[[BinaryIO], object], elsewhere: str | None = None) -> None:
        refuse_local_only(target)
        self._target, self._fill = target, fill
        place = "standard output" if target == "-" else target
        self._errors = (place,) if elsewhere is None else (place, elsewhere)
        self._path: Path | None = None
        self._staging: Staging | None = None

    def stage(self) -> None:
        """Write it under a temporary name, and have the disk confirm it.

        Raises OutputError: The machine refuses. What was there before is still there.
        """
        with machine_errors(*self._errors):
            destination = locate(self._target)
            if destination.kind == "stream":
                content = BytesIO()
                self._fill(content)
                with open_stream(destination) as descriptor:
                    Sink(descriptor).write(content.getvalue())
                return
            path = self._path = destination.path
            sweep(path)
            self._staging = Staging(path)
            self._staging.open()
            make_file(self._staging.path(PARTS))
            with self._staging.path(PARTS).open("wb") as file:
                self._fill(file)
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


def write_whole(target: str, fill: Callable[[BinaryIO], object]) -> None:
    """Write a file, which appears whole or not at all; a pipe or a device as it is. ``fill`` writes the content.

    Raises OutputError: The machine refuses. What was there before is still there.
    """
    document = Document(target, fill)
    try:
        document.stage()
        document.publish()
    finally:
        document.close()


def check_whole(target: str, inputs: Sequence[Path]) -> None:
    """Refuse a target that cannot or must not be written as one file, before anything is read: as ``check_output``."""
    check_output(target, inputs)
    destination = locate(target)
    if destination.kind != "file":
        raise UsageError("is not a place for one file", place=destination.place, remedy="name a file")
