"""numpy's sort on processors where the instructions that it would choose are the slow ones."""

from __future__ import annotations

import os
from pathlib import Path

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
