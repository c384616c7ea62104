"""numpy and pyarrow, imported when a command needs them, and what must be set before that."""

from __future__ import annotations

import os
import signal
import stat
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from negprep.encode.memory import ARROW_THREADS, check_room, default_budget
from negprep.errors import OutputError
from negprep.options.formats import form_of

if TYPE_CHECKING:
    from negprep.cli.request import Request
    from negprep.options.options import Options


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


_CPUINFO = Path("/proc/cpuinfo")
_ONE_PROCESSOR = 1 << 13
"""Bytes; the file describes every processor, which takes long where there are hundreds."""

_AVX512 = "X86_V4 AVX512_ICL AVX512_SPR"
"""As numpy names them. To versions that have other names or none of these sorts, it means nothing."""


def sort_without_avx512() -> None:
    """Tell numpy, before it is imported, to leave AVX-512 alone on AMD's Zen 4.

    Sorting with AVX-512 writes by ``vpcompress`` to memory, which is microcode there: with AVX2 the same takes a fifth
    of the time. What else numpy does is as fast, and whole numbers come out alike. Where the environment chooses
    numpy's instructions already, nothing happens.

    Source: https://github.com/numpy/x86-simd-sort/issues/6; AMD, Software Optimization Guide for the Zen 4
    Microarchitecture (57647), 2.11.2.
    """
    if "NPY_DISABLE_CPU_FEATURES" in os.environ or "NPY_ENABLE_CPU_FEATURES" in os.environ:
        return
    try:
        with _CPUINFO.open(encoding="ascii", errors="replace") as file:
            text = file.read(_ONE_PROCESSOR)
    except OSError:
        return  # another system than Linux
    if _is_zen4(text):
        os.environ["NPY_DISABLE_CPU_FEATURES"] = _AVX512


def _is_zen4(cpuinfo: str) -> bool:
    """Family 25 is Zen 3 and Zen 4, of which the latter alone has AVX-512."""
    found: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    is_family = (found.get("vendor_id"), found.get("cpu family")) == ("AuthenticAMD", "25")
    return is_family and "avx512f" in found.get("flags", "").split()


_SHARE_TOUCHED = 8
"""Of the memory that a run may take, one part in so many at most is touched ahead."""


def load_libraries(request: Request | None = None, *, algebra: bool = False) -> None:
    """Import numpy and pyarrow, only now: help and usage errors need not wait for them.

    The functions of Arrow, too, unless the request can do without them: a signal should not come in the middle of an
    import. Memory for a request is made ready at the same time.

    With ``algebra``, or where the request has a model, what multiplies matrices gets its memory at once.

    Raises
    ------
    OutputError
        A library cannot be loaded, or gets no memory.
    """
    # --jobs makes the threads; OpenBLAS would reserve memory for more as numpy is imported, and send the
    # process a SIGINT where a limit forbids it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if keep_freed_memory() and request is not None and request.options.jobs > 1:
        budget = default_budget() if request.options.memory is None else request.options.memory
        touch_ahead(request.source, budget // _SHARE_TOUCHED)
    for name in ("numpy", "pyarrow", "pyarrow.parquet"):
        _load(name)
    if request is None or not _is_numbers_alone(request):
        _load("pyarrow.compute")
    if request is not None and request.options.model is not None:
        check_room(algebra=request.options.jobs, threads=ARROW_THREADS)
    else:
        check_room(algebra=int(algebra), threads=ARROW_THREADS)
    if algebra:
        import numpy as np

        np.matmul(np.ones((2, 2)), np.ones((2, 2)))


def _load(name: str) -> None:
    try:
        import_module(name)
    except (ImportError, SystemError) as error:
        # numpy wraps the reason in a page of advice.
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise OutputError(
            f"{name} cannot be loaded: {reason}",
            remedy="give the process more memory (ulimit -v), or install it again",
        ) from error


def _is_numbers_alone(request: Request) -> bool:
    """Whether numbers come from one Parquet file and go to another, in columns of their own: needing nothing more."""
    if form_of(request.target, request.options.to) != "parquet" or not _makes_plain_columns(request.options):
        return False
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        kinds = pq.read_schema(request.source).types if Path(request.source).is_file() else []
    except (OSError, ValueError, pa.ArrowException):  # said where it is opened
        return False
    return bool(kinds) and all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds)


def _makes_plain_columns(options: Options) -> bool:
    beside = (options.exclude, options.items, options.weights, options.weak, options.model)
    chosen = (options.positive, options.min_positives, options.core)
    return (
        options.layout != "listwise"
        and options.recipe.sources is None
        and not options.encode
        and all(given is None for given in (*beside, *chosen))
    )
