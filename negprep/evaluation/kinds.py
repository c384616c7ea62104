"""Users whose lists are alike are one kind: whatever depends on the lists is worked out once for all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from negprep.evaluation.lists import Counts, Lists
from negprep.evaluation.ranks import Floats
from negprep.vocabulary import Codes


@dataclass(frozen=True, eq=False)
class Kinds:
    """Users by kind.

    Attributes
    ----------
    users : int32, shape (n_users,)
        Codes of the users with a list, ascending.
    of_user : int64, shape (n_users,)
        The kind of each.
    lists : Lists
        Of one user of each kind; ``lists.users`` is the kind.
    per_list : float64, shape (n_lists,)
        What a list weighs for its user: one by the number of the user's lists.
    """

    users: Codes
    of_user: Counts
    lists: Lists
    per_list: Floats

    def __len__(self) -> int:
        return int(self.lists.users[-1]) + 1

    def means(self, values: Floats) -> Floats:
        """From values of each list, shape (n_lists, ...), the mean of each kind: shape (n_kinds, ...)."""
        begins = np.flatnonzero(np.append(True, self.lists.users[1:] != self.lists.users[:-1]))
        counts = np.diff(np.append(begins, len(values))).reshape(-1, *[1] * (values.ndim - 1))
        means: Floats = np.add.reduceat(values, begins, axis=0) / counts
        return means


def find_kinds(lists: Lists) -> Kinds:
    """Users with one list are of one kind if candidates, place and ties agree; others are a kind each."""
    begins = np.flatnonzero(np.append(True, lists.users[1:] != lists.users[:-1]))
    counts = np.diff(np.append(begins, len(lists)))
    single = counts == 1
    alone = begins[single]
    keys = np.zeros(len(alone), np.int64)
    for values in (lists.candidates, lists.above, lists.tied):  # one after the other, so that no product overflows
        codes = np.unique(values[alone], return_inverse=True)[1]
        keys = np.unique(keys * (codes.max(initial=0) + 1) + codes, return_inverse=True)[1]
    _, examples, kinds = np.unique(keys, return_index=True, return_inverse=True)
    of_user = np.empty(len(begins), np.int64)
    of_user[single] = kinds
    of_user[~single] = len(examples) + np.arange(int((~single).sum()))
    several = np.flatnonzero(np.repeat(~single, counts))
    chosen = lists.take(np.concatenate([alone[examples], several]))
    of_list = np.concatenate([np.arange(len(examples)), np.repeat(of_user[~single], counts[~single])])
    per_list = 1 / np.concatenate([np.ones(len(examples)), np.repeat(counts[~single], counts[~single])])
    reduced = Lists(of_list.astype(np.int32), chosen.candidates, chosen.above, chosen.tied)
    return Kinds(lists.users[begins], of_user, reduced, per_list)
