"""What separates the fields of a text, by what is alike in its first lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from contextlib import closing
from itertools import islice

from negprep.reading.blocks import filled_lines
from negprep.reading.lines import records
from negprep.reading.sources import Source

DELIMITERS = ("::", "\t", ",", ";", "|")

_SEEN = 20
_NAMED = re.compile(r'"?sep=(.|\\t)"?\s*', re.IGNORECASE)
_CERTAIN = ("::", "\t")


def first_lines(source: Source) -> list[str]:
    """The first lines that hold more than spaces, at most 20, without their ends."""
    with closing(filled_lines(source, 0)) as lines:
        return [line.rstrip("\r\n") for _, line in islice(lines, _SEEN)]


def named_delimiter(line: str) -> str | None:
    """The delimiter that a line ``sep=;``, as Excel writes and reads it, names."""
    found = _NAMED.fullmatch(line)
    return None if found is None else "\t" if found[1] == "\\t" else found[1]


def likely_delimiter(lines: Sequence[str], quote: str = '"') -> str | None:
    """The delimiter that all lines have equally often, else the one that the first has most often.

    Text holds commas, semicolons and bars here and there, so that a tab or ``::`` comes first where each line has as
    many. A space where nothing else separates; None where nothing does.
    """
    first = _unquoted(lines[0], quote)
    there = [delimiter for delimiter in DELIMITERS if delimiter in first]
    even = [delimiter for delimiter in there if _is_even(lines, delimiter, quote)]
    certain = [delimiter for delimiter in even if delimiter in _CERTAIN and len(lines) > 1]
    if certain or there:
        return (certain or [max(even or there, key=first.count)])[0]
    return " " if " " in first.strip() else None


def is_aligned(lines: Sequence[str], fields: int | None) -> bool:
    """Whether runs of spaces separate as many fields in most lines, and single spaces do not.

    Parameters
    ----------
    lines : sequence of str
    fields : int or None
        How many fields there must be, where it is known.
    """
    if any('"' in line or any(delimiter in line for delimiter in DELIMITERS[:2]) for line in lines):
        return False
    counts = [len(line.split()) for line in lines]
    singly = lines[0].count(" ") + 1
    wanted = counts[0] if fields is None else fields
    return wanted > 1 and counts[0] == wanted != singly and counts.count(wanted) * 2 > len(lines)


def _is_even(lines: Sequence[str], delimiter: str, quote: str) -> bool:
    """Whether all lines have as many, with or without the quotes that they hold."""
    if len({_unquoted(line, quote).count(delimiter) for line in lines}) == 1:
        return True
    try:
        rows = [row for row in records(lines, delimiter, None if quote == "none" else quote) if row]
    except csv.Error:
        return False
    # The last row may run on after the last line seen.
    return len({len(row) for row in (rows[:-1] if len(lines) == _SEEN else rows)}) == 1


def _unquoted(line: str, quote: str) -> str:
    mark = re.escape(quote)
    return line if quote == "none" else re.sub(f"{mark}[^{mark}]*{mark}", "", line)
