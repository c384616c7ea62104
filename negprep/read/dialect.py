"""How a text is written: its delimiter, its quotes, its header or what its columns could be called."""

from __future__ import annotations

import codecs
import csv
import re
import shlex
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from typing import Literal

from negprep.errors import BadDataError, UsageError, printable
from negprep.options.reading import ReadOptions
from negprep.read.columns import ROLES, find_roles, is_id_name, refuse_duplicates, role_of
from negprep.read.foreign import READABLE, UNPACK
from negprep.read.lines import Dialect, filled_lines, physical_lines, records, undecodable
from negprep.read.quoting import refuse_stray_in_header
from negprep.read.sources import Source

Verdict = Literal["header", "doubt", "row"]
Row = Sequence[str]

DELIMITERS = ("::", "\t", ",", ";", "|")
_CERTAIN = DELIMITERS[:2]
_SEEN = 20
_SAMPLE = 1000
_MOST_SAMPLED = 1 << 20
_NAMED = re.compile(r'"?sep=(.|\\t)"?\s*', re.IGNORECASE)
_SPELLED = {"\t": "a tab", " ": "a space"}
_MARKUP = {"{": "JSON", "[": "JSON", "<": "HTML or XML"}

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"-?\d+", re.ASCII)
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?([T ]+\d{1,2}:\d{2}.*)?"
    r"|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}([T ]+\d{1,2}:\d{2}.*)?"
    r"|([A-Z][a-z]{2},? )?(\d{1,2} [A-Z][a-z]{2}|[A-Z][a-z]{2} \d{1,2})\b.*\d{4}.*",
    re.ASCII,
)
_MISSING = {"", "na", "n/a", "nan", "nat", "null", "none", r"\n"}
_WORD = re.compile(r"[^\W\d][\w.:\-/()#%]*( [\w.:\-/()#%]+){0,2}")
_EVENTS = re.compile(
    r"""(page)?views?|viewed|pv|clicks?|clicked|(add|remove)_?(to|from)_?cart|cart|fav|favou?rite|collect|buy|buys|bought
    |purchased?|transaction|order|checkout|play|played|listen|skip|(dis)?liked?|shared?|comment|rated?|read|impression
    |show|watch|wishlist|bookmark|save|download|install|follow|search""",
    re.VERBOSE | re.IGNORECASE,
)
_AMAZON_ITEM = re.compile(r"B[0-9A-Z]{9}|\d{9}[\dX]", re.ASCII)
_AMAZON_USER = re.compile(r"A[0-9A-Z]{10,}", re.ASCII)
_IMPRESSION = re.compile(r"\S+-[01]")
_LISTED = re.compile(r"\S*\d\S*")
_SECONDS = (631_152_000, 2_524_608_000)  # 1990 to 2050
_SHOWN = 60
_MANY = 20


@dataclass(frozen=True)
class Unnamed:
    """What becomes of a text without a header.

    ``wanted`` are the names of its first columns, unless the values show another order. Its columns are named
    ``by_option``, ``--columns``, or a header must be added; but a file of one column, of items, is read without.
    ``columns`` are the names that the log was given: those of a file of as many columns beside it.
    """

    wanted: tuple[str, ...] = ("user", "item")
    by_option: bool = True
    columns: tuple[str, ...] | None = None

    @property
    def is_items(self) -> bool:
        """Whether a file of one column holds items."""
        return not self.by_option and self.wanted[0] == "item"


def first_lines(source: Source) -> list[tuple[int, str]]:
    """The first lines that hold more than spaces, at most 20, without their ends; with their numbers."""
    with closing(filled_lines(source, 0)) as lines:
        return [(number, line.rstrip("\r\n")) for number, line in islice(lines, _SEEN)]


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
    """Whether runs of spaces separate as many fields (``fields``, if known) in most lines, and single spaces do not."""
    if any('"' in line or any(delimiter in line for delimiter in _CERTAIN) for line in lines):
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


def read_dialect(
    source: Source,
    options: ReadOptions,
    unnamed: Unnamed = Unnamed(),
    lines: Sequence[str] | None = None,
) -> Dialect:
    """The dialect of a text source, from its first lines, which are read unless they are given.

    Raises ``BadDataError`` if the file is empty, not UTF-8, has no header, or names two columns alike, ``UsageError``
    if ``--delimiter`` or ``--columns`` does not fit it.
    """
    mark = byte_order_mark(source)
    number = size = 0
    record: list[str] = []

    def following() -> Generator[str, None, None]:
        nonlocal number, size
        with closing(physical_lines(source, source.open())) as physical:
            for line in physical:
                number += 1
                size += len(line.encode("utf-8", "surrogateescape"))
                text = line if number > 1 else line.removeprefix("\ufeff")
                if record or text.strip("\r\n"):
                    record.append(text)
                    yield text

    with closing(following()) as reading:
        first = next(reading, None)
        if first is None:
            raise BadDataError("the file is empty", place=source.name)
        seen = [line for _, line in first_lines(source)] if lines is None else lines
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
        try:
            names = tuple(next(records(chain((first,), reading), delimiter, quote, escape)))
        except csv.Error as error:
            remedy = "is a quote not closed, or text? --quote none reads quotes as text"
            raise BadDataError(f"the header cannot be read ({error})", place=place, remedy=remedy) from None
        skipped, header = number, list(record)
        dialect = Dialect(delimiter, names, True, size, quote, escape, insists=options.quote is not None)
        known = find_roles(names, ReadOptions(), place).found
        rest = [] if {"user", "item"} <= set(known) else _sampled(reading, dialect)
    refuse_stray_in_header(header, dialect, place)
    start = _Start(source, place, first, [list(names), *rest], delimiter, unnamed)
    if options.columns is not None:
        _check_columns(options.columns, names, known, place)
        return replace(dialect, names=options.columns, header=False, start=mark, doubt=start.doubt_of_columns(options))
    verdict = judged(names, rest)
    if verdict != "header" and unnamed.columns is not None and len(unnamed.columns) == len(names):
        return replace(dialect, names=unnamed.columns, header=False, start=mark)
    if verdict == "row" and unnamed.is_items and len(names) == 1:
        return replace(dialect, names=("item",), header=False, start=mark)
    if verdict == "row":
        raise start.no_header(options)
    doubt = start.doubtful() if verdict == "doubt" else None
    if rest and unnamed.by_option:
        item = names.index(options.item_col) if options.item_col in names else None
        _Start(source, place, first, rest, delimiter, unnamed).refuse_lists(skipped, item)
    refuse_duplicates(names, place)
    if any("\ufeff" in name for name in names):
        what = "the header holds a byte order mark (U+FEFF)"
        raise BadDataError(what, place=place, remedy="only the file may start with one, once; remove it")
    return replace(dialect, doubt=doubt)


def _sampled(lines: Iterable[str], dialect: Dialect) -> list[Row]:
    """Some rows of as many fields. What is wrong with the others is found when they are read."""

    def some() -> Iterator[str]:
        size = 0
        for line in lines:
            yield line
            size += len(line)
            if size > _MOST_SAMPLED:
                return

    rows: list[Row] = []
    try:
        for row in records(some(), dialect.delimiter, dialect.quote, dialect.escape):
            if len(row) == len(dialect.names):
                rows.append(row)
            if len(rows) == _SAMPLE:
                break
    except (csv.Error, BadDataError):
        pass  # the reading of the rows comes to it, and knows the line
    return rows


def byte_order_mark(source: Source) -> int:
    """The size of a UTF-8 mark at the start; UTF-16, UTF-32 and other binary data are refused."""
    head = source.head
    zeros, half = sorted((head[::2].count(0), head[1::2].count(0))), len(head) // 2
    wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE))
    if wide or (half and zeros[0] == 0 and zeros[1] > 0.4 * half):
        name = "UTF-32" if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)) else "UTF-16"
        remedy = f"convert it: iconv -f {name} -t UTF-8"
        raise BadDataError(f"the text is {name}", place=f"{source.name}:1", remedy=remedy)
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


def _delimiter(lines: Sequence[str], options: ReadOptions, named: str | None, place: str) -> str:
    asked = options.delimiter or named
    likely = likely_delimiter(lines, '"' if options.quote is None else options.quote)
    if asked is None:
        return likely or ","
    delimiter = "\t" if asked == "\\t" else asked
    if delimiter != "::" and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0'):
        raise UsageError(f"--delimiter {asked!r} is neither one ASCII character nor ::")
    if likely is not None and delimiter not in lines[0]:
        shown, other = (_SPELLED.get(each, f"'{each}'") for each in (delimiter, likely))
        what = f"only one column with {shown}; the first line looks separated by {other}"
        raise UsageError(what, place=place, remedy="leave --delimiter out, or correct it")
    return delimiter


def _marks(options: ReadOptions, delimiter: str) -> tuple[str | None, str | None]:
    """The quote and the escape character; beside ``::`` all characters are text."""
    quote = '"' if options.quote is None else None if options.quote == "none" else options.quote
    escape = None if options.escape == quote else options.escape
    for option, mark in (("--quote", quote), ("--escape", escape)):
        if mark is not None and mark == delimiter:
            raise UsageError(f"{option} {mark!r} is the delimiter, too", remedy=f"correct {option} or --delimiter")
    if delimiter != "::":
        return quote, escape
    if options.quote not in (None, "none") or escape is not None:
        option = "--escape" if escape is not None else "--quote"
        what = f"{option} with the delimiter ::, beside which every other character is text"
        raise UsageError(what, remedy=f"leave {option} out")
    return None, None


def _check_columns(columns: Sequence[str], first: Sequence[str], found: dict[str, str], place: str) -> None:
    if len(columns) != len(first):
        fields = f"{len(first)} field{'s' * (len(first) != 1)}"
        what = f"--columns names {len(columns)} columns, but the first line has {fields}"
        raise UsageError(what, place=place, remedy="name every column, or what separates them (--delimiter)")
    if "user" in found and "item" in found:
        what = f"the first line is a header ({', '.join((found['user'], found['item']))}, ...)"
        raise UsageError(what, place=place, remedy="leave --columns out")


def judged(first: Row, rest: Sequence[Row]) -> Verdict:
    """Whether a first line is a header; ``doubt`` if it could be either, and is probably a header.

    ``rest`` has the fields of some lines after it, as many in each. As the CSV sniffer of DuckDB: a field that is
    neither a number nor a date, above a column that holds nothing else, is a name. Columns of text are judged by the
    names that are known, by values that occur again below, and by ids that look alike.
    """
    if {"user", "item"} <= {role_of(name) for name in first}:
        return "header"
    rows = [row for row in rest if list(row) != list(first)]
    columns = _columns(rows, len(first))
    filled = [(field, column) for field, column in zip(first, columns, strict=True) if kind_of(field) is not None]
    new = [field for field, column in filled if field.strip() not in column.values]
    roles = {role for field in new if (role := role_of(field)) is not None}
    typed = [(kind, column) for field, column in filled if (kind := kind_of(field)) != "text"]
    if any(column.kind in (kind, None) for kind, column in typed):
        has_id = any(role_of(field) in ("user", "item") and is_id_name(field) for field in new)
        return "header" if len(roles) > 1 or has_id else "row"
    if any(map(is_id_name, new)):
        return "header"
    if any(column.kind == "text" and field.strip() in column.values for field, column in filled):
        return "row"
    is_alike = any(column.is_like(field) for field, column in filled)
    if roles or any(column.kind in ("number", "date") for _, column in filled):
        return "doubt" if is_alike else "header"
    fields = [field.strip() for field, _ in filled]
    if is_alike or len(set(fields)) < len(fields) or not all(map(_WORD.fullmatch, fields)):
        return "row"
    return "doubt"


def kind_of(field: str) -> Literal["number", "date", "text"] | None:
    """What a field holds; None if nothing."""
    text = field.strip()
    if text.casefold() in _MISSING:
        return None
    if _NUMBER.fullmatch(text):
        return "number"
    return "date" if _DATE.fullmatch(text) else "text"


class _Column:
    """The fields of one column in some rows; ``kind`` is that of all, or ``text``; None where all are missing."""

    def __init__(self, fields: Sequence[str]) -> None:
        kinds = [kind_of(field) for field in fields]
        self.texts = [field.strip() for field, kind in zip(fields, kinds, strict=True) if kind is not None]
        self.values = set(self.texts)
        self.n_missing = len(fields) - len(self.texts)
        distinct = {kind for kind in kinds if kind is not None}
        self.kind = None if not distinct else next(iter(distinct)) if len(distinct) == 1 else "text"
        self.is_integer = self.kind == "number" and all(map(_INTEGER.fullmatch, self.texts))
        self.is_fraction = self.kind == "number" and not self.is_integer
        self.is_id = self.is_integer or self.kind == "text"
        self.is_event = self.kind == "text" and all(map(_EVENTS.fullmatch, self.values))

    def is_like(self, field: str) -> bool:
        """Whether a field looks like an id among ids of text: with digits, and made like the others."""
        if self.kind != "text" or not any(map(str.isdigit, field)):
            return False
        if _skeleton(field) in map(_skeleton, self.values):
            return True
        alike = [*self.values, field]
        if len(field) >= 6 and len({len(text) for text in alike}) == 1:
            return True
        return len(field) >= 6 and all(text == text.upper() and any(map(str.isdigit, text)) for text in alike)

    def is_list(self, item: re.Pattern[str]) -> bool:
        """Whether each field is a list of such items, with spaces between, and most have more than one."""
        lists = [text.split() for text in self.texts]
        return 2 * sum(len(each) > 1 for each in lists) > len(lists) > 0 and all(
            item.fullmatch(each) for items in lists for each in items
        )

    @cached_property
    def range(self) -> tuple[float, float]:
        """The extremes of a column of numbers."""
        numbers = [float(text) for text in self.texts]
        return min(numbers), max(numbers)

    @property
    def is_time(self) -> bool:
        """Whether it holds dates, or numbers that are seconds (or milliseconds, ...) of our days."""
        if self.kind != "number":
            return self.kind == "date"
        low, high = self.range
        return any(_SECONDS[0] <= low / unit and high / unit <= _SECONDS[1] for unit in (1, 1e3, 1e6, 1e9))

    @property
    def is_rating(self) -> bool:
        """Whether it holds small numbers."""
        return self.kind == "number" and self.range[0] >= 0 and self.range[1] <= 10

    @property
    def is_value(self) -> bool:
        """Whether it could be a rating or a count."""
        return self.is_fraction or (self.kind == "number" and self.range[0] >= 0)

    @property
    def is_degree(self) -> bool:
        """Whether it could be a latitude or a longitude."""
        fine = any(len(text.partition(".")[2]) >= 3 for text in self.texts)
        return self.is_fraction and fine and max(map(abs, self.range)) <= 180

    def counts_up(self, n_rows: int) -> bool:
        """Whether it numbers the rows."""
        if not self.is_integer or len(self.texts) != n_rows:
            return False
        first = int(self.texts[0][:18])
        return all(text == str(first + row) for row, text in enumerate(self.texts))


def _skeleton(text: str) -> str:
    return re.sub(r"\d+", "0", text)


def _columns(rows: Sequence[Row], width: int) -> list[_Column]:
    return [_Column([row[position] for row in rows]) for position in range(width)]


def guessed(rows: Sequence[Row], wanted: tuple[str, ...] = ("user", "item")) -> tuple[str, ...]:
    """Names for the columns of rows, at least one row.

    ``wanted`` names the first ones; beside a user and an item, the values show times, values and events, too.
    """
    columns = _columns(rows, len(rows[0]))
    names = dict(enumerate(wanted))
    if wanted == ("user", "item"):
        names = {position: role for role, position in _roles(columns, len(rows)).items()}
    others = iter(range(1, len(columns) + 1))
    return tuple(names.get(position) or f"other{next(others)}" for position in range(len(columns)))


def _roles(columns: list[_Column], n_rows: int) -> dict[str, int]:
    """Role to position."""
    free = list(range(len(columns)))
    found: dict[str, int] = {}
    if len(columns) > 2:
        times = [position for position in free if columns[position].is_time]
        # The first column is a user rather; of a date and a number, the later one.
        times = times[1:] if times[:1] == [0] and columns[0].kind == "number" else times
        _take(found, free, "time", times[-1:])
        _take(found, free, "event", [position for position in free if columns[position].is_event][:1])
    for left in free[:-1]:
        if left + 1 in free and columns[left].is_degree and columns[left + 1].is_degree:
            free = [position for position in free if position not in (left, left + 1)]
            break
    ids = _ids(columns, free, n_rows)
    for role, position in zip(("user", "item"), ids, strict=False):
        _take(found, free, role, [position])
    if not {"user", "item"} <= set(found):
        return dict(zip(("user", "item", "value", "time"), range(len(columns)), strict=False))
    values = [position for position in free if columns[position].is_value and position > found["user"]]
    if "event" in found:
        values = [position for position in values if columns[position].is_fraction]
    varied = [position for position in values if len(columns[position].values) > 1]
    _take(found, free, "value", (varied or values)[:1])
    return found


def _take(found: dict[str, int], free: list[int], role: str, choices: list[int]) -> None:
    for position in choices:
        found[role] = position
        free.remove(position)


def _ids(columns: list[_Column], free: list[int], n_rows: int) -> list[int]:
    """The columns of users and of items, in this order."""
    ids = [position for position in free if columns[position].is_id]
    if len(ids) > 2 and n_rows >= _MANY and columns[ids[0]].counts_up(n_rows):
        ids = ids[1:]
    # Of two columns of text, such as an id and a name, the one that is always there.
    whole = [position for position in ids[2:] if columns[position].kind == "text" and not columns[position].n_missing]
    if whole and columns[ids[1]].n_missing and columns[ids[1]].kind == "text":
        ids = [ids[0], *whole]
    # A rating may stand before an item of text. The sample must be large enough to tell small ids from ratings.
    if len(ids) > 2 and n_rows >= _MANY and columns[ids[1]].is_rating and columns[ids[2]].kind == "text":
        ids = [ids[0], *ids[2:]]
    ids = ids[:2]
    if len(ids) == 2 and all(map(_AMAZON_ITEM.fullmatch, columns[ids[0]].texts)):
        second = columns[ids[1]].texts
        if second and all(map(_AMAZON_USER.fullmatch, second)):
            ids.reverse()  # the ratings of 2018 begin with the item, those of 2014 with the user
    return ids


@dataclass(frozen=True)
class _Start:
    """The start of a text: where its first line is and what it is, and the fields of some rows."""

    source: Source
    place: str
    line: str
    rows: list[Row]
    delimiter: str
    unnamed: Unnamed

    def doubt_of_columns(self, options: ReadOptions) -> str | None:
        """The doubt about a text whose columns ``--columns`` names, if there is one."""
        columns = options.columns or ()
        found = find_roles(columns, options, self.source.name).found
        if "item" in found:
            self.refuse_lists(0, columns.index(found["item"]))
        first = self.rows[0]
        if judged(first, self.rows[1:]) != "header":
            return None
        shown = shortened(self.delimiter.join(first))
        named = [f"--{role}-col {shlex.quote(first[columns.index(name)])}" for role, name in found.items()]
        doubt = f"the first line looks like a header ({shown}) and is read as a row"
        return f"{doubt}; if it is one, put {' '.join(named)} in place of --columns"

    def no_header(self, options: ReadOptions) -> BadDataError:
        """The error that the first line is a row, with what to do."""
        first, unnamed = self.rows[0], self.unnamed
        what = f"there is no header: the first line is {shortened(self.line)}"
        if unnamed.by_option and len(first) == 1:
            remedy = "a log needs a user and an item in a line; is it the right file, and what is its --delimiter?"
            return BadDataError(what, place=self.place, remedy=remedy)
        if unnamed.by_option:
            self.refuse_lists(0)
        names = guessed(self.rows, unnamed.wanted)
        if not unnamed.by_option:
            return BadDataError(what, place=self.place, remedy=f"add one: {self._with_header(names)}")
        asked = [role for role in ROLES if getattr(options, f"{role}_col") in first]
        instead = f" in place of {' and '.join(f'--{role}-col' for role in asked)}" if asked else ""
        whose = " of INPUT" if unnamed == Unnamed() else ""
        remedy = f"add a header, or name the columns{whose}: --columns {','.join(names)}{instead}"
        return BadDataError(what, place=self.place, remedy=remedy)

    def doubtful(self) -> str:
        """That the first line is read as a header, and what to do if it is a row.

        Refuses a file of one column, of items: nothing could show that one is lost.
        """
        names, shown = guessed(self.rows, self.unnamed.wanted), shortened(self.line)
        way = f"--columns {','.join(names)}"
        if not self.unnamed.by_option:
            way = f"add a header: {self._with_header(names)}"
        if self.unnamed.is_items and len(names) == 1:
            what = f"the first line ({shown}) could be a header or an item"
            raise BadDataError(what, place=self.place, remedy=f"if it is a header, call it item; if not, {way}")
        return f"the first line ({shown}) is read as the header; if it is a row, {way}"

    def refuse_lists(self, skipped: int, item: int | None = None) -> None:
        """Refuse items in lists, with the command that writes a row for each.

        MIND lists what was shown, with 1 if it was clicked: ``N1-1 N2-0``. Other lists are recognised in the place of
        the item only: ``item``, if its column is named. ``skipped`` lines precede the first row.
        """
        columns = _columns(self.rows, len(self.rows[0]))
        looked_at = range(len(columns)) if item is None else [item]
        shown = next((position for position in looked_at if columns[position].is_list(_IMPRESSION)), None)
        lists = shown
        if shown is None and skipped == 0 and item is None:
            item = guessed(self.rows).index("item")
            lists = item if columns[item].is_list(_LISTED) else None
        ids = [at for at in range(lists or 0) if columns[at].is_id and not columns[at].is_time]
        if lists is None or not ids:
            return
        # Before a user there may be the number of the row.
        user = ids[1] if len(ids) > 1 and columns[ids[0]].is_integer and columns[ids[1]].kind == "text" else ids[0]
        time = next((at for at, column in enumerate(columns) if column.is_time and at != user), None)
        what = f"column {lists + 1} lists items, where a log has one a row ({shortened(columns[lists].texts[0])})"
        command, made = self._awk(skipped, user, lists, time, labelled=shown is not None)
        raise BadDataError(what, place=self.place, remedy=f"write a row for each: {command}, and give {made}")

    def _awk(self, skipped: int, user: int, lists: int, time: int | None, *, labelled: bool) -> tuple[str, str]:
        """A command that writes the items of lists in rows, and how to read what it writes."""
        name, stem, _ = self._name_parts()
        files = {"c": f"{stem}.clicks.tsv", "s": f"{stem}.shown.tsv"} if labelled else {"c": f"{stem}.rows.tsv"}
        header = r"user\titem" + ("" if time is None else r"\ttime")
        begin = "; ".join(f'print "{header}" > {variable}' for variable in files)
        item, target = ("substr(a[i], 1, length(a[i]) - 2)", "(a[i] ~ /-1$/ ? c : s)") if labelled else ("a[i]", "c")
        fields = [f"${user + 1}", item, *([] if time is None else [f"${time + 1}"])]
        loop = f'n = split(${lists + 1}, a, " "); for (i = 1; i <= n; i++) print {", ".join(fields)} > {target}'
        program = f"BEGIN {{{begin}}} {f'NR > {skipped} ' if skipped else ''}{{{loop}}}"
        separator = self.delimiter.replace("\t", r"\t")
        settings = " ".join(f"-v {variable}={shlex.quote(file)}" for variable, file in files.items())
        command = f"awk -F'{separator}' -v OFS='\\t' {settings} '{program}'"
        codec = self.source.codec
        command = f"{command} {name}" if codec is None else f"{UNPACK[codec]} {name} | {command}"
        return command, f"{files['c']} with --weak {files['s']}" if labelled else files["c"]

    def _with_header(self, names: Sequence[str]) -> str:
        """A command that writes the text again with names above."""
        header = shlex.quote(self.delimiter.join(names).replace("%", "%%").replace("\t", r"\t") + r"\n")
        name, stem, ending = self._name_parts()
        target = shlex.quote(f"{stem}.named{ending}")
        return f"(printf {header}; {UNPACK[self.source.codec]} {name}) > {target}, and give that"

    def _name_parts(self) -> tuple[str, str, str]:
        """The name of the file, quoted; what stands before its ending, and the ending, without how it is compressed."""
        name = self.source.name if self.source.path is not None else "FILE"
        found = re.fullmatch(r"(.*?[^/])(\.\w+)?(\.(gz|bz2|zst))?", name, re.DOTALL)
        return shlex.quote(name), name if found is None else found[1], "" if found is None else found[2] or ""


def shortened(line: str) -> str:
    """A line for a message."""
    text = printable(line.strip("\r\n")).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
