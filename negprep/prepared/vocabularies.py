"""The vocabularies of ``--encode``: which id each code stands for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from negprep.arrow import as_numpy
from negprep.errors import BadDataError
from negprep.forms import ending_of
from negprep.options import ReadOptions
from negprep.reading.canonical import canonical
from negprep.reading.dialect import read_dialect
from negprep.reading.header import Unnamed
from negprep.reading.parquet import ParquetInput, parquet_input
from negprep.reading.sources import find_sources
from negprep.reading.text import TextInput

_FORMS = ("parquet", "csv", "tsv", "csv.gz", "tsv.gz")


def find_vocabularies(path: Path, *, encoded: bool | None) -> dict[str, pa.Array] | None:
    """The vocabularies beside a prepared file, or in its folder.

    Parameters
    ----------
    path : Path
    encoded : bool or None
        Whether the metadata say that there are some. None: there are no metadata, and those count that have the name of
        the file.

    Returns
    -------
    dict or None
        ``users`` and ``items``: the ids by code, int64 or string. None: the file holds ids.

    Raises
    ------
    BadDataError
        One is not there, or its codes do not run from 0 without gaps.
    """
    if encoded is False:  # what lies beside is left from another run
        return None
    found = {column: _beside(path, column, by_folder=bool(encoded)) for column in ("user", "item")}
    if encoded is None and None in found.values():
        return None
    for column, place in found.items():
        if place is None:
            what = f"the vocabulary of the {column}s is not there, and the file holds codes (--encode)"
            raise BadDataError(what, place=str(path), remedy="put it back beside the file that it belongs to")
    return {f"{column}s": _read(place, column) for column, place in found.items() if place is not None}


def _beside(path: Path, column: str, *, by_folder: bool) -> Path | None:
    ending = ending_of(path.name)
    stem = path.name[: -len(ending)] if ending else path.stem
    for form in _FORMS:
        places = [path.with_name(f"{stem}.{column}s.{form}")] if path.is_file() else []
        if by_folder:
            places += [(path if path.is_dir() else path.parent) / f"_{column}s.{form}"]
        for place in places:
            if place.is_file():
                return place
    return None


def _read(path: Path, column: str) -> pa.Array:
    (source,) = find_sources(str(path))
    table: ParquetInput | TextInput
    if source.parquet:
        table = parquet_input(source)
    else:
        unnamed = Unnamed(("code", column), by_option=False)
        table = TextInput(source, read_dialect(source, ReadOptions(quote='"'), unnamed))
    for name in ("code", column):
        if name not in table.names:
            what = f"no column {name!r} (found: {', '.join(table.names)})"
            raise BadDataError(what, place=str(path), remedy="put the vocabulary of the run there")
    codes, ids = [], []
    for task in table.pieces({"code": "code", column: column}):
        piece = task()
        try:
            codes.append(as_numpy(piece.columns.pop("code").cast(pa.int64())))
        except pa.ArrowInvalid:
            raise BadDataError("a code is no integer", place=str(path), remedy="make the file again") from None
        ids.append(canonical(piece, drop_invalid=False).batch.column(0))
    if not np.array_equal(np.concatenate([np.empty(0, np.int64), *codes]), np.arange(sum(map(len, codes)))):
        raise BadDataError("the codes do not run from 0 without gaps", place=str(path), remedy="make the file again")
    kind = pa.int64() if all(pa.types.is_integer(part.type) for part in ids) else pa.string()
    return pa.concat_arrays([part.cast(kind) for part in ids]) if ids else pa.nulls(0, kind)
