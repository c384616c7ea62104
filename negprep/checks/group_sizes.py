"""Whether each positive has as many negatives as it must, and whether metadata and rows agree on it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from negprep.arrays import Mask
from negprep.checks.eligible import Supply, window_sizes
from negprep.checks.expected_holdouts import Expected, per_user
from negprep.checks.judge import TOLD, Known, RangeCheck
from negprep.checks.pair_set import Rows
from negprep.checks.promises import Promise
from negprep.checks.results import ABSENT, COUNTS, HOLDOUTS, MISSING, Findings
from negprep.checks.tallies import Totals

_CLEAR = 0.9


class GroupSizes:
    """Judges the numbers of negatives.

    Parameters
    ----------
    verdict : Verdict
    """

    def __init__(self, verdict: RangeCheck) -> None:
        self._verdict, self._truth, self._terms = verdict, verdict.truth, verdict.terms
        self._tallies, self._findings, self._totals = verdict.tallies, verdict.findings, verdict.totals

    def judge(self) -> None:
        """Make the check for a range of users."""
        terms, supply = self._terms, self._verdict.supply
        if supply is None:
            self._findings.skip(COUNTS, "which positives are held out is not known, and so not what can be drawn")
        elif terms.levels and not terms.says_itself:
            self._findings.skip(COUNTS, f"which pairs must be there is not known, {TOLD} says it")
        elif terms.bootstrap is not None:
            nobody = (supply.sizes[self._truth.positives.counts > 0] == 0).any()
            self._verdict.settled.someone_full |= terms.restricted or bool(nobody)
        elif by_user(terms):
            self._by_user(supply)
        elif terms.layout == "pairwise":
            self._of_pairs(supply)
        elif self._verdict.settled.any_exceptions:
            self._exceptions(supply)

    def count_usual(self) -> None:
        """Add to what tells how many negatives are asked for, where nobody says it: of a range of users."""
        terms, tallies, supply = self._terms, self._tallies, self._verdict.supply
        if supply is None or (terms.levels and not terms.says_itself) or terms.bootstrap is not None:
            return
        usual, epochs, users = self._verdict.settled.usual, terms.epochs, self._truth.positives.users
        distinct = None if "distinct" in terms.unsaid else terms.distinct
        if by_user(terms):
            if terms.restricted:
                return
            heads, found = heads_due(self._verdict), tallies.negatives_of
            some = heads > 0
            each = np.where(found % np.maximum(heads, 1) == 0, found // np.maximum(heads, 1), -1)
            usual.add(each[some], supply.sizes[some], heads[some], distinct=distinct)
        elif terms.layout == "pairwise":
            rows, present = tallies.present, self._verdict.present
            each = np.where(rows % epochs == 0, rows // epochs, -1)[present].astype(np.int64)
            usual.add(each, supply.sizes[users[present]], distinct=distinct)
        elif self._verdict.settled.any_exceptions:
            places, _, counts, _ = self._odd()
            odd = places[places >= 0]
            usual.add(counts[places >= 0], supply.sizes[users[odd]], distinct=distinct)
            groups = self._even(odd)
            usual.add(np.full(len(groups), self._totals.num_neg or 0), supply.sizes, groups, distinct=distinct)

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
        num_neg = self._totals.num_neg or 0
        wanted = heads * supply.wanted(self._terms, num_neg)
        if self._terms.drops_short:
            wanted = np.where(found > 0, wanted, 0)
        least = heads * self._verdict.least.wanted(self._terms, num_neg)
        wrong = self._surely(found, wanted, heads, supply.sizes)
        wrong = wrong[~(self._unsure & (found >= least) & (found <= wanted))[wrong]]
        self._note_too_many(found[wrong] > num_neg * heads[wrong])
        note = "negatives, not"
        self._findings.found(
            COUNTS, wrong, lambda user: self._verdict.user(user, f": {found[user]} {note} {wanted[user]}")
        )

    def _of_pairs(self, supply: Supply) -> None:
        """In pairs a positive has a row for each of its negatives."""
        tallies, present, epochs = self._tallies, self._verdict.present, self._terms.epochs
        rows, users = tallies.present, self._truth.positives.users
        if not self._verdict.settled.clear:
            reason = "positives may be drawn with replacement, and have any number of pairs, unless --num-neg"
            self._findings.skip(COUNTS, f"{reason} {TOLD} says it")
            return
        wanted = supply.wanted(self._terms, self._totals.num_neg or 0)[users] * epochs
        wrong = np.flatnonzero(present & (rows != wanted))
        self._judge(wrong, users[wrong], rows[wrong].astype(np.int64), supply, tallies.first_rows[wrong], epochs)

    def _odd(self) -> tuple[Rows, Rows, Rows, Rows]:
        """The groups with another number than was taken for the usual: positives, users, numbers and rows."""
        kept, n_items = self._tallies.exceptions.joined(), np.int64(len(self._truth.items))
        users, heads = kept["users"], kept["heads"]
        keys = np.where((users >= 0) & (heads >= 0), users * n_items + heads, -1)
        return self._truth.positives.find(keys), users, kept["counts"], kept["rows"]

    def _even(self, odd: Rows) -> Rows:
        """How many groups of each user have the number that was taken for the usual: int64, shape (n_users,)."""
        positives = self._truth.positives
        groups: Rows = np.bincount(positives.users, self._tallies.present, len(self._truth.users)).astype(np.int64)
        groups -= np.bincount(positives.users[odd], minlength=len(groups))
        return groups.clip(0)

    def _exceptions(self, supply: Supply) -> None:
        places, users, counts, rows = self._odd()
        taken = self._verdict.settled.taken
        if taken != self._totals.num_neg:
            groups = self._even(places[places >= 0])
            wanted = supply.wanted(self._terms, self._totals.num_neg or 0)
            wrong = self._surely(np.where(groups > 0, taken, wanted), wanted, 1, supply.sizes)
            self._note_too_many(np.full(len(wrong), taken > (self._totals.num_neg or 0)))
            self._findings.found(
                COUNTS,
                wrong,
                lambda user: self._verdict.user(user, f": {taken} negatives, not {wanted[user]}"),
                int(groups[wrong].sum()),
                stage=1,
            )
        self._judge(places, users, counts, supply, rows, 1)

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

    def _judge(
        self, places: Rows, owners: npt.NDArray[np.integer], counts: Rows, supply: Supply, rows: Rows, epochs: int
    ) -> None:
        """Report positives, of ``owners``, with a number of negatives that nothing explains.

        A positive that the log lacks has a place below 0.
        """
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
        wrong = self._surely(counts, wanted * epochs, epochs, np.where(known, supply.sizes[users], 0))
        wrong = wrong[~self._excused(places[wrong], counts[wrong], wanted[wrong], epochs)]
        self._note_too_many(counts[wrong] > num_neg * epochs)

        def describe(at: int) -> str:
            place, user = self._verdict.sweep.prepared.place(int(rows[at])), self._truth.users.name(int(owners[at]))
            return f"{place}: user {user}: {counts[at]} negatives, not {wanted[at] * epochs}"

        self._findings.found(COUNTS, wrong, describe, rows=rows[wrong])

    def _surely(self, found: Rows, wanted: Rows, times: Rows | int, sizes: Rows) -> Rows:
        """Where numbers are wrong, whichever of two is right where nobody says whether negatives differ."""
        wrong = found != wanted
        if "distinct" in self._terms.unsaid:
            num_neg = self._totals.num_neg or 0
            wrong &= (found != np.minimum(sizes, num_neg) * times) & (found != np.where(sizes > 0, num_neg, 0) * times)
        return np.flatnonzero(wrong)

    def _note_too_many(self, more: Mask) -> None:
        self._verdict.settled.too_many |= bool(more.any())


def by_user(terms: Promise) -> bool:
    """Whether negatives are counted user by user, since it is not known which one is whose."""
    return terms.levels or (terms.layout == "pointwise" and terms.is_train and terms.shuffled)


def heads_due(verdict: RangeCheck) -> Rows:
    """How many positives of each user negatives are due to, in all epochs: int64, shape (n_users,)."""
    heads = per_user(verdict.truth.positives, verdict.present)
    if verdict.terms.levels and verdict.expected is not None:
        heads = verdict.truth.positives.counts - verdict.expected.sizes
    return heads * verdict.terms.epochs


def judge_sizes(terms: Promise, totals: Totals, settled: Known, findings: Findings, name: str) -> None:
    """Make the check for all ranges together."""
    wanted = None if terms.bootstrap is None else terms.bootstrap * terms.epochs
    if wanted is not None and findings.ask(COUNTS).status != "not checked":
        rows = totals.rows
        if rows > wanted or (rows < wanted and not settled.someone_full):
            findings.found(COUNTS, [0], lambda _: f"{name}: {rows} rows, not the {wanted} of --bootstrap")
    if settled.short > settled.looked_into:
        told = f"of {settled.short} positives that are short, {settled.looked_into} were looked into"
        findings.ask(COUNTS).note = told
    if "num_neg" in terms.unsaid and not (settled.too_many and settled.clear) and not totals.strays:
        as_most = f"{totals.num_neg} are taken for granted, as most have, unless --num-neg"
        findings.doubt(COUNTS, f"{as_most} {TOLD} says it")


def settle_number(terms: Promise, totals: Totals, settled: Known) -> None:
    """Take the number that explains most for the one asked for; it is clear where it explains nearly all."""
    if settled.usual.share:
        totals.num_neg = settled.usual.number
        drawn_again = terms.layout == "pairwise" and totals.num_neg == 1  # seldom twice from so many
        settled.clear = settled.usual.share >= _CLEAR and not drawn_again


class Belonging:
    """Judges who is there.

    Parameters
    ----------
    verdict : Verdict
    """

    def __init__(self, verdict: RangeCheck) -> None:
        self._verdict, self._truth, self._terms = verdict, verdict.truth, verdict.terms
        self._present, self._found = verdict.present, verdict.findings.found

    def judge(self) -> None:
        """Make the checks."""
        terms, verdict, rule = self._terms, self._verdict, self._verdict.expected
        positives, skip = self._truth.positives, verdict.findings.skip
        if rule is None:
            for name in (HOLDOUTS, ABSENT, *([MISSING] if terms.is_train else [])):
                skip(name, "how positives were held out is not known: say it with --holdout")
            return
        if terms.heads_repeat:  # in train alone
            self._leaked(rule)
            for name in (MISSING, ABSENT):
                skip(name, "chance decides which positives lead rows")
            return
        here = per_user(positives, self._present)
        due = positives.counts - rule.sizes if terms.is_train else rule.sizes
        nowhere = (here == 0) & (due > 0)
        lost = np.flatnonzero(nowhere & ~self._excused())
        self._found(ABSENT, lost, lambda user: verdict.user(user, f" has {due[user]} positives due, and no row"))
        if terms.is_train:
            self._of_train(rule, nowhere, here)
        else:
            self._of_test(rule, nowhere, here)

    @property
    def _leaves_out(self) -> bool:
        """Whether positives for which too little can be drawn have no rows."""
        return self._terms.drops_short or self._terms.layout == "pairwise"

    @property
    def _needed(self) -> int:
        """Fewer items that can be drawn are too few."""
        terms = self._terms
        is_more = terms.distinct and terms.drops_short and not terms.takes_all
        return (self._verdict.totals.num_neg or 0) if is_more else 1

    def _excused(self) -> Mask:
        """Users who need not have rows, because too little can be drawn for them."""
        if not self._leaves_out or self._terms.restricted:
            return np.full(len(self._truth.users), self._leaves_out)
        found: Mask = self._verdict.least.sizes < self._needed
        return found

    def _unexplained(self, lost: Mask) -> Mask:
        """Those of some missing positives for which enough could be drawn."""
        if not self._leaves_out:
            return lost
        if not self._terms.restricted:
            return lost & (self._verdict.least.sizes >= self._needed)[self._truth.positives.users]
        places = np.flatnonzero(lost)[: self._verdict.settled.windows_of_lost]
        self._verdict.settled.windows_of_lost -= len(places)
        found = np.zeros_like(lost)
        found[places[window_sizes(self._truth, self._terms, self._verdict.least, places) >= self._needed]] = True
        return found

    def _leaked(self, rule: Expected) -> Rows:
        leaked = np.flatnonzero(self._present & rule.must)
        self._found(HOLDOUTS, leaked, lambda at: self._verdict.at_first(at, ": held out, yet here"))
        return leaked

    def _undecided(self, nowhere: Mask, *wrong: Rows) -> Mask:
        """Users of whom only the number of positives is still to be judged."""
        users = self._truth.positives.users
        open_users = ~nowhere
        for places in wrong:
            open_users[users[places]] = False
        return open_users

    def _of_train(self, rule: Expected, nowhere: Mask, here: Rows) -> None:
        verdict, positives = self._verdict, self._truth.positives
        leaked = self._leaked(rule)
        lost = np.flatnonzero(self._unexplained(~self._present & ~rule.may & ~nowhere[positives.users]))
        self._found(MISSING, lost, lambda at: verdict.example(at, " is not there"))
        absent, sizes = positives.counts - here, rule.sizes
        open_users = self._undecided(nowhere, leaked, lost)
        few = np.flatnonzero(open_users & (absent < sizes))
        self._found(
            HOLDOUTS, few, lambda user: verdict.user(user, f": {absent[user]} held out, not {sizes[user]}"), stage=1
        )
        if not (self._terms.restricted and self._leaves_out):
            many = np.flatnonzero(open_users & (absent > sizes))
            told = " positives are not there, of which"
            self._found(
                MISSING,
                many,
                lambda user: verdict.user(user, f": {absent[user]}{told} {sizes[user]} are held out"),
                stage=1,
            )

    def _of_test(self, rule: Expected, nowhere: Mask, here: Rows) -> None:
        verdict, positives, sizes = self._verdict, self._truth.positives, rule.sizes
        wrong = np.flatnonzero(self._present & ~rule.may)
        timed = self._terms.rule is not None and self._terms.rule.needs_times
        note = " is not among the latest" if timed else " is of a user with no holdout due"
        self._found(HOLDOUTS, wrong, lambda at: verdict.at_first(at, note))
        lost = np.flatnonzero(self._unexplained(rule.must & ~self._present & ~nowhere[positives.users]))
        self._found(HOLDOUTS, lost, lambda at: verdict.example(at, " is due, and not there"), stage=1)
        open_users = self._undecided(nowhere, wrong, lost)
        if self._terms.restricted and self._leaves_out:
            open_users &= here > sizes
        odd = np.flatnonzero(open_users & (here != sizes))
        self._found(
            HOLDOUTS, odd, lambda user: verdict.user(user, f": {here[user]} holdouts, not {sizes[user]}"), stage=2
        )
