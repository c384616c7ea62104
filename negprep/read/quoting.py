"""Whether quotes in a text surround fields, or are text: a stray one would join lines, and rows would be lost."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NoReturn

import numpy as np

from negprep.errors import BadDataError, NegprepError
from negprep.read.lines import MAX_LINE, Dialect, explained, lines_before, numbered_rows, physical_lines
from negprep.read.sources import Source

PLAIN = "--quote none reads quotes as text"
_INSIST = "--quote '\"' takes it as it is"
# What is not read before this many bytes have passed is too long for the parser, too.
_MOST = 2 * MAX_LINE
_SAMPLE = 10_000
_LF, _CR = b"\n\r"
_LINE_END = re.compile(rb"\r\n|[\r\n]")
_DIGITS, _LETTERS = re.compile(rb"[0-9]+"), re.compile(rb"[A-Za-z\x80-\xff]+")


class Grammar:
    """A dialect with quotes as regular expressions on bytes, none of which backtracks.

    ``plain`` matches text whose only quoted fields end on their line and before a delimiter or line end, from the byte
    after another; ``field`` one field and its end, ``quoted`` with its quotes, and ``after`` them; ``record`` the rest
    of a record, line end and all, from the start of a field.
    """

    def __init__(self, dialect: Dialect) -> None:
        quote, escape, delimiter = (
            re.escape(mark or "") for mark in (dialect.quote, dialect.escape, dialect.delimiter)
        )
        pair = rf"(?:{quote}{quote}|{escape}.)" if escape else f"{quote}{quote}"
        end = rf"[{delimiter}\r\n]"

        def quoted(without: str = "") -> str:
            inner = rf"[^{quote}{escape}{without}]*+"
            return f"{quote}{inner}(?:{pair}{inner})*+{quote}"

        # A quote that is not first in its field is text; so is one after an escaped delimiter.
        escaped = rf"|{escape}.{quote}*+" if escape else ""
        line = quoted(r"\r\n")
        self.plain = self._compiled(rf"(?:[^{quote}{escape}]++{escaped}|(?<={end}){line}(?={end})|(?<!{end}){quote})*+")
        other = rf"(?:[^{delimiter}{escape}\r\n]|{escape}.)*+" if escape else rf"[^{delimiter}\r\n]*+"
        unquoted = f"(?!{quote}){other}"
        self.field = self._compiled(rf"(?:(?P<quoted>{quoted()})(?P<after>{other})|{unquoted})(?:{delimiter}|[\r\n])")
        fields = f"(?:{quoted()}{other}|{unquoted})"
        self.record = self._compiled(rf"{fields}(?:{delimiter}{fields})*+[\r\n]")
        self._escaped = self._compiled(f"{escape}.") if escape else None
        self._delimiter = dialect.delimiter.encode()
        self.quote = (dialect.quote or "").encode()

    @staticmethod
    def _compiled(pattern: str) -> re.Pattern[bytes]:
        return re.compile(pattern.encode(), re.DOTALL)

    def delimiters(self, line: bytes) -> int:
        """How many delimiters a line has, if its quotes are text."""
        return self._plain_text(line).count(self._delimiter)

    def shapes(self, line: bytes, begin: int, positions: Iterable[int]) -> dict[int, bytes]:
        """Those of the fields at some positions, if quotes are text. The first is at ``begin``."""
        fields = dict(enumerate(self._plain_text(line).split(self._delimiter), begin))
        return {position: shape_of(fields[position]) for position in positions if position in fields}

    def _plain_text(self, line: bytes) -> bytes:
        return line if self._escaped is None else self._escaped.sub(b"x", line)


def shape_of(field: bytes) -> bytes:
    """The kinds of characters in a field, in order: ``u17`` is ``a9``."""
    return _LETTERS.sub(b"a", _DIGITS.sub(b"9", field))


class QuoteWatch:
    """Follows a text with quotes from the start of a record, and stops where they cannot be trusted.

    A quoted field may hold line ends. It is taken for one if only quotes explain the lines: they have not as many
    fields as a row. If each line could be a row, the rest of the file decides: see ``_Evidence``. ``needed`` and
    ``ids`` are the positions of the columns read, and of the users and items among them.
    """

    def __init__(
        self, source: Source, dialect: Dialect, offset: int, needed: Iterable[int], ids: Iterable[int]
    ) -> None:
        self._source, self._dialect, self._start = source, dialect, offset
        self._needed, self._ids = tuple(needed), tuple(ids)
        self._grammar = Grammar(dialect)
        self._evidence: _Evidence | None = None
        self._is_simple = dialect.escape is None and len(dialect.delimiter) == 1
        # The record that is not over yet, and the byte before it.
        self._rest, self._at = b"\n", offset - 1

    def follow(self, data: bytes) -> None:
        """Look at some more text; ``BadDataError`` at the line of a quoted field that is not what it seems."""
        stop = self._pass_records(self._rest + data)
        if len(self._rest) > _MOST:
            error = explained(self._source, self._dialect, self._start, self._needed)
            if error is not None:
                raise error
            self._refuse("a quoted field that begins here is longer than 8 MiB", PLAIN, stop)

    def finish(self) -> None:
        """Look at the end; ``BadDataError`` as for ``follow``, or for a quote that is not closed."""
        text = self._rest if self._rest[-1:] in (b"\n", b"\r") else self._rest + b"\n"
        begin = self._at
        stop = self._pass_records(text)
        if stop - begin < len(text):
            record = text[self._at + 1 - begin :]
            fields: list[re.Match[bytes]] = []
            at = 0
            while (found := self._grammar.field.match(record, at)) is not None:
                fields.append(found)
                at = found.end()
            stray = self._first_of_rows(record, fields)
            if stray is not None:
                self._refuse(f"{_runs(stray)}, which look like rows", PLAIN, self._at + 1 + stray.start())
            what = "the quote that begins a field here is not closed"
            self._refuse(what, f"close it; or {PLAIN}", self._at + 1 + at)

    def _pass_records(self, text: bytes) -> int:
        """Pass the records that end in a text; the offset in the file where it is stuck, or ends."""
        grammar, at, tried = self._grammar, self._pass_simple(text), False
        while True:
            stop = grammar.plain.match(text, at).end()  # type: ignore[union-attr]  # may be empty
            at = max(at, text.rfind(b"\n", at, stop) + 1, text.rfind(b"\r", at, stop) + 1)
            if stop == len(text):
                break
            if not tried:
                tried, before = True, at
                at = self._pass_proper(text, at)
                if at > before:
                    continue
            found = grammar.record.match(text, stop)
            if found is None:
                break
            self._check(text[at : found.end()], self._at + at)
            at = found.end()
        begin = self._at
        self._rest, self._at = text[at - 1 :], begin + at - 1
        return begin + stop

    def _pass_simple(self, text: bytes) -> int:
        """Pass whole lines at once, if every quote in them begins or ends a field; where the rest begins, or 1.

        A third of the time of the regular expressions. After a text with another quote it is not tried again.
        """
        size = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
        if not self._is_simple or size <= 1:
            return 1
        data, quote = np.frombuffer(text, np.uint8, size), ord(self._grammar.quote)
        is_mark = (data == quote) | (data == _LF)
        if b"\r" in text:
            is_mark |= data == _CR
        marks = np.flatnonzero(is_mark)
        is_quote = data.take(marks) == quote
        quotes, line_ends = marks[is_quote], np.flatnonzero(~is_quote)  # the first byte is a line end
        is_edge = np.zeros(256, bool)
        is_edge[[_LF, _CR, ord(self._dialect.delimiter)]] = True
        self._is_simple = (
            len(quotes) % 2 == 0
            and bool(is_edge[data.take(quotes[::2] - 1)].all() and is_edge[data.take(quotes[1::2] + 1)].all())
            and not ((line_ends - np.arange(len(line_ends))) & 1).any()  # quotes before each
        )
        return size if self._is_simple else 1

    def _pass_proper(self, text: bytes, at: int) -> int:
        """Pass the records from ``at`` on at once, if all their quotes are proper; where the rest begins.

        Only records whose lines could be rows are looked at more closely. Returns ``at`` if quotes are in doubt.
        """
        grammar, dialect = self._grammar, self._dialect
        size = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1 - at
        if size <= 0 or (dialect.escape is not None and text.find(dialect.escape.encode(), at) >= 0):
            return at
        # With the byte before and the one after each.
        data = np.frombuffer(text, np.uint8, size + 1, at - 1)
        ends = (data == _LF) | (data == _CR)
        quotes = np.flatnonzero(data[1:] == ord(grammar.quote)) + 1
        edges = ends | (data == ord(dialect.delimiter)) | (data == ord(grammar.quote))
        if not (edges[quotes[::2] - 1].all() and edges[quotes[1::2] + 1].all()):
            return at
        ends[1:] &= (data[1:] == _CR) | (data[:-1] != _CR)
        line_ends = np.flatnonzero(ends[1:]) + 1
        over = np.flatnonzero(np.searchsorted(quotes, line_ends) % 2 == 0)
        if not len(over):
            return at
        delimiters = np.flatnonzero(data[1:] == ord(dialect.delimiter)) + 1
        rows = np.diff(np.searchsorted(delimiters, line_ends), prepend=0) == len(dialect.names) - 1
        first = np.concatenate([[0], over[:-1] + 1])
        lines, fits = over + 1 - first, np.add.reduceat(rows[: over[-1] + 1], first)
        if not dialect.insists:
            for record in np.flatnonzero((lines > 1) & _are_many(lines, fits)).tolist():
                begin = int(line_ends[first[record] - 1]) if record else 0
                end = int(line_ends[over[record]])
                # The end of a CRLF.
                begin += text[at + begin : at + begin + 1] == b"\n"
                self._check(text[at + begin : at + end], self._at + at + begin)
        return at + int(line_ends[over[-1]])

    def _check(self, record: bytes, offset: int) -> None:
        """Look at a record with a quoted field that runs over lines or has text after it."""
        fields = list(self._grammar.field.finditer(record))
        lines = _LINE_END.split(record[:-1])
        if len(lines) > 1 and not self._dialect.insists:
            self._check_lines(record, offset, fields, lines)
        if len(fields) == len(self._dialect.names):
            for position in self._needed:
                after = fields[position]["after"]
                if after:
                    what = f"a closing quote is followed by {after.decode(errors='replace')[:20]!r}"
                    self._refuse(what, f"double a quote that is text; or {PLAIN}", offset)

    def _first_of_rows(self, record: bytes, fields: list[re.Match[bytes]]) -> re.Match[bytes] | None:
        """The first of some fields that runs over lines, up to the end of the last, all of which could be rows."""
        for field in fields:
            if field["quoted"] is not None and _LINE_END.search(field["quoted"]):
                rest = _LINE_END.search(record, field.end() - 1)
                lines = _LINE_END.split(record[: rest.start() if rest is not None else len(record)])
                if all(self._grammar.delimiters(line) == len(self._dialect.names) - 1 for line in lines):
                    return field
        return None

    def _ids_within(self, record: bytes, field: re.Match[bytes]) -> Iterator[dict[int, bytes]]:
        """The shapes of the ids within a quoted field, line by line, if its lines are rows."""
        before = _LINE_END.split(record[: field.start()])[-1]
        # Quotes cut the first and the last: they are not ids.
        first, *others = _LINE_END.split(field["quoted"])
        inside = [(first, self._grammar.delimiters(before)), *((line, 0) for line in others)]
        for number, (line, begin) in enumerate(inside):
            shapes = self._grammar.shapes(line, begin, self._ids)
            if number == 0:
                shapes.pop(begin, None)
            if number == len(others):
                shapes.pop(begin + self._grammar.delimiters(line), None)
            elif begin + self._grammar.delimiters(line) != len(self._dialect.names) - 1:
                continue
            if shapes:
                yield shapes

    def _check_lines(self, record: bytes, offset: int, fields: list[re.Match[bytes]], lines: list[bytes]) -> None:
        """Refuse a record of several lines if one of its quotes is text, or may be."""
        spanning = [field for field in fields if _LINE_END.search(field["quoted"] or b"")]
        wanted = len(self._dialect.names)
        for field in spanning:
            if field["after"]:
                after = field["after"].decode(errors="replace")[:20]
                stray = self._first_of_rows(record, fields) or field
                is_this = "its" if stray is field else "another"
                what = f"{_runs(stray)}, and {after!r} follows {is_this} closing quote"
                self._refuse(what, PLAIN, offset + stray.start())
        if len(fields) != wanted:
            stray = self._first_of_rows(record, fields) or spanning[0]
            has = f"the row has {len(fields)} field{'s' * (len(fields) != 1)} where {self._dialect.expected}"
            self._refuse(f"{_runs(stray)}, and {has}", PLAIN, offset + stray.start())
        rows = [self._grammar.delimiters(line) == wanted - 1 for line in lines]
        if not _may_be_rows(rows):
            return
        if self._evidence is None:
            self._evidence = _Evidence(self._source, self._dialect, self._grammar, self._ids)
        within = [ids for field in spanning for ids in self._ids_within(record, field)]
        if self._evidence.are_rows(within, every=all(rows)):
            what = f"{_runs(spanning[0])}, which look like rows"
            self._refuse(what, f"{PLAIN}, {_INSIST}", offset + spanning[0].start())

    def _refuse(self, what: str, remedy: str, offset: int) -> NoReturn:
        """Raise the error of the line at an offset, or of an earlier one that has the wrong number of fields."""
        with self._source.open() as stream:
            line = lines_before(stream, offset) + 1
        error: NegprepError | None = explained(self._source, self._dialect, self._start, self._needed, before=line)
        raise error or BadDataError(what, place=f"{self._source.name}:{line}", remedy=remedy)


def _runs(field: re.Match[bytes]) -> str:
    return f"the quoted field that begins here runs over {len(_LINE_END.split(field['quoted']))} lines"


def _may_be_rows(lines: list[bool]) -> bool:
    """Whether a record may be several rows: all of its lines could be, or half of at least four."""
    return bool(_are_many(len(lines), sum(lines)))


def _are_many(lines: Any, rows: Any) -> Any:  # noqa: ANN401 - numbers, or arrays of them
    return (rows == lines) | ((lines >= 4) & (2 * rows >= lines))


class _Evidence:
    """What the first rows of a file show about its quotes and its ids.

    The quotes of a file are trusted if some of its rows cannot be explained without them, and if none stands in the
    middle of a field: who writes quotes around fields would have put them around that one, too.
    """

    def __init__(self, source: Source, dialect: Dialect, grammar: Grammar, ids: tuple[int, ...]) -> None:
        self._needed_quotes = self._bare_quotes = False
        self._shapes: dict[int, set[bytes]] = defaultdict(set)
        self._rows = 0
        wanted = len(dialect.names)
        try:
            for _, row, text in islice(numbered_rows(source, dialect, dialect.start), _SAMPLE):
                record = "".join(text).encode("utf-8", "surrogateescape")
                lines = _LINE_END.split(record.rstrip(b"\r\n"))
                rows = [grammar.delimiters(line) == wanted - 1 for line in lines]
                if len(row) == wanted and not _may_be_rows(rows):
                    self._needed_quotes = True
                fields = list(grammar.field.finditer(record.rstrip(b"\r\n") + b"\n"))
                if len(fields) == wanted:
                    self._rows += 1
                    for position in ids:
                        if not _LINE_END.search(fields[position]["quoted"] or b""):
                            self._shapes[position].add(shape_of(fields[position][0][:-1]))
                self._bare_quotes |= any(
                    field["after"] or (field["quoted"] is None and grammar.quote in field[0]) for field in fields
                )
        except BadDataError:
            # A quote that is never closed, or a field without an end: the reading itself comes to it.
            pass

    def are_rows(self, found: list[dict[int, bytes]], *, every: bool) -> bool:
        """Whether the lines of a record, with ids of these shapes within quotes, must be taken for rows.

        ``every``: all of them could be.
        """
        known = self._shapes
        if found and all(b"" in each.values() for each in found):
            return False
        # Codes, such as numbers, are all of one shape; names are not.
        alike = [at for at, shapes in known.items() if len(shapes) == 1 and b"9" in next(iter(shapes))]
        if found and every and alike and all(shape in known[at] for each in found for at, shape in each.items()):
            return True
        unlike = [any(at in each and each[at] not in known[at] for at in alike) for each in found]
        if found and self._rows >= 3 and all(unlike):
            return False
        return self._bare_quotes or not self._needed_quotes


def refuse_stray_in_header(lines: list[str], dialect: Dialect, place: str) -> None:
    """Raise ``BadDataError`` if the first record runs over several lines and its quotes may be text."""
    if dialect.quote is None or dialect.insists or len(lines) < 2:
        return
    grammar = Grammar(dialect)
    record = "".join(lines).encode("utf-8", "surrogateescape").rstrip(b"\r\n") + b"\n"
    counts = {grammar.delimiters(line) for line in _LINE_END.split(record[:-1])}
    found = grammar.record.fullmatch(record)
    fields = list(grammar.field.finditer(record))
    if found is None or len(counts) == 1 or any(field["after"] for field in fields):
        what = f"a quoted field that begins here runs over {len(lines)} lines"
        raise BadDataError(what, place=place, remedy=f"{PLAIN}, {_INSIST}")


def is_quoted_as_written(source: Source, dialect: Dialect) -> bool:
    """Whether a text is quoted as negprep quotes: some fields are, and each of them has to be.

    The first thousand lines with quotes decide.
    """
    grammar, quote = Grammar(dialect), dialect.quote or ""
    special = re.compile(f"[{re.escape(dialect.delimiter)}{re.escape(quote)}\r\n]".encode())
    lines = (line for line in physical_lines(source, source.open()) if quote in line)
    some = list(islice(lines, 1000))
    for line in some:
        text = line.rstrip("\r\n").encode("utf-8", "surrogateescape") + b"\n"
        if grammar.record.fullmatch(text) is None:
            return False
        for field in grammar.field.finditer(text):
            inner = (field["quoted"] or b"")[1:-1]
            if field["after"] or (field["quoted"] is None and grammar.quote in field[0]):
                return False
            if field["quoted"] is not None and not special.search(inner):
                return False
    return bool(some)
