"""Dates as text: the forms that are known, those that the user names, and which one a text could have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from negprep.arrow import mask_as_numpy, strings
from negprep.compute import pc
from negprep.reading.pieces import arrow, numbers
from negprep.time_format import MONTHS, TimeFormat

if TYPE_CHECKING:
    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]
    Integers = npt.NDArray[np.int64]

_CLOCKS = (" %H:%M:%S", " %H:%M", " %H:%M:%S.%f", " %I:%M:%S %p", " %I:%M %p")
_ZONES = (" %Z", " %z")

UNPADDED = "like 2024-5-1"
"""The form of ISO 8601 without leading zeros."""


@cache
def known() -> dict[str, tuple[TimeFormat, ...]]:
    """What each form besides ISO 8601 is called, and its formats; in none could day and month change places."""
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


@dataclass(frozen=True)
class Read:
    """What texts are by some formats.

    Attributes
    ----------
    times : int64, shape (n,)
        Nanoseconds since 1970; 0 where no format fits.
    fits : bool, shape (n,)
    beyond : bool, shape (n,)
        Where one does, and the time is out of range; not in ``fits``.
    """

    times: Integers
    fits: Mask
    beyond: Mask


def read_dates(texts: pa.Array, formats: Iterable[TimeFormat]) -> Read:
    """Read each of the texts by the first of the formats that it fits.

    Parameters
    ----------
    texts : pa.Array
        ``pa.string()`` without nulls.
    formats : iterable of TimeFormat
    """
    times, fits, beyond = np.zeros(len(texts), np.int64), np.zeros(len(texts), bool), np.zeros(len(texts), bool)
    left = np.arange(len(texts))
    for each in formats:
        if not len(left):
            break
        found = pc.extract_regex(texts.take(arrow(left)), each.pattern)
        rows = np.flatnonzero(mask_as_numpy(found.is_valid()))
        if not len(rows):
            continue
        groups = found.take(arrow(rows)).flatten()
        seconds, fraction, is_date = _seconds({found.type[place].name: group for place, group in enumerate(groups)})
        in_range = np.abs(seconds) < (2**63 - 1) // 10**9
        good, rows = is_date & in_range, left[rows]
        times[rows[good]] = seconds[good] * 10**9 + fraction[good]
        fits[rows[good]] = True
        beyond[rows[is_date & ~in_range]] = True
        left = np.flatnonzero(~fits & ~beyond)
    return Read(times, fits, beyond)


def _seconds(groups: dict[str, pa.Array]) -> tuple[Integers, Integers, Mask]:
    """Seconds since 1970 and nanoseconds after them, and which are dates at all."""
    n = len(next(iter(groups.values())))

    def number(word: str, default: int) -> Integers:
        if word not in groups:
            return np.full(n, default, np.int64)
        given: Integers = numbers(groups[word].cast(pa.int64()))
        return given

    year = number("Y", 0)
    if "y" in groups:  # as POSIX has it
        short = number("y", 0)
        year = short + np.where(short < 69, 2000, 1900)
    month = number("m", 1)
    if "b" in groups:
        names = pc.utf8_slice_codeunits(pc.ascii_lower(groups["b"]), 0, 3)
        month = 1 + numbers(pc.index_in(names, value_set=strings(list(MONTHS)))).astype(np.int64)
    day, minute, second = number("d", 1), number("M", 0), number("S", 0)
    hour = number("H", 0)
    good = (month >= 1) & (month <= 12) & (minute < 60) & (second < 60) & (hour < 24)
    if "I" in groups:
        hour = number("I", 12)
        good &= (hour >= 1) & (hour <= 12)
        is_late = mask_as_numpy(pc.is_in(groups["p"], value_set=strings(["p", "P"])))
        hour = hour % 12 + np.where(is_late, 12, 0)
    days, in_month = days_of(year, month, day)
    seconds = days * 86400 + hour * 3600 + minute * 60 + second
    if "z" in groups:
        offset, is_offset = _offsets(groups["z"])
        seconds, good = seconds - offset, good & is_offset
    fraction = np.zeros(n, np.int64)
    if "f" in groups:
        fraction = numbers(pc.ascii_rpad(groups["f"], 9, "0").cast(pa.int64()))
    return seconds, fraction, good & in_month


def days_of(year: Integers, month: Integers, day: Integers) -> tuple[Integers, Mask]:
    """Days since 1970, and whether the month has such a day."""
    months = ((year - 1970) * 12 + month - 1).astype("M8[M]")
    first, following = (each.astype("M8[D]").astype(np.int64) for each in (months, months + 1))
    days = first + day - 1
    return days, (day >= 1) & (days < following)


def _offsets(zones: pa.Array) -> tuple[Integers, Mask]:
    found = pc.extract_regex(zones, "^(?P<sign>[+-])(?P<hours>[0-9]{2}):?(?P<minutes>(?:[0-9]{2})?)$")
    offset, good = np.zeros(len(zones), np.int64), np.ones(len(zones), bool)
    rows = np.flatnonzero(mask_as_numpy(found.is_valid()))
    if len(rows):
        sign, hours, minutes = found.take(arrow(rows)).flatten()
        minutes = pc.replace_substring_regex(minutes, "^$", "0")
        hours, minutes = numbers(hours.cast(pa.int64())), numbers(minutes.cast(pa.int64()))
        is_west = mask_as_numpy(pc.is_in(sign, value_set=strings(["-"])))
        offset[rows] = np.where(is_west, -1, 1) * (hours * 3600 + minutes * 60)
        good[rows] = (hours < 24) & (minutes < 60)
    return offset, good


def guessed(texts: pa.Array) -> dict[str, list[str]]:
    """The formats of dates in numbers, such as ``1/2/2019 1:00``: for each order that all the texts can have.

    Parameters
    ----------
    texts : pa.Array
        ``pa.string()`` without nulls.

    Returns
    -------
    dict of str to list of str
        What is first (``the month is first``) to the formats, the most frequent first; empty where a text is something
        else.
    """
    counts: dict[tuple[str, str], int] = {}
    orders = {"mdY", "dmY", "mdy", "dmy", "ymd"}
    for text in texts.unique().slice(0, _LOOKED_AT).cast(pa.binary()).to_pylist():
        found = _NUMERIC.fullmatch(text.decode("utf-8", "replace"))
        if found is None:
            return {}
        parts = [found[1], found[3], found[4]]
        orders = {order for order in orders if all(map(_can_be, order, parts))}
        shape = found["mark"], _clock_of(found)
        counts[shape] = counts.get(shape, 0) + 1
    shapes = sorted(counts, key=lambda shape: -counts[shape])
    return {
        f"the {_NAMES[order[0]]} is first": [mark.join(f"%{word}" for word in order) + clock for mark, clock in shapes]
        for order in ("mdY", "dmY", "mdy", "dmy", "ymd")
        if order in orders
    }


_NAMES = {"m": "month", "d": "day", "y": "year", "Y": "year"}
_LIMITS = {"m": (1, 12), "d": (1, 31), "y": (0, 99), "Y": (1000, 9999)}


def _can_be(word: str, digits: str) -> bool:
    low, high = _LIMITS[word]
    return (
        low <= int(digits) <= high
        and (word not in "yY" or len(digits) == {"y": 2, "Y": 4}[word])
        and (word == "Y" or len(digits) <= 2)
    )


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
    """A remedy for dates whose order is not plain: the options for each order; None where they are something else."""
    return " or ".join(f"{as_options(formats)} if {first}" for first, formats in guessed(texts).items()) or None


def addition(text: str, formats: Sequence[TimeFormat]) -> str | None:
    """The option to add for a text that fits none of the formats, if it has their order; else None."""
    given = {each.date_order.lower() for each in formats}
    for found in guessed(pa.array([text], pa.string())).values():
        if TimeFormat.parse(found[0]).date_order.lower() in given and found[0] not in [each.text for each in formats]:
            return as_options(found)
    return None
