"""Rows in order to files of Parquet or text, complete under their names or not there at all."""

from __future__ import annotations

from negprep.write.destination import Document, check_output, check_target, check_whole, write_whole
from negprep.write.output import PART_ROWS, FolderOutput, NamedText, Output, Part, kind_of, open_output
from negprep.write.parquet import ROW_GROUP_ROWS
from negprep.write.text import TEXT_ROWS, Fields, word

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
    "check_target",
    "check_whole",
    "kind_of",
    "open_output",
    "word",
    "write_whole",
]
