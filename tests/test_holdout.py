"""Holdouts against the reference, user by user."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from math import floor

import numpy as np
import pyarrow as pa
import pytest
import reference

from negprep.encode.load import LoadedSection
from negprep.encode.pairs import Interactions, Items, Pairs, group_pairs
from negprep.encode.vocabulary import Vocabulary
from negprep.errors import UsageError
from negprep.holdout import choose_users, hold_out
from negprep.options.options import Options
from negprep.options.specs import HoldoutRule, UserSample

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
SPECS += ["random:0.2", "random:0.5", "random:0.99", "session"]


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
@pytest.mark.parametrize(
    ("spec", "seed"), [("random-global:0.1", 0), ("random-global:0.45", 7), ("random-global:.3", 1)]
)
def test_a_share_of_all_positives(spec, seed, with_valid):
    """Each by itself, so that a user may lose everything; one more user changes nobody else's."""
    users = random_users(seed)
    positives, split = split_of(users, spec, seed, with_valid=with_valid)
    found = list(zip(held_of(positives, split.test), held_of(positives, split.valid), strict=True))
    for user, (mine, folds) in enumerate(zip(users, found, strict=True)):
        by_id = {10 * item: time for item, time in mine.items()}
        wanted = reference.hold_out(by_id, 10 * user, spec, seed, with_valid=with_valid)
        assert folds == tuple(map(sorted, wanted))
    assert not split.tied.any()
    fewer, alone = split_of(users[:20], spec, seed, with_valid=with_valid)
    assert held_of(fewer, alone.test) == held_of(positives, split.test)[:20]


def test_a_share_of_all_positives_is_as_large_as_it_says():
    _, split = split_of([dict.fromkeys(range(20), 0)] * 5_000, "random-global:0.1", with_valid=True)
    for mask in (split.test, split.valid):
        assert abs(mask.sum() - 10_000) < 4 * (100_000 * 0.09) ** 0.5
        of_items = mask.reshape(-1, 20).sum(axis=0)
        assert ((of_items - 500) ** 2 / 450).sum() < 45.3  # chi-square of 20: p = 0.001


@pytest.mark.parametrize("n_sections", [1, 3])
@pytest.mark.parametrize(
    ("spec", "asked", "seed"),
    [("last", 10, 0), ("random:0.3", 1, 3), ("session", 0.5, 1), ("random-global:0.2", "7", 2), ("last:2", "0.25", 5)],
)
def test_a_sample_of_users(spec, asked, seed, n_sections):
    users, rule = random_users(seed), HoldoutRule.parse(spec)
    whole = interactions_of(users)
    bounds = np.linspace(0, len(users), n_sections + 1).astype(int).tolist()
    parts = [
        replace(whole, users=Vocabulary(whole.users.ids.slice(a, b - a)), positives=whole.positives.of_users(a, b))
        for a, b in pairwise(bounds)
    ]
    options = Options(command="test", distinct=True, holdout=spec, test_users=asked, split_seed=seed)
    sections = [LoadedSection(a, part, None) for a, part in zip(bounds, parts, strict=False)]
    chosen, warnings = choose_users(rule, sections, options)
    assert warnings == []
    everybody, held = (hold_out(whole, each, seed=seed, with_valid=True) for each in (rule, chosen))
    owners = whole.positives.users()
    can = set(owners[everybody.test].tolist())
    by_id = {10 * user: {10 * item: time for item, time in mine.items()} for user, mine in enumerate(users)}
    number = int(asked) if isinstance(asked, int) or asked == "7" else floor(float(asked) * len(can) + 0.5)
    wanted = {user // 10 for user in reference.tested(by_id, spec, number, seed)}
    assert len(wanted) == number
    assert set(owners[held.test].tolist()) == wanted
    mine = np.isin(owners, sorted(wanted))
    assert (held.test == everybody.test & mine).all()
    assert (held.valid == everybody.valid & mine).all()
    assert np.flatnonzero(held.spared).tolist() == sorted(can - wanted)
    assert not held.tied[held.spared].any()


def test_everybody_is_as_likely_to_be_in_a_sample():
    """10 of 40 users at 600 split seeds: chi-square of 39 for draws without replacement, p = 0.001 at 72.1."""
    section = LoadedSection(0, interactions_of([{1: 1, 2: 2}] * 40), None)
    counts = np.zeros(40)
    for seed in range(600):
        options = Options(command="test", distinct=True, test_users=10, split_seed=seed)
        rule, _ = choose_users(HoldoutRule("last"), [section], options)
        held = hold_out(section.interactions, rule, seed=seed, with_valid=False)
        counts += held.test[1::2]
        assert held.test.sum() == 10
    assert (39 / 40) * ((counts - 150) ** 2 / (600 * 0.25 * 0.75)).sum() < 72.1


def test_a_sample_larger_than_there_are_users():
    options = Options(command="test", distinct=True, test_users=99)
    section = LoadedSection(0, interactions_of([{1: 1}, {1: 1, 2: 2}]), None)
    rule, warnings = choose_users(HoldoutRule("last"), [section], options)
    assert warnings == ["--test-users 99, and 1 users have a holdout: all of them are held out"]
    assert hold_out(section.interactions, rule, seed=0, with_valid=False).test.sum() == 1
    assert choose_users(HoldoutRule("last"), [], options) == (HoldoutRule("last", tested=0), [])


@pytest.mark.parametrize("with_valid", [False, True])
@pytest.mark.parametrize("spec", [spec for spec in SPECS if not spec.startswith(("random", "session"))])
def test_ties(spec, with_valid):
    """A user is tied where the last held out for a fold and the first that is not are of equal time."""
    users = random_users(5, times=3)
    positives, split = split_of(users, spec, with_valid=with_valid)
    test, valid = held_of(positives, split.test), held_of(positives, split.valid)
    for user, mine in enumerate(users):
        times = sorted(mine.values(), reverse=True)
        ends = {len(test[user]), len(test[user]) + len(valid[user])} - {0}
        assert split.tied[user] == any(times[end - 1] == times[end] for end in ends)


@pytest.mark.parametrize("spec", ["random", "random:3", "random:0.4", "session"])
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


@pytest.mark.parametrize("spec", ["last", "last:2", "fraction:0.5", "after:1", "session"])
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
        ("random:.20", "random:0.2"),
        ("random-global:.1", "random-global:0.1"),
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
        ("last:0.5", "'0.5' is not a whole number from 1 to 1000000; write"),
        (
            "random:1.5",
            "'1.5' is not a whole number from 1 to 1000000, nor a decimal number between 0 and 1 with up to",
        ),
        ("random-global:1", "'1' is not a decimal number between 0 and 1 with up to 9 digits; write, for example, ran"),
        ("random-global", "'' is not a decimal number between 0 and 1"),
        ("session:2", "holdout is 'session:2'; choose one of"),
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
            "holdout is 'none:1'; choose one of none, last, last:N, random, random:N, random:F, random-global:F, fra",
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


@pytest.mark.parametrize(
    ("given", "of_90", "kept"),
    [
        *(("30", 30, 30), (30, 30, 30), (np.int32(7), 7, 7), ("1000", 90, 1000), ("0.1", 9, 0.1)),
        *((0.05, 5, 0.05), (".005", 1, 0.005), ("0.999", 90, 0.999), (1e-5, 1, 1e-5)),
    ],
    ids=str,
)
def test_how_many_users(given, of_90, kept):
    sample = UserSample.parse(given)
    assert (sample.of(90), sample.of(0), sample.given) == (of_90, 0, kept)
    assert UserSample.parse(sample.given) == sample


@pytest.mark.parametrize(
    "given", ["0", 0, "-1", "1.0", 1.0, "0.0", 2.5, "some", True, float("nan"), "1e3", [1]], ids=str
)
def test_samples_that_are_refused(given):
    with pytest.raises(UsageError, match="choose a number of users, such as 10000, or a share of them"):
        UserSample.parse(given)
