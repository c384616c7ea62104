"""Weights as whole numbers, and the table that draws from them: recomputed in Python's integers."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from negprep.sample.popularity import popularity_weights, quantised, sum_of


def weights_of(counts, alpha="0.75", smooth="0"):
    return popularity_weights(np.array(counts, np.int64), alpha=Decimal(alpha), smooth=Decimal(smooth))


def skewed(seed, n_items):
    chance = random.Random(seed)
    return [int(3 * chance.paretovariate(0.8)) - 3 for _ in range(n_items - 1)] + [7]


def table_masses(weights):
    """The units that each item has in the alias table: of every column its part below the threshold, and the rest."""
    packed, aliases, lower = weights._table
    assert ((packed & np.uint64(0xFFFFFFFF)) ^ np.arange(len(weights)).astype(np.uint64)).tolist() == aliases.tolist()
    fine, column = weights.column_bits - 32, 1 << weights.column_bits
    masses = [0] * len(weights)
    for own, (high, alias, low) in enumerate(zip(packed.tolist(), aliases.tolist(), lower.tolist(), strict=True)):
        assert low < 1 << fine
        threshold = ((high >> 32) << fine) | low
        assert 0 <= threshold <= column
        masses[own] += threshold
        masses[alias] += column - threshold
    return masses


SHAPES = {
    "one item": [5],
    "two": [5, 1],
    "two alike": [1, 1],
    "three": [1, 2, 3],
    "alike": [4] * 37,
    "one of many": [0] * 20 + [9] + [0] * 20,
    "first and last": [1] + [0] * 9 + [1],
    "a power of two": skewed(1, 64),
    "one more": skewed(2, 65),
    "large remainder": skewed(3, 1_000),
    "many": skewed(4, 20_011),
}
shapes = pytest.mark.parametrize("counts", SHAPES.values(), ids=SHAPES)
ALPHAS = pytest.mark.parametrize("alpha", ["0", "1", "0.75", "-0.5", "-2", "10", "-10"])


@shapes
@ALPHAS
def test_units_sum_to_whole_columns(counts, alpha):
    weights = weights_of(counts, alpha)
    total = sum(weights.units.tolist())
    assert total == len(counts) << weights.column_bits == sum_of(weights.units) == weights.before[-1]
    assert 1 << 61 <= total <= 1 << 62 or len(counts) & (len(counts) - 1)
    assert 1 << 60 < total <= 1 << 62
    assert [unit > 0 for unit in weights.units.tolist()] == [count > 0 for count in counts]


@shapes
@ALPHAS
def test_the_table_holds_exactly_the_units(counts, alpha):
    weights = weights_of(counts, alpha)
    assert table_masses(weights) == weights.units.tolist()


@shapes
@pytest.mark.parametrize(("alpha", "smooth"), [("0", "0"), ("1", "0"), ("0.75", "0"), ("-0.5", "0"), ("0.75", "0.1")])
def test_units_are_in_proportion_to_the_powers(counts, alpha, smooth):
    weights = weights_of(counts, alpha, smooth)
    powers = [(count + float(smooth)) ** float(alpha) if count or float(smooth) else 0 for count in counts]
    total = sum(powers)
    for unit, power in zip(weights.units.tolist(), powers, strict=True):
        assert abs(unit / (len(counts) << weights.column_bits) - power / total) <= 1e-9 * power / total


def test_alpha_1_is_exact_to_a_unit():
    counts = skewed(8, 333)
    weights = weights_of(counts, "1")
    for unit, count in zip(weights.units.tolist(), counts, strict=True):
        assert abs(Fraction(unit) - Fraction(count * (333 << weights.column_bits), sum(counts))) <= 2


@shapes
def test_alpha_0_makes_all_alike(counts):
    units = [unit for unit in weights_of(counts, "0").units.tolist() if unit]
    assert max(units) - min(units) <= 1


def test_smoothing_reaches_items_without_a_train_positive():
    assert (weights_of([0, 0, 3], smooth="0.001").units > 0).all()
    assert weights_of([0, 0, 0], smooth="2").units.tolist() == weights_of([1, 1, 1]).units.tolist()


def test_no_weight_at_all():
    with pytest.raises(ValueError, match="no item has a positive weight"):
        weights_of([0, 0])


@pytest.mark.parametrize("n_light", [1, 2, 5, 1_000])
def test_next_to_no_weight_is_one_unit_and_the_heaviest_pay(n_light):
    which = np.array([0] * n_light + [1, 1])
    weights = quantised([Decimal(10) ** -60, Decimal(1)], which)
    units = weights.units.tolist()
    assert units[:n_light] == [1] * n_light
    assert sum(units) == len(which) << weights.column_bits
    assert abs(units[-1] - units[-2]) <= n_light
    assert table_masses(weights) == units


def test_ratios_of_a_double():
    """What a weights file may hold: the smallest and the largest float."""
    weights = quantised([Decimal("5e-324"), Decimal("1.7e308"), Decimal(0)], np.array([0, 1, 2, 1]))
    assert weights.units.tolist()[0] == 1
    assert weights.units.tolist()[2] == 0
    assert sum(weights.units.tolist()) == 4 << weights.column_bits


def test_a_heavy_item_pays_beyond_the_first():
    """More lifted items than one heavy item could pay for need not exist; many of equal weight share evenly."""
    values = [Decimal(1)]
    weights = quantised(values, np.zeros(7, np.int64))
    units = weights.units.tolist()
    assert max(units) - min(units) <= 1
    assert sum(units) == 7 << weights.column_bits


def test_values_that_do_not_occur_do_not_matter():
    few = quantised([Decimal(2), Decimal(3), Decimal(10) ** 40], np.array([0, 1, 1]))
    assert few.units.tolist() == quantised([Decimal(2), Decimal(3)], np.array([0, 1, 1])).units.tolist()


def test_the_order_of_items_does_not_matter_but_for_the_rest():
    counts = skewed(12, 500)
    order = list(range(500))
    random.Random(1).shuffle(order)
    units, moved = weights_of(counts).units, weights_of([counts[j] for j in order]).units
    assert np.abs(units[order] - moved).max() <= 1
    assert weights_of(counts).reordered(np.array(order)).units.tolist() == units[order].tolist()


def look_up(weights, columns, coins):
    items = np.empty(columns.shape, np.uint64)
    undecided = weights.look_up(columns, coins << np.uint64(32), out=items)
    return items.view(np.int64), undecided


def coin_space(weights, column):
    """Units of a column that go to each item, counted by asking ``look_up`` and ``settle`` around the threshold."""
    packed, _, lower = weights._table
    high, low, fine = int(packed[column]) >> 32, int(lower[column]), weights.column_bits - 32
    columns = np.full(3, column)
    coins = np.array([max(high - 1, 0), high, min(high + 1, 2**32 - 1)], np.uint64)
    items, undecided = look_up(weights, columns, coins)
    return items, undecided.tolist(), high, low, fine


@pytest.mark.parametrize("name", ["three", "first and last", "one more", "large remainder"])
def test_look_up_and_settle_decide_at_the_threshold(name):
    weights = weights_of(SHAPES[name], "0.75")
    _, aliases, _ = weights._table
    for column in range(0, len(weights), max(1, len(weights) // 60)):
        items, undecided, high, low, fine = coin_space(weights, column)
        alias = int(aliases[column])
        assert (1 in undecided) == (alias != column)  # the coin equals the upper bits
        if high > 0:
            assert items[0] == column
        if high < 2**32 - 1:
            assert items[2] == alias
        rests = [rest for rest in (0, low - 1, low, low + 1, (1 << fine) - 1) if 0 <= rest < 1 << fine]
        words = np.array([rest << (64 - fine) for rest in rests], np.uint64)
        settled = weights.settle(np.full(len(rests), column), words)
        assert settled.tolist() == [column if rest < low else alias for rest in rests]


def test_settle_without_further_bits():
    """At 2**30 items a coin decides all; here such a table is made small."""
    weights = weights_of([1, 2, 3])
    object.__setattr__(weights, "column_bits", 32)
    object.__setattr__(weights, "units", np.array([2**32 - 5, 2**32 + 5, 2**32]))
    packed, _, lower = weights._table
    assert lower.tolist() == [0, 0, 0]
    assert (packed >> np.uint64(32)).tolist()[0] == 2**32 - 5
    assert weights.settle(np.array([0]), np.array([0], np.uint64)).tolist() == [1]


def test_look_up_of_all_coins_by_sampling():
    """Evenly spaced coins over all columns: shares within what the spacing allows."""
    counts = SHAPES["three"]
    weights, steps = weights_of(counts, "1"), 1 << 16
    coins = np.tile(np.arange(steps, dtype=np.uint64) << np.uint64(16), 3)
    columns = np.repeat(np.arange(3), steps)
    shares = np.bincount(look_up(weights, columns, coins)[0], minlength=3) / (3 * steps)
    assert np.abs(shares - np.array(counts) / 6).max() < 2 / steps
