"""Keys in the paths of a log's parts, ``event_type=buy/part-0.parquet``, as columns of the rows in them."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np

from negprep.arrow import strings
from negprep.errors import BadDataError
from negprep.read.pieces import Piece, arrow

if TYPE_CHECKING:
    import pyarrow as pa

    from negprep.read.pieces import Input
    from negprep.read.sources import Source


_KEY = re.compile(r"([^=]+)=(.*)", re.DOTALL)
_NULL = "__HIVE_DEFAULT_PARTITION__"
_COUNTED = "the rows"


@dataclass(frozen=True)
class KeyedInput:
    """One file below folders that are named by a key and a value.

    Attributes
    ----------
    file : Input
    values : dict of str to str or None
        Key to value, decoded; None for null.
    place : str
        What messages call the file.
    """

    file: Input
    values: dict[str, str | None]
    place: str

    @property
    def warnings(self) -> list[str]:
        """Those of the file."""
        return self.file.warnings

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the file, in order."""
        return self.file.names

    @property
    def spare(self) -> tuple[str, ...]:
        """The keys that are not columns of the file as well."""
        return tuple(key for key in self.values if key not in self.names)

    @property
    def footer(self) -> dict[bytes, bytes]:
        """That of the file."""
        return self.file.footer

    def pieces(self, columns: dict[str, str]) -> Iterator[Callable[[], Piece]]:
        """The rows of the file, as functions; those of a column whose name is a key, too, must have its value."""
        keys = {role: name for role, name in columns.items() if name in self.spare}
        others = {role: name for role, name in columns.items() if role not in keys} or {_COUNTED: self.names[0]}
        for task in self.file.pieces(others):
            yield partial(self._piece, task, keys, columns)

    def _piece(self, task: Callable[[], Piece], keys: dict[str, str], columns: dict[str, str]) -> Piece:
        piece = task()
        rows = len(next(iter(piece.columns.values())))
        arrays = {}
        for role, name in columns.items():
            if role in keys:
                arrays[role] = _constant(self.values[name], rows)
                continue
            arrays[role] = piece.columns[role]
            if name in self.values:
                self._check_equal(name, arrays[role], piece.place)
        return replace(piece, columns=arrays)

    def _check_equal(self, name: str, column: pa.Array, place: Callable[[int], str]) -> None:
        import pyarrow as pa

        value = self.values[name]
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        try:
            wanted = strings([value]).cast(column.type)[0].as_py() if value is not None else None
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            wanted = value
        other = next(({found} for found in column.unique().to_pylist() if found != wanted), None)
        if other is not None:
            row = next(at for at, each in enumerate(column.to_pylist()) if each in other)
            what = f"the column {name!r} holds {column[row].as_py()!r}, but the folder is {name}={value or _NULL}"
            raise BadDataError(what, place=place(row), remedy="rename the folders or the column")


def keyed(sources: Sequence[Source], inputs: Sequence[Input], where: str) -> list[Input]:
    """The inputs, with the keys in the paths below ``where``, a folder or a pattern; a file that is named has none."""
    root = _root(where)
    made: list[Input] = []
    for source, each in zip(sources, inputs, strict=True):
        values = _values(source.path.relative_to(root)) if root is not None and source.path is not None else {}
        made.append(KeyedInput(each, values, source.name) if values else each)
    return made


def _root(where: str) -> Path | None:
    path = Path(where)
    if path.is_dir():
        return path
    if path.exists() or not glob.has_magic(where):
        return None
    fixed = []
    for part in path.parts:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return Path(*fixed)


def _values(path: Path) -> dict[str, str | None]:
    found = [match for part in path.parts[:-1] if (match := _KEY.fullmatch(part))]
    return {unquote(match[1]): None if match[2] == _NULL else unquote(match[2]) for match in found}


def _constant(value: str | None, rows: int) -> pa.Array:
    import pyarrow as pa

    if value is None:
        return pa.nulls(rows, pa.string())
    return pa.DictionaryArray.from_arrays(arrow(np.zeros(rows, np.int32)), strings([value]))
