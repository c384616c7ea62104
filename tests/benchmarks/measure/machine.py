"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path


def machine() -> str:
    """One line: processor, cores, memory, load, versions, and the day."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in ("negprep", "numpy", "pyarrow"))
    return (
        f"{time.strftime('%Y-%m-%d')}: {names[0] if names else platform.processor()}, {cores} cores, {memory:.0f} GiB, "
        f"load {os.getloadavg()[0]:.1f} at the end; {platform.system()}, Python {sys.version.split()[0]}, {versions}"
    )
