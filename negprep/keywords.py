"""The keywords of the functions: those of `train` and `test`, and what `verify` and `report` are told of files."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, Literal, TypeAlias, TypedDict

from negprep.checks.promises import Promised
from negprep.errors import NegprepWarning, UsageError, printable
from negprep.options.formats import FormName, SourceForm
from negprep.options.options import Layout, LogSource, OnShort, ReadOptions
from negprep.options.specs import MAX_NUM_NEG, check_kinds, check_real, whole


class ReadKeywords(TypedDict, total=False):
    """How a log is read; the meanings are those of ``ReadOptions``."""

    user_col: str | None
    item_col: str | None
    time_col: str | None
    value_col: str | None
    event_col: str | None
    columns: tuple[str, ...] | None
    delimiter: str | None
    quote: str | None
    escape: str | None
    from_: SourceForm | None
    drop_invalid: bool
    expect_rows: int | None
    time_format: str | tuple[str, ...]


class Keywords(ReadKeywords, total=False):
    """What ``train`` and ``test`` take besides; the meanings are those of ``Options``."""

    with_valid: bool
    sampler: str | tuple[str, ...] | None
    alpha: float | None
    smooth: float | None
    weights: LogSource | None
    weak: LogSource | None
    with_log_q: bool
    available_at_time: bool
    same: str | None
    bootstrap: int | None
    levels: str | None
    layout: Layout
    positive: str | None
    keep_time: Literal["last", "first"]
    min_positives: int | None
    core: int | None
    exclude: LogSource | None
    items: LogSource | None
    on_short: OnShort
    encode: bool
    label_dtype: Literal["int8", "float32"]
    to: FormName | None
    seed: int
    split_seed: int
    jobs: int
    memory: int | None
    spill_dir: str | None
    strict: bool
    force: bool


class TrainKeywords(Keywords, total=False):
    """What ``train`` takes besides."""

    model: str | os.PathLike[str] | None
    pool: int | None
    top: int | None
    skip_top: int | None
    pool_weak: int | None
    temperature: float | None
    epoch: int
    epochs: int | None
    shuffle: bool


class FitKeywords(ReadKeywords, total=False):
    """What ``fit`` takes besides."""

    with_valid: bool
    positive: str | None
    keep_time: Literal["last", "first"]
    min_positives: int | None
    core: int | None
    weak: LogSource | None
    exclude: LogSource | None
    items: LogSource | None
    split_seed: int
    memory: int | None
    spill_dir: str | None
    strict: bool
    reward_weight: float | None
    feature_share: float | None
    pool: int | None
    pool_weak: int | None
    temperature: float | None
    start_epochs: int | None
    batch_size: int | None
    patience: int | None


class CheckKeywords(ReadKeywords, total=False):
    """What ``verify`` and ``report`` take besides, of the files that do not say it themselves and what is beside them.

    The meanings are those of ``negprep.checks.promises.Promised``; a ``sampler`` may be a string.
    """

    positive: str | None
    keep_time: Literal["last", "first"]
    holdout: str | None
    with_valid: bool
    num_neg: int | Literal["all"] | None
    distinct: bool | None
    sampler: str | tuple[str, ...] | None
    alpha: float | None
    smooth: float | None
    items: LogSource | None
    exclude: LogSource | None
    weak: LogSource | None
    weights: LogSource | None


def warn_of(found: Iterable[str]) -> None:
    """Issue a ``NegprepWarning`` for each, at the line outside negprep from which a function was called."""
    for text in found:
        depth, frame = 1, sys._getframe()
        while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("negprep."):
            depth, frame = depth + 1, frame.f_back
        warnings.warn(printable(text), NegprepWarning, stacklevel=depth)


def refuse_unknown(
    function: str, given: Mapping[str, Any], known: frozenset[str] | set[str], named: Iterable[str]
) -> None:
    """Refuse, as Python does, a keyword that is not known.

    Parameters
    ----------
    function : str
        Who was called.
    given : mapping
        Keywords besides those that it names.
    known : set of str
        Those that it takes.
    named : iterable of str
        Those that it names, which may have been meant.

    Raises
    ------
    TypeError
        With the nearest one.
    """
    unknown = sorted(set(given) - known)
    if unknown:
        near = get_close_matches(unknown[0], [*sorted(known - {"shard_rows"}), *named], 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise TypeError(f"{function}() got an unexpected keyword argument {unknown[0]!r}{hint}")


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


def claims_of(function: str, given: Mapping[str, Any], named: Sequence[str]) -> tuple[Promised, ReadOptions]:
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
    claims = Promised(**{name: value for name, value in chosen.items() if name not in of_reading})
    check_kinds(claims, bool, "with_valid")
    check_kinds(claims, str | None, "positive", "holdout")
    if claims.distinct is not None:
        check_kinds(claims, bool, "distinct")
    return claims, read
