"""Model files: factors of users and items that give every pair a score."""

from __future__ import annotations

from negprep.model.archive import write_model
from negprep.model.factors import KINDS, Model, sorted_model
from negprep.model.opening import read_model

__all__ = ["KINDS", "Model", "read_model", "sorted_model", "write_model"]
