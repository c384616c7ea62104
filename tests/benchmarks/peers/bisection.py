"""As TensorFlow's NCF pipeline draws: a rank among the user's eligible items, found by bisection in its positives."""

import sys

import numpy as np
import pyarrow.parquet as pq
from rows import last_of_each, write

log, train, test = sys.argv[1:]
table = pq.read_table(log, columns=["userId", "movieId", "timestamp"])
user_ids, users = np.unique(table["userId"].to_numpy(), return_inverse=True)
item_ids, items = np.unique(table["movieId"].to_numpy(), return_inverse=True)
times = table["timestamp"].to_numpy()
order = np.argsort(users * len(item_ids) + items)
users, items, times = users[order], items[order], times[order]
starts = np.searchsorted(users, np.arange(len(user_ids) + 1))
random = np.random.default_rng(0)


def sampler(groups, num_neg):
    """What draws for a part of the groups."""

    def draw(begin, end):
        user = np.repeat(groups[begin:end], num_neg)
        first, size = starts[user], starts[user + 1] - starts[user]
        rank = random.integers(0, len(item_ids) - size)
        low, high = np.zeros_like(size), size.copy()
        while (low < high).any():  # how many positives have at most `rank` eligible items below them
            middle = np.minimum((low + high) // 2, size - 1)
            before = items[first + middle] - middle <= rank
            low, high = (
                np.where(before & (low < high), middle + 1, low),
                np.where(before, high, np.minimum(middle, high)),
            )
        return item_ids[rank + low].reshape(-1, num_neg)

    return draw


write(train, user_ids[users], item_ids[items], sampler(users, 4), 4)
held = last_of_each(users, times)
write(test, user_ids[users[held]], item_ids[items[held]], sampler(users[held], 99), 99)
