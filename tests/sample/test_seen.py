"""Every kernel of a question gives the answer of Python's sets."""

from __future__ import annotations

import random
from bisect import bisect_left

import numpy as np
import pytest
from randomness.experiments import seen_of

from negprep.sample import seen as module
from negprep.sample.seen import Filter, MaskBuffer, Seen, SeenBlock, SparseBlock

SHAPES = [
    pytest.param(n_items, lists, id=name)
    for name, n_items, lists in [
        ("one item, seen and not", 1, [[0], [], [0]]),
        ("nobody has seen anything", 9, [[], [], []]),
        ("everybody has seen everything", 64, [range(64)] * 3),
        ("all but one", 128, [[i for i in range(128) if i != gap] for gap in (0, 63, 127)]),
        ("a power of two", 256, [[0, 255], [255], [0]]),
        ("the ends", 70_000, [[0], [69_999], [0, 69_999]]),
        ("one heavy user among light ones", 70_000, [range(0, 70_000, 3), [5], [], [4_464, 65_536]]),
    ]
]


def random_shapes():
    chance = random.Random(7)
    for _ in range(12):
        n_items = chance.choice([1, 2, 63, 64, 65, 100, 1_000, 65_536, 65_537, 200_000])
        yield (
            n_items,
            [
                sorted(chance.sample(range(n_items), chance.randrange(min(n_items, 300) + 1)))
                for _ in range(chance.randint(1, 9))
            ],
        )


KINDS = pytest.mark.parametrize("kind", [SeenBlock, SparseBlock])


def block_of(n_items, lists, monkeypatch=None, *, exact=None, kind=SeenBlock):
    """A block; ``exact`` forces its mask."""
    if exact is not None:
        monkeypatch.setattr(module, "MASK_BYTES_PER_ENTRY", 1 << 20 if exact else 2)
        monkeypatch.setattr(module, "_LARGEST_EXACT_MASK", 1 << 40 if exact else 0)
    return kind(seen_of([list(items) for items in lists], n_items), 0, len(lists))


@pytest.mark.parametrize(("n_items", "lists"), SHAPES)
def test_eligible(n_items, lists):
    seen = seen_of([list(items) for items in lists], n_items)
    assert seen.n_users == len(lists)
    assert seen.eligible.tolist() == [n_items - len(items) for items in lists]


@KINDS
@pytest.mark.parametrize(("n_items", "lists"), SHAPES)
def test_contains(n_items, lists, kind):
    chance = random.Random(1)
    block = block_of(n_items, lists, kind=kind)
    asked = [(row, item) for row, items in enumerate(lists) for item in [*items][:500]]
    asked += [(chance.randrange(len(lists)), chance.randrange(n_items)) for _ in range(2_000)]
    rows, items = (np.array(column) for column in zip(*asked, strict=True))
    sets = [set(items) for items in lists]
    assert block.contains(rows, items).tolist() == [item in sets[row] for row, item in asked]
    below = [bisect_left([*lists[row]], item) for row, item in asked[-200:]]
    assert block.count_below(rows[-200:], items[-200:]).tolist() == below


@pytest.mark.parametrize("exact", [True, False])
def test_masks_say_what_is_seen(monkeypatch, exact):
    buffer = MaskBuffer()
    for n_items, lists in random_shapes():
        block = block_of(n_items, lists, monkeypatch, exact=exact)
        assert block.is_exact == (exact or n_items <= block.width)
        with block.marked(buffer) as mask:
            for row, items in enumerate(lists):
                codes = np.arange(n_items)
                marked = mask[row * block.width + codes % block.width].astype(bool)
                wanted = np.isin(codes, items)
                if block.is_exact:
                    assert (marked == wanted).all()
                else:
                    assert marked[wanted].all()
                    sure = block.contains(np.full(n_items, row), codes)
                    assert (sure == wanted).all()
        assert not buffer.zeros(1).any()
        assert not buffer._bytes.any(), "a mark was left behind"


def test_marks_are_cleared_after_an_error():
    buffer = MaskBuffer()
    block = block_of(50, [[1, 2, 3]])
    with pytest.raises(KeyError), block.marked(buffer):
        raise KeyError
    assert not buffer._bytes.any()


@pytest.mark.parametrize("cost", [0, 1, 100, 10**12], ids=["all by search", "few by list", "usual", "all by list"])
@KINDS
@pytest.mark.parametrize(("n_items", "lists"), SHAPES)
def test_select(monkeypatch, n_items, lists, cost, kind):
    monkeypatch.setattr(module, "_LISTED_BYTES_PER_SEARCH", cost)
    block = block_of(n_items, lists, kind=kind)
    eligible = [sorted(set(range(n_items)) - set(items)) for items in lists]
    chance = random.Random(2)
    asked = [(row, rank) for row, items in enumerate(eligible) for rank in {0, len(items) - 1} if items]
    asked += [(row, chance.randrange(len(items))) for row, items in enumerate(eligible) if items for _ in range(300)]
    chance.shuffle(asked)
    rows, ranks = (np.array([pair[place] for pair in asked], np.int64) for place in (0, 1))
    selected = block.select(rows, ranks)
    assert selected.dtype == np.int64
    assert selected.tolist() == [eligible[row][rank] for row, rank in asked]


def test_select_mixes_listing_and_searching(monkeypatch):
    monkeypatch.setattr(module, "_LISTED_BYTES_PER_SEARCH", 10)
    lists = [[0, 5, 9], [1], [], [3, 4]]
    block = block_of(100, lists)
    rows = np.array([0] * 50 + [1, 2, 3] + [2] * 40)  # of 10 and more, listed
    ranks = np.arange(len(rows)) % 96
    eligible = [sorted(set(range(100)) - set(items)) for items in lists]
    selected = [eligible[row][rank] for row, rank in zip(rows, ranks, strict=True)]
    assert block.select(rows, ranks).tolist() == selected
    again = np.stack([ranks, ranks[::-1] % 3, ranks % 2])
    assert block.select(rows, again).tolist() == [block.select(rows, some).tolist() for some in again]


@pytest.mark.parametrize("bits", [1 << 3, 1 << 9, 1 << 22])
def test_a_filter_has_all_that_is_seen_and_little_else(monkeypatch, bits):
    monkeypatch.setattr(module, "_FILTERED_BITS", bits)
    alarms = asked = 0
    for n_items, lists in random_shapes():
        seen = seen_of(lists, n_items)
        block = SparseBlock(seen, 0, len(lists))
        for row, items in enumerate(lists):
            codes, out = np.arange(n_items)[:, None], np.empty((n_items, 1), np.uint8)
            with block.marked(MaskBuffer()) as mask:
                block.look_up(mask, np.array([row]), codes, places=np.empty((n_items, 1), np.int64), out=out)
            wanted = np.isin(codes, items)
            assert set(np.unique(out)) <= {0, 1}
            assert out[wanted].all()
            alarms, asked = alarms + int(out[~wanted].sum()), asked + int((~wanted).sum())
    assert alarms < asked / 16
    assert Filter.of(seen_of([], 5)).octets.size == 0


def test_some_users_alone():
    lists = [[1, 2], [0, 3], [], [2], [1, 4]]
    some = seen_of(lists, 5).of_users(np.array([0, 2, 4], np.int32))
    assert (some.starts.tolist(), some.items.tolist(), some.n_items) == ([0, 2, 2, 4], [1, 2, 1, 4], 5)


@KINDS
def test_a_block_in_the_middle(kind):
    lists = [[1, 2], [0, 3], [], [2], [1, 4]]
    block = kind(seen_of(lists, 5), 1, 4)
    assert block.eligible.tolist() == [3, 5, 4]
    assert block.contains(np.array([0, 0, 1, 2, 2]), np.array([3, 1, 3, 2, 1])).tolist() == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert block.select(np.array([0, 0, 0, 2, 1]), np.array([0, 1, 2, 2, 4])).tolist() == [1, 2, 4, 3, 4]


@pytest.mark.parametrize("n_entries", [1, 2, 5, 17, 1 << 16])
def test_blocks_cover_the_positives_once(n_entries):
    chance = random.Random(4)
    for _ in range(30):
        lists = [list(range(chance.choice([0, 0, 1, 2, 9]))) for _ in range(chance.randint(1, 40))]
        users = np.array(sorted(chance.choices(range(len(lists)), k=chance.randint(0, 60))), np.int32)
        seen, at = seen_of(lists, 9), 0
        for first, last, begin, end in seen.blocks(users, n_entries):
            assert begin == at < end
            assert ((users[begin:end] >= first) & (users[begin:end] < last)).all()
            assert last - first == 1 or seen.starts[last] - seen.starts[first] <= n_entries
            assert last - first <= n_entries
            at = end
        assert at == len(users)


@KINDS
def test_the_largest_codes_do_not_overflow(kind):
    """Rows times items is beyond 32 bits."""
    n_items = 2**31 - 1
    seen = Seen(np.arange(0, 3_001, 3), np.tile(np.array([0, 7, n_items - 1], np.int32), 1_000), n_items)
    block = kind(seen, 0, 1_000)
    assert not block.is_exact
    rows = np.array([0, 999, 999, 999])
    assert block.contains(rows, np.array([7, n_items - 1, n_items - 2, 0])).tolist() == [True, True, False, True]
    assert block.select(rows, np.array([0, 5, 6, n_items - 4])).tolist() == [1, 6, 8, n_items - 2]
