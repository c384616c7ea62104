"""The options of ``negprep fit``: what it shares with ``train``, it takes from there."""

from __future__ import annotations

import click

from negprep.cli import shared, values
from negprep.cli.sections import Function, in_section, together
from negprep.limits import MAX_JOBS, MAX_POOL, MAX_TEMPERATURE


def arguments(command: Function) -> Function:
    """Take INPUT and MODEL."""
    return together(click.argument("source", metavar="INPUT"), click.argument("target", metavar="MODEL"))(command)


def learning(command: Function) -> Function:
    """What is learnt, and how."""
    option = in_section("Model")
    return together(
        option(
            "--kind",
            type=click.Choice(["als", "bpr", "rns"]),
            required=True,
            help="als: least squares, for every user and item in turn. bpr: pairs of a positive and another item, "
            "ranked right step by step. Both by the library implicit (pip install 'negprep[fit]'), for --sampler hard. "
            "rns: a policy that learns from weak interactions which negatives to draw, for --sampler reinforced.",
        ),
        option(
            "--factors",
            metavar="D",
            type=click.IntRange(1, 1024),
            help="Numbers for each user and item.  [default: 64; 32 for rns]",
        ),
        option(
            "--epochs",
            metavar="E",
            type=click.IntRange(1, 1_000_000),
            help="Passes over the train positives; time grows in proportion.  [default: 15 for als, 100 for bpr, 20 "
            "for rns]",
        ),
        option(
            "--regularization",
            metavar="R",
            type=click.FloatRange(0),
            help="How strongly factors are drawn to 0.  [default: 0.01; 1e-5 for rns]",
        ),
        option(
            "--learning-rate",
            metavar="L",
            type=click.FloatRange(0, min_open=True),
            help="Of bpr and rns: the size of a step.  [default: 0.05; 0.001 for rns]",
        ),
        option(
            "--seed",
            metavar="N",
            callback=values.seed,
            default="0",
            help="Decides the first factors, the pairs of bpr and the draws of rns.",
        ),
    )(command)


def reinforcing(command: Function) -> Function:
    """What rns takes besides."""
    option = in_section("Reinforced (--kind rns)")
    return together(
        option(
            "--weak",
            metavar="FILE",
            help="More weak (user, item) pairs, such as a log of what was shown, from which rns learns.",
        ),
        option("--exclude", metavar="FILE", help="(user, item) pairs that are no negatives, as in train."),
        option("--items", metavar="FILE", help="The catalog, as in train.  [default: the items of the log]"),
        option(
            "--reward-weight",
            metavar="ALPHA",
            type=click.FloatRange(0),
            help="How much weak interactions count in the reward of a draw, against its hardness; 0 is for hardness "
            "alone.  [default: 2.5]",
        ),
        option(
            "--feature-share",
            metavar="BETA",
            type=click.FloatRange(0, 1),
            help="Of what weak interactions count, the share for likeness to them; the rest is for drawing them. "
            " [default: 0.75]",
        ),
        option(
            "--pool",
            metavar="C",
            type=click.IntRange(1, MAX_POOL),
            help="Candidates of which one is drawn. Give train the same.  [default: 30]",
        ),
        option(
            "--pool-weak",
            metavar="N",
            type=click.IntRange(0, MAX_POOL),
            help="So many of them are weak interactions of the user, if there are any. Give train the same.  "
            "[default: 1]",
        ),
        option(
            "--temperature",
            metavar="T",
            type=click.FloatRange(1e-6, MAX_TEMPERATURE),
            help="What scores are divided by. Give train the same.  [default: 1]",
        ),
        option(
            "--start-epochs",
            metavar="E",
            type=click.IntRange(0, 1_000_000),
            help="Epochs of BPR from which the game starts.  [default: 20]",
        ),
        option("--batch-size", metavar="N", type=click.IntRange(1, 8192), help="Positives a step.  [default: 1024]"),
        option(
            "--patience",
            metavar="E",
            type=click.IntRange(1, 1_000_000),
            help="Hold one positive aside of up to 2,000 users, and end the game when these have been ranked no better "
            "for E epochs.  [default: play all epochs, on all positives]",
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
        shared.silencing,
        shared.watching,
    )(command)
