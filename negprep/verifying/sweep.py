"""One pass over the rows of a file: what a row or a group alone can have wrong, and counts for all else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from negprep.prepared import Prepared
from negprep.verifying.blocks import Blocks
from negprep.verifying.findings import Findings
from negprep.verifying.grouping import Block
from negprep.verifying.pairs import Rows, distinct
from negprep.verifying.terms import Terms
from negprep.verifying.truth import Truth

LABELS = "labels are 0 and 1"
USERS = "users are in the log"
POSITIVES = "positives are positives of the log"
ONCE = "no positive occurs twice"
SEEN = "no negative is a positive of its user"
WEAK = "no negative is weak"
EXCLUDED = "no negative is excluded"
OWN = "no positive is among its own negatives"
CATALOG = "negatives are in the catalog"
DISTINCT = "the negatives of a positive differ"
COUNTS = "each positive has as many negatives as it must"
WITHIN = "negatives are within the restriction"
DRAWN_WEAK = "what is said to be drawn as weak is weak"

CHOICES = ("uniform", "popularity", "weak", "other")
_CHOICE_OF = {
    "uniform": 0,
    "fallback": 0,
    "positive>unobserved": 0,
    "weak>unobserved": 0,
    "popularity": 1,
    "weak": 2,
    "positive>weak": 2,
}


def choice_of(source: str) -> int:
    """From what a sampler draws, as a place in ``CHOICES``."""
    return _CHOICE_OF.get(source, CHOICES.index("other"))


@dataclass(eq=False)
class Drawn:
    """What one sampler has drawn.

    Attributes
    ----------
    items : int64, shape (n_items,)
        How often each item.
    draws, squares, groups : int64, shape (n_users,)
        Draws for each user; the sum of their squared numbers in each group; groups with at least one.
    """

    items: Rows
    draws: Rows
    squares: Rows
    groups: Rows


@dataclass(eq=False)
class Exceptions:
    """Groups whose number of negatives is not the usual one, to be judged once the seen sets are known."""

    users: list[Rows] = field(default_factory=list)
    heads: list[Rows] = field(default_factory=list)
    counts: list[Rows] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    size: int = 0


class Sweep:
    """Goes over the rows once.

    Attributes
    ----------
    present : int32, shape (n_positives,)
        How often each positive leads rows: groups, or in pairs the rows themselves.
    first_rows : int64, shape (n_positives,)
        Where it did so first; undefined where it did not.
    hits : int32, shape (n_positives,), or None
        How often each positive of the log was drawn as a negative in train; None: none ever was.
    first_hits : int64, shape (n_positives,)
        In which row first.
    drawn : dict of str to Drawn
    slots : int64
        How often the positive stood at each place.
    exceptions : Exceptions
    num_neg : int or None
        The usual number of negatives.
    negatives_of : int64, shape (n_users,)
        Negatives of each user.
    source_counts : dict of str to int
        Negatives by what the column ``source`` says.
    rows, negatives, n_groups : int
    """

    def __init__(self, prepared: Prepared, truth: Truth, terms: Terms, findings: Findings) -> None:
        self.prepared, self.truth, self.terms, self.findings = prepared, truth, terms, findings
        n_users, n_items = len(truth.users), len(truth.items)
        self.present = np.zeros(len(truth.positives), np.int32)
        self.first_rows = np.zeros(len(truth.positives), np.int64)
        self._last_epoch = np.full(len(truth.positives), -1, np.int32) if terms.epochs > 1 else None
        self.hits: npt.NDArray[np.int32] | None = None
        self.first_hits = np.zeros(0, np.int64)
        self.drawn = {
            name: Drawn(np.zeros(n_items, np.int64), *(np.zeros(n_users, np.int64) for _ in range(3)))
            for name in CHOICES
            if name in {CHOICES[choice_of(sampler)] for sampler in (*terms.samplers, "uniform")}
        }
        self.slots = np.zeros(0, np.int64)
        self.exceptions = Exceptions()
        self.num_neg = terms.num_neg
        self.negatives_of = np.zeros(n_users, np.int64)
        self.rows = self.negatives = self.n_groups = self.known_users = 0
        self.source_counts: dict[str, int] = {}
        self._whole_catalog = bool(truth.catalog.all())
        self._weak = truth.weak.without(truth.excluded)
        self._ask()

    def _ask(self) -> None:
        """In the order in which the checks are told."""
        terms, ask = self.terms, self.findings.ask
        for name in (USERS, POSITIVES):
            ask(name)
        if terms.layout == "pointwise":
            ask(LABELS)
        if terms.layout != "pairwise" and not terms.heads_repeat:
            ask(ONCE)
        if terms.layout == "positives":
            return
        ask(SEEN)
        if len(self.truth.weak):
            ask(WEAK)
        if terms.draws_weak:
            ask(DRAWN_WEAK)
        if len(self.truth.excluded):
            ask(EXCLUDED)
        for name in (CATALOG, OWN, DISTINCT, COUNTS):
            ask(name)
        if terms.restricted:
            ask(WITHIN)
            if terms.levels:
                self.findings.skip(WITHIN, "weak items stand in the place of positives, whose time and kind it is")
        ungrouped = terms.is_train and terms.shuffled and terms.layout == "pointwise"
        if not terms.distinct:
            self.findings.skip(DISTINCT, "they may repeat")
        if ungrouped:
            for name in (OWN, *([WITHIN] if terms.restricted else [])):
                self.findings.skip(name, "rows are in no order: which negative is beside which positive is not known")
            if terms.distinct:
                self.findings.skip(DISTINCT, "rows are in no order")
        apart = terms.heads_repeat or (terms.shuffled and terms.is_train)
        if terms.distinct and terms.layout == "pairwise" and apart:
            self.findings.skip(DISTINCT, "the pairs of one positive are not side by side")

    def run(self) -> None:
        """Go over all rows."""
        blocks = Blocks(self.prepared, self.truth, self.terms)
        for block in blocks:
            self.rows += block.rows
            self._heads(block)
            if self.terms.layout != "positives":
                self._negatives(block, blocks.sources)

    def name(self, row: int, user: int, item: int, note: str = "") -> str:
        """A row, for a person."""
        truth = self.truth
        return f"{self.prepared.place(row)}: user {truth.users.name(user)}, item {truth.items.name(item)}{note}"

    def _heads(self, block: Block) -> None:
        truth, found = self.truth, self.findings.found
        users, items = block.heads, block.head_items
        self.n_groups += len(users)
        self.known_users += int((users >= 0).sum()) + int((block.users >= 0).sum())
        strangers = np.flatnonzero(users < 0)
        found(USERS, len(strangers), strangers, lambda at: f"{self.prepared.place(int(block.head_rows[at]))}: its user")
        keys = users * np.int64(len(truth.items)) + items
        keys[(users < 0) | (items < 0)] = -1
        places = truth.positives.find(keys)
        if self.terms.levels and block.head_sources is not None:
            places[self._weak.find(keys) >= 0] = -2
        wrong = np.flatnonzero((places == -1) & (users >= 0))
        found(POSITIVES, len(wrong), wrong, lambda at: self.name(int(block.head_rows[at]), users[at], items[at]))
        if block.odd_labels.size:
            found(LABELS, len(block.odd_labels), block.odd_labels, self.prepared.place)
        if block.odd_groups.size and not self.terms.restricted:
            note = ": the candidates of this user are no groups of one size with one positive in each"
            found(COUNTS, len(block.odd_groups), block.odd_groups, lambda row: f"{self.prepared.place(row)}{note}")
        if block.strays.size:
            note = ": a negative that follows no positive of its user"
            found(COUNTS, len(block.strays), block.strays, lambda row: f"{self.prepared.place(row)}{note}")
        known = np.flatnonzero(places >= 0)
        self._head_times = None
        if truth.times is not None and self.terms.available:
            self._head_times = np.where(places >= 0, truth.times.take(places, mode="clip"), np.iinfo(np.int64).max)
        places, rows = places[known], block.head_rows[known]
        if self.terms.layout == "pairwise" and block.counts is not None:
            np.add.at(self.present, places, block.counts[known].astype(np.int32))
        else:
            self._once(places, rows, block.epoch)
        fresh = self.present[places] > 0
        self.first_rows[places[fresh][::-1]] = rows[fresh][::-1]
        self._counts(block)

    def _once(self, places: Rows, rows: Rows, epoch: int) -> None:
        before = self.present[places] if self._last_epoch is None else self._last_epoch[places] == epoch
        again = before.astype(bool)
        if places.size > 1:
            order = np.argsort(places, kind="stable")
            ordered = places[order]
            again[order[1:][ordered[1:] == ordered[:-1]]] = True
        np.add.at(self.present, places, 1)
        if self._last_epoch is not None:
            self._last_epoch[places] = epoch
        if again.any() and not self.terms.heads_repeat:
            twice = np.flatnonzero(again)
            pairs = self.truth.positives
            self.findings.found(
                ONCE,
                len(twice),
                twice,
                lambda at: self.name(int(rows[at]), pairs.users[places[at]], pairs.items[places[at]]),
            )

    def _counts(self, block: Block) -> None:
        """Groups with another number of negatives than usual; and the places of positives."""
        if block.counts is None or self.terms.layout in ("pairwise", "positives") or not len(block.counts):
            return
        if self.num_neg is None:
            self.num_neg = (
                int(np.bincount(block.counts[block.counts >= 0]).argmax()) if (block.counts >= 0).any() else 0
            )
        odd = np.flatnonzero((block.counts != self.num_neg) & (block.counts >= 0))
        if odd.size:
            self.exceptions.users.append(block.heads[odd].astype(np.int64))
            self.exceptions.heads.append(block.head_items[odd].astype(np.int64))
            self.exceptions.counts.append(block.counts[odd])
            self.exceptions.rows.append(block.head_rows[odd])
            self.exceptions.size += len(odd)
        if block.slots is not None:
            slots = block.slots[(block.counts == self.num_neg) & (block.slots >= 0)]
            if not self.slots.size:
                self.slots = np.zeros(self.num_neg + 1, np.int64)
            self.slots += np.bincount(slots, minlength=len(self.slots))

    def _negatives(self, block: Block, sources: list[str]) -> None:
        truth, terms, found = self.truth, self.terms, self.findings.found
        self.negatives += len(block.items)

        def name(at: int) -> str:
            return self.name(int(block.negative_rows[at]), block.users[at], block.items[at])

        strangers = np.flatnonzero(block.users < 0)
        if strangers.size and terms.layout == "pointwise":
            found(
                USERS,
                len(strangers),
                strangers,
                lambda at: f"{self.prepared.place(int(block.negative_rows[at]))}: its user",
            )
        outside = block.items < 0
        if not self._whole_catalog:
            outside |= ~truth.catalog[block.items]
        if outside.any():
            where = np.flatnonzero(outside)
            found(CATALOG, len(where), where, name)
        own = np.zeros(len(block.items), bool)
        if block.groups is not None and block.items.size:
            own = (block.items == block.head_items[block.groups]) & (block.groups >= 0) if len(block.heads) else own
            if terms.levels:  # there the positive beside a negative may be a weak item
                own &= False
            where = np.flatnonzero(own)
            found(OWN, len(where), where, name)
        keys = block.users * np.int64(len(truth.items)) + block.items
        keys[(block.users < 0) | (block.items < 0)] = -1
        choices = self._choices(block, sources)
        listed = None if choices is None else choices == CHOICES.index("weak")
        if listed is not None and listed.any():
            where = np.flatnonzero(listed)
            where = where[self._weak.find(keys[where]) < 0]
            found(DRAWN_WEAK, len(where), where, name)
            keys[listed] = -1
        keys[own] = -1
        self._seen(keys, block, name)
        if terms.restricted and block.groups is not None and not terms.levels:
            self._within(block, name)
        if terms.distinct and block.groups is not None and self.findings.ask(DISTINCT).status != "not checked":
            self._repeated(block, name)
        self._draws(block, choices)

    def _seen(self, keys: Rows, block: Block, name: Callable[[int], str]) -> None:
        truth, found = self.truth, self.findings.found
        rows = truth.seen.rows_in(keys)
        if not rows.size:
            return
        for pairs, check in ((truth.weak, WEAK), (truth.excluded, EXCLUDED)):
            if len(pairs):
                where = rows[pairs.find(keys[rows]) >= 0]
                found(check, len(where), where, name)
        places = truth.positives.find(keys[rows])
        rows, places = rows[places >= 0], places[places >= 0]
        if not self.terms.is_train:
            found(SEEN, len(rows), rows, name)
            return
        # Whether the positive is in train is known at the end.
        if self.hits is None:
            self.hits, self.first_hits = (
                np.zeros(len(truth.positives), np.int32),
                np.zeros(len(truth.positives), np.int64),
            )
        fresh = self.hits[places] == 0
        self.first_hits[places[fresh][::-1]] = block.negative_rows[rows[fresh]][::-1]
        np.add.at(self.hits, places, 1)

    def _within(self, block: Block, name: Callable[[int], str]) -> None:
        truth, groups = self.truth, block.groups if block.groups is not None else block.negative_rows
        wrong = np.zeros(len(groups), bool)
        if truth.categories is not None:
            wrong |= truth.categories[block.items] != truth.categories[block.head_items][groups]
        if truth.firsts is not None and self._head_times is not None:
            wrong |= truth.firsts[block.items] > self._head_times[groups]
        where = np.flatnonzero(wrong & (groups >= 0) & (block.items >= 0))
        self.findings.found(WITHIN, len(where), where, name)

    def _repeated(self, block: Block, name: Callable[[int], str]) -> None:
        groups = block.groups if block.groups is not None else block.negative_rows
        keys = groups * np.int64(len(self.truth.items) + 1) + block.items
        keys[groups < 0] = -1 - np.arange(int((groups < 0).sum()))
        if len(distinct(keys.copy())) == len(keys):
            return
        order = np.argsort(keys, kind="stable")
        again = np.sort(order[1:][keys[order][1:] == keys[order][:-1]])
        self.findings.found(DISTINCT, len(again), again, name)

    def _choices(self, block: Block, sources: list[str]) -> npt.NDArray[np.int8] | None:
        """Of each negative the place of its sampler among ``CHOICES``; None where one sampler drew all."""
        if block.sources is None:
            return None
        numbers = np.bincount(block.sources[block.sources >= 0], minlength=len(sources))
        for source, number in zip(sources, numbers.tolist(), strict=True):
            self.source_counts[source] = self.source_counts.get(source, 0) + number
        table = np.array([*map(choice_of, sources), 0], np.int8)
        found: npt.NDArray[np.int8] = table[block.sources]
        return found

    def _draws(self, block: Block, choices: npt.NDArray[np.int8] | None) -> None:
        users = block.users
        known = (users >= 0) & (block.items >= 0)
        whole = bool(known.all())
        count_into(self.negatives_of, users if whole else users[known])
        for name, drawn in self.drawn.items():
            if choices is None:
                if name != CHOICES[choice_of(self.terms.samplers[0])]:
                    continue
                mine = known
            else:
                mine = known & (choices == CHOICES.index(name))
            every = choices is None and whole
            count_into(drawn.items, block.items if every else block.items[mine])
            if block.groups is None:
                count_into(drawn.draws, users if every else users[mine])
                continue
            of_groups = (
                block.counts
                if every
                else np.bincount(block.groups[mine & (block.groups >= 0)], minlength=len(block.heads))
            )
            if of_groups is None:
                continue
            some = np.flatnonzero((of_groups > 0) & (block.heads >= 0))
            counts, heads = of_groups[some], block.heads[some]
            count_into(drawn.draws, heads, counts)
            count_into(drawn.squares, heads, counts * counts)
            count_into(drawn.groups, heads)


def count_into(total: Rows, codes: npt.NDArray[np.integer], weights: Rows | None = None) -> None:
    """Add how often each code occurs, or the sums of the weights."""
    if len(total) <= 8 * len(codes):
        found = np.bincount(codes, weights=weights, minlength=len(total))
        total += found if weights is None else found.astype(np.int64)
    else:
        np.add.at(total, codes, 1 if weights is None else weights)
