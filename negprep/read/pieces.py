"""What the kinds of input hand to the parsers: some rows, and how to find one of them again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa


_FLOATS = {"halffloat": "float16", "float": "float32", "double": "float64"}


@dataclass(frozen=True)
class Piece:
    """Some consecutive rows of one input, as they were read.

    Attributes
    ----------
    columns : dict of str to pa.Array
        By role, all of one length.
    place : callable
        Row within the piece (0-based) to ``log.csv:17``. May read the file again: for errors only.
    header : dict of str to str
        By role, the names in the header of a text file; empty where there is no header.
    """

    columns: dict[str, pa.Array]
    place: Callable[[int], str]
    header: dict[str, str]


class RowError(Exception):
    """A row, counted from 0 within the arrays at hand, that cannot be used."""

    def __init__(self, row: int, what: str, remedy: str | None = None) -> None:
        super().__init__(what)
        self.row, self.what, self.remedy = row, what, remedy


def numbers(array: pa.Array) -> npt.NDArray[Any]:
    """The values of a fixed-width array, without a copy; what a null holds is undefined.

    ``Array.to_numpy`` would import pandas.
    """
    name = str(array.type)
    dtype = np.dtype(_FLOATS.get(name, name))
    return np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * dtype.itemsize)


def arrow(values: npt.NDArray[Any]) -> pa.Array:
    """An Arrow array over integers or floats, without a copy."""
    import pyarrow as pa

    return pa.Array.from_buffers(pa.type_for_alias(str(values.dtype)), len(values), [None, pa.py_buffer(values)])


def widened(array: pa.Array) -> pa.Array:
    """Integers of any type but uint64, at least one and none of them null, as int64."""
    return arrow(numbers(array).astype(np.int64, copy=False))


def text_bytes(array: pa.Array) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Offsets (one more than rows) and bytes of a ``pa.string()`` array, without a copy."""
    _, offsets_buffer, data_buffer = array.buffers()
    if len(array) == 0:
        return np.zeros(1, np.int32), np.empty(0, np.uint8)
    offsets = np.frombuffer(offsets_buffer, np.int32, len(array) + 1, array.offset * 4)
    size = int(offsets[-1]) - int(offsets[0])
    return offsets, np.frombuffer(data_buffer, np.uint8, size, int(offsets[0])) if size else np.empty(0, np.uint8)


def first_failure(array: pa.Array, attempt: Callable[[pa.Array], object]) -> int | None:
    """The first element at which ``attempt`` raises a ValueError (as Arrow does), by halving; None if it does not."""

    def fails(start: int, stop: int) -> bool:
        try:
            attempt(array.slice(start, stop - start))
        except ValueError:
            return True
        return False

    start, stop = 0, len(array)
    if not fails(start, stop):
        return None
    while stop - start > 1:
        middle = (start + stop) // 2
        start, stop = (start, middle) if fails(start, middle) else (middle, stop)
    return start


class Input(Protocol):
    """One file or table of a log."""

    @property
    def warnings(self) -> list[str]:
        """What is suspicious; grows while the rows are read."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in order."""

    @property
    def footer(self) -> dict[bytes, bytes]:
        """What its writer said of it: the metadata of Parquet and Arrow; empty elsewhere."""

    def pieces(self, columns: dict[str, str]) -> Iterator[Callable[[], Piece]]:
        """The rows of the columns, by role, in order, as functions that may run in any thread."""
