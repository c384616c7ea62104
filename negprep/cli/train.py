"""`negprep train`."""

from __future__ import annotations

from typing import Any

import click

from negprep.cli.click_options import SectionCommand, arguments, declared
from negprep.cli.run import execute


@click.command(name="train", cls=SectionCommand, short_help="Write labelled train instances.")
@arguments("INPUT", "OUTPUT")
@declared("train")
def command(**given: Any) -> None:  # noqa: ANN401
    """Write labelled train instances: every positive of INPUT, and K negatives for each.

    INPUT is a CSV, TSV, JSON lines, Parquet or Arrow file (or gz, zst, bz2), a folder, a quoted glob, or - for
    standard input. OUTPUT is a Parquet file, or Arrow, CSV or TSV by its name, a folder (ends in /), or -.

    \b
      negprep train log.csv train.parquet --num-neg 4

    Each user's last item is kept out, for `negprep test` (see --holdout). A negative is never one of the user's own
    train positives or excluded pairs, nor a weak interaction unless --sampler or --levels draws these; every other item
    of the catalog has exactly the probability that --sampler defines, by default all the same. OUTPUT appears whole or
    not at all, and depends on the interactions, the options and the seed alone.

    Memory: the interactions of the log, as numbers. Time: mostly reading and writing.
    """  # noqa: D301
    execute("train", given)
