"""What is held aside, and how the recommender is asked about it."""

from __future__ import annotations

import numpy as np

from negprep.models import rns
from negprep.models.gmf import Factors, Pools
from negprep.sample.seen import Seen

USERS = np.repeat(np.arange(5), [2, 3, 4, 1, 7])


def test_one_positive_is_held_aside_of_each_user_with_enough():
    counts = np.zeros(17)
    for seed in range(300):
        aside = rns.hold_aside(USERS, np.random.default_rng(seed))
        assert USERS[aside].tolist() == [1, 2, 4]
        counts += aside
    for user in (1, 2, 4):
        mine = counts[user == USERS]
        expected = 300 / len(mine)
        assert ((mine - expected) ** 2 / expected).sum() < 23  # at most 6 degrees: one in 1,000


def test_at_most_so_many_users_are_asked(monkeypatch):
    monkeypatch.setattr(rns, "N_USERS", 2)
    assert rns.hold_aside(USERS, np.random.default_rng(0)).sum() == 2


def test_what_is_held_aside_is_no_longer_seen():
    seen = Seen(np.array([0, 2, 2, 5]), np.array([0, 3, 0, 1, 3], np.int32), 4)
    found = rns.without(seen, np.array([0, 2]), np.array([3, 1]))
    assert (found.starts.tolist(), found.items.tolist()) == ([0, 1, 1, 3], [0, 0, 3])


def test_ndcg_is_that_of_the_rank_and_ties_count_against():
    nothing = Seen(np.array([0, 1]), np.array([0], np.int32), 300)
    none = Seen(np.zeros(2, np.int64), np.zeros(0, np.int32), 300)
    asked = rns.Validation(np.array([0]), np.array([0]), Pools(nothing, none, np.random.default_rng(0)))

    def of(items):
        return asked.ndcg(Factors(np.ones((1, 1)), np.array(items, float)[:, None], np.ones(1)))

    assert of([1] + [0] * 299) == 1
    assert of([0] * 300) == 0
    above = asked._items[0, 1]
    scores = np.zeros(300)
    scores[0], scores[above] = 1, 2
    repeats = int((asked._items[0, 1:] == above).sum())
    assert of(scores) == 1 / np.log2(repeats + 2)
