"""When the positives of a file happened, found in the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from negprep.arrow import as_numpy
from negprep.reporting.tallies import Counts, TimeTally
from negprep.vocabulary import Codes, Vocabulary, sorted_distinct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, eq=False)
class LogTimes:
    """Times in nanoseconds since 1970.

    Attributes
    ----------
    found : int64, shape (n,)
        The latest time of each pair that the log has.
    missing : int
        Pairs that it has not.
    log : (int64, int64)
        Times of the log and the rows at each, as `TimeTally.result` gives them.
    """

    found: Counts
    missing: int
    log: tuple[Counts, Counts]


class Pairs:
    """Distinct (user, item) pairs. Memory: about 50 bytes a pair while they are collected."""

    def __init__(self) -> None:
        self._users: list[pa.Array] = []
        self._items: list[pa.Array] = []

    def add(self, users: pa.Array, items: pa.Array) -> None:
        """Take pairs."""
        self._users.append(_plain(users))
        self._items.append(_plain(items))

    def among(self, others: Iterable[tuple[pa.Array, pa.Array]]) -> tuple[int, int]:
        """How many of the pairs are among others, given as batches of users and of items; and how many there are."""
        users, items, wanted = self._coded()
        found = np.zeros(len(wanted), bool)
        for some_users, some_items in others:
            at, _ = _places(wanted, items, users.find(some_users), items.find(some_items))
            found[at] = True
        return int(found.sum()), len(wanted)

    def times(self, rows: Iterable[pa.RecordBatch]) -> LogTimes:
        """Look the pairs up in a log, given as batches of ``user``, ``item``, ``time``."""
        users, items, wanted = self._coded()
        latest = np.full(len(wanted), np.iinfo(np.int64).min)
        tally = TimeTally()
        for batch in rows:
            times = as_numpy(batch.column("time"))
            tally.add(times)
            at, rows_of_pairs = _places(
                wanted, items, users.find(batch.column("user")), items.find(batch.column("item"))
            )
            np.maximum.at(latest, at, times[rows_of_pairs])
        found = latest[latest != np.iinfo(np.int64).min]
        return LogTimes(found, len(wanted) - len(found), tally.result())

    def _coded(self) -> tuple[Vocabulary, Vocabulary, Counts]:
        """The distinct users and items, and the keys of the distinct pairs, ascending."""
        users, items = _vocabulary(self._users), _vocabulary(self._items)
        parts = [
            users.find(some).astype(np.int64) * max(len(items), 1) + items.find(others)
            for some, others in zip(self._users, self._items, strict=True)
        ]
        return users, items, np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)


def _places(wanted: Counts, items: Vocabulary, user_codes: Codes, item_codes: Codes) -> tuple[Counts, Counts]:
    """Of the rows that have a wanted pair: which pair it is, and which row."""
    known = np.flatnonzero((user_codes >= 0) & (item_codes >= 0))
    keys = user_codes[known].astype(np.int64) * max(len(items), 1) + item_codes[known]
    at = np.minimum(np.searchsorted(wanted, keys), max(len(wanted) - 1, 0))
    hits = np.flatnonzero(wanted[at] == keys) if len(wanted) else known[:0]
    return at[hits], known[hits]


def _plain(ids: pa.Array) -> pa.Array:
    return ids.cast(pa.int64() if pa.types.is_integer(ids.type) else pa.string())


def _vocabulary(parts: Sequence[pa.Array]) -> Vocabulary:
    kinds = {part.type for part in parts}
    if not parts:
        return Vocabulary(pa.nulls(0, pa.string()))
    return Vocabulary(
        sorted_distinct(pa.concat_arrays([part.cast(pa.string()) if len(kinds) > 1 else part for part in parts]))
    )
