"""Vocabularies: the sorted distinct ids of a column, and how a stream of ids becomes codes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from negprep.arrow import as_numpy, from_numpy, mask_as_numpy, text_buffers
from negprep.draw import Words, integer_keys, text_keys

Codes = npt.NDArray[np.int32]

_TABLE_LIMIT = 1 << 26
"""A range of integer ids up to this wide, or four times the rows, is encoded through a table of the whole range."""


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
        return Vocabulary(_sorted_distinct(pa.concat_arrays([self.ids.cast(kind), other.ids.cast(kind)])))

    def find(self, ids: pa.Array) -> Codes:
        """Codes of ids (int64, string or dictionary of string): int32, shape (len(ids),), -1 for an id not here."""
        if pa.types.is_dictionary(ids.type):
            indices: Codes = as_numpy(ids.indices)
            return self.find(ids.dictionary.cast(pa.string()))[indices]
        if self.is_integer and not pa.types.is_integer(ids.type):  # of strings, only canonical integers can be here
            canonical = pc.equal(from_numpy(_is_canonical(ids).view(np.uint8)), 1)
            ids = pc.if_else(canonical, ids, pa.scalar(None, pa.string()))
        codes: Codes = as_numpy(pc.fill_null(pc.index_in(ids.cast(self.ids.type), value_set=self.ids), -1))
        return codes


class VocabularyBuilder:
    """Takes a column of ids batch by batch; gives its vocabulary and the code of every row.

    Batches are int64, string, or dictionary of string; where any batch holds strings, integers become strings too.
    """

    def __init__(self) -> None:
        self._batches: list[npt.NDArray[Any] | tuple[pa.Array, Codes]] = []
        self._has_text = False

    def add(self, ids: pa.Array) -> None:
        """Add the ids of the next rows: int64, string or dictionary of string, without nulls."""
        if pa.types.is_integer(ids.type):
            self._batches.append(_narrowed(as_numpy(ids)))
            return
        self._has_text = True
        coded = ids if pa.types.is_dictionary(ids.type) else ids.dictionary_encode()
        self._batches.append((coded.dictionary.cast(pa.string()), as_numpy(coded.indices).astype(np.int32, copy=False)))

    def finish(self) -> tuple[Vocabulary, Codes]:
        """The vocabulary, and the code of every row in the order they came: int32, shape (n_rows,)."""
        batches, self._batches = self._batches, []
        if not self._has_text:
            return _encode_integers([batch for batch in batches if isinstance(batch, np.ndarray)])
        pieces = [_as_text(batch) if isinstance(batch, np.ndarray) else batch for batch in batches]
        used = [dictionary.take(from_numpy(np.unique(codes))) for dictionary, codes in pieces]
        vocabulary = Vocabulary(_sorted_distinct(pa.concat_arrays(used)))
        return vocabulary, np.concatenate([vocabulary.find(dictionary)[codes] for dictionary, codes in pieces])


def _narrowed(values: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """A copy in half the memory where every value fits."""
    fits = values.size == 0 or (values.min() >= -(2**31) and values.max() < 2**31)
    return values.astype(np.int32 if fits else np.int64)


def _as_text(integers: npt.NDArray[Any]) -> tuple[pa.Array, Codes]:
    vocabulary, codes = _encode_integers([integers])
    return vocabulary.ids.cast(pa.string()), codes


def _encode_integers(batches: list[npt.NDArray[Any]]) -> tuple[Vocabulary, Codes]:
    """Vocabulary and codes of integer ids, through a table of their range where that is small enough."""
    batches = [batch for batch in batches if batch.size]
    rows = sum(batch.size for batch in batches)
    if not rows:
        return Vocabulary(pa.array([], pa.int64())), np.empty(0, np.int32)
    lowest, highest = min(int(b.min()) for b in batches), max(int(b.max()) for b in batches)
    if highest - lowest >= max(_TABLE_LIMIT, 4 * rows):
        distinct, inverse = np.unique(np.concatenate(batches).astype(np.int64, copy=False), return_inverse=True)
        return Vocabulary(from_numpy(distinct)), inverse.astype(np.int32)
    occurs = np.zeros(highest - lowest + 1, bool)
    for batch in batches:
        occurs[batch.astype(np.int64) - lowest] = True
    distinct = np.flatnonzero(occurs)
    table = np.empty(occurs.size, np.int32)
    table[distinct] = np.arange(distinct.size, dtype=np.int32)
    codes = np.empty(rows, np.int32)
    start = 0
    for batch in batches:
        np.take(table, batch.astype(np.int64) - lowest, out=codes[start : start + batch.size], mode="clip")
        start += batch.size
    return Vocabulary(from_numpy(distinct + lowest)), codes


def _sorted_distinct(ids: pa.Array) -> pa.Array:
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
