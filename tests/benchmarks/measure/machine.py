"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

BEGAN = time.time()
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def machine() -> str:
    """One line: the day, processor, cores, memory, load, versions, and how long it took."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in ("negprep", "numpy", "pyarrow"))
    return (
        f"{time.strftime('%Y-%m-%d')}: {processor()}, {cores} cores, {memory:.0f} GiB, "
        f"load {os.getloadavg()[0]:.1f} at the end; {platform.system()}, Python {sys.version.split()[0]}, {versions}; "
        f"{time.time() - BEGAN:.0f} s in all"
    )


def processor() -> str:
    """Its name, its family and model, since a virtual machine may call it no more than "AMD EPYC", and its caches."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    said = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    facts = [f"{word} {said[key]}" for word, key in (("family", "cpu family"), ("model", "model")) if key in said]
    for cache in sorted(CACHES.glob("index*")):
        level, size = ((cache / name).read_text().strip() for name in ("level", "size"))
        if level in "23":
            facts.append(f"L{level} {size}")
    name = said.get("model name", platform.processor())
    return f"{name} ({', '.join(facts)})" if facts else name
