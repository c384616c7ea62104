"""``negprep evaluate``."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from click.core import ParameterSource

from negprep.cli import click_options, click_types, signals
from negprep.cli.click_options import quotes
from negprep.cli.click_types import Decorator, Function, SectionCommand, in_section, together
from negprep.cli.signals import tell_warnings
from negprep.cli.startup import load_libraries
from negprep.errors import OutputError, UsageError, printable

_ROLES = (
    ("user", "user, user_id, userId, uid and the like"),
    ("item", "item, item_id, movieId, asin and the like"),
    ("label", "label"),
    ("score", "score, prediction, pred"),
)


def _cutoffs(_context: click.Context, _option: click.Parameter, value: str) -> tuple[int, ...]:
    """Take whole numbers with commas between them."""
    words = [word.strip() for word in value.split(",")]
    if not all(word.isascii() and word.isdecimal() and len(word) <= 7 for word in words):
        raise click.BadParameter(f"{value!r} is not a list of cutoffs, such as 5,10,20")
    return tuple(map(int, words))


def _what(command: Function) -> Function:
    option = in_section("Metrics")
    return together(
        option(
            "--test",
            metavar="FILE",
            help="The test file, unless SCORES is a copy of it with one more column: any file of candidates that "
            "`negprep verify` takes. SCORES then gives each candidate a score, by user and item, in any order.",
        ),
        option(
            "--made-by",
            metavar="SUMMARY",
            help="What --summary of the run wrote, for a test file without metadata (CSV, for example).",
        ),
        option("--at", metavar="K,...", callback=_cutoffs, default="5,10,20", help="The cutoffs of HR@K and NDCG@K."),
        option("--by-user", metavar="FILE", help="Write the metrics of each user as Parquet."),
        option("--json", "as_json", is_flag=True, help="Print JSON, with all digits, instead of a table."),
    )(command)


def _intervals(command: Function) -> Function:
    option = in_section("Intervals")
    return together(
        option(
            "--resamples",
            metavar="N",
            type=click.IntRange(0, 100_000),
            default=1000,
            help="Bootstrap resamples of the users, for the 95 % intervals; 0 for none.",
        ),
        option("--seed", metavar="N", callback=click_types.seed, default="0", help="Decides which users they draw."),
    )(command)


def _estimates(command: Function) -> Function:
    option = in_section("Estimates over all items")
    return together(
        option(
            "--catalog-size",
            metavar="N",
            type=click.IntRange(2),
            help="How many items a held-out item is ranked among in a full ranking, itself one of them.  "
            "[default: from the metadata of the test file: the eligible items of a user, on average]",
        ),
        option(
            "--distinct/--repeats",
            "distinct",
            default=None,
            help="Whether the candidates of a list were drawn without replacement.  "
            "[default: from the metadata, else distinct]",
        ),
        option(
            "--gamma",
            metavar="G",
            type=click.FloatRange(0, 1),
            help="The weight of variance against squared bias in the bias-variance estimator.  [default: 0.01]",
        ),
    )(command)


def _columns(command: Function) -> Function:
    option = in_section("Reading")
    roles: list[Decorator] = [
        option(f"--{role}-col", metavar="NAME", help=f"The {role} column.  [default: recognised: {known}]")
        for role, known in _ROLES
    ]
    return together(
        *roles,
        option(
            "--group-col",
            metavar="NAME",
            help="A column that names the lists of a user with several held-out items.  [default: recognised: "
            "group; else the order of the user's rows, as negprep test writes them]",
        ),
        option(
            "--columns",
            metavar="A,B,...",
            callback=click_types.column_names,
            help="The names of all columns, in order, of SCORES without a header: user,item,score.",
        ),
        option(
            "--delimiter",
            metavar="TEXT",
            callback=click_types.delimiter,
            help=r"What separates the fields of SCORES: one character, '::', or a tab as '\t' or tab.  "
            "[default: found from the first line]",
        ),
        quotes,
    )(command)


@click.command(name="evaluate", cls=SectionCommand, short_help="Compute ranking metrics from a model's scores.")
@click.argument("scores", metavar="SCORES")
@_what
@_intervals
@_estimates
@_columns
@click_options.strictness()
def command(**given: Any) -> None:  # noqa: ANN401
    """Print HR@K, NDCG@K, MRR and AUC of a model's scores for the candidates of a test file.

    SCORES is a CSV, TSV or Parquet file (or gz, zst, bz2), a folder of them, a quoted glob, or - for standard input:
    the rows of a test file (user, item, label) with a column score, where more is better.

    \b
      negprep evaluate scored.parquet
      negprep evaluate scores.csv --test test.parquet

    A held-out item that ties with t negatives is at each of t + 1 places with the same probability, and a metric is its
    mean over them: a constant score gets what guessing gets. Figures are means over users. Three estimates of the
    metrics over all items, which sampled candidates do not show by themselves, need the number of items, from the
    metadata of the test file or --catalog-size.

    Memory: up to 750 MB for any number of rows, besides the distinct ids and 50 bytes for each held-out item.
    """  # noqa: D301
    _refuse(given)
    if sys.stdout is None:
        raise OutputError("standard output is closed", remedy="redirect it")
    load_libraries(algebra=True)
    from negprep.metrics.estimators import EvaluateOptions
    from negprep.metrics.evaluate import run_evaluation
    from negprep.read.columns import ScoredColumns

    named = {f"{role}_col": given[f"{role}_col"] for role in ("user", "item", "label", "score", "group")}
    kept = ("at", "catalog_size", "distinct", "gamma", "resamples", "seed", "columns", "delimiter", "quote", "escape")
    options = EvaluateOptions(named=ScoredColumns(**named), **{name: given[name] for name in kept})
    signals.expect_traces()
    found = run_evaluation(
        given["scores"], given["test"], options, **{name: given[name] for name in ("made_by", "by_user", "strict")}
    )
    signals.check()
    if given["as_json"]:
        click.echo(json.dumps(found.as_dict(), indent=2, allow_nan=False))
        tell_warnings("evaluate", found.warnings)
    else:
        click.echo("\n".join(printable(line) for line in str(found).splitlines()))


def _refuse(given: dict[str, Any]) -> None:
    """Refuse words that contradict each other."""
    for name, argument in (("scores", "SCORES"), ("test", "--test"), ("by_user", "--by-user")):
        if given[name] == "":
            raise UsageError(f"{argument} is empty", remedy="give a path")
    if given["scores"] == given["test"] == "-":
        raise UsageError("standard input ('-') is named twice", remedy="give files for SCORES or --test")
    if "-" in (given["scores"], given["test"]) and sys.stdin is not None and sys.stdin.isatty():
        raise UsageError("'-' is standard input, which is a terminal", remedy="pipe scores in, or name a file")
    seed = click.get_current_context().get_parameter_source("seed")
    if not given["resamples"] and seed is not ParameterSource.DEFAULT:
        raise UsageError("--seed with --resamples 0, which draws nothing", remedy="leave one out")
