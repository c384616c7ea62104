"""The charts of a report: a picture each, a sentence that explains it, and its numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from negprep.arrays import Counts
from negprep.checks.chance import chi_square_tail
from negprep.errors import printable
from negprep.reports.gather import PlaceTally
from negprep.reports.svg import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Bins,
    Linear,
    Log,
    Picture,
    Time,
    binned,
    cells,
    log_edges,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


LONGEST_ID = 48
"""Characters of an id that are shown; more would fill a phone's screen."""

_PERCENT = "\u00a0%"
"""After a space at which no line breaks."""


def number(value: float) -> str:
    """A count with separators, any other number with three significant digits."""
    if value == int(value) or abs(value) >= 1000:
        return f"{round(value):,}"
    return f"{value:.3g}"


def count(value: int, one: str, many: str | None = None) -> str:
    """``1 user`` or ``2 users``."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def share(part: float, whole: float) -> str:
    """A percentage, with enough digits to differ from nothing and from all."""
    if not whole:
        return "none"
    percent = 100 * part / whole
    if percent in (0, 100):
        return f"{percent:.0f}{_PERCENT}"
    if percent < 0.1:
        return f"less than 0.1{_PERCENT}"
    if percent > 99.9:
        return f"more than 99.9{_PERCENT}"
    return f"{percent:.1f}{_PERCENT}"


def listed(words: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "none"


def capital(sentence: str) -> str:
    """The sentence with a capital letter at its beginning."""
    return sentence[:1].upper() + sentence[1:]


def shown_id(value: object) -> str:
    """An id as text of one line: control characters escaped, a long one cut."""
    text = printable(str(value))
    return text if len(text) <= LONGEST_ID else f"{text[: LONGEST_ID - 1]}…"


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
    """A figure of the page: a picture, its numbers as a table, and a sentence computed from them.

    ``ident`` is unique in the page; ``legend`` explains the marks where there is more than one kind.
    """

    ident: str
    title: str
    sentence: str
    picture: Picture
    table: Table
    legend: tuple[Key, ...] = ()


def histogram(ident: str, title: str, sentence: str, values: Counts, *, x_name: str, y_name: str, style: str) -> Chart:
    """How many values lie where: a bar for each value or, if they are many, for each range of equal ratio.

    ``values`` are counts from 0, int64, shape (n,), n > 0; ``style`` is ``positive`` or ``negative``.
    """
    if values.min() == values.max():
        return bars(ident, title, sentence, {f"{values[0]:,} each": len(values)}, (x_name, y_name, style))
    bins = binned(values)
    spread = bins.sizes.max() > 50 * bins.sizes[bins.sizes > 0].min()
    high = int(bins.sizes.max())
    y: Linear = Log(1, max(high, 10), BOTTOM - 8, TOP + 8) if spread else Linear(0, high * 1.04, BOTTOM, TOP + 8)
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


def _across(bins: Bins) -> Linear:
    low, high = int(bins.first[0]), int(bins.last[-1])
    if bins.are_exact and high - low <= 400:
        margin = max(0.7, (high - low) * 0.02)
        return _Whole(low - margin, high + margin, LEFT, RIGHT)
    return Log(low, high + 1, LEFT + 8, RIGHT - 8)


def _edges(bins: Bins, first: int, last: int, x: Linear) -> tuple[float, float]:
    if not isinstance(x, Log):
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

    ``parts`` is not empty; of more than `MOST_BARS`, the smallest are put together. ``names`` are what the parts are,
    what is counted, and the class of the bars.
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


LEAST_BINS = 3
"""Ranges of popularity below which no trend is reported."""

LEVEL = 0.05
"""A slope that is called none: an eighth more or less for ten times the positives."""

APART = 1.25
"""Times the negatives of an average item, from which on the most popular items count as different."""

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

    The counts are int64, shape (n_items,), n_items > 0, with at least one negative. ``catalog`` is how many items could
    be drawn, if known; ``word`` is what the positives are called.
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
            parts.append(f"The line falls: {figure}. A popular item has fewer users who can get it as a negative.")
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


LEAST_EXPECTED = 5.0
"""Of each place, by the usual rule for a chi-square test; neighbouring places are put together to reach it."""

PREFERRED_BELOW = 0.001
"""The probability below which the places are called preferred: once in a thousand right files."""

COLUMNS = 48
"""Bars of a chart of times."""


def chi_square(observed: Counts, expected: npt.NDArray[np.float64]) -> tuple[float, int, float]:
    """The statistic, its degrees of freedom, and how likely one as large is by chance."""
    used = expected > 0
    statistic = float(((observed[used] - expected[used]) ** 2 / expected[used]).sum())
    freedom = int(np.count_nonzero(used)) - 1
    if freedom < 1:
        return statistic, 0, 1.0
    return statistic, freedom, chi_square_tail(statistic, freedom)


def merged(places: PlaceTally) -> tuple[Counts, npt.NDArray[np.float64], Counts]:
    """Observed, expected, and the first place of each range: as few neighbours together as reach `LEAST_EXPECTED`."""
    for parts in range(len(places.observed), 0, -1):
        starts = np.unique(np.arange(parts) * len(places.observed) // parts)
        expected = np.add.reduceat(places.expected, starts)
        if expected.min() >= LEAST_EXPECTED or parts == 1:
            return np.add.reduceat(places.observed, starts), expected, starts
    raise AssertionError("the loop ends with one part")


def holdout_places(ident: str, places: PlaceTally, unplaced: int) -> Chart:
    """Holdouts at each place among their candidates, with the band that chance keeps to at 95 %."""
    observed, expected, starts = merged(places)
    title = "Place of the holdout among its candidates"
    sentence = _place_sentence(places, observed, expected, unplaced)
    picture = Picture(ident, title, sentence)
    parts, size = len(observed), len(places.observed)
    x = Linear(0.5, size + 0.5, LEFT, RIGHT)  # place 20 has its middle at 20
    margin = 1.96 * np.sqrt(expected)
    high = max(float(observed.max()), float((expected + margin).max()))
    y = Linear(0, high * 1.05, BOTTOM, TOP + 8)
    exact = places.candidates_max <= size
    picture.axes(x, y, "place, from the first" if exact else "part of the list, in hundredths", "holdouts")
    ends = [*starts[1:].tolist(), size]
    low_band, high_band = np.maximum(expected - margin, 0), expected + margin
    rows = []
    for place in range(parts):
        left, right = x.place(starts[place] + 0.5), x.place(ends[place] + 0.5)
        words = f"{starts[place] + 1}" if ends[place] == starts[place] + 1 else f"{starts[place] + 1} to {ends[place]}"
        gap = min(1.0, (right - left) * 0.12)
        hint = f"place {words}: {observed[place]:,}, by chance {expected[place]:.1f}"
        picture.bar(left + gap, right - gap, y.place(int(observed[place])), BOTTOM, "positive", hint)
        rows.append((words, f"{observed[place]:,}", f"{expected[place]:.1f}"))
    for style, heights in (("band-edge", low_band), ("band-edge", high_band), ("expected", expected)):
        corners = [(edge + 0.5, heights[place]) for place in range(parts) for edge in (starts[place], ends[place])]
        picture.path([(x.place(across), y.place(up)) for across, up in corners], style)
    legend = (
        Key("positive", "holdouts"),
        Key("expected", "mean by chance"),
        Key("band-edge", "95 of 100 lie between, by chance"),
    )
    return Chart(ident, title, sentence, picture, Table(("place", "holdouts", "by chance"), rows), legend)


def _place_sentence(places: PlaceTally, observed: Counts, expected: npt.NDArray[np.float64], unplaced: int) -> str:
    total, most = int(observed.sum()), int(np.argmax(places.observed))
    largest = int(places.observed[most])
    statistic, freedom, chance = chi_square(observed, expected)
    figure = f"chi-square {statistic:.1f} with {freedom} degrees of freedom, p = {_chance(chance)}"
    if largest == total > 1 and len(places.observed) > 1:
        sentence = (
            f"All {total:,} holdouts stand at place {most + 1}: a model that gives every candidate the same score may "
            "look perfect or worthless by the order of the file alone. Break ties at random, or by expectation."
        )
    elif not freedom:
        sentence = f"{count(total, 'holdout')}: too few to say whether their places are random."
    elif chance >= PREFERRED_BELOW:
        sentence = f"No place is preferred among the {total:,} holdouts ({figure}): the order does not reveal them."
    else:
        sentence = (
            f"Some places are preferred ({figure}), most of all place {most + 1} with {share(largest, total)} of the "
            "holdouts: a model could learn the order instead of the taste."
        )
    if unplaced:
        sentence += f" The candidates of {count(unplaced, 'user')} cannot be told apart and are not shown."
    return sentence


def _chance(chance: float) -> str:
    return "less than 0.001" if chance < PREFERRED_BELOW else f"{chance:.2f}"


def holdout_times(ident: str, holdouts: Counts, log: tuple[Counts, Counts], missing: int) -> Chart:
    """When the holdouts happened, in nanoseconds since 1970, in front of all interactions of the log.

    ``log`` are times and the rows at each; ``missing`` counts the positives of the file whose pair the log lacks.
    """
    times, rows = log
    low, high = min(int(times[0]), int(holdouts.min())) / 1e9, max(int(times[-1]), int(holdouts.max())) / 1e9
    if low == high:
        low, high = low - 1, high + 1
    edges = np.linspace(low, high, COLUMNS + 1)
    of_log = np.histogram(times / 1e9, edges, weights=rows)[0]
    of_holdouts = np.histogram(holdouts / 1e9, edges)[0].astype(np.float64)
    shares = [counts / max(counts.sum(), 1) for counts in (of_log, of_holdouts)]
    title = "When the holdouts happened"
    sentence = _time_sentence(holdouts, times, rows, missing)
    picture = Picture(ident, title, sentence)
    x = Time(low, high, LEFT, RIGHT)
    y = Linear(0, 100 * float(max(part.max() for part in shares)) * 1.05, BOTTOM, TOP + 8)
    picture.axes(x, y, "time (UTC)", "percent of the holdouts, and of the log")
    table = []
    for place in range(COLUMNS):
        left, right = x.place(float(edges[place])), x.place(float(edges[place + 1]))
        day = str(np.datetime64(int(edges[place]), "s"))
        for style, part in (("log-time", shares[0]), ("positive", shares[1])):
            if part[place]:
                inset = 0.4 if style == "log-time" else 1.6
                hint = f"{day}: {100 * part[place]:.1f} %"
                picture.bar(left + inset, right - inset, y.place(100 * part[place]), BOTTOM, style, hint)
        if of_log[place] or of_holdouts[place]:
            table.append((day, f"{int(of_holdouts[place]):,}", f"{int(of_log[place]):,}"))
    legend = (Key("positive", "holdouts"), Key("log-time", "all rows of the log"))
    return Chart(ident, title, sentence, picture, Table(("from", "holdouts", "rows of the log"), table), legend)


def _time_sentence(holdouts: Counts, times: Counts, rows: Counts, missing: int) -> str:
    ordered = np.sort(holdouts)
    middle = int(ordered[len(ordered) // 2])
    before = int(rows[times < middle].sum())
    days = [str(np.datetime64(int(when) // 10**9, "s"))[:10] for when in (ordered[0], middle, ordered[-1])]
    sentence = (
        f"From {days[0]} to {days[2]}; half of the {len(ordered):,} holdouts happened before {days[1]}, when "
        f"{share(before, int(rows.sum()))} of the log was written."
    )
    after = int(rows[times > int(ordered[0])].sum())
    if after:
        sentence += (
            f" {share(after, int(rows.sum()))} of the log is later than the first of them: what is learned from it is "
            "the future of some test."
        )
    if missing:
        sentence += f" The log does not have {count(missing, 'positive')} of this file."
    return sentence
