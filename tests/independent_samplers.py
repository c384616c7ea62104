"""Samplers recomputed from the log in plain Python: what every group may hold, with which probability, and its log q.

``Model`` says of each (user, positive) what may be drawn; ``check`` compares the rows of an output, in any layout, with
that. Nothing here is shared with the package; a log must have distinct times for each user.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import independent
import plain_samplers


@dataclass
class Drawn:
    """A group of an output, with all that it says."""

    user: Any
    positive: Any
    negatives: list[Any]
    sources: list[str] | None
    log_q: list[float] | None
    pos_log_q: float | None


@dataclass(frozen=True)
class Supply:
    """What may be drawn for a group, and how likely each draw is."""

    eligible: tuple[Any, ...]
    weak: tuple[Any, ...]
    shown: tuple[Any, ...]
    size: int
    q: Mapping[Any, float]
    positive_q: float


class Model:
    """A log, and options that decide what is drawn.

    Parameters
    ----------
    command : {"train", "test"}
    names, shares, fixed
        The sampler's components.
    catalog : {item: (category, available from)}, optional
    same, at_time : bool
    positive : function of a row (a dict) to bool, optional
    weak, exclude : (user, item) pairs
    alpha, smooth : numbers
    weights : {item: weight}, optional
    holdout : {"none", "last"}
    keep_time : {"last", "first"}
    group_col : str, optional
        The column of impressions; None in it is no impression.
    takes_all : bool
        The negatives are the whole impression, and nothing else.
    """

    def __init__(
        self,
        log: Any,
        *,
        command: str = "train",
        names: tuple[str, ...] = ("uniform",),
        shares: tuple[int, ...] = (1,),
        fixed: bool = False,
        catalog: Mapping[Any, tuple[Any, int]] | None = None,
        same: bool = False,
        at_time: bool = False,
        positive: Callable[[dict[str, Any]], bool] | None = None,
        weak: Iterable[tuple[Any, Any]] = (),
        exclude: Iterable[tuple[Any, Any]] = (),
        alpha: float = 0.75,
        smooth: float = 0.0,
        weights: Mapping[Any, float] | None = None,
        holdout: str = "none",
        keep_time: str = "last",
        group_col: str | None = None,
        takes_all: bool = False,
    ) -> None:
        self.takes_all = takes_all
        self.command, self.names, self.shares, self.fixed = command, names, shares, fixed
        self.same, self.at_time, self.categories = same, at_time, catalog
        self.users = independent.observe(log, positive=positive, keep_time=keep_time)
        columns = independent.columns_of(log)
        self.group: dict[tuple[Any, Any], Any] = {}
        self.shown: dict[tuple[Any, Any], set[Any]] = {}
        for row in zip(*columns.values(), strict=True) if group_col is not None else ():
            values = dict(zip(columns, row, strict=True))
            user, item, group = values["user"], values["item"], values[group_col]
            if positive is not None and positive(values):
                if values["time"] == self.users[user].times[item]:
                    self.group[user, item] = group
            elif group is not None:
                self.shown.setdefault((user, group), set()).add(item)
        first: dict[Any, int] = {}
        for item, time in zip(columns["item"], columns["time"], strict=True):
            first[item] = min(time, first.get(item, time))
        self.catalog = sorted(first if catalog is None else catalog)
        self.first = dict(first)
        if catalog is not None:
            for item, (_, since) in catalog.items():
                self.first[item] = min(since, first.get(item, since))
        excluded, shown = independent._excluded_of(exclude, None), independent._excluded_of(weak, None)
        self.held = {
            user: max(known.positives, key=known.times.__getitem__)
            for user, known in self.users.items()
            if holdout == "last" and len(known.positives) >= 2
        }
        self.train, self.weak, self.seen = {}, {}, {}
        for user, known in self.users.items():
            self.train[user] = known.positives - {self.held.get(user)}
            touched = (known.items | shown.get(user, set())) - known.positives
            self.weak[user] = touched - excluded.get(user, set())
            avoided = self.train[user] if command == "train" else known.positives
            self.seen[user] = avoided | touched | excluded.get(user, set())
        counts = Counter(item for mine in self.train.values() for item in mine)
        self.weights = {
            item: float(_power(counts[item] + smooth, alpha) if weights is None else weights.get(item, 0))
            for item in self.catalog
        }
        self.supply = cache(self._supply)

    def heads(self) -> list[tuple[Any, Any]]:
        """The positives that lead a group."""
        if self.command == "train":
            return [(user, item) for user, mine in self.train.items() for item in mine]
        return list(self.held.items())

    def _supply(self, user: Any, positive: Any) -> Supply:
        def fits(item: Any) -> bool:
            if self.same and (self.categories is None or positive not in self.categories):
                return False
            if self.same and self.categories and self.categories[item][0] != self.categories[positive][0]:
                return False
            return not self.at_time or self.first[item] <= self.users[user].times[positive]

        inside = [item for item in self.catalog if fits(item)]
        eligible = tuple(item for item in inside if item not in self.seen[user])
        weak = tuple(item for item in inside if item in self.weak[user] and "weak" in self.names)
        beside = self.shown.get((user, self.group.get((user, positive))), set()) & self.weak[user]
        shown = tuple(item for item in inside if item in beside)
        alone = self.names == ("popularity",)
        size = sum(self.weights[item] > 0 for item in eligible) if alone else len({*eligible, *weak, *shown})
        size = len(shown) if self.takes_all else size
        of = self.names, self.shares, eligible, weak, self.weights
        q = plain_samplers.one_draw(*of, falls_back=not alone, shown=shown)
        return Supply(eligible, weak, shown, size, q, self._positive_q(positive, eligible, weak, shown))

    def _positive_q(
        self, positive: Any, eligible: tuple[Any, ...], weak: tuple[Any, ...], shown: tuple[Any, ...]
    ) -> float:
        total = 0.0
        weights = self.weights | {positive: self.weights.get(positive, 0.0)}
        for name, share in zip(self.names, self.shares, strict=True):
            if self.names != ("popularity",) and not plain_samplers.points_of(name, eligible, weak, weights, shown):
                name = "uniform"
            points = plain_samplers.points_of(name, [*eligible, positive], weak, weights, shown)
            if sum(points.values()):
                total += share / sum(self.shares) * float(points.get(positive, 0) / sum(points.values()))
        return total


def _power(base: float, alpha: float) -> float:
    return base**alpha if base > 0 else 0.0


def drawn_groups(rows: Any, *, whole_users: bool = False) -> list[Drawn]:
    """The groups of an output in any layout, in order, with their sources and log q."""
    columns = independent.columns_of(rows)
    n_rows = len(columns["user"])
    nothing = [None] * n_rows
    sources = columns.get("source", nothing)
    if "neg_items" in columns:
        log_q, of_positives = columns.get("neg_log_q", nothing), columns.get("pos_log_q", nothing)
        return [
            Drawn(*given)
            for given in zip(
                columns["user"], columns["pos_item"], columns["neg_items"], sources, log_q, of_positives, strict=True
            )
        ]
    groups: list[Drawn] = []

    def extend(group: Drawn, item: Any, source: Any, value: Any) -> None:
        group.negatives.append(item)
        if group.sources is not None:
            group.sources.append(source)
        if group.log_q is not None:
            group.log_q.append(value)

    def start(user: Any, positive: Any, source: Any, value: Any) -> Drawn:
        return Drawn(user, positive, [], None if source is None else [], None if value is None else [], value)

    if "neg_item" in columns:
        values, of_positives = columns.get("neg_log_q", nothing), columns.get("pos_log_q", nothing)
        for user, positive, item, source, value, of_positive in zip(
            columns["user"], columns["pos_item"], columns["neg_item"], sources, values, of_positives, strict=True
        ):
            if not groups or (groups[-1].user, groups[-1].positive) != (user, positive):
                groups.append(start(user, positive, source, of_positive))
            assert groups[-1].pos_log_q == of_positive
            extend(groups[-1], item, source, value)
        return groups
    values = columns.get("log_q", nothing)
    rows_ = list(zip(columns["user"], columns["item"], columns["label"], sources, values, strict=True))
    heads = {user: row for row in rows_ for user in [row[0]] if row[2] == 1} if whole_users else {}
    for user, item, label, source, value in rows_:
        if label == 1:
            assert source in (None, "positive")
        if whole_users and (not groups or groups[-1].user != user):
            _, positive, _, of, at = heads[user]
            groups.append(start(user, positive, of, at))
        if label == 0:
            extend(groups[-1], item, source, value)
        elif not whole_users:
            groups.append(start(user, item, source, value))
    return groups


def check(
    model: Model, rows: Any, *, num_neg: int, distinct: bool, tolerance: float = 1e-9, whole_users: bool = False
) -> list[Drawn]:
    """Every group: which, how many, of what, from where, how likely. Returns the groups."""
    groups = drawn_groups(rows, whole_users=whole_users)
    hides = "neg_item" in independent.columns_of(rows)  # in pairs a positive without a negative has no row
    wanted = {head for head in model.heads() if not hides or model.supply(*head).size}
    found = [(group.user, group.positive) for group in groups]
    assert len(found) == len(set(found)), "a positive leads two groups"
    assert set(found) == wanted, f"other positives lead groups: {sorted(set(found) ^ wanted)[:3]}"
    has_sources = len(model.names) > 1 or model.names in (("weak",), ("impression",))
    for group in groups:
        supply = model.supply(group.user, group.positive)
        who = f"of user {group.user!r}, positive {group.positive!r}"
        count = min(num_neg, supply.size) if distinct else num_neg * (supply.size > 0)
        assert len(group.negatives) == count, f"{len(group.negatives)} negatives {who}, not {count}"
        assert not distinct or len(set(group.negatives)) == count, f"a negative {who} occurs twice"
        stray = set(group.negatives) - {*supply.eligible, *supply.weak, *supply.shown}
        assert not stray, f"{sorted(stray)} {who} may not be drawn"
        if model.names == ("popularity",):
            light = [item for item in group.negatives if not model.weights[item]]
            assert not light, f"{light} {who} have no weight"
        assert (group.sources is not None) == (has_sources and (not hides or count > 0))
        _check_sources(model, supply, group, who, distinct=distinct)
        for item, value in zip(group.negatives, group.log_q or [], strict=False):
            q = float(supply.q.get(item, 0))
            expected = math.log(q) if q else -math.inf
            assert math.isclose(value, expected, abs_tol=tolerance), f"log q {value} of {item} {who}, not {expected}"
        if group.pos_log_q is not None:
            expected = math.log(supply.positive_q) if supply.positive_q else -math.inf
            assert math.isclose(group.pos_log_q, expected, abs_tol=tolerance), (
                f"log q {group.pos_log_q} of the positive {who}, not {expected}"
            )
    return groups


def _check_sources(model: Model, supply: Supply, group: Drawn, who: str, *, distinct: bool) -> None:
    for item, source in zip(group.negatives, group.sources or [], strict=False):
        assert source in (*model.names, "fallback"), f"the source {source!r} {who}"
        listed = item in supply.weak or item in supply.shown
        assert (source in plain_samplers.LISTED) == listed, f"{item} {who} comes from {source}"
        assert source != "impression" or item in supply.shown, f"{item} {who} was not shown with it"
        if source == "popularity":
            assert model.weights[item] > 0, f"{item} {who} has no weight"
        if source == "fallback" and not distinct:
            empty = [
                name
                for name in model.names
                if not plain_samplers.points_of(name, supply.eligible, supply.weak, model.weights, supply.shown)
            ]
            assert empty, f"{item} {who} fell back, and every component had something"
    if model.fixed and not distinct and group.sources:
        of_draw = [name for name, share in zip(model.names, model.shares, strict=True) for _ in range(share)]
        for name, source in zip(of_draw, group.sources, strict=True):
            has = plain_samplers.points_of(name, supply.eligible, supply.weak, model.weights, supply.shown)
            assert not has or source == name, f"the source {source} {who}, not {name}"
