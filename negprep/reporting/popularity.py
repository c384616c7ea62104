"""The chart of popularity: how often items are negatives, against how often they are positives."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from negprep.reporting.bins import cells, log_edges
from negprep.reporting.charts import Chart, Key, Table
from negprep.reporting.picture import BOTTOM, LEFT, RIGHT, TOP, Picture
from negprep.reporting.scales import Log
from negprep.reporting.tallies import Counts
from negprep.reporting.wording import count, number, share

LEAST_BINS = 3
"""Ranges of popularity below which no trend is told."""

LEVEL = 0.05
"""A slope that is called none: an eighth more or less for ten times the positives."""

APART = 1.25
"""Times the negatives of an average item, from which the most popular items are said to be different."""

LEGEND = (
    Key("item", "items, larger for more"),
    Key("mean", "their mean"),
    Key("compare", "the same for all"),
    Key("compare proportional", "in proportion"),
)

Numbers = npt.NDArray[np.float64]


def popularity(
    ident: str, positives: Counts, negatives: Counts, catalog: int | None, *, word: str = "positives"
) -> Chart:
    """Items by both counts: a spot for the items of a cell, a line for the mean, and two to compare it with.

    Parameters
    ----------
    positives, negatives : int64, shape (n_items,), n_items > 0
        Of each item of the file; there is at least one negative.
    catalog : int or None
        Items that could be drawn, where the file says it.
    word : str
        What the positives are called.
    """
    x_means, y_means, sizes = _means(positives, negatives)
    sentence = _sentence(positives, negatives, x_means, y_means, sizes, catalog, word)
    title = f"Popularity: negatives against {word}"
    picture = Picture(ident, title, sentence)
    x = Log(int(positives.min()), max(int(positives.max()), 10), LEFT + 10, RIGHT - 10)
    y = Log(int(negatives.min()), max(int(negatives.max()), 10), BOTTOM - 10, TOP + 12)
    picture.axes(x, y, f"{word} of an item (log scale)", "negatives of an item (log scale)")
    _spots(picture, x, y, positives, negatives)
    flat = negatives.sum() / len(negatives)
    picture.path([(LEFT, y.place(flat)), (RIGHT, y.place(flat))], "compare")
    _proportional(picture, x, y, negatives.sum() / max(positives.sum(), 1))
    picture.path([(x.place(a), y.place(b)) for a, b in zip(x_means, y_means, strict=True)], "mean")
    for a, b, size in zip(x_means, y_means, sizes, strict=True):
        hint = f"{count(int(size), 'item')} with {number(a)} {word} on average: {number(b)} negatives on average"
        picture.add("circle", "mean-spot", hint=hint, cx=x.place(a), cy=y.place(b), r=2.6)
    rows = [(number(a), f"{size:,}", number(b)) for a, b, size in zip(x_means, y_means, sizes.tolist(), strict=True)]
    table = Table((f"mean {word}", "items", "mean negatives"), rows)
    return Chart(ident, title, sentence, picture, table, LEGEND)


def _means(positives: Counts, negatives: Counts) -> tuple[Numbers, Numbers, Counts]:
    """Of the items of each range of popularity: both means, and how many they are."""
    column = np.searchsorted(log_edges(int(positives.max())), positives, side="right") - 1
    sizes = np.bincount(column)
    used = np.flatnonzero(sizes)
    means = [np.bincount(column, values)[used] / sizes[used] for values in (positives, negatives)]
    return means[0], means[1], sizes[used].astype(np.int64)


def _sentence(
    positives: Counts,
    negatives: Counts,
    x_means: Numbers,
    y_means: Numbers,
    sizes: Counts,
    catalog: int | None,
    word: str,
) -> str:
    parts = []
    slope = trend(x_means, y_means, sizes)
    if slope is not None:
        times = 10**slope
        figure = f"an item with ten times the {word} has {number(times)} times the negatives"
        hundredth = np.argsort(-positives, kind="stable")[: -(-len(positives) // 100)]
        top = float(negatives[hundredth].mean() / negatives.mean())
        if abs(slope) < LEVEL and not 1 / APART < top < APART:
            parts.append(
                f"The line is level for most items: {figure}. But the most popular hundredth of the items has "
                f"{number(top)} times the negatives of an average item."
            )
        elif abs(slope) < LEVEL:
            parts.append(f"The line is level: {figure}, so popularity plays hardly any part.")
        elif slope < 0:
            parts.append(
                f"The line falls: {figure}. Where nobody is given what they have, fewer users are left for it."
            )
        else:
            parts.append(f"The line rises: {figure} (slope {slope:.2f}; 1 is in proportion).")
    order = np.argsort(-positives, kind="stable")
    tenth = order[: -(-len(order) // 10)]
    parts.append(
        f"The tenth of the items with the most {word} holds {share(int(positives[tenth].sum()), positives.sum())} "
        f"of the {word} and {share(int(negatives[tenth].sum()), negatives.sum())} of the negatives."
    )
    undrawn = (catalog if catalog is not None else len(negatives)) - int(np.count_nonzero(negatives))
    if undrawn > 0:
        where = "the catalog" if catalog is not None else "the file"
        parts.append(f"{count(undrawn, 'item of ' + where + ' is', 'items of ' + where + ' are')} never a negative.")
    return " ".join(parts)


def trend(x_means: Numbers, y_means: Numbers, sizes: Counts) -> float | None:
    """The slope of the means in logarithms, by least squares with the items as weights; None where they are too few."""
    used = (x_means >= 1) & (y_means > 0)
    if np.count_nonzero(used) < LEAST_BINS:
        return None
    x, y, weights = np.log(x_means[used]), np.log(y_means[used]), sizes[used].astype(np.float64)
    x -= np.average(x, weights=weights)
    y -= np.average(y, weights=weights)
    return float((weights * x * y).sum() / (weights * x * x).sum())


def _spots(picture: Picture, x: Log, y: Log, positives: Counts, negatives: Counts) -> None:
    """A spot for each cell that has items, its area by how many, the largest first so that none is hidden."""
    (columns, across), (rows, up) = cells(positives), cells(negatives)
    places, items = np.unique(np.stack([columns, rows]), axis=1, return_counts=True)
    scale = 5.4 / max(math.sqrt(int(items.max())), 2)
    for place in np.argsort(-items, kind="stable"):
        column, row = places[:, place]
        radius = 1.6 + scale * math.sqrt(int(items[place]))
        picture.add("circle", "item", cx=x.place(across[column]), cy=y.place(up[row]), r=radius)


def _proportional(picture: Picture, x: Log, y: Log, ratio: float) -> None:
    """The line on which the negatives of an item are in proportion to its positives, as far as it is in the frame."""
    low = max(x.low, 1, max(y.low, 1) / ratio)
    high = min(x.high, y.high / ratio)
    if low < high:
        picture.path(
            [(x.place(low), y.place(low * ratio)), (x.place(high), y.place(high * ratio))], "compare proportional"
        )
