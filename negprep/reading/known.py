"""Logs as others publish them: what a file of theirs looks like, and which one a file is."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from negprep.errors import BadDataError, UsageError
from negprep.reading.blocks import filled_lines

if TYPE_CHECKING:
    from negprep.options import ReadOptions
    from negprep.reading.sources import Source

_FOUR = ("user", "item", "value", "time")
_JSON_NAME = re.compile(r"\.(jsonl|ndjson)(\.(gz|zst|bz2|zip))?$", re.IGNORECASE)
_ATOMIC = re.compile(r"\.(inter|user|item|kg|link|net)(\.(gz|zst|bz2|zip))?$")
_OBJECT = re.compile(r'\s*\{\s*("([^"\\]|\\.)*"\s*:|\})')
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_NAMES = {
    "ncf": r".+\.rating",
    "movielens": r"ratings\.(csv|dat)|u\.data",
    "recbole": r".+(?<!\.candidates)\.inter",
    "lightgcn": r"(train|valid|test)\.txt",
}


def is_file_of(name: str, form: str | None) -> bool:
    """Whether a file in a folder is one of the log, among what else others put there (a catalog, negatives)."""
    return form not in _NAMES or re.fullmatch(_NAMES[form], name) is not None


def form_of_file(source: Source, options: ReadOptions) -> str | None:
    """What ``--from`` says, else what the file shows beyond doubt; None for CSV and its relatives.

    JSON lines start with a brace and a key, or are named ``.jsonl`` or ``.ndjson``. NCF's ``.rating`` files have
    three or four numbers between tabs, MovieLens' ``ratings.dat`` and ``u.data`` four.

    Raises
    ------
    UsageError
        ``--from`` beside options that say the same in other words.
    """
    if options.from_ is not None:
        for option, value in (("--columns", options.columns), ("--delimiter", options.delimiter)):
            if value is not None:
                raise UsageError(f"--from {options.from_} says what {option} says", remedy="leave one out")
        return options.from_
    if options.columns is not None or options.delimiter is not None:
        return None
    if _JSON_NAME.search(source.name):
        return "jsonl"
    _, line = next(filled_lines(source, 0), (1, ""))
    if _OBJECT.match(line):
        return "jsonl"
    name = source.name.rpartition("/")[2]
    name = name if source.codec is None else name.rpartition(".")[0]
    separator = "::" if "::" in line else "\t"
    fields = line.strip("\r\n").split(separator)
    if all(map(_NUMBER.fullmatch, fields)):
        if name.endswith(".rating") and len(fields) in (3, 4) and separator == "\t":
            return "ncf"
        if name in ("ratings.dat", "u.data") and len(fields) == 4:
            return "movielens"
    return None


def with_quotes(source: Source, options: ReadOptions, form: str | None = None) -> ReadOptions:
    """The options, and that the quotes of RecBole's atomic files are text, unless ``--quote`` says otherwise.

    In the folders of atomic files that negprep writes, ids with quotes stand in quotes.
    """
    folder = source.path.parent if source.path is not None else None
    ours = folder is not None and (folder / "_negprep.json").exists()
    atomic = form == "recbole" or _ATOMIC.search(source.name) is not None
    if options.quote is None and atomic:
        return replace(options, quote='"' if ours else "none")
    return options


def as_text(source: Source, form: str | None, options: ReadOptions) -> ReadOptions:
    """The options that read a text of that form: its delimiter and its columns."""
    if form is None:
        return options
    number, line = next(filled_lines(source, 0), (0, ""))
    place = f"{source.name}:{number}"
    if number == 0:
        return replace(options, from_=None)
    if form == "recbole":
        if ":token" not in line:
            what = "the header names no field of type token (user_id:token)"
            raise BadDataError(what, place=place, remedy="leave --from out, or name a RecBole file")
        return replace(options, from_=None, delimiter="\t")
    if form == "movielens" and not _NUMBER.match(line):
        return replace(options, from_=None)  # the later ones are CSV with a header
    separator = " " if form == "sasrec" else "::" if "::" in line and form == "movielens" else "\t"
    fields = len(line.strip("\r\n").split(separator))
    allowed = {"ncf": (3, 4), "movielens": (4,), "sasrec": (2,)}[form]
    if fields not in allowed:
        shown = {" ": "spaces", "\t": "tabs"}.get(separator, separator)
        what = f"{fields} field{'s' * (fields != 1)} between {shown}, where --from {form} has"
        wanted = " or ".join(", ".join(_FOUR[:count]) for count in allowed)
        raise BadDataError(f"{what} {wanted}", place=place, remedy="leave --from out, or name another file")
    return replace(options, from_=None, columns=_FOUR[:fields], delimiter=separator)
