"""What is known of a file once its ranges were looked at, and whether its metadata give the same numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from negprep.arrays import Mask
from negprep.checks.eligible import Supply, supply_of
from negprep.checks.expected_holdouts import Expected, expected, per_user
from negprep.checks.observed import LogByRange
from negprep.checks.pair_set import Rows
from negprep.checks.promises import Promise
from negprep.checks.results import METADATA, SEEN, Findings
from negprep.checks.sweep import Sweep
from negprep.checks.tallies import Totals
from negprep.read.prepared import Prepared

TOLD = "or --made-by SUMMARY"
"""How to say what nobody said, after an option."""


class Usual:
    """Adds up, range by range, which groups each number explains.

    Not the one that most have is asked for: where most users have fewer items to draw from than were asked for, that is
    a number of no meaning, and those with more items have more negatives.
    """

    def __init__(self) -> None:
        self._total = 0
        self._explained = np.zeros((3, 0), np.int64)  # by any number not below it; by it alone; whether any has it

    def add(self, counts: Rows, sizes: Rows, groups: Rows | None = None, *, distinct: bool | None) -> None:
        """Take groups.

        Parameters
        ----------
        counts : int64, shape (n,)
            Negatives of groups, below 0 where that is no number.
        sizes : int64, shape (n,)
            Different items that can be drawn for them.
        groups : int64, shape (n,), optional
            How many groups each entry stands for, one by default.
        distinct : bool or None
            Whether the negatives of a group differ, so that no group has more than there are items. None: not known.
        """
        groups = np.ones(len(counts), np.int64) if groups is None else groups
        self._total += int(groups.sum())
        known = (counts >= 0) & (groups > 0)
        counts, sizes, groups = counts[known], sizes[known], groups[known]
        whole = counts == sizes  # explained by any number that is not below it
        if distinct is False:
            whole &= sizes == 0
        part = ~whole & (sizes > 0)  # explained by this number alone
        if distinct:
            part &= counts < sizes
        size = max(int(counts.max(initial=-1)) + 1, self._explained.shape[1])
        found = np.zeros((3, size), np.int64)
        found[:, : self._explained.shape[1]] = self._explained
        for row, kind in enumerate((whole, part, np.ones(len(counts), bool))):
            found[row] += np.bincount(counts, weights=np.where(kind, groups, 0), minlength=size).astype(np.int64)
        self._explained = found

    @property
    def number(self) -> int:
        """The largest of those that explain most groups; 0 without a group."""
        return self._best()[0]

    @property
    def share(self) -> float:
        """The share of the groups that it explains."""
        return self._best()[1]

    def _best(self) -> tuple[int, float]:
        wholes, parts, there = self._explained
        if not self._total or not there.any():
            return 0, 0.0
        explained = np.where(there > 0, np.cumsum(wholes) + parts, -1)
        best = int(np.flatnonzero(explained == explained.max())[-1])
        return best, float(explained[best]) / self._total


@dataclass(eq=False)
class Known:
    """What only all ranges of users together tell.

    Attributes
    ----------
    closed : bool
        There is no user of whom it is open which positives are held out.
    weights : float64, shape (n_items,), or None
        Of popularity, as far as known.
    units : int64, shape (n_items,), or None
        The weights as the whole numbers by which popularity draws.
    some_weights : float64, shape (n_items,), or None
        One for items that popularity draws whichever positives are held out, else 0; None where it does not draw.
    open_users : bool, shape (n_users,)
        All of whom the file and the rule do not settle which positives are held out.
    usual : Usual
        What numbers of negatives explain.
    clear, too_many : bool
        Whether one number explains nearly all; whether someone has more than it can be.
    any_exceptions : bool
        There are groups with another number of negatives than was taken for the usual one.
    taken : int
        That one.
    windows, windows_of_lost, windows_of_unsure : int
        How many positives may still be looked into one by one: short ones, missing ones, and those of open users.
    short, looked_into : int
        How many short ones there are, and were looked into.
    hits : int
        How often held-out positives were drawn in train.
    someone_full : bool
        For someone nothing can be drawn.
    """

    closed: bool = True
    weights: npt.NDArray[np.float64] | None = None
    units: Rows | None = None
    some_weights: npt.NDArray[np.float64] | None = None
    open_users: Mask = field(default_factory=lambda: np.zeros(0, bool))
    usual: Usual = field(default_factory=Usual)
    clear: bool = True
    too_many: bool = False
    any_exceptions: bool = False
    taken: int = 0
    windows: int = 0
    windows_of_lost: int = 0
    windows_of_unsure: int = 0
    short: int = 0
    looked_into: int = 0
    hits: int = 0
    someone_full: bool = False


class RangeCheck:
    """Judges the rows of a range of users, once all were swept.

    Attributes
    ----------
    closed : bool
        There is no user of the range of whom it is open which positives are held out.
    open_users : bool, shape (n_users,)
        Of whom the file and the rule do not settle which positives are held out.
    held_here : bool, shape (n_positives,)
        Which positives are held out of training, if that is known.
    """

    def __init__(self, sweep: Sweep, settled: Known) -> None:
        self.sweep, self.truth, self.terms, self.findings = sweep, sweep.truth, sweep.terms, sweep.findings
        self.tallies, self.totals, self.settled = sweep.tallies, sweep.tallies.totals, settled
        self.present: Mask = self.tallies.present > 0
        self.expected: Expected | None = None
        if self.terms.rule is not None:
            with_valid = self.terms.with_valid
            self.expected = expected(self.truth, self.terms.rule, self.terms.part, with_valid=with_valid)
        self.open_users: Mask = np.zeros(len(self.truth.users), bool)
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
        terms, positives = self.terms, self.truth.positives
        if self.expected is None or terms.rule is None:
            return (~self.present if terms.is_train else self.present), True
        if not terms.is_train and terms.with_valid:
            of_both = expected(self.truth, terms.rule, "train", with_valid=True)
            return of_both.may, of_both.settled(positives)
        # A user without a row, or a positive for which nothing could be drawn, tells nothing: there the rule decides.
        nowhere = (per_user(positives, self.present) == 0)[positives.users]
        held = ~self.present if terms.is_train else self.present | nowhere
        held &= self.expected.may if terms.is_train else self.expected.may | ~nowhere
        self.open_users = per_user(positives, held) != self.expected.sizes
        return held, not self.open_users.any()

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
    def least(self) -> Supply:
        """What can be drawn in any case: of positives that are not there, it is not known which are held out."""
        weights = self.settled.some_weights if self.weights is None else self.weights
        return supply_of(self.truth, self.terms, self.truth.positives, weights)

    def surely_train(self) -> Rows:
        """How many positives with each item are in training, whichever are held out: int64, shape (n_items,)."""
        sure = self.present if self.terms.is_train else np.zeros(len(self.truth.positives), bool)
        if self.expected is not None and self.terms.rule is not None:
            with_valid = self.terms.with_valid
            sure = sure | ~expected(self.truth, self.terms.rule, "train", with_valid=with_valid).may
        return np.bincount(self.truth.positives.items[sure], minlength=len(self.truth.items))

    def example(self, place: int, note: str) -> str:
        """A positive of the log, for a person."""
        pairs = self.truth.positives
        user, item = self.truth.users.name(pairs.users[place]), self.truth.items.name(pairs.items[place])
        return f"{self.sweep.prepared.name}: user {user}, item {item}{note}"

    def at_first(self, place: int, note: str = "") -> str:
        """The same, with its first row."""
        pairs, sweep = self.truth.positives, self.sweep
        return sweep.name(int(self.tallies.first_rows[place]), pairs.users[place], pairs.items[place], note)

    def user(self, user: int, note: str) -> str:
        """A user, for a person."""
        return f"{self.sweep.prepared.name}: user {self.truth.users.name(user)}{note}"

    def wrong_hits(self) -> Mask:
        """Which positives of the log were negatives of train, and must not be: bool, shape (n_positives,)."""
        hits = self.tallies.hits
        if hits is None:
            return np.zeros(len(self.present), bool)
        wrong: Mask = (hits > 0) & self.present
        if self.terms.heads_repeat and self.expected is not None:
            wrong = (hits > 0) & (~self.expected.may | self.present)
        return wrong

    def judge_hits(self) -> None:
        """Positives of the log among the negatives of train: wrong unless they are held out."""
        hits, wrong = self.tallies.hits, self.wrong_hits()
        if hits is None:
            return
        places = np.flatnonzero(wrong)
        pairs, sweep = self.truth.positives, self.sweep
        self.findings.found(
            SEEN,
            places,
            lambda place: sweep.name(int(self.tallies.first_hits[place]), pairs.users[place], pairs.items[place]),
            int(hits[places].sum()),
            rows=self.tallies.first_hits[places],
        )
        self.settled.hits += int(hits.sum() - hits[places].sum())


def holdouts_known(terms: Promise, settled: Known) -> bool:
    """Whether it is known which positives are held out, though perhaps not of all."""
    by_rule = terms.rule is not None and not terms.is_train and terms.with_valid
    return settled.closed or not (by_rule or (terms.rule is not None and terms.heads_repeat))


def holdouts_certain(terms: Promise, settled: Known) -> bool:
    """Whether it is surely all of them."""
    return settled.closed and not (terms.rule is None and terms.with_valid)


def judge_metadata(prepared: Prepared, truths: LogByRange, terms: Promise, totals: Totals, findings: Findings) -> None:
    """Make the check."""
    counts = terms.counts
    if not terms.says_itself:
        return
    found = {
        "rows": (totals.rows, "of the file"),
        "negatives": (totals.negatives, "of the file"),
        "users": (int(truths.known_users.sum()), "of the log"),
        "catalog_items": (int(truths.catalog.sum()), "of the log"),
        "positives": (truths.n_positives, "of the log"),
        "weak": (truths.n_weak, "of the log"),
        "excluded_pairs": (truths.n_excluded_at_first, "of --exclude"),
    }
    kind = prepared.shape.kind
    lists = kind in ("ncf negatives", "lightgcn")  # which have no place for the sources
    for source, number in () if lists else (counts.get("sources") or {}).items():
        found[f"{source} draws"] = (totals.source_counts.get(source, 0), "of the file")
        counts = counts | {f"{source} draws": number}
    if kind not in ("negprep", "text"):  # one of the files of a run
        del found["rows"]
    if terms.layout == "positives":
        found = {name: told for name, told in found.items() if told[1] != "of the file"}
    wrong = [name for name, (number, _) in found.items() if counts.get(name) != number]
    findings.found(
        METADATA,
        range(len(wrong)),
        lambda at: (
            f"{prepared.name}: {wrong[at]} {counts.get(wrong[at])} in the metadata, "
            f"{found[wrong[at]][0]} {found[wrong[at]][1]}: is the log, or a file beside it, another one?"
        ),
    )
