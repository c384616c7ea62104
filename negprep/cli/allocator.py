"""Memory that was freed is kept for the arrays that come next."""

from __future__ import annotations

import os

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8  # of malloc.h
_KEPT_BYTES = 1 << 30
"""Of free memory at the end of the heap; more is given back."""

_GROWN_BYTES = 64 << 20
"""By so many the heap grows at a time."""

_LARGEST_MMAP_THRESHOLD = 32 << 20
"""Bytes; glibc refuses more. Larger arrays come from the system and go back to it."""


def keep_freed_memory() -> None:
    """Tell glibc's malloc not to give arrays of a few megabytes back to the system one by one.

    A run makes thousands of them, and the system clears each page anew, which takes a twelfth of the time of a run and
    does not lower its peak. All threads share one heap, as one frees what another asks for next: with a heap for each,
    a run takes a third more memory. Arrow shares it, too, if it is not imported yet: what it keeps for itself is a
    quarter of what a run on a million rows takes. Where there is no such malloc, or the environment sets it already,
    nothing happens.

    Sources: mallopt(3) of the Linux man pages; "Environment variables" of Arrow's C++ documentation.
    """
    if "GLIBC_TUNABLES" in os.environ or any(name.startswith("MALLOC_") for name in os.environ):
        return
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TOP_PAD, _GROWN_BYTES)
        mallopt(_M_ARENA_MAX, 1)
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
