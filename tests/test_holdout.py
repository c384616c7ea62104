"""Holdouts against the reference, user by user."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import reference

from negprep.encode.pairs import Interactions, Items, Pairs, group_pairs
from negprep.encode.vocabulary import Vocabulary
from negprep.errors import UsageError
from negprep.holdout import hold_out
from negprep.options.specs import HoldoutRule

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


def split_of(users, spec, seed=0, *, with_valid=False, cut=None):
    interactions = interactions_of(users)
    rule = replace(HoldoutRule.parse(spec), cut=cut)
    return interactions.positives, hold_out(interactions, rule, seed=seed, with_valid=with_valid)


def held_of(positives, mask):
    """The ids of each user's items for which the mask holds."""
    pairs = positives.where(mask)
    return [
        [10 * item for item in pairs.items[pairs.starts[user] : pairs.starts[user + 1]].tolist()]
        for user in range(pairs.n_users)
    ]


SPECS = ["last", "random", "last:2", "last:3", "last:100", "random:2", "random:7"]
SPECS += ["fraction:0.2", "fraction:0.5", "fraction:0.99", "fraction:0.000000001"]


@pytest.mark.parametrize("with_valid", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
@pytest.mark.parametrize("spec", SPECS)
def test_holdouts_are_those_of_the_reference(spec, seed, with_valid):
    users = random_users(seed % 97)
    positives, split = split_of(users, spec, seed, with_valid=with_valid)
    folds = zip(held_of(positives, split.test), held_of(positives, split.valid), strict=True)
    for user, (mine, (test, valid)) in enumerate(zip(users, folds, strict=True)):
        by_id = {10 * item: time for item, time in mine.items()}
        wanted = reference.hold_out(by_id, 10 * user, spec, seed, with_valid=with_valid)
        assert (test, valid) == (sorted(wanted[0]), sorted(wanted[1]))
        assert len(test) + len(valid) < len(mine) or not mine
    assert not (split.test & split.valid).any()
    assert (split.train == ~(split.test | split.valid)).all()


@pytest.mark.parametrize("with_valid", [False, True])
@pytest.mark.parametrize("spec", [spec for spec in SPECS if not spec.startswith("random")])
def test_ties(spec, with_valid):
    """A user is tied where the last held out for a fold and the first that is not are of equal time."""
    users = random_users(5, times=3)
    positives, split = split_of(users, spec, with_valid=with_valid)
    test, valid = held_of(positives, split.test), held_of(positives, split.valid)
    for user, mine in enumerate(users):
        times = sorted(mine.values(), reverse=True)
        ends = {len(test[user]), len(test[user]) + len(valid[user])} - {0}
        assert split.tied[user] == any(times[end - 1] == times[end] for end in ends)


@pytest.mark.parametrize("spec", ["random", "random:3"])
def test_nothing_is_tied_at_random(spec):
    assert not split_of(random_users(5, times=3), spec, with_valid=True)[1].tied.any()


@pytest.mark.parametrize("cut", [-(2**63), 0, 1, 2, 5, 2**63 - 1])
def test_after(cut):
    users = random_users(3)
    positives, split = split_of(users, "after:1", cut=cut)
    assert held_of(positives, split.test) == [
        sorted(10 * item for item, time in mine.items() if time >= cut) for mine in users
    ]
    assert not split.valid.any()
    assert not split.tied.any()


def test_none():
    _, split = split_of(random_users(1), "none")
    assert split.train.all()
    assert not split.test.any()


@pytest.mark.parametrize("spec", ["last", "last:2", "fraction:0.5", "after:1"])
def test_no_times(spec):
    interactions = interactions_of(random_users(1))
    timeless = replace(interactions, positives=interactions.positives.without_times())
    with pytest.raises(ValueError, match=f"positives without times have no holdout {spec}"):
        hold_out(timeless, HoldoutRule.parse(spec), seed=0, with_valid=False)
    hold_out(timeless, HoldoutRule.parse("random:2"), seed=0, with_valid=False)


@pytest.mark.parametrize("spec", SPECS)
def test_nobody(spec):
    assert split_of([{}, {1: 1}], spec, with_valid=True)[1].train.tolist() == [True]
    assert split_of([{}, {}], spec, with_valid=True)[1].train.tolist() == []


def test_random_holdouts_of_neighbours_are_independent():
    """Users with the same two items: half hold out the first, and so do half of the users after them."""
    first = split_of([{3: 0, 4: 0}] * 4_000, "random")[1].test[::2].astype(int)
    assert abs(first.mean() - 0.5) < 4 * 0.5 / 4_000**0.5
    assert abs((first[1:] == first[:-1]).mean() - 0.5) < 4 * 0.5 / 4_000**0.5


# what --holdout says


@pytest.mark.parametrize(
    ("spec", "written"),
    [
        *((spec, spec) for spec in ("none", "auto", *SPECS, "after:2024-05-01", "after:2024-05-01T10:00:00+02:00")),
        ("last:1", "last"),
        ("random:1", "random"),
        ("fraction:.2", "fraction:0.2"),
        ("fraction:0.250", "fraction:0.25"),
        ("fraction:0.05", "fraction:0.05"),
        ("after:-5", "after:-5"),
        ("after:1700000000.25", "after:1700000000.25"),
    ],
)
def test_a_rule_is_what_was_written(spec, written):
    assert str(HoldoutRule.parse(spec)) == written


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("last:0", "holdout is 'last:0', but '0' is not a whole number from 1 to 1000000; write, for example, last:2"),
        ("last:x", "'x' is not a whole number from 1 to 1000000"),
        ("last:", "'' is not a whole number"),
        (
            "random:",
            "holdout is 'random:', but '' is not a whole number from 1 to 1000000; write, for example, random:2",
        ),
        ("random:-1", "'-1' is not a whole number"),
        ("random:1000001", "'1000001' is not a whole number"),
        ("last:2.5", "'2.5' is not a whole number"),
        (
            "fraction:1",
            "'1' is not a decimal number between 0 and 1 with up to 9 digits; write, for example, fraction:0.",
        ),
        ("fraction:0", "'0' is not a decimal number between 0 and 1"),
        ("fraction:0.0", "'0.0' is not a decimal number between 0 and 1"),
        ("fraction:", "'' is not a decimal number"),
        ("fraction:1e-3", "'1e-3' is not a decimal number"),
        ("fraction:-0.5", "'-0.5' is not a decimal number"),
        ("fraction:0.1234567891", "'0.1234567891' is not a decimal number between 0 and 1 with up to 9 digits"),
        (
            "after:soon",
            "'soon' is not a time; write, for example, after:2024-05-01, or a number in the unit of the log",
        ),
        ("after:", "'' is not a time"),
        ("after:0x10", "'0x10' is not a time"),
        ("after:nan", "'nan' is not a time"),
        ("after", "holdout is 'after', but '' is not a time"),
        ("fraction", "holdout is 'fraction', but '' is not a decimal number"),
        (
            "none:1",
            "holdout is 'none:1'; choose one of none, last, last:N, random, random:N, fraction:F, after:TIME or",
        ),
        ("auto:1", "holdout is 'auto:1'; choose one of"),
        ("Last", "holdout is 'Last'; choose one of"),
        ("", "holdout is ''; choose one of"),
        (None, "holdout is None; choose one of"),
        (3, "holdout is 3; choose one of"),
    ],
    ids=str,
)
def test_rules_that_are_refused(spec, complaint):
    with pytest.raises(UsageError) as caught:
        HoldoutRule.parse(spec)
    assert complaint in str(caught.value)
