"""The whole job, from the log's Parquet to the output's, against what else does it: train, k = 4, and test, 1 + 99.

    python tests/benchmarks/bench_peers.py [--size 1m|20m] [--repeat N] [--only NAME ...]

The peers get a virtual environment of their own, build/bench/peers-venv, made on the first run (LensKit brings PyTorch:
several gigabytes). A peer makes both outputs in one process and reads the log once; negprep is run twice.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from measure.processes import CACHE, SCRIPTS, Argument, Cost, in_child, make_log, remove, run, tell
from measure.tables import Bar, bars, publish, table

VENV = CACHE / "peers-venv"
PACKAGES = ["lenskit", "duckdb", "polars", "numpy", "pyarrow"]
ROWS = {"1m": 1_000_209, "20m": 20_000_263}
PEERS = {
    "DuckDB SQL": "duckdb_sql",
    "LensKit": "lenskit_sampler",
    "bisection in numpy": "bisection",
    "Polars": "polars_frames",
    "the textbook loop": "textbook_loop",
}
LOOP = "the textbook loop"
FASTER_THAN = {"DuckDB SQL": 2.5, "LensKit": 5}


def peers_python() -> Path:
    """The peers' interpreter; made now unless it is there."""
    python = VENV / "bin" / "python"
    if not (VENV / "complete").exists():
        print("installing the peers ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True
        )
        (VENV / "complete").touch()
    return python


def versions(python: Path) -> str:
    """What was measured."""
    code = f"from importlib.metadata import version; print(', '.join(f'{{n}} {{version(n)}}' for n in {PACKAGES}))"
    return subprocess.run([python, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def main() -> None:
    """Measure negprep and all peers in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(ROWS), default="1m")
    parser.add_argument("--repeat", type=int, default=3, metavar="N")
    parser.add_argument("--only", nargs="+", choices=list(PEERS), default=list(PEERS), metavar="NAME")
    given = parser.parse_args()
    python = peers_python()
    # A loop's time grows with its rows: from the small log one knows that of the large one.
    logs = {name: make_log("1m" if name == LOOP else given.size) for name in ["negprep", *given.only]}
    times_as_many = {LOOP: ROWS[given.size] / ROWS["1m"]}
    outputs: dict[str, tuple[Path, Path]] = {
        name: (CACHE / f"peer-{number}-train.parquet", CACHE / f"peer-{number}-test.parquet")
        for number, name in enumerate(logs)
    }
    costs = {name: Cost() for name in logs}
    for turn in range(given.repeat):
        for name, log in logs.items():
            tell(f"{turn + 1}/{given.repeat} {name}")
            for path in outputs[name]:
                remove(path)
            if name == "negprep":
                both = [Cost(), Cost()]
                for command, path, into in zip(["train", "test"], outputs[name], both, strict=True):
                    held = ["--holdout", "none"] if command == "train" else []
                    arguments: list[Argument] = [sys.executable, "-m", "negprep", command, "--quiet", *held, log, path]
                    run(arguments, into)
                costs[name].seconds.append(sum(part.seconds[0] for part in both))
                costs[name].cpu.append(sum(part.cpu[0] for part in both))
                costs[name].peaks.append(max(part.peak for part in both))
            else:
                run([python, SCRIPTS / "peers" / f"{PEERS[name]}.py", log, *outputs[name]], costs[name])
    tell("checking")
    rows, ratio = [], {}
    for name, cost in costs.items():
        found = in_child("peers/check.py", logs[name], *outputs[name]).split()
        factor = times_as_many.get(name, 1)
        ratio[name] = cost.median * factor / costs["negprep"].median
        shown = name if factor == 1 else f"{name} (from 1m, times {factor:.0f})"
        seconds = f"{cost.median * factor:.2f}"
        peak = f"{cost.peak / 1e6:,.0f}" if factor == 1 else "-"
        cpu = f"{cost.least_cpu * factor:.1f}"
        rows.append(
            [shown, seconds, cost.spread, f"{ratio[name]:.1f}", cpu, peak, *(f"{int(count):,}" for count in found)]
        )
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
        f"The whole job on the {given.size} log, medians of {given.repeat} rounds in turn. Peers: {versions(python)}.",
        table(head, rows),
        bars(
            [
                Bar(f"{name} : negprep", ratio[name], limit, at_least=True, applies=given.size == "20m")
                for name, limit in FASTER_THAN.items()
                if name in ratio
            ]
        ),
    )


if __name__ == "__main__":
    main()
