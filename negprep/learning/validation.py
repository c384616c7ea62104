"""Positives held aside while learning, to know when the recommender no longer gets better."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from negprep.learning.gmf import Factors, Integers, scores
from negprep.learning.pools import Pools
from negprep.seen import Seen

AT = 10
N_CANDIDATES = 99
N_USERS = 2_000
MIN_POSITIVES = 3


def hold_aside(users: Integers, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Which positives to hold aside: bool, shape (n,).

    One at random of each of ``N_USERS`` users at random (or all) who have at least ``MIN_POSITIVES``.
    """
    order = random.permutation(len(users))
    _, places, counts = np.unique(users[order], return_index=True, return_counts=True)
    enough = random.permutation(np.flatnonzero(counts >= MIN_POSITIVES))[:N_USERS]
    mask = np.zeros(len(users), bool)
    mask[order[places[enough]]] = True
    return mask


def without(seen: Seen, users: Integers, items: Integers) -> Seen:
    """``seen`` without some of its pairs, so that these may be drawn like everything that a user has not met."""
    packed = np.repeat(np.arange(seen.n_users), np.diff(seen.starts)) * seen.n_items + seen.items
    kept = ~np.isin(packed, users * np.int64(seen.n_items) + items)
    ends = np.concatenate([[0], np.cumsum(kept)])
    return Seen(ends[seen.starts], seen.items[kept], seen.n_items)


class Validation:
    """Questions for the recommender: a positive held aside among 99 eligible items each, the same in every epoch.

    Parameters
    ----------
    users, positives : int64, shape (n,)
    pools : Pools
        Of what is seen with the positives held aside.
    """

    def __init__(self, users: Integers, positives: Integers, pools: Pools) -> None:
        self._users = users
        self._items = np.column_stack([positives, pools.draw(users, N_CANDIDATES, 0).items])

    def ndcg(self, model: Factors) -> float:
        """NDCG at 10; ties count against the positive. 0 without questions."""
        if not len(self._users):
            return 0.0
        found: npt.NDArray[np.floating[Any]] = scores(model, self._users, self._items)
        ranks = (found[:, 1:] >= found[:, :1]).sum(axis=1)
        return float(np.where(ranks < AT, 1 / np.log2(ranks + 2), 0).mean())
