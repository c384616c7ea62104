"""`negprep fit`: its options, and what a fit did, for a person."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from negprep.cli import signals
from negprep.cli.click_options import SectionCommand, arguments, declared, explicit
from negprep.cli.closing import Fact, rows_read, titled
from negprep.cli.run import refuse_inputs, shows_bars
from negprep.cli.signals import tell, tell_warnings
from negprep.cli.startup import load_libraries
from negprep.cli.terminal import progress_bars
from negprep.errors import UsageError
from negprep.options.commands import LEARNING, parted
from negprep.options.options import Options, ReadOptions
from negprep.stores import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from negprep.models.fit import FitSummary


def fit_text(summary: FitSummary, source: str, target: str) -> str:
    """Say in aligned lines what a fit did; what did not happen is left out."""
    return titled(f"negprep fit: {without_secrets(source)} -> {target}", list(_facts(summary)), summary.warnings)


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
    if summary.laid_aside:
        yield Fact("laid aside", summary.laid_aside, "positives that the model was asked for, and not shown")
    yield Fact("held out", summary.held_out, f"{summary.holdout}: {learnt}")
    about = summary.model
    rate = "" if about["learning_rate"] is None else f", learning rate {about['learning_rate']:g}"
    yield Fact(
        "model",
        None,
        f"{about['kind']}: {about['factors']} factors, {about['epochs']} epochs, regularization "
        f"{about['regularization']:g}{rate}, seed {about['seed']}",
    )
    if "loss" in about:
        yield Fact("learnt", None, f"loss {about['loss']:.4g}")
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
    ranking = about["ranking"]
    if ranking is None:
        yield Fact("ranks", None, "not measured: no user has a train positive to spare")
    else:
        what = "the recommender of the game: " if about["kind"] == "rns" else ""
        yield Fact(
            "ranks",
            None,
            f"{what}NDCG@{ranking['at']} over all items {ranking['ndcg']:.4f}, of the positives laid aside; "
            f"{ranking['most_popular']:.4f} with the most popular items first",
        )
    yield Fact(
        "took", None, f"{summary.seconds:.2f} s, {summary.peak_memory_bytes / 1e6:,.0f} MB of memory at its peak"
    )


_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@click.command(name="fit", cls=SectionCommand, short_help="Learn a model that train draws with.")
@arguments("INPUT", "MODEL")
@declared("fit")
def command(**given: Any) -> None:  # noqa: ANN401
    """Learn a model from INPUT for `negprep train` to draw with (--sampler hard or reinforced, --model MODEL).

    INPUT is what train reads. MODEL is a file of numpy arrays (.npz): ids and factors of users and items, and how they
    were learnt.

    \b
      negprep fit log.csv model.npz --kind bpr
      negprep train log.csv t.parquet --sampler hard --pool 4 --model model.npz

    It learns from the train positives, and rns from the weak interactions too, never from what is held out. MODEL
    appears whole or not at all. One seed gives one model, on one machine with one version of the libraries.

    Of up to 2,000 users one train positive each is laid aside, and how well MODEL ranks these among all items is
    reported (NDCG@10), beside the figure of the most popular items.

    Memory: the train positives and the factors. Time: epochs times positives times factors.
    """  # noqa: D301
    refuse_inputs(given)
    if given["target"] == "":
        raise UsageError("MODEL is empty", remedy="give a path")
    if given["kind"] != "als":  # numpy reads these at its import; with more threads it may round otherwise, no faster
        for name in _ONE_THREAD:
            os.environ.setdefault(name, "1")
    load_libraries(algebra=1)
    from negprep.models.fit import fit, learning_of

    kind, recommender = given.pop("kind"), given.pop("recommender")
    learning = {name: given.pop(name) for name in LEARNING}
    reading, rest = parted(given, ReadOptions, Options)
    options = Options(command="train", read=ReadOptions(**reading), given=explicit() - {"epochs"}, **rest)
    learnt = learning_of(kind, threads=given["jobs"], **learning)
    with progress_bars(shown=shows_bars(given)) as progress:
        signals.expect_traces()
        summary = fit(given["source"], given["target"], options, kind, learnt, progress, recommender)
    if given["quiet"]:
        tell_warnings("fit", summary.warnings)
    else:
        tell(fit_text(summary, os.fspath(given["source"]), given["target"]))
