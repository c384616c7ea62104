"""How much memory a run may take, and what that means in rows."""

from __future__ import annotations

import mmap
import os
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from negprep.errors import OutputError

if TYPE_CHECKING:
    from negprep.arrays import Counts

ALGEBRA_BYTES = 40 << 20
"""What OpenBLAS reserves for each thread that multiplies matrices, and a little more."""

ARROW_THREADS = 4
"""Arrow starts about so many, and crashes where one of them gets no memory."""

_USUAL_STACK_BYTES = 8 << 20

LEAST_MEMORY = 200 << 20
"""What a run takes whatever the log's size, in bytes: interpreter and libraries, batches read, shards being made."""

_PEAK_PER_BYTE = 2.5
"""Largest resident size of an in-memory run, against the bytes of the rows it keeps from reading to grouping."""

_BYTES_PER_GROUPED_ROW = 80
"""What grouping and sampling a row take."""

_SECTIONS_ALIVE = 5
"""Ranges of users in memory at a time, the arrays that grouping needs for a while included."""

_BYTES_PER_SHUFFLED_ROW = 400
"""What shuffling a row takes, in all buckets that are sorted or written at a time."""

_BYTES_PER_THREAD = 24 << 20
"""What a row group that a thread makes and writes takes, with the rows that wait for others."""

_LEAST_OF_THREADS = 32 << 20
"""What `LEAST_MEMORY` has for them."""

_MOST_BUCKET_ROWS = 1 << 17
"""Sorted in a core's second-level cache."""

_FEWEST_ROWS, _MOST_ROWS = 1 << 16, 1 << 21
"""A range below has too little work for its overhead; one beyond falls out of the caches."""


@dataclass(frozen=True)
class MemoryPlan:
    """What fits.

    ``kept_bytes``: Of rows between reading and grouping; more are spilled.
    ``range_rows``: Rows of the users that are grouped together.
    ``shuffled_bytes``: Of output rows to be shuffled; more are spilled.
    ``bucket_rows``: Rows that are shuffled at a time.
    ``share``: Of the rows of a row group, those that each thread may make at a time.
    """

    kept_bytes: int
    range_rows: int
    shuffled_bytes: int
    bucket_rows: int
    share: float

    @classmethod
    def of(cls, budget: int | None, *, jobs: int = 1, shuffle: bool = False) -> MemoryPlan:
        """The plan of a budget in bytes. None: half of what the machine, or its control group, has."""
        free = max(0, (default_budget() if budget is None else budget) - LEAST_MEMORY)
        if shuffle:
            free //= 2
        return cls(
            int(free / _PEAK_PER_BYTE),
            min(_MOST_ROWS, max(_FEWEST_ROWS, free // (_SECTIONS_ALIVE * _BYTES_PER_GROUPED_ROW))),
            free // 2,
            min(_MOST_BUCKET_ROWS, max(_FEWEST_ROWS, free // _BYTES_PER_SHUFFLED_ROW)),
            min(1.0, (_LEAST_OF_THREADS + free // 4) / (jobs * _BYTES_PER_THREAD)),
        )


_MOST_RANGES = 1 << 14


def range_starts(counts: Counts, range_rows: int) -> Counts:
    """The first user of each range: one ends with the user who brings it to so many rows. ``counts`` are of users."""
    import numpy as np  # not at the top: the command line asks for memory before it sets up numpy

    before = np.cumsum(counts) - counts
    range_of = before // max(1, range_rows, int(counts.sum()) // _MOST_RANGES + 1)
    return np.flatnonzero(np.append(True, range_of[1:] != range_of[:-1]))


def default_budget() -> int:
    """Half of the memory of the machine, or of the control group that this process is confined to; in bytes."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(limit).read_text(encoding="ascii").strip()
        except OSError:
            continue  # no such control group here
        if text.isdigit():
            sizes.append(int(text))
    return min(sizes) // 2


def check_room(*, algebra: int = 0, threads: int = 0) -> None:
    """Refuse where a library would be refused memory: it would print a page, and end the process with code 1, or never.

    ``algebra``: Threads that multiply matrices at a time.
    ``threads``: Threads that the library starts.
    Raises OutputError: So much memory cannot be reserved.
    """
    stack = resource.getrlimit(resource.RLIMIT_STACK)[0]
    n_bytes = algebra * ALGEBRA_BYTES + threads * (stack if 0 < stack < 1 << 30 else _USUAL_STACK_BYTES)
    if not n_bytes:
        return
    try:
        mmap.mmap(-1, n_bytes).close()
    except (OSError, MemoryError) as error:
        raise OutputError(
            f"{n_bytes >> 20} MB cannot be reserved, which the threads of the libraries need",
            remedy="give the process more memory (ulimit -v), or lower --jobs",
        ) from error
