"""negprep: implicit-feedback logs to labelled train instances and leave-one-out test sets.

``train`` and ``test`` prepare data, ``fit`` makes a model that ``train`` can draw with, ``verify`` checks prepared
files against their log, ``inspect`` says what a log holds and what would be written, ``evaluate`` makes metrics of
scores, ``report`` makes a page of files. ``prepare`` runs a whole job from file to file and returns its summary.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from negprep._version import __version__
from negprep.errors import BadDataError, NegprepError, NegprepWarning, OutputError, UsageError

if TYPE_CHECKING:
    from negprep.api import fit, inspect, report, test, train, verify
    from negprep.checks.verify import Report
    from negprep.metrics.evaluate import Evaluation, evaluate
    from negprep.models.fit import FitSummary
    from negprep.options.options import Options, ReadOptions
    from negprep.pipeline import prepare
    from negprep.reports.inspection import Inspection
    from negprep.summary import Summary

__all__ = [
    "BadDataError",
    "Evaluation",
    "FitSummary",
    "Inspection",
    "NegprepError",
    "NegprepWarning",
    "Options",
    "OutputError",
    "ReadOptions",
    "Report",
    "Summary",
    "UsageError",
    "__version__",
    "evaluate",
    "fit",
    "inspect",
    "prepare",
    "report",
    "test",
    "train",
    "verify",
]

_HOMES = {
    "train": "api",
    "test": "api",
    "fit": "api",
    "FitSummary": "models.fit",
    "verify": "api",
    "Report": "checks.verify",
    "inspect": "api",
    "Inspection": "reports.inspection",
    "evaluate": "metrics.evaluate",
    "Evaluation": "metrics.evaluate",
    "report": "api",
    "Options": "options.options",
    "ReadOptions": "options.options",
    "prepare": "pipeline",
    "Summary": "summary",
}


def __getattr__(name: str) -> object:
    """Import what takes time when it is asked for: ``negprep --help`` must not wait, nor a signal find nobody."""
    if name not in _HOMES:
        raise AttributeError(f"module 'negprep' has no attribute {name!r}")
    return getattr(import_module(f"negprep.{_HOMES[name]}"), name)
