"""Positives laid aside from the train part, and how well a model ranks them among all items."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from negprep.arrays import Factors, Mask, Positions
from negprep.encode.pairs import Pairs

AT = 10
N_USERS = 2_000
MIN_POSITIVES = 3

_BLOCK_SCORES = 1 << 22
"""Scores at a time: 16 MB."""

_SUMMED = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(AT) + 2))])
"""What the first places are worth together, from none to ``AT``."""


def lay_aside(positives: Pairs) -> Mask:
    """Which train positives to lay aside: bool, shape (n_pairs,).

    One at random of each of ``N_USERS`` users at random (or all) who have at least ``MIN_POSITIVES``, but none of an
    item that would have no other left: every user and item with a positive keeps one. The log alone decides, so that
    models of any kind and seed are measured on the same.
    """
    random = np.random.default_rng(0)
    users = random.permutation(np.flatnonzero(positives.counts >= MIN_POSITIVES))[:N_USERS]
    places = positives.starts[users] + random.integers(0, positives.counts[users])
    items = positives.items[places]
    size = int(positives.items.max(initial=-1)) + 1
    left = np.bincount(positives.items, minlength=size) - np.bincount(items, minlength=size)
    mask = np.zeros(len(positives), bool)
    mask[places[left[items] > 0]] = True
    return mask


def ndcg(above: Positions, tied: Positions) -> float:
    """The mean NDCG at ``AT`` of items with so many others above them, and so many of the same score: shape (n,).

    Each of the places that ties leave open is equally likely. 0 without items.
    """
    begins, ends = np.minimum(above, AT), np.minimum(above + tied + 1, AT)
    return float(((_SUMMED[ends] - _SUMMED[begins]) / (tied + 1)).sum() / max(len(above), 1))


@dataclass(frozen=True, eq=False)
class FullRanking:
    """Users who are asked for one item each, among all items but their other train positives.

    ``users``, ``items``: integers, shape (n,). Distinct users, ascending, and the item laid aside for each.
    ``train``: What is learnt from, of all users.
    ``n_items``: Of the log.
    """

    users: npt.NDArray[np.integer]
    items: npt.NDArray[np.integer]
    train: Pairs
    n_items: int

    @classmethod
    def of(cls, positives: Pairs, aside: Mask, n_items: int) -> FullRanking:
        """The questions about the positives ``aside``, bool of shape (n_pairs,)."""
        asked = positives.where(aside)
        return cls(asked.users(), asked.items, positives.where(~aside), n_items)

    def __len__(self) -> int:
        return len(self.users)

    def of_model(self, users: Factors, items: Factors, bias: Factors | None = None) -> float:
        """NDCG at ``AT`` of the scores x(u) . y(j) + b(j).

        ``users``: float32, shape (n, n_factors). Of those asked.
        ``items``: float32, shape (n_items, n_factors).
        ``bias``: float32, shape (n_items,). Minus infinity for an item that the model does not know.
        """
        bias = np.zeros(len(items), np.float32) if bias is None else bias
        wanted = np.einsum("nf,nf->n", users, items[self.items]) + bias[self.items]
        above, tied = np.zeros(len(self), np.int64), np.zeros(len(self), np.int64)
        rows, others = self._excluded
        step = max(1, _BLOCK_SCORES // max(len(self), 1))
        for first in range(0, len(items), step):
            scores = users @ items[first : first + step].T + bias[first : first + step]
            begin, end = np.searchsorted(others, (first, first + step))
            scores[rows[begin:end], others[begin:end] - first] = -np.inf
            above += (scores > wanted[:, None]).sum(axis=1)
            tied += ((scores == wanted[:, None]) & np.isfinite(scores)).sum(axis=1)
        return ndcg(above, tied)

    def of_most_popular(self) -> float:
        """NDCG at ``AT`` of the items with the most train positives first: the same order for everybody."""
        counts = np.bincount(self.train.items, minlength=self.n_items)
        ordered, wanted = np.sort(counts), counts[self.items]
        above = len(counts) - np.searchsorted(ordered, wanted, side="right")
        tied = np.searchsorted(ordered, wanted, side="right") - np.searchsorted(ordered, wanted)
        rows, others = self._excluded
        known = counts[others]
        above -= np.bincount(rows, known > wanted[rows], minlength=len(self)).astype(np.int64)
        tied -= np.bincount(rows, known == wanted[rows], minlength=len(self)).astype(np.int64)
        return ndcg(above, tied)

    @cached_property
    def _excluded(self) -> tuple[Positions, Positions]:
        """What is not ranked: who is asked, by number, and the item, ascending; their train positives, and itself."""
        counts = self.train.counts[self.users]
        rows = np.repeat(np.arange(len(self)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        items = self.train.items[self.train.starts[self.users][rows] + within]
        rows, items = np.append(rows, np.arange(len(self))), np.append(items, self.items)
        order = np.argsort(items, kind="stable")
        return rows[order], items[order].astype(np.int64)
