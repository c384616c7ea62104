"""The options of `train` and `test` besides those of the draws, as groups; each group is one decorator."""

from __future__ import annotations

from typing import get_args

import click

from negprep.cli import values
from negprep.cli.sections import Decorator, Function, in_section, together
from negprep.forms import FormName, SourceForm
from negprep.limits import MAX_JOBS


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
            callback=values.seed,
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
            callback=values.memory,
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
