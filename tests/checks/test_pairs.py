"""Sets of pairs against Python's own sets."""

from __future__ import annotations

import numpy as np
import pytest

from negprep.checks import pair_set as module
from negprep.checks import ranges
from negprep.checks.expected import per_user
from negprep.checks.pair_set import Gathered, PairSet, distinct


@pytest.mark.parametrize("few", [0, 10, 1_000])
@pytest.mark.parametrize("masked", [0, 1 << 26])
def test_sets_are_pythons(monkeypatch, masked, few):
    monkeypatch.setattr(module, "_FEW", few)
    monkeypatch.setattr(module, "_CACHED", few or 1 << 18)
    monkeypatch.setattr(module, "_MANY", few)
    monkeypatch.setattr(module, "_SPARSE", 0 if few else 8)
    monkeypatch.setattr(module, "_MASKED", masked)
    chance = np.random.default_rng(3)
    for n_keys in (0, 1, 40, 900):
        keys = distinct(chance.integers(0, 2_000, n_keys))
        mine = PairSet(keys, 40, 50)
        asked = chance.integers(-3, 2_000, 500)
        known = set(keys.tolist())
        assert mine.rows_in(asked).tolist() == [at for at, key in enumerate(asked.tolist()) if key in known]
        assert [keys[at] if at >= 0 else -1 for at in mine.find(asked)] == [k if k in known else -1 for k in asked]
        other = PairSet(distinct(chance.integers(0, 2_000, 300)), 40, 50)
        others = set(other.keys.tolist())
        assert mine.union(other).keys.tolist() == sorted(known | others)
        assert mine.without(other).keys.tolist() == sorted(known - others)
        assert (mine.users * 50 + mine.items == keys).all()
        assert mine.counts.tolist() == [sum(key // 50 == user for key in known) for user in range(40)]


@pytest.mark.parametrize("step", [1, 7, 1 << 16])
def test_parts_in_steps_have_all_pairs_and_whole_users(monkeypatch, step):
    monkeypatch.setattr(ranges, "_STEP", step)
    pairs = PairSet(distinct(np.random.default_rng(5).integers(0, 2_000, 300)), 40, 50)
    whole = ranges.Part.of(100, pairs)
    found, users = [], []
    for part in whole.steps():
        mine = (part.users + part.first).tolist()
        found += list(zip(mine, part.items.tolist(), strict=True))
        here = set(mine)
        assert not here & set(users)
        assert here <= set(range(part.first, part.first + part.n_users))
        users += here
    assert found == list(zip((pairs.users + 100).tolist(), pairs.items.tolist(), strict=True))


@pytest.mark.parametrize("share", [0.0, 0.2, 0.9, 1.0])
def test_some_of_each_user_are_counted(share):
    chance = np.random.default_rng(6)
    pairs = PairSet(distinct(chance.integers(0, 2_000, 300)), 40, 50)
    which = chance.random(len(pairs)) < share
    wanted = [int(which[pairs.users == user].sum()) for user in range(40)]
    assert per_user(pairs, which).tolist() == wanted


@pytest.mark.parametrize("n_keys", [1, 63, 64, 65, 900])
def test_keys_far_apart_are_found_by_blocks(monkeypatch, n_keys):
    monkeypatch.setattr(module, "_SPARSE", 0)
    chance = np.random.default_rng(n_keys)
    keys = distinct(chance.integers(100, 2_000, n_keys))
    asked = np.sort(np.concatenate([chance.integers(0, 2_200, 300), keys, [keys[0] - 1, keys[-1] + 1]]))
    assert PairSet(keys, 40, 50)._bounds(asked).tolist() == np.searchsorted(keys, asked).tolist()


@pytest.mark.parametrize("n_items", [50, 1 << 31])
@pytest.mark.parametrize("step", [1, 8, 64, 1 << 16])
def test_rows_held_back_come_once_in_order_of_keys_and_rows(monkeypatch, step, n_items):
    monkeypatch.setattr(module, "_STEP", step)
    chance = np.random.default_rng(step)
    n_users = (1 << 57) // n_items  # few bits are left for rows
    gathered, given, taken, row = Gathered(PairSet(np.empty(0, np.int64), n_users, n_items)), [], [], 10**12
    for epoch in (0, 0, 0, 3, 3, 1, 0, 0):
        rows = row + np.cumsum(chance.integers(1, 9, chance.integers(0, 40)))
        row = int(rows[-1]) if len(rows) else row
        keys = chance.integers(0, 30, len(rows)) * (n_users * n_items // 30)
        given += zip([epoch] * len(rows), keys.tolist(), rows.tolist(), strict=True)
        taken += gathered.add(keys, rows, epoch)
    taken += gathered.take()
    assert list(gathered.take()) == []
    found = [[(epoch, *row) for row in zip(keys.tolist(), rows.tolist(), strict=True)] for keys, rows, epoch in taken]
    assert all(part == sorted(part) for part in found)
    assert [epoch for part in found for epoch, *_ in part] == [epoch for epoch, *_ in given]
    assert sorted(row for part in found for row in part) == sorted(given)


def test_keys_at_one_place_with_one_mark_are_told_apart(monkeypatch):
    monkeypatch.setattr(module, "_CACHED", 0)
    monkeypatch.setattr(module, "_MANY", 0)
    monkeypatch.setattr(module, "_MASKED", 0)
    monkeypatch.setattr(module, "_hashed", lambda keys, size: (keys % 4, (keys % 3 * 2 + 1).astype(np.uint8)))
    keys = np.arange(0, 2_000, 7)
    assert PairSet(keys, 40, 50).rows_in(np.arange(-3, 2_000)).tolist() == (keys + 3).tolist()
    assert PairSet(keys[:3], 40, 50).rows_in(np.arange(2_000)).tolist() == keys[:3].tolist()
