"""docs/reference/inspect.md names every key of the JSON, and the limits of the warnings."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from negprep.reports import inspection, log_facts
from negprep.reports.inspection import Forecast
from negprep.reports.log_facts import Bin, Degrees, FloatIds, LogFacts, Most, Times

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "inspect.md").read_text(encoding="utf-8")


def section(title):
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def first_cells(text):
    return [
        name
        for line in text.splitlines()
        if line.startswith("|`")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    ]


def names(of):
    return [field.name for field in fields(of)]


def test_keys_of_the_log():
    assert sorted(first_cells(section("The log"))) == sorted(names(LogFacts))


def test_keys_of_a_forecast():
    assert sorted(first_cells(section("What would be written"))) == sorted(names(Forecast))


def test_keys_within():
    said = set(re.findall(r"`(\w+)`", section("The log")))
    for kind in (Bin, Degrees, FloatIds, Most, Times, log_facts.ValueBin, log_facts.Values, log_facts.Events):
        assert set(names(kind)) - said == set()


def test_the_limits_that_are_named():
    assert (inspection.MOST_DUPLICATES, inspection.MOST_OF_ROWS, inspection.MOST_OF_USERS) == (0.3, 0.1, 0.5)
    assert (inspection.FEWEST_USERS, log_facts.MOST_SINGLE, log_facts.EVENTS_SHOWN) == (10, 20, 20)
