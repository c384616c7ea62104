"""verify of train rows, as written and shuffled, in memory and with little of it, against copying the file.

python tests/benchmarks/bench_verify.py [--size 1m|20m] [--repeat N]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from bench_jobs import COPY, ROWS, SMALL_MEMORY, negprep, python, rows_of
from measure.processes import CACHE, Argument, Cost, in_turn, make_log, remove, run
from measure.tables import Bar, bars, publish, table

MOST = 2
SPARE = 0.2
COPIED = CACHE / "copied.parquet"
KINDS = {"as written": [], "shuffled": ["--shuffle"]}


def jobs_of(size: str) -> dict[str, Sequence[Argument]]:
    """The jobs by name. The files that they read are made first, by runs that are not counted."""
    log = make_log(size)
    jobs: dict[str, Sequence[Argument]] = {}
    for kind, options in KINDS.items():
        file = CACHE / f"verified-{kind.replace(' ', '-')}.parquet"
        run(negprep("train", log, file, "--holdout", "last", *options), Cost())
        jobs[f"copy, {kind}"] = python(COPY, file, COPIED)
        jobs[f"verify, {kind}"] = negprep("verify", file, "--log", log)
        jobs[f"verify, {kind}, --memory {SMALL_MEMORY}"] = [*jobs[f"verify, {kind}"], "--memory", SMALL_MEMORY]
    return jobs


def main() -> None:
    """Measure all jobs in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["1m", "20m"], default="20m")
    parser.add_argument("--repeat", type=int, default=2, metavar="N")
    given = parser.parse_args()
    costs = in_turn(jobs_of(given.size), given.repeat, lambda _: remove(COPIED))
    rows, limits = [], []
    for kind in KINDS:
        copy = costs[f"copy, {kind}"]
        for name, cost in costs.items():
            if f", {kind}" not in name:
                continue
            ratio = cost.least_cpu / copy.least_cpu
            rows.append(
                [name, f"{cost.median:.2f}", f"{cost.least_cpu:.2f}", f"{ratio:.2f}", f"{cost.peak / 1e6:,.0f}"]
            )
            if cost is not copy:
                spilled = "--memory" in name
                limits.append(Bar(f"{name} : copy", ratio, MOST, applies=given.size == "20m" and not spilled))
            if "--memory" in name:
                limits.append(Bar(f"peak of {name}", cost.peak / 2**20, 512 * (1 + SPARE), " MiB"))
    written = rows_of(CACHE / "verified-shuffled.parquet")
    publish(
        f"verify-{given.size}",
        f"verify of the {written:,} train rows of the {given.size} log ({ROWS[given.size]:,} rows), whole processes, "
        f"{given.repeat} rounds in turn. Ratios and bars are of the least time of the processor, all threads.",
        table(["job", "seconds", "CPU s", ": copy", "peak MB"], rows),
        bars(limits),
    )


if __name__ == "__main__":
    main()
