"""Candidates: eligible, exposed, and each as often as it should be."""

from __future__ import annotations

import numpy as np

from negprep.models.gmf import Pools
from negprep.sample.seen import Seen

N_ITEMS = 8
POSITIVES = [[0, 3], [1], [5, 6], [0, 1, 2, 3, 4, 5], [*range(N_ITEMS)]]
EXPOSURES = [[1, 7], [], [2], [6, 7], []]  # of the last two, one has nothing but exposures, one has nothing at all


def rows(lists):
    starts = np.cumsum([0, *map(len, lists)])
    return Seen(starts, np.array([item for items in lists for item in items], np.int32), N_ITEMS)


def pools(seed=0):
    seen = [sorted({*liked, *shown}) for liked, shown in zip(POSITIVES, EXPOSURES, strict=True)]
    return Pools(rows(seen), rows(EXPOSURES), np.random.default_rng(seed))


def eligible(user):
    return sorted({*range(N_ITEMS)} - {*POSITIVES[user], *EXPOSURES[user]})


def chi_square(counts, n_kinds):
    expected = counts.sum() / n_kinds
    return ((counts[counts > 0] - expected) ** 2 / expected).sum()


def test_each_slot_has_its_kind_and_every_item_its_share():
    n = 4_000
    for user, n_exposed in ((0, 2), (1, 0), (2, 1)):
        drawn = pools(user).draw(np.full(n, user), 5, 2)
        assert (drawn.is_exposed == (np.arange(5) >= 3) * bool(n_exposed)).all()
        uniform, rest = drawn.items[:, :3].ravel(), drawn.items[:, 3:].ravel()
        free = eligible(user)
        assert set(uniform) == {*free}
        assert chi_square(np.bincount(uniform), len(free)) < 25  # at most 6 degrees: one in 3,000
        shown = EXPOSURES[user] or free
        assert set(rest) == {*shown}
        assert chi_square(np.bincount(rest), len(shown)) < 25


def test_who_has_only_exposures_gets_these():
    found = pools()
    assert found.can_draw.tolist() == [True, True, True, True, False]
    drawn = found.draw(np.array([3, 0, 3]), 6, 1)
    assert set(drawn.items[[0, 2]].ravel()) <= {6, 7}
    assert drawn.is_exposed[[0, 2]].all()
    assert not drawn.is_exposed[1, :5].any()


def test_single_items_are_of_their_kind():
    users = np.repeat([0, 1, 2], 200)
    found = pools()
    for user, shown, free in zip(users, found.exposure(users), found.eligible(users), strict=True):
        assert shown in (EXPOSURES[user] or eligible(user))
        assert free in eligible(user)


def test_the_seed_decides():
    users = np.tile([0, 1, 2, 3], 50)
    first, again, other = (pools(seed).draw(users, 6, 2).items for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
