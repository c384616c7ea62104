"""The uniform sampler: hard invariants, extremes, and that no choice of kernel or block shows in the draws."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest
import reference
from randomness.experiments import seen_of

from negprep.sample import seen as seen_module
from negprep.sample import uniform as module
from negprep.sample.seen import MaskBuffer

BOTH = pytest.mark.parametrize("distinct", [False, True], ids=["repeats", "distinct"])


def draw_all(lists, users, n_items, num_neg, *, distinct, buffer=None):
    keys = np.array([reference.mix(place + 1) for place in range(len(users))], np.uint64)
    seen = seen_of([list(items) for items in lists], n_items)
    users = np.array(users, np.int32)
    return module.uniform(seen, users, keys, num_neg, distinct=distinct, buffer=buffer or MaskBuffer())


def plain(lists, users, n_items, num_neg, *, distinct):
    """The same by the reference: lists, padded by -1."""
    rows = []
    for place, user in enumerate(users):
        eligible = sorted(set(range(n_items)) - set(lists[user]))
        row = reference.draw_negatives(reference.mix(place + 1), eligible, n_items, num_neg, distinct=distinct)
        rows.append(row + [-1] * (num_neg - len(row)))
    return rows


def cases():
    chance = random.Random(99)
    for n_items in (1, 2, 3, 16, 64, 65, 100, 257):
        sizes = sorted({0, 1, n_items // 2, n_items // 2 + 1, n_items - 1, n_items})
        lists = [sorted(chance.sample(range(n_items), size)) for size in sizes]
        users = sorted(chance.choices(range(len(lists)), k=25))
        yield n_items, lists, users


@BOTH
@pytest.mark.parametrize("num_neg", [1, 2, 4, 16, 25, 300])
def test_draws_are_those_of_the_reference(num_neg, distinct):
    for n_items, lists, users in cases():
        made = draw_all(lists, users, n_items, num_neg, distinct=distinct)
        assert made.dtype == np.int32
        assert made.shape == (len(users), num_neg)
        assert made.tolist() == plain(lists, users, n_items, num_neg, distinct=distinct)


@pytest.mark.parametrize("m", [3, 4, 5, 15, 16, 17])
def test_the_switch_from_shuffling_to_redrawing(m):
    """At m = 4 k the kernel changes: both sides are the reference's, and full of distinct eligible items."""
    lists = [list(range(40 - m))]
    made = draw_all(lists, [0] * 200, 40, 4, distinct=True)
    assert made.tolist() == plain(lists, [0] * 200, 40, 4, distinct=True)
    if m >= 4:
        assert all(len(set(row)) == 4 and min(row) >= 40 - m for row in made.tolist())
    else:
        assert all(sorted(row) == [-1, 37, 38, 39] and row[3] == -1 for row in made.tolist())


@BOTH
@pytest.mark.parametrize("m", [9, 10, 11])
def test_the_switch_from_the_catalog_to_ranks(m, distinct):
    """A user with 2 m < n draws a rank at once; 2 m = n is the last case that looks at the catalog first."""
    lists = [list(range(20 - m)), [], list(range(20 - m)), list(range(20))]  # between others
    users = [0] * 90 + [1] * 90 + [2] * 90 + [3]
    made = draw_all(lists, users, 20, 2, distinct=distinct)
    assert made.tolist() == plain(lists, users, 20, 2, distinct=distinct)


def mixed():
    chance = random.Random(5)
    n_items = 3_000
    sizes = [0, 1, 5, 40, 200, 1_500, 2_990, 2_999, 3_000] * 6
    lists = [sorted(chance.sample(range(n_items), size)) for size in sizes]
    return n_items, lists, sorted(chance.choices(range(len(lists)), k=700))


@BOTH
@pytest.mark.parametrize(
    "change",
    [
        {"MASK_BYTES_PER_ENTRY": 1, "_LARGEST_EXACT_MASK": 0},
        {"MASK_BYTES_PER_ENTRY": 64, "_LARGEST_EXACT_MASK": 0},
        {"_LARGEST_EXACT_MASK": 1 << 40},
        {"_LISTED_BYTES_PER_SEARCH": 0},
        {"_LISTED_BYTES_PER_SEARCH": 1 << 40},
        {"BLOCK_SEEN": 1},
        {"BLOCK_SEEN": 777},
        {"BLOCK_SEEN": 1 << 30, "FEWEST_SEEN": 1 << 30},
        {"FEWEST_SEEN": 1},
        {"STRIP_DRAWS": 1},
        {"STRIP_DRAWS": 50},
        {"STRIP_DRAWS": 1 << 20},
        {"_WIDENING": 7, "_FEW_DRAWS": 1, "_SPARING": 1},
        {"_WIDENING": 1, "_FEW_DRAWS": 1 << 20, "_ENTRIES_PER_SEARCH": 0},
        {"_ENTRIES_PER_SEARCH": 1 << 30},
        {"BLOCK_SEEN": 1, "STRIP_DRAWS": 1, "MASK_BYTES_PER_ENTRY": 1, "_LARGEST_EXACT_MASK": 0},
    ],
    ids=lambda change: ", ".join(f"{name} = {value}" for name, value in change.items()),
)
def test_no_kernel_or_block_shows(monkeypatch, change, distinct):
    n_items, lists, users = mixed()
    usual = draw_all(lists, users, n_items, 7, distinct=distinct)
    for name, value in change.items():
        monkeypatch.setattr(module if hasattr(module, name) else seen_module, name, value)
    assert (draw_all(lists, users, n_items, 7, distinct=distinct) == usual).all()


@BOTH
def test_a_large_catalog_folds_and_stays_exact(distinct):
    """Beyond 64 Ki items, and beyond 16 Mi bytes of exact mask."""
    chance = random.Random(6)
    n_items = 100_003
    lists = [sorted(chance.sample(range(n_items), chance.choice([0, 3, 90]))) for _ in range(400)]
    lists[-3:] = [sorted(chance.sample(range(n_items), 60_000)) for _ in range(3)]
    seen = seen_of(lists, n_items)
    blocks = [seen_module.SeenBlock(seen, first, last) for first, last, _, _ in seen.blocks(np.arange(400), 1 << 16)]
    assert not all(block.is_exact for block in blocks)
    users = sorted(chance.choices(range(400), k=3_000))
    made = draw_all(lists, users, n_items, 5, distinct=distinct)
    sets = [set(items) for items in lists]
    for user, row in zip(users, made.tolist(), strict=True):
        assert not sets[user].intersection(row)
        assert 0 <= min(row) <= max(row) < n_items
        assert not distinct or len(set(row)) == 5
    few = users[::150]
    assert draw_all(lists, few, n_items, 5, distinct=distinct).tolist() == plain(
        lists, few, n_items, 5, distinct=distinct
    )


@BOTH
def test_draws_of_a_positive_depend_on_its_key_alone(distinct):
    n_items, lists, users = mixed()
    whole = draw_all(lists, users, n_items, 6, distinct=distinct)
    keys = np.array([reference.mix(place + 1) for place in range(len(users))], np.uint64)
    for part in (slice(0, 1), slice(13, 14), slice(100, 430), slice(len(users) - 1, None)):
        alone = module.uniform(
            seen_of(lists, n_items),
            np.array(users[part], np.int32),
            keys[part],
            6,
            distinct=distinct,
            buffer=MaskBuffer(),
        )
        assert (alone == whole[part]).all()


def test_the_first_repeats_do_not_depend_on_how_many_follow():
    n_items, lists, users = mixed()
    few, many = (draw_all(lists, users, n_items, k, distinct=False) for k in (3, 11))
    assert (many[:, :3] == few).all()


@BOTH
def test_no_positive_no_draw(distinct):
    assert draw_all([[1], []], [], 5, 4, distinct=distinct).shape == (0, 4)


@BOTH
def test_one_buffer_serves_call_after_call(distinct):
    buffer = MaskBuffer()
    for n_items, lists, users in cases():
        again = draw_all(lists, users, n_items, 4, distinct=distinct, buffer=buffer)
        assert again.tolist() == draw_all(lists, users, n_items, 4, distinct=distinct).tolist()


@BOTH
def test_users_who_have_nearly_everything_cost_milliseconds(distinct):
    """Ten users: five with all of 20,000 items, five that lack two."""
    n_items = 20_000
    lists = [list(range(n_items))] * 5 + [[i for i in range(n_items) if i not in (17, 19_999)]] * 5
    users = [user for user in range(10) for _ in range(1_000)]
    started = time.perf_counter()
    made = draw_all(lists, users, n_items, 2, distinct=distinct)
    assert time.perf_counter() - started < 2  # a rejection loop would take minutes
    assert (made[:5_000] == -1).all()
    assert set(made[5_000:].ravel().tolist()) == {17, 19_999}
    if distinct:
        assert (np.sort(made[5_000:], axis=1) == [17, 19_999]).all()
