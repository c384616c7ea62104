"""What a run would write: its rows counted, its bytes, memory and time estimated."""

from __future__ import annotations

import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from negprep.arrow import take_rows
from negprep.assemble.layout import vocabulary_tables
from negprep.assemble.section import Cutter, Section, row_group_rows
from negprep.encode.load import Progress
from negprep.encode.memory import LEAST_MEMORY, default_budget, expected_peak
from negprep.exchange import open_exchange, unit_of
from negprep.holdout import writes_times
from negprep.options.formats import FOLDERS
from negprep.options.options import Command, Options
from negprep.pipeline import Run
from negprep.read.log import LogReader
from negprep.summary import facts_of, summary_of
from negprep.write.atomic import Sink
from negprep.write.output import Kind, NamedText, kind_of
from negprep.write.text import TextStream

if TYPE_CHECKING:
    from collections.abc import Sequence


class Scale(Sink):
    """Weighs bytes, and keeps none."""

    def __init__(self) -> None:
        super().__init__(-1)
        self.n_bytes = 0

    def _append(self, data: bytes) -> None:
        self.n_bytes += len(data)


class Weigher(ABC):
    """Takes some of the rows of a run.

    Attributes
    ----------
    wants_sections : bool
        Whether the output holds the positives of each section, too.
    """

    wants_sections = False

    @abstractmethod
    def take(self, section: Section) -> None:
        """Weigh the positives of the next users."""

    @abstractmethod
    def write(self, rows: pa.RecordBatch) -> None:
        """Weigh the next rows."""

    @abstractmethod
    def weigh(self, facts: dict[str, Any]) -> tuple[int, int]:
        """Bytes of the rows that were written, in proportion to which others will be; and those of all else."""


class _File(Weigher):
    """One file, of Parquet or of text."""

    def __init__(self, run: Run, kind: Kind) -> None:
        self._run, self._kind = run, kind
        self._scale, self._rows = Scale(), 0
        self._stream = kind.stream(self._scale, run.form.schema)

    def take(self, section: Section) -> None:
        """Nothing: the rows are all."""

    def write(self, rows: pa.RecordBatch) -> None:
        self._stream.write(rows)
        self._rows += rows.num_rows

    def weigh(self, facts: dict[str, Any]) -> tuple[int, int]:
        self._stream.close({"negprep": json.dumps(facts, sort_keys=True)})
        if self._kind.separator is None:  # a footer is taken for a part of the rows, and so is the column of epochs
            return self._scale.n_bytes, 0
        header = _line(self._run.form.schema.names, self._kind.separator)
        epochs, title = _epochs(self._run, self._rows, ",epoch")
        return self._scale.n_bytes - header + epochs, header + title


class _Folder(Weigher):
    """The texts that another program reads."""

    def __init__(self, run: Run) -> None:
        self._run, self._rows = run, 0
        timed = writes_times(run.log, run.options)
        self._unit = unit_of(run.log.clock.kind if run.log.clock else None)
        self._beside, self._texts = (_Texts(), _Texts())  # apart, because only the second is a sample
        self._of_sections, self._of_rows = (
            open_exchange(run.options, texts, "out/", run.form, run.form.schema, timed=timed)
            for texts in (self._beside, self._texts)
        )
        self.wants_sections = run.options.command == "test"

    def take(self, section: Section) -> None:
        self._of_sections.add(section, self._unit)

    def write(self, rows: pa.RecordBatch) -> None:
        self._of_rows.write(rows)
        self._rows += rows.num_rows

    def weigh(self, facts: dict[str, Any]) -> tuple[int, int]:
        epochs, title = _epochs(self._run, self._rows, "\tepoch:token")
        metadata = len(json.dumps(facts, sort_keys=True).encode()) + 1
        return self._texts.weigh() - self._texts.headers + epochs, self._beside.weigh() + title + metadata


class _Texts:
    """Stands for a folder, whose texts are weighed.

    Attributes
    ----------
    headers : int
        Bytes of the headers of all.
    """

    def __init__(self) -> None:
        self.headers = 0
        self._held: list[tuple[Scale, TextStream]] = []

    def start_text(self, name: str, header: Sequence[str] = (), separator: str = "\t") -> NamedText:
        """Begin a text."""
        scale = Scale()
        stream = TextStream(scale, header, separator)
        self._held.append((scale, stream))
        self.headers += _line(header, separator) if header else 0
        return NamedText(stream, name)

    def weigh(self) -> int:
        """Bytes of all."""
        for _, stream in self._held:
            stream.end_rows()
        return sum(scale.n_bytes for scale, _ in self._held)


def open_weigher(run: Run, group_rows: int) -> Weigher:
    """Begin the output of a run, in the form that its options say.

    Raises
    ------
    UsageError, BadDataError
        The ids do not fit the form.
    """
    form = run.options.to or "parquet"
    return _Folder(run) if form in FOLDERS else _File(run, kind_of(form, "", group_rows))


def vocabulary_bytes(run: Run) -> int:
    """The size of the vocabularies beside the output, if there are any."""
    if not run.options.encode:
        return 0
    total = 0
    for table in vocabulary_tables(run.core.users.ids, run.core.items.vocabulary[0]).values():
        scale = Scale()
        stream = kind_of(run.options.to or "parquet", "").stream(scale, table.schema)
        for batch in table.to_batches():
            stream.write(batch)
        stream.close({})
        total += scale.n_bytes
    return total


def _line(names: Sequence[str], separator: str) -> int:
    return len(separator.join(names).encode()) + 1


def _epochs(run: Run, rows: int, title: str) -> tuple[int, int]:
    """What the column of epochs adds to so many rows of text, and to the header."""
    if run.options.epochs is None:
        return 0, 0
    digits = sum(1 + len(str(epoch)) for epoch in run.epochs) / len(run.epochs)
    return round(rows * digits), len(title)


MOST_VALUES = 4 << 20
"""Rows, or elements of lists, that are made: four usual row groups. An output of so many is made whole."""

_FEWEST_GROUPS = 4


@dataclass(frozen=True)
class Sample:
    """What was made.

    Attributes
    ----------
    rows, bytes : int
        Rows made, and the size of a file of them.
    arrow_bytes : int
        What the rows take in memory.
    beside_bytes : int
        The size of what does not grow with the rows: the vocabularies beside the output, headers, files of positives.
    make_seconds, write_seconds, beside_seconds : float
        In one thread.
    """

    rows: int
    bytes: int
    arrow_bytes: int
    beside_bytes: int
    make_seconds: float
    write_seconds: float
    beside_seconds: float


def make_sample(run: Run, progress: Progress) -> Sample:
    """Make and write some of the rows of a run that was counted.

    Parameters
    ----------
    run : Run
        Whose sections may be gone through again.
    progress : callable
    """
    group_rows = row_group_rows(run.options)
    per_epoch = max(1, run.tally.rows // len(run.epochs))
    values = run.tally.negatives // max(1, run.tally.rows) if run.options.layout == "listwise" else 1
    most_groups = max(_FEWEST_GROUPS, MOST_VALUES // (group_rows * max(1, values)))
    n_epochs = min(len(run.epochs), max(1, most_groups * group_rows // per_epoch))
    n_rows, arrow_bytes, make_seconds, write_seconds = 0, 0, 0.0, 0.0
    began, weigher = time.perf_counter(), open_weigher(run, group_rows)
    for section in run.sections(0) if weigher.wants_sections else ():
        weigher.take(section)
    beside_seconds = time.perf_counter() - began
    if run.options.shuffle:
        made = _shuffled(run, n_epochs, per_epoch, group_rows)
    else:
        made = _in_order(run, n_epochs, -(-n_epochs * per_epoch // group_rows), most_groups, group_rows)
    with closing(made) as pieces:
        began = time.perf_counter()
        for rows in pieces:
            drawn = time.perf_counter()
            weigher.write(rows)
            n_rows += len(rows)
            arrow_bytes += rows.nbytes
            progress("sample", n_rows, None)
            make_seconds, write_seconds = make_seconds + drawn - began, write_seconds + time.perf_counter() - drawn
            began = time.perf_counter()
    n_bytes, beside_bytes = weigher.weigh(facts_of(run))
    write_seconds += time.perf_counter() - began
    beside_bytes += vocabulary_bytes(run)
    return Sample(n_rows, n_bytes, arrow_bytes, beside_bytes, make_seconds, write_seconds, beside_seconds)


def _in_order(
    run: Run, n_epochs: int, n_groups: int, most_groups: int, group_rows: int
) -> Generator[pa.RecordBatch, None, None]:
    """The rows of row groups at even distances, the first among them, whose values decide how columns are encoded."""
    most = min(most_groups, n_groups)
    chosen = {place * n_groups // most for place in range(most)}
    cutter, rows_before = Cutter(group_rows), 0
    for epoch in run.epochs[:n_epochs]:
        for section in run.sections(epoch):
            for shard in cutter.cut(section):
                if most == n_groups or rows_before // group_rows in chosen:
                    yield shard.make()
                rows_before += shard.end - shard.begin


def _shuffled(run: Run, n_epochs: int, per_epoch: int, group_rows: int) -> Generator[pa.RecordBatch, None, None]:
    """Whole epochs in random order; of one that is larger than a row group, so many of its rows, of all users."""
    stride = -(-per_epoch // group_rows)
    for epoch in run.epochs[: n_epochs if stride == 1 else 1]:
        batches, words, groups_before = [], [], 0
        for section in run.sections(epoch):
            thin = section if stride == 1 else _thinned(section, -groups_before % stride, stride)
            groups_before += len(section.heads)
            if thin.n_rows:
                batches.append(thin.make(0, thin.n_rows))
                words.append(thin.order_words(0, thin.n_rows))
        if batches:
            order = np.argsort(np.concatenate(words), kind="stable")
            rows = take_rows(pa.concat_batches(batches), order)
            yield run.form.decode(rows.slice(0, group_rows).columns)


def _thinned(section: Section, first: int, stride: int) -> Section:
    """Every so many of the groups of a section."""
    mask = np.zeros(len(section.heads), bool)
    mask[first::stride] = True
    by_group = section.sampling.by_group
    return replace(
        section,
        heads=section.heads.where(mask),
        supply=section.supply[mask] if by_group else section.supply,
        counts=section.counts[mask] if by_group else section.counts,
        occurrences=None if section.occurrences is None else section.occurrences[mask],
    )


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a run of a command would write.

    Attributes
    ----------
    command : {"train", "test"}
    refused : str or None
        Why the run would fail. All that follows is then empty.
    holdout, sampler, layout, to : str
    num_neg : int or "all"
        Negatives asked for each positive.
    needed : int
        Eligible items below which a user is short.
    epochs : int
        How many are written.
    positives, holdouts, users_held_out : int
        Distinct positives, those held out for test, and their users.
    groups : int
        Of the first epoch: positives that lead rows; for ``test``, holdouts of the fold.
    negatives, rows : int
        Exact, of all epochs.
    users, catalog_items : int
        Without those that ``min_positives`` and ``core`` leave out.
    short_users, full_users, dropped_users : int
        As in ``Summary``.
    bytes : int
        Estimated: of a single file, and of the vocabularies beside it.
    memory_bytes : int
        Estimated: the largest resident size of the process.
    seconds : float
        Estimated: on this machine, as busy as it is now.
    sampled_rows : int
        Rows that were made to estimate from.
    warnings : tuple of str
        Those of the run.
    """

    command: Command
    refused: str | None = None
    holdout: str = ""
    sampler: str = ""
    layout: str = ""
    to: str = ""
    num_neg: int | Literal["all"] = 0
    needed: int = 0
    epochs: int = 0
    users: int = 0
    catalog_items: int = 0
    positives: int = 0
    holdouts: int = 0
    users_held_out: int = 0
    groups: int = 0
    negatives: int = 0
    rows: int = 0
    short_users: int = 0
    full_users: int = 0
    dropped_users: int = 0
    bytes: int = 0
    memory_bytes: int = 0
    seconds: float = 0.0
    sampled_rows: int = 0
    warnings: tuple[str, ...] = ()


def forecast(log: LogReader, options: Options, progress: Progress) -> Forecast:
    """Go the way of a run up to its draws, and draw a sample.

    Raises
    ------
    NegprepError
        What would stop the run.
    """
    started = time.perf_counter()
    with Run(log, options, progress=progress, again=True) as run:
        run.count()
        seconds = time.perf_counter() - started
        return _told(run, make_sample(run, progress), seconds)


def _told(run: Run, sample: Sample, seconds_before: float) -> Forecast:
    options, tally = run.options, run.tally
    summary = summary_of(run, "-", 0.0)
    ratio = tally.rows / sample.rows if sample.rows else 1.0
    threads = min(options.jobs + 1, os.cpu_count() or 1)
    drawing = max(sample.write_seconds, (sample.make_seconds + sample.write_seconds) / threads)
    return Forecast(
        command=options.command,
        holdout=summary.holdout,
        sampler=summary.sampler,
        layout=options.layout,
        to=options.to or "parquet",
        num_neg=summary.num_neg,
        needed=options.needed,
        epochs=len(run.epochs),
        users=summary.users,
        catalog_items=summary.catalog_items,
        positives=summary.positives,
        holdouts=summary.holdouts,
        users_held_out=summary.holdout_users,
        groups=tally.groups,
        negatives=summary.negatives,
        rows=summary.rows_written,
        short_users=summary.short_users,
        full_users=summary.full_users,
        dropped_users=summary.dropped_users,
        bytes=round(sample.bytes * ratio) + sample.beside_bytes,
        memory_bytes=_memory(run, sample),
        seconds=seconds_before + sample.beside_seconds + drawing * ratio,
        sampled_rows=sample.rows,
        warnings=tuple(summary.warnings),
    )


def _memory(run: Run, sample: Sample) -> int:
    """The largest resident size, within what the run may take."""
    options, rows = run.options, run.tally.rows
    per_row = sample.arrow_bytes / max(1, sample.rows)
    peak = expected_peak(
        row_bytes=run.loaded.row_bytes,
        output_bytes=int(per_row * rows),
        shard_bytes=int(per_row * min(options.shard_rows, row_group_rows(options))),
        shuffled_rows=rows // len(run.epochs) if options.shuffle else 0,
        jobs=options.jobs,
    )
    return min(peak, max(default_budget() if options.memory is None else options.memory, LEAST_MEMORY))
