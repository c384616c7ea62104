"""The command line in this process, with a pipeline that only notes what it was asked for."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace

import pytest

from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke
from negprep.summary import Summary
from negprep.write.destination import Document

USUAL = Summary(
    command="train",
    output="train.parquet",
    rows_read=60_012,
    rows_dropped={},
    users=1_000,
    items=600,
    catalog_items=640,
    removed_users=0,
    removed_items=0,
    removed_positives=0,
    positives=46_349,
    weak=0,
    holdout="none",
    holdout_asked="none",
    holdouts=0,
    holdout_users=0,
    tied_holdouts=0,
    cold_holdouts=0,
    cold_users=0,
    unheld_users=0,
    num_neg=4,
    sampler="uniform",
    sources={},
    negatives=185_396,
    rows_written=231_745,
    short_users=0,
    full_users=0,
    dropped_users=0,
    seen="the user's positives",
    excluded_pairs=0,
    excluded_unknown=0,
    weak_unknown=0,
    seed=0,
    split_seed=0,
    columns={"user": "userId", "item": "movieId"},
    warnings=[],
    seconds=0.4123,
    peak_memory_bytes=123_456_789,
    metadata={"command": "train"},
)


@pytest.fixture
def facts():
    """What a plain run reports."""
    return USUAL


@dataclass
class Line:
    """The command line; `prepare` is what stands in for the pipeline."""

    summary: Summary = USUAL
    asked: SimpleNamespace | None = None
    raised: BaseException | None = None

    def prepare(self, source, target, options, *, force=False, summary=None, progress=None):
        self.asked = SimpleNamespace(source=source, target=target, options=options, force=force, progress=progress)
        if self.raised is not None:
            raise self.raised
        if summary is not None:
            content = self.summary.as_json().encode()
            with closing(
                Document(summary, lambda file: file.write(content), "give --summary another place")
            ) as document:
                document.stage()
                document.publish()
        return self.summary

    def run(self, *arguments):
        """The exit code."""
        return guarded(lambda: invoke(arguments))

    def options(self, *arguments):
        """What the pipeline is asked for."""
        assert self.run(*arguments, "--quiet") == 0
        return self.asked.options


@pytest.fixture
def line(monkeypatch):
    line = Line()
    pipeline = ModuleType("negprep.pipeline")
    pipeline.prepare = line.prepare
    monkeypatch.setitem(sys.modules, "negprep.pipeline", pipeline)
    return line
