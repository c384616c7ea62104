"""How many negatives a positive must have, where nobody says it: the number that explains most of what is there."""

from __future__ import annotations

import numpy as np

from negprep.verifying.pairs import Rows

TOLD = "or --made-by SUMMARY"
"""How to say what nobody said, after an option."""


def usual_number(counts: Rows, sizes: Rows, groups: Rows | None = None, *, distinct: bool | None) -> tuple[int, float]:
    """The number, and how much it explains.

    Not the one that most have: where most users have fewer items to draw from than were asked for, that is a number of
    no meaning, and those with more items have more negatives.

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

    Returns
    -------
    int
        The largest of those that explain most groups; 0 without a group.
    float
        The share of the groups that it explains.
    """
    groups = np.ones(len(counts), np.int64) if groups is None else groups
    total, known = int(groups.sum()), counts >= 0
    counts, sizes, groups = counts[known], sizes[known], groups[known]
    if not total or not groups.any():
        return 0, 0.0
    whole = counts == sizes  # explained by any number that is not below it
    if distinct is False:
        whole &= sizes == 0
    part = ~whole & (sizes > 0)  # explained by this number alone
    if distinct:
        part &= counts < sizes
    numbers = np.arange(int(counts.max()) + 1)
    wholes, parts, there = (
        np.bincount(counts, weights=np.where(kind, groups, 0), minlength=len(numbers))
        for kind in (whole, part, np.ones(len(counts), bool))
    )
    explained = np.where(there > 0, np.cumsum(wholes) + parts, -1)
    best = int(numbers[explained == explained.max()][-1])
    return best, float(explained[best]) / total
