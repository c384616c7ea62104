"""From the words of a command line to what the pipeline is asked for; options that do not fit are refused here."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, fields
from typing import Any

import click
from click.core import ParameterSource

from negprep.cli.signals import is_terminal
from negprep.errors import UsageError
from negprep.options.formats import FOLDERS, TEXT, form_of, refuse_unfit
from negprep.options.options import Command, Options, ReadOptions

_ROLES = ("user", "item", "time", "value", "event")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One run: what to prepare, and how to tell about it.

    Attributes
    ----------
    source, target : str
        INPUT and OUTPUT as given.
    options : Options
    force : bool
        Replace what is in a folder.
    summary : str or None
        Where the JSON facts go; ``-`` is standard output.
    closing : bool
        Whether a summary for a person ends the run.
    progress : bool
        Whether bars are shown.
    """

    source: str
    target: str
    options: Options
    force: bool
    summary: str | None
    closing: bool
    progress: bool


def request_from(command: Command, given: dict[str, Any]) -> Request:
    """Check what click parsed, and say it in the pipeline's words.

    Parameters
    ----------
    command : {"train", "test"}
    given : dict
        Parameter names of the command and their values.

    Raises
    ------
    UsageError
        Two options contradict each other, or one would be ignored.
    """
    check_reading(given)
    _refuse_unfit(command, given)
    _refuse_streams(given)
    chosen = dict(given)
    chosen["with_valid"] = given["with_valid"] or given.get("fold") == "valid"
    chosen["jobs"] = given["jobs"] or available_cpus()
    read = ReadOptions(**taken(ReadOptions, chosen))
    return Request(
        source=given["source"],
        target=given["target"],
        options=Options(command=command, read=read, **taken(Options, chosen)),
        force=given["force"],
        summary=given["summary"],
        closing=not given["quiet"],
        progress=shows_bars(given),
    )


def check_reading(given: dict[str, Any]) -> None:
    """Refuse what is wrong with the options whatever is written.

    Raises
    ------
    UsageError
        Two options contradict each other, one would be ignored, or standard input is named twice.
    """
    _refuse_contradictions(given)
    refuse_inputs(given)
    refuse_columns(given)


def _refuse_contradictions(given: dict[str, Any]) -> None:
    if given.get("epochs") is not None and _is_explicit("epoch"):
        raise UsageError("--epoch with --epochs, which begins with epoch 0", remedy="leave one out")
    if given["layout"] != "pointwise" and _is_explicit("label_dtype"):
        raise UsageError(f"--label-dtype with --layout {given['layout']}, which has no label", remedy="leave one out")
    refuse_split(given)
    if given["core"] is not None and given["items"] is not None:
        raise UsageError(
            "--core with --items: the catalog of a core is what remains of the log's items, not a file",
            remedy="leave one out",
        )
    if given["core"] is not None and given["min_positives"] is not None and given["min_positives"] <= given["core"]:
        raise UsageError(
            f"--min-positives {given['min_positives']} with --core {given['core']}, in which every user has as many",
            remedy=f"leave it out, or choose {given['core'] + 1} or more",
        )


def refuse_split(given: dict[str, Any]) -> None:
    """Refuse what says how to hold out where nothing is held out, or nothing is left to chance."""
    if given["holdout"] == "none" and given["with_valid"]:
        raise UsageError("--with-valid with --holdout none, which holds nothing out", remedy="leave one out")
    if given["holdout"] == "none" and _is_explicit("split_seed"):
        raise UsageError("--split-seed with --holdout none, which holds nothing out", remedy="leave one out")
    if given["holdout"].startswith("after") and _is_explicit("split_seed"):
        raise UsageError("--split-seed with --holdout after, which leaves nothing to chance", remedy="leave it out")


def _refuse_unfit(command: Command, given: dict[str, Any]) -> None:
    """Refuse what means nothing in the form of the output; also what is said and would be so anyway."""
    form = form_of(given["target"], given["to"])
    if form in TEXT and _is_explicit("label_dtype"):
        raise UsageError(f"--label-dtype with --to {form}: numbers in text have no type", remedy="leave one out")
    if form in FOLDERS and _is_explicit("layout"):
        raise UsageError(f"--layout with --to {form}, which has a layout of its own", remedy="leave --layout out")
    refuse_unfit(form, {**given, "command": command})


def refuse_inputs(given: dict[str, Any]) -> None:
    """Standard input carries one thing, and is no person."""
    if given["source"] == "":
        raise UsageError("INPUT is empty", remedy="give a path, or - for a pipe")
    readers = {"source": "INPUT"} | {name: f"--{name}" for name in ("items", "exclude", "weak", "weights")}
    named = [argument for name, argument in readers.items() if given.get(name) == "-"]
    if len(named) > 1:
        raise UsageError(
            "standard input ('-') is named twice", remedy=f"give files for {', '.join(named[:-1])} or {named[-1]}"
        )
    if given["source"] == "-" and is_terminal(sys.stdin):
        raise UsageError("INPUT is '-', but standard input is a terminal", remedy="pipe a log in, or name a file")


def _refuse_streams(given: dict[str, Any]) -> None:
    """Standard output carries one thing, and is no person; nor is standard error both quiet and busy."""
    refuse_quiet_bars(given)
    for name, argument in (("target", "OUTPUT"), ("summary", "--summary")):
        if given[name] == "":
            raise UsageError(f"{argument} is empty", remedy="give a path, or - for a pipe")
    if given["target"] != "-":
        return
    if given["to"] not in TEXT and is_terminal(sys.stdout):
        raise UsageError(
            "OUTPUT is '-', but standard output is a terminal, and Parquet is binary",
            remedy="pipe it on, or name a file",
        )
    if given["summary"] == "-":
        raise UsageError("OUTPUT and --summary are both '-'", remedy="give a file for one of them")
    if given["encode"]:
        raise UsageError(
            "--encode with OUTPUT '-': the vocabularies need a place beside the output",
            remedy="name a file or a folder",
        )


def refuse_quiet_bars(given: dict[str, Any]) -> None:
    """Refuse --quiet with --progress."""
    if given["quiet"] and given["progress"]:
        raise UsageError("--quiet and --progress contradict each other", remedy="leave one out")


def shows_bars(given: dict[str, Any]) -> bool:
    """Whether bars are shown: as --progress says, else where a person reads standard error."""
    if given["progress"] is not None:
        return bool(given["progress"])
    return not given.get("quiet") and is_terminal(sys.stderr)


def refuse_columns(given: dict[str, Any]) -> None:
    """Refuse columns that are named twice, or that ``--columns`` lacks."""
    role_of: dict[str, str] = {}
    for role in _ROLES:
        header = given[f"{role}_col"]
        if header is None:
            continue
        if header in role_of:
            raise UsageError(
                f"--{role_of[header]}-col and --{role}-col both name {header!r}", remedy="give two columns"
            )
        if given["columns"] is not None and header not in given["columns"]:
            raise UsageError(
                f"--{role}-col {header}: --columns has no such name ({', '.join(given['columns'])})",
                remedy="name one of those",
            )
        role_of[header] = role


def taken(record: type[Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """Those of the values that are attributes of a dataclass."""
    return {field.name: chosen[field.name] for field in fields(record) if field.name in chosen}


def _is_explicit(parameter: str) -> bool:
    return click.get_current_context().get_parameter_source(parameter) is not ParameterSource.DEFAULT


def available_cpus() -> int:
    """How many of the CPUs this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1
