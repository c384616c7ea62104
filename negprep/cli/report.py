"""``negprep report``."""

from __future__ import annotations

import click

from negprep.cli import stopping
from negprep.cli.execute import load_libraries
from negprep.cli.progress import bars
from negprep.cli.sections import SectionCommand, in_section
from negprep.cli.telling import is_terminal, tell
from negprep.errors import UsageError, printable

_report = in_section("Report")
_run = in_section("Run")


@click.command(name="report", cls=SectionCommand, short_help="Write a page to look at.")
@click.argument("names", metavar="FILE...", nargs=-1, required=True)
@click.argument("target", metavar="OUTPUT.html")
@_report(
    "--log",
    metavar="LOG",
    help="The log that the files were made of: adds when the holdouts happened.",
)
@_run("--quiet", is_flag=True, help="Say nothing on standard error but errors.")
@_run("--progress/--no-progress", default=None, help="Bars on standard error.  [default: on a terminal only]")
def command(names: tuple[str, ...], target: str, log: str | None, quiet: bool, progress: bool | None) -> None:  # noqa: FBT001
    """Write a page of HTML that shows what is in prepared files: charts, checks, options and counts.

    FILE is what `negprep train` or `test` wrote, or a file of others in a form that `negprep verify` reads. OUTPUT is
    one page that needs nothing else: no network, no script. Needs the extra: pip install 'negprep[report]'.

    \b
      negprep report train.parquet test.parquet report.html --log log.csv

    Memory: the distinct ids of a file, and with --log its holdouts, and not the rows. Time: that of reading.
    """  # noqa: D301
    if quiet and progress:
        raise UsageError("--quiet and --progress contradict each other", remedy="leave one out")
    load_libraries()
    from negprep.options import ReadOptions
    from negprep.reporting.job import report

    shown = not quiet and is_terminal() if progress is None else progress
    with bars(shown=shown) as show:
        stopping.expect_traces()
        report(names, target, log=log, reading=ReadOptions(), progress=show)
    if not quiet:
        tell(printable(f"negprep report: {', '.join(names)} -> {target}"))
