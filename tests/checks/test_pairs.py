"""Sets of pairs against Python's own sets."""

from __future__ import annotations

import numpy as np
import pytest

from negprep.checks import pair_set as module
from negprep.checks.pair_set import PairSet, distinct


@pytest.mark.parametrize("few", [0, 10, 1_000])
@pytest.mark.parametrize("masked", [0, 1 << 26])
def test_sets_are_pythons(monkeypatch, masked, few):
    monkeypatch.setattr(module, "_FEW", few)
    monkeypatch.setattr(module, "_CACHED", few or 1 << 18)
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
