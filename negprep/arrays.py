"""The types of arrays that the whole package passes around, each defined once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Times = npt.NDArray[np.int64]
Keys = npt.NDArray[np.int64]
Positions = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Units = npt.NDArray[np.int64]
Factors = npt.NDArray[np.float32]
