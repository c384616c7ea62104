"""Positives drawn with replacement, as BPR learns from them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from negprep.draw import bounded, purpose_key

_BLOCK_POSITIVES = 1 << 24
"""Positives whose draws are counted at a time: every block goes through all draws again, and takes memory."""

_CHUNK_DRAWS = 1 << 18


class Bootstrap:
    """How often each positive of a log is drawn, asked for in their order.

    Parameters
    ----------
    seed, epoch : int
    n_draws : int
        At most 2**32.
    n_positives : int
        Of all users: draw ``d`` takes the one at a random place among them, in the order of users and items.
    """

    def __init__(self, seed: int, epoch: int, n_draws: int, n_positives: int) -> None:
        self._key = purpose_key(seed, "bootstrap", epoch)
        self._n_draws, self._n_positives = n_draws, n_positives
        self._given = 0
        self._begin, self._counts = 0, np.empty(0, np.int32)

    def next(self, n_positives: int) -> npt.NDArray[np.int32]:
        """Draws of each of the next positives: int32, shape (n_positives,)."""
        begin, end = self._given, self._given + n_positives
        if end > self._begin + len(self._counts):
            self._begin = begin
            self._counts = self._count(begin, min(self._n_positives, max(end, begin + _BLOCK_POSITIVES)))
        self._given = end
        return self._counts[begin - self._begin : end - self._begin]

    def _count(self, begin: int, end: int) -> npt.NDArray[np.int32]:
        counts = np.zeros(end - begin, np.int32)
        for first in range(0, self._n_draws, _CHUNK_DRAWS):
            draws = np.arange(first, min(first + _CHUNK_DRAWS, self._n_draws))
            places = bounded(self._key, np.array([self._n_positives]), draws, attempt=0)
            places = places[(places >= begin) & (places < end)] - begin
            np.add.at(counts, places, 1)
        return counts
