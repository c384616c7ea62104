"""A text source line by line or in blocks of whole lines: slow and exact, to find the place of an error."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from negprep.errors import BadDataError, NegprepError
from negprep.read.sources import Source, machine_errors

MAX_LINE = 1 << 22
QUOTES_AS_TEXT = "is a quote not closed, or text? --quote none reads quotes as text"

_STAND_IN = "\x1f"


@dataclass(frozen=True)
class Dialect:
    """The form of one text file.

    ``delimiter``, ``quote`` (None: quotes are text) and ``escape`` are ASCII characters, or the delimiter is ``::``.
    ``names`` are the columns, in order, which stand in the file if it has a ``header``; ``start`` is the offset of the
    first byte after a byte order mark and the header, in the decompressed text. ``insists``: the user asked for the
    quotes, and no quoted field is doubted. ``doubt`` warns that the header may be a row, or the other way round.
    """

    delimiter: str
    names: tuple[str, ...]
    header: bool
    start: int
    quote: str | None = None
    escape: str | None = None
    insists: bool = False
    doubt: str | None = None

    @property
    def expected(self) -> str:
        """What gives the number of columns, for messages."""
        return f"the header has {len(self.names)}" if self.header else f"--columns names {len(self.names)}"


def physical_lines(source: Source, stream: BinaryIO, before: int = 0) -> Generator[str, None, None]:
    """Lines with their ends (LF, CR or CRLF); bytes that are not UTF-8 become lone surrogates.

    The stream, which ``before`` lines precede, is closed at the end. Raises ``BadDataError`` for a line longer than
    ``MAX_LINE``.
    """
    with io.TextIOWrapper(stream, "utf-8", errors="surrogateescape", newline="") as text:
        number = before
        while line := text.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise _too_long(source.line(number))
            yield line


def _too_long(place: str) -> BadDataError:
    what = f"the line is longer than {MAX_LINE >> 20} MiB, the limit"
    return BadDataError(what, place=place, remedy="is it the right file?")


def records(
    lines: Iterable[str], delimiter: str, quote: str | None = '"', escape: str | None = None
) -> Iterator[list[str]]:
    """The fields of each row; ``[]`` for a blank line. Beside ``::`` all quotes are text, as in files that use it."""
    if delimiter == "::":
        lines, delimiter, quote, escape = (line.replace("::", _STAND_IN) for line in lines), _STAND_IN, None, None
    csv.field_size_limit(max(MAX_LINE, csv.field_size_limit()))  # it is 128 KiB, and of the whole process
    if quote is None:
        return csv.reader(lines, delimiter=delimiter, escapechar=escape, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=delimiter, quotechar=quote, escapechar=escape)


def numbered_rows(source: Source, dialect: Dialect, offset: int) -> Iterator[tuple[int, list[str], list[str]]]:
    """The rows from a byte offset on: the number of the line where each begins, its fields, and its lines.

    Blank lines are left out. The list of lines is used again for the next row.
    """
    stream = source.open()
    before = lines_before(stream, offset)
    seen = 0
    text: list[str] = []

    def counted(lines: Iterable[str]) -> Iterator[str]:
        nonlocal seen
        for line in lines:
            seen += 1
            text.append(line)
            yield line

    with closing(physical_lines(source, stream, before)) as lines:
        rows = records(counted(lines), dialect.delimiter, dialect.quote, dialect.escape)
        while True:
            start = before + seen + 1
            text.clear()
            try:
                row = next(rows, None)
            except csv.Error as error:
                what = f"a field that starts here cannot be read ({error})"
                raise BadDataError(what, place=f"{source.name}:{start}", remedy=QUOTES_AS_TEXT) from None
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


def place_of(source: Source, offset: int, row: int, dialect: Dialect | None = None) -> str:
    """``log.csv:17`` for the row that is ``row`` rows (from 0) after the one at the byte ``offset``.

    Without a dialect, every line that holds more than spaces is a row.
    """
    rows = filled_lines(source, offset) if dialect is None else numbered_rows(source, dialect, offset)
    try:
        number = next(islice((number for number, *_ in rows), row, None), None)
    except BadDataError as error:
        return error.place or source.name if dialect is None else source.name
    return source.name if number is None else source.line(number)


def explained(
    source: Source, dialect: Dialect, offset: int, needed: Iterable[int], *, before: int | None = None
) -> NegprepError | None:
    """Why the text from ``offset`` on, up to a line, cannot be parsed; None if nothing is wrong with it.

    ``needed`` are the positions of the columns that are read.
    """
    try:
        for line, row, text in numbered_rows(source, dialect, offset):
            if before is not None and line >= before:
                return None
            place = f"{source.name}:{line}"
            if len(row) != len(dialect.names):
                return _ragged(row, text, dialect, place)
            for position in needed:
                problem = undecodable(row[position], place)
                if problem is not None:
                    return problem
    except BadDataError as error:
        return error if before is None else None
    return None


def _ragged(row: list[str], text: list[str], dialect: Dialect, place: str) -> NegprepError:
    what = f"{len(row)} field{'s' * (len(row) != 1)} where {dialect.expected}"
    is_joined = any(line.count(dialect.delimiter) == len(dialect.names) - 1 for line in text)
    remedy = QUOTES_AS_TEXT if dialect.quote is not None and is_joined else "repair or remove the line"
    return BadDataError(what, place=place, remedy=remedy)


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


def warn_if_cut(source: Source, warnings: list[str], last: bytes) -> None:
    """Warn if the last byte of a text ends no line."""
    if last not in (b"", b"\n", b"\r"):
        what = "no newline at the end of the file; the last line may be cut (--expect-rows N checks)"
        warnings.append(f"{source.name}: {what}")


def last_line_end(block: bytes | bytearray) -> int:
    """Where the last whole line of a full block ends; 0 if none does."""
    # A CR in the last place may be half of a CRLF.
    return block.rfind(b"\n") + 1 or block.rfind(b"\r", 0, len(block) - 1) + 1


def line_blocks(source: Source, start: int, warnings: list[str]) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines from ``start`` on, and the offset of each in the decompressed text.

    Warns if the last line has no end; raises ``BadDataError`` for a line longer than ``MAX_LINE``.
    """
    with machine_errors(source.name), source.open() as stream:
        stream.read(start)
        offset, rest = start, b""
        while len(block := rest + stream.read(MAX_LINE - len(rest))) == MAX_LINE:
            end = last_line_end(block)
            if not end:
                raise _too_long(place_of(source, offset, 0))
            yield offset, block[:end]
            offset, rest = offset + end, block[end:]
        warn_if_cut(source, warnings, block[-1:])
        if block:
            yield offset, block


def filled_lines(source: Source, offset: int) -> Generator[tuple[int, str], None, None]:
    """The lines from an offset on that hold more than spaces, with their numbers. Close it unless it is exhausted."""
    stream = source.open()
    before = lines_before(stream, offset)
    with closing(physical_lines(source, stream, before)) as lines:
        for number, line in enumerate(lines, before + 1):
            text = line.removeprefix("\ufeff") if number == 1 else line
            if text.strip():
                yield number, text
