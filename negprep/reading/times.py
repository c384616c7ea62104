"""Times to nanoseconds since 1970, and the unit that they are written in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from negprep.arrow import strings
from negprep.reading.pieces import RowError, arrow, first_failure, numbers, text_bytes, widened

# An integer is read as seconds below the first limit (the year 5138), as milliseconds below the second, and so on.
_UNITS = (("in seconds", 10**9), ("in milliseconds", 10**6), ("in microseconds", 10**3), ("in nanoseconds", 1))
_LIMITS = np.array([10**11, 10**14, 10**17], np.float64)
_NAIVE, _ZONED = "without a zone", "with a zone"
_FORMS = "times are seconds, milliseconds, microseconds or nanoseconds since 1970, or like 2024-05-01T12:30:00"
_OUT_OF_RANGE = "times reach from 1677-09-21 to 2262-04-11"
_MIXED = "write all times in one form"


@dataclass(frozen=True)
class Clock:
    """How the times of a batch are written (``in seconds``, ``with a zone``, ...), and one of them."""

    kind: str
    example: str

    @property
    def is_dated(self) -> bool:
        """Whether times are written as dates, not as numbers."""
        return self.kind in (_NAIVE, _ZONED)


ORDERED = Clock("a position in the log", "1")
"""That of rows whose order is their time."""


def parse_times(array: pa.Array) -> tuple[pa.Array, Clock]:
    """Times as int64 nanoseconds since 1970-01-01T00:00:00 (UTC where they have a zone).

    Parameters
    ----------
    array : pa.Array
        At least one row, without nulls or NaN; text as ``pa.string()``.

    Raises
    ------
    RowError
        A time has no known form, another form or unit than the others, or lies outside 1677 to 2262.

    Notes
    -----
    The unit of a number follows from its size: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds.
    Numbers with a fraction are exact to the microsecond.
    """
    kind = array.type
    if pa.types.is_string(kind):
        return _from_text(array)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        # Only the instants matter; a cast between zones would want the zone database.
        instants = array.cast(pa.timestamp("ms") if pa.types.is_date(kind) else pa.timestamp(kind.unit))
        row = first_failure(instants, lambda part: part.cast(pa.timestamp("ns")))
        if row is not None:
            raise RowError(row, f"the time {_spelled(instants, row)} is out of range", _OUT_OF_RANGE)
        clock = Clock(_NAIVE if pa.types.is_date(kind) or kind.tz is None else _ZONED, _spelled(instants, 0))
        return instants.cast(pa.timestamp("ns")).cast(pa.int64()), clock
    if pa.types.is_integer(kind):
        return _from_integers(_signed(array) if pa.types.is_uint64(kind) else widened(array))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _from_floats(array.cast(pa.float64()))
    raise RowError(0, f"the time has the type {kind}", _FORMS)


def parse_instant(text: str) -> tuple[int, Clock]:
    """One time, as ``parse_times`` takes it: nanoseconds since 1970, and how it is written."""
    parsed, clock = parse_times(strings([text]))
    return parsed[0].as_py(), clock


def _spelled(instants: pa.Array, row: int) -> str:
    # A scalar's own text ends with the year 9999, and takes pandas for nanoseconds.
    return str(instants.slice(row, 1).cast(pa.string())[0])


def _signed(array: pa.Array) -> pa.Array:
    row = first_failure(array, lambda part: part.cast(pa.int64()))
    if row is not None:
        raise RowError(row, f"the time {array[row]} is out of range", _OUT_OF_RANGE)
    return array.cast(pa.int64())


def _bands(values: np.ndarray) -> tuple[str, int]:
    """The one unit of all numbers, and its nanoseconds."""
    low, high = float(values.min()), float(values.max())
    smallest = low if low >= 0 else -high if high <= 0 else float(np.abs(np.asarray(values, np.float64)).min())
    bands = np.searchsorted(_LIMITS, [smallest, max(-low, high)], side="right")
    if bands[0] != bands[1]:
        each = np.searchsorted(_LIMITS, np.abs(np.asarray(values, np.float64)), side="right")
        row = int(np.flatnonzero(each != each[0])[0])
        first, other = _UNITS[each[0]][0], _UNITS[each[row]][0]
        raise RowError(row, mixed(_shown(values[row]), other, Clock(first, _shown(values[0]))), _MIXED)
    return _UNITS[bands[0]]


def mixed(time: str, kind: str, other: Clock) -> str:
    """The message that two times are not of one kind."""
    return f"the time {time} is {kind}, but {other.example} is {other.kind}"


def mixed_clocks(now: Clock, before: Clock) -> RowError:
    """The error that the times of two batches are not of one kind."""
    return RowError(0, mixed(now.example, now.kind, before), _MIXED)


def _shown(value: np.number[Any]) -> str:
    return str(int(value)) if value == np.floor(value) and abs(value) < 2**63 else str(float(value))


def _from_integers(array: pa.Array) -> tuple[pa.Array, Clock]:
    values = numbers(array)
    unit, nanoseconds = _bands(values)
    limit = (2**63 - 1) // nanoseconds
    if values.max() > limit or values.min() < -limit:
        row = int(np.flatnonzero((values > limit) | (values < -limit))[0])
        raise RowError(row, f"the time {values[row]} is out of range", _OUT_OF_RANGE)
    return arrow(values * nanoseconds), Clock(unit, str(values[0]))


def _from_floats(array: pa.Array) -> tuple[pa.Array, Clock]:
    values = numbers(array)
    outside = np.flatnonzero(np.abs(values) >= 2.0**63)
    if len(outside):
        raise RowError(int(outside[0]), f"the time {_shown(values[outside[0]])} is out of range", _OUT_OF_RANGE)
    unit, nanoseconds = _bands(values)
    if nanoseconds == 1:
        raise RowError(0, f"the time {_shown(values[0])} is in nanoseconds, which floats bend", "write integers")
    microseconds = np.rint(values * (nanoseconds // 1000))
    outside = np.flatnonzero(np.abs(microseconds) > (2**63 - 1) // 1000)
    if len(outside):
        raise RowError(int(outside[0]), f"the time {_shown(values[outside[0]])} is out of range", _OUT_OF_RANGE)
    return arrow(microseconds.astype(np.int64) * 1000), Clock(unit, _shown(values[0]))


def _from_text(strings: pa.Array) -> tuple[pa.Array, Clock]:
    for kind, read in _READERS.items():
        try:
            parsed = read(strings)
        except ValueError:
            continue
        if pa.types.is_timestamp(parsed.type):
            return parsed.cast(pa.int64()), Clock(kind, strings[0].as_py())
        return _from_integers(parsed) if pa.types.is_integer(parsed.type) else _from_floats(_finite(parsed, strings))
    raise _explained(strings)


def _integers(strings: pa.Array) -> pa.Array:
    # Arrow reads 0x1F as an integer.
    if text_bytes(strings)[1].max() > ord("9"):
        raise ValueError
    return strings.cast(pa.int64())


_READERS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "an integer": _integers,
    "a number": lambda strings: strings.cast(pa.float64()),
    _NAIVE: lambda strings: strings.cast(pa.timestamp("ns")),
    _ZONED: lambda strings: strings.cast(pa.timestamp("ns", "UTC")),
}


def _finite(floats: pa.Array, strings: pa.Array) -> pa.Array:
    finite = np.isfinite(numbers(floats))
    if not finite.all():
        row = int(finite.argmin())
        raise RowError(row, f"the time {strings[row].as_py()!r} is out of range", _OUT_OF_RANGE)
    return floats


def _kind(string: pa.Array) -> str | None:
    """Which reader takes a single string."""
    for kind, read in _READERS.items():
        if first_failure(string, read) is None:
            return "a number" if kind == "an integer" else kind
    return None


def _explained(strings: pa.Array) -> RowError:
    """Why no reader takes all of the strings."""
    kind = _kind(strings[:1])
    row = (first_failure(strings, _READERS[kind]) if kind else 0) or 0
    text = strings[row].as_py()
    other = _kind(strings.slice(row, 1))
    if kind and other:
        return RowError(row, mixed(text, other, Clock(kind, strings[0].as_py())), _MIXED)
    if first_failure(strings.slice(row, 1), lambda part: part.cast(pa.timestamp("s"))) is None or (
        first_failure(strings.slice(row, 1), lambda part: part.cast(pa.timestamp("s", "UTC"))) is None
    ):
        return RowError(row, f"the time {text} is out of range", _OUT_OF_RANGE)
    return RowError(row, f"{text!r} is not a time", _FORMS)
