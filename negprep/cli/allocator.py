"""Memory that was freed is kept for the arrays that come next, and some is there before the first of them."""

from __future__ import annotations

import os
import signal
import stat
import threading
from contextlib import suppress
from pathlib import Path

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8  # of malloc.h
_KEPT_BYTES = 1 << 30
"""Of free memory at the end of the heap; more is given back."""

_GROWN_BYTES = 64 << 20
"""By so many the heap grows at a time."""

_LARGEST_MMAP_THRESHOLD = 32 << 20
"""Bytes; glibc refuses more. Larger arrays come from the system and go back to it."""

_TOUCHED_BYTES = 64 << 20
"""At most so many are touched ahead: what the CPU can do while the libraries are imported."""

_TOUCHED_PER_BYTE = 8
"""A byte of a Parquet log is about one of rows in memory, and a small log needs several times its rows."""

_PIECE_BYTES = 8 << 20


def keep_freed_memory() -> bool:
    """Tell glibc's malloc not to give arrays of a few megabytes back to the system one by one.

    A run makes thousands of them, and the system clears each page anew, which takes a twelfth of the time of a run and
    does not lower its peak. All threads share one heap, as one frees what another asks for next: with a heap for each,
    a run takes a third more memory. Arrow shares it, too, if it is not imported yet: what it keeps for itself is a
    quarter of what a run on a million rows takes. Where there is no such malloc, or the environment sets it already,
    nothing happens.

    Returns
    -------
    bool
        Whether malloc was told.

    Notes
    -----
    Sources: mallopt(3) of the Linux man pages; "Environment variables" of Arrow's C++ documentation.
    """
    if "GLIBC_TUNABLES" in os.environ or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
    mallopt(_M_TOP_PAD, _GROWN_BYTES)
    mallopt(_M_ARENA_MAX, 1)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    return True


def touch_ahead(path: str, most_bytes: int) -> None:
    """Have a thread touch memory that the rows of a log will need, and free it, kept for them.

    The system clears each page when it is touched for the first time, half a millisecond a megabyte on a virtual
    machine. While libraries are imported, other processors have nothing to do. The size of a log is known if it is one
    regular file; for any other, nothing is touched.

    Parameters
    ----------
    path : str
        Of the log: a small one needs less.
    most_bytes : int
    """
    try:
        found = Path(path).stat()
    except (OSError, ValueError):  # said where it is opened
        return
    if not stat.S_ISREG(found.st_mode):
        return
    pieces = min(_TOUCHED_PER_BYTE * found.st_size, _TOUCHED_BYTES, most_bytes) // _PIECE_BYTES
    if pieces:
        with suppress(RuntimeError, MemoryError):  # no thread to be had: what needs the memory says so
            threading.Thread(target=_touch, args=(pieces,), name="negprep-touch", daemon=True).start()


def _touch(pieces: int) -> None:
    import ctypes

    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for the main thread
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    taken = []
    for _ in range(pieces):
        piece = libc.malloc(_PIECE_BYTES)
        if not piece:
            break
        libc.memset(piece, 0, _PIECE_BYTES)  # others run meanwhile: ctypes lets go of the interpreter
        taken.append(piece)
    for piece in taken:
        libc.free(piece)
