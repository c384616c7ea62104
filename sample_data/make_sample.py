"""Make the sample data: a small shop's log, as CSV and Parquet, and its catalog.

Run ``python sample_data/make_sample.py [FOLDER]``; the folder is that of this script where none is given. Every run, on
every machine, makes the same rows: only `random.Random.random`, whose numbers Python promises to keep, decides them.
"""

from __future__ import annotations

import bisect
import csv
import itertools
import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 60_000
USERS = 1_000
ITEMS = 600  # in the log; the catalog also holds UNSOLD items that nobody has met
UNSOLD = 40
ONE_ITEM_USER, NEARLY_ALL_USER = 1_000, 1_001
FIRST_USER, FIRST_ITEM = 1_000, 10
MISSED_BY_NEARLY_ALL = 5  # items of the log that NEARLY_ALL_USER has not met
CATEGORIES = ("books", "films", "games", "garden", "kitchen", "music", "sports", "tools")
START, DAYS = 1_704_067_200, 180  # 2024-01-01T00:00:00Z
SESSION_ROWS = 8


class Row(NamedTuple):
    """One interaction; the time in seconds since 1970."""

    user: int
    item: int
    event: str
    value: int
    time: int


class LongTail:
    """Draws positions 0 to n - 1, position r with weight 1 / (r + offset)."""

    def __init__(self, n: int, offset: float) -> None:
        self._cumulative = list(itertools.accumulate(1 / (rank + offset) for rank in range(n)))

    def draw(self, random: Random) -> int:
        """Return one position."""
        return bisect.bisect_right(self._cumulative, random.random() * self._cumulative[-1])


def below(n: int, random: Random) -> int:
    """Return a whole number from 0 to n - 1."""
    return int(random.random() * n)


def shuffled(values: list[int], random: Random) -> list[int]:
    """Return the values in random order."""
    keyed = sorted((random.random(), value) for value in values)
    return [value for _, value in keyed]


def log_rows() -> list[Row]:
    """Return the log in the order of time, ROWS interactions."""
    random = Random(20_240_101)
    items = shuffled(list(range(FIRST_ITEM, FIRST_ITEM + ITEMS)), random)  # popular first, in no order of ids
    users = shuffled([FIRST_USER + i for i in range(USERS) if FIRST_USER + i > NEARLY_ALL_USER], random)
    rows = list(session(ONE_ITEM_USER, [items[0]], random))
    popularity, activity = LongTail(ITEMS, 12), LongTail(len(users), 25)
    nearly_all = items[: ITEMS - MISSED_BY_NEARLY_ALL]
    for start in range(0, len(nearly_all), SESSION_ROWS):
        rows += session(NEARLY_ALL_USER, nearly_all[start : start + SESSION_ROWS], random)
    for user in users:  # everyone is there at least once, and so is every item
        rows += session(user, [items[user % ITEMS], items[popularity.draw(random)]], random)
    while len(rows) < ROWS:
        visited = [items[popularity.draw(random)] for _ in range(1 + below(SESSION_ROWS, random))]
        rows += session(users[activity.draw(random)], visited, random)
    return sorted(rows[:ROWS], key=lambda row: (row.time, row.user))


def session(user: int, items: list[int], random: Random) -> Iterator[Row]:
    """Yield what a user did in one visit: every row has the time of the visit, so that ties abound."""
    time = START + below(DAYS * 24 * 60, random) * 60
    for item in items:
        liking = random.random()
        event = "purchase" if liking > 0.9 else "cart" if liking > 0.75 else "view"
        value = 1 + int(min(liking * 0.7 + random.random() * 0.5, 0.999) * 5)
        yield Row(user, item, event, value, time)


def catalog_rows() -> list[tuple[int, str]]:
    """Return every item with its category, those that nobody has met included."""
    random = Random(20_240_102)
    items = range(FIRST_ITEM, FIRST_ITEM + ITEMS + UNSOLD)
    return [(item, CATEGORIES[below(len(CATEGORIES), random)]) for item in items]


def write(folder: Path) -> None:
    """Write log.csv, log.parquet and catalog.csv."""
    rows = log_rows()
    write_csv(folder / "log.csv", Row._fields, rows)
    write_csv(folder / "catalog.csv", ("item", "category"), catalog_rows())
    arrays = [pa.array(list(column)) for column in zip(*rows, strict=True)]
    pq.write_table(pa.Table.from_arrays(arrays, names=list(Row._fields)), folder / "log.parquet", compression="zstd")


def write_csv(path: Path, header: tuple[str, ...], rows: list[Row] | list[tuple[int, str]]) -> None:
    """Write a CSV file with the line ends of Unix."""
    with path.open("w", newline="", encoding="ascii") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
