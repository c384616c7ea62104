"""Rows of (user, group, item, label, score), and tables of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

NAMES = ("user", "group", "item", "label", "score")


def as_table(rows, *names):
    """A table of some columns of the rows."""
    columns = dict(zip(NAMES, zip(*rows, strict=True), strict=True))
    return pa.table({name: list(columns[name]) for name in names or ("user", "item", "label", "score")})


@pytest.fixture
def table():
    return as_table


@pytest.fixture
def scored():
    """Makes rows: users with some lists each, of k negatives, and scores from a function of (generator, size)."""

    def make(users=50, lists=1, k=99, score=lambda rng, size: rng.normal(size=size), seed=0):
        rng = np.random.default_rng(seed)
        rows = []
        for user in range(users):
            for group in range(lists):
                slot = int(rng.integers(k + 1))
                scores = score(rng, k + 1)
                items = rng.permutation(10 * k + 10)[: k + 1]
                rows += [
                    (user, group, int(items[place]), int(place == slot), float(scores[place])) for place in range(k + 1)
                ]
        return rows

    return make
