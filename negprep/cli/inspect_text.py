"""An inspection, for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from negprep.cli.charts import bar_chart
from negprep.cli.closing import Fact, aligned
from negprep.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from negprep.inspecting.degrees import Degrees
    from negprep.inspecting.forecast import Forecast
    from negprep.inspecting.inspection import Inspection
    from negprep.inspecting.record import LogFacts


class Style(NamedTuple):
    """How to write: columns of a line, whether with block characters, whether with colours."""

    width: int
    blocks: bool
    colours: bool


def inspection_text(found: Inspection, source: str, style: Style) -> str:
    """All of an inspection in lines.

    Parameters
    ----------
    found : Inspection
    source : str
        INPUT as given.
    style : Style

    Returns
    -------
    str
        Without a newline at the end. Control characters from names in the data are escaped; with ``colours`` there are
        those of the terminal's colours, and no others.
    """
    log = found.log
    lines = [printable(line) for line in [f"negprep inspect: {source}", *aligned(list(_facts(log)))]]
    for title, bars in _charts(log):
        lines += ["", printable(title)]
        shown = [(printable(label), number) for label, number in bars]
        drawn = bar_chart(shown, width=style.width, blocks=style.blocks)
        lines += [_coloured(line, "cyan", style) for line in drawn]
    lines += ["", "would write (rows exact; size, time and memory estimated)"]
    lines += [printable(_forecast(each)) for each in (found.train, found.test)]
    if found.warnings:
        lines.append("")
    lines += [_coloured(f"  warning: {printable(warning)}", "yellow", style) for warning in found.warnings]
    return "\n".join(lines)


def _coloured(line: str, colour: str, style: Style) -> str:
    return click.style(line, fg=colour) if style.colours else line


def _facts(log: LogFacts) -> Iterator[Fact]:
    taken = (role if role == header else f"{role} from {header}" for role, header in log.columns.items())
    yield Fact("columns", None, ", ".join(taken))
    yield Fact("rows", log.rows)
    if dropped := log.rows_read - log.rows:
        yield Fact("dropped", dropped, ", ".join(f"{reason}: {count:,}" for reason, count in log.rows_dropped.items()))
    yield Fact("users", log.users, f"{log.user_degrees.one:,} with one item, {log.nearly_all_users:,} with nearly all")
    yield Fact("items", log.items, f"{log.item_degrees.one:,} with one user")
    yield Fact("pairs", log.pairs, f"{log.density:.2%} of all users and items")
    yield Fact("duplicates", log.duplicates, "rows that name a pair again")
    if log.times is not None:
        yield Fact("times", None, f"{log.times.first} to {log.times.last}")
        yield Fact("ties", log.times.tied_users, "users with several items at their latest time")


def _charts(log: LogFacts) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """The title and the bars of each histogram."""
    yield f"users by their items: {_percentiles(log.user_degrees)}", _degree_bars(log.user_degrees)
    yield f"items by their users: {_percentiles(log.item_degrees)}", _degree_bars(log.item_degrees)
    if log.values is not None:
        name = f"rows by {log.columns['value']}: {log.values.least:g} to {log.values.most:g}"
        yield name, [(_span(each.low, each.high), each.rows) for each in log.values.histogram]
    if log.events is not None:
        others = [("others", log.events.others)] if log.events.others else []
        yield f"rows by {log.columns['event']}", [*log.events.rows.items(), *others]


def _span(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:.4g} to {high:.4g}"


def _percentiles(degrees: Degrees) -> str:
    at = degrees.percentiles
    return (
        f"{degrees.least:,} to {degrees.most:,}, mean {degrees.mean:,.1f}, median {at['50']:,}, "
        f"5 % up to {at['5']:,}, 95 % up to {at['95']:,}"
    )


def _degree_bars(degrees: Degrees) -> list[tuple[str, int]]:
    """From the first bin that holds anything."""
    bins = degrees.histogram
    first = next(place for place, each in enumerate(bins) if each.count)
    return [
        (f"{each.low:,}" if each.low == each.high else f"{each.low:,}-{each.high:,}", each.count)
        for each in bins[first:]
    ]


def _forecast(forecast: Forecast) -> str:
    if forecast.refused is not None:
        return f"  {forecast.command:5}  nothing: {forecast.refused}"
    noun = "holdouts" if forecast.command == "test" else "positives"
    epochs = f" in {forecast.epochs:,} epochs" if forecast.epochs > 1 else ""
    form = "" if forecast.to == "parquet" else f" as {forecast.to}"
    return (
        f"  {forecast.command:5}  {forecast.rows:,} rows from {forecast.groups:,} {noun}{epochs}, "
        f"{_size(forecast.bytes)}{form}, {forecast.seconds:.2f} s, {forecast.memory_bytes / 1e6:,.0f} MB of memory"
    )


def _size(n_bytes: int) -> str:
    """To two digits: more would not be known."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= size:
            return f"{float(f'{n_bytes / size:.2g}'):,g} {unit}"
    return f"{n_bytes} bytes"
