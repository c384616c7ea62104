"""Logs and prepared files, from files, standard input and memory."""

from __future__ import annotations

from negprep.read.log import LogReader, open_log

__all__ = ["LogReader", "open_log"]
