"""The closing summary of a fit, for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from negprep.cli.closing import Fact, rows_read, titled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from negprep.fitting.job import FitSummary


def fit_text(summary: FitSummary, source: str, target: str) -> str:
    """Say in aligned lines what a fit did; what did not happen is left out.

    Parameters
    ----------
    summary : FitSummary
    source, target : str
        INPUT and MODEL as given.
    """
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
