"""What a report shows of a prepared file, gathered from its rows in one pass."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import as_numpy, number
from negprep.reporting.tallies import Counts, IdTally, PlaceTally

if TYPE_CHECKING:
    from collections.abc import Iterable

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Gathered:
    """Counts of one file.

    Attributes
    ----------
    rows : int
    item_ids, user_ids : pa.Array
        Distinct ids, int64 or string, in the order of their first rows.
    items, users : int64, shape (2, n)
        Of each id, the positives and the negatives.
    sources : dict of str to int
        Negatives by what drew them; empty where there is no such column.
    grouped : bool
        Whether a positive is counted once, and not once for each of its negatives.
    places : PlaceTally or None
        None where the rows do not say which negatives belong to which positive.
    unplaced : int
        Users whose candidates cannot be told apart.
    """

    rows: int
    item_ids: pa.Array
    items: Counts
    user_ids: pa.Array
    users: Counts
    sources: dict[str, int]
    grouped: bool
    places: PlaceTally | None
    unplaced: int

    @property
    def positives(self) -> int:
        """All of them."""
        return int(self.users[0].sum())

    @property
    def negatives(self) -> int:
        """All of them."""
        return int(self.users[1].sum())


@dataclass
class _Tallies:
    items: IdTally = field(default_factory=IdTally)
    users: IdTally = field(default_factory=IdTally)
    sources: Counter[str] = field(default_factory=Counter)
    rows: int = 0


def gather(batches: Iterable[pa.RecordBatch], layout: str, *, placed: bool, grouped: bool = True) -> Gathered:
    """Read the rows of a file once.

    Parameters
    ----------
    batches : iterable of pa.RecordBatch
        In the order of the file, with the columns of `layout`: ``user``, ``item``, ``label``; ``user``, ``pos_item``,
        ``neg_item``; ``user``, ``pos_item``, ``neg_items``; or ``user``, ``item``. Perhaps ``source``.
    layout : {"pointwise", "pairwise", "listwise", "positives"}
    placed : bool
        The rows are candidates: note where the positives stand. Pointwise only.
    grouped : bool
        The rows of a positive follow one another. Else every pair has a positive of its own.

    Notes
    -----
    Memory: that of the distinct ids, and the rows of the user at the border of two batches.
    """
    tallies, slots = _Tallies(), Slots() if placed and layout == "pointwise" else None
    last_pair: tuple[object, object] | None = None
    for batch in batches:
        if not batch.num_rows:
            continue
        tallies.rows += batch.num_rows
        if layout == "pairwise":
            last_pair = _pairs(batch, tallies, last_pair if grouped else None, grouped=grouped)
        elif layout == "listwise":
            _lists(batch, tallies)
        else:
            _points(batch, tallies)
        if slots is not None:
            slots.add(batch.column("user"), as_numpy(batch.column("label")) > 0)
    if slots is not None:
        slots.finish()
    item_ids, items = tallies.items.result()
    user_ids, users = tallies.users.result()
    return Gathered(
        rows=tallies.rows,
        item_ids=item_ids,
        items=items,
        user_ids=user_ids,
        users=users,
        sources=dict(sorted(tallies.sources.items())),
        grouped=grouped or layout != "pairwise",
        places=None if slots is None or not slots.places.candidates_max else slots.places,
        unplaced=0 if slots is None else slots.unplaced,
    )


def _points(batch: pa.RecordBatch, tallies: _Tallies) -> None:
    is_positive = np.ones(batch.num_rows, bool)
    if "label" in batch.schema.names:
        is_positive = as_numpy(batch.column("label")) > 0
    positives, negatives = is_positive.astype(np.int64), (~is_positive).astype(np.int64)
    tallies.items.add(batch.column("item"), positives, negatives)
    tallies.users.add(batch.column("user"), positives, negatives)
    if "source" in batch.schema.names:
        _count_words(batch.column("source"), negatives, tallies.sources)


def _pairs(
    batch: pa.RecordBatch, tallies: _Tallies, last: tuple[object, object] | None, *, grouped: bool
) -> tuple[object, object]:
    """Count pairs; a positive is new where user or item differ from the row before, whose ids are `last`."""
    users, items = batch.column("user"), batch.column("pos_item")
    is_new = np.ones(batch.num_rows, bool)
    if grouped:
        is_new[1:] = (np.diff(_codes(users)) != 0) | (np.diff(_codes(items)) != 0)
        is_new[0] = last != (users[0].as_py(), items[0].as_py())
    ones = np.ones(batch.num_rows, np.int64)
    tallies.items.add(items, is_new.astype(np.int64), None)
    tallies.items.add(batch.column("neg_item"), None, ones)
    tallies.users.add(users, is_new.astype(np.int64), ones)
    if "source" in batch.schema.names:
        _count_words(batch.column("source"), ones, tallies.sources)
    return users[-1].as_py(), items[-1].as_py()


def _lists(batch: pa.RecordBatch, tallies: _Tallies) -> None:
    ones = np.ones(batch.num_rows, np.int64)
    lists = batch.column("neg_items")
    starts: Counts = as_numpy(lists.offsets).astype(np.int64)
    lengths = starts[1:] - starts[:-1]
    negatives = lists.flatten()
    tallies.items.add(batch.column("pos_item"), ones, None)
    tallies.items.add(negatives, None, np.ones(len(negatives), np.int64))
    tallies.users.add(batch.column("user"), ones, lengths)
    if "source" in batch.schema.names:
        words = batch.column("source").flatten()
        _count_words(words, np.ones(len(words), np.int64), tallies.sources)


def _count_words(words: pa.Array, weights: Counts, sources: Counter[str]) -> None:
    encoded = words if pa.types.is_dictionary(words.type) else words.dictionary_encode()
    codes = (
        as_numpy(
            encoded.indices.fill_null(number(-1, encoded.indices.type))
            if encoded.indices.null_count
            else encoded.indices
        )
        + 1
    )
    sums = np.bincount(codes, weights, len(encoded.dictionary) + 1).astype(np.int64)
    for word, count in zip(["missing", *encoded.dictionary.to_pylist()], sums.tolist(), strict=True):
        if count:
            sources[str(word)] += count


def _codes(ids: pa.Array) -> Counts:
    """Numbers that are equal where the ids of one batch are."""
    encoded = ids if pa.types.is_dictionary(ids.type) else ids.dictionary_encode()
    return as_numpy(encoded.indices).astype(np.int64)


class Slots:
    """Finds the groups of candidates: the rows of a user, cut into as many equal parts as the user has positives."""

    def __init__(self) -> None:
        self.places = PlaceTally()
        self.unplaced = 0
        self._user: object = None
        self._labels: list[Mask] = []

    def add(self, users: pa.Array, labels: Mask) -> None:
        """Take the next rows; those of the last user are kept, as more may follow."""
        starts = np.concatenate([[0], np.flatnonzero(np.diff(_codes(users))) + 1, [len(labels)]])
        if self._labels and users[0].as_py() == self._user:
            self._labels.append(labels[: starts[1]])
            starts = starts[1:]
        if len(starts) == 1:
            return
        self.finish()
        self._place(labels, starts[:-1])
        self._user, self._labels = users[-1].as_py(), [labels[starts[-2] :]]

    def finish(self) -> None:
        """Place the user whose rows were kept."""
        if self._labels:
            labels = np.concatenate(self._labels)
            self._labels = []
            self._place(labels, np.array([0, len(labels)]))

    def _place(self, labels: Mask, bounds: Counts) -> None:
        """Place the positives of the users whose rows lie between neighbouring bounds."""
        if len(bounds) < 2:
            return
        rows = np.diff(bounds)
        ones = np.flatnonzero(labels[: bounds[-1]])
        ones = ones[ones >= bounds[0]]
        user = np.searchsorted(bounds, ones, side="right") - 1
        positives = np.bincount(user, minlength=len(rows))
        fits = (positives > 0) & (rows % np.maximum(positives, 1) == 0)
        each = rows // np.maximum(positives, 1)
        within = ones - bounds[user]
        rank = np.arange(len(ones)) - (np.cumsum(positives) - positives)[user]
        astray = within // np.maximum(each[user], 1) != rank
        fits[user[astray]] = False
        self.unplaced += int(np.count_nonzero(~fits))
        taken = fits[user]
        self.places.add((within % np.maximum(each[user], 1))[taken], each[user][taken])
