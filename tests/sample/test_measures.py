"""Measures: their points end to end, compared with lists in plain Python; and what is left once items are taken."""

from __future__ import annotations

import random
from decimal import Decimal

import numpy as np
import pytest
import reference
from randomness.experiments import seen_of

from negprep.sample import measures
from negprep.sample import popularity as weighted_module
from negprep.sample import seen as seen_module
from negprep.sample import uniform as uniform_module
from negprep.sample.measures import Asks, EligibleItems, ListedItems, PointsLeft, count_up_to
from negprep.sample.popularity import WeightedItems, Weights, quantised
from negprep.sample.seen import MaskBuffer, SeenBlock

KINDS = pytest.mark.parametrize("kind", ["eligible", "weighted", "listed"])


def keys_of(count, salt=0):
    return np.array([reference.mix(place + 1 + (salt << 32)) for place in range(count)], np.uint64)


def cases():
    """(n_items, seen lists, listed ones of these, weights): extremes and middles, users in between others."""
    chance = random.Random(17)
    for n_items in (1, 2, 3, 5, 8, 13):
        sizes = [0, 1, n_items // 2, n_items - 1, n_items, 0, n_items // 3]
        lists = [sorted(chance.sample(range(n_items), size)) for size in sizes]
        listed = [sorted(chance.sample(items, len(items) // 2)) for items in lists]
        weights = [chance.choice([0, 0, 1, 2, 900]) for _ in range(n_items)]
        weights[chance.randrange(n_items)] = 3
        yield n_items, lists, listed, weights


def units_of(weights):
    """A ``Weights`` whose units are as given: what a measure makes of it does not depend on their sum."""
    return Weights(np.array(weights, np.int64), 0)


def make(kind, lists, listed, weights, n_items, first=0, last=None):
    last = len(lists) if last is None else last
    block = SeenBlock(seen_of(lists, n_items), first, last)
    if kind == "eligible":
        return EligibleItems(block)
    if kind == "weighted":
        return WeightedItems(block, units_of(weights))
    return ListedItems(seen_of(listed, n_items), first, last)


def plain_points(kind, seen, listed, weights, n_items):
    """The item of each point."""
    if kind == "listed":
        return list(listed)
    eligible = [item for item in range(n_items) if item not in seen]
    return eligible if kind == "eligible" else [item for item in eligible for _ in range(weights[item])]


def asks_for(rows, windows=None, salt=0):
    rows = np.array(rows, np.int64)
    spans = (None, None) if windows is None else tuple(np.array(windows, np.int64).T)
    return Asks(rows, keys_of(len(rows), salt), np.zeros(len(rows), np.int64), *spans)


@KINDS
@pytest.mark.parametrize("part", ["all users", "some"])
def test_points_are_those_of_plain_lists(kind, part):
    for n_items, lists, listed, weights in cases():
        first, last = (0, len(lists)) if part == "all users" else (2, 6)
        measure = make(kind, lists, listed, weights, n_items, first, last)
        for row, user in enumerate(range(first, last)):
            points = plain_points(kind, lists[user], listed[user], weights, n_items)
            rows = np.full(n_items + 1, row)
            ends = np.arange(n_items + 1)
            assert measure.total(rows[:1]).tolist() == [len(points)]
            wanted = [sum(item < end for item in points) for end in ends]
            assert measure.before(rows, ends).tolist() == wanted
            every = np.arange(n_items)
            has = measure.has(rows[:-1], every)
            allowed = listed[user] if kind == "listed" else set(range(n_items)) - set(lists[user])
            assert has.tolist() == [item in allowed for item in range(n_items)]
            sizes = np.where(has, measure.sizes(every), 0)
            assert sizes.tolist() == [points.count(item) for item in range(n_items)]
            if points:
                found = measure.items_at(np.full(len(points), row), np.arange(len(points)))
                assert found.tolist() == points


@KINDS
def test_all_users_asked_at_once(kind):
    for n_items, lists, listed, weights in cases():
        measure = make(kind, lists, listed, weights, n_items)
        places = [
            (row, point, item)
            for row in range(len(lists))
            for point, item in enumerate(plain_points(kind, lists[row], listed[row], weights, n_items))
        ]
        random.Random(2).shuffle(places)
        if places:
            rows, points, items = map(np.array, zip(*places, strict=True))
            assert measure.items_at(rows, points).tolist() == items.tolist()


@KINDS
def test_windows_are_ranges_of_points(kind):
    for n_items, lists, listed, weights in cases():
        measure = make(kind, lists, listed, weights, n_items)
        for row in range(len(lists)):
            points = plain_points(kind, lists[row], listed[row], weights, n_items)
            windows = [(low, high) for low in range(n_items + 1) for high in range(low, n_items + 1)]
            base, mass = measure.span(asks_for([row] * len(windows), windows))
            for start, size, (low, high) in zip(base.tolist(), mass.tolist(), windows, strict=True):
                assert points[start : start + size] == [item for item in points if low <= item < high]


@pytest.mark.parametrize("seed", [1, 2])
def test_weighted_points_at_full_size(seed):
    """Units that sum to 2**62: the first and the last point of each eligible item, and where they begin."""
    chance = random.Random(seed)
    n_items = 200
    weights = quantised([*map(Decimal, (0, 1, 3, 10**6))], np.array([chance.randrange(4) for _ in range(n_items)]))
    lists = [sorted(chance.sample(range(n_items), size)) for size in (0, 1, 150, 199, 200, 30)]
    measure = WeightedItems(SeenBlock(seen_of(lists, n_items), 0, len(lists)), weights)
    units = weights.units.tolist()
    for row, seen in enumerate(lists):
        at = 0
        for item in range(n_items):
            assert measure.before(np.array([row]), np.array([item])).tolist() == [at]
            if item not in seen and units[item]:
                ends = np.array([at, at + units[item] - 1])
                assert measure.items_at(np.array([row, row]), ends).tolist() == [item, item]
                at += units[item]
        assert measure.total(np.array([row])).tolist() == [at]


def test_items_beyond_the_catalog_have_no_weight():
    measure = make("weighted", [[], [0]], [[], []], [4, 5], 2)
    assert measure.sizes(np.array([0, 1, 2, 7])).tolist() == [4, 5, 0, 0]


@KINDS
def test_the_rest_is_what_taking_items_leaves(kind):
    """Every point of the rest, by putting all of them through the draw in place of random ones."""
    chance = random.Random(23)
    for n_items, lists, listed, weights in cases():
        measure = make(kind, lists, listed, weights, n_items)
        for row in range(len(lists)):
            low = chance.randrange(n_items)
            high = chance.randrange(low, n_items) + 1
            here = list(range(low, high))
            taken = chance.sample(here, chance.randint(0, min(4, len(here))))
            points = plain_points(kind, lists[row], listed[row], weights, n_items)
            inside = [item for item in points if low <= item < high]
            left = [item for item in inside if item not in taken]
            count = max(1, len(left))
            taken_of_all = np.array(taken, np.int64).reshape(-1, 1).repeat(count, axis=1)
            rest = PointsLeft(measure, asks_for([row] * count, [(low, high)] * count), taken_of_all)
            assert set(rest.mass.tolist()) == {len(inside)}
            assert set(rest.points.tolist()) == {len(left)}
            if left:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(measures, "bounded", lambda keys, limits, draws, attempt: np.arange(len(keys)))
                    assert rest.draw(np.arange(count), 0).tolist() == left


def test_count_up_to():
    chance = random.Random(4)
    values = [sorted(chance.randrange(9) for _ in range(chance.choice([0, 1, 2, 7, 8, 30]))) for _ in range(50)]
    starts = np.cumsum([0, *map(len, values)])
    which = [chance.randrange(50) for _ in range(2_000)]
    wanted = [chance.randrange(-1, 10) for _ in which]
    found = count_up_to(np.concatenate(values).astype(np.int64), starts[which], starts[1:][which], np.array(wanted))
    assert found.tolist() == [
        sum(value <= at for value in values[part]) for part, at in zip(which, wanted, strict=True)
    ]
    nothing = np.empty(0, np.int64)
    assert count_up_to(nothing, nothing, nothing, nothing).tolist() == []
    assert count_up_to(nothing, np.zeros(2, np.int64), np.zeros(2, np.int64), np.array([3, 4])).tolist() == [0, 0]


@pytest.mark.parametrize(
    "change", [{"MASK_BYTES_PER_ENTRY": 1, "_LARGEST_EXACT_MASK": 0}, {"_LARGEST_EXACT_MASK": 1 << 40}], ids=str
)
def test_no_kernel_of_the_mask_shows(monkeypatch, change):
    n_items, rows = 3_000, np.repeat(np.arange(5), 400)
    chance = random.Random(6)
    lists = [sorted(chance.sample(range(n_items), size)) for size in (0, 5, 900, 2_900, 2_999)]
    weights = quantised([*map(Decimal, (1, 4, 90))], np.array([chance.randrange(3) for _ in range(n_items)]))

    def drawn():
        block = SeenBlock(seen_of(lists, n_items), 0, 5)
        with block.marked(MaskBuffer()) as mask:
            measure = WeightedItems(block, weights, mask)
            return measure.draw(Asks(rows, keys_of(len(rows)), np.arange(len(rows)) % 3), 0).tolist()

    usual = drawn()
    assert all(item not in lists[row] for row, item in zip(rows.tolist(), usual, strict=True))
    for name, value in change.items():
        monkeypatch.setattr(seen_module, name, value)
    assert drawn() == usual


@pytest.mark.parametrize("spread", [1, 10**12], ids=["alike", "most far below the heaviest"])
def test_points_of_listed_items_are_those_of_a_search(monkeypatch, spread):
    """The first and the last point of each eligible item, and others, of users with much, nearly all and nothing."""
    chance, n_items = random.Random(9), 300
    weights = quantised([*map(Decimal, (0, 1, 3, 7 * spread))], np.array([chance.randrange(4) for _ in range(n_items)]))
    lists = [sorted(chance.sample(range(n_items), size)) for size in (0, 100, 250, 299, 300, 298)]
    block = SeenBlock(seen_of(lists, n_items), 0, len(lists))
    rows = np.array([1, 3, 4, 5, 0])
    listed, measure = weighted_module.EligiblePoints(weights, block, rows), WeightedItems(block, weights)
    for place, row in enumerate(rows.tolist()):
        eligible = [item for item in range(n_items) if item not in lists[row] and weights.units[item]]
        ends = np.cumsum([int(weights.units[item]) for item in eligible])
        points = (
            [*ends - 1, *ends[:-1], *(chance.randrange(max(1, int(ends[-1]))) for _ in eligible)] if eligible else []
        )
        points = np.array([points, points[::-1]], np.int64)
        of = np.full(points.shape[1], place)
        found = listed.items_at(of, points)
        assert found[0, : len(eligible)].tolist() == eligible
        assert (found.reshape(-1) == measure.items_at(np.full(points.size, row), points.reshape(-1))).all()


@pytest.mark.parametrize(
    "change",
    [
        {"_LISTED_ITEMS": 0},
        {"_LISTED_ITEMS": 0, "_ENTRIES_PER_SEARCH": 0},
        {"_LISTED_ITEMS": 0, "_ENTRIES_PER_SEARCH": 1 << 40},
        {"_LISTED_ITEMS": 1 << 40},
        {"_CELLS": 1},
        {"_STEPS": 0},
    ],
    ids=str,
)
def test_no_kernel_of_the_points_shows(monkeypatch, change):
    chance, n_items = random.Random(10), 400
    weights = quantised([*map(Decimal, (1, 2, 70))], np.array([chance.randrange(3) for _ in range(n_items)]))
    lists = [sorted(chance.sample(range(n_items), size)) for size in (0, 399, 300, 360, 390)]
    rows = np.repeat(np.arange(5), [50, 9, 200, 300, 3])

    def drawn():
        block = SeenBlock(seen_of(lists, n_items), 0, 5)
        with block.marked(MaskBuffer()) as mask:
            return WeightedItems(block, weights, mask).draw_groups(Asks(rows, keys_of(len(rows)), rows), 3)

    usual = drawn()
    for name, value in change.items():
        monkeypatch.setattr(weighted_module, name, value)
    assert (drawn() == usual).all()


def test_proposals_that_all_fail_still_draw(monkeypatch):
    """With few proposals and with many: the same law, and never a seen item."""
    weights = quantised([*map(Decimal, (1, 5))], np.array([0, 1, 0, 1, 0]))
    lists, count = [[1, 2]], 20_000
    for proposals in (1, 2, 8):
        monkeypatch.setattr(uniform_module.Proposer, "proposals", proposals)
        block = SeenBlock(seen_of(lists, 5), 0, 1)
        with block.marked(MaskBuffer()) as mask:
            measure = WeightedItems(block, weights, mask)
            rows = np.zeros(count, np.int64)
            items = measure.draw(Asks(rows, keys_of(count, proposals), rows), 0)
        shares = np.bincount(items, minlength=5) / count
        assert shares[[1, 2]].tolist() == [0, 0]
        assert np.abs(shares[[0, 3, 4]] - np.array([1, 5, 1]) / 7).max() < 0.015


@pytest.mark.parametrize("folds", [False, True])
def test_strips_and_memory_used_before_do_not_show(monkeypatch, folds):
    """Draws of several blocks with one room, in strips of any length, each the draw that is asked for alone."""
    if folds:
        monkeypatch.setattr(seen_module, "MASK_BYTES_PER_ENTRY", 1)
        monkeypatch.setattr(seen_module, "_LARGEST_EXACT_MASK", 0)
    n_items, chance, num_neg, room = 1_000, random.Random(8), 3, uniform_module.Workspace()
    weights = quantised([*map(Decimal, (1, 4, 90))], np.array([chance.randrange(3) for _ in range(n_items)]))
    for strip, n_groups in ((1 << 16, 500), (1, 40), (7, 90), (600, 500)):
        monkeypatch.setattr(uniform_module, "STRIP_DRAWS", strip)
        lists = [sorted(chance.sample(range(n_items), size)) for size in (0, 5, 300, 900, 999)]
        rows = np.sort(np.array([chance.randrange(5) for _ in range(n_groups)]))
        keys = keys_of(n_groups, strip)
        block = SeenBlock(seen_of(lists, n_items), 0, 5)
        with block.marked(MaskBuffer()) as mask:
            groups = Asks(rows, keys, rows)
            made = WeightedItems(block, weights, mask, room).draw_groups(groups, num_neg)
            alone = WeightedItems(block, weights, mask).draw(groups.times(num_neg), 0)
        assert (made.reshape(-1) == alone).all()
        assert all(item not in lists[row] for row, item in zip(np.tile(rows, num_neg), alone, strict=True))
        for place in range(0, made.size, 61):
            draw, of = divmod(place, n_groups)
            with block.marked(MaskBuffer()) as mask:
                one = Asks(rows[of : of + 1], keys[of : of + 1], np.array([draw]))
                assert WeightedItems(block, weights, mask).draw(one, 0).tolist() == [made[draw, of]]
