"""Tables of results: printed, and kept as Markdown for the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from measure.machine import machine
from measure.processes import CACHE

RESULTS = CACHE / "results"


@dataclass(frozen=True)
class Bar:
    """A figure that must not be above (or, with ``at_least``, below) a limit.

    ``applies`` is False where the limit is set for another log: the figure is left out then.
    """

    what: str
    figure: float
    limit: float
    unit: str = ""
    at_least: bool = False
    applies: bool = True

    @property
    def row(self) -> list[str]:
        """What, the figure, the bar, and whether it is met."""
        met = self.figure >= self.limit if self.at_least else self.figure <= self.limit
        most = "at least" if self.at_least else "at most"
        return [self.what, f"{self.figure:.2f}{self.unit}", f"{most} {self.limit:g}{self.unit}", "yes" if met else "NO"]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are aligned to the right."""
    rule = ["---", *("--:" for _ in head[1:])]
    return "\n".join(f"|{'|'.join(line)}|" for line in [head, rule, *rows])


def bars(given: Sequence[Bar]) -> str:
    """The table of figures with bars."""
    return table(["figure", "measured", "bar", "met"], [bar.row for bar in given if bar.applies])


def publish(name: str, *parts: str) -> None:
    """Print the parts of a result, and keep them for the page under a name."""
    text = "\n\n".join([machine(), *parts])
    print(f"\n{text}\n", flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text + "\n")
