"""LensKit's Rust sampler: rejection, up to ten attempts."""

import sys

import numpy as np
import pyarrow.parquet as pq
from lenskit.data import DatasetBuilder
from rows import last_of_each, write

log, train, test = sys.argv[1:]
table = pq.read_table(log, columns=["userId", "movieId", "timestamp"])
builder = DatasetBuilder()
pairs = table.select(["userId", "movieId"]).rename_columns(["user_id", "item_id"])
builder.add_interactions("click", pairs, entities=["user", "item"], missing="insert", default=True)
data = builder.build()
matrix = data.interactions().matrix()
user_ids, item_ids = data.users.ids(), data.items.ids()
random = np.random.default_rng(0)


def sampler(rows, num_neg):
    """What draws for a part of the rows."""
    return lambda begin, end: item_ids[matrix.sample_negatives(rows[begin:end], n=num_neg, rng=random)]


users, items = table["userId"].to_numpy(), table["movieId"].to_numpy()
rows = data.users.numbers(users).astype(np.int32)
write(train, users, items, sampler(rows, 4), 4)
held = last_of_each(users, table["timestamp"].to_numpy())
write(test, users[held], items[held], sampler(rows[held], 99), 99)
