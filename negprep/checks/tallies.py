"""What the sweep over a file counts: for each positive, each user and each item."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from negprep.checks.observed import UsersOfLog
from negprep.checks.pair_set import Rows
from negprep.checks.promises import Promise
from negprep.checks.ranges import Arrays
from negprep.checks.rows import Block

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


def first_draws_alone(terms: Promise) -> bool:
    """Whether only the first draw of a group has a law in closed form; and it is known which one that is."""
    apart = terms.shuffled and terms.is_train and terms.layout in ("pointwise", "pairwise")
    return terms.distinct and "popularity" in terms.samplers and terms.says_itself and not apart


@dataclass(eq=False)
class Drawn:
    """What one sampler has drawn.

    Attributes
    ----------
    items : int64, shape (n_items,)
        How often each item.
    draws, squares, groups : int64, shape (n_owners,)
        Draws for each user, or, where the positive decides what can be drawn, for each positive of the log; the sum of
        their squared numbers in each group; groups with at least one. The last two only where draws differ.
    first_items, first_draws : int64, shapes (n_items,) and (n_owners,), or None
        The first draws of groups alone, where later ones have another law.
    """

    items: Rows
    draws: Rows
    squares: Rows
    groups: Rows
    first_items: Rows | None = None
    first_draws: Rows | None = None

    def forget(self) -> None:
        """Nothing was drawn."""
        for array in (self.items, self.draws, self.squares, self.groups, self.first_items, self.first_draws):
            if array is not None:
                array[:] = 0

    def of_owners(self, mine: slice) -> Drawn:
        """Of some owners: what is counted there is counted here."""
        firsts = None if self.first_draws is None else self.first_draws[mine]
        return Drawn(self.items, self.draws[mine], self.squares[mine], self.groups[mine], self.first_items, firsts)

    def with_owners(self, n_owners: int, terms: Promise) -> Drawn:
        """Of owners of its own."""
        drawn = nothing_drawn(0, n_owners, terms)
        return replace(drawn, items=self.items, first_items=self.first_items)


OWNED = ("draws", "squares", "groups", "first_draws")
"""The arrays of owners."""


def nothing_drawn(n_items: int, n_owners: int, terms: Promise) -> Drawn:
    """Nothing as yet."""
    of_groups = n_owners if terms.distinct else 0
    firsts = (n_items, n_owners) if first_draws_alone(terms) else ()
    return Drawn(*(np.zeros(size, np.int64) for size in (n_items, n_owners, of_groups, of_groups, *firsts)))


@dataclass(eq=False)
class Exceptions:
    """Groups whose number of negatives is not the usual one, to be judged once the seen sets are known."""

    users: list[Rows] = field(default_factory=list)
    heads: list[Rows] = field(default_factory=list)
    counts: list[Rows] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    size: int = 0

    def joined(self) -> dict[str, Rows]:
        """Each list as one array."""
        none = np.empty(0, np.int64)
        return {name: np.concatenate([none, *getattr(self, name)]) for name in ("users", "heads", "counts", "rows")}

    @classmethod
    def of(cls, arrays: Arrays) -> Exceptions:
        """From such arrays."""
        parts = {name: arrays[name] for name in ("users", "heads", "counts", "rows")}
        size = 0 if parts["rows"] is None else len(parts["rows"])
        return cls(**{name: [part] for name, part in parts.items() if part is not None}, size=size)


class Epochs:
    """In which epochs each positive led rows: a bit for each, in whatever order epochs come."""

    def __init__(self, n_positives: int) -> None:
        self._n_positives = n_positives
        self._numbers: dict[int, int] = {}
        self._bits: list[npt.NDArray[np.uint8]] = []

    def add(self, places: Rows, epoch: int) -> npt.NDArray[np.bool_]:
        """Positives led rows in an epoch. Which of them had done so in a call before: bool, the shape of ``places``."""
        word, bit = divmod(self._numbers.setdefault(epoch, len(self._numbers)), 8)
        if word == len(self._bits):
            self._bits.append(np.zeros(self._n_positives, np.uint8))
        before = self._bits[word][places]
        self._bits[word][places] = before | np.uint8(1 << bit)
        found: npt.NDArray[np.bool_] = (before & np.uint8(1 << bit)) > 0
        return found


class Totals:
    """Counts of a file for each user, each item, and on the whole.

    Attributes
    ----------
    drawn : dict of str to Drawn
    slots : int64
        How often the positive stood at each place.
    num_neg : int or None
        The usual number of negatives.
    negatives_of : int64, shape (n_users,)
        Negatives of each user.
    source_counts : dict of str to int
        Negatives by what the column ``source`` says.
    strays : int
        Negatives, or users, without a positive.
    heads : int
        Positives that lead rows.
    left_out : int
        Negatives that a check calls wrong, and that are not counted among what was drawn.
    rows, negatives, known_users : int
        Rows, negatives, and mentions of users that the log has.
    hit : bool
        Whether a positive of the log was drawn as a negative in train.
    """

    def __init__(self, n_users: int, n_items: int, terms: Promise) -> None:
        drawing = {CHOICES[choice_of(sampler)] for sampler in (*terms.samplers, "uniform")}
        self.drawn = {
            name: nothing_drawn(n_items, 0 if terms.restricted else n_users, terms)
            for name in CHOICES
            if name in drawing
        }
        self.slots = np.zeros(0, np.int64)
        self.num_neg = terms.num_neg
        self.negatives_of = np.zeros(n_users, np.int64)
        self.source_counts: dict[str, int] = {}
        self.heads = self.left_out = 0
        self.strays = self.rows = self.negatives = self.known_users = 0
        self.hit = False

    def see(self, block: Block, layout: str) -> None:
        """Take notice of the next rows of the file, all ranges among them."""
        self.rows += block.rows
        self.heads += len(block.heads)
        counts = block.counts
        if self.num_neg is None and counts is not None and len(counts) and layout in ("pointwise", "listwise"):
            full = counts[counts >= 0]
            self.num_neg = int(np.bincount(full).argmax()) if full.size else 0

    def forget_draws(self) -> None:
        """Count draws from nothing."""
        self.left_out = 0
        for drawn in self.drawn.values():
            drawn.forget()


class Tallies:
    """Counts of a file, as far as it was swept, for the positives of a range of users.

    Attributes
    ----------
    totals : Totals
        Of all ranges.
    drawn : dict of str to Drawn
        Of the items, and of the users of the range.
    negatives_of : int64, shape (n_users,)
    present : int32, shape (n_positives,)
        How often each positive leads rows: groups, or in pairs the rows themselves.
    first_rows : int64, shape (n_positives,)
        Where it did so first; undefined where it did not.
    epochs : Epochs or None
        In which epochs it did so; None where there is one epoch alone.
    hits : int32, shape (n_positives,), or None
        How often each positive of the log was drawn as a negative in train; None: none ever was.
    first_hits : int64, shape (n_positives,)
        In which row first.
    exceptions : Exceptions
    """

    def __init__(self, totals: Totals, first_user: int, truth: UsersOfLog, terms: Promise) -> None:
        n_positives, mine = len(truth.positives), slice(first_user, first_user + len(truth.users))
        self.totals = totals
        self.drawn = {name: drawn.of_owners(mine) for name, drawn in totals.drawn.items()}
        if terms.restricted:
            self.drawn = {name: drawn.with_owners(n_positives, terms) for name, drawn in totals.drawn.items()}
        self._by_positive, self._terms = terms.restricted, terms
        self.negatives_of = totals.negatives_of[mine]
        self.present = np.zeros(n_positives, np.int32)
        self.first_rows = np.zeros(n_positives, np.int64)
        self.epochs = Epochs(n_positives) if terms.epochs > 1 else None
        self.hits: npt.NDArray[np.int32] | None = None
        self.first_hits = np.zeros(0, np.int64)
        self.exceptions = Exceptions()

    def forget_draws(self) -> None:
        """Count the draws of positives, where they have their own, from nothing."""
        if self._by_positive:
            n_positives = len(self.present)
            self.drawn = {
                name: drawn.with_owners(n_positives, self._terms) for name, drawn in self.totals.drawn.items()
            }

    def laid(self) -> Arrays:
        """What was counted, to be laid aside."""
        return {
            "present": self.present,
            "first_rows": self.first_rows,
            "hits": self.hits,
            "first_hits": self.first_hits,
            **self.exceptions.joined(),
            **{f"{name} {each}": array for name, each, array in self._owned()},
        }

    def take_back(self, laid: Arrays) -> None:
        """What was laid aside."""
        members = {name: laid[name] for name in ("present", "first_rows", "hits", "first_hits")}
        vars(self).update(members)
        self.exceptions = Exceptions.of(laid)
        for name, each, _ in self._owned():
            setattr(self.drawn[name], each, laid[f"{name} {each}"])

    def _owned(self) -> Iterator[tuple[str, str, Rows | None]]:
        """What was counted for positives of the range, by the name of the sampler and of the array."""
        for name, drawn in self.drawn.items() if self._by_positive else ():
            for each in OWNED:
                yield name, each, getattr(drawn, each)

    def lead(self, places: Rows, rows: Rows, times: npt.NDArray[np.int32] | int) -> None:
        """Positives lead rows."""
        if (places[1:] > places[:-1]).all():  # each once, as usual: much faster than counting
            before = self.present[places]
            self.first_rows[places] = np.where(before == 0, rows, self.first_rows[places])
            self.present[places] = before + times
            return
        fresh = np.flatnonzero(self.present[places] == 0)[::-1]  # the first of equal ones is written last, and stays
        self.first_rows[places[fresh]] = rows[fresh]
        np.add.at(self.present, places, times)

    def hit(self, places: Rows, rows: Rows) -> None:
        """Positives of the log were drawn as negatives."""
        if self.hits is None:
            self.totals.hit = True
            self.hits = np.zeros(len(self.present), np.int32)
            self.first_hits = np.zeros(len(self.present), np.int64)
        fresh = np.flatnonzero(self.hits[places] == 0)[::-1]
        self.first_hits[places[fresh]] = rows[fresh]
        np.add.at(self.hits, places, 1)


def count_into(total: Rows, codes: npt.NDArray[np.integer], weights: Rows | None = None) -> None:
    """Add how often each code occurs, or the sums of the weights."""
    if len(total) <= 8 * len(codes):
        found = np.bincount(codes, weights=weights, minlength=len(total))
        total += found if weights is None else found.astype(np.int64)
    else:
        np.add.at(total, codes, 1 if weights is None else weights)
