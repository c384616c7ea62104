"""The game of reinforced negative sampling: the recommender and the sampler, and an epoch of their play.

Source: Ding, Quan, He, Li, Jin, Reinforced negative sampling for recommendation with exposure data, IJCAI 2019,
section 3: algorithm 1, and the rewards of sections 3.2 and 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from negprep.learning import bpr, kernel, policy
from negprep.learning.adam import Adam
from negprep.learning.gmf import Factors, Floats, Integers, features, gradients, scores
from negprep.learning.pools import Pools

_WIDTH_ROWS = 256
"""Rows of a batch from which the median distance is measured: 131 thousand distances."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The choices of a fit. The defaults are those of the paper, but for the numbers of epochs.

    Attributes
    ----------
    factors, batch : int
    rate, penalty : float
        The step of Adam, and the weight of squared parameters.
    start_epochs, epochs : int
        Of BPR with uniform negatives, from which both models start; and of the game.
    pool, exposed : int
        C candidates for each positive, of which Cx are exposures.
    reward_weight : float
        alpha: the weight of what exposures say, against how hard a negative is. 0: exposures earn nothing.
    feature_share : float
        beta: 0 rewards exposures alone, 1 features like theirs alone.
    temperature : float
        tau of the policy.
    patience : int or None
        Hold positives aside, and end the game when the recommender has ranked them no better for so many epochs; the
        models are then those of its best epoch. None: play all epochs, on all positives.
    """

    factors: int = 32
    batch: int = 1024
    rate: float = 1e-3
    penalty: float = 1e-5
    start_epochs: int = 20
    epochs: int = 20
    pool: int = 30
    exposed: int = 1
    reward_weight: float = 2.5
    feature_share: float = 0.75
    temperature: float = 1.0
    patience: int | None = None


@dataclass(frozen=True)
class Epoch:
    """What happened in an epoch: means over its positives.

    Attributes
    ----------
    recommender_loss, sampler_loss : float
        In an epoch of the start the second is 0, as are all that follow.
    exposed_share : float
        How many of the draws for users with exposures were exposures. Chance is ``exposed / pool``.
    hardness, exposure, likeness : float
        The three rewards before their weights: r_hard from -1 to 0, r_id from 0 to 1, r_feat.
    validation : float or None
        NDCG at 10 of the recommender, of positives held aside among 99 others; where there is ``patience``.
    """

    recommender_loss: float
    sampler_loss: float = 0.0
    exposed_share: float = 0.0
    hardness: float = 0.0
    exposure: float = 0.0
    likeness: float = 0.0
    validation: float | None = None


class Game:
    """The two models at play.

    Parameters
    ----------
    recommender : Factors
        D as BPR left it; goes on learning. G starts as a copy.

    Attributes
    ----------
    sampler : Factors
        G.
    """

    def __init__(self, recommender: Factors, pools: Pools, settings: Settings, random: np.random.Generator) -> None:
        self.sampler = recommender.copy()
        self._recommender, self._pools, self._settings, self._random = recommender, pools, settings, random
        self._learn_recommender, self._learn_sampler = (
            Adam(recommender, settings.rate),
            Adam(self.sampler, settings.rate),
        )
        self._baselines = 0.0, 0.0  # b1, b2: the means of the last epoch
        self._width = 1.0

    def epoch(self, users: Integers, positives: Integers) -> Epoch:
        """All positives once."""
        settings, totals = self._settings, np.zeros(8)
        for number, rows in enumerate(bpr.batches(len(users), settings.batch, self._random)):
            totals += self._step(users[rows], positives[rows], is_first=number == 0)
        means = (totals[:6] / max(len(users), 1)).tolist()
        recommender_loss, sampler_loss, hardness, exposure, likeness, of_exposures = means
        self._baselines = hardness, of_exposures
        share = float(totals[6] / max(totals[7], 1))
        return Epoch(recommender_loss, sampler_loss, share, hardness, exposure, likeness)

    def _step(self, users: Integers, positives: Integers, *, is_first: bool) -> Floats:
        """A step of D, then one of G. Sums over the batch, in the order of the fields that ``epoch`` makes of them."""
        settings, chosen_from = self._settings, np.arange(len(users))
        pool = self._pools.draw(users, settings.pool, settings.exposed)
        shares = policy.probabilities(scores(self.sampler, users, pool.items), settings.temperature)
        chosen = policy.choose(shares, self._random.random(len(users), dtype=np.float32))
        negatives, is_exposed = pool.items[chosen_from, chosen], pool.is_exposed[chosen_from, chosen]
        hardness = -bpr.sigmoid(-scores(self._recommender, users, negatives[:, None])[:, 0])
        lost = bpr.descend(self._recommender, self._learn_recommender, users, positives, negatives, settings.penalty)
        exposure, likeness = is_exposed.astype(np.float32), self._likeness(users, negatives, is_first=is_first)
        share = np.float32(settings.feature_share)
        of_exposures = (1 - share) * exposure + share * likeness
        first, second = map(np.float32, self._baselines)
        rewards = (hardness - first) + np.float32(settings.reward_weight) * (of_exposures - second)
        slopes = policy.slopes(shares, chosen, rewards, settings.temperature)
        self._learn_sampler.step(gradients(self.sampler, users, pool.items, slopes, settings.penalty))
        can_be_exposed = self._pools.has_exposures[users]
        sums = [found.sum(dtype=np.float64) for found in (hardness, exposure, likeness, of_exposures)]
        return np.array(
            [
                lost,
                policy.loss(shares, chosen, rewards),
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
            self._width = kernel.median_distance(exposed[:_WIDTH_ROWS], drawn[:_WIDTH_ROWS])
        return kernel.rewards(exposed, drawn, self._width)
