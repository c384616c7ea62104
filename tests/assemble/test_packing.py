"""Rows that wait to be shuffled: whatever is packed comes out in order, as the coded form would have made it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from negprep.assemble.layout import Groups, Ids, RowLayout
from negprep.assemble.shuffle import AsTheyAre, InWords, packing_of

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
def test_rows_in_words_come_out_by_word_and_then_by_user_and_item(items, full, label):
    chance = np.random.default_rng(items)
    form, n_users, word_bits = RowLayout("pointwise", IDS, IDS, label), 1 << 17, 15
    packing = packing_of(form, n_users, items, word_bits)
    assert isinstance(packing, InWords)
    pieces, rows_of_all, words_of_all = [], [], []
    for first_user, users, size in ((0, 1, 3), (7, 1 << 16, 40_000), (1 << 16, 1 << 16, 500), (5, 9, 0)):
        groups = groups_of(chance, size=size, users=users, items=items, num_neg=3, full=full)
        coded = form.coded(first_user, users, items)
        rows = pa.Table.from_batches([coded.batch(groups)])
        cut = slice(len(rows) // 3, len(rows) - len(rows) // 4)
        words = chance.integers(0, 1 << word_bits, cut.stop - cut.start).astype(np.uint64)
        packed, columns = packing.pack(words, [groups], coded, cut)
        assert not columns
        pieces.append(packed)
        rows_of_all.append(rows.slice(cut.start, len(words)))
        words_of_all.append(words)
    columns = [column.to_numpy() for column in pa.concat_tables(rows_of_all).columns]
    order = np.lexsort((*reversed(columns), np.concatenate(words_of_all)))
    some = slice(len(order) // 5, len(order) // 2)
    found = packing.in_order(np.concatenate(pieces), [], some)
    for column, wanted in zip(found, columns, strict=True):
        assert column.dtype == wanted.dtype
        assert (column == wanted[order[some]]).all()


@pytest.mark.parametrize(("word_bits", "word_type"), [(32, np.uint32), (33, np.uint64)])
def test_where_there_is_no_room_rows_are_beside_the_words(word_bits, word_type):
    form = RowLayout("pointwise", IDS, IDS, pa.int8())
    assert isinstance(packing_of(form, 1 << 31, 1 << (63 - 31 - word_bits + 1), word_bits), AsTheyAre)
    packing = packing_of(form, 1 << 16, 1 << 16, word_bits)
    assert isinstance(packing, AsTheyAre)
    groups = groups_of(np.random.default_rng(1), size=10, users=1, items=1, num_neg=3, full=True)
    words = np.arange(40, dtype=np.uint64) + np.uint64(1 << word_bits)
    packed, columns = packing.pack(words, [groups], form.coded(0, 1, 1), slice(0, 40))
    assert packed.dtype == word_type
    assert packed.tolist() == list(range(40))
    assert [len(column) for column in columns] == [40] * 3


@pytest.mark.parametrize("form", [{"layout": "pairwise"}, {"sources": ("a",)}, {"with_log_q": True}], ids=str)
def test_rows_with_more_than_a_label_are_kept_as_they_are(form):
    given = {"layout": "pointwise", "users": IDS, "items": IDS, "label_type": pa.int8()} | form
    assert isinstance(packing_of(RowLayout(**given), 10, 10, 30), AsTheyAre)
