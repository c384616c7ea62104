"""Generalised matrix factorisation (GMF) in numpy: scores, gradients derived by hand, Adam, pools, and BPR."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from negprep.sample.seen import Seen, SeenBlock

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class Factors:
    """The parameters of a model: float32 (float64 in tests). Learning changes the arrays in place.

    ``users`` has the shape (n_users, n_factors), ``items`` (n_items, n_factors); ``h``, (n_factors,), weighs the
    features.
    """

    users: Floats
    items: Floats
    h: Floats

    def copy(self) -> Factors:
        """The same values in other arrays."""
        return Factors(self.users.copy(), self.items.copy(), self.h.copy())


@dataclass(frozen=True, eq=False)
class Gradients:
    """The derivatives of a loss by the parameters that it touches: distinct codes, ascending, and a row for each."""

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
    """The score of each user, shape (n,), with each of their items, shape (n, k): shape (n, k)."""
    weighted = model.users[users] * model.h
    found: Floats = np.matmul(model.items[items], weighted[:, :, None])[:, :, 0]
    return found


def features(model: Factors, users: Integers, items: Integers) -> Floats:
    """The feature of each user with their item; both of shape (n,). Returns shape (n, n_factors)."""
    found: Floats = model.users[users] * model.items[items]
    return found


def gradients(model: Factors, users: Integers, items: Integers, slopes: Floats, penalty: float) -> Gradients:
    """The derivatives of a sum over the scores of users, shape (n,), with items, shape (n, k), and of the penalty.

    ``slopes``, shape (n, k), is the derivative of the loss by each score; ``penalty`` weighs the squares of h and of
    the parameters of the users and items given, each counted once.
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


_FIRST, _SECOND, _TINY = 0.9, 0.999, 1e-8


class Adam:
    """The moments of the parameters of one model, whose arrays change in place; a step moves them by about ``rate``."""

    def __init__(self, model: Factors, rate: float) -> None:
        self._users, self._items = _Rows(model.users, rate), _Rows(model.items, rate)
        self._h = _Rows(model.h[None, :], rate)  # a view: one row

    def step(self, slopes: Gradients) -> None:
        """One step against the gradients."""
        self._users.step(slopes.users, slopes.by_users)
        self._items.step(slopes.items, slopes.by_items)
        self._h.step(np.zeros(1, np.int64), slopes.by_h[None, :])


class _Rows:
    def __init__(self, values: Floats, rate: float) -> None:
        self._values, self._rate = values, values.dtype.type(rate)
        self._mean, self._square = np.zeros_like(values), np.zeros_like(values)
        self._steps = np.zeros(len(values), np.int64)

    def step(self, rows: Integers, slopes: Floats) -> None:
        first, second = self._values.dtype.type(_FIRST), self._values.dtype.type(_SECOND)
        mean = self._mean[rows] * first + slopes * (1 - first)
        square = self._square[rows] * second + slopes * slopes * (1 - second)
        self._mean[rows], self._square[rows] = mean, square
        self._steps[rows] += 1
        steps = self._steps[rows, None]
        of_mean = (1 - _FIRST**steps).astype(slopes.dtype)
        of_square = (1 - _SECOND**steps).astype(slopes.dtype)
        self._values[rows] -= self._rate * (mean / of_mean) / (np.sqrt(square / of_square) + slopes.dtype.type(_TINY))


@dataclass(frozen=True, eq=False)
class Pool:
    """The candidates of some positives.

    Attributes
    ----------
    items : int64, shape (n, size)
    is_exposed : bool, shape (n, size)
    """

    items: Integers
    is_exposed: npt.NDArray[np.bool_]


class Pools:
    """Draws pools.

    Uniform candidates avoid ``seen``: the positives, the exposures, and what else is excluded. ``exposures`` are within
    ``seen`` and hold no positive.
    """

    def __init__(self, seen: Seen, exposures: Seen, random: np.random.Generator) -> None:
        self._seen, self._exposures, self._random = SeenBlock(seen, 0, seen.n_users), exposures, random
        self._n_eligible, self._n_exposed = seen.eligible, np.diff(exposures.starts)
        self.has_exposures = self._n_exposed > 0
        self.can_draw = self.has_exposures | (self._n_eligible > 0)

    def draw(self, users: Integers, size: int, exposed: int) -> Pool:
        """``size`` candidates for each of ``users``, shape (n,), who must be ones that ``can_draw``.

        The last ``exposed`` are uniform among the user's exposures, or eligible items where there are none; the others
        are uniform among the eligible items, or exposures where there are none. All draws are independent: an item may
        be a candidate twice.
        """
        of_exposures = np.zeros((len(users), size), bool)
        of_exposures[:, size - exposed :] = self.has_exposures[users, None]
        of_exposures[self._n_eligible[users] == 0] = True
        rows, places = np.nonzero(of_exposures)
        limits = np.broadcast_to(self._n_eligible[users, None], of_exposures.shape).copy()
        limits[rows, places] = self._n_exposed[users[rows]]
        ranks = self._random.integers(0, limits)
        chosen = self._exposures.items[self._exposures.starts[users[rows]] + ranks[rows, places]]
        ranks[rows, places] = 0
        items = self._seen.select_by_search(np.repeat(users, size), ranks.reshape(-1)).reshape(ranks.shape)
        items[rows, places] = chosen
        return Pool(items, of_exposures)

    def exposure(self, users: Integers) -> Integers:
        """One item for each user, of their exposures, or eligible where there are none: int64, shape (n,)."""
        return self.draw(users, 1, 1).items[:, 0]

    def eligible(self, users: Integers) -> Integers:
        """One eligible item for each user, or of their exposures where there are none: int64, shape (n,)."""
        return self.draw(users, 1, 0).items[:, 0]


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
