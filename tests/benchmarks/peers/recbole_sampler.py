"""RecBole's sampler, called as its loaders call it: a batch of positives in train, one user at a time in test (uni99).

What it takes of a data set is handed over as tensors; RecBole itself would read and write the log as text before.
"""

import sys
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import torch
from recbole.sampler import Sampler
from rows import last_of_each, write

log, train, test = sys.argv[1:]
table = pq.read_table(log, columns=["userId", "movieId", "timestamp"])
users, items = table["userId"].to_numpy(), table["movieId"].to_numpy()
ids, codes = np.unique(items, return_inverse=True)
positives = {"user_id": torch.from_numpy(users), "item_id": torch.from_numpy(codes + 1)}  # 0 pads
data = SimpleNamespace(
    uid_field="user_id",
    iid_field="item_id",
    user_num=int(users.max()) + 1,
    item_num=len(ids) + 1,
    inter_feat=positives,
)
np.random.seed(0)
sampler = Sampler(["all"], [data], "uniform").set_phase("all")


def in_batches(begin, end):
    """Four for each positive of a batch: RecBole gives the first of all, then the second of all, ..."""
    return ids[sampler.sample_by_user_ids(users[begin:end], codes[begin:end], 4).numpy().reshape(4, -1).T - 1]


def by_user(begin, end):
    """Ninety-nine for each user, which RecBole does not ask to differ."""
    drawn = [
        sampler.sample_by_user_ids(users[row : row + 1], codes[row : row + 1], 99).numpy() for row in held[begin:end]
    ]
    return ids[np.stack(drawn) - 1]


write(train, users, items, in_batches, 4)
held = last_of_each(users, table["timestamp"].to_numpy())
write(test, users[held], items[held], by_user, 99)
