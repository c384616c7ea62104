"""Check the histories of a file: exactly the train positives of the user before the positive, and nothing later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from negprep.arrays import Codes, Mask
from negprep.arrow import as_numpy
from negprep.checks.completeness import RangeCheck, due_of
from negprep.checks.expected import per_user
from negprep.checks.log_ids import LogIds
from negprep.checks.pair_set import Rows
from negprep.checks.ranges import ArrayStore, Laid, Ranges
from negprep.checks.results import HISTORY
from negprep.read.prepared import Batch, Prepared

_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Histories:
    """What stands beside some positives of a file."""

    users: Codes  # int32 (n,): Of the positives
    items: Codes  # int32 (n,): Of the positives
    rows: Rows  # int64 (n,): The number of each row in the file
    counts: Rows  # int64 (n,): Items of each history
    elements: Codes  # int32 (n_elements,): The items of all, end to end

    @classmethod
    def of(cls, batch: Batch, log_ids: LogIds) -> Histories:
        """Of a batch, beside its positives."""
        rows = batch.rows
        items = rows.column("item" if "item" in rows.schema.names else "pos_item")
        lists = rows.column("history")
        offsets: Rows = as_numpy(lists.offsets).astype(np.int64)
        counts: Rows = offsets[1:] - offsets[:-1]
        made = cls(
            log_ids.users.with_strangers(rows.column("user")),
            log_ids.items.with_strangers(items),
            batch.first + np.arange(len(items)),
            counts,
            log_ids.items.with_strangers(lists.flatten()),
        )
        if "label" not in rows.schema.names:
            return made
        return made.taken(np.flatnonzero(as_numpy(rows.column("label")) == 1))

    def taken(self, places: Rows) -> Histories:
        """Some of them, in that order."""
        begins, counts = (np.cumsum(self.counts) - self.counts)[places], self.counts[places]
        elements = self.elements[laid_out(begins, counts)]
        return Histories(self.users[places], self.items[places], self.rows[places], counts, elements)

    def by_range(self, ranges: Ranges) -> Iterator[tuple[int, Histories]]:
        """Those of each range of users, which are counted from its first one; without users whom the log lacks."""
        of_rows = ranges.range_of(self.users)
        for at in np.unique(of_rows).tolist():
            mine = self.taken(np.flatnonzero((of_rows == at) & (self.users >= 0)))
            users = mine.users - np.int32(ranges.bounds[at])
            yield at, Histories(users, mine.items, mine.rows, mine.counts, mine.elements)


def laid_out(begins: Rows, counts: Rows) -> Rows:
    """The places ``begins``, ``begins + 1``, ... of each, end to end."""
    ends = np.cumsum(counts)
    found: Rows = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(begins - (ends - counts), counts)
    return found


class RangeHistories:
    """Checks histories against the positives of a range of users."""

    def __init__(self, checked: RangeCheck, most: int) -> None:
        self._sweep, self._in_log, self._findings = checked.sweep, checked.in_log, checked.findings
        self._most, positives = most, checked.in_log.positives
        self._times: Rows = np.empty(0, np.int64) if checked.in_log.times is None else checked.in_log.times
        self._out, self._sure = _held(checked)
        self._led = checked.present & (not checked.terms.is_train)  # whatever else is: what this file holds out
        order = np.lexsort((positives.items, self._times, positives.users))
        users, times = positives.users[order], self._times[order]
        in_train = ~self._out[order]
        before = np.concatenate([[0], np.cumsum(in_train)])  # train positives before each, and all
        is_first = np.append(True, (users[1:] != users[:-1]) | (times[1:] != times[:-1]))[: len(order)]
        run = np.flatnonzero(is_first)[np.cumsum(is_first) - 1]  # the first of the same user and time
        self._ends = np.empty(len(order), np.int64)  # of each positive, in the order of the log's pairs
        self._ends[order] = before[run]
        self._begins = np.maximum(self._ends - most, before[positives.starts[positives.users]])
        self._train = positives.items[order][in_train]

    def take(self, found: Histories) -> int:
        """Check some; how many of them could not be compared item by item."""
        places = self._in_log.positives.find(self._in_log.keys(found.users, found.items))
        known = places >= 0
        sure = known & self._sure[found.users]
        self._compare(found, places, np.flatnonzero(sure))
        self._look(found, places, np.flatnonzero(known & ~sure))
        return int((known & ~sure).sum())

    def _compare(self, found: Histories, places: Rows, some: Rows) -> None:
        """Each must be what the log has."""
        mine = found.taken(some)
        begins, ends = self._begins[places[some]], self._ends[places[some]]
        wrong = mine.counts != ends - begins
        alike = np.flatnonzero(~wrong)
        wanted = self._train[laid_out(begins[alike], mine.counts[alike])]
        differs = mine.taken(alike).elements != wanted
        wrong[alike[np.repeat(np.arange(len(alike)), mine.counts[alike])[differs]]] = True
        starts = np.cumsum(mine.counts) - mine.counts

        def describe(at: int) -> str:
            listed = mine.elements[starts[at] : starts[at] + mine.counts[at]]
            right = self._train[begins[at] : ends[at]]
            note = f": the history is {self._shown(listed)}, and by the log {self._shown(right)}"
            return self._sweep.name(int(mine.rows[at]), mine.users[at], mine.items[at], note)

        self._findings.found(HISTORY, np.flatnonzero(wrong), describe, rows=mine.rows[wrong])

    def _look(self, found: Histories, places: Rows, some: Rows) -> None:
        """Each must be of positives before, in order, none of which is surely held out."""
        mine = found.taken(some)
        rows = np.repeat(np.arange(len(some)), mine.counts)
        at = self._in_log.positives.find(self._in_log.keys(mine.users[rows], mine.elements))
        times = np.where(at >= 0, self._times.take(at, mode="clip") if len(self._times) else 0, np.iinfo(np.int64).max)
        late = (times >= self._times[places[some]][rows]) | (at < 0) | np.append(self._led, False)[at]
        same = rows[1:] == rows[:-1]
        later = (times[1:] > times[:-1]) | ((times[1:] == times[:-1]) & (mine.elements[1:] > mine.elements[:-1]))
        late[1:] |= same & ~later
        long = np.flatnonzero(mine.counts > self._most)
        wrong = np.union1d(rows[late], long)

        def describe(row: int) -> str:
            note = ": the history holds what is not a positive of the user before it, in order of time"
            return self._sweep.name(int(mine.rows[row]), mine.users[row], mine.items[row], note)

        self._findings.found(HISTORY, wrong, describe, rows=mine.rows[wrong])

    def _shown(self, items: Codes) -> str:
        names = [self._in_log.items.name(int(item)) for item in items[-_SHOWN:]]
        return f"[{'..., ' * (len(items) > _SHOWN)}{', '.join(names)}]"


def _held(checked: RangeCheck) -> tuple[Mask, Mask]:
    """Which positives are out of training, and for which users that is certain."""
    terms, positives = checked.terms, checked.in_log.positives
    if terms.is_train or not (terms.with_valid or terms.drop_cold is not None):
        return checked.held_here, ~checked.open_users
    due = due_of(checked.in_log, terms, "train", checked.settled)
    return due.may, per_user(positives, due.may) == due.sizes


def histories(
    prepared: Prepared, log_ids: LogIds, ranges: Ranges, store: ArrayStore
) -> Iterator[tuple[int, Iterator[Histories]]]:
    """The histories of each range of users, which can be had once."""
    pieces = (
        part for batch in prepared.batches(("history",)) for part in Histories.of(batch, log_ids).by_range(ranges)
    )
    if len(ranges) == 1:
        yield 0, (part for _, part in pieces)
        return
    laid: list[list[Laid]] = [[] for _ in range(len(ranges))]
    for at, part in pieces:
        laid[at].append(store.put(vars(part)))
    for at, parts in enumerate(laid):
        arrays = (store.get(each) for each in parts)
        yield at, (Histories(**each) for each in arrays)  # type: ignore[arg-type]
