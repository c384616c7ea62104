"""Small random logs, the same on every machine: Python's Mersenne Twister at fixed seeds decides, never numpy."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa

Row = tuple[Any, Any, int]


def random_rows(
    seed: int, *, users: int = 30, items: int = 40, most: int = 12, times: int = 8, duplicates: float = 0.2
) -> list[Row]:
    """(user, item, time) rows: users of 1 to ``most`` items, few distinct times (ties), some pairs twice, shuffled."""
    chance = random.Random(seed)
    rows = []
    for user in range(users):
        for item in chance.sample(range(items), chance.randint(1, most)):
            for _ in range(1 + (chance.random() < duplicates)):
                rows.append((user * 7 - 3, item * 3 + 100, chance.randrange(times)))  # noqa: PERF401
    chance.shuffle(rows)
    return rows


def as_table(rows: list[Row], ids: Any = lambda given: given) -> pa.Table:
    """An Arrow table of (user, item, time) rows."""
    return pa.table(
        {
            "user": [ids(row[0]) for row in rows],
            "item": [ids(row[1]) for row in rows],
            "time": [row[2] for row in rows],
        }
    )


def log_of(seen: dict[Any, list[Any]], padding: range | None = None) -> pa.Table:
    """A log in which each user has the items named, at times that ascend; ``padding`` adds a user who has those."""
    pairs = [(user, item, time) for user, items in seen.items() for time, item in enumerate(items)]
    if padding is not None:
        pairs += [(-1, item, time) for time, item in enumerate(padding)]
    return as_table(pairs)
