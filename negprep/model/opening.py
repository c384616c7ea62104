"""The way in: a model file as a user names it -> a checked model."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from negprep.errors import BadDataError
from negprep.model.archive import read_archive
from negprep.model.factors import Model
from negprep.model.table import read_table


def read_model(source: str | os.PathLike[str]) -> Model:
    """Read a model file: arrays (``.npz``, as ``negprep fit`` writes them) or Parquet, told apart by their first bytes.

    Raises
    ------
    BadDataError
        It is neither, or not what a model file must be.
    OSError
        It is not there, or cannot be read.
    """
    path = os.fspath(source)
    mode = Path(path).stat().st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISDIR(mode):
        raise BadDataError("is a pipe or a folder", place=path, remedy="give a model file, as negprep fit writes it")
    with Path(path).open("rb") as file:
        head = file.read(8)
    if head.startswith(b"PK"):
        return read_archive(path)
    if head.startswith(b"PAR1"):
        return read_table(path)
    what = "is empty" if not head else "is neither a .npz file of arrays nor Parquet"
    if head.startswith((b"\x80", b"\x93NUMPY")):
        what = "is a pickle or a single array, and not a .npz file of arrays"
    raise BadDataError(what, place=path, remedy="give a model file, as negprep fit writes it")
