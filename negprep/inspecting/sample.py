"""A few row groups of an output, made and written to nowhere: how many bytes they take, and how long that takes.

The bytes of a row follow from the ids, from how often they repeat, and from what zstd finds in them, so that a formula
would have to guess. These are the very rows that the run would make, through the same writer.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from negprep.arrow import take_rows
from negprep.cutting import Cutter, row_group_rows
from negprep.facts import facts_of
from negprep.inspecting.weighing import open_weigher, vocabulary_bytes
from negprep.loading import Progress
from negprep.run import Run
from negprep.section import Section

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
                batches.append(thin.prepare(0, thin.n_rows)())
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
