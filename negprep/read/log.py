"""A log, whatever it is kept in: its files found and opened, and its rows as batches with canonical columns."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Self, TypeVar

from negprep.errors import BadDataError, NegprepError, UsageError
from negprep.options.options import ReadOptions
from negprep.options.specs import PositiveRule
from negprep.read.columns import (
    ROLES,
    WATCHED,
    Labels,
    Roles,
    find_compared,
    find_roles,
    label_columns,
    listed,
    role_of,
)
from negprep.read.delimited import TextInput
from negprep.read.dialect import byte_order_mark, first_lines, is_aligned, likely_delimiter, read_dialect
from negprep.read.documents import first_objects, holds_lists, list_remedy, nested_remedy, refuse_documents
from negprep.read.header import Unnamed
from negprep.read.hive import KeyedInput, keyed
from negprep.read.other_formats import JsonInput, ListsInput, as_text, form_of_file, is_file_of, json_input, with_quotes
from negprep.read.parquet import ParquetInput, parquet_input
from negprep.read.pieces import Input, Piece
from negprep.read.quoting import is_quoted_as_written
from negprep.read.sources import Source, find_sources, machine_errors
from negprep.read.tables import FrameInput, memory_input
from negprep.threads import on_threads

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from negprep.read.convert import Canonical
    from negprep.read.times import Clock


Made = TypeVar("Made")

_MOST_THREADS = 8
_ORDER = "the order of the rows"


class LogReader:
    """A log that is ready to be read.

    Attributes
    ----------
    place : str
        What messages call the whole.
    paths : tuple of Path
        The input files; empty for standard input and for a table in memory.
    columns : dict of str to str
        Role to the log's own name of the column, for the roles that were found.
    is_ordered : bool
        Whether the order of the rows is their time.
    rows_read : int
        Rows read so far by ``batches``, dropped ones included.
    rows_dropped : dict of str to int
        Reason to rows, so far.
    warnings : list of str
        What is suspicious but no error, so far.
    unused_keys : tuple of str
        Keys in the paths of the parts (``day=1/``) that are none of the columns read.
    clock : Clock or None
        How times are written, once some were read.
    labels : dict of str to Labels
        What the watched columns hold, so far.
    """

    def __init__(
        self,
        sources: tuple[Source, ...],
        inputs: list[Input],
        roles: Roles,
        options: ReadOptions,
        place: str,
        resources: ExitStack,
        may_lack: tuple[str, ...] | None,
        *,
        warnings: Sequence[str] = (),
        keys: tuple[str, ...] = (),
    ) -> None:
        self._keys = keys
        self._sources, self._inputs, self._roles = sources, inputs, roles
        self._options, self._resources = options, resources
        self.place, self._may_lack = place, may_lack
        self.paths = tuple(source.path for source in sources if source.path is not None)
        self.is_ordered = options.from_ == "sasrec"
        self.columns = dict(roles.found) | ({"time": _ORDER} if self.is_ordered else {})
        self.warnings: list[str] = list(warnings)
        self.clock: Clock | None = None
        self._reset()

    def _reset(self) -> None:
        self.rows_read = 0
        self.rows_dropped: dict[str, int] = {}
        self.unused_keys: tuple[str, ...] = ()
        self.labels: dict[str, Labels] = {}

    def warn(self, warnings: Iterable[str]) -> None:
        """Add warnings, each once, however often the log is read."""
        self.warnings += [each for each in dict.fromkeys(warnings) if each not in self.warnings]

    def compared(self, rule: PositiveRule) -> dict[str, str]:
        """The role and the name of the column that decides which rows are positives; of ``all`` none.

        Raises
        ------
        UsageError
            There is no such column.
        BadDataError
            More than one column could be it.
        """
        if rule.kind == "all":
            return {}
        return dict([find_compared(rule, self._roles, self.names, self.place)])

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that all parts have, in order, and the keys in the paths of the parts."""
        first, *others = (each.names for each in self._inputs)
        return tuple(name for name in first if all(name in names for names in others)) + self._keys

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The columns that are named like labels, and are neither ids nor times.

        Raises
        ------
        BadDataError
            Some parts have such a column, and others lack it: what their rows mean is not known.
        """
        taken = [self.columns.get(role) for role in ("user", "item", "time")]
        everywhere = label_columns(self.names, taken)
        partly = [name for each in self._inputs for name in label_columns(each.names, taken) if name not in everywhere]
        if partly:
            what = f"some parts have the column {partly[0]!r}, and others lack it: which of their rows are positives?"
            remedy = "give every part the column, or remove it; --positive all takes every row"
            raise BadDataError(what, place=self.place, remedy=remedy)
        return everywhere

    def problem(self, role: str) -> NegprepError | None:
        """The error that more than one column could be ``role``; None if one is, or none could be."""
        return self._roles.problems[role] if role in self._roles.ambiguous else None

    def footers(self) -> list[dict[bytes, bytes]]:
        """The metadata of each file, or of the table."""
        return [each.footer for each in self._inputs]

    def batches(
        self, roles: Iterable[str], *, also: Mapping[str, str] | None = None, watched: Sequence[str] = ()
    ) -> Iterator[pa.RecordBatch]:
        """The rows, in order.

        Parameters
        ----------
        roles : iterable of str
            The columns wanted. Others are not decoded; with ``drop_invalid`` those of all roles are looked at, so that
            a row that lacks a value is dropped whatever is wanted.
        also : mapping of str to str, optional
            More roles, with their columns: what ``compared`` gives.
        watched : sequence of str
            Columns that are looked at for labels; what they hold stands in ``labels``, and nothing in them is refused.

        Yields
        ------
        pa.RecordBatch
            One column for each role, without nulls: ``user`` and ``item`` int64 if every id of the batch is a canonical
            integer, else string or dictionary of strings; ``time`` int64, nanoseconds since 1970; ``value`` float64;
            ``event`` string or dictionary of strings. Of ``also``: float64, or string or dictionary of strings.

        Raises
        ------
        UsageError
            A role has no column. At once, before the first row.
        BadDataError
            More than one column could be a role (at once), a row cannot be used, the log has no row or not
            ``expect_rows``, or a file changed meanwhile.
        OutputError
            A file cannot be read.
        """
        return _batches_of(self.converted(roles, _nothing, also=also, watched=watched))

    def converted(
        self,
        roles: Iterable[str],
        convert: Callable[[pa.RecordBatch], Made],
        *,
        also: Mapping[str, str] | None = None,
        watched: Sequence[str] = (),
    ) -> Generator[tuple[pa.RecordBatch, Made], None, None]:
        """The rows as ``batches`` gives them, each batch with what ``convert`` makes of it, in any thread.

        A batch without rows is converted, too, and not given. A time that is the order of the rows comes later.
        """
        wanted = tuple(roles)
        for role in wanted:
            if role not in self.columns:
                problem = self._roles.problems[role]
                if role in self._roles.ambiguous:
                    raise problem
                raise UsageError(problem.what, place=problem.place, remedy=problem.remedy)
        self._reset()
        self.labels = {name: Labels() for name in watched}
        columns = {role: self.columns[role] for role in wanted} | dict(also or {})
        self.unused_keys = tuple(key for key in self._keys if key not in columns.values())
        return self._read(columns, convert)

    def _read(
        self, columns: dict[str, str], convert: Callable[[pa.RecordBatch], Made]
    ) -> Generator[tuple[pa.RecordBatch, Made], None, None]:
        from negprep.read.convert import canonical, in_order
        from negprep.read.pieces import numbers
        from negprep.read.times import Span, mixed_clocks

        roles = list(columns)
        ordered = self.is_ordered and columns.pop("time", None) is not None
        options, wanted, read_columns = self._options, list(columns), self._looked_at(columns)
        watched = {WATCHED + name: labels for name, labels in self.labels.items()}
        read_columns = read_columns | {WATCHED + name: name for name in self.labels}
        tomorrow = time.time_ns() + 86400 * 10**9
        span: Span | None = None

        def work(piece: Callable[[], Piece]) -> tuple[Piece, Canonical, Made, Span | None]:
            read = piece()
            for role, labels in watched.items():
                labels.look_at(read.columns.pop(role))
            rows = canonical(
                read,
                drop_invalid=options.drop_invalid,
                may_lack=self._may_lack,
                roles=wanted,
                forms=options.time_forms,
            )
            here = None
            if "time" in wanted and self._may_lack is None and rows.batch.num_rows:
                here = Span.of(numbers(rows.batch.column("time")), tomorrow)
            return read, rows, convert(rows.batch), here

        threads = min(_MOST_THREADS, os.cpu_count() or 1)
        for each in self._inputs:
            for _, (piece, rows, made, here) in on_threads(
                work, each.pieces(read_columns), threads=threads, ahead=threads + 1, name="negprep-read"
            ):
                if self.clock is not None and rows.clock is not None and rows.clock.kind != self.clock.kind:
                    error = mixed_clocks(rows.clock, self.clock)
                    raise BadDataError(error.what, place=piece.place(error.row), remedy=error.remedy)
                self.clock = self.clock or rows.clock
                if here is not None:
                    span = here if span is None else span.joined(here)
                if ordered:
                    rows = in_order(rows, self.rows_read, roles)
                self.rows_read += rows.rows
                for reason, count in rows.dropped.items():
                    self.rows_dropped[reason] = self.rows_dropped.get(reason, 0) + count
                if rows.batch.num_rows:
                    yield rows.batch, made
            self.warn(each.warnings)
        self._check_end()
        if span is not None and self.clock is not None:
            doubt = span.doubt(self.clock, columns["time"])
            self.warn([] if doubt is None else [doubt])

    def _looked_at(self, wanted: dict[str, str]) -> dict[str, str]:
        """The columns to read: with ``drop_invalid`` those of all roles, always in the same order."""
        if not self._options.drop_invalid or self._may_lack is not None:
            return wanted
        found = {role: name for role, name in self.columns.items() if not (role == "time" and self.is_ordered)}
        every = found | wanted
        return {role: every[role] for role in sorted(every, key=_place_of)}

    def _check_end(self) -> None:
        for source in self._sources:
            source.check_unchanged()
        expected = self._options.expect_rows
        if expected is not None and self.rows_read != expected:
            what = f"{self.rows_read} rows where --expect-rows says {expected}"
            raise BadDataError(what, place=self.place, remedy="is the log cut short?")
        if self.rows_read == 0:
            raise BadDataError("no rows", place=self.place, remedy="is the log cut short?")

    def close(self) -> None:
        """Let go of temporary files."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _batches_of(converted: Generator[tuple[pa.RecordBatch, None], None, None]) -> Iterator[pa.RecordBatch]:
    with closing(converted):
        for batch, _ in converted:
            yield batch


def _nothing(_: pa.RecordBatch) -> None:
    """Make nothing of a batch."""


def _place_of(role: str) -> tuple[int, str]:
    """Where a role stands among those whose missing values are counted: a row counts for the first that it lacks."""
    return (ROLES.index(role) if role in ROLES else len(ROLES)), role


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
        kind = first.schema.field(column).type if column in first.names else None
        nested = kind is not None and bool(kind.num_fields) and holds_lists(kind)
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
