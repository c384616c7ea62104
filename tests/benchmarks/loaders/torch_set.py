"""A plain PyTorch data set with a set for each user, collated by the DataLoader: torch_set.py LOG SECONDS."""

import random
import sys
from collections import defaultdict

from pace import BATCH, K, read, take
from torch.utils.data import DataLoader, Dataset


class Rows(Dataset):
    """A positive, or one of its negatives."""

    def __init__(self, users, items):
        self.users, self.items, self.n_items = users, items, int(items.max()) + 1
        self.seen = defaultdict(set)
        for user, item in zip(users.tolist(), items.tolist(), strict=True):
            self.seen[user].add(item)

    def __len__(self):
        return len(self.users) * (1 + K)

    def __getitem__(self, row):
        place, nth = divmod(row, 1 + K)
        user, item = int(self.users[place]), int(self.items[place])
        if nth:
            item = random.randrange(self.n_items)
            while item in self.seen[user]:
                item = random.randrange(self.n_items)
        return user, item, int(nth == 0)


log, seconds = sys.argv[1], float(sys.argv[2])
known = read(log)
take(DataLoader(Rows(*known), batch_size=BATCH, shuffle=True), seconds, known)
