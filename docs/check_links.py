"""Fail where a relative link in a Markdown file of the project leads nowhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")

broken = [
    f"{page.relative_to(ROOT)}: {target}"
    for folder in (ROOT, ROOT / "docs", ROOT / "sample_data", ROOT / "tests")
    for page in sorted(folder.glob("*.md"))
    for target in LINK.findall(page.read_text(encoding="utf-8"))
    if not (page.parent / target).exists()
]
if broken:
    sys.exit("links that lead nowhere:\n  " + "\n  ".join(broken))
