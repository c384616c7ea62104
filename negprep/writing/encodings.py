"""How each column of a Parquet file is encoded and compressed: chosen once a file, from its first 65,536 values.

====================================  ===================  ==========================================================
a column of                           is encoded as        because
====================================  ===================  ==========================================================
numbers, at least half of which       PLAIN                zstd swallows runs; hashing each value for a dictionary
equal the one before (user, label)                         takes longer than that
8-bit integers among these, of which  DELTA_BINARY_PACKED  PLAIN is 32 bits a value, for zstd to find out that one
zstd leaves more than a fiftieth                           would do
(labels in random order)
at most 2^15 different integers,      RLE_DICTIONARY       smallest, where ids are sparse or some of them frequent
which DELTA_BINARY_PACKED would make
larger by a quarter
other integers                        DELTA_BINARY_PACKED  twice as fast to write, as fast to read; with many items the
                                                           dictionary is slow to build, large, and given up half-way
at most 2^16 different others, or a   RLE_DICTIONARY       smallest
dictionary of at most 2^18
other values                          PLAIN
====================================  ===================  ==========================================================

All are compressed by zstd, level 3, but for those in DELTA_BINARY_PACKED of which it would save less than a twentieth:
ids in random order are bits in random order, and zstd takes as long to find that out as the encoding takes.

Measured on 20 million rows (users in runs of 700, 4 of 5 items uniform, labels 1, 0, 0, 0, 0), CPU time and size
relative to ``pyarrow.parquet.write_table(table, compression="zstd")`` of the same column:

==============================  =====  ====  ====
column and setting              write  size  read
==============================  =====  ====  ====
user, PLAIN                     0.46   0.5   0.73
user, RLE_DICTIONARY            0.86   0.6   0.38
user, DELTA_BINARY_PACKED       0.59   0.4   0.43
label, PLAIN                    0.28   0.2   0.66
label, RLE_DICTIONARY           0.72   0.0   0.44
27,000 items, RLE_DICTIONARY    0.79   1.00  0.65
27,000 items, DELTA             0.78   1.16  0.65
65,000 items, RLE_DICTIONARY    0.92   0.99  0.78
65,000 items, DELTA             0.49   1.14  0.72
300,000 items, RLE_DICTIONARY   1.16   0.96  0.75
300,000 items, DELTA            0.32   0.71  0.25
27,000 strings, RLE_DICTIONARY  0.38   1.00  0.7
130,000 strings, the same       0.44   0.38  1.6
1,000,000 strings, the same     2.15   1.21  2.3
1,000,000 strings, PLAIN        1.70   1.03  0.8
==============================  =====  ====  ====

And of 16 million of these, ns of CPU to write and to read a value, and bytes that it takes:

===================================  =====  ====  =====
column and setting                   write  read  bytes
===================================  =====  ====  =====
27,000 items, RLE_DICTIONARY, zstd   13.9   2.2   1.95
27,000 items, the same, no codec     10.9   2.1   2.08
27,000 items, DELTA, zstd            9.5    1.6   2.28
27,000 items, DELTA, no codec        7.5    1.7   2.28
===================================  =====  ====  =====

And of rows in random order, a row group of MovieLens 20M's shape (138,493 users, one label in five is 1), in ns of CPU
to write a value and bytes that it takes:

============================  =====  =====
column and setting            write  bytes
============================  =====  =====
user, PLAIN, zstd             38.4   2.87
user, RLE_DICTIONARY, zstd    24.1   2.47
user, DELTA, zstd              9.7   2.29
user, DELTA, not compressed    7.3   2.29
label, PLAIN, zstd             8.8   0.25
label, RLE_DICTIONARY, zstd    9.6   0.11
label, DELTA, zstd             6.5   0.13
============================  =====  =====

Part of this is the page limit: pyarrow cuts a page every 20,000 rows, which costs a header and statistics each time
(0.8 of the time without). Columns that are declared non-null take 0.8 of the time of nullable ones. BYTE_STREAM_SPLIT
writes the item column as fast as DELTA_BINARY_PACKED, but is new for integers: Spark 3.5 cannot read it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from negprep.arrow import as_numpy

if TYPE_CHECKING:
    from collections.abc import Iterator

_Tried: TypeAlias = Callable[[str], pq.ColumnChunkMetaData]
"""What the first values of a column become in an encoding: tried once for each."""

_LEVEL = 3
_MOST_DISTINCT_INTEGERS = 1 << 15
_MOST_DISTINCT_OTHERS = 1 << 16
_LARGEST_DICTIONARY = 1 << 18
_TRIED_VALUES = 1 << 16
_SWALLOWED = 0.02
_WORTH_ITS_TIME = 0.95
_SMALLER = 1.25


def encodings_of(first: pa.Table) -> dict[str, Any]:
    """What the tables at the head of this module say about such rows.

    Parameters
    ----------
    first : pyarrow.Table
        The first row group.

    Returns
    -------
    dict
        Arguments of `pyarrow.parquet.ParquetWriter`.
    """
    encodings, codecs = {}, {}
    for path, column in _leaves(first):
        values = column[:_TRIED_VALUES].combine_chunks()
        tried = cache(partial(_tried, values))
        encodings[path] = _encoding(values, len(column), tried)
        codecs[path] = _codec(encodings[path], tried)
    return {
        "use_dictionary": [path for path, encoding in encodings.items() if encoding == "RLE_DICTIONARY"],
        "column_encoding": {path: encoding for path, encoding in encodings.items() if encoding != "RLE_DICTIONARY"},
        "compression": codecs,
        "compression_level": {path: _LEVEL for path, codec in codecs.items() if codec == "zstd"},
    }


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
    """What the first table says of the first values of a row group that has ``n_all``.

    Numbers have no nulls, and are of the types that outputs have: int8, int32, int64, float32, float64.
    """
    if not n_all:
        return "PLAIN"
    if pa.types.is_dictionary(values.type):
        return "RLE_DICTIONARY" if len(values.dictionary) <= _LARGEST_DICTIONARY else "PLAIN"
    is_integer = pa.types.is_integer(values.type)
    if (is_integer or pa.types.is_floating(values.type)) and len(values) > 1:
        numbers = as_numpy(values)
        repeats = np.count_nonzero(numbers[1:] == numbers[:-1])
        if 2 * repeats >= len(values):
            scattered = pa.types.is_int8(values.type) and _left_by_zstd(tried("PLAIN")) > _SWALLOWED
            return "DELTA_BINARY_PACKED" if scattered else "PLAIN"
    if not is_integer:
        return "RLE_DICTIONARY" if len(values.unique()) <= _MOST_DISTINCT_OTHERS else "PLAIN"
    ascending = np.sort(as_numpy(values))  # np.unique hashes, which takes longer
    is_small = np.count_nonzero(ascending[1:] != ascending[:-1]) < _MOST_DISTINCT_INTEGERS
    return "RLE_DICTIONARY" if is_small and _is_worth_a_dictionary(len(values), n_all, tried) else "DELTA_BINARY_PACKED"


def _codec(encoding: str, tried: _Tried) -> str:
    """zstd, unless it would be a waste of time."""
    wasted = encoding == "DELTA_BINARY_PACKED" and _left_by_zstd(tried(encoding)) > _WORTH_ITS_TIME
    return "none" if wasted else "zstd"


def _is_worth_a_dictionary(n_tried: int, n_all: int, tried: _Tried) -> bool:
    """Whether integers would take much more without one; its own bytes are shared by all values of the row group."""
    with_it, without = tried("RLE_DICTIONARY"), tried("DELTA_BINARY_PACKED")
    dictionary = with_it.data_page_offset - with_it.dictionary_page_offset
    share = dictionary * n_tried / n_all
    return bool(without.total_compressed_size > _SMALLER * (with_it.total_compressed_size - dictionary + share))


def _left_by_zstd(column: pq.ColumnChunkMetaData) -> float:
    """The share of the bytes that compression leaves."""
    return float(column.total_compressed_size / column.total_uncompressed_size)


def _tried(values: pa.Array, encoding: str) -> pq.ColumnChunkMetaData:
    """What the values become."""
    is_dictionary = encoding == "RLE_DICTIONARY"
    tried = pa.Table.from_arrays([values], ["tried"])
    made: list[pq.FileMetaData] = []
    pq.write_table(
        tried,
        pa.BufferOutputStream(),
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=is_dictionary,
        column_encoding=None if is_dictionary else {"tried": encoding},
        metadata_collector=made,
    )
    return made[0].row_group(0).column(0)
