"""Rows of candidates are cut into the lists that a plain loop over users finds."""

from __future__ import annotations

import random
from itertools import groupby

import numpy as np
import pytest

from negprep.read.prepared import candidate_lists


def by_hand(users, labels, full):
    """For each user the lists as (first row, labels)."""
    found = []
    for _, rows in groupby(range(len(users)), key=lambda row: users[row]):
        rows = list(rows)
        positives = sum(labels[row] for row in rows) or 1
        if len(rows) % positives or (full is not None and positives > 1 and len(rows) != positives * full):
            positives = 1
        size = len(rows) // positives
        found.append([(rows[at], [labels[row] for row in rows[at : at + size]]) for at in range(0, len(rows), size)])
    return found


@pytest.mark.parametrize("full", [None, 3])
def test_lists_are_those_of_a_loop(full):
    chance = random.Random(7)
    for _ in range(400):
        users = [user for user in range(chance.randint(0, 5)) for _ in range(chance.choice([1, 2, 3, 6, 9]))]
        labels = [int(chance.random() < 0.4) for _ in users]
        found = candidate_lists(np.array(users, np.int32), np.array(labels, bool), full=full)
        wanted = by_hand(users, labels, full)
        assert found.starts.tolist() == [*(first for mine in wanted for first, _ in mine), len(users)]
        assert found.positives.tolist() == [sum(part) for mine in wanted for _, part in mine]
        assert found.owners.tolist() == [at for at, mine in enumerate(wanted) for _ in mine]
        assert found.first_rows.tolist() == [mine[0][0] for mine in wanted]
        assert found.clear.tolist() == [all(sum(part) == 1 for _, part in mine) for mine in wanted]
        assert found.of_rows.tolist() == np.repeat(np.arange(len(found.positives)), np.diff(found.starts)).tolist()
