"""Polars: random draws, an anti-join with the log, and the failed draws once more, until none fails."""

import sys

import numpy as np
import polars as pl

log, train, test = sys.argv[1:]
pairs = (
    pl.read_parquet(log, columns=["userId", "movieId", "timestamp"])
    .rename({"userId": "user", "movieId": "item"})
    .group_by("user", "item")
    .agg(pl.col("timestamp").max())
)
catalog = pairs["item"].unique().sort()
random = np.random.default_rng(0)


def draw(users: pl.Series) -> pl.DataFrame:
    """One negative for each user of the series, in any order."""
    kept = []
    while len(users):
        drawn = pl.DataFrame({"user": users, "item": catalog.gather(random.integers(0, len(catalog), len(users)))})
        kept.append(drawn.join(pairs, on=["user", "item"], how="anti"))
        users = drawn.join(pairs, on=["user", "item"], how="semi")["user"]
    return pl.concat(kept)


def write(path: str, positives: pl.DataFrame, negatives: pl.DataFrame) -> None:
    """Write the rows of both."""
    parts = [
        frame.select("user", "item", pl.lit(label, pl.Int8).alias("label"))
        for frame, label in ((positives, 1), (negatives, 0))
    ]
    pl.concat(parts).sort("user").write_parquet(path, compression="zstd", compression_level=3)


write(train, pairs, draw(pairs["user"].gather(np.repeat(np.arange(len(pairs)), 4))))
held = pairs.sort("timestamp").group_by("user").last()
candidates = pl.DataFrame(schema={"user": pl.Int32, "item": pl.Int32})
while True:  # what lacks of 99 is drawn again, where a draw came twice
    have = candidates.group_by("user").len("have")
    lacking = held.join(have, on="user", how="left").select(
        "user", lack=99 - pl.col("have").fill_null(0).cast(pl.Int64)
    )
    users = lacking.select(pl.col("user").repeat_by("lack").explode()).drop_nulls()["user"]
    if not len(users):
        break
    candidates = pl.concat([candidates, draw(users)]).unique()
write(test, held, candidates)
