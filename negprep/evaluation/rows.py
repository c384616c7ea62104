"""Scored candidates, a range of users at a time: from one file, or from a test file and a file of scores.

The rows may come in any order, and of each range only as many are in memory as `ROWS_AT_ONCE` says (but all rows of a
user): a file that has more is read once for every range.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from negprep.arrow import as_numpy
from negprep.encoding import DistinctIds, Encoder, raw_ids
from negprep.errors import BadDataError
from negprep.reading import LogReader
from negprep.vocabulary import Codes

ROWS_AT_ONCE = 1 << 23
"""About 60 bytes each."""

Keys = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rows:
    """All rows of some users, by user; of one user in the order of the file.

    Attributes
    ----------
    users, items : int32, shape (n,)
        Codes.
    positive : bool, shape (n,)
    scores : float64, shape (n,)
    groups : int32, shape (n,), or None
        Codes of the groups that a column names.
    """

    users: Codes
    items: Codes
    positive: npt.NDArray[np.bool_]
    scores: npt.NDArray[np.float64]
    groups: Codes | None


class ScoredRows:
    """Candidates and their scores, ready to be read by ranges of users.

    Parameters
    ----------
    test : LogReader
        With the roles ``user``, ``item``, ``label``, perhaps ``group``, and ``score`` unless there are ``scores``.
    scores : LogReader or None
        With the roles ``user``, ``item`` and ``score``.

    Attributes
    ----------
    users, items : Vocabulary
        Of the test file.
    n_rows : int
        Candidates.
    """

    def __init__(self, test: LogReader, scores: LogReader | None) -> None:
        self._test, self._scores = test, scores
        self._roles = ["user", "item", "label", *(["group"] if "group" in test.columns else [])]
        if scores is None:
            self._roles.append("score")
        users, items, groups = DistinctIds(), DistinctIds(), DistinctIds()
        self.n_rows = 0
        for batch in test.batches([role for role in self._roles if role not in ("label", "score")]):
            for role, ids in (("user", users), ("item", items), ("group", groups)):
                if role in self._roles:
                    ids.add(raw_ids(batch.column(role)))
            self.n_rows += batch.num_rows
        self.users, self.items = users.finish(), items.finish()
        self._encode = {"user": Encoder(self.users), "item": Encoder(self.items), "group": Encoder(groups.finish())}

    def ranges(self) -> Iterator[Rows]:
        """The rows of ascending ranges of users.

        Raises
        ------
        BadDataError
            A candidate without a score, a score without a candidate, or a pair with two scores.
        """
        cuts = [0, len(self.users)] if self.n_rows <= ROWS_AT_ONCE else self._cuts()
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
            what = "has a score, but is no candidate of the test file"
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
                    f"user {user!r}, item {item!r} has a score, but is no candidate of the test file",
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
