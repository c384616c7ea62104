"""Which interactions are positives: a comparison on the value, or names of events."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from negprep.arrow import mask_as_numpy, number, strings
from negprep.compute import pc
from negprep.errors import BadDataError, UsageError
from negprep.pairs import Mask

_COMPARISON = re.compile(r"(>=|<=|==|!=|>|<|=)\s*(\S+)")
_COMPARE = {
    ">=": "greater_equal",
    "<=": "less_equal",
    ">": "greater",
    "<": "less",
    "=": "equal",
    "==": "equal",
    "!=": "not_equal",
}
"""The function of ``pyarrow.compute`` for each operator."""

_NAMES_SHOWN = 20


@dataclass
class PositiveRule:
    """Says of each interaction whether it is a positive; remembers what it saw, for the error where none is.

    Attributes
    ----------
    text : str
        ``>=4``, or ``purchase,cart``.
    role : {"value", "event"}
        The column that decides.
    """

    text: str
    role: str
    _test: Callable[[pa.Array], pa.BooleanArray]
    _names: frozenset[str] = frozenset()
    _seen: set[str] = field(default_factory=set)
    _range: list[float] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str) -> PositiveRule:
        """Parse what a user wrote.

        Raises
        ------
        UsageError
            Neither a comparison with a number nor names.
        """
        found = _COMPARISON.fullmatch(text.strip())
        if found:
            compare, threshold = getattr(pc, _COMPARE[found[1]]), number(_number(found[2], text), pa.float64())
            return cls(text, "value", lambda column: compare(column, threshold))
        names = frozenset(name.strip() for name in text.split(","))
        if "" in names or text.strip()[0] in "<>=!":
            raise UsageError(
                f"--positive {text!r} is neither a comparison nor event names",
                remedy="write it like '>=4' or like purchase,cart",
            )
        return cls(text, "event", lambda column: pc.is_in(column, value_set=strings(sorted(names))), names)

    def __call__(self, batch: pa.RecordBatch) -> Mask:
        """Which rows of a batch are positives: bool, shape (n_rows,)."""
        column = batch.column(self.role)
        if self.role == "value":
            if len(column):
                extremes = pc.min_max(column).as_py()
                self._range = [min([extremes["min"], *self._range[:1]]), max([extremes["max"], *self._range[1:]])]
        else:
            column = column.cast(pa.string())
            if len(self._seen) <= _NAMES_SHOWN or not self._names <= self._seen:
                self._seen.update(column.unique().to_pylist())
        return mask_as_numpy(self._test(column)) if len(column) else np.empty(0, bool)

    def check(self, n_positives: int) -> None:
        """Refuse a rule that names an event which the log lacks, or that no interaction satisfies.

        Raises
        ------
        BadDataError
        """
        missing = sorted(self._names - self._seen)
        if missing:
            shown = ", ".join(sorted(self._seen)[:_NAMES_SHOWN])
            raise BadDataError(f"no event {missing[0]!r} in the log (found: {shown})", remedy="correct --positive")
        if not n_positives:
            low, high = self._range
            raise BadDataError(
                f"no interaction has a value {self.text} (values go from {low:g} to {high:g})",
                remedy="correct --positive",
            )


def _number(word: str, text: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise UsageError(
            f"--positive {text!r} compares with {word!r}, which is no number", remedy="write it like '>=4'"
        )
    return number
