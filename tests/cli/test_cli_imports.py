"""What a start and a run import, and what not: it takes time and memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep

ROOT = Path(__file__).parents[2]


def loaded(script, *names, folder=ROOT):
    """Which of the named modules a fresh interpreter has imported after a script."""
    ending = f"\nimport sys\nprint(*[name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script + ending], capture_output=True, text=True, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    "module",
    [
        "negprep",
        "negprep.cli.main",
        *(f"negprep.cli.{name}" for name in ("train", "test", "inspect", "evaluate", "report")),
    ],
)
def test_a_start_imports_nothing_heavy(module):
    assert loaded(f"import {module}", "numpy", "pyarrow", "pandas") == []


def test_signals_are_awaited_before_anything_slow():
    """Creating dataclasses takes 10 ms, in which Ctrl-C would end in a traceback."""
    assert loaded("import negprep.cli.main", "dataclasses", "click", "numpy") == []


def test_the_functions_import_what_they_need():
    assert loaded("import negprep; negprep.train", "numpy", "pyarrow", "pandas") == ["numpy", "pyarrow"]


LOG, CATALOG = str(ROOT / "sample_data" / "log.parquet"), str(ROOT / "sample_data" / "catalog.csv")
RUNS = {
    "train CSV": ["train", LOG.replace("parquet", "csv"), "--holdout", "last"],
    "train Parquet": ["train", LOG, "--holdout", "last"],
    "test CSV": ["test", LOG.replace("parquet", "csv")],
    "test Parquet": ["test", LOG],
    "values": ["train", LOG, "--positive", ">=2"],
    "events": ["train", LOG, "--positive", "purchase,cart", "--distinct", "--on-short", "drop"],
    "beside": ["train", LOG, "--exclude", LOG, "--items", CATALOG, "--encode", "--layout", "listwise"],
    "spilled": ["test", LOG, "--memory", "1M", "--layout", "pairwise", "--fold", "valid"],
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_imports_neither_pandas_nor_datasets_and_functions_of_arrow_only_early(name, tmp_path):
    """The first two take a quarter of a second and 40 MB. pyarrow imports pandas where it converts objects or numpy.

    Functions of Arrow are imported before a signal would have to be cleaned up after: an exception in the middle of an
    import may leave a lock of Python's taken.
    """
    command, *words = RUNS[name]
    script = f"""
import sys
from negprep.cli import main, run
expect_traces, before = run.signals.expect_traces, []
run.signals.expect_traces = lambda: (before.append("pyarrow.compute" in sys.modules), expect_traces())
sys.argv = ["negprep", *{[command, *words, "o.parquet", "--quiet"]}]
assert main.outcome() == 0
assert before == ["pyarrow.compute" in sys.modules], before
"""
    assert loaded(script, "pandas", "pyarrow.dataset", "pyarrow.parquet", folder=tmp_path) == ["pyarrow.parquet"]
    assert (tmp_path / "o.parquet").exists()


@pytest.mark.parametrize("layout", ["pointwise", "listwise"])
def test_verify_imports_neither_pandas_nor_datasets(layout, tmp_path):
    negprep.test(LOG, tmp_path / "o.parquet", layout=layout)
    script = f"""
import sys
from negprep.cli.main import outcome
sys.argv = ["negprep", "verify", "o.parquet", "--log", {LOG!r}, "--quiet"]
assert outcome() == 0
"""
    assert loaded(script, "pandas", "pyarrow.dataset", "pyarrow.parquet", folder=tmp_path) == ["pyarrow.parquet"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_inspection_imports_neither_pandas_nor_datasets(kind, tmp_path):
    script = f"""
import sys, os
from negprep.cli.main import outcome
sys.argv = ["negprep", "inspect", {LOG.replace("parquet", kind)!r}, "--encode", "--shuffle"]
sys.stdout = open(os.devnull, "w")
assert outcome() == 0
sys.stdout = sys.__stdout__
"""
    assert loaded(script, "pandas", "pyarrow.dataset", "pyarrow.parquet", folder=tmp_path) == ["pyarrow.parquet"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["train", "test"])
def test_integers_in_parquet_need_no_functions_of_arrow(command, tmp_path):
    """Those of ``pyarrow.compute`` take 20 ms to import, a seventh of a small run, and 10 MB."""
    places = range(60)
    log = pa.table({"user": [i % 4 for i in places], "item": [i % 15 for i in places], "time": list(places)})
    pq.write_table(log, tmp_path / "log.parquet")
    script = f"""
import sys
from negprep.cli.main import outcome
sys.argv = ["negprep", {command!r}, "log.parquet", "o.parquet", "--num-neg", "2", "--holdout", "last", "--quiet"]
assert outcome() == 0
"""
    assert loaded(script, "pyarrow.compute", "pyarrow.parquet", folder=tmp_path) == ["pyarrow.parquet"]
