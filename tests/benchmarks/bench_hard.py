"""What one hard negative costs on one thread, beside the same products made by numpy alone.

python tests/benchmarks/bench_hard.py [--repeat N] [--pool N] [--factors D] [--log NAME]

The products: for every pool the factors of its items are gathered and multiplied with those of the user, float32, in
blocks that fit a cache, in the faster of two ways (``matmul`` or ``einsum``). Whoever scored the same pools, given for
nothing, would do this much at least. negprep draws the pools, too, and takes the hardest of each.
"""

from __future__ import annotations

import argparse
import statistics
import time

import logs
import numpy as np
from bench_kernels import seen_of
from measure.tables import Bar, bars, publish, table

from negprep.options.specs import SamplerRule
from negprep.sample.hard import Hardness
from negprep.sample.sampler import Heads, Plan, Sampling
from negprep.sample.scores import Scores
from negprep.sample.seen import Seen

NUM_NEG = 4
SHARD_POSITIVES = 1 << 17
SHARDS = 4  # of a log, spread over it
BLOCK_POOLS = 256


def factors_of(rows: int, n_factors: int, seed: int) -> np.ndarray:
    """Normal factors: float32, shape (rows, n_factors)."""
    return np.random.default_rng(seed).standard_normal((rows, n_factors), np.float32)


def sampling_of(seen: Seen, users: np.ndarray, items: np.ndarray, pool: int) -> Sampling:
    """The sampler ``hard`` with a model that knows everybody."""
    n_items, n_users = seen.n_items, seen.n_users
    scores = Scores(np.arange(n_users, dtype=np.int32), users, np.arange(n_items), items, None, n_items)
    plan = Plan(SamplerRule.parse(("hard",)), distinct=False, scores=scores, rule=Hardness(pool, 1, 0))
    return Sampling(plan, seen, Seen(np.zeros(n_users + 1, np.int64), np.empty(0, np.int32), n_items))


def shards_of(users: np.ndarray) -> list[slice]:
    """Some of the positives, as a run cuts them."""
    starts = range(0, len(users), SHARD_POSITIVES)
    return [slice(start, start + SHARD_POSITIVES) for start in starts[:: max(1, len(starts) // SHARDS)][:SHARDS]]


def seconds_of_draws(sampling: Sampling, users: np.ndarray, items: np.ndarray) -> tuple[float, int]:
    """The thread's own time, and the negatives drawn in it."""
    keys = np.random.default_rng(2).integers(0, 1 << 63, len(users)).astype(np.uint64)
    drawn, begin = 0, time.thread_time()
    for here in shards_of(users):
        leads = Heads(users[here], items[here], None)
        drawn += sampling.draw(leads, keys[here], np.full(len(leads), NUM_NEG), NUM_NEG).items.size
    return time.thread_time() - begin, drawn


def seconds_of_products(
    users: np.ndarray, user_factors: np.ndarray, item_factors: np.ndarray, pool: int
) -> tuple[float, int]:
    """The same for the products of as many random pools, the faster way; the pools are there already."""
    random, best = np.random.default_rng(3), float("inf")
    here = shards_of(users)[0]
    rows = np.repeat(users[here], NUM_NEG)
    rows = rows[: len(rows) // BLOCK_POOLS * BLOCK_POOLS]
    pools = random.integers(0, len(item_factors), (len(rows), pool), np.int32)
    for way in (by_matmul, by_einsum):
        begin = time.thread_time()
        for start in range(0, len(rows), BLOCK_POOLS):
            block = slice(start, start + BLOCK_POOLS)
            way(user_factors[rows[block]], item_factors[pools[block]])
        best = min(best, time.thread_time() - begin)
    return best, len(rows)


def by_matmul(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Scores of pools: shape (n, pool)."""
    return np.matmul(items, users[:, :, None])[:, :, 0]


def by_einsum(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """The same."""
    return np.einsum("gf,gpf->gp", users, items)


def main() -> None:
    """Measure both in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--pool", type=int, default=32)
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--log", default="20m", choices=logs.SHAPES)
    given = parser.parse_args()
    seen = seen_of(given.log)
    user_factors, item_factors = factors_of(seen.n_users, given.factors, 0), factors_of(seen.n_items, given.factors, 1)
    sampling = sampling_of(seen, user_factors, item_factors, given.pool)
    users = np.repeat(np.arange(seen.n_users, dtype=np.int32), np.diff(seen.starts))
    times: dict[str, list[float]] = {"negprep, hard": [], "numpy, the products alone": []}
    for _ in range(given.repeat):  # in turn, so that what else the machine does meets both
        for name, (seconds, drawn) in zip(
            times,
            (
                seconds_of_draws(sampling, users, seen.items),
                seconds_of_products(users, user_factors, item_factors, given.pool),
            ),
            strict=True,
        ):
            times[name].append(seconds / drawn * 1e9)
    best = {name: min(values) for name, values in times.items()}
    rows = [[name, f"{best[name]:,.0f}", f"{statistics.median(values):,.0f}"] for name, values in times.items()]
    ours, bare = best.values()
    shape = f"the log {given.log}, {NUM_NEG} negatives, pools of {given.pool}, {given.factors} factors"
    publish(
        "hard",
        f"Nanoseconds of one thread for each negative: {shape}; {given.repeat} rounds in turn.",
        table(["what", "fastest", "median"], rows),
        bars([Bar("speed of hard : the products alone", bare / ours, 0.5, at_least=True)]),
    )


if __name__ == "__main__":
    main()
