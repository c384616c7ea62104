"""Run commands in turn, and take the time and the peak memory of each process."""

from __future__ import annotations

import compileall
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

Argument = str | Path
SCRIPTS = Path(__file__).parents[1]
LEAST_TOUCHED, MOST_TOUCHED = 1 << 29, 3 << 30
CACHE = SCRIPTS.parents[1] / "build" / "bench"
PACKAGE = SCRIPTS.parents[1] / "negprep"


@dataclass
class Cost:
    """What the runs of one command cost: wall clock, time of all its threads, and peak memory.

    ``touched``: Bytes that are made ready before the next run: twice what the last one took.
    """

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)
    touched: int = MOST_TOUCHED

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    @property
    def fastest(self) -> float:
        """Seconds."""
        return min(self.seconds)

    @property
    def least_cpu(self) -> float:
        """Seconds."""
        return min(self.cpu)

    @property
    def spread(self) -> str:
        """The fastest and the slowest run."""
        return f"{min(self.seconds):.2f}–{max(self.seconds):.2f}"

    @property
    def peak(self) -> int:
        """Bytes: the most that any run took."""
        return max(self.peaks)


@cache
def _compile_negprep() -> None:
    """Have the bytecode of negprep on disk, as that of the peers is, and of whatever pip installs."""
    compileall.compile_dir(PACKAGE, quiet=1)


def run(command: Sequence[Argument], into: Cost) -> None:
    """Run a command to its end, which must be a success, and add what it cost."""
    # A process starts with the peak of the one that made it as its own: whoever calls this must stay small, and import
    # neither numpy nor pyarrow.
    _compile_negprep()
    os.sync()  # what others wrote is not this command's to wait for
    _touch_memory(into.touched)
    begin = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    into.seconds.append(time.perf_counter() - begin)
    into.cpu.append(used.ru_utime + used.ru_stime)
    into.peaks.append(used.ru_maxrss * 1024)
    into.touched = min(max(2 * into.peaks[-1], LEAST_TOUCHED), MOST_TOUCHED)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}: {' '.join(map(str, command))}")


def _touch_memory(n_bytes: int) -> None:
    """Take some memory and give it back.

    A virtual machine gives pages that lie idle back to its host. Whoever takes them next waits for them: a command that
    needs gigabytes, such as the copy of an output, would look slower than it is.
    """
    pages = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    code = "import sys; bytearray(b'1') * int(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(min(n_bytes, pages))], check=True)


def in_turn(commands: dict[str, Sequence[Argument]], repeat: int, before: Callable[[str], None]) -> dict[str, Cost]:
    """Run all commands ``repeat`` times over, so that a slow minute meets all of them.

    A round that is not counted comes first. The others have each an order of their own, lest a command always follow
    the same one.
    """
    costs = {name: Cost() for name in commands}
    order, chance = list(commands), random.Random(0)
    for turn in range(repeat + 1):
        for done, name in enumerate(order):
            tell(f"round {turn} of {repeat}, {done + 1} of {len(order)}: {name}")
            before(name)
            if turn:
                run(commands[name], costs[name])
            else:
                run(commands[name], warm := Cost())
                costs[name].touched = warm.touched
        chance.shuffle(order)
    tell("")
    return costs


def in_child(code: str, *arguments: Argument) -> str:
    """Run Python code, or a script of the benchmarks, in a process of its own, and return what it prints."""
    script = [code] if code.endswith(".py") else ["-c", code]
    done = subprocess.run(
        [sys.executable, *script, *map(str, arguments)], cwd=SCRIPTS, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip()


def make_log(name: str, ending: str = "parquet") -> Path:
    """The path of a log, which is written now unless it is there."""
    tell(f"log {name}, {ending}")
    return Path(in_child("logs.py", name, "--format", ending).rpartition(": ")[0])


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def tell(what: str) -> None:
    """Say on a terminal what is running."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{what}")
        sys.stderr.flush()
