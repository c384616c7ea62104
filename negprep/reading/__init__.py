"""Logs from files, standard input and memory."""

from negprep.reading.log import LogReader
from negprep.reading.opening import open_log

__all__ = ["LogReader", "open_log"]
