"""``negprep test``."""

from __future__ import annotations

from typing import Any

import click

from negprep.cli import click_options
from negprep.cli.click_types import SectionCommand
from negprep.cli.request import request_from
from negprep.cli.run import execute


@click.command(name="test", cls=SectionCommand, short_help="Write candidates of held-out items.")
@click_options.arguments
@click_options.negatives(num_neg=99, distinct=True)
@click_options.positives
@click_options.holdouts(
    "Which positives are test items: of each user the last in time (last, last:N), some at random (random, "
    "random:N) or the latest part (fraction:0.2); or all from a time on (after:2024-05-01, or after: and a number as "
    "in the log). auto is last where the log has times, else random.",
)
@click_options.folds
@click_options.layouts
@click_options.forms
@click_options.replacing
@click_options.columns
@click_options.running
def command(**given: Any) -> None:  # noqa: ANN401
    """Write candidates: each held-out item of a user, and K negatives.

    INPUT is a CSV, TSV, JSON lines or Parquet file (or gz, zst, bz2), a folder of them, a quoted glob, or - for
    standard input. OUTPUT is a Parquet file, or CSV or TSV by its name, a folder (ends in /), or - for standard output.

    \b
      negprep test log.csv test.parquet --num-neg 99

    A negative is never an item that the user was observed with, before or after; every other item of the catalog has
    exactly the same chance, and the K differ. The held-out item stands at a random place among them, so that a
    constant score cannot win. Several held-out items of a user have candidates each, one group after the other. Users
    with one positive are not held out, and counted. OUTPUT appears whole or not at all, and depends on nothing but the
    interactions, the options and the seed.

    Memory: the interactions of the log, as numbers, and not the output. Time: mostly that of reading and writing.
    """  # noqa: D301
    execute(request_from("test", given))
