"""The log as arrays: vocabularies, the catalog, and each user's distinct items."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from negprep.arrow import as_numpy, from_numpy
from negprep.compute import pc
from negprep.draw import Words
from negprep.errors import BadDataError
from negprep.pairs import Pairs
from negprep.seen import Codes, Seen
from negprep.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Items:
    """The items of a run: those of the catalog first, which may be drawn, then others that the log has.

    The code of an item in all arrays is its position here.

    Attributes
    ----------
    catalog, others : Vocabulary
        Disjoint. Both integer or both string, unless one is empty.
    """

    catalog: Vocabulary
    others: Vocabulary

    @property
    def n_catalog(self) -> int:
        """How many items may be drawn."""
        return len(self.catalog)

    def __len__(self) -> int:
        return len(self.catalog) + len(self.others)

    @cached_property
    def ids(self) -> pa.Array:
        """The id of each code, all int64 or all string."""
        if not len(self.others):
            return self.catalog.ids
        kind = pa.int64() if self.catalog.is_integer and self.others.is_integer else pa.string()
        return pa.concat_arrays([self.catalog.ids.cast(kind), self.others.ids.cast(kind)])

    @cached_property
    def keys(self) -> Words:
        """The random key of each code: uint64, shape (len(self),)."""
        return np.concatenate([self.catalog.keys, self.others.keys]) if len(self.others) else self.catalog.keys

    @cached_property
    def vocabulary(self) -> tuple[pa.Array, Codes]:
        """All ids in ascending order, and the position there of each code: int32, shape (len(self),)."""
        order = pc.sort_indices(self.ids).cast(pa.int32())
        positions = np.empty(len(self), np.int32)
        positions[as_numpy(order)] = np.arange(len(self), dtype=np.int32)
        return self.ids.take(order), positions


@dataclass(frozen=True, eq=False)
class Interactions:
    """A whole log.

    Attributes
    ----------
    users : Vocabulary
        All users, those without a positive among them.
    items : Items
    positives : Pairs
    weak : Pairs
        Observed pairs that are not positives; disjoint from them.
    """

    users: Vocabulary
    items: Items
    positives: Pairs
    weak: Pairs


def as_seen(pairs: Pairs, items: Items) -> Seen:
    """What the pairs say is seen of the catalog."""
    if len(items.others):
        pairs = pairs.where(pairs.items < items.n_catalog)
    return Seen(pairs.starts, pairs.items, items.n_catalog)


def join_catalog(found: Vocabulary, catalog: Vocabulary | None) -> tuple[Items, Codes | None]:
    """The items of a run from those found in the log and those of the catalog file, if there is one.

    Returns
    -------
    items : Items
    recode : int32, shape (len(found),), or None
        The code in ``items`` of each code in ``found``. None where they are the same.

    Raises
    ------
    BadDataError
        No item of the log is in the catalog: it has other ids, or is another column.
    """
    empty = found.ids.slice(0, 0)
    if catalog is None:
        return Items(found, Vocabulary(empty)), None
    recode = catalog.find(found.ids).copy()
    missing = np.flatnonzero(recode < 0)
    if len(found) and missing.size == len(found):
        raise BadDataError(
            f"none of the {len(found)} items of the log is in the catalog (log: {found.ids[0].as_py()!r}, catalog: "
            f"{catalog.ids[0].as_py()!r})",
            remedy="name the catalog's column with --item-col if another was taken",
        )
    recode[missing] = len(catalog) + np.arange(missing.size, dtype=np.int32)
    return Items(catalog, Vocabulary(found.ids.take(from_numpy(missing)) if missing.size else empty)), recode
