"""From the words of a command line to a run of the pipeline: shared by `train` and `test`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from negprep.cli import signals
from negprep.cli.click_options import explicit
from negprep.cli.closing import check_summary, closing_text
from negprep.cli.signals import is_terminal, tell, tell_warnings
from negprep.cli.startup import load_libraries
from negprep.cli.terminal import progress_bars
from negprep.errors import OutputError, UsageError
from negprep.options.commands import parted
from negprep.options.conflicts import refuse_engine, refuse_on_spark, refuse_streams, refuse_unfit
from negprep.options.formats import TEXT, form_of
from negprep.options.options import Command, Options, ReadOptions

if TYPE_CHECKING:
    from negprep.summary import Summary


def refuse_inputs(given: dict[str, Any]) -> None:
    """Refuse inputs that cannot be read: two from standard input, or one from a terminal; and bars in silence."""
    refuse_quiet_bars(given)
    readers = {"source": "INPUT"} | {
        name: f"--{name}" for name in ("items", "exclude", "weak", "weights", "valid_file")
    }
    refuse_streams((argument, given[name]) for name, argument in readers.items() if name in given)
    if given["source"] == "-" and is_terminal(sys.stdin):
        raise UsageError("INPUT is '-', but standard input is a terminal", remedy="pipe a log in, or name a file")


def _refuse_outputs(given: dict[str, Any]) -> None:
    """Refuse two things on standard output, or what a terminal cannot show."""
    for name, argument in (("target", "OUTPUT"), ("summary", "--summary")):
        if given[name] == "":
            raise UsageError(f"{argument} is empty", remedy="give a path, or - for a pipe")
    if given["target"] != "-":
        return
    if given["to"] not in TEXT and is_terminal(sys.stdout):
        form = (given["to"] or "parquet").capitalize()
        raise UsageError(
            f"OUTPUT is '-', but standard output is a terminal, and {form} is binary",
            remedy="pipe it on, or name a file",
        )
    if given["summary"] == "-":
        raise UsageError("OUTPUT and --summary are both '-'", remedy="give a file for one of them")
    if given["encode"]:
        raise UsageError(
            "--encode with OUTPUT '-': the vocabularies need a place beside the output",
            remedy="name a file or a folder",
        )


def refuse_quiet_bars(given: dict[str, Any]) -> None:
    """Refuse --quiet with --progress."""
    if given.get("quiet") and given["progress"]:
        raise UsageError("--quiet and --progress contradict each other", remedy="leave one out")


def shows_bars(given: dict[str, Any]) -> bool:
    """Whether bars are shown: as --progress asks, else where a person reads standard error."""
    if given["progress"] is not None:
        return bool(given["progress"])
    return not given.get("quiet") and is_terminal(sys.stderr)


def execute(command: Command, given: dict[str, Any]) -> None:
    """Prepare the output, and the summary with it; then report on it, or with --quiet on its warnings alone.

    Raises
    ------
    UsageError
        Two options contradict each other, or one would be ignored.
    NegprepError, OSError, MemoryError
        From reading, sampling or writing; the output is as it was.
    """
    source, target, quiet = given["source"], given["target"], given["quiet"]
    refuse_inputs(given)
    _refuse_outputs(given)
    reading, rows = parted(given, ReadOptions, Options)
    options = Options(command=command, read=ReadOptions(**reading), given=explicit(), **rows)
    refuse_unfit(form_of(target, options.to), options)
    refuse_engine(given["engine"], given["master"], given["spark_conf"])
    if target == "-" and sys.stdout is None:
        raise OutputError("standard output is closed", remedy="redirect it (> out.parquet), or name a file")
    check_summary(given["summary"], source, target, options)
    if given["engine"] == "spark":
        summary = _execute_on_spark(source, target, options, given)
        report(summary, source, target, quiet=quiet)
        return
    load_libraries(
        algebra=0 if options.model is None else options.jobs,
        needs_functions=lambda: not _is_numbers_alone(source, target, options),
    )
    from negprep.pipeline import prepare

    with progress_bars(shown=shows_bars(given)) as progress:
        signals.expect_traces()
        summary = prepare(source, target, options, force=given["force"], summary=given["summary"], progress=progress)
    report(summary, source, target, quiet=quiet)


def _execute_on_spark(source: str, target: str, options: Options, given: dict[str, Any]) -> Summary:
    refuse_on_spark(options, source, target, explicit())
    load_libraries(algebra=0, needs_functions=lambda: True)
    from negprep.spark import prepare

    settings = dict(setting.split("=", 1) for setting in given["spark_conf"])
    with progress_bars(shown=shows_bars(given), unit=" tasks") as progress:
        signals.expect_traces()
        return prepare(
            source,
            target,
            options,
            master=given["master"],
            conf=settings,
            force=given["force"],
            summary=given["summary"],
            progress=progress,
        )


def report(summary: Summary, source: str, target: str, *, quiet: bool) -> None:
    """Tell a person what a run did; with ``quiet``, its warnings alone."""
    if quiet:
        tell_warnings(summary.command, summary.warnings)
    else:
        tell(closing_text(summary, source, target))


def _is_numbers_alone(source: str, target: str, options: Options) -> bool:
    """Whether numbers come from one Parquet file and go to another, in columns of their own."""
    beside = (options.exclude, options.items, options.weights, options.weak, options.model)
    chosen = (options.positive, options.min_positives, options.core, options.rule.path or None)
    is_plain = options.layout != "listwise" and options.sampler_rule.sources is None and not options.encode
    if not is_plain or form_of(target, options.to) != "parquet" or any(each is not None for each in (*beside, *chosen)):
        return False
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        kinds = pq.read_schema(source).types if Path(source).is_file() else []
    except (OSError, ValueError, pa.ArrowException):  # reported where it is opened
        return False
    return bool(kinds) and all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds)
