"""Values (ratings, counts) to float64, and events to text."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from negprep.arrow import strings
from negprep.compute import pc
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


def parse_ratings(array: pa.Array) -> pa.Array:
    """What ``--positive`` compares, as float64: true and false are 1 and 0, and 4.1 is 4.1 in single precision, too.

    Parameters
    ----------
    array : pa.Array
        As for ``parse_values``, or of the type bool.
    """
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    values = parse_values(array)
    if array.type in (pa.float32(), pa.float16()):
        scaled = numbers(values) * 1024.0  # few fractions of ratings are other than halves, and these are exact
        if not np.array_equal(scaled, np.floor(scaled)):
            return array.cast(pa.float32()).cast(pa.string()).cast(pa.float64())
    return values


def parse_numbers(array: pa.Array) -> pa.Array:
    """What ``--positive`` compares with numbers, as float64; true and false are 1 and 0, as text, too.

    Parameters
    ----------
    array : pa.Array
        Without nulls or NaN; text as ``pa.string()``.
    """
    if pa.types.is_string(array.type):
        lower = pc.ascii_lower(array)
        for word, digit in (("true", "1"), ("false", "0")):
            array = pc.if_else(pc.equal(lower, strings([word])[0]), strings([digit])[0], array)
    try:
        return parse_ratings(array)
    except RowError as error:
        what = error.what.replace("the value has", "the column of --positive has").replace("a value", "a number")
        remedy = "compare text with text in quotes, such as --positive 'type=\"1\"'"
        raise RowError(error.row, what, remedy) from None


def parse_flags(array: pa.Array) -> pa.Array:
    """What ``--positive`` names as true or false by itself, as float64: 1 for true, else 0 or -1."""
    remedy = "compare it: --positive 'NAME>=4' or 'NAME=buy'"
    try:
        flags = parse_numbers(array)
    except RowError as error:
        what = f"the column of --positive holds {array[error.row].as_py()!r}, which is neither true nor false"
        raise RowError(error.row, what, remedy) from None
    values = numbers(flags)
    other = np.flatnonzero(~np.isin(values, (-1, 0, 1)))
    if other.size:
        what = f"the column of --positive holds {values[other[0]]:g}, which is neither true nor false"
        raise RowError(int(other[0]), what, remedy)
    return flags


def parse_names(array: pa.Array) -> pa.Array:
    """What ``--positive`` compares with text, as text: integers in decimal, and true or false.

    Parameters
    ----------
    array : pa.Array
        Without nulls or empty strings; text as ``pa.string()``.
    """
    if pa.types.is_string(array.type):
        return array
    if pa.types.is_integer(array.type) or pa.types.is_boolean(array.type):
        return array.cast(pa.string())
    what = f"the column of --positive has the type {array.type}, and the rule compares it with text"
    raise RowError(0, what, "compare it with numbers, such as --positive 'NAME=1'")


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
