"""The functions: `train`, `test`, `prepare`, `fit`, `inspect`, `verify`, `report`, on files, tables and frames."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, overload

import pyarrow as pa

from negprep.bundle import Bundle, options_of_parts, prepare_all
from negprep.checks.promises import Promised
from negprep.checks.verify import Report
from negprep.checks.verify import verify as run_verify
from negprep.encode.load import Progress
from negprep.errors import NegprepWarning, UsageError, printable, refuse_warnings
from negprep.keywords import (
    FitKeywords,
    InspectKeywords,
    PrepareKeywords,
    ReportKeywords,
    TestKeywords,
    TrainKeywords,
    VerifyKeywords,
)
from negprep.models.fit import FitSummary, learning_of
from negprep.models.fit import fit as run_fit
from negprep.options.commands import LEARNING, keywords_of, parted, takes
from negprep.options.config import read_options
from negprep.options.conflicts import Files, named_files, refuse_streams, refuse_unread, summaries
from negprep.options.declared import checked
from negprep.options.options import Command, LogSource, Options, ReadOptions
from negprep.options.reading import ArrowStream
from negprep.options.specs import whole
from negprep.pipeline import Run, silent
from negprep.pipeline import prepare as prepare_one
from negprep.read.log import open_log
from negprep.reports.inspection import Inspection, inspect_log
from negprep.reports.page import report as run_report
from negprep.stores import is_remote
from negprep.summary import Summary, warnings_of

if TYPE_CHECKING:
    import pandas as pd


@overload
def train(log: pd.DataFrame, output: None = None, **keywords: Unpack[TrainKeywords]) -> pd.DataFrame: ...
@overload
def train(
    log: pa.Table | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: None = None,
    **keywords: Unpack[TrainKeywords],
) -> pa.Table: ...
@overload
def train(log: ArrowStream, output: None = None, **keywords: Unpack[TrainKeywords]) -> Any: ...  # noqa: ANN401
@overload
def train(log: LogSource, output: str | os.PathLike[str], **keywords: Unpack[TrainKeywords]) -> Path: ...
def train(log: LogSource, output: str | os.PathLike[str] | None = None, **keywords: Unpack[TrainKeywords]) -> Any:
    """Labelled train instances: each train positive of the log and ``num_neg`` items that are not among its user's.

    Parameters
    ----------
    log : str, path, list of them, table, frame or stream
        One row per interaction; columns are recognised by their usual names, or named by ``user_col`` and so on.
        It is not changed. Tables are pyarrow's, pandas', Polars', DuckDB's, a data set of pyarrow or Hugging Face, or
        anything else with ``__arrow_c_stream__``; what streams is not held as a whole.
    output : str or path, optional
        Write there, as ``negprep train`` does. None: return the rows.
    **keywords
        The options of ``negprep train``, with ``_`` for ``-``: docs/reference/cli.md explains each.
        ``jobs`` is 1 by default.

    Returns
    -------
    a frame of pandas or Polars for such a frame, else a pyarrow.Table; pathlib.Path of an output, or its URI
        Columns ``user``, ``item``, ``label`` (int8: 1 for positives), or those of the layout; then those of ``keep``,
        in the log's own types, ``time`` and ``history``, where they are asked for. Ids are int64 where every id of the
        column is a canonical integer, else strings. Rows ascend by user and positive, unless they are shuffled.

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
    Every item that a user has not seen is drawn with the probability that the sampler defines (by default the same),
    and no other is. A held-out item may be a negative, like any item that the user has not met yet. The rows are a
    function of the set of interactions, the options and the seed alone. Source: He et al., WWW 2017, section 4.1.

    Examples
    --------
    >>> import negprep, pyarrow as pa
    >>> log = pa.table({"user": [1, 1, 2], "item": [10, 11, 12], "time": [1, 2, 3]})
    >>> negprep.train(log, num_neg=1)["item"].to_pylist()[::2]
    [10, 12]
    """
    return _run("train", log, output, keywords)


@overload
def test(log: pd.DataFrame, output: None = None, **keywords: Unpack[TestKeywords]) -> pd.DataFrame: ...
@overload
def test(
    log: pa.Table | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: None = None,
    **keywords: Unpack[TestKeywords],
) -> pa.Table: ...
@overload
def test(log: ArrowStream, output: None = None, **keywords: Unpack[TestKeywords]) -> Any: ...  # noqa: ANN401
@overload
def test(log: LogSource, output: str | os.PathLike[str], **keywords: Unpack[TestKeywords]) -> Path: ...
def test(log: LogSource, output: str | os.PathLike[str] | None = None, **keywords: Unpack[TestKeywords]) -> Any:
    """Candidates: each held-out item among ``num_neg`` that its user has never touched.

    Parameters
    ----------
    log, output, **keywords
        As for ``train``; the options are those of ``negprep test``.

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
    return _run("test", log, output, keywords)


test.__test__ = False  # type: ignore[attr-defined]  # the name is the command's; pytest must not take it for a test


def _run(
    command: Command,
    log: LogSource,
    output: str | os.PathLike[str] | None,
    keywords: TrainKeywords | TestKeywords,
) -> pa.Table | pd.DataFrame | Path:
    options, force = options_of_rows(command, keywords)
    if output is not None:
        warn_of(prepare_one(log, path_name("output", output), options, force=force).warnings)
        return Path(output) if not is_remote(os.fspath(output)) else output
    refuse_output_options(options)
    with open_log(log, options.read) as reader, Run(reader, options) as run:
        rows = _plain_strings(pa.Table.from_batches(list(run.rows()), run.schema))
        warnings = warnings_of(run)
    if options.strict:
        refuse_warnings(warnings)
    warn_of(warnings)
    return _like(log, rows)


def _like(log: LogSource, rows: pa.Table) -> Any:  # noqa: ANN401
    """The rows as what the log was: a frame of pandas or Polars, else an Arrow table."""
    library = type(log).__module__.split(".")[0]
    if library == "pandas":
        return rows.to_pandas()
    return sys.modules["polars"].from_arrow(rows) if library == "polars" else rows


@overload
def prepare(
    log: LogSource,
    output: str | os.PathLike[str],
    options: Options,
    *,
    force: bool = False,
    summary: str | None = None,
    progress: Progress | None = None,
) -> Summary: ...
@overload
def prepare(
    log: LogSource,
    output: str | os.PathLike[str],
    options: None = None,
    *,
    summary: str | None = None,
    progress: Progress | None = None,
    **keywords: Unpack[PrepareKeywords],
) -> Bundle: ...
def prepare(
    log: LogSource,
    output: str | os.PathLike[str],
    options: Options | None = None,
    *,
    summary: str | None = None,
    progress: Progress | None = None,
    **keywords: Any,
) -> Summary | Bundle:
    """Write the whole data set of a log into a folder; with ``options``, one output as ``train`` or ``test`` does.

    Parameters
    ----------
    log : str, path, pyarrow.Table or pandas.DataFrame
        As for ``train``. It is read once, and not changed.
    output : str or path
        A folder, which appears whole or not at all; with ``options``, whatever ``negprep train`` takes.
    options : Options, optional
        Those of one output.
    summary : str, optional
        A file for the facts as JSON (``-``: standard output). It appears with the output, or neither does.
    progress : callable, optional
        Called with a step ("read", "encode", "core", "shuffle", "write"), the rows done, and all rows where they are
        known.
    **keywords
        The options of ``negprep prepare``, with ``_`` for ``-``: docs/reference/cli.md explains each. Those that begin
        with ``test_`` are for the candidates of valid and test. ``force`` replaces an earlier output.

    Returns
    -------
    Bundle; with ``options``, Summary
        What was written; ``warnings`` has one line each.

    Raises
    ------
    NegprepError
        With the place, what is wrong, and the remedy.

    Examples
    --------
    >>> import negprep, os, pyarrow as pa, tempfile
    >>> log = pa.table({"user": [1, 1, 1, 2], "item": [10, 11, 12, 13], "time": [1, 2, 3, 4]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = negprep.prepare(log, os.path.join(folder, "data"), num_neg=1, test_num_neg=1)
    >>> {name: part.rows_written for name, part in made.parts.items()}
    {'train': 4, 'valid': 2, 'test': 2}
    """
    if options is not None:
        force = bool(keywords.pop("force", False))
        if keywords:
            what = f"{min(keywords)} beside options, which hold it"
            raise UsageError(what, remedy="give either options, or keywords")
        return prepare_one(log, path_name("output", output), options, force=force, summary=summary, progress=progress)
    given = completed("prepare", keywords)
    force, dry_run = bool(given.pop("force", False)), bool(given.pop("dry_run", False))
    known = takes("prepare")
    for name in ("distinct", "with_valid"):
        given.setdefault(name, known[name].of("prepare", "default"))
    target = path_name("output", output)
    target = target if target.endswith("/") else f"{target}/"
    shared = {"force": force, "dry_run": dry_run, "sampler_file": given.pop("sampler_file", None)}
    parts = options_of_parts(given, given.pop("suggested"))
    made = prepare_all(log, target, parts, summary=summary, progress=progress, **shared)
    warn_of(made.warnings)
    return made


def options_of_rows(
    command: Command, keywords: Mapping[str, Any], *, model_later: bool = False, called: str | None = None
) -> tuple[Options, bool]:
    """The options that the keywords of ``train`` or ``test`` mean, and whether to replace an earlier output.

    ``called``: What takes the keywords of ``train``, if another: the error of an unknown one names it.
    """
    refuse_unknown(command, keywords, called=called)
    given = completed(command, keywords)
    force = bool(given.pop("force", False))
    given.setdefault("distinct", takes(command)["distinct"].of(command, "default"))
    reading, rows = parted(given, ReadOptions, Options)
    rows |= {"command": command, "given": given["suggested"], "model_later": model_later}
    return Options(read=ReadOptions(**reading), **rows), force


def completed(function: str, keywords: Mapping[str, Any], named: Collection[str] = ()) -> dict[str, Any]:
    """The keywords, which are known, with what ``config`` and ``recipe`` hold in place of those left out."""
    given = dict(keywords)
    refuse_unknown(function, given, named)
    files = read_options(function, given.pop("config", None), given.pop("recipe", None))
    return files.completed(given, given)


def path_name(what: str, given: object) -> str:
    """The text of a path that somebody gave.

    Raises TypeError: It is not a path. Raises UsageError: It is empty.
    """
    name = os.fspath(given) if isinstance(given, str | os.PathLike) else given
    if not isinstance(name, str):
        raise TypeError(f"{what} is a str or a path, not {type(given).__name__}")
    if not name:
        raise UsageError(f"{what} is empty", remedy="give a path")
    return name


def refuse_output_options(options: Options) -> None:
    """Refuse options that need an output, for rows that go back to the caller."""
    if options.encode:
        raise UsageError("encode without an output has no place for the vocabularies", remedy="give an output")
    if options.to is not None:
        raise UsageError("to without an output: rows in memory have no form", remedy="give an output")


def _plain_strings(rows: pa.Table) -> pa.Table:
    """The rows with strings instead of dictionaries, as the log has them."""
    fields_ = [pa.field(field.name, _plain(field.type), nullable=field.nullable) for field in rows.schema]
    return rows.cast(pa.schema(fields_))


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_list(kind):
        return pa.list_(pa.field("element", _plain(kind.value_type), nullable=False))
    return kind


def inspect(log: LogSource, **keywords: Unpack[InspectKeywords]) -> Inspection:
    """Summarise a log, and preview what ``train`` and ``test`` would write. Nothing is written.

    Parameters
    ----------
    log : str, path, pyarrow.Table or pandas.DataFrame
        As for ``train``. It is read several times, and not changed.
    **keywords
        As for ``train`` and ``test``; where ``num_neg`` or ``distinct`` is None, each has its own default. Options that
        ``test`` does not take (``epochs``, ``bootstrap``) are for ``train`` alone. With ``strict=True``, a suspicion is
        raised as a ``BadDataError``.

    Returns
    -------
    Inspection
        Frozen; ``log`` holds the facts, ``train`` and ``test`` the forecasts, ``warnings`` one line each. ``as_dict()``
        gives the same as a dict. Rows are exact; bytes are rough.

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
    given: dict[str, Any] = dict(keywords)
    refuse_unknown("inspect", given)
    files = read_options("inspect", given.pop("config", None), given.pop("recipe", None))
    completed = files.completed(given, given)
    of_rows = files.of_rows_but(given)
    found = inspect_log(log, {**completed, "given": completed["suggested"]}, of_rows=of_rows)
    if keywords.get("strict"):
        refuse_warnings(found.warnings)
    return found


def fit(log: LogSource, model: str | os.PathLike[str], **keywords: Unpack[FitKeywords]) -> FitSummary:
    """Make a model from the train part of a log, and write it to a file, whole or not at all.

    Parameters
    ----------
    log : str, path, pyarrow.Table or pandas.DataFrame
        As for ``train``. It is not changed.
    model : str or path
        The file to write: numpy arrays, to be named by ``train(..., model=...)``.
    **keywords
        The options of ``negprep fit``: docs/reference/cli.md explains each. ``kind`` is required: ``als`` (which needs
        the extra ``negprep[fit]``) and ``bpr`` are for ``sampler="hard"``, ``rns`` is for ``sampler="reinforced"``.

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
    given = completed("fit", keywords)
    target = path_name("model", model)
    kind, recommender = given.pop("kind", None), given.pop("recommender", None)
    learning = {name: given.pop(name) for name in LEARNING if name in given}
    learnt = learning_of(kind, threads=given.get("jobs", 1), **learning)
    reading, rest = parted(given, ReadOptions, Options)
    options = Options(command="train", read=ReadOptions(**reading), given=given["suggested"], **rest)
    return run_fit(log, target, options, kind, learnt, silent, None if recommender is None else os.fspath(recommender))


MOST_EXAMPLES = 1_000


def verify(
    files: Files,
    log: LogSource,
    *,
    train: Files = (),
    test: Files = (),
    made_by: Files = (),
    examples: int = 5,
    **keywords: Unpack[VerifyKeywords],
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
        Files whose name and metadata do not show what they are.
    made_by : str, path, or sequence of them
        Summaries of the runs that wrote those of the files that have no metadata, such as CSV.
    examples : int
        Rows shown of each kind of fault, 0 to 1000.
    **keywords
        The other options of ``negprep verify``: docs/reference/cli.md explains each.

    Returns
    -------
    Report
        Frozen; ``failed`` is true if a check failed, ``files`` and ``across`` the checks, ``as_dict()`` the same as a
        dict. A check that could not be made has the status ``not checked``, and its note says why.

    Raises
    ------
    NegprepError
        A file that is not a prepared file, another log, or an option without effect; in one line. A fault in a file
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
    promised, read = _promised_of("verify", keywords, ("train", "test", "made_by", "examples"))
    named = named_files(files, train, test)
    beside = {f"--{name}": getattr(promised, name) for name in ("items", "exclude", "weak", "weights", "valid_file")}
    refuse_streams([("log", log), *(("FILE", name) for name, _ in named), *beside.items()])
    found = run_verify(
        named,
        log,
        promised=promised,
        made_by=summaries(made_by),
        read=read,
        n_examples=whole("examples", examples, 0, MOST_EXAMPLES),
        memory=keywords.get("memory"),
        spill_dir=keywords.get("spill_dir"),
    )
    if keywords.get("strict") and not found.failed:
        refuse_warnings(found.warnings)
    return found


def report(
    files: Files,
    output: str | os.PathLike[str],
    *,
    log: LogSource | None = None,
    train: Files = (),
    test: Files = (),
    made_by: Files = (),
    **keywords: Unpack[ReportKeywords],
) -> Report | None:
    """Write a page of HTML that shows what is in prepared files, whole or not at all.

    Parameters
    ----------
    files, train, test, made_by, **keywords
        As for ``verify``; the keywords need a log, except ``strict``: a failed check or a warning is raised as a
        ``BadDataError``, and nothing is written.
    output : str or path
        A name that ends in ``.html``.
    log : str, path, pyarrow.Table or pandas.DataFrame, optional
        What the files were made of; adds the checks of ``verify`` and the times of the holdouts.

    Returns
    -------
    Report or None
        What ``verify`` found, with five rows of each kind of fault; None without a log.

    Raises
    ------
    NegprepError
        The extra ``negprep[report]`` is missing, a file is not a prepared file, or a failure to write; in one line.

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
    promised, reading = _promised_of("report", keywords, ("log", "train", "test", "made_by"))
    refuse_unread(log, set(keywords) - {"strict"})
    strict = bool(keywords.get("strict"))
    named, facts = named_files(files, train, test), summaries(made_by)
    found, warnings = run_report(
        named, path_name("output", output), log=log, claims=promised, made_by=facts, reading=reading, strict=strict
    )
    if found is None:
        warn_of(warnings)
    return found


def warn_of(found: Iterable[str]) -> None:
    """Issue a ``NegprepWarning`` for each, at the line outside negprep from which a function was called."""
    for text in found:
        depth, frame = 1, sys._getframe()
        while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("negprep."):
            depth, frame = depth + 1, frame.f_back
        warnings.warn(printable(text), NegprepWarning, stacklevel=depth)


def refuse_unknown(
    function: str, given: Mapping[str, Any], named: Collection[str] = (), called: str | None = None
) -> None:
    """Raise a TypeError for an unknown keyword, as Python does, and name the nearest, also of ``named``."""
    known = keywords_of(function)
    unknown = sorted(set(given) - known - {"shard_rows"})
    if unknown:
        near = get_close_matches(unknown[0], sorted({*known, *named}), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise TypeError(f"{called or function}() got an unexpected keyword argument {unknown[0]!r}{hint}")


def _promised_of(function: str, given: Mapping[str, Any], named: Collection[str]) -> tuple[Promised, ReadOptions]:
    """What the keywords of ``verify`` or ``report`` promise of files, and how the log is read; both checked."""
    known, chosen = takes(function), completed(function, given, named)
    chosen = {name: checked(known[name], value, function) if name in known else value for name, value in chosen.items()}
    sampler = chosen.get("sampler")
    if isinstance(sampler, str) or sampler is None:
        chosen["sampler"] = () if sampler is None else (sampler,)
    elif not isinstance(sampler, tuple | list) or not all(isinstance(term, str) for term in sampler):
        raise UsageError(f"sampler is {sampler!r}", remedy="give a string, or several in a tuple")
    promised, reading = parted(chosen, Promised, ReadOptions)
    return Promised(**promised), ReadOptions(**reading)
