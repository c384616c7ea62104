"""Writing: rows in order -> files of Parquet or text, complete under their names or not there at all."""

from __future__ import annotations

from negprep.writing.destination import check_output
from negprep.writing.document import Document
from negprep.writing.folder import PART_ROWS, FolderOutput, NamedText, Part
from negprep.writing.kind import kind_of
from negprep.writing.opening import open_output
from negprep.writing.output import Output
from negprep.writing.parquet import ROW_GROUP_ROWS
from negprep.writing.text import TEXT_ROWS, Fields, word
from negprep.writing.whole import check_whole, open_whole

__all__ = [
    "PART_ROWS",
    "ROW_GROUP_ROWS",
    "TEXT_ROWS",
    "Document",
    "Fields",
    "FolderOutput",
    "NamedText",
    "Output",
    "Part",
    "check_output",
    "check_whole",
    "kind_of",
    "open_output",
    "open_whole",
    "word",
]
