"""What the value and the event column of a log hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import as_numpy
from negprep.compute import pc

MOST_SINGLE = 20
"""Values that get a bin each; of more, there are ten bins."""

_N_BINS = 10
_MOST_DISTINCT = 100_000
_MOST_EVENTS, EVENTS_SHOWN = 10_000, 20

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Batches = Callable[[], Iterable[pa.RecordBatch]]


@dataclass(frozen=True)
class ValueBin:
    """Rows with a value from ``low`` up to ``high``: without it, but in the last bin, and where both are one."""

    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class Values:
    """The value column.

    Attributes
    ----------
    least, most : float
    distinct : int or None
        None: more than 100,000.
    histogram : tuple of ValueBin
        Of at most 20 different values one each, else ten of equal width.
    """

    least: float
    most: float
    distinct: int | None
    histogram: tuple[ValueBin, ...]


@dataclass(frozen=True)
class Events:
    """The event column.

    Attributes
    ----------
    rows : dict of str to int
        The most frequent names, at most 20, and their rows.
    others : int
        Rows with another name.
    """

    rows: dict[str, int]
    others: int


def read_values(batches: Batches) -> Values | None:
    """Go through the value column; once more if it has too many values to remember. None: there is no row.

    Parameters
    ----------
    batches : callable
        Gives the rows, with a column ``value``, from the beginning.
    """
    known: tuple[Floats, Counts] | None = (np.empty(0), np.empty(0, np.int64))
    least, most = np.inf, -np.inf
    for batch in batches():
        column = as_numpy(batch.column("value"))
        least, most = min(least, float(column.min())), max(most, float(column.max()))
        if known is not None:
            known = _merged(known, column)
            known = known if len(known[0]) <= _MOST_DISTINCT else None
    if least > most:
        return None
    if known is not None and len(known[0]) <= MOST_SINGLE:
        bins = tuple(
            ValueBin(value, value, rows) for value, rows in zip(*(part.tolist() for part in known), strict=True)
        )
        return Values(least, most, len(known[0]), bins)
    edges = np.linspace(least, most, _N_BINS + 1)
    rows = np.zeros(_N_BINS, np.int64)
    for values, counts in [known] if known is not None else ((as_numpy(b.column("value")), None) for b in batches()):
        places = (np.searchsorted(edges, values, side="right") - 1).clip(0, _N_BINS - 1)
        rows += np.bincount(places, counts, _N_BINS).astype(np.int64)
    bins = tuple(map(ValueBin, edges[:-1].tolist(), edges[1:].tolist(), rows.tolist()))
    return Values(least, most, None if known is None else len(known[0]), bins)


def _merged(known: tuple[Floats, Counts], column: Floats) -> tuple[Floats, Counts]:
    new, counts = np.unique(column, return_counts=True)
    values = np.concatenate([known[0], new])
    distinct, places = np.unique(values, return_inverse=True)
    return distinct, np.bincount(places, np.concatenate([known[1], counts])).astype(np.int64)


def read_events(batches: Batches) -> Events:
    """Go through the event column.

    Parameters
    ----------
    batches : callable
        Gives the rows, with a column ``event``, from the beginning.

    Notes
    -----
    Of more than 10,000 names, those that come first are counted, so that memory is bounded.
    """
    counted: Counter[str] = Counter()
    n_rows = 0
    for batch in batches():
        found = pc.value_counts(batch.column("event").cast(pa.string()))
        n_rows += len(batch)
        names, counts = found.field("values").to_pylist(), found.field("counts").to_pylist()
        for name, count in zip(names, counts, strict=True):
            if name in counted or len(counted) < _MOST_EVENTS:
                counted[name] += count
    shown = dict(sorted(counted.items(), key=lambda each: (-each[1], each[0]))[:EVENTS_SHOWN])
    return Events(shown, n_rows - sum(shown.values()))
