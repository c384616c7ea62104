"""The columns of a piece, as read, to canonical columns: ids, values and events, one type a role, nothing missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa

from negprep.arrays import Mask
from negprep.arrow import as_numpy, compact, first_failure, from_numpy, mask_as_numpy, pc, product, strings, text_bytes
from negprep.errors import RowError
from negprep.options.specs import TimeForms
from negprep.read.columns import CARRIED, FLAG, NAME, NUMBER, VALUE
from negprep.read.sources import Piece
from negprep.read.times import ORDERED, Clock, parse_times

MAX_ID_BYTES = 1 << 16
_EXACT_IN_FLOAT = 1 << 53

_NO_ID = [
    *(r"\N", "NA", "N/A", "n/a", "#N/A", "<NA>", "NULL", "Null", "null", "(null)", "<null>", "NONE", "None", "none"),
    *("NaN", "nan", "NAN", "NaT", "undefined", "nil"),
]


def parse_ids(array: pa.Array, noun: str) -> pa.Array:
    """Ids, without nulls and text as ``pa.string()``, as int64 or string.

    int64 if every id is an integer in its shortest decimal form and fits, else string: ``007``, ``+7``, ``0x1F``,
    ``1e3`` and ``9223372036854775808`` are text. ``noun`` is ``user id`` or ``item id``. Raises ``RowError`` if an id
    holds NUL, a byte order mark or invalid UTF-8, is too long, or comes from a type that bends ids.
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
        except pa.ArrowInvalid:  # one is too large; or the decimals have 32 bits, which Arrow does not cast
            text = array.cast(pa.string())
            integers = canonical_integers(text)
            return text if integers is None else integers
    if pa.types.is_integer(kind):
        return from_numpy(as_numpy(array)) if pa.types.is_int64(kind) else product(as_numpy(array), 1)
    if pa.types.is_floating(kind):
        return _integral(array, noun)
    remedy = "an id must be an integer or a string"
    if pa.types.is_boolean(kind):
        remedy = f"true and false name nobody: choose another column with --{noun.split()[0]}-col"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        remedy = "make a row of each: frame.explode(COLUMN) of pandas does"
    raise RowError(0, f"the {noun} has the type {kind}", remedy)


def _signed(kind: pa.DataType) -> pa.DataType:
    """The narrowest signed type that holds all integers of a type; int64 for uint64 and for what is not an integer."""
    return _SIGNED.get(kind, pa.int64())


_SIGNED = {
    pa.int8(): pa.int8(),
    pa.int16(): pa.int16(),
    pa.int32(): pa.int32(),
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
}


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
    return integers if _decimal_length(as_numpy(integers)) == len(data) else None


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
    floats = as_numpy(array.cast(pa.float64()))
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
        what = f"the {noun} has {lengths[row]} bytes, and the limit is {MAX_ID_BYTES}"
        raise RowError(row, what, "shorten it, such as by a hash, or read another column")
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

    ``ids`` are the distinct ids of a log, int64 or string, none of them empty; ``noun`` is ``user`` or ``item``.
    """
    spelling = Spelling()
    spelling.look_at(ids)
    return spelling.doubts(noun)


_MARKS = {"'": '"\'"', '"': "'\"'", "`": "'`'"}
"""Quotes, and how a shell is given each."""


class Spelling:
    """How all ids of some rows are spelled: with a space at an end, or in quotes. Those of other rows can be added."""

    def __init__(self) -> None:
        self._all: set[str] | None = None
        self._example: str | None = None

    def look_at(self, ids: pa.Array) -> None:
        """Take some ids, int64 or string, none of them empty."""
        if not len(ids) or self._all == set():
            return
        if not pa.types.is_string(ids.type):
            self._all = set()
            return
        offsets, data = text_bytes(ids)
        firsts, lasts = data[offsets[:-1] - offsets[0]], data[offsets[1:] - offsets[0] - 1]
        found = {end for end, marks in (("begin", firsts), ("end", lasts)) if (marks == ord(" ")).all()}
        found |= {
            mark
            for mark in _MARKS
            if (firsts == ord(mark)).all() and (lasts == ord(mark)).all() and (np.diff(offsets) > 1).all()
        }
        self._join(found, ids[0].as_py() if found else None)

    def __iadd__(self, other: Spelling) -> Self:
        """Add the ids of other rows."""
        if other._all is not None:
            self._join(other._all, other._example)
        return self

    def _join(self, found: set[str], example: str | None) -> None:
        self._all = found if self._all is None else self._all & found
        self._example = min((each for each in (self._example, example) if each is not None), default=None)

    def doubts(self, noun: str) -> list[str]:
        """The warnings; ``noun`` is ``user`` or ``item``."""
        found, example = self._all or set(), self._example
        return [
            f"all {noun} ids {end} with a space, such as {example!r}: if that is padding, remove it from the log, in a "
            "CSV file by: sed 's/ *, */,/g'"
            for end in ("begin", "end")
            if end in found
        ] + [
            f"all {noun} ids stand in quotes, such as {example}, which are taken for a part of them: if they are not, "
            f"remove them from the log by: tr -d {shown}"
            for mark, shown in _MARKS.items()
            if mark in found
        ]


def may_stand_for_none(noun: str, spelled: object, n_rows: int, n_all: int) -> str:
    """The warning that an id is what other programs write for a missing one."""
    return (
        f"the {noun} id '{spelled}' has {n_rows:,} of {n_all:,} rows: if it stands for no id, leave the field empty in "
        "the log, and --drop-invalid drops these rows"
    )


def standing_for_none(ids: pa.Array) -> list[int]:
    """The places of ids that other programs write for a missing one, such as ``NA``."""
    if len(ids) == 0 or not pa.types.is_string(ids.type):
        return []
    places: list[int] = np.flatnonzero(mask_as_numpy(pc.is_in(ids, strings(_NO_ID)))).tolist()
    return places


def parse_values(array: pa.Array, noun: str = "value") -> pa.Array:
    """Values, without nulls or NaN, as finite float64; ``RowError`` for the first that is not a number."""
    kind = array.type
    types = pa.types
    if not any(fits(kind) for fits in (types.is_string, types.is_integer, types.is_floating, types.is_decimal)):
        raise RowError(0, f"the {noun} has the type {kind}", f"a {noun} must be a number")
    # An integer above 2**53 is rounded: a rating or count of that size is compared, not kept.
    row = first_failure(array, lambda part: part.cast(pa.float64(), safe=False))
    if row is None:
        floats = array.cast(pa.float64(), safe=False)
        finite = np.isfinite(as_numpy(floats))
        if finite.all():
            return floats
        row = int(finite.argmin())
    raise RowError(row, f"{array[row].as_py()!r} is not a {noun}", f"a {noun} must be a finite number")


def parse_ratings(array: pa.Array) -> pa.Array:
    """What ``--positive`` compares, as float64: true and false are 1 and 0, and 4.1 is 4.1 in single precision, too."""
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    values = parse_values(array)
    if array.type in (pa.float32(), pa.float16()):
        scaled = as_numpy(values) * 1024.0  # few fractions of ratings are other than halves, and these are exact
        if not np.array_equal(scaled, np.floor(scaled)):
            return array.cast(pa.float32()).cast(pa.string()).cast(pa.float64())
    return values


def parse_numbers(array: pa.Array) -> pa.Array:
    """What ``--positive`` compares with numbers, as float64; true and false are 1 and 0, as text, too."""
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
    values = as_numpy(flags)
    other = np.flatnonzero(~np.isin(values, (-1, 0, 1)))
    if other.size:
        what = f"the column of --positive holds {values[other[0]]:g}, which is neither true nor false"
        raise RowError(int(other[0]), what, remedy)
    return flags


def parse_names(array: pa.Array) -> pa.Array:
    """What ``--positive`` compares with text, as text: integers in decimal, and true or false."""
    if pa.types.is_string(array.type):
        return array
    if pa.types.is_integer(array.type) or pa.types.is_boolean(array.type):
        return array.cast(pa.string())
    what = f"the column of --positive has the type {array.type}, and the rule compares it with text"
    raise RowError(0, what, "compare it with numbers, such as --positive 'NAME=1'")


_SINGLE = (
    *(pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_temporal),
    *(pa.types.is_string, pa.types.is_null),
)


def parse_carried(array: pa.Array, role: str) -> pa.Array:
    """Values that are carried along, as a dictionary: distinct values of the column's own type, a null among them.

    Text and bytes, which must be UTF-8, become ``pa.string()``, UUIDs their text, float16 float32, and -0.0 0.0.
    ``role`` is ``CARRIED`` and the name of the column. Raises ``RowError`` for a type that does not hold single values.
    """
    if pa.types.is_dictionary(array.type):
        codes = as_numpy(array.indices.cast(pa.int32()))
        values = _one_by_one(array.dictionary, role)
        if array.indices.null_count:
            codes = np.where(mask_as_numpy(array.indices.is_valid()), codes, np.int32(len(values)))
            values = pa.concat_arrays([values, pa.nulls(1, values.type)])
    else:
        encoded = _one_by_one(array, role, encode=True)
        codes, values = as_numpy(encoded.indices), encoded.dictionary
    if pa.types.is_floating(values.type):
        numbers = as_numpy(values)
        plain = from_numpy(np.where(np.isnan(numbers), np.nan, numbers + 0.0).astype(numbers.dtype))
        values = _spread_over(plain, values)
    elif pa.types.is_string(values.type):
        broken = first_failure(values, lambda part: part.validate(full=True))
        if broken is not None:
            row = int(np.flatnonzero(codes == broken)[0]) if (codes == broken).any() else 0
            raise RowError(row, f"the {role} is not UTF-8", "convert the text to UTF-8")
    return pa.DictionaryArray.from_arrays(from_numpy(codes), values)


def _one_by_one(array: pa.Array, role: str, *, encode: bool = False) -> pa.Array:
    """Single values of a type that is kept; on request encoded, which is done first where a value may be long."""
    kind = array.type
    if pa.types.is_float16(kind):
        array = array.cast(pa.float32())
    elif isinstance(kind, pa.BaseExtensionType) or not any(fits(kind) for fits in _SINGLE):
        array = simplified(array)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if not any(fits(array.type) for fits in _SINGLE) or pa.types.is_interval(array.type):
        raise RowError(0, f"the {role} has the type {kind}", "carried along are single values: numbers, text, times")
    if not encode:
        return array
    if pa.types.is_null(array.type):
        return pa.DictionaryArray.from_arrays(from_numpy(np.zeros(len(array), np.int32)), pa.nulls(1))
    return array.dictionary_encode(null_encoding="encode")


def _spread_over(values: pa.Array, like: pa.Array) -> pa.Array:
    """The values, null where those of another array are."""
    if not like.null_count:
        return values
    validity = np.packbits(mask_as_numpy(like.is_valid()), bitorder="little")
    return pa.Array.from_buffers(values.type, len(values), [pa.py_buffer(validity), values.buffers()[1]])


def parse_labels(array: pa.Array) -> pa.Array:
    """Labels as float64, 1 for a positive and 0 for a negative; ``RowError`` for the first that is neither."""
    labels = parse_values(array.cast(pa.int8()) if pa.types.is_boolean(array.type) else array, "label")
    values = as_numpy(labels)
    other = np.flatnonzero((values != 0) & (values != 1))
    if other.size:
        raise RowError(int(other[0]), f"the label is {values[other[0]]:g}", "1 is a positive and 0 a negative")
    return labels


def parse_events(array: pa.Array) -> pa.Array:
    """Events as text, integers in decimal; ``RowError`` for another type or a string that holds NUL."""
    if pa.types.is_string(array.type):
        check_text(array, "event")
        return array
    if pa.types.is_integer(array.type):
        return array.cast(pa.string())
    raise RowError(0, f"the event has the type {array.type}", "an event must be a string or an integer")


_INFINITE = [sign + word for sign in ("", "+", "-") for word in ("inf", "infinity")]
_NO_NUMBER = ["nan", "na", "n/a", "nat", "null", "none", r"\n", *_INFINITE]


@dataclass(frozen=True)
class Canonical:
    """The usable rows of a piece, a column a role without nulls; the rows read; those dropped, by reason; the clock.

    ``id_types``: Of ``user`` and ``item``, where there are rows: the type of their integers before they became int64.
    """

    batch: pa.RecordBatch
    rows: int
    dropped: dict[str, int]
    clock: Clock | None
    id_types: dict[str, pa.DataType]


def canonical(
    piece: Piece,
    *,
    drop_invalid: bool,
    may_lack: tuple[str, ...] | None = None,
    roles: Sequence[str] | None = None,
    forms: TimeForms = TimeForms(),  # noqa: B008 - frozen
) -> Canonical:
    """Check and convert one piece; ``BadDataError`` at the place of the first row that cannot be used.

    With ``drop_invalid`` rows without an id, time, value or event are dropped and counted instead. ``may_lack`` are the
    roles that may be null in a row of a file beside the log; None: this is the log. ``roles`` are those to convert
    (None: all); of the others only missing values matter.
    """
    rows = len(next(iter(piece.columns.values())))
    row_numbers = None
    try:
        columns = {
            role: parse_carried(column, role) if role.startswith(CARRIED) else simplified(column)
            for role, column in piece.columns.items()
        }
        missing = {role: mask for role, column in columns.items() if (mask := _missing(role, column)) is not None}
        lacking = {role: missing.pop(role) for role in may_lack or () if role in missing}
        if missing and not drop_invalid:
            row, role = min((int(mask.argmax()), role) for role, mask in missing.items())
            remedy = "--drop-invalid drops and counts such rows" if may_lack is None else "repair or remove the row"
            raise RowError(row, _ROLES[role].missing, remedy)
        dropped: dict[str, int] = {}
        if missing:
            keep = np.ones(rows, np.bool_)
            for role, mask in missing.items():
                reason = _ROLES[role].missing  # two roles may share one: a column of `--positive`
                if count := int(np.count_nonzero(mask & keep)):
                    dropped[reason] = dropped.get(reason, 0) + count
                keep &= ~mask
            row_numbers = np.flatnonzero(keep)
            columns = {role: columns[role].take(from_numpy(row_numbers)) for role in roles or columns}
            lacking = {role: mask[row_numbers] for role, mask in lacking.items()}
        wanted = {role: columns[role] for role in roles or columns}
        of_bytes = {role for role in wanted if role in ("user", "item") and _is_bytes(piece.columns[role].type)}
        parsed, clock = _parsed(wanted, piece.header, lacking, forms, of_bytes, is_log=may_lack is None)
    except RowError as error:
        row = error.row if row_numbers is None else int(row_numbers[error.row])
        raise error.at(piece.place(row)) from None
    batch = pa.record_batch(parsed)
    ids = ("user", "item") if batch.num_rows else ()
    id_types = {role: _signed(wanted[role].type) for role in ids if role in wanted}
    return Canonical(batch, rows, dropped, clock, id_types)


def in_order(rows: Canonical, before: int, roles: list[str]) -> Canonical:
    """The rows, with their positions after so many before as times, in seconds; with the columns of the roles."""
    positions = np.arange(before + 1, before + 1 + rows.batch.num_rows, dtype=np.int64) * 10**9
    return replace(rows, batch=rows.batch.append_column("time", from_numpy(positions)).select(roles), clock=ORDERED)


def _parsed(
    columns: dict[str, pa.Array],
    header: dict[str, str],
    lacking: dict[str, Mask],
    forms: TimeForms,
    of_bytes: set[str],
    *,
    is_log: bool,
) -> tuple[dict[str, pa.Array], Clock | None]:
    clock = None
    parsed = {}
    for role, column in columns.items():
        if role.startswith(CARRIED):
            parsed[role] = column
            continue
        present = np.flatnonzero(~lacking[role]) if role in lacking else None
        given = column if present is None else column.take(from_numpy(present))
        try:
            if len(given) == 0:
                parsed[role] = pa.nulls(0, _ROLES[role].empty)
            elif role == "time":
                parsed[role], clock = _times(given, forms, is_log=is_log)
            else:
                parsed[role] = _by_distinct(_ROLES[role].parse, given)
        except RowError as error:
            row = error.row if present is None else int(present[error.row])
            remedy = _TEXT_OF_BYTES if role in of_bytes else error.remedy
            raise RowError(row, error.what, remedy) from None
        if present is not None:
            parsed[role] = _spread(parsed[role], ~lacking[role])
    _refuse_second_header(parsed, header)
    return parsed, clock


def _spread(values: pa.Array, is_present: Mask) -> pa.Array:
    """The values at the rows that have one, and null at the others."""
    validity = np.packbits(is_present, bitorder="little")
    buffers = [pa.py_buffer(validity), pa.py_buffer(np.cumsum(is_present, dtype=np.int64) - 1)]
    return values.take(pa.Array.from_buffers(pa.int64(), len(is_present), buffers))


class _Role(NamedTuple):
    """Why a row without it cannot be used, what parses it, and its type in a batch without rows."""

    missing: str
    parse: Callable[[pa.Array], pa.Array]
    empty: pa.DataType


_TEXT_OF_BYTES = "bytes are read as UTF-8: write hashes as text, such as hexadecimal, and UUIDs as the type UUID"
_OF_POSITIVE = "missing value in the column of --positive"
_ROLES = {
    "user": _Role("null user id", lambda array: parse_ids(array, "user id"), pa.int64()),
    "item": _Role("null item id", lambda array: parse_ids(array, "item id"), pa.int64()),
    "time": _Role("missing or infinite time", lambda array: parse_times(array)[0], pa.int64()),
    "value": _Role("missing or infinite value", parse_values, pa.float64()),
    "event": _Role("missing event", parse_events, pa.string()),
    "label": _Role("missing label", parse_labels, pa.float64()),
    "score": _Role("missing or infinite score", lambda array: parse_values(array, "score"), pa.float64()),
    "group": _Role("missing group", lambda array: parse_ids(array, "group"), pa.int64()),
    VALUE: _Role("missing or infinite value", parse_ratings, pa.float64()),
    NUMBER: _Role(_OF_POSITIVE, parse_numbers, pa.float64()),
    FLAG: _Role(_OF_POSITIVE, parse_flags, pa.float64()),
    NAME: _Role(_OF_POSITIVE, parse_names, pa.string()),
}


def _times(column: pa.Array, forms: TimeForms, *, is_log: bool) -> tuple[pa.Array, Clock]:
    clocks: list[Clock] = []

    def parse(array: pa.Array) -> pa.Array:
        try:
            times, clock = parse_times(array, forms)
        except RowError:
            if is_log or not forms:
                raise
            times, clock = parse_times(array)  # beside a log, times may be written in another way
        clocks.append(clock)
        return times

    return _by_distinct(parse, column), clocks[0]


def _by_distinct(parse: Callable[[pa.Array], pa.Array], column: pa.Array) -> pa.Array:
    """``parse`` a column; of a dictionary, only the values that occur: a huge one is not spelled out."""
    if not pa.types.is_dictionary(column.type):
        return parse(column)
    column = compact(column)
    codes = as_numpy(column.indices)
    try:
        parsed = parse(column.dictionary)
    except RowError as error:
        row = int(np.flatnonzero(codes == error.row)[0])
        raise RowError(row, error.what, error.remedy) from None
    if pa.types.is_string(parsed.type):
        return pa.DictionaryArray.from_arrays(column.indices, parsed, safe=False)
    return parsed.take(column.indices)


def simplified(column: pa.Array) -> pa.Array:
    """Text as ``pa.string()``, dictionaries as int32 to text, other dictionaries spelled out.

    Bytes become text as they are, UTF-8 or not; UUIDs become their text form.
    """
    kind = column.type
    if pa.types.is_run_end_encoded(kind):
        return simplified(pc.run_end_decode(column))
    if pa.types.is_dictionary(kind):
        if _is_text(kind.value_type):
            return column.cast(pa.dictionary(pa.int32(), pa.string()))
        return simplified(column.dictionary_decode())
    if isinstance(kind, pa.BaseExtensionType):
        return _spelled(column.storage) if kind.extension_name == "arrow.uuid" else simplified(column.storage)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        text = pa.string() if pa.types.is_binary(kind) else pa.large_string()
        return column.view(text).cast(pa.string())
    if pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind):
        return simplified(column.cast(pa.binary()))
    return column.cast(pa.string()) if _is_text(kind) or pa.types.is_null(kind) else column


def _spelled(uuids: pa.Array) -> pa.Array:
    """UUIDs, 16 bytes each, as text: ``550e8400-e29b-41d4-a716-446655440000``; nulls stay."""
    size = len(uuids)
    data = np.frombuffer(uuids.buffers()[1], np.uint8, size * 16, uuids.offset * 16).reshape(size, 16)
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    pairs = np.stack([digits[data >> 4], digits[data & 15]], axis=2).reshape(size, 32)
    text = np.insert(pairs, [8, 12, 16, 20], ord("-"), axis=1)
    offsets = np.arange(size + 1, dtype=np.int32) * np.int32(36)
    made = pa.Array.from_buffers(pa.string(), size, [None, pa.py_buffer(offsets), pa.py_buffer(text.tobytes())])
    if not uuids.null_count:
        return made
    return _spread(
        made.take(from_numpy(np.flatnonzero(mask_as_numpy(uuids.is_valid())))), mask_as_numpy(uuids.is_valid())
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    """Whether the values are bytes that need not be text, or a dictionary of such."""
    if pa.types.is_dictionary(kind):
        return _is_bytes(kind.value_type)
    sizes = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    return any(fits(kind) for fits in sizes)


def _missing(role: str, column: pa.Array) -> Mask | None:
    """The rows without a usable value, or None where there is none; what is carried may lack some."""
    if role.startswith(CARRIED):
        return None
    mask = mask_as_numpy(column.is_null()) if column.null_count else None
    other: Mask | None = None
    if pa.types.is_dictionary(column.type):
        values = _missing(role, column.dictionary)
        if values is not None:
            indices = as_numpy(column.indices)
            mask = values[indices] if mask is None else np.logical_or(mask, values[np.where(mask, 0, indices)])
    elif pa.types.is_string(column.type):
        other = _missing_text(role, column)
    elif pa.types.is_floating(column.type) and role not in ("event", NAME):
        floats = as_numpy(column)
        other = np.isnan(floats) if role in ("user", "item", "group") else ~np.isfinite(floats)
    if other is not None:
        mask = other if mask is None else mask | other
    return mask if mask is not None and mask.any() else None


def _missing_text(role: str, column: pa.Array) -> Mask:
    offsets, data = text_bytes(column)
    empty: Mask = np.equal(offsets[1:], offsets[:-1])
    # The words start with a letter or a backslash, which lie above the digits and the colon of a time.
    if (role == "time" or _ROLES[role].empty == pa.float64()) and len(data) and data.max() > ord(":"):
        empty = np.logical_or(empty, mask_as_numpy(pc.is_in(pc.ascii_lower(column), strings(_NO_NUMBER))))
    return empty


def _refuse_second_header(parsed: dict[str, pa.Array], header: dict[str, str]) -> None:
    """Files joined with their headers would make a user and an item of the second one."""
    ids = {role: name for role, name in header.items() if role in ("user", "item") and role in parsed}
    if not ids or any(pa.types.is_integer(parsed[role].type) for role in ids):
        return
    again = None
    for role, name in ids.items():
        found = pc.equal(parsed[role], strings([name])[0])
        again = found if again is None else pc.and_(again, found)
    if again is not None and again.true_count:
        raise RowError(again.index(True).as_py(), "the header occurs again", "were files joined? Remove the line")
