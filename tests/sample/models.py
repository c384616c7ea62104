"""Small logs and models for the samplers that draw by scores."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from negprep.arrow import from_numpy
from negprep.encode.vocabulary import Vocabulary
from negprep.model_file import Model, write_model


def vocabulary(ids):
    return Vocabulary(from_numpy(np.asarray(ids, np.int64)))


def a_model(n_users, n_items, *, kind="own", n_factors=6, seed=0, bias=False, h=False, users=None, items=None):
    """Random factors; ``users`` and ``items`` are ids, by default those from 0."""
    random = np.random.default_rng(seed)

    def normal(*shape):
        return random.normal(size=shape).astype(np.float32)

    users = range(n_users) if users is None else users
    items = range(n_items) if items is None else items
    return Model(
        kind,
        vocabulary(users),
        vocabulary(items),
        normal(len(users), n_factors),
        normal(len(items), n_factors),
        normal(len(items)) if bias else None,
        normal(n_factors) if h else None,
    )


def true_scores(model):
    """Of all users and items of the model, in float64: shape (n_users, n_items)."""
    weights = np.ones(model.n_factors) if model.h is None else model.h.astype(float)
    scores = (model.user_factors.astype(float) * weights) @ model.item_factors.astype(float).T
    return scores if model.item_bias is None else scores + model.item_bias.astype(float)


def a_log(n_users, n_items, each, *, seed=1):
    """Users with as many different items each, of which all users together have all."""
    random = np.random.default_rng(seed)
    rows = [(user, item) for user in range(n_users) for item in random.permutation(n_items)[:each]]
    rows += [(n_users, item) for item in range(n_items)]  # one has them all, so that the catalog is whole
    users, items = np.array(rows).T
    return pa.table({"user": users, "item": items, "time": random.permutation(len(users))})


def written(model, folder, name="model.npz"):
    write_model(str(folder / name), model)
    return folder / name


def write_log(log, path):
    pq.write_table(log, path)
    return path
