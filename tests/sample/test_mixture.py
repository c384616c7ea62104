"""Mixtures: draws and their stated probabilities against an enumeration in fractions, for every sampler and window."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import plain_samplers
import pytest
from randomness.experiments import seen_of
from sample.test_measures import keys_of
from scipy import stats

from negprep.sample import mixture as module
from negprep.sample.measures import Asks, EligibleItems, ListedItems
from negprep.sample.mixture import Mixture
from negprep.sample.popularity import WeightedItems, Weights
from negprep.sample.rng import bounded, mix
from negprep.sample.seen import MaskBuffer, Seen, SeenBlock

N_ITEMS = 8
SEEN = [[1, 4, 6], [], [0, 1, 2, 3, 5, 7], [0, 1, 2, 3, 4, 5, 6, 7], [0, 2]]
LISTED = [[4, 6], [], [0, 3, 5], [2, 6, 7], [2]]
COUNTS = [5, 9, 1, 0, 3, 2, 8, 30]
UNITS = [count << 55 for count in COUNTS[:-1]]
UNITS = [*UNITS, (8 << 59) - sum(UNITS)]
"""Item 3 has no weight; all add up to 8 columns of 2**59."""


@dataclass(frozen=True)
class Case:
    names: tuple[str, ...]
    shares: tuple[int, ...]
    fixed: bool = False

    @property
    def falls_back(self):
        return self.names != ("popularity",)

    def __str__(self):
        mark = "=" if self.fixed else ":"
        return " ".join(f"{name}{mark}{share}" for name, share in zip(self.names, self.shares, strict=True))


CASES = [
    Case(("uniform",), (1,)),
    Case(("popularity",), (1,)),
    Case(("weak",), (1,)),
    Case(("uniform", "weak"), (7, 3)),
    Case(("popularity", "weak"), (1, 4)),
    Case(("popularity", "uniform"), (1, 1)),
    Case(("weak", "popularity", "uniform"), (5, 3, 2)),
    Case(("uniform", "weak"), (2, 1), fixed=True),
    Case(("weak", "popularity"), (2, 1), fixed=True),
    Case(("popularity", "weak", "uniform"), (1, 1, 1), fixed=True),
]
cases = pytest.mark.parametrize("case", CASES, ids=str)
WINDOWS = pytest.mark.parametrize("window", [None, (0, 4), (2, 7), (3, 4)], ids=str)


def supply(case, user, window):
    """Eligible and listed items of the window, and all weights."""
    low, high = window or (0, N_ITEMS)
    inside = range(low, high)
    listed = LISTED[user] if "weak" in case.names else []
    return (
        [j for j in inside if j not in SEEN[user]],
        [j for j in inside if j in listed],
        dict(enumerate(map(Fraction, UNITS))),
    )


def drawable(case, user, window):
    """How many different items there are, as ``Sampling.supply`` says."""
    eligible, weak, weights = supply(case, user, window)
    if not case.falls_back:
        return sum(weights[item] > 0 for item in eligible)
    return len(eligible) + len(weak)


def asks_of(users, window, salt=0):
    rows = np.array(users, np.int64)
    spans = () if window is None else tuple(np.full(len(rows), end) for end in window)
    return Asks(rows, keys_of(len(rows), salt), rows, *spans)


def make(case, mask, block):
    eligible = EligibleItems(block, mask)
    measures = {
        "uniform": eligible,
        "popularity": WeightedItems(block, Weights(np.array(UNITS), 59), mask),
        "weak": ListedItems(seen_of(LISTED, N_ITEMS), 0, len(SEEN)),
    }
    return Mixture(
        [measures[name] for name in case.names],
        np.array(case.shares),
        case.fixed,
        eligible if case.falls_back else None,
    )


def drawn(case, window, user, groups, count, *, distinct, salt):
    block = SeenBlock(seen_of(SEEN, N_ITEMS), 0, len(SEEN))
    with block.marked(MaskBuffer()) as mask:
        asks = asks_of([user] * groups, window, salt)
        return make(case, mask, block).draw(asks, np.full(groups, count), max(count, 1), distinct=distinct)


def chi_square(observed, expected):
    """The p-value of counts (a Counter) against probabilities; none may fall outside these. Rare ones together."""
    total = sum(observed.values())
    stray = set(observed) - set(expected)
    assert not stray, f"{sorted(stray)[:3]} cannot be drawn"
    assert abs(sum(expected.values()) - 1) < 1e-9
    pairs = [(observed[one], float(chance) * total) for one, chance in expected.items()]
    common = [pair for pair in pairs if pair[1] >= 6]
    rare = [pair for pair in pairs if pair[1] < 6]
    if rare:
        together = tuple(map(sum, zip(*rare, strict=True)))
        if together[1] >= 6 or not common:
            common.append(together)
        else:
            common[0] = (common[0][0] + together[0], common[0][1] + together[1])
    if len(common) == 1:
        return 1.0
    statistic = sum((found - wanted) ** 2 / wanted for found, wanted in common)
    return stats.chi2.sf(statistic, len(common) - 1)


@cases
@WINDOWS
def test_stated_probabilities_are_those_of_the_fractions(case, window):
    """And sum to 1 over all that a user may get."""
    block = SeenBlock(seen_of(SEEN, N_ITEMS), 0, len(SEEN))
    users = range(len(SEEN))
    items = np.tile(np.arange(N_ITEMS), (len(SEEN), 1))
    weak_at = case.names.index("weak") if "weak" in case.names else None
    other = next((place for place, name in enumerate(case.names) if name != "weak"), len(case.names))
    sources = np.full(items.shape, other, np.int8)
    if weak_at is not None:
        for user in users:
            sources[user, LISTED[user]] = weak_at
    with block.marked(MaskBuffer()) as mask:
        mixture = make(case, mask, block)
        log_q, _ = mixture.log_q(asks_of(users, window), items, sources, np.zeros(len(SEEN), np.int64))
    for user in users:
        eligible, weak, weights = supply(case, user, window)
        q = plain_samplers.one_draw(case.names, case.shares, eligible, weak, weights, falls_back=case.falls_back)
        allowed = [*eligible, *weak]
        for item in allowed:
            wanted = float(q.get(item, 0))
            found = log_q[user, item]
            assert math.isclose(found, math.log(wanted) if wanted else -math.inf, rel_tol=0, abs_tol=1e-12)
        assert sum(q.values()) == (1 if drawable(case, user, window) else 0)
        assert math.isclose(np.exp(log_q[user, allowed]).sum(), float(sum(q.values())), abs_tol=1e-12)


@cases
@WINDOWS
def test_the_positive_as_one_more_eligible_item(case, window):
    block = SeenBlock(seen_of(SEEN, N_ITEMS), 0, len(SEEN))
    for leader in range(N_ITEMS):
        users = [user for user in range(len(SEEN)) if leader in SEEN[user] and leader not in LISTED[user]]
        if (window is not None and not window[0] <= leader < window[1]) or not users:
            continue
        none = np.zeros((len(users), 1), np.int64)
        with block.marked(MaskBuffer()) as mask:
            asks = asks_of(users, window)
            found = make(case, mask, block).log_q(asks, none, none.astype(np.int8), np.full(len(users), leader))[1]
        for user, log_q in zip(users, found.tolist(), strict=True):
            eligible, weak, weights = supply(case, user, window)
            wanted = sum(
                share / sum(case.shares) * of_leader(name, leader, eligible, weak, weights, falls_back=case.falls_back)
                for name, share in zip(case.names, case.shares, strict=True)
            )
            assert math.isclose(log_q, math.log(wanted) if wanted else -math.inf, abs_tol=1e-12)


def of_leader(name, leader, eligible, weak, weights, *, falls_back):
    """A component that has nothing without the positive falls back before that is added."""
    if not falls_back and not weights[leader]:
        return 0.0
    if falls_back and not plain_samplers.points_of(name, eligible, weak, weights):
        name = "uniform"
    return float(plain_samplers.component(name, [*eligible, leader], weak, weights).get(leader, 0))


@cases
@pytest.mark.parametrize("user", range(len(SEEN)))
@pytest.mark.parametrize("window", [None, (2, 7)], ids=str)
def test_repeats(case, user, window):
    groups, count = 4_000, sum(case.shares) if case.fixed else 2
    if not drawable(case, user, window):
        return
    items, sources = drawn(case, window, user, groups, count, distinct=False, salt=1)
    eligible, weak, weights = supply(case, user, window)
    q = plain_samplers.one_draw(case.names, case.shares, eligible, weak, weights)
    pooled = chi_square(Counter(items.ravel().tolist()), q)
    assert pooled > 1e-5 or case.fixed  # of fixed components each draw has its own law
    if case.fixed:
        of_draw = [name for name, share in zip(case.names, case.shares, strict=True) for _ in range(share)]
        for name, one in zip(of_draw, items, strict=True):
            law = plain_samplers.component(name, eligible, weak, weights)
            assert chi_square(Counter(one.tolist()), law) > 1e-5
    else:
        both = {(a, b): float(q[a] * q[b]) for a in q for b in q}
        assert chi_square(Counter(zip(*items.tolist(), strict=True)), both) > 1e-5
    check_sources(case, items, sources, eligible, weak, weights)


def check_sources(case, items, sources, eligible, weak, weights):
    """A source is the component that can produce the item, or the fall-back where none that was meant has points."""
    n = len(case.names)
    for item, source in set(zip(items.ravel().tolist(), sources.ravel().tolist(), strict=True)):
        if source == n:
            assert item in eligible
        else:
            assert plain_samplers.points_of(case.names[source], eligible, weak, weights).get(item, 0) > 0


@cases
@pytest.mark.parametrize("user", range(len(SEEN)))
@pytest.mark.parametrize("window", [None, (2, 7)], ids=str)
@pytest.mark.parametrize("rounds", [0, 1, 12])
def test_distinct_draws_are_successive(monkeypatch, case, user, window, rounds):
    """Whether they come from rounds or from what is left: the law of drawing, taking away and drawing again."""
    monkeypatch.setattr(module, "_ROUNDS", rounds)
    count = min(3, drawable(case, user, window))
    if not count:
        return
    groups = 6_000
    items, sources = drawn(case, window, user, groups, count, distinct=True, salt=rounds + 2)
    eligible, weak, weights = supply(case, user, window)
    law = plain_samplers.distinct_draws(case.names, case.shares, eligible, weak, weights, count, fixed=case.fixed)
    assert chi_square(Counter(zip(*items[:count].tolist(), strict=True)), law) > 1e-5
    check_sources(case, items[:count], sources[:count], eligible, weak, weights)


@cases
@pytest.mark.parametrize("rounds", [0, 12])
def test_as_many_distinct_draws_as_there_are_items(monkeypatch, case, rounds):
    """All of them, in any order, for all users at once, padded beyond each user's count."""
    monkeypatch.setattr(module, "_ROUNDS", rounds)
    shape = [sum(case.shares) * 4 if case.fixed else 0]
    for window in (None, (0, 4), (2, 7)):
        block = SeenBlock(seen_of(SEEN, N_ITEMS), 0, len(SEEN))
        users = np.repeat(np.arange(len(SEEN)), 40)
        counts = np.array([drawable(case, user, window) for user in users.tolist()])
        wide = Case(case.names, tuple(share * 4 for share in case.shares), case.fixed) if case.fixed else case
        with block.marked(MaskBuffer()) as mask:
            num_neg = max(N_ITEMS, *shape)
            items, _ = make(wide, mask, block).draw(asks_of(users, window), counts, num_neg, distinct=True)
        for user, count, row in zip(users.tolist(), counts.tolist(), items.T.tolist(), strict=True):
            eligible, weak, weights = supply(case, user, window)
            wanted = {*eligible, *weak} if case.falls_back else {item for item in eligible if weights[item]}
            assert set(row[:count]) == wanted
            assert len(row[:count]) == len(wanted)
            assert row[count:] == [-1] * (len(row) - count)


def test_fixed_counts_are_kept():
    """Two of the first and one of the second, in that order, where both have enough."""
    case = Case(("weak", "uniform"), (2, 1), fixed=True)
    for distinct in (False, True):
        items, sources = drawn(case, None, 2, 500, 3, distinct=distinct, salt=9)
        assert (sources == np.array([0, 0, 1])[:, None]).all()
        assert np.isin(items[:2], LISTED[2]).all()
        assert np.isin(items[2], [4, 6]).all()


def test_shares_are_kept_and_fall_back_takes_those_of_who_has_nothing():
    case = Case(("weak", "popularity", "uniform"), (5, 3, 2))
    count = 40_000
    for user, shares in ((0, [0.5, 0.3, 0.2, 0]), (1, [0, 0.3, 0.2, 0.5])):
        _, sources = drawn(case, None, user, count, 1, distinct=False, salt=11)
        found = np.bincount(sources.ravel(), minlength=4) / count
        assert np.abs(found - shares).max() < 0.012
    _, sources = drawn(case, (3, 4), 0, count, 1, distinct=False, salt=12)  # only item 3, which has no weight
    found = np.bincount(sources.ravel(), minlength=4) / count
    assert np.abs(found - [0, 0, 0.2, 0.8]).max() < 0.012


@pytest.mark.parametrize("distinct", [False, True])
def test_nothing_eligible_leaves_the_list_alone(distinct):
    """User 3 has seen the whole catalog, and some of it weakly: never a seen positive, and no item twice."""
    for case in CASES:
        if "weak" not in case.names:
            continue
        items, sources = drawn(case, None, 3, 200, 3, distinct=distinct, salt=13)
        assert np.isin(items, LISTED[3]).all()
        assert (sources == case.names.index("weak")).all()
        if distinct:
            assert (np.sort(items, axis=0) == np.array(LISTED[3])[:, None]).all()


@cases
@pytest.mark.parametrize("distinct", [False, True])
def test_a_group_depends_on_its_key_alone(case, distinct):
    users = np.repeat([0, 1, 2, 4], 50)
    window = None

    def draw_of(part):
        block = SeenBlock(seen_of(SEEN, N_ITEMS), 0, len(SEEN))
        counts = np.array([min(3, drawable(case, user, window)) for user in users.tolist()])
        with block.marked(MaskBuffer()) as mask:
            asks = asks_of(users, window).at(part)
            return make(case, mask, block).draw(asks, counts[part], 3, distinct=distinct)

    whole = draw_of(np.arange(len(users)))
    for part in (np.array([0]), np.array([7, 9, 120]), np.arange(30, 170)):
        for of_all, alone in zip(whole, draw_of(part), strict=True):
            assert (of_all[:, part] == alone).all()


@pytest.mark.parametrize("case", [case for case in CASES if not case.fixed], ids=str)
def test_the_first_draws_do_not_depend_on_how_many_follow(case):
    few, many = (drawn(case, None, 0, 300, count, distinct=False, salt=5)[0] for count in (2, 9))
    assert (many[:2] == few).all()


@pytest.mark.parametrize("shares", [[1, 1], [1, 2, 4], [3, 0, 1], [0, 5], [(1 << 61) + 1, 1 << 60], [1, (1 << 62) - 1]])
def test_components_are_those_of_a_number_below_the_sum(shares):
    """The words compared, against the number that ``bounded`` makes of them, also where it throws words away."""
    block = SeenBlock(Seen(np.zeros(2, np.int64), np.empty(0, np.int32), 5), 0, 1)
    mixture = Mixture([EligibleItems(block)] * len(shares), np.array(shares), False, None)
    keys = mix(np.arange(3_000, dtype=np.uint64))
    draws = np.arange(3_000) % 4
    for attempt in (0, 64):
        points = bounded(keys, np.array([sum(shares)]), draws + (1 << 62), attempt).tolist()
        expected = [next(c for c in range(len(shares)) if point < sum(shares[: c + 1])) for point in points]
        assert mixture._choose(keys, draws[None], attempt).tolist() == [expected]
    assert len(set(expected)) > 1 or 0 in shares or max(shares) > 1 << 60


@pytest.mark.parametrize("shares", [(1, 2), (2, 1)])
@pytest.mark.parametrize("names", [("uniform", "popularity"), ("popularity", "uniform")])
def test_joint_proposals_draw_what_each_measure_draws_alone(names, shares):
    """For users of whom both propose, one does, and neither; as first attempts and as later ones."""
    case, lists = Case(names, shares), [*SEEN, [1, 6, 7]]
    users = np.repeat(np.arange(len(lists)), 300)
    block = SeenBlock(seen_of(lists, N_ITEMS), 0, len(lists))
    with block.marked(MaskBuffer()) as mask:
        joint = make(case, mask, block)
        eligible, weighted, _ = joint._pair
        both = eligible.proposes.astype(int) + weighted.proposes
        assert set(both.tolist()) == {0, 1, 2}
        for numbers in (np.arange(3)[:, None], np.arange(len(users))[None] % 5):
            for attempt in (0, 64):
                groups = asks_of(users, None, attempt)
                items, sources = joint._attempt(groups, numbers, attempt)
                chosen = joint._choose(groups.keys, numbers, attempt)
                alone = joint._attempt_apart(groups, numbers, attempt, chosen)
                assert (items == alone).all()
                assert (sources == chosen).all()


def test_strips_of_groups_do_not_show(monkeypatch):
    n_items, n_groups = 60, 200
    block = SeenBlock(Seen(np.array([0, 3]), np.array([1, 5, 8], np.int32), n_items), 0, 1)
    rows, keys = np.zeros(n_groups, np.int64), mix(np.arange(n_groups, dtype=np.uint64))
    weights = Weights(np.full(n_items, 1 << 56), 56)

    def drawn(*, distinct):
        with block.marked(MaskBuffer()) as mask:
            mixture = Mixture(
                [EligibleItems(block, mask), WeightedItems(block, weights, mask)], np.array([1, 2]), False, None
            )
            return mixture.draw(Asks(rows, keys, rows), np.full(n_groups, 4), 4, distinct=distinct)

    usual = [drawn(distinct=distinct) for distinct in (False, True)]
    for strip in (1, 9, 300):
        monkeypatch.setattr(module, "STRIP_DRAWS", strip)
        for distinct in (False, True):
            made = drawn(distinct=distinct)
            assert (made[0] == usual[distinct][0]).all()
            assert (made[1] == usual[distinct][1]).all()
