"""The loop of the textbooks: a set of items for each user, and random items until one is not in it."""

import random
import sys
from collections import defaultdict

import numpy as np
import pyarrow.parquet as pq
from rows import last_of_each, write

log, train, test = sys.argv[1:]
table = pq.read_table(log, columns=["userId", "movieId", "timestamp"])
users, items = table["userId"].to_numpy(), table["movieId"].to_numpy()
catalog = np.unique(items).tolist()
seen = defaultdict(set)
for user, item in zip(users.tolist(), items.tolist(), strict=True):
    seen[user].add(item)
random.seed(0)


def repeats(begin, end):
    """Four for each positive; one may come twice."""
    drawn = []
    for user in users[begin:end].tolist():
        mine = seen[user]
        for _ in range(4):
            item = random.choice(catalog)
            while item in mine:
                item = random.choice(catalog)
            drawn.append(item)
    return np.array(drawn).reshape(-1, 4)


def distinct(begin, end):
    """Ninety-nine that differ."""
    drawn = []
    for user in users[held[begin:end]].tolist():
        mine, candidates = seen[user], set()
        while len(candidates) < 99:
            item = random.choice(catalog)
            if item not in mine:
                candidates.add(item)
        drawn.append(list(candidates))
    return np.array(drawn)


write(train, users, items, repeats, 4)
held = last_of_each(users, table["timestamp"].to_numpy())
write(test, users[held], items[held], distinct, 99)
