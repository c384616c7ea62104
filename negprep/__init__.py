"""negprep: implicit-feedback logs to labelled train instances and leave-one-out test sets.

``train`` and ``test`` prepare data, ``fit`` makes a model that ``train`` can draw with, ``verify`` checks prepared
files against their log, ``inspect`` summarises a log and previews a run, ``evaluate`` computes ranking metrics from
scores, ``report`` makes a page of files. ``prepare`` writes the whole data set of a log, from one split. A ``Sampler``
gives the rows of ``train`` as batches of arrays, drawn anew in each epoch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from negprep._version import __version__
from negprep.errors import BadDataError, NegprepError, NegprepWarning, OutputError, UsageError

if TYPE_CHECKING:
    from negprep.api import fit as fit
    from negprep.api import inspect as inspect
    from negprep.api import prepare as prepare
    from negprep.api import report as report
    from negprep.api import test as test
    from negprep.api import train as train
    from negprep.api import verify as verify
    from negprep.bundle import Bundle as Bundle
    from negprep.checks.verify import Report as Report
    from negprep.epoch import Epoch as Epoch
    from negprep.loader import Sampler as Sampler
    from negprep.metrics.evaluate import Evaluation as Evaluation
    from negprep.metrics.evaluate import evaluate as evaluate
    from negprep.models.fit import FitSummary as FitSummary
    from negprep.options.options import Options as Options
    from negprep.options.options import ReadOptions as ReadOptions
    from negprep.reports.inspection import Inspection as Inspection
    from negprep.summary import Summary as Summary

_HOMES = {
    name: home
    for home, names in {
        "api": "train test prepare fit verify inspect report",
        "checks.verify": "Report",
        "bundle": "Bundle",
        "epoch": "Epoch",
        "loader": "Sampler",
        "metrics.evaluate": "Evaluation evaluate",
        "models.fit": "FitSummary",
        "options.options": "Options ReadOptions",
        "reports.inspection": "Inspection",
        "summary": "Summary",
    }.items()
    for name in names.split()
}
__all__ = ["BadDataError", "NegprepError", "NegprepWarning", "OutputError", "UsageError", "__version__", *_HOMES]


def __getattr__(name: str) -> object:
    """Import what takes time when it is asked for: ``negprep --help`` must not wait, nor a signal find nobody."""
    if name not in _HOMES:
        raise AttributeError(f"module 'negprep' has no attribute {name!r}")
    return getattr(import_module(f"negprep.{_HOMES[name]}"), name)
