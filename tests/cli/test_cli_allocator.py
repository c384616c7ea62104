"""What is freed is used again, instead of being given back and cleared anew."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, threading
import numpy as np
from negprep.cli.startup import keep_freed_memory
if "keep" in sys.argv:
    keep_freed_memory()
def work():
    for _ in range(200):
        pair = [np.ones(1 << 20, np.uint8), np.ones(3 << 20, np.uint8)]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
if "thread" in sys.argv:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
else:
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*words, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    made = subprocess.run(
        [sys.executable, "-c", FAULTS, *words], env=kept | environment, capture_output=True, text=True, check=True
    )
    return int(made.stdout)


@pytest.mark.skipif(
    not hasattr(os, "confstr") or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="glibc"
)
@pytest.mark.parametrize("who", [(), ("thread",)], ids=["the same thread", "another"])
def test_freed_arrays_cost_no_new_pages(who):
    assert faults("keep", *who) < 100


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt")
def test_what_the_environment_sets_stays():
    assert faults("keep", MALLOC_MMAP_THRESHOLD_="65536") > 100_000


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt")
@pytest.mark.parametrize(
    ("environment", "shares"),
    [({}, True), ({"ARROW_DEFAULT_MEMORY_POOL": "mimalloc"}, False), ({"MALLOC_ARENA_MAX": "2"}, False)],
    ids=["by default", "another", "malloc as it is set"],
)
def test_arrow_shares_the_heap(environment, shares):
    code = """
from negprep.cli.startup import load_libraries
load_libraries()
import pyarrow
print(pyarrow.default_memory_pool().backend_name)
"""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_", "ARROW_"))}
    made = subprocess.run(
        [sys.executable, "-c", code], env=kept | environment, capture_output=True, text=True, check=True
    )
    assert (made.stdout.strip() == "system") == shares
