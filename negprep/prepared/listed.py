"""Files with a user's items in a line: NCF's ``.negative`` and LightGCN's lists.

Sources of the formats: ``Dataset.load_negative_file`` of https://github.com/hexiangnan/neural_collaborative_filtering;
``Loader`` of https://github.com/gusye1234/LightGCN-PyTorch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Literal

import numpy as np
import pyarrow as pa

from negprep.arrow import from_numpy, strings
from negprep.errors import BadDataError
from negprep.reading.lines import physical_lines
from negprep.reading.pieces import Piece
from negprep.reading.sources import Source

Form = Literal["negatives", "candidates", "items"]
"""``(user,item)`` and negatives, with tabs; a user, a positive and negatives, or a user and positives, with spaces."""

_HEAD = re.compile(r"\(\s*([^(),\s]+)\s*,\s*([^(),\s]+)\s*\)")
_LISTS = {"train.txt": "items", "valid.txt": "items", "test.txt": "items", "candidates.txt": "candidates"}
_EMPTY = {".negative": "negatives", ".rating": "items"}
_ROWS = 1 << 18


def form_of(source: Source, *, said: bool) -> Form | None:
    """The form of a text file; None for another one.

    NCF's is known by its first line, LightGCN's by its name and its first line, which has no other separator than
    spaces. With ``said``, a run is known to have written the file, which may have had nothing to write: then the name
    tells.
    """
    with source.open() as stream:
        head = stream.read(4096)
        if said and not head:
            return _EMPTY.get(PurePath(source.name).suffix, _LISTS.get(PurePath(source.name).name))  # type: ignore[return-value]
        first = re.split(rb"[\r\n]", head.lstrip(), maxsplit=1)[0]
    if re.match(rb"\([^(),\t]+,[^(),\t]+\)[ ]*(\t|$)", first):
        return "negatives"
    form = _LISTS.get(PurePath(source.name).name)
    return form if form and re.fullmatch(rb"[^\s,;|]+( [^\s,;|]+)* ?", first) else None  # type: ignore[return-value]


def pieces_of(source: Source, form: Form) -> Iterator[Piece]:
    """The lines, as pieces: ``user``, ``pos_item`` and ``neg_items``, or ``user`` and ``item``.

    Raises
    ------
    BadDataError
        A line that is of another form, at its number.
    """
    users: list[str] = []
    positives: list[str] = []
    items: list[str] = []
    ends, numbers = [0], []
    for number, line in enumerate(physical_lines(source.open(), source.name), 1):
        if not line.strip():
            continue
        head = _head(line, form)
        if head is None or any("\udc80" <= letter <= "\udcff" for letter in line):
            wanted = "(user,item) and item ids" if form == "negatives" else "ids of a user and of items"
            between = "tabs" if form == "negatives" else "spaces"
            raise BadDataError(
                f"the line is not {wanted} in UTF-8, with {between} between",
                place=f"{source.name}:{number}",
                remedy="is it the right file?",
            )
        users.append(head[0])
        positives.append(head[1])
        items += head[2]
        ends.append(len(items))
        numbers.append(number)
        if len(items) >= _ROWS:
            yield _piece(users, positives, items, ends, form, source.name, numbers)
            users, positives, items, ends, numbers = [], [], [], [0], []
    if users:
        yield _piece(users, positives, items, ends, form, source.name, numbers)


def _head(line: str, form: Form) -> tuple[str, str, list[str]] | None:
    """A user, a positive (or nothing) and the items of a line; None for a line of another form."""
    if form == "negatives":
        head, *items = line.rstrip("\r\n").split("\t")
        found = _HEAD.fullmatch(head.strip())
        return None if found is None else (found[1], found[2], [item.strip() for item in items if item.strip()])
    words = line.split()
    if form == "candidates":
        return (words[0], words[1], words[2:]) if len(words) > 1 else None
    return words[0], "", words[1:]


def _piece(
    users: list[str], positives: list[str], items: list[str], ends: list[int], form: Form, name: str, lines: list[int]
) -> Piece:
    bounds = np.array(ends)
    place: Callable[[int], str] = lambda row: f"{name}:{lines[row]}"  # noqa: E731
    if form == "items":
        of_rows = np.repeat(np.arange(len(users)), np.diff(bounds))
        column = strings(users).take(from_numpy(of_rows))
        return Piece({"user": column, "item": strings(items)}, lambda row: place(int(of_rows[row])), {})
    lists = pa.LargeListArray.from_arrays(from_numpy(bounds), strings(items))
    return Piece({"user": strings(users), "pos_item": strings(positives), "neg_items": lists}, place, {})
