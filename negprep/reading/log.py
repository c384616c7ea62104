"""A log, whatever it is kept in, as a stream of batches with canonical columns."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from negprep.errors import BadDataError, NegprepError, UsageError
from negprep.options import ReadOptions
from negprep.positive_rule import PositiveRule
from negprep.reading.columns import ROLES, Roles, find_compared
from negprep.reading.labels import WATCHED, Labels, label_columns
from negprep.reading.pieces import Piece
from negprep.reading.sources import Source
from negprep.threads import on_threads

if TYPE_CHECKING:
    import pyarrow as pa

    from negprep.reading.canonical import Canonical
    from negprep.reading.times import Clock

Made = TypeVar("Made")

_MOST_THREADS = 8
_ORDER = "the order of the rows"


class Input(Protocol):
    """One file or table of a log."""

    @property
    def warnings(self) -> list[str]:
        """What is suspicious; grows while the rows are read."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in order."""

    @property
    def footer(self) -> dict[bytes, bytes]:
        """What its writer said of it: the metadata of Parquet and Arrow; empty elsewhere."""

    def pieces(self, columns: dict[str, str]) -> Iterator[Callable[[], Piece]]:
        """The rows of the columns, by role, in order, as functions that may run in any thread."""


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
        from negprep.reading.canonical import canonical, in_order
        from negprep.reading.pieces import numbers
        from negprep.reading.times import Span, mixed_clocks

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
