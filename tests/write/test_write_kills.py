"""kill -9 at random moments, the next run's sweep, and two runs on one target."""

import fcntl
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rows_to_write import SCHEMA, contents, name_of, rows, run

from negprep.write.output import open_output

KILLS = """
import os, random, signal, sys, time
from pathlib import Path
from rows_to_write import SCHEMA, name_of, rows, run
from negprep.write import open_output

folder, rounds, chance = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
batch = rows(120_000, items=50_000)

def child(target, name):
    pid = os.fork()
    if pid == 0:
        run(target, batch, name=name, beside=target.endswith("/"), force=True)
        os._exit(0)
    return pid

def name(target):
    path = Path(target)
    if not path.is_dir():
        return name_of(path)
    assert sorted(entry.name for entry in path.iterdir()) == [
        "_SUCCESS", "_users.parquet", "part-00000.parquet", "part-00001.parquet"], list(path.iterdir())
    (only,) = {name_of(entry) for entry in path.glob("*.parquet")}
    return only

killed = {"file": 0, "folder": 0}
for kind, target in (("file", f"{folder}/out.parquet"), ("folder", f"{folder}/out/")):
    run(target, batch, force=True)  # the imports that the first run makes
    started = time.monotonic()
    os.waitpid(child(target, "0"), 0)
    seconds = time.monotonic() - started
    current = "0"
    for n in range(1, rounds + 1):
        pid = child(target, str(n))
        time.sleep(chance.uniform(0, 1.1 * seconds))
        os.kill(pid, signal.SIGKILL)
        killed[kind] += os.waitpid(pid, 0)[1] == signal.SIGKILL
        if kind == "file" or Path(target).exists():
            assert name(target) in (current, str(n))
        with open_output(target, SCHEMA, force=True):
            pass
        assert name(target) in (current, str(n)), (name(target), current, n)
        current = name(target)
        assert not [entry for entry in folder.iterdir() if entry.name.startswith(".")], list(folder.iterdir())
print(min(killed.values()))
"""


@pytest.mark.parametrize("rounds", [20, pytest.param(100, marks=pytest.mark.heavy)])
def test_kill_at_random_moments(tmp_path, rounds):
    done = subprocess.run(
        [sys.executable, "-c", KILLS, str(tmp_path), str(rounds), "1"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) >= rounds // 5  # the others had ended before


def leave_dead(folder, *names):
    """What a killed run leaves: temporaries, and nobody who holds the lock."""
    for name in names:
        path = folder / name
        path.mkdir() if name.endswith("parts.tmp") else path.write_text(name)


def test_the_next_run_sweeps_the_temporaries_of_dead_runs_on_this_target(tmp_path):
    token = "0123456789abcdef"
    others = [f".other.parquet.{token}.tmp", ".out.parquet.short.tmp", ".out.parquet.swp", f"out.parquet.{token}.tmp"]
    leave_dead(tmp_path, *others, f".out.parquet.{token}.tmp", f".out.parquet.{token}.users.tmp")
    run(f"{tmp_path}/out.parquet", rows(10), name="new")
    assert sorted(contents(tmp_path)) == sorted([*others, "out.parquet"])
    token = "f" * 16
    leave_dead(tmp_path, f".out.{token}.tmp", f".out.{token}.parts.tmp")
    run(f"{tmp_path}/out/", rows(10), name="new")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "out.parquet", "out"])


def test_the_next_run_gives_back_what_a_dead_run_had_moved_away(tmp_path):
    token = "0123456789abcdef"
    run(f"{tmp_path}/out/", rows(10), name="old")
    (tmp_path / "out").rename(tmp_path / f".out.{token}.parts.old")
    leave_dead(tmp_path, f".out.{token}.tmp", f".out.parquet.{token}.users.old", f".out.parquet.{token}.tmp")
    with pytest.raises(ZeroDivisionError), open_output(f"{tmp_path}/out/", SCHEMA, force=True):
        raise ZeroDivisionError
    with open_output(f"{tmp_path}/out.parquet", SCHEMA):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.users.parquet"]
    assert name_of(tmp_path / "out" / "part-00000.parquet") == "old"


def test_a_living_run_is_not_swept(tmp_path):
    target = f"{tmp_path}/out.parquet"
    with open_output(target, SCHEMA) as first:
        first.write(rows(10))
        run(target, rows(20), name="second")
        assert name_of(Path(target)) == "second"
        assert len(list(tmp_path.iterdir())) == 2
        first.finish({"name": "first"})
    assert name_of(Path(target)) == "first"
    assert list(contents(tmp_path)) == ["out.parquet"]


def test_a_sweep_between_making_a_temporary_and_locking_it(tmp_path, monkeypatch):
    lock, swept = fcntl.flock, []

    def flock(descriptor, operation):
        if not swept:
            swept.extend(tmp_path.iterdir())
            swept[0].unlink()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    run(f"{tmp_path}/out.parquet", rows(10), name="new")
    assert len(swept) == 1
    assert list(contents(tmp_path)) == ["out.parquet"]


@pytest.mark.parametrize("target", ["out.parquet", "out/"])
def test_two_runs_on_one_target_leave_one_whole_result(tmp_path, target):
    path = f"{tmp_path}/{target}"
    run(path, rows(10), name="old")
    failures = []

    def repeat(name):
        try:
            for _ in range(15):
                run(path, rows(2_000), name=name, force=True)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=repeat, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("another run has written it meanwhile" in str(error) for error in failures), failures
    found = Path(path)
    parts = sorted(found.glob("part-*")) if found.is_dir() else [found]
    assert {name_of(part) for part in parts} in ({"one"}, {"two"})
    assert sum(pq.read_metadata(part).num_rows for part in parts) == 2_000
    assert [entry.name for entry in tmp_path.iterdir()] == [target.rstrip("/")]
