"""``negprep train``."""

from __future__ import annotations

from typing import Any

import click

from negprep.cli import click_options
from negprep.cli.click_types import SectionCommand
from negprep.cli.request import request_from
from negprep.cli.run import execute


@click.command(name="train", cls=SectionCommand, short_help="Write labelled train instances.")
@click_options.arguments
@click_options.negatives(num_neg=4, distinct=False)
@click_options.by_model
@click_options.epochs
@click_options.positives
@click_options.holdouts(
    "Which positives are kept out of training: of each user the last in time (last, last:N), some at random (random, "
    "random:N) or the latest part (fraction:0.2); all from a time on (after:2024-05-01, or after: and a number as in "
    "the log); or none, for a log that is split already. auto is last where the log has times, else random. `negprep "
    "test` on the same log, with the same SPEC, agrees on them.",
)
@click_options.layouts
@click_options.forms
@click_options.replacing
@click_options.pairs_to_rank
@click_options.columns
@click_options.running
def command(**given: Any) -> None:  # noqa: ANN401
    """Write labelled train instances: every positive of INPUT, and K negatives for each.

    INPUT is a CSV, TSV, JSON lines or Parquet file (or gz, zst, bz2), a folder of them, a quoted glob, or - for
    standard input. OUTPUT is a Parquet file, or CSV or TSV by its name, a folder (ends in /), or - for standard output.

    \b
      negprep train log.csv train.parquet --num-neg 4

    Each user's last item is kept out, for `negprep test` (see --holdout). A negative is never one of the user's own
    train positives, weak interactions or excluded pairs; every other item of
    the catalog has exactly the same chance. OUTPUT appears whole or not at all, and depends on nothing but the
    interactions, the options and the seed: not on the order of the rows or the number of threads.

    Memory: the interactions of the log, as numbers, and not the output. Time: mostly that of reading and writing.
    """  # noqa: D301
    execute(request_from("train", given))
