"""Whole jobs, from process start to process end, against copying their own output.

python tests/benchmarks/bench_jobs.py [--size 1m|20m|100m] [--repeat N]
"""

from __future__ import annotations

import argparse
import filecmp
import sys
from collections.abc import Sequence
from pathlib import Path

from measure.processes import CACHE, Argument, Cost, in_child, in_turn, make_log, remove
from measure.tables import Bar, bars, publish, table

ROWS = {"1m": 1_000_209, "20m": 20_000_263, "100m": 100_000_000}
TINY_USERS_ROWS = 20_000_000
SMALL_MEMORY = "512M"
HELD = "train, last items held out (default)"

COPY = """
import sys
import pyarrow.parquet as pq
pq.write_table(pq.read_table(sys.argv[1]), sys.argv[2], compression="zstd", compression_level=3)
"""
COPY_AND_SYNC = f"""
import os
{COPY}
os.fsync(os.open(sys.argv[2], os.O_RDONLY))
"""
READ_CSV = """
import sys
import pyarrow as pa
import pyarrow.csv as csv
types = dict.fromkeys(["userId", "movieId"], getattr(pa, sys.argv[2])())
csv.read_csv(sys.argv[1], convert_options=csv.ConvertOptions(include_columns=list(types), column_types=types))
"""


def negprep(command: str, *arguments: Argument) -> list[Argument]:
    """A command line; ``train`` makes rows of the whole log, unless ``--holdout`` says otherwise."""
    held = ["--holdout", "none"] if command == "train" and "--holdout" not in arguments else []
    return [sys.executable, "-m", "negprep", command, "--quiet", *held, *arguments]


def python(code: str, *arguments: Argument) -> list[Argument]:
    """A command line that runs code."""
    return [sys.executable, "-c", code, *arguments]


def jobs_of(size: str) -> dict[str, Sequence[Argument]]:
    """The jobs on a log, by name, in the order in which they run."""
    log, text = make_log(size), make_log(size, "csv")
    train, test, copied = CACHE / "train.parquet", CACHE / "test.parquet", CACHE / "copied.parquet"
    jobs: dict[str, Sequence[Argument]] = {
        "train": negprep("train", log, train),
        HELD: negprep("train", log, CACHE / "train-held.parquet", "--holdout", "last"),
        "copy of train's output": python(COPY, train, copied),
        "the same with fsync": python(COPY_AND_SYNC, train, copied),
        "train to a folder, --jobs 2": negprep("train", log, f"{CACHE / 'train'}/", "--jobs", "2"),
        "train --shuffle": negprep("train", log, CACHE / "train-shuffled.parquet", "--shuffle"),
        "train from CSV": negprep("train", text, CACHE / "train-csv.parquet"),
        "pyarrow reads that CSV's two columns": python(READ_CSV, text, "int64"),
        "test": negprep("test", log, test),
        "copy of test's output": python(COPY, test, copied),
    }
    if size == "100m":
        jobs[f"train, --memory {SMALL_MEMORY}"] = negprep(
            "train", log, CACHE / "train-spilled.parquet", "--memory", SMALL_MEMORY
        )
    return jobs


def scaling_jobs(size: str) -> dict[str, Sequence[Argument]]:
    """Jobs on other logs: nearly nothing to do, fewer rows, and users of two rows."""
    out = CACHE / "other.parquet"
    jobs = {"train, 100 rows": negprep("train", make_log("startup"), out)}
    for smaller in [name for name, rows in ROWS.items() if rows < ROWS[size]]:
        jobs[f"train, {smaller}"] = negprep("train", make_log(smaller), out)
    if size == "20m":
        jobs["train, 10 M users of 2 rows"] = negprep("train", make_log("tiny-users"), out)
    if size == "20m":
        jobs |= string_jobs()
    jobs["negprep --version"] = [sys.executable, "-m", "negprep", "--version"]
    jobs["python -c 'import click'"] = python("import click")
    return jobs


def string_jobs() -> dict[str, Sequence[Argument]]:
    """Jobs on a log in random order whose ids are strings, and on the same with integers."""
    log, text, out = make_log("strings-10m"), make_log("strings-10m", "csv"), CACHE / "train-strings.parquet"
    return {
        "train, 10 M rows at random": negprep("train", make_log("random-10m"), CACHE / "other.parquet"),
        "train, the same with strings": negprep("train", log, out),
        "copy of that output": python(COPY, out, CACHE / "copied.parquet"),
        "train, strings from CSV": negprep("train", text, CACHE / "train-strings-csv.parquet"),
        "pyarrow reads the strings of that CSV": python(READ_CSV, text, "string"),
    }


def outputs_of(command: Sequence[Argument]) -> list[Path]:
    """The files and folders that a job may have left."""
    return [Path(part) for part in command if Path(part).parent == CACHE and not Path(part).name.startswith("log-")]


def rows_of(path: Path) -> int:
    """Rows of a Parquet file."""
    code = "import sys, pyarrow.parquet as pq; print(pq.read_metadata(sys.argv[1]).num_rows)"
    return int(in_child(code, path))


def bars_of(size: str, costs: dict[str, Cost]) -> list[Bar]:
    """The figures of the medians that have a bar."""
    second = {name: cost.median for name, cost in costs.items()}
    startup = second["train, 100 rows"]
    copy, train = second["copy of train's output"], second["train"]
    of_20m = size == "20m"

    def per_row(name: str, rows: int) -> float:
        return (second[name] - startup) / rows

    cpu = {name: cost.least_cpu for name, cost in costs.items()}
    found = [
        Bar("train : copy of its output", train / copy, 0.5, applies=of_20m),
        Bar("train to a folder : that copy", second["train to a folder, --jobs 2"] / copy, 0.95, applies=of_20m),
        Bar(
            "(train from CSV - train) : pyarrow's read",
            (second["train from CSV"] - train) / second["pyarrow reads that CSV's two columns"],
            1.2,
            applies=of_20m,
        ),
        Bar("test : train", second["test"] / train, 1, applies=of_20m),
        Bar("train --shuffle : train", second["train --shuffle"] / train, 2, applies=of_20m),
        Bar("--version : import click", second["negprep --version"] / second["python -c 'import click'"], 2.5),
    ]
    if of_20m:
        tiny = per_row("train, 10 M users of 2 rows", TINY_USERS_ROWS)
        found.append(Bar("time for a row, users of 2 rows : 20m", tiny / per_row("train", ROWS[size]), 2))
        strings, integers = cpu["train, the same with strings"], cpu["train, 10 M rows at random"]
        found += [
            Bar("CPU of train, strings : copy of its output", strings / cpu["copy of that output"], 0.8),
            Bar("the same : with integers", strings / integers, 1.6),
            Bar(
                "(strings from CSV - train) : pyarrow's read",
                (cpu["train, strings from CSV"] - strings) / cpu["pyarrow reads the strings of that CSV"],
                1.2,
            ),
        ]
    if size == "100m":
        spilled = second[f"train, --memory {SMALL_MEMORY}"]
        found.append(Bar(f"time with --memory {SMALL_MEMORY} : without", spilled / train, 2))
    return found


def memory_bars_of(size: str, costs: dict[str, Cost]) -> list[Bar]:
    """The figures with a bar that are not times."""
    if size == "20m":
        most = max(cost.peak for name, cost in costs.items() if name in ("train", HELD, "test"))
        return [Bar("most memory of train and test", most / 1e9, 1.2, " GB")]
    if size == "100m":
        same = filecmp.cmp(CACHE / "train.parquet", CACHE / "train-spilled.parquet", shallow=False)
        return [
            Bar(
                f"memory with --memory {SMALL_MEMORY}",
                costs[f"train, --memory {SMALL_MEMORY}"].peak / 2**20,
                640,
                " MiB",
            ),
            Bar("outputs that it changes", float(not same), 0),
        ]
    return []


def main() -> None:
    """Measure all jobs in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(ROWS), default="20m")
    parser.add_argument("--repeat", type=int, default=4, metavar="N")
    given = parser.parse_args()
    jobs = jobs_of(given.size) | scaling_jobs(given.size)

    def clear_output(name: str) -> None:
        if name.startswith("copy"):
            remove(CACHE / "copied.parquet")
        elif name.startswith("train"):
            for path in outputs_of(jobs[name]):
                remove(path)

    costs = in_turn(jobs, given.repeat, clear_output)
    copy = costs["copy of train's output"].median
    rows = [
        [
            name,
            f"{cost.median:.2f}",
            cost.spread,
            f"{cost.median / copy:.2f}",
            f"{cost.least_cpu:.2f}",
            f"{cost.peak / 1e6:,.0f}",
        ]
        for name, cost in costs.items()
    ]
    written = rows_of(CACHE / "train.parquet")
    megabytes = {name: (CACHE / f"{name}.parquet").stat().st_size / 1e6 for name in ("train", "test")}
    publish(
        f"jobs-{given.size}",
        f"Whole processes on the {given.size} log ({ROWS[given.size]:,} rows; train writes {written:,}, "
        f"{megabytes['train']:,.0f} MB; test {megabytes['test']:,.0f} MB), medians of {given.repeat} rounds in turn.",
        table(["job", "seconds", "range", ": copy", "CPU s", "peak MB"], rows),
        bars(bars_of(given.size, costs) + memory_bars_of(given.size, costs)),
    )


if __name__ == "__main__":
    main()
