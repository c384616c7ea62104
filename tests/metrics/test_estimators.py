"""Estimates over all items: the laws against scipy, the estimators against their definitions and known ranks."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import binom, hypergeom

import negprep
from negprep.metrics.estimators import (
    EvaluateOptions,
    RankDistribution,
    Sampling,
    bias_variance,
    linear_estimates,
    rescaled,
)
from negprep.metrics.evaluate import evaluate_lists
from negprep.metrics.lists import Lists
from negprep.metrics.ranking import interval, place_law, rank_grid, resamples, top_metrics

AT = (5, 10)
NAMES = ["hr@5", "hr@10", "ndcg@5", "ndcg@10", "mrr"]


def lists_at(places, candidates, tied=None):
    """A user for each place, which counts the negatives above."""
    above = np.asarray(places, np.int64)
    tied = np.zeros_like(above) if tied is None else tied
    return Lists(np.arange(len(above), dtype=np.int32), np.full_like(above, candidates), above, tied)


@pytest.mark.parametrize(("competitors", "k"), [(120, 99), (99, 99), (5000, 99), (7, 1), (1_000_000, 20)])
def test_places_have_the_laws_of_scipy(competitors, k):
    ranks = np.unique(np.geomspace(1, competitors + 1, 60).round().astype(np.int64))
    places = np.arange(k + 1)
    for distinct in (True, False):
        law = place_law(ranks, competitors, k, distinct=distinct)
        for rank, row in zip(ranks, law, strict=True):
            above = int(rank) - 1
            expected = hypergeom(competitors, above, k) if distinct else binom(k, above / competitors)
            assert row == pytest.approx(expected.pmf(places), abs=1e-9)


@pytest.mark.parametrize("competitors", [1, 50, 199, 200, 3705, 10**7])
def test_a_grid_stands_for_every_rank_once(competitors):
    grid = rank_grid(competitors, (20, 777, 5000))
    ends = np.cumsum(grid.widths)
    assert ends[-1] == competitors + 1
    assert (grid.ranks <= ends).all()
    assert (grid.ranks > ends - grid.widths).all()
    exact = min(500, competitors + 1)
    assert {777, 5000} <= {*ends.tolist()} or competitors < 5000
    assert grid.ranks[:exact].tolist() == list(range(1, exact + 1))
    assert (grid.widths <= np.maximum(1, grid.ranks // 90)).all()
    assert len(grid.ranks) < 3000


@pytest.mark.parametrize("distinct", [True, False])
def test_the_rescaled_rank_is_unbiased_and_the_metrics_are_those_of_it(distinct):
    competitors, k = 700, 40
    ranks = np.arange(1, competitors + 2)
    law = place_law(ranks, competitors, k, distinct=distinct)
    table = rescaled(k, Sampling(competitors=competitors, distinct=distinct, all_below=None), AT)
    assert law @ (1 / table[:, -1]) == pytest.approx(ranks)  # the last metric is 1 / rank
    assert table[:, 1].tolist() == [1.0, *[0.0] * 40]  # rank 1, then 18.5
    assert table[1, -1] == 1 / 18.5


@pytest.mark.parametrize("gamma", [1.0, 0.1, 0.01])
@pytest.mark.parametrize("distinct", [True, False])
def test_bias_variance_minimises_what_it_says(distinct, gamma):
    """Least squares on the stacked system, with scipy's laws and every rank: another way to the same minimum."""
    competitors, k = 150, 12
    ranks, places = np.arange(1, competitors + 2), np.arange(k + 1)
    law = np.array(
        [
            (hypergeom(competitors, above, k) if distinct else binom(k, above / competitors)).pmf(places)
            for above in range(competitors + 1)
        ]
    )
    targets, share = top_metrics(ranks, AT), 1 / len(ranks)
    stacked = np.vstack([np.sqrt((1 - gamma) * share) * law, np.diag(np.sqrt(gamma * share * law.sum(axis=0)))])
    # the mean of metric(R) given x is what the variance is taken around, in the same minimum
    normal = stacked.T @ stacked
    expected = np.linalg.solve(normal, share * law.T @ targets)
    found = bias_variance(k, Sampling(competitors=competitors, distinct=distinct, all_below=None), AT, gamma)
    assert found == pytest.approx(expected, abs=1e-8)

    def loss(values):
        mean = law @ values
        variance = law @ values**2 - mean**2
        return ((mean - targets) ** 2 + gamma * variance).mean()

    rng = np.random.default_rng(0)
    least = loss(found)
    assert all(loss(found + rng.normal(scale=0.01, size=found.shape)) > least for _ in range(20))


def test_the_grid_changes_little():
    """Of 3,705 competitors, a third as many ranks stand for all."""
    sampling = Sampling(competitors=3705, distinct=True, all_below=None)
    ranks = np.arange(1, 3707)
    law = place_law(ranks, 3705, 99, distinct=True)
    normal = 0.99 * law.T @ law + 0.01 * np.diag(law.sum(axis=0))
    exact = np.linalg.solve(normal, law.T @ top_metrics(ranks, AT))
    assert bias_variance(99, sampling, AT, 0.01) == pytest.approx(exact, abs=5e-4)


def test_without_bias_the_mean_is_the_metric_where_the_law_allows_it():
    """With as many candidates as competitors but one, the place tells nearly everything."""
    sampling = Sampling(competitors=6, distinct=True, all_below=None)
    table = bias_variance(5, sampling, (1, 2), 0.0)
    law = place_law(np.arange(1, 8), 6, 5, distinct=True)
    assert law @ table[:, 0] == pytest.approx(np.eye(7)[0], abs=0.35)
    assert abs(law @ table[:, 0] - np.eye(7)[0]).max() > 1e-3  # 7 ranks, 6 places


def test_places_that_are_all_alike_mean_ranks_that_are_all_alike():
    """So do lists in which everything ties."""
    sampling = Sampling(competitors=999, distinct=True, all_below=None)
    for lists in (lists_at(np.arange(100), 99), lists_at([0], 99, tied=np.array([99]))):
        distribution = RankDistribution(lists, sampling, AT)
        cells = distribution.cells(np.full(len(lists), 1 / len(lists)))
        assert cells == pytest.approx(np.full(100, 0.01))
        assert distribution.metrics(cells[None, :])[0, :2] == pytest.approx([0.005, 0.01], rel=0.03)
        linear = linear_estimates(lists, sampling, AT, 0.01).mean(axis=0)
        assert linear[1, :2] == pytest.approx([0.005, 0.01], rel=0.03)
        assert linear[0, :2] == pytest.approx([0.01, 0.01])  # the first place alone is below 11


def test_each_round_of_em_makes_the_places_likelier(monkeypatch):
    sampling = Sampling(competitors=999, distinct=True, all_below=None)
    lists = lists_at(np.random.default_rng(0).binomial(99, 0.05, 500), 99)
    distribution = RankDistribution(lists, sampling, AT)
    cells = distribution.cells(np.full(500, 1 / 500))[None, :]
    law = place_law(distribution.grid.ranks, 999, 99, distinct=True)
    likelihoods = []
    for rounds in (0, 1, 10, 100, 500):
        monkeypatch.setattr("negprep.metrics.estimators.EM_ROUNDS", rounds)
        weights = distribution.fit(cells)[0]
        assert weights.sum() == pytest.approx(1)
        seen = cells[0] > 0
        likelihoods.append((cells[0][seen] * np.log(weights @ law)[seen]).sum())
    assert likelihoods == sorted(likelihoods)
    assert likelihoods[-1] > likelihoods[0] + 0.1


def test_lists_of_all_competitors_are_exact():
    rng = np.random.default_rng(0)
    full = lists_at(rng.integers(0, 41, 200), 40)
    sampled = lists_at(rng.integers(0, 100, 300), 99)
    both = Lists(
        np.arange(500, dtype=np.int32),
        *(np.concatenate([getattr(full, name), getattr(sampled, name)]) for name in ("candidates", "above", "tied")),
    )
    facts = {
        "draws": "distinct",
        "num_neg": 99,
        "sampler": "uniform",
        "counts": {"users": 10, "positives": 100, "catalog_items": 900, "eligible_min": 40, "eligible_max": 890},
    }
    options = EvaluateOptions(at=AT, resamples=0)
    whole, parts = (evaluate_lists(lists, options, facts, rows=0, place="t")[0] for lists in (both, sampled))
    exact, _, _ = evaluate_lists(full, options, facts, rows=0, place="t")
    assert exact.no_estimates == "the lists hold all items: these are the metrics of a full ranking"
    assert whole.competitors == parts.competitors == 890
    for estimator, estimates in whole.estimates.items():
        for name, figure in estimates.items():
            expected = 0.4 * exact.metrics[name].value + 0.6 * parts.estimates[estimator][name].value
            assert figure.value == pytest.approx(expected, abs=1e-9)


RANKS = {"a good model": (0.35, 8), "a fair model": (0.5, 3), "chance": (1, 1)}


@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("name", RANKS)
def test_estimates_of_known_ranks(name, distinct):
    """Of 5,000 users, 99 of 9,999 competitors each: the truth is in the interval of EM, and the raw hit rate far off.

    What the linear estimators miss is their bias, which follows from the ranks: the mean of their table over the law of
    the places. That is in their intervals, and they are nearer to the truth than the raw metrics.
    """
    rng = np.random.default_rng(7)
    competitors, k, n_users = 9999, 99, 5000
    ranks = 1 + np.minimum(rng.beta(*RANKS[name], n_users) * (competitors + 1), competitors).astype(np.int64)
    if distinct:
        above = rng.hypergeometric(ranks - 1, competitors + 1 - ranks, k)
    else:
        above = rng.binomial(k, (ranks - 1) / competitors)
    options = EvaluateOptions(at=AT, resamples=200, catalog_size=10_000, distinct=distinct)
    found, _, _ = evaluate_lists(lists_at(above, k), options, None, rows=0, place="t")
    truth = dict(zip(NAMES, top_metrics(ranks, AT).mean(axis=0), strict=True))
    law = place_law(ranks, competitors, k, distinct=distinct)
    sampling = Sampling(competitors=competitors, distinct=distinct, all_below=None)
    tables = {"rescale": rescaled(k, sampling, AT), "bias-variance": bias_variance(k, sampling, AT, 0.01)}
    for metric in NAMES:
        figure = found.estimates["em"][metric]
        assert figure.low <= truth[metric] <= figure.high
        if metric.startswith("hr"):
            assert found.metrics[metric].value - truth[metric] > 5 * abs(figure.value - truth[metric])
        for estimator, table in tables.items():
            expected = (law @ table).mean(axis=0)[NAMES.index(metric)]
            figure = found.estimates[estimator][metric]
            assert figure.low <= expected <= figure.high
            assert abs(figure.value - truth[metric]) < abs(found.metrics[metric].value - truth[metric])


def test_scores_of_every_item(tmp_path):
    """A model with scores for all: its full ranking by brute force, its candidates from `negprep test`."""
    rng = np.random.default_rng(1)
    n_users, n_items = 1500, 3000
    log = pa.table(
        {
            "user": np.repeat(np.arange(n_users), 12),
            "item": rng.integers(0, n_items, 12 * n_users),
            "time": rng.integers(0, 1000, 12 * n_users),
        }
    )
    negprep.test(log, tmp_path / "test.parquet", items=pa.table({"item": np.arange(n_items)}))
    test = pq.read_table(tmp_path / "test.parquet")
    users, items, labels = (test[name].to_numpy() for name in ("user", "item", "label"))
    model = rng.normal(size=(n_users, n_items))
    held = dict(zip(users[labels == 1].tolist(), items[labels == 1].tolist(), strict=True))
    for user, item in held.items():
        model[user, item] += rng.choice([0, 1.5, 4.5])
    ranks = np.empty(n_users)
    seen = np.zeros((n_users, n_items), bool)
    seen[log["user"].to_numpy(), log["item"].to_numpy()] = True
    for user, item in held.items():
        ranks[user] = 1 + (model[user][~seen[user]] > model[user, item]).sum()
    scores = test.drop(["label"]).append_column("score", pa.array(model[users, items]))
    found = negprep.evaluate(scores, tmp_path / "test.parquet", at=(10,), resamples=200)
    assert found.competitors == round(n_items - seen.sum() / n_users)
    truth = (ranks <= 10).mean()
    figure = found.estimates["em"]["hr@10"]
    assert figure.low <= truth <= figure.high
    assert found.metrics["hr@10"].value > truth + 3 * (figure.high - figure.low) / 2
    assert found.metrics["auc"].value == pytest.approx(1 - (ranks - 1).mean() / found.competitors, abs=0.01)


def test_intervals_cover():
    """Of 250 sets of 150 users whose places have a known law, 95 in 100 intervals hold the mean, chance aside."""
    rng = np.random.default_rng(3)
    competitors, k, ranks = 999, 99, np.arange(1, 1001)
    law = (1 / ranks / (1 / ranks).sum()) @ place_law(ranks, competitors, k, distinct=True)
    sampling = Sampling(competitors=competitors, distinct=True, all_below=None)
    tables = top_metrics(np.arange(1, 101), AT), rescaled(k, sampling, AT), bias_variance(k, sampling, AT, 0.1)
    values = np.hstack(tables)
    n_sets, covered = 250, np.zeros(values.shape[1])
    for number in range(n_sets):
        places = rng.choice(100, 150, p=law / law.sum())
        low, high = interval(np.array([shares @ values for shares in resamples(places, 100, 150, number)]))
        covered += (low <= law @ values) & (law @ values <= high)
    least = 0.95 - 3.5 * math.sqrt(0.95 * 0.05 / n_sets) - 0.01  # percentiles of 150 users are a little narrow
    assert (covered / n_sets > least).all()
    assert (covered / n_sets < 0.99).all()


def test_the_seed_decides_the_intervals_and_nothing_else(scored, table):
    rows = table(scored(users=40))
    one, same, other = (negprep.evaluate(rows, resamples=50, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one.metrics["mrr"].value == other.metrics["mrr"].value
    assert one.metrics["mrr"].low != other.metrics["mrr"].low


def test_intervals_are_percentiles_of_means_over_drawn_users(scored, table):
    """Drawn again by the words of docs/internals/randomness.md."""
    import plain_metrics as plain
    import reference

    rows = scored(users=7, lists=2, k=9)
    found = negprep.evaluate(table(rows), at=(3,), resamples=11, seed=5)
    by_user = [value for _, value in sorted(plain.by_user(rows, "mrr").items())]
    purpose = reference.word(reference.word(5, 0), 16)
    means = []
    for number in range(11):
        key = reference.word(purpose, number)
        drawn = [(reference.word(key, draw) * 7) >> 64 for draw in range(7)]
        means.append(sum(by_user[user] for user in drawn) / 7)
    assert [found.metrics["mrr"].low, found.metrics["mrr"].high] == pytest.approx(np.quantile(means, [0.025, 0.975]))


def test_what_would_take_minutes_is_not_estimated():
    """Many lengths of lists, or long ones."""
    options = EvaluateOptions(at=(5,), resamples=0)
    facts = {
        "draws": "repeats",
        "counts": {"users": 1, "catalog_items": 10**6, "eligible_min": 1, "eligible_max": 10**6},
    }
    long = evaluate_lists(lists_at([3], 1600), options, facts, rows=0, place="t")[0]
    lengths = np.arange(1, 60)
    many = Lists(lengths.astype(np.int32), lengths, lengths // 2, np.zeros_like(lengths))
    for found, places in ((long, "1,601"), (evaluate_lists(many, options, facts, rows=0, place="t")[0], "1,829")):
        reason = f"the lists have {places} places, all lengths together, and 1,500 are feasible"
        assert (found.no_estimates, found.estimates) == (reason, {})


def test_huge_cutoffs_and_catalogs_take_no_longer():
    options = EvaluateOptions(at=(1_000_000,), resamples=0, catalog_size=10**9)
    found, _, _ = evaluate_lists(lists_at([0, 3, 50, 99], 99), options, None, rows=0, place="t")
    assert 0 < found.estimates["em"]["hr@1000000"].value < 1
    assert found.estimates["rescale"]["hr@1000000"].value == 0.25
