"""Check that each positive is there with its number of negatives, and that the metadata agree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from negprep.arrays import Mask
from negprep.checks.expected import Expected, Supply, expected, per_user, supply_of, window_sizes
from negprep.checks.observed import LogByRange, UsersOfLog
from negprep.checks.pair_set import Rows
from negprep.checks.promises import Promise
from negprep.checks.results import ABSENT, COUNTS, HOLDOUTS, METADATA, MISSING, OR_SUMMARY, SEEN, Findings
from negprep.checks.sweep import Sweep, Totals
from negprep.read.prepared import Prepared


@dataclass(eq=False)
class Known:
    """What is known only after all ranges of users were swept."""

    closed: bool = True  # Whether it is settled for every user which positives are held out
    weights: npt.NDArray[np.float64] | None = None  # float64 (n_items,), or None: Of popularity, as far as known
    units: Rows | None = None  # int64 (n_items,): The weights as whole numbers, with which popularity draws
    some_weights: npt.NDArray[np.float64] | None = None  # float64 (n_items,), or None
    open_users: Mask = field(default_factory=lambda: np.zeros(0, bool))  # bool (n_users,)
    hits: int = 0  # How often held-out positives were drawn in train
    someone_full: bool = False  # Whether nothing can be drawn for someone
    tested: Mask | None = None  # bool (n_users,), or None: Whom ``--test-users`` holds out. None: everybody
    warm: tuple[Mask, Mask] | None = None  # bool (n_items,) each: Which items have a train positive, surely and perhaps


class RangeCheck:
    """Checks the rows of a range of users, once all were swept."""

    def __init__(self, sweep: Sweep, settled: Known) -> None:
        self.sweep, self.in_log, self.terms, self.findings = sweep, sweep.in_log, sweep.terms, sweep.findings
        self.tallies, self.totals, self.settled = sweep.tallies, sweep.tallies.totals, settled
        self.present: Mask = self.tallies.present > 0
        self.expected: Expected | None = None
        if self.terms.rule is not None:
            self.expected = due_of(self.in_log, self.terms, self.terms.part, settled)
        self.open_users: Mask = np.zeros(len(self.in_log.users), bool)  # bool (n_users,)
        self.held_here, self.closed = self._held()

    @property
    def held(self) -> Mask | None:
        """Which positives are held out of training, as far as the file or the rule settles it: shape (n_positives,)."""
        return self.held_here if holdouts_known(self.terms, self.settled) else None

    @property
    def weights(self) -> npt.NDArray[np.float64] | None:
        """Of popularity, as far as known: shape (n_items,)."""
        return self.settled.weights

    def _held(self) -> tuple[Mask, bool]:
        """Which positives are out of train; and whether that is certain."""
        terms, positives = self.terms, self.in_log.positives
        if self.expected is None or terms.rule is None:
            return (~self.present if terms.is_train else self.present), True
        if not terms.is_train and (terms.with_valid or terms.drop_cold is not None):
            of_both = due_of(self.in_log, terms, "train", self.settled)
            return of_both.may, of_both.settled(positives)
        # A user without a row, or a positive for which nothing could be drawn, shows nothing: there the rule decides.
        nowhere = (per_user(positives, self.present) == 0)[positives.users]
        held = ~self.present if terms.is_train else self.present | nowhere
        held &= self.expected.may if terms.is_train else self.expected.may | ~nowhere
        self.open_users = per_user(positives, held) != self.expected.sizes
        return held, not self.open_users.any()

    @cached_property
    def supply(self) -> Supply | None:
        """What can be drawn; None where it is not known which positives are held out."""
        positives = self.in_log.positives
        if self.terms.is_train:
            if self.held is None:
                return None
            positives = positives.where(~self.held)
        return supply_of(self.in_log, self.terms, positives, self.weights)

    @cached_property
    def least(self) -> Supply:
        """What can be drawn in any case: of positives that are not there, it is not known which are held out."""
        weights = self.settled.some_weights if self.weights is None else self.weights
        return supply_of(self.in_log, self.terms, self.in_log.positives, weights)

    def surely_train(self) -> Rows:
        """How many positives with each item are in training, whichever are held out: int64, shape (n_items,)."""
        sure = self.present if self.terms.is_train else np.zeros(len(self.in_log.positives), bool)
        if self.expected is not None:
            sure = sure | ~due_of(self.in_log, self.terms, "train", self.settled).may
        return np.bincount(self.in_log.positives.items[sure], minlength=len(self.in_log.items))

    def example(self, place: int, note: str) -> str:
        """A positive of the log, for a person."""
        pairs = self.in_log.positives
        user, item = self.in_log.users.name(pairs.users[place]), self.in_log.items.name(pairs.items[place])
        return f"{self.sweep.prepared.name}: user {user}, item {item}{note}"

    def at_first(self, place: int, note: str = "") -> str:
        """The same, with its first row."""
        pairs, sweep = self.in_log.positives, self.sweep
        return sweep.name(int(self.tallies.first_rows[place]), pairs.users[place], pairs.items[place], note)

    def user(self, user: int, note: str) -> str:
        """A user, for a person."""
        return f"{self.sweep.prepared.name}: user {self.in_log.users.name(user)}{note}"

    def wrong_hits(self) -> Mask:
        """Which positives of the log were negatives of train, and must not be: bool, shape (n_positives,)."""
        hits = self.tallies.hits
        if hits is None:
            return np.zeros(len(self.present), bool)
        wrong: Mask = (hits > 0) & self.present
        if self.terms.heads_by_chance and self.expected is not None:
            wrong = (hits > 0) & (~self.expected.may | self.present)
        return wrong

    def check_hits(self) -> None:
        """Positives of the log among the negatives of train: wrong unless they are held out."""
        hits, wrong = self.tallies.hits, self.wrong_hits()
        if hits is None:
            return
        places = np.flatnonzero(wrong)
        pairs, sweep = self.in_log.positives, self.sweep
        self.findings.found(
            SEEN,
            places,
            lambda place: sweep.name(int(self.tallies.first_hits[place]), pairs.users[place], pairs.items[place]),
            int(hits[places].sum()),
            rows=self.tallies.first_hits[places].astype(np.int64),
        )
        self.settled.hits += int(hits.sum() - hits[places].sum())


def due_of(in_log: UsersOfLog, terms: Promise, part: str, settled: Known) -> Expected:
    """What must be in a fold, of a file with a rule."""
    if terms.rule is None:
        raise ValueError("how positives were held out is not specified")

    def of(part: str) -> Expected:
        due = expected(in_log, terms.rule, part, with_valid=terms.with_valid, seed=terms.split_seed)  # type: ignore[arg-type]
        by_rule = terms.heads_by_chance or not terms.is_train  # the rows do not show it
        if part == "train" and by_rule and terms.has_metadata:
            due = due.by_hash(in_log, terms.split_seed)
        if settled.tested is None:
            return due
        first = in_log.users.first
        return due.of_users(in_log.positives, settled.tested[first : first + len(in_log.users)])

    if part == "train" or terms.drop_cold is None or settled.warm is None:
        return of(part)
    return of(part).without_cold(in_log.positives, of("train"), terms.drop_cold, settled.warm)


def warm_items(ranges: Iterable[UsersOfLog], terms: Promise, settled: Known) -> tuple[Mask, Mask] | None:
    """Which items surely have a train positive, and which may have one; None where that does not matter."""
    found: tuple[Mask, Mask] | None = None
    for in_log in ranges if terms.rule is not None and terms.drop_cold is not None else ():
        found = found or (np.zeros(len(in_log.items), bool), np.zeros(len(in_log.items), bool))
        held = due_of(in_log, terms, "train", settled)
        found[0][in_log.positives.items[~held.may]] = True
        found[1][in_log.positives.items[~held.must]] = True
    return found


def holdouts_known(terms: Promise, settled: Known) -> bool:
    """Whether it is known which positives are held out, at least for some users."""
    if terms.rule is None:
        return settled.closed and not terms.heads_may_lack
    by_rule = not terms.is_train and (terms.with_valid or terms.drop_cold is not None)
    return settled.closed or not (by_rule or terms.heads_by_chance)


def holdouts_certain(terms: Promise, settled: Known) -> bool:
    """Whether all held-out positives are known."""
    return settled.closed and not (terms.rule is None and terms.with_valid)


def check_metadata(prepared: Prepared, log: LogByRange, terms: Promise, totals: Totals, findings: Findings) -> None:
    """Make the check."""
    counts = terms.counts
    if not terms.has_metadata:
        return
    found = {
        "rows": (totals.rows, "of the file"),
        "negatives": (totals.negatives, "of the file"),
        "users": (int(log.known_users.sum()), "of the log"),
        "catalog_items": (int(log.catalog.sum()), "of the log"),
        "positives": (log.n_positives, "of the log"),
        "weak": (log.n_weak, "of the log"),
        "excluded_pairs": (log.n_excluded_at_first, "of --exclude"),
    }
    kind = prepared.shape.kind
    lists = kind in ("ncf negatives", "lightgcn", "exchanged")  # which have no place for the sources
    for source, number in () if lists else (counts.get("sources") or {}).items():
        found[f"{source} draws"] = (totals.source_counts.get(source, 0), "of the file")
        counts = counts | {f"{source} draws": number}
    if kind not in ("negprep", "text"):  # one of the files of a run
        del found["rows"]
    if terms.layout == "positives":
        found = {name: text for name, text in found.items() if text[1] != "of the file"}
    wrong = [name for name, (number, _) in found.items() if counts.get(name) != number]
    findings.found(
        METADATA,
        range(len(wrong)),
        lambda at: (
            f"{prepared.name}: {wrong[at]} {counts.get(wrong[at])} in the metadata, "
            f"{found[wrong[at]][0]} {found[wrong[at]][1]}: is the log, or a file beside it, another one?"
        ),
    )


class GroupSizes:
    """Checks the numbers of negatives."""

    def __init__(self, checked: RangeCheck) -> None:
        self._checked, self._in_log, self._terms = checked, checked.in_log, checked.terms
        self._tallies, self._findings, self._num_neg = checked.tallies, checked.findings, checked.terms.num_neg or 0

    def check(self) -> None:
        """Make the check for a range of users."""
        terms, supply = self._terms, self._checked.supply
        if terms.num_neg is None:
            self._findings.skip(COUNTS, f"how many it must have is not specified: add --num-neg {OR_SUMMARY}")
        elif supply is None:
            self._findings.skip(COUNTS, "which positives are held out is not known, and so not what can be drawn")
        elif terms.levels and not terms.has_metadata:
            self._findings.skip(COUNTS, "which pairs must be there is not specified: add --made-by SUMMARY")
        elif terms.bootstrap is not None:
            nobody = (supply.sizes[self._in_log.positives.counts > 0] == 0).any()
            self._checked.settled.someone_full |= terms.restricted or bool(nobody)
        elif by_user(terms):
            self._by_user(supply)
        elif terms.layout == "pairwise":
            self._of_pairs(supply)
        elif terms.per_user:  # a group may be right, and one of several that its user has
            self._exceptions(supply)
            self._by_user(supply, of_groups=False)
        else:
            self._exceptions(supply)

    @property
    def _unsure(self) -> Mask:
        """Users for whom it is not known what can be drawn: no more than it seems, no less than in any case."""
        hidden = self._terms.samplers == ("popularity",) and self._checked.weights is None
        return self._checked.open_users & self._terms.is_train | hidden

    def _by_user(self, supply: Supply, *, of_groups: bool = True) -> None:
        """Where it is not known which negative is whose. Not ``of_groups``: of users whose groups are right."""
        if self._terms.restricted:
            self._findings.skip(COUNTS, "rows are in no order, and what can be drawn depends on the positive")
            return
        heads, found = heads_due(self._checked), self._tallies.negatives_of
        wanted = heads * supply.wanted(self._terms, self._num_neg)
        if self._terms.drops_short:
            wanted = np.where(found > 0, wanted, 0)
        least = heads * self._fewest(self._checked.least.sizes)
        wrong = self._surely(found, wanted, heads, supply.sizes)
        wrong = wrong[~(self._unsure & (found >= least) & (found <= wanted))[wrong]]
        wrong = wrong if of_groups else np.setdiff1d(wrong, self._tallies.odd_groups.users)
        self._findings.found(
            COUNTS,
            wrong,
            lambda user: self._checked.user(
                user, f": {found[user]} negatives, not {self._in_words(wanted[user], heads[user])}"
            ),
        )

    def _of_pairs(self, supply: Supply) -> None:
        """In pairs a positive has a row for each of its negatives."""
        tallies, present, epochs = self._tallies, self._checked.present, self._terms.epochs
        rows, users = tallies.present, self._in_log.positives.users
        wanted = supply.wanted(self._terms, self._num_neg)[users] * epochs
        wrong = np.flatnonzero(present & (rows != wanted))
        self._check(
            wrong,
            users[wrong],
            rows[wrong].astype(np.int64),
            supply,
            tallies.first_rows[wrong].astype(np.int64),
            epochs,
        )

    def _exceptions(self, supply: Supply) -> None:
        """Groups with another number than was asked for."""
        odd = self._tallies.odd_groups
        places = self._in_log.positives.find(self._in_log.keys(odd.users, odd.items))
        self._check(places, odd.users, odd.counts, supply, odd.rows, 1)

    def _least(self, places: Rows) -> Rows:
        """How many negatives some positives of the log have in any case."""
        least, terms = self._checked.least, self._terms
        sizes = least.sizes[self._in_log.positives.users[places]]
        if terms.restricted:
            sizes = window_sizes(self._in_log, terms, least, places)
        return self._fewest(sizes)

    def _fewest(self, sizes: Rows) -> Rows:
        """Negatives that a positive has in any case, if so many different items can be drawn for it."""
        return _due(sizes, self._terms.fewest or 0, distinct=self._terms.distinct is not False)

    def _in_words(self, wanted: int, times: int) -> str:
        """How many negatives ``times`` positives must have, if ``wanted`` are the most."""
        if self._terms.chance is None:
            return str(wanted)
        fewest = min(wanted, times * (self._num_neg - 1))
        return f"{fewest} {'or' if fewest + 1 == wanted else 'to'} {wanted}" if fewest < wanted else str(wanted)

    def _excused(self, places: Rows, counts: Rows, wanted: Rows, epochs: int) -> Mask:
        """Which of some positives have a number that may be right."""
        excused = places >= 0
        excused[excused] = self._unsure[self._in_log.positives.users[places[excused]]]
        unsure = np.flatnonzero(excused)
        mine = counts[unsure]
        excused[unsure] = (mine <= wanted[unsure] * epochs) & (mine >= self._least(places[unsure]) * epochs)
        return excused

    def _check(
        self, places: Rows, owners: npt.NDArray[np.integer], counts: Rows, supply: Supply, rows: Rows, epochs: int
    ) -> None:
        """Report positives, of ``owners``, with a number of negatives that nothing explains.

        A positive that the log lacks has a place below 0.
        """
        num_neg = self._num_neg
        known = places >= 0
        users = np.where(known, self._in_log.positives.users.take(places, mode="clip"), -1)
        wanted = np.where(known, supply.wanted(self._terms, num_neg)[users], num_neg)
        if self._terms.restricted:
            few = np.flatnonzero((counts < num_neg * epochs) & known)
            sizes = window_sizes(self._in_log, self._terms, supply, places[few])
            wanted[few] = _due(sizes, num_neg, distinct=bool(self._terms.distinct))
        wrong = self._surely(counts, wanted * epochs, epochs, np.where(known, supply.sizes[users], 0))
        wrong = wrong[~self._excused(places[wrong], counts[wrong], wanted[wrong], epochs)]

        def describe(at: int) -> str:
            place, user = self._checked.sweep.prepared.place(int(rows[at])), self._in_log.users.name(int(owners[at]))
            return f"{place}: user {user}: {counts[at]} negatives, not {self._in_words(wanted[at] * epochs, epochs)}"

        self._findings.found(COUNTS, wrong, describe, rows=rows[wrong])

    def _surely(self, found: Rows, wanted: Rows, times: Rows | int, sizes: Rows) -> Rows:
        """Where numbers are wrong: by either rule, where it is not specified whether negatives differ."""
        wrong = found != wanted
        if self._terms.distinct is None:
            wrong &= found != _due(sizes, self._num_neg, distinct=True) * times
            wrong &= found != _due(sizes, self._num_neg, distinct=False) * times
        if self._terms.chance is not None:
            most = _due(sizes, self._num_neg, distinct=bool(self._terms.distinct))
            wrong &= (found < self._fewest(sizes) * times) | (found > np.maximum(wanted, most * times))
        return np.flatnonzero(wrong)


def _due(sizes: Rows, num_neg: int, *, distinct: bool) -> Rows:
    """Negatives of a positive for which so many different items can be drawn."""
    return np.minimum(sizes, num_neg) if distinct else np.where(sizes > 0, num_neg, 0)


def by_user(terms: Promise) -> bool:
    """Whether negatives are counted user by user, since it is not known which one is whose."""
    return terms.levels or (terms.layout == "pointwise" and terms.is_train and terms.shuffled)


def heads_due(checked: RangeCheck) -> Rows:
    """How many groups of each user negatives are due to, in all epochs: int64, shape (n_users,)."""
    heads = per_user(checked.in_log.positives, checked.present)
    if (checked.terms.levels or checked.terms.heads_may_lack) and checked.expected is not None:
        heads = checked.in_log.positives.counts - checked.expected.sizes
    return (heads > 0 if checked.terms.per_user else heads) * checked.terms.epochs


def check_bootstrap(terms: Promise, totals: Totals, settled: Known, findings: Findings, name: str) -> None:
    """Check that ``--bootstrap`` has as many rows as it asks for, fewer if nothing can be drawn for someone."""
    wanted = None if terms.bootstrap is None else terms.bootstrap * terms.epochs
    if wanted is not None and findings.ask(COUNTS).status != "not checked":
        rows = totals.rows
        if rows > wanted or (rows < wanted and not settled.someone_full):
            findings.found(COUNTS, [0], lambda _: f"{name}: {rows} rows, not the {wanted} of --bootstrap")


class Belonging:
    """Checks that the positives of each user are there, and the held-out ones are not (or the reverse, in test)."""

    def __init__(self, checked: RangeCheck) -> None:
        self._checked, self._in_log, self._terms = checked, checked.in_log, checked.terms
        self._present, self._found = checked.present, checked.findings.found

    def check(self) -> None:
        """Make the checks."""
        terms, checked, rule = self._terms, self._checked, self._checked.expected
        positives, skip = self._in_log.positives, checked.findings.skip
        if rule is None:
            for name in (HOLDOUTS, ABSENT, *([MISSING] if terms.is_train else [])):
                skip(name, f"how positives were held out is not specified: add --holdout {OR_SUMMARY}")
            return
        if terms.heads_by_chance:  # in train alone
            self._leaked(rule)
            for name in (MISSING, ABSENT):
                skip(name, "chance decides which positives lead rows")
            return
        here = per_user(positives, self._present)
        due = positives.counts - rule.sizes if terms.is_train else rule.sizes
        nowhere = (here == 0) & (due > 0)
        sure = nowhere if rule.unsure is None else nowhere & ~rule.unsure
        lost = np.flatnonzero(sure & ~self._excused())
        self._found(ABSENT, lost, lambda user: checked.user(user, f" has {due[user]} positives due, and no row"))
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
        return (terms.num_neg or 0) if is_more else 1

    def _excused(self) -> Mask:
        """Users who need not have rows, because too little can be drawn for them."""
        if not self._leaves_out or self._terms.restricted:
            return np.full(len(self._in_log.users), self._leaves_out)
        found: Mask = self._checked.least.sizes < self._needed
        return found

    def _unexplained(self, lost: Mask) -> Mask:
        """Those of some missing positives for which enough could be drawn."""
        if not self._leaves_out:
            return lost
        if not self._terms.restricted:
            return lost & (self._checked.least.sizes >= self._needed)[self._in_log.positives.users]
        places = np.flatnonzero(lost)
        found = np.zeros_like(lost)
        found[places[window_sizes(self._in_log, self._terms, self._checked.least, places) >= self._needed]] = True
        return found

    def _leaked(self, rule: Expected) -> Rows:
        leaked = np.flatnonzero(self._present & rule.must)
        self._found(HOLDOUTS, leaked, lambda at: self._checked.at_first(at, ": held out, yet here"))
        return leaked

    def _undecided(self, nowhere: Mask, *wrong: Rows) -> Mask:
        """Users of whom only the number of positives is still to be checked."""
        users = self._in_log.positives.users
        open_users = ~nowhere
        for places in wrong:
            open_users[users[places]] = False
        return open_users

    def _of_train(self, rule: Expected, nowhere: Mask, here: Rows) -> None:
        checked, positives = self._checked, self._in_log.positives
        leaked = self._leaked(rule)
        lost = np.flatnonzero(self._unexplained(~self._present & ~rule.may & ~nowhere[positives.users]))
        self._found(MISSING, lost, lambda at: checked.example(at, " is not there"))
        absent, sizes = positives.counts - here, rule.sizes
        open_users = self._undecided(nowhere, leaked, lost)
        few = np.flatnonzero(open_users & (absent < sizes))
        self._found(
            HOLDOUTS, few, lambda user: checked.user(user, f": {absent[user]} held out, not {sizes[user]}"), stage=1
        )
        if not (self._terms.restricted and self._leaves_out):
            many = np.flatnonzero(open_users & (absent > sizes))
            text = " positives are not there, of which"
            self._found(
                MISSING,
                many,
                lambda user: checked.user(user, f": {absent[user]}{text} {sizes[user]} are held out"),
                stage=1,
            )

    def _of_test(self, rule: Expected, nowhere: Mask, here: Rows) -> None:
        checked, positives, sizes = self._checked, self._in_log.positives, rule.sizes
        wrong = np.flatnonzero(self._present & ~rule.may)
        timed = self._terms.rule is not None and self._terms.rule.needs_times
        note = " is not among the latest" if timed else " is of a user with no holdout due"
        if self._terms.rule is not None and self._terms.rule.kind in ("random-global", "file"):
            note = " is not held out"
        self._found(HOLDOUTS, wrong, lambda at: checked.at_first(at, note))
        lost = np.flatnonzero(self._unexplained(rule.must & ~self._present & ~nowhere[positives.users]))
        self._found(HOLDOUTS, lost, lambda at: checked.example(at, " is due, and not there"), stage=1)
        open_users = self._undecided(nowhere, wrong, lost)
        if self._terms.restricted and self._leaves_out:
            open_users &= here > sizes
        if rule.unsure is not None:
            open_users &= ~rule.unsure | (here > sizes)
        odd = np.flatnonzero(open_users & (here != sizes))
        self._found(
            HOLDOUTS, odd, lambda user: checked.user(user, f": {here[user]} holdouts, not {sizes[user]}"), stage=2
        )
