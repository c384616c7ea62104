"""The texts for users avoid phrases that read as translated, and stay short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "docs" / "reference" / "cli.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*/*.md"))]
PHRASES = (
    r"(?<!there )(?:is|are) no(?! longer\b)",
    r"of which",
    r"by which",
    r"from when on",
    r"users by users",
    r"what is so",
    r"goes? before",
    r"makes? metrics of",
    r"(?:says?|said|told|stated)",
    r"mistake in negprep",
)


def prose(page):
    """The text without what it quotes: code, and the list of modules in CONTRIBUTING."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"```.*?```|^    .*?$|`[^`\n]*`|^\|what is said to be .*?$", "", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", [page for page in PAGES if page != GENERATED], ids=lambda page: page.name)
def test_no_page_has_a_phrase_to_avoid(page):
    found = re.findall(rf"[^\n]*\b(?:{'|'.join(PHRASES)})\b[^\n]*", prose(page), flags=re.IGNORECASE)
    assert found == []


def written_by_hand(page):
    """The text without the tables of measurements, which grow with what is measured."""
    return re.sub(r"<!-- results: .*?<!-- end -->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_documentation_is_short():
    """The generated reference grows with the options."""
    pages = (page for page in (ROOT / "docs").rglob("*.md") if page != GENERATED)
    assert sum(len(written_by_hand(page).split()) for page in pages) <= 23_100
