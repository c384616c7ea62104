"""What a run would write: its rows counted, its bytes, memory and time estimated."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Literal

from negprep.cutting import row_group_rows
from negprep.facts import summary_of
from negprep.inspecting.sample import Sample, make_sample
from negprep.loading import Progress
from negprep.memory import LEAST_MEMORY, default_budget, expected_peak
from negprep.options import Command, Options
from negprep.reading import LogReader
from negprep.run import Run


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
