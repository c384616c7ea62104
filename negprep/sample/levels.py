"""Levels: positive above weak above unobserved, and pairs of any two of them.

A pair that the component `level` draws has a weak item of the user in the place of the positive. Source: Ding et al.,
"An Improved Sampler for Bayesian Personalized Ranking by Leveraging View Data", WWW 2018.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from negprep.arrays import Codes, Positions
from negprep.options.specs import LEVELS
from negprep.sample.measures import Asks, EligibleItems, ListedItems
from negprep.sample.mixture import Sources
from negprep.sample.seen import SeenBlock

UPPER_WORDS = 5 << 60
"""First of the words that draw an item in the place of the positive."""


class EligibleBelowListed(EligibleItems):
    """The eligible items of users with a list of their own, and no points for the others."""

    def __init__(self, block: SeenBlock, listed: ListedItems) -> None:
        super().__init__(block)
        self._listed = listed

    def span(self, asks: Asks) -> tuple[Positions, Positions]:  # noqa: D102
        base, mass = super().span(asks)
        return base, np.where(self._listed.span(asks)[1] > 0, mass, 0)


def upper_items(
    positives: Codes, sources: Sources, groups: Asks, listed: ListedItems, item_order: Codes | None
) -> Codes:
    """What stands above each negative: the positive of its group or, beside those of `level`, a weak item.

    Shape of ``sources``: (n_groups, num_neg). ``item_order`` has the item at each position, where a catalog is ordered.
    """
    upper = np.repeat(positives[:, None], sources.shape[1], axis=1)
    of, draws = np.nonzero(sources == LEVELS.index("level"))
    if of.size:
        drawn = listed.draw(replace(groups.at(of), draws=draws + UPPER_WORDS), 0)
        upper[of, draws] = drawn if item_order is None else item_order[drawn]
    return upper
