"""Whole runs of each sampler on a small log, and the checks that their rows must pass: of each group, and of all."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import independent_samplers
import numpy as np
import plain_samplers
import pyarrow as pa
from randomness import checks
from randomness.experiments import Rejected

import negprep

N_USERS, ITEMS = 30, list(range(100, 122))


def _log():
    """Skewed items, distinct times of each user, values 1 to 5; one user has seen everything, one has one row."""
    chance = random.Random(7_531)
    popular = [1 / (1 + place) for place in range(len(ITEMS))]
    rows = []
    for user in range(N_USERS):
        size = {0: len(ITEMS), 1: 1}.get(user, chance.randint(3, 14))
        mine = ITEMS if user == 0 else []
        while len(mine) < size:
            item = chance.choices(ITEMS, popular)[0]
            if item not in mine:
                mine = [*mine, item]
        times = chance.sample(range(1, 60), size)
        rows += [(user, item, time, chance.choice([1, 2, 4, 4, 5])) for item, time in zip(mine, times, strict=True)]
    chance.shuffle(rows)
    return rows


ROWS = _log()
LOG = pa.table(dict(zip(("user", "item", "time", "value"), map(list, zip(*ROWS, strict=True)), strict=True)))
"""Some (user, item) pairs of a log of exposures, the log's own positives among them."""
SHOWN = [(user, item) for user in range(0, N_USERS, 2) for item in ITEMS[user % 5 :: 6]]
WEIGHTS = {item: (0 if item % 7 == 3 else 0.3 * (item - 99)) for item in ITEMS[1:]}
CATALOG = {item: ("abc"[item % 3], 1 + (item * 37) % 60) for item in [*ITEMS[1:], 300, 301]}

RESTRICTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "whole catalog": ({}, {}),
    "at time": ({"available_at_time": True}, {"at_time": True}),
    "same": ({"same": "category"}, {"same": True, "catalog": CATALOG}),
    "at time, same": (
        {"available_at_time": True, "same": "category"},
        {"at_time": True, "same": True, "catalog": CATALOG},
    ),
}


def catalog_table(*, with_available):
    columns = {"item": list(CATALOG), "category": [kind for kind, _ in CATALOG.values()]}
    return pa.table(columns | ({"available_from": [since for _, since in CATALOG.values()]} if with_available else {}))


@dataclass(frozen=True)
class Scenario:
    """A sampler: the keywords for the package, and the same for the model."""

    keywords: dict[str, Any]
    model: dict[str, Any] = field(default_factory=dict)

    @property
    def fixed(self):
        return self.model.get("fixed", False)


def _liked(row):
    return row["value"] >= 4


RATED = ({"positive": ">=4"}, {"positive": _liked})
FILE = {"weak": pa.table({"user": [user for user, _ in SHOWN], "item": [item for _, item in SHOWN]})}


def _weighted(**options):
    return Scenario({"sampler": "popularity", **options}, {"names": ("popularity",), **options})


SCENARIOS = {
    "uniform": Scenario({}, {}),
    "popularity": _weighted(),
    "popularity, alpha 1": _weighted(alpha=1.0),
    "popularity, alpha 0": _weighted(alpha=0.0),
    "popularity, alpha -0.5": _weighted(alpha=-0.5),
    "popularity, smoothed": _weighted(alpha=0.5, smooth=2.0),
    "popularity, rated": Scenario(
        {"sampler": "popularity", "positive": ">=4"}, {"names": ("popularity",), "positive": _liked}
    ),
    "weights": Scenario(
        {"sampler": "popularity", "weights": pa.table({"item": list(WEIGHTS), "weight": list(WEIGHTS.values())})},
        {"names": ("popularity",), "weights": WEIGHTS},
    ),
    "weak": Scenario({"sampler": "weak"} | RATED[0], {"names": ("weak",)} | RATED[1]),
    "weak, from a file": Scenario({"sampler": "weak"} | FILE, {"names": ("weak",), "weak": SHOWN}),
    "weak and uniform": Scenario(
        {"sampler": ("weak:0.3", "uniform:0.7")} | RATED[0] | FILE,
        {"names": ("weak", "uniform"), "shares": (3, 7), "weak": SHOWN} | RATED[1],
    ),
    "all three": Scenario(
        {"sampler": ("popularity:0.5", "weak:.2", "uniform:0.3"), "alpha": 1.0} | RATED[0],
        {"names": ("popularity", "weak", "uniform"), "shares": (5, 2, 3), "alpha": 1.0} | RATED[1],
    ),
    "popularity and uniform": Scenario(
        {"sampler": ("popularity:0.25", "uniform:0.75")}, {"names": ("popularity", "uniform"), "shares": (1, 3)}
    ),
    "counts": Scenario(
        {"sampler": ("weak=2", "uniform=1", "popularity=1")} | RATED[0],
        {"names": ("weak", "uniform", "popularity"), "shares": (2, 1, 1), "fixed": True} | RATED[1],
    ),
    "counts, no weak": Scenario(
        {"sampler": ("popularity=2", "uniform=1")},
        {"names": ("popularity", "uniform"), "shares": (2, 1), "fixed": True},
    ),
}


@cache
def arguments(scenario, restriction, command):
    """Keywords for the package; the model."""
    keywords, same = RESTRICTIONS[restriction]
    keywords = {**SCENARIOS[scenario].keywords, **keywords, "holdout": "last"}
    if "same" in keywords:
        keywords["items"] = catalog_table(with_available="available_at_time" in keywords)
    given = {**SCENARIOS[scenario].model, **same, "holdout": "last", "command": command}
    return keywords, independent_samplers.Model(LOG, **given)


def make(command, **keywords):
    return {"train": negprep.train, "test": negprep.test}[command](LOG, **keywords)


def check_rows(scenario, restriction, command, *, distinct, num_neg, seed=0, layout="listwise", with_log_q=True):
    """Hard invariants and log q of every group; the groups and the model."""
    keywords, model = arguments(scenario, restriction, command)
    if SCENARIOS[scenario].fixed:
        num_neg = sum(model.shares)
    keywords = keywords | {
        "num_neg": num_neg,
        "distinct": distinct,
        "seed": seed,
        "layout": layout,
        "with_log_q": with_log_q,
    }
    rows = make(command, **keywords)
    groups = independent_samplers.check(
        model, rows, num_neg=num_neg, distinct=distinct, whole_users=command == "test" and layout == "pointwise"
    )
    return groups, model


def check_draws(scenario, restriction, command, *, distinct, seed, size=1, least=1e-5):
    """The items drawn against their laws: all draws that may repeat, or the first and the second distinct one."""
    keywords, model = arguments(scenario, restriction, command)
    num_neg = sum(model.shares) if model.fixed else 2 if distinct else 20 if command == "train" else 90
    keywords = keywords | {"num_neg": num_neg, "distinct": distinct, "layout": "listwise"}
    place = {item: at for at, item in enumerate([*ITEMS, 300, 301])}
    per_draw: dict[int, tuple[list[int], list[np.ndarray]]] = {}
    laws: dict[tuple[Any, Any, int], np.ndarray] = {}  # positives with the same supply have the same law
    n_runs = 4 if distinct or model.fixed else 1
    for run in range(n_runs * size * (4 if command == "test" and n_runs > 1 else 1)):
        for group in independent_samplers.drawn_groups(make(command, **keywords, seed=seed + run)):
            supply = model.supply(group.user, group.positive)
            for draw, item in enumerate(group.negatives[: 2 if distinct else None]):
                key = (supply.eligible, supply.weak, draw if distinct or model.fixed else 0)
                if key not in laws:
                    laws[key] = law(model, supply, key[-1], place, distinct=distinct)
                items, of = per_draw.setdefault(draw if distinct else 0, ([], []))
                items.append(place[item])
                of.append(laws[key])
    for draw, (items, of) in per_draw.items():
        p = checks.of_laws(np.array(items), np.array(of))
        if p < least or p > 1 - 1e-9:
            raise Rejected(f"{scenario}, {restriction}, {command}, draw {draw}", p)


def law(model, supply, draw, place, *, distinct):
    """The probability of each item in the given draw of a group that has this supply."""
    given = (model.names, model.shares, supply.eligible, supply.weak, model.weights)
    chances = np.zeros(len(place))
    if distinct:
        for drawn, chance in plain_samplers.distinct_draws(*given, draw + 1, fixed=model.fixed).items():
            chances[place[drawn[-1]]] += chance
        return chances
    q = supply.q
    if model.fixed:
        of_draw = [name for name, share in zip(model.names, model.shares, strict=True) for _ in range(share)]
        q = plain_samplers.component(of_draw[draw], supply.eligible, supply.weak, model.weights)
    for item, chance in q.items():
        chances[place[item]] = float(chance)
    return chances
