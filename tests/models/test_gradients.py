"""The hand-derived gradients, against finite differences; the kernel rewards, against a plain double loop."""

from __future__ import annotations

from math import exp, sqrt

import numpy as np
import pytest

from negprep.models import gmf, rns
from negprep.models.gmf import Factors, features, gradients, scores

USERS = np.array([0, 2, 2, 1, 0])
ITEMS = np.array([[0, 1, 4], [1, 1, 3], [5, 0, 2], [3, 4, 4], [2, 0, 1]])  # repeated within rows and between them
PENALTY, STEP, AGREE = 0.03, 1e-6, 1e-5


@pytest.fixture
def model():
    random = np.random.default_rng(5)
    return Factors(random.normal(size=(4, 3)), random.normal(size=(7, 3)), random.normal(size=3))


def by_differences(model, loss):
    """The derivative of ``loss()`` by every parameter."""
    found = []
    for values in (model.users, model.items, model.h):
        slopes = np.zeros_like(values)
        for place in np.ndindex(*values.shape):
            kept, around = values[place], []
            for change in (STEP, -STEP):
                values[place] = kept + change
                around.append(loss())
            values[place] = kept
            slopes[place] = (around[0] - around[1]) / (2 * STEP)
        found.append(slopes)
    return found


def dense(model, found):
    """Gradients of the rows that are touched, as those of all."""
    users, items = np.zeros_like(model.users), np.zeros_like(model.items)
    users[found.users], items[found.items] = found.by_users, found.by_items
    return users, items, found.by_h


def penalty(model, users, items):
    touched = model.users[np.unique(users)], model.items[np.unique(items)], model.h
    return PENALTY * sum((values**2).sum() for values in touched)


def assert_same(ours, theirs):
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(left, right, rtol=AGREE, atol=AGREE)


class Caught:
    """In the place of the optimiser: keeps the gradients and moves nothing."""

    def step(self, slopes):
        self.slopes = slopes


def test_scores_are_weighted_products(model):
    for row, user in enumerate(USERS):
        for place, item in enumerate(ITEMS[row]):
            wanted = sum(model.h[f] * model.users[user, f] * model.items[item, f] for f in range(3))
            assert scores(model, USERS, ITEMS)[row, place] == pytest.approx(wanted)
            feature = features(model, USERS[row : row + 1], ITEMS[row, place : place + 1])[0]
            assert model.h @ feature == pytest.approx(wanted)


def test_the_recommender_goes_down_its_loss(model):
    positives, negatives = ITEMS[:, 0], ITEMS[:, 1]

    def loss():
        margins = [scores(model, USERS, chosen[:, None])[:, 0] for chosen in (positives, negatives)]
        return np.log1p(np.exp(margins[1] - margins[0])).sum() + penalty(model, USERS, ITEMS[:, :2])

    caught = Caught()
    told = gmf.descend(model, caught, USERS, positives, negatives, PENALTY)
    assert told == pytest.approx(loss() - penalty(model, USERS, ITEMS[:, :2]))
    assert_same(dense(model, caught.slopes), by_differences(model, loss))


@pytest.mark.parametrize("temperature", [1.0, 0.3, 4.0])
def test_the_sampler_goes_down_its_loss_for_fixed_rewards(model, temperature):
    chosen, rewards = np.array([0, 2, 1, 1, 2]), np.array([0.5, -1.0, 2.0, 0.0, -0.3])

    def loss():
        logits = scores(model, USERS, ITEMS) / temperature
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return -(rewards * logs[np.arange(5), chosen]).sum() + penalty(model, USERS, ITEMS)

    shares = rns.probabilities(scores(model, USERS, ITEMS), temperature)
    assert rns.policy_loss(shares, chosen, rewards) == pytest.approx(loss() - penalty(model, USERS, ITEMS))
    slopes = rns.policy_slopes(shares, chosen, rewards, temperature)
    assert_same(dense(model, gradients(model, USERS, ITEMS, slopes, PENALTY)), by_differences(model, loss))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_feature_rewards_are_those_of_a_double_loop(dtype):
    random = np.random.default_rng(2)
    exposed, drawn = random.normal(size=(2, 9, 4))
    width = 0.8

    def similar(a, b):
        squared = sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
        return sum(exp(-squared / (2 * (w * width) ** 2)) for w in (0.5, 1 / sqrt(2), 1, sqrt(2), 2))

    wanted = [
        2 * sum(similar(exposed[place], drawn[row]) for place in range(9)) / 9
        - 2 * sum(similar(drawn[place], drawn[row]) for place in range(9)) / 9
        for row in range(9)
    ]
    found = rns.kernel_rewards(exposed.astype(dtype), drawn.astype(dtype), width)
    np.testing.assert_allclose(found, wanted, atol=1e-10 if dtype == np.float64 else 1e-5)


def test_the_rewards_sum_to_nothing_for_equal_features():
    alike = np.random.default_rng(3).normal(size=(6, 2))
    np.testing.assert_allclose(rns.kernel_rewards(alike, alike.copy(), 1.0), 0, atol=1e-12)


def test_the_width_is_the_median_distance():
    both = np.random.default_rng(4).normal(size=(7, 3))
    distances = [np.linalg.norm(both[i] - both[j]) for i in range(7) for j in range(i)]
    assert rns.median_distance(both[:3], both[3:]) == pytest.approx(np.median(distances))
    assert rns.median_distance(np.ones((4, 2)), np.ones((3, 2))) == 1
    assert rns.median_distance(np.ones((4, 2)), np.eye(2)[:1]) == 1  # most are equal
    few = rns.kernel_rewards(np.ones((4, 2), np.float32), np.full((4, 2), 1e-8, np.float32), 2e-9)
    assert np.isfinite(few).all()


def test_extreme_scores_overflow_nowhere():
    far = np.array([[-1e4, 0, 1e4]], np.float32)
    assert gmf.softplus(far).tolist() == [[0, pytest.approx(0.6931472), 1e4]]
    assert gmf.sigmoid(far).tolist() == [[0, 0.5, 1]]
    shares = rns.probabilities(far, 1.0)
    assert shares.tolist() == [[0, 0, 1]]
    assert np.isfinite(rns.policy_loss(shares, np.array([0]), np.ones(1)))


def test_choices_follow_the_policy():
    shares = np.array([0.5, 0.2, 0.0, 0.3])
    n = 20_000
    chosen = rns.choose(np.tile(shares, (n, 1)), np.random.default_rng(6).random(n))
    counts = np.bincount(chosen, minlength=4)
    assert counts[2] == 0
    assert ((counts - n * shares)[shares > 0] ** 2 / (n * shares[shares > 0])).sum() < 13.8  # 2 degrees: one in 1,000
    last = rns.choose(np.array([[0.5, 0.5]], np.float32), np.array([np.nextafter(1, 0)], np.float32))
    assert last.tolist() == [1]
