"""A file as its part of the page needs it: what it is, what it says of itself, and what was counted in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from negprep.limits import MAX_NUM_NEG

if TYPE_CHECKING:
    from negprep.reporting.gathering import Gathered
    from negprep.reporting.log_times import LogTimes


@dataclass(frozen=True)
class Check:
    """A line of the table of checks; `style` is ``ok``, ``failed`` or ``unknown``."""

    name: str
    style: str
    result: str
    words: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Described:
    """A file as `section` needs it.

    Attributes
    ----------
    name, kind, layout : str
    part : str or None
        ``train``, ``valid`` or ``test``.
    facts : dict or None
        The metadata of negprep.
    gathered : Gathered
    times : LogTimes or None
        Of its positives in the log, where there is one.
    checks : list of Check or None
        Of verify; None where there was no log to verify against.
    warnings : list of str
        What is suspicious in how it is written.
    """

    name: str
    kind: str
    layout: str
    part: str | None
    facts: dict[str, Any] | None
    gathered: Gathered
    times: LogTimes | None = None
    checks: list[Check] | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def is_held_out(self) -> bool:
        """Whether its positives are holdouts."""
        return self.part in ("test", "valid")

    @property
    def counts(self) -> dict[str, int]:
        """The whole numbers among the counts of the metadata; others' metadata may hold anything."""
        said = (self.facts or {}).get("counts")
        return {str(name): value for name, value in said.items() if _is_whole(value)} if isinstance(said, dict) else {}

    @property
    def num_neg(self) -> int | None:
        """Negatives that were asked for, where the file says it."""
        said = (self.facts or {}).get("num_neg")
        return said if isinstance(said, int) and _is_whole(said) and 0 < said <= MAX_NUM_NEG else None

    def compared(self) -> list[tuple[str, int, int]]:
        """Name, what the metadata says, and what was counted."""
        gathered, said = self.gathered, self.counts
        found = {"rows": gathered.rows, "negatives": gathered.negatives}
        if self.layout != "pairwise" and (self.facts or {}).get("epochs") is None:
            found["groups"] = gathered.positives
        return [(name, said[name], value) for name, value in found.items() if name in said]


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
