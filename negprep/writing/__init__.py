"""Writing: rows in order -> Parquet files, complete under their names or not there at all."""

from __future__ import annotations

from negprep.writing.destination import check_output
from negprep.writing.folder import PART_ROWS, FolderOutput, Part
from negprep.writing.opening import open_output
from negprep.writing.output import Output
from negprep.writing.parquet import ROW_GROUP_ROWS
from negprep.writing.whole import check_whole, open_whole

__all__ = [
    "PART_ROWS",
    "ROW_GROUP_ROWS",
    "FolderOutput",
    "Output",
    "Part",
    "check_output",
    "check_whole",
    "open_output",
    "open_whole",
]
