"""The columns of log q in a prepared file."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from negprep.arrow import as_numpy
from negprep.compute import pc
from negprep.errors import BadDataError
from negprep.prepared import Batch, Prepared
from negprep.verifying.columns import Columns
from negprep.verifying.grouping import Block
from negprep.verifying.pairs import Floats


@dataclass(frozen=True)
class StatedColumns:
    """How the columns are called.

    Attributes
    ----------
    negatives, positives : str or None
        Beside labels there is one for both.
    """

    negatives: str | None = None
    positives: str | None = None

    @classmethod
    def of(cls, prepared: Prepared) -> StatedColumns:
        """Those of a file."""
        plain = {name.partition(":")[0]: name for name in prepared.names}  # RecBole's have a type
        if prepared.layout == "pointwise":
            return cls(plain.get("log_q"))
        return cls(plain.get("neg_log_q"), plain.get("pos_log_q"))

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(name for name in (self.negatives, self.positives) if name is not None)

    def values(self, batch: Batch) -> tuple[Floats | None, Floats | None]:
        """What they say, lists end to end; NaN where there is nothing: float64.

        Raises
        ------
        BadDataError
            Something that is no number, in this column of the file.
        """
        negatives, positives = (
            None if name is None else _numbers(batch.rows.column(name), name, batch)
            for name in (self.negatives, self.positives)
        )
        return negatives, positives


NOTHING = StatedColumns()


def _numbers(column: pa.Array, name: str, batch: Batch) -> Floats:
    if "neg_items" in batch.rows.schema.names and name.startswith("neg"):
        column = _flat(column, name, batch)
    try:
        found: Floats = as_numpy(pc.fill_null(column.cast(pa.float64()), np.nan))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise _not_a_number(batch, name) from None
    return found


def _flat(column: pa.Array, name: str, batch: Batch) -> pa.Array:
    """The values of lists, which in text have spaces between, end to end."""
    if pa.types.is_string(column.type):
        trimmed = pc.utf8_trim_whitespace(column)
        column = pc.if_else(
            pc.equal(trimmed, ""), pa.scalar([], pa.list_(pa.string())), pc.utf8_split_whitespace(trimmed)
        )
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        raise _not_a_number(batch, name)
    found = as_numpy(pc.fill_null(pc.list_value_length(column), 0)).astype(np.int64)
    wanted = np.diff(as_numpy(batch.rows.column("neg_items").offsets))
    for row in np.flatnonzero(found != wanted)[:1].tolist():
        what = f"{wanted[row]} negatives and {found[row]} values of {name!r}"
        raise BadDataError(what, place=batch.place(row), remedy="make the file again")
    return column.flatten()


def _not_a_number(batch: Batch, name: str) -> BadDataError:
    """The error of the first row that cannot be read."""
    column = batch.rows.column(name)
    for row in range(len(column)):
        text = column[row : row + 1].cast(pa.string()) if not pa.types.is_nested(column.type) else None
        words = [None] if text is None else (text[0].as_py() or "").split()
        for word in words:
            try:
                pa.array([word], pa.string()).cast(pa.float64())
            except pa.ArrowInvalid:
                what = f"the column {name!r} has {word!r}, that is no number"
                return BadDataError(what, place=batch.place(row), remedy="make the file again")
    what = f"the column {name!r} has the type {column.type}"
    return BadDataError(what, place=batch.place(0), remedy="make the file again")


def with_log_q(block: Block, columns: Columns) -> Block:
    """A block that was made of columns, with what these say of log q."""
    if columns.log_q is None:
        return block
    if columns.others.dtype != np.int8:  # no labels: both are as the block has them
        return replace(block, log_q=columns.log_q, head_log_q=columns.head_log_q)
    of_negatives = columns.log_q[block.negative_rows - columns.first]
    return replace(block, log_q=of_negatives, head_log_q=columns.log_q[block.head_rows - columns.first])
