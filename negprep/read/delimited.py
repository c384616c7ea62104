"""Rows from CSV and its relatives: blocks cut at line ends, parsed in parallel and in order."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, cast

import pyarrow as pa

from negprep.arrow import text_bytes
from negprep.errors import BadDataError, NegprepError
from negprep.read.lines import MAX_LINE, Dialect, explained, last_line_end, place_of, warn_if_cut
from negprep.read.quoting import QuoteWatch
from negprep.read.sources import Piece, Source, machine_errors, one_line

# A line that has no end within a block is refused.
BLOCK = MAX_LINE
_STAND_IN = b"\x1f"
_IDS = ("user", "item", "pos_item", "neg_item")


@dataclass(frozen=True)
class TextInput:
    """One text file, ready to be read; ``warnings`` grow while it is read."""

    source: Source
    dialect: Dialect
    warnings: list[str] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in order."""
        return self.dialect.names

    def pieces(self, columns: dict[str, str]) -> Iterator[Callable[[], Piece]]:
        """The rows of the columns, by role, as functions that parse a block each and may run in any thread."""
        self.warnings[:] = [] if self.dialect.doubt is None else [f"{self.source.name}: {self.dialect.doubt}"]
        parse = _Parser(self.source, self.dialect, columns)
        at_end = partial(warn_if_cut, self.source, self.warnings)
        with machine_errors(self.source.name), self.source.open() as stream:
            offset = self.dialect.start
            stream.read(offset)
            rest, spare = b"", list[bytearray]()
            bytearray(BLOCK)  # glibc: once so much was given back, it keeps what is
            while True:
                block = spare.pop() if spare else bytearray(BLOCK)
                view = memoryview(block)
                view[: len(rest)] = rest
                size = len(rest) + cast(io.BufferedReader, stream).readinto(view[len(rest) :])
                if parse.may_join_lines(block, size):
                    # Only a parser from here on knows which line ends are within a field.
                    joined = _Joined(bytes(view[:size]), stream, parse.watch(offset), at_end)
                    yield from parse.serially(joined, offset)
                    return
                if size < BLOCK:
                    at_end(bytes(view[max(0, size - 1) : size]))
                    if size:
                        yield partial(parse.block, block, size, offset, spare)
                    return
                end = last_line_end(block)
                if end == 0:
                    raise parse.explained(offset, "a line is too long")
                rest = bytes(view[end:])
                yield partial(parse.block, block, end, offset, spare)
                offset += end


def _marked(data: bytes | memoryview) -> bytes | memoryview:
    """Data whose first bytes pyarrow keeps: it strips one byte order mark wherever it starts to read."""
    mark = codecs.BOM_UTF8
    return mark + data if data[: len(mark)] == mark else data


class _Parser:
    """pyarrow's parser, set to one file and some of its columns."""

    def __init__(self, source: Source, dialect: Dialect, columns: dict[str, str]) -> None:
        self._source, self._dialect, self._columns = source, dialect, columns
        self._header = columns if dialect.header else {}
        self._needed = [dialect.names.index(name) for name in columns.values()]
        self._quote = dialect.quote.encode() if dialect.quote else None
        self._escapes = re.compile(rf"{re.escape(dialect.escape)}[\r\n]".encode()) if dialect.escape else None

    def may_join_lines(self, block: bytearray, size: int) -> bool:
        """Whether a line end in the first bytes of a block, or after them, may stand within a field."""
        if self._quote is not None and block.find(self._quote, 0, size) >= 0:
            return True
        return self._escapes is not None and self._escapes.search(block, 0, size) is not None

    def watch(self, offset: int) -> QuoteWatch | None:
        """What follows the text from ``offset`` on, if it has quotes."""
        if self._dialect.quote is None:
            return None
        ids = [self._dialect.names.index(name) for role, name in self._columns.items() if role in _IDS]
        return QuoteWatch(self._source, self._dialect, offset, self._needed, ids)

    def _options(self, *, serial: bool) -> dict[str, Any]:
        from pyarrow import csv

        dialect = self._dialect
        names = [str(position) for position in range(len(dialect.names))]
        included = [names[position] for position in self._needed]
        return {
            "read_options": csv.ReadOptions(column_names=names, block_size=BLOCK, use_threads=serial),
            "parse_options": csv.ParseOptions(
                delimiter=_STAND_IN.decode() if dialect.delimiter == "::" else dialect.delimiter,
                quote_char=(serial and dialect.quote) or False,
                escape_char=dialect.escape or False,
                newlines_in_values=serial,
            ),
            "convert_options": csv.ConvertOptions(
                include_columns=included,
                column_types=dict.fromkeys(included, pa.string()),
                strings_can_be_null=False,
                check_utf8=serial,
            ),
        }

    def block(self, block: bytearray, size: int, offset: int, spare: list[bytearray]) -> Piece:
        """Parse whole lines without quotes, the first bytes of a block, which is spare then."""
        from pyarrow import csv

        lines = memoryview(block)[:size]
        data = pa.py_buffer(_marked(self._translated(lines) if self._dialect.delimiter == "::" else lines))
        try:
            table = csv.read_csv(pa.BufferReader(data), **self._options(serial=False))
            columns = [column.combine_chunks() for column in table.columns]
            for column in columns:
                if text_bytes(column)[1].max(initial=0) >= 0x80:
                    column.validate(full=True)
        except pa.ArrowInvalid as error:
            raise self.explained(offset, one_line(error)) from None
        spare.append(block)
        return self._piece(columns, offset, 0)

    def serially(self, stream: _Joined, offset: int) -> Iterator[Callable[[], Piece]]:
        """Parse the rest of the file, quotes and all."""
        from pyarrow import csv

        first = 0
        try:
            with csv.open_csv(pa.PythonFile(stream, "r"), **self._options(serial=True)) as batches:
                for batch in batches:
                    yield partial(self._piece, batch.columns, offset, first)
                    first += batch.num_rows
        except pa.ArrowInvalid as error:
            raise self.explained(offset, one_line(error)) from None

    def _piece(self, columns: list[pa.Array], offset: int, first: int) -> Piece:
        def place(row: int) -> str:
            return place_of(self._source, offset, first + row, self._dialect)

        return Piece(dict(zip(self._columns, columns, strict=True)), place, self._header)

    def _translated(self, block: memoryview) -> bytes:
        data = bytes(block)
        if _STAND_IN in data:
            what = "a field holds the control character U+001F, which cannot stand in a file separated by ::"
            raise BadDataError(what, place=self._source.name, remedy="remove it, or use another delimiter")
        return data.replace(b"::", _STAND_IN)

    def explained(self, offset: int, reason: str) -> NegprepError:
        """Why the text from ``offset`` on cannot be parsed: ``reason``, unless the slow scan finds more."""
        found = explained(self._source, self._dialect, offset, self._needed)
        return found or BadDataError(reason, place=self._source.name)


class _Joined(io.RawIOBase):
    """Bytes already read and the rest of a stream, all of which ``watch`` sees; ``at_end`` gets the last byte."""

    def __init__(
        self, read: bytes, stream: BinaryIO, watch: QuoteWatch | None, at_end: Callable[[bytes], None]
    ) -> None:
        self._read, self._stream, self._watch, self._at_end = bytes(_marked(read)), stream, watch, at_end
        self._last = b""
        self._over = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._read[:size] or self._stream.read(size)
        self._read = self._read[size:]
        if data:
            self._last = data[-1:]
            if self._watch is not None:
                self._watch.follow(data)
        elif not self._over:
            self._over = True
            self._at_end(self._last)
            if self._watch is not None:
                self._watch.finish()
        return data
