"""The charts of the holdouts: where they stand among their candidates, and when they happened."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from negprep.reporting.charts import Chart, Key, Table
from negprep.reporting.picture import BOTTOM, LEFT, RIGHT, TOP, Picture
from negprep.reporting.scales import Linear, Time
from negprep.reporting.tallies import Counts, PlaceTally
from negprep.reporting.wording import count, share
from negprep.verifying.gamma import chi_square_tail

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
        sentence = f"No place is preferred among the {total:,} holdouts ({figure}): the order does not give them away."
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
    """When the holdouts happened, in front of all interactions of the log.

    Parameters
    ----------
    holdouts : int64, shape (n,), n > 0
        Nanoseconds since 1970.
    log : (int64, int64)
        Times and the rows at each.
    missing : int
        Positives of the file whose pair the log does not have.
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
            f" {share(after, int(rows.sum()))} of the log is later than the first of them: what was learned from it is "
            "from the future of some test."
        )
    if missing:
        sentence += f" The log does not have {count(missing, 'positive')} of this file."
    return sentence
