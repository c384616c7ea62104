"""Draws from the impression of a positive: their law, alone and in mixtures, against an enumeration in fractions."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import plain_samplers
import pytest
from randomness.experiments import seen_of
from sample.test_measures import keys_of
from sample.test_mixture import chi_square

from negprep.options.specs import SamplerRule
from negprep.sample import mixture as module
from negprep.sample.measures import Asks, Impressions
from negprep.sample.restrictions import CatalogOrder
from negprep.sample.sampler import Heads, Plan, Sampling

N_ITEMS = 8
SEEN = [[1, 4, 6], [], [0, 1, 2, 3, 5, 7], [0, 1, 2, 3, 4, 5, 6, 7]]
WEAK = [[4, 6], [], [0, 3, 5, 7], [2, 6, 7]]
SHOWN = [{10: [4, 6], 12: [4]}, {}, {7: [0, 3, 5], 9: [7]}, {10: [2, 7]}]
"""By user, the items of each impression; user 3 has seen the whole catalog."""

HEADS = [(0, 1, 10), (0, 1, 12), (0, 1, 11), (1, 0, 10), (2, 1, 7), (2, 2, 9), (2, 1, 8), (3, 0, 10), (3, 1, 11)]
"""User, item and impression of positives, some of which have nothing beside them."""

RECIPES = [
    "impression",
    "impression:0.25 uniform:0.75",
    "weak:0.5 impression:0.25 uniform:0.25",
    "impression:0.5 weak:0.5",
]
FIXED = ["impression=2 uniform=1", "uniform=1 weak=1 impression=1"]
WINDOWS = pytest.mark.parametrize("window", [None, (0, 5), (4, 8)], ids=str)


def impressions():
    starts = np.cumsum([0, *map(len, SHOWN)])
    groups = np.array([group for mine in SHOWN for group in sorted(mine)], np.int32)
    return Impressions(starts, groups, seen_of([mine[group] for mine in SHOWN for group in sorted(mine)], N_ITEMS))


def sampling(recipe, *, distinct=False, window=None, takes_all=False):
    """``window``: Items are in categories, and these are one."""
    order = None
    if window is not None:
        inside = np.isin(np.arange(N_ITEMS), np.arange(*window))
        order = CatalogOrder.of(N_ITEMS, segments=np.where(inside, 0, 1).astype(np.int32))
        # All positives are of the category, whatever items they are.
        order = CatalogOrder(order.items, order.positions, np.zeros(N_ITEMS, np.int32), order.bounds, None)
    plan = Plan(SamplerRule.parse(tuple(recipe.split())), distinct, True, order=order, takes_all=takes_all)
    return Sampling(plan, seen_of(SEEN, N_ITEMS), seen_of(WEAK, N_ITEMS), 0, impressions())


def heads_of(heads):
    users, items, groups = np.array(heads, np.int32).T
    return Heads(users, items, None, groups)


def lists_of(head, window=None):
    """What each component can draw for a positive."""
    user, _, group = head
    inside = range(*(window or (0, N_ITEMS)))
    return {
        "uniform": [item for item in inside if item not in SEEN[user]],
        "weak": [item for item in inside if item in WEAK[user]],
        "impression": [item for item in inside if item in SHOWN[user].get(group, [])],
    }


def law(recipe, lists):
    """The probability of each item in one draw."""
    return plain_samplers.one_draw(
        recipe.names, recipe.shares, lists["uniform"], lists["weak"], {}, shown=lists["impression"]
    )


def successive(recipe, lists, count):
    """The probability of each ordered choice: draw, take away, draw again."""
    of = recipe.names, recipe.shares, lists["uniform"], lists["weak"], {}, count
    return plain_samplers.distinct_draws(*of, fixed=recipe.fixed, shown=lists["impression"])


def drawable(recipe, lists):
    listed = set().union(*(lists[name] for name in recipe.names if name != "uniform"))
    return len(lists["uniform"]) + len(listed)


@pytest.mark.parametrize("text", [*RECIPES, *FIXED])
@WINDOWS
def test_supply_and_log_q(text, window):
    """Exact for every item that can be drawn, and summing to 1."""
    recipe, made = SamplerRule.parse(tuple(text.split())), sampling(text, window=window)
    heads = heads_of(HEADS)
    assert made.by_group
    assert made.supply(heads).tolist() == [drawable(recipe, lists_of(head, window)) for head in HEADS]
    counts = np.full(len(HEADS), 30 * sum(recipe.shares))
    n_draws = int(counts[0]) if not recipe.fixed else sum(recipe.shares)
    counts = np.where(made.supply(heads) > 0, n_draws, 0)
    drawn = made.draw(heads, keys_of(len(HEADS)), counts, n_draws)
    for at, head in enumerate(HEADS):
        lists = lists_of(head, window)
        q = law(recipe, lists)
        assert sum(q.values()) == (1 if counts[at] else 0)
        for item, source, log_q in zip(drawn.items[at], drawn.sources[at], drawn.log_q[at], strict=True):
            if not counts[at]:
                assert item == -1
                continue
            assert math.isclose(log_q, math.log(q[int(item)]), abs_tol=1e-12)
            name = (*recipe.names, "fallback")[source]
            if name == "fallback":
                assert item in lists["uniform"]
                assert any(not lists[each] for each in recipe.names)
            else:
                assert item in lists[name]
        if text == "impression" and counts[at]:
            assert set(drawn.sources[at].tolist()) == {0 if lists["impression"] else 1}
            assert drawn.pos_log_q[at] == (-math.inf if lists["impression"] else -math.log(len(lists["uniform"]) + 1))


@pytest.mark.parametrize("text", [*RECIPES, *FIXED])
@pytest.mark.parametrize("rounds", [0, 12])
@pytest.mark.parametrize("window", [None, (0, 5)], ids=str)
def test_draws_follow_their_law(monkeypatch, text, rounds, window):
    """Chi-square: single draws with repeats, and ordered choices of distinct ones."""
    monkeypatch.setattr(module, "_ROUNDS", rounds)
    recipe, many = SamplerRule.parse(tuple(text.split())), 1_500
    for place, head in enumerate(HEADS):
        lists = lists_of(head, window)
        count = min(sum(recipe.shares) if recipe.fixed else 3, drawable(recipe, lists))
        if not count:
            continue
        heads, keys = heads_of([head] * many), keys_of(many, place)
        drawn = sampling(text, distinct=True, window=window).draw(heads, keys, np.full(many, count), count)
        orders = Counter(map(tuple, drawn.items.tolist()))
        assert chi_square(orders, successive(recipe, lists, count)) > 1e-5
        if rounds and not recipe.fixed:
            drawn = sampling(text, window=window).draw(heads, keys, np.full(many, count), count)
            assert chi_square(Counter(drawn.items.ravel().tolist()), law(recipe, lists)) > 1e-5


def test_all_of_an_impression_in_any_order():
    made, many = sampling("impression", takes_all=True), 600
    heads = heads_of(HEADS)
    assert made.supply(heads).tolist() == [len(lists_of(head)["impression"]) for head in HEADS]
    drawn = made.draw(heads_of([HEADS[4]] * many), keys_of(many), np.full(many, 3), 3)
    assert (drawn.sources == 0).all()
    assert np.allclose(drawn.log_q, -math.log(3))
    orders = Counter(map(tuple, drawn.items.tolist()))
    assert len(orders) == 6
    assert chi_square(orders, dict.fromkeys(orders, 1 / 6)) > 1e-5
    every = made.draw(heads, keys_of(len(HEADS)), made.supply(heads), 3)
    for head, row in zip(HEADS, every.items.tolist(), strict=True):
        assert sorted(item for item in row if item >= 0) == lists_of(head)["impression"]


def test_a_group_depends_on_its_key_alone():
    """Whatever groups are drawn beside it."""
    heads, keys = heads_of(HEADS * 40), keys_of(len(HEADS) * 40)
    order = np.argsort(heads.users, kind="stable")
    heads = Heads(heads.users[order], heads.items[order], None, heads.groups[order])
    made = sampling("weak:0.5 impression:0.5", distinct=True)
    counts = np.minimum(made.supply(heads), 3)
    whole = made.draw(heads, keys, counts, 3)
    for part in (slice(0, 1), slice(50, 300), slice(200, 201)):
        some = Heads(heads.users[part], heads.items[part], None, heads.groups[part])
        drawn = made.draw(some, keys[part], counts[part], 3)
        assert (drawn.items == whole.items[part]).all()
        assert (drawn.sources == whole.sources[part]).all()


def test_impressions_are_found_by_user_and_code():
    found = impressions().find(
        np.array([0, 0, 1, 2, 3, 3], np.int32), np.array([12, 11, 10, 9, 10, 2**31 - 1], np.int32)
    )
    assert found.tolist() == [1, -1, -1, 3, 4, -1]
    none = Impressions(np.zeros(2, np.int64), np.empty(0, np.int32), seen_of([], N_ITEMS))
    assert none.find(np.zeros(2, np.int32), np.arange(2, dtype=np.int32)).tolist() == [-1, -1]
    asks = Asks(np.zeros(1, np.int64), keys_of(1), np.zeros(1, np.int64), lists=np.array([-1]))
    assert asks.times(3).lists.tolist() == [-1, -1, -1]
