"""The summary appears with its output: both are new, or both are as they were, whatever fails."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import negprep
from negprep.options.options import Options

LOG = pa.table({"user": [1, 1, 2, 2, 3], "item": [10, 11, 12, 13, 14], "time": [1, 2, 3, 4, 5]})
CALLS = {"write": ["write"], "fsync": ["fsync"], "rename": ["rename", "replace"], "open": ["open"], "chmod": ["fchmod"]}
TARGETS = {"out.parquet": {}, "out/": {}, "out.csv": {"encode": True}, "shop/": {"to": "recbole"}}


def prepare(target, seed, **options):
    options = Options(command="train", num_neg=1, seed=seed, **options)
    return negprep.prepare(LOG, target, options, force=True, summary="facts.json")


def contents(folder):
    """The files by name, but for the facts that were measured."""
    held = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    facts = json.loads(held.pop("facts.json"))
    return held, {name: facts[name] for name in ("seed", "output", "rows_written")}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", CALLS)
def test_the_nth_call_fails(tmp_path, monkeypatch, kind, target):
    monkeypatch.chdir(tmp_path)
    prepare(target, 0, **TARGETS[target])
    states = {"old": contents(tmp_path)}
    prepare(target, 1, **TARGETS[target])
    states["new"] = contents(tmp_path)
    assert states["old"][1] != states["new"][1]
    found = []
    for n in range(1, 300):
        if found[-1:] != ["old"]:
            prepare(target, 0, **TARGETS[target])
        calls = 0

        def fails(call, *, nth=n):
            def counted(*arguments, **named):
                nonlocal calls
                calls += 1
                if calls == nth:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return call(*arguments, **named)

            return counted

        said = None
        with monkeypatch.context() as patch:
            for name in CALLS[kind]:
                patch.setattr(os, name, fails(getattr(os, name)))
            try:
                prepare(target, 1, **TARGETS[target])
            except negprep.OutputError as error:
                said = error
        if kind == "open" and any(path.name.endswith((".tmp", ".old")) for path in tmp_path.iterdir()):
            prepare(target, 0 if said else 1, **TARGETS[target])  # what could not be removed, the next run removes
        after = contents(tmp_path)
        found.append(next((name for name, state in states.items() if state == after), "torn"))
        assert found[-1] != "torn", (n, said)
        assert said is not None or found[-1] == "new"
        if calls < n:
            break
    assert calls < n
    assert "old" in found  # a file of a dead run that cannot be swept does not matter
    assert found[-1] == "new"


def test_a_summary_that_does_not_fit_leaves_no_output(tmp_path):
    """The rows take 1.6 kB, the summary 2.6 kB: no file may be larger than 2 kB."""
    (tmp_path / "log.csv").write_text("user,item,time\n1,10,1\n1,11,2\n2,12,3\n")
    (tmp_path / "facts.json").write_text("earlier")

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))

    words = ["train", "log.csv", "out.parquet", "--num-neg", "1", "--quiet", "--summary", "facts.json"]
    done = subprocess.run(
        [sys.executable, "-m", "negprep", *words], cwd=tmp_path, preexec_fn=limit, capture_output=True, text=True
    )
    message = "negprep: facts.json: cannot be written: File too large; raise the limit (ulimit -f)"
    assert done.stderr.startswith(message), done.stderr
    assert done.returncode == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["facts.json", "log.csv"]
    assert (tmp_path / "facts.json").read_text() == "earlier"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
@pytest.mark.parametrize("summary", ["/dev/full", "-"])
def test_a_full_device_leaves_no_output(tmp_path, summary):
    (tmp_path / "log.csv").write_text("user,item,time\n1,10,1\n1,11,2\n2,12,3\n")
    words = ["train", "log.csv", "out.parquet", "--num-neg", "1", "--quiet", "--summary", summary]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "negprep", *words], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True
        )
    expected = "cannot be written: No space left on device; free some space, or give --summary another place\n"
    place = "standard output" if summary == "-" else summary
    assert done.stderr == f"negprep: {place}: {expected}"
    assert done.returncode == 4
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_a_pipe_has_no_footer_where_the_summary_fails(tmp_path):
    (tmp_path / "log.csv").write_text("user,item,time\n1,10,1\n1,11,2\n2,12,3\n")
    words = ["train", "log.csv", "-", "--num-neg", "1", "--quiet", "--summary", "/dev/full"]
    done = subprocess.run([sys.executable, "-m", "negprep", *words], cwd=tmp_path, capture_output=True)
    assert done.returncode == 4
    assert not done.stdout.endswith(b"PAR1")


def test_the_summary_is_that_of_the_output(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    summary = prepare("out.parquet", 5)
    assert json.loads((tmp_path / "facts.json").read_text()) == summary.as_dict()
