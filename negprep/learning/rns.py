"""Reinforced negative sampling (RNS): a sampler learns to draw negatives that are hard, and like what was shown.

Source: Ding, Quan, He, Li, Jin, Reinforced negative sampling for recommendation with exposure data, IJCAI 2019. Two
models of one form play: the recommender D learns to put each positive above the negative that the sampler G draws for
it from a pool of candidates; G earns a reward where D takes the negative for a positive, and where the negative is, or
is like, an item that the user was exposed to and did not choose.

Random choices come from one ``numpy.random.Generator``, in the order in which they are made: the model is the same for
the same seed, on the same machine and version of numpy, with one thread of BLAS. Rows drawn with a model depend on its
file alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from negprep.learning import bpr, kernel, policy
from negprep.learning.adam import Adam
from negprep.learning.gmf import Factors, Floats, Integers, begin, features, gradients, scores
from negprep.learning.pools import Pools
from negprep.seen import Seen

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
    """

    recommender_loss: float
    sampler_loss: float = 0.0
    exposed_share: float = 0.0
    hardness: float = 0.0
    exposure: float = 0.0
    likeness: float = 0.0


@dataclass(frozen=True, eq=False)
class Fitted:
    """The models, and how they came to be.

    Attributes
    ----------
    sampler, recommender : Factors
        G and D.
    start, game : tuple of Epoch
    """

    sampler: Factors
    recommender: Factors
    start: tuple[Epoch, ...]
    game: tuple[Epoch, ...]


def fit(
    users: Integers,
    positives: Integers,
    seen: Seen,
    exposures: Seen,
    settings: Settings,
    *,
    seed: int,
    told: Callable[[Epoch], None] = lambda _: None,
) -> Fitted:
    """Learn both models.

    Parameters
    ----------
    users, positives : shape (n,)
        The train positives: codes of the users and of the items.
    seen : Seen
        What no uniform negative may be: the positives, the exposures, and what else is excluded.
    exposures : Seen
        Within ``seen``, without positives.
    seed : int
    told : callable
        Is given each epoch when it ends.

    Returns
    -------
    Fitted
        Users who have nothing to draw are left out of the learning; their factors are those of the beginning.
    """
    random = np.random.default_rng(seed)
    pools = Pools(seen, exposures, random)
    users, positives = users.astype(np.int64), positives.astype(np.int64)
    kept = pools.can_draw[users]
    users, positives = users[kept], positives[kept]
    recommender = begin(seen.n_users, seen.n_items, settings.factors, random)
    start, optimiser = [], Adam(recommender, settings.rate)
    for _ in range(settings.start_epochs):
        lost = bpr.epoch(
            recommender,
            optimiser,
            users,
            positives,
            pools,
            batch=settings.batch,
            penalty=settings.penalty,
            random=random,
        )
        start.append(Epoch(lost))
        told(start[-1])
    game = Game(recommender, pools, settings, random)
    epochs = []
    for _ in range(settings.epochs):
        epochs.append(game.epoch(users, positives))
        told(epochs[-1])
    return Fitted(game.sampler, recommender, tuple(start), tuple(epochs))


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
        self._baselines = np.zeros(2)  # b1, b2: the means of the last epoch
        self._width = 1.0

    def epoch(self, users: Integers, positives: Integers) -> Epoch:
        """All positives once."""
        settings, totals = self._settings, np.zeros(7)
        for number, rows in enumerate(bpr.batches(len(users), settings.batch, self._random)):
            totals += self._step(users[rows], positives[rows], is_first=number == 0)
        counted = len(users) or 1
        recommender_loss, sampler_loss, hardness, exposure, likeness = totals[:5] / counted
        self._baselines[:] = hardness, self._of_exposures(exposure, likeness)
        share = totals[5] / max(totals[6], 1)
        return Epoch(*map(float, (recommender_loss, sampler_loss, share, hardness, exposure, likeness)))

    def _step(self, users: Integers, positives: Integers, *, is_first: bool) -> Floats:
        """A step of D, then one of G. Sums over the batch, in the order of the fields that ``epoch`` makes of them."""
        settings, chosen_from = self._settings, np.arange(len(users))
        pool = self._pools.draw(users, settings.pool, settings.exposed)
        shares = policy.probabilities(scores(self.sampler, users, pool.items), settings.temperature)
        chosen = policy.choose(shares, self._random.random(len(users), dtype=np.float32))
        negatives, is_exposed = pool.items[chosen_from, chosen], pool.is_exposed[chosen_from, chosen]
        hardness = -bpr.sigmoid(-scores(self._recommender, users, negatives[:, None])[:, 0])
        lost = bpr.descend(
            self._recommender, self._learn_recommender, users, positives, negatives, settings.penalty
        )
        exposure, likeness = is_exposed.astype(np.float32), self._likeness(users, negatives, is_first=is_first)
        of_exposures = self._of_exposures(exposure, likeness) - np.float32(self._baselines[1])
        rewards = hardness - np.float32(self._baselines[0]) + np.float32(settings.reward_weight) * of_exposures
        slopes = policy.slopes(shares, chosen, rewards, settings.temperature)
        self._learn_sampler.step(gradients(self.sampler, users, pool.items, slopes, settings.penalty))
        can_be_exposed = self._pools.has_exposures[users]
        return np.array(
            [
                lost,
                policy.loss(shares, chosen, rewards),
                hardness.sum(dtype=np.float64),
                exposure.sum(dtype=np.float64),
                likeness.sum(dtype=np.float64),
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

    def _of_exposures(self, exposure: Any, likeness: Any) -> Any:
        share = self._settings.feature_share
        return (1 - share) * exposure + share * likeness
