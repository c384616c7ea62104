"""The functions: `train`, `test`, `fit`, `inspect`, `verify` and `report`, on files, Arrow tables and pandas frames."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

import pyarrow as pa

from negprep.checks.verify import Report
from negprep.checks.verify import verify as run_verify
from negprep.errors import UsageError, refuse_warnings
from negprep.job import prepare
from negprep.keywords import (
    CheckKeywords,
    Files,
    FitKeywords,
    Keywords,
    TrainKeywords,
    claims_of,
    named_files,
    refuse_streams,
    refuse_unknown,
    summaries,
    warn_of,
)
from negprep.models.fit import FitSummary, learning_of
from negprep.models.fit import fit as run_fit
from negprep.options.options import Command, LogSource, Options, ReadOptions
from negprep.options.specs import RNS_OPTIONS, check_bool, whole
from negprep.pipeline import Run, silent
from negprep.read.log import open_log
from negprep.reports.inspection import Inspection, inspect_log
from negprep.reports.page import report as run_report
from negprep.summary import warnings_of

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


def inspect(
    log: LogSource,
    *,
    num_neg: int | Literal["all"] | None = None,
    holdout: str = "auto",
    distinct: bool | None = None,
    fold: Literal["valid", "test"] = "test",
    **keywords: Unpack[TrainKeywords],
) -> Inspection:
    """What a log holds, what ``train`` and ``test`` would write, and what is suspicious. Nothing is written.

    Parameters
    ----------
    log : str, path, pyarrow.Table or pandas.DataFrame
        As for ``train``. It is read several times, and not changed.
    num_neg, holdout, distinct, fold, **keywords
        As for ``train`` and ``test``; where ``num_neg`` or ``distinct`` is None, each has its own default. What
        ``test`` does not take (``epochs``, ``bootstrap``) is for ``train`` alone. With ``strict=True``, what is
        suspicious is raised as a ``BadDataError``.

    Returns
    -------
    Inspection
        Frozen; ``log`` are the facts, ``train`` and ``test`` the forecasts, ``warnings`` one line each. ``as_dict()``
        gives the same as a dict. Rows are exact; bytes, seconds and memory are estimated.

    Raises
    ------
    NegprepError
        The log cannot be read, or neither command takes these options.

    Examples
    --------
    >>> import negprep, pyarrow as pa
    >>> log = pa.table({"user": [1, 1, 2, 2], "item": [10, 11, 12, 13], "time": [1, 2, 3, 4]})
    >>> found = negprep.inspect(log)
    >>> found.log.users, found.log.density, found.train.rows, found.test.rows
    (2, 0.5, 10, 6)
    """
    known = TrainKeywords.__optional_keys__ - {"force"} | {"shard_rows"}
    refuse_unknown("inspect", keywords, known, ("num_neg", "holdout", "distinct", "fold"))
    found = inspect_log(log, {"num_neg": num_neg, "holdout": holdout, "distinct": distinct, "fold": fold, **keywords})
    if keywords.get("strict"):
        refuse_warnings(found.warnings)
    return found


_NAMED = ("kind", "holdout", "factors", "epochs", "regularization", "learning_rate", "seed", "jobs")


def fit(
    log: LogSource,
    model: str | os.PathLike[str],
    *,
    kind: Literal["als", "bpr", "rns"],
    holdout: str = "auto",
    factors: int | None = None,
    epochs: int | None = None,
    regularization: float | None = None,
    learning_rate: float | None = None,
    seed: int = 0,
    jobs: int = 1,
    **keywords: Unpack[FitKeywords],
) -> FitSummary:
    """Make a model from the train part of a log, and write it to a file, whole or not at all.

    Parameters
    ----------
    log : str, path, pyarrow.Table or pandas.DataFrame
        As for ``train``. It is not changed.
    model : str or path
        The file to write: numpy arrays, to be named by ``train(..., model=...)``.
    kind : {"als", "bpr", "rns"}
        ``als`` and ``bpr`` (which need the extra ``negprep[fit]``) are for ``sampler="hard"``, ``rns`` is for
        ``sampler="reinforced"``.
    holdout : str
        The positives that nothing is learnt from, by default those of ``train``; give both the same.
    factors : int, optional
        Numbers for each user and item, 1 to 1024: 64, or 32 for ``rns``.
    epochs : int, optional
        Passes over the train positives: 15 for ``als``, 100 for ``bpr``, 20 for ``rns``.
    regularization : float, optional
        How strongly factors are drawn to 0: 0.01, or 1e-5 for ``rns``.
    learning_rate : float, optional
        The size of a step: 0.05 for ``bpr``, 0.001 for ``rns``.
    seed : int
        Decides the first factors and whatever is drawn while learning.
    jobs : int
        Threads that learn. With more than one, ``bpr`` gives another model each time.
    **keywords
        The other options of ``negprep fit``: those of the positives and the holdout, and ``ReadOptions``, as for
        ``train``; and those of ``rns``, which the page docs/guide/samplers.md explains.

    Returns
    -------
    FitSummary
        Frozen: what was learnt from, what was held out, and what the file says of itself.

    Raises
    ------
    NegprepError
        Bad data, an option that the kind has no use for, an extra that is missing, or a failure to write; in one line.

    Notes
    -----
    One seed gives one model, on one machine with one version of the libraries. With ``rns``, numpy must keep to one
    thread for that, which it decides when it is imported: set OPENBLAS_NUM_THREADS=1 before.

    Examples
    --------
    >>> import negprep, os, pyarrow as pa, tempfile
    >>> events = ["buy", "view", "buy", "view"]
    >>> log = pa.table({"user": [1, 1, 2, 2], "item": [10, 11, 11, 12], "event": events, "time": [1, 2, 3, 4]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "policy.npz")
    ...     found = negprep.fit(log, path, kind="rns", positive="buy", factors=4, epochs=1)
    >>> found.positives, found.users, found.held_out
    (2, 2, 0)
    """
    given: dict[str, Any] = dict(keywords)
    refuse_unknown("fit", given, FitKeywords.__optional_keys__, _NAMED)
    target = os.fspath(model)
    if not target:
        raise UsageError("model is empty", remedy="give a path")
    learning = learning_of(
        kind,
        factors=factors,
        epochs=epochs,
        regularization=regularization,
        learning_rate=learning_rate,
        seed=seed,
        threads=jobs,
        **{name: given.pop(name, None) for name in RNS_OPTIONS},
    )
    reading = {field.name for field in fields(ReadOptions)}
    read = ReadOptions(**{name: value for name, value in given.items() if name in reading})
    rest = {name: value for name, value in given.items() if name not in reading}
    options = Options(command="train", holdout=holdout, jobs=jobs, read=read, **rest)
    return run_fit(log, target, options, kind, learning, silent)


MOST_EXAMPLES = 1_000


def verify(
    files: Files,
    log: LogSource,
    *,
    train: Files = (),
    test: Files = (),
    made_by: Files = (),
    examples: int = 5,
    memory: int | None = None,
    spill_dir: str | None = None,
    strict: bool = False,
    **keywords: Unpack[CheckKeywords],
) -> Report:
    """Check prepared files against the log that they were made of, and train files against test files.

    Parameters
    ----------
    files : str, path, or sequence of them
        What ``train`` or ``test`` wrote, or a file of another program that says in its name what it is; may be empty
        where ``train`` or ``test`` name some.
    log : str, path, pyarrow.Table or pandas.DataFrame
        As for ``train``. It is not changed.
    train, test : str, path, or sequence of them
        Files that do not say themselves what they are.
    made_by : str, path, or sequence of them
        Summaries of the runs that wrote those of the files that have no metadata, such as CSV.
    examples : int
        Rows told of each kind of fault, 0 to 1000.
    memory : int, optional
        Bytes to take; what does not fit is spilled, and found is the same. None: half of what the machine has.
    spill_dir : str, optional
        A folder for what is spilled. None: where the system keeps temporary files.
    strict : bool
        Where no check failed, raise a warning, or a check that is unlikely, as a ``BadDataError``.
    **keywords
        The other options of ``negprep verify``: what is beside the files (``items``, ``exclude``, ``weak``,
        ``weights``), what files do not say themselves (``holdout``, ``num_neg``, ``sampler`` and so on), and how the
        log is read: the attributes of ``ReadOptions``.

    Returns
    -------
    Report
        Frozen; true ``failed`` where a check failed, ``files`` and ``across`` the checks, ``as_dict()`` the same as a
        dict. A check that could not be made has the status ``not checked``, and why as its note.

    Raises
    ------
    NegprepError
        A file that is no prepared file, another log, or an option without effect; in one line. A fault in a file
        raises nothing.

    Examples
    --------
    >>> import negprep, os, pyarrow as pa, tempfile
    >>> log = pa.table({"user": [1, 1, 2], "item": [10, 11, 12]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = negprep.train(log, os.path.join(folder, "train.parquet"))
    ...     found = negprep.verify(path, log)
    >>> found.failed, found.files[0].rows
    (False, 10)
    """
    check_bool("strict", strict)
    claims, read = claims_of(
        "verify", keywords, ("train", "test", "made_by", "examples", "memory", "spill_dir", "strict")
    )
    named = named_files(files, train, test)
    refuse_streams(named, log, claims.items, claims.exclude, claims.weak, claims.weights)
    most = whole("examples", examples, 0, MOST_EXAMPLES)
    if memory is not None:
        memory = whole("memory", memory, 1, 2**63 - 1)
    found = run_verify(
        named,
        log,
        claims=claims,
        made_by=summaries(made_by),
        read=read,
        n_examples=most,
        memory=memory,
        spill_dir=spill_dir,
    )
    if strict and not found.failed:
        refuse_warnings(found.doubts)
    return found


def report(
    files: Files,
    output: str | os.PathLike[str],
    *,
    log: LogSource | None = None,
    train: Files = (),
    test: Files = (),
    made_by: Files = (),
    strict: bool = False,
    **keywords: Unpack[CheckKeywords],
) -> Report | None:
    """Write a page of HTML that shows what is in prepared files, whole or not at all.

    Parameters
    ----------
    files, train, test, made_by, **keywords
        As for ``verify``; the keywords need a log.
    output : str or path
        A name that ends in ``.html``.
    log : str, path, pyarrow.Table or pandas.DataFrame, optional
        What the files were made of; adds the checks of ``verify`` and the times of the holdouts.
    strict : bool
        Raise a warning, a check that is unlikely or one that failed as a ``BadDataError``, and write nothing.

    Returns
    -------
    Report or None
        What ``verify`` found, with five rows of each kind of fault; None without a log.

    Raises
    ------
    NegprepError
        The extra ``negprep[report]`` is missing, a file is no prepared file, or a failure to write; in one line.

    Examples
    --------
    >>> import negprep, os, pyarrow as pa, tempfile
    >>> log = pa.table({"user": [1, 1, 2], "item": [10, 11, 12]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = negprep.train(log, os.path.join(folder, "train.parquet"))
    ...     found = negprep.report(path, os.path.join(folder, "page.html"), log=log)
    >>> found.failed
    False
    """
    check_bool("strict", strict)
    claims, reading = claims_of("report", keywords, ("log", "train", "test", "made_by", "strict"))
    if log is None and keywords:
        raise UsageError(f"{min(keywords)} without a log, of which it says something", remedy="add log=...")
    named, told = named_files(files, train, test), summaries(made_by)
    found, warnings = run_report(
        named, os.fspath(output), log=log, claims=claims, made_by=told, reading=reading, strict=strict
    )
    if found is None:
        warn_of(warnings)
    return found
