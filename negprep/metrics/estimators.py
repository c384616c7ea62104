"""Estimates of the metrics over all items from the places among sampled candidates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from negprep.arrays import Counts, Floats
from negprep.errors import UsageError
from negprep.metrics.lists import Lists
from negprep.metrics.ranking import RankGrid, place_law, rank_grid, spread, top_metrics
from negprep.read.columns import ScoredColumns

GAMMA = 0.01
MAX_CUTOFF = 1_000_000
MAX_RESAMPLES = 100_000


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """How scores are evaluated.

    ``at`` are the cutoffs K of HR@K and NDCG@K. ``catalog_size`` and ``distinct`` describe the candidates; None: as the
    metadata of the test file has it (else distinct). ``gamma`` (None: 0.01) is the weight of the variance in the bias-
    variance estimator. ``columns``, ``delimiter``, ``quote`` and ``escape`` are those of ``ReadOptions``, for text
    files. ``named`` are the columns that are not recognised by their names.
    """

    at: tuple[int, ...] = (5, 10, 20)
    catalog_size: int | None = None
    distinct: bool | None = None
    gamma: float | None = None
    resamples: int = 1000
    seed: int = 0
    columns: tuple[str, ...] | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    named: ScoredColumns = field(default_factory=ScoredColumns)

    def __post_init__(self) -> None:
        if not self.at or len(set(self.at)) < len(self.at) or not all(1 <= cut <= MAX_CUTOFF for cut in self.at):
            given = ",".join(map(str, self.at))
            raise UsageError(
                f"--at {given!r} is not a list of cutoffs",
                remedy="give different whole numbers from 1, such as 5,10,20",
            )
        if self.catalog_size is not None and self.catalog_size < 2:
            raise UsageError(f"--catalog-size {self.catalog_size} is below 2", remedy="count all items that are ranked")
        if self.gamma is not None and not 0 <= self.gamma <= 1:
            raise UsageError(f"--gamma {self.gamma:g} is not between 0 and 1", remedy="0.01 is a good start")
        if not 0 <= self.resamples <= MAX_RESAMPLES:
            raise UsageError(f"--resamples {self.resamples} is not from 0 to {MAX_RESAMPLES:,}", remedy="try 1000")
        if not 0 <= self.seed < 1 << 64:
            raise UsageError(f"--seed {self.seed} is not from 0 to 2**64 - 1", remedy="choose another")


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

    ``competitors`` is M, the items that a positive competes with in a full ranking; ``distinct`` means without
    replacement. A list with fewer candidates than ``all_below`` has all its competitors among them: its place is its
    rank.
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
    """The metrics at the unbiased estimate of the rank, 1 + x * M / k for the place 1 + x.

    Shape (candidates + 1, n_metrics). The mean of x is k (R - 1) / M under both laws, so the estimate of the rank is
    unbiased; its metric is not. Source: Krichene and Rendle, KDD 2020.
    """
    ranks = 1 + np.arange(candidates + 1, dtype=np.float64) * (sampling.competitors / candidates)
    return top_metrics(ranks, at)


def bias_variance(candidates: int, sampling: Sampling, at: tuple[int, ...], gamma: float) -> Floats:
    """The values of each place that minimise squared bias + gamma * variance, on average over all ranks.

    Shape (candidates + 1, n_metrics). With p the uniform distribution of ranks, A[R, x] = sqrt(p(R)) P(x | R), b[R] =
    sqrt(p(R)) metric(R) and c[x] = sum over R of p(R) P(x | R), they solve ((1 - gamma) A'A + gamma diag(c)) m = A'b;
    for gamma = 0, the solution of least norm. Source: Krichene and Rendle, KDD 2020, with the hypergeometric law where
    candidates differ.
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

    The EM algorithm: the weight of a rank R becomes the mean, over the lists, of its probability given their places,
    w(R) P(x | R) / sum over R' of w(R') P(x | R'), for `EM_ROUNDS` rounds. Places tell little about how the ranks below
    M / k share their weight, so the result depends on the start: the results of several starts show how much is
    unknown. A positive with ties is at each of its places in equal parts. Source: Jin, Li, Mudrak, Gao and Liu, AAAI
    2021.

    ``lists`` are those that `Sampling.is_full` denies; ``size`` is ranks times places, the work of a round.
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


MOST_PLACES = 1500
"""Of all lengths of lists together. An estimate takes time in proportion to them, or to their square."""

_FULL = "the lists hold all items: these are the metrics of a full ranking"


def is_distinct(facts: dict[str, Any] | None, options: EvaluateOptions) -> bool:
    """Whether the negatives of a list differ, by the options or the metadata."""
    if options.distinct is not None:
        return options.distinct
    return facts is None or facts.get("draws") != "repeats"


def find_sampling(
    facts: dict[str, Any] | None, options: EvaluateOptions, candidates: Counts
) -> tuple[Sampling | None, str]:
    """How the candidates were drawn, or why nothing can be estimated from them.

    ``facts`` are the metadata of the test file; ``candidates``, int64, shape (n_lists,), the negatives of each list.

    Raises
    ------
    UsageError
        ``catalog_size`` or ``gamma`` is given, but nothing can be estimated; or ``catalog_size`` is too small.
    """
    sampling, why = _sampling(facts, options, candidates)
    if sampling is None:
        for option, value in (("--catalog-size", options.catalog_size), ("--gamma", options.gamma)):
            if value is not None:
                raise UsageError(f"{option}: there is no estimate, because {why}", remedy="leave it out")
    return sampling, why


def _sampling(
    facts: dict[str, Any] | None, options: EvaluateOptions, candidates: Counts
) -> tuple[Sampling | None, str]:
    distinct = is_distinct(facts, options)
    drawn = facts or {}
    if drawn.get("sampler", "uniform") != "uniform":
        return None, f"the candidates are not uniform (the sampler is {drawn['sampler']})"
    if drawn.get("num_neg") == "all":
        return None, _FULL
    if drawn.get("available_at_time") or drawn.get("same"):
        return None, "each holdout has a catalog of its own (--available-at-time or --same)"
    competitors = options.catalog_size - 1 if options.catalog_size else _competitors(drawn.get("counts", {}))
    if competitors is None:
        return None, "it is unknown how many items there are; give --catalog-size, or negprep's test file with --test"
    most = int(candidates.max())
    if distinct and options.catalog_size is not None and most > competitors:
        raise UsageError(
            f"--catalog-size {options.catalog_size} is less than the {most + 1} items of a list",
            remedy="count all items that are ranked, the held-out one too",
        )
    sampling = Sampling(
        competitors=competitors, distinct=distinct, all_below=drawn.get("num_neg") if distinct else None
    )
    sampled = candidates[~sampling.is_full(candidates)]
    if not sampled.size:
        return None, _FULL
    places = int((np.unique(sampled) + 1).sum())
    if places > MOST_PLACES:
        return (
            None,
            f"the lists have {places:,} places, all lengths together, and {MOST_PLACES:,} are feasible",
        )
    return sampling, ""


def _competitors(counts: object) -> int | None:
    """The mean number of eligible items of a user, within the range that the metadata gives."""
    if not isinstance(counts, dict) or not counts.get("users") or not counts.get("eligible_max"):
        return None
    seen = sum(counts.get(kind, 0) for kind in ("positives", "weak", "excluded_pairs")) / counts["users"]
    return int(min(max(round(counts["catalog_items"] - seen), counts["eligible_min"]), counts["eligible_max"]))
