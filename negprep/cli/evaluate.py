"""``negprep evaluate``."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from negprep.cli import signals
from negprep.cli.click_options import SectionCommand, declared, explicit, own
from negprep.cli.signals import is_terminal, tell_warnings
from negprep.cli.startup import load_libraries
from negprep.errors import OutputError, UsageError, printable
from negprep.options.conflicts import refuse_streams


def _cutoffs(_context: click.Context, _option: click.Parameter, value: str) -> tuple[int, ...]:
    """Take whole numbers with commas between them."""
    words = [word.strip() for word in value.split(",")]
    if not all(word.isascii() and word.isdecimal() and len(word) <= 7 for word in words):
        raise click.BadParameter(f"{value!r} is not a list of cutoffs, such as 5,10,20")
    return tuple(map(int, words))


@click.command(name="evaluate", cls=SectionCommand, short_help="Compute ranking metrics from a model's scores.")
@click.argument("scores", metavar="SCORES", type=click.Path())
@own(
    "--test",
    section="Metrics",
    common=True,
    metavar="FILE",
    type=click.Path(),
    help="The test file, unless SCORES is a copy of it with one more column: any file of candidates that `negprep "
    "verify` takes. SCORES then gives each candidate a score, by user and item, in any order.",
)
@own(
    "--made-by",
    section="Metrics",
    metavar="SUMMARY",
    type=click.Path(),
    help="What --summary of the run wrote, for a test file without metadata (CSV, for example).",
)
@own(
    "--at",
    section="Metrics",
    common=True,
    metavar="K,...",
    callback=_cutoffs,
    default="5,10,20",
    help="The cutoffs of HR@K and NDCG@K.",
)
@own(
    "--by-user",
    section="Metrics",
    common=True,
    metavar="FILE",
    type=click.Path(),
    help="Write the metrics of each user as Parquet.",
)
@own(
    "--resamples",
    section="Intervals",
    common=True,
    metavar="N",
    type=click.IntRange(0, 100_000),
    default=1000,
    help="Bootstrap resamples of the users, for the 95 % intervals; 0 for none.",
)
@own(
    "--catalog-size",
    section="Estimates over all items",
    common=True,
    metavar="N",
    type=click.IntRange(2),
    help="How many items a held-out item is ranked among in a full ranking, including itself.  "
    "[default: from the metadata of the test file: what is eligible for a user, on average]",
)
@own(
    "--gamma",
    section="Estimates over all items",
    metavar="G",
    type=click.FloatRange(0, 1),
    help="The weight of variance against squared bias in the bias-variance estimator.  [default: 0.01]",
)
@own("--label-col", section="Reading", metavar="NAME", help="The label column.  [default: recognised: label]")
@own(
    "--score-col",
    section="Reading",
    common=True,
    metavar="NAME",
    help="The score column.  [default: recognised: score, prediction, pred]",
)
@own(
    "--group-col",
    section="Reading",
    metavar="NAME",
    help="A column that distinguishes the lists of a user with several held-out items.  [default: recognised: group; "
    "else the order of the user's rows, as negprep test writes them]",
)
@declared("evaluate")
def command(**given: Any) -> None:  # noqa: ANN401
    """Compute HR@K, NDCG@K, MRR and AUC from a model's scores for the candidates of a test file.

    SCORES is a CSV, TSV, JSON lines, Parquet or Arrow file (or gz, zst, bz2), a folder, a quoted glob, or - for
    standard input: the rows of a test file (user, item, label) with a column score, where more is better.

    \b
      negprep evaluate scored.parquet
      negprep evaluate scores.csv --test test.parquet

    A held-out item that ties with t negatives is equally likely at each of t + 1 places; metrics are means over them,
    so that a constant score does as well as a random order. Figures are means over users. Three estimates of the
    metrics over all items, which sampled candidates do not show by themselves, need the number of items, from the
    metadata of the test file or --catalog-size.

    Memory: up to 750 MB for any number of rows, besides the distinct ids and 50 bytes for each held-out item.
    """  # noqa: D301
    _refuse(given)
    if sys.stdout is None:
        raise OutputError("standard output is closed", remedy="redirect it")
    load_libraries(algebra=1)
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
    if given["by_user"] == "":
        raise UsageError("--by-user is empty", remedy="give a path")
    refuse_streams([("SCORES", given["scores"]), ("--test", given["test"])])
    if "-" in (given["scores"], given["test"]) and is_terminal(sys.stdin):
        raise UsageError("'-' is standard input, which is a terminal", remedy="pipe scores in, or name a file")
    if not given["resamples"] and "seed" in explicit():
        raise UsageError("--seed with --resamples 0, which draws nothing", remedy="leave one out")
