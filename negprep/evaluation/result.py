"""What an evaluation found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from negprep._version import __version__


@dataclass(frozen=True)
class Figure:
    """A metric: its value, and between what it is with 95 per cent confidence, where that was asked for."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The metrics of scored candidates; ``as_dict`` is what ``--json`` writes.

    Attributes
    ----------
    users, lists, rows : int
        Users with a list, lists (one for each held-out item) and rows read.
    candidates_min, candidates_max : int
        The fewest and the most negatives of a list.
    tied_lists : int
        Lists whose positive has the score of a negative.
    without_negatives : int
        Held-out items that no negative stands beside; they are left out.
    metrics : dict of str to Figure
        ``hr@K``, ``ndcg@K``, ``mrr``, ``auc`` and ``place`` among the candidates: means over users, of each the mean
        over its lists.
    estimates : dict of str to dict of str to Figure
        ``rescale``, ``bias-variance`` and ``em``: the metrics of a full ranking, but ``auc`` and ``place``.
    no_estimates : str or None
        Why there are none.
    competitors : int or None
        Items that a held-out item is taken to be ranked with in a full ranking.
    distinct : bool
        Whether candidates are taken to be drawn without replacement.
    gamma : float
    resamples, seed : int
    warnings : list of str
    """

    users: int
    lists: int
    rows: int
    candidates_min: int
    candidates_max: int
    tied_lists: int
    without_negatives: int
    metrics: dict[str, Figure]
    estimates: dict[str, dict[str, Figure]]
    no_estimates: str | None
    competitors: int | None
    distinct: bool
    gamma: float
    resamples: int
    seed: int
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {"command": "evaluate", **asdict(self), "version": __version__}

    def __str__(self) -> str:
        """The table that the command prints."""
        return table(self)


def table(found: Evaluation) -> str:
    """A table for a person: a row for each metric, with its interval, and a column for each estimate."""
    lines = [f"{found.users:,} users, {found.lists:,} lists of {_span(found)} candidates and the held-out item"]
    if found.tied_lists:
        lines.append(f"{found.tied_lists:,} lists with ties, which count by expectation")
    if found.without_negatives:
        lines.append(f"{found.without_negatives:,} held-out items without any negative, left out")
    head = ["", "among candidates", *found.estimates]
    rows = [head]
    for name, figure in found.metrics.items():
        others = [_cell(estimates[name]) if name in estimates else "" for estimates in found.estimates.values()]
        rows.append([_title(name), _cell(figure), *others])
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines.append("")
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.append("")
    if found.resamples:
        lines.append(f"in brackets: 95 % intervals, {found.resamples:,} bootstrap resamples of the users")
    if found.no_estimates is None:
        law = "without replacement" if found.distinct else "with replacement"
        lines.append(f"{', '.join(found.estimates)}: estimates of the metrics over all items, where a held-out item")
        lines.append(f"competes with {found.competitors:,}, from uniform candidates drawn {law}; gamma {found.gamma:g}")
    else:
        lines.append(f"no estimate of the metrics over all items: {found.no_estimates}")
    return "\n".join([*lines, *(f"warning: {warning}" for warning in found.warnings)])


def _title(name: str) -> str:
    return {"mrr": "MRR", "auc": "AUC", "place": "mean place"}.get(name, name.upper())


def _span(found: Evaluation) -> str:
    few, many = found.candidates_min, found.candidates_max
    return f"{many:,}" if few == many else f"{few:,} to {many:,}"


def _cell(figure: Figure) -> str:
    decimals = 4 if figure.value < 10 else 2
    if figure.low is None or figure.high is None:
        return f"{figure.value:.{decimals}f}"
    return f"{figure.value:.{decimals}f} [{figure.low:.{decimals}f}, {figure.high:.{decimals}f}]"
