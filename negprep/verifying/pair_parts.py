"""Pairs of all users, which are held, or read again, a range of users at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from negprep.verifying.pairs import Codes, PairSet
from negprep.verifying.shelf import Laid, Shelf


@dataclass(frozen=True, eq=False)
class Part:
    """The pairs of some users.

    Attributes
    ----------
    first, n_users : int
        The first user, and how many they are.
    users : int32, shape (n,)
        Counted from the first one, ascending.
    items : int32, shape (n,)
        Ascending within a user.
    """

    first: int
    n_users: int
    users: Codes
    items: Codes

    @classmethod
    def of(cls, first: int, pairs: PairSet) -> Part:
        """Those of a set whose users are counted from ``first``."""
        return cls(first, pairs.n_users, pairs.users, pairs.items)


class PairParts:
    """Parts that are laid aside, and may be gone through again and again.

    Parameters
    ----------
    shelf : Shelf

    Attributes
    ----------
    n_users : int
        Of all parts.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._laid: list[tuple[int, int, Laid]] = []
        self.n_users = 0

    def add(self, first: int, pairs: PairSet) -> None:
        """Lay the next part aside."""
        self._laid.append((first, pairs.n_users, self._shelf.put({"users": pairs.users, "items": pairs.items})))
        self.n_users = first + pairs.n_users

    def __iter__(self) -> Iterator[Part]:
        for first, n_users, laid in self._laid:
            arrays = self._shelf.get(laid)
            users, items = arrays["users"], arrays["items"]
            none = np.empty(0, np.int32)
            yield Part(first, n_users, none if users is None else users, none if items is None else items)
