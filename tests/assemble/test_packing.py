"""Rows that wait to be shuffled: whatever is packed comes out as the coded form would have made it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from negprep.arrow import unwrapped
from negprep.assemble.layout import Groups, Ids, RowLayout
from negprep.assemble.shuffle import AsNumbers, packing_of

IDS = Ids(np.arange(10))


def groups_of(chance, *, size, users, items, num_neg, full):
    counts = None if full else chance.integers(0, num_neg + 1, size)
    negatives = chance.integers(0, items, (size, num_neg)).astype(np.int32)
    if counts is not None:
        negatives[np.arange(num_neg) >= counts[:, None]] = -1
    of_users = np.sort(chance.integers(0, users, size)).astype(np.int32)
    return Groups(of_users, chance.integers(0, items, size).astype(np.int32), negatives, counts)


@pytest.mark.parametrize("items", [1, 2, 26_744, 1 << 31])
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("label", [pa.int8(), pa.float32()], ids=str)
def test_pieces_of_other_users_and_widths_come_out_end_to_end(items, full, label):
    chance = np.random.default_rng(items)
    form = RowLayout("pointwise", IDS, IDS, label)
    packing = packing_of(form, items)
    assert isinstance(packing, AsNumbers)
    pieces, expected = [], []
    for first_user, users, size in ((0, 1, 3), (7, 1 << 17, 40_000), (1 << 30, 1 << 30, 500), (5, 9, 0)):
        groups = groups_of(chance, size=size, users=users, items=items, num_neg=3, full=full)
        coded = form.coded(first_user, users, items)
        columns, first = packing.pack([groups], coded)
        rows = coded.batch(groups)
        cut = slice(len(rows) // 3, len(rows) - len(rows) // 4)
        pieces.append(([column[cut] for column in columns], first))
        expected.append([unwrapped(column)[cut] for column in rows.columns])
    found = packing.unpack(pieces)
    for column, wanted in zip(found, map(np.concatenate, zip(*expected, strict=True)), strict=True):
        assert column.dtype == wanted.dtype
        assert (column == wanted).all()


def test_few_users_and_items_take_four_bytes_a_row():
    groups = groups_of(np.random.default_rng(1), size=1_000, users=1 << 16, items=1 << 15, num_neg=4, full=True)
    form = RowLayout("pointwise", IDS, IDS, pa.int8())
    (numbers,), _ = packing_of(form, 1 << 15).pack([groups], form.coded(0, 1 << 16, 1 << 15))
    assert numbers.nbytes == 4 * 5_000


@pytest.mark.parametrize("form", [{"layout": "pairwise"}, {"sources": ("a",)}, {"with_log_q": True}], ids=str)
def test_rows_with_more_than_a_label_are_kept_as_they_are(form):
    given = {"layout": "pointwise", "users": IDS, "items": IDS, "label_type": pa.int8()} | form
    assert not isinstance(packing_of(RowLayout(**given), 10), AsNumbers)
