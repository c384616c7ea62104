"""Which files a log is, what each is read by, and which columns have which role."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from negprep.errors import BadDataError, NegprepError, UsageError
from negprep.options import ReadOptions
from negprep.reading.columns import ROLES, Roles, find_roles, listed, role_of
from negprep.reading.delimiter import first_lines, is_aligned, likely_delimiter
from negprep.reading.dialect import byte_order_mark, read_dialect
from negprep.reading.documents import first_objects, holds_lists, list_remedy, nested_remedy, refuse_documents
from negprep.reading.header import Unnamed
from negprep.reading.hive import KeyedInput, keyed
from negprep.reading.json_lines import JsonInput, json_input
from negprep.reading.known import as_text, form_of_file, is_file_of, with_quotes
from negprep.reading.lists import ListsInput
from negprep.reading.log import Input, LogReader
from negprep.reading.memory import FrameInput, memory_input
from negprep.reading.parquet import ParquetInput, parquet_input
from negprep.reading.quoting import is_quoted_as_written
from negprep.reading.sources import Source, find_sources, machine_errors
from negprep.reading.text import TextInput

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def open_log(
    source: str | os.PathLike[str] | pa.Table | pd.DataFrame,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - frozen
    *,
    required: tuple[str, ...] = ("user", "item"),
    fitting: Callable[[tuple[str, ...]], ReadOptions] | None = None,
    recognise: Callable[[tuple[str, ...], ReadOptions, str], Roles] = find_roles,
    may_lack: tuple[str, ...] | None = None,
    beside: bool = False,
    unnamed: Unnamed = Unnamed(),  # noqa: B008 - frozen
) -> LogReader:
    """Find the files of a log and recognise its columns.

    Parameters
    ----------
    source : str, path, pa.Table or pd.DataFrame
        A file, a folder, a glob, ``-`` for standard input, or a table in memory.
    options : ReadOptions
    required : tuple of str
        The roles (``user``, ``item``, ``time``, ``value``, ``event``) that must be there.
    fitting : callable, optional
        From the names of the columns to options that name some of them, in place of those of ``options``.
    recognise : callable
        What gives each role its column; with other roles than a log's where it is no log.
    may_lack : tuple of str, optional
        Of a file beside the log: the roles of which a row may have none; it is null then.
    beside : bool
        It is not the log: where negprep wrote it, its quotes are those that negprep writes, whatever the log's are.
    unnamed : Unnamed
        What becomes of a text without a header.

    Returns
    -------
    LogReader
        To be closed; a context manager.

    Raises
    ------
    BadDataError
        There is no data, it is damaged, its parts differ, or a required column is missing or ambiguous.
    UsageError
        An option does not fit the log.
    OutputError
        A file does not exist or cannot be read.
    """
    with ExitStack() as stack:
        if isinstance(source, str | os.PathLike):
            name = os.fspath(source)
            sources = find_sources(name, lambda file: is_file_of(file, options.from_))
            for each in sources:
                stack.callback(each.close)
            filled, warnings = _filled(sources)
            inputs: list[Input] = keyed(
                filled, [_file_input(each, options, unnamed, beside=beside) for each in filled], name
            )
            warnings += _check_parts(filled, inputs)
            place = sources[0].name if len(sources) == 1 else name
        else:
            sources, filled, place, warnings = (), (), "the table", []
            _refuse_text_options(options, place)
            inputs = [memory_input(source)]
        roles = _roles([each.name for each in filled] or [place], inputs, options, fitting, recognise, place)
        for role in required:
            problem = roles.problems.get(role)
            if problem is None or role not in roles.ambiguous:
                _refuse_lists(filled, inputs, role, roles)
            if problem is not None:
                raise _missing(problem, inputs[0], role, unnamed)
        keys = dict.fromkeys(key for each in inputs if isinstance(each, KeyedInput) for key in each.spare)
        return LogReader(
            sources, inputs, roles, options, place, stack.pop_all(), may_lack, warnings=warnings, keys=tuple(keys)
        )


def _roles(
    places: list[str],
    inputs: list[Input],
    options: ReadOptions,
    fitting: Callable[[tuple[str, ...]], ReadOptions] | None,
    recognise: Callable[[tuple[str, ...], ReadOptions, str], Roles],
    place: str,
) -> Roles:
    """Which column has which role, of those that all parts have.

    What is beside the columns (keys in paths, the index of a frame) serves where it is named, or where no column has
    the role that its name says.
    """
    everywhere = [each.names + _spare(each) for each in inputs]
    common = [name for name in everywhere[0] if all(name in names for names in everywhere)]
    columns = tuple(name for name in common if name in inputs[0].names)
    chosen = fitting(tuple(common)) if fitting else options
    asked = {header for role in ROLES if (header := getattr(chosen, f"{role}_col")) is not None}
    recognised = find_roles(columns, replace(ReadOptions(), columns=chosen.columns), place)
    free = {role for role in recognised.problems if role not in recognised.ambiguous}
    free = {role for role in free if getattr(chosen, f"{role}_col") is None}
    beside = [name for name in common if name not in columns]
    columns += tuple(name for name in beside if name in asked or role_of(name) in free)
    partial = dict.fromkeys(name for names in everywhere for name in names if name not in common)
    problems = {name: _lacked(name, places, everywhere) for name in partial}
    for name in problems:
        if name in asked:
            raise problems[name]
    roles = recognise(columns, chosen, place)
    for name, problem in problems.items():
        role = role_of(name)
        if role in roles.problems and role not in roles.ambiguous:
            roles.problems[role] = problem
            roles.ambiguous.add(role)
    return roles


def _refuse_lists(sources: tuple[Source, ...], inputs: list[Input], role: str, roles: Roles) -> None:
    """Refuse a first part in which a column of a role holds lists, or in which the role may be in lists."""
    if not sources or (role == "user" and "user" in roles.found):
        return
    source, first = sources[0], inputs[0].file if isinstance(inputs[0], KeyedInput) else inputs[0]
    column = roles.found.get(role)
    remedy, nested = None, False
    if isinstance(first, JsonInput):
        nested = column is not None and first.kinds.get(column) is list
        if nested or column is None:
            remedy = nested_remedy(source.name, source.codec, first_objects(source), roles.found)
    elif isinstance(first, ParquetInput):
        nested = column is not None and column in first.names and holds_lists(first.schema.field(column).type)
        if nested or column is None:
            remedy = list_remedy(source.name, first.schema, roles.found)
    if remedy is not None:
        what = f"the column {column!r} holds lists" if nested else f"{roles.problems[role].what}, and a column of lists"
        raise BadDataError(what, place=source.name, remedy=remedy)


def _spare(each: Input) -> tuple[str, ...]:
    return each.spare if isinstance(each, KeyedInput | FrameInput) else ()


def _lacked(name: str, places: list[str], everywhere: list[tuple[str, ...]]) -> BadDataError:
    part = next(at for at, names in enumerate(everywhere) if name not in names)
    other = next(at for at, names in enumerate(everywhere) if name in names)
    what = f"no column {name!r} (found: {listed(everywhere[part])}), but {places[other]} has it"
    return BadDataError(what, place=places[part], remedy="a column that is needed must be in all parts of a log")


def _filled(sources: tuple[Source, ...]) -> tuple[tuple[Source, ...], list[str]]:
    """The sources that hold something, and a warning for each other; all, if none does.

    Raises
    ------
    BadDataError
        A part of a log in Parquet is empty.
    """
    filled = tuple(source for source in sources if not source.empty)
    empty = [source for source in sources if source.empty]
    if not filled or not empty:
        return sources, []
    if filled[0].parquet:
        remedy = "was a copy or a job cut short? Make it again, or remove it"
        raise BadDataError("the file has 0 bytes, and Parquet never has", place=empty[0].name, remedy=remedy)
    return filled, [f"{source.name}: the file is empty" for source in empty]


def _missing(problem: NegprepError, first: Input, role: str, unnamed: Unnamed) -> NegprepError:
    """The error that a column is missing, with what else could be meant."""
    remedy = problem.remedy if unnamed.by_option else f"call it {role}"
    if isinstance(first, TextInput) and first.dialect.doubt is not None:
        remedy = f"{remedy}; {first.dialect.doubt}"
    return type(problem)(problem.what, place=problem.place, remedy=remedy)


def _file_input(source: Source, options: ReadOptions, unnamed: Unnamed, *, beside: bool) -> Input:
    with machine_errors(source.name):
        if not source.parquet:
            return _text_input(source, options, unnamed, beside=beside)
        _refuse_text_options(options, source.name)
        return parquet_input(source)


def _text_input(source: Source, options: ReadOptions, unnamed: Unnamed, *, beside: bool) -> Input:
    mark = byte_order_mark(source)
    if options.columns is None and options.delimiter is None:
        refuse_documents(source)
    form = form_of_file(source, options)
    if form in ("jsonl", "lightgcn") and not beside:
        _refuse_quotes(source, form, options)
    if form == "jsonl":
        named = (getattr(options, f"{role}_col") for role in ROLES)
        return json_input(source, mark, [name for name in named if name is not None])
    if form == "lightgcn":
        return ListsInput(source, mark)
    read = with_quotes(source, as_text(source, form, options), form)
    if read.delimiter in (None, " ") and (read.delimiter is None or read.columns is not None):
        lines = first_lines(source)
        if lines and likely_delimiter(lines) == " " and is_aligned(lines, len(read.columns) if read.columns else None):
            source = replace(source, aligned=True)
    return delimited(source, read, beside=beside, unnamed=unnamed)


def delimited(source: Source, options: ReadOptions, *, beside: bool, unnamed: Unnamed) -> TextInput:
    """A text file with delimiters.

    Parameters
    ----------
    source : Source
    options : ReadOptions
    beside : bool
        It is not the log: what negprep wrote is read as that, whatever the log's quotes are.
    unnamed : Unnamed
        What becomes of a text without a header.
    """
    if beside and (options.quote is not None or options.escape is not None):
        written = read_dialect(source, replace(options, quote='"', escape=None), unnamed)
        if written.quote is not None and is_quoted_as_written(source, written):
            return TextInput(source, written)
    return TextInput(source, read_dialect(source, options, unnamed))


def _refuse_quotes(source: Source, form: str, options: ReadOptions) -> None:
    for option, value in (("--quote", options.quote), ("--escape", options.escape)):
        if value is not None:
            kind = "JSON lines" if form == "jsonl" else "lists of ids"
            what = f"{option} is for CSV and its relatives, and these are {kind}"
            raise UsageError(what, place=source.name, remedy=f"leave {option} out")


def _refuse_text_options(options: ReadOptions, place: str) -> None:
    for option, value in (
        ("--columns", options.columns),
        ("--delimiter", options.delimiter),
        ("--from", options.from_),
    ):
        if value is not None:
            raise UsageError(f"{option} is for text files", place=place, remedy=f"leave {option} out")


def _check_parts(sources: tuple[Source, ...], inputs: list[Input]) -> list[str]:
    """Refuse parts of different logs: all must have the columns of the one that has fewest.

    Returns
    -------
    list of str
        A warning, if some have more.
    """
    first = inputs[0]
    fewest = min((set(each.names) for each in inputs), key=len)
    warnings: list[str] = []
    for source, other in zip(sources, inputs, strict=True):
        if source.parquet != sources[0].parquet:
            kinds = {True: "Parquet", False: "text"}
            what = f"this is {kinds[source.parquet]}, but {sources[0].name} is {kinds[sources[0].parquet]}"
            raise BadDataError(what, place=source.name, remedy="the parts of a log must be of one kind")
        if not fewest <= set(first.names) or not fewest <= set(other.names):
            if set(other.names) == set(first.names):
                continue
            what = f"the columns are {listed(other.names)}, but in {sources[0].name} {listed(first.names)}"
            raise BadDataError(what, place=source.name, remedy="the parts of a log must have the same columns")
        more = [name for name in other.names if name not in fewest]
        if more and not warnings:
            warnings.append(f"{source.name}: other parts lack the columns {listed(more)}, which are not read")
    return warnings
