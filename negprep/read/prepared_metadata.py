"""The metadata of prepared files, and the summaries (``--summary``) that stand for them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from negprep._version import __version__
from negprep.errors import BadDataError, UsageError
from negprep.jsons import json_value
from negprep.read.prepared_kinds import is_facts
from negprep.read.sources import machine_errors

_LARGEST = 1 << 24
"""Bytes. A summary has some thousand."""

_WRITERS = ("train", "test")


@dataclass(frozen=True)
class Told:
    """What a summary records.

    Attributes
    ----------
    place : str
        The summary's own name.
    output : str
        Where the rows of the run went, as it was given: a file, a folder with a slash at its end, or ``-``.
    facts : dict
        The metadata.
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

    Parameters
    ----------
    files : sequence of str
        Prepared files or folders, as they were given.
    made_by : sequence of path
        Summaries. Each belongs to the file with the name of its output; a single one to a single file, whatever its
        name.

    Raises
    ------
    BadDataError
        A file is not a summary, or not one of ``train`` or ``test``.
    UsageError
        A summary is given twice, belongs to no file, or could belong to several.
    OutputError
        It does not exist or cannot be read.
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


def said_of(file: str, own: dict[str, Any] | None, told: Told | None) -> dict[str, Any] | None:
    """The metadata of a file: its own, or those of a summary; ``UsageError`` if it has both."""
    if own is None or told is None:
        return own if told is None else told.facts
    other = sorted(name for name in {*own, *told.facts} if own.get(name) != told.facts.get(name))
    other.sort(key=lambda name: name == "counts")  # an option says more
    if not other:
        what = f"has metadata of its own, which say what {told.place} says"
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
        said = json_value(text)
    except ValueError:
        raise BadDataError("no summary: it is not JSON", place=place, remedy=remedy) from None
    if not isinstance(said, dict) or not isinstance(said.get("command"), str) or "version" not in said:
        raise BadDataError("no summary: JSON, but not what --summary writes", place=place, remedy=remedy)
    if said["command"] not in _WRITERS:
        what = f"the summary of a run of {said['command']}, which writes no rows"
        raise BadDataError(what, place=place, remedy=remedy)
    if _newer(str(said["version"])):
        what = f"a summary of negprep {said['version']}, and this is {__version__}, which may not know all of it"
        raise BadDataError(what, place=place, remedy=f"install negprep {said['version']}")
    if "metadata" not in said:
        what = "a summary without the key 'metadata', as earlier versions wrote it"
        raise BadDataError(what, place=place, remedy="make file and summary again")
    output, facts = said.get("output"), said["metadata"]
    if not isinstance(output, str) or not output or not is_facts(facts) or facts["command"] != said["command"]:
        raise BadDataError("no summary as --summary writes it: it was changed", place=place, remedy=remedy)
    return Told(place, output, facts)


def _newer(version: str) -> bool:
    """Whether a version is above this one's, by its numbers."""
    theirs, mine = ([int(number) for number in re.findall(r"\d+", text)[:3]] for text in (version, __version__))
    return theirs > mine
