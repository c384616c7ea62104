"""The options that say which negatives there are, and how often and in which pairs they are drawn, as groups."""

from __future__ import annotations

import click

from negprep.cli import values
from negprep.cli.sections import Decorator, Function, in_section, together
from negprep.limits import MAX_BOOTSTRAP, MAX_POOL


def negatives(*, num_neg: int | str, distinct: bool | None) -> Decorator:
    """How many negatives, and from where; the defaults are the command's, or, in words, those of several."""
    option = in_section("Negatives")
    every = "" if distinct is False else "In test, all: every item that the user has not touched.  "
    return together(
        option(
            "--num-neg",
            metavar="K",
            type=values.NumNeg(),
            help="Negatives for each positive. Time and the size of the output grow in proportion.  "
            f"{every}[default: {num_neg}, or the sum of fixed counts]",
        ),
        option(
            "--sampler",
            metavar="NAME",
            multiple=True,
            callback=lambda _context, _parameter, names: names or None,
            help="The rule that draws: uniform, popularity, weak (the user's weak interactions; uniform for a user "
            "without any), and in train hard or reinforced (by the scores of --model). Several make a mixture, with "
            "shares (--sampler uniform:0.7 --sampler weak:0.3) or with a fixed count each (--sampler uniform=3 "
            "--sampler weak=1).  [default: uniform]",
        ),
        option(
            "--alpha",
            metavar="A",
            type=float,
            help="Of popularity: an item with c train positives has the weight (c + S) ** A.  [default: 0.75]",
        ),
        option(
            "--smooth",
            metavar="S",
            type=float,
            help="Above 0, popularity draws items without a train positive, too.  [default: 0]",
        ),
        option(
            "--weights",
            metavar="FILE",
            help="Item weights in place of popularity: a file with the columns item and weight.",
        ),
        option(
            "--weak",
            metavar="FILE",
            help="More weak (user, item) pairs, such as a log of what was shown: drawn by the samplers weak and "
            "reinforced, and by no other.",
        ),
        option(
            "--available-at-time",
            is_flag=True,
            help="Draw only items that were there at the positive's time: with an interaction of anybody by then, or "
            "available_from in --items.",
        ),
        option(
            "--same",
            metavar="COLUMN",
            help="Draw only items that have the positive's value in this column of --items, such as its category.",
        ),
        option(
            "--with-log-q",
            is_flag=True,
            help="Write the natural logarithm of the probability of each draw, and of the positive's, as the logQ "
            "correction needs them.",
        ),
        option(
            "--distinct/--repeats",
            default=distinct,
            help="Whether the negatives of one positive all differ, or may repeat."
            + ("  [default: repeats for train, distinct for test]" if distinct is None else ""),
        ),
        option(
            "--items",
            metavar="FILE",
            help="The catalog: a file with an item column, as CSV or Parquet. Negatives "
            "come from it alone; it may hold items that the log lacks.  [default: the items of the log]",
        ),
        option(
            "--exclude",
            metavar="FILE",
            help="More (user, item) pairs that are never negatives, as CSV or Parquet.",
        ),
        option(
            "--on-short",
            type=click.Choice(["fewer", "drop", "error"]),
            default="fewer",
            help="A user with too few eligible items gets what exists, is dropped, or stops the run. "
            "Counted in any case.",
        ),
        option(
            "--seed",
            metavar="N",
            callback=values.seed,
            default="0",
            help="Decides every negative and the order of candidates. The same seed gives the same bytes.",
        ),
    )


def by_model(command: Function) -> Function:
    """How a model draws."""
    option = in_section("Negatives")
    return together(
        option(
            "--model",
            metavar="FILE",
            help="The model that hard and reinforced draw with, as `negprep fit` makes it, or factors of your own. "
            "Users and items that it does not know get uniform draws.",
        ),
        option(
            "--pool",
            metavar="N",
            type=click.IntRange(1, MAX_POOL),
            help="Of so many eligible items, drawn anew for each negative, hard and reinforced choose one. Their time "
            "grows in proportion.  [default: 32 for hard, 30 for reinforced]",
        ),
        option(
            "--top",
            metavar="M",
            type=click.IntRange(1, MAX_POOL),
            help="Of hard: one of the M items of the pool with the highest scores, each alike.  [default: 1]",
        ),
        option(
            "--skip-top",
            metavar="S",
            type=click.IntRange(0, MAX_POOL),
            help="Of hard: leave out the S highest first, which may be items that the user would like.  [default: 0]",
        ),
        option(
            "--pool-weak",
            metavar="X",
            type=click.IntRange(0, MAX_POOL),
            help="Of reinforced: so many items of each pool are weak interactions of the user, if there are any.  "
            "[default: 1]",
        ),
        option(
            "--temperature",
            metavar="T",
            type=float,
            help="Of reinforced: scores are divided by T before the softmax.  [default: 1]",
        ),
    )(command)


def epochs(command: Function) -> Function:
    """Draws that are independent of each other."""
    option = in_section("Negatives")
    return together(
        option(
            "--epoch",
            metavar="E",
            type=click.IntRange(0, 2**31 - 1),
            default=0,
            help="Which of the independent draws of a seed to write.",
        ),
        option(
            "--shuffle",
            is_flag=True,
            help="Write the rows, of each epoch by itself, in random order instead of user by user; --seed decides it.",
        ),
        option(
            "--epochs",
            metavar="E",
            type=click.IntRange(1, 2**31),
            help="Write the draws of epochs 0 to E - 1, one after the other: in a column 'epoch', or in a folder one "
            "subfolder each, epoch=0/. Time and the size of the output grow in proportion.  [default: one, --epoch]",
        ),
    )(command)


def pairs_to_rank(command: Function) -> Function:
    """What is in pairs besides a positive and a negative of its own."""
    option = in_section("Pairs (with --layout pairwise)")
    return together(
        option(
            "--bootstrap",
            metavar="N",
            type=click.IntRange(1, MAX_BOOTSTRAP),
            help="N rows, whose positives are drawn with replacement from those of train, as BPR learns from them. A "
            "positive for which nothing can be drawn takes its draws away: then there are fewer rows.",
        ),
        option(
            "--levels",
            metavar="W1,W2",
            help="In place of --sampler: a pair is positive > weak with probability W1, positive > unobserved with W2, "
            "else weak > unobserved. For a user without weak interactions all are positive > unobserved.",
        ),
    )(command)
