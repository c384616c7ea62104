"""Experiments: draws of the package itself, at a seed and a size, and the check that they must pass.

Each function of ``EXPERIMENTS`` takes a seed and a factor for the number of draws, and returns a p-value. The ordinary
tests, the mutants and the heavy tests all call the same ones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from randomness import checks

import negprep
from negprep.sample import rng, seen
from negprep.sample import uniform as sampler

EXPERIMENTS: dict[str, Callable[[int, int], float]] = {}


def experiment(name):
    """Enter a function into ``EXPERIMENTS``."""

    def enter(function):
        EXPERIMENTS[name] = function
        return function

    return enter


class Rejected(AssertionError):  # noqa: N818 - it is what a check does, not an error of the test
    """A check found the draws too unlikely."""

    def __init__(self, name, p):
        super().__init__(f"{name}: p = {p:.3g}")
        self.p = p


TWO_SIDED = (
    "inclusion",
    "pooled",
    "all ",
    "repeats, two positives",
    "repeats, two seeds",
    "thirds",
    "bits",
    "the slot",
    "the random",
)
"""Experiments whose p-value may not be next to 1 either: draws that are too even are not random."""


def passes(name, seed, size=1, *, least=1e-3):
    """Run an experiment; raise ``Rejected`` where its p-value is below ``least``, or so near 1 that it is too good."""
    p = EXPERIMENTS[name](seed, size)
    if p < least or (p > 1 - 1e-9 and name.startswith(TWO_SIDED)):
        raise Rejected(name, p)
    return p


def seen_of(lists, n_items):
    """A ``Seen`` of lists of item codes."""
    starts = np.concatenate([[0], np.cumsum([len(items) for items in lists])]).astype(np.int64)
    items = np.array([item for items in lists for item in sorted(items)], np.int32)
    return seen.Seen(starts, items, n_items)


def keys_of(seed, count):
    """Keys of ``count`` positives of one user: those of the item ids 0, 1, 2, ..."""
    of_user = rng.combine(rng.purpose_key(seed, "negatives"), rng.integer_keys(np.array([77])))
    return rng.combine(of_user, rng.integer_keys(np.arange(count)))


def ranks(seed, count, *, n_items, m, k, distinct):
    """``count`` groups of k draws of one user who has m eligible items, as ranks: shape (count, k).

    The first and the last item are eligible; the seen ones lie evenly between.
    """
    places = np.linspace(1, n_items - 2, n_items - m, dtype=np.int64) if m < n_items else np.empty(0, np.int64)
    unseen = np.setdiff1d(np.arange(n_items), places)
    assert len(unseen) == m
    items = sampler.uniform(
        seen_of([places.tolist()], n_items),
        np.zeros(count, np.int32),
        keys_of(seed, count),
        k,
        distinct=distinct,
        buffer=seen.MaskBuffer(),
    )
    drawn = np.searchsorted(unseen, items)
    assert (unseen.take(drawn, mode="clip") == items).all(), "a negative is seen, or none"
    return drawn


# One user. The eligible items are most of the catalog, some, or nearly none; k is small or nearly all.
ONE_USER = {
    "most of the catalog, k small": {"n_items": 120, "m": 110, "k": 4},
    "half of the catalog": {"n_items": 120, "m": 60, "k": 5},
    "little of the catalog": {"n_items": 400, "m": 40, "k": 3},
    "k of 99": {"n_items": 160, "m": 110, "k": 99},
    "k at the switch, sparse": {"n_items": 60, "m": 40, "k": 10},
    "k at the switch, dense": {"n_items": 60, "m": 39, "k": 10},
}

for _label, _shape in ONE_USER.items():

    @experiment(f"inclusion, {_label}")
    def _(seed, size, shape=_shape):
        drawn = ranks(seed, 12_000 * size, distinct=True, **shape)
        return checks.inclusion(drawn, shape["m"])

    @experiment(f"largest deviation, {_label}")
    def _(seed, size, shape=_shape):
        drawn = ranks(seed, 12_000 * size, distinct=True, **shape)
        return checks.largest_deviation(drawn, shape["m"])

    @experiment(f"slots of the extremes, {_label}")
    def _(seed, size, shape=_shape):
        return checks.slot_of_extreme(ranks(seed, 12_000 * size, distinct=True, **shape))

    @experiment(f"repeats, {_label}")
    def _(seed, size, shape=_shape):
        drawn = ranks(seed, 12_000 * size, distinct=False, **shape)
        return min(
            1.0, 2 * min(checks.multinomial(drawn, shape["m"]), checks.largest_deviation(drawn[:, :1], shape["m"]))
        )


@experiment("repeats, two draws of a positive")
def _(seed, size):
    drawn = ranks(seed, 40_000 * size, n_items=25, m=16, k=3, distinct=False)
    pairs = [checks.joint(drawn[:, a], drawn[:, b], 16) for a, b in ((0, 1), (0, 2), (1, 2))]
    return min(1.0, 3 * min(pairs))


@experiment("repeats, two positives in a row")
def _(seed, size):
    drawn = ranks(seed, 80_000 * size, n_items=25, m=16, k=1, distinct=False)[:, 0]
    return checks.joint(drawn[::2], drawn[1::2], 16)


@experiment("repeats, two seeds in a row")
def _(seed, size):
    shape = {"n_items": 25, "m": 16, "k": 1, "distinct": False}
    first, second = (ranks(one, 40_000 * size, **shape)[:, 0] for one in (seed, (seed + 1) % 2**64))
    return checks.joint(first, second, 16)


@experiment("all ten subsets of 2 of 5")
def _(seed, size):
    return checks.subsets(ranks(seed, 20_000 * size, n_items=9, m=5, k=2, distinct=True), 5)


@experiment("all 20 ordered pairs of 5")
def _(seed, size):
    return checks.ordered_subsets(ranks(seed, 20_000 * size, n_items=9, m=5, k=2, distinct=True), 5)


@experiment("all 72 ordered pairs of 9")
def _(seed, size):
    return checks.ordered_subsets(ranks(seed, 40_000 * size, n_items=13, m=9, k=2, distinct=True), 9)


@experiment("all 120 ordered triples of 6")
def _(seed, size):
    return checks.ordered_subsets(ranks(seed, 40_000 * size, n_items=6, m=6, k=3, distinct=True), 6)


@experiment("all 1,320 ordered triples of 12")
def _(seed, size):
    return checks.ordered_subsets(ranks(seed, 60_000 * size, n_items=15, m=12, k=3, distinct=True), 12)


def _pool(seed, size, *, distinct):
    n_users, n_items, k, rounds = 150, 60, 5, 60 * size
    chance = np.random.default_rng(1)  # the seen sets: any would do
    eligible = chance.random((n_users, n_items)) < chance.uniform(0.15, 1, (n_users, 1))
    eligible[:, :6] = True  # nobody has fewer than k
    users = np.repeat(np.arange(n_users, dtype=np.int32), rounds)
    of_users = rng.combine(rng.purpose_key(seed, "negatives"), rng.integer_keys(np.arange(n_users)))
    keys = rng.combine(of_users[users], rng.integer_keys(np.tile(np.arange(rounds), n_users)))
    lists = [np.flatnonzero(~row).tolist() for row in eligible]
    drawn = sampler.uniform(seen_of(lists, n_items), users, keys, k, distinct=distinct, buffer=seen.MaskBuffer())
    assert eligible[users[:, None], drawn].all(), "a negative is seen"
    return checks.pooled(drawn.reshape(n_users, rounds, k), eligible, k, distinct=distinct)


@experiment("pooled users, distinct")
def _(seed, size):
    return _pool(seed, size, distinct=True)


@experiment("pooled users, repeats")
def _(seed, size):
    return _pool(seed, size, distinct=False)


def twins(n_users, n_items):
    """A log in which all users have the same two items, and one user has all."""
    users = np.concatenate([np.repeat(np.arange(n_users), 2), np.full(n_items, n_users)])
    items = np.concatenate([np.tile([0, 1], n_users), np.arange(n_items)])
    times = np.concatenate([np.tile([1, 2], n_users), np.arange(n_items)])
    return pa.table({"user": users, "item": items, "time": times})


def candidates(log, n_users, k, **options):
    """Items and labels of the first ``n_users`` of a test set: shape (n_users, k + 1) each."""
    rows = negprep.test(log, num_neg=k, **options).slice(0, n_users * (k + 1))
    return tuple(np.array(rows[name].to_pylist()).reshape(n_users, k + 1) for name in ("item", "label"))


@experiment("the slot of the holdout among 100")
def _(seed, size):
    n_users = 6_000 * size
    _, labels = candidates(twins(n_users, 120), n_users, 99, seed=seed)
    assert (labels.sum(1) == 1).all()
    return checks.multinomial(labels.argmax(1), 100)


@experiment("the order of candidates")
def _(seed, size):
    n_users = 12_000 * size
    items, labels = candidates(twins(n_users, 60), n_users, 9, seed=seed)
    negatives = items[labels == 0].reshape(n_users, 9)
    return min(1.0, 2 * min(checks.slot_of_extreme(negatives), checks.slot_of_extreme(items)))


@experiment("the slot and the first negative")
def _(seed, size):
    n_users = 40_000 * size
    items, labels = candidates(twins(n_users, 14), n_users, 3, seed=seed, distinct=False)
    slots = labels.argmax(1)
    others = np.where(slots == 0, items[:, 1], items[:, 0]) - 2
    return checks.multinomial(slots * 12 + others, 48)


@experiment("no stream is used twice")
def _(seed, size):
    n_users, n_items, k, in_shard = 4_000 * size, 102, 9, 256
    log = twins(n_users, n_items)
    items, labels = candidates(log, n_users, k, seed=seed, shard_rows=in_shard * (k + 1), jobs=2)
    chosen = np.zeros((n_users, n_items), bool)
    chosen[np.repeat(np.arange(n_users), k), items[labels == 0]] = True
    return checks.overlap(chosen, [1, 2, 3, 10, 64, 100, 255, in_shard, 257, 2 * in_shard, 1000, 2048], k, 100)


@experiment("train and test, last and first fold")
def _(seed, size):
    """The negatives of a user's holdout have nothing to do with those of the train positive."""
    n_users = 30_000 * size
    log = twins(n_users, 18)
    train = negprep.train(log, num_neg=1, holdout="last", seed=seed).slice(0, n_users * 2)
    in_train = np.array(train["item"].to_pylist()).reshape(n_users, 2)[:, 1]
    items, labels = candidates(log, n_users, 1, seed=seed)
    in_test = items[labels == 0]
    eligible = in_train != 1  # there the item held out may be drawn, in test it may not
    return checks.joint(in_train[eligible] - 2, in_test[eligible] - 2, 16)


@experiment("the random holdout")
def _(seed, size):
    n_users, n_items = 30_000 * size, 7
    log = pa.table({"user": np.repeat(np.arange(n_users), n_items), "item": np.tile(np.arange(n_items), n_users)})
    more = pa.table({"user": [n_users, n_users], "item": [n_items, n_items + 1]})
    log = pa.concat_tables([log, more])
    held = []
    for fold in ("test", "valid"):
        rows = negprep.test(log, num_neg=1, holdout="random", fold=fold, with_valid=True, split_seed=seed)
        items, labels = (np.array(rows[name].to_pylist())[: n_users * 2] for name in ("item", "label"))
        held.append(items[labels == 1])
    pairs = held[0] * n_items + held[1]
    code = np.cumsum(~np.eye(n_items, dtype=bool).ravel()) - 1
    assert (held[0] != held[1]).all()
    return checks.multinomial(code[pairs], n_items * (n_items - 1))


def _limited(seed, size, limit):
    words = rng.word(rng.purpose_key(seed, "split"), np.arange(60_000 * size))
    values, kept = rng.scale(words, limit)
    return checks.thirds(values[kept], limit)


@experiment("thirds of 3 * 2**30")
def _(seed, size):
    return _limited(seed, size, 3 << 30)


@experiment("thirds of 3 * 2**62")
def _(seed, size):
    return _limited(seed, size, 3 << 62)


@experiment("thirds of bounded 3 * 2**61")
def _(seed, size):
    count = 60_000 * size
    limits = np.full(count, 3 << 61)
    keys = np.repeat(rng.purpose_key(seed, "split"), count)
    return checks.thirds(rng.bounded(keys, limits, np.arange(count), 0), 3 << 61)


def _words(seed, count):
    return rng.word(rng.purpose_key(seed, "negatives"), np.arange(count))


@experiment("avalanche of mix")
def _(seed, size):
    return checks.avalanche(lambda words: rng.mix(words.copy()), _words(seed, 4_000 * size))


@experiment("avalanche of the user in a word")
def _(seed, size):
    """Small ids that differ in a bit: their words have nothing in common."""
    purpose = rng.purpose_key(seed, "negatives")

    def first_word(ids):
        return rng.word(rng.combine(rng.combine(purpose, rng.integer_keys(ids.view(np.int64))), purpose), 0)

    return checks.avalanche(first_word, np.arange(2_000 * size, dtype=np.uint64))


@experiment("avalanche of the seed in a word")
def _(seed, size):
    def first_word(seeds):
        return rng.word(rng.word(seeds, 0), 1)  # what purpose_key does, for many seeds

    return checks.avalanche(first_word, np.arange(seed % 2**40, seed % 2**40 + 2_000 * size, dtype=np.uint64))


@experiment("bits of consecutive words")
def _(seed, size):
    return checks.bits(_words(seed, 100_000 * size))


@experiment("bits of consecutive keys")
def _(seed, size):
    return checks.bits(rng.word(keys_of(seed, 100_000 * size), 0))


@experiment("bits of differences of consecutive words")
def _(seed, size):
    words = _words(seed, 100_000 * size)
    return checks.bits(words[1:] - words[:-1])
