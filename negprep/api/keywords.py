"""What the functions take besides what they name: keywords, which are the options of the commands."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Literal, TypedDict

from negprep.errors import NegprepWarning, printable
from negprep.forms import FormName, SourceForm
from negprep.options import Layout, LogSource, OnShort


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

    The meanings are those of ``negprep.verifying.claims.Claims``; a ``sampler`` may be a string.
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
