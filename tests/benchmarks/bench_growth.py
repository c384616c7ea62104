"""How the time for a row grows with the log: train on logs of one shape that differ in the number of users alone.

python tests/benchmarks/bench_growth.py [--repeat N]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from bench_jobs import negprep
from logs import SHAPES
from measure.processes import CACHE, Argument, Cost, in_turn, make_log, remove
from measure.tables import Bar, bars, publish, table

LOGS = ["like-20m-1m", "like-20m-10m", "like-20m-100m"]
NOTHING = "startup"
MOST = 1.3
TIMES_AS_OFTEN = {NOTHING: 3, LOGS[0]: 3}
"""Short runs are measured more often in a round: what disturbs them is as long, and more of them."""


def nanoseconds(costs: dict[str, list[Cost]], seconds: Callable[[Cost], float]) -> dict[str, float]:
    """Of a row of each log, without those of a run that has nothing to do."""
    second = {name: seconds(_joined(several)) for name, several in costs.items()}
    return {name: (second[name] - second[NOTHING]) / SHAPES[name].rows * 1e9 for name in LOGS}


def _joined(several: list[Cost]) -> Cost:
    """All runs of a log as those of one job."""
    return Cost(
        [one for cost in several for one in cost.seconds],
        [one for cost in several for one in cost.cpu],
        [one for cost in several for one in cost.peaks],
    )


def main() -> None:
    """Measure all logs in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5, metavar="N")
    repeat = parser.parse_args().repeat
    output = CACHE / "other.parquet"
    jobs: dict[str, Sequence[Argument]] = {
        f"{name} {turn}": negprep("train", make_log(name), output)
        for name in [NOTHING, *LOGS]
        for turn in range(TIMES_AS_OFTEN.get(name, 1))
    }
    costs: dict[str, list[Cost]] = {}
    for job, cost in in_turn(jobs, repeat, lambda _: remove(output)).items():
        costs.setdefault(job.rpartition(" ")[0], []).append(cost)
    median = nanoseconds(costs, lambda cost: cost.median)
    fastest = nanoseconds(costs, lambda cost: cost.fastest)
    processor = nanoseconds(costs, lambda cost: cost.least_cpu)
    rows = []
    for name in [NOTHING, *LOGS]:
        cost, shape = _joined(costs[name]), SHAPES[name]
        each = [f"{given[name]:.0f}" if name in given else "-" for given in (median, fastest, processor)]
        peak = f"{cost.peak / 1e6:,.0f}"
        rows.append([f"{shape.rows:,}", f"{shape.users:,}", f"{cost.median:.2f}", cost.spread, *each, peak])
    publish(
        "growth",
        f"train, whole processes, logs with the laws and items of MovieLens 20M, {repeat} rounds in turn, of short "
        "runs three times as many. Nanoseconds are those of a row of the log, without the time of 100 rows.",
        table(["rows", "users", "seconds", "range", "ns a row", "by the fastest", "of CPU", "peak MB"], rows),
        bars(
            [
                Bar("time for a row, dearest log : cheapest", max(median.values()) / min(median.values()), MOST),
                Bar("the same by the fastest runs", max(fastest.values()) / min(fastest.values()), MOST),
                Bar("the same of the processor's time", max(processor.values()) / min(processor.values()), MOST),
            ]
        ),
    )


if __name__ == "__main__":
    main()
