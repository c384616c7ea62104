"""`negprep report`."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from negprep.cli import click_options, signals
from negprep.cli.click_types import SectionCommand, SectionOption, in_section
from negprep.cli.request import refuse_quiet_bars, shows_bars, taken
from negprep.cli.signals import tell, tell_warnings
from negprep.cli.startup import load_libraries
from negprep.cli.terminal import progress_bars
from negprep.cli.verify import command as verify_command
from negprep.errors import UsageError, printable
from negprep.options.options import ReadOptions

_WITHOUT_LOG = {"files", "target", "log", "train", "test", "made_by", "quiet", "strict", "progress"}


def run_report(given: dict[str, Any]) -> None:
    """Write the page that the options ask for, and report it.

    Raises
    ------
    UsageError
        Two options contradict each other, or one would be ignored.
    """
    files: list[tuple[str, str | None]] = [(name, None) for name in given["files"]]
    files += [(name, part) for part in ("train", "test") for name in given[part]]
    if not files:
        raise UsageError("no FILE to report on", remedy="name what train or test wrote, and OUTPUT.html after it")
    refuse_quiet_bars(given)
    if given["log"] is None:
        _refuse_without_log()
    load_libraries(algebra=True)
    from negprep.checks.promises import Claims
    from negprep.reports.page import report

    overlaps: list[str] = []
    with progress_bars(shown=shows_bars(given)) as show:
        signals.expect_traces()
        found, warnings = report(
            files,
            given["target"],
            log=given["log"],
            claims=Claims(**taken(Claims, given)),
            made_by=given["made_by"],
            reading=ReadOptions(**taken(ReadOptions, given)),
            progress=show,
            strict=given["strict"],
            warn=overlaps.append,
        )
    for overlap in overlaps:
        tell(printable(f"negprep report: {overlap}"))
    tell_warnings("report", warnings)
    if not given["quiet"]:
        failed = None if found is None else sum(check.status == "failed" for check in found.checks)
        ending = {None: "", 0: ": no check failed", 1: ": 1 check failed"}.get(failed, f": {failed} checks failed")
        tell(printable(f"negprep report: {', '.join(name for name, _ in files)} -> {given['target']}{ending}"))


def _refuse_without_log() -> None:
    """Refuse options about the log if there is none."""
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in _WITHOUT_LOG or context.get_parameter_source(name) is ParameterSource.DEFAULT:
            continue
        if isinstance(parameter, click.Option) and name != "help":
            raise UsageError(f"{parameter.opts[0]} without --log, which it is about", remedy="add --log INPUT")


_files = in_section("Files")


@click.command(name="report", cls=SectionCommand, short_help="Draw prepared files on a page of HTML.")
@click.argument("files", metavar="FILE...", nargs=-1)
@click.argument("target", metavar="OUTPUT.html")
@_files(
    "--log",
    metavar="INPUT",
    help="The log that the files were made of. Adds the checks of `negprep verify`, collisions among them, and the "
    "times of the holdouts.",
)
@click_options.columns
@click_options.silencing
@click_options.watching
def command(**given: Any) -> None:  # noqa: ANN401
    """Write a page of HTML that shows what is in prepared FILEs: charts, checks, options and counts.

    A FILE is what `negprep verify` takes. OUTPUT.html is one page that needs nothing else, no network and no script:
    popularity of positives against negatives, negatives by user and by source, places and times of the holdouts. A
    sentence under each chart explains it. Needs the extra: pip install 'negprep[report]'.

    \b
      negprep report train.parquet test.parquet report.html --log log.csv

    All options but --train, --test and --made-by are about the log, and need --log. A failed check shows on the page
    and in the closing line, and leaves the exit code at 0.

    Memory: the distinct ids of a file; with --log the interactions of the log, as numbers. Time: that of reading, once
    for the charts and once for the checks.
    """  # noqa: D301
    run_report(given)


def _options_of_verify() -> list[click.Parameter]:
    """The options about files beside the log, and about what others' files do not record."""
    options = [parameter for parameter in verify_command.params if isinstance(parameter, SectionOption)]
    return [option for option in options if option.section.startswith("Files") and option.name != "log"]


_after_log = 1 + next(place for place, parameter in enumerate(command.params) if parameter.name == "log")
command.params[_after_log:_after_log] = _options_of_verify()
