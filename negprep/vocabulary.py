"""Vocabularies: the sorted distinct ids of a column."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import as_numpy, from_numpy, mask_as_numpy, number, text_buffers
from negprep.compute import pc
from negprep.draw import Words, integer_keys, text_keys

Codes = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Distinct ids in ascending order; the code of an id is its position.

    Attributes
    ----------
    ids : pyarrow int64 or string array, shape (n,)
        Integers ascend by value, strings by their UTF-8 bytes. No nulls.
    """

    ids: pa.Array

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_integer(self) -> bool:
        """Whether the ids are int64; else they are strings."""
        return bool(pa.types.is_integer(self.ids.type))

    @cached_property
    def keys(self) -> Words:
        """The random key of each id: uint64, shape (n,). ``"7"`` among strings has the key of the integer 7."""
        if self.is_integer:
            return integer_keys(as_numpy(self.ids))
        keys = text_keys(*text_buffers(self.ids))
        canonical = np.flatnonzero(_is_canonical(self.ids))
        keys[canonical] = integer_keys(as_numpy(self.ids.take(from_numpy(canonical)).cast(pa.int64())))
        return keys

    def union(self, other: Vocabulary) -> Vocabulary:
        """The ids of both, as strings if those of either are."""
        kind = pa.int64() if self.is_integer and other.is_integer else pa.string()
        return Vocabulary(sorted_distinct(pa.concat_arrays([self.ids.cast(kind), other.ids.cast(kind)])))

    def find(self, ids: pa.Array) -> Codes:
        """Codes of ids (int64, string or dictionary of string): int32, shape (len(ids),), -1 for an id not here."""
        if pa.types.is_dictionary(ids.type):
            indices: Codes = as_numpy(ids.indices)
            return self.find(ids.dictionary.cast(pa.string()))[indices]
        if self.is_integer and not pa.types.is_integer(ids.type):  # of strings, only canonical integers can be here
            canonical = from_numpy(_is_canonical(ids).view(np.uint8)).cast(pa.bool_())
            ids = pc.if_else(canonical, ids, pa.nulls(1, pa.string())[0])
        codes: Codes = as_numpy(
            pc.fill_null(pc.index_in(ids.cast(self.ids.type), value_set=self.ids), number(-1, pa.int32()))
        )
        return codes


def sorted_distinct(ids: pa.Array) -> pa.Array:
    """The ids of an int64 or string array, each once, ascending."""
    distinct = ids.unique()
    return distinct.take(pc.sort_indices(distinct))


def _is_canonical(ids: pa.StringArray) -> npt.NDArray[np.bool_]:
    """Which strings are the decimal text of an int64: bool, shape (n,)."""
    if not len(ids):
        return np.empty(0, bool)
    canonical = mask_as_numpy(pc.match_substring_regex(ids, r"^(0|-?[1-9][0-9]{0,18})$"))
    for position in np.flatnonzero(canonical & (as_numpy(pc.binary_length(ids)) >= 19)):  # these may be out of range
        canonical[position] = -(2**63) <= int(ids[int(position)].as_py()) < 2**63
    return canonical
