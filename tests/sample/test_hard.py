"""Hard negatives: ranks as the formula says, scores that no order changes, and what the model does not know."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pyarrow as pa
import pytest
from models import a_log, a_model, true_scores, vocabulary, written
from scipy.stats import chisquare

import negprep
from negprep.encode import memory
from negprep.errors import BadDataError, UsageError
from negprep.model_file import Model
from negprep.options.options import Options
from negprep.sample.hard import Hardness, chances, chances_of_ranks
from negprep.sample.scores import Scores
from negprep.sample.seen import Seen

SHAPES = [(1, 1, 0), (4, 1, 0), (4, 2, 0), (5, 1, 2), (5, 2, 1), (6, 6, 0), (6, 1, 5), (32, 1, 0), (32, 5, 3)]


def chance_of_rank(rank, m, pool, top, skip):
    """Counted: the pools in which the item is at one of the places that are taken."""
    n = min(pool, m)
    skip = min(skip, n - 1)
    top = min(top, n - skip)
    ways = sum(comb(rank - 1, above) * comb(m - rank, n - 1 - above) for above in range(skip, skip + top))
    return Fraction(ways, comb(m, n) * top)


def by_all_pools(scores, pool, top, skip):
    """The probability of each item, by going through all pools in all orders of ties (which are averaged)."""
    m = len(scores)
    n = min(pool, m)
    skip = min(skip, n - 1)
    top = min(top, n - skip)
    q = np.zeros(m)
    pools = list(combinations(range(m), n))
    for chosen in pools:
        for item in chosen:
            above = sum(scores[other] > scores[item] for other in chosen)
            alike = sum(scores[other] == scores[item] for other in chosen)
            places = range(above, above + alike)  # each as likely as the others
            q[item] += sum(skip <= place < skip + top for place in places) / (alike * top * len(pools))
    return q


@pytest.mark.parametrize(("pool", "top", "skip"), [*SHAPES, (100, 50, 10), (1000, 3, 0)])
@pytest.mark.parametrize("m", [1, 2, 5, 6, 7, 33, 150])
def test_the_formula_counts_pools(pool, top, skip, m):
    ranks = np.arange(1, m + 1)
    q = chances_of_ranks(Hardness(pool, top, skip), np.full(m, m), ranks)
    exact = np.array([float(chance_of_rank(rank, m, pool, top, skip)) for rank in ranks])
    np.testing.assert_allclose(q, exact, rtol=1e-12, atol=0)
    assert q.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("pool", "top", "skip"), [(3, 1, 0), (4, 2, 1), (3, 1, 2), (9, 1, 0)])
def test_ties_share_their_ranks(pool, top, skip):
    scores = np.array([5, 3, 3, 3, 1, 1, 0, 7])
    harder = (scores[:, None] < scores).sum(axis=1)
    alike = (scores[:, None] == scores).sum(axis=1)
    q = chances(Hardness(pool, top, skip), np.full(8, 8), harder, alike)
    np.testing.assert_allclose(q, by_all_pools(scores, pool, top, skip), rtol=1e-12)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_are_whole_and_close(bias, dtype):
    model = a_model(50, 400, n_factors=64, bias=bias)
    known = np.arange(400)
    users = np.arange(50, dtype=np.int32)
    scores = Scores(users, model.user_factors, known, model.item_factors, model.item_bias, 400, dtype)
    factors, units = scores.of_users(np.arange(50))
    whole = scores.of_all(factors)
    assert whole.dtype == dtype
    limit = 2**24 if dtype == np.float32 else 2**52
    assert (whole == np.rint(whole)).all()
    # Sums of absolute values stay exact too, so that no part of a sum in any order can be rounded.
    parts = np.abs(factors.astype(float)) @ np.abs(scores._by_factor.astype(float))
    assert parts.max() <= limit
    error = np.abs(whole * units[:, None] - true_scores(model)).max(axis=1) / np.abs(true_scores(model)).max(axis=1)
    assert error.max() < (2e-3 if dtype == np.float32 else 3e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_order_of_additions_changes_a_score(dtype):
    model = a_model(20, 300, n_factors=48, bias=True)
    scores = Scores(
        np.arange(20, dtype=np.int32),
        model.user_factors,
        np.arange(300),
        model.item_factors,
        model.item_bias,
        300,
        dtype,
    )
    factors, _ = scores.of_users(np.arange(20))
    exact = [
        [int(sum(int(a) * int(b) for a, b in zip(user, item, strict=True))) for item in scores._by_item]
        for user in factors
    ]
    dense = scores.of_all(factors)
    random = np.random.default_rng(0)
    shuffled = random.permutation(factors.shape[1])
    for other in (
        dense,
        factors[:, shuffled] @ scores._by_item.T[shuffled],
        np.stack([np.einsum("f,if->i", user, scores._by_item) for user in factors]),
        np.add.reduce(factors[:, None] * scores._by_item, axis=2, dtype=dtype),
    ):
        assert other.astype(np.int64).tolist() == exact


def test_pools_are_scored_alike_by_all_scores_and_one_by_one(monkeypatch):
    model = a_model(20, 300, n_factors=48)
    scores = Scores(np.arange(20, dtype=np.int32), model.user_factors, np.arange(300), model.item_factors, None, 300)
    factors, _ = scores.of_users(np.arange(20))
    random = np.random.default_rng(0)
    rows, pools = np.sort(random.integers(0, 20, 50)), random.integers(0, 300, (8, 50))
    found = []
    for cost in (0, 10**9):
        monkeypatch.setattr("negprep.sample.scores._DENSE_COST", cost)
        found.append(scores.of_pools(factors, rows, pools).tolist())
    assert found[0] == found[1]


def test_split_of_seen_sets():
    known = np.array([0, 3, 4])
    scores = Scores(np.zeros(2, np.int32), np.ones((1, 1)), known, np.ones((3, 1)), None, 6)
    known, strange = scores.split(Seen(np.array([0, 3, 5]), np.array([0, 1, 4, 2, 5], np.int32), 6))
    assert (known.starts.tolist(), known.items.tolist(), known.n_items) == ([0, 2, 2], [0, 2], 3)
    assert (strange.starts.tolist(), strange.items.tolist(), strange.n_items) == ([0, 1, 3], [0, 1, 2], 3)
    assert scores.strangers.tolist() == [1, 2, 5]


def drawn(log, model, **options):
    options = {"sampler": "hard", "holdout": "none", "pool": 32, **options}
    rows = negprep.train(log, layout="pairwise", model=model, **options)
    return rows.to_pandas()


def ranks_of(rows, log, model, user):
    """The hardness rank of each negative of a user among the user's eligible items."""
    observed = log.to_pandas()
    own = set(observed[observed.user == user].item)
    scores = true_scores(model)[user]
    eligible = sorted((item for item in range(len(scores)) if item not in own), key=lambda item: -scores[item])
    rank = {item: place for place, item in enumerate(eligible, 1)}
    return np.array([rank[item] for item in rows[rows.user == user].neg_item]), len(eligible)


@pytest.mark.parametrize(("pool", "top", "skip"), SHAPES)
@pytest.mark.parametrize("n_items", [12, 60, 300])
def test_ranks_follow_the_formula(tmp_path, pool, top, skip, n_items):
    """60 and 300 items: pools by redraws; 12 items: pools by shuffles, or all there is."""
    model, log = a_model(3, n_items), a_log(2, n_items, 2)
    rows = drawn(log, written(model, tmp_path), pool=pool, top=top, skip_top=skip, num_neg=3000, seed=5)
    for user in (0, 1):
        ranks, m = ranks_of(rows, log, model, user)
        expected = np.array([float(chance_of_rank(rank, m, pool, top, skip)) for rank in range(1, m + 1)])
        counts = np.bincount(ranks, minlength=m + 1)[1:]
        assert counts[expected == 0].sum() == 0
        expected, counts = expected[expected > 0] * len(ranks), counts[expected > 0]
        if len(counts) < 2:
            continue
        order = np.argsort(-expected)
        bins = np.minimum(np.cumsum(expected[order]) // 40, (len(ranks) - 1) // 40).astype(int)
        counts, expected = (np.bincount(bins, values[order]) for values in (counts, expected))
        full = expected > 0
        assert full.sum() < 2 or chisquare(counts[full], expected[full]).pvalue > 1e-4


def test_pools_of_a_group_are_independent(tmp_path):
    """Two draws of one positive agree as often as two draws of the formula do."""
    model, log = a_model(3, 60), a_log(2, 60, 2)
    rows = drawn(log, written(model, tmp_path), pool=8, num_neg=8000, seed=9)
    ranks, m = ranks_of(rows, log, model, 0)
    pairs = ranks.reshape(2, -1, 2)
    agree = (pairs[..., 0] == pairs[..., 1]).mean()
    q = [float(chance_of_rank(rank, m, 8, 1, 0)) for rank in range(1, m + 1)]
    assert agree == pytest.approx(sum(value**2 for value in q), abs=4 * (0.1 / 8000) ** 0.5)


@pytest.mark.parametrize(("pool", "top", "skip"), [(4, 1, 0), (4, 2, 1), (32, 5, 3), (5, 1, 4)])
@pytest.mark.parametrize("restricted", [{}, {"available_at_time": True}, {"same": "kind"}])
@pytest.mark.parametrize("strange", [False, True])
def test_log_q_by_counting(tmp_path, pool, top, skip, restricted, strange):
    """All q of a positive, by a draw of every item: they sum to 1, and are what counting gives."""
    n_items = 9
    known = [item for item in range(n_items) if not (strange and item % 4 == 1)]
    model = a_model(4, n_items, items=known, bias=True)
    log = a_log(3, n_items, 2)
    catalog = pa.table({"item": range(n_items), "kind": [item % 2 for item in range(n_items)]})
    options = {"items": catalog, **restricted} if "same" in restricted else restricted
    model_file = written(model, tmp_path)
    rows = drawn(log, model_file, pool=pool, top=top, skip_top=skip, num_neg=400, with_log_q=True, **options)
    observed = log.to_pandas()
    first = observed.groupby("item").time.min()
    scores = true_scores(model)
    for (user, positive), group in rows.groupby(["user", "pos_item"]):
        own = set(observed[observed.user == user].item)
        time = observed[(observed.user == user) & (observed.item == positive)].time.iloc[0]
        eligible = [
            item
            for item in range(n_items)
            if item not in own
            and ("available_at_time" not in restricted or first[item] <= time)
            and ("same" not in restricted or item % 2 == positive % 2)
        ]
        mine = [item for item in eligible if item in known]
        q = dict.fromkeys(eligible, 1 / len(eligible))
        if user < 4:
            of_known = by_all_pools([scores[user][known.index(item)] for item in mine], pool, top, skip)
            q |= {item: value * len(mine) / len(eligible) for item, value in zip(mine, of_known, strict=True)}
        for item, found in group.groupby("neg_item").neg_log_q:
            np.testing.assert_allclose(found, np.log(q[item]), rtol=0, atol=1e-9)
        if strange or pool < 5:
            assert sum(np.exp(group.groupby("neg_item").neg_log_q.first())) == pytest.approx(
                sum(q[item] for item in group.neg_item.unique()), abs=1e-9
            )
        positives = 1 / (len(eligible) + 1)
        if positive in known:
            all_scores = [scores[user][known.index(item)] for item in [*mine, positive]]
            positives = by_all_pools(all_scores, pool, top, skip)[-1] * (len(mine) + 1) / (len(eligible) + 1)
        with np.errstate(divide="ignore"):
            np.testing.assert_allclose(group.pos_log_q, np.log(positives), rtol=0, atol=1e-9)


def test_log_q_in_a_mixture(tmp_path):
    model, log = a_model(3, 20), a_log(2, 20, 2)
    rows = drawn(
        log,
        written(model, tmp_path),
        sampler=("hard:0.25", "uniform:0.75"),
        pool=5,
        num_neg=2000,
        with_log_q=True,
    )
    assert set(rows.source) == {"hard", "uniform"}
    for user in (0, 1):
        ranks, m = ranks_of(rows, log, model, user)
        q = [0.25 * float(chance_of_rank(rank, m, 5, 1, 0)) + 0.75 / m for rank in ranks]
        np.testing.assert_allclose(rows[rows.user == user].neg_log_q, np.log(q), rtol=0, atol=1e-9)
        counts = np.bincount(ranks, minlength=m + 1)[1:]
        expected = [0.25 * float(chance_of_rank(rank, m, 5, 1, 0)) + 0.75 / m for rank in range(1, m + 1)]
        assert chisquare(counts, np.array(expected) * len(ranks)).pvalue > 1e-4


def test_what_the_model_does_not_know_is_uniform(tmp_path):
    """User 1 is unknown, and a third of the items."""
    n_items = 30
    known = [item for item in range(n_items) if item % 3]
    model = a_model(1, n_items, users=[0, 2], items=known)
    log = a_log(2, n_items, 2)
    rows = drawn(log, written(model, tmp_path), pool=6, num_neg=6000, seed=2)
    of_stranger = rows[rows.user == 1]
    assert set(of_stranger.source) == {"fallback"}
    eligible = sorted(set(range(n_items)) - set(of_stranger.pos_item))
    assert chisquare([(of_stranger.neg_item == item).sum() for item in eligible]).pvalue > 1e-4
    of_known = rows[rows.user == 0]
    eligible = sorted(set(range(n_items)) - set(of_known.pos_item))
    strange = [item for item in eligible if item not in known]
    assert ((of_known.source == "fallback") == ~of_known.neg_item.isin(known)).all()
    counts = np.array([(of_known.neg_item == item).sum() for item in strange])
    share = 1 / len(eligible)
    expected = [*([share * len(of_known)] * len(strange)), (1 - share * len(strange)) * len(of_known)]
    assert chisquare([*counts, len(of_known) - counts.sum()], expected).pvalue > 1e-4


def test_a_model_without_opinion_is_uniform(tmp_path):
    """All scores are equal: ties are broken by chance and not by codes."""
    model = Model(
        "own", vocabulary([0, 1, 2]), vocabulary(range(50)), np.zeros((3, 2), np.float32), np.zeros((50, 2), np.float32)
    )
    rows = drawn(a_log(2, 50, 2), written(model, tmp_path), num_neg=8000, with_log_q=True, top=2, skip_top=1)
    mine = rows[rows.user == 0]
    eligible = sorted(set(range(50)) - set(mine.pos_item))
    assert chisquare([(mine.neg_item == item).sum() for item in eligible]).pvalue > 1e-4
    np.testing.assert_allclose(mine.neg_log_q, -np.log(len(eligible)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("known", [range(40), range(0, 40, 2)])
@pytest.mark.parametrize("same", [False, True])
def test_distinct_draws_are_the_hardest_of_what_is_left(tmp_path, known, same):
    """With pools of all that exists, draw by draw the hardest left; what the model does not know lies between."""
    catalog = pa.table({"item": range(40), "kind": [int(item < 30) for item in range(40)]})
    options = {"items": catalog, "same": "kind"} if same else {}
    log, model = a_log(2, 40, 2), a_model(3, 40, items=known)
    rows = drawn(log, written(model, tmp_path), pool=40, num_neg=38, distinct=True, **options)
    scores = true_scores(model)
    for (user, positive), group in rows[rows.user < 2].groupby(["user", "pos_item"]):
        window = [item for item in range(40) if not same or (item < 30) == (positive < 30)]
        own = set(rows[rows.user == user].pos_item)
        assert sorted(group.neg_item) == sorted(set(window) - own)
        assert ((group.source == "fallback") == ~group.neg_item.isin(known)).all()
        of_known = [scores[user][known.index(item)] for item in group.neg_item[group.source == "hard"]]
        assert of_known == sorted(of_known, reverse=True)


@pytest.mark.parametrize("command", ["weak=1", "uniform:0.5"])
def test_fixed_counts_and_shares(tmp_path, command):
    log = a_log(20, 40, 6)
    rated = log.append_column("rating", pa.array(np.arange(len(log)) % 5))
    sampler = ("hard=2", command) if "=" in command else ("hard:0.5", command)
    rows = drawn(rated, written(a_model(21, 40), tmp_path), sampler=sampler, positive=">=2")
    assert {"hard", command[:-2].rstrip("0.:")} <= set(rows.source)
    if "=" in command:
        assert (rows[rows.source == "hard"].groupby(["user", "pos_item"]).size() == 2).all()


@pytest.mark.parametrize("left_out", [{}, {"core": 12}, {"min_positives": 40}])
def test_same_rows_for_any_jobs_shards_memory_and_order(tmp_path, monkeypatch, left_out):
    log = pa.concat_tables([a_log(200, 300, 30), a_log(20, 300, 60, seed=2)]) if left_out else a_log(200, 300, 30)
    model = written(a_model(150, 300, items=range(0, 300, 2), bias=True), tmp_path)
    options = {
        **left_out,
        "pool": 16,
        "top": 3,
        "skip_top": 1,
        "with_log_q": True,
        "sampler": ("hard:0.8", "uniform:0.2"),
    }
    plain = drawn(log, model, **options)
    shuffled = log.take(np.random.default_rng(3).permutation(len(log)))
    for changed in ({"jobs": 4, "shard_rows": 701}, {"shard_rows": 7000}, {"memory": 1 << 20, "jobs": 2}):
        if "memory" in changed:
            monkeypatch.setattr(memory, "_FEWEST_ROWS", 800)  # several ranges of users, each grouped by itself
        assert drawn(shuffled, model, **options, **changed).equals(plain)


@pytest.mark.parametrize("cost", [0, 10**9])
@pytest.mark.parametrize("pooled", [64, 1 << 20])
def test_same_rows_for_any_blocks(tmp_path, monkeypatch, cost, pooled):
    log, model = a_log(40, 100, 10), written(a_model(40, 100), tmp_path)
    plain = drawn(log, model)
    monkeypatch.setattr("negprep.sample.scores._DENSE_COST", cost)
    monkeypatch.setattr("negprep.sample.pools._POOLED", pooled)
    assert drawn(log, model).equals(plain)


def test_a_user_has_the_same_draws_whoever_else_is_there(tmp_path):
    log, model = a_log(40, 100, 10), written(a_model(40, 100), tmp_path)
    few = log.filter(pa.array(np.isin(log["user"].to_numpy(), [3, 17, 40])))
    rows = drawn(log, model)
    assert drawn(few, model).equals(rows[rows.user.isin([3, 17, 40])].reset_index(drop=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": None}, "--sampler hard without --model FILE; make one with negprep fit"),
        ({"pool": 4, "top": 3, "skip_top": 2}, "--top 3 and --skip-top 2 of a pool of 4"),
        ({"pool": 0}, "pool is 0; choose a whole number from 1 to 1000"),
        ({"pool": 1001}, "pool is 1001"),
        ({"top": 0}, "top is 0"),
        ({"skip_top": -1}, "skip_top is -1"),
        ({"skip_top": 32}, "--top 1 and --skip-top 32 of a pool of 32"),
        ({"pool": None}, "--sampler hard --model FILE without --pool: negatives that are hard for a frozen model"),
        ({"temperature": 1.0}, "--temperature without --sampler reinforced"),
        ({"pool_weak": 1}, "--pool-weak without --sampler reinforced"),
        ({"sampler": "uniform", "pool": None}, "--model without --sampler hard or reinforced"),
        ({"sampler": "uniform", "model": None, "pool": 3}, "--pool without --sampler hard or reinforced"),
        ({"sampler": "reinforced", "top": 3}, "--top without --sampler hard"),
        ({"sampler": ("hard:0.5", "reinforced:0.5")}, "need a model each; choose one"),
        ({"with_log_q": True, "distinct": True}, "--with-log-q with --distinct and --sampler hard"),
        ({"model": 5}, "model is 5; give the path"),
    ],
)
def test_what_is_refused(tmp_path, options, message):
    model = written(a_model(2, 5), tmp_path)
    with pytest.raises(UsageError, match=message) as error:
        negprep.train(a_log(2, 5, 2), **{"sampler": "hard", "model": model, "pool": 32} | options)
    assert "\n" not in str(error.value)


def test_models_that_do_not_fit(tmp_path):
    log = a_log(2, 5, 2)
    with pytest.raises(BadDataError, match=r"none of the 3 users of the log is in the model \(log: 0, model: 70\)"):
        negprep.train(log, sampler="hard", pool=32, model=written(a_model(2, 5, users=[70, 71]), tmp_path))
    with pytest.raises(BadDataError, match=r"none of the 5 items of the catalog is in the model"):
        negprep.train(log, sampler="hard", pool=32, model=written(a_model(2, 5, items=[70, 71]), tmp_path))
    with pytest.raises(UsageError, match="the model is of the kind rns, a policy"):
        negprep.train(log, sampler="hard", pool=32, model=written(a_model(2, 5, kind="rns"), tmp_path))
    with pytest.raises(UsageError, match="candidates drawn by --sampler hard favour or punish"):
        negprep.test(log, sampler="hard")
    huge = a_model(2, 5, h=True)
    huge = Model(
        "own", huge.users, huge.items, huge.user_factors, huge.item_factors * np.float32(1e38), None, huge.h * 1e3
    )
    with pytest.raises(BadDataError, match="item_factors times h are too large"):
        negprep.train(log, sampler="hard", pool=32, model=written(huge, tmp_path))


def test_whom_a_model_does_not_know_is_warned_of_if_they_have_rows(tmp_path):
    log = pa.table({"user": [0, 0, 1, 2, 2], "item": [0, 1, 2, 3, 4], "value": [5, 5, 5, 5, 1]})

    def found(users, **options):
        model = written(a_model(2, 5, users=users), tmp_path)
        options = Options(command="train", num_neg=1, holdout="none", sampler="hard", pool=32, model=model, **options)
        return negprep.prepare(log, str(tmp_path / "rows.parquet"), options)

    strangers = [f"{n} users with rows are not in the model: their draws are uniform" for n in (1, 2)]
    assert found([0, 1]).warnings == strangers[:1]
    assert found([7, 1]).warnings == strangers[1:]
    assert found([0, 2], positive=">=5").warnings == strangers[:1]
    assert found([0, 1], positive=">=5", min_positives=2).warnings == []


@pytest.mark.parametrize("unknown", [1, 2, 3])
def test_few_unknown_items_are_a_note(tmp_path, unknown):
    log = pa.table({"user": [0] * 20 + [1] * 20, "item": range(40)})
    model = written(a_model(2, 40 - unknown), tmp_path)
    options = Options(command="train", num_neg=1, holdout="none", sampler="hard", pool=32, model=model)
    summary = negprep.prepare(log, str(tmp_path / "rows.parquet"), options)
    told = [f"{unknown} of 40 items are not in the model: drawn as often as uniform draws them"]
    assert (summary.warnings, summary.notes) == ((told, []) if unknown == 3 else ([], told))
