"""``negprep inspect``."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import Any, get_args

import click

from negprep.cli import draws, shared, stopping
from negprep.cli.inspect_text import Style, inspection_text
from negprep.cli.libraries import load_libraries
from negprep.cli.progress import bars
from negprep.cli.request import available_cpus, check_reading, shows_bars
from negprep.cli.sections import SectionCommand, in_section
from negprep.cli.telling import is_terminal
from negprep.errors import OutputError, refuse_warnings
from negprep.forms import FormName

_WIDTH_OF_A_FILE, _MOST_WIDTH = 80, 120


@click.command(name="inspect", cls=SectionCommand, short_help="Say what a log holds, and what a run would write.")
@click.argument("source", metavar="INPUT")
@in_section("Report")("--json", "as_json", is_flag=True, help="Print all facts as JSON.")
@draws.negatives(num_neg="4 for train, 99 for test", distinct=None)
@draws.by_model
@draws.epochs
@shared.positives
@shared.holdouts(
    "Which positives are kept out of training, and tested: none, last, last:N, random, random:N, fraction:0.2, "
    "after:2024-05-01 or auto, as for the commands.",
)
@shared.folds
@shared.layouts
@in_section("Output")(
    "--to",
    type=click.Choice(get_args(FormName)),
    help="The form whose size is forecast: text is weighed plain, and a folder for NCF, RecBole or LightGCN whole.  "
    "[default: parquet]",
)
@draws.pairs_to_rank
@shared.columns
@shared.machine(spill_dir="where the system keeps temporary files")
@shared.strictness(outcome="they are printed all the same")
@shared.watching
def command(**given: Any) -> None:  # noqa: ANN401
    """Say what a log holds, what `train` and `test` would make of it, and what in it is suspicious.

    INPUT is a CSV, TSV or Parquet file (or gz, zst, bz2), a folder of them, a quoted glob, or - for standard input.
    Nothing is written but the report, to standard output.

    \b
      negprep inspect log.csv
      negprep inspect log.csv --positive '>=4' --num-neg 8

    With the options of `train` and `test`, it forecasts those runs: the rows exactly, and bytes, time and memory from
    a sample of the rows, which is made and thrown away. Options that `test` does not have are for `train` alone. A run
    that would be refused is shown with the reason.

    Memory: as a run. Time: that of reading the log three times, and once more for a value and an event column.
    """  # noqa: D301
    check_reading(given)
    if sys.stdout is None:
        raise OutputError("standard output is closed", remedy="redirect it (> report.txt)")
    load_libraries()
    from negprep.inspecting.inspection import inspect_log

    source, strict = given.pop("source"), given.pop("strict")
    with bars(shown=shows_bars(given)) as progress:
        stopping.expect_traces()
        found = inspect_log(source, {**given, "jobs": given["jobs"] or available_cpus()}, progress)
    if given["as_json"]:
        click.echo(json.dumps(found.as_dict(), indent=2, allow_nan=False))
    else:
        encoding = sys.stdout.encoding or "ascii"
        text = inspection_text(found, source, _style(encoding))
        click.echo(text.encode(encoding, "backslashreplace").decode(encoding))
    if strict:
        refuse_warnings(found.warnings)


def _style(encoding: str) -> Style:
    """As wide as the terminal, and as colourful as it is wanted; for a file without colours."""
    person = is_terminal(sys.stdout)
    width = min(_MOST_WIDTH, shutil.get_terminal_size().columns) if person else _WIDTH_OF_A_FILE
    colours = person and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    try:
        "█▏".encode(encoding)
    except UnicodeEncodeError:
        return Style(width, blocks=False, colours=colours)
    return Style(width, blocks=True, colours=colours)
