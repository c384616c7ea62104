"""What a run did, in numbers."""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from negprep._version import __version__
from negprep.draw import ALGORITHM


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The facts of a run; ``as_dict`` is what ``--summary`` writes.

    Attributes
    ----------
    command : str
    output : str
        Where the rows went, as it was given: a file, a folder with a slash at its end, or ``-``.
    rows_read : int
        Rows of the log: those used and those dropped.
    rows_dropped : dict of str to int
        Reason and count.
    users, items, catalog_items : int
        Distinct users and items of the log, and items that may be drawn; without those removed.
    removed_users, removed_items, removed_positives : int
        What ``min_positives`` and ``core`` left out.
    positives, weak : int
        Distinct positive pairs, and observed pairs that are none.
    holdout : str
        The rule that chose the holdouts.
    holdout_asked : str
        The rule as it was given: ``auto`` where the log decided which.
    holdouts, holdout_users, tied_holdouts, cold_holdouts : int
        Test holdouts, users with one, users one of whose holdouts a hash chose between equal times, and test holdouts
        whose item has no train positive.
    cold_users, unheld_users : int
        Users with a test holdout and no train positive, and users with positives but without a test holdout.
    num_neg : int or "all"
        Negatives asked for each positive.
    negatives, rows_written : int
    sampler : str
    sources : dict of str to int
        Negatives from each sampler, and uniform ones that fell back from it; empty where there is one source.
    short_users, full_users, dropped_users : int
        Users with too few eligible items, those of them with none, and those left out for it.
    seen : str
        What a user's negatives avoid.
    excluded_pairs, excluded_unknown, weak_unknown : int
        Pairs of ``--exclude`` taken, and rows of it and of ``--weak`` whose user or item occurs nowhere else.
    excluded_rows, excluded_left_out, weak_rows : int
        Rows of ``--exclude`` and ``--weak``; those of ``--exclude`` besides that ``--positive`` leaves out.
    items_outside, positives_outside, holdouts_outside : int
        Items of the log that the catalog lacks, and positives and test holdouts of these.
    weights_rows, weights_unknown, unweighted_items : int
        Rows of ``--weights``, those whose item is not in the catalog, and items of the catalog that it lacks.
    seed, split_seed, algorithm : int
    epoch : int
    epochs : int or None
    columns : dict of str to str
        Role and header of the columns taken.
    unused_keys : list of str
        Keys in the paths of the log's parts (``day=1/``) that are not among them.
    warnings, notes : list of str
        What is suspicious but no error; what follows from the options, or is usual.
    seconds : float
    peak_memory_bytes : int
        Of the whole process so far.
    version : str
    metadata : dict
        What Parquet carries as metadata, whole, by which ``verify --made-by`` knows what a text promises.
    """

    command: str
    output: str
    rows_read: int
    rows_dropped: dict[str, int]
    users: int
    items: int
    catalog_items: int
    removed_users: int
    removed_items: int
    removed_positives: int
    positives: int
    weak: int
    holdout: str
    holdout_asked: str
    holdouts: int
    holdout_users: int
    tied_holdouts: int
    cold_holdouts: int
    cold_users: int
    unheld_users: int
    num_neg: int | Literal["all"]
    sampler: str
    sources: dict[str, int]
    negatives: int
    rows_written: int
    short_users: int
    full_users: int
    dropped_users: int
    seen: str
    excluded_pairs: int
    excluded_unknown: int
    weak_unknown: int
    excluded_rows: int = 0
    excluded_left_out: int = 0
    weak_rows: int = 0
    items_outside: int = 0
    positives_outside: int = 0
    holdouts_outside: int = 0
    weights_rows: int = 0
    weights_unknown: int = 0
    unweighted_items: int = 0
    seed: int
    split_seed: int
    epoch: int = 0
    epochs: int | None = None
    columns: dict[str, str]
    unused_keys: list[str] = field(default_factory=list)
    warnings: list[str]
    notes: list[str] = field(default_factory=list)
    seconds: float
    peak_memory_bytes: int
    algorithm: int = ALGORITHM
    version: str = field(default=__version__)
    metadata: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """All facts, ready for JSON."""
        return asdict(self)

    def as_json(self) -> str:
        """All facts as JSON, with a newline at the end."""
        return json.dumps(self.as_dict(), indent=2, allow_nan=False) + "\n"


def peak_memory_bytes() -> int:
    """The largest resident size of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
