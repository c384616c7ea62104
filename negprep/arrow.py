"""Arrow arrays seen as numpy and back, without a copy; Arrow's functions, imported when one is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class _Compute:
    """The functions of ``pyarrow.compute``, by name."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        import pyarrow.compute

        return getattr(pyarrow.compute, name)


pc = _Compute()


_NUMPY: dict[pa.DataType, np.dtype[Any]] = {
    **{pa.type_for_alias(name): np.dtype(name) for name in ("int8", "int16", "int32", "int64")},
    **{pa.type_for_alias(name): np.dtype(name) for name in ("uint8", "uint16", "uint32", "uint64")},
    **{pa.type_for_alias(name): np.dtype(name) for name in ("float16", "float32", "float64")},
}
Column: TypeAlias = Any
"""Numbers as a numpy array; strings, dictionaries and lists as an Arrow array."""

_BLOCK_CODES = 1 << 15

_ARROW: dict[np.dtype[Any], pa.DataType] = {dtype: arrow_type for arrow_type, dtype in _NUMPY.items()}


def as_numpy(values: pa.Array) -> npt.NDArray[Any]:
    """The values of an array of numbers: same length, read-only, not copied; a null holds anything."""
    dtype = _NUMPY[values.type]
    if len(values) == 0:
        return np.empty(0, dtype)
    return np.frombuffer(values.buffers()[1], dtype, len(values), values.offset * dtype.itemsize)


def from_numpy(values: npt.NDArray[Any]) -> pa.Array:
    """An Arrow array over the memory of ``values``, which must be one-dimensional and contiguous."""
    return pa.Array.from_buffers(_ARROW[values.dtype], len(values), [None, pa.py_buffer(values)])


def product(values: npt.NDArray[Any], factor: int) -> pa.Array:
    """Integers times a factor, as int64, in memory of Arrow's pool: a new array of numpy's costs more than the product.

    Each of its pages comes anew from the system, where malloc was not told to keep them.
    """
    buffer = pa.allocate_buffer(8 * len(values))
    np.multiply(values, np.int64(factor), out=np.frombuffer(buffer, np.int64))
    return pa.Array.from_buffers(pa.int64(), len(values), [None, buffer])


def unwrapped(values: pa.Array) -> Column:
    """Numbers as numpy, without a copy; anything else as it is."""
    return as_numpy(values) if values.type in _NUMPY else values


def wrapped(column: Column) -> pa.Array:
    """The Arrow array of a column, without a copy."""
    return from_numpy(column) if isinstance(column, np.ndarray) else column


def taken(column: Column, places: npt.NDArray[np.int64]) -> Column:
    """The values at some places, in that order.

    Numbers by way of numpy: it asks for huge pages, so that memory which is kept costs a fraction of Arrow's own.
    """
    if isinstance(column, np.ndarray):
        return column.take(places, mode="clip")
    if pa.types.is_dictionary(column.type):
        indices = from_numpy(as_numpy(column.indices).take(places, mode="clip"))
        return pa.DictionaryArray.from_arrays(indices, column.dictionary)
    return column.take(from_numpy(places))


def by_blocks(values: npt.NDArray[Any], codes: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
    """``values.take(codes)``; numpy makes 64-bit indices of all codes first, which are kept within a cache here."""
    found = np.empty(len(codes), values.dtype)
    for begin in range(0, len(codes), _BLOCK_CODES):
        here = slice(begin, begin + _BLOCK_CODES)
        values.take(codes[here], out=found[here], mode="clip")
    return found


def compact(values: pa.DictionaryArray) -> pa.DictionaryArray:
    """The same values, whose int32 indices have no null, through a dictionary of those that occur alone, in its order.

    By a table of what occurs: hashing the indices takes thrice as long.
    """
    codes = as_numpy(values.indices)
    first, last = (int(codes.min()), int(codes.max())) if len(codes) else (0, -1)
    occurs = np.zeros(last - first + 1, bool)
    for begin in range(0, len(codes), _BLOCK_CODES):
        occurs[codes[begin : begin + _BLOCK_CODES].astype(np.int64) - first] = True
    if len(occurs) == len(values.dictionary) and occurs.all():
        return values
    codes = codes - np.int32(first)
    if not occurs.all():
        codes = by_blocks(np.cumsum(occurs, dtype=np.int32) - np.int32(1), codes)
    kept = values.dictionary.take(from_numpy(np.flatnonzero(occurs) + first))
    return pa.DictionaryArray.from_arrays(from_numpy(codes), kept, safe=False)


def joined(pieces: list[Column]) -> Column:
    """Columns of one kind end to end."""
    return np.concatenate(pieces) if isinstance(pieces[0], np.ndarray) else pa.concat_arrays(pieces)


def take_rows(rows: pa.RecordBatch, places: npt.NDArray[np.int64]) -> pa.RecordBatch:
    """The rows at some places, in that order."""
    columns = [wrapped(taken(unwrapped(column), places)) for column in rows.columns]
    return pa.RecordBatch.from_arrays(columns, schema=rows.schema)


def number(value: float, kind: pa.DataType) -> pa.Scalar:
    """A number as a scalar; ``pa.scalar`` imports pandas as well."""
    return from_numpy(np.array([value], _NUMPY[kind]))[0]


def strings(words: list[str]) -> pa.StringArray:
    """A string array; ``pa.array`` of Python objects imports pandas as well."""
    encoded = [word.encode() for word in words]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(words), buffers)


def spelled(values: pa.Array) -> pa.Array:
    """Values as ``large_string``; times with a zone in UTC, for which no database of zones is needed."""
    if pa.types.is_timestamp(values.type) and values.type.tz is not None:
        mark, nothing = strings(["Z", ""]).cast(pa.large_string())
        texts = values.view(pa.timestamp(values.type.unit)).cast(pa.large_string())
        return pc.binary_join_element_wise(texts, mark, nothing)
    return values.cast(pa.large_string())


def mask_as_numpy(mask: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    """A boolean array without nulls as bytes: bool, same length."""
    return as_numpy(mask.cast(pa.uint8())).astype(bool)


def text_bytes(values: pa.StringArray) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Offsets (one more than strings, from any number) and bytes of a string array, without a copy."""
    _, starts, data = values.buffers()
    if len(values) == 0:
        return np.zeros(1, np.int32), np.empty(0, np.uint8)
    offsets = np.frombuffer(starts, np.int32, len(values) + 1, values.offset * 4)
    size = int(offsets[-1]) - int(offsets[0])
    return offsets, np.frombuffer(data, np.uint8, size, int(offsets[0])) if size else np.empty(0, np.uint8)


def text_buffers(values: pa.StringArray) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The bytes of a string array end to end, and where each string starts: uint8, and int64 of shape (n + 1,)."""
    offsets, data = text_bytes(values)
    return data, offsets.astype(np.int64) - int(offsets[0])


def stream_bytes(values: pa.Array) -> npt.NDArray[np.uint8]:
    """Values of any type, as an Arrow stream."""
    sink = pa.BufferOutputStream()
    batch = pa.record_batch({"values": values})
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return np.frombuffer(sink.getvalue(), np.uint8)


def first_failure(values: pa.Array, attempt: Callable[[pa.Array], object]) -> int | None:
    """The first element at which ``attempt`` raises a ValueError (as Arrow does), by halving; None if it does not."""

    def fails(start: int, stop: int) -> bool:
        try:
            attempt(values.slice(start, stop - start))
        except ValueError:
            return True
        return False

    start, stop = 0, len(values)
    if not fails(start, stop):
        return None
    while stop - start > 1:
        middle = (start + stop) // 2
        start, stop = (start, middle) if fails(start, middle) else (middle, stop)
    return start
