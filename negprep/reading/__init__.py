"""Logs from files, standard input and memory."""

from negprep.reading.log import LogReader, open_log

__all__ = ["LogReader", "open_log"]
