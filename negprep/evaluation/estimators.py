"""Estimates of the metrics over all items from the places among sampled candidates.

Three of them, each with its source; docs/metrics.md compares them. All take the candidates as uniform among the
competitors of the positive, and ranks.py has the law of the place that follows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from negprep.evaluation.lists import Lists
from negprep.evaluation.metrics import spread, top_metrics
from negprep.evaluation.ranks import Counts, Floats, RankGrid, place_law, rank_grid

EM_ROUNDS = 500
_PRODUCT = 1 << 18
"""Multiplications in a matrix product. For more, OpenBLAS starts threads, which wait for each other if others work."""

START = 1.0
OTHER_STARTS = (0.0, 1.5)
"""EM begins with weights in proportion to rank ** -start: with 0 all ranks are alike, with 1 all their magnitudes."""

LINEAR = ("rescale", "bias-variance")
ESTIMATORS = (*LINEAR, "em")


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the candidates were drawn.

    Attributes
    ----------
    competitors : int
        M: the items that a positive is ranked with in a full ranking, itself left out.
    distinct : bool
        Without replacement.
    all_below : int or None
        A list with fewer candidates has all its competitors among them, so that its place is its rank.
    """

    competitors: int
    distinct: bool
    all_below: int | None

    def is_full(self, candidates: Counts) -> np.ndarray:
        """Which lists hold all competitors: bool, the shape of ``candidates``."""
        if not self.distinct:
            return np.zeros(len(candidates), bool)
        full: np.ndarray = candidates >= self.competitors
        return full if self.all_below is None else full | (candidates < self.all_below)


def rescaled(candidates: int, sampling: Sampling, at: tuple[int, ...]) -> Floats:
    """The metrics at the unbiased estimate of the rank.

    Returns
    -------
    float64, shape (candidates + 1, n_metrics)
        For each place 1 + x: the metrics of the rank 1 + x * M / k.

    Notes
    -----
    The mean of x is k (R - 1) / M under both laws, so that the estimate of the rank is unbiased. Its metric is not.
    Source: Krichene and Rendle, KDD 2020, on the unbiased estimator of the rank.
    """
    ranks = 1 + np.arange(candidates + 1, dtype=np.float64) * (sampling.competitors / candidates)
    return top_metrics(ranks, at)


def bias_variance(candidates: int, sampling: Sampling, at: tuple[int, ...], gamma: float) -> Floats:
    """The values of each place that minimise squared bias + gamma * variance, on average over all ranks.

    Returns
    -------
    float64, shape (candidates + 1, n_metrics)
        With p the uniform distribution of ranks, A[R, x] = sqrt(p(R)) P(x | R), b[R] = sqrt(p(R)) metric(R) and
        c[x] = sum over R of p(R) P(x | R): the solution of ((1 - gamma) A'A + gamma diag(c)) m = A'b. With gamma = 0,
        which has no unique solution in floating point, the one of least norm.

    Notes
    -----
    Source: Krichene and Rendle, KDD 2020, on the bias-variance trade-off of corrected metrics; with the hypergeometric
    law in place of the binomial one where candidates differ.
    """
    grid = rank_grid(sampling.competitors, at)
    law = place_law(grid.ranks, sampling.competitors, candidates, distinct=sampling.distinct)
    weighted = law * (grid.widths / grid.widths.sum())[:, None]
    squares = (1 - gamma) * (law.T @ weighted) + gamma * np.diag(weighted.sum(axis=0))
    targets = weighted.T @ top_metrics(grid.ranks, at)
    solution: Floats = np.linalg.solve(squares, targets) if gamma else np.linalg.lstsq(squares, targets, rcond=None)[0]
    return solution


def linear_estimates(lists: Lists, sampling: Sampling, at: tuple[int, ...], gamma: float) -> Floats:
    """Both estimates of every list: shape (n_lists, 2, n_metrics), in the order of `LINEAR`. Exact for full lists."""
    exact = top_metrics(np.arange(1, int(lists.candidates.max()) + 2), at)
    values = np.repeat(spread(exact, lists.above, lists.tied)[:, None, :], len(LINEAR), axis=1)
    sampled = ~sampling.is_full(lists.candidates)
    for candidates in np.unique(lists.candidates[sampled]):
        places = np.flatnonzero(sampled & (lists.candidates == candidates))
        tables = rescaled(candidates, sampling, at), bias_variance(candidates, sampling, at, gamma)
        for number, table in enumerate(tables):
            values[places, number] = spread(table, lists.above[places], lists.tied[places])
    return values


class RankDistribution:
    """The distribution of ranks by maximum likelihood, from how often each place occurs.

    Parameters
    ----------
    lists : Lists
        Those that `Sampling.is_full` denies.
    sampling : Sampling
    at : tuple of int

    Attributes
    ----------
    size : int
        Ranks times places: what a round takes.

    Notes
    -----
    The EM algorithm: the weight of a rank R becomes the mean, over the lists, of its probability given their places,
    w(R) P(x | R) / sum over all R' of w(R') P(x | R'). It takes `EM_ROUNDS` rounds. Places say little of how the ranks
    below M / k share their weight, so that the result depends on where it begins: `metrics` takes that as an argument,
    and the results of several say how much is not known. A positive with ties is at each of its places in equal parts.
    Source: Jin, Li, Mudrak, Gao and Liu, AAAI 2021.
    """

    def __init__(self, lists: Lists, sampling: Sampling, at: tuple[int, ...]) -> None:
        self.grid: RankGrid = rank_grid(sampling.competitors, at)
        sizes = np.unique(lists.candidates)
        laws = [
            place_law(self.grid.ranks, sampling.competitors, int(size), distinct=sampling.distinct) for size in sizes
        ]
        self._law = np.hstack(laws)
        self.size = self._law.size
        begins = np.cumsum([0, *(sizes + 1)])[:-1]
        self._first = begins[np.searchsorted(sizes, lists.candidates)] + lists.above
        self._stop = self._first + lists.tied + 1
        self._share = 1 / (lists.tied + 1)
        self._metrics = top_metrics(self.grid.ranks, at)

    def cells(self, weights: Floats) -> Floats:
        """How much of the lists' weight is at each place: shape (n_cells,), with sum 1."""
        n_cells = self._law.shape[1]
        parts = weights * self._share
        steps = np.bincount(self._first, parts, n_cells + 1) - np.bincount(self._stop, parts, n_cells + 1)
        shares: Floats = np.maximum(np.cumsum(steps)[:-1], 0)
        shares /= shares.sum()
        return shares

    def fit(self, cells: Floats, start: float = START) -> Floats:
        """The weights of the grid's ranks: shape (n_samples, n_ranks) for cells of shape (n_samples, n_cells)."""
        first_weights = self.grid.widths * self.grid.ranks.astype(float) ** -start
        weights: Floats = np.repeat(first_weights[None, :] / first_weights.sum(), len(cells), axis=0)
        at_once = _PRODUCT // self.size if self.size <= _PRODUCT // 4 else 8  # alone, a row waits for memory
        for first in range(0, len(cells), at_once):
            some = weights[first : first + at_once]
            wanted = cells[first : first + at_once]
            for _ in range(EM_ROUNDS):
                expected = some @ self._law
                some *= np.divide(wanted, expected, out=np.zeros_like(wanted), where=wanted > 0) @ self._law.T
        return weights

    def metrics(self, cells: Floats, start: float = START) -> Floats:
        """The metrics of the distributions that fit: shape (n_samples, n_metrics)."""
        values: Floats = self.fit(cells, start) @ self._metrics
        return values
