"""docs/reference/errors.md: its messages are those of the commands, and it has every exit code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\|(`.*`)\|(.*)\|$", PAGE.partition("|message|remedy|")[2], flags=re.MULTILINE)
ERRORS = {
    "no column for the items": ("customer,thing\n1,2\n", "train log.csv o.parquet", 3),
    "more than one column": ("user,item,item_id\n1,2,3\n", "train log.csv o.parquet", 3),
    "there is no header": ("1,2,3\n1,3,4\n", "train log.csv o.parquet", 3),
    "null user id": ("user,item\n1,2\n,3\n", "train log.csv o.parquet", 3),
    "3 fields": ("user,item\n1,2\n1,3,4\n", "train log.csv o.parquet", 3),
    "is in milliseconds": (
        "user,item,time\n1,2,1700000000\n1,3,1700000000000\n",
        "train log.csv o.parquet --holdout last",
        3,
    ),
    "needs times": ("user,item\n1,2\n1,3\n", "train log.csv o.parquet --holdout last", 2),
    "has enough positives": ("user,item\n1,2\n2,3\n", "test log.csv o.parquet", 3),
    "eligible item of": ("user,item\n1,2\n1,3\n2,4\n", "test log.csv o.parquet --on-short error", 3),
    "is in the catalog": ("user,item\n1,2\n1,3\n", "train log.csv o.parquet --items catalog.csv", 3),
    "--expect-rows": ("user,item\n1,2\n1,3\n", "train log.csv o.parquet --expect-rows 3", 3),
    "is not empty": ("user,item\n1,2\n1,3\n", "train log.csv out/", 2),
}


def test_every_error_of_the_table_is_tried():
    messages = [message for message, _ in ROWS]
    assert len(messages) == len(ERRORS)
    assert [key for key, message in zip(ERRORS, messages, strict=True) if key not in message] == []


@pytest.mark.parametrize("key", ERRORS)
def test_errors_are_those_of_the_table(key, tmp_path, monkeypatch, capsys):
    log, words, code = ERRORS[key]
    monkeypatch.chdir(tmp_path)
    Path("log.csv").write_text(log)
    Path("catalog.csv").write_text("item\na\nb\n")
    Path("out").mkdir()
    Path("out/_SUCCESS").touch()
    (wanted,) = (message.strip("`") for message, _ in ROWS if key in message)
    assert guarded(lambda: invoke([*shlex.split(words), "--quiet"])) == code
    assert capsys.readouterr().err == f"negprep: {wanted}\n"


def test_every_exit_code_has_its_row():
    assert re.findall(r"^\|(\d+)", PAGE, flags=re.MULTILINE) == ["0", "1", "2", "3", "4", "70", "128"]
