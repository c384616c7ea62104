"""Scored rows to lists: a positive, its negatives, and its place among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Codes, Counts, Keys, Mask
from negprep.arrow import as_numpy, from_numpy
from negprep.encode.vocabulary import DistinctIds, Encoder, raw_ids
from negprep.errors import BadDataError
from negprep.read.log import LogReader
from negprep.read.prepared import CodedIds, Prepared, candidate_lists, decoded, find_vocabularies

ROWS_AT_ONCE = 1 << 23
"""About 60 bytes each."""


class PreparedRows:
    """Pairs, lists or coded rows of a prepared file as labelled rows, for the same use as a `LogReader`.

    ``columns`` are ``user``, ``item``, ``label``, and for pairs and lists ``group``: the item of the positive; but not
    ``per_user``, where a list has all positives of a user.
    """

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self.place, self.rows_read = prepared.name, 0
        folder = Path(prepared.name)
        self.paths = (folder, *(folder.rglob("*") if folder.is_dir() else ()))
        self.in_pairs, self.per_user = prepared.layout == "pairwise", prepared.per_user
        is_one_list = prepared.layout == "pointwise" or prepared.per_user
        self.columns = ("user", "item", "label", *(() if is_one_list else ("group",)))

    @property
    def vocabularies(self) -> dict[str, CodedIds] | None:
        """The ids by code, where the file holds codes."""
        facts = self._prepared.facts
        encoded = None if facts is None else bool(facts.get("encode"))
        return find_vocabularies(Path(self._prepared.name), encoded=encoded)

    @property
    def warnings(self) -> list[str]:
        """What is suspicious in how the file is written, once it was read."""
        return self._prepared.warnings

    def batches(self, roles: Iterable[str]) -> Iterator[pa.RecordBatch]:
        """The rows with some of the columns."""
        self.rows_read = 0
        for batch in self._prepared.batches():
            self.rows_read += batch.rows.num_rows
            if "label" in batch.rows.schema.names:
                labels = as_numpy(batch.rows.column("label"))
                odd = np.flatnonzero((labels != 0) & (labels != 1))
                if odd.size:
                    what = f"the label is {labels[odd[0]]}; 1 is a positive and 0 a negative"
                    raise BadDataError(what, place=batch.place(int(odd[0])), remedy="make the file again")
            rows = batch.rows if "label" in batch.rows.schema.names else _labelled(batch.rows)
            yield rows.select(list(roles))


def _labelled(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Pairs or lists as rows of one item each: all positives, then all negatives."""
    names = rows.schema.names
    if "pos_items" in names:
        return _labelled_users(rows)
    negatives = rows.column("neg_items").flatten() if "neg_items" in names else rows.column("neg_item")
    counts = np.diff(as_numpy(rows.column("neg_items").offsets)) if "neg_items" in names else 1
    numbers = np.arange(len(rows))
    places = from_numpy(np.concatenate([numbers, np.repeat(numbers, counts)]))
    positives = rows.column("pos_item")
    integers = pa.types.is_integer(positives.type) and pa.types.is_integer(negatives.type)
    kind = pa.int64() if integers else pa.string()
    columns = {
        "user": rows.column("user").take(places),
        "item": pa.concat_arrays([positives.cast(kind), negatives.cast(kind)]),
        "label": from_numpy((np.arange(len(places)) < len(rows)).astype(np.int8)),
        "group": positives.take(places),
    }
    return pa.record_batch(columns)


def _labelled_users(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Lists of users likewise."""
    sides = [rows.column(name) for name in ("pos_items", "neg_items")]
    of_sides = [np.repeat(np.arange(len(rows)), np.diff(as_numpy(side.offsets))) for side in sides]
    items = [side.flatten() for side in sides]
    kind = pa.int64() if all(pa.types.is_integer(each.type) for each in items) else pa.string()
    columns = {
        "user": rows.column("user").take(from_numpy(np.concatenate(of_sides))),
        "item": pa.concat_arrays([each.cast(kind) for each in items]),
        "label": from_numpy(np.repeat(np.array([1, 0], np.int8), [len(each) for each in items])),
    }
    return pa.record_batch(columns)


class CodedScores:
    """Scores that name users and items by their codes, for the same use as a `LogReader`."""

    def __init__(self, scores: LogReader, ids: dict[str, CodedIds]) -> None:
        self._scores, self._ids, self.place = scores, ids, scores.place

    def batches(self, roles: Iterable[str]) -> Iterator[pa.RecordBatch]:
        """The rows with the ids of the codes."""
        for batch in self._scores.batches(roles):
            yield decoded(batch, self._ids, lambda _: self.place)


@dataclass(frozen=True, eq=False)
class Rows:
    """All rows of some users, by user; the rows of one user in the order of the file. Arrays of shape (n,)."""

    users: Codes
    items: Codes
    positive: Mask
    scores: npt.NDArray[np.float64]
    groups: Codes | None
    """Codes of the groups that a column names."""


class ScoredRows:
    """Candidates and their scores, ready to be read by ranges of users.

    ``test`` has the roles ``user``, ``item``, ``label``, perhaps ``group``, and ``score`` unless there are ``scores``,
    with ``user``, ``item`` and ``score``. The vocabularies ``users`` and ``items`` are those of the test file.
    """

    def __init__(self, test: LogReader | PreparedRows, scores: LogReader | CodedScores | None) -> None:
        self._test, self._scores = test, scores
        self._roles = ["user", "item", "label", *(["group"] if "group" in test.columns else [])]
        if scores is None:
            self._roles.append("score")
        users, items, groups = DistinctIds(), DistinctIds(), DistinctIds()
        self._n_candidates = 0
        for batch in test.batches([role for role in self._roles if role not in ("label", "score")]):
            for role, ids in (("user", users), ("item", items), ("group", groups)):
                if role in self._roles:
                    ids.add(raw_ids(batch.column(role)))
            self._n_candidates += batch.num_rows
        if not self._n_candidates:
            raise BadDataError("no rows", place=test.place, remedy="is it the right file?")
        self.users, self.items = users.finish(), items.finish()
        self._encode = {"user": Encoder(self.users), "item": Encoder(self.items), "group": Encoder(groups.finish())}

    def ranges(self) -> Iterator[Rows]:
        """The rows of ascending ranges of users.

        Raises
        ------
        BadDataError
            A candidate without a score, a score without a candidate, or a pair with two scores.
        """
        cuts = [0, len(self.users)] if self._n_candidates <= ROWS_AT_ONCE else self._cuts()
        for first, last in pairwise(cuts):
            rows = self._rows(first, last)
            yield rows if self._scores is None else self._joined(rows, first, last)

    def _cuts(self) -> list[int]:
        counts = np.zeros(len(self.users), np.int64)
        for batch in self._test.batches(["user"]):
            counts += np.bincount(self._encode["user"](raw_ids(batch.column("user"))), minlength=len(counts))
        ends, cuts = np.cumsum(counts), [0]
        while cuts[-1] < len(counts):
            before = ends[cuts[-1] - 1] if cuts[-1] else 0
            cuts.append(max(cuts[-1] + 1, int(np.searchsorted(ends, before + ROWS_AT_ONCE, side="right"))))
        return cuts

    def _rows(self, first: int, last: int) -> Rows:
        parts: dict[str, list[npt.NDArray[np.generic]]] = {role: [] for role in self._roles}
        for batch in self._test.batches(self._roles):
            users = self._encode["user"](raw_ids(batch.column("user")))
            inside = np.flatnonzero((users >= first) & (users < last)) if last - first < len(self.users) else None
            for role in self._roles:
                values: npt.NDArray[np.generic]
                if role == "user":
                    values = users
                elif role in self._encode:
                    values = self._encode[role](raw_ids(batch.column(role)))
                else:
                    values = as_numpy(batch.column(role))
                values = values.astype(bool) if role == "label" else values
                parts[role].append(values if inside is None else values[inside])
        columns = {role: np.concatenate(arrays) for role, arrays in parts.items()}
        if (np.diff(columns["user"]) < 0).any():
            order = np.argsort(columns["user"], kind="stable")
            columns = {role: values[order] for role, values in columns.items()}
        if isinstance(self._test, PreparedRows) and self._test.in_pairs:  # each pair has brought its positive
            keys = columns["user"].astype(np.int64) << 32 | columns["group"]
            keep = ~columns["label"]
            heads = np.flatnonzero(columns["label"])
            keep[heads[np.unique(keys[heads], return_index=True)[1]]] = True
            columns = {role: values[keep] for role, values in columns.items()}
        scores = columns.get("score", np.empty(0))
        return Rows(columns["user"], columns["item"], columns["label"], scores, columns.get("group"))

    def _joined(self, rows: Rows, first: int, last: int) -> Rows:
        """The rows with their scores from the other file."""
        pairs, scores = self._scores_of(first, last)
        order = np.argsort(pairs, kind="stable")
        pairs, scores = pairs[order], scores[order]
        double = np.flatnonzero((pairs[1:] == pairs[:-1]) & (scores[1:] != scores[:-1]))
        if double.size:
            place = int(double[0])
            what = f"has two scores, {scores[place]:g} and {scores[place + 1]:g}"
            raise self._error(int(pairs[place]), what, "give each pair one")
        fresh = np.append(True, pairs[1:] != pairs[:-1]) if pairs.size else np.empty(0, bool)
        pairs, scores = pairs[fresh], scores[fresh]
        wanted = rows.users.astype(np.int64) * len(self.items) + rows.items
        found = np.searchsorted(pairs, wanted)
        missing = np.flatnonzero(pairs[np.minimum(found, len(pairs) - 1)] != wanted if pairs.size else wanted >= 0)
        if missing.size:
            raise self._error(int(wanted[missing[0]]), "has no score", "score every candidate of the test file")
        used = np.zeros(len(pairs), bool)
        used[found] = True
        if not used.all():
            what = "has a score, but is not a candidate of the test file"
            raise self._error(int(pairs[used.argmin()]), what, "is it the right test file? Leave such pairs out")
        return Rows(rows.users, rows.items, rows.positive, scores[found], rows.groups)

    def _scores_of(self, first: int, last: int) -> tuple[Keys, npt.NDArray[np.float64]]:
        """Packed pairs of codes, user * n_items + item, and the scores of a range of users."""
        assert self._scores is not None  # noqa: S101 - for the types
        pairs, scores = [np.empty(0, np.int64)], [np.empty(0)]
        for batch in self._scores.batches(["user", "item", "score"]):
            users, items = self.users.find(batch.column("user")), self.items.find(batch.column("item"))
            unknown = np.flatnonzero((users < 0) | (items < 0))
            if unknown.size:
                row = int(unknown[0])
                user, item = batch.column("user")[row].as_py(), batch.column("item")[row].as_py()
                raise BadDataError(
                    f"user {user!r}, item {item!r} has a score, but is not a candidate of the test file",
                    place=self._scores.place,
                    remedy="is it the right test file? Leave such pairs out",
                )
            inside = (users >= first) & (users < last)
            pairs.append(users[inside].astype(np.int64) * len(self.items) + items[inside])
            scores.append(as_numpy(batch.column("score"))[inside])
        return np.concatenate(pairs), np.concatenate(scores)

    def _error(self, pair: int, what: str, remedy: str) -> BadDataError:
        place = self._test.place if self._scores is None else self._scores.place
        user, item = divmod(pair, len(self.items))
        return BadDataError(f"{self.pair(user, item)} {what}", place=place, remedy=remedy)

    def pair(self, user: int, item: int) -> str:
        """How messages call a pair of codes."""
        return f"user {self.users.ids[user].as_py()!r}, item {self.items.ids[item].as_py()!r}"


@dataclass(frozen=True, eq=False)
class Lists:
    """Where each positive stands, by ascending users, who may have several lists. Arrays of shape (n,)."""

    users: Codes
    candidates: Counts
    """Negatives in the list."""
    above: Counts
    """Negatives with a higher score than the positive."""
    tied: Counts
    """Negatives with the same score."""

    def __len__(self) -> int:
        return len(self.users)

    def take(self, places: Mask | Counts) -> Lists:
        """Some of the lists."""
        return Lists(self.users[places], self.candidates[places], self.above[places], self.tied[places])


def read_lists(rows: ScoredRows, place: str, *, distinct: bool, per_user: bool = False) -> Lists:
    """The lists of all users; those of one user by the items of their positives.

    ``place`` is the test file, for messages. With ``distinct``, no negative may occur twice in a list. ``per_user``:
    each positive of a user has a list with all negatives of the user.

    Raises
    ------
    BadDataError
        A list without a positive or with two, an item that is there twice, or rows of several lists of a user that
        cannot be separated.
    """
    read = _lists_of_users if per_user else _lists_of
    parts = [read(each, rows, place, distinct=distinct) for each in rows.ranges()]
    return Lists(*(np.concatenate([getattr(part, name) for part in parts]) for name in Lists.__annotations__))


def _lists_of(rows: Rows, source: ScoredRows, place: str, *, distinct: bool) -> Lists:
    if rows.groups is None:
        of_list = candidate_lists(rows.users, rows.positive).of_rows
    else:
        of_list = np.unique(rows.users.astype(np.int64) << 32 | rows.groups, return_inverse=True)[1]
    n_lists = int(of_list.max()) + 1
    positives = np.bincount(of_list[rows.positive], minlength=n_lists)
    sizes = np.bincount(of_list, minlength=n_lists)
    heads = np.empty(n_lists, np.int64)  # a row of each list
    heads[of_list[::-1]] = np.arange(len(of_list))[::-1]
    wrong = np.flatnonzero(positives != 1)
    if wrong.size:
        raise _wrong_positives(rows, source, place, int(heads[wrong[0]]), int(positives[wrong[0]]))
    heads[of_list[rows.positive]] = np.flatnonzero(rows.positive)
    _refuse_doubles(rows, of_list, heads, source, place, distinct=distinct)
    negatives = np.flatnonzero(~rows.positive)
    lists = of_list[negatives]
    scores, of_positive = rows.scores[negatives], rows.scores[heads][lists]
    above = np.bincount(lists[scores > of_positive], minlength=n_lists)
    tied = np.bincount(lists[scores == of_positive], minlength=n_lists)
    order = np.lexsort((rows.items[heads], rows.users[heads]))
    return Lists(rows.users[heads], sizes - 1, above, tied).take(order)


def _lists_of_users(rows: Rows, source: ScoredRows, place: str, *, distinct: bool) -> Lists:
    positive = rows.positive
    n_negatives = np.bincount(rows.users[~positive], minlength=len(source.users))
    alone = np.setdiff1d(rows.users, rows.users[positive])
    if alone.size:
        user = source.users.ids[int(alone[0])].as_py()
        raise BadDataError(f"user {user!r} has no row with label 1", place=place, remedy="keep the held-out item")
    order = np.lexsort((positive, rows.items, rows.users))
    same = (np.diff(rows.users[order]) == 0) & (np.diff(rows.items[order]) == 0)
    twice = np.flatnonzero(same & (distinct | positive[order[1:]]))
    if twice.size:
        first, second = order[twice[0]], order[twice[0] + 1]
        pair = source.pair(int(rows.users[first]), int(rows.items[first]))
        if positive[first] == positive[second]:
            remedy = "remove one row; or --repeats, if it was drawn twice"
            raise BadDataError(f"{pair} is twice in one list", place=place, remedy=remedy)
        remedy = "make the test file again; negprep test never writes such rows"
        raise BadDataError(f"{pair} is held out and also among its own negatives", place=place, remedy=remedy)
    levels, of_rows = np.unique(rows.scores, return_inverse=True)
    keys = rows.users.astype(np.int64) * len(levels) + of_rows
    negatives, wanted = np.sort(keys[~positive]), keys[positive]
    users = rows.users[positive]
    ends = np.cumsum(n_negatives)[users]
    behind = np.searchsorted(negatives, wanted, side="right")
    found = Lists(users, n_negatives[users], ends - behind, behind - np.searchsorted(negatives, wanted))
    return found.take(np.lexsort((rows.items[positive], users)))


def _wrong_positives(rows: Rows, source: ScoredRows, place: str, row: int, positives: int) -> BadDataError:
    user = source.users.ids[int(rows.users[row])].as_py()
    if positives == 0 and not rows.positive[rows.users == rows.users[row]].any():
        return BadDataError(f"user {user!r} has no row with label 1", place=place, remedy="keep the held-out item")
    if rows.groups is not None:
        what = f"a group of user {user!r} has {positives} rows with label 1"
        return BadDataError(what, place=place, remedy="give each held-out item a group of its own")
    return BadDataError(
        f"the lists of user {user!r} cannot be told apart: its rows with label 1 do not lead lists of one length",
        place=place,
        remedy="keep the order of the test file (--test), or name the lists in a column 'group'",
    )


def _refuse_doubles(
    rows: Rows, of_list: Counts, heads: Counts, source: ScoredRows, place: str, *, distinct: bool
) -> None:
    own = np.flatnonzero((rows.items == rows.items[heads][of_list]) & ~rows.positive)
    if own.size:
        row = int(own[0])
        what = f"{source.pair(int(rows.users[row]), int(rows.items[row]))} is held out and also among its own negatives"
        raise BadDataError(what, place=place, remedy="make the test file again; negprep test never writes such rows")
    if not distinct:
        return
    keys = of_list * len(source.items) + rows.items
    keys.sort()
    double = np.flatnonzero(keys[1:] == keys[:-1])
    if double.size:
        number, item = divmod(int(keys[double[0]]), len(source.items))
        what = f"{source.pair(int(rows.users[heads[number]]), item)} is twice in one list"
        raise BadDataError(what, place=place, remedy="remove one row; or --repeats, if it was drawn twice")
