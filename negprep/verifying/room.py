"""What --memory means for a check: whether everything fits, and how much is looked at or gathered at a time if not."""

from __future__ import annotations

from dataclasses import dataclass

from negprep.memory import LEAST_MEMORY, default_budget

_BYTES_PER_ROW = 80
"""What a row of the log takes as a pair with all that is known of it, at the peak, in each truth."""

_BYTES_PER_ROW_AND_FILE = 30
"""What is counted of it in a file."""

_BYTES_PER_RANGED_ROW = 200
"""The same, and what judging takes for a while."""

_FEWEST_ROWS, _MOST_ROWS = 1 << 15, 1 << 20
_LEAST_GATHERED, _MOST_GATHERED = 8 << 20, 128 << 20


@dataclass(frozen=True)
class Room:
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
    def of(cls, budget: int | None) -> Room:
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
