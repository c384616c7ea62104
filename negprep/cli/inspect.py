"""`negprep inspect`: its options, and an inspection for a person, with histograms."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from negprep.cli import signals
from negprep.cli.click_options import FILES, SectionCommand, arguments, declared, explicit
from negprep.cli.closing import Fact, aligned
from negprep.cli.run import refuse_inputs, shows_bars
from negprep.cli.signals import is_terminal
from negprep.cli.startup import load_libraries
from negprep.cli.terminal import progress_bars
from negprep.errors import OutputError, printable, refuse_warnings
from negprep.stores import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from negprep.reports.inspection import Forecast, Inspection
    from negprep.reports.log_facts import Degrees, LogFacts


_EIGHTHS = " ▏▎▍▌▋▊▉"
_FEWEST_CELLS = 8


def bar_chart(bars: Sequence[tuple[str, int]], *, width: int, blocks: bool) -> list[str]:
    """A line for each bar: its label, its number, and the bar; the longest ends at the width."""
    labels = max((len(label) for label, _ in bars), default=0)
    numbers = max((len(f"{number:,}") for _, number in bars), default=0)
    cells = max(_FEWEST_CELLS, width - labels - numbers - 6)
    most = max((number for _, number in bars), default=0)
    return [
        f"  {label:>{labels}}  {number:>{numbers},}  {_bar(number, most, cells, blocks)}".rstrip()
        for label, number in bars
    ]


def _bar(number: int, most: int, cells: int, blocks: bool) -> str:
    """A bar in proportion; any number above 0 is visible."""
    if not number:
        return ""
    if not blocks:
        return "#" * max(1, round(cells * number / most))
    full, eighths = divmod(max(1, round(8 * cells * number / most)), 8)
    return "█" * full + _EIGHTHS[eighths].strip()


class Style(NamedTuple):
    """The columns of a line, and whether block characters and colours may be used."""

    width: int
    blocks: bool
    colours: bool


def inspection_text(found: Inspection, source: str, style: Style) -> str:
    """All of an inspection in lines."""
    log = found.log
    lines = [printable(f"negprep inspect: {without_secrets(source)}")]
    if found.warnings:
        warnings = [f"  warning: {printable(warning)}" for warning in found.warnings]
        lines += ["", *(_coloured(line, "yellow", style) for line in warnings), ""]
    lines += [printable(line) for line in aligned(list(_facts(log)))]
    for title, bars in _charts(log):
        lines += ["", printable(title)]
        shown = [(printable(label), number) for label, number in bars]
        drawn = bar_chart(shown, width=style.width, blocks=style.blocks)
        lines += [_coloured(line, "cyan", style) for line in drawn]
    lines += ["", "would write (rows exact, sizes rough)"]
    lines += [printable(_forecast(each)) for each in (found.train, found.test)]
    return "\n".join(lines)


def _coloured(line: str, colour: str, style: Style) -> str:
    return click.style(line, fg=colour) if style.colours else line


def _facts(log: LogFacts) -> Iterator[Fact]:
    taken = (role if role == header else f"{role} from {header}" for role, header in log.columns.items())
    yield Fact("columns", None, ", ".join(taken))
    yield Fact("rows", log.rows)
    if log.rows_filtered or log.files_skipped:
        more = f"; {log.files_skipped:,} files were not opened" if log.files_skipped else ""
        yield Fact("filtered", log.rows_filtered, f"--where left them out{more}")
    if dropped := log.rows_read - log.rows_filtered - log.rows:
        yield Fact("dropped", dropped, ", ".join(f"{reason}: {count:,}" for reason, count in log.rows_dropped.items()))
    yield Fact("users", log.users, f"{log.user_degrees.one:,} with one item, {log.nearly_all_users:,} with nearly all")
    yield Fact("items", log.items, f"{log.item_degrees.one:,} with one user")
    yield Fact("pairs", log.pairs, f"{log.density:.2%} of all users and items")
    yield Fact("duplicates", log.duplicates, "rows that repeat a pair")
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
    noun = "holdouts" if forecast.command == "test" and forecast.per == "positive" else f"{forecast.per}s"
    epochs = f" in {forecast.epochs:,} epochs" if forecast.epochs > 1 else ""
    form = "" if forecast.to == "parquet" else f" as {forecast.to}"
    return (
        f"  {forecast.command:5}  {forecast.rows:,} rows from {forecast.groups:,} {noun}{epochs}, "
        f"about {_size(forecast.bytes)}{form}"
    )


def _size(n_bytes: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= size:
            return f"{n_bytes / size:,g} {unit}"
    return f"{n_bytes} bytes"


_WIDTH_OF_A_FILE, _MOST_WIDTH = 80, 120


@click.command(name="inspect", cls=SectionCommand, short_help="Summarise a log and preview a run.")
@arguments("INPUT")
@declared("inspect")
def command(**given: Any) -> None:  # noqa: ANN401
    """Summarise a log, preview `train` and `test`, and warn of what looks wrong.

    INPUT is a CSV, TSV, JSON lines, Parquet or Arrow file (or gz, zst, bz2), a folder, a quoted glob, or - for
    standard input. Nothing is written but the report, to standard output.

    \b
      negprep inspect log.csv
      negprep inspect log.csv --positive '>=4' --num-neg 8

    With the options of `train` and `test`, it previews those runs: the rows exactly, the size roughly. Options that
    `test` does not have apply to `train` alone. A run that would be refused is shown with the reason.

    Memory: as for a run. Time: three reads of the log, and one more each for a value and an event column.
    """  # noqa: D301
    refuse_inputs(given)
    if sys.stdout is None:
        raise OutputError("standard output is closed", remedy="redirect it (> report.txt)")
    load_libraries()
    from negprep.options.config import FileOptions
    from negprep.reports.inspection import inspect_log

    source, strict = given.pop("source"), given.pop("strict")
    with progress_bars(shown=shows_bars(given)) as progress:
        signals.expect_traces()
        files = click.get_current_context().meta.get(FILES, FileOptions())
        of_rows = files.of_rows_but(explicit(with_files=False))
        found = inspect_log(source, {**given, "given": explicit()}, progress, of_rows=of_rows)
    if given["as_json"]:
        click.echo(json.dumps(found.as_dict(), indent=2, allow_nan=False))
    else:
        encoding = sys.stdout.encoding or "ascii"
        text = inspection_text(found, source, _style(encoding))
        click.echo(text.encode(encoding, "backslashreplace").decode(encoding))
    if strict:
        refuse_warnings(found.warnings)


def _style(encoding: str) -> Style:
    """As wide as the terminal, in colours unless they are not wanted; for a file without colours."""
    person = is_terminal(sys.stdout)
    width = min(_MOST_WIDTH, shutil.get_terminal_size().columns) if person else _WIDTH_OF_A_FILE
    colours = person and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    try:
        "█▏".encode(encoding)
    except UnicodeEncodeError:
        return Style(width, blocks=False, colours=colours)
    return Style(width, blocks=True, colours=colours)
