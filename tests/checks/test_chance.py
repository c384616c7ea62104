"""The tail of chi-square against scipy, and the statistics against simulations whose distribution is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from negprep.checks.chance import all_items, binned, chi_square_tail, even_slots, worst_item
from negprep.checks.draws import Draws, UserSets
from negprep.checks.pair_set import PairSet, distinct


@pytest.mark.parametrize("freedom", [1, 2, 3, 9, 9.37, 99, 598.2, 1e4, 123_456.7])
def test_the_tail_is_scipys(freedom):
    for factor in (0, 1e-6, 0.01, 0.3, 0.9, 0.999, 1, 1.001, 1.1, 1.5, 2, 5, 20):
        statistic = factor * freedom
        wanted = special.gammaincc(freedom / 2, statistic / 2)
        assert chi_square_tail(statistic, freedom) == pytest.approx(wanted, rel=1e-8, abs=1e-300)


def test_the_tail_of_small_probabilities():
    for exponent in range(1, 14):
        statistic = stats.chi2.isf(10.0**-exponent, 9)
        assert chi_square_tail(statistic, 9) == pytest.approx(10.0**-exponent, rel=1e-7)


N_USERS, N_ITEMS = 16, 24


def sets_of(chance, *, left_out):
    keys = [
        user * N_ITEMS + item
        for user in range(N_USERS)
        for item in chance.permutation(N_ITEMS)[: chance.integers(2, 17 if left_out else 9)]
    ]
    pairs = PairSet(distinct(np.array(keys)), N_USERS, N_ITEMS)
    return UserSets(pairs, left_out, np.ones(N_ITEMS, bool))


def members(sets, user):
    listed = sets.pairs.items[sets.pairs.starts[user] : sets.pairs.starts[user + 1]]
    return np.setdiff1d(np.arange(N_ITEMS), listed) if sets.left_out else listed


def drawn(chance, sets, weights, size, groups):
    """Draws of each user: ``size`` that differ, in so many groups; or, where ``size`` is None, as many independent."""
    items = np.zeros(N_ITEMS, np.int64)
    draws, squares, with_any = np.zeros(N_USERS), np.zeros(N_USERS), np.zeros(N_USERS)
    for user in range(N_USERS):
        mine = members(sets, user)
        if size is None:
            chosen = chance.choice(mine, groups, p=weights[mine] / weights[mine].sum())
            draws[user] = groups
        else:
            k = min(size, len(mine))
            chosen = mine[chance.random((groups, len(mine))).argsort(axis=1)[:, :k]].reshape(-1)
            draws[user], squares[user], with_any[user] = k * groups, k * k * groups, groups
        items += np.bincount(chosen, minlength=N_ITEMS)
    if size is None:
        return Draws(sets, weights, items, draws)
    return Draws(sets, weights, items, draws, squares, with_any)


CASES = {
    "uniform": (True, False, None, 90),
    "uniform of lists": (False, False, None, 90),
    "weighted": (True, True, None, 90),
    "distinct": (True, False, 4, 20),
    "nearly all": (True, False, 9, 20),
    "distinct of lists": (False, False, 3, 30),
}


@pytest.mark.parametrize("case", CASES)
def test_probabilities_of_fair_draws_are_even(case):
    left_out, weighted, size, groups = CASES[case]
    chance = np.random.default_rng(7)
    sets = sets_of(chance, left_out=left_out)
    weights = chance.random(N_ITEMS) + 0.1 if weighted else np.ones(N_ITEMS)
    bins = np.arange(N_ITEMS) * 6 // N_ITEMS
    of_bins, of_all, of_worst = [], [], []
    for _ in range(250):
        found = drawn(chance, sets, weights, size, groups)
        of_bins.append(binned(found, bins, 6)[2])
        of_all.append(all_items(found)[2])
        of_worst.append(worst_item(found)[0])
    assert stats.kstest(of_bins, "uniform").pvalue > 1e-4  # exact in the limit
    assert stats.kstest(of_all, "uniform").pvalue > 1e-6  # nearly
    assert np.mean(np.array(of_all) < 0.01) < 0.05
    assert np.mean(np.array(of_worst) < 0.01) <= 0.01  # a bound


@pytest.mark.parametrize("case", CASES)
def test_moments_are_those_of_simulated_draws(case):
    left_out, weighted, size, groups = CASES[case]
    chance = np.random.default_rng(8)
    sets = sets_of(chance, left_out=left_out)
    weights = chance.random(N_ITEMS) + 0.1 if weighted else np.ones(N_ITEMS)
    many = [drawn(chance, sets, weights, size, groups) for _ in range(300)]
    numbers = np.array([found.items for found in many])
    one = many[0]
    assert np.allclose(numbers.mean(axis=0), one.expected, atol=6 * np.sqrt(one.variances.max() / 300))
    assert np.allclose(numbers.var(axis=0) / one.variances, 1, atol=0.4)
    probe = chance.choice([-1.0, 1.0], N_ITEMS)
    assert (numbers @ probe).var() == pytest.approx(probe @ one.products([probe])[0], rel=0.3)


def test_an_item_that_is_left_out_and_one_that_is_preferred_are_found():
    chance = np.random.default_rng(9)
    sets = sets_of(chance, left_out=True)
    for change in (0.0, 1.6):
        weights = np.ones(N_ITEMS)
        weights[17] = change
        unfair = drawn(chance, sets, weights, None, 2_500)
        fair = Draws(sets, np.ones(N_ITEMS), unfair.items, unfair.draws)
        probability, item = worst_item(fair)
        assert (probability < 1e-9, item) == (True, 17)


def test_slots():
    chance = np.random.default_rng(10)
    even = [even_slots(np.bincount(chance.integers(0, 100, 3_000), minlength=100))[2] for _ in range(200)]
    assert stats.kstest(even, "uniform").pvalue > 1e-4
    assert even_slots(np.array([500, *[0] * 99]))[2] < 1e-9
    assert even_slots(np.array([300, *[2] * 99]))[2] < 1e-9
    assert even_slots(np.array([3, 2, 4])) is None
    statistic, freedom, _ = even_slots(np.bincount([0, 0, 1, 2, 3, 3, 3, 3, 4, 5, 6, 7, 8, 8], minlength=9))
    assert freedom == 1
    assert statistic == pytest.approx((9 - 70 / 9) ** 2 / (70 / 9) + (5 - 56 / 9) ** 2 / (56 / 9))
