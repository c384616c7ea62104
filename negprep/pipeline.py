"""The way of the data, once, for every command: read, encode, hold out, sample, assemble, write."""

from __future__ import annotations

import json
import os
import time
from contextlib import closing
from glob import has_magic
from pathlib import Path

from negprep.cutting import row_group_rows
from negprep.errors import OutputError, UsageError
from negprep.facts import facts_of, summary_of
from negprep.layout import vocabulary_tables
from negprep.loading import Progress
from negprep.options import LogSource, Options
from negprep.reading import open_log
from negprep.run import Run
from negprep.summary import Summary
from negprep.writing import PART_ROWS, ROW_GROUP_ROWS, FolderOutput, check_output, open_output


def prepare(
    source: LogSource, target: str, options: Options, *, force: bool = False, progress: Progress | None = None
) -> Summary:
    """Read a log and write an output, whole or not at all.

    Parameters
    ----------
    source : str, path, pyarrow.Table or pandas.DataFrame
        A file, a folder, a glob, ``-`` for standard input, or a table in memory.
    target : str
        A Parquet file, a folder (ends in ``/``), or ``-`` for standard output.
    options : Options
        What to write.
    force : bool
        Replace a folder that is not empty.
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
    with open_log(source, options.read) as log:
        named = [
            Path(given)
            for given in (source, options.exclude, options.items, options.weak, options.weights, options.model)
            if isinstance(given, str | os.PathLike)
        ]
        for path in (target, *(_beside(target) if options.encode else [])):
            check_output(path, [*log.paths, *named], force=force)
        _refuse_match(source, target)
        if options.spill_dir is not None and not Path(options.spill_dir).is_dir():
            raise OutputError("is no folder", place=options.spill_dir, remedy="name one that is there with --spill-dir")
        group_rows = row_group_rows(options)
        with (
            Run(log, options, None if target == "-" else str(Path(target).parent), progress) as run,
            open_output(
                target, run.form.schema if target.endswith("/") else run.schema, force=force, row_group_rows=group_rows
            ) as output,
        ):
            if isinstance(output, FolderOutput):
                run.fill_parts(output.start_part, part_rows=group_rows * (PART_ROWS // ROW_GROUP_ROWS))
            else:
                with closing(run.batches()) as batches:
                    for batch in batches:
                        output.write(batch)
            if options.encode:
                for name, table in vocabulary_tables(run.core.users.ids, run.core.items.vocabulary[0]).items():
                    output.write_beside(name, table)
            output.finish({"negprep": json.dumps(facts_of(run), sort_keys=True)})
        return summary_of(run, time.perf_counter() - started)


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
    path = Path(target)
    return [] if target.endswith("/") else [str(path.with_suffix(f".{name}.parquet")) for name in ("users", "items")]
