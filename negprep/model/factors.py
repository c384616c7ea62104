"""What a model is: ids, factors, and what it says of itself."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import as_numpy, text_buffers
from negprep.compute import pc
from negprep.errors import BadDataError
from negprep.vocabulary import Vocabulary

Factors = npt.NDArray[np.float32]

OWN = "own"
"""The kind of factors that somebody else made."""

KINDS = ("als", "bpr", "rns", OWN)
MAX_FACTORS = 1024


@dataclass(frozen=True, eq=False)
class Model:
    """Scores of pairs of a user and an item: score(u, j) = sum over l of h[l] * user[u, l] * item[j, l], plus bias[j].

    Attributes
    ----------
    kind : str
        One of ``KINDS``.
    users, items : Vocabulary
        Those that the model knows.
    user_factors : float32, shape (n_users, n_factors)
    item_factors : float32, shape (n_items, n_factors)
    item_bias : float32, shape (n_items,), or None
        None: 0.
    h : float32, shape (n_factors,), or None
        Weights of the factors. None: 1. Source: generalised matrix factorisation, He et al., WWW 2017, section 4.3.
    facts : dict of str
        How the model was made: what JSON can hold.
    """

    kind: str
    users: Vocabulary
    items: Vocabulary
    user_factors: Factors
    item_factors: Factors
    item_bias: Factors | None = None
    h: Factors | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def n_factors(self) -> int:
        """Factors of each user and item."""
        return int(self.user_factors.shape[1])

    @property
    def arrays(self) -> dict[str, Factors]:
        """The arrays of numbers that the model has, by name."""
        given = {name: getattr(self, name) for name in ("user_factors", "item_factors", "item_bias", "h")}
        return {name: values for name, values in given.items() if values is not None}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that decides a score: 64 hexadecimal digits."""
        state = hashlib.sha256(json.dumps([self.kind, self.n_factors, *self.arrays]).encode())
        for vocabulary in (self.users, self.items):
            for values in as_buffers(vocabulary.ids):
                state.update(f"{len(values)} {values.dtype}".encode())
                state.update(np.ascontiguousarray(values).data)
        for values in self.arrays.values():
            state.update(np.ascontiguousarray(values).data)
        return state.hexdigest()

    def check(self, place: str) -> None:
        """Refuse arrays that do not fit each other, or hold what is no number.

        Raises
        ------
        BadDataError
        """

        def refuse(what: str, remedy: str = "make the model again") -> None:
            raise BadDataError(what, place=place, remedy=remedy)

        if self.kind not in KINDS:
            refuse(f"the model is of the kind {self.kind!r}", f"give one of {', '.join(KINDS)}")
        for name, values in self.arrays.items():
            if name.endswith("factors") and (values.ndim != 2 or not values.shape[1]):
                refuse(f"{name} has the shape {values.shape}", "give a row for each id and a column for each factor")
        if self.n_factors > MAX_FACTORS:
            refuse(f"the model has {self.n_factors} factors", f"give at most {MAX_FACTORS}")
        wanted = {
            "user_factors": (len(self.users), self.n_factors),
            "item_factors": (len(self.items), self.n_factors),
            "item_bias": (len(self.items),),
            "h": (self.n_factors,),
        }
        for name, values in self.arrays.items():
            if values.shape != wanted[name]:
                refuse(f"{name} has the shape {values.shape} where the ids and factors ask for {wanted[name]}")
            if not values.size:
                refuse(f"{name} is empty")
            if not np.isfinite(values).all():
                row = int(np.argwhere(~np.isfinite(values))[0][0])
                ids = {"user_factors": self.users, "h": None}.get(name, self.items)
                whose = f" of {ids.ids[row].as_py()!r}" if ids is not None else ""
                refuse(f"{name}{whose} holds NaN or an infinite number", "train with a smaller learning rate")


def sorted_model(
    kind: str,
    users: pa.Array,
    items: pa.Array,
    arrays: dict[str, Factors],
    facts: dict[str, Any],
    place: str,
) -> Model:
    """A checked model of ids in any order.

    Raises
    ------
    BadDataError
        An id that occurs twice, or what ``Model.check`` refuses.
    """
    arrays = dict(arrays)
    vocabularies = {}
    for side, ids in (("user", users), ("item", items)):
        order = as_numpy(pc.sort_indices(ids).cast(pa.int64()))
        ordered = ids.take(pc.sort_indices(ids))
        again = np.flatnonzero(_equal_to_next(ordered))
        if again.size:
            raise BadDataError(
                f"the {side} {ordered[int(again[0])].as_py()!r} occurs twice", place=place, remedy="give each id once"
            )
        vocabularies[side] = Vocabulary(ordered)
        if not (order[1:] > order[:-1]).all():
            for name in (f"{side}_factors", f"{side}_bias"):
                if name in arrays and len(arrays[name]) == len(order):
                    arrays[name] = arrays[name][order]
    model = Model(kind, vocabularies["user"], vocabularies["item"], facts=facts, **arrays)
    model.check(place)
    return model


def as_buffers(ids: pa.Array) -> list[npt.NDArray[Any]]:
    """Ids as numbers: int64 ids alone, or the bytes of strings end to end, uint8, and where each ends, int64."""
    if pa.types.is_integer(ids.type):
        return [as_numpy(ids)]
    data, offsets = text_buffers(ids)
    return [data, offsets[1:]]


def _equal_to_next(ordered: pa.Array) -> npt.NDArray[np.bool_]:
    if len(ordered) < 2:
        return np.zeros(0, bool)
    return as_numpy(pc.equal(ordered.slice(1), ordered.slice(0, len(ordered) - 1)).cast(pa.uint8())).astype(bool)
