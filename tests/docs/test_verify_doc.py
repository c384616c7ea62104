"""docs/reference/verify.md names the checks that there are."""

from __future__ import annotations

import re
from pathlib import Path

from negprep.checks import results

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "verify.md").read_text(encoding="utf-8")

OTHERS = {"FAILS_BELOW", "OR_SUMMARY", "OF_USERS"}
"""Constants that are not names of checks."""


def test_the_page_has_every_check():
    section = PAGE.partition("## The checks")[2].partition("Each fault")[0]
    told = re.findall(r"^\|(.+?)\|", section, flags=re.MULTILINE)[1:]
    constants = [value for name, value in vars(results).items() if name.isupper() and name not in OTHERS]
    assert [name for name in told if not name.startswith(("...", "---"))] == sorted(constants, key=told.index)
    assert [name for name in told if name.startswith("...")] == [
        f"... draws by {by}" for by in ("item", "all items", "tenths of ids", "tenths of popularity")
    ]


def test_the_page_gives_the_limits():
    assert results.FAILS_BELOW == 1e-9
    assert "10<sup>-9</sup>" in PAGE
