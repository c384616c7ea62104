"""negprep: implicit-feedback logs to labelled train instances and leave-one-out test sets.

``train`` and ``test`` prepare data, ``inspect`` says what a log holds and what they would write, ``evaluate`` makes
metrics of scores. ``prepare`` runs a whole job from file to file and returns its summary.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from negprep._version import __version__
from negprep.errors import BadDataError, NegprepError, OutputError, UsageError

if TYPE_CHECKING:
    from negprep.api import test, train
    from negprep.evaluation.api import evaluate
    from negprep.evaluation.result import Evaluation
    from negprep.inspecting.asking import inspect
    from negprep.options import Options, ReadOptions
    from negprep.pipeline import prepare
    from negprep.summary import Summary

__all__ = [
    "BadDataError",
    "Evaluation",
    "NegprepError",
    "Options",
    "OutputError",
    "ReadOptions",
    "Summary",
    "UsageError",
    "__version__",
    "evaluate",
    "inspect",
    "prepare",
    "test",
    "train",
]

_HOMES = {
    "train": "api",
    "test": "api",
    "evaluate": "evaluation.api",
    "Evaluation": "evaluation.result",
    "inspect": "inspecting.asking",
    "Options": "options",
    "ReadOptions": "options",
    "prepare": "pipeline",
    "Summary": "summary",
}


def __getattr__(name: str) -> object:
    """Import what takes time when it is asked for: ``negprep --help`` must not wait, nor a signal find nobody."""
    if name not in _HOMES:
        raise AttributeError(f"module 'negprep' has no attribute {name!r}")
    return getattr(import_module(f"negprep.{_HOMES[name]}"), name)
