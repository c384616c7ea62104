"""Holdouts against the reference, user by user."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
import reference

from negprep.holdout import NONE, split_last, split_none, split_random
from negprep.interactions import Interactions, Items, Pairs, group_pairs
from negprep.vocabulary import Vocabulary

EMPTY = Vocabulary(pa.array([], pa.int64()))


def interactions_of(users):
    """Of each user's ``{item: time}``; the ids are 10 times the codes."""
    n_items = 20
    rows = [(user, item, time) for user, mine in enumerate(users) for item, time in mine.items()]
    codes = [np.array([row[place] for row in rows], np.int32) for place in (0, 1)]
    times = np.array([row[2] for row in rows], np.int64)
    positives = group_pairs(*codes, len(users), n_items, times=times)
    weak = Pairs(np.zeros(len(users) + 1, np.int64), np.empty(0, np.int32))
    ids = (Vocabulary(pa.array([10 * code for code in range(size)], pa.int64())) for size in (len(users), n_items))
    users_, items = ids
    return Interactions(users_, Items(items, EMPTY), positives, weak)


def random_users(seed, count=40, times=4):
    chance = random.Random(seed)
    extremes = (-(2**63), 2**63 - 1)
    made = [
        {},
        {3: 1},
        {3: 1, 4: 1},
        dict.fromkeys(range(5), extremes[0]),
        {1: extremes[1], 2: extremes[0], 3: extremes[1]},
    ]
    for _ in range(count):
        made.append({item: chance.randrange(times) for item in chance.sample(range(20), chance.randrange(9))})  # noqa: PERF401
    return [*made, {}]


@pytest.mark.parametrize("with_valid", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
@pytest.mark.parametrize("rule", ["last", "random"])
def test_holdouts_are_those_of_the_reference(rule, seed, with_valid):
    users = random_users(seed % 97)
    interactions = interactions_of(users)
    positives = interactions.positives
    split = (split_last if rule == "last" else split_random)(interactions, seed=seed, with_valid=with_valid)
    for user, mine in enumerate(users):
        by_id = {10 * item: time for item, time in mine.items()}
        wanted = reference.hold_out(by_id, 10 * user, rule, seed, with_valid=with_valid)
        held = [fold[user] for fold in (split.test, split.valid) if fold[user] != NONE]
        assert [10 * int(positives.items[place]) for place in held] == wanted
        assert all(positives.starts[user] <= place < positives.starts[user + 1] for place in held)
    mask = split.train_mask(len(positives))
    assert (~mask).sum() == (split.test != NONE).sum() + (split.valid != NONE).sum()


@pytest.mark.parametrize("with_valid", [False, True])
def test_ties(with_valid):
    users = random_users(5, times=3)
    split = split_last(interactions_of(users), seed=0, with_valid=with_valid)
    for user, mine in enumerate(users):
        times = sorted(mine.values(), reverse=True)
        tied = len(times) >= 2 and times[0] == times[1]
        if with_valid and len(times) >= 3:  # the one before is among those of its time, less the one held out
            tied |= times[1] == times[2]
        assert split.tied[user] == tied
    assert not split_random(interactions_of(users), seed=0, with_valid=with_valid).tied.any()


def test_none():
    interactions = interactions_of(random_users(1))
    split = split_none(interactions)
    assert (split.test == NONE).all()
    assert split.train_mask(len(interactions.positives)).all()


def test_no_times():
    interactions = interactions_of(random_users(1))
    timeless = Interactions(
        interactions.users, interactions.items, interactions.positives.without_times(), interactions.weak
    )
    with pytest.raises(ValueError, match="no last one"):
        split_last(timeless, seed=0, with_valid=False)
    split_random(timeless, seed=0, with_valid=False)


def test_nobody():
    for rule in (split_last, split_random):
        assert rule(interactions_of([{}, {1: 1}]), seed=0, with_valid=True).test.tolist() == [NONE, NONE]


def test_random_holdouts_of_neighbours_are_independent():
    """Users with the same two items: half hold out the first, and so do half of the users after them."""
    users = [{3: 0, 4: 0}] * 4_000
    split = split_random(interactions_of(users), seed=0, with_valid=False)
    first = (split.test % 2 == 0).astype(int)
    assert abs(first.mean() - 0.5) < 4 * 0.5 / 4_000**0.5
    assert abs((first[1:] == first[:-1]).mean() - 0.5) < 4 * 0.5 / 4_000**0.5
