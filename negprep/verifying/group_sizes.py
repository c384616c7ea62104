"""Whether each positive has as many negatives as it must, now that it is known what can be drawn for whom."""

from __future__ import annotations

import numpy as np

from negprep.verifying.holdouts import Mask, per_user
from negprep.verifying.names import COUNTS
from negprep.verifying.pairs import Rows
from negprep.verifying.supply import WINDOW_WORK, WINDOWS, Supply, window_sizes
from negprep.verifying.usual import TOLD, usual_number
from negprep.verifying.verdict import Verdict

_CLEAR = 0.9


class GroupSizes:
    """Judges the numbers of negatives.

    Parameters
    ----------
    verdict : Verdict
    """

    def __init__(self, verdict: Verdict) -> None:
        self._verdict, self._truth, self._terms = verdict, verdict.truth, verdict.terms
        self._tallies, self._findings = verdict.tallies, verdict.findings
        self._too_many, self._clear = False, True

    def judge(self) -> None:
        """Make the check."""
        terms, supply = self._terms, self._verdict.supply
        if supply is None:
            self._findings.skip(COUNTS, "which positives are held out is not known, and so not what can be drawn")
        elif terms.levels and not terms.says_itself:
            self._findings.skip(COUNTS, f"which pairs must be there is not known, {TOLD} says it")
        elif terms.bootstrap is not None:
            self._bootstrap(supply, terms.bootstrap * terms.epochs)
        elif terms.levels or (terms.layout == "pointwise" and terms.is_train and terms.shuffled):
            self._by_user(supply)
        elif terms.layout == "pairwise":
            self._of_pairs(supply)
        elif self._tallies.exceptions.size:
            self._exceptions(supply)
        if "num_neg" in terms.unsaid and not (self._too_many and self._clear) and not self._tallies.strays:
            as_most = f"{self._tallies.num_neg} are taken for granted, as most have, unless --num-neg"
            self._findings.doubt(COUNTS, f"{as_most} {TOLD} says it")

    def _bootstrap(self, supply: Supply, wanted: int) -> None:
        rows = self._tallies.rows
        someone_full = self._terms.restricted or bool((supply.sizes[self._truth.positives.counts > 0] == 0).any())
        if rows > wanted or (rows < wanted and not someone_full):
            note = f"{rows} rows, not the {wanted} of --bootstrap"
            self._findings.found(COUNTS, [0], lambda _: f"{self._verdict.sweep.prepared.name}: {note}")

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
        heads = per_user(self._truth.positives, self._verdict.present)
        if self._terms.levels and self._verdict.expected is not None:
            heads = self._truth.positives.counts - self._verdict.expected.sizes
        heads = heads * self._terms.epochs
        found = self._tallies.negatives_of
        if "num_neg" in self._terms.unsaid:
            each = np.where(found % np.maximum(heads, 1) == 0, found // np.maximum(heads, 1), -1)
            self._guess(each[heads > 0], supply.sizes[heads > 0], heads[heads > 0])
        num_neg = self._tallies.num_neg or 0
        wanted = heads * supply.wanted(self._terms, num_neg)
        if self._terms.drops_short:
            wanted = np.where(found > 0, wanted, 0)
        least = heads * self._verdict.least.wanted(self._terms, num_neg)
        wrong = self._surely(found, wanted, heads, supply.sizes)
        wrong = wrong[~(self._unsure & (found >= least) & (found <= wanted))[wrong]]
        note = "negatives, not"
        self._findings.found(
            COUNTS, wrong, lambda user: self._verdict.user(user, f": {found[user]} {note} {wanted[user]}")
        )

    def _of_pairs(self, supply: Supply) -> None:
        """In pairs a positive has a row for each of its negatives."""
        tallies, present, epochs = self._tallies, self._verdict.present, self._terms.epochs
        rows, users = tallies.present, self._truth.positives.users
        if "num_neg" in self._terms.unsaid:
            each = np.where(rows % epochs == 0, rows // epochs, -1)[present].astype(np.int64)
            self._guess(each, supply.sizes[users[present]])
            if not self._clear:
                reason = "positives may be drawn with replacement, and have any number of pairs, unless --num-neg"
                self._findings.skip(COUNTS, f"{reason} {TOLD} says it")
                return
        wanted = supply.wanted(self._terms, tallies.num_neg or 0)[users] * epochs
        wrong = np.flatnonzero(present & (rows != wanted))
        self._judge(wrong, rows[wrong].astype(np.int64), supply, tallies.first_rows[wrong], epochs)

    def _exceptions(self, supply: Supply) -> None:
        kept, n_items = self._tallies.exceptions, np.int64(len(self._truth.items))
        users, heads, counts, rows = map(np.concatenate, (kept.users, kept.heads, kept.counts, kept.rows))
        keys = np.where((users >= 0) & (heads >= 0), users * n_items + heads, -1)
        places = self._truth.positives.find(keys)
        if "num_neg" in self._terms.unsaid:
            self._usual(supply, places, counts)
        self._judge(places, counts, supply, rows, 1)

    def _usual(self, supply: Supply, places: Rows, counts: Rows) -> None:
        """Find out what number is asked for, and judge the groups that have the one that was taken for it."""
        taken, positives = self._tallies.num_neg or 0, self._truth.positives
        odd = places[places >= 0]
        groups = np.bincount(positives.users, self._tallies.present, len(self._truth.users)).astype(np.int64)
        groups = np.maximum(groups - np.bincount(positives.users[odd], minlength=len(groups)), 0)
        all_counts = np.concatenate([counts[places >= 0], np.full(len(groups), taken)])
        sizes = np.concatenate([supply.sizes[positives.users[odd]], supply.sizes])
        self._guess(all_counts, sizes, np.concatenate([np.ones(len(odd), np.int64), groups]))
        wanted = supply.wanted(self._terms, self._tallies.num_neg or 0)
        wrong = self._surely(np.where(groups > 0, taken, wanted), wanted, 1, supply.sizes)
        self._findings.found(
            COUNTS,
            wrong,
            lambda user: self._verdict.user(user, f": {taken} negatives, not {wanted[user]}"),
            int(groups[wrong].sum()),
        )

    def _guess(self, counts: Rows, sizes: Rows, groups: Rows | None = None) -> None:
        """Take the number that explains most for the one asked for; it is clear where it explains nearly all."""
        distinct = None if "distinct" in self._terms.unsaid else self._terms.distinct
        self._tallies.num_neg, share = usual_number(counts, sizes, groups, distinct=distinct)
        drawn_again = self._terms.layout == "pairwise" and self._tallies.num_neg == 1  # seldom twice from so many
        self._clear = share >= _CLEAR and not drawn_again

    def _surely(self, found: Rows, wanted: Rows, times: Rows | int, sizes: Rows) -> Rows:
        """Where numbers are wrong, whether negatives differ or not, if that is not known."""
        wrong, num_neg = found != wanted, self._tallies.num_neg or 0
        if "distinct" in self._terms.unsaid:
            wrong &= (found != np.minimum(sizes, num_neg) * times) & (found != np.where(sizes > 0, num_neg, 0) * times)
        self._too_many |= bool((wrong & (found > num_neg * times)).any())
        return np.flatnonzero(wrong)

    def _least(self, places: Rows) -> Rows:
        """How many negatives some positives of the log have in any case."""
        least, terms, num_neg = self._verdict.least, self._terms, self._tallies.num_neg or 0
        sizes = least.sizes[self._truth.positives.users[places]]
        if terms.restricted:
            sizes = np.zeros(len(places), np.int64)
            some = slice(0, min(WINDOWS, WINDOW_WORK // max(1, len(self._truth.items))))
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
        num_neg = self._tallies.num_neg or 0
        known = places >= 0
        users = np.where(known, self._truth.positives.users.take(places, mode="clip"), -1)
        wanted = np.where(known, supply.wanted(self._terms, num_neg)[users], num_neg)
        if self._terms.restricted:
            few = np.flatnonzero((counts < num_neg * epochs) & known)
            most = min(WINDOWS, WINDOW_WORK // max(1, len(self._truth.items)))
            sizes = window_sizes(self._truth, self._terms, supply, places[few[:most]])
            wanted[few[:most]] = np.minimum(sizes, num_neg) if self._terms.distinct else np.where(sizes, num_neg, 0)
            if len(few) > most:
                wanted[few[most:]] = counts[few[most:]] // epochs
                self._findings.ask(COUNTS).note = f"of {len(few)} positives that are short, {most} were looked into"
        wrong = self._surely(counts, wanted * epochs, epochs, supply.sizes[users])
        wrong = wrong[~self._excused(places[wrong], counts[wrong], wanted[wrong], epochs)]

        def describe(at: int) -> str:
            place, user = self._verdict.sweep.prepared.place(int(rows[at])), self._truth.users.name(users[at])
            return f"{place}: user {user}: {counts[at]} negatives, not {wanted[at] * epochs}"

        self._findings.found(COUNTS, wrong, describe)
