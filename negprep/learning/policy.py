"""A policy over a pool: the softmax of scores, a choice from it, and the derivative of REINFORCE."""

from __future__ import annotations

import numpy as np

from negprep.learning.gmf import Floats, Integers


def probabilities(scores: Floats, temperature: float) -> Floats:
    """The softmax of ``scores`` / ``temperature`` within each row: shape (n, size)."""
    exponents = scores / scores.dtype.type(temperature)
    exponents -= exponents.max(axis=1, keepdims=True)
    shares = np.exp(exponents, out=exponents)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def choose(policy: Floats, points: Floats) -> Integers:
    """The place of one candidate in each row, with the probabilities of ``policy``: int64, shape (n,).

    ``points``, shape (n,), are uniform from 0 to 1; each is looked up in the cumulated probabilities.
    """
    cumulated = np.cumsum(policy, axis=1)
    sought = points[:, None] * cumulated[:, -1:]  # the last may not be 1 exactly
    chosen: Integers = np.minimum((cumulated <= sought).sum(axis=1), policy.shape[1] - 1)
    return chosen


def loss(policy: Floats, chosen: Integers, rewards: Floats) -> float:
    """The sum of -reward * log(probability of what was chosen)."""
    taken = policy[np.arange(len(chosen)), chosen]
    return float(-(rewards * np.log(np.maximum(taken, np.finfo(policy.dtype).tiny))).sum())


def slopes(policy: Floats, chosen: Integers, rewards: Floats, temperature: float) -> Floats:
    """The derivative of ``loss`` by each score: -r (1[c' = c] - pi_c') / temperature, shape (n, size).

    Source: Williams, Simple statistical gradient-following algorithms, Machine Learning 1992.
    """
    found = policy * rewards[:, None]
    found[np.arange(len(chosen)), chosen] -= rewards
    found /= policy.dtype.type(temperature)
    return found
