"""What can be drawn for each user, worked out from the seen sets that the file itself shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from negprep.verifying.pairs import PairSet, Rows
from negprep.verifying.terms import Terms
from negprep.verifying.truth import Truth

WINDOWS = 2_000
"""How many positives ``window_sizes`` is asked of at most; and ``WINDOW_WORK`` is how many items it looks at."""
WINDOW_WORK = 1 << 31


@dataclass(frozen=True, eq=False)
class Supply:
    """The items that negatives may be.

    Attributes
    ----------
    avoided : PairSet
        The pairs of a user and an item of the catalog that the user has seen.
    weak : PairSet
        Those of a user and a weak item of the catalog.
    eligible : int64, shape (n_users,)
        Items of the catalog that the user has not seen.
    weights : float64, shape (n_items,), or None
        Of popularity; 0 outside the catalog. None: it is not drawn from, or not known.
    sizes : int64, shape (n_users,)
        Different items that can be drawn for a user.
    """

    avoided: PairSet
    weak: PairSet
    eligible: Rows
    weights: npt.NDArray[np.float64] | None
    sizes: Rows

    def wanted(self, terms: Terms, num_neg: int) -> Rows:
        """Negatives of each of a user's positives, where the positive does not matter: int64, shape (n_users,)."""
        return np.minimum(self.sizes, num_neg) if terms.distinct else np.where(self.sizes > 0, num_neg, 0)


def supply_of(truth: Truth, terms: Terms, seen_positives: PairSet, weights: npt.NDArray[np.float64] | None) -> Supply:
    """Work it out.

    Parameters
    ----------
    seen_positives : PairSet
        The positives that negatives avoid.
    weights : float64, shape (n_items,), or None
    """
    avoided, weak = seen_positives.union(truth.weak, truth.excluded), truth.weak.without(truth.excluded)
    if not truth.catalog.all():
        avoided, weak = (pairs.where(truth.catalog[pairs.items]) for pairs in (avoided, weak))
    eligible = int(truth.catalog.sum()) - avoided.counts
    sizes = eligible
    if weights is not None:
        weights = np.where(truth.catalog, weights, 0)
        if terms.samplers == ("popularity",):
            heavy = weights > 0
            taken = np.bincount(avoided.users[heavy[avoided.items]], minlength=len(truth.users))
            sizes = int(heavy.sum()) - taken
    if terms.draws_weak:
        sizes = sizes + weak.counts
    return Supply(avoided, weak, eligible, weights, sizes)


def window_sizes(truth: Truth, terms: Terms, supply: Supply, places: Rows) -> Rows:
    """How many different items can be drawn for each of some positives, where that depends on the positive.

    Parameters
    ----------
    places : int64, shape (n,)
        Positives, by their places among those of the log.

    Returns
    -------
    int64, shape (n,)
    """
    sizes = np.empty(len(places), np.int64)
    users, items = truth.positives.users[places], truth.positives.items[places]
    drawable = truth.catalog
    if supply.weights is not None and terms.samplers == ("popularity",):
        drawable = drawable & (supply.weights > 0)
    for at, (user, item) in enumerate(zip(users, items, strict=True)):
        window = drawable.copy()
        if truth.categories is not None:
            window &= (truth.categories == truth.categories[item]) & bool(truth.categories[item] >= 0)
        if truth.firsts is not None and truth.times is not None and terms.available:
            window &= truth.firsts <= truth.times[places[at]]
        mine = supply.avoided.items[supply.avoided.starts[user] : supply.avoided.starts[user + 1]]
        sizes[at] = int(window.sum()) - int(window[mine].sum())
        if terms.draws_weak:
            sizes[at] += int(window[supply.weak.items[supply.weak.starts[user] : supply.weak.starts[user + 1]]].sum())
    return sizes
