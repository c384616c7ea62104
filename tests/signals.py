"""Signals at random moments: how long a run takes to end, with which code, and what it leaves.

    python tests/signals.py --moments 300 --rows 2000000

sends SIGINT, SIGTERM and SIGHUP to runs of all commands, with all kinds of output and 1, 2 and 8 threads, and prints a
line for each kind of run. Exit code 1: a run took longer than --limit, left something, or ended otherwise than by the
signal, or with its output complete.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import negprep

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RUNS = {
    "train, file": "train LOG OUT/o.parquet --jobs JOBS",
    "train, folder": "train LOG OUT/o/ --jobs JOBS",
    "train, folder of csv": "train LOG OUT/o/ --to csv --jobs JOBS",
    "train, csv.gz": "train LOG OUT/o.csv.gz --num-neg 1 --jobs JOBS",
    "train, encode": "train LOG OUT/o/ --encode --jobs JOBS",
    "train, encode, file": "train LOG OUT/o.parquet --encode --jobs JOBS",
    "train, epochs": "train LOG OUT/o/ --epochs 3 --num-neg 1 --jobs JOBS",
    "train, shuffle": "train LOG OUT/o.parquet --shuffle --num-neg 2 --jobs JOBS",
    "train, spilled": "train LOG OUT/o/ --memory 1M --to csv --jobs JOBS",
    "train, summary": "train LOG OUT/o.parquet --num-neg 1 --summary OUT/o.json --jobs JOBS",
    "test, file": "test LOG OUT/o.parquet --jobs JOBS",
    "test, ncf": "test LOG OUT/o/ --to ncf --jobs JOBS",
    "fit": "fit LOG OUT/o.npz --kind als --epochs 2 --jobs JOBS",
    "verify": "verify MADE --log LOG",
    "verify, spilled": "verify MADE --log LOG --memory 1M",
    "inspect": "inspect LOG --jobs JOBS",
    "evaluate": "evaluate SCORED --by-user OUT/o.parquet",
    "report": "report MADE OUT/o.html --log LOG",
}
JOBS = (1, 2, 8)
_WITH_QUIET = ("train", "test", "fit", "report")


@dataclass
class Found:
    """What became of the runs of a kind: seconds from the signal to the end, how many ended by it, what is wrong."""

    seconds: list[float] = field(default_factory=list)
    stopped: int = 0
    wrong: list[str] = field(default_factory=list)


def prepare(folder: Path, rows: int) -> dict[str, str]:
    """Write what the runs read: a log, a test file made of it, and the same with scores."""
    chance = np.random.default_rng(0)
    users, items = chance.integers(0, max(10, rows // 50), rows), chance.zipf(1.3, rows) % 5_000
    log, made, scored = (str(folder / name) for name in ("log.parquet", "test.parquet", "scored.parquet"))
    times = chance.integers(1_500_000_000, 1_600_000_000, rows)
    pq.write_table(pa.table({"user": users, "item": items, "time": times}), log)
    negprep.test(log, made)
    table = pq.read_table(made)
    pq.write_table(table.append_column("score", pa.array(chance.random(table.num_rows))), scored)
    return {"LOG": log, "MADE": made, "SCORED": scored}


def started(words: list[str]) -> subprocess.Popen[str]:
    """A run that takes care of signals already: before, Python itself starts."""

    def as_a_shell_does() -> None:
        for signum in SIGNALS:
            signal.signal(signum, signal.SIG_DFL)

    process = subprocess.Popen(
        [sys.executable, "-m", "negprep", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=as_a_shell_does,
    )
    status = Path(f"/proc/{process.pid}/status")
    while status.exists():
        caught = next((line for line in status.read_text().splitlines() if line.startswith("SigCgt")), "SigCgt: 0")
        if int(caught.split()[1], 16) >> (signal.SIGHUP - 1) & 1 or process.poll() is not None:
            break
        time.sleep(0.001)
    return process


def ended(process: subprocess.Popen[str]) -> tuple[float, str]:
    """When a run ended, and what it said; not that a model is poor, since the logs have no taste to learn."""
    _, said = process.communicate(timeout=300)
    said = "".join(line for line in said.splitlines(keepends=True) if "warning: NDCG@10" not in line)
    return time.monotonic(), said


def kinds(paths: dict[str, str], only: str = "") -> Iterator[tuple[str, list[str]]]:
    """Every run with every number of threads; OUT is still to be put in."""
    for name, words in RUNS.items():
        if only not in name:
            continue
        quiet = ["--quiet"] if words.split()[0] in _WITH_QUIET else []
        for jobs in JOBS if "JOBS" in words else (None,):
            given = {**paths, "JOBS": str(jobs)}
            yield name if jobs is None else f"{name}, {jobs} jobs", [*(given.get(w, w) for w in words.split()), *quiet]


def try_moments(
    folder: Path, *, rows: int, moments: int, seed: int, limit: float, only: str = "", lasts: float | None = None
) -> dict[str, Found]:
    """Send a signal at each of so many random moments, to one kind of run after the other.

    A run ``lasts`` about so many seconds; None: each kind is run to its end once, to find out.
    """
    chance = random.Random(seed)
    paths = prepare(folder, rows)
    found = {name: Found() for name, _ in kinds(paths, only)}
    runs = list(kinds(paths, only))
    chance.shuffle(runs)
    seconds_of = {} if lasts is None else dict.fromkeys(found, lasts)
    for turn in range(moments):
        name, words = runs[turn % len(runs)]
        if name not in seconds_of:
            whole = _one(folder, words, None, 0)
            if whole[1]:
                found[name].wrong.append(whole[1])
            seconds_of[name] = whole[0]
        moment = chance.uniform(0, 1.05 * seconds_of[name])
        seconds, wrong, stopped = _one(folder, words, chance.choice(SIGNALS), moment)
        if stopped is not None:
            found[name].seconds.append(seconds)
            found[name].stopped += stopped
            if seconds > limit:
                found[name].wrong.append(f"took {seconds:.2f} s at {moment:.2f} s")
        if wrong:
            found[name].wrong.append(f"{wrong} at {moment:.2f} s of {' '.join(words)}")
    return found


def _one(
    folder: Path, words: list[str], signum: signal.Signals | None, moment: float
) -> tuple[float, str, bool | None]:
    """Run once: seconds from the signal (or from the start) to the end, what is wrong, and whether it was stopped.

    None: it had ended before the signal came.
    """
    out = folder / "out"
    out.mkdir()
    try:
        process = started([word.replace("OUT", str(out)) for word in words])
        begin = time.monotonic()
        if signum is not None:
            time.sleep(moment)
            in_time = process.poll() is None
            begin = time.monotonic()
            process.send_signal(signum)
        end, said = ended(process)
        left = sorted(str(path.relative_to(out)) for path in out.iterdir())
        writes = any("OUT" in word for word in words)
        stopped = signum is not None and process.returncode == 128 + signum
        wrong = ""
        if stopped:
            if left or said != f"negprep: stopped by {signum.name}\n":
                wrong = f"left {left}, said {said!r}"
        elif process.returncode or said or (writes and not left) or any(name.startswith(".") for name in left):
            wrong = f"code {process.returncode}, left {left}, said {said[-500:]!r}"
        elif "--summary" in words and len(left) != 2:
            wrong = f"left {left} only"
        if signum is not None and not in_time:
            return end - begin, wrong, None
        return end - begin, wrong, stopped
    finally:
        shutil.rmtree(out)


def main() -> int:
    """Try, and print."""
    asks = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asks.add_argument("--moments", type=int, default=300)
    asks.add_argument("--rows", type=int, default=2_000_000)
    asks.add_argument("--seed", type=int, default=0)
    asks.add_argument("--limit", type=float, default=2.0, help="seconds")
    asks.add_argument("--only", default="", help="runs whose name holds this")
    given = asks.parse_args()
    with tempfile.TemporaryDirectory(prefix="negprep-signals-") as folder:
        found = try_moments(
            Path(folder), rows=given.rows, moments=given.moments, seed=given.seed, limit=given.limit, only=given.only
        )
    print(f"{'run':34} moments stopped  median     max")
    for name, one in found.items():
        if one.seconds:
            middle = sorted(one.seconds)[len(one.seconds) // 2]
            print(f"{name:34} {len(one.seconds):7} {one.stopped:7} {middle:6.2f} s {max(one.seconds):5.2f} s")
        for wrong in one.wrong:
            print(f"  WRONG: {wrong}")
    every = [second for one in found.values() for second in one.seconds]
    print(
        f"{len(every)} moments, {sum(one.stopped for one in found.values())} stopped, the longest {max(every):.2f} s; "
        f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
    )
    return int(any(one.wrong for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
