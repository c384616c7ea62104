"""NCF's ``.test.negative``: a line for each holdout, ``(user,item)`` and its negatives, with tabs between.

Source of the format: ``Dataset.load_negative_file`` of https://github.com/hexiangnan/neural_collaborative_filtering.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from negprep.arrow import from_numpy, strings
from negprep.errors import BadDataError
from negprep.reading.lines import physical_lines
from negprep.reading.pieces import Piece
from negprep.reading.sources import Source

_HEAD = re.compile(r"\(\s*([^(),\s]+)\s*,\s*([^(),\s]+)\s*\)")
_LINES = 4096


def is_negatives(source: Source) -> bool:
    """Whether the first line of a text source begins like ``(user,item)`` and a tab."""
    with source.open() as stream:
        first = stream.read(512)
    return re.match(rb"\s*\([^(),\t]+,[^(),\t]+\)[ ]*[\t\r\n]", first) is not None


def negative_lists(source: Source) -> Iterator[Piece]:
    """The lines, as pieces with the columns ``user``, ``pos_item`` and ``neg_items``.

    Raises
    ------
    BadDataError
        A line that is of another form, at its number.
    """
    users: list[str] = []
    positives: list[str] = []
    negatives: list[str] = []
    ends, numbers = [0], []
    for number, line in enumerate(physical_lines(source.open(), source.name), 1):
        if not line.strip():
            continue
        head, *items = line.rstrip("\r\n").split("\t")
        found = _HEAD.fullmatch(head.strip())
        items = [item.strip() for item in items if item.strip()]
        if found is None or any("\udc80" <= letter <= "\udcff" for letter in line):
            raise BadDataError(
                "the line is not (user,item) and item ids in UTF-8, with tabs between",
                place=f"{source.name}:{number}",
                remedy="NCF writes (0,25)<tab>1064<tab>174 and so on",
            )
        users.append(found[1])
        positives.append(found[2])
        negatives += items
        ends.append(len(negatives))
        numbers.append(number)
        if len(users) == _LINES:
            yield _piece(users, positives, negatives, ends, source.name, numbers)
            users, positives, negatives, ends, numbers = [], [], [], [0], []
    if users:
        yield _piece(users, positives, negatives, ends, source.name, numbers)


def _piece(
    users: list[str], positives: list[str], negatives: list[str], ends: list[int], name: str, lines: list[int]
) -> Piece:
    lists = pa.LargeListArray.from_arrays(from_numpy(np.array(ends)), strings(negatives))
    columns = {"user": strings(users), "pos_item": strings(positives), "neg_items": lists}
    place: Callable[[int], str] = lambda row: f"{name}:{lines[row]}"  # noqa: E731
    return Piece(columns, place, {})
