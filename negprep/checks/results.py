"""The checks of a file and their results: how many faults, the first few rows, or why a check was not made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from negprep.checks.pair_set import Rows
from negprep.errors import printable

LABELS = "labels are 0 and 1"
USERS = "users are in the log"
ITEMS = "every item is in the log or the catalog"
POSITIVES = "positives are positives of the log"
ONCE = "no positive occurs twice"
SEEN = "no negative is a positive of its user"
WEAK = "no negative is weak"
EXCLUDED = "no negative is excluded"
OWN = "no positive is among its own negatives"
CATALOG = "negatives are in the catalog"
DISTINCT = "the negatives of a positive differ"
KEPT = "columns kept hold what the log has"
HISTORY = "histories hold what came before"
COUNTS = "each positive has as many negatives as it must"
OF_USERS = {
    DISTINCT: "the negatives of a user differ",
    COUNTS: "each user has as many negatives as it must",
}
"""What they are called where a group has all positives of a user."""
FRACTION = "one more negative as often as promised"
WITHIN = "negatives are within the restriction"
DRAWN_WEAK = "draws marked as weak are weak"
DRAWN_SHOWN = "draws marked as impression were shown with the positive"
FELL_BACK = "no draw falls back while its impression has an item left"
METADATA = "the metadata fit rows and log"
MISSING = "no positive is missing"
HOLDOUTS = "holdouts are the right ones"
ABSENT = "no user is missing"
SLOT = "a holdout stands anywhere among its candidates"
LEAK = "no positive is in two parts"
SHARES = "samplers have their shares"
DRAWS = "items are drawn as the sampler promises"
LOG_Q = "log q is right"


Status = Literal["passed", "failed", "not checked"]

FAILS_BELOW = 1e-9
"""Of probabilities: a right file is called wrong once in 10^9 tests of chance."""

OR_SUMMARY = "or --made-by SUMMARY"
"""After an option that would specify what is not specified."""


@dataclass
class Check:
    """One question asked of a file.

    Attributes
    ----------
    name : str
        The condition, in a few words.
    status : {"passed", "failed", "not checked"}
    count : int
        How often it is violated.
    note : str
        The statistic, or why it was not checked.
    examples : list of str
        ``file: row 17: user 'u1', item 'i2'``.
    """

    name: str
    status: Status = "passed"
    count: int = 0
    note: str = ""
    examples: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "check": self.name,
            "status": self.status,
            "count": self.count,
            "note": printable(self.note),
            "examples": [printable(example) for example in self.examples],
        }


class Findings:
    """The checks of a file, in the order in which they were asked for."""

    def __init__(self, n_examples: int) -> None:
        self._n_examples = n_examples
        self._checks: dict[str, Check] = {}
        self._ranked: dict[str, list[tuple[int, int, str]]] = {}

    def __iter__(self) -> Iterator[Check]:
        return iter(self._checks.values())

    def ask(self, name: str) -> Check:
        """The check of a name, passed until something is found."""
        return self._checks.setdefault(name, Check(name))

    def skip(self, name: str, reason: str) -> None:
        """Record why a check was not made."""
        check = self.ask(name)
        if check.status == "passed":
            check.status, check.note = "not checked", reason

    def rename(self, name: str, shown: str) -> None:
        """Show a check under another name."""
        if name in self._checks:
            self._checks[name].name = shown

    def remark(self, name: str, text: str) -> None:
        """Add a remark to a check that failed."""
        check = self._checks.get(name)
        if check is not None and check.status == "failed":
            check.note = f"{check.note}; {text}" if check.note else text

    def found(
        self,
        name: str,
        places: Sequence[int] | Rows,
        describe: Callable[[int], str],
        count: int | None = None,
        *,
        rows: Rows | None = None,
        stage: int = 0,
    ) -> None:
        """Add faults to a check, unless it was skipped."""
        check = self.ask(name)
        count = len(places) if count is None else count
        if not count or check.status == "not checked":
            return
        check.status = "failed"
        check.count += count
        if not self._n_examples:
            return
        ranked = self._ranked.setdefault(name, [])
        for at in self._first(len(places), rows):
            rank = (stage, 0 if rows is None else int(rows[at]))
            if len(ranked) == self._n_examples and ranked[-1][:2] <= rank:
                continue
            ranked.append((*rank, describe(int(places[at]))))
            ranked.sort(key=lambda example: example[:2])  # equal ones stay in the order in which they were found
            del ranked[self._n_examples :]
        check.examples = [example for _, _, example in ranked]

    def _first(self, size: int, rows: Rows | None) -> Iterable[int]:
        """Which may be examples, at most as many as are kept."""
        most = self._n_examples
        if rows is None or size <= most:
            return range(min(size, most))
        bound = np.partition(rows, most - 1)[most - 1]
        candidates = np.flatnonzero(rows <= bound)
        return list(candidates[np.argsort(rows[candidates], kind="stable")][:most])

    def chance(self, name: str, probability: float, note: str, examples: Iterable[str] = ()) -> None:
        """Judge by how improbable it is that a right file looks like this one."""
        check = self.ask(name)
        check.note = f"{note}, p = {probability:.2g}"
        if probability < FAILS_BELOW:
            check.status, check.count = "failed", 1
            check.examples += list(examples)[: self._n_examples]
