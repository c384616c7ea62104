"""The options of `train` and `test`, as groups; each group is one decorator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from negprep.cli import values
from negprep.cli.sections import SectionOption
from negprep.options import MAX_BOOTSTRAP, MAX_JOBS, MAX_NUM_NEG

Function = Callable[..., Any]
Decorator = Callable[[Function], Function]


def arguments(command: Function) -> Function:
    """Take INPUT and OUTPUT."""
    return _together(click.argument("source", metavar="INPUT"), click.argument("target", metavar="OUTPUT"))(command)


def negatives(*, num_neg: int, distinct: bool) -> Decorator:
    """How many negatives, and from where; the defaults are the command's."""
    option = _section("Negatives")
    return _together(
        option(
            "--num-neg",
            metavar="K",
            type=click.IntRange(1, MAX_NUM_NEG),
            help="Negatives for each positive. Time and the size of the output grow in proportion.  "
            f"[default: {num_neg}, or the sum of fixed counts]",
        ),
        option(
            "--sampler",
            metavar="NAME",
            multiple=True,
            default=("uniform",),
            help="The rule that draws: uniform, popularity, or weak (the user's weak interactions; uniform for a user "
            "without any). Several make a mixture, with shares (--sampler uniform:0.7 --sampler weak:0.3) or with a "
            "fixed count each (--sampler uniform=3 --sampler weak=1).",
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
            help="More weak (user, item) pairs, such as a log of what was shown: drawn by the sampler weak, and by no "
            "other.",
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
            help="Whether the negatives of one positive all differ, or may repeat.",
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


def pairs_to_rank(command: Function) -> Function:
    """What is in pairs besides a positive and a negative of its own."""
    option = _section("Pairs (with --layout pairwise)")
    return _together(
        option(
            "--bootstrap",
            metavar="N",
            type=click.IntRange(1, MAX_BOOTSTRAP),
            help="N rows, whose positives are drawn with replacement from those of train, as BPR learns from them.",
        ),
        option(
            "--levels",
            metavar="W1,W2",
            help="In place of --sampler: a pair is positive > weak with probability W1, positive > unobserved with W2, "
            "else weak > unobserved. For a user without weak interactions all are positive > unobserved.",
        ),
    )(command)


def epochs(command: Function) -> Function:
    """Draws that are independent of each other."""
    option = _section("Negatives")
    return _together(
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


def positives(command: Function) -> Function:
    """Which interactions are positives."""
    option = _section("Positives")
    return _together(
        option(
            "--positive",
            metavar="RULE",
            help="Which interactions are positives: a comparison with the value column, such as '>=4', or names in the "
            "event column, such as purchase,cart. The other pairs are weak: never a positive, never a negative.  "
            "[default: all]",
        ),
        option(
            "--keep-time",
            type=click.Choice(["last", "first"]),
            default="last",
            help="A pair that occurs more than once is one positive; this is the time it has.",
        ),
        option(
            "--min-positives",
            metavar="N",
            type=click.IntRange(2),
            help="Leave users with fewer than N positives out whole, before the split: they are neither trained on nor "
            "tested. The catalog stays.  [default: none is left out]",
        ),
        option(
            "--core",
            metavar="N",
            type=click.IntRange(2),
            help="Keep the N-core: users and items with fewer than N positives are left out, again and again until "
            "all have N, before the split. The catalog is what remains. Takes a pass over the log for each round.  "
            "[default: none is left out]",
        ),
    )(command)


def holdouts(*, default: str, help_text: str) -> Decorator:
    """Which positives are kept out of training; the default is the command's."""
    option = _section("Holdout")
    return _together(
        option(
            "--holdout",
            metavar="SPEC",
            default=default,
            help=help_text,
        ),
        option(
            "--with-valid",
            is_flag=True,
            help="Hold out as many positives of each user again, those before, to tune on.",
        ),
        option(
            "--split-seed",
            metavar="N",
            callback=values.seed,
            default="0",
            help="Decides random holdouts and ties in time. Apart from --seed, so that training sets with other seeds "
            "agree with one test set. Give train and test the same.",
        ),
    )


def layouts(command: Function) -> Function:
    """What the rows of the output look like."""
    option = _section("Output")
    return _together(
        option(
            "--layout",
            type=click.Choice(["pointwise", "pairwise", "listwise"]),
            default="pointwise",
            help="Rows of (user, item, label), of (user, pos_item, neg_item), or of (user, pos_item, neg_items).",
        ),
        option(
            "--label-dtype",
            type=click.Choice(["int8", "float32"]),
            default="int8",
            help="The type of the label, 1 or 0. PyTorch's BCE loss wants float32.",
        ),
        option(
            "--encode",
            is_flag=True,
            help="Write codes from 0 instead of ids, and the vocabularies beside the output. One log gives the same "
            "codes in train and test.",
        ),
        option(
            "--force",
            is_flag=True,
            help="Replace what is in a folder that is not empty. A file is replaced without it.",
        ),
    )(command)


def columns(command: Function) -> Function:
    """Where things stand in the log."""
    option = _section("Reading")
    roles = (
        ("user", "user, user_id, userId, uid and the like"),
        ("item", "item, item_id, movieId, asin and the like"),
        ("time", "timestamp, ts, time, date and the like"),
        ("value", "rating, value, score, count"),
        ("event", "event, behavior, type"),
    )
    return _together(
        *(
            option(f"--{role}-col", metavar="NAME", help=f"The {role} column.  [default: recognised: {known}]")
            for role, known in roles
        ),
        option(
            "--columns",
            metavar="A,B,...",
            callback=values.column_names,
            help="The names of all columns, in order, of a text file without a header: user,item,value,time.",
        ),
        option(
            "--delimiter",
            metavar="TEXT",
            callback=values.delimiter,
            help=r"What separates the fields of a text file: one character, '::', or a tab as '\t' or tab.  "
            "[default: found from the first line]",
        ),
        option(
            "--drop-invalid",
            is_flag=True,
            help="Count and drop rows without a usable id, time or value, instead of refusing the log.",
        ),
        option(
            "--expect-rows",
            metavar="N",
            type=click.IntRange(0),
            help="Refuse a log that has not exactly N rows, such as one that was cut short.",
        ),
    )(command)


def running(command: Function) -> Function:
    """How the run goes, and what it tells."""
    option = _section("Run")
    return _together(
        option(
            "--jobs",
            metavar="N",
            type=click.IntRange(1, MAX_JOBS),
            help="Threads that sample. The output does not depend on it.  [default: the CPUs this process may use]",
        ),
        option(
            "--memory",
            metavar="SIZE",
            callback=values.memory,
            help="Memory to take, such as 512M or 4G. Rows that do not fit are spilled to disk, which takes half the "
            "time again; the output does not depend on it. About 250 MB are needed in any case, besides the distinct "
            "ids.  [default: half of what the machine has]",
        ),
        option(
            "--spill-dir",
            metavar="DIR",
            help="Where rows are spilled, in a file without a name.  [default: beside the output]",
        ),
        option(
            "--summary",
            metavar="FILE",
            help="Write the facts of the run as JSON: rows, users, negatives, seconds, memory. '-' is standard output.",
        ),
        option("--quiet", is_flag=True, help="Say nothing on standard error but errors."),
        option(
            "--progress/--no-progress",
            default=None,
            help="Bars on standard error.  [default: on a terminal only]",
        ),
    )(command)


def _section(title: str) -> Callable[..., Decorator]:
    def option(*names: str, **attributes: Any) -> Decorator:  # noqa: ANN401
        return click.option(*names, cls=SectionOption, section=title, **attributes)

    return option


def _together(*decorators: Decorator) -> Decorator:
    """One decorator out of several; the help shows the options in this order."""

    def decorate(command: Function) -> Function:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate
