"""Whole runs on the sample data through ``python -m negprep``, as a user starts them."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke

SAMPLE = Path(__file__).parents[2] / "sample_data"
LOG = SAMPLE / "log.csv"
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def negprep(*words, **settings):
    return subprocess.run([sys.executable, "-m", "negprep", *map(str, words)], capture_output=True, **settings)


@pytest.mark.parametrize(("command", "per_group"), [("train", 5), ("test", 100)])
def test_a_plain_run(tmp_path, command, per_group):
    done = negprep(command, LOG, tmp_path / "out.parquet", "--summary", tmp_path / "facts.json", text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    facts = json.loads((tmp_path / "facts.json").read_text())
    rows = pq.read_table(tmp_path / "out.parquet")
    assert rows.column_names == ["user", "item", "label"]
    assert len(rows) == facts["rows_written"]
    assert facts["rows_read"] == 60_000
    assert facts["users"] == 1_000
    groups = facts["holdouts"] if command == "test" else facts["positives"] - facts["holdouts"]
    assert sum(rows["label"].to_pylist()) == groups
    assert groups + facts["negatives"] == len(rows) <= groups * per_group
    assert done.stderr.startswith(f"negprep {command}: {LOG} -> {tmp_path}/out.parquet\n")
    assert f"{facts['rows_written']:,}" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["facts.json", "out.parquet"]


def test_quiet_says_nothing(tmp_path):
    done = negprep("train", LOG, tmp_path / "out.parquet", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("command", ["train", "test"])
def test_pipes_carry_the_same_bytes_as_files(tmp_path, command):
    assert guarded(lambda: invoke([command, str(LOG), str(tmp_path / "out.parquet"), "--quiet"])) == 0
    with LOG.open("rb") as log:
        piped = negprep(command, "-", "-", "--quiet", stdin=log)
    assert (piped.returncode, piped.stderr) == (0, b"")
    assert piped.stdout == (tmp_path / "out.parquet").read_bytes()


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    command = f'"{sys.executable}" -m negprep train "{LOG}" - --num-neg 50 --quiet'
    done = subprocess.run(
        ["bash", "-c", f'{command} | true; echo "${{PIPESTATUS[0]}}"'], capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("141\n", "")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["train", "missing.csv", "out.parquet"], 4, "missing.csv"),
        (["train", LOG, "missing/out.parquet"], 4, "missing"),
        (["train", LOG, "out.parquet", "--user-col", "usr"], 2, "usr"),
        (["train", LOG, "out.parquet", "--expect-rows", "5"], 3, "60000"),
        (["train", SAMPLE / "catalog.csv", "out.parquet"], 3, "user"),
    ],
)
def test_a_failure_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, capfd, words, code, message):
    monkeypatch.chdir(tmp_path)
    assert guarded(lambda: invoke([*map(str, words)])) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert message in err.replace(",", "")
    assert err.startswith("negprep: ")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def on_terminal(tmp_path):
    """Start a run whose stderr is a terminal, and whose signals are as a shell leaves them; gives both."""
    with contextlib.ExitStack() as stack:

        def start(*words):
            terminal, its_end = pty.openpty()
            stack.callback(os.close, terminal)
            termios.tcsetwinsize(its_end, (24, 100))  # tqdm draws nothing on a terminal of no width
            process = subprocess.Popen(
                [sys.executable, "-m", "negprep", *map(str, words)],
                stdin=subprocess.PIPE,
                stderr=its_end,
                preexec_fn=lambda: [signal.signal(one, signal.SIG_DFL) for one in CODES],
            )
            os.close(its_end)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process, terminal

        yield start


def shown_until(terminal, wanted=None):
    """What the terminal was sent, up to a word, or to the end."""
    shown = b""
    while wanted is None or wanted not in shown:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux says EIO where the other end is closed
            return shown
        shown += part
    return shown


def test_a_terminal_sees_bars(tmp_path, on_terminal):
    process, terminal = on_terminal("train", LOG, tmp_path / "out.parquet", "--num-neg", "20")
    shown = shown_until(terminal)
    assert process.wait(timeout=10) == 0
    for step in (b"read", b"write"):
        assert step in shown
    assert b"rows written" in shown


@pytest.mark.parametrize(("signum", "code"), CODES.items())
@pytest.mark.parametrize("step", ["read", "write"])
def test_a_signal_in_any_step_leaves_what_was_there(tmp_path, on_terminal, signum, code, step):
    """Reading waits for the rest of a pipe; writing takes long enough, 1,000 negatives for each positive."""
    output = tmp_path / "out.parquet"
    output.write_bytes(b"earlier")
    process, terminal = on_terminal("train", "-", output, "--num-neg", "1000")
    process.stdin.write(LOG.read_bytes())
    process.stdin.flush()
    if step == "read":
        time.sleep(1.5)
    else:
        process.stdin.close()
        assert b"write" in shown_until(terminal, b"write")
    start = time.perf_counter()
    process.send_signal(signum)
    assert process.wait(timeout=10) == code
    assert time.perf_counter() - start < 2
    assert output.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [output]


def test_no_room_for_memory_is_one_line(tmp_path):
    log = tmp_path / "log.parquet"
    pq.write_table(pa.table({"user": np.arange(4_000_000), "item": np.ones(4_000_000, np.int64)}), log)
    command = f'ulimit -v 700000; exec "{sys.executable}" -m negprep train "{log}" "{tmp_path}/out.parquet"'
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    )
    assert done.returncode == 4, done.stderr
    assert done.stderr.count("\n") == 1
    assert "memory" in done.stderr
    assert list(tmp_path.iterdir()) == [log]
