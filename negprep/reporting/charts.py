"""The charts of the page: of each a picture, the sentence that says what is to be seen there, and its numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from negprep.reporting.bins import Bins, binned
from negprep.reporting.picture import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Picture
from negprep.reporting.scales import Linear, Log, Scale
from negprep.reporting.wording import count, number, share, shown_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from negprep.reporting.tallies import Counts

MOST_BARS = 12

Row = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows of text under a header; columns after the first are numbers where `numeric`."""

    header: Row
    rows: Sequence[Row]
    numeric: bool = True


@dataclass(frozen=True)
class Key:
    """A mark, by its class, and what it means."""

    style: str
    text: str


@dataclass(frozen=True)
class Chart:
    """A figure of the page.

    Attributes
    ----------
    ident : str
        Unique in the page.
    title, sentence : str
        The sentence is computed from the data.
    picture : Picture
    table : Table
        The numbers of the picture.
    legend : tuple of Key
        What its marks mean, where there is more than one kind.
    """

    ident: str
    title: str
    sentence: str
    picture: Picture
    table: Table
    legend: tuple[Key, ...] = ()


def histogram(ident: str, title: str, sentence: str, values: Counts, *, x_name: str, y_name: str, style: str) -> Chart:
    """How many values lie where: a bar for each value or, where they are many, for each range of equal ratio.

    Parameters
    ----------
    values : int64, shape (n,), n > 0
        Counts, from 0.
    x_name, y_name : str
        What they are, and what has them.
    style : {"positive", "negative"}
    """
    if values.min() == values.max():
        return bars(ident, title, sentence, {f"{values[0]:,} each": len(values)}, (x_name, y_name, style))
    bins = binned(values)
    spread = bins.sizes.max() > 50 * bins.sizes[bins.sizes > 0].min()
    high = int(bins.sizes.max())
    y: Scale = Log(1, max(high, 10), BOTTOM - 8, TOP + 8) if spread else Linear(0, high * 1.04, BOTTOM, TOP + 8)
    picture = Picture(ident, title, sentence)
    x = _across(bins)
    picture.axes(x, y, x_name, y_name + (" (log scale)" if spread else ""))
    for first, last, size in zip(bins.first.tolist(), bins.last.tolist(), bins.sizes.tolist(), strict=True):
        if size:
            left, right = _edges(bins, first, last, x)
            hint = f"{_range(first, last)}: {size:,}"
            picture.bar(left, right, y.place(size), BOTTOM, style, hint)
    rows = [
        (_range(first, last), f"{size:,}", share(size, len(values)))
        for first, last, size in zip(bins.first.tolist(), bins.last.tolist(), bins.sizes.tolist(), strict=True)
        if size
    ]
    return Chart(ident, title, sentence, picture, Table((x_name, y_name, "share"), rows))


@dataclass(frozen=True)
class _Whole(Linear):
    """A linear axis of few whole numbers: a tick at each, or at some."""

    def ticks(self) -> list[tuple[float, str]]:
        if self.high - self.low > 8:
            return [(value, text) for value, text in super().ticks() if value == int(value)]
        values = range(math.ceil(self.low), math.floor(self.high) + 1)
        return [(float(value), f"{value:,}") for value in values]


def _across(bins: Bins) -> Scale:
    low, high = int(bins.first[0]), int(bins.last[-1])
    if bins.are_exact and high - low <= 400:
        margin = max(0.7, (high - low) * 0.02)
        return _Whole(low - margin, high + margin, LEFT, RIGHT)
    return Log(low, high + 1, LEFT + 8, RIGHT - 8)


def _edges(bins: Bins, first: int, last: int, x: Scale) -> tuple[float, float]:
    if isinstance(x, Linear):
        half = max(0.5 * (x.place(1) - x.place(0)) - 0.5, 1.5)
        half = min(half, 24)
        return x.place(first) - half, x.place(first) + half
    if bins.are_exact:
        return x.place(first) - 2, x.place(first) + 2
    if first == 0:
        return x.place(0) - 4, x.place(0) + 4
    return x.place(first) + 0.5, x.place(last + 1) - 0.5


def _range(first: int, last: int) -> str:
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"


def bars(ident: str, title: str, sentence: str, parts: dict[str, int], names: tuple[str, str, str]) -> Chart:
    """Parts of a whole, the largest first, as level bars with their shares written beside them.

    Of more than `MOST_BARS` parts the smallest are put together.

    Parameters
    ----------
    parts : dict of str to int
        Not empty.
    names : tuple of str
        What the parts are, what is counted, and the class of the bars.
    """
    ordered = sorted(parts.items(), key=lambda part: (-part[1], part[0]))
    if len(ordered) > MOST_BARS:
        rest = ordered[MOST_BARS - 1 :]
        ordered = [*ordered[: MOST_BARS - 1], (f"{len(rest):,} others", sum(size for _, size in rest))]
    ordered = [(shown_id(word), size) for word, size in ordered]
    whole, most = sum(parts.values()), max(size for _, size in ordered)
    step = 46
    picture = Picture(ident, title, sentence, height=TOP + step * len(ordered) + 4)
    for place, (word, size) in enumerate(ordered):
        top = TOP + step * place
        length = size / most * (WIDTH - 14)
        picture.label(word, 2, top + 10, anchor="start", style="bar-name")
        picture.label(f"{share(size, whole)} ({size:,})", WIDTH - 4, top + 10, anchor="end")
        picture.bar(2, 2 + length, top + 16, top + 34, names[2], f"{word}: {size:,}")
    rows = [(word, f"{size:,}", share(size, whole)) for word, size in ordered]
    return Chart(ident, title, sentence, picture, Table((names[0], names[1], "share"), rows))


def negatives_per_user(ident: str, negatives: Counts) -> Chart:
    """How many negatives each user has; `negatives`: int64, shape (n_users,), n_users > 0."""
    low, high = int(negatives.min()), int(negatives.max())
    if low == high:
        sentence = f"Every one of the {count(len(negatives), 'user')} has {count(low, 'negative')}."
    else:
        middle = int(np.sort(negatives)[len(negatives) // 2])
        tenth = -(-len(negatives) // 10)
        held = int(np.sort(negatives)[-tenth:].sum())
        sentence = (
            f"From {low:,} to {high:,}; half of the {len(negatives):,} users have {middle:,} or fewer. The tenth of "
            f"the users who have most hold {share(held, int(negatives.sum()))} of all negatives."
        )
    title, names = "Negatives per user", {"x_name": "negatives of a user", "y_name": "users"}
    return histogram(ident, title, sentence, negatives, style="negative", **names)


def positives_per_user(ident: str, positives: Counts) -> Chart:
    """How many positives each user has; `positives`: int64, shape (n_users,), n_users > 0."""
    ordered = np.sort(positives)
    low, middle, high = (int(ordered[at]) for at in (0, len(ordered) // 2, -1))
    sentence = f"From {low:,} to {high:,}; half of the {count(len(ordered), 'user')} have {middle:,} or fewer."
    title, names = "Positives per user", {"x_name": "positives of a user", "y_name": "users"}
    return histogram(ident, title, sentence, positives, style="positive", **names)


def negatives_per_positive(ident: str, positives: Counts, negatives: Counts, wanted: int | None) -> Chart:
    """How many negatives a positive has, by user: rounded down where not all positives of a user have the same."""
    has = positives > 0
    each = negatives[has] // positives[has]
    values, sizes = np.unique(each, return_counts=True)
    usual = int(values[np.argmax(sizes)]) if wanted is None else wanted
    equal = int(np.count_nonzero(negatives[has] == usual * positives[has]))
    asked = f"the {usual:,} that were asked for" if wanted is not None else f"{usual:,}, the usual number"
    if equal == len(each):
        sentence = f"All {count(len(each), 'user')} have {asked}, for each of their positives."
    else:
        fewer = int(np.count_nonzero(negatives[has] < usual * positives[has]))
        more = len(each) - equal - fewer
        sentence = (
            f"{share(equal, len(each))} of the {len(each):,} users have {asked}, for each of their positives"
            + (f"; {count(fewer, 'user has', 'users have')} fewer, down to {int(each.min()):,}" if fewer else "")
            + (f"; {count(more, 'user has', 'users have')} more, up to {int(each.max()):,}" if more else "")
            + "."
        )
    return histogram(
        ident,
        "Negatives per positive",
        sentence,
        each,
        x_name="negatives of a positive",
        y_name="users",
        style="negative",
    )


def sources(ident: str, parts: dict[str, int], sampler: str | None) -> Chart:
    """Which sampler drew how many of the negatives; `parts` is not empty."""
    whole, word = sum(parts.values()), max(sorted(parts), key=lambda part: parts[part])
    sentence = f"{shown_id(word)} drew most: {share(parts[word], whole)} of the {number(whole)} negatives."
    if sampler:
        sentence += f" The recipe was {sampler}."
    if parts.get("fallback"):
        sentence += (
            f" For {count(parts['fallback'], 'draw')} the sampler had nothing to offer, and a uniform one took its "
            "place (fallback)."
        )
    return bars(ident, "Negatives by source", sentence, parts, ("source", "negatives", "negative"))
