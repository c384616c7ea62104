"""After the sweep: what only the whole file can have wrong, such as a positive that is missing."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from negprep.verifying.holdouts import Expected, Mask, expected, per_user
from negprep.verifying.pairs import Rows
from negprep.verifying.supply import Supply, supply_of, window_sizes
from negprep.verifying.sweep import COUNTS, SEEN, Sweep

METADATA = "the metadata fit rows and log"
MISSING = "no positive is missing"
HOLDOUTS = "holdouts are the right ones"
ABSENT = "no user is missing"

_WINDOWS = 2_000
_WINDOW_WORK = 1 << 31


class Verdict:
    """Judges a file that was swept.

    Attributes
    ----------
    held : bool, shape (n_positives,), or None
        Which positives are held out of training, as far as the file or the rule settles it.
    weights : float64, shape (n_items,), or None
        Of popularity, as far as known.
    """

    def __init__(self, sweep: Sweep, given_weights: npt.NDArray[np.float64] | None) -> None:
        self.sweep, self.truth, self.terms, self.findings = sweep, sweep.truth, sweep.terms, sweep.findings
        self.present: Mask = sweep.present > 0
        self.expected: Expected | None = None
        if self.terms.rule is not None:
            with_valid = self.terms.with_valid
            self.expected = expected(self.truth, self.terms.rule, self.terms.part, with_valid=with_valid)
        self.held, self._surely_held = self._held()
        self.weights = given_weights if self.terms.weights else self._popularity()

    def _held(self) -> tuple[Mask | None, bool]:
        """Which positives are out of train, None if chance hides it; and whether that is surely all of them."""
        terms, positives = self.terms, self.truth.positives
        if self.expected is None or terms.rule is None:
            return (~self.present if terms.is_train else self.present), not terms.with_valid
        if not terms.is_train and terms.with_valid:
            of_both = expected(self.truth, terms.rule, "train", with_valid=True)
            return (of_both.may if of_both.settled(positives) else None), True
        # A user without a row, or a positive for which nothing could be drawn, tells nothing: there the rule decides.
        nowhere = (per_user(positives, self.present) == 0)[positives.users]
        held = ~self.present if terms.is_train else self.present | nowhere
        held &= self.expected.may if terms.is_train else self.expected.may | ~nowhere
        open_users = per_user(positives, held) != self.expected.sizes
        if terms.heads_repeat:
            return (None if open_users.any() else held), True
        return held, not open_users.any()

    def _popularity(self) -> npt.NDArray[np.float64] | None:
        if "popularity" not in self.terms.samplers or self.held is None or not self._surely_held:
            return None
        items = self.truth.positives.items[~self.held]
        counts = np.bincount(items, minlength=len(self.truth.items)) + self.terms.smooth
        weights = np.zeros(len(counts))
        weights[counts > 0] = counts[counts > 0] ** self.terms.alpha
        return weights

    @cached_property
    def supply(self) -> Supply | None:
        """What can be drawn; None where it is not known which positives are held out."""
        positives = self.truth.positives
        if self.terms.is_train:
            if self.held is None:
                return None
            positives = positives.where(~self.held)
        return supply_of(self.truth, self.terms, positives, self.weights)

    @cached_property
    def _least(self) -> Supply:
        """What can be drawn in any case: of positives that are not there, it is not known which are held out."""
        return supply_of(self.truth, self.terms, self.truth.positives, self.weights)

    def judge(self) -> None:
        """Make all checks."""
        self._metadata()
        self._hits()
        if self.terms.layout != "positives":
            self._counts()
        self._fold()

    def _example(self, place: int, note: str) -> str:
        pairs = self.truth.positives
        user, item = self.truth.users.name(pairs.users[place]), self.truth.items.name(pairs.items[place])
        return f"{self.sweep.prepared.name}: user {user}, item {item}{note}"

    def _at_first(self, place: int, note: str = "") -> str:
        pairs, sweep = self.truth.positives, self.sweep
        return sweep.name(int(sweep.first_rows[place]), pairs.users[place], pairs.items[place], note)

    def _user(self, user: int, note: str) -> str:
        return f"{self.sweep.prepared.name}: user {self.truth.users.name(user)}{note}"

    def _metadata(self) -> None:
        counts, truth = self.terms.counts, self.truth
        if not self.terms.says_itself:
            return
        found = {
            "rows": (self.sweep.rows, "of the file"),
            "negatives": (self.sweep.negatives, "of the file"),
            "users": (int(truth.known_users.sum()), "of the log"),
            "catalog_items": (int(truth.catalog.sum()), "of the log"),
            "positives": (len(truth.positives), "of the log"),
            "weak": (len(truth.weak), "of the log"),
            "excluded_pairs": (len(truth.excluded), "of --exclude"),
        }
        for source, number in (counts.get("sources") or {}).items():
            found[f"{source} draws"] = (self.sweep.source_counts.get(source, 0), "of the file")
            counts = counts | {f"{source} draws": number}
        wrong = [name for name, (number, _) in found.items() if counts.get(name) != number]
        self.findings.found(
            METADATA,
            len(wrong),
            range(len(wrong)),
            lambda at: (
                f"{self.sweep.prepared.name}: {wrong[at]} {counts.get(wrong[at])} in the metadata, "
                f"{found[wrong[at]][0]} {found[wrong[at]][1]}: is the log, or a file beside it, another one?"
            ),
        )

    def _hits(self) -> None:
        """Positives of the log among the negatives of train: wrong unless they are held out."""
        hits = self.sweep.hits
        if hits is None:
            return
        wrong = (hits > 0) & self.present
        if self.terms.heads_repeat and self.expected is not None:
            wrong = (hits > 0) & ~self.expected.may
        if self.terms.heads_repeat:
            wrong |= (hits > 0) & self.present & ~np.bool_(self.terms.levels)
        places = np.flatnonzero(wrong)
        pairs, sweep = self.truth.positives, self.sweep
        self.findings.found(
            SEEN,
            int(hits[places].sum()),
            places[np.argsort(sweep.first_hits[places], kind="stable")],
            lambda place: sweep.name(int(sweep.first_hits[place]), pairs.users[place], pairs.items[place]),
        )
        allowed = int(hits.sum() - hits[places].sum())
        if allowed and self.findings.ask(SEEN).status == "passed":
            self.findings.ask(SEEN).note = f"{allowed:,} are held out, which training must not know"

    def _counts(self) -> None:
        terms, sweep = self.terms, self.sweep
        if self.supply is None:
            self.findings.skip(COUNTS, "which positives are held out is not known, and so not what can be drawn")
        elif terms.bootstrap is not None:
            self._bootstrap(self.supply)
        elif terms.levels or (terms.layout == "pointwise" and terms.is_train and terms.shuffled):
            self._counts_by_user(self.supply)
        elif terms.layout == "pairwise":
            self._counts_of_pairs(self.supply)
        elif sweep.exceptions.size:
            self._exceptions(self.supply)

    def _bootstrap(self, supply: Supply) -> None:
        wanted = (self.terms.bootstrap or 0) * self.terms.epochs
        someone_full = self.terms.restricted or bool((supply.sizes[self.truth.positives.counts > 0] == 0).any())
        if self.sweep.rows > wanted or (self.sweep.rows < wanted and not someone_full):
            note = f"{self.sweep.rows} rows, not the {wanted} of --bootstrap"
            self.findings.found(COUNTS, 1, [0], lambda _: f"{self.sweep.prepared.name}: {note}")

    def _counts_by_user(self, supply: Supply) -> None:
        """Where it is not known which negative is whose."""
        if self.terms.restricted:
            self.findings.skip(COUNTS, "rows are in no order, and what can be drawn depends on the positive")
            return
        heads = per_user(self.truth.positives, self.present)
        if self.terms.levels:
            size = self.expected.sizes if self.expected is not None else np.zeros_like(heads)
            heads = self.truth.positives.counts - size
        heads = heads * self.terms.epochs
        found = self.sweep.negatives_of
        num_neg = self.sweep.num_neg
        if num_neg is None:
            if not heads.any():
                return
            num_neg = round(float(found.sum() / heads.sum()))
        wanted = heads * supply.wanted(self.terms, num_neg)
        if self.terms.drops_short:
            wanted = np.where(found > 0, wanted, 0)
        wrong = np.flatnonzero(found != wanted)
        self.findings.found(
            COUNTS, len(wrong), wrong, lambda user: self._user(user, f": {found[user]} negatives, not {wanted[user]}")
        )

    def _counts_of_pairs(self, supply: Supply) -> None:
        """In pairs a positive has a row for each of its negatives."""
        num_neg, rows = self.sweep.num_neg, self.sweep.present
        if num_neg is None:
            num_neg = self.sweep.num_neg = int(np.bincount(rows[self.present]).argmax()) if self.present.any() else 0
        wanted = np.minimum(supply.wanted(self.terms, num_neg), num_neg)[self.truth.positives.users] * self.terms.epochs
        wrong = np.flatnonzero(self.present & (rows != wanted))
        self._found_counts(wrong, rows[wrong].astype(np.int64), supply, self.sweep.first_rows[wrong], self.terms.epochs)

    def _exceptions(self, supply: Supply) -> None:
        kept, truth = self.sweep.exceptions, self.truth
        users, counts, rows = (np.concatenate(each) for each in (kept.users, kept.counts, kept.rows))
        heads = np.concatenate(kept.heads)
        num_neg = self.sweep.num_neg or 0
        wanted = np.where(users >= 0, supply.wanted(self.terms, num_neg)[users], num_neg)
        odd = np.flatnonzero(counts != wanted)
        keys = users[odd] * np.int64(len(truth.items)) + heads[odd]
        keys[(users[odd] < 0) | (heads[odd] < 0)] = -1
        self._found_counts(truth.positives.find(keys), counts[odd], supply, rows[odd], 1)

    def _found_counts(self, places: Rows, counts: Rows, supply: Supply, rows: Rows, epochs: int) -> None:
        """Report positives with a number of negatives that nothing explains; -1 for one that the log lacks."""
        num_neg = self.sweep.num_neg or 0
        users = np.where(places >= 0, self.truth.positives.users.take(places, mode="clip"), 0)
        wanted = np.where(places >= 0, supply.wanted(self.terms, num_neg)[users], num_neg)
        if self.terms.restricted:
            few = np.flatnonzero((counts < num_neg * epochs) & (places >= 0))
            most = min(_WINDOWS, _WINDOW_WORK // max(1, len(self.truth.items)))
            sizes = window_sizes(self.truth, self.terms, supply, places[few[:most]])
            wanted[few[:most]] = np.minimum(sizes, num_neg) if self.terms.distinct else np.where(sizes, num_neg, 0)
            if len(few) > most:
                wanted[few[most:]] = counts[few[most:]] // epochs
                self.findings.ask(COUNTS).note = f"of {len(few)} positives that are short, {most} were looked into"
        wrong = np.flatnonzero(counts != wanted * epochs)
        self.findings.found(
            COUNTS,
            len(wrong),
            wrong,
            lambda at: (
                f"{self.sweep.prepared.place(int(rows[at]))}: user "
                f"{self.truth.users.name(users[at] if places[at] >= 0 else -1)}: "
                f"{counts[at]} negatives, not {wanted[at] * epochs}"
            ),
        )

    def _fold(self) -> None:
        """Which positives are in the file, and which users."""
        terms, positives = self.terms, self.truth.positives
        if self.expected is None:
            reason = "how positives were held out is not known: say it with --holdout"
            for name in (HOLDOUTS, ABSENT, *([MISSING] if terms.is_train else [])):
                self.findings.skip(name, reason)
            return
        if terms.heads_repeat:
            self.findings.skip(MISSING, "chance decides which positives lead rows")
            leaked = np.flatnonzero(self.present & self.expected.must) if terms.is_train else np.empty(0, np.int64)
            self.findings.found(HOLDOUTS, len(leaked), leaked, lambda at: self._at_first(at, ": held out, yet here"))
            self.findings.skip(ABSENT, "chance decides which positives lead rows")
            return
        here = per_user(positives, self.present)
        due = positives.counts - self.expected.sizes if terms.is_train else self.expected.sizes
        nowhere = (here == 0) & (due > 0)
        excused = self._excused()
        lost = np.flatnonzero(nowhere & ~excused)
        self.findings.found(
            ABSENT, len(lost), lost, lambda user: self._user(user, f" has {due[user]} positives due, and no row")
        )
        if terms.is_train:
            self._of_train(nowhere, here)
        else:
            self._of_test(nowhere, here)

    def _excused(self) -> Mask:
        """Users who need not have rows, because too little can be drawn for them."""
        terms, supply = self.terms, self.supply
        if supply is None or (not terms.drops_short and terms.layout != "pairwise"):
            return np.zeros(len(self.truth.users), bool)
        if terms.restricted:
            return np.ones(len(self.truth.users), bool)
        needed = (self.sweep.num_neg or 0) if terms.distinct and terms.drops_short else 1
        found: Mask = self._least.sizes < needed
        return found

    def _of_train(self, nowhere: Mask, here: Rows) -> None:
        positives, terms = self.truth.positives, self.terms
        exp = self.expected
        if exp is None:
            return
        users = positives.users
        leaked = np.flatnonzero(self.present & exp.must)
        self.findings.found(HOLDOUTS, len(leaked), leaked, lambda at: self._at_first(at, ": held out, yet here"))
        lost = ~self.present & ~exp.may & ~nowhere[users]
        lost = self._unexplained(lost)
        where = np.flatnonzero(lost)
        self.findings.found(MISSING, len(where), where, lambda at: self._example(at, " is not there"))
        absent = positives.counts - here
        clean = ~nowhere
        clean[users[leaked]] = False
        clean[users[where]] = False
        if terms.restricted and (terms.drops_short or terms.layout == "pairwise"):
            clean &= absent < exp.sizes
        few, many = np.flatnonzero(clean & (absent < exp.sizes)), np.flatnonzero(clean & (absent > exp.sizes))
        self.findings.found(
            HOLDOUTS,
            len(few),
            few,
            lambda user: self._user(user, f": {absent[user]} positives held out, not {exp.sizes[user]}"),
        )
        self.findings.found(
            MISSING,
            len(many),
            many,
            lambda user: self._user(user, f": {absent[user]} positives are not there, {exp.sizes[user]} held out"),
        )

    def _of_test(self, nowhere: Mask, here: Rows) -> None:
        positives = self.truth.positives
        exp = self.expected
        if exp is None:
            return
        users = positives.users
        wrong = np.flatnonzero(self.present & ~exp.may)
        late = self.terms.rule is not None and self.terms.rule.needs_times
        note = " is not among the latest" if late else " is of a user with no holdout due"
        self.findings.found(HOLDOUTS, len(wrong), wrong, lambda at: self._at_first(at, note))
        lost = self._unexplained(exp.must & ~self.present & ~nowhere[users])
        where = np.flatnonzero(lost)
        self.findings.found(HOLDOUTS, len(where), where, lambda at: self._example(at, " is due, and not there"))
        clean = ~nowhere
        clean[users[wrong]] = False
        clean[users[where]] = False
        if self.terms.restricted and (self.terms.drops_short or self.terms.layout == "pairwise"):
            clean &= here > exp.sizes
        odd = np.flatnonzero(clean & (here != exp.sizes))
        self.findings.found(
            HOLDOUTS, len(odd), odd, lambda user: self._user(user, f": {here[user]} holdouts, not {exp.sizes[user]}")
        )

    def _unexplained(self, lost: Mask) -> Mask:
        """Those of some missing positives for which something could be drawn."""
        terms, supply = self.terms, self.supply
        if supply is None or (not terms.drops_short and terms.layout != "pairwise"):
            return lost
        needed = (self.sweep.num_neg or 0) if terms.distinct and terms.drops_short else 1
        if not terms.restricted:
            return lost & (self._least.sizes >= needed)[self.truth.positives.users]
        places = np.flatnonzero(lost)[: min(_WINDOWS, _WINDOW_WORK // max(1, len(self.truth.items)))]
        found = np.zeros_like(lost)
        found[places[window_sizes(self.truth, terms, self._least, places) >= needed]] = True
        return found
