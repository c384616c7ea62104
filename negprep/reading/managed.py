"""Folders whose files alone are not the data: tables with a log of their own, and what a dead job left."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from negprep.errors import BadDataError

_DUCKDB = "duckdb -c \"COPY (FROM {scan}('{path}')) TO '/dev/stdout' (FORMAT parquet)\" | negprep train - OUTPUT"
_SPARK = "spark.read.{format}('{path}').write.parquet('log/') in Spark writes them"
_LEFTOVERS = "_temporary"


def refuse_managed(files: Sequence[Path], folders: Sequence[Path]) -> None:
    """Raise ``BadDataError`` if files belong to a Delta, Iceberg or Hudi table, or to a Spark job that has not ended.

    Parameters
    ----------
    files : sequence of Path
        The files of a log; the folders that they lie in are looked at, all the way up.
    folders : sequence of Path
        Folders at and below INPUT, hidden ones included.
    """
    seen: set[Path] = set()
    for folder in folders:
        seen.add(folder)
        _refuse_table(folder)
        _refuse_leftovers(folder)
    of_jobs = {file.parent for file in files if file.name.startswith("part-")}
    for parent in dict.fromkeys(file.parent for file in files):
        if parent in of_jobs and parent not in seen:
            _refuse_leftovers(parent)
        for above in (parent, *parent.absolute().parents):
            if above not in seen:
                seen.add(above)
                _refuse_table(above)


def _refuse_leftovers(folder: Path) -> None:
    """Refuse what a job has not committed, and what it has beside that."""
    if _LEFTOVERS in folder.parts:
        what = "a Spark or Hadoop job has not committed these files: it is writing, or died before its end"
        raise BadDataError(what, place=str(folder), remedy="run the job again, and name the folder that it writes")
    if (folder / _LEFTOVERS).is_dir():
        what = f"holds {_LEFTOVERS}: a Spark or Hadoop job is writing here, or died before its end"
        remove = f"rm -r {shlex.quote(str(folder / _LEFTOVERS))}"
        remedy = f"run the job again, or, if the other files are whole, {remove}"
        raise BadDataError(what, place=str(folder), remedy=remedy)


def _refuse_table(folder: Path) -> None:
    found = _kind_of(folder)
    if found is not None:
        kind, remedy = found
        what = f"this is {kind}, whose files alone are not its rows (some may be deleted or replaced)"
        raise BadDataError(what, place=str(folder), remedy=remedy)


def _kind_of(folder: Path) -> tuple[str, str] | None:
    """What kind of table a folder is, and how to read it; None if it is a plain folder."""
    path = str(folder).replace("'", "''")
    if (folder / "_delta_log").is_dir():
        return "a Delta Lake table", f"pipe its rows in: {_DUCKDB.format(scan='delta_scan', path=path)}"
    if _is_iceberg(folder / "metadata"):
        return "an Iceberg table", f"pipe its rows in: {_DUCKDB.format(scan='iceberg_scan', path=path)}"
    if (folder / ".hoodie").is_dir():
        return "a Hudi table", _SPARK.format(format="format('hudi').load", path=path)
    if (folder / "_spark_metadata").is_dir():
        kind = "the output of a Spark stream (_spark_metadata)"
        return kind, _SPARK.format(format="parquet", path=path)
    return None


def _is_iceberg(metadata: Path) -> bool:
    try:
        return any(".metadata.json" in name for name in os.listdir(metadata))  # noqa: PTH208 - Path.iterdir is slower
    except OSError:  # not there, or not to be looked into
        return False
