"""The package gives the rows of the plain reference for the samplers that draw by a model."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
import reference_models
from logs import random_rows

import negprep
from negprep.encode.vocabulary import Vocabulary
from negprep.model_file import Model, write_model
from negprep.options.specs import SamplerRule

SHAPES = {
    "small": {"users": 20, "items": 40, "most": 12},
    "dense": {"users": 15, "items": 12, "most": 12},
    "sparse": {"users": 8, "items": 300, "most": 9},
}


def a_case(shape, folder, *, bias, strangers):
    """A log of (user, item, time), one time a pair; weak pairs; a model of it, plain and as a file."""
    log = list({row[:2]: row for row in random_rows(3, **SHAPES[shape])}.values())
    chance = random.Random(7)
    users, items = (sorted({row[side] for row in log}, key=str) for side in (0, 1))
    weak = [(chance.choice(users), chance.choice(items)) for _ in range(4 * len(users))]
    known_users, known_items = (
        [each for each in ids if not strangers or chance.random() < 0.7] for ids in (users, items)
    )

    def numbers(count):
        return [float(np.float32(chance.gauss(0, 1))) for _ in range(count)]

    plain = reference_models.Plain(
        {user: numbers(5) for user in known_users},
        {item: numbers(5) for item in known_items},
        {item: numbers(1)[0] for item in known_items} if bias else None,
    )
    arrays = {"user_factors": list(plain.users.values()), "item_factors": list(plain.items.values())}
    if plain.bias is not None:
        arrays["item_bias"] = list(plain.bias.values())
    arrays = {name: np.array(values, np.float32) for name, values in arrays.items()}
    np.savez(folder / "m.npz", users=np.array(known_users), items=np.array(known_items), **arrays)
    return log, weak, plain


def made(log, weak, recipe, folder, **options):
    table = pa.table(dict(zip(("user", "item", "time"), map(list, zip(*log, strict=True)), strict=True)))
    pairs = pa.table(dict(zip(("user", "item"), map(list, zip(*weak, strict=True)), strict=True)))
    at_time = options.pop("at_time", False)
    options = {"holdout": "none"} | options
    rows = negprep.train(
        table,
        sampler=recipe,
        weak=pairs,
        model=folder / "m.npz",
        layout="pairwise",
        available_at_time=at_time,
        **options,
    ).to_pylist()
    return [(row["user"], row["pos_item"], row["neg_item"], row["source"]) for row in rows]


@pytest.mark.parametrize("recipe", [("hard",), ("reinforced",), ("hard:0.4", "uniform:0.6")], ids=" ".join)
@pytest.mark.parametrize("at_time", [False, True], ids=["all", "at_time"])
@pytest.mark.parametrize("strangers", [False, True], ids=["known", "strangers"])
@pytest.mark.parametrize("shape", SHAPES)
def test_rows(tmp_path, shape, strangers, at_time, recipe):
    log, weak, plain = a_case(shape, tmp_path, bias=at_time, strangers=strangers)
    parsed = SamplerRule.parse(recipe)
    for size, second, third in ((7, 2, 1), (3, 1, 0), (50, 1, 2)):
        if recipe == ("reinforced",):
            rule, keywords = (size, second, 0.5), {"pool_weak": second, "temperature": 0.5}
        else:
            rule, keywords = (size, second, third), {"top": second, "skip_top": third}
        options = {"num_neg": 5, "seed": size, "at_time": at_time}
        wanted = reference_models.train_rows(log, weak, plain, list(parsed.names), list(parsed.shares), rule, **options)
        assert made(log, weak, recipe, tmp_path, pool=size, **keywords, **options) == wanted


@pytest.mark.parametrize("strangers", [False, True], ids=["known", "strangers"])
@pytest.mark.parametrize("recipe", [("hard",), ("reinforced",)], ids=" ".join)
def test_distinct_rows(tmp_path, recipe, strangers):
    """Also where new pools bring nothing new, and a draw is made of what is left."""
    log, weak, plain = a_case("small", tmp_path, bias=True, strangers=strangers)
    if strangers:
        plain.users = {user: plain.users.get(user, [1.0] * 5) for user in {row[0] for row in log}}
        users = np.array(list(plain.users.values()), np.float32)
        with np.load(tmp_path / "m.npz") as arrays:
            np.savez(tmp_path / "m.npz", **{**arrays, "users": np.array(list(plain.users)), "user_factors": users})
    rule = (9, 1, 0) if recipe == ("hard",) else (9, 2, 0.1)
    keywords = {} if recipe == ("hard",) else {"pool_weak": 0, "temperature": 0.1}
    rule = rule if recipe == ("hard",) else (9, 0, 0.1)
    wanted = reference_models.train_rows(log, weak, plain, list(recipe), [1], rule, 12, distinct=True, seed=1)
    assert made(log, weak, recipe, tmp_path, pool=9, num_neg=12, distinct=True, seed=1, **keywords) == wanted


def test_the_model_of_these_tests_is_a_model(tmp_path):
    """Written by the package, it gives the same rows as written by numpy."""
    log, weak, plain = a_case("small", tmp_path, bias=True, strangers=False)
    before = made(log, weak, ("hard",), tmp_path, pool=5)
    order = [sorted(plain.users, key=str), sorted(plain.items, key=str)]
    if not isinstance(order[0][0], str):
        order = [sorted(plain.users), sorted(plain.items)]
    model = Model(
        "own",
        *(Vocabulary(pa.array(ids)) for ids in order),
        np.array([plain.users[user] for user in order[0]], np.float32),
        np.array([plain.items[item] for item in order[1]], np.float32),
        np.array([plain.bias[item] for item in order[1]], np.float32),
    )
    write_model(str(tmp_path / "m.npz"), model)
    assert made(log, weak, ("hard",), tmp_path, pool=5) == before
