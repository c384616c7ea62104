"""Generalised matrix factorisation (GMF): scores, features and gradients, derived by hand.

The feature of a user and an item is ``f(u, i) = p_u * q_i``, element by element, and their score ``h . f(u, i)``.
Source: He et al., Neural Collaborative Filtering, WWW 2017, section 3.2, with the identity as the output function.

Why numpy, where torch would derive the gradients: they are three lines, a test holds them to finite differences, and
torch is 750 MB to install, for a step of the sampler that takes as long (see docs/learned-samplers.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class Factors:
    """The parameters of a model; learning changes the arrays in place.

    Attributes
    ----------
    users : float32 (float64 in tests), shape (n_users, n_factors)
    items : same dtype, shape (n_items, n_factors)
    h : same dtype, shape (n_factors,)
        The weights of the features.
    """

    users: Floats
    items: Floats
    h: Floats

    def copy(self) -> Factors:
        """The same values in other arrays."""
        return Factors(self.users.copy(), self.items.copy(), self.h.copy())


@dataclass(frozen=True, eq=False)
class Gradients:
    """The derivatives of a loss by the parameters that it touches.

    Attributes
    ----------
    users, items : int64, shape (n_touched,)
        Distinct codes, ascending.
    by_users, by_items : shape (n_touched, n_factors)
    by_h : shape (n_factors,)
    """

    users: Integers
    by_users: Floats
    items: Integers
    by_items: Floats
    by_h: Floats


def begin(n_users: int, n_items: int, n_factors: int, random: np.random.Generator) -> Factors:
    """Small random factors and equal weights: normal with a standard deviation of 0.1, and ones."""
    users = random.standard_normal((n_users, n_factors), dtype=np.float32)
    items = random.standard_normal((n_items, n_factors), dtype=np.float32)
    return Factors(users * np.float32(0.1), items * np.float32(0.1), np.ones(n_factors, np.float32))


def scores(model: Factors, users: Integers, items: Integers) -> Floats:
    """The score of each user with each of their items.

    Parameters
    ----------
    users : shape (n,)
    items : shape (n, k)

    Returns
    -------
    shape (n, k)
    """
    weighted = model.users[users] * model.h
    found: Floats = np.matmul(model.items[items], weighted[:, :, None])[:, :, 0]
    return found


def features(model: Factors, users: Integers, items: Integers) -> Floats:
    """The feature of each user with their item; both of shape (n,). Returns shape (n, n_factors)."""
    found: Floats = model.users[users] * model.items[items]
    return found


def gradients(model: Factors, users: Integers, items: Integers, slopes: Floats, penalty: float) -> Gradients:
    """The derivatives of a sum over scores, and of the penalty.

    Parameters
    ----------
    users : shape (n,)
    items : shape (n, k)
    slopes : shape (n, k)
        The derivative of the loss by each score.
    penalty : float
        Weight of the squares of the parameters: those of the users and items given (each counted once), and h.
    """
    of_users, of_items = model.users[users], model.items[items]
    summed = np.matmul(slopes[:, None, :], of_items)[:, 0]  # sum over k of slope * q, shape (n, n_factors)
    weighted = of_users * model.h
    order, starts, user_codes = _runs(users)
    by_users = np.add.reduceat((summed * model.h)[order], starts, axis=0)
    order, starts, item_codes = _runs(items.reshape(-1))
    by_pair = slopes.reshape(-1, 1)[order] * weighted[order // items.shape[1]]
    by_items = np.add.reduceat(by_pair, starts, axis=0)
    double = model.h.dtype.type(2 * penalty)
    return Gradients(
        user_codes,
        by_users + double * model.users[user_codes],
        item_codes,
        by_items + double * model.items[item_codes],
        (summed * of_users).sum(axis=0) + double * model.h,
    )


def _runs(codes: Integers) -> tuple[Integers, Integers, Integers]:
    """An order in which equal codes are neighbours, where in it each code begins, and the distinct codes.

    Sums by code are then ``np.add.reduceat``; ``np.add.at`` on rows takes several times as long.
    """
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    return order, starts, ordered[starts]
