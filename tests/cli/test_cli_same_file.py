"""Standard input and standard output that are one file are refused, and so is any input that is the output."""

import os
import re
import subprocess
import sys

import pytest

from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke

LOG = b"user,item\n1,2\n1,3\n2,3\n2,4\n"
EXIT_USAGE = 2


def shell(folder, command):
    """Run a command of a shell, with ``negprep`` for the program; its exit code and its error."""
    line = command.replace("negprep", f"{sys.executable} -m negprep")
    run = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, check=False)
    return run.returncode, run.stderr.decode()


MODES = {"<": (0, os.O_RDONLY), ">>": (1, os.O_WRONLY | os.O_APPEND), "1<>": (1, os.O_RDWR)}


@pytest.fixture
def redirected(tmp_path, monkeypatch, capsys):
    """Run a command in this process, redirected as a shell would do it; its exit code and its error."""
    monkeypatch.chdir(tmp_path)
    kept = [os.dup(0), os.dup(1)]

    def run(command):
        words = re.sub(r" (<|>>|1<>) (\S+)", "", command).split()[1:]
        for sign, path in re.findall(r" (<|>>|1<>) (\S+)", command):
            number, mode = MODES[sign]
            opened = os.open(path, mode)
            os.dup2(opened, number)
            os.close(opened)
        with os.fdopen(os.dup(0)) as stdin, os.fdopen(os.dup(1), "w") as stdout:
            monkeypatch.setattr("sys.stdin", stdin)
            monkeypatch.setattr("sys.stdout", stdout)
            code = guarded(lambda: invoke(words))
        monkeypatch.undo()
        return code, capsys.readouterr().err

    yield run
    for number, before in enumerate(kept):
        os.dup2(before, number)
        os.close(before)


@pytest.mark.parametrize(
    "command",
    [
        "negprep train --num-neg 1 - - < in.csv >> in.csv",
        "negprep train --num-neg 1 - - < in.csv 1<> in.csv",
        "negprep train --num-neg 1 in.csv - >> in.csv",
        "negprep train --num-neg 1 --to csv /dev/stdin /dev/stdout < in.csv >> in.csv",
        "negprep test --num-neg 1 other.csv --items in.csv - >> in.csv",
        "negprep train --num-neg 1 other.csv --exclude - - < in.csv >> in.csv",
        "negprep train --num-neg 1 . - >> in.csv",
        "negprep inspect in.csv >> in.csv",
        "negprep verify in.csv --log other.csv >> in.csv",
        "negprep train --num-neg 1 - in.csv < in.csv",
        "negprep train --num-neg 1 other.csv --items - in.csv < in.csv",
        "negprep train --num-neg 1 - ./ --force < in.csv",
    ],
)
def test_refused_and_left_as_it_was(tmp_path, redirected, command):
    for name in ("in.csv", "other.csv"):
        (tmp_path / name).write_bytes(LOG)
    code, error = redirected(command)
    assert code == EXIT_USAGE, error
    assert error.count("\n") == 1
    assert (tmp_path / "in.csv").read_bytes() == LOG


def test_what_the_shell_has_emptied_is_named(tmp_path):
    (tmp_path / "in.csv").write_bytes(LOG)
    code, error = shell(tmp_path, "negprep train --num-neg 1 - - < in.csv > in.csv")
    assert code == EXIT_USAGE
    assert "stdin: is the file that standard output goes to, and is empty: the shell empties" in error
    assert (tmp_path / "in.csv").read_bytes() == b""


def test_two_files_and_devices_are_fine(tmp_path):
    (tmp_path / "in.csv").write_bytes(LOG)
    for command in ("- - < in.csv > out", "- out.parquet < in.csv", "in.csv /dev/null < /dev/null > /dev/null"):
        assert shell(tmp_path, f"negprep train --num-neg 1 {command}")[0] == 0
