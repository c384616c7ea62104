"""A run: one pass from a log to batches of rows (read, encode, hold out, sample, assemble), and what it counts."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import from_numpy
from negprep.assemble.layout import RowLayout
from negprep.assemble.plan import make_plan, model_rule, needs_survey, read_model_of, settled
from negprep.assemble.section import Section, make_form, make_section
from negprep.assemble.shards import Cutter, Shard, by_part, fill, row_group_rows
from negprep.assemble.shuffle import Shuffle
from negprep.encode.kcore import find_core
from negprep.encode.load import Loaded, Progress, load
from negprep.encode.memory import MemoryPlan
from negprep.holdout import check_times, nothing_to_write, resolve_rule, settled_cut, writes_times
from negprep.options.options import Options
from negprep.read.log import LogReader
from negprep.sample.rng import Bootstrap
from negprep.threads import one_ahead, rows_in_order, run_shards
from negprep.write.output import Part

_MARKED = 1 << 15
"""Items marked at a time: an index of all would be made 64 bits wide first."""


@dataclass
class Tally:
    """What the sections of an output hold.

    Attributes
    ----------
    n_items : int
    holds_out : bool
        Whether there may be holdouts; else nobody asks which items train has.
    positives, weak : int
        Distinct positive pairs, and observed pairs that are none.
    holdouts, holdout_users, tied_holdouts : int
        Test holdouts, users with one, and users one of whose holdouts a hash chose between equal times.
    cold_users, unheld_users : int
        Users with a test holdout and no train positive, and users with positives but without a test holdout.
    short_users, full_users, dropped_users : int
        Users with too few eligible items, those of them with none, and those left out for it.
    outside_positives, outside_holdouts : int
        Positives and test holdouts of an item that is not in the catalog.
    groups, negatives, rows : int
    eligible_min, eligible_max : int
        Items that can be drawn for a group.
    """

    n_items: int
    holds_out: bool = True
    positives: int = 0
    weak: int = 0
    holdouts: int = 0
    holdout_users: int = 0
    tied_holdouts: int = 0
    cold_users: int = 0
    unheld_users: int = 0
    short_users: int = 0
    full_users: int = 0
    dropped_users: int = 0
    outside_positives: int = 0
    outside_holdouts: int = 0
    groups: int = 0
    negatives: int = 0
    rows: int = 0
    eligible_min: int | None = None
    eligible_max: int | None = None
    _warm: npt.NDArray[np.bool_] = field(init=False)
    _held: npt.NDArray[np.int32] = field(init=False)

    def __post_init__(self) -> None:
        self._warm, self._held = np.zeros(self.n_items, bool), np.zeros(self.n_items, np.int32)

    def add(self, section: Section) -> None:
        """Count one more section: its interactions, which all epochs share, and its rows."""
        self.add_rows(section)
        positives, split, heads = section.interactions.positives, section.split, section.heads
        held = positives.where(split.test)
        has_test = held.counts > 0
        self.positives += len(positives)
        self.weak += len(section.interactions.weak)
        self.holdouts += len(held)
        self.holdout_users += int(has_test.sum())
        self.tied_holdouts += int(split.tied.sum())
        self.cold_users += int((has_test & (section.train.counts == 0)).sum())
        self.unheld_users += int(((positives.counts > 0) & ~has_test).sum())
        self.short_users += int(section.short.sum())
        self.full_users += _users_with_none(section)
        self.dropped_users += int(section.short.sum()) if section.options.on_short == "drop" else 0
        self.groups += len(heads)
        items = section.interactions.items
        if len(items.others):
            self.outside_positives += int(np.count_nonzero(positives.items >= items.n_catalog))
            self.outside_holdouts += int(np.count_nonzero(held.items >= items.n_catalog))
        if self.holds_out:
            for begin in range(0, len(section.train), _MARKED):
                self._warm[section.train.items[begin : begin + _MARKED]] = True
            np.add.at(self._held, held.items, 1)
        eligible = section.supply if section.sampling.by_group else section.supply[heads.counts > 0]
        if eligible.size:
            least, most = int(eligible.min()), int(eligible.max())
            self.eligible_min = least if self.eligible_min is None else min(least, self.eligible_min)
            self.eligible_max = most if self.eligible_max is None else max(most, self.eligible_max)

    def add_rows(self, section: Section) -> None:
        """Count the rows of a section whose interactions were counted in an earlier epoch."""
        sizes = section.counts if section.sampling.by_group else section.heads.counts * section.counts
        self.negatives += int(sizes.sum())
        self.rows += section.n_rows

    @property
    def cold_holdouts(self) -> int:
        """Test holdouts whose item has no train positive."""
        return int(self._held[~self._warm].sum())


def _users_with_none(section: Section) -> int:
    """Users who lead a group for which nothing can be drawn."""
    nothing = section.supply == 0
    if section.sampling.by_group:
        return len(np.unique(section.heads.users()[nothing]))
    return int((nothing & section.short).sum())


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
    again : bool
        Whether `sections` may be gone through more than once.

    Attributes
    ----------
    log : LogReader
    options : Options
    loaded : Loaded
    core : Core
    rule : HoldoutRule
    tally : Tally
    warnings : list of str
    weights_fit : WeightsFit
        How ``--weights`` fits the catalog.
    watch : callable or None
        Is handed each section before its rows are made, once for each epoch.
    knowledge : Knowledge or None
        What the model knows of the log, where one draws.
    strangers : int
        Users with train positives whom it does not know, of those counted so far.

    Raises
    ------
    NegprepError
        Bad data, or options that do not fit the log.
    """

    def __init__(
        self,
        log: LogReader,
        options: Options,
        spill_folder: str | None = None,
        progress: Progress | None = None,
        *,
        again: bool = False,
    ) -> None:
        self.log, self.options, self._progress = log, options, progress or silent
        self._spill_folder = options.spill_dir or spill_folder
        self.rule, self.warnings = resolve_rule(log, options)
        check_times(log, options)
        model_rule(options)  # what is wrong with these options is said before the log is read, and with the file, too
        model = read_model_of(options)
        self._memory = MemoryPlan.of(options.memory, shuffle=options.shuffle)
        self.loaded: Loaded = load(
            log,
            options,
            with_times=self.rule.needs_times or options.available_at_time or writes_times(log, options),
            kept_bytes=self._memory.kept_bytes,
            spill_folder=self._spill_folder,
            progress=self._progress,
        )
        try:
            self.rule = settled_cut(log, self.rule)
            first_times = self.loaded.first_times() if options.available_at_time else None
            self.core = find_core(
                self.loaded,
                options,
                self._memory.range_rows,
                self._progress,
                again=again or needs_survey(options) or (options.epochs or 1) > 1,
            )
            self._plan, self.weights_fit, self.knowledge = make_plan(
                self.loaded, self.core, options, self.rule, first_times, model
            )
        except BaseException:
            self.loaded.close()
            raise
        self.options = settled(options, self.core)
        self.tally = Tally(len(self.core.items), holds_out=self.rule.kind != "none")
        self.strangers = 0
        self.watch: Callable[[Section], None] | None = None
        self._sources = np.zeros(len(self.form.sources or ()), np.int64)
        self._rows_written = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.loaded.close()

    @cached_property
    def form(self) -> RowLayout:
        """The layout and the columns of the rows."""
        return make_form(self.core.users, self.core.items, self.options)

    @property
    def sources(self) -> dict[str, int]:
        """Negatives made so far, by the sampler that drew them."""
        return dict(zip(self.form.sources or (), self._sources.tolist(), strict=True))

    @property
    def schema(self) -> pa.Schema:
        """The columns of `batches`: those of the form, and the epoch where there may be several."""
        if self.options.epochs is None:
            return self.form.schema
        return self.form.schema.append(pa.field("epoch", pa.int32(), nullable=False))

    @property
    def epochs(self) -> range:
        """Those that are drawn."""
        first, count = self.options.epoch, self.options.epochs
        return range(first, first + 1) if count is None else range(count)

    @property
    def _waiting(self) -> int:
        """Shards that may wait: of shuffled rows a row group, or nobody would work while one is written."""
        return row_group_rows(self.options) // self._bucket_rows if self.options.shuffle else 1

    @property
    def _bucket_rows(self) -> int:
        return min(self._shard_rows, self._memory.bucket_rows)

    @property
    def _shard_rows(self) -> int:
        return min(self.options.shard_rows, row_group_rows(self.options))

    def batches(self) -> Generator[pa.RecordBatch, None, None]:
        """Make the rows, in order, on as many threads as the options ask for."""
        schema = self.schema
        for epoch in self.epochs:
            with ExitStack() as held:
                shards = self._shards(None, epoch, held)
                for batch in rows_in_order(shards, jobs=self.options.jobs, waiting=self._waiting):
                    self._sources += self.form.source_counts(batch)
                    if self.options.epochs is None:
                        yield batch
                    else:
                        column = from_numpy(np.full(len(batch), epoch, np.int32))
                        yield pa.RecordBatch.from_arrays([*batch.columns, column], schema=schema)
                    self._tell_written(len(batch))

    def fill_parts(self, start_part: Callable[[str], Part], part_rows: int) -> None:
        """Make the rows part by part, as many parts at a time as the options ask for threads.

        Parameters
        ----------
        start_part : callable
            Takes the name of a folder for the part, or ``""``.
        part_rows : int
        """
        for epoch in self.epochs:
            folder = "" if self.options.epochs is None else f"epoch={epoch}"
            with ExitStack() as held:
                tasks = ((start_part(folder), shards) for shards in by_part(self._shards(part_rows, epoch, held)))
                with closing(run_shards(fill, tasks, jobs=self.options.jobs)) as filled:
                    for (part, _), sources in filled:
                        self._sources += sources
                        self._tell_written(part.rows_written)

    def _tell_written(self, rows: int) -> None:
        self._rows_written += rows
        is_known = not self.loaded.is_spilled and len(self.epochs) == 1
        self._progress("write", self._rows_written, self.tally.rows if is_known else None)

    def _shards(self, part_rows: int | None, epoch: int, held: ExitStack) -> Iterator[Shard]:
        """The rows of an epoch; what they need is held until ``held`` ends."""
        if self.options.shuffle:
            shuffle = held.enter_context(closing(self._scattered(epoch)))
            yield from shuffle.shards(part_rows)
        else:
            cutter = Cutter(self._shard_rows, part_rows)
            for section in held.enter_context(closing(self._counted(epoch))):
                yield from cutter.cut(section)
        self._refuse_nothing()

    def _refuse_nothing(self) -> None:
        if not self.tally.groups and not self.tally.dropped_users:
            mistake = nothing_to_write(self.rule, self.options)
            if mistake is not None:
                raise mistake

    def _scattered(self, epoch: int) -> Shuffle:
        """The rows of an epoch in buckets."""
        options, cutter = self.options, Cutter(self._shard_rows)
        rows_each = int(self.form.rows_of(np.array(options.negatives_each)))
        most_rows = options.bootstrap or self.log.rows_read * rows_each
        kept_bytes, folder = self._memory.shuffled_bytes, self._spill_folder
        shuffle = Shuffle(self.form, len(self.core.items), most_rows, self._bucket_rows, kept_bytes, folder)
        done = 0
        try:
            with closing(self._counted(epoch)) as sections:
                tasks = ((section, shard) for section in sections for shard in cutter.cut(section))
                with closing(run_shards(lambda task: shuffle.scatter(*task), tasks, jobs=options.jobs)) as scattered:
                    for _, rows in scattered:
                        shuffle.add(rows)
                        done += len(rows)
                        self._progress("shuffle", done, None)
        except BaseException:
            shuffle.close()
            raise
        return shuffle

    def count(self) -> None:
        """Count in `tally` the rows that the batches would have, and make none. Needs ``again``.

        Raises
        ------
        BadDataError
            What `batches` would raise.
        """
        alike = self.options.bootstrap is None
        for epoch in self.epochs[:1] if alike else self.epochs:
            with closing(self._counted(epoch)) as sections:
                for _ in sections:
                    self._progress("count", self.tally.rows, None)
        self._refuse_nothing()
        if alike:
            self.tally.negatives *= len(self.epochs)
            self.tally.rows *= len(self.epochs)

    def sections(self, epoch: int) -> Iterator[Section]:
        """The users in ranges, with all that is needed to make their rows (if shuffled, coded); counted nowhere."""
        options, bootstrap = replace(self.options, epoch=epoch, epochs=None), None
        if options.bootstrap is not None:
            bootstrap = Bootstrap(options.seed, epoch, options.bootstrap, self._plan.n_train)
        for portion in self.core.portions:
            section = make_section(
                portion.interactions,
                portion.excluded,
                options,
                self.rule,
                self._plan,
                portion.first_user,
                bootstrap,
            )
            if options.shuffle:
                sizes = len(portion.interactions.users), len(portion.interactions.items)
                section = replace(section, form=section.form.coded(portion.first_user, *sizes))
            yield section

    def _counted(self, epoch: int) -> Generator[Section, None, None]:
        """The sections, each of which is made while rows of the one before are, and counted when its turn comes."""
        first_user = 0
        with closing(one_ahead(self.sections(epoch), name="negprep-group")) as sections:
            for section in sections:
                if epoch == self.epochs[0]:
                    self.tally.add(section)
                    n_users = len(section.train.counts)
                    if self.knowledge is not None:
                        known = self.knowledge.known[first_user : first_user + n_users]
                        self.strangers += int(((section.train.counts > 0) & ~known).sum())
                    first_user += n_users
                else:  # the same interactions, but drawn with replacement others of them may lead rows
                    self.tally.add_rows(section)
                if self.watch is not None:
                    self.watch(section)
                yield section


def silent(step: str, done: int, total: int | None) -> None:
    """Tell nobody."""
