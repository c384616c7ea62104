"""What ``verify`` and ``report`` have in common: prepared files, and what is said of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeAlias

from negprep.api.keywords import CheckKeywords, refuse_unknown
from negprep.errors import UsageError
from negprep.limits import MAX_NUM_NEG, check_kinds, check_real, whole
from negprep.options import ReadOptions
from negprep.verifying.claims import Claims

Files: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"
"""One path, or several."""


def named_files(files: Files, train: Files, test: Files) -> list[tuple[str, str | None]]:
    """Every path with what it is for, where that is said: ``train``, ``test`` or None.

    Raises
    ------
    UsageError
        No file is named, or something that is no path.
    """
    named = [
        (path, part) for given, part in ((files, None), (train, "train"), (test, "test")) for path in _paths(given)
    ]
    if not named:
        raise UsageError("no file to check", remedy="name what train or test wrote")
    return named


def _paths(given: Files) -> list[str]:
    paths = [given] if isinstance(given, str | os.PathLike) or not isinstance(given, Sequence) else given
    for path in paths:
        if not isinstance(path, str | os.PathLike):
            raise UsageError(f"a prepared file is a {type(path).__name__}", remedy="give its path")
        if not os.fspath(path):
            raise UsageError("a file name is empty", remedy="give a path")
    return [os.fspath(path) for path in paths]


def summaries(made_by: Files) -> list[str]:
    """The paths of summaries.

    Raises
    ------
    UsageError
        One is no path, or standard input.
    """
    paths = _paths(made_by)
    if "-" in paths:
        raise UsageError("made_by is '-'", remedy="give the file that --summary has written")
    return paths


def refuse_streams(files: Sequence[tuple[str, str | None]], *others: object) -> None:
    """Refuse files of which two would be standard input.

    Raises
    ------
    UsageError
    """
    if sum(isinstance(name, str) and name == "-" for name in (*(name for name, _ in files), *others)) > 1:
        raise UsageError("standard input ('-') is named twice", remedy="give files")


def claims_of(function: str, given: Mapping[str, Any], named: Sequence[str]) -> tuple[Claims, ReadOptions]:
    """What the keywords of a function say of files, and of how the log is read.

    Parameters
    ----------
    function : str
    given : mapping
        ``CheckKeywords``.
    named : sequence of str
        Keywords that the function names itself.

    Raises
    ------
    TypeError
        An unknown keyword.
    UsageError
        A value of the wrong kind, or out of its limits.
    """
    refuse_unknown(function, given, CheckKeywords.__optional_keys__, named)
    chosen = dict(given)
    sampler = chosen.get("sampler")
    if isinstance(sampler, str) or sampler is None:
        chosen["sampler"] = () if sampler is None else (sampler,)
    elif not isinstance(sampler, tuple | list) or not all(isinstance(term, str) for term in sampler):
        raise UsageError(f"sampler is {sampler!r}", remedy="give a string, or several in a tuple")
    if chosen.get("keep_time", "last") not in ("last", "first"):
        raise UsageError(f"keep_time is {chosen['keep_time']!r}", remedy="choose one of last, first")
    if chosen.get("num_neg") not in (None, "all"):
        chosen["num_neg"] = whole("num_neg", chosen["num_neg"], 1, MAX_NUM_NEG)
    for name in ("alpha", "smooth"):
        if chosen.get(name) is not None:
            check_real(name, chosen[name], -1e9, 1e9)
    of_reading = {field.name for field in fields(ReadOptions)}
    read = ReadOptions(**{name: value for name, value in chosen.items() if name in of_reading})
    claims = Claims(**{name: value for name, value in chosen.items() if name not in of_reading})
    check_kinds(claims, bool, "with_valid")
    check_kinds(claims, str | None, "positive", "holdout")
    if claims.distinct is not None:
        check_kinds(claims, bool, "distinct")
    return claims, read
