"""Bring the results in build/bench/results into docs/internals/performance.md.

    python tests/benchmarks/measure/page.py [NAME ...]

What stands between ``<!-- results: NAME -->`` and ``<!-- end -->`` is replaced by the result NAME, if there is one.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "internals" / "performance.md"
RESULTS = ROOT / "build" / "bench" / "results"
PLACE = re.compile(r"(<!-- results: (\S+) -->\n).*?(<!-- end -->)", flags=re.DOTALL)


def filled(page: str, only: list[str]) -> str:
    """The page with the results in it; those of ``only``, or all there are."""

    def fill(place: re.Match[str]) -> str:
        result = RESULTS / f"{place[2]}.md"
        if not result.exists() or (only and place[2] not in only):
            return place[0]
        print(f"{place[2]}: brought in")
        return f"{place[1]}\n{result.read_text()}\n{place[3]}"

    return PLACE.sub(fill, page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(), sys.argv[1:]))
