"""How a text file is written: its delimiter, its header, and where its rows start."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from negprep.errors import BadDataError, UsageError, printable
from negprep.options import ReadOptions
from negprep.reading.columns import ROLES, find_roles, refuse_duplicates
from negprep.reading.delimiter import first_lines, likely_delimiter, named_delimiter
from negprep.reading.foreign import READABLE
from negprep.reading.lines import physical_lines, records, undecodable
from negprep.reading.sources import Source

_SPELLED = {"\t": "a tab", " ": "a space"}
_MARKUP = {"{": "JSON", "[": "JSON", "<": "HTML or XML"}
_EXAMPLE = ("user", "item", "value", "time")


@dataclass(frozen=True)
class Dialect:
    """The form of one text file.

    Attributes
    ----------
    delimiter : str
        One ASCII character, or ``::``.
    names : tuple of str
        The columns, in order.
    header : bool
        Whether the names stand in the file.
    start : int
        The offset of the first byte after a byte order mark and the header, in the decompressed text.
    """

    delimiter: str
    names: tuple[str, ...]
    header: bool
    start: int


def read_dialect(source: Source, options: ReadOptions) -> Dialect:
    """The dialect of a text source, from its first lines.

    Raises
    ------
    BadDataError
        The file is empty, not UTF-8, has no header, or names two columns alike.
    UsageError
        ``--delimiter`` or ``--columns`` does not fit the file.
    """
    mark = byte_order_mark(source)
    consumed: list[str] = []

    def lines() -> Iterator[str]:
        for line in physical_lines(source.open(), source.name):
            consumed.append(line)
            yield line if len(consumed) > 1 else line.removeprefix("\ufeff")

    reading = lines()
    first = next((line for line in reading if line.strip("\r\n")), None)
    if first is None:
        raise BadDataError("the file is empty", place=source.name)
    seen = first_lines(source)
    named = named_delimiter(first)
    if named is not None:
        mark = len("".join(consumed).encode("utf-8", "surrogateescape"))
        first, seen = next((line for line in reading if line.strip("\r\n")), None), seen[1:]
        if first is None:
            raise BadDataError("no line after the one that names the delimiter", place=source.name)
    place = f"{source.name}:{len(consumed)}"
    problem = undecodable(first, place)
    if problem is not None:
        raise problem
    delimiter = _delimiter(seen or [first], options.delimiter or named, place)
    if options.columns is None:
        _refuse_markup(first, delimiter, options, place)
    names = tuple(_first_record(chain((first,), reading), delimiter, place))
    if options.columns is not None:
        _check_columns(options.columns, names, place)
        return Dialect(delimiter, options.columns, header=False, start=mark)
    if all(map(_is_number, names)):
        listed = ",".join((_EXAMPLE + tuple(f"other{n}" for n in range(1, len(names))))[: len(names)])
        what = f"there is no header: the first line is {_shown(first)}"
        raise BadDataError(what, place=place, remedy=f"add a header, or name the columns of INPUT: --columns {listed}")
    refuse_duplicates(names, place)
    if any("\ufeff" in name for name in names):
        what = "the header holds a byte order mark (U+FEFF)"
        raise BadDataError(what, place=place, remedy="only the file may start with one, once; remove it")
    size = len("".join(consumed).encode("utf-8", "surrogateescape"))
    return Dialect(delimiter, names, header=True, start=size)


def byte_order_mark(source: Source) -> int:
    """The size of a UTF-8 mark at the start; UTF-16, UTF-32 and what is no text are refused."""
    with source.open() as stream:
        head = stream.read(4096)
    zeros, half = sorted((head[::2].count(0), head[1::2].count(0))), len(head) // 2
    wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE))
    if wide or (half and zeros[0] == 0 and zeros[1] > 0.4 * half):
        name = "UTF-32" if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)) else "UTF-16"
        raise BadDataError(
            f"the text is {name}", place=f"{source.name}:1", remedy=f"convert it: iconv -f {name} -t UTF-8"
        )
    first = re.split(rb"[\r\n]", head.lstrip(b"\r\n"), maxsplit=1)[0]
    if 0 in first or (0 in head and undecodable(first.decode("utf-8", "surrogateescape"), source.name)):
        raise BadDataError("this is neither text nor Parquet", place=source.name, remedy=READABLE)
    return len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0


def _refuse_markup(line: str, delimiter: str, options: ReadOptions, place: str) -> None:
    """Raise ``BadDataError`` if the first line starts like JSON or HTML and names no column that is known."""
    kind = _MARKUP.get(line.lstrip()[:1])
    if kind is None:
        return
    names = line.strip("\r\n").split(delimiter)
    asked = {getattr(options, f"{role}_col") for role in ROLES}
    if asked.isdisjoint(names) and not find_roles(names, ReadOptions(), place).found:
        raise BadDataError(f"this looks like {kind}, not CSV", place=place, remedy=READABLE)


def _delimiter(lines: list[str], asked: str | None, place: str) -> str:
    if asked is None:
        return likely_delimiter(lines) or ","
    delimiter = "\t" if asked == "\\t" else asked
    if delimiter != "::" and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0'):
        raise UsageError(f"--delimiter {asked!r} is neither one ASCII character nor ::")
    likely = likely_delimiter(lines)
    if likely is not None and delimiter not in lines[0]:
        what = f"only one column with {_quoted(delimiter)}; the first line looks separated by {_quoted(likely)}"
        raise UsageError(what, place=place, remedy="leave --delimiter out, or correct it")
    return delimiter


def _first_record(lines: Iterable[str], delimiter: str, place: str) -> list[str]:
    try:
        return next(records(lines, delimiter))
    except csv.Error as error:
        raise BadDataError(
            f"the header cannot be read ({error})", place=place, remedy="is a quote not closed?"
        ) from None


def _check_columns(columns: Sequence[str], first: Sequence[str], place: str) -> None:
    if len(columns) != len(first):
        fields = f"{len(first)} field{'s' * (len(first) != 1)}"
        what = f"--columns names {len(columns)} columns, but the first line has {fields}"
        raise UsageError(what, place=place, remedy="name every column, or what separates them (--delimiter)")
    found = find_roles(first, ReadOptions(), place).found
    if "user" in found and "item" in found:
        what = f"the first line is a header ({', '.join((found['user'], found['item']))}, ...)"
        raise UsageError(what, place=place, remedy="leave --columns out")


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _quoted(delimiter: str) -> str:
    return _SPELLED.get(delimiter, f"'{delimiter}'")


def _shown(line: str) -> str:
    text = printable(line.strip("\r\n"))
    return text if len(text) <= 60 else f"{text[:57]}..."
