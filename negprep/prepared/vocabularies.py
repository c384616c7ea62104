"""The vocabularies of ``--encode``: which id each code stands for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from negprep.arrow import as_numpy
from negprep.errors import BadDataError
from negprep.reading.canonical import canonical
from negprep.reading.parquet import parquet_input
from negprep.reading.sources import find_sources


def read_vocabulary(path: Path, column: str) -> pa.Array:
    """The ids by code: int64 or string, shape (n_codes,).

    Parameters
    ----------
    path : Path
    column : {"user", "item"}

    Raises
    ------
    BadDataError
        It is not there, or its codes do not run from 0 without gaps.
    """
    if not path.exists():
        what = "the vocabulary is not there, and the file holds codes (--encode)"
        raise BadDataError(what, place=str(path), remedy="put it back beside the file that it belongs to")
    (source,) = find_sources(str(path))
    if not source.parquet:
        raise BadDataError("a vocabulary is Parquet", place=str(path), remedy="put the one of the run there")
    table = parquet_input(source)
    for name in ("code", column):
        if name not in table.names:
            what = f"no column {name!r} (found: {', '.join(table.names)})"
            raise BadDataError(what, place=str(path), remedy="put the vocabulary of the run there")
    codes, ids = [], []
    for task in table.pieces({"code": "code", column: column}):
        piece = task()
        codes.append(as_numpy(piece.columns.pop("code").cast(pa.int64())))
        ids.append(canonical(piece, drop_invalid=False).batch.column(0))
    if not np.array_equal(np.concatenate([np.empty(0, np.int64), *codes]), np.arange(sum(map(len, codes)))):
        raise BadDataError("the codes do not run from 0 without gaps", place=str(path), remedy="make the file again")
    kind = pa.int64() if all(pa.types.is_integer(part.type) for part in ids) else pa.string()
    return pa.concat_arrays([part.cast(kind) for part in ids]) if ids else pa.nulls(0, kind)
