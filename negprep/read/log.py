"""A log, whatever it is kept in: its files found and opened, and its rows as batches with canonical columns."""

from __future__ import annotations

import difflib
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa

from negprep.arrow import as_numpy
from negprep.errors import BadDataError, NegprepError, UsageError
from negprep.options.conditions import columns_of
from negprep.options.formats import SourceForm
from negprep.options.reading import LogSource, ReadOptions, paths_in
from negprep.options.specs import PositiveRule, quoted_for_shell
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
from negprep.read.convert import Canonical, canonical, in_order
from negprep.read.delimited import TextInput
from negprep.read.dialect import Unnamed, byte_order_mark, first_lines, is_aligned, likely_delimiter, read_dialect
from negprep.read.foreign import refuse_documents, refuse_foreign
from negprep.read.item_lists import CLICK, MIND_TIMES, ImpressionsInput, ListsInput, ShownLists
from negprep.read.nested import (
    Leaf,
    Lists,
    labels_in,
    refuse_deep,
    with_leaves,
)
from negprep.read.other_formats import JsonInput, as_rows, as_text, form_of_file, is_file_of, json_input, with_quotes
from negprep.read.parquet import ParquetInput, parquet_input
from negprep.read.parts import (
    alike,
    check_compared,
    check_parts,
    check_types,
    common_names,
    filled,
    roles_of,
    with_keys,
)
from negprep.read.quoting import is_quoted_as_written
from negprep.read.sources import Closing, Keys, Known, Piece, Source, find_sources, machine_errors
from negprep.read.tables import ArrowInput, MemoryInput, arrow_input, memory_input
from negprep.read.times import Clock, Span, mixed_clocks
from negprep.read.where import Kept, Where
from negprep.stores import is_remote, without_secrets
from negprep.threads import on_threads, raised

Input: TypeAlias = TextInput | JsonInput | ListsInput | ImpressionsInput | ParquetInput | ArrowInput | MemoryInput
Made = TypeVar("Made")

_MOST_THREADS = 8
_MANY = 32
"""From so many files on, threads open them: a file system far away takes its time for each."""
_ORDER = "the order of the rows"
_COUNTED = "the rows"
_CUT, _EMPTY = "is the log cut short?", "is it cut short, or of a run that had nothing to write? Make it again"


@dataclass(frozen=True)
class _Part:
    """One file or table of a log, and the keys in its path, ``event=buy/``, as columns of its rows."""

    place: str
    input: Input
    keys: dict[str, str | None]
    lists: ShownLists | None = None
    spread: Lists | None = None

    @property
    def nested(self) -> dict[str, Leaf]:
        """The leaves of columns of lists and objects, by name."""
        have = JsonInput | ParquetInput | ArrowInput | MemoryInput
        leaves = self.input.nested if isinstance(self.input, have) else {}
        shown = None if self.lists is None else self.lists.shown
        return {name: leaf for name, leaf in leaves.items() if leaf.column != shown}

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the rows, in order: those of the file, or, of lists, what becomes of them."""
        if self.lists is None:
            return self.input.names
        return (*(name for name in self.input.names if name != self.lists.shown), CLICK)

    @property
    def spare(self) -> tuple[str, ...]:
        """What is beside the columns: the keys that are not columns as well, or the index of a frame."""
        if isinstance(self.input, MemoryInput):
            return self.input.spare
        return tuple(key for key in self.keys if key not in self.names)

    @property
    def is_text(self) -> bool:
        """Whether its columns have no types."""
        return isinstance(self.input, TextInput | ListsInput | ImpressionsInput)

    def pieces(
        self, columns: dict[str, str], skips: Callable[[int, Known], bool] | None = None
    ) -> Iterator[Callable[[], Piece]]:
        """The rows of the columns, by role, in order, as functions that may run in any thread.

        A column whose name is a key as well must have the key's value. ``skips`` is for Parquet, and not for lists:
        statistics know nothing of the items in them.
        """
        if self.lists is not None:
            return self.lists.pieces(self._pieces(self.lists.asked(columns)), columns)
        return self._pieces(columns, skips)

    def _pieces(
        self, columns: dict[str, str], skips: Callable[[int, Known], bool] | None = None
    ) -> Iterator[Callable[[], Piece]]:
        more = (skips if self.spread is None else None,) if isinstance(self.input, ParquetInput) else ()
        if not self.keys:
            return self._of_input(columns, more)
        others = {role: name for role, name in columns.items() if name not in self.spare}
        counted = {_COUNTED: self.names[0]} if self.spread is None else {self.spread.role: self.spread.name}
        tasks = self._of_input(others or counted, more)
        return (partial(with_keys, task, columns, self.keys, self.spare) for task in tasks)

    def _of_input(self, columns: dict[str, str], more: Sequence[Any]) -> Iterator[Callable[[], Piece]]:
        nested = self.nested
        if not nested:
            return self.input.pieces(columns, *more)
        prunes, is_json = isinstance(self.input, JsonInput | ParquetInput), isinstance(self.input, JsonInput)
        spread = self.spread if self.spread is not None and self.spread.name in nested else None

        def read(names: dict[str, str]) -> Iterator[Callable[[], Piece]]:
            return self.input.pieces(names, *more)

        return with_leaves(read, columns, nested, spread, prunes=prunes, in_threads=is_json)


@dataclass(kw_only=True)
class Found:
    """What the rows of a log, or of a part of it, hold besides themselves."""

    rows_read: int = 0
    rows_dropped: dict[str, int] = field(default_factory=dict)
    clock: Clock | None = None
    span: Span | None = None
    labels: dict[str, Labels] = field(default_factory=dict)
    id_types: dict[str, pa.DataType] = field(default_factory=dict)


class LogReader(Closing):
    """A log that is ready to be read; a context manager.

    ``place`` is what messages call the whole; ``paths`` are the files, none for standard input and tables; ``columns``
    gives the log's own name of each role found; ``is_ordered``: the order of the rows is their time; ``unused_keys``
    are keys in the paths of the parts (``day=1/``) that no column read comes from. What was found so far:
    ``rows_read`` (dropped ones included), ``rows_dropped`` by reason, ``rows_filtered`` (those that ``where`` leaves
    out), ``groups_skipped`` (row groups with none but those), ``warnings``, ``clock`` (how times are written),
    ``labels``, the values of the watched columns, and ``id_types``: by role, the widest type that integer ids have.
    ``files_skipped`` could have no row of ``where`` by their keys, and were not opened.
    """

    def __init__(
        self,
        sources: tuple[Source, ...],
        parts: list[_Part],
        roles: Roles,
        options: ReadOptions,
        place: str,
        resources: ExitStack,
        may_lack: tuple[str, ...] | None,
        warnings: list[str],
        where: Where | None = None,
        skipped: Sequence[str] = (),
    ) -> None:
        self._keys = tuple(dict.fromkeys(key for part in parts if part.keys for key in part.spare))
        self._sources, self._parts, self._roles = sources, parts, roles
        self._spread = parts[0].spread
        self._nested = {name: leaf for name, leaf in parts[0].nested.items() if name not in parts[0].names}
        self._nested = {name: leaf for name, leaf in self._nested.items() if all(name in part.nested for part in parts)}
        self._reads_nested = False
        self._options, self._resources = options, resources
        self.place, self._may_lack = place, may_lack
        self.paths = tuple(source.path for source in sources if source.path is not None) + tuple(
            Path(each) for each in skipped if not is_remote(each)
        )
        self.is_ordered = options.from_ == "sasrec"
        self.columns = dict(roles.found) | ({"time": _ORDER} if self.is_ordered else {})
        self.warnings = warnings
        self.clock: Clock | None = None
        self.rows_read = 0
        self.rows_dropped: dict[str, int] = {}
        self._where, self.rows_filtered, self.groups_skipped, self.files_skipped = where, 0, 0, len(skipped)
        self.unused_keys: tuple[str, ...] = ()
        self.labels: dict[str, Labels] = {}
        self.id_types: dict[str, pa.DataType] = {}
        self._span: Span | None = None
        self._compares_files = False
        self.threads = min(_MOST_THREADS, os.cpu_count() or 1)

    def reading(self) -> Reading:
        """How other processes read parts of this log: columns, not what is within them."""
        if self._reads_nested:
            what = "a column that is needed is in lists or objects, which Spark's workers do not read"
            raise BadDataError(what, place=self.place, remedy="write a row of each with Spark first: explode")
        return Reading(self._roles, replace(self._options, expect_rows=None), self.place, self._may_lack)

    @property
    def found(self) -> Found:
        """What was found in the rows that were read."""
        return Found(
            rows_read=self.rows_read,
            rows_dropped=self.rows_dropped,
            clock=self.clock,
            span=self._span,
            labels=self.labels,
            id_types=self.id_types,
        )

    def take_over(self, parts: Iterable[Found]) -> None:
        """Take what others found in all parts of the log for what this reader found; its ``converted`` was asked for.

        Raises ``BadDataError`` as reading does: there are no rows, or not ``expect_rows``; times of two kinds.
        """
        for part in parts:
            self._join_clock(part.clock, self.place)
            self._join_span(part.span)
            self._count(part.rows_read, part.rows_dropped)
            self._join_id_types(part.id_types)
            for name, labels in part.labels.items():
                self.labels[name] |= labels
        self._end()

    def compare(self, **counts: int) -> None:
        """Warn where the log, which was read, is not the data set of ``--recipe``: its rows, its files, more counts."""
        data_set = self._options.data_set
        if data_set is None:
            return
        if self._where is None:
            self.warn(data_set.differences(self.place, rows=self.rows_read, **counts))
        if not self._compares_files:
            self._compares_files = True
            self.warn(data_set.changed_files(self.paths))

    def warn(self, warnings: Iterable[str]) -> None:
        """Add warnings, each once, however often the log is read."""
        self.warnings += [each for each in dict.fromkeys(warnings) if each not in self.warnings]

    def compared(self, rule: PositiveRule) -> dict[str, str]:
        """The role and the name of the column that decides which rows are positives; empty for ``all``.

        Raises ``UsageError`` without such a column, ``BadDataError`` if several could be it.
        """
        if rule.kind == "all":
            return {}
        return dict([find_compared(rule, self._roles, self.names, self.place)])

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that all parts have, in order, then the keys in their paths, and what is within columns."""
        return common_names([part.names for part in self._parts]) + self._keys + tuple(self._nested)

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The columns that are named like labels, but for ids and times; ``BadDataError`` if some parts lack one."""
        taken = [self.columns.get(role) for role in ("user", "item", "time")]
        everywhere = label_columns(self.names, taken)
        everywhere += tuple(name for name in labels_in(self._nested, self._spread) if name not in taken)
        others = dict.fromkeys(part.names for part in self._parts)
        partly = [name for names in others for name in label_columns(names, taken) if name not in everywhere]
        if partly:
            what = f"some parts have the column {partly[0]!r}, and others lack it: which of their rows are positives?"
            remedy = "give every part the column, or remove it; --positive all takes every row"
            raise BadDataError(what, place=self.place, remedy=remedy)
        return everywhere

    def require(self, name: str, option: str) -> None:
        """Raise ``UsageError`` if there is no column of a name that an option gives."""
        if name not in self.names:
            near = difflib.get_close_matches(name, self.names[:1000], n=1, cutoff=0.6)
            remedy = f"did you mean {near[0]!r}?" if near else f"name one of them with {option}"
            raise UsageError(f"no column {name!r} (found: {listed(self.names)})", place=self.place, remedy=remedy)

    def is_untyped(self, name: str) -> bool:
        """Whether the values of a column are text because the log has no types: in a text file, or a path."""
        return any(part.is_text or (name not in part.names and name not in part.nested) for part in self._parts)

    def problem(self, role: str) -> NegprepError | None:
        """The error that more than one column could be ``role``; None if one is, or none could be."""
        return self._roles.problems[role] if role in self._roles.ambiguous else None

    def footers(self) -> list[dict[bytes, bytes]]:
        """The metadata of each Parquet or Arrow file, or of the Arrow table; empty for others."""
        have = ParquetInput | ArrowInput | MemoryInput
        return [part.input.footer if isinstance(part.input, have) else {} for part in self._parts]

    def batches(
        self, roles: Iterable[str], *, also: Mapping[str, str] | None = None, watched: Sequence[str] = ()
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, with a column without nulls for each role.

        ``user`` and ``item`` are int64 if every id of the batch is a canonical integer, else string or dictionary of
        strings; ``time`` int64, nanoseconds since 1970; ``value`` float64; ``event`` string or dictionary of strings.
        ``also`` are more roles, with their columns, as ``compared`` gives them (float64, string or dictionary of
        strings), or begin with ``CARRIED`` (dictionaries of the column's own type, nulls among their values). The
        labels of the columns ``watched`` are collected in ``labels``; no value in them is refused. With
        ``drop_invalid`` the columns of all roles are read: the same rows are dropped whatever is wanted.

        Raises ``UsageError`` at once if a role has no column, ``BadDataError`` if several could be it, a row cannot be
        used, the number of rows is 0 or not ``expect_rows``, or a file changed meanwhile, ``OutputError`` if a file
        cannot be read.
        """
        return _batches_of(self.converted(roles, lambda _: None, also=also, watched=watched))

    def converted(
        self,
        roles: Iterable[str],
        convert: Callable[[pa.RecordBatch], Made],
        *,
        also: Mapping[str, str] | None = None,
        watched: Sequence[str] = (),
    ) -> Generator[tuple[pa.RecordBatch, Made], None, None]:
        """The rows as ``batches`` gives them, each batch with what ``convert`` makes of it, in any thread.

        A batch without rows is converted, too, but not yielded. A time that is the order of the rows is added later.
        """
        wanted = tuple(roles)
        for role in wanted:
            if role not in self.columns:
                problem = self._roles.problems[role]
                if role in self._roles.ambiguous:
                    raise problem
                raise UsageError(problem.what, place=problem.place, remedy=problem.remedy)
        self.rows_read, self.rows_dropped, self.rows_filtered, self.groups_skipped, self._span = 0, {}, 0, 0, None
        self.labels, self.id_types = {name: Labels() for name in watched}, {}
        columns = {role: self.columns[role] for role in wanted} | dict(also or {})
        used = [*columns.values(), *(self._where.roles.values() if self._where is not None else ())]
        for name in used:
            refuse_deep(name, self._parts[0].nested, self._spread, self.place)
        self._reads_nested = self._spread is not None or any(name in self._nested for name in used)
        check_types(self._parts, columns)
        self.unused_keys = tuple(key for key in self._keys if key not in used)
        return self._read(columns, convert)

    def _read(
        self, columns: dict[str, str], convert: Callable[[pa.RecordBatch], Made]
    ) -> Generator[tuple[pa.RecordBatch, Made], None, None]:
        roles, where = list(columns), self._where
        ordered = self.is_ordered and columns.pop("time", None) is not None
        watched = {WATCHED + name: labels for name, labels in self.labels.items()}
        read_columns = self.looked_at(columns) | {WATCHED + name: name for name in self.labels}
        read_columns |= {} if where is None else where.roles
        tomorrow = time.time_ns() + 86400 * 10**9

        def work(task: _Task) -> list[tuple[Kept, Canonical, Made, Span | None]]:
            part, pieces = task
            return [one(part, piece) for piece in pieces()]

        def one(part: _Part, piece: Piece) -> tuple[Kept, Canonical, Made, Span | None]:
            kept = Kept(piece) if where is None else _kept(where, part, piece)
            read = kept.piece
            for role, labels in watched.items():
                labels.look_at(read.columns.pop(role))
            drop, forms = self._options.drop_invalid, self._options.time_forms
            rows = canonical(read, drop_invalid=drop, may_lack=self._may_lack, roles=list(columns), forms=forms)
            here = None
            if "time" in columns and self._may_lack is None and rows.batch.num_rows:
                here = Span.of(as_numpy(rows.batch.column("time")), tomorrow)
            return kept, rows, convert(rows.batch), here

        threads = self.threads
        tasks = self._tasks(read_columns)
        with closing(on_threads(work, tasks, threads=threads, ahead=threads + 1, name="negprep-read")) as done:
            for kept, rows, made, here in chain.from_iterable(found for _, found in done):
                self._join_clock(rows.clock, kept.piece.place)
                self._join_id_types(rows.id_types)
                self._join_span(here)
                if where is not None:
                    where.join_clocks(kept.clocks, kept.piece.place)
                if ordered:
                    rows = in_order(rows, self.rows_read, roles)
                self._count(rows.rows + kept.left_out, rows.dropped)
                self.rows_filtered += kept.left_out
                if rows.batch.num_rows:
                    yield rows.batch, made
        for part in self._parts:
            self.warn(part.input.warnings)
        self._end()

    def _tasks(self, columns: dict[str, str]) -> Iterator[_Task]:
        """What makes the pieces of all parts, in order; an error that opening one raises comes in its turn."""
        for part in self._parts:
            if isinstance(part.input, ParquetInput) and part.input.is_small:
                yield part, partial(_whole, part, columns)
                continue
            try:
                for piece in part.pieces(columns, None if self._where is None else partial(self._skips, part)):
                    yield part, partial(_alone, piece)
            except Exception as error:  # raised again when the pieces before it were used
                yield part, partial(raised, error)
                return

    def _skips(self, part: _Part, rows: int, known: Known) -> bool:
        """Whether a row group holds no row of the condition; it is counted."""
        if self._where is None or self._where.may_be_in(part.keys, part.place, known):
            return False
        self.groups_skipped += 1
        self.rows_filtered += rows
        self.rows_read += rows
        return True

    def _join_clock(self, clock: Clock | None, place: str | Callable[[int], str]) -> None:
        if self.clock is not None and clock is not None and clock.kind != self.clock.kind:
            raise mixed_clocks(clock, self.clock).at(place if isinstance(place, str) else place(0))
        self.clock = self.clock or clock

    def _join_span(self, span: Span | None) -> None:
        if span is not None:
            self._span = span if self._span is None else self._span.joined(span)

    def _join_id_types(self, found: Mapping[str, pa.DataType]) -> None:
        for role, kind in found.items():
            self.id_types[role] = max(self.id_types.get(role, kind), kind, key=lambda each: each.bit_width)

    def _count(self, rows: int, dropped: Mapping[str, int]) -> None:
        self.rows_read += rows
        for reason, count in dropped.items():
            self.rows_dropped[reason] = self.rows_dropped.get(reason, 0) + count

    def _end(self) -> None:
        self._check_end()
        if self._span is not None and self.clock is not None:
            self.warn(self._span.warnings(self.clock, self.columns["time"]))

    def looked_at(self, wanted: dict[str, str]) -> dict[str, str]:
        """The columns to read: with ``drop_invalid`` those of all roles, always in the same order.

        A row counts for the first role that it lacks a value of.
        """
        if not self._options.drop_invalid or self._may_lack is not None:
            return wanted
        found = {role: name for role, name in self.columns.items() if not (role == "time" and self.is_ordered)}
        every = found | wanted
        order = [role for role in ROLES if role in every]
        return {role: every[role] for role in [*order, *sorted(every.keys() - ROLES)]}

    def _check_end(self) -> None:
        for source in self._sources:
            source.check_unchanged()
        expected, what = self._options.expect_rows, None
        kept = self.rows_read - self.rows_filtered
        if expected is not None and kept != expected:
            filtered = f", without {self.rows_filtered} that --where leaves out," if self.rows_filtered else ""
            what = f"{kept} rows{filtered} where --expect-rows says {expected}"
        elif kept == 0 and self.rows_read:
            what = (
                f"none of {self.rows_read} rows is one that --where {quoted_for_shell(self._options.where or '')} keeps"
            )
            raise BadDataError(what, place=self.place, remedy="mend the condition")
        elif kept == 0:
            what = "no rows"
        if what is not None:
            raise BadDataError(what, place=self.place, remedy=_CUT if self._may_lack is None else _EMPTY)


@dataclass(frozen=True)
class Reading:
    """How the rows of a log are read: what a process needs that reads a part of it, as a stream of batches."""

    roles: Roles
    options: ReadOptions
    place: str
    may_lack: tuple[str, ...] | None

    def open(self, stream: pa.RecordBatchReader) -> LogReader:
        """Open a part, which has the columns that are wanted of it; one thread reads it."""
        parts = [_Part(self.place, replace(memory_input(stream), place=self.place), {})]
        reader = LogReader((), parts, self.roles, self.options, self.place, ExitStack(), self.may_lack, [])
        reader.threads = 1
        return reader


_Task: TypeAlias = tuple[_Part, Callable[[], list[Piece]]]
"""A part, and what makes some of its pieces, in any thread."""


def _alone(piece: Callable[[], Piece]) -> list[Piece]:
    return [piece()]


def _whole(part: _Part, columns: dict[str, str]) -> list[Piece]:
    """All pieces of a small file, which is opened for them."""
    return [piece() for piece in part.pieces(columns)]


def _kept(where: Where, part: _Part, piece: Piece) -> Kept:
    untyped = [name for name in where.roles.values() if part.is_text or not (name in part.names or name in part.nested)]
    return where.kept(piece, untyped, part.place)


def _batches_of(converted: Generator[tuple[pa.RecordBatch, None], None, None]) -> Iterator[pa.RecordBatch]:
    with closing(converted):
        for batch, _ in converted:
            yield batch


def open_log(
    source: LogSource,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - frozen
    *,
    required: tuple[str, ...] = ("user", "item"),
    fitting: Callable[[tuple[str, ...]], ReadOptions] | None = None,
    recognise: Callable[[tuple[str, ...], ReadOptions, str], Roles] = find_roles,
    may_lack: tuple[str, ...] | None = None,
    beside: bool = False,
    unnamed: Unnamed = Unnamed(),  # noqa: B008 - frozen
    place: str = "the table",
) -> LogReader:
    """Find the files of a log and recognise its columns.

    Parameters
    ----------
    source : str, path, list of them, table or stream
        A file, a folder, a glob, ``-`` for standard input, or what ``memory_input`` takes.
    options : ReadOptions
    required : tuple of str
        The roles (``user``, ``item``, ``time``, ``value``, ``event``) that must be there.
    fitting : callable, optional
        From the names of the columns to options that name some of them, in place of those of ``options``.
    recognise : callable
        Gives each role its column; with other roles than a log's for other files.
    may_lack, beside
        For a file beside the log: the roles that may be null in a row; and that it has negprep's quotes, whatever the
        log's are, if negprep wrote it.
    unnamed : Unnamed
        What becomes of a text without a header.
    place : str
        What messages call a table.

    Raises
    ------
    BadDataError
        There is no data, it is damaged, its parts differ, or a required column is missing or ambiguous.
    UsageError, OutputError
        An option does not fit the log; a file does not exist or cannot be read.
    """
    with ExitStack() as stack:
        sources: tuple[Source, ...] = ()
        warnings: list[str] = []
        condition, skipped = options.condition, list[str]()
        where = None if condition is None else Where(condition, options.time_forms, options.time_col)

        def has_rows(keys: Keys, file: str) -> bool:
            found = where is None or where.may_be_in(keys, file)
            skipped.extend([] if found else [file])
            return found

        if isinstance(source, str | os.PathLike | list | tuple):
            names = paths_in(source)
            name = without_secrets(names[0])
            name = name if len(names) == 1 else f"{name} and {len(names) - 1} more"
            sources = tuple(
                file for each in names for file in find_sources(each, partial(is_file_of, form=options.from_), has_rows)
            )
            if not sources:
                what = (
                    f"--where {quoted_for_shell(options.where or '')} leaves out all {len(skipped)} files by their keys"
                )
                raise BadDataError(what, place=name, remedy=f"the first is {skipped[0]}")
            for each in sources:
                if each.spool is not None:
                    stack.callback(each.close)
                if not each.parquet:
                    refuse_foreign(each)
            full, warnings = filled(sources)
            parts = list(_opened(full, partial(_file_input, options=options, unnamed=unnamed, beside=beside)))
            if any(isinstance(part.input, ImpressionsInput) for part in parts) and not options.time_format:
                options = replace(options, time_format=MIND_TIMES)
            warnings += check_parts(parts)
            place = sources[0].name if len(sources) == 1 else name
        else:
            _refuse_text_options(options, place)
            parts = [_Part(place, memory_input(source), {})]
        if options.shown_col is not None:
            parts = [_with_lists(part, options.shown_col) for part in parts]
        roles, spread = roles_of(parts, options, fitting, recognise, place)
        if options.shown_col is not None and "item" in roles.found:
            if spread is not None:
                what = f"the column {spread.name!r} is in lists, and --shown-col takes rows with one item"
                raise UsageError(what, place=place, remedy="leave --shown-col out, or write a row of each item")
            parts = [replace(part, lists=ShownLists(roles.found["item"], options.shown_col)) for part in parts]
        if spread is not None:
            parts = [replace(part, spread=spread) for part in parts]
        for role in required:
            problem = roles.problems.get(role)
            if problem is not None:
                raise _missing(problem, parts[0].input, role, unnamed)
        if where is not None:
            where.time_column = roles.found.get("time")
            for column in where.roles.values():
                check_compared(column, parts, roles, place)
        return LogReader(sources, parts, roles, options, place, stack.pop_all(), may_lack, warnings, where, skipped)


def open_beside(
    source: LogSource,
    read: ReadOptions,
    required: tuple[str, ...],
    extra: Mapping[str, str] | None = None,
    *,
    may_lack: tuple[str, ...] = (),
    place: str = "the table",
    form: SourceForm | None = None,
) -> LogReader:
    """Open a file beside the log: a catalog, weights, or pairs; as ``open_log``, and with its errors.

    The file has the quotes and times of ``read``, the options of the log, and columns that are named like the log's or
    recognised; the only column of a file of items may have any name. ``extra`` are more options that name a column,
    taken if the file has it: ``{"value_col": "weight"}``. ``form`` is that of the file if it is text, as ``--from``
    gives it. Raises ``UsageError`` if the categories (``event_col``) are the items themselves.
    """
    named = dict(extra or {})
    wanted = {f"{role}_col": getattr(read, f"{role}_col") for role in required} | named

    def fitting(names: tuple[str, ...]) -> ReadOptions:
        there = {option: header for option, header in wanted.items() if header in names}
        if required == ("item",) and len(names) == 1 and role_of(names[0]) is None:
            there = {"item_col": names[0]}
        same = there.get("event_col")
        item = find_roles(names, ReadOptions(item_col=there.get("item_col")), "").found.get("item")
        if same is not None and same == item:
            raise UsageError(f"--same {same}: that is the column of the items, all different", remedy="name another")
        return ReadOptions(**there)

    by_position = [named.pop(f"{role}_col", role) for role in required]
    by_position += [header for option, header in named.items() if option != "time_col"]
    unnamed = Unnamed(tuple(by_position), by_option=False, columns=read.columns if "user" in required else None)
    return open_log(
        source,
        replace(read.of_text_beside(), from_=form if paths_in(source) else None),
        required=required,
        fitting=fitting,
        may_lack=may_lack,
        beside=True,
        unnamed=unnamed,
        place=place,
    )


def _with_lists(part: _Part, shown: str) -> _Part:
    """A part whose rows have lists of what was shown; its column of items is not known yet."""
    if shown not in part.input.names:
        near = difflib.get_close_matches(shown, part.input.names[:1000], n=1, cutoff=0.6)
        remedy = f"did you mean {near[0]!r}?" if near else "name one of them with --shown-col"
        raise UsageError(f"no column {shown!r} (found: {listed(part.input.names)})", place=part.place, remedy=remedy)
    if CLICK in part.input.names:
        what = f"--shown-col makes a column {CLICK!r}, and the log has one"
        raise UsageError(what, place=part.place, remedy="rename it")
    return replace(part, lists=ShownLists("", shown))


def _missing(problem: NegprepError, first: Input, role: str, unnamed: Unnamed) -> NegprepError:
    """The error that a column is missing, with what else could be meant."""
    remedy = problem.remedy if unnamed.by_option else f"call it {role}"
    if isinstance(first, TextInput) and first.dialect.doubt is not None:
        remedy = f"{remedy}; {first.dialect.doubt}"
    return type(problem)(problem.what, place=problem.place, remedy=remedy)


def _opened(sources: tuple[Source, ...], opened: Callable[[Source], Input]) -> Iterator[_Part]:
    """The parts of a log, opened by several threads; equal schemas are kept once."""
    before: Input | None = None
    threads = _MOST_THREADS if len(sources) > _MANY else 1
    with closing(on_threads(opened, sources, threads=threads, ahead=4 * threads, name="negprep-open")) as made:
        for source, found in made if threads > 1 else ((each, opened(each)) for each in sources):
            before = alike(found, before)
            yield _Part(source.name, before, source.keys)


def _file_input(source: Source, options: ReadOptions, unnamed: Unnamed, *, beside: bool) -> Input:
    with machine_errors(source.name):
        if not source.is_table:
            return _text_input(source, options, unnamed, beside=beside)
        if not beside:
            _refuse_text_options(options, source.name)
        return parquet_input(source) if source.parquet else arrow_input(source)


def _text_input(source: Source, options: ReadOptions, unnamed: Unnamed, *, beside: bool) -> Input:
    source, options = as_rows(source, options, unnamed)
    mark = byte_order_mark(source)
    if source.array is None and options.columns is None and options.delimiter is None:
        refuse_documents(source)
    numbered = first_lines(source)
    form = form_of_file(source, options, numbered)
    if form in ("jsonl", "lightgcn", "mind") and not beside:
        kind = {"jsonl": "JSON lines", "lightgcn": "lists of ids", "mind": "lists of impressions"}[form]
        for option, value in (("--quote", options.quote), ("--escape", options.escape)):
            if value is not None:
                what = f"{option} is for CSV and its relatives, and these are {kind}"
                raise UsageError(what, place=source.name, remedy=f"leave {option} out")
    if form == "jsonl":
        named = [getattr(options, f"{role}_col") for role in (*ROLES, "shown")]
        named += columns_of(options.condition) if options.condition is not None else ()
        return json_input(source, mark, [name for name in named if name is not None])
    if form == "lightgcn":
        return ListsInput(source, mark)
    if form == "mind":
        return ImpressionsInput(source, mark)
    read = with_quotes(source, as_text(source, form, options, numbered), form)
    lines: list[str] | None = [line for _, line in numbered]
    if lines and (read.delimiter is None or (read.delimiter == " " and read.columns is not None)):
        width = len(read.columns) if read.columns else None
        if likely_delimiter(lines, read.quote or '"') == " " and is_aligned(lines, width):
            source, lines = replace(source, aligned=True), None
    return delimited(source, read, beside=beside, unnamed=unnamed, lines=lines)


def delimited(
    source: Source, options: ReadOptions, *, beside: bool, unnamed: Unnamed, lines: Sequence[str] | None = None
) -> TextInput:
    """A text file with delimiters, whose first lines are read unless they are given.

    ``beside``: a file that negprep wrote is read with negprep's quotes, whatever the log's are.
    """
    if beside and (options.quote is not None or options.escape is not None):
        written = read_dialect(source, replace(options, quote='"', escape=None), unnamed, lines)
        if written.quote is not None and is_quoted_as_written(source, written):
            return TextInput(source, written)
    return TextInput(source, read_dialect(source, options, unnamed, lines))


def _refuse_text_options(options: ReadOptions, place: str) -> None:
    given = {"--columns": options.columns, "--delimiter": options.delimiter, "--from": options.from_}
    for option, value in given.items():
        if value is not None:
            raise UsageError(f"{option} is for text files", place=place, remedy=f"leave {option} out")
