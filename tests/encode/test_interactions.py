"""Pairs and items against Python's sets and dictionaries."""

from __future__ import annotations

import pickle
import random

import numpy as np
import pyarrow as pa
import pytest
import reference

from negprep.encode import pairs as module
from negprep.encode.pairs import Pairs, as_seen, group_pairs, join_catalog, merge_pairs, pair_keys, subtract_pairs
from negprep.encode.vocabulary import Vocabulary
from negprep.errors import BadDataError
from negprep.sample.rng import integer_keys, purpose_key

N_USERS, N_ITEMS = 9, 12


def rows_of(seed, size=60):
    """Users (some without a row), items and times of rows; some pairs come again."""
    chance = random.Random(seed)
    rows = [(chance.randrange(1, N_USERS - 1), chance.randrange(N_ITEMS), chance.randrange(-5, 5)) for _ in range(size)]
    return tuple(
        np.array([row[place] for row in rows], kind) for place, kind in enumerate((np.int32, np.int32, np.int64))
    )


def pairs_of(pairs):
    return set(zip(pairs.users().tolist(), pairs.items.tolist(), strict=True))


def check(pairs):
    """Ascending and distinct within a user; the starts fit."""
    assert len(pairs.starts) == N_USERS + 1
    assert pairs.starts[0] == 0
    assert pairs.starts[-1] == len(pairs.items)
    for user in range(N_USERS):
        mine = pairs.items[pairs.starts[user] : pairs.starts[user + 1]].tolist()
        assert mine == sorted(set(mine))


@pytest.mark.parametrize("order", ["as they come", "ascending", "ascending and distinct"])
@pytest.mark.parametrize("latest", [True, False])
def test_group(order, latest):
    for seed in range(10):
        users, items, times = rows_of(seed)
        if order != "as they come":
            place = np.lexsort((items, users))
            users, items, times = users[place], items[place], times[place]
        if order == "ascending and distinct":
            first = np.append(True, (np.diff(users) != 0) | (np.diff(items) != 0))
            users, items, times = users[first], items[first], times[first]
        given = [users.copy(), items.copy(), times.copy()]
        wanted = {}
        for user, item, time in zip(users.tolist(), items.tolist(), times.tolist(), strict=True):
            wanted[user, item] = (max if latest else min)(time, wanted.get((user, item), time))
        timed = group_pairs(users, items, N_USERS, N_ITEMS, times=times, latest=latest)
        plain = group_pairs(users, items, N_USERS, N_ITEMS)
        for pairs in (timed, plain):
            check(pairs)
            assert pairs_of(pairs) == wanted.keys()
        assert timed.times.tolist() == [wanted[pair] for pair in sorted(wanted)]
        assert plain.times is None
        assert all((now == before).all() for now, before in zip((users, items, times), given, strict=True))


@pytest.mark.parametrize("latest", [True, False, None], ids=str)
@pytest.mark.parametrize("ascending", [True, False])
def test_what_is_carried_is_of_the_row_that_gave_the_time(latest, ascending):
    """Of rows of one time, and where there are no times, of the smallest row; whatever their order."""
    for seed in range(10):
        users, items, times = rows_of(seed)
        order = np.lexsort((items, users)) if ascending else np.arange(len(users))
        chance = np.random.default_rng(seed)
        carried = {name: chance.integers(0, 3, len(users), np.int32) for name in ("one", "two")}
        times = times % 2
        wanted = {}
        for user, item, time, *codes in zip(users, items, times, *carried.values(), strict=True):
            rank = (0 if latest is None else -time if latest else time, *codes)
            wanted[user, item] = min(rank, wanted.get((user, item), rank))
        pairs = group_pairs(
            users[order],
            items[order],
            N_USERS,
            N_ITEMS,
            times=None if latest is None else times[order],
            latest=bool(latest),
            carried={name: codes[order] for name, codes in carried.items()},
        )
        check(pairs)
        found = zip(*(codes.tolist() for codes in pairs.carried.values()), strict=True)
        assert list(found) == [wanted[pair][1:] for pair in sorted(wanted)]


def test_group_nothing():
    empty = np.empty(0, np.int32)
    check(group_pairs(empty, empty, N_USERS, N_ITEMS))
    check(group_pairs(empty, empty, N_USERS, N_ITEMS, times=np.empty(0, np.int64)))


@pytest.mark.parametrize("counts", [[1], [2, 1, 3], [0, 2, 1], [2, 0, 0, 1], [1, 2, 0], [0, 0]])
def test_group_of_rows_in_order(counts):
    users = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    items = np.concatenate([np.arange(count, dtype=np.int32) for count in counts])
    pairs = group_pairs(users, items, len(counts), 5)
    assert pairs.starts.dtype == np.int64
    assert pairs.starts.tolist() == [0, *np.cumsum(counts).tolist()]
    assert pairs.items.tolist() == items.tolist()


def grouped(seed, size=60):
    users, items, times = rows_of(seed, size)
    return group_pairs(users, items, N_USERS, N_ITEMS, times=times)


def test_users_of_a_range_of_pairs():
    pairs = grouped(1)
    whole = pairs.users()
    assert whole.dtype == np.int32
    for begin in range(len(pairs) + 1):
        for end in range(begin, len(pairs) + 1):
            assert pairs.users(begin, end).tolist() == whole[begin:end].tolist()


def test_where():
    for seed in range(5):
        pairs = grouped(seed)
        mask = np.random.default_rng(seed).random(len(pairs)) < 0.5
        kept = pairs.where(mask)
        check(kept)
        assert kept.times.tolist() == pairs.times[mask].tolist()
        assert pairs_of(kept) == {pair for pair, keep in zip(sorted(pairs_of(pairs)), mask, strict=True) if keep}


@pytest.mark.parametrize("sizes", [(60, 60, 60), (60, 0, 5), (0, 0, 0), (0, 60, 0), (1, 1, 0)])
def test_merge_and_subtract(sizes):
    parts = [grouped(seed, size) for seed, size in enumerate(sizes)]
    merged = merge_pairs(parts, N_ITEMS)
    check(merged)
    assert merged.times is None
    assert pairs_of(merged) == set().union(*map(pairs_of, parts))
    less = subtract_pairs(parts[0], parts[1], N_ITEMS)
    check(less)
    assert pairs_of(less) == pairs_of(parts[0]) - pairs_of(parts[1])


def test_pair_keys():
    users, items = np.array([1, -5]), np.array([7, 2**62])
    keys = pair_keys(purpose_key(3, "split"), integer_keys(users), integer_keys(items))
    assert keys.tolist() == [
        reference.pair_key(3, "split", u, i) for u, i in zip(users.tolist(), items.tolist(), strict=True)
    ]
    swapped = pair_keys(purpose_key(3, "split"), integer_keys(items), integer_keys(users))
    assert not set(keys.tolist()) & set(swapped.tolist())


def vocabulary(ids):
    return Vocabulary(pa.array(ids))


def test_without_a_catalog_the_items_are_those_of_the_log():
    items, recode = join_catalog(vocabulary([3, 5]), None)
    assert recode is None
    assert (items.n_catalog, len(items), items.ids.to_pylist()) == (2, 2, [3, 5])


@pytest.mark.parametrize(
    ("found", "catalog", "ids", "codes"),
    [
        ([3, 5, 9], [1, 3, 9], [1, 3, 9, 5], [1, 3, 2]),
        ([3, 5], [3, 4, 5], [3, 4, 5], [0, 2]),
        (["3", "x"], [1, 3], ["1", "3", "x"], [1, 2]),
        ([3, 10], ["10", "a"], ["10", "a", "3"], [2, 0]),
        (["03", "3"], [3], ["3", "03"], [1, 0]),
        (["3", "5"], [5], ["5", "3"], [1, 0]),
    ],
    ids=str,
)
def test_a_catalog_comes_first(found, catalog, ids, codes):
    items, recode = join_catalog(vocabulary(found), vocabulary(catalog))
    assert items.ids.to_pylist() == ids
    assert recode.tolist() == codes
    assert items.n_catalog == len(catalog)
    assert items.keys.tolist() == [reference.id_key(one) for one in ids]
    whole, positions = items.vocabulary
    assert whole.to_pylist() == sorted(ids)
    assert [whole[position].as_py() for position in positions.tolist()] == ids


@pytest.mark.parametrize("ids", [range(10_000), [f"item {one}" for one in range(10_000)]], ids=["integers", "strings"])
def test_items_are_pickled_once(ids):
    found = vocabulary(list(ids))
    whole = len(pickle.dumps(found))
    for catalog in (None, vocabulary(list(ids))):
        items, _ = join_catalog(found, catalog)
        assert len(items.others) == 0
        assert len(pickle.dumps(items.others)) < 1_000
        assert whole < len(pickle.dumps(items)) < whole + 1_000


def test_a_catalog_of_other_items():
    with pytest.raises(BadDataError, match="none of the 2 items of the log is in the catalog"):
        join_catalog(vocabulary([3, 5]), vocabulary([1, 2]))


def test_seen_is_of_the_catalog():
    items, _ = join_catalog(vocabulary([0, 1, 2]), vocabulary([0, 1]))
    pairs = Pairs(np.array([0, 3, 3, 4]), np.array([0, 1, 2, 2], np.int32))
    seen = as_seen(pairs, items)
    assert seen.n_items == 2
    assert seen.starts.tolist() == [0, 2, 2, 2]
    assert seen.items.tolist() == [0, 1]
    assert seen.eligible.tolist() == [0, 2, 2]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.12, 0.13, 0.6, 1.0])
def test_pairs_by_a_mask_of_any_density(share):
    chance = np.random.default_rng(7)
    counts = chance.integers(0, 30, 200)
    starts = np.concatenate([[0], np.cumsum(counts)])
    times = chance.integers(0, 1 << 40, starts[-1])
    carried = {"one": chance.integers(0, 9, starts[-1], np.int32)}
    pairs = Pairs(starts, chance.integers(0, 1_000, starts[-1]).astype(np.int32), times, carried)
    mask = chance.random(len(pairs)) < share
    kept = pairs.where(mask)
    expected = [(user, row) for user in range(200) for row in range(starts[user], starts[user + 1]) if mask[row]]
    assert kept.users().tolist() == [user for user, _ in expected]
    assert kept.items.tolist() == [pairs.items[row] for _, row in expected]
    assert kept.times.tolist() == [times[row] for _, row in expected]
    assert kept.carried["one"].tolist() == [carried["one"][row] for _, row in expected]


@pytest.mark.parametrize("wrong", [None, 0, 3, 4, 5, 8, 9])
def test_rows_that_are_in_order_but_for_one(monkeypatch, wrong):
    """Wherever among those that are compared together it stands."""
    monkeypatch.setattr(module, "_COMPARED", 4)
    users = np.repeat(np.arange(4, dtype=np.int32), 3)[:11]
    items = np.tile(np.arange(3, dtype=np.int32), 4)[:11]
    if wrong is not None:
        users[[wrong, wrong + 1]], items[[wrong, wrong + 1]] = users[[wrong + 1, wrong]], items[[wrong + 1, wrong]]
    pairs = group_pairs(users, items, 5, 3)
    assert pairs.starts.tolist() == [0, 3, 6, 9, 11, 11]
    assert pairs.items.tolist() == [0, 1, 2] * 3 + [0, 1]
