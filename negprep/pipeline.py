"""From a log to an output in six steps: read, encode, hold out, sample, assemble, write.

`Run` reads and encodes the log as it is made; its `sections` hold out, range of users by range; its `rows` (or
`fill_parts`) sample and assemble; `prepare` opens the log, makes a run, and writes what comes out of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import cached_property
from glob import has_magic
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
import pyarrow as pa

from negprep.arrays import Counts
from negprep.arrow import from_numpy
from negprep.assemble.layout import RowLayout, vocabulary_tables
from negprep.assemble.plan import (
    Knowledge,
    count_train,
    drops_cold_items,
    find_ids,
    make_plan,
    make_scores,
    model_rule,
    model_warnings,
    needs_survey,
    read_model_of,
)
from negprep.assemble.section import Cutter, Section, Shard, by_part, fill, make_form, make_section, row_group_rows
from negprep.assemble.shuffle import Shuffle
from negprep.encode.kcore import find_core
from negprep.encode.load import Core, Progress, load
from negprep.encode.memory import MemoryPlan
from negprep.encode.spill import check_spill_folder
from negprep.errors import UsageError, refuse_warnings
from negprep.exchange import ExchangeFiles, unit_of
from negprep.holdout import (
    check_times,
    choose_users,
    in_form,
    needs_times,
    nothing_to_write,
    resolve_rule,
    settled_cut,
    writes_times,
)
from negprep.options.formats import FOLDERS, TEXT, beside, first_code, form_of
from negprep.options.options import LogSource, Options
from negprep.options.reading import paths_in
from negprep.options.specs import HoldoutRule
from negprep.read.log import LogReader, open_log
from negprep.sample.rng import Bootstrap
from negprep.stores import is_remote
from negprep.summary import ColdItems, Record, Summary, Tally, facts_of, summary_of, warnings_of
from negprep.threads import on_threads, one_ahead
from negprep.write.destination import Document, check_output, check_target
from negprep.write.output import PART_ROWS, FolderOutput, NamedFile, Output, Part, kind_of, open_output
from negprep.write.parquet import ROW_GROUP_ROWS
from negprep.write.text import TEXT_ROWS


def prepare(
    source: LogSource,
    target: str,
    options: Options,
    *,
    force: bool = False,
    summary: str | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Read a log and write an output, whole or not at all.

    Parameters
    ----------
    source : str, path, list of them, table or stream
        A file, a folder, a glob, ``-`` for standard input, several of them, or anything that gives Arrow batches.
    target : str
        A file, a folder (ends in ``/``), or ``-`` for standard output, in the form that the options or its name give.
    options : Options
    force : bool
        Replace a folder that is not empty.
    summary : str, optional
        A file for the summary as JSON (``-``: standard output). It appears with the output, or neither does.
    progress : callable, optional
        Called with a step ("read", "encode", "core", "shuffle", "write"), the rows done, and all rows where they are
        known.

    Raises
    ------
    NegprepError
        With the place, what is wrong, and the remedy.
    """
    started = time.perf_counter()
    form = form_of(target, options.to)
    options = in_form(options, form)
    outputs = check_outputs(source, target, options, force=force, is_text=form in TEXT)
    with open_log(source, options.read) as log, ExitStack() as stack:
        for path in outputs:
            check_output(path, log.paths, force=force, is_text=form in TEXT)
        spill_folder = None if target == "-" or is_remote(target) else str(Path(target).parent)
        with Run(log, options, spill_folder, progress) as run:
            if options.strict:  # now, too: what a pipe has taken cannot be taken back
                refuse_warnings([*log.warnings, *run.warnings])
            summaries: list[Summary] = []

            def fill_summary(file: BinaryIO) -> None:
                summaries.append(summary_of(run, target, time.perf_counter() - started))
                file.write(summaries[0].as_json().encode())

            companion = None
            if summary is not None:
                document = Document(summary, fill_summary, "give --summary another place")
                companion = stack.enter_context(closing(document))
            kind = kind_of(form, target, row_group_rows(run.options))
            schema = run.form.schema if target.endswith("/") else run.schema
            with open_output(target, schema, kind=kind, force=force) as output:
                _write(run, output, target)
                if options.encode:
                    ids = (run.core.users.written, run.core.items.vocabulary[0])
                    for name, table in vocabulary_tables(*ids, first=first_code(form)).items():
                        output.write_beside(name, table)
                if options.strict:
                    refuse_warnings(warnings_of(run))
                output.finish({"negprep": json.dumps(facts_of(run), sort_keys=True)}, companion)
        return summaries[0] if summaries else summary_of(run, target, time.perf_counter() - started)


_MOST_ROWS = 1 << 62


class ReadLog:
    """A log that was read, encoded and grouped, for one run or for several that hold out alike. To be closed.

    ``options``: Those of one of the runs: what they share decides here.
    ``again``: Whether its sections may be gone through more than once.
    ``whole``: Whether there is one section, which stays in memory.
    ``cold_holdouts``: Test holdouts whose item has no train positive, once a run has counted them.
    ``train_counts``: int64, shape (n_items,), or None. Train positives of each item, where they are known before.
    """

    train_counts: Counts | None = None

    def __init__(
        self,
        log: LogReader,
        options: Options,
        spill_folder: str | None,
        progress: Progress,
        *,
        again: bool,
        whole: bool = False,
    ) -> None:
        self.cold_holdouts: int | None = None
        memory = MemoryPlan.of(options.memory, shuffle=options.shuffle)
        range_rows = _MOST_ROWS if whole else memory.range_rows
        # What is wrong with options is reported before the log is read.
        rule, self.warnings = resolve_rule(log, options)
        check_times(log, options)
        self.loaded = load(
            log,
            options,
            with_times=needs_times(log, options, rule),
            kept_bytes=memory.kept_bytes,
            spill_folder=options.spill_dir or spill_folder,
            progress=progress,
        )
        try:
            rule = settled_cut(log, rule)
            self.first_times = self.loaded.first_times() if options.available_at_time else None
            if options.min_positives or options.core:
                self.core = find_core(self.loaded, options, range_rows, progress)
            else:
                self.core = self.loaded.whole(range_rows, again=again or whole or options.sample is not None)
            if whole:
                self.core = replace(self.core, sections=list(self.core.sections))
            if self.first_times is not None and self.core.items is not self.loaded.items:
                self.first_times = self.first_times[self.loaded.items.catalog.find(self.core.items.catalog.ids)]
            self.rule, warnings = choose_users(rule, self.core.sections, options)
            self.warnings += warnings
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Delete the spill files."""
        self.loaded.close()


class Run(Record):
    """One pass from a log to rows, and what it counts. A context manager: leaving it deletes its spill files.

    Parameters
    ----------
    log : LogReader
        Open; read here.
    options : Options
    spill_folder : str, optional
        For rows that do not fit in memory, unless the options name one. None: the system's folder for temporary files.
    progress : callable, optional
        As for ``prepare``.
    again : bool
        Whether `sections` may be gone through more than once.
    read : ReadLog, optional
        The log as it was read for several runs, which stays open. None: it is read here.

    Attributes
    ----------
    watch : callable or None
        Gets each section before its rows are made, once for each epoch.

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
        read: ReadLog | None = None,
    ) -> None:
        self._progress, self._spill_folder = progress or silent, options.spill_dir or spill_folder
        self._memory = MemoryPlan.of(options.memory, jobs=options.jobs, shuffle=options.shuffle)
        model_rule(options)
        model = read_model_of(options)
        self._is_shared = read is not None
        if read is None:
            again = again or needs_survey(options) or (options.epochs or 1) > 1
            read = ReadLog(log, options, spill_folder, self._progress, again=again)
        loaded, core, rule = read.loaded, read.core, read.rule
        try:
            counts = None
            if needs_survey(options):
                counts = _train_counts(core, options, rule) if read.train_counts is None else read.train_counts
            self._warm = counts > 0 if counts is not None and drops_cold_items(options) else None
            scores, knowledge, self._known = None, None, None
            if model is not None:
                place = str(options.model)
                found = find_ids(model, core.users, "users of the log", place)
                columns = find_ids(model, core.items.catalog, "items of the catalog", place)
                scores, self._known = make_scores(model, found, columns, options), found >= 0
                knowledge = Knowledge.of(model, len(found), int((found < 0).sum()), columns)
            self._plan, fit = make_plan(options, core.items, loaded.catalog, counts, read.first_times, scores)
            if options.takes_all:  # of a user's eligible items there are at most as many as in the catalog
                options = replace(options, most_eligible=core.items.n_catalog)
            tally = Tally(
                users=len(core.users),
                items=loaded.n_items - core.removed_items,
                catalog_items=core.items.n_catalog,
                removed_users=core.removed_users,
                removed_items=core.removed_items,
                removed_positives=core.removed_positives,
                excluded_pairs=len(loaded.excluded),
                sources=dict.fromkeys(options.sampler_rule.sources or (), 0),
                holds_out=rule.kind != "none",
            )
            if loaded.held is None:  # then these are the log's alone
                log.compare(users=len(loaded.users), items=loaded.n_items)
        except BaseException:
            if not self._is_shared:
                loaded.close()
            raise
        super().__init__(
            log=log,
            options=options,
            rule=rule,
            warnings=[*read.warnings, *loaded.warnings, *model_warnings(options)],
            columns=loaded.columns,
            items=core.items,
            exclude=loaded.exclude,
            weak=loaded.weak,
            held=loaded.held_fit,
            weights_fit=fit,
            knowledge=knowledge,
            tally=tally,
        )
        self.core, self.loaded, self.first_times = core, loaded, read.first_times
        self._read = read
        is_counted = rule.kind == "none" or read.cold_holdouts is not None
        self._cold = None if is_counted else ColdItems(len(core.items))
        self.watch: Callable[[Section], None] | None = None
        self._rows_written = 0
        self._rows_in_all: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_shared:
            self.loaded.close()

    @cached_property
    def form(self) -> RowLayout:
        """The layout and the columns of the rows."""
        return make_form(self.core.users, self.core.items, self.options, values=self.core.values)

    @property
    def schema(self) -> pa.Schema:
        """The columns of `rows`: those of the form, and the epoch where there may be several."""
        if self.options.epochs is None:
            return self.form.schema
        return self.form.schema.append(pa.field("epoch", pa.int32(), nullable=False))

    @property
    def epochs(self) -> range:
        """Those that are drawn."""
        first, count = self.options.epoch, self.options.epochs
        return range(first, first + 1) if count is None else range(count)

    def sections(self, epoch: int) -> Iterator[Section]:
        """Hold out, and prepare to sample: the users in ranges, each with all that its rows need; counted nowhere."""
        options, bootstrap = replace(self.options, epoch=epoch, epochs=None), None
        if options.bootstrap is not None:
            bootstrap = Bootstrap(options.seed, epoch, options.bootstrap, self._plan.n_train)
        for loaded in self.core.sections:
            interactions, first_user = loaded.interactions, loaded.first_user
            shared = loaded.excluded, options, self.rule, self._plan, first_user, bootstrap
            section = make_section(interactions, *shared, warm=self._warm, values=self.core.values)
            if options.shuffle:  # then of codes, until their order is known
                coded = section.form.coded(first_user, len(interactions.users), len(interactions.items))
                section = replace(section, form=coded)
            yield section

    def rows(self) -> Generator[pa.RecordBatch, None, None]:
        """Sample and assemble: the rows, in order, on as many threads as the options ask for."""
        jobs, schema = max(1, self.options.jobs - 1), self.schema  # the thread that writes is one of them
        ahead = jobs + 1
        if self.options.shuffle:  # a row group may wait, too, or nobody would work while one is written
            ahead = jobs + 1 + 2 * row_group_rows(self.options) // self._bucket_rows  # a bucket may have half as many
        for epoch in self.epochs:
            with ExitStack() as held:
                shards = self._shards(None, epoch, held)
                with closing(on_threads(Shard.make, shards, threads=jobs, ahead=ahead)) as made:
                    for _, batch in made:
                        self.tally.add_sources(self.form.source_counts(batch))
                        if self.options.epochs is None:
                            yield batch
                        else:
                            column = from_numpy(np.full(len(batch), epoch, np.int32))
                            yield pa.RecordBatch.from_arrays([*batch.columns, column], schema=schema)
                        self._report_written(len(batch))

    def fill_parts(self, start_part: Callable[[str], Part], part_rows: int) -> None:
        """Sample, assemble and write part by part, as many at a time as the options ask for threads.

        ``start_part`` takes the name of a folder for the part, or ``""``.
        """
        for epoch in self.epochs:
            folder = "" if self.options.epochs is None else f"epoch={epoch}"
            with ExitStack() as held:
                tasks = ((start_part(folder), shards) for shards in by_part(self._shards(part_rows, epoch, held)))
                with closing(on_threads(fill, tasks, threads=self.options.jobs)) as filled:
                    for (part, _), sources in filled:
                        self.tally.add_sources(sources)
                        self._report_written(part.rows_written)

    def count(self) -> None:
        """Count in `tally` the rows that `rows` would make, and make none. Needs ``again``.

        Raises BadDataError: What `rows` would raise.
        """
        alike = not self.options.epochs_differ
        for epoch in self.epochs[:1] if alike else self.epochs:
            with closing(self._counted(epoch)) as sections:
                for _ in sections:
                    self._progress("count", self.tally.rows, None)
        self._refuse_nothing()
        if alike:
            self.tally.negatives *= len(self.epochs)
            self.tally.rows *= len(self.epochs)

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

    def _counted(self, epoch: int) -> Generator[Section, None, None]:
        """The sections; each is made while rows of the one before are, and counted when its turn comes."""
        is_first, first_user = epoch == self.epochs[0], 0
        with closing(one_ahead(self.sections(epoch), name="negprep-group")) as sections:
            for section in sections:
                last_user = first_user + len(section.interactions.users)
                if is_first:
                    self.tally.add(section, None if self._known is None else self._known[first_user:last_user])
                    if self._cold is not None:
                        self._cold.add(section)
                else:  # the same interactions, but chance may give them other numbers of rows
                    self.tally.add_rows(section)
                first_user = last_user
                if last_user == len(self.core.users):
                    if self._cold is not None:
                        self._read.cold_holdouts = self._cold.holdouts
                    self.tally.cold_holdouts = self._read.cold_holdouts or 0
                    if is_first and not self.options.epochs_differ:
                        self._rows_in_all = self.tally.rows * len(self.epochs)
                    elif epoch == self.epochs[-1]:
                        self._rows_in_all = self.tally.rows
                if self.watch is not None:
                    self.watch(section)
                yield section

    def _scattered(self, epoch: int) -> Shuffle:
        """The rows of an epoch in buckets."""
        options, cutter = self.options, Cutter(self._shard_rows)
        most_rows = options.bootstrap or self._most_rows
        shuffle = Shuffle(
            self.form,
            len(self.core.users),
            len(self.core.items),
            most_rows=most_rows,
            bucket_rows=self._bucket_rows,
            kept_bytes=self._memory.shuffled_bytes,
            folder=self._spill_folder,
        )
        done = 0
        try:
            with closing(self._counted(epoch)) as sections:
                tasks = ((section, shard) for section in sections for shard in cutter.cut(section))
                with closing(on_threads(lambda task: shuffle.scatter(*task), tasks, threads=options.jobs)) as scattered:
                    for _, rows in scattered:
                        shuffle.add(rows)
                        done += len(rows)
                        self._progress("shuffle", done, None)
        except BaseException:
            shuffle.close()
            raise
        return shuffle

    @property
    def _most_rows(self) -> int:
        """An upper bound of the rows of an epoch."""
        positives, each, form = self.log.rows_read, self.options.negatives_each, self.form
        if self.options.per_user:
            users = len(self.core.users)
            return users if form.layout == "listwise" else positives + users * each
        return positives * int(form.rows_of(np.array(each)))

    @property
    def _shard_rows(self) -> int:
        return max(1, min(self.options.shard_rows, int(self._memory.share * row_group_rows(self.options))))

    @property
    def _bucket_rows(self) -> int:
        return min(self.options.shard_rows, row_group_rows(self.options), self._memory.bucket_rows)

    @property
    def text_rows(self) -> int:
        """Rows, or elements of lists, that a thread writes as text at a time: of an eighth of a usual shard."""
        return max(1, min(TEXT_ROWS, int(self._memory.share * (ROW_GROUP_ROWS >> 3))))

    def _report_written(self, rows: int) -> None:
        self._rows_written += rows
        self._progress("write", self._rows_written, self._rows_in_all)

    def _refuse_nothing(self) -> None:
        if not self.tally.groups and not self.tally.dropped_users:
            mistake = nothing_to_write(self.rule, self.options, n_cold=self.tally.dropped_cold)
            if mistake is not None:
                raise mistake


def _write(run: Run, output: Output, target: str) -> None:
    """Write the rows, where the output takes them: part by part, or in order; or positives and rows, for others."""
    if isinstance(output, FolderOutput):
        if run.options.to not in FOLDERS:
            run.fill_parts(output.start_part, row_group_rows(run.options) * (PART_ROWS // ROW_GROUP_ROWS))
            return
        is_timed = writes_times(run.log, run.options)
        exchange = ExchangeFiles(run.options, output, target, run.form, run.schema, timed=is_timed)
        unit = unit_of(run.log.clock.kind if run.log.clock else None)
        run.watch = lambda section: exchange.add(section, unit)
        write_rows(run, exchange.write)
        exchange.end()
        return
    write_all(run, output)


def write_all(run: Run, output: Output | NamedFile) -> None:
    """Write all rows of a run, in order, as the only ones of an output or a file."""
    with closing(run.rows()) as batches:
        output.write_all(batches, run.options.jobs, run.text_rows)


def write_rows(run: Run, write: Callable[[pa.RecordBatch], None]) -> None:
    """Write all rows of a run, in order."""
    with closing(run.rows()) as batches:
        for batch in batches:
            write(batch)


def check_outputs(source: LogSource, target: str, options: Options, *, force: bool, is_text: bool) -> list[str]:
    """The local files of an output, those beside it as well; refused before a pipe is read, which may take long."""
    if options.encode and target == "-":
        raise UsageError("--encode writes vocabularies beside the output, and '-' has no beside", remedy="name a file")
    names = [given for named in (source, *files_of(options)) for given in paths_in(named)]
    # What standard input and output are, the reading looks at.
    inputs = [Path("/dev/stdin" if given == "-" else given) for given in names if not given == target == "-"]
    outputs = [target]
    if is_remote(target):
        check_target(target, names)
        outputs = []
    elif options.encode and not target.endswith("/"):  # in a folder the vocabularies are among its own files
        outputs += [str(beside(Path(target), name)) for name in ("users", "items")]
    for path in outputs:
        check_output(path, inputs, force=force, is_text=is_text)
    if isinstance(source, str) and has_magic(source) and not Path(source).exists():
        _refuse_match(source, target)
    if options.spill_dir is not None:
        check_spill_folder(options.spill_dir)
    return outputs


def files_of(options: Options) -> list[LogSource]:
    """The files and tables beside the log that the options name."""
    named = (options.exclude, options.items, options.weak, options.weights, options.model, options.valid_file)
    return [given for given in (*named, options.rule.path or None) if given is not None]


def _refuse_match(pattern: str, target: str) -> None:
    """Refuse an output that the pattern of INPUT matches: the next run would read it as a part of the log."""
    if Path(target).absolute().match(str(Path(pattern).absolute())):
        what = f"would be one of the files that INPUT, {pattern}, matches"
        raise UsageError(what, place=target, remedy="write elsewhere")


def _train_counts(core: Core, options: Options, rule: HoldoutRule) -> Counts:
    counts = np.zeros(len(core.items), np.int64)
    for section in core.sections:
        counts += count_train(section, options, rule)
    return counts


def silent(step: str, done: int, total: int | None) -> None:
    """Report no progress."""
