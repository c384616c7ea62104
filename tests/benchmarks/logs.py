"""Random logs of the size and shape of real ones, the same for the same numpy: the benchmarks run on these.

python tests/benchmarks/logs.py [NAME ...] [--format parquet|csv]     write logs to build/bench, unless they are there
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

FOLDER = Path(__file__).parents[2] / "build" / "bench"
_SLICE_ROWS = 1 << 20
_YEARS = 5 * 365 * 86_400
_FIRST_SECOND = 1_300_000_000


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a log looks like.

    Attributes
    ----------
    users, items, rows : int
        Exact: every user and every item occurs, no pair twice.
    fewest, most : int
        Rows of a user.
    spread : float
        Sigma of the log-normal law of users' rows above ``fewest``.
    steep, bend : float
        The item at a share x of the ranking is as popular as exp(-steep * x**bend): a small bend makes it a power law.
    top_id : int
        Item ids lie, with gaps, in 1 to this.
    in_time_order, in_random_order : bool
        Rows as they arrived, or in any order; else by user and item as MovieLens has them.
    texts : bool
        Ids are strings: users of 12 characters, items of 9.
    every_item : bool
        Whether each item occurs; else the catalog is ``items`` long, and some are in no row.
    """

    users: int
    items: int
    rows: int
    fewest: int = 1
    most: int = 1 << 30
    spread: float = 1.3
    steep: float = 20.0
    bend: float = 0.05
    top_id: int = 0
    in_time_order: bool = False
    in_random_order: bool = False
    texts: bool = False
    every_item: bool = True


# Numbers and ranges of users, items and rows are MovieLens's own. The laws are fitted to the median item, which has 124
# and 18 rows; the top one comes out flatter (2,260 rows for 3,428, and 41,377 for 67,310).
ML_1M = Shape(
    users=6_040, items=3_706, rows=1_000_209, fewest=20, most=2_314, spread=1.14, steep=4.5, bend=0.44, top_id=3_952
)
ML_20M = Shape(
    users=138_493,
    items=26_744,
    rows=20_000_263,
    fewest=20,
    most=9_254,
    spread=1.38,
    steep=11.2,
    bend=0.445,
    top_id=131_262,
)
SHAPES = {
    "1m": ML_1M,
    "20m": ML_20M,
    "like-20m-1m": replace(ML_20M, users=6_925, rows=1_000_000),
    "like-20m-5m": replace(ML_20M, users=34_623, rows=5_000_000),
    "like-20m-10m": replace(ML_20M, users=69_246, rows=10_000_000),
    "random-10m": replace(ML_20M, users=69_246, rows=10_000_000, in_random_order=True),
    "strings-10m": replace(ML_20M, users=69_246, rows=10_000_000, in_random_order=True, texts=True),
    "like-20m-100m": replace(ML_20M, users=692_465, rows=100_000_000),
    "100m": Shape(
        users=2_000_000,
        items=5_000_000,
        rows=100_000_000,
        most=20_000,
        spread=1.6,
        top_id=5_000_000,
        in_time_order=True,
    ),
    "huge-catalog": replace(ML_20M, items=10_000_000, bend=0.05, steep=20.0, every_item=False),
    "dense-users": Shape(users=830, items=26_744, rows=830 * 24_070, fewest=24_070, steep=0.0),
    "tiny-users": Shape(users=10_000_000, items=26_744, rows=20_000_000, fewest=2, most=2, steep=11.2, bend=0.445),
    "startup": Shape(users=10, items=80, rows=100, fewest=10),
}


def path_of(name: str, ending: str = "parquet") -> Path:
    """Where the log is, once ``write`` has run."""
    return FOLDER / f"log-{name}.{ending}"


def interactions(shape: Shape, seed: int = 0) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """A log without times, in compressed sparse rows: starts of the users, and item codes, ascending within a user."""
    random = np.random.default_rng(seed)
    counts = _activity(shape, random)
    starts = np.concatenate([[0], np.cumsum(counts)])
    share = np.arange(shape.items) / shape.items
    chances = np.cumsum(np.exp(-shape.steep * share**shape.bend))
    chances /= chances[-1]
    ranks = np.empty(shape.rows, np.int32)
    cuts = np.unique(np.searchsorted(starts, np.arange(0, shape.rows + _SLICE_ROWS, _SLICE_ROWS)).clip(0, shape.users))
    for first, last in pairwise(cuts):
        ranks[starts[first] : starts[last]] = _distinct_ranks(counts[first:last], chances, random)
    if shape.every_item:
        _bring_in(ranks, shape.items, random)
    codes = random.permutation(shape.items).astype(np.int32)
    items = codes[ranks]
    for first, last in pairwise(cuts):
        here = slice(starts[first], starts[last])
        packed = np.repeat(np.arange(last - first) << 32, counts[first:last]) | items[here]
        packed.sort()
        items[here] = packed & 0xFFFFFFFF
    return starts, items


def _activity(shape: Shape, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Rows of each user, ``shape.rows`` in all."""
    room = min(shape.most, shape.items) - shape.fewest
    wanted = shape.rows - shape.fewest * shape.users
    eager = random.lognormal(0.0, shape.spread, shape.users)
    low, high = 0.0, 2.0 * wanted / eager.min()
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(eager * middle, room).sum() < wanted else (low, middle)
    more = np.minimum(eager * low, room).astype(np.int64)
    while missing := wanted - int(more.sum()):
        able = np.flatnonzero(more < room)
        more[random.choice(able, min(missing, len(able)), replace=False)] += 1
    return more + shape.fewest


def _distinct_ranks(
    counts: npt.NDArray[np.int64], chances: npt.NDArray[np.float64], random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Ascending, distinct ranks for each user: a rank drawn twice moves on to the next one that is free."""
    n_items, size = len(chances), int(counts.sum())
    owner = np.repeat(np.arange(len(counts)), counts)
    drawn = (owner << 32) | np.minimum(np.searchsorted(chances, random.random(size)), n_items - 1)
    drawn.sort()
    within = np.arange(size) - np.repeat(np.cumsum(counts) - counts, counts)
    ranks = (np.maximum.accumulate(drawn - within + (1 << 31)) - (1 << 31) + within) - (owner << 32)
    return np.minimum(ranks, n_items - np.repeat(counts, counts) + within)


def _bring_in(ranks: npt.NDArray[np.int32], n_items: int, random: np.random.Generator) -> None:
    """Give every item that nobody has a row of an item that many have, in place."""
    popularity = np.bincount(ranks, minlength=n_items)
    missing = np.flatnonzero(popularity == 0)
    nth = np.empty(len(ranks), bool)  # all but the first row of each item may go
    nth[:] = True
    nth[np.unique(ranks, return_index=True)[1]] = False
    ranks[random.choice(np.flatnonzero(nth), len(missing), replace=False)] = missing


def write(name: str, ending: str = "parquet") -> Path:
    """Write a log, unless it is there, and return its path."""
    path = path_of(name, ending)
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = SHAPES[name]
    starts, items = interactions(shape)
    random = np.random.default_rng(1)
    counts = np.diff(starts)
    users = np.repeat(np.arange(1, shape.users + 1, dtype=np.int32), counts)
    top = max(shape.top_id, shape.items)
    items = (np.sort(random.choice(top, shape.items, replace=False)) + 1).astype(np.int32)[items]
    # A user comes once, for a minute or so a row: some rows share a second.
    begin = _FIRST_SECOND + random.integers(0, _YEARS, shape.users)
    times = np.repeat(begin, counts) + (random.random(shape.rows) * np.repeat(counts * 60, counts)).astype(np.int64)
    order = np.argsort(times, kind="stable") if shape.in_time_order else np.arange(shape.rows)
    order = np.random.default_rng(2).permutation(shape.rows) if shape.in_random_order else order
    kind = pa.string() if shape.texts else pa.int32()
    schema = pa.schema({"userId": kind, "movieId": kind, "rating": pa.float32(), "timestamp": pa.int64()})
    # Nobody who writes such strings puts them in quotes.
    options = {"write_options": pacsv.WriteOptions(quoting_style="none")} if shape.texts and ending == "csv" else {}
    of_users = _texts(shape.users, "", 12) if shape.texts else None
    of_items = _texts(top, "B", 8) if shape.texts else None
    unfinished = path.with_suffix(".unfinished")
    open_writer = pq.ParquetWriter if ending == "parquet" else pacsv.CSVWriter
    with open_writer(unfinished, schema, **options) as writer:
        for begin_row in range(0, shape.rows, _SLICE_ROWS):
            here = order[begin_row : begin_row + _SLICE_ROWS]
            stars = np.clip(np.rint(random.normal(7.1, 2.1, len(here))), 1, 10).astype(np.float32) / 2
            ids = [users[here], items[here]]
            if of_users is not None and of_items is not None:
                ids = [of_users.take(pa.array(ids[0])), of_items.take(pa.array(ids[1]))]
            writer.write_table(pa.table([*ids, stars, times[here]], schema=schema))
    unfinished.rename(path)
    return path


def _texts(most: int, prefix: str, digits: int) -> pa.Array:
    """A string for each id up to the greatest: a prefix and hexadecimal digits, as good as random."""
    return pa.array([f"{prefix}{number * 0x9E3779B97F4A7C15 % 16**digits:0{digits}x}" for number in range(most + 1)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(SHAPES)}; default: 1m 20m")
    parser.add_argument("--format", choices=["parquet", "csv"], default="parquet")
    given = parser.parse_args()
    for wanted_name in given.names or ["1m", "20m"]:
        made = write(wanted_name, given.format)
        print(f"{made}: {made.stat().st_size / 1e6:,.0f} MB")
