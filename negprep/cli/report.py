"""``negprep report``."""

from __future__ import annotations

from typing import Any

import click

from negprep.cli import shared
from negprep.cli.sections import SectionCommand, SectionOption, in_section
from negprep.cli.verify import command as verify_command

_files = in_section("Files")


@click.command(name="report", cls=SectionCommand, short_help="Write a page to look at.")
@click.argument("files", metavar="FILE...", nargs=-1)
@click.argument("target", metavar="OUTPUT.html")
@_files(
    "--log",
    metavar="INPUT",
    help="The log that the files were made of. Adds the checks of `negprep verify`, collisions among them, and the "
    "times of the holdouts.",
)
@shared.columns
@shared.silencing
@shared.watching
def command(**given: Any) -> None:  # noqa: ANN401
    """Write a page of HTML that shows what is in prepared FILEs: charts, checks, options and counts.

    A FILE is what `negprep verify` takes. OUTPUT.html is one page that needs nothing else, no network and no script:
    popularity of positives against negatives, negatives by user and by source, places and times of the holdouts. Under
    each chart stands what is to be seen there. Needs the extra: pip install 'negprep[report]'.

    \b
      negprep report train.parquet test.parquet report.html --log log.csv

    All options but --train, --test and --made-by say something of the log, and need --log. Exit code 0 also where a
    check failed: the page says so, and the closing line.

    Memory: the distinct ids of a file; with --log the interactions of the log, as numbers. Time: that of reading, once
    for the charts and once for the checks.
    """  # noqa: D301
    from negprep.cli.pages import run_report

    run_report(given)


def _options_of_verify() -> list[click.Parameter]:
    """Those that say what is beside the files, and what others' files do not say themselves."""
    options = [parameter for parameter in verify_command.params if isinstance(parameter, SectionOption)]
    return [option for option in options if option.section.startswith("Files") and option.name != "log"]


_after_log = 1 + next(place for place, parameter in enumerate(command.params) if parameter.name == "log")
command.params[_after_log:_after_log] = _options_of_verify()
