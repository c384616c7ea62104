"""Matrix factorisation: alternating least squares by the library `implicit`, and Bayesian personalised ranking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from negprep.arrays import Codes, Factors, Positions
from negprep.arrow import from_numpy
from negprep.encode.pairs import Items, Pairs, pair_keys
from negprep.encode.vocabulary import Vocabulary
from negprep.errors import BadDataError, OutputError, UsageError
from negprep.model_file import Model, sorted_model
from negprep.models.validation import FullRanking
from negprep.sample.rng import purpose_key
from negprep.sample.seen import MaskBuffer, Seen
from negprep.sample.uniform import uniform

ReportEpoch = Callable[[int, int, str], None]
"""Takes the epochs done, all of them, and in words how the loss is."""


@dataclass(frozen=True, eq=False)
class Training:
    """The train part of a log: its positives, weak interactions and excluded pairs.

    ``items`` are all of the log, also those without a train positive; ``place`` is the log in messages. The positives
    that are ``asked`` for are not among ``positives``.
    """

    users: Vocabulary
    items: Items
    positives: Pairs
    weak: Pairs
    excluded: Pairs
    place: str
    asked: FullRanking


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How a model learns. ``learning_rate`` is None for a kind that takes no steps; ``seed`` is below 2**64."""

    factors: int
    epochs: int
    regularization: float
    learning_rate: float | None
    seed: int
    threads: int


@dataclass(frozen=True, eq=False)
class Learnt:
    """A model to draw with, and the model that ranks items, where that is another."""

    model: Model
    recommender: Model | None = None


_NO_MEMORY = "failed to map segment"
"""The loader's words when the machine refuses memory."""


def need_library(kind: str) -> None:
    """Refuse where the library for ``kind`` cannot be loaded.

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


@dataclass(frozen=True, eq=False)
class Known:
    """The users and items that have a train positive, and their positives, all by codes of their own.

    ``users``, ``items``: int64. The codes in ``training``, ascending.
    """

    users: Positions
    items: Positions
    positives: Pairs
    training: Training

    @classmethod
    def of(cls, training: Training) -> Known:
        """Those of the train part."""
        positives = training.positives
        users = np.flatnonzero(positives.counts)
        is_known = np.bincount(positives.items, minlength=len(training.items)) > 0
        codes = (np.cumsum(is_known) - 1).astype(np.int32)[positives.items]
        starts = np.concatenate([[0], positives.starts[1:][users]])
        return cls(users, np.flatnonzero(is_known), Pairs(starts, codes), training)

    def model(self, kind: str, arrays: dict[str, Factors], facts: dict[str, Any]) -> Model:
        """A model of factors in the order of these codes."""
        users, items = self.training.users.ids, self.training.items.ids
        ids = users.take(from_numpy(self.users)), items.take(from_numpy(self.items))
        return sorted_model(kind, *ids, arrays, facts, f"the model of {self.training.place}")


def learn_als(training: Training, learning: Learning, report: ReportEpoch) -> Learnt:
    """Alternating least squares, by the library. The same for any number of threads."""
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.recommender_base import ModelFitError
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    known = Known.of(training)
    ones = np.ones(len(known.positives), np.float32)
    shape = len(known.users), len(known.items)
    matrix = csr_matrix((ones, known.positives.items, known.positives.starts), shape)
    facts: dict[str, Any] = {"library": f"implicit {version('implicit')}"}

    def tell(epoch: int, _seconds: float, loss: float | None = None) -> None:
        words = ""
        if loss is not None:
            facts["loss"] = float(loss)
            words = f"loss {loss:.4g}"
        report(epoch + 1, learning.epochs, words)

    # numpy would warn of what is refused below; the library's own threads are enough, and it warns of more.
    with np.errstate(all="ignore"), threadpool_limits(limits=1, user_api="blas"):
        model = AlternatingLeastSquares(
            factors=learning.factors,
            regularization=learning.regularization,
            iterations=learning.epochs,
            calculate_training_loss=True,
            num_threads=learning.threads,
            random_state=learning.seed,
        )
        try:
            model.fit(matrix, show_progress=False, callback=tell)
        except ModelFitError as error:
            raise _diverged(training, "another --regularization") from error
    arrays = {"user_factors": np.array(model.user_factors), "item_factors": np.array(model.item_factors)}
    return Learnt(known.model("als", arrays, facts))


def _diverged(training: Training, choice: str) -> BadDataError:
    return BadDataError("the factors became NaN or infinite", place=training.place, remedy=f"choose {choice}")


def learn_bpr(training: Training, learning: Learning, report: ReportEpoch) -> Learnt:
    """Bayesian personalised ranking: each epoch takes every positive once, against a fresh uniform negative.

    The other item is one that the user has no train positive of, each with the same probability, as in ``negprep train
    --epoch``. Source: Rendle et al., BPR: Bayesian personalized ranking from implicit feedback, UAI 2009.
    """
    known = Known.of(training)
    pairs, n_items = known.positives, len(known.items)
    seen, users, buffer = Seen(pairs.starts, pairs.items, n_items), pairs.users(), MaskBuffer()
    user_keys, item_keys = training.users.keys[known.users], training.items.keys[known.items]
    random = np.random.default_rng(learning.seed)
    model = Ranker(pairs, n_items, learning, random)
    size = min(max(len(pairs) // _LEAST_STEPS, _LEAST_BATCH), _MOST_BATCH)
    facts: dict[str, Any] = {}
    with np.errstate(all="ignore"):  # numpy would warn of what is refused below
        for epoch in range(learning.epochs):
            keys = pair_keys(purpose_key(learning.seed, "negatives", epoch), user_keys[users], item_keys[pairs.items])
            negatives = uniform(seen, users, keys, 1, distinct=False, buffer=buffer)[:, 0]
            order, lost = random.permutation(np.flatnonzero(negatives >= 0)), 0.0
            for start in range(0, len(order), size):
                rows = order[start : start + size]
                lost += model.step(users[rows], pairs.items[rows], negatives[rows])
            if not np.isfinite(model.users).all() or not np.isfinite(model.items).all():
                raise _diverged(training, "a smaller --learning-rate")
            facts["loss"] = lost / max(len(order), 1)
            report(epoch + 1, learning.epochs, f"loss {facts['loss']:.4g}")
    arrays = {
        "user_factors": np.ascontiguousarray(model.users[:, :-1]),
        "item_factors": np.ascontiguousarray(model.items[:, :-1]),
        "item_bias": model.items[:, -1].copy(),
    }
    return Learnt(known.model("bpr", arrays, facts))


_MOST_BATCH, _LEAST_BATCH, _LEAST_STEPS = 2048, 16, 100
"""Positives a step: few enough for so many steps an epoch, within limits."""

_FIRST_SQUARES = 1e-3
"""Where the sums of squares begin, so that the first step of a parameter is no larger than the others."""

_SPREAD = 0.1
"""The standard deviation of the first factors."""


class Ranker:
    """Scores x(u) . y(j) + b(j), and steps of Adagrad against the loss of BPR.

    ``users``, ``items``: float32, shapes (n_users, n_factors + 1) and (n_items, n_factors + 1). The last column of the
      items is b, that of the users is 1 and stays so.

    The penalty that a pair adds for a user or item is the regularisation divided by the square root of its train
    positives, so that one setting suits logs with 3 and with 60 positives an item. Sources: Duchi, Hazan, Singer,
    Adaptive subgradient methods, JMLR 2011; for the exponent Rendle, Krichene, Zhang, Koren, Revisiting the performance
    of iALS on item recommendation benchmarks, RecSys 2022.
    """

    def __init__(self, pairs: Pairs, n_items: int, learning: Learning, random: np.random.Generator) -> None:
        self.users, self.items = (
            np.full((size, learning.factors + 1), last, np.float32) for size, last in ((pairs.n_users, 1), (n_items, 0))
        )
        for values in (self.users, self.items):
            first = random.standard_normal((len(values), learning.factors), dtype=np.float32)
            values[:, :-1] = first * np.float32(_SPREAD)
        self._of_users, self._of_items = (np.full_like(each, _FIRST_SQUARES) for each in (self.users, self.items))
        self._rate = np.float32(learning.learning_rate or 0)
        counts = pairs.counts, np.bincount(pairs.items, minlength=n_items)
        of_users, of_items = (learning.regularization / np.sqrt(np.maximum(each, 1)) for each in counts)
        self._user_penalties, self._item_penalties = of_users.astype(np.float32), of_items.astype(np.float32)

    def step(self, users: Codes, positives: Codes, negatives: Codes) -> float:
        """One step against the sum of softplus(-(score of the positive - score of the negative)); the sum before it.

        All arrays have shape (n,). Each pair also adds half of the squares of its factors, times the penalty of their
        user or item; b has none.
        """
        both, n = np.concatenate([positives, negatives]), len(users)
        of_users, of_items = self.users.take(users, axis=0), self.items.take(both, axis=0)
        differences = of_items[:n] - of_items[n:]
        margins = np.einsum("nf,nf->n", of_users, differences)
        wrong = (1 - np.tanh(margins * np.float32(0.5))) * np.float32(0.5)
        differences *= wrong[:, None]
        user_slopes = self._user_penalties[users, None] * of_users - differences
        user_slopes[:, -1] = 0
        of_users *= wrong[:, None]
        of_items *= self._item_penalties[both, None]
        of_items[:, -1] = 0
        of_items[:n] -= of_users
        of_items[n:] += of_users
        _descend(self.users, self._of_users, summed(users, user_slopes), self._rate)
        _descend(self.items, self._of_items, summed(both, of_items), self._rate)
        return float(np.logaddexp(np.float32(0), -margins).sum(dtype=np.float64))


def _descend(values: Factors, squares: Factors, slopes: tuple[Positions, Factors], rate: np.float32) -> None:
    """One step of Adagrad against the slopes, of distinct rows; ``squares`` are sums of earlier ones."""
    rows, steps = slopes
    found = squares.take(rows, axis=0)
    found += steps * steps
    squares[rows] = found
    steps *= rate
    steps /= np.sqrt(found, out=found)
    values[rows] = values.take(rows, axis=0) - steps


def summed(codes: npt.NDArray[np.integer], rows: Factors) -> tuple[Positions, Factors]:
    """The distinct codes, ascending, and the sum of the rows of each: rows of shape (n, n_factors).

    Neighbours of one code are added in pairs until each code stands once. ``np.add.reduceat`` takes twice as long.
    """
    bits = len(codes).bit_length()
    tagged = (codes.astype(np.int64) << bits) | np.arange(len(codes))
    tagged.sort()  # distinct: any way to sort them gives the same order
    ordered, sums = tagged >> bits, rows.take(tagged & ((1 << bits) - 1), axis=0)
    while True:
        starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        if len(starts) == len(ordered):
            return ordered, sums
        places = np.arange(len(ordered)) - np.repeat(starts, np.diff(starts, append=len(ordered)))
        seconds = np.flatnonzero(places & 1)
        firsts = np.flatnonzero(~places & 1)
        added = sums.take(seconds, axis=0)
        sums = sums.take(firsts, axis=0)
        sums[seconds - 1 - np.arange(len(seconds))] += added  # each has one second less before it for each before it
        ordered = ordered[firsts]
