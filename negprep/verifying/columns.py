"""Consecutive rows of a prepared file as columns of codes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from negprep.verifying.pairs import Codes, Floats, Rows

NO_ROWS: Rows = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of consecutive rows of one epoch.

    Attributes
    ----------
    first : int
        The number of the first row in the file.
    epoch : int
    users, items : int32, shape (n_rows,)
        Below 0 for ids that the log does not have: -2, -3 and so on, the same for the same id.
    others : int8 or int32, shape (n_rows,)
        Labels, or the second item; of lists those of all, end to end.
    sources : int8, shape of ``others``, or None
    ends : int64, shape (n_rows,), or None
        Of lists, where the negatives of each end.
    log_q : float64, shape of ``others``, or None
    head_log_q : float64, shape (n_rows,), or None
        Beside labels there is none: ``log_q`` has it.
    """

    first: int
    epoch: int
    users: Codes
    items: Codes
    others: Codes | npt.NDArray[np.int8]
    sources: npt.NDArray[np.int8] | None
    ends: Rows | None = None
    log_q: Floats | None = None
    head_log_q: Floats | None = None

    def __len__(self) -> int:
        return len(self.users)

    def slice(self, begin: int, end: int) -> Columns:
        """Some of the rows."""
        cut: dict[str, Any] = {name: values[begin:end] for name, values in self._of_rows().items()}
        if self.ends is not None:
            first, last = int(self.ends[begin - 1]) if begin else 0, int(self.ends[end - 1])
            cut |= {name: values[first:last] for name, values in self._of_elements().items()}
            cut["ends"] = cut["ends"] - first
        return replace(self, first=self.first + begin, **cut)

    def joined(self, other: Columns) -> Columns:
        """These rows, which are no lists, and those after them."""
        more = other._of_rows()
        whole: dict[str, Any] = {
            name: np.concatenate([values, more[name]]) if name in more else None
            for name, values in self._of_rows().items()
        }
        return replace(self, **whole)

    def _of_rows(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays with one value a row."""
        elements = self._of_elements()
        arrays = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in ("first", "epoch")}
        return {name: values for name, values in arrays.items() if values is not None and name not in elements}

    def _of_elements(self) -> dict[str, npt.NDArray[Any]]:
        """Of lists, the arrays with one value for each negative."""
        if self.ends is None:
            return {}
        arrays = {"others": self.others, "sources": self.sources, "log_q": self.log_q}
        return {name: values for name, values in arrays.items() if values is not None}
