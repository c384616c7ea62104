"""`negprep test`."""

from __future__ import annotations

from typing import Any

import click

from negprep.cli.click_options import SectionCommand, arguments, declared
from negprep.cli.run import execute


@click.command(name="test", cls=SectionCommand, short_help="Write candidates of held-out items.")
@arguments("INPUT", "OUTPUT")
@declared("test")
def command(**given: Any) -> None:  # noqa: ANN401
    """Write candidates: each held-out item of a user, and K negatives.

    INPUT is a CSV, TSV, JSON lines, Parquet or Arrow file (or gz, zst, bz2), a folder, a quoted glob, or - for
    standard input. OUTPUT is a Parquet file, or Arrow, CSV or TSV by its name, a folder (ends in /), or -.

    \b
      negprep test log.csv test.parquet --num-neg 99

    A negative is never an item that the user was observed with, before or after; every other item of the catalog has
    exactly the probability that the sampler defines, by default all the same, and the K differ. The held-out item
    stands at a random place among them, so that a constant score cannot win. Users with one positive are counted, and
    not tested. OUTPUT appears whole or not at all, and depends on the interactions, the options and the seed alone.

    Memory: the interactions of the log, as numbers. Time: mostly reading and writing.
    """  # noqa: D301
    execute("test", given)
