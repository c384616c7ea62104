"""The kinds of models: who makes them, with which defaults, and within which limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite
from sys import float_info
from typing import Any

from negprep.errors import UsageError
from negprep.fitting.factorisation import learn_als, learn_bpr, need_library
from negprep.fitting.reinforcing import DEFAULTS, learn_rns, need_nothing
from negprep.fitting.training import Learning, Told, Training
from negprep.limits import MAX_JOBS, MAX_POOL, MAX_TEMPERATURE, check_real, whole
from negprep.model import Model
from negprep.options import Options


@dataclass(frozen=True)
class Learner:
    """One kind of model.

    Attributes
    ----------
    learn : callable
        Takes a ``Training``, a ``Learning`` and who is told; returns a ``Model`` whose facts tell of the learning.
    need : callable
        Refuses where what it needs is not there.
    learning : Learning
        The defaults.
    """

    learn: Callable[[Training, Learning, Told], Model]
    need: Callable[[str], None]
    learning: Learning


LEARNERS: dict[str, Learner] = {
    "als": Learner(
        learn_als,
        need_library,
        Learning(factors=64, epochs=15, regularization=0.01, learning_rate=None, seed=0, threads=1),
    ),
    "bpr": Learner(
        learn_bpr,
        need_library,
        Learning(factors=64, epochs=100, regularization=0.01, learning_rate=0.05, seed=0, threads=1),
    ),
    "rns": Learner(learn_rns, need_nothing, DEFAULTS),
}

_WHOLE = {
    "factors": (1, 1024),
    "epochs": (1, 1_000_000),
    "seed": (0, 2**64 - 1),
    "threads": (1, MAX_JOBS),
    "pool": (1, MAX_POOL),
    "pool_weak": (0, MAX_POOL),
    "start_epochs": (0, 1_000_000),
    "batch_size": (1, 8192),
    "patience": (1, 1_000_000),
}
_REAL = {
    "regularization": (0.0, float_info.max),
    "learning_rate": (float_info.min, float_info.max),
    "reward_weight": (0.0, float_info.max),
    "feature_share": (0.0, 1.0),
    "temperature": (1e-6, MAX_TEMPERATURE),
}
"""The least and the most of each, as in the command."""


def learning_of(kind: str, **given: Any) -> Learning:  # noqa: ANN401
    """The options of learning, with the defaults of the kind for those that are None.

    Raises
    ------
    UsageError
        An unknown kind, an option that the kind has no use for, or a value beyond its limits.
    """
    if kind not in LEARNERS:
        raise UsageError(f"no model is of the kind {kind!r}", remedy=f"choose one of {', '.join(LEARNERS)}")
    defaults = LEARNERS[kind].learning
    chosen = {name: value for name, value in given.items() if value is not None}
    if "learning_rate" in chosen and defaults.learning_rate is None:
        raise UsageError(f"--learning-rate with --kind {kind}, which takes no steps", remedy="leave it out")
    foreign = [name for name in chosen if not hasattr(defaults, name)]
    if foreign:
        raise UsageError(f"--{foreign[0].replace('_', '-')} without --kind rns", remedy="add it, or leave this out")
    for name, value in chosen.items():
        if isinstance(value, float) and not isfinite(value):
            raise UsageError(f"--{name.replace('_', '-')} {value} is no number", remedy="give a number")
        if name in _WHOLE:
            chosen[name] = whole("jobs" if name == "threads" else name, value, *_WHOLE[name])
        else:
            check_real(name, value, *_REAL[name])
    return replace(defaults, **chosen)


def refuse_beside(kind: str, options: Options) -> None:
    """Refuse what only a kind that learns from other items than the positives has a use for.

    Raises
    ------
    UsageError
        Naming the option.
    """
    for name in ("weak", "exclude", "items"):
        if kind != "rns" and getattr(options, name) is not None:
            raise UsageError(
                f"--{name} with --kind {kind}, which learns from the positives alone", remedy="leave it out"
            )
