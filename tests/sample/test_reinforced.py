"""Reinforced negatives: drawn from the softmax of fresh pools, some items of which were shown to the user."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from models import a_log, a_model, true_scores, written
from scipy.stats import chisquare

import negprep
from negprep.encode import memory
from negprep.errors import UsageError
from negprep.sample.rng import exponential, natural_log

WEAK = pa.table({"user": [0], "item": [4]})


def drawn(log, model, **options):
    options = {"sampler": "reinforced", "holdout": "none", **options}
    return negprep.train(log, layout="pairwise", model=model, **options).to_pandas()


def softmax(scores, temperature):
    weights = np.exp((np.asarray(scores) - np.max(scores)) / temperature)
    return weights / weights.sum()


def by_all_pools(scores, eligible, weak, size, exposed, temperature):
    """The probability of each item, by going through all pools."""
    q = dict.fromkeys([*eligible, *weak], 0.0)
    exposed = min(exposed, len(weak))
    pools = [
        (*shown, *other)
        for shown in combinations(weak, exposed)
        for other in combinations(eligible, min(size - exposed, len(eligible)))
    ]
    for pool in pools:
        for item, share in zip(pool, softmax([scores[item] for item in pool], temperature), strict=True):
            q[item] += share / len(pools)
    return q


@pytest.fixture
def shown():
    """Users 0 and 1 were shown two or three items of nine that they did not take."""
    log = a_log(3, 9, 3).to_pandas()
    rows = []
    for user, (begin, end) in zip((0, 1), ((0, 2), (1, 4)), strict=True):
        own = set(log[log.user == user].item)
        rows += [(user, item) for item in [item for item in range(9) if item not in own][begin:end]]
    users, items = zip(*rows, strict=True)
    return pa.Table.from_pandas(log), pa.table({"user": users, "item": items})


@pytest.mark.parametrize("temperature", [1.0, 0.3, 5.0])
@pytest.mark.parametrize(("size", "exposed"), [(3, 1), (3, 0), (3, 3), (4, 2), (2, 1), (30, 1)])
def test_draws_follow_pi(tmp_path, shown, size, exposed, temperature):
    log, weak = shown
    model = a_model(4, 9, kind="rns", h=True)
    rows = drawn(
        log,
        written(model, tmp_path),
        weak=weak,
        pool=size,
        pool_weak=exposed,
        temperature=temperature,
        num_neg=4000,
        seed=3,
    )
    assert set(rows.source) == {"reinforced"}
    scores = true_scores(model)
    for user in (0, 1, 2):
        own = set(log.to_pandas().query("user == @user").item)
        listed = weak.to_pandas().query("user == @user").item.tolist()
        eligible = [item for item in range(9) if item not in own and item not in listed]
        q = by_all_pools(scores[user], eligible, listed, size, exposed, temperature)
        mine = rows[rows.user == user].neg_item
        items = [item for item in q if q[item] * len(mine) >= 5]
        counts = [(mine == item).sum() for item in items]
        expected = [q[item] * len(mine) for item in items]
        rest = len(mine) - sum(counts)
        assert rest <= 5 * 9
        if rest:
            counts, expected = [*counts, rest], [*expected, len(mine) - sum(expected)]
        if len(counts) > 1:
            assert chisquare(counts, np.array(expected) * len(mine) / sum(expected)).pvalue > 1e-4


def test_log_q_is_that_of_the_pool(tmp_path, shown):
    """Where a pool has everything there is, it is the softmax of all."""
    log, weak = shown
    model = a_model(4, 9, kind="rns", bias=True)
    options = {"weak": weak, "pool": 30, "pool_weak": 5, "temperature": 0.7, "num_neg": 50, "with_log_q": True}
    rows = drawn(log, written(model, tmp_path), **options)
    scores = true_scores(model)
    for user in (0, 1, 2):
        mine = rows[rows.user == user]
        items = [item for item in range(9) if item not in set(mine.pos_item)]
        pi = dict(zip(items, softmax(scores[user][items], 0.7), strict=True))
        np.testing.assert_allclose(mine.neg_log_q, np.log([pi[item] for item in mine.neg_item]), rtol=0, atol=1e-5)
    assert (rows.pos_log_q == -np.inf).all()


def test_log_q_has_the_mean_that_it_must(tmp_path):
    """The mean of 1 / q over the draws is the expected size of the pools: an identity that any wrong q would break."""
    log, model = a_log(2, 50, 2), a_model(3, 50, kind="rns")
    rows = drawn(log, written(model, tmp_path), pool=6, num_neg=20_000, with_log_q=True)
    values = np.exp(-rows[rows.user < 2].neg_log_q)
    assert values.mean() == pytest.approx(6, abs=5 * values.std() / len(values) ** 0.5)


def test_what_the_model_does_not_know_is_uniform(tmp_path):
    known = [item for item in range(30) if item % 3]
    log, model = a_log(2, 30, 2), a_model(2, 30, kind="rns", users=[0, 2], items=known)
    rows = drawn(log, written(model, tmp_path), pool=6, num_neg=3000, with_log_q=True)
    stranger = rows[rows.user == 1]
    assert set(stranger.source) == {"fallback"}
    np.testing.assert_allclose(stranger.neg_log_q, -np.log(28))
    mine = rows[rows.user == 0]
    assert ((mine.source == "fallback") == ~mine.neg_item.isin(known)).all()
    np.testing.assert_allclose(mine.neg_log_q[mine.source == "fallback"], -np.log(28))
    strange = 28 - sum(item in known for item in set(range(30)) - set(mine.pos_item))
    share = (mine.source == "fallback").mean()
    assert share == pytest.approx(strange / 28, abs=4 * (0.25 / len(mine)) ** 0.5)


def test_same_rows_for_any_jobs_shards_memory_and_order(tmp_path, monkeypatch):
    log = a_log(100, 200, 20)
    model = written(a_model(80, 200, kind="rns", items=range(0, 200, 2)), tmp_path)
    pairs = np.random.default_rng(1).integers(0, [100, 200], (600, 2))
    options = {"weak": pa.table({"user": pairs[:, 0], "item": pairs[:, 1]}), "pool": 9, "pool_weak": 2}
    plain = drawn(log, model, with_log_q=True, **options)
    shuffled = log.take(np.random.default_rng(3).permutation(len(log)))
    for changed in ({"jobs": 4, "shard_rows": 100}, {"shard_rows": 7000}, {"memory": 1 << 20, "jobs": 2}):
        if "memory" in changed:
            monkeypatch.setattr(memory, "_FEWEST_ROWS", 200)  # many ranges of users, each grouped by itself
        assert drawn(shuffled, model, with_log_q=True, **options, **changed).equals(plain)


@pytest.mark.parametrize("restricted", [{"available_at_time": True}, {"same": "kind"}])
def test_pools_keep_to_the_window(tmp_path, restricted):
    log = a_log(30, 60, 6)
    pairs = np.random.default_rng(1).integers(0, [30, 60], (200, 2))
    weak = pa.table({"user": pairs[:, 0], "item": pairs[:, 1]})
    catalog = pa.table({"item": range(60), "kind": [item % 3 for item in range(60)]})
    options = {"items": catalog, **restricted} if "same" in restricted else restricted
    rows = drawn(log, written(a_model(31, 60, kind="rns"), tmp_path), weak=weak, pool_weak=3, **options)
    observed = log.to_pandas()
    first = observed.groupby("item").time.min()
    times = observed.set_index(["user", "item"]).time
    listed = set(map(tuple, pairs.tolist()))
    n_listed = 0
    for user, positive, item in zip(rows.user, rows.pos_item, rows.neg_item, strict=True):
        assert (user, item) not in times.index
        if "same" in restricted:
            assert item % 3 == positive % 3
        else:
            assert first[item] <= times[user, positive]
        n_listed += (user, item) in listed
    assert n_listed > 0


def test_distinct_draws_differ(tmp_path):
    rows = drawn(a_log(5, 40, 4), written(a_model(6, 40, kind="rns"), tmp_path), distinct=True, num_neg=25)
    groups = rows[rows.user < 5].groupby(["user", "pos_item"])
    assert (groups.neg_item.nunique() == 25).all()
    assert (groups.size() == 25).all()


def test_exponential():
    values = np.concatenate([np.linspace(-700, 700, 50_001), [0.0, -0.0, 1.0, -1.0, 1e-300]])
    np.testing.assert_allclose(exponential(values), np.exp(values), rtol=1e-15 * 4)
    assert exponential(np.zeros(1)) == 1
    np.testing.assert_allclose(natural_log(exponential(values)), values, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool": 3, "pool_weak": 4, "weak": WEAK}, "--pool-weak 4 of a pool of 3"),
        ({"pool_weak": 1}, "--pool-weak without weak interactions; name the positives with --positive"),
        ({"pool_weak": -1, "weak": WEAK}, "pool_weak is -1; choose a whole number from 0 to 1000"),
        ({"temperature": 0}, "temperature is 0; choose a number from 1e-06"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"temperature": "hot"}, "temperature is 'hot'"),
        ({"skip_top": 0}, "--skip-top without --sampler hard"),
        ({"with_log_q": True, "distinct": True}, "--with-log-q with --distinct and --sampler reinforced"),
        ({"with_log_q": True, "sampler": ("reinforced:0.5", "uniform:0.5")}, "reinforced in a mixture"),
        ({"model": "bpr"}, "the model is of the kind bpr, which has no policy"),
    ],
)
def test_what_is_refused(tmp_path, options, message):
    kind = options.get("model", "rns")
    options = {"sampler": "reinforced"} | options | {"model": written(a_model(2, 5, kind=kind), tmp_path)}
    with pytest.raises(UsageError, match=message) as error:
        negprep.train(a_log(2, 5, 2), **options)
    assert "\n" not in str(error.value)
