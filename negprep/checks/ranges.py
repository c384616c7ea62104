"""Ranges of users that fit into memory, and the arrays of each, laid aside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Codes
from negprep.arrow import as_numpy, from_numpy
from negprep.checks.pair_set import Rows
from negprep.encode.memory import LEAST_MEMORY, default_budget, range_starts
from negprep.encode.spill import Extent, SpillFile


@dataclass(frozen=True, eq=False)
class Ranges:
    """Consecutive ranges that have every user once.

    Attributes
    ----------
    bounds : tuple of int
        The first user of each range, and the number of users.
    """

    bounds: tuple[int, ...]

    @classmethod
    def whole(cls, n_users: int) -> Ranges:
        """One range."""
        return cls((0, n_users))

    @classmethod
    def of_counts(cls, counts: Rows, range_rows: int) -> Ranges:
        """Ranges that end with the user who brings them to so many rows.

        Parameters
        ----------
        counts : int64, shape (n_users,)
            Rows of each user.
        range_rows : int
        """
        return cls((*range_starts(counts, range_rows).tolist(), len(counts)))

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def range_of(self, users: Codes) -> npt.NDArray[np.uint16]:
        """The range of each user; the first for those below 0, whom the log does not have: the shape of ``users``."""
        table = np.repeat(np.arange(len(self), dtype=np.uint16), np.diff(self.bounds))
        found: npt.NDArray[np.uint16] = np.append(table, np.uint16(0))[np.maximum(users, -1)]
        return found


Arrays = Mapping[str, npt.NDArray[Any] | None]
Laid = dict[str, npt.NDArray[Any] | Extent | None]
"""What is needed to find arrays again."""


class ArrayStore:
    """Takes arrays, and gives them back. To be closed.

    Parameters
    ----------
    folder : str or None
        Where the file is. None: where the system keeps temporary files.
    spilled : bool
        Whether there is one; it is made when the first array comes.
    """

    def __init__(self, folder: str | None, *, spilled: bool) -> None:
        self.spilled = spilled
        self._folder = folder
        self._file: SpillFile | None = None

    def put(self, arrays: Arrays) -> Laid:
        """Lay arrays aside: int8, int32, int64, float64 or bool, one-dimensional.

        Raises
        ------
        OutputError
            The folder is full, or cannot be written to.
        """
        if not self.spilled:
            return dict(arrays)
        if self._file is None:
            self._file = SpillFile(self._folder)
        return {name: None if array is None else self._write(self._file, array) for name, array in arrays.items()}

    def get(self, laid: Laid) -> dict[str, npt.NDArray[Any] | None]:
        """The arrays, not to be written to."""
        return {name: self._read(each) if isinstance(each, tuple) else each for name, each in laid.items()}

    def close(self) -> None:
        """Give the space back."""
        if self._file is not None:
            self._file.close()

    @staticmethod
    def _write(file: SpillFile, array: npt.NDArray[Any]) -> Extent:
        kind = "mask" if array.dtype == np.bool_ else "array"
        array = array.view(np.uint8) if kind == "mask" else array
        return file.write(pa.record_batch({kind: from_numpy(np.ascontiguousarray(array))}))

    def _read(self, extent: Extent) -> npt.NDArray[Any]:
        if self._file is None:
            raise ValueError("nothing was put here")
        batch = self._file.read(extent)
        array: npt.NDArray[Any] = as_numpy(batch.column(0))
        return array.view(np.bool_) if batch.schema.names[0] == "mask" else array


_BYTES_PER_ROW = 80
"""What a row of the log takes as a pair with all that is known of it, at the peak, in each truth."""

_BYTES_PER_ROW_AND_FILE = 30
"""What is counted of it in a file."""

_BYTES_PER_RANGED_ROW = 200
"""The same, and what judging takes for a while."""

_FEWEST_ROWS, _MOST_ROWS = 1 << 15, 1 << 20
_LEAST_GATHERED, _MOST_GATHERED = 8 << 20, 128 << 20


@dataclass(frozen=True)
class MemoryBudget:
    """How much fits.

    Attributes
    ----------
    free : int
        Bytes besides what is taken whatever the log's size.
    range_rows : int
        Rows of the log that are looked at together, where not all are.
    gathered_bytes : int
        Of rows of a file, before they are laid aside.
    """

    free: int
    range_rows: int
    gathered_bytes: int

    @classmethod
    def of(cls, budget: int | None) -> MemoryBudget:
        """Of a budget in bytes. None: half of what the machine, or its control group, has."""
        free = max(0, (default_budget() if budget is None else budget) - LEAST_MEMORY)
        return cls(
            free,
            min(_MOST_ROWS, max(_FEWEST_ROWS, free // 2 // _BYTES_PER_RANGED_ROW)),
            min(_MOST_GATHERED, max(_LEAST_GATHERED, free // 8)),
        )

    def holds(self, n_rows: int, n_truths: int, n_files: int) -> bool:
        """Whether a log of so many rows, and what is counted of it in some files, fits in memory."""
        return n_rows * (_BYTES_PER_ROW * n_truths + _BYTES_PER_ROW_AND_FILE * n_files) <= self.free
