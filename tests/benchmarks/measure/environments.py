"""The virtual environments of what negprep is compared with, below build/bench, each made when it is first used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from measure.processes import CACHE

TORCH = ("torch==2.13.0",)  # installed first: pip then takes the build for CPUs, where its indexes have one


@dataclass(frozen=True)
class Environment:
    """A name, the arguments of the calls of pip that fill it, and the packages whose versions are shown."""

    name: str
    installs: tuple[tuple[str, ...], ...]
    shown: tuple[str, ...]

    def python(self) -> Path:
        """The interpreter."""
        folder = CACHE / self.name
        python = folder / "bin" / "python"
        if not (folder / "complete").exists():
            print(f"installing {self.name} ...", flush=True)
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            for packages in self.installs:
                subprocess.run([*pip, *packages], check=True)
            (folder / "complete").touch()
        return python

    def versions(self) -> str:
        """What was measured: "name version, ..."."""
        code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
        command = [self.python(), "-c", code, *self.shown]
        found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        return ", ".join(f"{name} {version}" for name, version in zip(self.shown, found, strict=True))


RECBOLE = Environment(
    "loaders-recbole",
    (TORCH, ("recbole==1.2.1", "numpy<2", "pandas<2.2", "scipy<1.14", "pyarrow<18")),
    shown=("recbole",),
)
"""Apart from others, since it needs an older numpy."""


def versions(of: Iterable[Environment]) -> str:
    """What was measured in each of them."""
    return ", ".join(one.versions() for one in dict.fromkeys(of))
