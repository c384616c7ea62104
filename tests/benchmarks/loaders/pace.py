"""What all loaders share: a log's columns, and the pace of batches."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pyarrow.parquet as pq

K, BATCH = 4, 8192
CHECKED = 200
"""Batches whose negatives are looked up, once the time is taken."""


def read(path):
    """The users and the items of a log: int64, shape (n,)."""
    table = pq.read_table(path, columns=["userId", "movieId"])
    return tuple(table[name].to_numpy().astype(np.int64) for name in ("userId", "movieId"))


def take(batches, seconds, known):
    """Take batches for some seconds, and print their rows a second and how many negatives are positives of their user.

    A batch is its users and items, and labels or None where all items are negatives; of lists the users are (n,), the
    items (n, k). The first batch, for which a loader gets ready, is not counted. ``known`` are the train positives: two
    arrays of users and items.
    """
    kept, rows = [], 0
    began = time.perf_counter()
    iterator = iter(batches)
    next(iterator)
    ready = time.perf_counter()
    cpu = time.process_time()
    for taken, (users, items, labels) in enumerate(iterator):
        rows += items.numel() if hasattr(items, "numel") else items.size
        if taken < CHECKED:
            kept.append((users, items, labels))
        if time.perf_counter() - ready > seconds:
            break
    spent, used = time.perf_counter() - ready, time.process_time() - cpu
    pairs = np.unique((known[0] << 32) | known[1])
    wrong = drawn = 0
    for users, items, labels in kept:
        users, items = np.asarray(users).astype(np.int64), np.asarray(items).astype(np.int64)
        if items.ndim == 2:
            users = np.repeat(users, items.shape[1])
        packed = (users << 32) | items.reshape(-1)
        if labels is not None:
            packed = packed[np.asarray(labels) == 0]
        drawn += len(packed)
        wrong += int((pairs[np.searchsorted(pairs, packed).clip(max=len(pairs) - 1)] == packed).sum())
    facts = {"rows": rows, "seconds": spent, "cpu": used, "ready": ready - began, "wrong": wrong, "drawn": drawn}
    sys.stdout.write(json.dumps(facts) + "\n")
