"""Arrays that are laid aside: in memory, or where that is short, in a nameless file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import as_numpy, from_numpy
from negprep.spill import Extent, SpillFile

Arrays = Mapping[str, npt.NDArray[Any] | None]
Laid = dict[str, npt.NDArray[Any] | Extent | None]
"""What is needed to find arrays again."""


class Shelf:
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
