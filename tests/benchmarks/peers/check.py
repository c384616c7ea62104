"""Count what is wrong with the negatives of two files, by code that shares nothing with any sampler.

check.py LOG TRAIN TEST    prints: negatives of train that are positives, those of test, duplicates, missing rows
"""

import sys

import numpy as np
import pyarrow.parquet as pq


def pairs(table, user, item):
    """User and item in one number, sorted."""
    packed = (table[user].to_numpy().astype(np.int64) << 32) | table[item].to_numpy()
    packed.sort()
    return packed


def negatives(path):
    """The negatives of a file, a row group at a time: sorted pairs."""
    file = pq.ParquetFile(path)
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=["user", "item", "label"])
        yield pairs(table.filter(np.equal(table["label"].to_numpy(), 0)), "user", "item")


def distinct(ascending):
    """Each value once. (np.unique hashes integers, which takes ten times as long.)"""
    return ascending[np.flatnonzero(np.diff(ascending, prepend=-1))]


def wrong(path):
    """Negatives that are positives of their user."""
    return sum(
        int((positives[np.searchsorted(positives, drawn).clip(max=len(positives) - 1)] == drawn).sum())
        for drawn in negatives(path)
    )


log, train, test = sys.argv[1:]
positives = distinct(pairs(pq.read_table(log, columns=["userId", "movieId"]), "userId", "movieId"))
users = len(distinct(positives >> 32))
of_test = np.sort(np.concatenate(list(negatives(test))))
duplicates = len(of_test) - len(distinct(of_test))
missing = 5 * len(positives) + 100 * users - sum(pq.read_metadata(path).num_rows for path in (train, test))
print(wrong(train), wrong(test), duplicates, missing)
