"""Rows in batches of any size -> one Parquet file whose bytes depend on the rows and the metadata alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from negprep.arrow import as_numpy, from_numpy
from negprep.compute import pc
from negprep.writing.encodings import encodings_of

if TYPE_CHECKING:
    from negprep.writing.sink import Sink

ROW_GROUP_ROWS = 1 << 20

_BUFFER_BYTES = 1 << 18

_ENCODED_VALUES = 1 << 10
"""Of a column, encoded at a time: only after these may a page end, and after a piece."""


class ParquetStream:
    """One Parquet file, written to a `Sink` as its rows arrive.

    Parameters
    ----------
    sink : Sink
    schema : pyarrow.Schema
        Of every batch. Strings may come as ``dictionary<int32, string>``, which is cheaper to write, also within
        lists; the file holds strings and is read back as such. The dictionary's values must be distinct and sorted, or
        the bytes depend on their order.

    Notes
    -----
    Row groups have ``row_group_rows`` rows, the last one fewer. Batches are kept, not copied, until their row group is
    full: their memory must not be written to again.
    """

    def __init__(self, sink: Sink, schema: pa.Schema, row_group_rows: int = ROW_GROUP_ROWS) -> None:
        self._sink = sink
        self._schema = schema
        self._row_group_rows = row_group_rows
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

    def close(self, metadata: dict[str, str]) -> None:
        """Write the rows that are left, and the footer with `metadata`."""
        self.end_rows()
        if self._writer is None:
            self._open(self._schema.empty_table())
        self._writer.add_key_value_metadata(metadata)
        self._writer.close()
        self._stream.close()

    def discard(self) -> None:
        """Write nothing more, not even a footer."""
        self._sink.discard()
        self._pieces.clear()
        if self._writer is not None:
            # Its __del__ closes what is open, and after an error that raises where nobody can catch it.
            self._writer.is_open = False
            self._writer = None

    def _keep(self, piece: pa.RecordBatch) -> None:
        self._pieces.append(piece)
        self._pending_rows += piece.num_rows

    def _write_row_group(self) -> None:
        rows = pa.Table.from_batches(self._pieces)
        if any(len(piece) % _ENCODED_VALUES for piece in self._pieces[:-1]):
            # The writer may end a page where a piece ends, and then the bytes would tell how the rows arrived.
            rows = rows.combine_chunks()
        self._pieces.clear()
        self._pending_rows = 0
        rows = pa.Table.from_arrays([_canonical(column) for column in rows.columns], schema=self._schema)
        if self._writer is None:
            self._open(rows)
        self._writer.write_table(rows, row_group_size=self._row_group_rows)

    def _open(self, first: pa.Table) -> None:
        self._stream = pa.BufferedOutputStream(pa.PythonFile(self._sink, mode="w"), _BUFFER_BYTES)
        self._writer = pq.ParquetWriter(
            self._stream,
            self._schema,
            **encodings_of(first),
            # Rows are sorted by it, so a reader can skip by it and by nothing else; for strings it would take twice as
            # long.
            write_statistics=["user"],
            write_page_checksum=True,
            write_batch_size=_ENCODED_VALUES,
            max_rows_per_page=ROW_GROUP_ROWS,
            # With it, strings that came as a dictionary would be read back as one, and each part has its own.
            store_schema=False,
        )


def _canonical(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """The same values: in one piece but for numbers, and with dictionaries that hold no others.

    pyarrow writes the dictionary of an array as it is: that of a whole catalog, in every row group.
    """
    if pa.types.is_primitive(column.type):
        return column
    values = column.combine_chunks()
    if pa.types.is_dictionary(values.type):
        return _compact(values)
    if pa.types.is_list(values.type) and pa.types.is_dictionary(values.type.value_type):
        offsets = pc.subtract(values.offsets, values.offsets[0])
        return pa.ListArray.from_arrays(offsets, _compact(values.flatten()), type=values.type)
    return values


def _compact(values: pa.DictionaryArray) -> pa.DictionaryArray:
    if values.null_count:
        raise ValueError("an id is null")
    indices = as_numpy(values.indices)  # hashing them takes thrice as long as this table
    used = np.zeros(len(values.dictionary), bool)
    used[indices] = True
    position = np.cumsum(used, dtype=np.int32) - np.int32(1)
    kept = np.flatnonzero(used).astype(np.int32)
    return pa.DictionaryArray.from_arrays(from_numpy(position[indices]), values.dictionary.take(from_numpy(kept)))
