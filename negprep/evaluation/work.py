"""From lists to an evaluation: the metrics, their estimates, and intervals of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from negprep.errors import BadDataError
from negprep.evaluation.estimators import LINEAR, OTHER_STARTS, START, RankDistribution, Sampling, linear_estimates
from negprep.evaluation.kinds import Kinds, find_kinds
from negprep.evaluation.lists import Lists
from negprep.evaluation.metrics import list_metrics, metric_names, top_names
from negprep.evaluation.options import GAMMA, EvaluateOptions
from negprep.evaluation.ranks import Floats
from negprep.evaluation.resampling import interval, resamples
from negprep.evaluation.result import Evaluation, Figure
from negprep.evaluation.sampling import find_sampling, is_distinct

EM_RESAMPLES = 20, 100
"""Of the resamples, so many give the standard deviation of the EM estimate: each takes a whole run of it. The fewest
are taken where a run is long."""

_EM_WORK = 1 << 23

_NORMAL = 1.959963984540054
"""95 per cent of a normal distribution are within so many standard deviations."""


def evaluate_lists(
    lists: Lists, options: EvaluateOptions, facts: dict[str, Any] | None, *, rows: int, place: str
) -> tuple[Evaluation, Kinds, Floats]:
    """The evaluation; the kinds of its users, and the metrics of each kind, shape (n_kinds, n_metrics).

    Parameters
    ----------
    lists : Lists
    options : EvaluateOptions
    facts : dict or None
        The metadata of the test file.
    rows : int
        That were read.
    place : str
        The test file, for messages.

    Raises
    ------
    BadDataError
        No list has a negative.
    UsageError
        See `find_sampling`.
    """
    n_lists = len(lists)
    lists = lists.take(lists.candidates > 0)
    if not len(lists):
        raise BadDataError("no row has the label 0", place=place, remedy="each held-out item needs negatives")
    kinds = find_kinds(lists)
    gamma = GAMMA if options.gamma is None else options.gamma
    by_kind = kinds.means(list_metrics(kinds.lists, options.at))
    sampling, why = find_sampling(facts, options, lists.candidates)
    columns, distribution = [by_kind], None
    if sampling is not None:
        linear = kinds.means(linear_estimates(kinds.lists, sampling, options.at, gamma))
        columns.append(linear.reshape(len(kinds), -1))
        distribution = _Distribution(kinds, sampling, options.at)
    figures = _figures(np.hstack(columns), kinds, options, distribution)
    names, tops = metric_names(options.at), top_names(options.at)
    estimates = {}
    if sampling is not None:
        for number, estimator in enumerate((*LINEAR, "em")):
            first = len(names) + number * len(tops)
            estimates[estimator] = dict(zip(tops, figures[first : first + len(tops)], strict=True))
    found = Evaluation(
        users=len(kinds.users),
        lists=len(lists),
        rows=rows,
        candidates_min=int(lists.candidates.min()),
        candidates_max=int(lists.candidates.max()),
        tied_lists=int(np.count_nonzero(lists.tied)),
        without_negatives=n_lists - len(lists),
        metrics=dict(zip(names, figures[: len(names)], strict=True)),
        estimates=estimates,
        no_estimates=why or None,
        competitors=None if sampling is None else sampling.competitors,
        distinct=is_distinct(facts, options),
        gamma=gamma,
        resamples=options.resamples,
        seed=options.seed,
        warnings=_warnings(facts),
    )
    return found, kinds, by_kind


@dataclass(frozen=True, eq=False)
class _Sample:
    """Users drawn for the EM estimate: what their full lists add, and the weight and the places of the others."""

    exact: Floats
    mass: float
    cells: Floats | None


class _Distribution:
    """The EM estimate of the lists that are samples; what the full ones add is exact."""

    def __init__(self, kinds: Kinds, sampling: Sampling, at: tuple[int, ...]) -> None:
        full = sampling.is_full(kinds.lists.candidates)
        self._kind_of, self._per_list = kinds.lists.users, kinds.per_list
        self._sampled = np.flatnonzero(~full)
        self._exact = np.where(full[:, None], list_metrics(kinds.lists, at)[:, :-2], 0)
        self._ranks = RankDistribution(kinds.lists.take(self._sampled), sampling, at)
        fewest, most = EM_RESAMPLES
        self.resamples = max(fewest, min(most, _EM_WORK // self._ranks.size))

    def sample(self, shares: Floats) -> _Sample:
        """What a fit needs of users drawn in some shares: shape (n_kinds,)."""
        weights = shares[self._kind_of] * self._per_list
        sampled = weights[self._sampled]
        mass = float(sampled.sum())
        return _Sample(weights @ self._exact, mass, self._ranks.cells(sampled) if mass else None)

    def metrics(self, samples: list[_Sample], start: float = START) -> Floats:
        """The metrics of samples of users: shape (n_samples, n_metrics)."""
        values = np.array([each.exact for each in samples])
        fitting = [number for number, each in enumerate(samples) if each.cells is not None]
        if fitting:
            cells = np.array([samples[number].cells for number in fitting])
            mass = np.array([samples[number].mass for number in fitting])
            values[fitting] += mass[:, None] * self._ranks.metrics(cells, start)
        return values


def _figures(
    by_kind: Floats, kinds: Kinds, options: EvaluateOptions, distribution: _Distribution | None
) -> list[Figure]:
    """The mean over users of every column of ``by_kind``, then the EM estimates, with their intervals."""
    shares = np.bincount(kinds.of_user, minlength=len(kinds)) / len(kinds.users)
    values = shares @ by_kind
    if not options.resamples:
        fitted = [] if distribution is None else distribution.metrics([distribution.sample(shares)])[0]
        return [Figure(float(value)) for value in (*values, *fitted)]
    means = []
    samples = [] if distribution is None else [distribution.sample(shares)]
    for number, drawn in enumerate(resamples(kinds.of_user, len(kinds), options.resamples, options.seed)):
        means.append(drawn @ by_kind)
        if distribution is not None and number < distribution.resamples:
            samples.append(distribution.sample(drawn))
    low, high = interval(np.array(means))
    figures = [Figure(*map(float, row)) for row in zip(values, low, high, strict=True)]
    if distribution is not None:
        spread, *others = distribution.metrics(samples)
        deviations = _NORMAL * np.std(others, axis=0, ddof=min(1, len(others) - 1))
        known = [spread, *(distribution.metrics(samples[:1], start)[0] for start in OTHER_STARTS)]
        low, high = np.maximum(np.min(known, axis=0) - deviations, 0), np.minimum(np.max(known, axis=0) + deviations, 1)
        figures += [Figure(*map(float, row)) for row in zip(spread, low, high, strict=True)]
    return figures


def _warnings(facts: dict[str, Any] | None) -> list[str]:
    if facts is not None and facts.get("command") == "train":
        return ["this is a file to train on: its metrics say how well a model knows what it was taught"]
    return []
