"""Counts that grow batch by batch, in memory that the rows do not decide: by id, by time, by place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import as_numpy, from_numpy

Counts = npt.NDArray[np.int64]

PENDING = 1 << 20
"""Ids that may wait before equal ones are added up."""

TIMES = 4096
"""Ranges of time that are kept apart."""

PLACES = 100
"""Places among the candidates that are kept apart."""


class IdTally:
    """How often each id was a positive, and how often a negative. Memory: a few times that of the distinct ids."""

    def __init__(self) -> None:
        self._ids: list[pa.Array] = []
        self._counts: list[Counts] = []
        self._waiting = 0

    def add(self, ids: pa.Array, positives: Counts | None = None, negatives: Counts | None = None) -> None:
        """Take ids, and for each of them how many positives and negatives it stands for (left out: none).

        Parameters
        ----------
        ids : pyarrow array of integers, strings or a dictionary of strings, shape (n,)
        positives, negatives : int64, shape (n,), optional
        """
        encoded = ids if pa.types.is_dictionary(ids.type) else ids.dictionary_encode()
        codes, dictionary = as_numpy(encoded.indices), encoded.dictionary
        if len(dictionary) > len(codes):  # such as the vocabulary of a whole file in each of its batches
            used, codes = np.unique(codes, return_inverse=True)
            dictionary = dictionary.take(from_numpy(used))
        size = len(dictionary)
        counts = np.zeros((2, size), np.int64)
        for row, weights in enumerate((positives, negatives)):
            if weights is not None:
                counts[row] = _sums(codes, weights, size)
        self._ids.append(dictionary.cast(pa.int64() if pa.types.is_integer(dictionary.type) else pa.string()))
        self._counts.append(counts)
        self._waiting += size
        if self._waiting > max(PENDING, 2 * len(self._ids[0])):
            self._merge()

    def result(self) -> tuple[pa.Array, Counts]:
        """The distinct ids in the order of their first row, int64 or string, and both counts: int64, shape (2, n)."""
        self._merge()
        if not self._ids:
            return pa.nulls(0, pa.string()), np.zeros((2, 0), np.int64)
        used = np.flatnonzero(self._counts[0].any(axis=0))  # a dictionary may hold ids that no row has
        return self._ids[0].take(from_numpy(used)), self._counts[0][:, used]

    def _merge(self) -> None:
        if len(self._ids) < 2:
            return
        kind = self._ids[0].type if len({ids.type for ids in self._ids}) == 1 else pa.string()
        encoded = pa.concat_arrays([ids.cast(kind) for ids in self._ids]).dictionary_encode()
        codes, size = as_numpy(encoded.indices), len(encoded.dictionary)
        counts = np.concatenate(self._counts, axis=1)
        self._ids = [encoded.dictionary]
        self._counts = [np.stack([_sums(codes, row, size) for row in counts])]
        self._waiting = size


def _sums(codes: npt.NDArray[np.integer], weights: Counts, size: int) -> Counts:
    """The sum of the weights of each code; exact below 2**53."""
    return np.bincount(codes, weights, size).astype(np.int64)


class TimeTally:
    """Rows by time, in ranges whose width, a power of two, grows with the span."""

    def __init__(self) -> None:
        self._shift = 0
        self._starts: Counts = np.zeros(0, np.int64)
        self._sizes: Counts = np.zeros(0, np.int64)

    def add(self, times: Counts) -> None:
        """Take times: int64, shape (n,), of any unit."""
        starts, sizes = np.unique(times >> self._shift, return_counts=True)
        self._starts = np.concatenate([self._starts, starts])
        self._sizes = np.concatenate([self._sizes, sizes.astype(np.int64)])
        self._add_up(0)
        while len(self._starts) and self._starts[-1] - self._starts[0] >= TIMES:
            self._add_up(1)

    def result(self) -> tuple[Counts, Counts]:
        """The middle of each range, ascending, and the rows in it: int64, shape (n,)."""
        half = (1 << self._shift) >> 1
        return (self._starts << self._shift) + half, self._sizes

    def _add_up(self, shift: int) -> None:
        starts, places = np.unique(self._starts >> shift, return_inverse=True)
        self._sizes = _sums(places.astype(np.int32), self._sizes, len(starts))
        self._starts, self._shift = starts, self._shift + shift


class PlaceTally:
    """Where positives stand among their candidates, and where they would stand by chance.

    Attributes
    ----------
    observed : int64, shape (n_places,)
        Positives at each place, or range of places where there are more than `PLACES` candidates.
    expected : float64, shape (n_places,)
        The mean of the same for positives at random places.
    candidates_min, candidates_max : int
        The range of the number of candidates.
    """

    def __init__(self) -> None:
        self.observed: Counts = np.zeros(0, np.int64)
        self.expected: npt.NDArray[np.float64] = np.zeros(0)
        self.candidates_min = self.candidates_max = 0

    def add(self, places: Counts, candidates: Counts) -> None:
        """Take, of each group, the place of its positive (from 0) and the number of its candidates; int64, (n,)."""
        if not len(places):
            return
        if not self.candidates_max:
            size = min(int(candidates.max()), PLACES)
            self.observed, self.expected = np.zeros(size, np.int64), np.zeros(size)
            self.candidates_min = int(candidates.min())
        size = len(self.observed)
        self.candidates_min = min(self.candidates_min, int(candidates.min()))
        self.candidates_max = max(self.candidates_max, int(candidates.max()))
        self.observed += np.bincount(self._bins(places, candidates), minlength=size)
        for number, groups in zip(*np.unique(candidates, return_counts=True), strict=True):
            all_places = np.arange(number)
            self.expected += np.bincount(self._bins(all_places, number), minlength=size) * (groups / number)

    def _bins(self, places: Counts, candidates: Counts | np.int64) -> Counts:
        """By place where all fit, else by the part of the list where a place lies."""
        size = len(self.observed)
        bins: Counts = np.where(candidates <= size, places, places * size // candidates)
        return bins
