"""A signal ends a run within two seconds, after its clean-up, with the exit code that shells expect."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time

import pytest

import negprep

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
SLOW_RUN = """
import sys, time, types
def prepare(*arguments, **options):
    try:
        print("started", flush=True)
        time.sleep(60)
    finally:
        time.sleep(0.5)
        print("cleaned up", flush=True)
sys.modules["negprep.pipeline"] = types.SimpleNamespace(prepare=prepare)
from negprep.cli.main import run
run()
"""


@contextlib.contextmanager
def started(script, *words, ignored=()):
    """A process that has printed a line; signals are as a terminal's shell leaves them, whatever runs the tests."""

    def set_signals():
        for signum in CODES:
            signal.signal(signum, signal.SIG_IGN if signum in ignored else signal.SIG_DFL)

    process = subprocess.Popen(
        [sys.executable, "-c", script, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=set_signals,
    )
    with process:
        assert process.stdout.readline() == "started\n"
        yield process
        process.kill()


@pytest.mark.parametrize(("signum", "code"), CODES.items())
def test_a_signal_ends_the_run_after_its_clean_up(signum, code):
    with started(SLOW_RUN, "train", "log.csv", "out.parquet") as process:
        start = time.perf_counter()
        process.send_signal(signum)
        out, err = process.communicate(timeout=10)
        assert process.returncode == code
        assert out == "cleaned up\n"
        assert err == f"negprep: stopped by {signal.Signals(signum).name}\n"
        assert time.perf_counter() - start < 2


def test_a_second_signal_does_not_break_the_clean_up():
    with started(SLOW_RUN, "train", "log.csv", "out.parquet") as process:
        for signum in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            process.send_signal(signum)
            time.sleep(0.1)
        out, err = process.communicate(timeout=10)
        assert process.returncode == 130
        assert out == "cleaned up\n"
        assert err == "negprep: stopped by SIGINT\n"


def test_an_ignored_signal_stays_ignored():
    with started(SLOW_RUN, "train", "log.csv", "out.parquet", ignored=[signal.SIGHUP]) as process:
        process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
        assert process.returncode == 143


DISCARDED = """
import os, signal, sys, time, types, weakref
class Thing: pass
def lose_a_signal():
    thing = Thing()
    reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    del thing
    time.sleep(0)
def prepare(*arguments, progress, **options):
    try:
        lose_a_signal()
        print("started", flush=True)
        {then}
    finally:
        print("cleaned up", file=sys.stderr, flush=True)
sys.modules["negprep.pipeline"] = types.SimpleNamespace(prepare=prepare)
from negprep.cli.main import run
run()
"""


@pytest.mark.parametrize(
    "then",
    [
        'progress("read", 1, None); time.sleep(60)',
        "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)",
        "os.kill(os.getpid(), signal.SIGINT); time.sleep(60)",
        "pass",
        "raise RuntimeError('made of the signal by a library')",
    ],
    ids=["progress", "SIGTERM", "SIGINT", "end", "error"],
)
@pytest.mark.parametrize("words", [["--quiet"], ["--progress"]])
def test_a_signal_that_python_discards_ends_the_run_all_the_same(then, words):
    with started(DISCARDED.format(then=then), "train", "log.csv", "out.parquet", *words) as process:
        _, err = process.communicate(timeout=10)
        assert (process.returncode, err) == (143, "cleaned up\nnegprep: stopped by SIGTERM\n")


@pytest.mark.parametrize(("signum", "code"), CODES.items())
def test_a_signal_during_the_imports_ends_the_process_at_once(signum, code):
    script = f"""
import os, sys, weakref
from negprep.cli import signals
signals.raise_on_signals()
print("started", flush=True)
class Thing: pass
thing = Thing()
reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), {int(signum)}))
del thing
print("went on", file=sys.stderr)
"""
    with started(script) as process:
        _, err = process.communicate(timeout=10)
        assert (process.returncode, err) == (code, f"negprep: stopped by {signal.Signals(signum).name}\n")


LONG_CALL = """
import hashlib, os, sys, time, types
def prepare(source, target, *arguments, **options):
    from pathlib import Path
    from negprep.write.atomic import Staging, make_file
    staging = Staging(Path(target))
    try:
        staging.open()
        staging.path("parts").mkdir()
        make_file(staging.path("parts") / "part")
        print("started", flush=True)
        hashlib.pbkdf2_hmac("sha256", b"a", b"b", 1 << 28)  # minutes, and no handler runs meanwhile
    finally:
        staging.close()
sys.modules["negprep.pipeline"] = types.SimpleNamespace(prepare=prepare)
from negprep.cli.main import run
run()
"""


@pytest.mark.parametrize(("signum", "code"), CODES.items())
def test_a_signal_ends_a_run_that_is_busy_in_a_library(tmp_path, signum, code):
    with started(LONG_CALL, "train", "log.csv", str(tmp_path / "out")) as process:
        assert len(list(tmp_path.iterdir())) == 2
        start = time.perf_counter()
        process.send_signal(signum)
        process.send_signal(signum)
        _, err = process.communicate(timeout=20)
        assert time.perf_counter() - start < 6  # 1.2 on an idle machine
        assert (process.returncode, err) == (code, f"negprep: stopped by {signal.Signals(signum).name}\n")
    assert list(tmp_path.iterdir()) == []


COMPLETE = """
import os, signal, sys, time
import pyarrow as pa
from negprep.write import atomic
renames = []
def and_signal(call):
    def called(*given, **named):
        call(*given, **named)
        renames.append(given)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(os.getpid(), signum)
        time.sleep(0.6)
    return called
os.rename, os.replace = and_signal(os.rename), and_signal(os.replace)
print("started", flush=True)
from negprep.cli.main import run
run()
"""


@pytest.mark.parametrize(
    "words",
    [["o.parquet"], ["o/"], ["o.parquet", "--encode"], ["o.parquet", "--summary", "s.json"], ["m.npz"], ["o.html"]],
    ids=" ".join,
)
def test_from_the_first_rename_on_a_signal_changes_nothing(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.csv").write_text("user,item\n" + "".join(f"{row % 7},{row % 11}\n" for row in range(60)))
    command = {
        "m.npz": ["fit", "--kind", "bpr", "--holdout", "random", "log.csv"],
        "o.html": ["report", "t.parquet"],
    }.get(words[0], ["train", "--holdout", "random", "log.csv"])
    if command[0] == "report":
        negprep.train("log.csv", "t.parquet")
    with started(COMPLETE, *command, *words, "--quiet") as process:
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0
        assert [line for line in err.splitlines() if "warning: NDCG@10" not in line] == []  # of a log without taste
    assert (tmp_path / words[0]).exists()
    assert len(list(tmp_path.glob("o.*.parquet"))) == 2 * ("--encode" in words)
    assert (tmp_path / "s.json").exists() == ("--summary" in words)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
