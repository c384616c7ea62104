"""What each sampler must draw, by sets and fractions alone: the probability of a draw, and of several distinct ones.

A user is what may be drawn for a group: ``eligible`` (items), ``weak`` (listed items, disjoint from these), those of
them that were ``shown`` in its impression, and the ``weights`` of all items, as fractions or floats. Nothing here is
shared with the package.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

Probabilities = dict[Any, Any]


LISTED = ("weak", "impression")


def points_of(
    name: str, eligible: Iterable[Any], weak: Iterable[Any], weights: Mapping[Any, Any], shown: Iterable[Any] = ()
) -> dict[Any, Any]:
    """The points of the items that a component can produce."""
    if name in LISTED:
        return {item: Fraction(1) for item in (weak if name == "weak" else shown)}
    if name == "popularity":
        return {item: weights[item] for item in eligible if weights[item]}
    return {item: Fraction(1) for item in eligible}


def component(
    name: str,
    eligible: Sequence[Any],
    weak: Sequence[Any],
    weights: Mapping[Any, Any],
    shown: Sequence[Any] = (),
    lists: Sequence[str] = ("weak",),
) -> Probabilities:
    """The draw of one component after fall-back: uniform where it has nothing, and the first list where that has."""
    for one in (name, "uniform", *lists):
        points = points_of(one, eligible, weak, weights, shown)
        if points:
            total = sum(points.values())
            return {item: point / total for item, point in points.items()}
    return {}


def one_draw(
    names: Sequence[str],
    shares: Sequence[int],
    eligible: Sequence[Any],
    weak: Sequence[Any],
    weights: Mapping[Any, Any],
    *,
    falls_back: bool = True,
    shown: Sequence[Any] = (),
) -> Probabilities:
    """The probability of each item in one draw."""
    q: Probabilities = {}
    lists = [name for name in names if name in LISTED]
    for name, share in zip(names, shares, strict=True):
        if not falls_back and not points_of(name, eligible, weak, weights):
            return {}
        for item, part in component(name, eligible, weak, weights, shown, lists).items():
            q[item] = q.get(item, Fraction(0)) + Fraction(share, sum(shares)) * part
    return q


def distinct_draws(
    names: Sequence[str],
    shares: Sequence[int],
    eligible: Sequence[Any],
    weak: Sequence[Any],
    weights: Mapping[Any, Any],
    count: int,
    *,
    fixed: bool,
    shown: Sequence[Any] = (),
) -> dict[tuple[Any, ...], float]:
    """The probability of each ordered choice: draw, take away, draw again.

    Where what a draw may come from is used up, it is uniform among the eligible items that are left, and where there
    is none, among the listed ones.
    """
    of_draw = [name for name, share in zip(names, shares, strict=True) for _ in range(share)] if fixed else []
    q = {item: float(part) for item, part in one_draw(names, shares, eligible, weak, weights, shown=shown).items()}
    lists = [name for name in names if name in LISTED]
    found = {(): 1.0}
    for draw in range(count):
        longer = {}
        for drawn, chance in found.items():
            left = [item for item in eligible if item not in drawn]
            listed, here = ([item for item in items if item not in drawn] for items in (weak, shown))
            if fixed:
                rest = component(of_draw[draw], left, listed, weights, here, lists)
            else:
                rest = {item: part for item, part in q.items() if item not in drawn}
                rest = rest or component("uniform", left, listed, weights, here, lists)
            total = sum(rest.values())
            for item, part in rest.items():
                longer[*drawn, item] = chance * float(part / total)
        found = longer
    return found
