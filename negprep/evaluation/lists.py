"""From scored rows to lists: a positive, the negatives that it was put among, and its place among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from negprep.errors import BadDataError
from negprep.evaluation.rows import Rows, ScoredRows
from negprep.vocabulary import Codes

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Lists:
    """Where each positive stands.

    Attributes
    ----------
    users : int32, shape (n,)
        Ascending codes; one user may have several lists.
    candidates : int64, shape (n,)
        Negatives in the list.
    above, tied : int64, shape (n,)
        Negatives with a higher score than the positive, and with the same.
    """

    users: Codes
    candidates: Counts
    above: Counts
    tied: Counts

    def __len__(self) -> int:
        return len(self.users)

    def take(self, places: npt.NDArray[np.bool_] | Counts) -> Lists:
        """Some of the lists."""
        return Lists(self.users[places], self.candidates[places], self.above[places], self.tied[places])


def read_lists(rows: ScoredRows, place: str, *, distinct: bool) -> Lists:
    """The lists of all users; those of one user by the items of their positives.

    Parameters
    ----------
    rows : ScoredRows
    place : str
        The test file, for messages.
    distinct : bool
        Whether a negative may not occur twice in a list.

    Raises
    ------
    BadDataError
        A list without a positive or with two, an item that is there twice, or rows of several lists of a user that
        cannot be told apart.
    """
    parts = [_lists_of(each, rows, place, distinct=distinct) for each in rows.ranges()]
    return Lists(*(np.concatenate([getattr(part, name) for part in parts]) for name in Lists.__annotations__))


def _lists_of(rows: Rows, source: ScoredRows, place: str, *, distinct: bool) -> Lists:
    of_list = _numbered(rows) if rows.groups is None else _grouped(rows)
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


def _grouped(rows: Rows) -> Counts:
    """The list of each row, where a column names the groups of a user."""
    assert rows.groups is not None  # noqa: S101 - for the types
    keys = rows.users.astype(np.int64) << 32 | rows.groups
    numbers: Counts = np.unique(keys, return_inverse=True)[1]
    return numbers


def _numbered(rows: Rows) -> Counts:
    """The list of each row: of a user with h positives among n rows, each n / h consecutive rows are one.

    A user whose rows cannot be cut so keeps them in one list, which has then more than one positive.
    """
    starts = np.flatnonzero(np.append(True, rows.users[1:] != rows.users[:-1]))
    sizes = np.diff(np.append(starts, len(rows.users)))
    held_out = np.maximum(np.add.reduceat(rows.positive, starts, dtype=np.int64), 1)
    held_out[sizes % held_out != 0] = 1
    before = np.cumsum(held_out) - held_out
    position = np.arange(len(rows.users)) - np.repeat(starts, sizes)
    numbers: Counts = np.repeat(before, sizes) + position // np.repeat(sizes // held_out, sizes)
    return numbers


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
