"""The items among which the sampler chooses: some that the user was not exposed to, some that the user was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from negprep.learning.gmf import Integers
from negprep.seen import Seen, SeenBlock


@dataclass(frozen=True, eq=False)
class Pool:
    """The candidates of some positives.

    Attributes
    ----------
    items : int64, shape (n, size)
    is_exposed : bool, shape (n, size)
    """

    items: Integers
    is_exposed: npt.NDArray[np.bool_]


class Pools:
    """Draws pools.

    Parameters
    ----------
    seen : Seen
        What uniform candidates avoid: the positives, the exposures, and what else is excluded.
    exposures : Seen
        What each user was exposed to; within ``seen``, without positives.
    random : numpy.random.Generator
    """

    def __init__(self, seen: Seen, exposures: Seen, random: np.random.Generator) -> None:
        self._seen, self._exposures, self._random = SeenBlock(seen, 0, seen.n_users), exposures, random
        self._n_eligible, self._n_exposed = seen.eligible, np.diff(exposures.starts)
        self.has_exposures = self._n_exposed > 0
        self.can_draw = self.has_exposures | (self._n_eligible > 0)

    def draw(self, users: Integers, size: int, exposed: int) -> Pool:
        """``size`` candidates for each of ``users``, shape (n,), who must be ones that ``can_draw``.

        The last ``exposed`` are uniform among the user's exposures, or eligible items where there are none; the others
        are uniform among the eligible items, or exposures where there are none. All draws are independent: an item may
        be a candidate twice.
        """
        of_exposures = np.zeros((len(users), size), bool)
        of_exposures[:, size - exposed :] = self.has_exposures[users, None]
        of_exposures[self._n_eligible[users] == 0] = True
        rows, places = np.nonzero(of_exposures)
        limits = np.broadcast_to(self._n_eligible[users, None], of_exposures.shape).copy()
        limits[rows, places] = self._n_exposed[users[rows]]
        ranks = self._random.integers(0, limits)
        chosen = self._exposures.items[self._exposures.starts[users[rows]] + ranks[rows, places]]
        ranks[rows, places] = 0
        items = self._seen.select_by_search(np.repeat(users, size), ranks.reshape(-1)).reshape(ranks.shape)
        items[rows, places] = chosen
        return Pool(items, of_exposures)

    def exposure(self, users: Integers) -> Integers:
        """One item for each user, of their exposures, or eligible where there are none: int64, shape (n,)."""
        return self.draw(users, 1, 1).items[:, 0]

    def eligible(self, users: Integers) -> Integers:
        """One eligible item for each user, or of their exposures where there are none: int64, shape (n,)."""
        return self.draw(users, 1, 0).items[:, 0]
