"""An option is declared once: whatever shows it follows from its declaration."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from negprep.errors import UsageError
from negprep.options.commands import takes
from negprep.options.declared import check_options, option, options_of
from negprep.options.options import Options

ROOT = Path(__file__).parents[2]
MADE_UP = """
    made_up: int | None = option(
        None, "An option that a test makes up.", ("Output", "train test"), metavar="N", limits=(1, 9), fact=True
    )
"""
SHOWS = """
import json, sys
import click, pyarrow as pa, pyarrow.parquet as pq
import negprep
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke

log = pa.table({"user": [1, 1, 2], "item": [10, 11, 12], "time": [1, 2, 3]})
pq.write_table(log, "log.parquet")
words = ["log.parquet", "by_command.parquet", "--num-neg", "1", "--quiet"]
assert guarded(lambda: invoke(["train", *words, "--made-up", "7"])) == 0
assert guarded(lambda: invoke(["train", *words, "--made-up", "10"])) == 2
assert guarded(lambda: invoke(["inspect", "log.parquet", "--made-up", "7"])) == 2
negprep.train(log, "by_function.parquet", num_neg=1, made_up=7)
for name in ("by_command", "by_function"):
    assert json.loads(pq.read_metadata(f"{name}.parquet").metadata[b"negprep"])["made_up"] == 7
for call, error in (({"made_up": 10}, negprep.UsageError), ({"made_upp": 1}, TypeError)):
    try:
        negprep.train(log, **call)
    except error as raised:
        assert "made_up" in str(raised)
    else:
        raise AssertionError(call)
guarded(lambda: invoke(["test", "--help-all"]))
"""


def test_one_edit_is_enough(tmp_path):
    """The declaration is put into a copy of the source: nothing else is touched but by the script that generates."""
    shutil.copytree(ROOT / "negprep", tmp_path / "negprep", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "docs" / "reference").mkdir(parents=True)
    for name in ("make_cli_reference.py", "reference/cli.md"):
        shutil.copy(ROOT / "docs" / name, tmp_path / "docs" / name)
    source = tmp_path / "negprep" / "options" / "options.py"
    text = source.read_text()
    before, mark, after = text.partition("    shard_rows: int = ")
    source.write_text(before + MADE_UP.lstrip("\n") + mark + after)

    def python(*words, code=0):
        environment = {"PYTHONPATH": str(tmp_path), "PATH": ""}
        done = subprocess.run([sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done.stdout

    shown = python("-c", SHOWS)
    assert "--made-up N" in shown
    assert "An option that a test makes up.  [1<=x<=9]" in shown
    python("docs/make_cli_reference.py", "--check", code=1)
    python("docs/make_cli_reference.py")
    assert (tmp_path / "docs" / "reference" / "cli.md").read_text().count("--made-up N") == 1  # test names it: As train
    assert "    made_up: int | None\n" in (tmp_path / "negprep" / "keywords.py").read_text()


def test_a_declaration_decides_what_is_taken():
    @dataclass(frozen=True)
    class Sizes:
        few: int = option(1, "A number.", ("Run", "train"), limits=(1, 3))
        share: float | None = option(None, "A share.", ("Run", "train"), limits=(0.0, 1.0))
        name: str | None = option(None, "A name.", ("Run", "train"))
        loud: bool = option(False, "A flag.", ("Run", "train"))

        def __post_init__(self):
            check_options(self)

    assert type(Sizes(share=1).share) is float
    for given, words in [
        ({"few": 4}, "few is 4; choose a whole number from 1 to 3"),
        ({"few": True}, "few is True; choose a whole number from 1 to 3"),
        ({"few": "2"}, "few is '2'; choose a whole number from 1 to 3 (a number, not text)"),
        ({"few": None}, "few is None; choose a whole number from 1 to 3"),
        ({"share": 1.5}, "share is 1.5; choose a number from 0 to 1"),
        ({"name": 3}, "name is 3; give a string"),
        ({"loud": 1}, "loud is 1; give True or False"),
    ]:
        with pytest.raises(UsageError) as caught:
            Sizes(**given)
        assert str(caught.value) == words


def test_every_declaration_names_commands_that_exist():
    commands = {"train", "test", "fit", "verify", "inspect", "evaluate", "report"}
    for name, each in options_of(Options).items():
        declared = each.declared
        assert commands >= set(declared.commands), name
        assert set(declared.commands) >= {*declared.common, *declared.differs}, name


def test_defaults_are_those_of_the_command():
    assert [takes(command)["distinct"].of(command, "default") for command in ("train", "test", "verify")] == [
        False,
        True,
        None,
    ]
    assert Options(command="train", fold="valid").with_valid
