"""Rows in batches of any size to text, a line a row, whose bytes depend on the rows alone."""

from __future__ import annotations

import re
import struct
import sys
import zlib
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa

from negprep.arrow import pc, spelled, strings
from negprep.errors import BadDataError
from negprep.threads import on_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from negprep.write.atomic import Sink


TEXT_ROWS = 1 << 16
_BLOCK = 1 << 20
_WINDOW = 1 << 15
_LEVEL = 6
_GZIP_HEADER = bytes([31, 139, 8, 0, 0, 0, 0, 0, 0, 3])
"""Of a member: deflated, without a name or a time, from a Unix. Source: RFC 1952."""

_Bytes: TypeAlias = "bytes | memoryview"
_Block: TypeAlias = tuple[bytes, bytes]
"""The last bytes before a block, as many as one may refer to, and its own."""


class TextStream:
    """One file of delimited text with a header, written to a `Sink` as its rows arrive.

    ``names``: The header. Empty: none is written.
    ``compressed``: By gzip, without a name or a time in it.
    """

    def __init__(self, sink: Sink, names: Sequence[str], separator: str, *, compressed: bool = False) -> None:
        self._sink, self._separator = sink, separator
        self._fields = Fields(separator)
        header = b""
        if names:
            line = quoted(strings(list(names)).cast(pa.large_string()), separator).to_pylist()
            header = f"{separator.join(line)}\n".encode()
        self._gzip = _Gzip(header) if compressed else None
        self._begin = _GZIP_HEADER if compressed else header

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next rows."""
        for rows in _slices(batch):
            self._take(self._lines(rows))

    def write_fields(self, fields: Sequence[pa.Array]) -> None:
        """Take the next rows as fields, all ``large_string``: at most about `TEXT_ROWS` at a time."""
        self._take(joined(fields, self._separator))

    def encoded(self, batches: Iterable[pa.RecordBatch], threads: int, most: int) -> Generator[_Bytes, None, None]:
        """Take the next rows, and make their bytes on so many threads, at most so many rows by each: for `append`."""
        slices = (rows for batch in batches for rows in _slices(batch, most))
        with closing(on_threads(self._lines, slices, threads=threads, name="negprep-text")) as made:
            if self._gzip is None:
                for _, lines in made:
                    yield lines
                return
            blocks = (block for _, lines in made for block in self._gzip.blocks(lines))
            with closing(on_threads(_deflated, blocks, threads=threads, name="negprep-gzip")) as compressed:
                for _, data in compressed:
                    yield data

    def append(self, encoded: _Bytes) -> None:
        """Write the next of what `encoded` makes."""
        if self._begin:
            self._sink.write(self._begin)
            self._begin = b""
        self._sink.write(encoded)

    def end_rows(self) -> None:
        """Send the rows that are left."""
        self.append(b"" if self._gzip is None else _deflated(self._gzip.rest()))

    def close(self, metadata: dict[str, str]) -> None:  # noqa: ARG002
        """End the file. Text has no place for `metadata`."""
        self.end_rows()
        if self._gzip is not None:
            self.append(self._gzip.end())

    def discard(self) -> None:
        """Write nothing more."""
        self._sink.discard()

    def _lines(self, rows: pa.RecordBatch) -> memoryview:
        *columns, last = rows.columns
        fields = [self._fields.of(place, column) for place, column in enumerate(columns)]
        if is_small := pa.types.is_int8(last.type) and not last.null_count:  # labels, which need no step of their own
            fields.append(_words_of_bytes("\n").take(last.view(pa.uint8())))
        else:
            fields.append(self._fields.of(len(columns), last))
        return joined(fields, self._separator, ended=is_small)

    def _take(self, lines: memoryview) -> None:
        if self._gzip is None:
            self.append(lines)
            return
        for block in self._gzip.blocks(lines):
            self.append(_deflated(block))


def _slices(batch: pa.RecordBatch, most: int = TEXT_ROWS) -> Iterator[pa.RecordBatch]:
    """A batch in slices of at most so many rows or, about, elements of lists: arrays of fields that stay in a cache."""
    longest = max([1, batch.num_rows, *(len(each.flatten()) for each in batch.columns if pa.types.is_list(each.type))])
    step = max(1, min(most, most * batch.num_rows // longest))
    return (batch.slice(start, step) for start in range(0, batch.num_rows, step))


class _Gzip:
    """One member of a gzip file in blocks of one size, whatever the sizes of the texts, that any thread compresses.

    Each block knows the end of the one before, so that little is lost. The method is that of pigz.

    ``begin``: The first bytes of the text.
    """

    def __init__(self, begin: bytes) -> None:
        self._pending, self._before = bytearray(begin), b""
        self._checksum, self._size = 0, 0

    def blocks(self, text: memoryview) -> Iterator[_Block]:
        """The blocks that the next bytes complete."""
        self._pending += text
        while len(self._pending) >= _BLOCK:
            yield self._cut(_BLOCK)

    def rest(self) -> _Block:
        """What is left, which may be nothing."""
        return self._cut(len(self._pending))

    def end(self) -> bytes:
        """The end of the member: an empty block that is the last one, the checksum, the size."""
        sizes = struct.pack("<II", self._checksum, self._size & 0xFFFFFFFF)
        return zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS).flush() + sizes

    def _cut(self, size: int) -> _Block:
        before, block = self._before, bytes(memoryview(self._pending)[:size])
        del self._pending[:size]
        self._before = (before + block)[-_WINDOW:] if size < _WINDOW else block[-_WINDOW:]
        self._checksum = zlib.crc32(block, self._checksum)
        self._size += size
        return before, block


def _deflated(block: _Block) -> bytes:
    """A block, compressed up to a whole byte."""
    before, text = block
    if not text:
        return b""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=before)
    return compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)


@cache
def _words_of_bytes(end: str) -> pa.Array:
    """The numbers of all int8, each with an end, in the order of the same bytes as uint8: ``large_string``."""
    numbers = np.arange(1 << 8, dtype=np.uint8).view(np.int8)
    return strings([f"{number}{end}" for number in numbers]).cast(pa.large_string())


def joined(fields: Sequence[pa.Array], separator: str, *, ended: bool = False) -> memoryview:
    """The lines of rows whose fields, at least one, are ``large_string`` arrays of one length.

    ``ended``: Whether the last fields have the line ends.
    """
    last = fields[-1] if ended else pc.binary_join_element_wise(fields[-1], word("\n"), word(""))
    lines = pc.binary_join_element_wise(*fields[:-1], last, word(separator))
    _, offsets, data = lines.buffers()
    if data is None or not len(lines):
        return memoryview(b"")
    bounds = memoryview(offsets).cast("q")
    return memoryview(data)[bounds[lines.offset] : bounds[lines.offset + len(lines)]]


class Fields:
    """Columns as fields, whose dictionaries are looked at once; without ``quotes`` as they are, whatever they hold."""

    def __init__(self, separator: str, *, quotes: bool = True) -> None:
        self._separator, self._quotes = separator, quotes
        self._known: dict[int, tuple[pa.Array, pa.Array]] = {}

    def of(self, place: int, column: pa.Array) -> pa.Array:
        """A column as ``large_string``, quoted where it must be; ``place`` distinguishes it from the others.

        Raises BadDataError: An id in a list holds a space, which separates the elements.
        """
        if column.null_count:
            return pc.fill_null(self._of(place, column), "")
        return self._of(place, column)

    def _of(self, place: int, column: pa.Array) -> pa.Array:
        if pa.types.is_list(column.type):
            return self._quoted(self.listed(place, column, " "))
        if pa.types.is_dictionary(column.type):
            return self._spelled(place, column, self._quoted)
        if pa.types.is_string(column.type):
            return self._quoted(column.cast(pa.large_string()))
        if pa.types.is_int8(column.type) and not column.null_count:
            return _words_of_bytes("").take(column.view(pa.uint8()))
        return spelled(column)

    def _quoted(self, words: pa.Array) -> pa.Array:
        return quoted(words, self._separator) if self._quotes else words

    def listed(self, place: int, column: pa.ListArray, between: str) -> pa.Array:
        """A column of lists as ``large_string``, with ``between`` between the elements."""
        values = column.flatten()
        if pa.types.is_dictionary(values.type):
            texts = self._spelled(place, values, _without_spaces)
        elif pa.types.is_string(values.type):
            texts = _without_spaces(values.cast(pa.large_string()))
        else:
            texts = values.cast(pa.large_string())
        offsets = pc.subtract(column.offsets, column.offsets[0])
        return pc.binary_join(pa.ListArray.from_arrays(offsets, texts), word(between))

    def _spelled(self, place: int, column: pa.DictionaryArray, make: Callable[[pa.Array], pa.Array]) -> pa.Array:
        words = column.dictionary
        known = self._known.get(place)
        if known is None or not _are_one(known[0], words):
            known = self._known[place] = (words, make(words.cast(pa.large_string())))
        return known[1].take(column.indices)


def _are_one(words: pa.Array, others: pa.Array) -> bool:
    """Whether two string arrays are the same memory."""
    if len(words) != len(others) or words.offset != others.offset:
        return False
    return [buffer and buffer.address for buffer in words.buffers()] == [
        buffer and buffer.address for buffer in others.buffers()
    ]


def quoted(values: pa.Array, separator: str) -> pa.Array:
    """Strings, in quotes where they hold the separator, a quote or a line end."""
    special = pc.match_substring_regex(values, f'[{re.escape(separator)}"\r\n]')
    if not pc.any(special).as_py():
        return values
    doubled = pc.replace_substring(values, '"', '""')
    wrapped = pc.binary_join_element_wise(word('"'), doubled, word('"'), word(""))
    return pc.if_else(special, wrapped, values)


def _without_spaces(texts: pa.Array) -> pa.Array:
    """The texts; refused if a space in one would be taken for the end of an element."""
    spaced = texts.filter(pc.match_substring(texts, " "))
    if len(spaced):
        raise BadDataError(
            f"the id {spaced[0].as_py()!r} holds a space, which separates the items of a list in text",
            remedy="write Parquet, another --layout, or codes with --encode",
        )
    return texts


def word(value: str) -> pa.Scalar:
    """A ``large_string`` scalar; ``pa.scalar`` imports pandas."""
    data = value.encode()
    offsets = pa.py_buffer(bytes(8) + len(data).to_bytes(8, sys.byteorder))
    return pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, pa.py_buffer(data)])[0]
