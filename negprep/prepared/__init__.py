"""Prepared files of any kind, read back: what they are, what they say of themselves, and their rows."""

from negprep.prepared.folders import members
from negprep.prepared.opening import Batch, Prepared, open_prepared
from negprep.prepared.summaries import allotted

__all__ = ["Batch", "Prepared", "allotted", "members", "open_prepared"]
