"""Layouts: positives and negatives to Arrow batches, labelled row by row, in pairs, or in lists; codes to ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Codes, Positions
from negprep.arrow import as_numpy, by_blocks, from_numpy, strings
from negprep.options.options import Layout
from negprep.sample.seen import ranges_of


@dataclass(frozen=True, eq=False)
class Ids:
    """What is written for each code of a column.

    ``values``: Integers, shape (n,), or pyarrow string array, or range. Strings are written through a dictionary. A
      range: the codes themselves, counted from its start on, as int32. Of a column that is kept: pyarrow array of any
      type, in which a null is last.
    """

    values: npt.NDArray[np.signedinteger[Any]] | pa.Array | range

    @classmethod
    def of(cls, ids: pa.Array) -> Ids:
        """The ids of a vocabulary as written; or the values of a column that is kept."""
        return cls(as_numpy(ids) if pa.types.is_signed_integer(ids.type) and not ids.null_count else ids)

    @property
    def array(self) -> pa.Array:
        """What is written for each code, as an Arrow array. Not of a range."""
        return from_numpy(self.values) if isinstance(self.values, np.ndarray) else self.values

    @property
    def type(self) -> pa.DataType:
        """The Arrow type of the column."""
        if isinstance(self.values, np.ndarray):
            return from_numpy(self.values[:0]).type
        if isinstance(self.values, range):
            return pa.int32()
        return pa.dictionary(pa.int32(), pa.string()) if self._is_by_dictionary else self.values.type

    @property
    def _is_by_dictionary(self) -> bool:
        return pa.types.is_string(self.values.type) and not self.values.null_count  # type: ignore[union-attr]

    def take(self, codes: Codes) -> pa.Array:
        """The column of the codes: shape (len(codes),)."""
        if isinstance(self.values, np.ndarray):
            return from_numpy(by_blocks(self.values, codes))
        if isinstance(self.values, range):
            return from_numpy(np.ascontiguousarray(codes + np.int32(self.values.start) if self.values.start else codes))
        if not self._is_by_dictionary:
            return self.values.take(from_numpy(np.ascontiguousarray(codes)))
        return pa.DictionaryArray.from_arrays(from_numpy(codes), self.values, safe=False)

    def repeat(self, codes: Codes, times: Positions | int) -> pa.Array:
        """The column in which each of the codes comes so many times in a row."""
        if isinstance(self.values, np.ndarray):
            return from_numpy(np.repeat(by_blocks(self.values, codes), times))
        return self.take(np.repeat(codes, times))


@dataclass(frozen=True, eq=False)
class Groups:
    """Positives and the negatives drawn for each; or users, with their positives and negatives.

    ``users``, ``positives``: int32, shape (n_groups,). Codes.
    ``negatives``: int32, shape (n_groups, num_neg). Codes; row ``g`` holds ``counts[g]`` of them, then -1.
    ``counts``: int64, shape (n_groups,), or None. None: every row is full.
    ``slots``: int64, shape (n_groups,), or None. Where the positive stands among its negatives, 0 to ``counts[g]``.
      None: first.
    ``sources``: int8, shape (n_groups, num_neg), or None. Which sampler drew each negative.
    ``log_q``: float64, shape (n_groups, num_neg), or None. The log-probability of each draw.
    ``pos_log_q``: float64, shape (n_groups,), or None. That of the positive.
    ``upper``: int32, shape (n_groups, num_neg), or None. What is written in the place of the positive beside each
      negative, in pairs.
    ``kept``: By column, int32, shape (n_groups,). Codes of the values of the positives.
    ``history``: int64, shape (n_groups + 1,), and int32; or None. Where the history of each group begins, and the end;
      the codes of the items of all, end to end.
    ``pos_counts``: int64, shape (n_groups,), or None. How many of ``positives`` (and of ``pos_log_q``), end to end,
      each group has. None: one. With ``order``: int64, shape (n_rows,), or None. Which of all labelled rows, positives
      before negatives in each group, stands at each place. None: as they are.
    """

    users: Codes
    positives: Codes
    negatives: Codes
    counts: Positions | None
    slots: Positions | None = None
    sources: npt.NDArray[np.int8] | None = None
    log_q: npt.NDArray[np.float64] | None = None
    pos_log_q: npt.NDArray[np.float64] | None = None
    upper: Codes | None = None
    kept: Mapping[str, Codes] = field(default_factory=dict)
    history: tuple[Positions, Codes] | None = None
    pos_counts: Positions | None = None
    order: Positions | None = None

    def __len__(self) -> int:
        return len(self.users)

    def take(self, places: Positions) -> Groups:
        """The groups at some places, in that order. Not with ``slots`` or ``order``."""

        def tables(values: Any) -> Any:  # noqa: ANN401
            """Of an array that lies in memory draw by draw, as the negatives do."""
            if values is None:
                return None
            found = np.empty((values.shape[1], len(places)), values.dtype)
            for draw, column in enumerate(found):
                np.ascontiguousarray(values[:, draw]).take(places, out=column, mode="clip")
            return found.T

        each = places
        if self.pos_counts is not None:
            ends = np.cumsum(self.pos_counts)
            each = ranges_of((ends - self.pos_counts)[places], self.pos_counts[places])
        history = None
        if self.history is not None:
            bounds, codes = self.history
            sizes = np.diff(bounds)[places]
            history = np.concatenate([[0], np.cumsum(sizes)]), codes[ranges_of(bounds[places], sizes)]
        return replace(
            self,
            users=self.users.take(places),
            positives=self.positives.take(each),
            negatives=tables(self.negatives),
            counts=None if self.counts is None else self.counts.take(places),
            sources=tables(self.sources),
            log_q=tables(self.log_q),
            pos_log_q=None if self.pos_log_q is None else self.pos_log_q.take(each),
            upper=tables(self.upper),
            kept={name: codes.take(places) for name, codes in self.kept.items()},
            history=history,
            pos_counts=None if self.pos_counts is None else self.pos_counts.take(places),
        )


POSITIVE = "positive"
"""The source of a row that is a positive."""

_SOURCE = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class RowLayout:
    """How groups become rows.

    ``sources``: The names of ``Groups.sources``. None: no such column.
    ``kept``: What the codes of each column of ``Groups.kept`` stand for.
    ``per_user``: Whether groups have ``pos_counts``. Not in pairs.
    """

    layout: Layout
    users: Ids
    items: Ids
    label_type: pa.DataType
    sources: tuple[str, ...] | None = None
    with_log_q: bool = False
    kept: Mapping[str, Ids] = field(default_factory=dict)
    with_history: bool = False
    per_user: bool = False

    @property
    def schema(self) -> pa.Schema:
        """The columns of the output."""
        item = self.items.type
        columns = {
            "pointwise": [("item", item), ("label", self.label_type)],
            "pairwise": [("pos_item", item), ("neg_item", item)],
            "listwise": [("pos_item", item), ("neg_items", _list_of(item))],
        }[self.layout]
        one = _itself
        if self.per_user and self.layout == "listwise":
            one, columns[0] = _list_of, ("pos_items", _list_of(item))
        pointwise, wrap = self.layout == "pointwise", _list_of if self.layout == "listwise" else _itself
        if self.sources is not None:
            columns.append(("source", wrap(_SOURCE)))
        if self.with_log_q:
            columns += [] if pointwise else [("pos_log_q", one(pa.float64()))]
            columns.append(("log_q" if pointwise else "neg_log_q", wrap(pa.float64())))
        fields = [("user", self.users.type), *columns]
        kept = [pa.field(name, values.type, nullable=name != "time") for name, values in self.kept.items()]
        kept += [pa.field("history", _list_of(item), nullable=False)] if self.with_history else []
        return pa.schema([*(pa.field(name, kind, nullable=False) for name, kind in fields), *kept])

    def coded(self, first_user: int, n_users: int, n_items: int) -> RowLayout:
        """The same with codes in place of ids, for the users from code ``first_user`` on: a coded form."""
        users, items = Ids(range(first_user, first_user + n_users)), Ids(range(n_items))
        return replace(self, users=users, items=items, kept=dict.fromkeys(self.kept, Ids(range(0))))

    @property
    def first_user(self) -> int:
        """Of a coded form: the code of its first user."""
        return self.users.values.start if isinstance(self.users.values, range) else 0

    def decode(self, coded: Sequence[pa.Array]) -> pa.RecordBatch:
        """The columns of a coded form as rows with the ids of this one."""
        ids = {
            "user": self.users,
            **dict.fromkeys(("item", "pos_item", "pos_items", "neg_item", "neg_items", "history"), self.items),
            **self.kept,
        }
        columns = []
        for name, column in zip(self.schema.names, coded, strict=True):
            values = column
            if name in ids and pa.types.is_list(column.type):
                values = pa.ListArray.from_arrays(column.offsets, ids[name].take(as_numpy(column.values)))
                values = values.cast(self.schema.field(name).type)
            elif name in ids:
                values = ids[name].take(as_numpy(column))
            columns.append(values)
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def rows_of(self, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """How many rows groups with so many negatives become: int64, the shape of ``counts``."""
        return {"pointwise": counts + 1, "pairwise": counts, "listwise": np.ones_like(counts)}[self.layout]

    def rows_of_users(self, positives: Positions, counts: Positions) -> Positions:
        """``per_user``: how many rows groups with so many positives and negatives become: int64, their shape."""
        return np.ones_like(counts) if self.layout == "listwise" else positives + counts

    def batch(self, groups: Groups) -> pa.RecordBatch:
        """The rows of the groups, in their order."""
        if groups.pos_counts is not None:
            make_lists = self.layout == "listwise"
            columns = (self._listwise if make_lists else self._labelled)(groups, groups.pos_counts)
            return pa.RecordBatch.from_arrays(columns, schema=self.schema)
        make = {"pointwise": self._pointwise, "pairwise": self._pairwise, "listwise": self._listwise}[self.layout]
        return pa.RecordBatch.from_arrays(make(groups), schema=self.schema)

    def source_counts(self, batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
        """How many negatives of a batch come from each of ``sources``: int64, shape (n_sources,)."""
        names = self.sources or ()
        if self.sources is None or not batch.num_rows:
            return np.zeros(len(names), np.int64)
        column = batch.column("source")
        values = column.flatten() if pa.types.is_list(column.type) else column
        return np.bincount(as_numpy(values.indices), minlength=len(names) + 1)[: len(names)]

    def _source_column(self, codes: npt.NDArray[np.int32]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(from_numpy(codes), strings([*(self.sources or ()), POSITIVE]))

    def _pointwise(self, groups: Groups) -> list[pa.Array]:
        size, num_neg = groups.negatives.shape
        labels = np.zeros((size, num_neg + 1), as_numpy(pa.nulls(0, self.label_type)).dtype)
        if groups.slots is None:
            labels[:, 0] = 1
        else:
            labels[np.arange(size), groups.slots] = 1
        filled = None if groups.counts is None else np.arange(num_neg + 1) <= groups.counts[:, None]

        def rows(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return values.reshape(-1) if filled is None else values[filled]

        sizes = num_neg + 1 if groups.counts is None else groups.counts + 1
        columns = [
            self.users.repeat(groups.users, sizes),
            self.items.take(rows(_beside(groups, groups.positives, groups.negatives))),
            from_numpy(rows(labels)),
        ]
        if self.sources is not None and groups.sources is not None:
            positives = np.full(size, len(self.sources), np.int8)
            columns.append(self._source_column(rows(_beside(groups, positives, groups.sources)).astype(np.int32)))
        if groups.log_q is not None and groups.pos_log_q is not None:
            columns.append(from_numpy(rows(_beside(groups, groups.pos_log_q, groups.log_q))))
        return columns + self._beside_rows(groups, sizes)

    def _pairwise(self, groups: Groups) -> list[pa.Array]:
        negatives, *extra = self._of_negatives(groups)
        counts = groups.negatives.shape[1] if groups.counts is None else groups.counts
        if groups.upper is None:
            upper = self.items.repeat(groups.positives, counts)
        else:
            upper = self.items.take(_flat(groups, groups.upper))
        columns = [self.users.repeat(groups.users, counts), upper]
        if groups.pos_log_q is not None:
            extra.insert(-1, from_numpy(np.repeat(groups.pos_log_q, counts)))
        return [*columns, negatives, *extra, *self._beside_rows(groups, counts)]

    def _labelled(self, groups: Groups, pos_counts: Positions) -> list[pa.Array]:
        """Of each user the positives, then the negatives, row by row; or in another order."""
        counts = np.broadcast_to(groups.negatives.shape[1] if groups.counts is None else groups.counts, len(groups))
        sizes = pos_counts + counts
        places = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        is_positive = places < np.repeat(pos_counts, sizes)
        order = slice(None) if groups.order is None else groups.order

        def rows(of_positives: npt.ArrayLike, of_negatives: npt.NDArray[Any]) -> npt.NDArray[Any]:
            values = np.empty(len(places), of_negatives.dtype)
            values[is_positive], values[~is_positive] = of_positives, _flat(groups, of_negatives)
            return values[order]

        columns = [
            self.users.repeat(groups.users, sizes),
            self.items.take(rows(groups.positives, groups.negatives)),
            from_numpy(is_positive[order].astype(as_numpy(pa.nulls(0, self.label_type)).dtype)),
        ]
        if self.sources is not None and groups.sources is not None:
            columns.append(self._source_column(rows(len(self.sources), groups.sources).astype(np.int32)))
        if groups.log_q is not None and groups.pos_log_q is not None:
            columns.append(from_numpy(rows(groups.pos_log_q, groups.log_q)))
        return columns

    def _listwise(self, groups: Groups, pos_counts: Positions | None = None) -> list[pa.Array]:
        counts = groups.negatives.shape[1] if groups.counts is None else groups.counts
        lists = [_lists(counts, values, len(groups)) for values in self._of_negatives(groups)]
        positives = self.items.take(groups.positives)
        if groups.pos_log_q is not None:
            of_positives = from_numpy(groups.pos_log_q)
            lists.insert(-1, of_positives if pos_counts is None else _lists(pos_counts, of_positives, len(groups)))
        if pos_counts is not None:
            positives = _lists(pos_counts, positives, len(groups))
        return [self.users.take(groups.users), positives, *lists, *self._beside_rows(groups, 1)]

    def _beside_rows(self, groups: Groups, times: Positions | int) -> list[pa.Array]:
        """What is kept of the positive, beside each of the rows of its group, which are so many."""
        columns = [values.repeat(groups.kept[name], times) for name, values in self.kept.items()]
        if groups.history is None:
            return columns
        bounds, codes = groups.history
        counts = np.repeat(np.diff(bounds), times)
        starts = np.concatenate([[0], np.cumsum(counts)])
        codes = codes[np.arange(starts[-1]) + np.repeat(np.repeat(bounds[:-1], times) - starts[:-1], counts)]
        lists = pa.ListArray.from_arrays(from_numpy(starts.astype(np.int32)), self.items.take(codes))
        return [*columns, lists.cast(_list_of(self.items.type))]

    def _of_negatives(self, groups: Groups) -> list[pa.Array]:
        """The negatives of all groups end to end; where asked for, their sources; their log q."""
        columns = [self.items.take(_flat(groups, groups.negatives))]
        if groups.sources is not None:
            columns.append(self._source_column(_flat(groups, groups.sources).astype(np.int32)))
        if groups.log_q is not None:
            columns.append(from_numpy(_flat(groups, groups.log_q)))
        return columns


def _itself(kind: pa.DataType) -> pa.DataType:
    return kind


def _lists(counts: Positions | int, values: pa.Array, size: int) -> pa.Array:
    """Values end to end as ``size`` lists with so many in each."""
    starts = np.zeros(size + 1, np.int32)
    np.cumsum(np.broadcast_to(counts, size), out=starts[1:])
    return pa.ListArray.from_arrays(from_numpy(starts), values).cast(_list_of(values.type))


def _list_of(kind: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", kind, nullable=False))


def _beside(groups: Groups, of_positives: npt.NDArray[Any], of_negatives: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values of each group's rows: shape (n_groups, num_neg + 1), undefined beyond the group's count."""
    size, num_neg = of_negatives.shape
    values = np.empty((size, num_neg + 1), of_negatives.dtype)
    if groups.slots is None:
        values[:, 0] = of_positives
        for draw in range(num_neg):  # column by column: the negatives lie in memory draw by draw
            values[:, draw + 1] = of_negatives[:, draw]
    else:  # the negative of the positive's slot makes room by moving to the end: any order of them is as likely
        each = np.arange(size)
        values[:, :num_neg] = of_negatives
        values[each, num_neg if groups.counts is None else groups.counts] = values[each, groups.slots]
        values[each, groups.slots] = of_positives
    return values


def _flat(groups: Groups, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values of the negatives of all groups end to end."""
    if groups.counts is None:
        return np.ascontiguousarray(values).reshape(-1)
    return values[np.arange(values.shape[1]) < groups.counts[:, None]]


def vocabulary_tables(users: pa.Array, items: pa.Array, *, first: int = 0) -> dict[str, pa.Table]:
    """What the codes of ``--encode``, from ``first`` on, mean: tables of code and id, in the order of codes."""
    return {
        f"{column}s": pa.table({"code": from_numpy(np.arange(first, first + len(ids), dtype=np.int32)), column: ids})
        for column, ids in (("user", users), ("item", items))
    }


def join_groups(pieces: Sequence[Groups]) -> Groups:
    """Groups end to end; not with histories of groups of several positives, ``slots`` or ``order``."""
    if len(pieces) == 1:
        return pieces[0]
    width, size = max(some.negatives.shape[1] for some in pieces), sum(map(len, pieces))

    def values(name: str) -> Any:  # noqa: ANN401
        parts = [getattr(some, name) for some in pieces]
        return None if parts[0] is None else np.concatenate(parts)

    def table(name: str) -> Any:  # noqa: ANN401
        parts = [getattr(some, name) for some in pieces]
        if parts[0] is None:
            return None
        found, end = np.full((width, size), -1, parts[0].dtype), 0
        for part in parts:
            begin, end = end, end + len(part)
            found[: part.shape[1], begin:end] = part.T
        return found.T

    counts, history = None, None
    if any(some.counts is not None or some.negatives.shape[1] < width for some in pieces):
        counts = np.concatenate(
            [
                np.full(len(some), some.negatives.shape[1], np.int64) if some.counts is None else some.counts
                for some in pieces
            ]
        )
    if pieces[0].history is not None:
        found = [some.history for some in pieces if some.history is not None]
        sizes = np.concatenate([np.diff(bounds) for bounds, _ in found])
        history = np.concatenate([[0], np.cumsum(sizes)]), np.concatenate([codes for _, codes in found])
    return Groups(
        **{name: values(name) for name in ("users", "positives", "pos_log_q", "pos_counts")},
        **{name: table(name) for name in ("negatives", "sources", "log_q", "upper")},
        counts=counts,
        kept={name: np.concatenate([some.kept[name] for some in pieces]) for name in pieces[0].kept},
        history=history,
    )


_Lists: TypeAlias = tuple[Positions, npt.NDArray[Any]]
"""Where each list begins, and the end of the last; the values of all, end to end."""

_COUNTS = {"pos_items": "pos_count", "neg_items": "neg_count", "history": "history_count"}
"""The columns of lists whose lengths have a column of their own."""


class ArrayLayout:
    """How groups become arrays, a column each.

    ``form``: A coded form.
    ``tables``: By column, what is written for each code, if not the code.
    ``num_neg``, ``history``: How wide the arrays of negatives and of histories are.
    """

    def __init__(
        self, form: RowLayout, tables: Mapping[str, npt.NDArray[Any] | None], num_neg: int, history: int
    ) -> None:
        self._form, self._tables, self._num_neg, self._history = form, tables, num_neg, history

    def columns(self, groups: Groups) -> dict[str, npt.NDArray[Any] | _Lists]:
        """The columns of the rows of some groups."""
        rows, columns = self._form.batch(groups), {}
        for name, column in zip(rows.schema.names, rows.columns, strict=True):
            is_list = pa.types.is_list(column.type)
            values = column.values if is_list else column
            if pa.types.is_dictionary(values.type):
                numbers = as_numpy(values.indices).astype(np.int8)
            else:
                numbers = as_numpy(values)
            table = self._tables.get(name)
            numbers = numbers if table is None else table.take(numbers)
            columns[name] = (as_numpy(column.offsets).astype(np.int64), numbers) if is_list else numbers
        return columns

    def batch(
        self, columns: Mapping[str, npt.NDArray[Any] | _Lists], begin: int, end: int
    ) -> dict[str, npt.NDArray[Any]]:
        """Some rows of columns: views where there are no lists of different lengths."""
        batch: dict[str, npt.NDArray[Any]] = {}
        for name, column in columns.items():
            if not isinstance(column, tuple):
                batch[name] = column[begin:end]
                continue
            starts, values = column
            starts = starts[begin : end + 1]
            batch[name] = self._padded(name, starts, values)
            if name in _COUNTS:
                batch[_COUNTS[name]] = np.diff(starts).astype(np.int32)
        return batch

    def _padded(self, name: str, starts: Positions, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Lists as an array of shape (n_lists, width), padded after their end; histories, before their begin."""
        sizes, flat = np.diff(starts), values[starts[0] : starts[-1]]
        width = self._history if name == "history" else self._num_neg
        if name in ("pos_items", "pos_log_q"):
            width = int(sizes.max(initial=0))
        if len(flat) == len(sizes) * width:
            return flat.reshape(len(sizes), width)
        nothing: Any = None if flat.dtype == object else 0 if flat.dtype.kind == "f" else -1
        padded = np.full((len(sizes), width), nothing, flat.dtype)
        places = np.arange(width)
        filled = places >= width - sizes[:, None] if name == "history" else places < sizes[:, None]
        padded[filled] = flat
        return padded
