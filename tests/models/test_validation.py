"""What is laid aside, and how it is ranked among all items."""

from __future__ import annotations

import numpy as np
import pytest

from negprep.encode.pairs import Pairs
from negprep.models import validation
from negprep.models.validation import FullRanking, lay_aside, ndcg


def pairs(lists):
    starts = np.cumsum([0, *map(len, lists)])
    return Pairs(starts, np.array([item for items in lists for item in items], np.int32))


def test_one_positive_is_laid_aside_of_each_user_with_enough():
    counts = [2, 3, 4, 1, 7]
    aside = lay_aside(pairs([range(count) for count in counts]))
    users = np.repeat(np.arange(5), counts)
    assert users[aside].tolist() == [1, 2, 4]


def test_each_positive_of_a_user_has_the_same_chance():
    """Of 8,000 users with four items, by the place of what is laid aside."""
    log = pairs([range(4)] * 8_000)
    places = np.flatnonzero(lay_aside(log)) % 4
    assert len(places) == validation.N_USERS
    counts = np.bincount(places)
    assert ((counts - 500) ** 2 / 500).sum() < 16.3  # 3 degrees: one in 1,000


def test_every_item_and_every_user_keeps_a_positive():
    log = pairs([[0, 1, 2], [3, 4, 5], [0, 4, 6]] * 3 + [[7, 8, 9]])
    kept = log.where(~lay_aside(log))
    assert set(kept.items) == set(range(10))
    assert (kept.counts >= 2).all()
    assert kept.counts[-1] == 3  # nobody else has its items


def test_at_most_so_many_users_are_asked(monkeypatch):
    monkeypatch.setattr(validation, "N_USERS", 2)
    assert lay_aside(pairs([range(5)] * 9)).sum() == 2


def test_ties_share_the_places_that_they_leave_open():
    assert ndcg(np.array([0]), np.array([0])) == 1
    assert ndcg(np.array([9, 10]), np.array([0, 0])) == pytest.approx(1 / np.log2(11) / 2)
    assert ndcg(np.array([0]), np.array([1])) == pytest.approx((1 + 1 / np.log2(3)) / 2)
    everything = (1 / np.log2(np.arange(10) + 2)).sum() / 300
    assert ndcg(np.array([0]), np.array([299])) == pytest.approx(everything)
    assert ndcg(np.zeros(0, np.int64), np.zeros(0, np.int64)) == 0


@pytest.mark.parametrize("block", [1, 40, 1 << 22])
def test_the_rank_is_that_among_all_but_the_train_positives(monkeypatch, block):
    """By a plain loop, for a model with equal scores; blocks of items change nothing."""
    monkeypatch.setattr(validation, "_BLOCK_SCORES", block)
    chance = np.random.default_rng(3)
    log = pairs([np.sort(chance.choice(30, 6, replace=False)) for _ in range(20)])
    asked = FullRanking.of(log, lay_aside(log), 30)
    users, items = (chance.integers(-1, 2, (size, 3)).astype(np.float32) for size in (20, 30))
    bias = chance.integers(-1, 2, 30).astype(np.float32)
    bias[[item for item in range(30) if item not in asked.items][:3]] = -np.inf
    counts = np.bincount(asked.train.items, minlength=30)
    gains = {"model": [], "popular": []}
    for user, item in zip(asked.users, asked.items, strict=True):
        mine = asked.train.items[asked.train.starts[user] : asked.train.starts[user + 1]]
        others = [other for other in range(30) if other != item and other not in mine]
        for name, scores in (("model", users[user] @ items.T + bias), ("popular", counts)):
            above, tied = (
                (np.array([scores[other] for other in others]) > scores[item]).sum(),
                sum(scores[other] == scores[item] for other in others),
            )
            gains[name].append(ndcg(np.array([above]), np.array([tied])))
    assert len(asked) > 10
    assert asked.of_model(users[asked.users], items, bias) == pytest.approx(np.mean(gains["model"]))
    assert asked.of_most_popular() == pytest.approx(np.mean(gains["popular"]))
