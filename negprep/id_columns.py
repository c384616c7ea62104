"""Codes to columns of ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import as_numpy, from_numpy
from negprep.seen import Codes, Positions

_BLOCK_CODES = 1 << 15


@dataclass(frozen=True, eq=False)
class Ids:
    """What is written for each code of a column.

    Attributes
    ----------
    values : int64, shape (n,), or pyarrow string array, or range
        Strings are written through a dictionary. A range: the codes themselves, counted from its start on, as int32.
    """

    values: npt.NDArray[np.int64] | Codes | pa.StringArray | range

    @classmethod
    def of(cls, ids: pa.Array) -> Ids:
        """The ids of a vocabulary: int64 or string."""
        return cls(as_numpy(ids) if pa.types.is_integer(ids.type) else ids)

    @property
    def type(self) -> pa.DataType:
        """The Arrow type of the column."""
        if isinstance(self.values, np.ndarray):
            return from_numpy(self.values[:0]).type
        if isinstance(self.values, range):
            return pa.int32()
        return pa.dictionary(pa.int32(), pa.string())

    def take(self, codes: Codes) -> pa.Array:
        """The column of the codes: shape (len(codes),)."""
        if isinstance(self.values, np.ndarray):
            return from_numpy(_by_blocks(self.values, codes))
        if isinstance(self.values, range):
            return from_numpy(np.ascontiguousarray(codes + np.int32(self.values.start) if self.values.start else codes))
        return pa.DictionaryArray.from_arrays(from_numpy(codes), self.values)

    def repeat(self, codes: Codes, times: Positions | int) -> pa.Array:
        """The column in which each of the codes comes so many times in a row."""
        if isinstance(self.values, np.ndarray):
            return from_numpy(np.repeat(_by_blocks(self.values, codes), times))
        return self.take(np.repeat(codes, times))


def _by_blocks(values: npt.NDArray[Any], codes: Codes) -> npt.NDArray[Any]:
    """``values.take(codes)``; numpy makes 64-bit indices of all codes first, which are kept within a cache here."""
    found = np.empty(len(codes), values.dtype)
    for begin in range(0, len(codes), _BLOCK_CODES):
        here = slice(begin, begin + _BLOCK_CODES)
        values.take(codes[here], out=found[here], mode="clip")
    return found
