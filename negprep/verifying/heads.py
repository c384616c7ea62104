"""The positives of a file, block by block: are they the log's, each once, with as many negatives as usual?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from negprep.verifying.grouping import Block
from negprep.verifying.names import COUNTS, ITEMS, LABELS, ONCE, POSITIVES, USERS
from negprep.verifying.pairs import Rows
from negprep.verifying.waiting import Leads, Waiting

if TYPE_CHECKING:
    from negprep.verifying.sweep import Sweep


class Heads:
    """Checks the positives of blocks."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep, self._tallies, self._findings = sweep, sweep.tallies, sweep.findings
        self._prepared, self._truth, self._terms = sweep.prepared, sweep.truth, sweep.terms
        self._totals = sweep.tallies.totals
        in_order = not (sweep.terms.shuffled and sweep.terms.is_train)
        self._waiting = None if in_order or sweep.terms.restricted else Waiting(sweep.truth.positives)

    def take(self, block: Block) -> Rows | None:
        """Check the positives of a block.

        Returns
        -------
        int64, shape (n_groups,), or None
            Where they are among those of the log; below 0 for one that is none. None: they wait to be looked up.
        """
        found, users = self._findings.found, block.heads
        self._totals.known_users += int((users >= 0).sum()) + int((block.users >= 0).sum())
        strangers = np.flatnonzero(users < 0)
        found(
            USERS,
            strangers,
            lambda at: self._sweep.user(int(block.head_rows[at]), users[at]),
            rows=block.head_rows[strangers],
        )
        unknown = np.flatnonzero(block.head_items < 0)
        found(
            ITEMS,
            unknown,
            lambda at: self._sweep.name(int(block.head_rows[at]), users[at], block.head_items[at]),
            rows=block.head_rows[unknown],
        )
        if block.odd_labels.size:
            found(LABELS, block.odd_labels, self._prepared.place, rows=block.odd_labels)
        if block.odd_groups.size and not self._terms.restricted:
            note = ": the candidates of this user are no groups of one size with one positive in each"
            found(COUNTS, block.odd_groups, lambda row: f"{self._prepared.place(row)}{note}", rows=block.odd_groups)
        if block.strays.size:
            note = ": a negative without a positive of its user"
            self._totals.strays += len(block.strays)
            found(COUNTS, block.strays, lambda row: f"{self._prepared.place(row)}{note}", rows=block.strays)
        self._counts(block)
        counts = block.counts if self._terms.layout == "pairwise" else None
        leads = Leads(block.epoch, users, block.head_items, block.head_rows, counts, block.head_sources)
        if self._waiting is None:
            return self._look_up(leads)
        for window in self._waiting.add(leads):
            self._look_up(window)
        return None

    def finish(self) -> None:
        """Look up those that wait."""
        if self._waiting is not None:
            for window in self._waiting.drain():
                self._look_up(window)

    def _look_up(self, leads: Leads) -> Rows:
        """Where positives are among those of the log, and count them."""
        truth, users, items = self._truth, leads.users, leads.items
        keys = users * np.int64(len(truth.items)) + items
        keys[(users < 0) | (items < 0)] = -1
        places = truth.positives.find(keys)
        if self._terms.levels and leads.sources is not None:
            places[self._sweep.weak.find(keys) >= 0] = -2
        wrong = np.flatnonzero((places == -1) & (users >= 0))
        self._findings.found(
            POSITIVES,
            wrong,
            lambda at: self._sweep.name(int(leads.rows[at]), users[at], items[at]),
            rows=leads.rows[wrong],
        )
        known = np.flatnonzero(places >= 0)
        if not (places[known[1:]] > places[known[:-1]]).all():
            known = known[np.argsort(places[known], kind="stable")]  # neighbours in memory, one after the other
        if leads.counts is not None:
            self._tallies.lead(places[known], leads.rows[known], leads.counts[known].astype(np.int32))
        else:
            self._once(places[known], leads.rows[known], leads.epoch)
        return places

    def _once(self, places: Rows, rows: Rows, epoch: int) -> None:
        """Positives, ascending, lead rows: each once in an epoch."""
        epochs = self._tallies.epochs
        again = self._tallies.present[places] > 0 if epochs is None else epochs.add(places, epoch)
        again[1:] |= places[1:] == places[:-1]
        self._tallies.lead(places, rows, 1)
        if again.any() and not self._terms.heads_repeat:
            twice = np.flatnonzero(again)
            users, items = self._truth.positives.users[places], self._truth.positives.items[places]
            self._findings.found(
                ONCE,
                twice,
                lambda at: self._sweep.name(int(rows[at]), users[at], items[at]),
                rows=rows[twice],
            )

    def _counts(self, block: Block) -> None:
        """Groups with another number of negatives than usual; and the places of positives."""
        if block.counts is None or self._terms.layout in ("pairwise", "positives") or not len(block.counts):
            return
        totals, kept = self._totals, self._tallies.exceptions
        odd = np.flatnonzero((block.counts != totals.num_neg) & (block.counts >= 0))
        if odd.size:
            kept.users.append(block.heads[odd].astype(np.int64))
            kept.heads.append(block.head_items[odd].astype(np.int64))
            kept.counts.append(block.counts[odd])
            kept.rows.append(block.head_rows[odd])
            kept.size += len(odd)
        if block.slots is not None and not self._terms.takes_all:  # lists of one size, which whole ones are not
            slots = block.slots[(block.counts == totals.num_neg) & (block.slots >= 0)]
            if not totals.slots.size:
                totals.slots = np.zeros((totals.num_neg or 0) + 1, np.int64)
            totals.slots += np.bincount(slots, minlength=len(totals.slots))
