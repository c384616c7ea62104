"""A run on Spark: the same facts, plan and rows as on one machine, from jobs over ranges of users."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa

from negprep.arrays import Codes, Counts, Times
from negprep.arrow import as_numpy, pc
from negprep.assemble.layout import RowLayout, vocabulary_tables
from negprep.assemble.plan import (
    Knowledge,
    drops_cold_items,
    find_ids,
    make_plan,
    make_scores,
    model_rule,
    model_warnings,
    needs_survey,
    read_model_of,
    unknown_to_model,
)
from negprep.assemble.section import ORDER_BITS, make_form
from negprep.encode.kcore import kept_ids, nobody_left
from negprep.encode.load import check_labels, misfits, watched_columns
from negprep.encode.pairs import Items, join_catalog, no_pairs
from negprep.encode.positives import Positives
from negprep.encode.side_files import CatalogFile, LabelRule, Listed, read_catalog, refuse_labelled
from negprep.encode.vocabulary import Vocabulary, sorted_distinct
from negprep.errors import BadDataError
from negprep.holdout import check_times, nothing_to_write, resolve_rule, settled_cut
from negprep.model_file import Model
from negprep.options.options import Options
from negprep.read.convert import may_stand_for_none
from negprep.read.log import LogReader, open_beside, open_log
from negprep.spark import tasks
from negprep.spark.frames import Frame, SparkSource, local_source, open_frame
from negprep.spark.session import Engine
from negprep.summary import Record, Tally, facts_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import DataType, StructType

PART_ROWS = 1 << 22
"""Rows of the log for a partition, where there are more partitions than workers."""

_PATH = "__file_of_row__"


@dataclass(frozen=True)
class Beside:
    """A file of pairs beside the log: how it is read, and what was found in it."""

    frame: Frame
    file: LogReader
    scan: tasks.PairScan
    rows: int
    left_out: int


class SparkRun(Record):
    """One run on a session: reads and counts as it is made; `rows` are lazy.

    ``source``: A path, ``table:NAME``, a DataFrame, or a table in memory.
    ``partitions``: Of the users; None: as many as there are workers, and more for a large log.

    Raises NegprepError: Bad data, options that do not fit the log, or what Spark refuses.
    """

    def __init__(self, engine: Engine, source: SparkSource, options: Options, *, partitions: int | None = None) -> None:
        self._engine, self._partitions, self._held = engine, partitions, ExitStack()
        try:
            self._prepare(source, options)
        except BaseException:
            self.close()
            raise

    def _prepare(self, source: SparkSource, options: Options) -> None:
        engine = self._engine
        frame = open_frame(engine, source, options.read)
        log = open_log(frame.empty, frame.read, place=frame.place)
        rule, warnings = resolve_rule(log, options)
        check_times(log, options)
        model_rule(options)
        model = read_model_of(options)
        weak, exclude = (
            None
            if given is None
            else open_frame(engine, given, options.read.of_text_beside(), f"--{name}", options.read.columns)
            for name, given in (("weak", options.weak), ("exclude", options.exclude))
        )
        files: dict[str, Any] = {
            name: local_source(engine, getattr(options, name), f"--{name}") for name in ("items", "weights")
        }
        options = replace(options, **files)
        travelling = replace(options.without_files(), read=frame.read)
        # Read: what the log holds.
        scan = self._scan(log, options, with_times=rule.needs_times or options.available_at_time)
        found, first_times = self._survey(frame, log, scan)
        note = self._note
        rule = settled_cut(log, rule)
        warnings += [*check_labels(log, options), *model_warnings(options)]
        if scan.positives is not None:
            scan.positives.check(note.n_positive)
        catalog = None
        if options.items is not None:
            catalog = read_catalog(
                options.items, options.read, same=options.same, with_available=options.available_at_time
            )
        items, recode = join_catalog(found, None if catalog is None else catalog.items)
        log.warn(self._doubts())
        takes_all = options.positive is not None and scan.positives is None
        pairs = {
            kind: self._open_pairs(given, options, option, scan.positives, takes_all=takes_all)
            for kind, given, option in ((tasks.LISTED, weak, "--weak"), (tasks.EXCLUDED, exclude, "--exclude"))
            if given is not None
        }
        # Encode and group by user.
        coding = tasks.Coding(
            found,
            recode,
            items,
            note.is_text["user"],
            "time" in scan.roles,
            replace(scan, watched=()),
            {kind: each.scan for kind, each in pairs.items()},
        )
        user_kind = log.id_types["user"]
        self._no_users = Vocabulary(pa.nulls(0, pa.string() if coding.users_are_text else pa.int64()), user_kind)
        self._grouped = self._group(frame, coding, pairs)
        # Choose who takes part, and from what is drawn.
        job = tasks.Job(travelling, rule, items, scan.positives is not None, user_kind)
        if options.core or options.min_positives:
            job = replace(job, core=self._core(job, options))
        kept = items if job.core is None else job.core.kept
        counts = self._item_counts(tasks.count_popularity, job, len(kept)) if needs_survey(options) else None
        if first_times is not None:
            first_times = _of_catalog(first_times, items, recode, catalog)
            if kept is not items:
                first_times = first_times[items.catalog.find(kept.catalog.ids)]
        scores, columns = None, None
        if model is not None:
            columns = find_ids(model, kept.catalog, "items of the catalog", str(options.model))
            scores = make_scores(model, np.empty(0, np.int32), columns, options)
        plan, fit = make_plan(options, kept, catalog, counts, first_times, scores)
        if options.takes_all:
            options = replace(options, most_eligible=kept.n_catalog)
            travelling = replace(travelling, most_eligible=kept.n_catalog)
        self._job = replace(
            job, options=travelling, plan=plan, model=model, counts_sources=options.sampler_rule.sources is not None
        )
        if counts is not None and drops_cold_items(options):
            self._job = replace(self._job, warm=counts > 0)
        super().__init__(
            log=log,
            options=options,
            rule=rule,
            warnings=warnings,
            columns=dict(self._columns),
            items=kept,
            exclude=Listed(no_pairs(0)),
            weak=Listed(no_pairs(0)),
            weights_fit=fit,
            knowledge=None,
            tally=Tally(holds_out=rule.kind != "none"),
        )
        self._count(pairs, model, columns)
        tally = self.tally
        log.compare(users=tally.users + tally.removed_users, items=tally.items + tally.removed_items)

    def close(self) -> None:
        """Let go of what is kept on the cluster."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Reading

    def _scan(self, log: LogReader, options: Options, *, with_times: bool) -> tasks.Scan:
        rule = options.positive_rule
        positives = None if rule is None else Positives.of(rule, log)
        roles = ("user", "item", *(("time",) if with_times else ()))
        also = {} if positives is None else {positives.role: positives.column}
        watched = watched_columns(log, options, positives)
        log.converted(roles, lambda batch: batch, also=also, watched=watched)  # checks the roles, and reads nothing
        self._columns = {role: log.columns[role] for role in roles}
        self._columns |= positives.columns if positives is not None else {}
        return tasks.Scan(log.reading(), roles, also, watched, positives, with_times and options.available_at_time)

    def _survey(self, frame: Frame, log: LogReader, scan: tasks.Scan) -> tuple[Vocabulary, Times | None]:
        """Go through the log; its items in order, and where wanted their first times."""
        from pyspark.sql import functions

        read = log.looked_at({role: log.columns[role] for role in scan.roles} | scan.also)
        self._read = list(dict.fromkeys([*read.values(), *scan.watched]))
        rows = frame.select(self._read)

        def surveyed() -> pa.Table:
            parts = self._mapped(rows, tasks.survey, self._carry(scan), tasks.SURVEYED)
            # The notes of two tasks may be the same, and count twice.
            task = functions.when(functions.col("note").isNotNull(), functions.spark_partition_id())
            found = parts.withColumn("task", task).groupBy("number", "text", "note", "task")
            return found.agg(functions.min("first").alias("first")).toArrow()

        table = self._engine.do("read", surveyed, frame.place)
        try:
            notes: list[tasks.LogNote] = tasks.notes_in(table["note"])
        except BadDataError as error:
            raise self._placed(frame, scan, error) from None
        log.take_over(note.found for note in notes)
        if not any(note.n_used for note in notes):
            raise BadDataError("no rows are left after those dropped as invalid", remedy="look at the log")
        positives = scan.positives
        for note in notes:
            if positives is not None and note.positives is not None:
                positives += note.positives
        self._note = merged = notes[0]
        for note in notes[1:]:
            merged.n_positive += note.n_positive
            merged.n_used += note.n_used
            merged.for_none += note.for_none
            for noun in ("user", "item"):
                merged.is_text[noun] |= note.is_text[noun]
                merged.spelling[noun] += note.spelling[noun]
        items, firsts = _items_of(table, is_text=merged.is_text["item"], with_times=scan.wants_firsts)
        self._n_found = len(items)
        return Vocabulary(items, log.id_types["item"]), firsts

    def _placed(self, frame: Frame, scan: tasks.Scan, error: BadDataError) -> BadDataError:
        """The error with the file of its row, which takes another look at the log."""
        if not frame.has_files:
            return error
        rows, carried = frame.select(self._read, _PATH), self._carry(replace(scan, path=_PATH))
        noted = self._engine.do(
            "read", self._mapped(rows, tasks.survey, carried, tasks.SURVEYED).where("note is not null").toArrow
        )
        try:
            tasks.notes_in(noted["note"])
        except BadDataError as placed:
            return placed
        return error

    def _doubts(self) -> Iterator[str]:
        """Warnings of ids that are spelled as ids seldom are."""
        note = self._note
        for noun in ("user", "item"):
            yield from note.spelling[noun].doubts(noun)
        for (noun, spelled), rows in sorted(note.for_none.items(), key=lambda each: (each[0][0] != "user", each[0][1])):
            yield may_stand_for_none(noun, spelled, rows, note.n_used)

    def _open_pairs(
        self, frame: Frame, options: Options, option: str, positives: Positives | None, *, takes_all: bool
    ) -> Beside:
        """Look through a file of pairs."""
        file = open_beside(frame.empty, options.read, ("user", "item"), place=frame.place)
        rule = LabelRule.of(file, option, positives, takes_all=takes_all)
        file.batches(["user", "item"], watched=rule.watched)
        scan = tasks.PairScan(file.reading(), rule)
        notes: list[tasks.PairNote] = self._notes(self._pair_rows(frame, scan), tasks.survey_pairs, scan, "read", frame)
        file.take_over(note.found for note in notes)
        refuse_labelled(file, option)
        return Beside(frame, file, scan, sum(note.rows for note in notes), sum(note.left_out for note in notes))

    def _pair_rows(self, frame: Frame, scan: tasks.PairScan) -> DataFrame:
        roles = scan.reading.roles.found
        also = [] if scan.rule.compared is None else [scan.rule.compared]
        return frame.select([roles["user"], roles["item"], *also, *scan.rule.watched])

    def _group(self, frame: Frame, coding: tasks.Coding, pairs: dict[int, Beside]) -> DataFrame:
        """The coded rows of the log and of the files of pairs, in ranges of users, on the disks of the workers."""
        from pyspark import StorageLevel
        from pyspark.sql import functions

        carried, schema = self._carry(coding), coding.schema
        rows = self._mapped(frame.select(self._read), tasks.code, carried, schema)
        for kind, each in pairs.items():
            mine = self._pair_rows(each.frame, each.scan)
            rows = rows.unionAll(self._mapped(mine, partial(tasks.code_pairs, kind=kind), carried, schema))
        n = self._partitions or max(self._engine.parallelism, math.ceil(self._note.n_used / PART_ROWS))
        grouped = rows.repartitionByRange(n, "user").sortWithinPartitions("user", "item", "kind")
        grouped = grouped.persist(StorageLevel.DISK_ONLY)
        self._held.callback(grouped.unpersist)
        return grouped.withColumn("part", functions.spark_partition_id())

    # Deciding

    def _core(self, job: tasks.Job, options: Options) -> tasks.CoreRule:
        """Leave out items, and with them users, until nothing changes."""
        least_user, least_item = max(options.min_positives or 0, options.core or 0), options.core or 0
        items = np.ones(len(job.items), bool)
        while True:  # ends: a round that is not the last removes an item
            rule = tasks.CoreRule(least_user, items, job.items)
            counts = self._item_counts(tasks.count_core, replace(job, core=rule), len(items))
            enough = items & (counts >= least_item)
            if (enough == items).all():
                break
            items = enough
        if not counts.any():
            raise nobody_left(options)
        kept = Items(kept_ids(job.items.catalog, items), job.items.others) if options.core else job.items
        return tasks.CoreRule(least_user, items, kept)

    def _item_counts(self, task: Callable[..., Any], job: tasks.Job, n_items: int) -> Counts:
        """A number for each item, summed over all users."""
        table = self._by_item(task, job, "core" if task is tasks.count_core else "count")
        counts = np.zeros(n_items, np.int64)
        of_items = table.filter(pc.is_null(table["note"]))
        counts[as_numpy(of_items["item"].combine_chunks())] = as_numpy(of_items["count"].combine_chunks())
        return counts

    def _by_item(self, task: Callable[..., Any], job: tasks.Job, step: str, *, cold_only: bool = False) -> pa.Table:
        from pyspark.sql import functions

        def counted() -> pa.Table:
            parts = self._mapped(self._grouped, task, self._carry(job), tasks.COUNTED)
            sums = parts.groupBy("item", "note").agg(
                functions.sum("count").alias("count"), functions.sum("held").alias("held")
            )
            return (sums.where("note is not null or (count = 0 and held > 0)") if cold_only else sums).toArrow()

        return self._engine.do(step, counted)

    def _count(self, pairs: dict[int, Beside], model: Model | None, columns: Codes | None) -> None:
        """Count all rows, so that bad data is reported before any is written."""
        several, tally = len(self.epochs), self.tally
        tally.sources = dict.fromkeys(self.options.sampler_rule.sources or (), 0)
        for epoch in self.epochs if self._job.counts_sources else self.epochs[:1]:
            job = replace(self._job, options=replace(self._job.options, epoch=epoch, epochs=None))
            table = self._by_item(tasks.count, job, "count", cold_only=True)
            notes: list[tasks.PartNote] = tasks.notes_in(table["note"])
            tallies = [note.tally for note in notes if note.tally is not None]
            if epoch == self.epochs[0]:
                for each in tallies:
                    tally += each
                cold = table.filter(pc.is_null(table["note"]))["held"]
                tally.cold_holdouts = int(pc.sum(cold).as_py() or 0)
                self._settle(notes, pairs, model, columns)
            else:
                for each in tallies:
                    tally.add_sources(np.array(list(each.sources.values()), np.int64))
        tally.negatives *= several
        tally.rows *= several
        if not tally.groups and not tally.dropped_users:
            mistake = nothing_to_write(self.rule, self.options, n_cold=tally.dropped_cold)
            if mistake is not None:
                raise mistake

    def _settle(
        self, notes: list[tasks.PartNote], pairs: dict[int, Beside], model: Model | None, columns: Codes | None
    ) -> None:
        """What is known now that all users were gone through."""
        tally, core = self.tally, self._job.core
        tally.users = sum(note.n_users for note in notes)
        tally.catalog_items = self.items.n_catalog
        tally.items = self._n_found
        if core is not None:
            tally.removed_items = int(np.count_nonzero(~core.remaining))
            tally.items -= tally.removed_items
            tally.removed_users = sum(note.removed_users for note in notes)
            tally.removed_positives = sum(note.positives - note.remaining for note in notes)
        starts = np.cumsum([0, *(note.n_users for note in sorted(notes, key=lambda note: note.part))])
        parts = sorted(note.part for note in notes)
        self._job = replace(self._job, first_users=dict(zip(parts, starts.tolist(), strict=False)))
        unknown, known = Counter[int](), Counter[int]()
        for note in notes:
            unknown += note.unknown
            known += note.pairs
        listed = {kind: Listed(no_pairs(0), each.rows, unknown[kind], each.left_out) for kind, each in pairs.items()}
        tally.excluded_pairs = known[tasks.EXCLUDED]
        self.exclude, self.weak = (listed.get(kind, Listed(no_pairs(0))) for kind in (tasks.EXCLUDED, tasks.LISTED))
        for option, each in (("--exclude", self.exclude), ("--weak", self.weak)):
            self.warnings += misfits(option, each) if each.rows or each.left_out else []
        if model is not None and columns is not None:
            unknown_users = sum(note.users_unknown for note in notes)
            if unknown_users == tally.users:
                example = next((note.example for note in notes if note.example is not None), None)
                place = str(self.options.model)
                raise unknown_to_model(unknown_users, "users of the log", example, model.users, place)
            self.knowledge = Knowledge.of(model, tally.users, unknown_users, columns)

    # Rows

    @property
    def epochs(self) -> range:
        """Those that are drawn."""
        first, count = self.options.epoch, self.options.epochs
        return range(first, first + 1) if count is None else range(count)

    @cached_property
    def form(self) -> RowLayout:
        """The layout and the columns of the rows."""
        return make_form(self._no_users, self.items, self.options)

    def rows(self, epoch: int) -> DataFrame:
        """The rows of an epoch: lazy, in order, with the facts of the run as metadata of the first column."""
        options = replace(self._job.options, epoch=epoch, epochs=None)
        schema = spark_schema(self.form.schema, json.dumps(facts_of(self), sort_keys=True))
        if not options.shuffle:
            return self._made(tasks.make_rows, replace(self._job, options=options), schema)
        return self._shuffled(replace(self._job, options=options), schema)

    def users(self) -> DataFrame:
        """The users with their codes, in order, in one partition."""
        fields = [pa.field("code", pa.int32(), nullable=False), pa.field("user", self._no_users.written.type)]
        return self._made(tasks.users_of, self._job, spark_schema(pa.schema(fields))).coalesce(1)

    def item_codes(self) -> pa.Table:
        """The items with their codes, in order."""
        ids = self.items.vocabulary[0]
        return vocabulary_tables(ids, ids)["items"]

    def _made(self, task: Callable[..., Any], job: tasks.Job, schema: StructType) -> DataFrame:
        return self._grouped.mapInArrow(partial(task, self._carry(job)), schema)

    def _shuffled(self, job: tasks.Job, schema: StructType) -> DataFrame:
        """The rows by their words; a bucket is a range of words, as large as a partition of users."""
        from pyspark.sql import functions, types

        words = types.StructType([*schema.fields, types.StructField(tasks.WORD, types.LongType(), False)])
        made = self._made(tasks.make_rows, job, words)
        n = self._partitions or max(self._engine.parallelism, math.ceil(self.tally.rows / len(self.epochs) / PART_ROWS))
        bits = max(0, math.ceil(math.log2(n)))
        word = functions.col(f"`{tasks.WORD}`")
        if hasattr(made, "repartitionById"):
            bucket = functions.shiftright(word, ORDER_BITS - bits)
            spread = made.repartitionById(1 << bits, bucket.cast("int"))
        else:  # samples the words first, which draws everything twice
            spread = made.repartitionByRange(1 << bits, word)
        ids = ("user", "item", "pos_item", "neg_item")  # by which equal words ascend
        ordered = spread.sortWithinPartitions(word, *(name for name in schema.names if name in ids))
        return ordered.select(*(functions.col(f"`{name}`") for name in schema.names))

    # Spark

    def _carry(self, value: Any) -> tasks.Carried[Any]:  # noqa: ANN401
        carried = self._engine.carry(value)
        if hasattr(carried, "unpersist"):
            self._held.callback(carried.unpersist)
        return carried

    def _mapped(self, rows: DataFrame, task: Callable[..., Any], carried: object, schema: pa.Schema) -> DataFrame:
        names = rows.columns
        if any(mark in name for name in names for mark in ".`"):  # mapInArrow itself names columns without quoting them
            rows = rows.toDF(*(f"c{place}" for place in range(len(names))))
            task = partial(tasks.with_names, names, task)
        return rows.mapInArrow(partial(task, carried), spark_schema(schema))

    def _notes(self, rows: DataFrame, task: Callable[..., Any], value: object, step: str, frame: Frame) -> list[Any]:
        mapped = self._mapped(rows, task, self._carry(value), tasks.NOTED)
        return tasks.notes_in(self._engine.do(step, mapped.toArrow, frame.place)["note"])


def _items_of(table: pa.Table, *, is_text: bool, with_times: bool) -> tuple[pa.Array, Times | None]:
    """The ids of the items of the log in order, and the first time of each, from what the tasks found."""
    table = table.filter(pc.is_null(table["note"]))
    numbers, texts = table["number"].combine_chunks(), table["text"].combine_chunks()
    ids = pc.coalesce(texts, numbers.cast(pa.string())) if is_text else numbers
    if not with_times:
        return sorted_distinct(ids), None
    firsts = pa.table({"id": ids, "first": table["first"].combine_chunks()})
    merged = firsts.group_by("id").aggregate([("first", "min")])
    merged = merged.take(pc.sort_indices(merged["id"].combine_chunks()))
    return merged["id"].combine_chunks(), as_numpy(merged["first_min"].combine_chunks())


def _of_catalog(firsts: Times, items: Items, recode: Codes | None, catalog: CatalogFile | None) -> Times:
    """From when on each item of the catalog is there: the first time in the log, or that of the catalog's file."""
    times = np.full(len(items), np.iinfo(np.int64).max)
    times[slice(None) if recode is None else recode] = firsts
    times = times[: items.n_catalog]
    return times if catalog is None or catalog.available is None else np.minimum(times, catalog.available)


def spark_schema(schema: pa.Schema, facts: str | None = None) -> StructType:
    """A schema of Arrow as Spark's; ``facts`` become metadata of the first column."""
    from pyspark.sql import types

    fields = [
        types.StructField(
            each.name, _spark_type(each.type), each.nullable, {"negprep": facts} if facts and not place else None
        )
        for place, each in enumerate(schema)
    ]
    return types.StructType(fields)


def _spark_type(kind: pa.DataType) -> DataType:
    from pyspark.sql import types

    if pa.types.is_list(kind):
        return types.ArrayType(_spark_type(kind.value_type), containsNull=False)
    if pa.types.is_dictionary(kind):
        return _spark_type(kind.value_type)
    known: dict[pa.DataType, DataType] = {
        pa.int8(): types.ByteType(),
        pa.int16(): types.ShortType(),
        pa.int32(): types.IntegerType(),
        pa.int64(): types.LongType(),
        pa.float32(): types.FloatType(),
        pa.float64(): types.DoubleType(),
        pa.string(): types.StringType(),
        pa.binary(): types.BinaryType(),
    }
    return known[kind]
