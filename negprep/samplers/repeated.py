"""Draws of a group that are there already."""

from __future__ import annotations

import numpy as np

from negprep.seen import Positions


def repeated(items: Positions) -> tuple[Positions, Positions]:
    """Draw and group of every item, in an array of shape (num_neg, n_groups), that an earlier draw of its group has."""
    bits = len(items).bit_length()
    tagged = np.ascontiguousarray(((items << bits) | np.arange(len(items))[:, None]).T)
    tagged.sort(axis=1)
    group, after = np.nonzero((tagged[:, 1:] >> bits) == (tagged[:, :-1] >> bits))
    return tagged[group, after + 1] & ((1 << bits) - 1), group
