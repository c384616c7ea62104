"""What each sampler has drawn: which items, and for whom."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from negprep.verifying.pairs import Rows
from negprep.verifying.terms import Terms

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

    def forget(self) -> None:
        """Nothing was drawn."""
        for array in (self.items, self.draws, self.squares, self.groups, self.first_items, self.first_draws):
            if array is not None:
                array[:] = 0

    def of_owners(self, mine: slice) -> Drawn:
        """Of some owners: what is counted there is counted here."""
        firsts = None if self.first_draws is None else self.first_draws[mine]
        return Drawn(self.items, self.draws[mine], self.squares[mine], self.groups[mine], self.first_items, firsts)

    def with_owners(self, n_owners: int, terms: Terms) -> Drawn:
        """Of owners of its own."""
        drawn = nothing_drawn(0, n_owners, terms)
        return replace(drawn, items=self.items, first_items=self.first_items)


OWNED = ("draws", "squares", "groups", "first_draws")
"""The arrays of owners."""


def nothing_drawn(n_items: int, n_owners: int, terms: Terms) -> Drawn:
    """Nothing as yet."""
    of_groups = n_owners if terms.distinct else 0
    firsts = (n_items, n_owners) if first_draws_alone(terms) else ()
    return Drawn(*(np.zeros(size, np.int64) for size in (n_items, n_owners, of_groups, of_groups, *firsts)))
