"""Rows in batches of any size to text, a line a row, whose bytes depend on the rows alone."""

from __future__ import annotations

import re
import sys
import zlib
from typing import TYPE_CHECKING

import pyarrow as pa

from negprep.arrow import pc, spelled, strings
from negprep.errors import BadDataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from negprep.write.atomic import Sink


TEXT_ROWS = 1 << 16
_BLOCK = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS
_LEVEL = 6


class TextStream:
    """One file of delimited text with a header, written to a `Sink` as its rows arrive.

    ``names``: The header. Empty: none is written.
    ``compressed``: By gzip, without a name or a time in it.
    """

    def __init__(self, sink: Sink, names: Sequence[str], separator: str, *, compressed: bool = False) -> None:
        self._sink, self._separator = sink, separator
        self._compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP) if compressed else None
        self._pending = bytearray()
        self._fields = Fields(separator)
        if names:
            header = quoted(strings(list(names)).cast(pa.large_string()), separator).to_pylist()
            self._pending += f"{separator.join(header)}\n".encode()

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next rows."""
        for start in range(0, batch.num_rows, TEXT_ROWS):
            columns = batch.slice(start, TEXT_ROWS).columns
            self.write_fields([self._fields.of(place, column) for place, column in enumerate(columns)])

    def write_fields(self, fields: Sequence[pa.Array]) -> None:
        """Take the next rows as fields, all ``large_string``: at most about `TEXT_ROWS` at a time."""
        self._pending += joined(fields, self._separator)
        self._send(len(self._pending) - len(self._pending) % _BLOCK)

    def end_rows(self) -> None:
        """Send the rows that are left."""
        self._send(len(self._pending))

    def close(self, metadata: dict[str, str]) -> None:  # noqa: ARG002
        """End the file. Text has no place for `metadata`."""
        self.end_rows()
        if self._compressor is not None:
            self._sink.write(self._compressor.flush())

    def discard(self) -> None:
        """Write nothing more."""
        self._sink.discard()
        self._pending.clear()

    def _send(self, size: int) -> None:
        # In blocks of one size, whatever the sizes of the batches: a compressor may look at where its input ends.
        for start in range(0, size, _BLOCK):
            data = bytes(self._pending[start : min(start + _BLOCK, size)])
            self._sink.write(data if self._compressor is None else self._compressor.compress(data))
        del self._pending[:size]


def joined(fields: Sequence[pa.Array], separator: str) -> memoryview:
    """The lines of rows whose fields, at least one, are ``large_string`` arrays of one length."""
    last = pc.binary_join_element_wise(fields[-1], word("\n"), word(""))
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
