"""What the sweep over a file counts: for each positive, each user and each item."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from negprep.verifying.pairs import Rows
from negprep.verifying.terms import Terms
from negprep.verifying.truth import Truth

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


def first_draws_alone(terms: Terms) -> bool:
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


@dataclass(eq=False)
class Exceptions:
    """Groups whose number of negatives is not the usual one, to be judged once the seen sets are known."""

    users: list[Rows] = field(default_factory=list)
    heads: list[Rows] = field(default_factory=list)
    counts: list[Rows] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    size: int = 0


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


class Tallies:
    """Counts of a file, as far as it was swept.

    Attributes
    ----------
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
    strays : int
        Negatives, or users, without a positive.
    rows, negatives, known_users : int
        Rows, negatives, and mentions of users that the log has.
    """

    def __init__(self, truth: Truth, terms: Terms) -> None:
        n_users, n_items, n_positives = len(truth.users), len(truth.items), len(truth.positives)
        self.present = np.zeros(n_positives, np.int32)
        self.first_rows = np.zeros(n_positives, np.int64)
        self.epochs = Epochs(n_positives) if terms.epochs > 1 else None
        self.hits: npt.NDArray[np.int32] | None = None
        self.first_hits = np.zeros(0, np.int64)
        drawing = {CHOICES[choice_of(sampler)] for sampler in (*terms.samplers, "uniform")}
        n_owners = n_positives if terms.restricted else n_users
        sizes = (n_owners, *((n_owners, n_owners) if terms.distinct else (0, 0)))
        firsts = (n_items, n_owners) if first_draws_alone(terms) else ()
        self.drawn = {
            name: Drawn(*(np.zeros(size, np.int64) for size in (n_items, *sizes, *firsts)))
            for name in CHOICES
            if name in drawing
        }
        self.slots = np.zeros(0, np.int64)
        self.exceptions = Exceptions()
        self.num_neg = terms.num_neg
        self.negatives_of = np.zeros(n_users, np.int64)
        self.source_counts: dict[str, int] = {}
        self.strays = self.rows = self.negatives = self.known_users = 0

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
