"""Whatever fails, and whenever: the old output or the complete new one, and nothing else in the folder."""

import errno
import gc
import os
import re
import resource
import signal
import subprocess
import sys

import pytest
from rows_to_write import SCHEMA, contents, name_of, rows, run, small_row_groups

from negprep.errors import OutputError
from negprep.writing import open_output

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


@pytest.mark.parametrize("error", [OSError(errno.EIO, "x"), KeyboardInterrupt()], ids=["EIO", "interrupt"])
@pytest.mark.parametrize("target", ["out.parquet", "out/"])
@pytest.mark.parametrize("kind", CALLS)
def test_the_nth_call_fails(tmp_path, monkeypatch, kind, target, error):
    path = f"{tmp_path}/{target}"
    run(path, rows(500), name="old", beside=True)
    before = contents(tmp_path)
    outcomes = []
    for n in range(1, 1000):
        failed = False
        with monkeypatch.context() as patch, small_row_groups(monkeypatch, 100):
            faults = Faults(patch, CALLS[kind], error, n, lasting=False)
            try:
                run(path, rows(500, seed=1), name="new", beside=True, force=True)
            except OutputError as caught:
                failed = True
                assert (
                    str(caught)
                    == f"{path}: cannot be written: Input/output error; check the disk, or name an OUTPUT elsewhere"
                )
                assert caught.exit_code == 4
            except KeyboardInterrupt:
                failed = True
        gc.collect()
        outcomes.append(check(tmp_path, target, before))
        if faults.calls < n:
            assert not failed
            break
        if outcomes[-1] == "new":  # start again from the old one
            run(path, rows(500), name="old", beside=True, force=True)
    assert outcomes[-1] == "new"
    assert outcomes[0] == "old"
    assert len(outcomes) > 2


@pytest.mark.parametrize("kind", ["write", "fsync"])
@pytest.mark.parametrize("target", ["out.parquet", "out/"])
def test_everything_fails_from_the_nth_call_on(tmp_path, monkeypatch, kind, target):
    path = f"{tmp_path}/{target}"
    run(path, rows(500), name="old", beside=True)
    before = contents(tmp_path)
    for n in (1, 2, 3, 5):
        with monkeypatch.context() as patch, small_row_groups(monkeypatch, 100):
            Faults(patch, CALLS[kind], OSError(errno.ENOSPC, "x"), n, lasting=True)
            with pytest.raises(
                OutputError, match="No space left on device; free some space, or name an OUTPUT elsewhere"
            ):
                run(path, rows(500, seed=1), name="new", beside=True, force=True)
        gc.collect()
        if check(tmp_path, target, before) == "new":  # only the last fsync, that of the folder, comes after the rename
            run(path, rows(500), name="old", beside=True, force=True)


@pytest.mark.parametrize("target", ["out.parquet", "out/"])
def test_a_first_run_that_fails_leaves_nothing(tmp_path, monkeypatch, target):
    for kind, names in CALLS.items():
        for n in range(1, 7):
            with monkeypatch.context() as patch, small_row_groups(monkeypatch, 100):
                faults = Faults(patch, names, OSError(errno.EDQUOT, "x"), n, lasting=False)
                try:
                    run(f"{tmp_path}/{target}", rows(500), name="new", beside=True)
                except OutputError:
                    pass
                else:
                    assert faults.calls < n
            if contents(tmp_path):
                assert kind in {"fsync", "rename", "chmod", "open", "write"}
                assert check(tmp_path, target, contents(tmp_path)) == "new"
                for path in sorted(tmp_path.rglob("*"), reverse=True):
                    path.rmdir() if path.is_dir() else path.unlink()
            assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("target", ["out.parquet", "out/"])
def test_an_exception_in_mid_stream_leaves_nothing(tmp_path, monkeypatch, target, error):
    with (
        small_row_groups(monkeypatch, 100),
        pytest.raises(error),
        open_output(f"{tmp_path}/{target}", SCHEMA) as output,
    ):
        output.write(rows(450))
        output.next_part()
        output.write(rows(450))
        raise error
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
        cwd=os.path.dirname(__file__),
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
    in_use = max(int(name) for name in os.listdir("/proc/self/fd"))
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


def test_signals_in_the_last_moment_are_all_or_nothing(tmp_path, monkeypatch):
    """A signal that arrives while the files get their names, just after each of the renames."""
    run(f"{tmp_path}/out.parquet", rows(500), name="old", beside=True)
    before = contents(tmp_path)
    outcomes = []
    for n in range(1, 4):
        with monkeypatch.context() as patch:
            count = 0
            for name in ("rename", "replace"):

                def renamed(*args, call=getattr(os, name), moment=n, **kwargs):
                    nonlocal count
                    call(*args, **kwargs)
                    count += 1
                    if count == moment:
                        signal.raise_signal(signal.SIGINT)

                patch.setattr(os, name, renamed)
            with pytest.raises(KeyboardInterrupt):
                run(f"{tmp_path}/out.parquet", rows(500, seed=1), name="new", beside=True)
        outcomes.append(check(tmp_path, "out.parquet", before))
    assert outcomes == ["old", "old", "new"]
