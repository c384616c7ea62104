"""A run: one pass from a log to rows, and what it counts on the way."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.cutting import Cutter, Shard, row_group_rows
from negprep.draw import ALGORITHM
from negprep.engines.local import run_shards
from negprep.errors import BadDataError, UsageError
from negprep.layout import Form
from negprep.loading import Loaded, Progress, load
from negprep.memory import MemoryPlan
from negprep.options import Holdout, Options
from negprep.planning import DEFAULT_ALPHA, DEFAULT_SMOOTH, make_plan, needs_survey
from negprep.reading import LogReader
from negprep.section import Section, make_form, make_section
from negprep.summary import Summary, peak_memory_bytes
from negprep.tally import Tally
from negprep.writing import Part


class Run:
    """One pass from a log to batches of rows. A context: what it holds on disk goes with it.

    Parameters
    ----------
    log : LogReader
        Open; read here.
    options : Options
        What to make.
    spill_folder : str or None
        Where rows are that do not fit in memory, unless the options say. None: where the system keeps temporary files.
    progress : callable, optional
        As for ``prepare``.

    Raises
    ------
    NegprepError
        Bad data, or options that do not fit the log.
    """

    def __init__(
        self, log: LogReader, options: Options, spill_folder: str | None = None, progress: Progress | None = None
    ) -> None:
        self._log, self._options, self._progress = log, options, progress or _silent
        self._holdout, self._warnings = _resolve_holdout(log, options)
        self._memory = MemoryPlan.of(options.memory)
        self.loaded: Loaded = load(
            log,
            options,
            with_times=self._holdout == "last" or options.available_at_time,
            kept_bytes=self._memory.kept_bytes,
            spill_folder=options.spill_dir or spill_folder,
            progress=self._progress,
        )
        first_times = self.loaded.first_times() if options.available_at_time else None
        self._portions = self.loaded.portions(self._memory.range_rows, again=needs_survey(options))
        self._plan = make_plan(self.loaded, self._portions, options, self._holdout, first_times)
        self._tally = Tally(len(self.loaded.items))
        self._sources = np.zeros(len(self.form.sources or ()), np.int64)
        self._rows_written = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.loaded.close()

    @property
    def form(self) -> Form:
        """The layout and the columns of the rows."""
        return make_form(self.loaded.users, self.loaded.items, self._options)

    def batches(self) -> Generator[pa.RecordBatch, None, None]:
        """Make the rows, in order, on as many threads as the options ask for."""
        for _, batch in run_shards(Shard.make, self._shards(None), jobs=self._options.jobs):
            self._sources += self.form.source_counts(batch)
            yield batch
            self._tell_written(len(batch))

    def fill_parts(self, start_part: Callable[[], Part], part_rows: int) -> None:
        """Make the rows part by part, as many parts at a time as the options ask for threads."""
        tasks = ((start_part(), shards) for shards in _by_part(self._shards(part_rows)))
        with closing(run_shards(_fill, tasks, jobs=self._options.jobs)) as filled:
            for (part, _), sources in filled:
                self._sources += sources
                self._tell_written(part.rows_written)

    def _tell_written(self, rows: int) -> None:
        self._rows_written += rows
        self._progress("write", self._rows_written, None if self.loaded.is_spilled else self._tally.rows)

    def _shards(self, part_rows: int | None) -> Iterator[Shard]:
        cutter = Cutter(min(self._options.shard_rows, row_group_rows(self._options)), part_rows)
        for section in self._sections():
            yield from cutter.cut(section)
        if self._options.command == "test" and not self._tally.groups and not self._tally.dropped_users:
            raise BadDataError(
                f"no user has enough positives for a {self._options.fold} holdout",
                remedy="a test holdout needs 2 positives of a user, a validation holdout 3",
            )

    def _sections(self) -> Iterator[Section]:
        for portion in self._portions:
            section = make_section(
                portion.interactions, portion.excluded, self._options, self._holdout, self._plan, portion.first_user
            )
            self._tally.add(section)
            yield section

    def _warn_of_excluded(self) -> list[str]:
        known, unknown = len(self.loaded.excluded), self.loaded.excluded_unknown
        if known or not unknown:
            return []
        return [f"none of the {unknown} pairs to exclude has a user and an item that are known: are its ids the log's?"]

    @property
    def _seen_policy(self) -> str:
        parts = ["train positives" if self._options.command == "train" else "positives, held-out ones included"]
        if self._options.positive is not None or self._options.weak is not None:
            parts.append("weak interactions")
        if self._options.exclude is not None:
            parts.append("excluded pairs")
        *most, last = parts
        return f"the user's {', '.join(most)} and {last}" if most else f"the user's {last}"

    def facts(self) -> dict[str, Any]:
        """What the output depends on and what it holds, the same wherever and however it was made."""
        options, tally, loaded = self._options, self._tally, self.loaded
        return {
            "algorithm": ALGORITHM,
            "command": options.command,
            "sampler": str(options.recipe),
            **self._sampler_facts,
            "draws": "distinct" if options.distinct else "repeats",
            "num_neg": options.negatives_each,
            "holdout": self._holdout,
            "with_valid": options.with_valid,
            "fold": options.fold if options.command == "test" else None,
            "layout": options.layout,
            "positive": options.positive,
            "keep_time": options.keep_time,
            "on_short": options.on_short,
            "encode": options.encode,
            "label_dtype": options.label_dtype,
            "catalog": "the items of the log" if options.items is None else "a file",
            "seen": self._seen_policy,
            "seed": options.seed,
            "split_seed": options.split_seed,
            "counts": {
                "users": len(loaded.users),
                "catalog_items": loaded.items.n_catalog,
                "positives": tally.positives,
                "weak": tally.weak,
                "excluded_pairs": len(loaded.excluded),
                "holdouts": tally.holdouts,
                "tied_holdouts": tally.tied_holdouts,
                "cold_holdouts": tally.cold_holdouts,
                "short_users": tally.short_users,
                "full_users": tally.full_users,
                "dropped_users": tally.dropped_users,
                "groups": tally.groups,
                "negatives": tally.negatives,
                "rows": tally.rows,
                "sources": self._source_counts,
                "eligible_min": tally.eligible_min,
                "eligible_max": tally.eligible_max,
            },
        }

    @property
    def _sampler_facts(self) -> dict[str, Any]:
        options, popular = self._options, "popularity" in self._options.recipe.names
        weighted = popular and options.weights is None
        return {
            "alpha": (DEFAULT_ALPHA if options.alpha is None else options.alpha) if weighted else None,
            "smooth": (DEFAULT_SMOOTH if options.smooth is None else options.smooth) if weighted else None,
            "weights": ("a file" if options.weights is not None else "train positives") if popular else None,
            "available_at_time": options.available_at_time,
            "same": options.same,
            "with_log_q": options.with_log_q,
            "q_kind": "exact",
        }

    @property
    def _source_counts(self) -> dict[str, int]:
        return dict(zip(self.form.sources or (), self._sources.tolist(), strict=True))

    def summary(self, seconds: float) -> Summary:
        """The facts of a run whose batches were all made."""
        tally, loaded = self._tally, self.loaded
        return Summary(
            command=self._options.command,
            rows_read=self._log.rows_read,
            rows_dropped=dict(self._log.rows_dropped),
            users=len(loaded.users),
            items=loaded.n_items,
            catalog_items=loaded.items.n_catalog,
            positives=tally.positives,
            weak=tally.weak,
            holdout=self._holdout,
            holdouts=tally.holdouts,
            tied_holdouts=tally.tied_holdouts,
            cold_holdouts=tally.cold_holdouts,
            unheld_users=tally.unheld_users if self._holdout != "none" else 0,
            num_neg=self._options.negatives_each,
            sampler=str(self._options.recipe),
            sources=self._source_counts,
            negatives=tally.negatives,
            rows_written=tally.rows,
            short_users=tally.short_users,
            full_users=tally.full_users,
            dropped_users=tally.dropped_users,
            seen=self._seen_policy,
            excluded_pairs=len(loaded.excluded),
            excluded_unknown=loaded.excluded_unknown,
            seed=self._options.seed,
            split_seed=self._options.split_seed,
            columns={role: self._log.columns[role] for role in self.loaded.roles},
            warnings=[*self._log.warnings, *self._warnings, *self._warn_of_excluded()],
            seconds=seconds,
            peak_memory_bytes=peak_memory_bytes(),
        )


def _resolve_holdout(log: LogReader, options: Options) -> tuple[Holdout, list[str]]:
    problem = log.problem("time") if options.holdout in ("last", "auto") else None
    if problem is not None:
        raise problem
    if options.holdout == "last" and "time" not in log.columns:
        raise UsageError(
            "--holdout last needs times, and the log has no column that is recognised as one",
            place=str(log.paths[0]) if log.paths else None,
            remedy="name it with --time-col, or choose --holdout random",
        )
    if options.holdout != "auto":
        return options.holdout, []
    if "time" in log.columns:
        return "last", []
    return "random", ["the log has no times: each user's holdout is random (--holdout random says so)"]


def _by_part(shards: Iterable[Shard]) -> Iterator[list[Shard]]:
    part: list[Shard] = []
    for shard in shards:
        if shard.starts_part and part:
            yield part
            part = []
        part.append(shard)
    if part:
        yield part


def _fill(task: tuple[Part, list[Shard]]) -> npt.NDArray[np.int64]:
    """Write a part; how many negatives come from each source."""
    part, shards = task
    sources = np.zeros(len(shards[0].section.form.sources or ()), np.int64)
    for shard in shards:
        rows = shard.make()
        sources += shard.section.form.source_counts(rows)
        part.write(rows)
    part.end()
    return sources


def _silent(step: str, done: int, total: int | None) -> None:
    """Tell nobody."""
