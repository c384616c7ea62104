"""The options that commands share, as groups; each group is one decorator."""

from __future__ import annotations

from typing import get_args

import click

from negprep.cli import click_types
from negprep.cli.click_types import Decorator, Function, in_section, together
from negprep.options.formats import FormName, SourceForm
from negprep.options.specs import MAX_BOOTSTRAP, MAX_JOBS, MAX_POOL


def negatives(*, num_neg: int | str, distinct: bool | None) -> Decorator:
    """How many negatives, and from where; the defaults are the command's, or, in words, those of several."""
    option = in_section("Negatives")
    every = "" if distinct is False else "In test, all: every item that the user has not touched.  "
    return together(
        option(
            "--num-neg",
            metavar="K",
            type=click_types.NumNeg(),
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
            callback=click_types.seed,
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


def arguments(command: Function) -> Function:
    """Take INPUT and OUTPUT."""
    return together(click.argument("source", metavar="INPUT"), click.argument("target", metavar="OUTPUT"))(command)


def positives(command: Function) -> Function:
    """Which interactions are positives."""
    option = in_section("Positives")
    return together(
        option(
            "--positive",
            metavar="RULE",
            help="Which interactions are positives: a comparison with the value column ('>=4', 3..5), names in the "
            "event column (purchase,cart), or a comparison with any column: 'rating>=4', 'label=1', 'type!=view', "
            "is_click. The other pairs are weak: never a positive, never a negative.  [default: all; a log with a "
            "column of labels such as 0 and 1 is refused until this says which count, or all]",
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


def holdouts(help_text: str) -> Decorator:
    """Which positives are kept out of training: by default the same in every command."""
    option = in_section("Holdout")
    return together(
        option(
            "--holdout",
            metavar="SPEC",
            default="auto",
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
            callback=click_types.seed,
            default="0",
            help="Decides random holdouts and ties in time. Apart from --seed, so that training sets with other seeds "
            "agree with one test set. Give train and test the same.",
        ),
    )


def folds(command: Function) -> Function:
    """Which holdouts are tested."""
    return in_section("Holdout")(
        "--fold",
        type=click.Choice(["valid", "test"]),
        default="test",
        help="Whose candidates are written: those of the test items, or of the ones before, to tune on "
        "(implies --with-valid).",
    )(command)


def layouts(command: Function) -> Function:
    """What the rows of the output look like."""
    option = in_section("Output")
    return together(
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
    )(command)


def forms(command: Function) -> Function:
    """The form of the output."""
    return in_section("Output")(
        "--to",
        type=click.Choice(get_args(FormName)),
        help="The form of OUTPUT: Parquet, CSV or TSV (gz where the name ends so), or a folder for NCF, RecBole or "
        "LightGCN.  [default: as the name of OUTPUT says, else parquet]",
    )(command)


def replacing(command: Function) -> Function:
    """What may be lost."""
    return in_section("Output")(
        "--force",
        is_flag=True,
        help="Replace what is in a folder that is not empty. A file is replaced without it.",
    )(command)


def quotes(command: Function) -> Function:
    """How fields of a text file are quoted."""
    option = in_section("Reading")
    return together(
        option(
            "--quote",
            metavar="CHAR",
            help="What stands around fields of a text file: a character, doubled within them; or none: quotes are "
            "text. Holds for every text file that is read.  [default: '\"'; refused where lines within a field look "
            "like rows]",
        ),
        option(
            "--escape",
            metavar="CHAR",
            help=r"The character that makes the next one text, such as '\' in CSV of Spark and Hive.  [default: none]",
        ),
    )(command)


def columns(command: Function) -> Function:
    """Where things stand in the log."""
    option = in_section("Reading")
    roles = (
        ("user", "user, user_id, userId, uid and the like"),
        ("item", "item, item_id, movieId, asin and the like"),
        ("time", "timestamp, ts, time, date and the like"),
        ("value", "rating, value, score, count"),
        ("event", "event, behavior, type"),
    )
    return together(
        *(
            option(f"--{role}-col", metavar="NAME", help=f"The {role} column.  [default: recognised: {known}]")
            for role, known in roles
        ),
        option(
            "--columns",
            metavar="A,B,...",
            callback=click_types.column_names,
            help="The names of all columns, in order, of a text file without a header: user,item,value,time.",
        ),
        option(
            "--delimiter",
            metavar="TEXT",
            callback=click_types.delimiter,
            help=r"What separates the fields of a text file: one character, '::', or a tab as '\t' or tab.  "
            "[default: found from the first line]",
        ),
        quotes,
        option(
            "--from",
            "from_",
            type=click.Choice(get_args(SourceForm)),
            help="Whose form INPUT has, where the file does not show it: lists of items (lightgcn), or pairs whose "
            "order is their time (sasrec).  [default: found from the first line]",
        ),
        option(
            "--time-format",
            metavar="FORMAT",
            multiple=True,
            help="How times are written, in strptime's words, such as '%m/%d/%Y %I:%M:%S %p'; repeated, a time takes "
            "the first that fits. Or the unit of numbers: seconds, milliseconds, microseconds, nanoseconds.  "
            "[default: recognised]",
        ),
        option(
            "--drop-invalid",
            is_flag=True,
            help="Count and drop rows without a usable id, time, value or event, instead of refusing the log. The "
            "columns that are not needed count, too: every command drops the same rows.",
        ),
        option(
            "--expect-rows",
            metavar="N",
            type=click.IntRange(0),
            help="Refuse a log that has not exactly N rows, such as one that was cut short.",
        ),
    )(command)


def machine(*, spill_dir: str) -> Decorator:
    """What of the machine is used; where rows are spilled by default."""
    jobs = in_section("Run")(
        "--jobs",
        metavar="N",
        type=click.IntRange(1, MAX_JOBS),
        help="Threads that make and write the rows. The output does not depend on it.  "
        "[default: the CPUs this process may use]",
    )
    return together(jobs, memory(spill_dir=spill_dir))


def memory(*, spill_dir: str, output: str = "the output") -> Decorator:
    """How much memory is taken; where rows are spilled by default; and what does not depend on it."""
    option = in_section("Run")
    return together(
        option(
            "--memory",
            metavar="SIZE",
            callback=click_types.memory,
            help="Memory to take, such as 512M or 4G. Rows that do not fit are spilled to disk, which takes half the "
            f"time again; {output} does not depend on it. About 250 MB are needed in any case, besides the distinct "
            "ids.  [default: half of what the machine has]",
        ),
        option(
            "--spill-dir",
            metavar="DIR",
            help=f"Where rows are spilled, in a file without a name.  [default: {spill_dir}]",
        ),
    )


def telling(command: Function) -> Function:
    """What the run tells."""
    summary = in_section("Run")(
        "--summary",
        metavar="FILE",
        help="Write the facts of the run as JSON: rows, users, negatives, seconds, memory. '-' is standard output.",
    )
    return together(summary, silencing)(command)


def silencing(command: Function) -> Function:
    """Whether the run tells anything, and what a warning is."""
    quiet = in_section("Run")(
        "--quiet", is_flag=True, help="Say nothing on standard error but errors and warnings, a line each."
    )
    return together(quiet, strictness())(command)


def strictness(section: str = "Run", outcome: str = "nothing is written") -> Decorator:
    """Whether warnings are errors."""
    return in_section(section)(
        "--strict", is_flag=True, help=f"Make every warning an error: {outcome}, and the exit code is 3."
    )


def watching(command: Function) -> Function:
    """How the run is watched."""
    return in_section("Run")(
        "--progress/--no-progress",
        default=None,
        help="Bars on standard error.  [default: on a terminal only]",
    )(command)


def running(command: Function) -> Function:
    """How the run goes, and what it tells."""
    return together(machine(spill_dir="beside the output"), telling, watching)(command)
