"""The game: the sampler learns what was shown if it is rewarded for it, and the seed decides everything."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from negprep.encode.pairs import Pairs
from negprep.models.rns import RnsLearning, learn_policy
from negprep.models.validation import FullRanking
from negprep.sample.seen import Seen

sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "experiments"))

from planted_exposures import REWARDS, curve, planted
from planted_exposures import SETTINGS as LEARNING

# Small batches keep numpy's matrix products on one thread.
SHORT = RnsLearning(factors=4, batch_size=64, learning_rate=1e-2, start_epochs=1, epochs=2, seed=3)
CHANCE = LEARNING.pool_weak / LEARNING.pool


@pytest.fixture(scope="module")
def log():
    return planted()


@pytest.fixture(scope="module")
def small():
    return planted(30, 40, 5, 4)


@pytest.fixture(scope="module")
def curves(log):
    return {name: np.array(curve(log, settings)) for name, settings in REWARDS.items()}


@pytest.mark.parametrize("name", [name for name in REWARDS if "beta 0" in name])
def test_rewarded_for_exposures_the_sampler_draws_them(name, curves):
    assert curves[name][:2].mean() < 1.5 * CHANCE
    assert curves[name][-4:].mean() > 3 * CHANCE


def test_without_a_reward_for_exposures_it_does_not(curves):
    found = curves["hardness alone (alpha 0)"]
    assert found.max() < 1.7 * CHANCE  # 3,600 draws an epoch: four standard deviations are 0.36 of it
    assert abs(found.mean() - CHANCE) < 0.2 * CHANCE


def test_the_picture_shows_these_curves(curves):
    """Within three points: another machine rounds otherwise, and draws otherwise from there on."""
    text = (Path(__file__).parents[2] / "docs" / "pictures" / "reinforced.svg").read_text()
    for name, found in curves.items():
        first, last = re.search(re.escape(name) + r": from (\d+)% to (\d+)%", text).groups()
        assert abs(int(first) - 100 * found[0]) <= 3
        assert abs(int(last) - 100 * found[-1]) <= 3


def test_the_loss_of_the_start_falls(log):
    found = learn_policy(*log, replace(LEARNING, epochs=0, seed=0))
    losses = [epoch.recommender_loss for epoch in found.start]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.5 * np.log(2)
    assert found.game == ()
    assert (found.sampler.users == found.recommender.users).all()


def test_the_policy_draws_harder_negatives_than_chance(log):
    """A policy that is as good as uniform cannot learn."""
    rewarded = replace(LEARNING, epochs=3, reward_weight=0.0)
    learning, chance = (learn_policy(*log, replace(rewarded, temperature=heat, seed=0)).game for heat in (1.0, 1e6))
    assert all(ours.hardness > theirs.hardness + 0.02 for ours, theirs in zip(learning, chance, strict=True))


def same(left, right):
    return all(
        (ours == theirs).all()
        for name in ("sampler", "recommender")
        for ours, theirs in zip(vars(getattr(left, name)).values(), vars(getattr(right, name)).values(), strict=True)
    )


def test_the_seed_decides(small):
    first, again, other = (learn_policy(*small, replace(SHORT, seed=seed)) for seed in (3, 3, 4))
    assert same(first, again)
    assert first.game == again.game
    assert not same(first, other)


@pytest.mark.parametrize(
    "change",
    [
        {"reward_weight": 0.0},
        {"feature_share": 0.0},
        {"feature_share": 1.0},
        {"temperature": 0.2},
        {"pool": 5},
        {"pool_weak": 3},
        {"start_epochs": 2},
        {"regularization": 0.1},
        {"batch_size": 16},
        {"learning_rate": 1e-3},
    ],
    ids=str,
)
def test_every_setting_matters(small, change):
    found = learn_policy(*small, replace(SHORT, **change))
    assert not same(found, learn_policy(*small, SHORT))
    assert all(np.isfinite(values).all() for values in vars(found.sampler).values())
    assert found.sampler.users.dtype == np.float32


def test_each_epoch_is_reported(small):
    heard = []
    found = learn_policy(*small, SHORT, report=heard.append)
    assert heard == [*found.start, *found.game]


def test_users_without_anything_to_draw_learn_nothing_and_disturb_nobody(small):
    users, positives, seen, exposures = small
    all_items = np.arange(seen.n_items, dtype=np.int32)
    more_seen = Seen(
        np.append(seen.starts, seen.starts[-1] + seen.n_items), np.append(seen.items, all_items), seen.n_items
    )
    more_exposures = Seen(np.append(exposures.starts, exposures.starts[-1]), exposures.items, seen.n_items)
    found = learn_policy(
        np.append(users, np.full(seen.n_items, 30)),
        np.append(positives, all_items),
        more_seen,
        more_exposures,
        SHORT,
    )
    untouched = learn_policy(users[:0], positives[:0], more_seen, more_exposures, SHORT)
    assert all(np.isfinite(values).all() for values in vars(found.sampler).values())
    assert (found.sampler.users[30] == untouched.sampler.users[30]).all()


def asked_of(log):
    """As if one train positive of each user had been laid aside."""
    users = np.unique(log.users)
    items = log.positives[np.searchsorted(log.users, users)]
    none = Pairs(np.zeros(log.seen.n_users + 1, np.int64), np.zeros(0, np.int32))
    return FullRanking(users, items, none, log.seen.n_items)


def test_patience_ends_the_game_with_its_best_models(log):
    settings = replace(LEARNING, patience=2, epochs=12)
    found = learn_policy(*log, settings, asked=asked_of(log))
    ranked = [epoch.validation for epoch in found.game]
    best = int(np.argmax(ranked))
    assert len(ranked) == min(best + 3, 12)
    assert 0 < ranked[best] < 1
    at_best = learn_policy(*log, replace(settings, epochs=best + 1, patience=12), asked=asked_of(log))
    assert same(found, at_best)


def test_without_patience_nothing_is_asked(small):
    assert [epoch.validation for epoch in learn_policy(*small, SHORT).game] == [None, None]
