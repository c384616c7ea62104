"""What a run on Spark costs, beside the same run without it: seconds, the CPU of all processes, and their memory.

    python tests/benchmarks/bench_spark.py

Spark has this machine alone (`local[2]`), one session a run, as the command has it. Needs pyspark and Java (the
environment of `make test-spark`).
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from bench_jobs import negprep
from logs import SHAPES
from measure.processes import CACHE, Argument, make_log, remove
from measure.tables import Bar, bars, publish, table

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
RUNS: dict[str, tuple[str, list[Argument]]] = {
    "5 M rows": ("like-20m-5m", []),
    "20 M rows": ("20m", []),
    "10 M items, popularity": ("huge-catalog", ["--sampler", "popularity", "--smooth", "1"]),
}
ITEMS = 10_000_000
MOST = 1.15


@dataclass
class Tree:
    """What a process and all that it started took: the highest memory of each role, and the CPU of each process."""

    peaks: dict[str, int] = field(default_factory=dict)
    cpu: dict[int, int] = field(default_factory=dict)

    def look(self, root: int) -> None:
        """Look at all processes that live."""
        parents, found = {}, {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                try:
                    fields = (folder / "stat").read_text().rpartition(")")[2].split()
                    command = (folder / "cmdline").read_bytes()
                except OSError:  # it has ended meanwhile
                    continue
                parents[int(folder.name)] = int(fields[1])
                found[int(folder.name)] = (int(fields[11]) + int(fields[12]), int(fields[21]) * PAGE, command)
        for pid, (ticks, memory, command) in found.items():
            above = pid
            while above not in (root, 0):
                above = parents.get(above, 0)
            if above != root:
                continue
            role = "driver" if pid == root else "worker" if b"pyspark" in command and b"java" not in command else "java"
            self.peaks[role] = max(self.peaks.get(role, 0), memory)
            self.cpu[pid] = max(ticks, self.cpu.get(pid, 0))


def measured(command: list[Argument]) -> tuple[float, float, dict[str, int]]:
    """Seconds, seconds of CPU, and bytes of the largest process of each role."""
    begin, tree, over = time.perf_counter(), Tree(), threading.Event()
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL)

    def watch() -> None:
        while not over.wait(0.2):
            tree.look(process.pid)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    seconds = time.perf_counter() - begin
    over.set()
    watcher.join()
    if code:
        raise SystemExit(f"exit code {code}: {' '.join(map(str, command))}")
    return seconds, sum(tree.cpu.values()) / TICK, tree.peaks


def main() -> None:
    """Measure each run once with Spark, and once without."""
    spark = ["--engine", "spark", "--master", "local[2]", "--spark-conf", "spark.driver.memory=2g"]
    rows, seconds = [], {}
    for name, (log, options) in RUNS.items():
        source = make_log(log)
        if log == "huge-catalog":  # the log has a part of them
            catalog = CACHE / "items-10m.parquet"
            pq.write_table(pa.table({"item": pa.array(range(ITEMS), pa.int64())}), catalog)
            options = [*options, "--items", catalog]
        for engine, more, target in (("Spark", spark, CACHE / "spark"), ("one machine", [], CACHE / "one")):
            remove(target)
            took, cpu, peaks = measured([*negprep("train", source, f"{target}/"), *options, *more])
            remove(target)
            seconds[name, engine] = took
            memory = [f"{peaks.get(role, 0) / 1e6:,.0f}" for role in ("driver", "java", "worker")]
            rows.append([f"{name}, {engine}", f"{took:.1f}", f"{cpu:.1f}", *memory])
    small, large = (seconds[name, "Spark"] / SHAPES[RUNS[name][0]].rows for name in ("5 M rows", "20 M rows"))
    publish(
        "spark",
        "train with four negatives, whole processes, once each; memory of the largest process of each role.",
        table(["run", "seconds", "CPU", "driver MB", "Java MB", "Python worker MB"], rows),
        bars([Bar("Spark: time for a row, 20 M : 5 M", large / small, MOST)]),
    )


if __name__ == "__main__":
    main()
