"""What one negative costs on one thread, without reading and writing.

python tests/benchmarks/bench_kernels.py [--repeat N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import logs
import numpy as np
from measure.tables import Bar, bars, publish, table

from negprep.options.specs import SamplerRule
from negprep.sample.popularity import popularity_weights
from negprep.sample.rng import mix
from negprep.sample.sampler import Heads, Plan, Sampling
from negprep.sample.seen import MaskBuffer, Seen
from negprep.sample.uniform import uniform

SHARD_ROWS = 1 << 20  # rows of a row group of `negprep train`
SHARDS = 8  # of a log, spread over it, are enough
MIX_BLOCK = 1 << 15
MIX_ROUNDS = 200


Draws = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Case:
    """One way to draw on one log."""

    log: str
    num_neg: int
    distinct: bool
    lead: str = "train"  # every positive leads a group; "test": one of each user does
    sampler: tuple[str, ...] = ("uniform",)


CASES = {
    "20 M log, 4 with repeats": Case("20m", 4, distinct=False),
    "20 M log, 4 distinct": Case("20m", 4, distinct=True),
    "20 M log, test, 99 distinct": Case("20m", 99, distinct=True, lead="test"),
    "20 M log, popularity, 4 with repeats": Case("20m", 4, distinct=False, sampler=("popularity",)),
    "20 M log, popularity, 4 distinct": Case("20m", 4, distinct=True, sampler=("popularity",)),
    "20 M log, half and half, 4 with repeats": Case(
        "20m", 4, distinct=False, sampler=("uniform:0.5", "popularity:0.5")
    ),
    "10 M items, popularity, 4 with repeats": Case("huge-catalog", 4, distinct=False, sampler=("popularity",)),
    "10 M items, 4 with repeats": Case("huge-catalog", 4, distinct=False),
    "10 M items, test, 99 distinct": Case("huge-catalog", 99, distinct=True, lead="test"),
    "users with 90 %, 4 with repeats": Case("dense-users", 4, distinct=False),
    "users with 90 %, popularity, 4 with repeats": Case("dense-users", 4, distinct=False, sampler=("popularity",)),
    "users with 90 %, 4 distinct": Case("dense-users", 4, distinct=True),
    "10 M users of 2 rows, 4 with repeats": Case("tiny-users", 4, distinct=False),
}


def seen_of(name: str) -> Seen:
    """The seen sets of a log."""
    starts, items = logs.interactions(logs.SHAPES[name])
    return Seen(starts, items, logs.SHAPES[name].items)


def draws_of(case: Case, seen: Seen, buffer: MaskBuffer) -> Draws:
    """What draws the negatives of some users, given their keys."""
    if case.sampler == ("uniform",):
        return lambda users, keys: uniform(seen, users, keys, case.num_neg, distinct=case.distinct, buffer=buffer)
    counts = np.bincount(seen.items, minlength=seen.n_items)
    weights = popularity_weights(counts, alpha=Decimal("0.75"), smooth=Decimal(0))
    plan = Plan(SamplerRule.parse(case.sampler), case.distinct, weights=weights)
    nothing = Seen(np.zeros_like(seen.starts), np.empty(0, np.int32), seen.n_items)
    sampling = Sampling(plan, seen, nothing)

    def draw(users: np.ndarray, keys: np.ndarray) -> np.ndarray:
        leads = Heads(users, np.zeros_like(users), None)
        return sampling.draw(leads, keys, np.full(len(users), case.num_neg), case.num_neg).items

    draw(np.zeros(1, np.int32), keys=np.zeros(1, np.uint64))  # makes the table that all draws share
    return draw


def nanoseconds(case: Case, draw: Draws, seen: Seen, keys: np.ndarray) -> float:
    """Of one negative: the thread's own time, without what the system gave to others."""
    users = np.arange(seen.n_users, dtype=np.int32)
    if case.lead == "train":
        users = np.repeat(users, np.diff(seen.starts))
    step = SHARD_ROWS // (case.num_neg + 1)
    starts = range(0, len(users), step)
    drawn, begin = 0, time.thread_time()
    for start in starts[:: max(1, len(starts) // SHARDS)]:
        here = slice(start, start + step)
        drawn += draw(users[here], keys[here]).size
    return (time.thread_time() - begin) / drawn * 1e9


def nanoseconds_of_a_word() -> float:
    """Of one mixed word, in blocks that a cache holds."""
    words = np.arange(MIX_BLOCK, dtype=np.uint64)
    scratch = np.empty_like(words)
    begin = time.thread_time()
    for _ in range(MIX_ROUNDS):
        mix(words, scratch)
    return (time.thread_time() - begin) / (MIX_ROUNDS * MIX_BLOCK) * 1e9


def main() -> None:
    """Measure all cases in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=9, metavar="N")
    repeat = parser.parse_args().repeat
    seen = {name: seen_of(name) for name in dict.fromkeys(case.log for case in CASES.values())}
    keys = mix(np.arange(max(len(one.items) for one in seen.values()), dtype=np.uint64))
    buffer = MaskBuffer()
    draws = {name: draws_of(case, seen[case.log], buffer) for name, case in CASES.items()}
    times: dict[str, list[float]] = {name: [] for name in ["one word of the mixer", *CASES]}
    for _ in range(repeat):
        times["one word of the mixer"].append(nanoseconds_of_a_word())
        for name, case in CASES.items():
            times[name].append(nanoseconds(case, draws[name], seen[case.log], keys))
    # The fastest round is the one that was disturbed least: neighbours on a machine only ever add.
    best = {name: min(given) for name, given in times.items()}
    base, popular = best["20 M log, 4 with repeats"], best["20 M log, popularity, 4 with repeats"]
    rows = [
        [name, f"{best[name]:.1f}", f"{statistics.median(given):.1f}", f"{best[name] / base:.2f}"]
        for name, given in times.items()
    ]
    publish(
        "kernels",
        f"Nanoseconds of one thread for each negative, {repeat} rounds in turn. The bars are for the fastest.",
        table(["what", "fastest", "median", "relative"], rows),
        bars(
            [
                Bar("a negative, 20 M log", base, 15, " ns"),
                Bar("99 distinct : with repeats", best["20 M log, test, 99 distinct"] / base, 2),
                Bar("by popularity : uniform", popular / base, 2),
                Bar("half and half : uniform", best["20 M log, half and half, 4 with repeats"] / base, 2.5),
                Bar("catalog of 10 M items : 27 thousand", best["10 M items, 4 with repeats"] / base, 1.5),
                Bar("the same, test", best["10 M items, test, 99 distinct"] / best["20 M log, test, 99 distinct"], 1.5),
                Bar("users with 90 % : ordinary", best["users with 90 %, 4 with repeats"] / base, 2),
                Bar("the same, distinct", best["users with 90 %, 4 distinct"] / best["20 M log, 4 distinct"], 2),
                Bar("the same, popularity", best["users with 90 %, popularity, 4 with repeats"] / popular, 3),
                Bar("users of 2 rows : ordinary", best["10 M users of 2 rows, 4 with repeats"] / base, 2),
            ]
        ),
    )


if __name__ == "__main__":
    main()
