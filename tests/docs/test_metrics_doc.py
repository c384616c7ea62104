"""docs/guide/metrics.md names every key of the JSON, docs/reference/contract.md every command."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from negprep.cli.group import COMMANDS
from negprep.metrics.evaluate import Evaluation

DOCS = Path(__file__).parents[2] / "docs"


def first_cells(text):
    """The names in the first column of the first table of a text."""
    lines = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)[0].splitlines()[2:]
    return [name for line in lines for name in re.findall(r"`(\w+)`", line.split("|")[1])]


def test_keys_of_an_evaluation():
    told = (DOCS / "guide" / "metrics.md").read_text(encoding="utf-8").partition("`--json` prints")[2]
    assert sorted(first_cells(told)) == sorted(["command", "version", *(field.name for field in fields(Evaluation))])


def test_the_contract_has_every_command():
    told = (
        (DOCS / "reference" / "contract.md").read_text(encoding="utf-8").partition("## What each command promises")[2]
    )
    assert first_cells(told) == list(COMMANDS)
