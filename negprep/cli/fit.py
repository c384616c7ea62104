"""`negprep fit`: its options, and what a fit did, for a person."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from negprep.cli import click_options, click_types, signals
from negprep.cli.click_types import Function, SectionCommand, in_section, together
from negprep.cli.closing import Fact, rows_read, titled
from negprep.cli.request import refuse_columns, refuse_inputs, refuse_quiet_bars, refuse_split, shows_bars, taken
from negprep.cli.signals import tell, tell_warnings
from negprep.cli.startup import load_libraries
from negprep.cli.terminal import progress_bars
from negprep.errors import UsageError
from negprep.options.options import Options, ReadOptions
from negprep.options.specs import MAX_JOBS, MAX_POOL, MAX_TEMPERATURE, RNS_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from negprep.models.fit import FitSummary


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
            callback=click_types.seed,
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
        option("--exclude", metavar="FILE", help="(user, item) pairs that are never negatives, as in train."),
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
            help="Candidates, one of them drawn. Give train the same.  [default: 30]",
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
    """How the run goes, and what it prints."""
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
            callback=click_types.memory,
            help="Memory to take for reading, such as 512M or 4G; what does not fit is spilled to disk. The train "
            "positives and the factors are held besides.  [default: half of what the machine has]",
        ),
        option(
            "--spill-dir",
            metavar="DIR",
            help="Where rows are spilled, in a file without a name.  [default: beside MODEL]",
        ),
        click_options.silencing,
        click_options.watching,
    )(command)


def fit_text(summary: FitSummary, source: str, target: str) -> str:
    """What a fit did, in aligned lines; ``source`` and ``target`` are INPUT and MODEL as given."""
    return titled(f"negprep fit: {source} -> {target}", list(_facts(summary)), summary.warnings)


def _facts(summary: FitSummary) -> Iterator[Fact]:
    yield from rows_read(summary)
    for name, known, unknown in (
        ("users", summary.users, summary.unknown_users),
        ("items", summary.items, summary.unknown_items),
    ):
        note = f"and {unknown:,} without a train positive, which the model does not know" if unknown else ""
        yield Fact(name, known, note)
    yield Fact("positives", summary.positives, "to learn from")
    learnt = "every positive may be learnt from" if summary.holdout == "none" else "nothing was learnt from these"
    yield Fact("held out", summary.held_out, f"{summary.holdout}: {learnt}")
    about = summary.model
    rate = "" if about["learning_rate"] is None else f", learning rate {about['learning_rate']:g}"
    yield Fact(
        "model",
        None,
        f"{about['kind']}: {about['factors']} factors, {about['epochs']} epochs, regularization "
        f"{about['regularization']:g}{rate}, seed {about['seed']}",
    )
    for name in ("loss", "share of pairs ranked right"):
        if name in about:
            yield Fact("learnt", None, f"{name} {about[name]:.4g}")
    if about["kind"] == "rns":
        shares = [epoch["exposed_share"] for epoch in about["game"]]
        yield Fact("exposures", about["exposures"], "weak interactions to learn from")
        if shares:
            yield Fact(
                "learnt",
                None,
                f"exposed share of the draws {shares[0]:.1%} in the first, {shares[-1]:.1%} in the last of "
                f"{len(shares)} epochs; chance is {about['pool_weak'] / about['pool']:.1%}",
            )
    if not about["repeatable"]:
        yield Fact("note", None, "threads wrote over each other's steps: another run gives another model")
    yield Fact(
        "took", None, f"{summary.seconds:.2f} s, {summary.peak_memory_bytes / 1e6:,.0f} MB of memory at its peak"
    )


_LEARNING = ("factors", "epochs", "regularization", "learning_rate", "seed", *RNS_OPTIONS)
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@click.command(name="fit", cls=SectionCommand, short_help="Learn a model that train draws with.")
@arguments
@learning
@reinforcing
@click_options.positives
@click_options.holdouts(
    "Which positives are kept out of training, as in train: give both the same, so that the model has learnt "
    "from nothing that is held out.",
)
@click_options.columns
@running
def command(**given: Any) -> None:  # noqa: ANN401
    """Learn a model from INPUT for `negprep train` to draw with (--sampler hard or reinforced, --model MODEL).

    INPUT is what train reads. MODEL is a file of numpy arrays (.npz): ids and factors of users and items, and how they
    were learnt.

    \b
      negprep fit log.csv model.npz --kind bpr
      negprep train log.csv train.parquet --sampler hard --model model.npz

    It learns from the train positives, and rns from the weak interactions too, never from what is held out. MODEL
    appears whole or not at all. One seed gives one model, on one machine with one version of the libraries, except for
    bpr with more than one thread.

    Memory: the train positives and the factors. Time: epochs times positives times factors.
    """  # noqa: D301
    refuse_columns(given)
    refuse_inputs(given)
    if given["target"] == "":
        raise UsageError("MODEL is empty", remedy="give a path")
    refuse_split(given)
    refuse_quiet_bars(given)
    if given["kind"] == "rns":  # numpy reads these at its import; with more threads it may round otherwise, no faster
        for name in _ONE_THREAD:
            os.environ.setdefault(name, "1")
    load_libraries(algebra=True)
    from negprep.models.fit import fit, learning_of

    read = ReadOptions(**taken(ReadOptions, given))
    of_train = {name: value for name, value in taken(Options, given).items() if name not in _LEARNING}
    options = Options(command="train", read=read, **of_train)
    learning = learning_of(given["kind"], threads=given["jobs"], **{name: given[name] for name in _LEARNING})
    with progress_bars(shown=shows_bars(given)) as progress:
        signals.expect_traces()
        summary = fit(given["source"], given["target"], options, given["kind"], learning, progress)
    if given["quiet"]:
        tell_warnings("fit", summary.warnings)
    else:
        tell(fit_text(summary, os.fspath(given["source"]), given["target"]))
