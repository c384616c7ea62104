"""What a report counts: the rows of prepared files, and when their positives happened."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Codes, Counts, Mask
from negprep.arrow import as_numpy, from_numpy, number
from negprep.encode.vocabulary import Vocabulary, sorted_distinct
from negprep.read.prepared import candidate_lists

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


PENDING = 1 << 20
"""Ids that may wait before equal ones are added up."""

TIMES = 4096
"""Ranges of time that are kept apart."""

PLACES = 100
"""Places among the candidates that are kept apart."""


class IdTally:
    """How often each id was a positive, and how often a negative. Memory: a few times that of the distinct ids."""

    def __init__(self) -> None:
        self._ids: list[pa.Array] = []
        self._counts: list[Counts] = []
        self._waiting = 0

    def add(self, ids: pa.Array, positives: Counts | None = None, negatives: Counts | None = None) -> None:
        """Take ids, and for each of them how many positives and negatives it stands for (left out: none).

        Parameters
        ----------
        ids : pyarrow array of integers, strings or a dictionary of strings, shape (n,)
        positives, negatives : int64, shape (n,), optional
        """
        encoded = ids if pa.types.is_dictionary(ids.type) else ids.dictionary_encode()
        codes, dictionary = as_numpy(encoded.indices), encoded.dictionary
        if len(dictionary) > len(codes):  # such as the vocabulary of a whole file in each of its batches
            used, codes = np.unique(codes, return_inverse=True)
            dictionary = dictionary.take(from_numpy(used))
        size = len(dictionary)
        counts = np.zeros((2, size), np.int64)
        for row, weights in enumerate((positives, negatives)):
            if weights is not None:
                counts[row] = _sums(codes, weights, size)
        self._ids.append(dictionary.cast(pa.int64() if pa.types.is_integer(dictionary.type) else pa.string()))
        self._counts.append(counts)
        self._waiting += size
        if self._waiting > max(PENDING, 2 * len(self._ids[0])):
            self._merge()

    def result(self) -> tuple[pa.Array, Counts]:
        """The distinct ids in the order of their first row, int64 or string, and both counts: int64, shape (2, n)."""
        self._merge()
        if not self._ids:
            return pa.nulls(0, pa.string()), np.zeros((2, 0), np.int64)
        used = np.flatnonzero(self._counts[0].any(axis=0))  # a dictionary may hold ids that no row has
        return self._ids[0].take(from_numpy(used)), self._counts[0][:, used]

    def _merge(self) -> None:
        if len(self._ids) < 2:
            return
        kind = self._ids[0].type if len({ids.type for ids in self._ids}) == 1 else pa.string()
        encoded = pa.concat_arrays([ids.cast(kind) for ids in self._ids]).dictionary_encode()
        codes, size = as_numpy(encoded.indices), len(encoded.dictionary)
        counts = np.concatenate(self._counts, axis=1)
        self._ids = [encoded.dictionary]
        self._counts = [np.stack([_sums(codes, row, size) for row in counts])]
        self._waiting = size


def _sums(codes: npt.NDArray[np.integer], weights: Counts, size: int) -> Counts:
    """The sum of the weights of each code; exact below 2**53."""
    return np.bincount(codes, weights, size).astype(np.int64)


class TimeTally:
    """Rows by time, in ranges whose width, a power of two, grows with the span."""

    def __init__(self) -> None:
        self._shift = 0
        self._starts: Counts = np.zeros(0, np.int64)
        self._sizes: Counts = np.zeros(0, np.int64)

    def add(self, times: Counts) -> None:
        """Take times: int64, shape (n,), of any unit."""
        starts, sizes = np.unique(times >> self._shift, return_counts=True)
        self._starts = np.concatenate([self._starts, starts])
        self._sizes = np.concatenate([self._sizes, sizes.astype(np.int64)])
        self._add_up(0)
        while len(self._starts) and self._starts[-1] - self._starts[0] >= TIMES:
            self._add_up(1)

    def result(self) -> tuple[Counts, Counts]:
        """The middle of each range, ascending, and the rows in it: int64, shape (n,)."""
        half = (1 << self._shift) >> 1
        return (self._starts << self._shift) + half, self._sizes

    def _add_up(self, shift: int) -> None:
        starts, places = np.unique(self._starts >> shift, return_inverse=True)
        self._sizes = _sums(places.astype(np.int32), self._sizes, len(starts))
        self._starts, self._shift = starts, self._shift + shift


class PlaceTally:
    """Positives at each place among their candidates, or at each range of places beyond `PLACES` candidates.

    ``observed``, int64, and ``expected``, float64, the mean for positives at random places, have the shape (n_places,).
    """

    def __init__(self) -> None:
        self.observed: Counts = np.zeros(0, np.int64)
        self.expected: npt.NDArray[np.float64] = np.zeros(0)
        self.candidates_min = self.candidates_max = 0

    def add(self, places: Counts, candidates: Counts) -> None:
        """Take, of each group, the place of its positive (from 0) and the number of its candidates; int64, (n,)."""
        if not len(places):
            return
        if not self.candidates_max:
            size = min(int(candidates.max()), PLACES)
            self.observed, self.expected = np.zeros(size, np.int64), np.zeros(size)
            self.candidates_min = int(candidates.min())
        size = len(self.observed)
        self.candidates_min = min(self.candidates_min, int(candidates.min()))
        self.candidates_max = max(self.candidates_max, int(candidates.max()))
        self.observed += np.bincount(self._bins(places, candidates), minlength=size)
        for n_candidates, groups in zip(*np.unique(candidates, return_counts=True), strict=True):
            all_places = np.arange(n_candidates)
            self.expected += np.bincount(self._bins(all_places, n_candidates), minlength=size) * (groups / n_candidates)

    def _bins(self, places: Counts, candidates: Counts | np.int64) -> Counts:
        """By place where all fit, else by the part of the list where a place lies."""
        size = len(self.observed)
        bins: Counts = np.where(candidates <= size, places, places * size // candidates)
        return bins


@dataclass(frozen=True, eq=False)
class Gathered:
    """Counts of one file.

    ``items`` and ``users``, int64, shape (2, n), count the positives and negatives of each of the distinct ids, in the
    order of their first rows; ``sources`` the negatives by what drew them. ``grouped`` is False if a positive counts
    once for each of its negatives. ``places`` is None if the rows do not show which negatives belong to which positive;
    ``unplaced`` users have candidates that cannot be told apart.
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
    """Read the rows of a file once, in memory for the distinct ids and the rows of one user.

    ``batches`` have the canonical columns of ``layout``, perhaps with ``source``. ``placed``: the rows are candidates,
    so note where the positives stand (pointwise only). ``grouped``: the rows of a positive follow one another; else
    every pair has a positive of its own.
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
    positives, per_row = positives_of_lists(batch)
    tallies.items.add(positives, np.ones(len(positives), np.int64), None)
    tallies.items.add(negatives, None, np.ones(len(negatives), np.int64))
    tallies.users.add(batch.column("user"), ones if per_row is None else per_row, lengths)
    if "source" in batch.schema.names:
        words = batch.column("source").flatten()
        _count_words(words, np.ones(len(words), np.int64), tallies.sources)


def positives_of_lists(batch: pa.RecordBatch) -> tuple[pa.Array, Counts | None]:
    """The positives of lists, end to end, and how many each row has; None: one."""
    if "pos_items" not in batch.schema.names:
        return batch.column("pos_item"), None
    lists = batch.column("pos_items")
    starts: Counts = as_numpy(lists.offsets).astype(np.int64)
    return lists.flatten(), starts[1:] - starts[:-1]


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
        first, sizes = int(bounds[0]), np.diff(bounds)
        users = np.repeat(np.arange(len(sizes)), sizes)
        positive = labels[first : bounds[-1]]
        lists = candidate_lists(users, positive)
        self.unplaced += int(np.count_nonzero(~lists.clear))
        clear = lists.clear[lists.owners]
        of_ones = lists.of_rows[positive]
        places, lengths = np.flatnonzero(positive) - lists.starts[of_ones], np.diff(lists.starts)[of_ones]
        self.places.add(places[clear[of_ones]], lengths[clear[of_ones]])


@dataclass(frozen=True, eq=False)
class LogTimes:
    """The latest time of each pair that the log has, in nanoseconds since 1970; how many pairs it lacks; and the times
    of the log with the rows at each, as `TimeTally.result` gives them.
    """

    found: Counts
    missing: int
    log: tuple[Counts, Counts]


class Pairs:
    """Distinct (user, item) pairs. Memory: about 50 bytes a pair while they are collected."""

    def __init__(self) -> None:
        self._users: list[pa.Array] = []
        self._items: list[pa.Array] = []

    def add(self, users: pa.Array, items: pa.Array) -> None:
        """Take pairs."""
        self._users.append(_plain(users))
        self._items.append(_plain(items))

    def among(self, others: Iterable[tuple[pa.Array, pa.Array]]) -> tuple[int, int]:
        """How many of the pairs are among others, given as batches of users and of items; and how many there are."""
        users, items, wanted = self._coded()
        found = np.zeros(len(wanted), bool)
        for some_users, some_items in others:
            at, _ = _places(wanted, items, users.find(some_users), items.find(some_items))
            found[at] = True
        return int(found.sum()), len(wanted)

    def times(self, rows: Iterable[pa.RecordBatch]) -> LogTimes:
        """Look the pairs up in a log, given as batches of ``user``, ``item``, ``time``."""
        users, items, wanted = self._coded()
        latest = np.full(len(wanted), np.iinfo(np.int64).min)
        tally = TimeTally()
        for batch in rows:
            times = as_numpy(batch.column("time"))
            tally.add(times)
            at, rows_of_pairs = _places(
                wanted, items, users.find(batch.column("user")), items.find(batch.column("item"))
            )
            np.maximum.at(latest, at, times[rows_of_pairs])
        found = latest[latest != np.iinfo(np.int64).min]
        return LogTimes(found, len(wanted) - len(found), tally.result())

    def _coded(self) -> tuple[Vocabulary, Vocabulary, Counts]:
        """The distinct users and items, and the keys of the distinct pairs, ascending."""
        users, items = _vocabulary(self._users), _vocabulary(self._items)
        parts = [
            users.find(some).astype(np.int64) * max(len(items), 1) + items.find(others)
            for some, others in zip(self._users, self._items, strict=True)
        ]
        return users, items, np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)


def _places(wanted: Counts, items: Vocabulary, user_codes: Codes, item_codes: Codes) -> tuple[Counts, Counts]:
    """Of the rows that have a wanted pair: which pair it is, and which row."""
    known = np.flatnonzero((user_codes >= 0) & (item_codes >= 0))
    keys = user_codes[known].astype(np.int64) * max(len(items), 1) + item_codes[known]
    at = np.minimum(np.searchsorted(wanted, keys), max(len(wanted) - 1, 0))
    hits = np.flatnonzero(wanted[at] == keys) if len(wanted) else known[:0]
    return at[hits], known[hits]


def _plain(ids: pa.Array) -> pa.Array:
    return ids.cast(pa.int64() if pa.types.is_integer(ids.type) else pa.string())


def _vocabulary(parts: Sequence[pa.Array]) -> Vocabulary:
    kinds = {part.type for part in parts}
    if not parts:
        return Vocabulary(pa.nulls(0, pa.string()))
    return Vocabulary(
        sorted_distinct(pa.concat_arrays([part.cast(pa.string()) if len(kinds) > 1 else part for part in parts]))
    )
