"""A text source line by line: slow and exact, for its first line and to find the place of an error."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from negprep.errors import BadDataError, NegprepError

if TYPE_CHECKING:
    from negprep.reading.dialect import Dialect
    from negprep.reading.sources import Source

MAX_LINE = 1 << 22
_STAND_IN = "\x1f"


def physical_lines(stream: BinaryIO, name: str, before: int = 0) -> Iterator[str]:
    """Lines with their ends (LF, CR or CRLF); bytes that are not UTF-8 become lone surrogates.

    Parameters
    ----------
    stream : binary file
        Is closed at the end.
    name : str
        What messages call it.
    before : int
        Lines that precede the position of ``stream``.

    Raises
    ------
    BadDataError
        A line is longer than ``MAX_LINE``.
    """
    with io.TextIOWrapper(stream, "utf-8", errors="surrogateescape", newline="") as text:
        number = before
        while line := text.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                what = f"the line is longer than {MAX_LINE >> 20} MiB, the limit"
                raise BadDataError(what, place=f"{name}:{number}", remedy="is it the right file?")
            yield line


def records(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """The fields of each row; ``[]`` for a blank line. ``::`` knows no quotes, as the files that use it."""
    if delimiter == "::":
        return csv.reader(
            (line.replace("::", _STAND_IN) for line in lines), delimiter=_STAND_IN, quoting=csv.QUOTE_NONE
        )
    return csv.reader(lines, delimiter=delimiter)


def numbered_rows(source: Source, dialect: Dialect, offset: int) -> Iterator[tuple[int, list[str]]]:
    """The rows from a byte offset on, each with the number of the line it starts on; blank lines are no rows."""
    return ((line, row) for line, row, _ in _rows_and_text(source, dialect, offset))


def _rows_and_text(source: Source, dialect: Dialect, offset: int) -> Iterator[tuple[int, list[str], list[str]]]:
    """As ``numbered_rows``, and the lines of the row."""
    stream = source.open()
    before = lines_before(stream, offset)
    seen = 0
    text: list[str] = []

    def counted() -> Iterator[str]:
        nonlocal seen
        for line in physical_lines(stream, source.name, before):
            seen += 1
            text.append(line)
            yield line

    rows = records(counted(), dialect.delimiter)
    while True:
        start = before + seen + 1
        text.clear()
        try:
            row = next(rows, None)
        except csv.Error as error:
            what = f"a field that starts here cannot be read ({error})"
            raise BadDataError(what, place=f"{source.name}:{start}", remedy="is a quote not closed?") from None
        if row is None:
            return
        if row:
            yield start, row, text


def lines_before(stream: BinaryIO, size: int) -> int:
    """Read ``size`` bytes away; the number of line ends among them."""
    ends, last = 0, b""
    while size and (part := stream.read(min(size, 1 << 20))):
        ends += part.count(b"\n") + part.count(b"\r") - part.count(b"\r\n")
        ends -= last == b"\r" and part.startswith(b"\n")
        last, size = part[-1:], size - len(part)
    return ends


def place_of(source: Source, dialect: Dialect, offset: int, row: int) -> str:
    """``log.csv:17`` for the row that is ``row`` rows (from 0) after the one at the byte ``offset``."""
    try:
        for index, (line, _) in enumerate(numbered_rows(source, dialect, offset)):
            if index == row:
                return f"{source.name}:{line}"
    except BadDataError:
        pass
    return source.name


def explained(source: Source, dialect: Dialect, offset: int, needed: Iterable[int], reason: str) -> NegprepError:
    """Why the text from ``offset`` on cannot be parsed.

    Parameters
    ----------
    needed : iterable of int
        The positions of the columns that are read.
    reason : str
        What the fast parser said, for what only it objects to.
    """
    try:
        for line, row in numbered_rows(source, dialect, offset):
            place = f"{source.name}:{line}"
            if len(row) != len(dialect.names):
                return _ragged(row, dialect, place)
            for position in needed:
                problem = undecodable(row[position], place)
                if problem is not None:
                    return problem
    except BadDataError as error:
        return error
    return BadDataError(reason, place=source.name)


def unclosed(source: Source, dialect: Dialect, offset: int) -> NegprepError:
    """The error that a quote in the text from ``offset`` on is never closed."""
    error = explained(source, dialect, offset, (), "a quote is not closed")
    if error.place == source.name:
        *_, (line, _) = numbered_rows(source, dialect, offset)
        what = "a quote in the row that starts here is not closed"
        return BadDataError(what, place=f"{source.name}:{line}", remedy="close it, or double it if it is text")
    return error


def misquoted(source: Source, dialect: Dialect, offset: int, needed: Iterable[int]) -> NegprepError | None:
    """The error that text follows the closing quote of a field, as in ``"10"x``, or None.

    Parameters
    ----------
    needed : iterable of int
        The positions of the columns that are looked at.
    """
    other = rf"[^{re.escape(dialect.delimiter)}\r\n]*"
    field = re.compile(
        rf'(?:"[^"]*(?:""[^"]*)*"(?!")(?P<after>{other})|{other})(?:{re.escape(dialect.delimiter)}|[\r\n]|$)'
    )
    positions = tuple(needed)
    try:
        for line, row, text in _rows_and_text(source, dialect, offset):
            joined = "".join(text)
            if '"' not in joined or len(row) != len(dialect.names):
                continue
            after = [found["after"] for found in field.finditer(joined)]
            rest = next((after[position] for position in positions if after[position]), None)
            if rest is not None:
                what = f"a closing quote is followed by {rest[:20]!r}"
                remedy = "double a quote that is text, or remove what follows it"
                return BadDataError(what, place=f"{source.name}:{line}", remedy=remedy)
    except BadDataError:
        pass
    return None


def _ragged(row: list[str], dialect: Dialect, place: str) -> NegprepError:
    fields = f"{len(row)} field{'s' * (len(row) != 1)}"
    said = f"the header has {len(dialect.names)}" if dialect.header else f"--columns names {len(dialect.names)}"
    broken = any("\n" in field or "\r" in field for field in row)
    remedy = "a quoted field runs over several lines: is a quote not closed?" if broken else "repair or remove the line"
    return BadDataError(f"{fields} where {said}", place=place, remedy=remedy)


def undecodable(field: str, place: str) -> NegprepError | None:
    """The error that a field is not UTF-8, or None."""
    bad = next((character for character in field if "\udc80" <= character <= "\udcff"), None)
    if bad is None:
        return None
    what, remedy = f"the byte 0x{ord(bad) - 0xDC00:02X} is not UTF-8", "convert it: iconv -f {} -t UTF-8"
    runs = re.findall(rb"[\x80-\xff]+", field.encode("utf-8", "surrogateescape"))
    # Accents stand alone among letters; letters of other scripts stand together, one byte each or two.
    if sum(len(run) for run in runs if len(run) > 1) * 2 > sum(map(len, runs)):
        what += "; the text looks like another script (GB18030, BIG5, SHIFT_JIS, EUC-KR, CP1251 ...)"
        return BadDataError(what, place=place, remedy=f"{remedy.format('GB18030')}, or from the encoding that it has")
    return BadDataError(f"{what}; the text looks like Latin-1", place=place, remedy=remedy.format("LATIN1"))
