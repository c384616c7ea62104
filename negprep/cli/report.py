"""`negprep report`."""

from __future__ import annotations

from typing import Any

import click

from negprep.cli import signals
from negprep.cli.click_options import SectionCommand, declared, explicit
from negprep.cli.run import refuse_quiet_bars, shows_bars
from negprep.cli.signals import tell, tell_warnings
from negprep.cli.startup import load_libraries
from negprep.cli.terminal import progress_bars
from negprep.cli.verify import files_of
from negprep.errors import printable
from negprep.options.commands import parted
from negprep.options.conflicts import named_files, refuse_unread, summaries
from negprep.options.reading import ReadOptions
from negprep.stores import without_secrets

_WITHOUT_LOG = {"files", "target", "log", "train", "test", "made_by", "quiet", "strict", "progress"}


def run_report(given: dict[str, Any]) -> None:
    """Write the page that the options ask for, and report it.

    Raises
    ------
    UsageError
        Two options contradict each other, or one would be ignored.
    """
    files = named_files(given["files"], given["train"], given["test"])
    made_by = summaries(given["made_by"])
    refuse_quiet_bars(given)
    refuse_unread(given["log"], explicit(with_files=False) - _WITHOUT_LOG)
    load_libraries(algebra=1)
    from negprep.checks.promises import Promised
    from negprep.reports.page import report

    promised, reading = parted(given, Promised, ReadOptions)
    overlaps: list[str] = []
    with progress_bars(shown=shows_bars(given)) as show:
        signals.expect_traces()
        found, warnings = report(
            files,
            given["target"],
            log=given["log"],
            claims=Promised(**promised),
            made_by=made_by,
            reading=ReadOptions(**reading),
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
        tell(
            printable(
                f"negprep report: {', '.join(without_secrets(name) for name, _ in files)} -> {given['target']}{ending}"
            )
        )


@click.command(name="report", cls=SectionCommand, short_help="Draw prepared files on a page of HTML.")
@click.argument("files", metavar="FILE...", nargs=-1, type=click.Path())
@click.argument("target", metavar="OUTPUT.html", type=click.Path())
@files_of(
    "The log that the files were made of. Adds the checks of `negprep verify`, collisions among them, and the times of "
    "the holdouts.",
    required=False,
)
@declared("report")
def command(**given: Any) -> None:  # noqa: ANN401
    """Write a page of HTML that shows what is in prepared FILEs: charts, checks, options and counts.

    A FILE is what `negprep verify` takes. OUTPUT.html is one page that needs nothing else, no network and no script:
    popularity of positives against negatives, negatives by user and by source, places and times of the holdouts. A
    sentence under each chart explains it. Needs the extra: pip install 'negprep[report]'.

    \b
      negprep report train.parquet test.parquet report.html --log log.csv

    All options but --train, --test and --made-by describe the log, and need --log. The exit code is 0 even if a check
    failed: the page and the closing line show it.

    Memory: the distinct ids of a file; with --log the interactions of the log, as numbers. Time: that of reading, once
    for the charts and once for the checks.
    """  # noqa: D301
    run_report(given)
