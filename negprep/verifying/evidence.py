"""What the checks of chance must know of all users, gathered from the verdicts of their ranges."""

from __future__ import annotations

import numpy as np

from negprep.verifying.codebook import Codebook
from negprep.verifying.findings import Findings
from negprep.verifying.pair_parts import PairParts
from negprep.verifying.pairs import Rows
from negprep.verifying.shelf import Shelf
from negprep.verifying.tallies import Totals
from negprep.verifying.terms import Terms
from negprep.verifying.truths import Truths
from negprep.verifying.verdict import Settled, Verdict


class Evidence:
    """Takes the verdict of each range of users, in order.

    Parameters
    ----------
    truths : Truths
    terms : Terms
    totals : Totals
    settled : Settled
    findings : Findings
    shelf : Shelf

    Attributes
    ----------
    items : Codebook
    catalog : bool, shape (n_items,)
    known : bool
        Whether it is known which positives are held out, and so what can be drawn.
    avoided, weak : PairParts
        As in ``Supply``.
    avoided_and_held : PairParts or None
        The first, and all held-out positives of the catalog; where the file may avoid these, too.
    any_weak : bool
        Whether anyone has a weak item that could be drawn.
    eligible, sizes, held : int64, shape (n_users,)
        Items that can be drawn for each user, and by the samplers; held-out positives of each.
    units : int64, shape (n_items,), or None
        Of popularity; 0 outside the catalog.
    popularity : int64, shape (n_items,)
        Positives with each item.
    """

    def __init__(
        self, truths: Truths, terms: Terms, totals: Totals, settled: Settled, findings: Findings, shelf: Shelf
    ) -> None:
        self.terms, self.totals, self.settled, self.findings = terms, totals, settled, findings
        self.ranges = truths.ranges
        self.items: Codebook = truths.frame.items
        self.catalog = truths.catalog
        self.known = True
        self.avoided, self.weak = PairParts(shelf), PairParts(shelf)
        unsaid = terms.is_train and not terms.says_itself and not totals.hit
        self.avoided_and_held = PairParts(shelf) if unsaid else None
        n_users = len(truths.frame.users)
        self.eligible, self.sizes, self.held = (np.zeros(n_users, np.int64) for _ in range(3))
        self.any_weak = False
        self.popularity = np.zeros(len(self.items), np.int64)

    @property
    def units(self) -> Rows | None:  # noqa: D102
        return self.settled.units

    def add(self, verdict: Verdict) -> None:
        """Take the next range."""
        positives, supply, first = verdict.truth.positives, verdict.supply, verdict.truth.users.first
        self.popularity += np.bincount(positives.items, minlength=len(self.items))
        self.known &= supply is not None
        if supply is None:
            return
        mine = slice(first, first + positives.n_users)
        self.eligible[mine], self.sizes[mine] = supply.eligible, supply.sizes
        self.any_weak |= bool(len(supply.weak))
        if self.terms.restricted:
            return  # there is a law for each positive, which is found range by range
        self.avoided.add(first, supply.avoided)
        self.weak.add(first, supply.weak)
        if self.avoided_and_held is not None and verdict.held is not None:
            held = positives.where(verdict.held)
            self.held[mine] = held.counts
            self.avoided_and_held.add(first, supply.avoided.union(held.where(self.catalog[held.items])))
