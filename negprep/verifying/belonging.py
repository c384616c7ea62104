"""Which positives and users of a range must be in a file, and which must not."""

from __future__ import annotations

import numpy as np

from negprep.verifying.holdouts import Expected, Mask, per_user
from negprep.verifying.names import ABSENT, HOLDOUTS, MISSING
from negprep.verifying.pairs import Rows
from negprep.verifying.supply import window_sizes
from negprep.verifying.verdict import Verdict


class Belonging:
    """Judges who is there.

    Parameters
    ----------
    verdict : Verdict
    """

    def __init__(self, verdict: Verdict) -> None:
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
