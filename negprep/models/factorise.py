"""Matrix factorisation by the library `implicit`: alternating least squares, and Bayesian personalised ranking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

from negprep.arrow import from_numpy
from negprep.encode.pairs import Items, Pairs
from negprep.encode.vocabulary import Vocabulary
from negprep.errors import BadDataError, OutputError, UsageError
from negprep.model_file import Model, sorted_model

ReportEpoch = Callable[[int, int, str], None]
"""Takes the epochs done, all of them, and in words how the loss is."""


@dataclass(frozen=True, eq=False)
class Training:
    """The train part of a log: its positives, weak interactions and excluded pairs.

    ``items`` are all of the log, also those without a train positive; ``place`` is the log in messages.
    """

    users: Vocabulary
    items: Items
    positives: Pairs
    weak: Pairs
    excluded: Pairs
    place: str


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How a model learns. ``learning_rate`` is None for a kind that takes no steps; ``seed`` is below 2**64."""

    factors: int
    epochs: int
    regularization: float
    learning_rate: float | None
    seed: int
    threads: int


_LOSSES = {"als": "loss", "bpr": "share of pairs ranked right"}
_NO_MEMORY = "failed to map segment"
"""The loader's words when the machine refuses memory."""

_TAMER = {"als": "another --regularization", "bpr": "a smaller --learning-rate"}


def need_library(kind: str) -> None:
    """Refuse where the library cannot be loaded.

    Raises
    ------
    UsageError
        It is not there.
    OutputError
        There is too little memory for it.
    """
    for name in ("implicit", "scipy.sparse", "threadpoolctl"):
        try:
            import_module(name)
        except (ImportError, SystemError) as error:
            if _NO_MEMORY in str(error):
                raise OutputError(
                    f"{name} cannot be loaded: {error}", remedy="give the process more memory (ulimit -v)"
                ) from error
            reason = "is not installed" if isinstance(error, ModuleNotFoundError) else f"cannot be loaded ({error})"
            raise UsageError(
                f"--kind {kind} needs the library implicit, and {name} {reason}", remedy="pip install 'negprep[fit]'"
            ) from error


def learn_als(training: Training, learning: Learning, report: ReportEpoch) -> Model:
    """Alternating least squares. The same for any number of threads."""
    from implicit.cpu.als import AlternatingLeastSquares

    def make() -> AlternatingLeastSquares:
        return AlternatingLeastSquares(
            factors=learning.factors,
            regularization=learning.regularization,
            iterations=learning.epochs,
            calculate_training_loss=True,
            num_threads=learning.threads,
            random_state=learning.seed,
        )

    return _learn("als", make, training, learning, report)


def learn_bpr(training: Training, learning: Learning, report: ReportEpoch) -> Model:
    """Bayesian personalised ranking. Threads write over each other's steps: with more than one, no two runs agree."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    def make() -> BayesianPersonalizedRanking:
        return BayesianPersonalizedRanking(
            factors=learning.factors,
            learning_rate=learning.learning_rate,
            regularization=learning.regularization,
            iterations=learning.epochs,
            num_threads=learning.threads,
            random_state=learning.seed,
        )

    return _learn("bpr", make, training, learning, report)


def _learn(kind: str, make: Callable[[], Any], training: Training, learning: Learning, report: ReportEpoch) -> Model:
    """Learn about the users and items that have a train positive."""
    from implicit.recommender_base import ModelFitError
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    users = np.flatnonzero(training.positives.counts)
    counts = np.bincount(training.positives.items, minlength=len(training.items))
    items = np.flatnonzero(counts)
    codes = np.cumsum(counts > 0)[training.positives.items] - 1
    starts = np.concatenate([[0], training.positives.starts[1:][users]])
    matrix = csr_matrix((np.ones(len(codes), np.float32), codes.astype(np.int32), starts), (len(users), len(items)))
    facts: dict[str, Any] = {}

    def tell(epoch: int, _seconds: float, *state: Any) -> None:  # noqa: ANN401
        words = ""
        if state and state[0] is not None:
            name, value = _LOSSES[kind], float(state[0])
            if (
                len(state) > 1
            ):  # of bpr: pairs ranked right, and draws of an item that was a positive, which are skipped
                value /= max(1, matrix.nnz - int(state[1]))
            facts[name] = value
            words = f"{name} {value:.4g}"
        report(epoch + 1, learning.epochs, words)

    # numpy would warn of what is refused below.
    with (
        np.errstate(all="ignore"),
        threadpool_limits(limits=1, user_api="blas"),
    ):  # its own threads are enough, and it warns of more
        model = make()
        try:
            model.fit(matrix, show_progress=False, callback=tell)
        except ModelFitError as error:
            remedy = f"choose {_TAMER[kind]}"
            raise BadDataError("the factors became NaN or infinite", place=training.place, remedy=remedy) from error
    arrays = {"user_factors": np.array(model.user_factors), "item_factors": np.array(model.item_factors)}
    if len(arrays["item_factors"][0]) == learning.factors + 1:  # BPR keeps the bias as one more factor, of 1 for users
        arrays["item_bias"] = arrays["item_factors"][:, -1].copy()
        arrays["user_factors"] = np.ascontiguousarray(arrays["user_factors"][:, :-1])
        arrays["item_factors"] = np.ascontiguousarray(arrays["item_factors"][:, :-1])
    facts = {"library": f"implicit {version('implicit')}", **facts}
    ids = training.users.ids.take(from_numpy(users)), training.items.ids.take(from_numpy(items))
    return sorted_model(kind, *ids, arrays, facts, f"the model of {training.place}")
