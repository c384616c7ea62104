"""Whatever fails, and whenever: the old output or the complete new one, and nothing else in the folder."""

import errno
import gc
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rows_to_write import SCHEMA, contents, name_of, rows, run, small_row_groups

from negprep.errors import OutputError
from negprep.write.output import open_output

CALLS = {"write": ["write"], "fsync": ["fsync"], "rename": ["rename", "replace"], "open": ["open"], "chmod": ["fchmod"]}


class Faults:
    """Makes the n-th of some calls to `os` fail, once or from then on."""

    def __init__(self, patch, names, error, n, *, lasting):
        self.calls, self.error, self.n, self.lasting = 0, error, n, lasting
        for name in names:
            patch.setattr(os, name, self.counted(getattr(os, name)))

    def counted(self, call):
        def counted(*args, **kwargs):
            self.calls += 1
            if self.calls == self.n or (self.lasting and self.calls > self.n):
                raise self.error
            return call(*args, **kwargs)

        return counted


def check(folder, target, before):
    """Old or new, whole, both files of one run, and no temporary."""
    after = contents(folder)
    assert not [name for name in after if ".tmp" in name or ".old" in name]
    assert set(after) == set(before)
    if target.endswith("/"):
        names = {name_of(path) for path in folder.rglob("*.parquet")}
    else:
        names = {name_of(folder / "out.parquet"), name_of(folder / "out.users.parquet")}
    assert len(names) == 1, names
    if names == {"old"}:
        assert after == before
    return names.pop()


def outcome(path, patch):
    """What became of one run with small row groups: "new" when it said nothing, or the error."""
    with small_row_groups(patch, 100):
        try:
            run(path, rows(300, seed=1), name="new", beside=True, force=True)
        except (OutputError, KeyboardInterrupt) as caught:
            return caught
    return "new"


@pytest.mark.parametrize("error", [OSError(errno.EIO, "x"), KeyboardInterrupt()], ids=["EIO", "interrupt"])
@pytest.mark.parametrize("target", ["out.parquet", "out/"])
@pytest.mark.parametrize("kind", CALLS)
def test_the_nth_call_fails(tmp_path, monkeypatch, kind, target, error):
    path = f"{tmp_path}/{target}"
    run(path, rows(300), name="old", beside=True)
    before = contents(tmp_path)
    expected = f"{path}: cannot be written: Input/output error; check the disk, or name an OUTPUT elsewhere"
    found = []
    for n in range(1, 1000):
        with monkeypatch.context() as patch:
            faults = Faults(patch, CALLS[kind], error, n, lasting=False)
            said = outcome(path, patch)
        if isinstance(said, OutputError):
            assert (str(said), said.exit_code) == (expected, 4)
        if kind == "open":  # what is removed at the very end is opened, too; what could not be removed waits for a run
            with open_output(path, SCHEMA, force=True):
                pass
        found.append(check(tmp_path, target, before))
        assert said != "new" or found[-1] == "new"
        if faults.calls < n:
            assert said == "new"
            break
        if found[-1] == "new":  # start again from the old one
            run(path, rows(300), name="old", beside=True, force=True)
    assert (found[0], found[-1]) == ("old", "new")
    assert len(found) > 2
    gc.collect()


@pytest.mark.parametrize("kind", ["write", "fsync"])
@pytest.mark.parametrize("target", ["out.parquet", "out/"])
def test_everything_fails_from_the_nth_call_on(tmp_path, monkeypatch, kind, target):
    path = f"{tmp_path}/{target}"
    run(path, rows(300), name="old", beside=True)
    before = contents(tmp_path)
    expected = f"{path}: cannot be written: No space left on device; free some space, or name an OUTPUT elsewhere"
    for n in range(1, 1000):
        with monkeypatch.context() as patch:
            faults = Faults(patch, CALLS[kind], OSError(errno.ENOSPC, "x"), n, lasting=True)
            said = outcome(path, patch)
        if faults.calls < n:
            break
        assert str(said) == expected
        if check(tmp_path, target, before) == "new":  # only the last fsync, that of the folder, is after the rename
            run(path, rows(300), name="old", beside=True, force=True)
    assert n > 3
    gc.collect()


@pytest.mark.parametrize("target", ["out.parquet", "out/"])
@pytest.mark.parametrize("kind", ["write", "rename", "chmod"])
def test_a_first_run_that_fails_leaves_nothing(tmp_path, monkeypatch, kind, target):
    for n in range(1, 1000):
        with monkeypatch.context() as patch:
            faults = Faults(patch, CALLS[kind], OSError(errno.EDQUOT, "x"), n, lasting=False)
            said = outcome(f"{tmp_path}/{target}", patch)
        if faults.calls < n:
            break
        assert isinstance(said, OutputError)
        assert list(tmp_path.iterdir()) == []
    assert n > 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("target", ["out.parquet", "out/"])
def test_an_exception_in_mid_stream_leaves_nothing(tmp_path, monkeypatch, target, error):
    def broken():
        with open_output(f"{tmp_path}/{target}", SCHEMA) as output:
            output.write(rows(450))
            output.next_part()
            output.write(rows(450))
            raise error

    with small_row_groups(monkeypatch, 100), pytest.raises(error):
        broken()
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_leaving_without_finish_leaves_nothing(tmp_path):
    with open_output(f"{tmp_path}/out.parquet", SCHEMA) as output:
        output.write(rows(1_000))
        (temporary,) = tmp_path.iterdir()
        assert re.fullmatch(r"\.out\.parquet\.[0-9a-f]{16}\.tmp", temporary.name)
        assert temporary.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == []


FULL = """
import resource, signal, sys
from rows_to_write import rows, run
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
from negprep.errors import OutputError
try:
    run(sys.argv[1], rows(300_000, seed=1, items=100_000), name="new", force=True)
except OutputError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("target", ["out.parquet", "out/"])
@pytest.mark.parametrize("limit", [1, 4_000, 300_000])
def test_a_file_size_limit(tmp_path, target, limit):
    path = f"{tmp_path}/{target}"
    run(path, rows(1_000), name="old")
    before = contents(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", FULL, path, str(limit)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    remedy = "raise the limit (ulimit -f), or write part files to a folder (OUTPUT/)"
    assert (done.stderr, done.stdout) == ("", f"{path}: cannot be written: File too large; {remedy}\n")
    assert done.returncode == 4
    assert contents(tmp_path) == before


def test_short_writes_lose_nothing(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:97]))
    run(f"{tmp_path}/out.parquet", rows(5_000), name="new")
    monkeypatch.undo()
    run(f"{tmp_path}/same.parquet", rows(5_000), name="new")
    assert (tmp_path / "out.parquet").read_bytes() == (tmp_path / "same.parquet").read_bytes()


def test_a_small_limit_of_open_files(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 8, limits[1]))
    try:
        with open_output(f"{tmp_path}/out/", SCHEMA) as output:
            for part in range(40):
                output.write(rows(100, seed=part))
                output.next_part()
            output.finish({})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(list((tmp_path / "out").glob("part-*.parquet"))) == 40


def raised_as_by_default(raise_signal):
    def raised(signum):
        before = signal.signal(signum, signal.default_int_handler)
        try:
            raise_signal(signum)
        finally:
            signal.signal(signum, before)

    return raised


def test_signals_between_the_renames(tmp_path, monkeypatch):
    """A signal just after each of the renames: all or nothing."""
    # A process that was started in the background, or under nohup, ignores SIGINT, and so do its children.
    monkeypatch.setattr(signal, "raise_signal", raised_as_by_default(signal.raise_signal))
    run(f"{tmp_path}/out.parquet", rows(300), name="old", beside=True)
    before = contents(tmp_path)
    found = []
    for n in range(1, 4):
        moments = iter(range(1, 10))

        def and_signal(call, n=n, moments=moments):
            def called(*args, **kwargs):
                call(*args, **kwargs)
                if next(moments) == n:
                    signal.raise_signal(signal.SIGINT)

            return called

        with monkeypatch.context() as patch:
            for name in CALLS["rename"]:
                patch.setattr(os, name, and_signal(getattr(os, name)))
            said = outcome(f"{tmp_path}/out.parquet", patch)
        assert isinstance(said, KeyboardInterrupt)
        found.append(check(tmp_path, "out.parquet", before))
    assert found == ["old", "old", "new"]
