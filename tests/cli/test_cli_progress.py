"""Bars: on a terminal or when asked for, and never in the way of what else is written."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke

SCRIPT = """
import sys, types
from negprep.summary import Summary
def prepare(*arguments, progress=None, **options):
    for step, total in (("read", None), ("encode", 1000), ("write", 5000)):
        for done in (0, 500, 1000):
            progress(step, done, total)
    {ending}
    return Summary(**{facts})
sys.modules["negprep.pipeline"] = types.SimpleNamespace(prepare=prepare)
from negprep.cli.main import run
run()
"""


@pytest.fixture
def script(facts):
    return lambda ending="": SCRIPT.format(ending=ending, facts=facts.as_dict())


def on_terminal(source, *words):
    """Exit code, standard output, and what a terminal on stderr was sent."""
    return watched([sys.executable, "-c", source, "train", "a", "b", *words])


def watched(command, folder=None):
    terminal, its_end = pty.openpty()
    termios.tcsetwinsize(its_end, (24, 100))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=its_end, cwd=folder)
    os.close(its_end)
    shown = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux says EIO where the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(terminal)
    out, _ = process.communicate(timeout=10)
    return process.returncode, out.decode(), shown.decode()


def test_a_terminal_sees_one_bar_a_step(script):
    code, out, shown = on_terminal(script())
    assert (code, out) == (0, "")
    for step in ("read", "encode", "write"):
        assert step in shown
    assert " rows/s" in shown
    assert "rows written" in shown.rpartition("\r")[0]


def test_an_error_starts_on_a_line_of_its_own(script):
    code, _, shown = on_terminal(script(ending="raise OSError('no')"))
    assert code == 4
    assert "\rnegprep: no\r\n" in shown


@pytest.mark.parametrize("words", [["--quiet"], ["--no-progress"]])
def test_a_terminal_sees_none_if_so_asked(script, words):
    code, out, shown = on_terminal(script(), *words)
    assert (code, out) == (0, "")
    assert "rows/s" not in shown
    assert (shown == "") == (words == ["--quiet"])


@pytest.mark.parametrize(("words", "bars"), [([], False), (["--progress"], True)])
def test_a_pipe_sees_bars_only_if_so_asked(script, words, bars):
    done = subprocess.run(
        [sys.executable, "-c", script(), "train", "a", "b", *words], capture_output=True, text=True, check=True
    )
    assert ("rows/s" in done.stderr) == bars
    assert done.stdout == ""


@pytest.mark.parametrize("words", [[], ["--shuffle"], ["--epochs", "3"], ["--memory", "200M"]], ids=str)
def test_the_bar_of_the_rows_to_write_knows_their_number_from_the_start(tmp_path, capsys, words):
    log = pa.table({"user": list(range(500)) * 4, "item": [k // 500 + k % 7 for k in range(2000)]})
    pq.write_table(log, tmp_path / "log.parquet")
    line = ["train", f"{tmp_path}/log.parquet", f"{tmp_path}/out.parquet", "--num-neg", "1", "--progress", *words]
    assert guarded(lambda: invoke(line)) == 0
    rows = pq.read_metadata(tmp_path / "out.parquet").num_rows
    bars = [bar for bar in capsys.readouterr().err.split("\r") if bar.startswith("write")]
    assert bars
    assert all(f"/{rows / 1000:.2f}k" in bar for bar in bars)


@pytest.mark.parametrize("words", [[], ["--no-progress"]])
def test_a_report_tells_what_is_checked(tmp_path, words):
    """Each step of the checks by name, then the rows that are counted."""
    pytest.importorskip("jinja2")
    log = pa.table({"user": [1, 1, 2, 2], "item": [1, 2, 3, 4], "time": [1, 2, 3, 4]})
    pq.write_table(log, tmp_path / "log.parquet")
    negprep.test(log, tmp_path / "test.parquet", num_neg=1)
    negprep.train(log, tmp_path / "train.parquet", holdout="last")
    files = ["train.parquet", "test.parquet", "page.html", "--log", "log.parquet"]
    code, out, shown = watched([sys.executable, "-m", "negprep", "report", *files, *words], tmp_path)
    assert (code, out) == (0, "")
    drawn, _, last = shown.removesuffix("\r\n").rpartition("\r")
    assert last == "negprep report: train.parquet, test.parquet -> page.html: no check failed"
    steps = ["check ", "reading the log", "checking train.parquet", "checking test.parquet", "count "]
    places = [drawn.find(step) for step in steps]
    assert places == sorted(places) if words == [] else places == [-1] * 5
    assert min(places) >= 0 or words
