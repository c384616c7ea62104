"""The way of the data: how few modules a plain run enters, and how near the draws are to the start of their thread."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

BOUNDS = {"train": 45, "test": 48, "verify": 48}
DEPTH = 8

COUNT = """
import json, sys, threading
from pathlib import Path

import negprep
from negprep.cli.main import outcome

root = str(Path(negprep.__file__).parent)
entered, deepest = {}, []

def look(frame, event, _):
    code = frame.f_code
    if event != "call" or not code.co_filename.startswith(root) or not code.co_flags & 2:
        return  # of another library; or the body of a module or a class, which has no fast locals
    if code.co_qualname.startswith("<"):
        return  # a comprehension in such a body
    module = code.co_filename[len(root) + 1 : -len(".py")]
    entered.setdefault(module, set()).add(code.co_qualname)
    if (module, code.co_qualname) == ("sample/uniform", "uniform"):
        names = []
        while frame is not None:
            names.append(frame.f_code.co_qualname)
            frame = frame.f_back
        if len(names) > len(deepest):
            deepest[:] = names

threading.setprofile(look)
sys.setprofile(look)
code = outcome()
sys.setprofile(None)
threading.setprofile(None)
print(json.dumps({"code": code, "deepest": deepest, "entered": {name: sorted(entered[name]) for name in entered}}))
"""


def way_of(*words):
    command = [sys.executable, "-c", COUNT, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("way")
    rng = np.random.default_rng(0)
    columns = {"user": rng.integers(0, 300, 20_000), "item": rng.integers(0, 900, 20_000)}
    pq.write_table(pa.table({**columns, "time": np.arange(20_000) + 10**9}), folder / "log.parquet")
    return folder


@pytest.mark.parametrize("command", BOUNDS)
def test_a_plain_run_enters_few_modules(folder, command):
    log, output = folder / "log.parquet", folder / "out.parquet"
    words = ["train", log, output]
    if command == "verify":
        assert way_of(*words)["code"] == 0
        words = [command, output, "--log", log]
    else:
        words = [command, log, output]
    way = way_of(*words)
    assert way["code"] == 0
    for name, functions in sorted(way["entered"].items()):
        print(f"{name:24} {len(functions):3}  {' '.join(functions)[:90]}")
    print(len(way["entered"]), "modules;", len(way["deepest"]), "frames:", " < ".join(way["deepest"]))
    assert len(way["entered"]) <= BOUNDS[command]
    assert len(way["deepest"]) <= DEPTH
    assert bool(way["deepest"]) == (command != "verify")
