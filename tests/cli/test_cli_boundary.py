"""Whatever goes wrong is one line on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from negprep.errors import BadDataError, OutputError, UsageError


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (BadDataError("no id", place="log.csv:3", remedy="add one"), 3, "log.csv:3: no id; add one"),
        (BadDataError("the id is 'a\x1b[2Jb\nc'"), 3, r"the id is 'a\x1b[2Jb\nc'"),
        (UsageError("these do not fit"), 2, "these do not fit"),
        (OutputError("no space", place="out"), 4, "out: no space"),
        (MemoryError(), 4, "out of memory; give the process more, or prepare a part of the log at a time"),
        (
            OSError(errno.ENOSPC, "No space left on device", "out/x"),
            4,
            "out/x: No space left on device; free some space, or write elsewhere",
        ),
        (
            OSError(errno.EMFILE, "Too many open files"),
            4,
            "Too many open files; raise the limit of open files (ulimit -n)",
        ),
        (OSError("said by a library"), 4, "said by a library"),
        (
            KeyError("x"),
            70,
            "internal error: KeyError: 'x'; this is a bug of negprep: please report it, "
            "with what NEGPREP_TRACEBACK=1 shows",
        ),
    ],
)
def test_an_error_is_one_line(line, capsys, monkeypatch, error, code, message):
    monkeypatch.delenv("NEGPREP_TRACEBACK", raising=False)
    line.raised = error
    assert line.run("train", "log.csv", "out.parquet") == code
    assert capsys.readouterr().err == f"negprep: {message}\n"


def test_a_bug_shows_its_traceback_when_asked(line, capsys, monkeypatch):
    monkeypatch.setenv("NEGPREP_TRACEBACK", "1")
    line.raised = KeyError("x")
    assert line.run("train", "log.csv", "out.parquet") == 70
    assert "Traceback" in capsys.readouterr().err


def test_arrow_out_of_memory_is_out_of_memory(line, capsys):
    pyarrow = pytest.importorskip("pyarrow")
    line.raised = pyarrow.lib.ArrowMemoryError("malloc of size 1")
    assert line.run("train", "log.csv", "out.parquet") == 4
    assert "out of memory" in capsys.readouterr().err


def test_a_broken_pipe_is_silent(line, capsys):
    line.raised = BrokenPipeError(errno.EPIPE, "Broken pipe")
    assert line.run("train", "log.csv", "-") == 141
    assert capsys.readouterr().err == ""


def test_the_reader_of_help_may_go_away():
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "negprep", "train", "--help"], stdout=write_end, stderr=subprocess.PIPE
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_full_standard_output_is_said_once():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "negprep", "--help"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 4
    assert done.stderr == "negprep: No space left on device; free some space, or write elsewhere\n"


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-"])
def test_a_closed_stream_is_no_error_of_its_own(redirection):
    done = subprocess.run(["sh", "-c", f'"$0" -m negprep train {redirection}', sys.executable], capture_output=True)
    assert done.returncode == 2
    assert done.stdout == b""


def test_a_library_that_cannot_be_loaded_is_no_bug(line, capsys, monkeypatch):
    def fail(name):
        try:
            raise OSError("libarrow.so: failed to map segment from shared object")
        except OSError as reason:
            raise ImportError("\n\nIMPORTANT: PLEASE READ THIS\n") from reason

    monkeypatch.setattr("negprep.cli.startup.import_module", fail)
    assert line.run("train", "log.csv", "out.parquet") == 4
    assert capsys.readouterr().err == (
        "negprep: numpy cannot be loaded: libarrow.so: failed to map segment from shared object; "
        "give the process more memory (ulimit -v), or install it again\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("- out.parquet <&-", "standard input is closed; pipe a log in, or name a file"),
        ("log.csv out.parquet --items - <&-", "standard input is closed; pipe a log in, or name a file"),
        ("log.csv - >&-", "standard output is closed; redirect it (> out.parquet), or name a file"),
    ],
)
def test_a_closed_stream_that_is_needed_is_said(tmp_path, words, message):
    (tmp_path / "log.csv").write_text("user,item\n1,2\n2,3\n")
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m negprep train {words}', sys.executable], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (4, f"negprep: {message}\n")
    assert not (tmp_path / "out.parquet").exists()
