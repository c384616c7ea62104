"""Write docs/pictures/report-light.png and report-dark.png: the report of the sample data, as a browser shows it.

Needs Chromium, and the fonts that it finds decide how the text looks.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import negprep
from negprep.reports.page import report

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
LOG = str(ROOT / "sample_data" / "log.csv")
WIDTH = 1100


def main() -> None:
    """Make the page and look at it twice."""
    sys.path.append(str(ROOT / "tests" / "reporting"))
    from browser import Browser

    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        files, page = [f"{folder}/train.parquet", f"{folder}/test.parquet"], f"{folder}/report.html"
        negprep.train(LOG, files[0], positive="purchase", sampler=("uniform:0.7", "weak:0.3"))
        negprep.test(LOG, files[1])
        for scheme, file in (("light", files[1]), ("dark", files[0])):
            report([(file, None)], page, log=LOG)
            browser.visit(f"file://{page}", scheme=scheme, width=WIDTH)
            height = browser.value("document.querySelector('figure').getBoundingClientRect().bottom + 32")
            browser.picture(PICTURES / f"report-{scheme}.png", height=height)


if __name__ == "__main__":
    main()
