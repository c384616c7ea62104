"""The whole job, from the log's Parquet to the output's, against what else does it: train, k = 4, and test, 1 + 99.

    python tests/benchmarks/bench_peers.py [--size 1m|20m] [--repeat N] [--only NAME ...]

The peers get two virtual environments of their own below build/bench, made on the first run. A peer makes both outputs
in one process and reads the log once; negprep is run twice. Peers without a bar run once, after a run on the small log
that is not counted, as all have one.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from measure.environments import RECBOLE, TORCH, Environment, versions
from measure.processes import CACHE, SCRIPTS, Argument, Cost, in_child, make_log, remove, run, tell
from measure.tables import Bar, bars, publish, table

SAMPLERS = Environment(
    "peers-venv",
    (TORCH, ("lenskit", "duckdb", "polars", "numpy", "pyarrow")),
    shown=("duckdb", "lenskit", "numpy", "polars", "pyarrow"),
)
OURS = "negprep"


@dataclass(frozen=True)
class Peer:
    """A script of `peers`; ``slower`` than negprep by at least this."""

    script: str
    slower: float | None = None
    environment: Environment = SAMPLERS


PEERS = {
    "DuckDB SQL": Peer("duckdb_sql.py", 5),
    "LensKit": Peer("lenskit_sampler.py", 5),
    "bisection in numpy": Peer("bisection.py"),
    "RecBole": Peer("recbole_sampler.py", environment=RECBOLE),
    "Polars": Peer("polars_frames.py"),
    "the textbook loop": Peer("textbook_loop.py"),
}


def run_negprep(log: Path, outputs: tuple[Path, Path], into: Cost) -> None:
    """Run `train` and `test`, and add what both cost."""
    both = [Cost(), Cost()]
    for command, path, cost in zip(["train", "test"], outputs, both, strict=True):
        held = ["--holdout", "none"] if command == "train" else []
        arguments: list[Argument] = [sys.executable, "-m", "negprep", command, "--quiet", *held, log, path]
        run(arguments, cost)
    into.seconds.append(sum(part.seconds[0] for part in both))
    into.cpu.append(sum(part.cpu[0] for part in both))
    into.peaks.append(max(part.peak for part in both))


def main() -> None:
    """Measure negprep and all peers in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["1m", "20m"], default="1m")
    parser.add_argument("--repeat", type=int, default=3, metavar="N")
    parser.add_argument("--only", nargs="+", choices=list(PEERS), default=list(PEERS), metavar="NAME")
    given = parser.parse_args()
    measured = versions(PEERS[name].environment for name in given.only)
    python = {name: PEERS[name].environment.python() for name in given.only}
    log, small = make_log(given.size), make_log("1m")
    names = [OURS, *given.only]
    outputs = {
        name: (CACHE / f"peer-{number}-train.parquet", CACHE / f"peer-{number}-test.parquet")
        for number, name in enumerate(names)
    }
    costs = {name: Cost() for name in names}
    for turn in range(given.repeat + 1):
        for name in names:
            if turn > 1 and name != OURS and PEERS[name].slower is None:
                continue
            tell(f"round {turn} of {given.repeat}: {name}")
            read, cost = (log, costs[name]) if turn else (small, Cost())
            for path in outputs[name]:
                remove(path)
            if name == OURS:
                run_negprep(read, outputs[name], cost)
            else:
                run([python[name], SCRIPTS / "peers" / PEERS[name].script, read, *outputs[name]], cost)
    tell("checking")
    rows, ratio = [], {}
    for name, cost in costs.items():
        found = in_child("peers/check.py", log, *outputs[name]).split()
        ratio[name] = cost.median / costs[OURS].median
        figures = [f"{cost.median:.2f}", cost.spread, f"{ratio[name]:.1f}", f"{cost.least_cpu:.1f}"]
        rows.append([name, *figures, f"{cost.peak / 1e6:,.0f}", *(f"{int(count):,}" for count in found)])
        for path in outputs[name]:
            remove(path)
    tell("")
    head = [
        "",
        "seconds",
        "range",
        ": negprep",
        "CPU s",
        "peak MB",
        "wrong in train",
        "wrong in test",
        "repeated in 99",
        "missing",
    ]
    publish(
        f"peers-{given.size}",
        f"The whole job on the {given.size} log: medians of {given.repeat} rounds in turn, peers without a bar once. "
        f"Peers: {measured}.",
        table(head, rows),
        bars(
            [
                Bar(f"{name} : negprep", ratio[name], peer.slower, at_least=True, applies=given.size == "20m")
                for name, peer in PEERS.items()
                if name in ratio and peer.slower is not None
            ]
        ),
    )


if __name__ == "__main__":
    main()
