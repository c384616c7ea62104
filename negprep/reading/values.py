"""Values (ratings, counts) to float64, and events to text."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from negprep.reading.ids import check_text
from negprep.reading.pieces import RowError, first_failure, numbers


def parse_values(array: pa.Array, noun: str = "value") -> pa.Array:
    """Values as finite float64; ``RowError`` for the first that is not a number.

    Parameters
    ----------
    array : pa.Array
        Without nulls or NaN; text as ``pa.string()``.
    noun : str
        What messages call one.
    """
    kind = array.type
    types = pa.types
    if not any(fits(kind) for fits in (types.is_string, types.is_integer, types.is_floating, types.is_decimal)):
        raise RowError(0, f"the {noun} has the type {kind}", f"a {noun} must be a number")
    # An integer above 2**53 is rounded: a rating or count of that size is compared, not kept.
    row = first_failure(array, lambda part: part.cast(pa.float64(), safe=False))
    if row is None:
        floats = array.cast(pa.float64(), safe=False)
        finite = np.isfinite(numbers(floats))
        if finite.all():
            return floats
        row = int(finite.argmin())
    raise RowError(row, f"{array[row].as_py()!r} is not a {noun}", f"a {noun} must be a finite number")


def parse_labels(array: pa.Array) -> pa.Array:
    """Labels as float64, 1 for a positive and 0 for a negative; ``RowError`` for the first that is neither.

    Parameters
    ----------
    array : pa.Array
        Without nulls or NaN; text as ``pa.string()``.
    """
    labels = parse_values(array.cast(pa.int8()) if pa.types.is_boolean(array.type) else array, "label")
    values = numbers(labels)
    other = np.flatnonzero((values != 0) & (values != 1))
    if other.size:
        raise RowError(int(other[0]), f"the label is {values[other[0]]:g}", "1 is a positive and 0 a negative")
    return labels


def parse_events(array: pa.Array) -> pa.Array:
    """Events as text, integers in decimal; ``RowError`` for another type or a string that holds NUL.

    Parameters
    ----------
    array : pa.Array
        Without nulls or empty strings; text as ``pa.string()``.
    """
    if pa.types.is_string(array.type):
        check_text(array, "event")
        return array
    if pa.types.is_integer(array.type):
        return array.cast(pa.string())
    raise RowError(0, f"the event has the type {array.type}", "an event must be a string or an integer")
