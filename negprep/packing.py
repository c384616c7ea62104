"""Rows of codes while they wait to be shuffled: labelled ones as one number each, less to keep and to copy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import Column, as_numpy, joined, unwrapped
from negprep.layout import Form, Groups

Packed = tuple[list[Column], int]
"""Columns of the rows of a few users, and the code of the first of these."""

_SHORT_BITS = 32
_BLOCK_GROUPS = 1 << 14


class Packing(Protocol):
    """A way to keep rows."""

    def pack(self, pieces: Iterable[Groups], coded: Form) -> Packed:
        """The rows of some groups, which ascend by user, in a coded form; all in columns of shape (n_rows,)."""

    def unpack(self, pieces: list[Packed]) -> list[Column]:
        """The columns of all pieces, or of slices of these, end to end: codes in place of ids, as int32."""


def packing_of(form: Form, n_items: int) -> Packing:
    """How the rows of a form are kept, with items from a catalog of ``n_items``."""
    if form.layout != "pointwise" or form.sources is not None or form.with_log_q:
        return AsTheyAre()
    label = as_numpy(form.schema.empty_table()["label"].combine_chunks())
    return AsNumbers(max(1, n_items - 1).bit_length(), label.dtype)


class AsTheyAre:
    """Any columns."""

    def pack(self, pieces: Iterable[Groups], coded: Form) -> Packed:
        """Make them."""
        made = [coded.batch(groups) for groups in pieces]
        rows = made[0] if len(made) == 1 else pa.concat_batches(made)
        return [unwrapped(column) for column in rows.columns], 0

    def unpack(self, pieces: list[Packed]) -> list[Column]:
        """Join them."""
        return [joined(list(column)) for column in zip(*(columns for columns, _ in pieces), strict=True)]


@dataclass(frozen=True)
class AsNumbers:
    """User, item and label in one number, which has from its top bits on: user less first user, item, label.

    Attributes
    ----------
    item_bits : int
        Of the largest code of an item.
    label_dtype : numpy dtype
        Of the labels that come out.
    """

    item_bits: int
    label_dtype: np.dtype[Any]

    def pack(self, pieces: Iterable[Groups], coded: Form) -> Packed:
        """In uint32 where they fit, else in uint64."""
        packed = [self._packed(groups) for groups in pieces]
        numbers, first = packed[0]
        if len(packed) > 1:  # counted from the same user
            bits = self.item_bits + 1
            numbers = np.concatenate(
                [some.astype(np.uint64) + np.uint64(user - first << bits) for some, user in packed]
            )
        return [numbers], coded.first_user + first

    def _packed(self, groups: Groups) -> tuple[npt.NDArray[Any], int]:
        """The numbers, and the user that they are counted from."""
        size, num_neg = groups.negatives.shape
        first, last = (int(groups.users[0]), int(groups.users[-1])) if size else (0, 0)
        n_bits = (last - first).bit_length() + self.item_bits + 1
        kind: Any = np.uint32 if n_bits <= _SHORT_BITS else np.uint64
        numbers = np.empty((size, num_neg + 1), kind)
        for begin in range(0, size, _BLOCK_GROUPS):  # few enough for a core's second-level cache
            here = slice(begin, begin + _BLOCK_GROUPS)
            of_users = (groups.users[here] - np.int32(first)).astype(kind) << kind(self.item_bits + 1)
            numbers[here, 0] = of_users | groups.positives[here].astype(kind) << kind(1) | kind(1)
            for draw in range(num_neg):
                numbers[here, draw + 1] = of_users | groups.negatives[here, draw].astype(kind) << kind(1)
        rows = numbers.reshape(-1)
        if groups.counts is not None:
            rows = numbers[np.arange(num_neg + 1) <= groups.counts[:, None]]
        return rows, first

    def unpack(self, pieces: list[Packed]) -> list[Column]:
        """Undo `pack`."""
        numbers = joined([numbers for (numbers,), _ in pieces])
        kind = numbers.dtype.type
        users = (numbers >> kind(self.item_bits + 1)).astype(np.int32)
        users += np.repeat(np.array([first for _, first in pieces], np.int32), [len(some) for (some,), _ in pieces])
        items = (numbers >> kind(1) & kind((1 << self.item_bits) - 1)).astype(np.int32)
        return [users, items, (numbers & kind(1)).astype(self.label_dtype)]
