"""Whether each positive has as many negatives as it must, now that it is known what can be drawn for whom."""

from __future__ import annotations

import numpy as np

from negprep.verifying.findings import Findings
from negprep.verifying.holdouts import Mask, per_user
from negprep.verifying.names import COUNTS
from negprep.verifying.pairs import Rows
from negprep.verifying.supply import Supply, window_sizes
from negprep.verifying.tallies import Totals
from negprep.verifying.terms import Terms
from negprep.verifying.verdict import Settled, Verdict


class GroupSizes:
    """Judges the numbers of negatives.

    Parameters
    ----------
    verdict : Verdict
    """

    def __init__(self, verdict: Verdict) -> None:
        self._verdict, self._truth, self._terms = verdict, verdict.truth, verdict.terms
        self._tallies, self._findings, self._totals = verdict.tallies, verdict.findings, verdict.totals

    def judge(self) -> None:
        """Make the check for a range of users."""
        terms, supply = self._terms, self._verdict.supply
        if supply is None:
            self._findings.skip(COUNTS, "which positives are held out is not known, and so not what can be drawn")
        elif terms.bootstrap is not None:
            nobody = (supply.sizes[self._truth.positives.counts > 0] == 0).any()
            self._verdict.settled.someone_full |= terms.restricted or bool(nobody)
        elif by_user(terms):
            self._by_user(supply)
        elif terms.layout == "pairwise":
            self._of_pairs(supply)
        elif self._tallies.exceptions.size:
            self._exceptions(supply)

    @property
    def _unsure(self) -> Mask:
        """Users for whom it is not known what can be drawn: no more than it seems, no less than in any case."""
        hidden = self._terms.samplers == ("popularity",) and self._verdict.weights is None
        return self._verdict.open_users & self._terms.is_train | hidden

    def _by_user(self, supply: Supply) -> None:
        """Where it is not known which negative is whose."""
        if self._terms.restricted:
            self._findings.skip(COUNTS, "rows are in no order, and what can be drawn depends on the positive")
            return
        heads, found = heads_due(self._verdict), self._tallies.negatives_of
        num_neg = self._totals.num_neg
        if num_neg is None:
            num_neg = round(float(self._totals.negatives_of.sum() / max(1, self._verdict.settled.heads)))
        wanted = heads * supply.wanted(self._terms, num_neg)
        if self._terms.drops_short:
            wanted = np.where(found > 0, wanted, 0)
        least = heads * self._verdict.least.wanted(self._terms, num_neg)
        wrong = np.flatnonzero((found != wanted) & ~(self._unsure & (found >= least) & (found <= wanted)))
        note = "negatives, not"
        self._findings.found(
            COUNTS, wrong, lambda user: self._verdict.user(user, f": {found[user]} {note} {wanted[user]}")
        )

    def _of_pairs(self, supply: Supply) -> None:
        """In pairs a positive has a row for each of its negatives."""
        tallies, present, epochs = self._tallies, self._verdict.present, self._terms.epochs
        rows = tallies.present
        if self._totals.num_neg is None:
            self._totals.num_neg = int(self._verdict.settled.numbers.argmax()) // epochs
        wanted = supply.wanted(self._terms, self._totals.num_neg)[self._truth.positives.users] * epochs
        wrong = np.flatnonzero(present & (rows != wanted))
        self._judge(wrong, rows[wrong].astype(np.int64), supply, tallies.first_rows[wrong], epochs)

    def _exceptions(self, supply: Supply) -> None:
        kept, n_items = self._tallies.exceptions, np.int64(len(self._truth.items))
        users, heads, counts, rows = map(np.concatenate, (kept.users, kept.heads, kept.counts, kept.rows))
        keys = np.where((users >= 0) & (heads >= 0), users * n_items + heads, -1)
        self._judge(self._truth.positives.find(keys), counts, supply, rows, 1)

    def _least(self, places: Rows) -> Rows:
        """How many negatives some positives of the log have in any case."""
        least, terms, num_neg = self._verdict.least, self._terms, self._totals.num_neg or 0
        sizes = least.sizes[self._truth.positives.users[places]]
        if terms.restricted:
            sizes = np.zeros(len(places), np.int64)
            some = np.argsort(places, kind="stable")[: self._verdict.settled.windows_of_unsure]
            self._verdict.settled.windows_of_unsure -= len(some)
            sizes[some] = window_sizes(self._truth, terms, least, places[some])
        return np.minimum(sizes, num_neg) if terms.distinct else np.where(sizes > 0, num_neg, 0)

    def _excused(self, places: Rows, counts: Rows, wanted: Rows, epochs: int) -> Mask:
        """Which of some positives have a number that cannot be told from a right one."""
        excused = places >= 0
        excused[excused] = self._unsure[self._truth.positives.users[places[excused]]]
        unsure = np.flatnonzero(excused)
        mine = counts[unsure]
        excused[unsure] = (mine <= wanted[unsure] * epochs) & (mine >= self._least(places[unsure]) * epochs)
        return excused

    def _judge(self, places: Rows, counts: Rows, supply: Supply, rows: Rows, epochs: int) -> None:
        """Report positives with a number of negatives that nothing explains; -1 for one that the log lacks."""
        num_neg, settled = self._totals.num_neg or 0, self._verdict.settled
        known = places >= 0
        users = np.where(known, self._truth.positives.users.take(places, mode="clip"), -1)
        wanted = np.where(known, supply.wanted(self._terms, num_neg)[users], num_neg)
        if self._terms.restricted:
            few = np.flatnonzero((counts < num_neg * epochs) & known)
            few = few[np.argsort(places[few], kind="stable")]
            most = min(settled.windows, len(few))
            sizes = window_sizes(self._truth, self._terms, supply, places[few[:most]])
            wanted[few[:most]] = np.minimum(sizes, num_neg) if self._terms.distinct else np.where(sizes, num_neg, 0)
            wanted[few[most:]] = counts[few[most:]] // epochs
            settled.windows -= most
            settled.looked_into += most
            settled.short += len(few)
        wrong = np.flatnonzero(counts != wanted * epochs)
        wrong = wrong[~self._excused(places[wrong], counts[wrong], wanted[wrong], epochs)]

        def describe(at: int) -> str:
            place, user = self._verdict.sweep.prepared.place(int(rows[at])), self._truth.users.name(users[at])
            return f"{place}: user {user}: {counts[at]} negatives, not {wanted[at] * epochs}"

        self._findings.found(COUNTS, wrong, describe, rows=rows[wrong])


def by_user(terms: Terms) -> bool:
    """Whether negatives are counted user by user, since it is not known which one is whose."""
    return terms.levels or (terms.layout == "pointwise" and terms.is_train and terms.shuffled)


def heads_due(verdict: Verdict) -> Rows:
    """How many positives of each user negatives are due to, in all epochs: int64, shape (n_users,)."""
    heads = per_user(verdict.truth.positives, verdict.present)
    if verdict.terms.levels and verdict.expected is not None:
        heads = verdict.truth.positives.counts - verdict.expected.sizes
    return heads * verdict.terms.epochs


def judge_sizes(terms: Terms, totals: Totals, settled: Settled, findings: Findings, name: str) -> None:
    """Make the check for all ranges together."""
    wanted = None if terms.bootstrap is None else terms.bootstrap * terms.epochs
    if wanted is not None and findings.ask(COUNTS).status != "not checked":
        rows = totals.rows
        if rows > wanted or (rows < wanted and not settled.someone_full):
            findings.found(COUNTS, [0], lambda _: f"{name}: {rows} rows, not the {wanted} of --bootstrap")
    if settled.short > settled.looked_into:
        told = f"of {settled.short} positives that are short, {settled.looked_into} were looked into"
        findings.ask(COUNTS).note = told
