"""The options of ``negprep fit``: what it shares with ``train``, it takes from there."""

from __future__ import annotations

import click

from negprep.cli import values
from negprep.cli.sections import Function, in_section, together
from negprep.options import MAX_JOBS


def arguments(command: Function) -> Function:
    """Take INPUT and MODEL."""
    return together(click.argument("source", metavar="INPUT"), click.argument("target", metavar="MODEL"))(command)


def learning(command: Function) -> Function:
    """What is learnt, and how."""
    option = in_section("Model")
    return together(
        option(
            "--kind",
            type=click.Choice(["als", "bpr"]),
            required=True,
            help="als: least squares, for every user and item in turn. bpr: pairs of a positive and another item, "
            "ranked right step by step. Both by the library implicit (pip install 'negprep[fit]').",
        ),
        option(
            "--factors",
            metavar="D",
            type=click.IntRange(1, 1024),
            help="Numbers for each user and item.  [default: 64]",
        ),
        option(
            "--epochs",
            metavar="E",
            type=click.IntRange(1, 1_000_000),
            help="Passes over the train positives; time grows in proportion.  [default: 15 for als, 100 for bpr]",
        ),
        option(
            "--regularization",
            metavar="R",
            type=click.FloatRange(0),
            help="How strongly factors are drawn to 0.  [default: 0.01]",
        ),
        option(
            "--learning-rate",
            metavar="L",
            type=click.FloatRange(0, min_open=True),
            help="Of bpr: the size of a step.  [default: 0.05]",
        ),
        option(
            "--seed",
            metavar="N",
            callback=values.seed,
            default="0",
            help="Decides the first factors, and the pairs of bpr.",
        ),
    )(command)


def running(command: Function) -> Function:
    """How the run goes, and what it tells."""
    option = in_section("Run")
    return together(
        option(
            "--jobs",
            metavar="N",
            type=click.IntRange(1, MAX_JOBS),
            default=1,
            help="Threads that learn. With more than one, bpr gives another model each time; als gives the same.",
        ),
        option(
            "--memory",
            metavar="SIZE",
            callback=values.memory,
            help="Memory to take for reading, such as 512M or 4G; what does not fit is spilled to disk. The train "
            "positives and the factors are held besides.  [default: half of what the machine has]",
        ),
        option(
            "--spill-dir",
            metavar="DIR",
            help="Where rows are spilled, in a file without a name.  [default: beside MODEL]",
        ),
        option("--quiet", is_flag=True, help="Say nothing on standard error but errors."),
        option(
            "--progress/--no-progress",
            default=None,
            help="Bars on standard error.  [default: on a terminal only]",
        ),
    )(command)
