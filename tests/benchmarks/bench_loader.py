"""Batches for training: rows a second of negprep's loader, of `train --shuffle`, and of the loaders of others.

    python tests/benchmarks/bench_loader.py [--size 1m|20m] [--seconds S] [--repeat N] [--only NAME ...]

Four negatives to a positive, batches of 8,192 rows, shuffled, without workers: each loader in a process of its own,
which takes batches for some seconds (of negprep, which draws ahead, all batches of an epoch) and then looks up how many
negatives are positives of their user. The loaders of others run once, on a log of a million rows with the same laws.
They need two virtual environments, build/bench/loaders-*, made on the first run.

The bars are for rows a second of the processor, of all threads: other work on the machine does not change them much.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure.environments import RECBOLE, TORCH, Environment, versions
from measure.processes import CACHE, SCRIPTS, Cost, in_child, make_log, remove, run, tell
from measure.tables import Bar, bars, publish, table

LIBRARIES = Environment(
    "loaders-torch",
    (
        TORCH,
        ("numpy", "scipy", "scikit-learn", "pandas<3", "pyarrow", "gensim", "tqdm", "click", "tensorflow-cpu"),
        # Of these three, a file or a package is run that needs nothing more.
        ("--no-deps", "--ignore-requires-python", "librecommender==1.5.2", "datarec==1.5.7", "warprec==2.2.8"),
    ),
    shown=("torch", "librecommender", "warprec", "datarec"),
)
HEAD = ["", "M rows/CPU s", "negprep : it", "M rows/s", "range", "first batch, s", "wrong negatives"]


@dataclass(frozen=True)
class Loader:
    """A script of `loaders`, what it is told, and where it runs; ``slower`` than negprep by at least this."""

    script: str
    words: tuple[str, ...] = ()
    environment: Environment | None = None
    slower: float | None = None


OWN = "negprep"
OURS, POPULAR, SHUFFLE = "negprep.Sampler", "negprep.Sampler, popularity", "negprep train --shuffle"
LOADERS = {
    OURS: Loader("sampler.py", ("uniform",)),
    POPULAR: Loader("sampler.py", ("popularity",)),
    "negprep.torch in a DataLoader": Loader("sampler.py", ("uniform", "torch"), LIBRARIES),
    "RecBole": Loader("recbole_loader.py", ("uniform",), RECBOLE, 3),
    "RecBole, popularity": Loader("recbole_loader.py", ("popularity",), RECBOLE),
    "LibRecommender, random": Loader("librecommender.py", ("random",), LIBRARIES),
    "LibRecommender, unconsumed": Loader("librecommender.py", ("unconsumed",), LIBRARIES, 5),
    "WarpRec": Loader("warprec_pointwise.py", (), LIBRARIES, 50),
    "DataRec": Loader("datarec_pairwise.py", (), LIBRARIES, 50),
    "PyTorch, a set a user": Loader("torch_set.py", (), LIBRARIES, 50),
}


@dataclass
class Found:
    """What the rounds of a loader gave."""

    paces: list[float] = field(default_factory=list)
    cpu_paces: list[float] = field(default_factory=list)
    last: dict[str, Any] = field(default_factory=dict)

    @property
    def pace(self) -> float:
        """Rows a second: the median of the rounds."""
        return statistics.median(self.paces)

    @property
    def cpu_pace(self) -> float:
        """Rows a second of the processor: the median of the rounds."""
        return statistics.median(self.cpu_paces)

    @property
    def spread(self) -> str:
        """Of rows a second, in millions."""
        return f"{min(self.paces) / 1e6:.3g}–{max(self.paces) / 1e6:.3g}"


def measure(loader: Loader, log: Path, seconds: float, into: Found) -> None:
    """Run a loader once, and add what it found."""
    script = SCRIPTS / "loaders" / loader.script
    python = loader.environment.python() if loader.environment is not None else Path(sys.executable)
    command = [python, script, log, str(seconds), *loader.words]
    shown = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=CACHE).stdout
    into.last = json.loads(shown.splitlines()[-1])
    into.paces.append(into.last["rows"] / into.last["seconds"])
    into.cpu_paces.append(into.last["rows"] / into.last["cpu"])


def measure_shuffle(log: Path, into: Found) -> None:
    """Run `train --shuffle` once, whole, and add the rows that it wrote a second."""
    output, cost = CACHE / "loader-train.parquet", Cost()
    remove(output)
    run(
        [
            sys.executable,
            "-m",
            "negprep",
            "train",
            "--quiet",
            "--shuffle",
            "--encode",
            "--holdout",
            "none",
            log,
            output,
        ],
        cost,
    )
    code = "import sys, pyarrow.parquet as pq; print(pq.read_metadata(sys.argv[1]).num_rows)"
    rows = int(in_child(code, output))
    into.last = {"rows": rows}
    into.paces.append(rows / cost.median)
    into.cpu_paces.append(rows / cost.least_cpu)
    for path in output.parent.glob("loader-train.*"):
        remove(path)


def main() -> None:
    """Measure all in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["1m", "20m"], default="20m")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S")
    parser.add_argument("--repeat", type=int, default=3, metavar="N")
    parser.add_argument("--only", nargs="+", choices=list(LOADERS), default=list(LOADERS), metavar="NAME")
    given = parser.parse_args()
    large, small = make_log(given.size), make_log("like-20m-1m")
    loaders = {name: LOADERS[name] for name in given.only}
    measured = versions(loader.environment for loader in loaders.values() if loader.environment is not None)
    found = {name: Found() for name in [SHUFFLE, *loaders]}
    for turn in range(given.repeat):
        for name in found:
            if turn and not name.startswith(OWN):
                continue
            tell(f"{turn + 1}/{given.repeat} {name}")
            if name == SHUFFLE:
                measure_shuffle(large, found[name])
            else:
                loader = loaders[name]
                measure(loader, large if name.startswith(OWN) else small, given.seconds, found[name])
    tell("")
    rows, bar = [], []
    for name, result in found.items():
        ratio = found[OURS].cpu_pace / result.cpu_pace if OURS in found else float("nan")
        checked = f"{result.last['wrong']:,} of {result.last['drawn']:,}" if "wrong" in result.last else "-"
        ready = f"{result.last['ready']:.2f}" if "ready" in result.last else "-"
        rows.append(
            [
                name,
                f"{result.cpu_pace / 1e6:.3g}",
                f"{ratio:.1f}",
                f"{result.pace / 1e6:.3g}",
                result.spread,
                ready,
                checked,
            ]
        )
    if OURS in found:
        bar.append(
            Bar("negprep.Sampler : train --shuffle", found[OURS].cpu_pace / found[SHUFFLE].cpu_pace, 1, at_least=True)
        )
    if POPULAR in found:
        ratio = found[POPULAR].cpu_pace / found[SHUFFLE].cpu_pace
        bar.append(Bar("by popularity : train --shuffle", ratio, 0.5, at_least=True))
    bar += [
        Bar(f"negprep.Sampler : {name}", found[OURS].cpu_pace / found[name].cpu_pace, loader.slower, at_least=True)
        for name, loader in loaders.items()
        if loader.slower is not None and OURS in found
    ]
    publish(
        f"loader-{given.size}",
        f"Millions of rows a second in batches of 8,192: negprep on the {given.size} log, medians of {given.repeat} "
        f"rounds in turn; the others on a million rows with the same laws, once. {measured}.",
        table(HEAD, rows),
        bars(bar),
    )


if __name__ == "__main__":
    main()
