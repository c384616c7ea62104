"""The package gives the rows of the plain reference for every sampler but uniform alone, which test_reference holds."""

from __future__ import annotations

import math
import random

import pyarrow as pa
import pytest
import reference_samplers
from logs import random_rows

import negprep
from negprep.options.specs import SamplerRule

SHAPES = {
    "small": {"users": 20, "items": 40, "most": 12},
    "dense": {"users": 15, "items": 12, "most": 12},
    "sparse": {"users": 8, "items": 300, "most": 9},
}
RECIPES = [
    ("popularity",),
    ("weak",),
    ("uniform:0.7", "weak:0.3"),
    ("popularity:0.25", "uniform:0.75"),
    ("popularity:0.5", "weak:0.25", "uniform:0.25"),
    ("uniform=3", "weak=1"),
    ("weak=2", "popularity=4"),
]


def log_with_values(seed, shape):
    """(user, item, time, value) rows; a value of 2 and more is a positive."""
    chance = random.Random(seed)
    return [(*row, chance.choice([0, 1, 2, 2, 3, 3])) for row in random_rows(seed, **shape)]


def made(log, recipe, *, at_time=False, categories=None, weights=None, **options):
    """What the package gives, with "the" one source where it writes none."""
    names = ("user", "item", "time", "value")
    table = pa.table({name: list(column) for name, column in zip(names, zip(*log, strict=True), strict=True)})
    if categories is not None:
        options |= {"items": pa.table({"item": list(categories), "kind": list(categories.values())}), "same": "kind"}
    if weights is not None:
        options["weights"] = pa.table({"item": list(weights), "weight": list(weights.values())})
    options = {"holdout": "none"} | options
    rows = negprep.train(
        table, sampler=recipe, positive=">=2", available_at_time=at_time, keep_time="last", **options
    ).to_pylist()
    only = recipe[0]
    return [
        (row["user"], row["item"], row["label"], row.get("source", "positive" if row["label"] else only))
        for row in rows
    ]


def expected(log, recipe, *, num_neg, **options):
    parsed = SamplerRule.parse(recipe)
    return reference_samplers.train_rows(
        log, list(parsed.names), list(parsed.shares), num_neg, fixed=parsed.fixed, least=2, **options
    )


@pytest.mark.parametrize("distinct", [False, True], ids=["repeats", "distinct"])
@pytest.mark.parametrize("recipe", RECIPES, ids=" ".join)
@pytest.mark.parametrize("shape", SHAPES)
def test_rows(shape, recipe, distinct):
    for seed, num_neg, holdout in ((0, 4, "none"), (2**64 - 1, 9, "last"), (5, 1, "random")):
        log = log_with_values(seed % 1000, SHAPES[shape])
        num_neg = SamplerRule.parse(recipe).num_neg or num_neg
        options = {"num_neg": num_neg, "distinct": distinct, "holdout": holdout, "seed": seed}
        assert made(log, recipe, **options) == expected(log, recipe, **options)


@pytest.mark.parametrize("distinct", [False, True], ids=["repeats", "distinct"])
@pytest.mark.parametrize("recipe", [("uniform",), *RECIPES], ids=" ".join)
@pytest.mark.parametrize("by", ["time", "category", "both"])
def test_rows_of_restricted_draws(by, recipe, distinct):
    log = log_with_values(8, SHAPES["small"])
    options = {"num_neg": SamplerRule.parse(recipe).num_neg or 5, "distinct": distinct, "seed": 3}
    if by != "category":
        options["at_time"] = True
    if by != "time":
        options["categories"] = {item: "abc"[item % 3] for _, item, _, _ in log}
    assert made(log, recipe, **options) == expected(log, recipe, **options)


@pytest.mark.parametrize("distinct", [False, True], ids=["repeats", "distinct"])
@pytest.mark.parametrize(
    "recipe", [("impression",), ("uniform:0.5", "impression:0.5"), ("impression=2", "weak=1")], ids=" ".join
)
def test_rows_of_impressions(recipe, distinct):
    """A slate is of a user and a tenth of the times."""
    log = log_with_values(12, SHAPES["small"] | {"items": 15})
    latest, beside = {}, {}
    for user, item, time, value in log:
        if value >= 2:
            latest[user, item] = max(time, latest.get((user, item), time))
        else:
            beside.setdefault((user, time % 3), set()).add(item)
    table = pa.table(
        {
            **{name: [row[place] for row in log] for place, name in enumerate(("user", "item", "time", "value"))},
            "slate": [time % 3 for _, _, time, _ in log],
        }
    )
    options = {"num_neg": SamplerRule.parse(recipe).num_neg or 5, "distinct": distinct, "seed": 4, "holdout": "none"}
    rows = negprep.train(table, sampler=recipe, positive=">=2", group_col="slate", **options).to_pylist()
    wanted = expected(
        log, recipe, shown=lambda user, positive: beside.get((user, latest[user, positive] % 3), set()), **options
    )
    assert [(row["user"], row["item"], row["label"], row["source"]) for row in rows] == wanted
    assert {source for _, _, _, source in wanted} > {"impression", "fallback"}


def pairs(log, sources=None, **options):
    """What the package gives as pairs; ``sources`` are other names of its own."""
    names = ("user", "item", "time", "value")
    table = pa.table({name: list(column) for name, column in zip(names, zip(*log, strict=True), strict=True)})
    options = {"holdout": "none"} | options
    rows = negprep.train(table, positive=">=2", layout="pairwise", **options).to_pylist()
    return [(row["user"], row["pos_item"], row["neg_item"], (sources or {}).get(row.get("source"))) for row in rows]


@pytest.mark.parametrize("distinct", [False, True], ids=["repeats", "distinct"])
@pytest.mark.parametrize("at_time", [False, True], ids=["all", "at_time"])
@pytest.mark.parametrize("shape", SHAPES)
def test_pairs_of_levels(shape, at_time, distinct):
    log = log_with_values(6, SHAPES[shape])
    options = {"num_neg": 5, "distinct": distinct, "seed": 9}
    sources = {"positive>weak": "weak", "positive>unobserved": "uniform", "weak>unobserved": "level"}
    made_pairs = pairs(log, {**sources, "fallback": "fallback"}, levels="0.3,0.5", available_at_time=at_time, **options)
    wanted = reference_samplers.train_rows(
        log, ["weak", "uniform", "level"], [3, 5, 2], least=2, as_pairs=True, at_time=at_time, **options
    )
    assert made_pairs == wanted


@pytest.mark.parametrize("recipe", [("popularity",), ("uniform:0.7", "weak:0.3")], ids=" ".join)
def test_pairs_of_positives_drawn_with_replacement(recipe):
    log = log_with_values(6, SHAPES["small"])
    sources = {name: name for name in (*SamplerRule.parse(recipe).names, "fallback")} | {None: recipe[0]}
    made_pairs = pairs(log, sources, sampler=recipe, bootstrap=300, seed=4)
    parsed = SamplerRule.parse(recipe)
    assert made_pairs == reference_samplers.train_rows(
        log, list(parsed.names), list(parsed.shares), 1, least=2, as_pairs=True, bootstrap=300, seed=4
    )


@pytest.mark.parametrize("given", [{"alpha": 1.0, "smooth": 1.0}, {"alpha": -0.5}, {"alpha": 0.0}, {"alpha": 10.0}])
def test_rows_of_other_weights(given):
    log = log_with_values(4, SHAPES["small"])
    options = {"num_neg": 20, "distinct": True, "seed": 1}
    texts = {name: repr(value) for name, value in given.items()}
    assert made(log, ("popularity",), **options, **given) == expected(log, ("popularity",), **options, **texts)


def test_rows_of_weights_from_a_file():
    """Far apart, so that the rounds of redraws do not suffice; some are less than a unit; some items have none."""
    log = log_with_values(4, SHAPES["small"])
    items = sorted({item for _, item, _, _ in log})
    weights = {item: 10.0 ** -(2 * place) for place, item in enumerate(items) if place % 5}
    options = {"num_neg": 12, "distinct": True, "seed": 1, "weights": weights}
    assert made(log, ("popularity",), **options) == expected(log, ("popularity",), **options)
    mixed = ("popularity:0.9", "weak:0.1")
    assert made(log, mixed, **options) == expected(log, mixed, **options)


@pytest.mark.parametrize("n_items", [1, 2, 3, 7, 64, 65])
def test_the_table_of_the_reference_holds_the_units(n_items):
    """Each column gives its threshold to itself and the rest to its alias."""
    chance = random.Random(n_items)
    for _ in range(20):
        units = reference_samplers.popularity_units(
            [chance.choice([0, 1, 2, 5, 100]) for _ in range(n_items - 1)] + [1], "1.0", "0"
        )
        column = 1 << reference_samplers.column_bits(n_items)
        assert sum(units) == n_items * column
        thresholds, aliases = reference_samplers.alias_table(units)
        held = [0] * n_items
        for code in range(n_items):
            held[code] += thresholds[code]
            held[aliases[code]] += column - thresholds[code]
        assert held == units


def test_shares_have_no_common_factor():
    """As docs/internals/randomness.md says: the smallest whole numbers in these proportions."""
    assert SamplerRule.parse(("uniform:0.50", "weak:.25", "popularity:0.25")).shares == (2, 1, 1)
    assert SamplerRule.parse(("uniform:0.7", "weak:0.3")).shares == (7, 3)


def test_fixed_counts_of_a_user_who_runs_out_of_one_kind():
    """One item is eligible and three draws of it are asked for: the other two are of the weak ones, and all differ."""
    log = [("u", "a", 0, 3), *(("u", item, 0, 0) for item in "bcdef"), *(("v", item, 0, 3) for item in "abcdefg")]
    rows = made(log, ("uniform=3", "weak=1"), distinct=True)
    assert rows == expected(log, ("uniform=3", "weak=1"), num_neg=4, distinct=True)
    assert len({item for user, item, _, _ in rows if user == "u"}) == 5


@pytest.mark.parametrize("recipe", [("uniform:0.7", "weak:0.3"), ("popularity=3", "weak=1")], ids=" ".join)
def test_a_user_who_has_seen_everything_gets_what_is_weak(recipe):
    """Nothing is eligible, and nothing else than the five weak items may come."""
    log = [*(("u", item, 0, 3 * (item in "ab")) for item in "abcdefg"), *(("v", item, 0, 3) for item in "abcd")]
    rows = made(log, recipe, num_neg=4)
    assert rows == expected(log, recipe, num_neg=4)
    mine = [row for row in rows if row[0] == "u" and not row[2]]
    assert {source for *_, source in mine} == {"weak"}
    table = pa.table(
        {name: [row[place] for row in log] for place, name in enumerate(("user", "item", "time", "value"))}
    )
    with_q = negprep.train(
        table, sampler=recipe, positive=">=2", num_neg=4, with_log_q=True, holdout="none"
    ).to_pylist()
    of_user = [row["log_q"] for row in with_q if row["user"] == "u" and not row["label"]]
    assert of_user == pytest.approx([math.log(1 / 5)] * 8)
