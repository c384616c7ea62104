"""Ranges of users that fit into memory; arrays, and pairs, of each, laid aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Codes, Mask
from negprep.arrow import as_numpy, from_numpy
from negprep.checks.pair_set import PairSet, Rows
from negprep.encode.memory import LEAST_MEMORY, default_budget, range_starts
from negprep.encode.spill import Extent, SpillFile

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


@dataclass(frozen=True, eq=False)
class Ranges:
    """Consecutive ranges that have every user once."""

    bounds: tuple[int, ...]  # The first user of each range, and the number of users

    @classmethod
    def whole(cls, n_users: int) -> Ranges:
        """One range."""
        return cls((0, n_users))

    @classmethod
    def of_counts(cls, counts: Rows, range_rows: int) -> Ranges:
        """Ranges that end with the user who brings them to so many rows.

        Parameters
        ----------
        counts : int64, shape (n_users,)
            Rows of each user.
        range_rows : int
        """
        return cls((*range_starts(counts, range_rows).tolist(), len(counts)))

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def range_of(self, users: Codes) -> npt.NDArray[np.uint16]:
        """The range of each user; the first for those below 0, whom the log does not have: the shape of ``users``."""
        table = np.repeat(np.arange(len(self), dtype=np.uint16), np.diff(self.bounds))
        found: npt.NDArray[np.uint16] = np.append(table, np.uint16(0))[np.maximum(users, -1)]
        return found


def taken(rows: T, places: Rows | slice | Mask) -> T:
    """Some of the rows that the arrays of a dataclass hold, all of one length."""
    arrays = {each.name: getattr(rows, each.name) for each in fields(rows)}
    return replace(rows, **{name: each[places] for name, each in arrays.items() if isinstance(each, np.ndarray)})


def end_to_end(parts: Sequence[T]) -> T:
    """The rows of some such dataclasses, one after the other."""
    names = [each.name for each in fields(parts[0]) if isinstance(getattr(parts[0], each.name), np.ndarray)]
    whole: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return parts[0] if len(parts) == 1 else replace(parts[0], **whole)


Arrays = Mapping[str, npt.NDArray[Any] | None]
Laid = dict[str, npt.NDArray[Any] | Extent | None]
"""What is needed to find arrays again."""


class ArrayStore:
    """Takes arrays, and gives them back. To be closed."""

    def __init__(self, folder: str | None, *, spilled: bool) -> None:
        self.spilled = spilled
        self._folder = folder
        self._file: SpillFile | None = None

    def put(self, arrays: Arrays) -> Laid:
        """Lay arrays aside: int8, int32, int64, float64 or bool, with one dimension or, but for bool, two."""
        if not self.spilled:
            return dict(arrays)
        if self._file is None:
            self._file = SpillFile(self._folder)
        return {name: None if array is None else self._write(self._file, array) for name, array in arrays.items()}

    def get(self, laid: Laid) -> dict[str, npt.NDArray[Any] | None]:
        """The arrays, not to be written to."""
        return {name: self._read(each) if isinstance(each, tuple) else each for name, each in laid.items()}

    def close(self) -> None:
        """Give the space back."""
        if self._file is not None:
            self._file.close()

    @staticmethod
    def _write(file: SpillFile, array: npt.NDArray[Any]) -> Extent:
        kind = "mask" if array.dtype == np.bool_ else "array"
        array = array.view(np.uint8) if kind == "mask" else array
        kind = f"{array.shape[1]} columns" if array.ndim == 2 else kind
        return file.write(pa.record_batch({kind: from_numpy(np.ascontiguousarray(array).reshape(-1))}))

    def _read(self, extent: Extent) -> npt.NDArray[Any]:
        if self._file is None:
            raise ValueError("nothing was put here")
        batch = self._file.read(extent)
        array: npt.NDArray[Any] = as_numpy(batch.column(0))
        kind = batch.schema.names[0]
        if kind not in ("mask", "array"):
            return array.reshape(-1, int(kind.split()[0]))
        return array.view(np.bool_) if kind == "mask" else array


_BYTES_PER_ROW = 80
"""What a row of the log takes as a pair with all that is known of it, at the peak, for each reading of the log."""

_BYTES_PER_ROW_AND_FILE = 30
"""What is counted of it in a file."""

_BYTES_PER_RANGED_ROW = 200
"""The same, and what the checks take for a while."""

_FEWEST_ROWS, _MOST_ROWS = 1 << 15, 1 << 20
_LEAST_GATHERED, _MOST_GATHERED = 8 << 20, 128 << 20


@dataclass(frozen=True)
class MemoryBudget:
    """How much fits."""

    free: int  # Bytes besides what is taken whatever the log's size
    range_rows: int  # Rows of the log that are looked at together, where not all are
    gathered_bytes: int  # Of rows of a file, before they are laid aside

    @classmethod
    def of(cls, budget: int | None) -> MemoryBudget:
        """Of a budget in bytes. None: half of what the machine, or its control group, has."""
        free = max(0, (default_budget() if budget is None else budget) - LEAST_MEMORY)
        return cls(
            free,
            min(_MOST_ROWS, max(_FEWEST_ROWS, free // 2 // _BYTES_PER_RANGED_ROW)),
            min(_MOST_GATHERED, max(_LEAST_GATHERED, free // 8)),
        )

    def holds(self, n_rows: int, n_truths: int, n_files: int) -> bool:
        """Whether a log of so many rows, and what is counted of it in some files, fits in memory."""
        return n_rows * (_BYTES_PER_ROW * n_truths + _BYTES_PER_ROW_AND_FILE * n_files) <= self.free


_STEP = 1 << 16


@dataclass(frozen=True, eq=False)
class Part:
    """The pairs of some users."""

    first: int  # The first user, and how many they are
    n_users: int  # The first user, and how many they are
    users: Codes  # int32 (n,): Counted from the first one, ascending
    items: Codes  # int32 (n,): Ascending within a user

    @classmethod
    def of(cls, first: int, pairs: PairSet) -> Part:
        """Those of a set whose users are counted from ``first``."""
        return cls(first, pairs.n_users, pairs.users, pairs.items)

    def steps(self) -> Iterator[Part]:
        """The same in parts with so many pairs that what is computed of them stays in a cache; users stay whole."""
        begin = 0
        while begin < len(self.users):
            first, last = (int(self.users[at]) for at in (begin, min(begin + _STEP, len(self.users) - 1)))
            last = max(last, first + 1)
            end = int(np.searchsorted(self.users, np.int32(last)))  # another type would cast all of them
            here = slice(begin, end)
            yield Part(self.first + first, last - first, self.users[here] - np.int32(first), self.items[here])
            begin = end


class PairParts:
    """Parts that are laid aside, and may be gone through again and again."""

    def __init__(self, store: ArrayStore) -> None:
        self._store = store
        self._laid: list[tuple[int, int, Laid]] = []
        self.n_users = 0  # Of all parts

    def add(self, first: int, pairs: PairSet) -> None:
        """Lay the next part aside."""
        self._laid.append((first, pairs.n_users, self._store.put({"users": pairs.users, "items": pairs.items})))
        self.n_users = first + pairs.n_users

    def __iter__(self) -> Iterator[Part]:
        for first, n_users, laid in self._laid:
            arrays = self._store.get(laid)
            users, items = arrays["users"], arrays["items"]
            none = np.empty(0, np.int32)
            yield Part(first, n_users, none if users is None else users, none if items is None else items)
