"""The positives of a file, block by block: are they the log's, each once, with as many negatives as usual?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from negprep.verifying.grouping import Block
from negprep.verifying.names import COUNTS, LABELS, ONCE, POSITIVES, USERS
from negprep.verifying.pairs import Rows

if TYPE_CHECKING:
    from negprep.verifying.sweep import Sweep


class Heads:
    """Checks the positives of blocks."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep, self._tallies, self._findings = sweep, sweep.tallies, sweep.findings
        self._prepared, self._truth, self._terms = sweep.prepared, sweep.truth, sweep.terms

    def take(self, block: Block) -> Rows:
        """Check the positives of a block.

        Returns
        -------
        int64, shape (n_groups,)
            Where they are among those of the log; below 0 for one that is none.
        """
        truth, found = self._truth, self._findings.found
        users, items = block.heads, block.head_items
        self._tallies.known_users += int((users >= 0).sum()) + int((block.users >= 0).sum())
        strangers = np.flatnonzero(users < 0)
        found(USERS, strangers, lambda at: self._prepared.place(int(block.head_rows[at])))
        keys = users * np.int64(len(truth.items)) + items
        keys[(users < 0) | (items < 0)] = -1
        order = None if (keys[1:] >= keys[:-1]).all() else np.argsort(keys)
        if order is None:
            places = truth.positives.find(keys)
        else:  # neighbours in memory, one after the other
            places = np.empty(len(keys), np.int64)
            places[order] = truth.positives.find(keys[order])
        if self._terms.levels and block.head_sources is not None:
            places[self._sweep.weak.find(keys) >= 0] = -2
        wrong = np.flatnonzero((places == -1) & (users >= 0))
        found(POSITIVES, wrong, lambda at: self._sweep.name(int(block.head_rows[at]), users[at], items[at]))
        if block.odd_labels.size:
            found(LABELS, block.odd_labels, self._prepared.place)
        if block.odd_groups.size and not self._terms.restricted:
            note = ": the candidates of this user are no groups of one size with one positive in each"
            found(COUNTS, block.odd_groups, lambda row: f"{self._prepared.place(row)}{note}")
        if block.strays.size:
            note = ": a negative without a positive of its user"
            self._tallies.strays += len(block.strays)
            found(COUNTS, block.strays, lambda row: f"{self._prepared.place(row)}{note}")
        known = np.flatnonzero(places >= 0) if order is None else order[places[order] >= 0]
        if self._terms.layout == "pairwise" and block.counts is not None:
            self._tallies.lead(places[known], block.head_rows[known], block.counts[known].astype(np.int32))
        else:
            self._once(places[known], block.head_rows[known], block.epoch)
        self._counts(block)
        return places

    def _once(self, places: Rows, rows: Rows, epoch: int) -> None:
        epochs = self._tallies.epochs
        again = self._tallies.present[places] > 0 if epochs is None else epochs.add(places, epoch)
        if places.size > 1 and not (places[1:] > places[:-1]).all():
            order = np.argsort(places, kind="stable")
            ordered = places[order]
            again[order[1:][ordered[1:] == ordered[:-1]]] = True
        self._tallies.lead(places, rows, 1)
        if again.any() and not self._terms.heads_repeat:
            twice = np.flatnonzero(again)
            users, items = self._truth.positives.users[places], self._truth.positives.items[places]
            self._findings.found(ONCE, twice, lambda at: self._sweep.name(int(rows[at]), users[at], items[at]))

    def _counts(self, block: Block) -> None:
        """Groups with another number of negatives than usual; and the places of positives."""
        if block.counts is None or self._terms.layout in ("pairwise", "positives") or not len(block.counts):
            return
        tallies, full = self._tallies, block.counts >= 0
        if tallies.num_neg is None:
            tallies.num_neg = int(np.bincount(block.counts[full]).argmax()) if full.any() else 0
        odd = np.flatnonzero((block.counts != tallies.num_neg) & full)
        if odd.size:
            tallies.exceptions.users.append(block.heads[odd].astype(np.int64))
            tallies.exceptions.heads.append(block.head_items[odd].astype(np.int64))
            tallies.exceptions.counts.append(block.counts[odd])
            tallies.exceptions.rows.append(block.head_rows[odd])
            tallies.exceptions.size += len(odd)
        if block.slots is not None and not self._terms.takes_all:  # lists of one size, which whole ones are not
            slots = block.slots[(block.counts == tallies.num_neg) & (block.slots >= 0)]
            if not tallies.slots.size:
                tallies.slots = np.zeros(tallies.num_neg + 1, np.int64)
            tallies.slots += np.bincount(slots, minlength=len(tallies.slots))
