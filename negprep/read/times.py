"""Times to nanoseconds since 1970: the unit of numbers, dates as text, and the formats that a user names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import add
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from negprep.arrays import Counts, Mask
from negprep.arrow import as_numpy, first_failure, from_numpy, mask_as_numpy, pc, product, strings, text_bytes
from negprep.errors import RowError
from negprep.options.specs import MONTHS, UNITS, TimeFormat, TimeForms

_CLOCKS = (" %H:%M:%S", " %H:%M", " %H:%M:%S.%f", " %I:%M:%S %p", " %I:%M %p")
_ZONES = (" %Z", " %z")

UNPADDED = "like 2024-5-1"
"""The form of ISO 8601 without leading zeros."""


@cache
def known() -> dict[str, tuple[TimeFormat, ...]]:
    """The formats of each form besides ISO 8601, by its name; none could have day and month the other way round."""
    return {
        "like 2024-05": _dates("%Y-%m"),
        "like 2024/05/01": _dates("%Y/%m/%d", clocks=_CLOCKS),
        "like 2024.05.01": _dates("%Y.%m.%d", clocks=_CLOCKS),
        UNPADDED: _dates("%Y-%m-%d", clocks=_CLOCKS),
        "like 2024-05-01 12:30:00 UTC": _zoned("%Y-%m-%d", clocks=_CLOCKS[:3]),
        "like 2024/05/01 12:30:00 UTC": _zoned("%Y/%m/%d", clocks=_CLOCKS[:3]),
        "like Wed May 01 12:30:00 +0000 2024": _dates("%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Z %Y"),
        "like Wed May 01 12:30:00 2024": _dates("%a %b %d %H:%M:%S %Y"),
        "like Wed, 01 May 2024 12:30:00 +0000": _zoned("%a, %d %b %Y", "%d %b %Y", clocks=_CLOCKS[:2]),
        "like 01/May/2024:12:30:00 +0000": _dates("%d/%b/%Y:%H:%M:%S %z"),
        "like 05 01, 2024": _dates("%m %d, %Y"),
        "like May 1, 2024": _dates("%b %d, %Y", "%b %d %Y", "%a, %b %d, %Y", clocks=(*_CLOCKS, *_AFTER_COMMA)),
        "like 1 May 2024": _dates("%d %b %Y", "%d-%b-%Y", "%d/%b/%Y", "%a, %d %b %Y", clocks=_CLOCKS),
    }


_AFTER_COMMA = tuple(f",{clock}" for clock in _CLOCKS)


def _dates(*days: str, clocks: Sequence[str] = ()) -> tuple[TimeFormat, ...]:
    return tuple(TimeFormat.parse(day + clock) for clock in ("", *clocks) for day in days)


def _zoned(*days: str, clocks: Sequence[str]) -> tuple[TimeFormat, ...]:
    return tuple(TimeFormat.parse(day + clock + zone) for clock in clocks for zone in _ZONES for day in days)


_NUMERIC = re.compile(
    r"(\d{1,4})(?P<mark>[/.-])(\d{1,2})(?P=mark)(\d{1,4})"
    r"(?:(?P<between>,?[ T]+)\d{1,2}:\d\d(?P<second>:\d\d(?P<fraction>\.\d{1,9})?)?(?P<half>\s?[ap]m)?"
    r"(?P<zone> ?(?:z|utc|gmt|[+-]\d\d:?\d\d))?)?",
    re.IGNORECASE | re.ASCII,
)
_LOOKED_AT = 100_000


class Read(NamedTuple):
    """Texts read by some formats: times int64 (0 if no format fits); which fit; which fit a date out of range."""

    times: Counts
    fits: Mask
    beyond: Mask


def read_dates(texts: pa.Array, formats: Iterable[TimeFormat]) -> Read:
    """Read each of the texts, ``pa.string()`` without nulls, by the first of the formats that it fits."""
    times, fits, beyond = np.zeros(len(texts), np.int64), np.zeros(len(texts), bool), np.zeros(len(texts), bool)
    left = np.arange(len(texts))
    for each in formats:
        if not len(left):
            break
        found = pc.extract_regex(texts.take(from_numpy(left)), each.pattern)
        rows = np.flatnonzero(mask_as_numpy(found.is_valid()))
        if not len(rows):
            continue
        groups = found.take(from_numpy(rows)).flatten()
        seconds, fraction, is_date = _seconds({found.type[place].name: group for place, group in enumerate(groups)})
        in_range = np.abs(seconds) < (2**63 - 1) // 10**9
        good, rows = is_date & in_range, left[rows]
        times[rows[good]] = seconds[good] * 10**9 + fraction[good]
        fits[rows[good]] = True
        beyond[rows[is_date & ~in_range]] = True
        left = np.flatnonzero(~fits & ~beyond)
    return Read(times, fits, beyond)


def _seconds(groups: dict[str, pa.Array]) -> tuple[Counts, Counts, Mask]:
    """Seconds since 1970, nanoseconds after them, and whether each is a date at all."""
    n = len(next(iter(groups.values())))

    def number(word: str, default: int = 0) -> Counts:
        if word not in groups:
            return np.full(n, default, np.int64)
        given: Counts = as_numpy(groups[word].cast(pa.int64()))
        return given

    parts = {word: number(word, word in "md") for word in "YmdHMS"}
    good = np.ones(n, bool)
    if "y" in groups:  # as POSIX has it
        short = number("y")
        parts["Y"] = short + np.where(short < 69, 2000, 1900)
    if "b" in groups:
        names = pc.utf8_slice_codeunits(pc.ascii_lower(groups["b"]), 0, 3)
        parts["m"] = 1 + as_numpy(pc.index_in(names, value_set=strings(list(MONTHS)))).astype(np.int64)
    if "I" in groups:
        hour = number("I")
        good = (hour >= 1) & (hour <= 12)
        is_late = mask_as_numpy(pc.is_in(groups["p"], value_set=strings(["p", "P"])))
        parts["H"] = hour % 12 + np.where(is_late, 12, 0)
    seconds, is_date = seconds_of(parts)
    if "sign" in groups:
        for word in ("zh", "zm"):  # empty beside Z, or where only hours are written
            groups[word] = pc.replace_substring_regex(groups[word], "^$", "0")
        hours, minutes = number("zh"), number("zm")
        is_west = mask_as_numpy(pc.equal(groups["sign"], "-"))
        seconds -= np.where(is_west, -1, 1) * (hours * 3600 + minutes * 60)
        good = good & (hours < 24) & (minutes < 60)
    fraction = np.zeros(n, np.int64)
    if "f" in groups:
        fraction = as_numpy(pc.ascii_rpad(groups["f"], 9, "0").cast(pa.int64()))
    return seconds, fraction, good & is_date


def seconds_of(parts: Mapping[str, Counts]) -> tuple[Counts, Mask]:
    """Seconds since 1970 of years, months, ... (``Y``, ``m``, ``d``, ``H``, ``M``, ``S``), and which are dates."""
    month, day, hour, minute, second = (parts[word] for word in "mdHMS")
    months = ((parts["Y"] - 1970) * 12 + month - 1).astype("M8[M]")
    first, following = (each.astype("M8[D]").astype(np.int64) for each in (months, months + 1))
    days = first + day - 1
    good = (month >= 1) & (month <= 12) & (day >= 1) & (days < following)
    good &= (hour < 24) & (minute < 60) & (second < 60)
    return days * 86400 + hour * 3600 + minute * 60 + second, good


def guessed(texts: pa.Array) -> dict[str, list[str]]:
    """The formats of dates in numbers, such as ``1/2/2019 1:00``, for each order that all the texts can have.

    What is first (``the month is first``) to the formats, the most frequent first; empty if a text is something else.
    """
    distinct = texts.unique().slice(0, _LOOKED_AT)
    shapes: Counter[tuple[str, str]] = Counter()
    for text in distinct.cast(pa.binary()).to_pylist():
        found = _NUMERIC.fullmatch(text.decode("utf-8", "replace"))
        if found is None:
            return {}
        shapes[found["mark"], _clock_of(found)] += 1
    made = {}
    for order in ("mdY", "dmY", "mdy", "dmy", "ymd"):
        formats = [mark.join(f"%{word}" for word in order) + clock for (mark, clock), _ in shapes.most_common()]
        read = read_dates(distinct, map(TimeFormat.parse, formats))
        if (read.fits | read.beyond).all():
            made[f"the {_NAMES[order[0]]} is first"] = formats
    return made


_NAMES = {"m": "month", "d": "day", "y": "year"}


def _clock_of(found: re.Match[str]) -> str:
    if found["between"] is None:
        return ""
    clock = ("%I" if found["half"] else "%H") + ":%M" + (":%S" if found["second"] else "")
    clock += (".%f" if found["fraction"] else "") + (
        " " * (found["half"] or "").count(" ") + "%p" if found["half"] else ""
    )
    zone = found["zone"] or ""
    word = "" if not zone else "%z" if zone.strip()[0] in "+-" else "%Z"
    return found["between"] + clock + (" " if zone.startswith(" ") else "") + word


def as_options(formats: Iterable[str]) -> str:
    """The formats as options for a shell."""
    return " ".join(f"--time-format '{each}'" for each in formats)


def options_for(texts: pa.Array) -> str | None:
    """A remedy for dates in an unclear order: the options for each order; None for other texts."""
    return " or ".join(f"{as_options(formats)} if {first}" for first, formats in guessed(texts).items()) or None


def addition(text: str, formats: Sequence[TimeFormat]) -> str | None:
    """The option to add for a text that fits none of the formats, if it has their order; else None."""
    given = {each.date_order.lower() for each in formats}
    for found in guessed(pa.array([text], pa.string())).values():
        if TimeFormat.parse(found[0]).date_order.lower() in given and found[0] not in [each.text for each in formats]:
            return as_options(found)
    return None


# An integer is read as seconds below the first limit (the year 5138), as milliseconds below the second, and so on.
_UNITS = (("in seconds", 10**9), ("in milliseconds", 10**6), ("in microseconds", 10**3), ("in nanoseconds", 1))
_TIME_LIMITS = np.array([10**11, 10**14, 10**17], np.float64)
_NAIVE, _ZONED = "without a zone", "with a zone"
_FORMS = (
    "times are seconds, milliseconds, microseconds or nanoseconds since 1970, 20240501, or like 2024-05-01T12:30:00; "
    "--time-format reads others, in strptime's words"
)
_OUT_OF_RANGE = "times reach from 1677-09-21 to 2262-04-11"
_MIXED = "write all times in one form"

# Dates as one number: the format, and the least and the greatest that is taken for one without being asked.
_COMPACT = {
    "written as YYYYMMDD": ("%Y%m%d", 19900101, 21001231),
    "written as YYYYMMDDHHMM": ("%Y%m%d%H%M", 199001010000, 210012312359),
    "written as YYYYMMDDHHMMSS": ("%Y%m%d%H%M%S", 19900101000000, 21001231235959),
}
_COMPACT_FORMATS = {form: kind for kind, (form, _, _) in _COMPACT.items()}
_EITHER = "if these are numbers, give their unit, such as --time-format seconds"

_EARLIEST = 631152000 * 10**9
"""1990: what is earlier is seldom a time of a log."""

_SMALLEST_SECONDS = 10**8
"""Numbers below that are an order, not seconds since 1970: that would be before March 1973."""


@dataclass(frozen=True)
class Clock:
    """How the times of a batch are written (``in seconds``, ``with a zone``, ...), and one of them."""

    kind: str
    example: str

    @property
    def is_dated(self) -> bool:
        """Whether times are written as dates, not as numbers."""
        return all(self.kind != unit for unit, _ in _UNITS) and self != ORDERED


ORDERED = Clock("a position in the log", "1")
"""That of rows whose order is their time."""


def parse_times(array: pa.Array, forms: TimeForms = TimeForms()) -> tuple[pa.Array, Clock]:  # noqa: B008 - frozen
    """Times as int64 nanoseconds since 1970-01-01T00:00:00 (UTC if they have a zone), and how they are written.

    At least one time, without nulls or NaN; text as ``pa.string()``. The unit of a number follows from its size: below
    1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds. Numbers with a fraction are exact to the
    microsecond. If at least half of the numbers are dates of 1990 to 2100 written as YYYYMMDD, YYYYMMDDHHMM or
    YYYYMMDDHHMMSS, all must be. Raises ``RowError`` for a time of no known form, of another form or unit than the
    others, or outside 1677 to 2262.
    """
    kind = array.type
    if pa.types.is_string(kind):
        return _from_formats(array, forms) if forms.formats else _from_text(array, forms)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        if forms:
            raise RowError(0, f"--time-format is for text and numbers; the time has the type {kind}", "leave it out")
        # Only the instants matter; a cast between zones would want the zone database.
        instants = array.cast(pa.timestamp("ms") if pa.types.is_date(kind) else pa.timestamp(kind.unit))
        row = first_failure(instants, lambda part: part.cast(pa.timestamp("ns")))
        if row is not None:
            raise RowError(row, f"the time {_spelled(instants, row)} is out of range", _OUT_OF_RANGE)
        clock = Clock(_NAIVE if pa.types.is_date(kind) or kind.tz is None else _ZONED, _spelled(instants, 0))
        return instants.cast(pa.timestamp("ns")).cast(pa.int64()), clock
    if pa.types.is_uint64(kind):
        row = first_failure(array, lambda part: part.cast(pa.int64()))
        if row is not None:
            raise RowError(row, f"the time {array[row]} is out of range", _OUT_OF_RANGE)
    if pa.types.is_integer(kind):  # numpy converts what Arrow would need its functions for
        return _from_integers(from_numpy(as_numpy(array).astype(np.int64, copy=False)), forms)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _from_floats(array.cast(pa.float64()), forms)
    raise RowError(0, f"the time has the type {kind}", _FORMS)


def parse_instant(text: str, like: Clock | None = None) -> tuple[int, Clock]:
    """One time, as ``parse_times`` takes it: nanoseconds since 1970, and how it is written.

    ``like`` is how the log writes its times: if as numbers, ``20240501`` is one, too; else it is a date.
    """
    is_number = like is not None and not like.is_dated
    parsed, clock = _from_text(strings([text]), TimeForms(), compact=not is_number)
    return parsed[0].as_py(), clock


def _spelled(instants: pa.Array, row: int) -> str:
    # A scalar's own text ends with the year 9999, and takes pandas for nanoseconds.
    return str(instants.slice(row, 1).cast(pa.string())[0])


def _bands(values: np.ndarray, low: float, high: float) -> tuple[str, int]:
    """The one unit of all numbers, of which two are the least and the greatest, and its nanoseconds."""
    smallest = low if low >= 0 else -high if high <= 0 else float(np.abs(np.asarray(values, np.float64)).min())
    bands = np.searchsorted(_TIME_LIMITS, [smallest, max(-low, high)], side="right")
    if bands[0] != bands[1]:
        each = np.searchsorted(_TIME_LIMITS, np.abs(np.asarray(values, np.float64)), side="right")
        row = int(np.flatnonzero(each != each[0])[0])
        first, other = _UNITS[each[0]][0], _UNITS[each[row]][0]
        raise RowError(row, mixed(_shown(values[row]), other, Clock(first, _shown(values[0]))), _MIXED)
    return _UNITS[bands[0]]


def mixed(time: str, kind: str, other: Clock) -> str:
    """The message that two times are not of one kind."""
    return f"the time {time} is {kind}, but {other.example} is {other.kind}"


def mixed_clocks(now: Clock, before: Clock) -> RowError:
    """The error that the times of two batches are not of one kind."""
    is_either = any(clock.kind in _COMPACT for clock in (now, before))
    return RowError(0, mixed(now.example, now.kind, before), f"{_MIXED}; {_EITHER}" if is_either else _MIXED)


def _shown(value: np.number[Any]) -> str:
    return str(int(value)) if value == np.floor(value) and abs(value) < 2**63 else str(float(value))


def _scale(values: np.ndarray, low: float, high: float, forms: TimeForms) -> tuple[str, int]:
    """The unit of all numbers, and its nanoseconds."""
    return _bands(values, low, high) if forms.unit is None else (f"in {forms.unit}", UNITS[forms.unit])


def _from_integers(array: pa.Array, forms: TimeForms, *, compact: bool = True) -> tuple[pa.Array, Clock]:
    values = as_numpy(array)
    low, high = int(values.min()), int(values.max())
    kind = _compact_kind(values, low, high, forms) if compact else None
    if kind is not None:
        return _from_compact(values, kind, by_format=bool(forms.formats))
    if forms.formats:
        return _from_formats(array.cast(pa.string()), forms)
    unit, nanoseconds = _scale(values, low, high, forms)
    limit = (2**63 - 1) // nanoseconds
    if high > limit or low < -limit:
        row = int(np.flatnonzero((values > limit) | (values < -limit))[0])
        raise RowError(row, f"the time {values[row]} is out of range", _OUT_OF_RANGE)
    return product(values, nanoseconds), Clock(unit, str(values[0]))


def _compact_kind(values: np.ndarray, low: int, high: int, forms: TimeForms) -> str | None:
    """How integers are dates, if the user names the format, or at least half of them are dates of a log."""
    if forms:
        return _COMPACT_FORMATS.get(forms.formats[0].text) if len(forms.formats) == 1 else None
    for kind, (_, least, most) in _COMPACT.items():
        if low <= most and high >= least:
            inside = values[(values >= least) & (values <= most)]
            if 2 * len(inside) >= len(values) and 2 * np.count_nonzero(_compact_seconds(inside, kind)[1]) >= len(
                values
            ):
                return kind
    return None


def clock_between(low: int, high: int, forms: TimeForms) -> int | None:
    """The nanoseconds of the unit that integers between two have; None if they may be dates, or of several units."""
    if forms.unit is not None:
        return UNITS[forms.unit]
    if forms or low < 0 or any(low <= most and high >= least for _, least, most in _COMPACT.values()):
        return None
    first, last = np.searchsorted(_TIME_LIMITS, [low, high], side="right").tolist()
    return _UNITS[first][1] if first == last else None


def _compact_seconds(values: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Seconds since 1970 of dates as integers, and which are dates at all."""
    parts = dict.fromkeys("HMS", np.zeros(len(values), np.int64))
    for word in reversed(_COMPACT[kind][0].split("%")[2:]):
        values, parts[word] = np.divmod(values, 100)
    seconds, is_time = seconds_of(parts | {"Y": values})
    return seconds, is_time & (values >= 1000) & (values <= 9999)


def _from_compact(values: np.ndarray, kind: str, *, by_format: bool) -> tuple[pa.Array, Clock]:
    seconds, good = _compact_seconds(values, kind)
    if not good.all():
        row = int(good.argmin())
        if by_format:
            raise RowError(row, f"the time {values[row]} is not {kind}", "correct it")
        first = values[int(good.argmax())]
        raise RowError(row, f"the time {values[row]} is not a date, but {first} is {kind}", f"correct it; {_EITHER}")
    outside = np.flatnonzero(np.abs(seconds) > (2**63 - 1) // 10**9 - 1)
    if len(outside):
        raise RowError(int(outside[0]), f"the time {values[outside[0]]} is out of range", _OUT_OF_RANGE)
    return from_numpy(seconds * 10**9), Clock(kind, str(values[0]))


def _from_floats(array: pa.Array, forms: TimeForms, *, compact: bool = True) -> tuple[pa.Array, Clock]:
    values = as_numpy(array)
    outside = np.flatnonzero(np.abs(values) >= 2.0**63)
    if len(outside):
        raise RowError(int(outside[0]), f"the time {_shown(values[outside[0]])} is out of range", _OUT_OF_RANGE)
    # pandas turns integers beside a null into floats; a date has no fraction, and fits into 53 bits.
    if (forms.formats or compact) and (is_whole := values == np.floor(values)).all():
        integers = values.astype(np.int64)
        low, high = int(integers.min()), int(integers.max())
        if forms.formats or _compact_kind(integers, low, high, forms) is not None:
            return _from_integers(from_numpy(integers), forms)
    elif forms.formats:
        row = int(is_whole.argmin())
        raise RowError(row, f"the time {_shown(values[row])} has a fraction", "leave --time-format out")
    unit, nanoseconds = _scale(values, float(values.min()), float(values.max()), forms)
    if nanoseconds == 1:
        raise RowError(0, f"the time {_shown(values[0])} is in nanoseconds, which floats bend", "write integers")
    microseconds = np.rint(values * (nanoseconds // 1000))
    outside = np.flatnonzero(np.abs(microseconds) > (2**63 - 1) // 1000)
    if len(outside):
        raise RowError(int(outside[0]), f"the time {_shown(values[outside[0]])} is out of range", _OUT_OF_RANGE)
    return from_numpy(microseconds.astype(np.int64) * 1000), Clock(unit, _shown(values[0]))


def _from_text(texts: pa.Array, forms: TimeForms, *, compact: bool = True) -> tuple[pa.Array, Clock]:
    for kind, read in _READERS.items():
        if forms and kind in (_NAIVE, _ZONED):
            continue
        try:
            parsed = read(texts)
        except ValueError:
            continue
        if pa.types.is_timestamp(parsed.type):
            return parsed.cast(pa.int64()), Clock(kind, texts[0].as_py())
        if pa.types.is_integer(parsed.type):
            return _from_integers(parsed, forms, compact=compact)
        return _from_floats(_finite(parsed, texts), forms, compact=compact)
    if forms:
        row = first_failure(texts, _READERS["a number"]) or 0
        raise RowError(row, f"{_text(texts, row)!r} is not a number", f"leave --time-format {forms.unit} out")
    form = _known_form(texts[:1])
    if form is not None:
        try:
            # A date without leading zeros is a date: that of another batch may need none.
            return from_numpy(_as_dates(texts, form)), Clock(_NAIVE if form == UNPADDED else form, texts[0].as_py())
        except ValueError:
            pass
    raise _explained(texts)


def _from_formats(texts: pa.Array, forms: TimeForms) -> tuple[pa.Array, Clock]:
    """Read text by the formats that the user names."""
    if len(forms.formats) == 1 and forms.formats[0].text in _COMPACT_FORMATS:
        try:
            integers = _integers(texts)
        except ValueError:
            pass
        else:
            return _from_integers(integers, forms)
    coded = texts.dictionary_encode()
    distinct, codes = coded.dictionary, as_numpy(coded.indices)
    found = read_dates(distinct, forms.formats)
    if not found.fits.all():
        row = int((~found.fits)[codes].argmax())
        text = _text(texts, row)
        if found.beyond[codes[row]]:
            raise RowError(row, f"the time {text} is out of range", _OUT_OF_RANGE)
        shown = " or ".join(repr(each.text) for each in forms.formats)
        more = addition(text, forms.formats)
        remedy = f"correct it, or add {more}" if more else "correct it, or repeat --time-format with another format"
        raise RowError(row, f"the time {text!r} does not fit --time-format {shown}", remedy)
    return from_numpy(found.times[codes]), Clock(_ZONED if forms.formats[0].has_zone else _NAIVE, texts[0].as_py())


def _known_form(text: pa.Array) -> str | None:
    """The known form of dates that a single text has."""
    return next((form for form, formats in known().items() if read_dates(text, formats).fits.all()), None)


def _as_dates(texts: pa.Array, form: str) -> np.ndarray:
    """Times of one of the known forms; ``ValueError`` if a text has another."""
    coded = texts.dictionary_encode()
    found = read_dates(coded.dictionary, known()[form])
    if not found.fits.all():
        raise ValueError(form)
    times: np.ndarray = found.times[as_numpy(coded.indices)]
    return times


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
    finite = np.isfinite(as_numpy(floats))
    if not finite.all():
        row = int(finite.argmin())
        raise RowError(row, f"the time {strings[row].as_py()!r} is out of range", _OUT_OF_RANGE)
    return floats


def _kind(string: pa.Array) -> str | None:
    """Which reader takes a single string, or which form it has."""
    for kind, read in _READERS.items():
        if first_failure(string, read) is None:
            return "a number" if kind == "an integer" else kind
    return _known_form(string)


def _explained(texts: pa.Array) -> RowError:
    """Why no reader takes all of the strings."""
    kind = _kind(texts[:1])
    row = 0
    if kind is not None:
        read = _READERS.get(kind, lambda part: _as_dates(part, str(kind)))
        row = first_failure(texts, read) or 0
    text, alone = _text(texts, row), texts.slice(row, 1)
    other = _kind(alone)
    if kind and other:
        return RowError(row, mixed(text, other, Clock(kind, texts[0].as_py())), _MIXED)
    if first_failure(alone, lambda part: part.cast(pa.timestamp("s"))) is None or (
        first_failure(alone, lambda part: part.cast(pa.timestamp("s", "UTC"))) is None
    ):
        return RowError(row, f"the time {text} is out of range", _OUT_OF_RANGE)
    if any(read_dates(alone, formats).beyond.all() for formats in known().values()):
        return RowError(row, f"the time {text} is out of range", _OUT_OF_RANGE)
    options = options_for(alone)
    if options is not None:
        options = options_for(texts) or options
        what = f"the time {text} could have its day or its month first"
        if " or " not in options:
            what = f"the time {text} is in an order that is not taken for granted"
        return RowError(row, what, f"give {options}")
    return RowError(row, f"{text!r} is not a time", _FORMS)


def _text(texts: pa.Array, row: int) -> str:
    """One of the texts for a message, whatever its bytes."""
    return bytes(texts.slice(row, 1).cast(pa.binary())[0].as_py()).decode("utf-8", "backslashreplace")


class Span(NamedTuple):
    """The first and last time of some rows; the rows before 1990, after tomorrow, and all."""

    first: int
    last: int
    early: int
    late: int
    rows: int

    @classmethod
    def of(cls, times: np.ndarray, tomorrow: int) -> Span:
        """The span of at least one time."""
        first, last = int(times.min()), int(times.max())
        early = int(np.count_nonzero(times < _EARLIEST)) if first < _EARLIEST else 0
        late = int(np.count_nonzero(times > tomorrow)) if last > tomorrow else 0
        return cls(first, last, early, late, len(times))

    def joined(self, other: Span) -> Span:
        """The span of both."""
        return Span(min(self.first, other.first), max(self.last, other.last), *map(add, self[2:], other[2:]))

    def warnings(self, clock: Clock, column: str) -> list[str]:
        """A warning if times lie where logs have none; small numbers are an order, and may."""
        is_order = clock.kind == _UNITS[0][0] and max(-self.first, self.last) < _SMALLEST_SECONDS * 10**9
        if clock == ORDERED or is_order or not self.early + self.late:
            return []
        outside = [
            f"{count:,} of {self.rows:,} rows {word}"
            for count, word in ((self.early, "before 1990"), (self.late, "after tomorrow"))
            if count
        ]
        first, last = (str(np.datetime64(each // 10**9, "s")) for each in (self.first, self.last))
        read_as = f"dates {clock.kind}" if clock.is_dated else f"numbers {clock.kind} since 1970"
        return [
            f"times in {column!r} go from {first} to {last}, {' and '.join(outside)}, read as {read_as}: "
            "is it another unit or another column (--time-format, --time-col), or a mark for times that are missing?"
        ]
