"""Metrics of scored lists in plain Python, by counting through every order of the ties; for tests."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from math import fsum, log2


def lists_of(rows):
    """(user, group) to its rows, from rows of (user, group, item, label, score)."""
    lists = defaultdict(list)
    for user, group, item, label, score in rows:
        lists[user, group].append((item, label, score))
    return lists


def places(candidates):
    """Every place, from 1, that the positive may have, each as likely as the others."""
    (positive,) = [score for _, label, score in candidates if label == 1]
    higher = sum(score > positive for _, _, score in candidates)
    equal = sum(score == positive for _, _, score in candidates)
    return range(higher + 1, higher + equal + 1)


METRICS = {
    "hr": lambda place, cut, _size: 1.0 if place <= cut else 0.0,
    "ndcg": lambda place, cut, _size: 1 / log2(1 + place) if place <= cut else 0.0,
    "mrr": lambda place, _cut, _size: 1 / place,
    "auc": lambda place, _cut, size: float(Fraction(size - place, size - 1)),
    "place": lambda place, _cut, _size: float(place),
}


def by_user(rows, name):
    """User to the mean of a metric (``hr@5``, ``mrr``, ...) over the user's lists."""
    metric, _, cut = name.partition("@")
    values = defaultdict(list)
    for (user, _), candidates in lists_of(rows).items():
        possible = [METRICS[metric](place, int(cut or 0), len(candidates)) for place in places(candidates)]
        values[user].append(fsum(possible) / len(possible))
    return {user: fsum(found) / len(found) for user, found in values.items()}


def overall(rows, name):
    """The mean over users."""
    found = by_user(rows, name)
    return fsum(found.values()) / len(found)
