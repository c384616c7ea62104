"""Fail where a relative link in a Markdown file of the project leads nowhere: to no file, or to no heading."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)#?([^)\s]*)\)")


def anchors(page: Path) -> set[str]:
    """The names by which a page's headings can be linked to."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


pages = sorted(page for folder in ("", "docs/**/", "sample_data/", "tests/") for page in ROOT.glob(f"{folder}*.md"))
broken = []
for page in pages:
    for name, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(f"{page.relative_to(ROOT)}: {name}#{anchor}".rstrip("#"))
if broken:
    sys.exit("links that lead nowhere:\n  " + "\n  ".join(broken))
