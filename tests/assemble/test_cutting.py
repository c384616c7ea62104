"""Shards and parts: every row once, in order; row groups of one size; a user's rows in one part."""

from __future__ import annotations

import numpy as np
import pytest

from negprep.assemble.section import Cutter


class Rows:
    """A section that has nothing but rows: user u has ``counts[u]`` of them."""

    def __init__(self, counts):
        self.row_starts = np.concatenate([[0], np.cumsum(np.array(counts, np.int64))])
        self.n_rows = int(self.row_starts[-1])


CHANCE = np.random.default_rng(8)
CASES = {
    "one section": [[3, 1, 4, 1, 5]],
    "users without rows": [[0, 3, 0, 0, 4, 0], [0], [0, 2]],
    "sections without users": [[], [5, 5], [], [1]],
    "a user larger than a part": [[2, 50, 1], [1, 30]],
    "users of one size": [[10] * 20, [10] * 11],
    "random": [CHANCE.integers(0, 9, size).tolist() for size in (5, 1, 40, 13)],
    "nothing": [[0, 0], []],
}


def cut(counts, shard_rows, part_rows):
    cutter = Cutter(shard_rows, part_rows)
    return [(section, shard) for section, each in enumerate(counts) for shard in cutter.cut(Rows(each))]


@pytest.mark.parametrize("part_rows", [None, 1, 7, 20, 1_000])
@pytest.mark.parametrize("shard_rows", [1, 3, 8, 1_000])
@pytest.mark.parametrize("counts", CASES.values(), ids=CASES)
def test_shards_cover_the_rows_once_and_in_order(counts, shard_rows, part_rows):
    at = dict.fromkeys(range(len(counts)), 0)
    for section, shard in cut(counts, shard_rows, part_rows):
        assert shard.begin == at[section] < shard.end
        at[section] = shard.end
    assert list(at.values()) == [sum(each) for each in counts]


@pytest.mark.parametrize("part_rows", [None, 7, 20])
@pytest.mark.parametrize("shard_rows", [1, 3, 8])
@pytest.mark.parametrize("counts", CASES.values(), ids=CASES)
def test_shards_end_at_multiples_of_their_size_in_a_part(counts, shard_rows, part_rows):
    in_part = 0
    for _, shard in cut(counts, shard_rows, part_rows):
        if shard.starts_part:
            in_part = 0
        assert in_part % shard_rows + shard.end - shard.begin <= shard_rows
        in_part += shard.end - shard.begin


@pytest.mark.parametrize("part_rows", [1, 7, 20, 100, 1_000])
@pytest.mark.parametrize("counts", CASES.values(), ids=CASES)
def test_a_part_begins_with_the_first_user_at_or_after_each_multiple(counts, part_rows):
    starts, before = [], 0
    for each in counts:
        for count in each:
            if count:
                starts.append(before)
            before += count
    wanted = (
        sorted(
            {next(start for start in starts if start >= multiple) for multiple in range(0, starts[-1] + 1, part_rows)}
        )
        if starts
        else []
    )
    bases = np.cumsum([0] + [sum(each) for each in counts]).tolist()
    assert [bases[section] + shard.begin for section, shard in cut(counts, 5, part_rows) if shard.starts_part] == wanted


def test_without_parts_only_the_first_shard_starts_one():
    started = [shard.starts_part for _, shard in cut(CASES["random"], 4, None)]
    assert started == [True] + [False] * (len(started) - 1)
