"""negprep on a Spark cluster: the same rows as on one machine, from DataFrames or whatever Spark reads.

``train`` and ``test`` take a DataFrame and give one back; ``prepare`` runs a whole job, as ``negprep train --engine
spark`` does. Needs the extra ``negprep[spark]``, and Java.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from functools import reduce
from typing import TYPE_CHECKING, Any, BinaryIO, Unpack

from negprep.api import options_of_rows, refuse_output_options
from negprep.errors import NegprepWarning, UsageError, refuse_warnings
from negprep.options.conflicts import refuse_on_spark
from negprep.options.options import Command, Options
from negprep.spark.commit import check_target, write_run
from negprep.spark.engine import SparkRun
from negprep.spark.frames import SparkSource, is_frame, is_table
from negprep.spark.session import (
    Engine,
    Progress,
    Watch,
    active_session,
    end_session,
    names_as_written,
    on_own_thread,
    start_session,
)
from negprep.summary import Summary, summary_of, warnings_of
from negprep.write.destination import Document

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from negprep.keywords import TestKeywords, TrainKeywords

__all__ = ["prepare", "test", "train"]


def train(log: DataFrame, *, partitions: int | None = None, **keywords: Unpack[TrainKeywords]) -> DataFrame:
    """Labelled train instances of a DataFrame, as ``negprep.train`` makes them: the same rows, in the same order.

    Parameters
    ----------
    log : pyspark.sql.DataFrame
        One row per interaction, of a classic session or of Spark Connect.
    partitions : int, optional
        Ranges of users, each a partition of the result. None: as many as tasks can run at a time, more for a large log.
    **keywords
        Those of ``negprep.train``, but for ``bootstrap``, ``memory`` and ``spill_dir``. ``weak`` and ``exclude`` may be
        DataFrames, too; ``items`` and ``weights`` go through the driver.

    Returns
    -------
    pyspark.sql.DataFrame
        The columns of ``negprep.train``. The log is read, grouped by user and counted now; the rows are made when they
        are asked for. The metadata of the first column have the facts of the run, under ``negprep``. The grouped log
        stays on the disks of the workers for as long as the session lives.

    Raises
    ------
    NegprepError
        Bad data, options that contradict each other, or what Spark refuses; in one line, with the remedy.

    Warns
    -----
    NegprepWarning
        For whatever the command warns of.
    """
    return _rows("train", log, keywords, partitions)


def test(log: DataFrame, *, partitions: int | None = None, **keywords: Unpack[TestKeywords]) -> DataFrame:  # noqa: PT028
    """Candidates from a DataFrame, as ``negprep.test`` makes them: each held-out item among ``num_neg`` others.

    Parameters, result and errors are those of ``train``.
    """
    return _rows("test", log, keywords, partitions)


test.__test__ = False  # type: ignore[attr-defined]  # the name is the command's; pytest must not take it for a test


def _rows(command: Command, log: DataFrame, keywords: Mapping[str, Any], partitions: int | None) -> DataFrame:
    from pyspark.sql import functions

    if not is_frame(log):
        raise UsageError(
            f"a log is a DataFrame of Spark, not {type(log).__name__}", remedy="negprep.train takes others"
        )
    options, _ = options_of_rows(command, keywords)
    refuse_output_options(options)
    refuse_on_spark(options, given=keywords)
    run = SparkRun(Engine(log.sparkSession), log, options, partitions=partitions)
    found = warnings_of(run)
    if options.strict:
        refuse_warnings(found)
    for text in found:
        warnings.warn(text, NegprepWarning, stacklevel=3)
    if options.epochs is None:
        return run.rows(options.epoch)
    epochs = (run.rows(epoch).withColumn("epoch", functions.lit(epoch)) for epoch in run.epochs)
    return reduce(lambda before, after: before.unionAll(after), epochs)


def prepare(
    source: SparkSource,
    target: str,
    options: Options,
    *,
    master: str | None = None,
    conf: Mapping[str, str] | None = None,
    force: bool = False,
    summary: str | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Read a log with Spark and write a folder of part files, whole or not at all.

    Parameters
    ----------
    source : str, path, or DataFrame
        What Spark reads: Parquet, CSV, JSON lines or ORC at any path that it knows, or ``table:NAME``.
    target : str
        A folder (ends in ``/``).
    options : Options
    master, conf : str and mapping, optional
        As for ``spark-submit``. A session that runs already is taken, and goes on afterwards.
    force, summary, progress
        As for ``negprep.prepare``; progress counts the tasks of Spark.

    Raises
    ------
    NegprepError
        With the place, what is wrong, and the remedy.
    """
    refuse_on_spark(options, source, target)

    active = active_session() if master is None else None

    def work(watch: Watch) -> Summary:
        spark = start_session(master, conf or {}) if active is None else active
        try:
            return _prepared(watch, spark, source, target, options, force=force, summary=summary)
        finally:
            if active is None:
                end_session(spark)

    return on_own_thread(work, progress)


def _prepared(
    watch: Watch,
    spark: SparkSession,
    source: SparkSource,
    target: str,
    options: Options,
    *,
    force: bool,
    summary: str | None,
) -> Summary:
    started = time.perf_counter()
    engine = watch.engine = Engine(spark)
    beside = (source, options.items, options.exclude, options.weak, options.weights, options.model)
    check_target(engine, target, [name for name in beside if isinstance(name, str)], force=force)
    if options.encode and engine.is_connect:
        what = "--encode with Spark Connect, which gives no file system for the vocabularies"
        raise UsageError(what, remedy="run it with spark-submit, or leave --encode out")
    is_named = (isinstance(name, str | None) and not is_table(name) for name in (source, options.weak, options.exclude))
    with ExitStack() as stack:
        if all(is_named):  # tables and DataFrames have names and types already
            engine.do("read", lambda: stack.enter_context(names_as_written(spark)))
        run = stack.enter_context(SparkRun(engine, source, options))
        if options.strict:
            refuse_warnings(warnings_of(run))
        summaries: list[Summary] = []

        def fill(file: BinaryIO) -> None:
            summaries.append(summary_of(run, target, time.perf_counter() - started))
            file.write(summaries[0].as_json().encode())

        document = None if summary is None else Document(summary, fill, "give --summary another place")
        try:
            write_run(engine, run, target, document, force=force)
        finally:
            if document is not None:
                document.close()
        return summaries[0] if summaries else summary_of(run, target, time.perf_counter() - started)
