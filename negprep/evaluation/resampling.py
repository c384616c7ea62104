"""Bootstrap intervals over users: each resample draws as many users as there are, with replacement."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from negprep.draw import bounded, purpose_key, word
from negprep.evaluation.ranks import Floats

LEVEL = 0.95

Kinds = npt.NDArray[np.int64]


def resamples(kinds: Kinds, n_kinds: int, number: int, seed: int) -> Iterator[Floats]:
    """How often each kind of user is drawn, in each resample.

    Parameters
    ----------
    kinds : int64, shape (n_users,)
        Users of one kind have the same lists.
    n_kinds : int
    number : int
        Of resamples.
    seed : int

    Yields
    ------
    float64, shape (n_kinds,)
        Shares, with sum 1. Draw d of resample b is integer d below n_users of the key number b of the purpose; users
        count in ascending order of their ids.
    """
    n_users = len(kinds)
    limit, draws = np.array([n_users]), np.arange(n_users, dtype=np.int64)
    for key in word(purpose_key(seed, "evaluate"), np.arange(number)):
        drawn = bounded(np.array([key]), limit, draws, 0)
        yield np.bincount(kinds[drawn], minlength=n_kinds) / n_users


def interval(values: Floats) -> tuple[Floats, Floats]:
    """The percentiles between which `LEVEL` of the resamples lie: values of shape (n_resamples, n), ends of (n,)."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail], axis=0)
    return low, high
