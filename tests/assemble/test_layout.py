"""Layouts: groups to rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from negprep.assemble.layout import Groups, Ids, RowLayout, vocabulary_tables

USERS = pa.array([100, 200, 300])
ITEMS = pa.array([10, 11, 12, 13, 14])
LABEL = pa.int8()


def groups(counts=None, slots=None):
    negatives = np.array([[1, 2], [3, 4], [0, 1]], np.int32)
    if counts is not None:
        counts = np.array(counts)
        negatives[np.arange(2) >= counts[:, None]] = -1
    return Groups(
        np.array([0, 0, 2], np.int32),
        np.array([0, 1, 4], np.int32),
        np.asfortranarray(negatives),
        counts,
        None if slots is None else np.array(slots),
    )


def form(layout, ids=Ids.of, label=LABEL):
    return RowLayout(layout, ids(USERS), ids(ITEMS), label)


def rows(layout, given):
    made = form(layout).batch(given)
    assert made.schema == form(layout).schema
    counts = np.full(3, 2) if given.counts is None else given.counts
    assert made.num_rows == form(layout).rows_of(counts).sum()
    made.validate(full=True)
    return list(zip(*made.to_pydict().values(), strict=True))


def test_pointwise():
    assert rows("pointwise", groups()) == [
        (100, 10, 1), (100, 11, 0), (100, 12, 0),
        (100, 11, 1), (100, 13, 0), (100, 14, 0),
        (300, 14, 1), (300, 10, 0), (300, 11, 0),
    ]  # fmt: skip


def test_pointwise_of_short_groups():
    assert rows("pointwise", groups([2, 0, 1])) == [
        (100, 10, 1), (100, 11, 0), (100, 12, 0),
        (100, 11, 1),
        (300, 14, 1), (300, 10, 0),
    ]  # fmt: skip


def test_pointwise_with_slots():
    assert rows("pointwise", groups(slots=[2, 0, 1])) == [
        (100, 11, 0), (100, 12, 0), (100, 10, 1),
        (100, 11, 1), (100, 14, 0), (100, 13, 0),
        (300, 10, 0), (300, 14, 1), (300, 11, 0),
    ]  # fmt: skip


def test_pointwise_of_short_groups_with_slots():
    assert rows("pointwise", groups([2, 0, 1], slots=[1, 0, 1])) == [
        (100, 11, 0), (100, 10, 1), (100, 12, 0),
        (100, 11, 1),
        (300, 10, 0), (300, 14, 1),
    ]  # fmt: skip


def test_pairwise():
    assert rows("pairwise", groups()) == [
        (100, 10, 11), (100, 10, 12), (100, 11, 13), (100, 11, 14), (300, 14, 10), (300, 14, 11),
    ]  # fmt: skip
    assert rows("pairwise", groups([2, 0, 1])) == [(100, 10, 11), (100, 10, 12), (300, 14, 10)]


def test_listwise():
    assert rows("listwise", groups()) == [(100, 10, [11, 12]), (100, 11, [13, 14]), (300, 14, [10, 11])]
    assert rows("listwise", groups([2, 0, 1])) == [(100, 10, [11, 12]), (100, 11, []), (300, 14, [10])]


@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
def test_text_ids_are_dictionaries(layout):
    def text(ids):
        return Ids.of(ids.cast(pa.string()))

    made = form(layout, text).batch(groups([2, 0, 1]))
    assert made.schema.field("user").type == pa.dictionary(pa.int32(), pa.string())
    plain = form(layout).batch(groups([2, 0, 1])).to_pydict()
    assert str(made.to_pydict()).replace("'", "") == str(plain).replace("'", "")


@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
def test_codes(layout):
    def codes(ids):
        return Ids(np.arange(len(ids), dtype=np.int32))

    made = form(layout, codes).batch(groups())
    assert made.schema.field("user").type == pa.int32()
    assert made.column(0).to_pylist()[-1] == 2


def test_labels():
    made = form("pointwise", label=pa.float32()).batch(groups(slots=[0, 1, 2]))
    assert made.schema.field("label").type == pa.float32()
    assert made.column("label").to_pylist() == [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]


def test_no_column_may_be_null():
    for layout in ("pointwise", "pairwise", "listwise"):
        assert not any(field.nullable for field in form(layout).schema)


def test_vocabularies():
    tables = vocabulary_tables(USERS, pa.array(["a", "b"]))
    assert {name: table.to_pydict() for name, table in tables.items()} == {
        "users": {"code": [0, 1, 2], "user": [100, 200, 300]},
        "items": {"code": [0, 1], "item": ["a", "b"]},
    }
