"""``train`` and ``test``: a log to rows, in memory or in a file."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

import pyarrow as pa

from negprep.api.keywords import Keywords, TrainKeywords, refuse_unknown, warn_of
from negprep.errors import UsageError, refuse_warnings
from negprep.facts import warnings_of
from negprep.options import Command, LogSource, Options, ReadOptions
from negprep.pipeline import prepare
from negprep.reading import open_log
from negprep.run import Run

if TYPE_CHECKING:
    import pandas as pd


@overload
def train(
    log: pd.DataFrame,
    output: None = None,
    *,
    num_neg: int | None = ...,
    holdout: str = ...,
    distinct: bool = ...,
    **keywords: Unpack[TrainKeywords],
) -> pd.DataFrame: ...
@overload
def train(
    log: pa.Table | str | os.PathLike[str],
    output: None = None,
    *,
    num_neg: int | None = ...,
    holdout: str = ...,
    distinct: bool = ...,
    **keywords: Unpack[TrainKeywords],
) -> pa.Table: ...
@overload
def train(
    log: LogSource,
    output: str | os.PathLike[str],
    *,
    num_neg: int | None = ...,
    holdout: str = ...,
    distinct: bool = ...,
    **keywords: Unpack[TrainKeywords],
) -> Path: ...
def train(
    log: LogSource,
    output: str | os.PathLike[str] | None = None,
    *,
    num_neg: int | None = None,
    holdout: str = "auto",
    distinct: bool = False,
    **keywords: Unpack[TrainKeywords],
) -> Any:
    """Labelled train instances: each positive of the log and ``num_neg`` items that its user has not touched.

    Parameters
    ----------
    log : str, path, pyarrow.Table or pandas.DataFrame
        One row an interaction; columns are recognised by their usual names, or named by ``user_col`` and so on.
        It is not changed.
    output : str or path, optional
        Write there, as ``negprep train`` does. None: return the rows.
    num_neg : int, optional
        Negatives for each positive; 4 by default (99 for ``test``), or the sum of a sampler's fixed counts.
    holdout : str
        The positives that are kept out, as ``test`` with the same holdout takes them: ``auto`` (``last`` where the log
        has times, else ``random``), ``last``, ``last:N``, ``random``, ``random:N``, ``fraction:F``, ``after:TIME``; or
        ``none``, for a log that is split already.
    distinct : bool
        The negatives of one positive differ.
    **keywords
        The attributes of ``Options`` and ``ReadOptions``; and ``force``, to replace a folder that is not empty.

    Returns
    -------
    pandas.DataFrame for a frame, pyarrow.Table for a table or a path, pathlib.Path of the output where one is given
        Columns ``user``, ``item``, ``label`` (int8: 1 for positives), or those of the layout. Ids are int64 where every
        id of the column is a canonical integer, else strings. Rows ascend by user and positive, unless they are
        shuffled.

    Raises
    ------
    NegprepError
        Bad data, options that contradict each other, or a failure to write; in one line, with the remedy.

    Warns
    -----
    NegprepWarning
        For whatever the command warns of; with ``strict=True`` it is raised as a ``BadDataError``.

    Notes
    -----
    Every item that a user has not seen is drawn with the same probability, and no other is. The rows are a function of
    the set of interactions, the options and the seed alone. Source: He et al., WWW 2017, section 4.1.

    Examples
    --------
    >>> import negprep, pyarrow as pa
    >>> log = pa.table({"user": [1, 1, 2], "item": [10, 11, 12], "time": [1, 2, 3]})
    >>> negprep.train(log, num_neg=1)["item"].to_pylist()[::2]
    [10, 12]
    """
    return _run("train", log, output, num_neg, holdout, distinct, "test", keywords)


@overload
def test(
    log: pd.DataFrame,
    output: None = None,
    *,
    num_neg: int | Literal["all"] | None = ...,
    holdout: str = ...,
    distinct: bool = ...,
    fold: Literal["valid", "test"] = ...,
    **keywords: Unpack[Keywords],
) -> pd.DataFrame: ...
@overload
def test(
    log: pa.Table | str | os.PathLike[str],
    output: None = None,
    *,
    num_neg: int | Literal["all"] | None = ...,
    holdout: str = ...,
    distinct: bool = ...,
    fold: Literal["valid", "test"] = ...,
    **keywords: Unpack[Keywords],
) -> pa.Table: ...
@overload
def test(
    log: LogSource,
    output: str | os.PathLike[str],
    *,
    num_neg: int | Literal["all"] | None = ...,
    holdout: str = ...,
    distinct: bool = ...,
    fold: Literal["valid", "test"] = ...,
    **keywords: Unpack[Keywords],
) -> Path: ...
def test(
    log: LogSource,
    output: str | os.PathLike[str] | None = None,
    *,
    num_neg: int | Literal["all"] | None = None,
    holdout: str = "auto",
    distinct: bool = True,
    fold: Literal["valid", "test"] = "test",
    **keywords: Unpack[Keywords],
) -> Any:
    """Candidates: each held-out item among ``num_neg`` that its user has never touched.

    Parameters
    ----------
    log, output, holdout, distinct, **keywords
        As for ``train``.
    num_neg : int or "all", optional
        Negatives for each holdout; ``all``: every item that the user has not touched. 99 by default.
    fold : {"test", "valid"}
        The holdout to write; ``valid`` asks for ``with_valid``.

    Returns
    -------
    As for ``train``; ``num_neg + 1`` rows for each holdout, in random order, with label 1 for the holdout. The holdouts
    of a user follow one another.

    Raises
    ------
    NegprepError
        As for ``train``; and where no user has enough positives for a holdout.

    Notes
    -----
    Metrics on sampled candidates are not those on all items. Source: Krichene and Rendle, KDD 2020.

    Examples
    --------
    >>> import negprep, pyarrow as pa
    >>> log = pa.table({"user": [1, 1, 2, 2], "item": [10, 11, 12, 13], "time": [1, 2, 3, 4]})
    >>> candidates = negprep.test(log, num_neg=2)
    >>> candidates.filter(candidates["label"].cast("bool"))["item"].to_pylist()
    [11, 13]
    """
    if fold == "valid":
        keywords["with_valid"] = True
    return _run("test", log, output, num_neg, holdout, distinct, fold, keywords)


test.__test__ = False  # type: ignore[attr-defined]  # the name is the command's; pytest must not take it for a test


def _run(
    command: Command,
    log: LogSource,
    output: str | os.PathLike[str] | None,
    num_neg: int | Literal["all"] | None,
    holdout: str,
    distinct: bool,
    fold: Literal["valid", "test"],
    keywords: TrainKeywords | Keywords,
) -> pa.Table | pd.DataFrame | Path:
    names = {field.name for field in fields(ReadOptions)}
    given: dict[str, Any] = dict(keywords)
    force = bool(given.pop("force", False))
    known = (TrainKeywords if command == "train" else Keywords).__optional_keys__ | {"shard_rows"}
    refuse_unknown(command, given, known, ("num_neg", "holdout", "distinct", *(["fold"] if command == "test" else [])))
    read = ReadOptions(**{name: value for name, value in given.items() if name in names})
    rest = {name: value for name, value in given.items() if name not in names}
    options = Options(
        command=command, num_neg=num_neg, holdout=holdout, distinct=distinct, fold=fold, read=read, **rest
    )
    if output is not None:
        warn_of(prepare(log, os.fspath(output), options, force=force).warnings)
        return Path(output)
    if options.encode:
        raise UsageError("encode without an output has no place for the vocabularies", remedy="give an output")
    if options.to is not None:
        raise UsageError("to without an output: rows in memory have no form", remedy="give an output")
    with open_log(log, options.read) as reader, Run(reader, options) as run:
        rows = _plain_strings(pa.Table.from_batches(list(run.batches()), run.schema))
        warnings = warnings_of(run)
    if options.strict:
        refuse_warnings(warnings)
    warn_of(warnings)
    return rows if isinstance(log, pa.Table | str | os.PathLike) else rows.to_pandas()


def _plain_strings(rows: pa.Table) -> pa.Table:
    """The rows with strings instead of dictionaries, as the log has them."""
    fields_ = [pa.field(field.name, _plain(field.type), nullable=False) for field in rows.schema]
    return rows.cast(pa.schema(fields_))


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_list(kind):
        return pa.list_(pa.field("element", _plain(kind.value_type), nullable=False))
    return kind
