"""Vocabularies: the sorted distinct ids, or other values, of a column; collecting them, and turning them into codes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Codes, Words
from negprep.arrow import as_numpy, by_blocks, compact, from_numpy, mask_as_numpy, number, pc, text_buffers
from negprep.errors import BadDataError
from negprep.sample.rng import integer_keys, text_keys

_INT64 = pa.int64()


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Distinct ids in ascending order; the code of an id is its position.

    ``ids``: pyarrow int64 or string array, shape (n,). Integers ascend by value, strings by their UTF-8 bytes. No
      nulls.
    ``kind``: The type in which integers are written; all ids fit.
    """

    ids: pa.Array
    kind: pa.DataType = _INT64

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_integer(self) -> bool:
        """Whether the ids are int64; else they are strings."""
        return bool(pa.types.is_integer(self.ids.type))

    @property
    def written(self) -> pa.Array:
        """The ids in the type in which they are written."""
        return self.ids.cast(self.kind) if self.is_integer and self.kind != self.ids.type else self.ids

    def kind_with(self, ids: pa.Array) -> pa.DataType:
        """The type in which these ids and others are written: their own if it holds the others, too, else int64."""
        if not (self.is_integer and pa.types.is_integer(ids.type) and len(ids)):
            return self.kind
        values, least = as_numpy(ids), np.iinfo(as_numpy(pa.nulls(0, self.kind)).dtype)
        return self.kind if least.min <= values.min() and values.max() <= least.max else pa.int64()

    def some(self, ids: pa.Array) -> Vocabulary:
        """Some of the ids, which are written alike."""
        return Vocabulary(ids, self.kind)

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
        ids = sorted_distinct(pa.concat_arrays([self.ids.cast(kind), other.ids.cast(kind)]))
        return Vocabulary(ids, self.kind_with(other.ids))

    def find(self, ids: pa.Array) -> Codes:
        """Codes of ids (int64, string or dictionary of string): int32, shape (len(ids),), -1 for an id not here."""
        if pa.types.is_dictionary(ids.type):
            indices: Codes = as_numpy(ids.indices)
            return self.find(ids.dictionary.cast(pa.string()))[indices]
        if self.is_integer and not pa.types.is_integer(ids.type):  # of strings, only canonical integers can be here
            ids = integers_among(ids)
        codes: Codes = as_numpy(
            pc.fill_null(pc.index_in(ids.cast(self.ids.type), value_set=self.ids), number(-1, pa.int32()))
        )
        return codes


def integers_among(ids: pa.Array) -> pa.Array:
    """The canonical integers among strings as int64, and null for every other string."""
    canonical = from_numpy(_is_canonical(ids).view(np.uint8)).cast(pa.bool_())
    return pc.if_else(canonical, ids, pa.nulls(1, pa.string())[0]).cast(pa.int64())


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


Integers: TypeAlias = "npt.NDArray[np.int32] | npt.NDArray[np.int64]"

GivenIds: TypeAlias = "Integers | tuple[pa.StringArray, Codes]"
"""The ids of some rows: integers; or distinct strings, and which of them each row has."""

RawIds: TypeAlias = "GivenIds | npt.NDArray[np.uint32]"
"""The same, as a `DistinctIds` keeps them: strings of few bytes are places in its ``texts``, uint32."""

_TABLE_LIMIT = 1 << 26
"""Integer ids whose range is up to this wide are collected and looked up through a table of the whole range."""

_LOWEST_ID = -(2**63)


def raw_ids(column: pa.Array) -> GivenIds:
    """An int64, string or dictionary column in as little memory as its values allow; a copy of integers."""
    if pa.types.is_integer(column.type):
        values = as_numpy(column)
        fits = values.size == 0 or (values.min() >= -(2**31) and values.max() < 2**31)
        return values.astype(np.int32) if fits else values.astype(np.int64)
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    coded = compact(coded)
    return coded.dictionary.cast(pa.string()), as_numpy(coded.indices)


@dataclass(frozen=True, eq=False)
class LookedUp:
    """Strings of some rows, of which many had a place already.

    ``places``: int32. Of the string of each row, or of each of ``codes``; -1 - n for the n-th of ``fresh``.
    ``fresh``: Distinct strings without a place.
    ``codes``: Which of the places each row has, or None.
    """

    places: Codes
    fresh: pa.StringArray
    codes: Codes | None


class DistinctIds:
    """Collects the distinct ids of a column, batch by batch, in memory that grows with them and not with the rows."""

    def __init__(self) -> None:
        self._table = _TextTable()
        self._lowest = 0
        self._occurs = np.zeros(0, bool)
        self._integers = _Pool(lambda parts: _distinct(np.concatenate(parts)))
        self._texts = _Pool(lambda parts: pa.concat_arrays(parts).unique())

    def add(self, ids: GivenIds) -> None:
        """Add the ids of some rows."""
        if isinstance(ids, tuple):
            self._texts.add(ids[0])
        elif ids.size:
            ids = _once_a_run(ids)
            low, high = int(ids.min()), int(ids.max())
            if self._reach(low, high):
                self._occurs[np.subtract(ids, self._lowest, dtype=np.int64)] = True
            else:
                self._integers.add(_distinct(ids.astype(np.int64)))

    def look_up(self, column: pa.Array) -> GivenIds | LookedUp:
        """An int64, string or dictionary column, before it is kept. May run in any thread."""
        if pa.types.is_integer(column.type):
            return raw_ids(column)
        codes = None
        if pa.types.is_dictionary(column.type):
            column = compact(column)
            column, codes = column.dictionary.cast(pa.string()), as_numpy(column.indices)
        words = _words_in(column)
        if words is None:
            return raw_ids(column) if codes is None else (column, codes)
        places = self._table.find(words)
        missing = np.flatnonzero(places < 0)
        fresh = column.take(from_numpy(missing)).dictionary_encode()
        places[missing] = -1 - as_numpy(fresh.indices)
        return LookedUp(places, fresh.dictionary, codes)

    def keep(self, found: GivenIds | LookedUp) -> RawIds:
        """Add the ids of some rows, and give what stands for them."""
        if not isinstance(found, LookedUp):
            self.add(found)
            return found
        places = found.places
        if len(found.fresh):
            fresh = self._table.add(found.fresh)
            places = np.where(places < 0, fresh.take(-1 - places, mode="clip"), places)
        return (places if found.codes is None else by_blocks(places, found.codes)).view(np.uint32)

    @property
    def texts(self) -> pa.StringArray:
        """The strings that have a place, in the order of the places."""
        return self._table.texts

    def finish(self, kind: pa.DataType = _INT64) -> Vocabulary:
        """The vocabulary: of strings where any batch held strings, else of integers, which are written as ``kind``."""
        integers = np.flatnonzero(self._occurs)
        integers += self._lowest
        if self._integers.parts:
            integers = _distinct(np.concatenate([integers, *self._integers.parts]))
        distinct = from_numpy(integers)
        if not (self._texts.parts or len(self.texts)):
            return Vocabulary(distinct, kind)
        if not (self._texts.parts or len(distinct)):
            return Vocabulary(self.texts.take(pc.sort_indices(self.texts)))
        texts = [distinct.cast(pa.string()), *self._texts.parts, self.texts]
        return Vocabulary(sorted_distinct(pa.concat_arrays(texts)))

    def _reach(self, low: int, high: int) -> bool:
        """Make the table cover low to high, if it may become so large."""
        size = len(self._occurs)
        first, last = (min(low, self._lowest), max(high, self._lowest + size - 1)) if size else (low, high)
        if last - first >= _TABLE_LIMIT:
            return False
        if last - first >= size:  # doubling, so that rising or falling ids copy the table a few times only
            grown = np.zeros(min(max(last - first + 1, 2 * size), _TABLE_LIMIT), bool)
            lowest = max(last + 1 - len(grown), _LOWEST_ID) if first < self._lowest else first
            grown[self._lowest - lowest : self._lowest - lowest + size] = self._occurs
            self._occurs, self._lowest = grown, lowest
        return True


_BYTES, _MOST_WORDS = 8, 5
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)
_HALF = np.uint64(32)
_LOW, _HIGH = np.frombuffer(os.urandom(16 * (_MOST_WORDS + 1)), np.uint64).reshape(2, -1) | np.uint64(1)
"""Factors of the words and of their upper halves, drawn for each process: nobody can choose ids that collide."""

_LOOKED_UP = 1 << 15
_FEWEST_SLOTS = 1 << 12


def _words_in(texts: pa.StringArray) -> list[Words] | None:
    """The bytes of strings without NUL as little-endian words, each uint64, shape (n,); None if one takes too many.

    After the end of a string are zeros.
    """
    data, starts = text_buffers(texts)
    sizes = np.diff(starts)
    longest = int(sizes.max(initial=1))
    if longest > _BYTES * _MOST_WORDS:
        return None
    padded = np.zeros(len(data) + _BYTES * (_MOST_WORDS + 1), np.uint8)
    padded[: len(data)] = data
    is_regular, words = len(sizes) > 0 and int(sizes.min()) == longest, list[Words]()
    for begin in range(0, longest, _BYTES):
        if is_regular:
            word = np.ndarray(len(sizes), "<u8", padded, begin, (longest,)) & _MASKS[min(longest - begin, _BYTES)]
        else:
            windows = np.ndarray(len(padded) - begin - _BYTES + 1, "<u8", padded, begin, (1,))  # at every byte
            word = windows[starts[:-1]] & _MASKS.take(sizes - begin, mode="clip")
        words.append(word.astype(np.uint64, copy=False))
    return words


class _TextTable:
    """Strings of few bytes, each at a place in the order in which they came, found by their words.

    A hash table with open addressing. `find` may run in any thread while one adds: it sees a string or does not.
    """

    def __init__(self) -> None:
        self._parts: list[pa.StringArray] = []
        self._count = 0
        self._slots, self._words = np.full(_FEWEST_SLOTS, -1, np.int32), [np.empty(_FEWEST_SLOTS, np.uint64)]

    @property
    def texts(self) -> pa.StringArray:
        """The strings, in the order of their places."""
        if len(self._parts) != 1:
            self._parts = [pa.concat_arrays(self._parts) if self._parts else pa.nulls(0, pa.string())]
        return self._parts[0]

    def find(self, words: list[Words]) -> Codes:
        """The places of strings: int32, shape (n,), -1 for one that has none."""
        slots, of_all = self._slots, self._words
        places, is_other = np.empty(len(words[0]), np.int32), np.empty(len(words[0]), bool)
        for begin in range(0, len(places), _LOOKED_UP):  # few enough for a core's cache
            here = slice(begin, begin + _LOOKED_UP)
            some = [word[here] for word in words]
            met = slots.take(_hashed(some, len(slots)), mode="clip", out=places[here])
            is_other[here] = _are_other(met, some, of_all)
        todo = np.flatnonzero(is_other)
        words = [word[todo] for word in words]
        at = _hashed(words, len(slots))
        while len(todo):
            at = (at + 1) & (len(slots) - 1)
            places[todo] = met = slots.take(at, mode="clip")
            rest = np.flatnonzero(_are_other(met, words, of_all))
            todo, at, words = todo[rest], at[rest], [word[rest] for word in words]
        return places

    def add(self, texts: pa.StringArray) -> Codes:
        """The places of strings, each of which gets one."""
        places = self.find(_words_in(texts) or [])
        new = np.flatnonzero(places < 0)
        if len(new):
            distinct = texts.take(from_numpy(new)).dictionary_encode()
            places[new] = as_numpy(distinct.indices) + np.int32(self._count)
            self._insert(distinct.dictionary)
        return places

    def _insert(self, texts: pa.StringArray) -> None:
        words, slots, of_all = _words_in(texts) or [], self._slots, self._words
        first, self._count = self._count, self._count + len(texts)
        self._parts.append(texts)
        room = len(of_all[0]) if self._count <= len(of_all[0]) else 2 * self._count
        if room > len(of_all[0]) or len(words) > len(of_all):
            of_all = [np.zeros(room, np.uint64) for _ in range(max(len(words), len(of_all)))]
            slots = slots.copy()  # who reads these has the words of before
            for word, before in zip(of_all, self._words, strict=False):
                word[:first] = before[:first]
        for nth, word in enumerate(of_all):
            word[first : self._count] = words[nth] if nth < len(words) else 0
        if 2 * self._count > len(slots):
            first, slots = 0, np.full(1 << (4 * self._count).bit_length(), -1, np.int32)
        places = np.arange(first, self._count, dtype=np.int32)
        at = _hashed([word[first : self._count] for word in of_all], len(slots))
        self._words = of_all  # before the slots that lead there
        while len(places):
            is_free = slots.take(at) < 0
            slots[at[is_free]] = places[is_free]
            lost = np.flatnonzero(slots.take(at) != places)
            at, places = (at[lost] + 1) & (len(slots) - 1), places[lost]
        self._slots = slots


def _hashed(words: list[Words], n_slots: int) -> npt.NDArray[np.int64]:
    """The first slot of each string, of so many, a power of two; more words that are 0 change nothing.

    A multilinear hash of the halves of the words: two strings have one sum with a probability of at most 2**-32.
    Source: Lemire and Kaser 2014, "Strongly universal string hashing is fast".
    """
    hashed: Words = words[0] * _LOW[0]
    for word, low, high in zip(words[1:], _LOW[1:], _HIGH[1:], strict=False):
        hashed += word * low
        hashed += (word >> _HALF) * high
    hashed ^= hashed >> _HALF
    hashed *= _LOW[-1]
    hashed >>= np.uint64(65 - n_slots.bit_length())
    return hashed.view(np.int64)


def _are_other(places: Codes, words: list[Words], of_all: list[Words]) -> npt.NDArray[np.bool_]:
    """Whether another string than that of the words is at each place; -1 is none."""
    is_other = np.zeros(len(places), bool)
    for nth in range(max(len(words), len(of_all))):
        there = of_all[nth].take(places, mode="clip") if nth < len(of_all) else np.uint64(0)
        is_other |= there != (words[nth] if nth < len(words) else np.uint64(0))
    return is_other & (places >= 0)


class _Pool:
    """Arrays of distinct values, merged whenever the new ones outweigh the merged: each value is copied a few times."""

    def __init__(self, merge: Any) -> None:  # noqa: ANN401
        self._merge = merge
        self.parts: list[Any] = []

    def add(self, values: Any) -> None:  # noqa: ANN401
        self.parts.append(values)
        if len(self.parts) > 1 and sum(map(len, self.parts[1:])) > len(self.parts[0]):
            self.parts = [self._merge(self.parts)]


def _distinct(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The distinct values, ascending; sorts in place. ``np.unique`` hashes, which takes many times as long."""
    values.sort()
    return values[np.append(True, values[1:] != values[:-1])] if values.size else values


def _once_a_run(ids: Integers) -> Integers:
    """The ids without those that equal the one before, where these are many: as in a log sorted by user."""
    ends = ids[1:] != ids[:-1]
    return ids if 2 * np.count_nonzero(ends) >= len(ids) else np.append(ids[:-1][ends], ids[-1])


class Encoder:
    """Gives the code in a vocabulary of every id that it holds.

    ``texts``: Where ids are places, the strings at them.
    """

    def __init__(self, vocabulary: Vocabulary, texts: pa.StringArray | None = None) -> None:
        self._of_places = vocabulary.find(texts) if texts is not None and len(texts) else None
        self._vocabulary = vocabulary
        self._lowest = 0
        self._table: Codes | None = None
        if vocabulary.is_integer and len(vocabulary):
            self._ids = as_numpy(vocabulary.ids)
            self._lowest, width = int(self._ids[0]), int(self._ids[-1]) - int(self._ids[0]) + 1
            if width <= _TABLE_LIMIT:
                self._table = np.empty(width, np.int32)
                self._table[self._ids - self._lowest] = np.arange(len(vocabulary), dtype=np.int32)

    def __call__(self, ids: RawIds, *, in_place: bool = False) -> Codes:
        """Codes of the ids of some rows: int32, one a row; ``in_place``, the memory of the ids may be used for them."""
        if isinstance(ids, tuple):
            return self._vocabulary.find(ids[0])[ids[1]]
        if self._of_places is not None and ids.dtype == np.uint32:
            return by_blocks(self._of_places, ids.view(np.int32))
        if not self._vocabulary.is_integer:
            distinct, rows = np.unique(ids.astype(np.int64, copy=False), return_inverse=True)
            return self._vocabulary.find(from_numpy(distinct))[rows]
        if self._table is not None:
            is_mine = in_place and ids.dtype == np.int32
            codes = ids.view(np.int32) if is_mine else np.empty(len(ids), np.int32)
            return self._table.take(np.subtract(ids, self._lowest, dtype=np.int64), mode="clip", out=codes)
        return np.searchsorted(self._ids, ids).astype(np.int32)


RawValues: TypeAlias = "tuple[pa.Array, Codes]"
"""The values of some rows of a column that is carried along: distinct ones, and which of them each row has."""


def raw_values(column: pa.DictionaryArray) -> RawValues:
    """The values that occur in a column, which is a dictionary without a null among its indices."""
    column = compact(column)
    return column.dictionary, as_numpy(column.indices)


_DECIMAL = r"^-?(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?$"
"""A number that a float holds to its last digit, and that is no code with a dot in it."""


class DistinctValues:
    """Collects the distinct values of a column that is carried along.

    ``name``: Of the column, for messages.
    ``is_untyped``: Whether they are text because their source has no types.
    """

    def __init__(self, name: str, *, is_untyped: bool) -> None:
        self._name, self._is_untyped = name, is_untyped
        self._parts = _Pool(lambda parts: self._joined(parts).unique())

    def add(self, values: RawValues) -> None:
        """Add the values of some rows."""
        self._parts.add(values[0])

    def finish(self) -> Values:
        """The vocabulary; untyped values are numbers where all are written as such, and nothing is null."""
        distinct = self._joined(self._parts.parts).unique() if self._parts.parts else pa.nulls(0)
        if self._is_untyped and pa.types.is_string(distinct.type):
            distinct = _without_empty(distinct)
            there = distinct.drop_null()
            if len(there) and _is_canonical(there).all():
                distinct = distinct.cast(pa.int64())
            elif len(there) and pc.all(pc.match_substring_regex(there, _DECIMAL)).as_py():
                distinct = distinct.cast(pa.float64())
        there = distinct.drop_null().unique()
        there = there.take(pc.sort_indices(there)) if len(there) else there
        if distinct.null_count:
            there = pa.concat_arrays([there, pa.nulls(1, there.type)])
        return Values(there, self._is_untyped)

    def _joined(self, parts: list[pa.Array]) -> pa.Array:
        kinds = list(dict.fromkeys(part.type for part in parts if not pa.types.is_null(part.type)))
        kind = kinds[0] if kinds else pa.null()
        for other in kinds[1:]:
            kind = _common(kind, other, self._name)
        try:
            return pa.concat_arrays([part if part.type == kind else part.cast(kind) for part in parts])
        except pa.ArrowInvalid as error:
            what = f"the column {self._name!r} has a value that its type in another part, {kind}, has no place for"
            raise BadDataError(f"{what}: {error}", remedy="give all parts of the log one type") from None


def _common(one: pa.DataType, other: pa.DataType, name: str) -> pa.DataType:
    """The type of a column that has two in different parts."""
    types, units = pa.types, ("s", "ms", "us", "ns")
    if types.is_integer(one) and types.is_integer(other) and pa.uint64() not in (one, other):
        return pa.int64()
    if all(types.is_integer(kind) or types.is_floating(kind) for kind in (one, other)):
        return pa.float64()
    if types.is_timestamp(one) and types.is_timestamp(other) and one.tz == other.tz:
        return pa.timestamp(max(one.unit, other.unit, key=units.index), one.tz)
    what = f"the column {name!r} has the type {one} here and {other} there"
    raise BadDataError(what, remedy="give all parts of the log one type")


def _without_empty(texts: pa.Array) -> pa.Array:
    """The texts, null in place of the empty one: a field without a value."""
    return pc.if_else(pc.equal(texts, ""), pa.nulls(1, pa.string())[0], texts)


class Values:
    """The distinct values of a column that is carried along, in ascending order; the code of one is its position.

    ``values``: pyarrow array, shape (n,), of the column's type. A null is last.
    ``is_untyped``: Whether what is looked up comes as text, whatever the values are.
    """

    def __init__(self, values: pa.Array, is_untyped: bool = False) -> None:
        self.values, self.is_untyped = values, is_untyped
        self._there = values.drop_null()

    @cached_property
    def _index(self) -> tuple[npt.NDArray[Any] | None, Codes | None]:
        """The words of the values, ascending, and the code of each where these do not ascend as well."""
        words, order = _words_of(self._there), None
        if not _is_ascending(words):
            order = np.argsort(words, kind="stable").astype(np.int32)
            words = words[order]
        return words if _is_ascending(words) else None, order  # two texts may have one hash

    def __len__(self) -> int:
        return len(self.values)

    @property
    def null_code(self) -> int | None:
        """The code of a null, if there is one."""
        return len(self.values) - 1 if self.values.null_count else None

    def codes(self, values: RawValues) -> Codes:
        """Codes of the values of some rows: int32, one a row."""
        return self.find(values[0])[values[1]]

    def find(self, distinct: pa.Array) -> Codes:
        """Codes of values, as they are read: int32, shape (len(distinct),), -1 for one that is not here."""
        if self.is_untyped and pa.types.is_string(distinct.type):
            distinct = _without_empty(distinct)
        if distinct.type != self.values.type:
            distinct = distinct.cast(self.values.type)
        found = np.full(len(distinct), len(self._there) if self.values.null_count else -1, np.int32)
        present = np.arange(len(distinct))
        if distinct.null_count:
            present = np.flatnonzero(mask_as_numpy(distinct.is_valid()))
            distinct = distinct.drop_null()
        if not len(present):
            return found
        of_all, order = self._index
        if of_all is None:
            places: Codes = as_numpy(pc.fill_null(pc.index_in(distinct, value_set=self._there), number(-1, pa.int32())))
        else:
            words = _words_of(distinct)
            ascending = np.argsort(words)  # neighbours are found within a cache
            words = words[ascending]
            at = np.searchsorted(of_all, words).clip(max=max(0, len(self._there) - 1))
            met = of_all.take(at) if len(self._there) else words[:0]
            codes = at if order is None else order[at]
            places = np.empty(len(words), np.int32)
            places[ascending] = (
                np.where((met == words) | ((met != met) & (words != words)), codes, -1) if len(met) else -1
            )
        found[present] = places
        return found


def _words_of(values: pa.Array) -> npt.NDArray[Any]:
    """A number for each of some values without nulls, in the order of the values, but for text and decimals."""
    types, kind = pa.types, values.type
    if types.is_integer(kind) or types.is_floating(kind):
        return as_numpy(values)
    if types.is_boolean(kind):
        return as_numpy(values.cast(pa.uint8()))
    if types.is_temporal(kind):
        return as_numpy(values.view(pa.int32() if kind.bit_width == 32 else pa.int64()))
    return text_keys(*text_buffers(values.cast(pa.string())))


def _is_ascending(words: npt.NDArray[Any]) -> bool:
    """Whether each is greater than the one before; a NaN may be last."""
    if len(words) and words[-1] != words[-1]:
        words = words[:-1]
    return bool((words[1:] > words[:-1]).all())
