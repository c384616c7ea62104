"""The way of the data: how few modules a plain run enters, how deep it draws, and how much it announces to write."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep

COLUMNS = {"user": np.arange(2_400) % 80, "item": np.arange(2_400) % 71, "time": np.arange(2_400)}

BOUNDS = {"train": 47, "test": 50, "verify": 50}
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
        while frame.f_code.co_filename.startswith(root):  # up to what the thread was started with
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
    if command == "verify":
        negprep.train(log, output)
        way = way_of(command, output, "--log", log)
    else:
        way = way_of(command, log, output)
    assert way["code"] == 0
    for name, functions in sorted(way["entered"].items()):
        print(f"{name:24} {len(functions):3}  {' '.join(functions)[:90]}")
    print(len(way["entered"]), "modules;", len(way["deepest"]), "frames:", " < ".join(way["deepest"]))
    assert len(way["entered"]) <= BOUNDS[command]
    assert len(way["deepest"]) <= DEPTH
    assert bool(way["deepest"]) == (command != "verify")


def totals_of(tmp_path, monkeypatch, range_rows, **options):
    """The totals that the step "write" is announced with, and the rows in the end."""
    monkeypatch.setattr("negprep.encode.memory._FEWEST_ROWS", range_rows)
    monkeypatch.setattr("negprep.encode.memory._MOST_ROWS", range_rows)
    seen = []

    def progress(step, done, total):
        if step == "write":
            seen.append((done, total))

    target = str(tmp_path / ("out/" if options.pop("parts", False) else "out.parquet"))
    negprep.prepare(pa.table(COLUMNS), target, negprep.Options(**options), progress=progress)
    return [total for _, total in seen], seen[-1][0]


@pytest.mark.parametrize("memory", [None, 1 << 20], ids=["in-memory", "spilled"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_neg": 70},
        {"command": "test"},
        {"shuffle": True},
        {"epochs": 3},
        {"epochs": 2, "shuffle": True},
        {"bootstrap": 500, "layout": "pairwise"},
        {"parts": True},
        {"layout": "pairwise", "min_positives": 3},
    ],
    ids=str,
)
def test_the_rows_to_write_are_announced_from_the_start(tmp_path, monkeypatch, options, memory):
    options = {"command": "train", "shard_rows": 500, "memory": memory, **options}
    totals, rows = totals_of(tmp_path, monkeypatch, 1 << 20, **options)
    assert set(totals) == {rows}


@pytest.mark.parametrize(
    "options", [{}, {"epochs": 3}, {"shuffle": True}, {"epochs": 2, "bootstrap": 500, "layout": "pairwise"}], ids=str
)
def test_rows_that_are_not_counted_yet_are_not_guessed(tmp_path, monkeypatch, options):
    totals, rows = totals_of(tmp_path, monkeypatch, 500, command="train", shard_rows=200, **options)
    assert totals == sorted(totals, key=lambda total: total is not None)
    assert set(totals) <= {None, rows}
    assert totals[-1] == rows
    assert (totals[0] is None) == ("shuffle" not in options)
