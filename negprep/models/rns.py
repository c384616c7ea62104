"""Reinforced negative sampling (RNS): a sampler learns to draw negatives that are hard, and like what was shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from negprep.errors import UsageError
from negprep.models import gmf
from negprep.models.factorise import Learning
from negprep.models.gmf import Adam, Factors, Floats, Integers, Pools, begin, features, gradients, scores
from negprep.models.validation import FullRanking
from negprep.sample.seen import Seen

WIDTHS = (0.5, 0.5**0.5, 1.0, 2**0.5, 2.0)
"""The widths of the kernels, in median distances."""

_LEAST_WIDTH = 1e-9
"""Where its square would still be a number of float32."""


def kernel_rewards(exposed: Floats, drawn: Floats, width: float) -> Floats:
    """The reward of each drawn feature: shape (n,).

    2 mean_l K(X_l, Y_b) - 2 mean_l K(Y_l, Y_b) for X, the features of exposures, and Y, of what the sampler drew, both
    of shape (n, n_factors). K(a, b) is the sum over ``WIDTHS`` of exp(-|a - b|^2 / (2 (w width)^2)); ``width`` > 0 is
    the median distance.
    """
    with_exposed = _kernels(_squared_distances(exposed, drawn), width).mean(axis=0)
    among_drawn = _kernels(_squared_distances(drawn, drawn), width).mean(axis=0)
    difference: Floats = 2 * (with_exposed - among_drawn)
    return difference


def median_distance(exposed: Floats, drawn: Floats) -> float:
    """The median distance between two of all features; 1 where there is none, or where it is next to nothing."""
    both = np.concatenate([exposed, drawn])
    squared = _squared_distances(both, both)[np.triu_indices(len(both), 1)]
    median = float(np.sqrt(np.median(squared)))
    return median if median > _LEAST_WIDTH else 1.0


def _squared_distances(left: Floats, right: Floats) -> Floats:
    """|a|^2 - 2 a . b + |b|^2 of each row a of one with each row b of the other, as one matrix product."""
    ones = np.ones((len(left), 1), left.dtype), np.ones((len(right), 1), right.dtype)
    of_left = np.hstack([left, (left * left).sum(axis=1, keepdims=True), ones[0]])
    of_right = np.hstack([-2 * right, ones[1], (right * right).sum(axis=1, keepdims=True)])
    squared: Floats = of_left @ of_right.T
    return np.maximum(squared, 0, out=squared)


def _kernels(squared: Floats, width: float) -> Floats:
    """The sum of the kernels; ``squared`` is overwritten.

    Each width is sqrt 2 times the one before, so that each kernel is the square of the next wider one: one exp for all.
    """
    squared *= squared.dtype.type(-0.5 / (WIDTHS[-1] * width) ** 2)
    kernel = np.exp(squared, out=squared)
    total = kernel.copy()
    for _ in WIDTHS[1:]:
        kernel *= kernel
        total += kernel
    return total


def probabilities(scores: Floats, temperature: float) -> Floats:
    """The softmax of ``scores`` / ``temperature`` within each row: shape (n, size)."""
    exponents = scores / scores.dtype.type(temperature)
    exponents -= exponents.max(axis=1, keepdims=True)
    shares = np.exp(exponents, out=exponents)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def choose(policy: Floats, points: Floats) -> Integers:
    """The place of one candidate in each row, with the probabilities of ``policy``: int64, shape (n,).

    ``points``, shape (n,), are uniform from 0 to 1; each is looked up in the cumulated probabilities.
    """
    cumulated = np.cumsum(policy, axis=1)
    sought = points[:, None] * cumulated[:, -1:]  # the last may not be 1 exactly
    chosen: Integers = np.minimum((cumulated <= sought).sum(axis=1), policy.shape[1] - 1)
    return chosen


def policy_loss(policy: Floats, chosen: Integers, rewards: Floats) -> float:
    """The sum of -reward * log(probability of what was chosen)."""
    taken = policy[np.arange(len(chosen)), chosen]
    return float(-(rewards * np.log(np.maximum(taken, np.finfo(policy.dtype).tiny))).sum())


def policy_slopes(policy: Floats, chosen: Integers, rewards: Floats, temperature: float) -> Floats:
    """The derivative of ``loss`` by each score: -r (1[c' = c] - pi_c') / temperature, shape (n, size).

    Source: Williams, Simple statistical gradient-following algorithms, Machine Learning 1992.
    """
    found = policy * rewards[:, None]
    found[np.arange(len(chosen)), chosen] -= rewards
    found /= policy.dtype.type(temperature)
    return found


_WIDTH_ROWS = 256
"""Rows of a batch from which the median distance is measured: 131 thousand distances."""


@dataclass(frozen=True, kw_only=True)
class RnsLearning(Learning):
    """How the kind rns learns. The defaults are those of the paper, but for the numbers of epochs.

    Attributes
    ----------
    learning_rate, regularization : float
        The step of Adam, and the weight of squared parameters.
    start_epochs, epochs : int
        Of BPR with uniform negatives, from which both models start; and of the game.
    batch_size : int
        Positives a step.
    pool, pool_weak : int
        C candidates for each positive, Cx of them exposures.
    temperature : float
        tau of the policy.
    reward_weight : float
        alpha: the weight of the exposures, against how hard a negative is. 0: exposures earn nothing.
    feature_share : float
        beta: 0 rewards exposures alone, 1 features like theirs alone.
    patience : int or None
        End the game when the recommender has ranked the positives laid aside no better for so many epochs; the models
        are then those of its best epoch. None: play all epochs.
    """

    factors: int = 32
    epochs: int = 20
    regularization: float = 1e-5
    learning_rate: float = 1e-3
    seed: int = 0
    threads: int = 1
    start_epochs: int = 20
    batch_size: int = 1024
    pool: int = 30
    pool_weak: int = 1
    temperature: float = 1.0
    reward_weight: float = 2.5
    feature_share: float = 0.75
    patience: int | None = None

    def __post_init__(self) -> None:
        """Refuse what does not fit."""
        if self.pool_weak > self.pool:
            raise UsageError(
                f"--pool-weak {self.pool_weak} of a pool of {self.pool}", remedy="enlarge it (--pool), or lower it"
            )


@dataclass(frozen=True)
class Epoch:
    """What happened in an epoch: means over its positives.

    Attributes
    ----------
    recommender_loss, sampler_loss : float
        In an epoch of the start the second is 0, as are all that follow.
    exposed_share : float
        How many of the draws for users with exposures were exposures. Chance is ``pool_weak / pool``.
    hardness, exposure, likeness : float
        The three rewards before their weights: r_hard from -1 to 0, r_id from 0 to 1, r_feat.
    validation : float or None
        NDCG at 10 of the recommender, of the positives laid aside among all items; where there is ``patience``.
    """

    recommender_loss: float
    sampler_loss: float = 0.0
    exposed_share: float = 0.0
    hardness: float = 0.0
    exposure: float = 0.0
    likeness: float = 0.0
    validation: float | None = None


class Game:
    """The two models at play: ``recommender``, D as BPR left it, goes on learning; ``sampler``, G, starts as a copy."""

    def __init__(self, recommender: Factors, pools: Pools, settings: RnsLearning, random: np.random.Generator) -> None:
        self.sampler = recommender.copy()
        self._recommender, self._pools, self._settings, self._random = recommender, pools, settings, random
        self._learn_recommender = Adam(recommender, settings.learning_rate)
        self._learn_sampler = Adam(self.sampler, settings.learning_rate)
        self._baselines = 0.0, 0.0  # b1, b2: the means of the last epoch
        self._width = 1.0

    def epoch(self, users: Integers, positives: Integers) -> Epoch:
        """All positives once."""
        settings, totals = self._settings, np.zeros(8)
        for number, rows in enumerate(gmf.batches(len(users), settings.batch_size, self._random)):
            totals += self._step(users[rows], positives[rows], is_first=number == 0)
        means = (totals[:6] / max(len(users), 1)).tolist()
        recommender_loss, sampler_loss, hardness, exposure, likeness, of_exposures = means
        self._baselines = hardness, of_exposures
        share = float(totals[6] / max(totals[7], 1))
        return Epoch(recommender_loss, sampler_loss, share, hardness, exposure, likeness)

    def _step(self, users: Integers, positives: Integers, *, is_first: bool) -> Floats:
        """A step of D, then one of G. Sums over the batch, in the order of the fields that ``epoch`` makes of them."""
        settings, chosen_from = self._settings, np.arange(len(users))
        penalty = settings.regularization
        pool = self._pools.draw(users, settings.pool, settings.pool_weak)
        shares = probabilities(scores(self.sampler, users, pool.items), settings.temperature)
        chosen = choose(shares, self._random.random(len(users), dtype=np.float32))
        negatives, is_exposed = pool.items[chosen_from, chosen], pool.is_exposed[chosen_from, chosen]
        hardness = -gmf.sigmoid(-scores(self._recommender, users, negatives[:, None])[:, 0])
        lost = gmf.descend(self._recommender, self._learn_recommender, users, positives, negatives, penalty)
        exposure, likeness = is_exposed.astype(np.float32), self._likeness(users, negatives, is_first=is_first)
        share = np.float32(settings.feature_share)
        of_exposures = (1 - share) * exposure + share * likeness
        first, second = map(np.float32, self._baselines)
        rewards = (hardness - first) + np.float32(settings.reward_weight) * (of_exposures - second)
        slopes = policy_slopes(shares, chosen, rewards, settings.temperature)
        self._learn_sampler.step(gradients(self.sampler, users, pool.items, slopes, penalty))
        can_be_exposed = self._pools.has_exposures[users]
        sums = [found.sum(dtype=np.float64) for found in (hardness, exposure, likeness, of_exposures)]
        return np.array(
            [
                lost,
                policy_loss(shares, chosen, rewards),
                *sums,
                is_exposed[can_be_exposed].sum(),
                can_be_exposed.sum(),
            ]
        )

    def _likeness(self, users: Integers, negatives: Integers, *, is_first: bool) -> Floats:
        """r_feat of each negative, with the width that the first batch of the epoch has: shape (n,)."""
        if self._settings.feature_share == 0 or self._settings.reward_weight == 0:
            return np.zeros(len(users), np.float32)  # it would be weighed with 0
        exposed = features(self._recommender, users, self._pools.exposure(users))
        drawn = features(self._recommender, users, negatives)
        if is_first:
            self._width = median_distance(exposed[:_WIDTH_ROWS], drawn[:_WIDTH_ROWS])
        return kernel_rewards(exposed, drawn, self._width)


@dataclass(frozen=True, eq=False)
class Fitted:
    """The sampler G, the recommender D, and the epochs of the start and of the game."""

    sampler: Factors
    recommender: Factors
    start: tuple[Epoch, ...]
    game: tuple[Epoch, ...]


def learn_policy(
    users: Integers,
    positives: Integers,
    seen: Seen,
    exposures: Seen,
    settings: RnsLearning,
    report: Callable[[Epoch], None] = lambda _: None,
    asked: FullRanking | None = None,
) -> Fitted:
    """Learn both models from train positives, codes of shape (n,).

    Items from ``seen.n_items`` on cannot be drawn, but are learnt from. ``seen`` is what no uniform negative may be:
    the positives, the exposures, and what else is excluded; ``exposures`` are within it and hold no positive.
    ``report`` takes each epoch when it ends; ``settings.patience`` needs what is ``asked``. Users who have nothing to
    draw keep their first factors.
    """
    random = np.random.default_rng(settings.seed)
    pools = Pools(seen, exposures, random)
    users, positives = users.astype(np.int64), positives.astype(np.int64)
    kept = pools.can_draw[users]
    users, positives = users[kept], positives[kept]
    n_items = max(seen.n_items, int(positives.max(initial=-1)) + 1)
    recommender = begin(seen.n_users, n_items, settings.factors, random)
    start, optimiser = [], Adam(recommender, settings.learning_rate)
    for _ in range(settings.start_epochs):
        lost = gmf.epoch(
            recommender,
            optimiser,
            users,
            positives,
            pools,
            batch=settings.batch_size,
            penalty=settings.regularization,
            random=random,
        )
        start.append(Epoch(lost))
        report(start[-1])
    game = Game(recommender, pools, settings, random)
    epochs: list[Epoch] = []
    best, most, kept_models = 0, -1.0, (game.sampler, recommender)
    for number in range(settings.epochs):
        epochs.append(game.epoch(users, positives))
        if settings.patience is not None and asked is not None:
            ndcg = asked.of_model(recommender.users[asked.users] * recommender.h, recommender.items)
            epochs[-1] = replace(epochs[-1], validation=ndcg)
            if ndcg > most:
                best, most, kept_models = number, ndcg, (game.sampler.copy(), recommender.copy())
        report(epochs[-1])
        if settings.patience is not None and number - best >= settings.patience:
            break
    return Fitted(*kept_models, tuple(start), tuple(epochs))
