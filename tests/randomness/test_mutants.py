"""Faults that published data has had, and some of the other samplers, patched in: this suite must reject every one.

A mutant is a patch and the check that finds it; the check is one that ordinary tests make. ``test_control`` shows that
the check accepts the code as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import independent
import numpy as np
import pyarrow as pa
import pytest
from logs import as_table, random_rows
from randomness.experiments import Rejected, passes
from randomness.sampled import check_draws, check_rows

import negprep
from negprep import holdout
from negprep.assemble import plan, section
from negprep.assemble import section as sectioning
from negprep.encode import load
from negprep.sample import measures, mixture, restrictions, rng
from negprep.sample import sampler as sampling
from negprep.sample import uniform as sampler
from negprep.sample.popularity import SeenCut

SEED = 31_415
PROPOSE, DRAW_ELIGIBLE = sampler.Proposer.propose, sampler.draw_eligible
LOG = as_table(random_rows(11, users=60, items=50, most=30))


def experiment(name):
    return lambda: passes(name, SEED)


def check_candidates():
    independent.check_test(LOG, negprep.test(LOG, num_neg=9), num_neg=9)


def check_instances():
    independent.check_train(LOG, negprep.train(LOG, holdout="last"), holdout="last")


def check_folds():
    train = independent.groups_of(negprep.train(LOG, holdout="last"))
    test = independent.groups_of(negprep.test(LOG, num_neg=9), whole_users=True)
    independent.check_partition(LOG, train, test)


def check_seed_reaches_every_user():
    first, second = (independent.groups_of(negprep.train(LOG, num_neg=8, seed=seed)) for seed in (1, 2))
    same = [a.user for a, b in zip(first, second, strict=True) if a.negatives == b.negatives]
    assert not same, f"user {same[0]!r} has the same negatives at another seed"


def never_draw_the_last_item(patch):
    """randint(0, n - 1)."""

    def propose(self, *given):
        short = copy.copy(self)
        short.block = copy.copy(self.block)
        short.block.n_items -= 1
        return PROPOSE(short, *given)

    patch.setattr(sampler.Proposer, "propose", propose)


def never_draw_the_last_rank(patch):
    """The same fault for users who have seen most of the catalog."""

    def ranks(block, rows, keys, numbers, attempt):
        return block.select(rows, rng.bounded(keys, block.eligible[rows] - 1, numbers, attempt))

    patch.setattr(sampler, "eligible_ranks", ranks)


def draw_with_replacement(patch):
    patch.setattr(sampler, "_redraw_duplicates", lambda *_: None)


def keep_the_holdout_in_train(patch):
    patch.setattr(holdout.Split, "train", property(lambda split: np.ones(len(split.test), bool)))


def let_candidates_hold_the_holdout_twice(patch):
    """Seen in test: the positives of train only."""
    hold_out, merge, held = sectioning.hold_out, sectioning.merge_pairs, []

    def remember(*given, **named):
        held.append(hold_out(*given, **named).test)
        return hold_out(*given, **named)

    def forget(parts, n_items):
        return merge([parts[0].where(~held.pop()), *parts[1:]], n_items)

    patch.setattr(sectioning, "hold_out", remember)
    patch.setattr(sectioning, "merge_pairs", forget)


def give_up(patch):
    """After a try that fell on a seen item, take it."""

    def ranks(block, rows, keys, numbers, attempt):
        limits = np.full(len(rows), block.n_items)
        return rng.bounded(keys, limits, numbers, attempt)

    patch.setattr(sampler.Proposer, "proposals", 1)
    patch.setattr(sampler, "eligible_ranks", ranks)


def probe_linearly(patch):
    """Where a draw falls on a seen item, take the next item that is free."""

    def draw_eligible(proposer, rows, keys, numbers, attempt):
        steps = rng.word_bases(np.zeros(1, np.uint64), numbers + (attempt << 32))
        items, failed = PROPOSE(proposer, keys, steps, rows)
        flat = items.reshape(-1).copy()
        groups = failed % len(rows)
        while failed.size:
            flat[failed] = (flat[failed] + 1) % proposer.block.n_items
            seen = proposer.block.contains(rows[groups], flat[failed])
            failed, groups = failed[seen], groups[seen]
        return flat.reshape(items.shape).astype(np.int32)

    patch.setattr(sampler, "draw_eligible", draw_eligible)


def probe_linearly_for_duplicates(patch):
    """Where a draw repeats an earlier one, take the next item that is free: its neighbours come together too often."""

    def redraw(proposer, rows, keys, items):
        block = proposer.block
        while True:
            draws, groups = sampler.repeated(items)
            if not draws.size:
                return
            moved = (items[draws, groups] + 1) % block.n_items
            seen = block.contains(rows[groups], moved)
            while seen.any():
                moved[seen] = (moved[seen] + 1) % block.n_items
                seen = block.contains(rows[groups], moved)
            items[draws, groups] = moved

    patch.setattr(sampler, "_redraw_duplicates", redraw)


def seed_every_shard_alike(patch):
    """One stream a shard: the words depend on the position in it."""

    def keys(self, purpose, leads, begin):
        return rng.word(rng.purpose_key(self.seed, purpose), np.arange(len(leads)))

    patch.setattr(section.Section, "_keys", keys)


def put_the_holdout_first(patch):
    patch.setattr(section, "bounded", lambda keys, limits, draws, attempt: np.zeros(len(keys), np.int64))


def sort_the_negatives(patch):
    """Draw, then sort: a set difference that is cut short, or candidates in the order of their ids."""
    uniform = sampling.uniform
    patch.setattr(sampling, "uniform", lambda *given, **named: np.sort(uniform(*given, **named), axis=1))


def take_small_words_modulo(patch):
    """An 8-bit word modulo n."""

    def draw_eligible(proposer, rows, keys, numbers, attempt):
        items, block = DRAW_ELIGIBLE(proposer, rows, keys, numbers, attempt), proposer.block
        if attempt == 0:
            words = rng.word(keys, np.arange(len(items))[:, None])
            small = ((words & np.uint64(0xFF)) % np.uint64(block.n_items)).astype(np.int32)
            free = ~block.contains(np.tile(rows, len(items)), small.reshape(-1)).reshape(items.shape)
            items[free] = small[free]
        return items

    patch.setattr(sampler, "draw_eligible", draw_eligible)


def scale_32_bits_modulo(patch):
    def scale(words, limits):
        return (words >> np.uint64(32)) % np.asarray(limits).astype(np.uint64), np.ones(len(words), bool)

    patch.setattr(rng, "scale", scale)


def leak_popularity(patch):
    """One draw in twenty is by popularity, which falls as the power -2/3 of the rank."""
    chance = np.random.default_rng(5)

    def draw_eligible(proposer, rows, *given):
        items, block = DRAW_ELIGIBLE(proposer, rows, *given), proposer.block
        draws, groups = np.nonzero(chance.random(items.shape) < 0.05)
        m = block.eligible[rows[groups]]
        popular = np.minimum((m * chance.random(len(draws)) ** 3).astype(np.int64), m - 1)
        items[draws, groups] = block.select(rows[groups], popular)
        return items

    patch.setattr(sampler, "draw_eligible", draw_eligible)


def ignore_the_seed(patch):
    patch.setattr(section, "purpose_key", lambda seed, purpose, epoch: rng.purpose_key(0, purpose, epoch))


def groups(scenario, restriction="whole catalog", command="train", *, distinct=False):
    """Every group of a run: what may be drawn, from where, and its log q."""
    return lambda: check_rows(scenario, restriction, command, distinct=distinct, num_neg=4)


def draws(scenario, restriction="whole catalog", command="train", *, distinct=False):
    """All draws of some runs against their laws."""
    return lambda: check_draws(scenario, restriction, command, distinct=distinct, seed=SEED, size=4)


def shift_by_one_too_few(patch):
    """Seen items are cut out of the cumulative weights; a point on the edge of one counts as before it."""

    right = SeenCut._end_of_passed

    def off_by_one(self, rows, points):
        return np.maximum(right(self, rows, points) - 1, self._starts[rows])

    patch.setattr(SeenCut, "_end_of_passed", off_by_one)


def find_the_item_from_the_left(patch):
    """A point at the border of two items belongs to the latter: never the former, who may have no weight."""

    def off_by_one(self, rows, points):
        first = self._starts[rows]
        shifted = points + (self._seen_before[self._end_of_passed(rows, points)] - self._seen_before[first])
        return np.searchsorted(self._weights.before, shifted, side="right")

    patch.setattr(SeenCut, "items_at", off_by_one)


def count_the_holdout(patch):
    """Popularity of all positives."""

    def split(found, options, kind):
        return None, found.positives

    patch.setattr(plan, "split_train", split)


def never_draw_the_last_component(patch):
    choose = mixture.Mixture._choose

    def forget(self, *given):
        sources = choose(self, *given)
        return np.where(sources == len(self.measures) - 1, 0, sources).astype(np.int8)

    patch.setattr(mixture.Mixture, "_choose", forget)


def state_the_first_component_alone(patch):
    log_q = mixture.Mixture.log_q

    def forget(self, *given):
        shares = self.shares.copy()
        shares[1:] = 0
        return log_q(replace(self, shares=shares), *given)

    patch.setattr(mixture.Mixture, "log_q", forget)


def take_positives_for_weak(patch):
    """What a user was shown and then bought."""
    patch.setattr(load, "subtract_pairs", lambda pairs, other, n_items: pairs)


def _windows(patch, moved):
    windows = restrictions.CatalogOrder.windows

    def other(self, items, times):
        return windows(self, items, None if times is None else moved(times))

    patch.setattr(restrictions.CatalogOrder, "windows", other)


def draw_what_comes_a_second_later(patch):
    _windows(patch, lambda times: times + 10**9)


def draw_only_what_came_before(patch):
    _windows(patch, lambda times: times - 1)


def ignore_the_category(patch):
    of = restrictions.CatalogOrder.of.__func__
    patch.setattr(
        restrictions.CatalogOrder,
        "of",
        classmethod(lambda cls, *given, **named: of(cls, *given, **named | {"segments": None})),
    )


def fall_back_to_popularity(patch):
    """Where a user has nothing weak, draw what is popular."""
    start = sampling.Sampling._mixture

    def other(self, *given):
        made = start(self, *given)
        return made if made.fallback is None else replace(made, fallback=made.measures[-1])

    patch.setattr(sampling.Sampling, "_mixture", other)


def leave_duplicates_to_chance(patch):
    """Distinct draws of which what is missing after a round is drawn again with repeats."""
    patch.setattr(mixture.Mixture, "_make_distinct", lambda *_: None)


def draw_the_rest_uniformly(patch):
    """What is missing after the rounds is uniform among what is left, whatever the weights."""
    patch.setattr(mixture, "_ROUNDS", 0)

    def uniform_rest(self, asks, taken):
        rest = measures.PointsLeft(self.fallback or measures.EligibleItems(self.measures[0]._block), asks, taken)
        return rest.draw(np.arange(len(asks)), 900), np.zeros(len(asks), np.int8)

    patch.setattr(mixture.Mixture, "_draw_from_rest", uniform_rest)


def take_counts_for_shares(patch):
    """=2 and =1 as 2/3 and 1/3."""
    start = sampling.Sampling._mixture
    patch.setattr(sampling.Sampling, "_mixture", lambda self, *given: replace(start(self, *given), fixed=False))


@dataclass(frozen=True)
class Mutant:
    """A fault and the check that must find it."""

    patch: Callable[[pytest.MonkeyPatch], None]
    check: Callable[[], object]

    def __str__(self):
        return self.patch.__name__


MOST, HALF, LITTLE = "most of the catalog, k small", "half of the catalog", "little of the catalog"
MUTANTS = [
    Mutant(never_draw_the_last_item, experiment(f"largest deviation, {MOST}")),
    Mutant(never_draw_the_last_item, experiment(f"inclusion, {MOST}")),
    Mutant(never_draw_the_last_item, experiment(f"repeats, {MOST}")),
    Mutant(never_draw_the_last_rank, experiment(f"largest deviation, {LITTLE}")),
    Mutant(never_draw_the_last_rank, experiment(f"repeats, {LITTLE}")),
    Mutant(draw_with_replacement, check_candidates),
    Mutant(keep_the_holdout_in_train, check_instances),
    Mutant(keep_the_holdout_in_train, check_folds),
    Mutant(let_candidates_hold_the_holdout_twice, check_candidates),
    Mutant(give_up, check_candidates),
    Mutant(give_up, check_instances),
    Mutant(probe_linearly, experiment(f"inclusion, {HALF}")),
    Mutant(probe_linearly, experiment(f"repeats, {MOST}")),
    Mutant(probe_linearly, experiment("pooled users, repeats")),
    Mutant(probe_linearly, experiment("pooled users, distinct")),
    Mutant(probe_linearly_for_duplicates, experiment("all 72 ordered pairs of 9")),
    Mutant(seed_every_shard_alike, experiment("no stream is used twice")),
    Mutant(put_the_holdout_first, experiment("the slot of the holdout among 100")),
    Mutant(sort_the_negatives, experiment("the order of candidates")),
    Mutant(take_small_words_modulo, experiment(f"inclusion, {MOST}")),
    Mutant(take_small_words_modulo, experiment(f"repeats, {MOST}")),
    Mutant(scale_32_bits_modulo, experiment("thirds of 3 * 2**30")),
    Mutant(scale_32_bits_modulo, experiment("thirds of 3 * 2**62")),
    Mutant(leak_popularity, experiment(f"repeats, {MOST}")),
    Mutant(leak_popularity, experiment(f"inclusion, {HALF}")),
    Mutant(leak_popularity, experiment("pooled users, repeats")),
    Mutant(ignore_the_seed, check_seed_reaches_every_user),
    Mutant(shift_by_one_too_few, groups("popularity", "at time, same")),
    Mutant(shift_by_one_too_few, draws("popularity", "same")),
    Mutant(find_the_item_from_the_left, groups("popularity", "at time")),
    Mutant(count_the_holdout, groups("popularity")),
    Mutant(count_the_holdout, groups("popularity", command="test")),
    Mutant(count_the_holdout, draws("popularity, alpha -0.5")),
    Mutant(never_draw_the_last_component, draws("popularity and uniform")),
    Mutant(never_draw_the_last_component, draws("all three", "at time", distinct=True)),
    Mutant(state_the_first_component_alone, groups("popularity and uniform")),
    Mutant(state_the_first_component_alone, groups("all three", "same")),
    Mutant(take_positives_for_weak, groups("weak, from a file")),
    Mutant(take_positives_for_weak, groups("weak and uniform")),
    Mutant(draw_what_comes_a_second_later, groups("uniform", "at time")),
    Mutant(draw_what_comes_a_second_later, groups("popularity", "at time")),
    Mutant(draw_only_what_came_before, groups("uniform", "at time")),
    Mutant(draw_only_what_came_before, groups("weak", "at time, same")),
    Mutant(ignore_the_category, groups("uniform", "same")),
    Mutant(ignore_the_category, groups("popularity", "at time, same")),
    Mutant(fall_back_to_popularity, draws("counts", "at time, same")),
    Mutant(fall_back_to_popularity, groups("counts", "at time, same")),
    Mutant(leave_duplicates_to_chance, groups("popularity", distinct=True)),
    Mutant(draw_the_rest_uniformly, draws("weights", distinct=True)),
    Mutant(take_counts_for_shares, groups("counts")),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_mutant_is_rejected(monkeypatch, mutant):
    mutant.patch(monkeypatch)
    with pytest.raises(AssertionError) as rejection:
        mutant.check()
    if isinstance(rejection.value, Rejected):
        assert rejection.value.p < 1e-9  # at any seed, not by luck at this one


@pytest.mark.parametrize("check", [check_candidates, check_instances, check_folds, check_seed_reaches_every_user])
def test_control(check):
    check()


def test_control_of_experiments():
    """At the mutants' own seed."""
    for mutant in MUTANTS:
        if {"passes", "check_rows", "check_draws"}.intersection(mutant.check.__code__.co_names):
            mutant.check()


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([(1, 10, 1), (1, 12, 0), (1, 11, 1), (1, 13, 0)], "no positive of user 2 is in train"),
        ([(1, 10, 1), (1, 12, 0), (2, 12, 1), (2, 13, 0)], "with 2 positives has 1 holdouts, not 0"),
        ([(1, 10, 1), (1, 12, 0), (1, 11, 1), (1, 10, 0), (2, 12, 1), (2, 13, 0)], "negative 10 .* is seen"),
        ([(1, 10, 1), (1, 12, 0), (1, 11, 1), (1, 99, 0), (2, 12, 1), (2, 13, 0)], "99 .* is not in the catalog"),
        ([(1, 10, 1), (1, 12, 0), (1, 10, 1), (1, 12, 0), (2, 12, 1), (2, 13, 0)], "occurs twice"),
        ([(1, 10, 1), (1, 12, 0), (1, 11, 1), (2, 12, 1), (2, 13, 0)], "0 negatives of user 1"),
        ([(1, 10, 1), (1, 12, 0), (1, 13, 0), (1, 11, 1), (1, 12, 0), (2, 12, 1), (2, 13, 0)], "2 negatives of user 1"),
        ([(1, 10, 1), (1, 12, 0), (1, 11, 1), (1, 12, 0), (2, 13, 1), (2, 10, 0)], "13 is no positive of 2"),
    ],
)
def test_the_independent_checks_complain(rows, complaint):
    log = pa.table({"user": [1, 1, 2], "item": [10, 11, 12]})
    table = pa.table({name: [row[place] for row in rows] for place, name in enumerate(("user", "item", "label"))})
    with pytest.raises(AssertionError, match=complaint):
        independent.check_train(log, table, num_neg=1, catalog=[10, 11, 12, 13], holdout="none")
