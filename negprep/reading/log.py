"""A log, whatever it is kept in, as a stream of batches with canonical columns."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol, Self

from negprep.errors import BadDataError, NegprepError, UsageError
from negprep.options import ReadOptions
from negprep.reading.columns import Roles, find_roles, listed
from negprep.reading.dialect import read_dialect
from negprep.reading.memory import memory_input
from negprep.reading.parquet import parquet_input
from negprep.reading.pieces import Piece
from negprep.reading.sources import Source, find_sources, machine_errors
from negprep.reading.text import TextInput

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from negprep.reading.canonical import Canonical
    from negprep.reading.times import Clock

_MOST_THREADS = 8


class Input(Protocol):
    """One file or table of a log."""

    @property
    def warnings(self) -> list[str]:
        """What is suspicious; grows while the rows are read."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in order."""

    def pieces(self, columns: dict[str, str]) -> Iterator[Callable[[], Piece]]:
        """The rows of the columns, by role, in order, as functions that may run in any thread."""


def open_log(
    source: str | os.PathLike[str] | pa.Table | pd.DataFrame,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - frozen
    *,
    required: tuple[str, ...] = ("user", "item"),
    fitting: Callable[[tuple[str, ...]], ReadOptions] | None = None,
    may_lack: tuple[str, ...] | None = None,
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
    may_lack : tuple of str, optional
        Of a file beside the log: the roles of which a row may have none; it is null then.

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
            sources = find_sources(name)
            for each in sources:
                stack.callback(each.close)
            inputs: list[Input] = [_file_input(each, options) for each in sources]
            _refuse_different_parts(sources, inputs)
            place = sources[0].name if len(sources) == 1 else name
        else:
            sources, place = (), "the table"
            _refuse_text_options(options, place)
            inputs = [memory_input(source)]
        roles = find_roles(inputs[0].names, fitting(inputs[0].names) if fitting else options, place)
        for role in required:
            if role not in roles.found:
                raise roles.problems[role]
        return LogReader(sources, inputs, roles, options, place, stack.pop_all(), may_lack)


def _file_input(source: Source, options: ReadOptions) -> Input:
    with machine_errors(source.name):
        if not source.parquet:
            return TextInput(source, read_dialect(source, options))
        _refuse_text_options(options, source.name)
        return parquet_input(source)


def _refuse_text_options(options: ReadOptions, place: str) -> None:
    for option, value in (("--columns", options.columns), ("--delimiter", options.delimiter)):
        if value is not None:
            raise UsageError(f"{option} is for text files", place=place, remedy=f"leave {option} out")


def _refuse_different_parts(sources: tuple[Source, ...], inputs: list[Input]) -> None:
    first = inputs[0]
    for source, other in zip(sources[1:], inputs[1:], strict=True):
        if source.parquet != sources[0].parquet:
            kinds = {True: "Parquet", False: "text"}
            what = f"this is {kinds[source.parquet]}, but {sources[0].name} is {kinds[sources[0].parquet]}"
            raise BadDataError(what, place=source.name, remedy="the parts of a log must be of one kind")
        if sorted(other.names) != sorted(first.names):
            what = f"the columns are {listed(other.names)}, but in {sources[0].name} {listed(first.names)}"
            raise BadDataError(what, place=source.name, remedy="the parts of a log must have the same columns")


class LogReader:
    """A log that is ready to be read.

    Attributes
    ----------
    paths : tuple of Path
        The input files; empty for standard input and for a table in memory.
    columns : dict of str to str
        Role to the log's own name of the column, for the roles that were found.
    rows_read : int
        Rows read so far by ``batches``, dropped ones included.
    rows_dropped : dict of str to int
        Reason to rows, so far.
    warnings : list of str
        What is suspicious but no error, so far.
    clock : Clock or None
        How times are written, once some were read.
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
    ) -> None:
        self._sources, self._inputs, self._roles = sources, inputs, roles
        self._options, self._place, self._resources = options, place, resources
        self._may_lack = may_lack
        self.paths = tuple(source.path for source in sources if source.path is not None)
        self.columns = dict(roles.found)
        self._reset()

    def _reset(self) -> None:
        self.rows_read = 0
        self.rows_dropped: dict[str, int] = {}
        self.warnings: list[str] = []
        self.clock: Clock | None = None

    def problem(self, role: str) -> NegprepError | None:
        """The error that more than one column could be ``role``; None if one is, or none could be."""
        return self._roles.problems[role] if role in self._roles.ambiguous else None

    def batches(self, roles: Iterable[str]) -> Iterator[pa.RecordBatch]:
        """The rows, in order.

        Parameters
        ----------
        roles : iterable of str
            The columns wanted. Others are not decoded.

        Yields
        ------
        pa.RecordBatch
            One column for each role, without nulls: ``user`` and ``item`` int64 if every id of the batch is a canonical
            integer, else string or dictionary of strings; ``time`` int64, nanoseconds since 1970; ``value`` float64;
            ``event`` string or dictionary of strings.

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
        wanted = tuple(roles)
        for role in wanted:
            if role not in self.columns:
                problem = self._roles.problems[role]
                if role in self._roles.ambiguous:
                    raise problem
                raise UsageError(problem.what, place=problem.place, remedy=problem.remedy)
        self._reset()
        return self._read({role: self.columns[role] for role in wanted})

    def _read(self, columns: dict[str, str]) -> Iterator[pa.RecordBatch]:
        from negprep.reading.canonical import canonical
        from negprep.reading.times import mixed_clocks

        def work(piece: Callable[[], Piece]) -> tuple[Piece, Canonical]:
            made = piece()
            return made, canonical(made, drop_invalid=self._options.drop_invalid, may_lack=self._may_lack)

        for each in self._inputs:
            for piece, rows in _in_order(work, each.pieces(columns)):
                if self.clock is not None and rows.clock is not None and rows.clock.kind != self.clock.kind:
                    error = mixed_clocks(rows.clock, self.clock)
                    raise BadDataError(error.what, place=piece.place(error.row), remedy=error.remedy)
                self.clock = self.clock or rows.clock
                self.rows_read += rows.rows
                for reason, count in rows.dropped.items():
                    self.rows_dropped[reason] = self.rows_dropped.get(reason, 0) + count
                if rows.batch.num_rows:
                    yield rows.batch
            self.warnings += each.warnings
        self._check_end()

    def _check_end(self) -> None:
        for source in self._sources:
            source.check_unchanged()
        expected = self._options.expect_rows
        if expected is not None and self.rows_read != expected:
            what = f"{self.rows_read} rows where --expect-rows says {expected}"
            raise BadDataError(what, place=self._place, remedy="is the log cut short?")
        if self.rows_read == 0:
            raise BadDataError("no rows", place=self._place, remedy="is the log cut short?")

    def close(self) -> None:
        """Let go of temporary files."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _in_order(
    work: Callable[[Callable[[], Piece]], tuple[Piece, Canonical]], tasks: Iterable[Callable[[], Piece]]
) -> Iterator[tuple[Piece, Canonical]]:
    """``work(task)`` for each task, in order, a few at a time on threads."""
    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="negprep-read")
    running: deque[Future[tuple[Piece, Canonical]]] = deque()
    try:
        for task in tasks:
            running.append(pool.submit(work, task))
            if len(running) > threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
