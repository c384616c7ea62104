"""docs/reference/verify.md names the checks that there are."""

from __future__ import annotations

import re
from pathlib import Path

from negprep.checks import results

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "verify.md").read_text(encoding="utf-8")


def test_the_page_has_every_check():
    section = PAGE.partition("## The checks")[2].partition("Each fault")[0]
    told = re.findall(r"^\|(.+?)\|", section, flags=re.MULTILINE)[1:]
    constants = [value for name, value in vars(results).items() if name.isupper() and isinstance(value, str)]
    assert [name for name in told if not name.startswith(("...", "---"))] == sorted(constants, key=told.index)
    assert [name for name in told if name.startswith("...")] == [
        f"... draws by {by}" for by in ("item", "all items", "tenths of ids", "tenths of popularity")
    ]


def test_the_page_gives_the_limits():
    from negprep.checks.results import FAILS_BELOW, WARNS_BELOW

    assert (FAILS_BELOW, WARNS_BELOW) == (1e-9, 1e-4)
    assert "10<sup>-9</sup>" in PAGE
    assert "10<sup>-4</sup>" in PAGE
