"""Which interactions are positives: a rule at work on the rows of a log."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import pyarrow as pa

from negprep.arrays import Mask
from negprep.arrow import mask_as_numpy, number, pc, strings
from negprep.errors import BadDataError
from negprep.options.specs import PositiveRule, quoted_for_shell, spelled_column
from negprep.read.columns import FLAG, VALUE, is_number
from negprep.read.log import LogReader

_COMPARE = {
    ">=": "greater_equal",
    "<=": "less_equal",
    ">": "greater",
    "<": "less",
}
"""The function of ``pyarrow.compute`` for each operator that takes one number."""

_NAMES_SHOWN = 20


@dataclass
class Positives:
    """Selects the positives among interactions; remembers what it saw, for the error if there is none.

    ``rule``: Of any kind but ``all``.
    ``role``, ``column``: What decides: as ``LogReader.compared`` gives them.
    ``value``: The value column of the log, for messages.
    ``is_flag``: Whether a name of the rule is a column of the log, for messages.
    """

    rule: PositiveRule
    role: str
    column: str
    value: str | None = None
    is_flag: bool = False
    _seen: set[str] = field(default_factory=set)
    _range: list[float] = field(default_factory=list)
    _met: set[tuple[float, float]] = field(default_factory=set)

    @classmethod
    def of(cls, rule: PositiveRule, log: LogReader) -> Positives | None:
        """A rule for a log that is open; None if all interactions are positives.

        Raises UsageError: The log has no such column.
        Raises BadDataError: More than one column could be the one.
        """
        compared = log.compared(rule)
        if not compared:
            return None
        ((role, column),) = compared.items()
        return cls(rule, role, column, log.columns.get("value"), not set(rule.names).isdisjoint(log.names))

    def __call__(self, batch: pa.RecordBatch) -> Mask:
        """Which rows of a batch are positives: bool, shape (n_rows,)."""
        column = batch.column(self.role)
        if not len(column):
            return np.empty(0, bool)
        return self._by_number(column) if self._is_numeric else self._by_name(column.cast(pa.string()))

    @property
    def columns(self) -> dict[str, str]:
        """The column that decides, for the summary: ``value``, ``event`` or ``positive``, and its name."""
        role = self.role.partition(" ")[0]
        return {role if role in ("value", "event") else "positive": self.column}

    @property
    def _is_numeric(self) -> bool:
        return self.rule.kind == "number" or self.role == FLAG

    def mask(self, column: pa.Array) -> Mask:
        """Which rows of another file are positives, by its column of the same meaning; remembers nothing."""
        return replace(self, _seen=set(), _range=[], _met=set())(pa.record_batch({self.role: column}))

    def _by_number(self, column: pa.Array) -> Mask:
        extremes = pc.min_max(column).as_py()
        self._range = [min([extremes["min"], *self._range[:1]]), max([extremes["max"], *self._range[1:]])]
        if self.rule.operator in _COMPARE:
            compare = getattr(pc, _COMPARE[self.rule.operator])
            return mask_as_numpy(compare(column, number(self.rule.ranges[0][0], pa.float64())))
        found = np.zeros(len(column), bool)
        for low, high in self.rule.ranges or ((1.0, 1.0),):
            at_least = pc.greater_equal(column, number(low, pa.float64()))
            inside = mask_as_numpy(pc.and_(at_least, pc.less_equal(column, number(high, pa.float64()))))
            if inside.any():
                self._met.add((low, high))
            found |= inside
        return found if self.rule.operator == "=" else ~found

    def _by_name(self, column: pa.Array) -> Mask:
        if len(self._seen) <= _NAMES_SHOWN or not self._seen.issuperset(self.rule.names):
            self._seen.update(column.unique().to_pylist())
        found = mask_as_numpy(pc.is_in(column, value_set=strings(sorted(set(self.rule.names)))))
        return found if self.rule.operator == "=" else ~found

    def __iadd__(self, other: Positives) -> Self:
        """Remember what the same rule saw among other interactions."""
        self._seen |= other._seen
        self._met |= other._met
        both = [*self._range, *other._range]
        self._range = [min(both), max(both)] if both else []
        return self

    def check(self, n_positives: int) -> None:
        """Refuse a rule that names something missing from the log, or that no interaction satisfies."""
        missing = sorted(set(self.rule.names) - self._seen) if not self._is_numeric else []
        if missing:
            shown = ", ".join(sorted(self._seen)[:_NAMES_SHOWN])
            noun = f"no event {missing[0]!r} in the log"
            if self.role != "event":
                noun = f"no {missing[0]!r} in the column {self.column!r} of the log"
            what = f"{noun} (found: {shown})"
            raise BadDataError(what, remedy=self._remedy(missing[0]))
        unmet = [each for each in self.rule.ranges if each not in self._met] if self.rule.operator == "!=" else []
        if n_positives and not unmet:
            return
        noun = "values go" if self.role == VALUE else f"{self.column!r} goes"
        went = f"{noun} from {self._range[0]:g} to {self._range[1]:g}" if self._range else ""
        if unmet:
            low, high = unmet[0]
            what = (
                f"no interaction has {low:g}{'' if low == high else f'..{high:g}'}, which {self.rule.shown} leaves out"
            )
        elif self.role == VALUE:
            what = f"no interaction has a value {self.rule.text}"
        else:
            what = f"no interaction is a positive by {self.rule.shown}"
        raise BadDataError(f"{what} ({went})" if went else what, remedy="correct --positive")

    def _remedy(self, missing: str) -> str:
        """What the user may have meant by a name that does not occur."""
        if self.rule.kind == "bare" and self.value is not None and all(map(is_number, self.rule.names)):
            rule = quoted_for_shell(f">={missing}" if len(self.rule.names) == 1 else f"={','.join(self.rule.names)}")
            return f"--positive {rule} compares the column {self.value!r}"
        if self.rule.kind == "bare" and self.is_flag:
            return f"--positive {quoted_for_shell(spelled_column(missing) + '=true')} means the column {missing!r}"
        return "correct --positive"
