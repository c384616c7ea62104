"""How a text file is written: its delimiter, its header, and where its rows start."""

from __future__ import annotations

import codecs
import csv
import re
import shlex
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain, islice

from negprep.errors import BadDataError, UsageError
from negprep.options.options import ReadOptions
from negprep.read.columns import ROLES, find_roles, refuse_duplicates
from negprep.read.foreign import READABLE
from negprep.read.header import SAMPLE, Unnamed, doubtful, judged, lists_problem, no_header, shortened
from negprep.read.lines import Dialect, filled_lines, physical_lines, records, undecodable
from negprep.read.quoting import refuse_stray_in_header
from negprep.read.sources import Source

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


_SPELLED = {"\t": "a tab", " ": "a space"}
_MARKUP = {"{": "JSON", "[": "JSON", "<": "HTML or XML"}
_MOST_SAMPLED = 1 << 20


def read_dialect(source: Source, options: ReadOptions, unnamed: Unnamed = Unnamed()) -> Dialect:  # noqa: B008 - frozen
    """The dialect of a text source, from its first lines.

    Parameters
    ----------
    source : Source
    options : ReadOptions
    unnamed : Unnamed
        What becomes of a text without a header.

    Raises
    ------
    BadDataError
        The file is empty, not UTF-8, has no header, or names two columns alike.
    UsageError
        ``--delimiter`` or ``--columns`` does not fit the file.
    """
    mark = byte_order_mark(source)
    number = size = 0
    record: list[str] = []

    def lines() -> Generator[str, None, None]:
        nonlocal number, size
        with closing(physical_lines(source.open(), source.name)) as physical:
            for line in physical:
                number += 1
                size += len(line.encode("utf-8", "surrogateescape"))
                text = line if number > 1 else line.removeprefix("\ufeff")
                if record or text.strip("\r\n"):
                    record.append(text)
                    yield text

    with closing(lines()) as reading:
        first = next(reading, None)
        if first is None:
            raise BadDataError("the file is empty", place=source.name)
        seen = first_lines(source)
        named = named_delimiter(first)
        if named is not None:
            mark = size
            record.clear()
            first, seen = next(reading, None), seen[1:]
            if first is None:
                raise BadDataError("no line after the one that names the delimiter", place=source.name)
        place = f"{source.name}:{number}"
        problem = undecodable(first, place)
        if problem is not None:
            raise problem
        delimiter = _delimiter(seen or [first], options, named, place)
        quote, escape = _marks(options, delimiter)
        if options.columns is None:
            _refuse_markup(first, delimiter, options, place)
        names = tuple(_first_record(chain((first,), reading), delimiter, quote, escape, place))
        skipped, header = number, list(record)
        dialect = Dialect(delimiter, names, True, size, quote, escape, insists=options.quote is not None)
        known = find_roles(names, ReadOptions(), place).found
        rest = [] if {"user", "item"} <= set(known) else _sampled(reading, dialect)
    refuse_stray_in_header(header, dialect, place)
    if options.columns is not None:
        _check_columns(options.columns, names, known, place)
        return _named_dialect(source, options, dialect, mark, place, [list(names), *rest])
    verdict = judged(names, rest)
    if verdict != "header" and unnamed.columns is not None and len(unnamed.columns) == len(names):
        return replace(dialect, names=unnamed.columns, header=False, start=mark)
    if verdict == "row" and unnamed.is_items and len(names) == 1:
        return replace(dialect, names=("item",), header=False, start=mark)
    if verdict == "row":
        raise no_header(source, place, first, [list(names), *rest], delimiter, unnamed, options)
    doubt = doubtful(source, place, first, [list(names), *rest], delimiter, unnamed) if verdict == "doubt" else None
    item = names.index(options.item_col) if options.item_col in names else None
    problem = lists_problem(source, place, rest, delimiter, skipped, item) if rest and unnamed.by_option else None
    if problem is not None:
        raise problem
    refuse_duplicates(names, place)
    if any("\ufeff" in name for name in names):
        what = "the header holds a byte order mark (U+FEFF)"
        raise BadDataError(what, place=place, remedy="only the file may start with one, once; remove it")
    return replace(dialect, doubt=doubt)


def _named_dialect(
    source: Source, options: ReadOptions, dialect: Dialect, start: int, place: str, rows: list[list[str]]
) -> Dialect:
    """The dialect of a text whose columns ``--columns`` names."""
    columns = options.columns or ()
    found = find_roles(columns, options, source.name).found
    if "item" in found:
        problem = lists_problem(source, place, rows, dialect.delimiter, 0, columns.index(found["item"]))
        if problem is not None:
            raise problem
    doubt = None
    if judged(rows[0], rows[1:]) == "header":
        doubt = (
            f"the first line looks like a header ({shortened(dialect.delimiter.join(rows[0]))}) and is read as a row"
        )
        named = [f"--{role}-col {shlex.quote(rows[0][columns.index(name)])}" for role, name in found.items()]
        doubt += f"; if it is one, put {' '.join(named)} in place of --columns"
    return replace(dialect, names=tuple(columns), header=False, start=start, doubt=doubt)


def _sampled(lines: Iterable[str], dialect: Dialect) -> list[list[str]]:
    """Some rows of as many fields. What is wrong with the others is found when they are read."""

    def some() -> Iterator[str]:
        size = 0
        for line in lines:
            yield line
            size += len(line)
            if size > _MOST_SAMPLED:
                return

    rows: list[list[str]] = []
    try:
        for row in records(some(), dialect.delimiter, dialect.quote, dialect.escape):
            if len(row) == len(dialect.names):
                rows.append(row)
            if len(rows) == SAMPLE:
                break
    except (csv.Error, BadDataError):
        pass  # the reading of the rows comes to it, and knows the line
    return rows


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


def _delimiter(lines: list[str], options: ReadOptions, named: str | None, place: str) -> str:
    asked = options.delimiter or named
    likely = likely_delimiter(lines, '"' if options.quote is None else options.quote)
    if asked is None:
        return likely or ","
    delimiter = "\t" if asked == "\\t" else asked
    if delimiter != "::" and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0'):
        raise UsageError(f"--delimiter {asked!r} is neither one ASCII character nor ::")
    if likely is not None and delimiter not in lines[0]:
        what = f"only one column with {_quoted(delimiter)}; the first line looks separated by {_quoted(likely)}"
        raise UsageError(what, place=place, remedy="leave --delimiter out, or correct it")
    return delimiter


def _marks(options: ReadOptions, delimiter: str) -> tuple[str | None, str | None]:
    """The characters around fields and before what is text: ``::`` knows neither."""
    quote = '"' if options.quote is None else None if options.quote == "none" else options.quote
    escape = None if options.escape == quote else options.escape
    for option, mark in (("--quote", quote), ("--escape", escape)):
        if mark is not None and mark == delimiter:
            raise UsageError(f"{option} {mark!r} is the delimiter, too", remedy=f"correct {option} or --delimiter")
    if delimiter == "::":
        if options.quote not in (None, "none") or escape is not None:
            option = "--escape" if escape is not None else "--quote"
            raise UsageError(
                f"{option} with the delimiter ::, beside which every other character is text",
                remedy=f"leave {option} out",
            )
        return None, None
    return quote, escape


def _first_record(lines: Iterable[str], delimiter: str, quote: str | None, escape: str | None, place: str) -> list[str]:
    try:
        return next(records(lines, delimiter, quote, escape))
    except csv.Error as error:
        raise BadDataError(
            f"the header cannot be read ({error})",
            place=place,
            remedy="is a quote not closed, or text? --quote none reads quotes as text",
        ) from None


def _check_columns(columns: Sequence[str], first: Sequence[str], found: dict[str, str], place: str) -> None:
    if len(columns) != len(first):
        fields = f"{len(first)} field{'s' * (len(first) != 1)}"
        what = f"--columns names {len(columns)} columns, but the first line has {fields}"
        raise UsageError(what, place=place, remedy="name every column, or what separates them (--delimiter)")
    if "user" in found and "item" in found:
        what = f"the first line is a header ({', '.join((found['user'], found['item']))}, ...)"
        raise UsageError(what, place=place, remedy="leave --columns out")


def _quoted(delimiter: str) -> str:
    return _SPELLED.get(delimiter, f"'{delimiter}'")
