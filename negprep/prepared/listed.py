"""Files with a user's items in a line: NCF's ``.negative``, LightGCN's lists, and lines of plain ids.

Sources of the formats: ``Dataset.load_negative_file`` of https://github.com/hexiangnan/neural_collaborative_filtering;
``Loader`` of https://github.com/gusye1234/LightGCN-PyTorch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

import numpy as np
import pyarrow as pa

from negprep.arrow import from_numpy, strings
from negprep.errors import BadDataError
from negprep.prepared.spelled import words_of
from negprep.reading.lines import physical_lines
from negprep.reading.pieces import Piece
from negprep.reading.sources import Source

Form = Literal["negatives", "candidates", "items"]
"""``(user,item)`` and negatives; a user, a positive and negatives; or a user and positives."""

_PAIR = r"\(\s*([^(),\s]+)\s*,\s*([^(),\s]+)\s*\)"
_HEAD = re.compile(_PAIR)
_FIRST = re.compile(_PAIR + r"\s*(?:[\t,;| ]|$)")
_LISTS: dict[str, Form] = {
    "train.txt": "items",
    "valid.txt": "items",
    "test.txt": "items",
    "candidates.txt": "candidates",
}
_EMPTY: dict[str, Form] = {".negative": "negatives", ".rating": "items"}
_OF_NEGATIVES = re.compile(r"\.negative(\.(gz|zst|bz2))?$")
_HEADER = {
    "user",
    "item",
    "uid",
    "iid",
    "user_id",
    "item_id",
    "userid",
    "itemid",
    "pos_item",
    "neg_item",
    "neg_items",
    "label",
}
_NUMBERS = r"[-0-9\s,;|\[\](){}'\"]+"
_MANY = 10
_ROWS = 1 << 18


@dataclass(frozen=True)
class Lines:
    """How the lines of a file are written.

    Attributes
    ----------
    form : Form
    between : str or None
        What stands between ids; None for any space. Behind ``(user,item)`` it is a tab, or lists are read as
        ``split_lists`` reads texts.
    """

    form: Form
    between: str | None


def lines_of(source: Source, *, said: bool) -> Lines | None:
    """How the lines of a text file are written; None for another one.

    ``(user,item)`` tells NCF's. LightGCN's is known by its name and its first line, which has no other separator than
    spaces. Plain ids, a user, a positive and negatives, are known by the name ``.negative``; or by whole numbers alone,
    at least ten, or fewer where the name says ``neg``. With ``said``, a run is known to have written the file, which
    may have had nothing to write: then the name tells.
    """
    name = PurePath(source.name).name
    with source.open() as stream:
        head = stream.read(4096)
    if said and not head:
        form = _EMPTY.get(PurePath(name).suffix, _LISTS.get(name))
        return None if form is None else Lines(form, "\t" if form == "negatives" else None)
    lines = re.split(r"[\r\n]", head.decode("utf-8-sig", "replace").lstrip(), maxsplit=1)
    first = lines[0] if len(lines) > 1 or len(head) < 4096 else lines[0][: -len(lines[0].split()[-1])]  # cut short
    if _FIRST.match(first):
        return Lines("negatives", "\t")
    form = _LISTS.get(name)
    if form is not None:
        return Lines(form, None) if re.fullmatch(r"[^\s,;|]+( [^\s,;|]+)* ?", first) else None
    between = next((each for each in "\t,;|" if each in first), None)
    words = [word.strip() for word in first.split(between) if word.strip()]
    if len(words) < 2 or any(word.lower() in _HEADER for word in words):
        return None
    numbers = all(re.fullmatch(r"-?[0-9]+" if at < 2 else _NUMBERS, word) for at, word in enumerate(words))
    if _OF_NEGATIVES.search(name) or (numbers and (len(words) >= _MANY or ("neg" in name.lower() and len(words) > 2))):
        return Lines("candidates", between)
    return None


def is_gcn_list(name: str) -> bool:
    """Whether a file is called like one of LightGCN's, or like the candidates that negprep writes beside them."""
    return PurePath(name).name in _LISTS


def pieces_of(source: Source, written: Lines) -> Iterator[Piece]:
    """The lines, as pieces: ``user``, ``pos_item`` and ``neg_items``, or ``user`` and ``item``.

    Raises
    ------
    BadDataError
        A line that is of another form, at its number.
    """
    users: list[str] = []
    positives: list[str] = []
    items: list[str] = []
    ends, numbers, form = [0], [], written.form
    for number, line in enumerate(physical_lines(source.open(), source.name), 1):
        text = line.removeprefix("\ufeff") if number == 1 else line
        if not text.strip():
            continue
        head = _head(text, written)
        if head is None or any("\udc80" <= letter <= "\udcff" for letter in text):
            wanted = "(user,item) and item ids" if form == "negatives" else "ids of a user and of items"
            between = {"\t": "tabs", None: "spaces"}.get(written.between, repr(written.between))
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


def _head(line: str, written: Lines) -> tuple[str, str, list[str]] | None:
    """A user, a positive (or nothing) and the items of a line; None for a line of another form."""
    if written.form == "negatives":
        text = line.strip()
        found = _HEAD.match(text)
        items = None if found is None else _rest(text[found.end() :])
        return None if found is None or items is None else (found[1], found[2], items)
    if written.form == "items":
        words = line.split()
        return words[0], "", words[1:]
    words = [word.strip() for word in line.strip().split(written.between, 2)]
    if len(words) < 2 or not all(words[:2]):
        return None
    if len(words) < 3:
        return words[0], words[1], []
    if written.between is not None and written.between not in words[2]:
        items = words_of(words[2])
    else:
        items = [word.strip() for word in words[2].split(written.between)]
        items = items if all(items) else None
    return None if items is None else (words[0], words[1], items)


def _rest(text: str) -> list[str] | None:
    """The items behind ``(user,item)``: with tabs between, or a list that is written in another way."""
    if not text.strip():
        return []
    if text[0] not in "\t,;| ":
        return None
    if text.lstrip(" ").startswith("\t"):
        items = [item.strip() for item in text.split("\t") if item.strip()]
        return items if len(items) > 1 else words_of(text.strip())
    return words_of(text.strip().removeprefix(text.strip()[0]) if text.strip()[0] in ",;|" else text.strip())


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
