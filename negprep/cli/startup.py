"""numpy and pyarrow, imported when a command needs them, and what must be set before that."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from negprep.encode.memory import ARROW_THREADS, check_room
from negprep.errors import OutputError

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8  # of malloc.h
_KEPT_BYTES = 1 << 30
"""Of free memory at the end of the heap; more is given back."""

_GROWN_BYTES = 64 << 20
"""By so many the heap grows at a time."""

_LARGEST_MMAP_THRESHOLD = 32 << 20
"""Bytes; glibc refuses more. Larger arrays come from the system and go back to it."""


def keep_freed_memory() -> None:
    """Tell glibc's malloc not to give arrays of a few megabytes back to the system one by one.

    A run makes thousands of them, and the system clears each page anew: a twelfth of the time of a run. All threads,
    and Arrow, share one heap: with a heap each, a run takes a third more memory. Where the environment sets malloc
    already, nothing happens. Sources: mallopt(3); "Environment variables" of Arrow's C++ documentation.
    """
    if "GLIBC_TUNABLES" in os.environ or any(name.startswith("MALLOC_") for name in os.environ):
        return
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
    mallopt(_M_TOP_PAD, _GROWN_BYTES)
    mallopt(_M_ARENA_MAX, 1)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


_CPUINFO = Path("/proc/cpuinfo")
_ONE_PROCESSOR = 1 << 13
"""Bytes; the file describes every processor, which takes long where there are hundreds."""

_AVX512 = "X86_V4 AVX512_ICL AVX512_SPR"
"""As numpy names them. To versions that have other names or none of these sorts, it means nothing."""


def sort_without_avx512() -> None:
    """Tell numpy, before it is imported, to leave AVX-512 alone on AMD's Zen 4.

    Sorting writes by ``vpcompress`` to memory, which is microcode there: with AVX2 it takes a fifth of the time.

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
    """Family 25 is Zen 3 and Zen 4; only Zen 4 has AVX-512."""
    found: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    is_family = (found.get("vendor_id"), found.get("cpu family")) == ("AuthenticAMD", "25")
    return is_family and "avx512f" in found.get("flags", "").split()


def load_libraries(*, algebra: int = 0, needs_functions: Callable[[], bool] = lambda: True) -> None:
    """Import numpy and pyarrow, only now: help and usage errors need not wait for them.

    Parameters
    ----------
    algebra : int
        Threads that multiply matrices, which need memory of their own.
    needs_functions : callable
        Whether the run needs Arrow's functions (10 MB), which are then imported at once: a signal should not come in
        the middle of an import.

    Raises
    ------
    OutputError
        A library cannot be loaded, or gets no memory.
    """
    # --jobs makes the threads; OpenBLAS would reserve memory for more as numpy is imported, and send the
    # process a SIGINT where a limit forbids it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    keep_freed_memory()
    sort_without_avx512()
    for name in ("numpy", "pyarrow", "pyarrow.parquet"):
        _load(name)
    if needs_functions():
        _load("pyarrow.compute")
    check_room(algebra=algebra, threads=ARROW_THREADS)
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
