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
from dataclasses import dataclass, replace

import numpy as np

from negprep.learning import bpr
from negprep.learning.adam import Adam
from negprep.learning.game import Epoch, Game, Settings
from negprep.learning.gmf import Factors, Integers, begin
from negprep.learning.pools import Pools
from negprep.learning.validation import Validation, hold_aside, without
from negprep.seen import Seen


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
        The train positives: codes of the users and of the items. Codes from ``seen.n_items`` on are of items that
        cannot be drawn; they are learnt from all the same.
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
    asked = None
    if settings.patience is not None:
        aside = hold_aside(users, random) & (positives < seen.n_items)
        asked = Validation(users[aside], positives[aside], pools)
        pools = Pools(without(seen, users[aside], positives[aside]), exposures, random)
        users, positives = users[~aside], positives[~aside]
    n_items = max(seen.n_items, int(positives.max(initial=-1)) + 1)
    recommender = begin(seen.n_users, n_items, settings.factors, random)
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
    epochs: list[Epoch] = []
    best, most, kept_models = 0, -1.0, (game.sampler, recommender)
    for number in range(settings.epochs):
        epochs.append(game.epoch(users, positives))
        if asked is not None:
            ndcg = asked.ndcg(recommender)
            epochs[-1] = replace(epochs[-1], validation=ndcg)
            if ndcg > most:
                best, most, kept_models = number, ndcg, (game.sampler.copy(), recommender.copy())
        told(epochs[-1])
        if settings.patience is not None and number - best >= settings.patience:
            break
    return Fitted(*kept_models, tuple(start), tuple(epochs))
