"""A whole job, from a log to an output: a run, written whole or not at all."""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack, closing
from glob import has_magic
from pathlib import Path

from negprep.assemble.layout import vocabulary_tables
from negprep.assemble.shards import row_group_rows
from negprep.encode.load import Progress
from negprep.encode.spill import check_spill_folder
from negprep.errors import UsageError, refuse_warnings
from negprep.exchange import open_exchange, unit_of
from negprep.holdout import in_form, writes_times
from negprep.options.formats import FOLDERS, TEXT, beside, form_of
from negprep.options.options import LogSource, Options
from negprep.pipeline import Run
from negprep.read.log import open_log
from negprep.summary import Summary, facts_of, summary_of, warnings_of
from negprep.write.destination import Document, check_output
from negprep.write.output import PART_ROWS, FolderOutput, Output, kind_of, open_output
from negprep.write.parquet import ROW_GROUP_ROWS


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
    source : str, path, pyarrow.Table or pandas.DataFrame
        A file, a folder, a glob, ``-`` for standard input, or a table in memory.
    target : str
        A file, a folder (ends in ``/``), or ``-`` for standard output, in the form that the options or its name say.
    options : Options
        What to write.
    force : bool
        Replace a folder that is not empty.
    summary : str, optional
        A file for the summary as JSON (``-``: standard output). It appears with the output, or neither does.
    progress : callable, optional
        Called with a step ("read", "encode", "core", "write"), the rows done, and all rows where they are known.

    Raises
    ------
    NegprepError
        With the place, what is wrong, and the remedy.
    """
    started = time.perf_counter()
    if options.encode and target == "-":
        raise UsageError("--encode writes vocabularies beside the output, and '-' has no beside", remedy="name a file")
    form = form_of(target, options.to)
    options = in_form(options, form)
    named = [
        Path("/dev/stdin" if given == "-" else given)
        for given in (source, options.exclude, options.items, options.weak, options.weights, options.model)
        if isinstance(given, str | os.PathLike) and not given == target == "-"  # which the reading looks at
    ]
    outputs = (target, *(_beside(target) if options.encode else []))
    for path in outputs:  # before a pipe is read, which may take long
        check_output(path, named, force=force, is_text=form in TEXT)
    _refuse_match(source, target)
    check_spill_folder(options.spill_dir)
    told: list[Summary] = []
    with open_log(source, options.read) as log, ExitStack() as stack:
        for path in outputs:
            check_output(path, log.paths, force=force, is_text=form in TEXT)
        with Run(log, options, None if target == "-" else str(Path(target).parent), progress) as run:
            if options.strict:  # now, too: what a pipe has taken cannot be taken back
                refuse_warnings([*log.warnings, *run.warnings])

            def document() -> bytes:
                told.append(summary_of(run, target, time.perf_counter() - started))
                return told[0].as_json().encode()

            companion = None
            if summary is not None:
                companion = stack.enter_context(closing(Document(summary, document, "give --summary another place")))
            group_rows = row_group_rows(run.options)
            with open_output(
                target,
                run.form.schema if target.endswith("/") else run.schema,
                kind=kind_of(form, target, group_rows),
                force=force,
            ) as output:
                _write(run, output, target, group_rows)
                if options.encode:
                    for name, table in vocabulary_tables(run.core.users.ids, run.core.items.vocabulary[0]).items():
                        output.write_beside(name, table)
                if options.strict:
                    refuse_warnings(warnings_of(run))
                output.finish({"negprep": json.dumps(facts_of(run), sort_keys=True)}, companion)
        return told[0] if told else summary_of(run, target, time.perf_counter() - started)


def _write(run: Run, output: Output, target: str, group_rows: int) -> None:
    """Make the rows, and hand them on."""
    write = output.write
    if isinstance(output, FolderOutput):
        if run.options.to not in FOLDERS:
            run.fill_parts(output.start_part, part_rows=group_rows * (PART_ROWS // ROW_GROUP_ROWS))
            return
        exchange = open_exchange(
            run.options, output, target, run.form, run.schema, timed=writes_times(run.log, run.options)
        )
        unit = unit_of(run.log.clock.kind if run.log.clock else None)
        run.watch = lambda section: exchange.add(section, unit)
        write = exchange.write
    with closing(run.batches()) as batches:
        for batch in batches:
            write(batch)


def _refuse_match(source: LogSource, target: str) -> None:
    """Refuse an output that the pattern of INPUT matches: the next run would read it as a part of the log."""
    if not isinstance(source, str) or not has_magic(source) or Path(source).exists():
        return
    if Path(target).absolute().match(str(Path(source).absolute())):
        raise UsageError(
            f"would be one of the files that INPUT, {source}, matches", place=target, remedy="write elsewhere"
        )


def _beside(target: str) -> list[str]:
    """The files that ``--encode`` writes beside a file; in a folder they are among its own."""
    return [] if target.endswith("/") else [str(beside(Path(target), name)) for name in ("users", "items")]
