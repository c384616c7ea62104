"""Ids to codes, and back for messages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from negprep.arrow import as_numpy, from_numpy
from negprep.errors import BadDataError
from negprep.verifying.pairs import Codes
from negprep.vocabulary import Vocabulary

_WIDEST = 1 << 26
_MOST_STRANGERS = 1 << 20


class Codebook:
    """The codes of some distinct ids: their places in ascending order. Strangers, which it lacks, have codes below -1.

    Parameters
    ----------
    vocabulary : Vocabulary
    noun : str
        What the ids are of, for messages.
    """

    def __init__(self, vocabulary: Vocabulary, noun: str = "id") -> None:
        self.vocabulary = vocabulary
        self._noun = noun
        self._strangers: dict[str, int] = {}
        self._stranger_names: list[str] = []
        self._table: Codes | None = None
        self._lowest = 0
        self._dictionary: tuple[tuple[int, int, int], Codes] | None = None
        if vocabulary.is_integer and len(vocabulary):
            ids = as_numpy(vocabulary.ids)
            self._lowest, width = int(ids[0]), int(ids[-1]) - int(ids[0]) + 1
            if width <= max(_WIDEST, 8 * len(ids)):
                self._table = np.full(width + 1, -1, np.int32)  # the last place is that of ids out of range
                self._table[ids - self._lowest] = np.arange(len(ids), dtype=np.int32)

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __call__(self, ids: pa.Array) -> Codes:
        """The codes of a column (int64, string or dictionary of string): int32, -1 for an id that is not here."""
        found: Codes
        if pa.types.is_dictionary(ids.type):
            codes = np.append(self._of_dictionary(ids.dictionary), np.int32(-1)).astype(np.int32)
            indices: Codes = as_numpy(ids.indices)
            found = codes[indices]
            return found
        if self._table is not None and pa.types.is_integer(ids.type):
            places = as_numpy(ids) - self._lowest
            np.minimum(places.view(np.uint64), np.uint64(len(self._table) - 1), out=places.view(np.uint64))
            found = self._table[places]
            return found
        return self.vocabulary.find(ids)

    def with_strangers(self, ids: pa.Array) -> Codes:
        """The same, but that an id which is not here has a code of its own, below -1: equal ids have equal codes.

        Raises
        ------
        BadDataError
            More than a million different ids are not here.
        """
        codes = self(ids)
        strange = np.flatnonzero(codes < 0)
        if strange.size:
            codes = codes.copy()
            codes[strange] = self._met(ids.take(from_numpy(strange)))
        return codes

    def _met(self, ids: pa.Array) -> Codes:
        """Codes of ids that are not here."""
        encoded = ids if pa.types.is_dictionary(ids.type) else ids.dictionary_encode()
        used, places = np.unique(as_numpy(encoded.indices), return_inverse=True)
        words = encoded.dictionary.take(from_numpy(used)).to_pylist()
        codes = np.empty(len(words), np.int32)
        for at, word in enumerate(words):
            number = self._strangers.setdefault(str(word), len(self._strangers))
            if number == len(self._stranger_names):
                self._stranger_names.append(repr(word))
            codes[at] = -2 - number
        if len(self._stranger_names) > _MOST_STRANGERS:
            what = f"more than {_MOST_STRANGERS:,} {self._noun}s of the files are not in the log, such as {words[0]!r}"
            raise BadDataError(what, remedy="is it the log that the files were made of, and the right columns?")
        found: Codes = codes[places]
        return found

    def _of_dictionary(self, words: pa.Array) -> Codes:
        """The same dictionary comes with batch after batch."""
        buffer = words.buffers()[2]
        key = (buffer.address if buffer is not None else 0, words.offset, len(words))
        if self._dictionary is None or self._dictionary[0] != key:
            self._dictionary = (key, self.vocabulary.find(words.cast(pa.string())))
            self._kept = words  # so that no other array takes its address
        return self._dictionary[1]

    def name(self, code: int) -> str:
        """An id as it stands in messages."""
        if code < -1:
            return self._stranger_names[-2 - int(code)]
        return "unknown" if code < 0 else repr(self.vocabulary.ids[int(code)].as_py())


@dataclass(frozen=True, eq=False)
class CodesFrom:
    """Consecutive codes of a codebook, counted from 0.

    Attributes
    ----------
    codebook : Codebook
    first, size : int
    """

    codebook: Codebook
    first: int
    size: int

    def __len__(self) -> int:
        return self.size

    def name(self, code: int) -> str:
        """An id as it stands in messages."""
        return self.codebook.name(code if code < 0 else int(code) + self.first)
