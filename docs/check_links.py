"""Fail where a relative link in a Markdown file of the project leads nowhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")

broken = [
    f"{page.relative_to(ROOT)}: {target}"
    for page in sorted(
        [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("sample_data/*.md"), *ROOT.glob("tests/*.md")]
    )
    for target in LINK.findall(page.read_text(encoding="utf-8"))
    if not (page.parent / target).exists()
]
if broken:
    sys.exit("links that lead nowhere:\n  " + "\n  ".join(broken))
