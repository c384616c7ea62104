"""Layouts: positives and their negatives to Arrow batches, labelled row by row, in pairs, or in lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import as_numpy, from_numpy
from negprep.options import Layout
from negprep.seen import Codes, Positions


@dataclass(frozen=True, eq=False)
class Ids:
    """What is written for each code of a column.

    Attributes
    ----------
    values : int64, shape (n,), or pyarrow string array
        Strings are written through a dictionary.
    """

    values: npt.NDArray[np.int64] | Codes | pa.StringArray

    @classmethod
    def of(cls, ids: pa.Array) -> Ids:
        """The ids of a vocabulary: int64 or string."""
        return cls(as_numpy(ids) if pa.types.is_integer(ids.type) else ids)

    @property
    def type(self) -> pa.DataType:
        """The Arrow type of the column."""
        if isinstance(self.values, np.ndarray):
            return from_numpy(self.values[:0]).type
        return pa.dictionary(pa.int32(), pa.string())

    def take(self, codes: Codes) -> pa.Array:
        """The column of the codes: shape (len(codes),)."""
        if isinstance(self.values, np.ndarray):
            return from_numpy(self.values.take(codes, mode="clip"))
        return pa.DictionaryArray.from_arrays(from_numpy(codes), self.values)


@dataclass(frozen=True, eq=False)
class Groups:
    """Positives and the negatives drawn for each.

    Attributes
    ----------
    users, positives : int32, shape (n_groups,)
        Codes.
    negatives : int32, shape (n_groups, num_neg)
        Codes; row ``g`` holds ``counts[g]`` of them, then -1.
    counts : int64, shape (n_groups,), or None
        None: every row is full.
    slots : int64, shape (n_groups,), or None
        Where the positive stands among its negatives, 0 to ``counts[g]``. None: first.
    """

    users: Codes
    positives: Codes
    negatives: Codes
    counts: Positions | None
    slots: Positions | None = None

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True)
class Form:
    """How groups become rows.

    Attributes
    ----------
    layout : {"pointwise", "pairwise", "listwise"}
    users, items : Ids
    label_type : pyarrow type
    """

    layout: Layout
    users: Ids
    items: Ids
    label_type: pa.DataType

    @property
    def schema(self) -> pa.Schema:
        """The columns of the output."""
        user, item = pa.field("user", self.users.type, nullable=False), self.items.type
        if self.layout == "pointwise":
            columns = [("item", item), ("label", self.label_type)]
        elif self.layout == "pairwise":
            columns = [("pos_item", item), ("neg_item", item)]
        else:
            columns = [("pos_item", item), ("neg_items", pa.list_(pa.field("element", item, nullable=False)))]
        return pa.schema([user, *(pa.field(name, kind, nullable=False) for name, kind in columns)])

    def rows_of(self, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """How many rows groups with so many negatives become: int64, the shape of ``counts``."""
        return {"pointwise": counts + 1, "pairwise": counts, "listwise": np.ones_like(counts)}[self.layout]

    def batch(self, groups: Groups) -> pa.RecordBatch:
        """The rows of the groups, in their order."""
        make = {"pointwise": self._pointwise, "pairwise": self._pairwise, "listwise": self._listwise}[self.layout]
        return pa.RecordBatch.from_arrays(make(groups), schema=self.schema)

    def _pointwise(self, groups: Groups) -> list[pa.Array]:
        size, num_neg = groups.negatives.shape
        items = np.empty((size, num_neg + 1), np.int32)
        labels = np.zeros((size, num_neg + 1), as_numpy(pa.nulls(0, self.label_type)).dtype)
        if groups.slots is None:
            items[:, 0], labels[:, 0] = groups.positives, 1
            for draw in range(num_neg):  # column by column: the negatives lie in memory draw by draw
                items[:, draw + 1] = groups.negatives[:, draw]
        else:  # the negative of the positive's slot makes room by moving to the end: any order of them is as likely
            each = np.arange(size)
            items[:, :num_neg] = groups.negatives
            ends = num_neg if groups.counts is None else groups.counts
            items[each, ends] = items[each, groups.slots]
            items[each, groups.slots], labels[each, groups.slots] = groups.positives, 1
        if groups.counts is None:
            return [
                self.users.take(np.repeat(groups.users, num_neg + 1)),
                self.items.take(items.reshape(-1)),
                from_numpy(labels.reshape(-1)),
            ]
        filled = np.arange(num_neg + 1) <= groups.counts[:, None]
        return [
            self.users.take(np.repeat(groups.users, groups.counts + 1)),
            self.items.take(items[filled]),
            from_numpy(labels[filled]),
        ]

    def _pairwise(self, groups: Groups) -> list[pa.Array]:
        negatives, counts = _flat_negatives(groups)
        repeated = (np.repeat(codes, counts) for codes in (groups.users, groups.positives))
        users, positives = repeated
        return [self.users.take(users), self.items.take(positives), self.items.take(negatives)]

    def _listwise(self, groups: Groups) -> list[pa.Array]:
        negatives, counts = _flat_negatives(groups)
        starts = np.zeros(len(groups) + 1, np.int32)
        np.cumsum(np.broadcast_to(counts, len(groups)), out=starts[1:])
        lists = pa.ListArray.from_arrays(from_numpy(starts), self.items.take(negatives))
        return [
            self.users.take(groups.users),
            self.items.take(groups.positives),
            lists.cast(self.schema.field("neg_items").type),
        ]


def _flat_negatives(groups: Groups) -> tuple[Codes, Positions | int]:
    """The negatives of all groups end to end, and how many each group has."""
    if groups.counts is None:
        return np.ascontiguousarray(groups.negatives).reshape(-1), groups.negatives.shape[1]
    filled = np.arange(groups.negatives.shape[1]) < groups.counts[:, None]
    return groups.negatives[filled], groups.counts


def vocabulary_tables(users: pa.Array, items: pa.Array) -> dict[str, pa.Table]:
    """What the codes of ``--encode`` mean: tables of code and id, in the order of codes."""
    return {
        f"{column}s": pa.table({"code": from_numpy(np.arange(len(ids), dtype=np.int32)), column: ids})
        for column, ids in (("user", users), ("item", items))
    }
