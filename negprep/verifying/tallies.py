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


class Tallies:
    """Counts of a file, as far as it was swept.

    Attributes
    ----------
    present : int32, shape (n_positives,)
        How often each positive leads rows: groups, or in pairs the rows themselves.
    first_rows : int64, shape (n_positives,)
        Where it did so first; undefined where it did not.
    last_epochs : int32, shape (n_positives,), or None
        In which epoch it did so last, -1 for none; None where there is one epoch alone.
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
        self.last_epochs = np.full(n_positives, -1, np.int32) if terms.epochs > 1 else None
        self.hits: npt.NDArray[np.int32] | None = None
        self.first_hits = np.zeros(0, np.int64)
        drawing = {CHOICES[choice_of(sampler)] for sampler in (*terms.samplers, "uniform")}
        self.drawn = {
            name: Drawn(np.zeros(n_items, np.int64), *(np.zeros(n_users, np.int64) for _ in range(3)))
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
