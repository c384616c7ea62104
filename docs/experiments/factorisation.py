"""Matrix factorisation in numpy, small enough to be read: a dot product of factors, and a bias for each item.

One row of training is a user, a positive and k negatives. Adagrad on mini-batches, with two losses:

- ``bpr``: the mean over the negatives of -log sigmoid(s(u, i) - s(u, j)). Rendle et al., UAI 2009.
- ``softmax``: -log of the softmax share of the positive among itself and its negatives, of the scores or, if
  log-probabilities are given, of the scores minus these (the logQ correction). Bengio and Senecal, IEEE TNN 2008.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters.

    Attributes
    ----------
    factors, epochs, batch : int
    rate, penalty : float
        The step of Adagrad, and the weight of the squared factors that a row touches.
    """

    factors: int = 32
    epochs: int = 20
    batch: int = 2048
    rate: float = 0.1
    penalty: float = 0.01


@dataclass(frozen=True)
class Draws:
    """The rows of an epoch.

    Attributes
    ----------
    users, positives : int64, shape (n,)
    negatives : int64, shape (n, k)
    log_q : float32, shape (n, 1 + k), or None
        Of the positive and of each negative.
    """

    users: Codes
    positives: Codes
    negatives: Codes
    log_q: Floats | None = None


class Factorisation:
    """The model, and how it learns.

    Parameters
    ----------
    n_users, n_items : int
    settings : Settings
    seed : int
        Decides the factors to begin with and the order of rows.
    """

    def __init__(self, n_users: int, n_items: int, settings: Settings, *, seed: int) -> None:
        self._settings, self._random = settings, np.random.default_rng(seed)
        self.users = self._random.normal(0, 0.1, (n_users, settings.factors)).astype(np.float32)
        # The last column of the items is the bias; that of the users is 1 and stays so.
        self.items = self._random.normal(0, 0.1, (n_items, settings.factors + 1)).astype(np.float32)
        self.items[:, -1] = 0
        self._user_squares, self._item_squares = np.full_like(self.users, 1e-3), np.full_like(self.items, 1e-3)

    def scores(self, users: Codes) -> Floats:
        """The score of every item: float32, shape (len(users), n_items)."""
        scores: Floats = self.users[users] @ self.items[:, :-1].T + self.items[:, -1]
        return scores

    def learn(self, draws: Draws, loss: str) -> None:
        """Go through the rows once, in random order."""
        order = self._random.permutation(len(draws.users))
        for start in range(0, len(order), self._settings.batch):
            self._step(draws, order[start : start + self._settings.batch], loss)

    def _step(self, draws: Draws, rows: Codes, loss: str) -> None:
        users = draws.users[rows]
        items = np.column_stack([draws.positives[rows], draws.negatives[rows]])
        of_user, of_items = self.users[users], self.items[items]
        scores = np.einsum("nf,nkf->nk", of_user, of_items[:, :, :-1]) + of_items[:, :, -1]
        if loss == "softmax":
            logits = scores if draws.log_q is None else scores - draws.log_q[rows]
            shares = np.exp(logits - logits.max(axis=1, keepdims=True))
            slopes = shares / shares.sum(axis=1, keepdims=True)
            slopes[:, 0] -= 1
        else:
            lost = 1 / (1 + np.exp(scores[:, :1] - scores[:, 1:])) / (scores.shape[1] - 1)
            slopes = np.column_stack([-lost.sum(axis=1), lost])
        penalty = np.float32(self._settings.penalty)
        user_slopes = np.einsum("nk,nkf->nf", slopes, of_items[:, :, :-1]) + penalty * of_user
        one = np.ones((len(rows), 1), np.float32)
        item_slopes = slopes[:, :, None] * np.column_stack([of_user, one])[:, None, :] + penalty * of_items
        self._descend(self.users, self._user_squares, users, user_slopes)
        self._descend(self.items, self._item_squares, items.reshape(-1), item_slopes.reshape(items.size, -1))

    def _descend(self, values: Floats, squares: Floats, codes: Codes, slopes: Floats) -> None:
        """One step of Adagrad on the rows ``codes``; the slopes of a row that occurs again are added up."""
        order = np.argsort(codes, kind="stable")
        ordered = codes[order]
        starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        total, changed = np.add.reduceat(slopes[order], starts, axis=0), ordered[starts]
        squares[changed] += total * total
        values[changed] -= self._settings.rate * total / np.sqrt(squares[changed])
