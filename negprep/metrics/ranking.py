"""Ranking metrics from places, ties by expectation, and their bootstrap intervals over users."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from negprep.arrays import Counts, Floats
from negprep.metrics.lists import Lists
from negprep.sample.rng import bounded, purpose_key, word

_GROWTH = 1.01
"""Beyond the ranks that are taken one by one, a step is one per cent of the rank."""

_AT_LEAST, _AT_MOST = 200, 500


@dataclass(frozen=True, eq=False)
class RankGrid:
    """Ranks that stand for all ranks from 1 to M + 1; arrays of shape (n,).

    ``ranks`` ascend and begin with consecutive ones; each stands for ``widths`` ranks, itself included.
    """

    ranks: Counts
    widths: Counts


def rank_grid(competitors: int, at: tuple[int, ...]) -> RankGrid:
    """Every rank up to twice the largest cutoff, but 200 to 500; then ever fewer, which stand for a hundredth each.

    No rank stands for others on both sides of a cutoff in ``at``. The place among k candidates cannot tell such ranks
    apart: for a place of x it has a standard deviation of about sqrt(x), and x grows in proportion to the rank.
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
    """The probability of each place, given each rank: shape (n, candidates + 1), rows with sum 1.

    Column x is the probability of the place x + 1. ``ranks`` are from 1 to M + 1 (``competitors`` + 1); ``distinct``
    means that the candidates were drawn without replacement, and then k <= M.
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


def metric_names(at: tuple[int, ...]) -> list[str]:
    """The metrics, in the order of every table of them."""
    return [*top_names(at), "auc", "place"]


def top_names(at: tuple[int, ...]) -> list[str]:
    """The metrics that depend on the rank alone, and that are estimated: all but the last two."""
    return [*(f"hr@{cut}" for cut in at), *(f"ndcg@{cut}" for cut in at), "mrr"]


def top_metrics(ranks: Floats | Counts, at: tuple[int, ...]) -> Floats:
    """HR@K and NDCG@K for each K, and MRR, of lists with one relevant item: shape (n, 2 * len(at) + 1).

    1 if rank <= K; 1 / log2(1 + rank) if rank <= K (the ideal list has the item first, which counts 1); 1 / rank. An
    estimated rank may lie between whole numbers. Source: Järvelin and Kekäläinen, ACM TOIS 2002, for NDCG; Voorhees,
    TREC-8 1999, for MRR.
    """
    gains = 1 / np.log2(1 + ranks)
    within = [ranks <= cut for cut in at]
    columns = [*(hit.astype(float) for hit in within), *(np.where(hit, gains, 0) for hit in within), 1 / ranks]
    return np.stack(columns, axis=1)


def list_metrics(lists: Lists, at: tuple[int, ...]) -> Floats:
    """All metrics of each list: shape (n_lists, 2 * len(at) + 3).

    The last two are AUC, the share of the negatives below the positive, and the place, from 1. A positive with the same
    score as t negatives is at each of t + 1 places with the same probability; a metric is its mean over these places.
    """
    last = int(lists.candidates.max()) + 1
    tops = spread(top_metrics(np.arange(1, last + 1), at), lists.above, lists.tied)
    above = lists.above + lists.tied / 2
    return np.column_stack([tops, 1 - above / lists.candidates, 1 + above])


def spread(table: Floats, first: Counts, tied: Counts) -> Floats:
    """Means of rows ``first`` to ``first + tied`` of a table: shape (n_lists, n_columns)."""
    values: Floats = table[first]
    ties = np.flatnonzero(tied)
    if ties.size:
        sums = np.concatenate([np.zeros((1, table.shape[1])), np.cumsum(table, axis=0)])
        start, stop = first[ties], first[ties] + tied[ties] + 1
        values[ties] = (sums[stop] - sums[start]) / (tied[ties] + 1)[:, None]
    return values


LEVEL = 0.95

Kinds = npt.NDArray[np.int64]


def resamples(kinds: Kinds, n_kinds: int, number: int, seed: int) -> Iterator[Floats]:
    """The share of each kind of user in each of ``number`` resamples: float64, shape (n_kinds,), with sum 1.

    ``kinds``, int64, shape (n_users,), are those of the users in ascending order of their ids. Draw d of resample b is
    integer d below n_users of the key number b of the purpose.
    """
    n_users = len(kinds)
    limit, draws = np.array([n_users]), np.arange(n_users, dtype=np.int64)
    for key in word(purpose_key(seed, "evaluate"), np.arange(number)):
        drawn = bounded(np.array([key]), limit, draws, 0)
        yield np.bincount(kinds[drawn], minlength=n_kinds) / n_users


def interval(values: Floats) -> tuple[Floats, Floats]:
    """The percentiles between which `LEVEL` of the resamples lie: values of shape (n_resamples, n), ends of (n,)."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail], axis=0)
    return low, high
