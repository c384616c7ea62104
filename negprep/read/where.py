"""Which rows of a log --where keeps, and which files and row groups it need not read.

Null is neither true nor false, as in SQL, and NaN is null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from operator import eq, ge, gt, le, lt, ne
from typing import Any

import numpy as np
import pyarrow as pa

from negprep.arrays import Mask
from negprep.arrow import as_numpy, from_numpy, mask_as_numpy, pc, strings
from negprep.errors import RowError, UsageError
from negprep.options.conditions import NEGATED, Comparison, Condition, IsNull, Operator, Value, columns_of, time_of
from negprep.options.specs import TimeForms
from negprep.read.columns import WHERE
from negprep.read.convert import simplified
from negprep.read.sources import Bounds, Known, Piece
from negprep.read.times import Clock, clock_between, mixed_clocks, parse_times

_NOTHING = ["na", "n/a", "nat", "nan", "null", "none", r"\n"]
"""Text that counts as missing where it is compared with a number or a time, in small letters."""

_TRUE, _FALSE = ["true", "1"], ["false", "0"]
_EXACT_IN_FLOAT = 1 << 53
_FUNCTIONS: dict[Operator, Callable[[Any, Any], bool]] = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
_NAMES = {"=": "equal", "!=": "not_equal", "<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal"}
_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


@dataclass(frozen=True)
class Kept:
    """The rows that a condition keeps of a piece; how many it leaves out; the clocks of the times that it compares."""

    piece: Piece
    left_out: int = 0
    clocks: dict[str, Clock] = field(default_factory=dict)


@dataclass
class Where:
    """A condition on the rows of a log.

    ``forms`` are those of its times, which ``time_column`` has. ``clocks`` is how the times of each column are written,
    as soon as it was compared with one, by its name.
    """

    condition: Condition
    forms: TimeForms
    time_column: str | None = None
    clocks: dict[str, Clock] = field(default_factory=dict)
    _of_keys: dict[tuple[int, str | None], bool | None] = field(default_factory=dict)

    @property
    def roles(self) -> dict[str, str]:
        """The columns that are needed, by role."""
        return {WHERE + name: name for name in columns_of(self.condition)}

    def kept(self, piece: Piece, untyped: Iterable[str], place: str) -> Kept:
        """The rows for which the condition is true, without the columns that only it needs.

        ``untyped``: The columns in which empty text is null, since everything is text.
        ``place``: What messages call the file.
        Raises BadDataError: A text is not the number or the time that the condition compares it with.
        Raises UsageError: The type of a column does not compare with a value.
        """
        columns = dict(piece.columns)
        needed = {name: columns.pop(role) for role, name in self.roles.items()}
        found = _Evaluation(needed, frozenset(untyped), self._forms, place)
        try:
            mask = found.mask(self.condition)
        except RowError as error:
            raise error.at(piece.place(error.row)) from None
        is_kept: Mask = mask_as_numpy(_is_true(mask))
        rows = np.flatnonzero(is_kept)
        if len(rows) == len(is_kept):
            return Kept(replace(piece, columns=columns), 0, found.clocks)
        at = from_numpy(rows)
        columns = {role: column.take(at) for role, column in columns.items()}
        own_place = piece.place
        piece = replace(piece, columns=columns, place=lambda row: own_place(int(rows[row])))
        return Kept(piece, len(is_kept) - len(rows), found.clocks)

    def join_clocks(self, clocks: Mapping[str, Clock], place: Callable[[int], str]) -> None:
        """Refuse times of a column that are written otherwise than those before."""
        for name, clock in clocks.items():
            before = self.clocks.setdefault(name, clock)
            if before.kind != clock.kind:
                raise mixed_clocks(clock, before).at(place(0))

    def may_be_in(self, keys: Mapping[str, str | None], place: str, known: Known = lambda _: None) -> bool:
        """Whether a row may be kept of a file with these keys in its path, of whose columns so much is known.

        Raises BadDataError, UsageError: As ``kept``, for a key.
        """
        return self._may_be(self.condition, True, keys, known, place)

    def _forms(self, name: str) -> TimeForms:
        return self.forms if name == self.time_column else TimeForms()

    def _may_be(
        self, condition: Condition, want: bool, keys: Mapping[str, str | None], known: Known, place: str
    ) -> bool:
        """Whether the condition may be true of a row, or false."""
        if not isinstance(condition, Comparison | IsNull):
            parts = (self._may_be(part, want, keys, known, place) for part in condition.parts)
            return all(parts) if (condition.word == "and") is want else any(parts)
        name = condition.column
        if name in keys:
            return self._of_key(condition, keys[name], place) is want
        bounds = known(name)
        if bounds is None:
            return True
        if isinstance(condition, IsNull):
            asks_null = condition.negated is not want
            return bounds.nulls is None or (bounds.nulls > 0 if asks_null else bounds.nulls < bounds.rows)
        operator = condition.operator if want else NEGATED[condition.operator]
        return _may_compare(operator, condition.values, bounds, self._forms(name))

    def _of_key(self, condition: Comparison | IsNull, value: str | None, place: str) -> bool | None:
        """Whether a condition on a key is true; many files have the same value."""
        asked = id(condition), value
        if asked not in self._of_keys:
            name, column = condition.column, pa.nulls(1, pa.string()) if value is None else strings([value])
            try:
                found = _Evaluation({name: column}, frozenset([name]), self._forms, place).mask(condition)
            except RowError as error:
                raise error.at(place) from None
            self._of_keys[asked] = found[0].as_py()
        return self._of_keys[asked]


def _may_compare(operator: Operator, values: tuple[Value, ...], bounds: Bounds, forms: TimeForms) -> bool:
    """Whether a value between the bounds may compare so; with several values, equal one, or differ from all."""
    if bounds.nulls is not None and bounds.nulls == bounds.rows:
        return False
    low, high = bounds.low, bounds.high
    if low is None or high is None:
        return True
    wanted = _comparable(values, bounds)
    if wanted is None and values[0].kind == "time" and isinstance(low, int) and isinstance(high, int):
        scale = clock_between(low, high, forms)
        if scale is None:
            return True
        low, high, wanted = low * scale, high * scale, [value.value for value in values]
    if wanted is None:
        return True
    if operator == "=":
        return any(low <= value <= high for value in wanted)
    if operator == "!=":
        return not (low == high and low in wanted)
    return _FUNCTIONS[operator](low if operator in ("<", "<=") else high, wanted[0])


def _comparable(values: tuple[Value, ...], bounds: Bounds) -> list[Any] | None:
    """The values, in the same terms as the bounds; None if these do not help."""
    kind, low = values[0].kind, bounds.low
    if bounds.is_time:
        times = [value.value if kind == "time" else time_of(str(value.value)) for value in values]
        return times if kind in ("time", "text") and None not in times else None
    if isinstance(low, str):
        return [value.value for value in values] if kind == "text" else None
    if kind not in ("number", "truth"):
        return None
    if isinstance(low, float):
        return [_as_float(value.value, np.float32 if bounds.is_single else np.float64) for value in values]
    return [value.value for value in values]


class _Evaluation:
    """The condition on some rows: columns of equal length by name."""

    def __init__(
        self, columns: Mapping[str, pa.Array], untyped: frozenset[str], forms: Callable[[str], TimeForms], place: str
    ) -> None:
        self._columns = {name: simplified(column) for name, column in columns.items()}
        self._untyped, self._forms, self._place = untyped, forms, place
        self.clocks: dict[str, Clock] = {}

    def mask(self, condition: Condition) -> pa.BooleanArray:
        """Whether the condition is true of each row, or null."""
        if isinstance(condition, IsNull):
            is_there = self._is_there(condition.column)
            return is_there if condition.negated else pc.invert(is_there)
        if isinstance(condition, Comparison):
            return self._of_column(condition)
        join = pc.and_kleene if condition.word == "and" else pc.or_kleene
        found = self.mask(condition.parts[0])
        for part in condition.parts[1:]:
            found = join(found, self.mask(part))
        return found

    def _is_there(self, name: str) -> pa.BooleanArray:
        column = self._columns[name]
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if pa.types.is_floating(column.type):
            return pc.invert(pc.is_null(column, nan_is_null=True))
        if self._is_untyped(name) and pa.types.is_string(column.type):
            return _is_true(pc.not_equal(column, _EMPTY))
        return column.is_valid()

    def _of_column(self, comparison: Comparison) -> pa.BooleanArray:
        column, name = self._columns[comparison.column], comparison.column
        if not pa.types.is_dictionary(column.type):
            return self._of_values(comparison, column)
        try:
            found = self._of_values(comparison, column.dictionary)
        except RowError:  # perhaps of a value that is not there
            self.clocks.pop(name, None)
            return self._of_values(comparison, column.dictionary_decode())
        return found.take(column.indices)

    def _of_values(self, comparison: Comparison, column: pa.Array) -> pa.BooleanArray:
        name, operator, values = comparison.column, comparison.operator, comparison.values
        kind, asked, types = column.type, values[0].kind, pa.types
        wanted: list[Any] = [value.value for value in values]
        if types.is_null(kind):
            return pa.nulls(len(column), pa.bool_())
        if types.is_timestamp(kind) or types.is_date(kind):
            times = [value.value if asked == "time" else time_of(str(value.value)) for value in values]
            if asked not in ("time", "text") or None in times:
                raise self._incomparable(name, kind, values)
            unit = _UNITS[kind.unit] if types.is_timestamp(kind) else 86400 * 10**9 if types.is_date32(kind) else 10**6
            numbers = column.cast(pa.int32()) if types.is_date32(kind) else column.cast(pa.int64())
            return _integers_compared(operator, numbers, [Fraction(int(time or 0), unit) for time in times])
        if types.is_string(kind):
            if asked != "text":
                return self._of_text(comparison, column)
            return _compared(
                operator, _without(column, pc.equal(column, _EMPTY)) if self._is_untyped(name) else column, wanted
            )
        if types.is_boolean(kind) and asked in ("number", "truth"):
            return _integers_compared(operator, column.cast(pa.uint8()), wanted)
        if asked != "text" and (types.is_floating(kind) or types.is_integer(kind) or types.is_decimal(kind)):
            if types.is_float16(kind):
                column = column.cast(pa.float32())
            if types.is_floating(kind):
                column = _without(column, pc.is_nan(column))
            if asked == "time":
                return self._of_times(comparison, column, mask_as_numpy(column.is_null()))
            if types.is_decimal(kind) and asked == "number":
                wanted = [Fraction(value.written) for value in values]
            return _numbers_compared(operator, column, wanted)
        raise self._incomparable(name, kind, values)

    def _is_untyped(self, name: str) -> bool:
        return name in self._untyped

    def _of_text(self, comparison: Comparison, column: pa.Array) -> pa.BooleanArray:
        """Text compared with what is not: it must be written as such, or be missing."""
        values, name = comparison.values, comparison.column
        is_missing = pc.or_(pc.equal(column, _EMPTY), pc.is_in(pc.ascii_lower(column), value_set=strings(_NOTHING)))
        missing = mask_as_numpy(pc.or_kleene(is_missing, column.is_null()))
        if values[0].kind == "time":
            return self._of_times(comparison, column, missing)
        present = np.flatnonzero(~missing)
        text = column.take(from_numpy(present))
        if values[0].kind == "truth":
            lower = pc.ascii_lower(text)
            is_true, is_false = (pc.is_in(lower, value_set=strings(words)) for words in (_TRUE, _FALSE))
            self._refuse_others(name, text, mask_as_numpy(pc.or_(is_true, is_false)), present, "neither true nor false")
            found = _integers_compared(comparison.operator, is_true.cast(pa.uint8()), [each.value for each in values])
        else:
            found = self._of_numerals(comparison, text, present)
        return _spread(found, present, len(column))

    def _of_numerals(self, comparison: Comparison, text: pa.Array, rows: np.ndarray) -> pa.BooleanArray:
        """Whole numbers exactly, others as floats: what a text is does not depend on its neighbours."""
        operator, wanted = comparison.operator, [value.value for value in comparison.values]
        is_whole = mask_as_numpy(pc.match_substring_regex(text, r"^[+-]?[0-9]{1,18}$"))
        if is_whole.all():
            return _integers_compared(operator, pc.ascii_ltrim(text, "+").cast(pa.int64()), wanted)
        is_number = mask_as_numpy(pc.match_substring_regex(text, _NUMERAL))
        self._refuse_others(comparison.column, text, is_number, rows, "not a number")
        floats = pc.ascii_ltrim(text, "+").cast(pa.float64())
        found = mask_as_numpy(_numbers_compared(operator, floats, wanted))
        for row in np.flatnonzero(np.abs(as_numpy(floats)) >= _EXACT_IN_FLOAT).tolist():
            word = text[row].as_py()
            number = int(word) if word.lstrip("+-").isdigit() else float(word)
            found[row] = _of_one(operator, number, wanted)
        return from_numpy(found.astype(np.uint8)).cast(pa.bool_())

    def _refuse_others(self, name: str, text: pa.Array, good: Mask, rows: np.ndarray, what: str) -> None:
        if not good.all():
            at = int(good.argmin())
            word = bytes(text.slice(at, 1).cast(pa.binary())[0].as_py()).decode("utf-8", "backslashreplace")
            shown = f"the column {name!r} holds {word!r}, which is {what}, and --where compares it with one"
            raise RowError(int(rows[at]), shown, "write the value in --where as 'text'")

    def _of_times(self, comparison: Comparison, column: pa.Array, missing: Mask) -> pa.BooleanArray:
        """Numbers and text that are times."""
        present = np.flatnonzero(~missing)
        if not len(present):
            return pa.nulls(len(column), pa.bool_())
        name, given = comparison.column, column.take(from_numpy(present))
        try:
            times, self.clocks[name] = parse_times(given, self._forms(name))
        except RowError as error:
            what = f"{error.what} (the column {name!r}, which --where compares with a time)"
            raise RowError(int(present[error.row]), what, error.remedy) from None
        found = _integers_compared(comparison.operator, times, [value.value for value in comparison.values])
        return _spread(found, present, len(column))

    def _incomparable(self, name: str, kind: pa.DataType, values: tuple[Value, ...]) -> UsageError:
        types, is_time = pa.types, pa.types.is_timestamp(kind) or pa.types.is_date(kind)
        remedy = "name another column"
        if is_time:
            remedy = "write a time: 2024-05-01 or 2024-05-01T12:30:00"
        elif types.is_boolean(kind):
            remedy = "write true or false"
        elif types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
            remedy = "write a number, without quotes"
        what = f"--where compares the column {name!r}, which has the type {kind}, with {values[0].written}"
        return UsageError(what, place=self._place, remedy=remedy)


_NUMERAL = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$|^[+-]?(?i:inf|infinity)$"


def _without(column: pa.Array, is_missing: pa.BooleanArray) -> pa.Array:
    """The column with null where that is true."""
    return pc.if_else(is_missing, pa.nulls(1, column.type)[0], column)


def _spread(found: pa.BooleanArray, rows: np.ndarray, n_rows: int) -> pa.BooleanArray:
    """What was found of some rows, null in all others."""
    if len(rows) == n_rows:
        return found
    places = np.zeros(n_rows, np.int64)
    is_there = np.zeros(n_rows, np.bool_)
    places[rows], is_there[rows] = np.arange(len(rows)), True
    validity = pa.py_buffer(np.packbits(is_there, bitorder="little"))
    return found.take(pa.Array.from_buffers(pa.int64(), n_rows, [validity, pa.py_buffer(places)]))


def _compared(operator: Operator, column: pa.Array, wanted: list[Any]) -> pa.BooleanArray:
    """A column compared with values of its own type."""
    kind = column.type
    if pa.types.is_decimal(kind):
        kind = pa.decimal256(76, kind.scale)
        column = column.cast(kind)
    compare = getattr(pc, _NAMES[operator])
    if len(wanted) == 1:
        return compare(column, _array_of(wanted, kind)[0])
    if pa.types.is_decimal(kind):
        found = compare(column, pa.scalar(wanted[0], kind))
        join = pc.or_ if operator == "=" else pc.and_
        for each in wanted[1:]:
            found = join(found, compare(column, pa.scalar(each, kind)))
        return found
    found = pc.if_else(column.is_valid(), pc.is_in(column, value_set=_array_of(wanted, kind)), _NULL)
    return found if operator == "=" else pc.invert(found)


def _array_of(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Values as an array; ``pa.array`` of Python objects imports pandas as well."""
    if pa.types.is_string(kind):
        return strings(values)
    if pa.types.is_decimal(kind):
        return pa.array(values, kind)
    return from_numpy(np.array(values, kind.to_pandas_dtype()))


_NULL, _EMPTY = pa.nulls(1, pa.bool_())[0], strings([""])[0]


def _is_true(found: pa.BooleanArray) -> pa.BooleanArray:
    """Whether each is true: neither false nor null."""
    return pc.and_kleene(found, found.is_valid())


def _integers_compared(operator: Operator, column: pa.Array, wanted: list[Any]) -> pa.BooleanArray:
    """Integers compared exactly with numbers of any size, whole or not."""
    limits = np.iinfo(str(column.type))
    return _whole_compared(operator, column, wanted, int(limits.min), int(limits.max), int)


def _whole_compared(
    operator: Operator, column: pa.Array, wanted: list[Any], least: int, most: int, as_value: Callable[[int], Any]
) -> pa.BooleanArray:
    """Whole numbers from ``least`` to ``most``, of which ``as_value`` makes those of the column."""
    if operator in ("=", "!="):
        inside = [as_value(int(value)) for value in wanted if value == floor(value) and least <= value <= most]
        return _compared(operator, column, inside) if inside else _constant(column, operator == "!=")
    value = Fraction(wanted[0])
    if operator in ("<", "<="):
        limit = floor(value) if operator == "<=" else ceil(value) - 1
        is_inside, is_true = least <= limit < most, limit >= most
    else:
        limit = ceil(value) if operator == ">=" else floor(value) + 1
        is_inside, is_true = least < limit <= most, limit <= least
    operator = "<=" if operator in ("<", "<=") else ">="
    return _compared(operator, column, [as_value(limit)]) if is_inside else _constant(column, is_true)


def _constant(column: pa.Array, value: bool) -> pa.BooleanArray:
    """One answer for every value, and null for null."""
    is_there = column.is_valid()
    return pc.if_else(is_there, is_there if value else pc.invert(is_there), _NULL)


def _numbers_compared(operator: Operator, column: pa.Array, wanted: list[Any]) -> pa.BooleanArray:
    """Floats are compared with the nearest number of their own type, decimals exactly."""
    if pa.types.is_integer(column.type):
        return _integers_compared(operator, column, wanted)
    if pa.types.is_decimal(column.type):
        scale, most = column.type.scale, 10**76 - 1
        scaled = [Fraction(value) * Fraction(10) ** scale for value in wanted]
        return _whole_compared(operator, column, scaled, -most, most, lambda whole: _decimal(whole, scale))
    single = np.float32 if pa.types.is_float32(column.type) else np.float64
    return _compared(operator, column, [_as_float(value, single) for value in wanted])


def _decimal(whole: int, scale: int) -> Decimal:
    return Decimal((int(whole < 0), tuple(map(int, str(abs(whole)))), -scale))


def _as_float(value: Any, kind: type[np.floating[Any]]) -> float:  # noqa: ANN401
    with np.errstate(over="ignore"):
        return float(kind(float(value)))


def _of_one(operator: Operator, number: float, wanted: list[Any]) -> bool:
    if len(wanted) > 1:
        return (number in wanted) is (operator == "=")
    return _FUNCTIONS[operator](number, wanted[0])
