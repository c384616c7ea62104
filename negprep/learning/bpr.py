"""Bayesian personalised ranking (BPR): the loss of the recommender, and the fit from which both models start.

Source: Rendle et al., BPR, UAI 2009. The library ``implicit`` has a faster one, but of a model with a bias and without
the weights h, whose random choices depend on threads: this one needs no extra, shares every line with the step of the
recommender in the game that follows, and gives the same factors for the same seed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from negprep.learning.adam import Adam
from negprep.learning.gmf import Factors, Floats, Integers, gradients, scores
from negprep.learning.pools import Pools


def softplus(values: Floats) -> Floats:
    """log(1 + exp(value)), without overflow."""
    found: Floats = np.logaddexp(values, values.dtype.type(0))
    return found


def sigmoid(values: Floats) -> Floats:
    """1 / (1 + exp(-value)), without overflow."""
    found: Floats = 0.5 * (1 + np.tanh(0.5 * values))
    return found


def descend(
    model: Factors, optimiser: Adam, users: Integers, positives: Integers, negatives: Integers, penalty: float
) -> float:
    """One step against the sum of softplus(-(score of the positive - score of the negative)); the sum before it.

    All arrays have shape (n,).
    """
    pairs = np.stack([positives, negatives], axis=1)
    found = scores(model, users, pairs)
    margins = found[:, 1] - found[:, 0]
    lost = sigmoid(margins)
    optimiser.step(gradients(model, users, pairs, np.stack([-lost, lost], axis=1), penalty))
    return float(softplus(margins).sum())


def batches(n: int, size: int, random: np.random.Generator) -> Iterator[Integers]:
    """The positions 0 to n - 1 in random order, ``size`` at a time."""
    order = random.permutation(n)
    for start in range(0, n, size):
        yield order[start : start + size]


def epoch(
    model: Factors,
    optimiser: Adam,
    users: Integers,
    positives: Integers,
    pools: Pools,
    *,
    batch: int,
    penalty: float,
    random: np.random.Generator,
) -> float:
    """All positives once, each against one uniform negative; the mean loss."""
    total = 0.0
    for rows in batches(len(users), batch, random):
        negatives = pools.eligible(users[rows])
        total += descend(model, optimiser, users[rows], positives[rows], negatives, penalty)
    return total / max(len(users), 1)
