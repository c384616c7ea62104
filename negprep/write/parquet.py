"""Rows in batches of any size to one Parquet or Arrow file whose bytes depend on the rows and the metadata alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from negprep.arrow import as_numpy, compact, pc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from negprep.write.atomic import Sink


_Codec: TypeAlias = "tuple[str, int | None]"
"""A codec and its level."""

_Tried: TypeAlias = Callable[..., pq.ColumnChunkMetaData]
"""What the first values of a column become in an encoding, by a codec (None: zstd): tried once for each."""

_ZSTD: _Codec = ("zstd", 3)
_FAST_ZSTD: _Codec = ("zstd", 1)
_LZ4: _Codec = ("lz4", None)
_NONE: _Codec = ("none", None)
_MOST_DISTINCT_INTEGERS = 1 << 15
_MOST_DISTINCT_OTHERS = 1 << 16
_LARGEST_DICTIONARY = 1 << 18
_TRIED_VALUES = 1 << 16
_SWALLOWED = 0.02
_SWALLOWED_BY_LZ4 = 0.01
_WORTH_ITS_TIME = 0.95
_ALIKE = 1.02
_SMALLER = 1.25


def encodings_of(first: pa.Table) -> dict[str, Any]:
    """Encodings and codecs for such rows.

    ``first``: The first row group.
    Returns dict: Arguments of `pyarrow.parquet.ParquetWriter`.
    """
    encodings, codecs = dict[str, str](), dict[str, _Codec]()
    by_user = "user" in first.column_names and _ascends(first["user"])
    for path, column in _leaves(first):
        values = column[:_TRIED_VALUES].combine_chunks()
        values = values.drop_null() if values.null_count else values
        tried = cache(partial(_tried, values))
        encodings[path] = _encoding(values, len(column), tried)
        codecs[path] = _codec(encodings[path], tried)
    return {
        "use_dictionary": [path for path, encoding in encodings.items() if encoding == "RLE_DICTIONARY"],
        "column_encoding": {path: encoding for path, encoding in encodings.items() if encoding != "RLE_DICTIONARY"},
        "compression": {path: codec for path, (codec, _) in codecs.items()},
        "compression_level": {path: level for path, (_, level) in codecs.items() if level is not None},
        # Rows that are sorted by it a reader can skip by it, and by nothing else; for strings it would take twice as
        # long.
        "write_statistics": ["user"] if by_user else False,
    }


def _ascends(values: pa.ChunkedArray) -> bool:
    """Whether the first values, integers or of a dictionary, ascend; of any others, whether there are any."""
    first = values[:_TRIED_VALUES].combine_chunks()
    first = first.indices if pa.types.is_dictionary(first.type) else first
    if not pa.types.is_integer(first.type) or first.null_count:
        return True
    numbers = as_numpy(first)
    return bool((numbers[1:] >= numbers[:-1]).all())


def _leaves(rows: pa.Table) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """The columns as Parquet has them: path and values; those of a list are its elements."""
    for field, values in zip(rows.schema, rows.columns, strict=True):
        if pa.types.is_list(field.type):
            yield (
                f"{field.name}.list.element",
                pa.chunked_array([chunk.flatten() for chunk in values.chunks], field.type.value_type),
            )
        else:
            yield field.name, values


def _encoding(values: pa.Array, n_all: int, tried: _Tried) -> str:
    """The encoding of a column, from the first values of a row group that has ``n_all``.

    Numbers have no nulls.
    """
    if not n_all or not len(values):
        return "PLAIN"
    if pa.types.is_dictionary(values.type):
        return "RLE_DICTIONARY" if len(values.dictionary) <= _LARGEST_DICTIONARY else "PLAIN"
    is_integer = pa.types.is_integer(values.type)
    if (is_integer or pa.types.is_floating(values.type)) and len(values) > 1:
        numbers = as_numpy(values)
        repeats = np.count_nonzero(numbers[1:] == numbers[:-1])
        if 2 * repeats >= len(values):
            scattered = pa.types.is_int8(values.type) and _left(tried("PLAIN")) > _SWALLOWED
            return "DELTA_BINARY_PACKED" if scattered else "PLAIN"
    if not is_integer:
        return "RLE_DICTIONARY" if len(values.unique()) <= _MOST_DISTINCT_OTHERS else "PLAIN"
    ascending = np.sort(as_numpy(values))  # np.unique hashes, which takes longer
    is_small = np.count_nonzero(ascending[1:] != ascending[:-1]) < _MOST_DISTINCT_INTEGERS
    return "RLE_DICTIONARY" if is_small and _is_worth_a_dictionary(len(values), n_all, tried) else "DELTA_BINARY_PACKED"


def _codec(encoding: str, tried: _Tried) -> _Codec:
    """zstd, unless it would be a waste of time; for numbers in runs what takes less time, if it leaves no more."""
    by_zstd = tried(encoding)
    if encoding == "DELTA_BINARY_PACKED" and _left(by_zstd) > _WORTH_ITS_TIME:
        return _NONE
    if encoding == "RLE_DICTIONARY" or by_zstd.physical_type == "BYTE_ARRAY" or not by_zstd.num_values:
        return _ZSTD
    if encoding == "PLAIN" and _left(tried(encoding, _LZ4)) < _SWALLOWED_BY_LZ4:
        return _LZ4
    if by_zstd.physical_type not in ("INT32", "INT64"):  # the same floats may come again far away, beyond these values
        return _ZSTD
    is_alike = tried(encoding, _FAST_ZSTD).total_compressed_size <= _ALIKE * by_zstd.total_compressed_size
    return _FAST_ZSTD if is_alike else _ZSTD


def _is_worth_a_dictionary(n_tried: int, n_all: int, tried: _Tried) -> bool:
    """Whether integers would take much more without one; its own bytes are shared by all values of the row group."""
    with_it, without = tried("RLE_DICTIONARY"), tried("DELTA_BINARY_PACKED")
    dictionary = with_it.data_page_offset - with_it.dictionary_page_offset
    share = dictionary * n_tried / n_all
    return bool(without.total_compressed_size > _SMALLER * (with_it.total_compressed_size - dictionary + share))


def _left(column: pq.ColumnChunkMetaData) -> float:
    """The share of the bytes that compression leaves."""
    return float(column.total_compressed_size / column.total_uncompressed_size)


def _tried(values: pa.Array, encoding: str, codec: _Codec = _ZSTD) -> pq.ColumnChunkMetaData:
    """What the values become."""
    is_dictionary = encoding == "RLE_DICTIONARY"
    tried = pa.Table.from_arrays([values], ["tried"])
    made: list[pq.FileMetaData] = []
    pq.write_table(
        tried,
        pa.BufferOutputStream(),
        compression=codec[0],
        compression_level=codec[1],
        use_dictionary=is_dictionary,
        column_encoding=None if is_dictionary else {"tried": encoding},
        metadata_collector=made,
    )
    return made[0].row_group(0).column(0)


ROW_GROUP_ROWS = 1 << 20

_BUFFER_BYTES = 1 << 18

_ENCODED_VALUES, _ENCODED_TEXTS = 1 << 10, 1 << 14
"""Values of a column that are encoded at a time: only after these may a page end, and after a piece.

More where users are strings: their statistics take a hash table each time.
"""


class _RowGroups(ABC):
    """A file of row groups, written to a `Sink` as its rows arrive.

    ``schema``: Of every batch. Strings may come as ``dictionary<int32, string>``, also within lists; the file holds
      strings.

    Row groups have ``row_group_rows`` rows, the last one fewer. Batches are kept, not copied, until their row group is
    full: their memory must not be written to again.
    """

    def __init__(self, sink: Sink, schema: pa.Schema, row_group_rows: int = ROW_GROUP_ROWS) -> None:
        self._sink = sink
        self._schema = schema
        self._row_group_rows = row_group_rows
        of_texts = any(field.name == "user" and pa.types.is_dictionary(field.type) for field in schema)
        self._encoded_values = _ENCODED_TEXTS if of_texts else _ENCODED_VALUES
        self._pieces: list[pa.RecordBatch] = []
        self._pending_rows = 0
        self._stream: Any = None
        self._writer: Any = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next rows, and write each row group that they complete."""
        start = 0
        while batch.num_rows - start >= self._row_group_rows - self._pending_rows:
            stop = start + self._row_group_rows - self._pending_rows
            self._keep(batch.slice(start, stop - start))
            self._write_row_group()
            start = stop
        if start < batch.num_rows:
            self._keep(batch.slice(start))

    def end_rows(self) -> None:
        """Write the rows that are left: a row group of its own, whatever its size."""
        if self._pieces:
            self._write_row_group()

    def discard(self) -> None:
        """Write nothing more, not even a footer."""
        self._sink.discard()
        self._pieces.clear()
        self._abandon()

    @abstractmethod
    def close(self, metadata: dict[str, str]) -> None:
        """Write the rows that are left, and the end of the file, with `metadata` where it has a place for them."""

    @abstractmethod
    def _put(self, rows: pa.Table) -> None:
        """Write a row group."""

    def _abandon(self) -> None:
        """Forget the writer."""
        self._writer = None

    def _keep(self, piece: pa.RecordBatch) -> None:
        self._pieces.append(piece)
        self._pending_rows += piece.num_rows

    def _write_row_group(self) -> None:
        rows = pa.Table.from_batches(self._pieces)
        if any(len(piece) % self._encoded_values for piece in self._pieces[:-1]):
            # The writer may end a page where a piece ends, and then the bytes would depend on how the rows arrived.
            rows = rows.combine_chunks()
        self._pieces.clear()
        self._pending_rows = 0
        self._put(rows)

    def _open_stream(self) -> Any:  # noqa: ANN401
        self._stream = pa.BufferedOutputStream(pa.PythonFile(self._sink, mode="w"), _BUFFER_BYTES)
        return self._stream


class ParquetStream(_RowGroups):
    """One Parquet file.

    Strings that come as a dictionary are cheaper to write; its values must be distinct and sorted, or the bytes depend
    on their order.
    """

    def close(self, metadata: dict[str, str]) -> None:
        """Write the rows that are left, and the footer with `metadata`."""
        self.end_rows()
        if self._writer is None:
            self._open(self._schema.empty_table())
        self._writer.add_key_value_metadata(metadata)
        self._writer.close()
        self._stream.close()

    def _abandon(self) -> None:
        if self._writer is not None:
            # Its __del__ closes what is open, and after an error that raises where nobody can catch it.
            self._writer.is_open = False
        super()._abandon()

    def _put(self, rows: pa.Table) -> None:
        rows = pa.Table.from_arrays([_canonical(column) for column in rows.columns], schema=self._schema)
        if self._writer is None:
            self._open(rows)
        self._writer.write_table(rows, row_group_size=self._row_group_rows)

    def _open(self, first: pa.Table) -> None:
        self._writer = pq.ParquetWriter(
            self._open_stream(),
            self._schema,
            **encodings_of(first),
            write_page_checksum=True,
            write_batch_size=self._encoded_values,
            max_rows_per_page=ROW_GROUP_ROWS,
            # With it, strings that came as a dictionary would be read back as one, and each part has its own.
            store_schema=False,
        )


class ArrowStream(_RowGroups):
    """One Arrow stream, or with ``is_file`` an Arrow file, in plain types and uncompressed, so that it can be mapped.

    It has no place for what is known at its end.
    """

    def __init__(self, sink: Sink, schema: pa.Schema, row_group_rows: int, *, is_file: bool) -> None:
        super().__init__(sink, schema, row_group_rows)
        fields = [pa.field(each.name, _plain(each.type), nullable=each.nullable) for each in schema]
        self._plain, self._is_file = pa.schema(fields), is_file

    def close(self, metadata: dict[str, str]) -> None:  # noqa: ARG002
        """Write the rows that are left, and the mark at the end."""
        self.end_rows()
        self._open()
        self._writer.close()
        self._stream.close()

    def _put(self, rows: pa.Table) -> None:
        self._open()
        self._writer.write_table(rows.cast(self._plain).combine_chunks())

    def _open(self) -> None:
        if self._writer is None:
            begin = pa.ipc.new_file if self._is_file else pa.ipc.new_stream
            self._writer = begin(self._open_stream(), self._plain)


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type without dictionaries."""
    if pa.types.is_list(kind):
        return pa.list_(pa.field("element", _plain(kind.value_type), nullable=False))
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _canonical(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """The same values: in one piece but for numbers, and with dictionaries that hold no others.

    pyarrow writes the dictionary of an array as it is: that of a whole catalog, in every row group.
    """
    if pa.types.is_primitive(column.type):
        return column
    values = column.combine_chunks()
    if pa.types.is_dictionary(values.type):
        return _compacted(values)
    if pa.types.is_list(values.type) and pa.types.is_dictionary(values.type.value_type):
        offsets = pc.subtract(values.offsets, values.offsets[0])
        return pa.ListArray.from_arrays(offsets, _compacted(values.flatten()), type=values.type)
    return values


def _compacted(values: pa.DictionaryArray) -> pa.DictionaryArray:
    if values.null_count:
        raise ValueError("an id is null")
    return compact(values)
