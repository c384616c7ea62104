"""Ids without loss: int64 where every id of a batch is a canonical integer, the very text otherwise."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from negprep.arrow import mask_as_numpy, strings
from negprep.compute import pc
from negprep.reading.pieces import RowError, first_failure, numbers, text_bytes, widened

MAX_ID_BYTES = 1 << 16
_EXACT_IN_FLOAT = 1 << 53

_NO_ID = [
    *(r"\N", "NA", "N/A", "n/a", "#N/A", "<NA>", "NULL", "Null", "null", "(null)", "<null>", "NONE", "None", "none"),
    *("NaN", "nan", "NAN", "NaT", "undefined", "nil"),
]


def parse_ids(array: pa.Array, noun: str) -> pa.Array:
    """Ids as int64 or string.

    Parameters
    ----------
    array : pa.Array
        Without nulls; text as ``pa.string()``.
    noun : str
        ``user id`` or ``item id``, for messages.

    Returns
    -------
    pa.Array
        int64 if every id is an integer in its shortest decimal form and fits, else string: ``007``, ``+7``,
        ``0x1F``, ``1e3`` and ``9223372036854775808`` are text.

    Raises
    ------
    RowError
        An id holds NUL, a byte order mark or invalid UTF-8, is too long, or comes from a type that bends ids.
    """
    kind = array.type
    if pa.types.is_string(kind):
        integers = canonical_integers(array)
        if integers is not None:
            return integers
        check_text(array, noun)
        return array
    if pa.types.is_uint64(kind) or (pa.types.is_decimal(kind) and kind.scale == 0):
        try:
            return array.cast(pa.int64())
        except pa.ArrowInvalid:
            return array.cast(pa.string())
    if pa.types.is_integer(kind):
        return widened(array)
    if pa.types.is_floating(kind):
        return _integral(array, noun)
    remedy = "an id must be an integer or a string"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        remedy = "make a row of each: frame.explode(COLUMN) of pandas does"
    raise RowError(0, f"the {noun} has the type {kind}", remedy)


def canonical_integers(strings: pa.Array) -> pa.Array | None:
    """The strings as int64, or None unless every one is an integer in its shortest decimal form."""
    if len(strings) == 0:
        return None
    _, data = text_bytes(strings)
    # Arrow casts hexadecimal too; 0x174876E800 has as many bytes as its decimal form.
    if not len(data) or data.max() > ord("9"):
        return None
    try:
        integers = strings.cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    # Any other spelling is longer than the shortest, so equal totals mean that every one is the shortest.
    return integers if _decimal_length(numbers(integers)) == len(data) else None


def _decimal_length(integers: np.ndarray) -> int:
    """Bytes that all integers together take in shortest decimal form."""
    low, high = int(integers.min()), int(integers.max())
    total = len(integers) + (int(np.count_nonzero(integers < 0)) if low < 0 else 0)
    power = 10
    while power <= max(high, -low):
        if power <= high:
            total += int(np.count_nonzero(integers >= power))
        if -power >= low:
            total += int(np.count_nonzero(integers <= -power))
        power *= 10
    return total


def _integral(array: pa.Array, noun: str) -> pa.Array:
    # pandas turns integers beside a null into floats: whole and small enough, they are still the same ids.
    floats = numbers(array.cast(pa.float64()))
    bent = np.flatnonzero((floats != np.floor(floats)) | (np.abs(floats) >= _EXACT_IN_FLOAT))
    if len(bent):
        what = f"the {noun} {floats[bent[0]]!s} is in a column of floats, which bend ids"
        raise RowError(int(bent[0]), what, "write ids as integers or strings")
    return array.cast(pa.float64()).cast(pa.int64())


def check_text(strings: pa.Array, noun: str) -> None:
    """Raise ``RowError`` for the first string that holds NUL, U+FEFF or invalid UTF-8, or is too long."""
    offsets, data = text_bytes(strings)
    lengths = np.diff(offsets)
    if len(lengths) and lengths.max() > MAX_ID_BYTES:
        row = int(lengths.argmax())
        raise RowError(row, f"the {noun} has {lengths[row]} bytes; the limit is {MAX_ID_BYTES}")
    if not len(data):
        return
    highest = data.max()
    if highest >= 0x80:
        broken = first_failure(strings, lambda part: part.validate(full=True))
        if broken is not None:
            raise RowError(broken, f"the {noun} is not UTF-8", "convert the text to UTF-8")
    if data.min() == 0:
        _refuse(
            strings, "\0", f"the {noun} holds a NUL byte", "UTF-16 text has them: iconv -f UTF-16 -t UTF-8 converts it"
        )
    if highest >= 0xEF:
        remedy = "were files joined that each start with one? Remove it"
        _refuse(strings, "\ufeff", f"the {noun} holds a byte order mark (U+FEFF)", remedy)


def _refuse(strings: pa.Array, mark: str, what: str, remedy: str) -> None:
    found = mask_as_numpy(pc.match_substring(strings, mark))
    if found.any():
        raise RowError(int(found.argmax()), what, remedy)


def doubts(ids: pa.Array, noun: str) -> list[str]:
    """Warnings that all ids are spelled as ids seldom are: with a space at an end, or in quotes.

    Parameters
    ----------
    ids : pa.Array
        The distinct ids of a log, int64 or string, none of them empty.
    noun : str
        ``user`` or ``item``.
    """
    if len(ids) == 0 or not pa.types.is_string(ids.type):
        return []
    offsets, data = text_bytes(ids)
    firsts, lasts = data[offsets[:-1] - offsets[0]], data[offsets[1:] - offsets[0] - 1]
    example = ids[0].as_py()
    found = [
        f"all {noun} ids {place} with a space, such as {example!r}: if that is padding, remove it from the log, in "
        "a CSV file by: sed 's/ *, */,/g'"
        for place, marks in (("begin", firsts), ("end", lasts))
        if (marks == ord(" ")).all()
    ]
    found += [
        f"all {noun} ids stand in quotes, such as {example}, which are taken for a part of them: if they are not, "
        f"remove them from the log by: tr -d {shown}"
        for mark, shown in (("'", '"\'"'), ('"', "'\"'"), ("`", "'`'"))
        if (firsts == ord(mark)).all() and (lasts == ord(mark)).all() and (np.diff(offsets) > 1).all()
    ]
    return found


def standing_for_none(ids: pa.Array) -> list[int]:
    """The places of ids that other programs write where there is none, such as ``NA``."""
    if len(ids) == 0 or not pa.types.is_string(ids.type):
        return []
    places: list[int] = np.flatnonzero(mask_as_numpy(pc.is_in(ids, strings(_NO_ID)))).tolist()
    return places
