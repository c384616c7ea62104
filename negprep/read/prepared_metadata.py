"""The metadata of prepared files, and the summaries (``--summary``) that stand for them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from negprep._version import __version__
from negprep.errors import BadDataError, UsageError
from negprep.jsons import json_value
from negprep.read.sources import machine_errors
from negprep.stores import StorePath

_LARGEST = 1 << 24
"""Bytes. A summary has some thousand."""

_WRITERS = ("train", "test")
METADATA_KEY = b"negprep"
SPARK_SCHEMA = b"org.apache.spark.sql.parquet.row.metadata"
FOLDER_METADATA = "_negprep.json"
"""Where the metadata are in the footer of a Parquet file, in one that Spark wrote, and in a folder of text."""

DATA_SET = "negprep.json"
"""What a folder of ``prepare`` holds: the metadata of all its parts, whose vocabularies it has as well."""


def metadata_in(text: bytes | None, place: str) -> dict[str, Any] | None:
    """The metadata that negprep wrote, from their JSON; None without text.

    ``text`` is what a footer has, or the file ``FOLDER_METADATA``. Raises ``BadDataError`` if it is not the JSON object
    that negprep writes.
    """
    if text is None:
        return None
    try:
        metadata = json_value(text)
    except ValueError:
        metadata = None
    if not _is_metadata(metadata):
        what = "the metadata 'negprep' is not what negprep writes"
        raise BadDataError(what, place=place, remedy="make the file again")
    return metadata  # type: ignore[no-any-return]  # an object, as was just asked


def metadata_of_parts(footers: Sequence[Mapping[bytes, bytes]], place: str) -> dict[str, Any] | None:
    """The metadata that all parts of a file have in their footers; None unless they are the same. Else as above."""
    texts = {_text_in(footer) for footer in footers}
    return metadata_in(texts.pop(), place) if len(texts) == 1 else None


def _text_in(footer: Mapping[bytes, bytes]) -> bytes | None:
    """The text of the metadata in a footer: under ``METADATA_KEY``, or, as Spark writes it, with the first column."""
    if METADATA_KEY in footer:
        return footer[METADATA_KEY]
    try:
        schema = json_value(footer.get(SPARK_SCHEMA, b""))
    except ValueError:  # of another program
        return None
    match schema:
        case {"fields": [{"metadata": {"negprep": text}}, *_]}:
            return text.encode(errors="surrogatepass") if isinstance(text, str) else b""
    return None


def metadata_of_folder(path: Path | StorePath) -> dict[str, Any] | None:
    """The metadata that a run wrote for a folder of text, found from the folder or a file in it."""
    of_parts = parts_of_data_set(path.parent)
    if path.name in of_parts:
        return of_parts[path.name]
    for folder in (path, path.parent):
        file = folder / FOLDER_METADATA
        if file.is_file():
            with machine_errors(str(file)):
                return metadata_in(file.read_bytes(), str(file))
    return None


def parts_of_data_set(folder: Path | StorePath) -> dict[str, dict[str, Any]]:
    """The files of rows that ``prepare`` wrote into a folder, with the metadata of each; empty for another folder.

    Raises ``BadDataError`` if its ``negprep.json`` is not what ``prepare`` writes.
    """
    written = _data_set(folder)
    return {} if written is None else {name: written["parts"][part] for name, part in written["rows"].items()}


def changed_files(folder: Path | StorePath) -> tuple[str, ...] | None:
    """The files without rows that are not as ``prepare`` wrote them into a folder; None for another folder.

    Such as vocabularies, and what ``Sampler.open`` opens. One that is no longer there is not missed.
    """
    written = _data_set(folder)
    if written is None:
        return None
    found = []
    for name, digest in written["files"].items():
        path = folder / name
        if name in written["rows"] or not path.is_file():
            continue
        with machine_errors(str(path)), path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                found.append(str(path))
    return tuple(found)


def _data_set(folder: Path | StorePath) -> dict[str, Any] | None:
    """What ``prepare`` wrote about a folder; None for another folder."""
    file = folder / DATA_SET
    if not file.is_file():
        return None
    with machine_errors(str(file)):
        text = file.read_bytes()
    try:
        written = json_value(text)
    except ValueError:
        written = None
    match written:
        case {"parts": dict(parts), "rows": dict(rows), "files": dict()} if all(map(_is_metadata, parts.values())):
            if set(rows.values()) <= set(parts):
                found: dict[str, Any] = written
                return found
    raise BadDataError("not what negprep prepare writes", place=str(file), remedy="make the folder again")


def _is_metadata(value: object) -> bool:
    """Whether it looks like the metadata that negprep writes."""
    return isinstance(value, dict) and {"command", "layout", "counts"} <= set(value)


@dataclass(frozen=True)
class Told:
    """What the summary at ``place`` records: the metadata, and where the rows of the run went.

    ``output`` is as it was given: a file, a folder with a slash at its end, or ``-``.
    """

    place: str
    output: str
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        """The name that a file must have to match; ``""`` if any matches."""
        return "" if self.output == "-" else Path(os.path.realpath(self.output)).name

    def names(self, file: str) -> bool:
        """Whether a file, or its folder, has the name of the output.

        The files of a folder for other programs are called after it, or are recognised by it.
        """
        path = Path(os.path.realpath(file))
        if not self.output.endswith("/"):
            return self.name in (path.name, Path(file).name)
        return self.name in (path.name, path.parent.name) or path.name.startswith(f"{self.name}.")

    def is_at(self, file: str) -> bool:
        """Whether it is the output itself, or in it."""
        output, path = Path(os.path.realpath(self.output)), Path(os.path.realpath(file))
        return path == output or (self.output.endswith("/") and path.parent == output)


def allotted(files: Sequence[str], made_by: Sequence[str | os.PathLike[str]]) -> dict[str, Told]:
    """Which summary belongs to which file: a dict by the name of the file, without files that have none.

    Each of the summaries ``made_by`` belongs to the prepared file or folder with the name of its output; a single one
    to a single file, whatever its name.

    Raises ``BadDataError`` if a file is not a summary of ``train`` or ``test``, ``UsageError`` if a summary is given
    twice, belongs to no file, or could belong to several, ``OutputError`` if it cannot be read.
    """
    told = [_read(os.fspath(path)) for path in made_by]
    real = [os.path.realpath(each.place) for each in told]
    for at, path in enumerate(real):
        if path in real[:at]:
            raise UsageError("this summary is given twice", place=told[at].place, remedy="give it once")
    files = list(dict.fromkeys(files))
    if len(told) == len(files) == 1:
        return {files[0]: told[0]}
    found: dict[str, Told] = {}
    for file in files:
        mine = [each for each in told if each.names(file)]
        if len(mine) > 1:
            mine = [each for each in mine if each.is_at(file)] or mine
        if len(mine) > 1:
            what = f"the summaries {mine[0].place} and {mine[1].place} were both written with an output of this name"
            raise UsageError(what, place=file, remedy="check the files of one run at a time")
        found |= dict.fromkeys([file], *mine) if mine else {}
    for each in told:
        _refuse_unclear(each, files, [file for file, its in found.items() if its is each])
    return found


def metadata_of(file: str, own: dict[str, Any] | None, told: Told | None) -> dict[str, Any] | None:
    """The metadata of a file: its own, or those of a summary; ``UsageError`` if it has both."""
    if own is None or told is None:
        return own if told is None else told.facts
    other = sorted(name for name in {*own, *told.facts} if own.get(name) != told.facts.get(name))
    other.sort(key=lambda name: name == "counts")  # an option explains more
    if not other:
        what = f"has metadata of its own, the same as {told.place}"
        raise UsageError(what, place=file, remedy="leave the summary out")
    mine, theirs = (json.dumps(facts.get(other[0])) for facts in (own, told.facts))
    shown = f" ({mine}, and there {theirs})" if other[0] != "counts" else ""
    what = f"has metadata of its own, with another {other[0]!r} than {told.place}{shown}"
    raise UsageError(what, place=file, remedy="leave the summary out: it is of another run")


def _refuse_unclear(told: Told, files: Sequence[str], mine: list[str]) -> None:
    """A summary without a file would have no effect; if two files have its name, one may be the wrong one."""
    if not mine:
        looked = f"named {told.name}" if told.name else "that has gone to standard output"
        what = f"no FILE is {looked}, which this summary was written with (given: {', '.join(files)})"
        remedy = "name the file so, leave the summary out, or check one file with one summary"
        raise UsageError(what, place=told.place, remedy=remedy)
    if not told.output.endswith("/") and len({os.path.realpath(file) for file in mine}) > 1:
        what = f"{mine[0]} and {mine[1]} are both named as the output of this summary"
        raise UsageError(what, place=told.place, remedy="check one of them at a time")


def _read(place: str) -> Told:
    """A summary that ``train`` or ``test`` wrote."""
    with machine_errors(place):
        if os.path.getsize(place) > _LARGEST:  # noqa: PTH202
            raise BadDataError("too large to be a summary", place=place, remedy="give what --summary has written")
        text = Path(place).read_bytes()
    remedy = "give the file that train or test wrote with --summary"
    try:
        written = json_value(text)
    except ValueError:
        raise BadDataError("not a summary: it is not JSON", place=place, remedy=remedy) from None
    if not isinstance(written, dict) or not isinstance(written.get("command"), str) or "version" not in written:
        raise BadDataError("not a summary: JSON, but not what --summary writes", place=place, remedy=remedy)
    if written["command"] not in _WRITERS:
        what = f"the summary of a run of {written['command']}, which writes no rows"
        raise BadDataError(what, place=place, remedy=remedy)
    if _newer(str(written["version"])):
        what = f"a summary of negprep {written['version']}, and this is {__version__}, which may not know all of it"
        raise BadDataError(what, place=place, remedy=f"install negprep {written['version']}")
    if "metadata" not in written:
        what = "a summary without the key 'metadata', as earlier versions wrote it"
        raise BadDataError(what, place=place, remedy="make file and summary again")
    output, facts = written.get("output"), written["metadata"]
    if not isinstance(output, str) or not output or not _is_metadata(facts) or facts["command"] != written["command"]:
        raise BadDataError("not a summary as --summary writes it: it was changed", place=place, remedy=remedy)
    return Told(place, output, facts)


def _newer(version: str) -> bool:
    """Whether a version is above this one's, by its numbers."""
    theirs, mine = ([int(number) for number in re.findall(r"\d+", text)[:3]] for text in (version, __version__))
    return theirs > mine
