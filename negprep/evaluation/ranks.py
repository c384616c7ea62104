"""The place of a positive among sampled candidates, given its rank among all items.

The rank R of a positive counts from 1, among itself and the M other items that it competes with. R - 1 of these are
above it. Of k candidates drawn uniformly from the M, x are above it: by the hypergeometric law where the k differ, by
the binomial law with p = (R - 1) / M where they may repeat. Its place among the candidates is 1 + x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_GROWTH = 1.01
"""Beyond the ranks that are taken one by one, a step is one per cent of the rank."""

_AT_LEAST, _AT_MOST = 200, 500


@dataclass(frozen=True, eq=False)
class RankGrid:
    """Ranks that stand for all ranks from 1 to M + 1.

    Attributes
    ----------
    ranks : int64, shape (n,)
        Ascending. The first ones are consecutive.
    widths : int64, shape (n,)
        How many ranks each one stands for, itself among them; their sum is M + 1.
    """

    ranks: Counts
    widths: Counts


def rank_grid(competitors: int, at: tuple[int, ...]) -> RankGrid:
    """Every rank up to twice the largest cutoff, but 200 to 500; then ever fewer, which stand for a hundredth each.

    Parameters
    ----------
    competitors : int
        M.
    at : tuple of int
        The cutoffs of the metrics. No rank stands for others on both sides of one.

    Notes
    -----
    The place among k candidates cannot tell such ranks apart: it has a standard deviation of about sqrt(x) for a place
    of x, and x grows in proportion to the rank.
    """
    first = min(competitors + 1, max(_AT_LEAST, min(2 * max(at), _AT_MOST)))
    edges = [first]
    while edges[-1] < competitors + 1:
        edges.append(min(competitors + 1, max(edges[-1] + 1, int(edges[-1] * _GROWTH))))
    ends = np.array(sorted({*edges, *(cut for cut in at if first < cut <= competitors)}), np.int64)
    middles = (ends[:-1] + 1 + ends[1:]) // 2
    ranks = np.concatenate([np.arange(1, first + 1), middles])
    return RankGrid(ranks, np.concatenate([np.ones(first, np.int64), np.diff(ends)]))


def place_law(ranks: Counts, competitors: int, candidates: int, *, distinct: bool) -> Floats:
    """The probability of each place, given each rank.

    Parameters
    ----------
    ranks : int64, shape (n,)
        1 to ``competitors + 1``.
    competitors, candidates : int
        M and k; k <= M where ``distinct``.
    distinct : bool
        Whether the candidates were drawn without replacement.

    Returns
    -------
    float64, shape (n, candidates + 1)
        Column x is the probability of the place x + 1. Rows sum to 1.
    """
    above, below = (ranks - 1)[:, None].astype(float), (competitors + 1 - ranks)[:, None].astype(float)
    steps = np.arange(candidates, dtype=float)
    fewer = steps if distinct else np.zeros(candidates)
    with np.errstate(divide="ignore"):
        chosen_above = _log_products(np.maximum(above - fewer, 0))
        chosen_below = _log_products(np.maximum(below - fewer, 0))
        chosen = float(np.log(competitors - fewer).sum())
    factorials = np.concatenate([[0.0], np.cumsum(np.log(steps + 1))])
    ways = factorials[-1] - factorials - factorials[::-1]
    law: Floats = np.exp(ways + chosen_above + chosen_below[:, ::-1] - chosen)
    return law


def _log_products(factors: Floats) -> Floats:
    """The logarithm of the product of the first 0, 1, ... factors of each row."""
    products = np.zeros((len(factors), factors.shape[1] + 1))
    np.cumsum(np.log(factors), axis=1, out=products[:, 1:])
    return products
