"""Rows from lists of items: of users, of impressions, and in a column of what was shown beside an item."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Counts, Mask
from negprep.arrow import as_numpy, from_numpy, mask_as_numpy, pc, text_bytes
from negprep.errors import BadDataError
from negprep.read.lines import line_blocks, place_of
from negprep.read.sources import Piece, Source

MIND_TIMES = "%m/%d/%Y %I:%M:%S %p"
"""How MIND writes times."""

IMPRESSION_LINE = re.compile(r"[^\t]+\t[^\t]+\t\d+/\d+/\d{4} [^\t]+\t[^\t]*\t\s*\S+-[01]( +\S+-[01])*\s*")
"""The form of a line of MIND's impressions."""


@dataclass(frozen=True)
class ListsInput:
    """One file of lists, ready to be read from ``start``, its first line, on; ``warnings`` grow while it is read."""

    source: Source
    start: int
    warnings: list[str] = field(default_factory=list)
    names = ("user", "item")

    def pieces(self, columns: dict[str, str]) -> Iterator[Callable[[], Piece]]:
        """The rows, one for each item of a user, as functions that parse a block each and may run in any thread."""
        self.warnings.clear()
        for offset, block in line_blocks(self.source, self.start, self.warnings):
            yield partial(self._piece, columns, offset, block)

    def _piece(self, columns: dict[str, str], offset: int, block: bytes) -> Piece:
        texts = pc.ascii_trim_whitespace(_lines_of(block))
        words = pc.ascii_split_whitespace(texts)
        filled = as_numpy(pc.binary_length(texts)) > 0
        offsets, flat = as_numpy(words.offsets), words.values
        firsts = offsets[:-1][filled]
        counts = np.diff(offsets)[filled] - 1
        is_item = np.zeros(len(flat), bool)
        is_item[int(firsts[0]) if len(firsts) else 0 :] = True
        is_item[firsts] = False
        is_item[offsets[:-1][~filled]] = False
        made = {
            "user": flat.take(from_numpy(np.repeat(firsts, counts))),
            "item": flat.take(from_numpy(np.flatnonzero(is_item).astype(np.int32))),
        }
        arrays = {role: made[name] for role, name in columns.items()}
        return Piece(arrays, partial(self._place, offset, np.cumsum(counts)))

    def _place(self, offset: int, ends: Counts, row: int) -> str:
        return place_of(self.source, offset, int(np.searchsorted(ends, row, side="right")))


@dataclass(frozen=True)
class ImpressionsInput:
    """One file of impressions as MIND has them, ready to be read from ``start``, its first line, on.

    A line has the impression, the user, the time, the clicks before (which have no times, and are left out), and the
    items that were shown: ``N1-1 N2-0``, 1 where it was clicked. ``warnings`` grow while it is read.
    """

    source: Source
    start: int
    warnings: list[str] = field(default_factory=list)
    names = ("user", "item", "time", "click", "impression")

    def pieces(self, columns: dict[str, str]) -> Iterator[Callable[[], Piece]]:
        """The rows, one for each item shown, as functions that parse some lines each and may run in any thread."""
        self.warnings.clear()
        for offset, block in line_blocks(self.source, self.start, self.warnings):
            begin = 0
            while begin < len(block):
                end = block.find(b"\n", begin + _LINES_BYTES) + 1 or len(block)
                yield partial(self._piece, columns, offset + begin, block[begin:end])
                begin = end

    def _piece(self, columns: dict[str, str], offset: int, block: bytes) -> Piece:
        lines = _lines_of(block)
        filled = as_numpy(pc.binary_length(pc.ascii_trim_whitespace(lines))) > 0
        lines = lines.take(from_numpy(np.flatnonzero(filled)))
        fields = pc.split_pattern(lines, "\t")
        n_fields = np.diff(as_numpy(fields.offsets))
        odd = np.flatnonzero(n_fields != len(_MIND_FIELDS))
        if odd.size:
            what = f"{n_fields[odd[0]]} fields between tabs, where --from mind has {', '.join(_MIND_FIELDS)}"
            place, remedy = place_of(self.source, offset, int(odd[0])), "leave --from out, or repair the line"
            raise BadDataError(what, place=place, remedy=remedy)

        def field_of(name: str) -> pa.Array:
            places = np.arange(len(lines), dtype=np.int32) * len(_MIND_FIELDS) + _MIND_FIELDS.index(name)
            return pc.ascii_trim_whitespace(fields.values.take(from_numpy(places.astype(np.int32))))

        texts = field_of("items")
        words = pc.ascii_split_whitespace(texts)
        filled = as_numpy(pc.binary_length(texts)) > 0
        firsts, counts = as_numpy(words.offsets)[:-1], np.where(filled, np.diff(as_numpy(words.offsets)), 0)
        is_item = np.ones(len(words.values), bool)
        is_item[firsts[~filled]] = False
        shown, ends = words.values.take(from_numpy(np.flatnonzero(is_item))), np.cumsum(counts)
        clicks = self._clicks(shown, offset, ends)
        rows = from_numpy(np.repeat(np.arange(len(lines), dtype=np.int32), counts))

        def of_lines(name: str) -> pa.Array:
            values = field_of(name).dictionary_encode()
            return pa.DictionaryArray.from_arrays(values.indices.take(rows), values.dictionary)

        made = {
            "item": lambda: pc.binary_slice(shown.view(pa.binary()), 0, -2).view(pa.string()),
            "click": lambda: from_numpy(clicks),
        }
        arrays = {role: made[name]() if name in made else of_lines(name) for role, name in columns.items()}
        return Piece(arrays, partial(self._place, offset, ends))

    def _clicks(self, shown: pa.Array, offset: int, ends: Counts) -> npt.NDArray[np.int8]:
        """The label of each item shown."""
        offsets, data = text_bytes(shown)
        lasts = offsets[1:].astype(np.int64) - offsets[0] - 1
        long = np.diff(offsets) > 2
        lasts = np.where(long, lasts, 1 if len(data) > 1 else 0)
        labels = data[lasts] if len(data) else np.empty(0, np.uint8)
        wrong = ~long | (data[lasts - 1] != ord("-")) | ((labels != ord("0")) & (labels != ord("1")))
        if wrong.any():
            row = int(wrong.argmax())
            what = f"the item {shown[row].as_py()!r} has no label, -1 (clicked) or -0"
            remedy = "MIND's test part has none: read the others"
            raise BadDataError(what, place=self._place(offset, ends, row), remedy=remedy)
        clicks: npt.NDArray[np.int8] = (labels == ord("1")).astype(np.int8)
        return clicks

    def _place(self, offset: int, ends: Counts, row: int) -> str:
        return place_of(self.source, offset, int(np.searchsorted(ends, row, side="right")))


_LINES_BYTES = 1 << 20
"""Of lines that are parsed at a time, which become a row for every nine bytes or so."""

_MIND_FIELDS = ("impression", "user", "time", "history", "items")


def _lines_of(block: bytes) -> pa.Array:
    """The lines of a block as strings, UTF-8 or not: what is made of them finds out."""
    lines = block.splitlines()
    starts = np.cumsum([0, *map(len, lines)], dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(lines), [None, pa.py_buffer(starts), pa.py_buffer(b"".join(lines))])


CLICK = "click"
"""The column that tells the items taken from those that were shown beside them."""

TAKEN, LISTED = "taken item", "shown items"
"""The roles of the columns of lists of what was shown, and of the item taken of each."""

_BRACKETS, _BETWEEN = r"""[\[\](){}'"]""", r"[\s,;|]+"
_MOST_SHOWN = 1 << 18
"""Rows that are made of lists at a time."""


@dataclass(frozen=True)
class ShownLists:
    """What becomes of rows with a list of what was shown beside their item; ``item`` and ``shown`` name the columns.

    A row becomes one with its item, if it has one, whose ``CLICK`` is 1, and one for each other item of its list.
    """

    item: str
    shown: str

    def asked(self, columns: dict[str, str]) -> dict[str, str]:
        """The columns to read for some that are asked for, by role."""
        return {role: name for role, name in columns.items() if name != CLICK} | {TAKEN: self.item, LISTED: self.shown}

    def pieces(self, tasks: Iterable[Callable[[], Piece]], columns: dict[str, str]) -> Iterator[Callable[[], Piece]]:
        """The rows that pieces become, as functions that make some each and may run in any thread."""
        for task in tasks:
            piece = task()
            lists = _plain(piece.columns[LISTED])
            sizes = np.ones(len(lists), np.int64)
            if pa.types.is_string(lists.type):
                sizes += as_numpy(pc.binary_length(lists).fill_null(0)) // 2
            elif not pa.types.is_null(lists.type):
                sizes += as_numpy(self._lengths(lists, piece)).astype(np.int64)
            parts = (np.cumsum(sizes) - sizes) // _MOST_SHOWN
            bounds = [0, *(np.flatnonzero(np.diff(parts)) + 1).tolist(), len(lists)]
            for begin, end in pairwise(bounds):
                yield partial(self._exploded, piece, columns, begin, end)

    def _lengths(self, lists: pa.Array, piece: Piece) -> pa.Array:
        try:
            return pc.list_value_length(lists).fill_null(0)
        except pa.ArrowNotImplementedError:
            what = f"the column {self.shown!r} has the type {lists.type}, and holds no lists"
            raise BadDataError(what, place=piece.place(0), remedy="name another with --shown-col") from None

    def _exploded(self, piece: Piece, columns: dict[str, str], begin: int, end: int) -> Piece:
        lists = _plain(piece.columns[LISTED])[begin:end]
        if pa.types.is_null(lists.type):
            lists = lists.cast(pa.string())
        if pa.types.is_string(lists.type):
            cleaned = pc.replace_substring_regex(lists.fill_null(""), _BRACKETS, " ")
            lists = pc.split_pattern_regex(cleaned, _BETWEEN)
        shown = _plain(lists.flatten())
        rows = np.repeat(np.arange(begin, end), as_numpy(self._lengths(lists, piece)))
        there = _is_there(shown)
        shown, rows = shown.take(from_numpy(np.flatnonzero(there))), rows[there]
        taken = _plain(piece.columns[TAKEN])[begin:end]
        with_item = np.flatnonzero(_is_there(taken))
        items = taken.take(from_numpy(with_item))
        items, shown = _of_one_type(items, shown)
        if len(items):
            places = np.searchsorted(with_item, rows - begin)
            same = items.take(from_numpy(np.minimum(places, len(items) - 1)))
            others = mask_as_numpy(pc.not_equal(shown, same))
            others |= with_item[np.minimum(places, len(items) - 1)] != rows - begin
            shown, rows = shown.take(from_numpy(np.flatnonzero(others))), rows[others]
        items, rows = pa.concat_arrays([items, shown]), np.append(with_item + begin, rows)
        clicks = (np.arange(len(rows)) < len(with_item)).astype(np.int8)
        made = {self.item: items, CLICK: from_numpy(clicks)}
        arrays = {
            role: made[name] if name in made else piece.columns[role].take(from_numpy(rows))
            for role, name in columns.items()
        }
        return replace(piece, columns=arrays, place=lambda row: piece.place(int(rows[row])))


def _plain(values: pa.Array) -> pa.Array:
    """Values spelled out, text and bytes as strings."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    is_text = pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type)
    is_text = is_text or pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type)
    return values.cast(pa.string()) if is_text else values


def _is_there(values: pa.Array) -> Mask:
    """Which are neither null, nor NaN, nor empty."""
    there: Mask = mask_as_numpy(values.is_valid()).copy()
    if pa.types.is_string(values.type):
        there &= as_numpy(pc.binary_length(values).fill_null(0)) > 0
    if pa.types.is_floating(values.type):
        there &= ~np.isnan(as_numpy(values.cast(pa.float64()).fill_null(np.nan)))
    return there


def _of_one_type(items: pa.Array, shown: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Items taken, and items shown, none of them missing: of the type of those shown, or as text."""
    if items.type == shown.type:
        return items, shown
    try:
        return items.cast(shown.type), shown
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return items.cast(pa.string()), shown.cast(pa.string())
