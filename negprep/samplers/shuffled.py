"""The head of a shuffle: different ranks where nearly all there are will be drawn."""

from __future__ import annotations

import numpy as np

from negprep.draw import Words, word
from negprep.seen import Positions

SHUFFLE_WORDS = 1 << 63
"""First word of a shuffle: rank r has this one plus r. Draw d has lower ones, d + a * 2**32 at attempt a."""


def shuffled_ranks(keys: Words, counts: Positions, num_neg: int) -> Positions:
    """The first num_neg of the ranks below each count in random order: int64, (num_neg, n_keys), padded by -1."""
    ranks = np.arange(counts.max(initial=0))
    heads = np.full((num_neg, len(keys)), -1)
    if not ranks.size:
        return heads
    words = word(keys[:, None], SHUFFLE_WORDS + ranks.astype(np.uint64))
    words[ranks >= counts[:, None]] = np.iinfo(np.uint64).max
    order = np.argsort(words, axis=1, kind="stable")[:, :num_neg]
    heads[: order.shape[1]] = np.where(np.arange(order.shape[1]) < counts[:, None], order, -1).T
    return heads
