"""The closing summary: what a run did, for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from negprep.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from negprep.fitting.job import FitSummary
    from negprep.summary import Summary


class Fact(NamedTuple):
    """One line: a name, a number where there is one, and words."""

    name: str
    number: int | None
    note: str = ""


def closing_text(summary: Summary, source: str, target: str) -> str:
    """Say in aligned lines what a run did; what did not happen (no row dropped, no user short) is left out.

    Parameters
    ----------
    summary : Summary
    source, target : str
        INPUT and OUTPUT as given.

    Returns
    -------
    str
        Without a newline at the end. Control characters from names in the data are escaped.
    """
    facts = [*_read(summary), *_held_out(summary), *_drawn(summary), *_written(summary)]
    return titled(f"negprep {summary.command}: {source} -> {target}", facts, summary.warnings)


def titled(title: str, facts: Sequence[Fact], warnings: Sequence[str]) -> str:
    """Facts under a title, and warnings; control characters are escaped."""
    lines = [title, *aligned(facts), *(f"  warning: {warning}" for warning in warnings)]
    return "\n".join(printable(line) for line in lines)


def aligned(facts: Sequence[Fact]) -> list[str]:
    """A line for each fact, names and numbers in columns."""
    name_width = max(len(fact.name) for fact in facts)
    number_width = max(len(f"{fact.number:,}") for fact in facts if fact.number is not None)
    lines = []
    for name, number, note in facts:
        digits = "" if number is None else f"{number:>{number_width},}  "
        lines.append(f"  {name:{name_width}}  {digits}{note}".rstrip())
    return lines


def rows_read(summary: Summary | FitSummary) -> Iterator[Fact]:
    """The columns that were taken, and what became of the rows."""
    taken = (role if role == header else f"{role} from {header}" for role, header in summary.columns.items())
    yield Fact("columns", None, ", ".join(taken))
    if summary.unused_keys:
        yield Fact("not used", None, f"{', '.join(summary.unused_keys)}, named in the paths of the log")
    yield Fact("rows read", summary.rows_read)
    if dropped := sum(summary.rows_dropped.values()):
        reasons = (f"{reason}: {count:,}" for reason, count in summary.rows_dropped.items())
        yield Fact("rows dropped", dropped, ", ".join(reasons))


def _read(summary: Summary) -> Iterator[Fact]:
    yield from rows_read(summary)
    yield Fact("users", summary.users)
    yield Fact("items", summary.items, f"{summary.catalog_items:,} in the catalog")
    yield Fact("positives", summary.positives)
    if summary.removed_users or summary.removed_items:
        items = f" and {summary.removed_items:,} items" if summary.removed_items else ""
        yield Fact(
            "left out",
            summary.removed_users,
            f"users{items} with too few positives: {summary.removed_positives:,} in all",
        )
    if summary.weak:
        yield Fact("weak", summary.weak, "observed pairs that are no positives")
    if summary.items_outside:
        holdouts = f", {summary.holdouts_outside:,} of the holdouts" if summary.holdouts else ""
        outside = f"items of the log that --items lacks: {summary.positives_outside:,} of the positives{holdouts}"
        yield Fact("not in catalog", summary.items_outside, outside)
    if summary.excluded_pairs or summary.excluded_unknown or summary.excluded_left_out:
        notes = ["more pairs"]
        notes += [f"{summary.excluded_unknown:,} of a user or item that occurs nowhere else"][
            : summary.excluded_unknown
        ]
        notes += [f"{summary.excluded_left_out:,} left out by --positive"][: summary.excluded_left_out]
        yield Fact("excluded", summary.excluded_pairs, "; ".join(notes))
    if summary.weak_unknown:
        yield Fact(
            "unknown weak",
            summary.weak_unknown,
            f"of {summary.weak_rows:,} rows of --weak, of a user or item that occurs nowhere else",
        )
    if summary.weights_unknown:
        yield Fact(
            "unknown weights",
            summary.weights_unknown,
            f"of {summary.weights_rows:,}, of an item that is not in the catalog",
        )
    if summary.unweighted_items:
        yield Fact(
            "no weight",
            summary.unweighted_items,
            "items of the catalog that --weights lacks: popularity never draws them",
        )


def _held_out(summary: Summary) -> Iterator[Fact]:
    if summary.holdout == "none":
        yield Fact("holdouts", 0, "none: every positive is in training")
        return
    notes = ["the log has no times"] if (summary.holdout_asked, summary.holdout) == ("auto", "random") else []
    if summary.tied_holdouts:
        notes.append(f"{summary.tied_holdouts:,} chosen by hash among the latest")
    if summary.cold_holdouts:
        notes.append(f"{summary.cold_holdouts:,} of an item without a train positive")
    if summary.holdout_users != summary.holdouts:
        notes.insert(0, f"of {summary.holdout_users:,} users")
    yield Fact("holdouts", summary.holdouts, "; ".join([summary.holdout, *notes]))
    if summary.cold_users:
        yield Fact("cold users", summary.cold_users, "with holdouts and without a train positive")
    if summary.unheld_users:
        few = "none that late" if summary.holdout.startswith("after") else "too few positives"
        yield Fact("not held out", summary.unheld_users, f"users with {few}")


def _drawn(summary: Summary) -> Iterator[Fact]:
    each = "all eligible items" if summary.num_neg == "all" else f"{summary.num_neg:,}"
    yield Fact("negatives", summary.negatives, f"{each} for each positive, avoiding {summary.seen}")
    if summary.sampler != "uniform":
        sources = ", ".join(f"{count:,} {name}" for name, count in summary.sources.items())
        yield Fact("sampler", None, f"{summary.sampler}: {sources}" if sources else summary.sampler)
    if summary.short_users:
        yield Fact("short users", summary.short_users, "with too few eligible items")
    if summary.full_users:
        yield Fact("full users", summary.full_users, "with no eligible item at all")
    if summary.dropped_users:
        yield Fact("dropped users", summary.dropped_users, "for being short (--on-short drop)")


def _written(summary: Summary) -> Iterator[Fact]:
    yield Fact("rows written", summary.rows_written, f"seed {summary.seed}, split seed {summary.split_seed}")
    for note in summary.notes:
        yield Fact("note", None, note)
    yield Fact(
        "took", None, f"{summary.seconds:.2f} s, {summary.peak_memory_bytes / 1e6:,.0f} MB of memory at its peak"
    )
