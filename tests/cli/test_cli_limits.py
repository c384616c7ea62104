"""Runs that the machine refuses memory or threads: one line, exit code 4, nothing left; or as without a limit."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke
from negprep.encode import memory

RUNS = {
    "train": "train log.parquet out/o/ --to csv --jobs 8 --holdout random --quiet",
    "test": "test log.csv out/o.parquet --jobs 2 --holdout random --quiet",
    "verify": "verify test.parquet --log log.csv --quiet",
    "fit": "fit log.parquet out/m.npz --kind als --jobs 4 --holdout random --quiet",
    "evaluate": "evaluate scored.parquet --by-user out/o.parquet",
    "report": "report test.parquet out/o.html --log log.csv --quiet",
    "inspect": "inspect log.csv --jobs 4",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder, chance = tmp_path_factory.mktemp("limits"), np.random.default_rng(0)
    log = pa.table({"user": chance.integers(0, 60, 4_000), "item": chance.integers(0, 300, 4_000)})
    pq.write_table(log, folder / "log.parquet")
    (folder / "log.csv").write_text("user,item\n" + "".join("{user},{item}\n".format(**row) for row in log.to_pylist()))
    made = negprep.test(log, num_neg=9)
    negprep.test(log, folder / "test.parquet", num_neg=9)
    pq.write_table(made.append_column("score", pa.array(chance.random(len(made)))), folder / "scored.parquet")
    return folder


@pytest.mark.parametrize("run", RUNS)
def test_an_address_space_that_is_too_small(folder, run):
    """At limits from what Python alone takes to more than enough: in imports, before threads start, while fitting."""
    codes = []
    for megabytes in (200, 260, 350, *([390] if run == "fit" else []), 700):
        out = folder / "out"
        out.mkdir()
        done = subprocess.run(
            [sys.executable, "-m", "negprep", *RUNS[run].split()],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd=folder,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20)),  # noqa: B023
        )
        left = [path.unlink() if path.is_file() else None for path in out.rglob("*")]
        for path in sorted(out.rglob("*"), reverse=True):
            path.rmdir()
        out.rmdir()
        codes.append(done.returncode)
        assert done.returncode in (0, 4), (megabytes, done)
        if done.returncode == 4:
            assert left == []
            assert done.stderr.startswith("negprep: ")
            assert done.stderr.count("\n") == 1
            assert "Traceback" not in done.stderr
        else:
            assert done.stderr == ""
    assert (codes[0], codes[-1]) == (4, 0)
    assert codes == sorted(codes, reverse=True)


def test_room_that_cannot_be_reserved():
    with pytest.raises(negprep.OutputError, match="cannot be reserved") as caught:
        memory.check_room(threads=1 << 30)
    assert caught.value.exit_code == 4
    memory.check_room(algebra=1, threads=1)
    memory.check_room()


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("can't start new thread"),
        pa.ArrowException("Unknown error: Failed to launch worker thread: Resource temporarily unavailable"),
        MemoryError("std::bad_alloc"),
        pa.ArrowMemoryError("malloc of size 12 failed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_libraries_raise_where_they_are_refused(error, capsys):
    def body():
        raise error

    assert guarded(body) == 4
    assert capsys.readouterr().err.count("\n") == 1


def test_a_pipe_is_not_read_before_the_output_is_refused(tmp_path, monkeypatch, capsys):
    """What is in it stays in it; and after it nothing comes, and nothing is closed, for longer than all runs take."""
    monkeypatch.chdir(tmp_path)
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").write_text("x")
    file = tmp_path / "file"
    file.write_text("x")
    words = {
        "train - no/o.parquet": 4,
        "train - full/": 2,
        "train - full/ --force": 2,
        "train - full": 2,
        "train - file/": 2,
        "train - /proc/o.parquet": 4,
        "train - o.parquet --spill-dir no": 4,
        "train - o.parquet --spill-dir file": 4,
        "train - o.parquet --spill-dir /proc": 4,
        "train - o.parquet --summary o.parquet": 2,
        "train - o.parquet --summary no/s.json": 4,
        "train - o.parquet --exclude o.parquet": 2,
        "train - no/o/ --to csv --epochs 2": 4,
        "test - full/ --encode": 2,
        "test - no/o.parquet --encode": 4,
        "fit - no/m.npz --kind bpr": 4,
        "fit - full --kind bpr": 2,
        "fit - m.npz --kind bpr --spill-dir no": 4,
        "evaluate - --by-user no/u.parquet": 4,
        "evaluate - --by-user full/": 2,
        "verify file --log - --spill-dir no": 4,
        "inspect - --spill-dir no": 4,
    }
    (tmp_path / "o.parquet").write_text("here already")
    waiting, held = os.pipe()
    before = os.dup(0)
    os.dup2(waiting, 0)
    end = threading.Timer(60, os.close, [held])
    end.start()
    try:
        os.write(held, b"user,item\n1,2\n")
        for line, code in words.items():
            with os.fdopen(os.dup(waiting)) as stdin:
                monkeypatch.setattr("sys.stdin", stdin)
                assert (guarded(lambda: invoke(line.split())), line) == (code, line)  # noqa: B023
            assert capsys.readouterr().err.count("\n") == 1
        assert os.read(waiting, 100) == b"user,item\n1,2\n"
    finally:
        end.cancel()
        os.dup2(before, 0)
        for each in (before, waiting, held):
            os.close(each)
