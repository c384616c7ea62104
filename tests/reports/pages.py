"""The page of some files, as `negprep report` writes it."""

from __future__ import annotations

from pathlib import Path

from negprep.reports.page import report

LOG = Path(__file__).parents[2] / "sample_data" / "log.parquet"


def write(names, target, *, log=None, **given):
    """What `negprep report` does; the text of the page."""
    report([(str(name), None) for name in names], str(target), log=None if log is None else str(log), **given)
    return target.read_text(encoding="utf-8")
