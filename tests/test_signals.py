"""Signals at random moments of real runs: each ends soon, by the signal or with its output, and leaves nothing."""

from __future__ import annotations

import pytest
from signals import try_moments


@pytest.mark.parametrize(
    ("moments", "rows", "limit", "lasts"),
    [(20, 100_000, 20, 1.2), pytest.param(300, 1_000_000, 2, None, marks=pytest.mark.heavy)],
)
def test_signals_at_random_moments(tmp_path, moments, rows, limit, lasts):
    found = try_moments(tmp_path, rows=rows, moments=moments, seed=5, limit=limit, lasts=lasts)
    assert [wrong for one in found.values() for wrong in one.wrong] == []
    assert sum(one.stopped for one in found.values()) >= moments // 5
