"""How ``--time-format`` says that times are written: strptime's words, or the unit of numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from negprep.errors import UsageError

UNITS = {"seconds": 10**9, "milliseconds": 10**6, "microseconds": 10**3, "nanoseconds": 1}
"""Nanoseconds of each unit."""

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_MONTH = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?"
)
_WEEKDAY = "mon(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?"
_WORDS = {
    "Y": "(?P<Y>[0-9]{4})",
    "b": f"(?P<b>{_MONTH})",
    "a": f"(?:{_WEEKDAY})",
    "f": "(?P<f>[0-9]{1,9})",
    "p": "(?P<p>[ap])m",
    "z": "(?P<z>z|[+-][0-9]{2}(?::?[0-9]{2})?)",
    "Z": "(?P<z>z|utc|gmt)",
    "%": "%",
}
_TWO_DIGITS = "ymdHIMS"
_LONGER = {"%B": "%b", "%A": "%a", "%T": "%H:%M:%S", "%R": "%H:%M", "%F": "%Y-%m-%d", "%D": "%m/%d/%y"}
_SWAPPED = str.maketrans("md", "dm")
_EXAMPLE = "write it in strptime's words, such as '%m/%d/%Y %H:%M', or seconds, milliseconds, microseconds, nanoseconds"


@dataclass(frozen=True)
class TimeFormat:
    """A format.

    Attributes
    ----------
    text : str
        As it was written.
    pattern : str
        A regular expression of RE2 for a whole value, whose groups are named as the words, with ``z`` for a zone.
    words : str
        The letters of the words, in order.
    """

    text: str
    pattern: str
    words: str

    @classmethod
    def parse(cls, text: str) -> TimeFormat:
        """Take a format.

        Raises
        ------
        UsageError
            It has a word that is not known, one twice, or not what makes a date.
        """
        tokens = re.findall("%.?|[^%]", re.sub("%[BATRFD]", lambda word: _LONGER[word[0]], text), re.DOTALL)
        pattern, words = "", ""
        for place, token in enumerate(tokens):
            if token.isspace():
                pattern += r"\s+" if place == 0 or not tokens[place - 1].isspace() else ""
                continue
            if not token.startswith("%"):
                pattern += re.escape(token)
                continue
            word = token[1:]
            if word in _WORDS:
                pattern += _WORDS[word]
            elif word and word in _TWO_DIGITS:
                beside = [tokens[other] for other in (place - 1, place + 1) if 0 <= other < len(tokens)]
                # Where no mark stands between two numbers, each has all its digits.
                digits = "2" if word == "y" or any(is_number(other) for other in beside) else "1,2"
                pattern += f"(?P<{word}>[0-9]{{{digits}}})"
            else:
                raise _refusal(text, f"does not know {token!r}")
            words += "" if word in "a%" else "z" if word == "Z" else word
        twice = next((word for word in words if words.count(word) > 1), None)
        if twice is not None:
            raise _refusal(text, f"has %{twice} twice")
        if not ("Y" in words or "y" in words) or not ("m" in words or "b" in words):
            raise _refusal(text, "has no year and month")
        if ("Y" in words and "y" in words) or ("m" in words and "b" in words) or ("H" in words and "I" in words):
            raise _refusal(text, "has the year, month or hour twice")
        if ("I" in words) != ("p" in words):
            raise _refusal(text, "has one of %I and %p, which go together")
        return cls(text, f"(?i)^{pattern}$", words)

    @property
    def has_zone(self) -> bool:
        """Whether values have a zone."""
        return "z" in self.words

    @property
    def date_order(self) -> str:
        """The words of year, month and day in the order of the format, as ``mdY``."""
        return "".join(word for word in self.words if word in "Yymbd")

    def contradicts(self, other: TimeFormat) -> bool:
        """Whether a value could be one date by this and another by the other."""
        mine, others = self.date_order, other.date_order
        return mine != others and (mine == others.translate(_SWAPPED) or set(mine) == set(others) == set("ymd"))


def is_number(token: str) -> bool:
    """Whether a word of a format, such as ``%d``, stands for digits alone."""
    return len(token) == 2 and token[0] == "%" and token[1] in "YymdHIMSf"


@dataclass(frozen=True)
class TimeForms:
    """How times are written, where somebody says it.

    Attributes
    ----------
    formats : tuple of TimeFormat
        Tried in order.
    unit : str or None
        Of numbers since 1970, in place of formats.
    """

    formats: tuple[TimeFormat, ...] = ()
    unit: str | None = None

    def __bool__(self) -> bool:
        return bool(self.formats) or self.unit is not None

    @classmethod
    def parse(cls, given: Any) -> TimeForms:  # noqa: ANN401
        """Take what ``time_format`` says: a string, or several in a tuple.

        Raises
        ------
        UsageError
        """
        texts = (given,) if isinstance(given, str) else given
        if not isinstance(texts, tuple | list) or not all(isinstance(text, str) for text in texts):
            raise UsageError(f"time_format is {given!r}", remedy="give a string, or several in a tuple")
        units = [text for text in texts if text in UNITS]
        if units:
            if len(texts) > 1:
                raise UsageError(f"--time-format {units[0]} beside another", remedy="give the unit alone")
            return cls(unit=units[0])
        formats = tuple(map(TimeFormat.parse, texts))
        for other in formats[1:]:
            first = formats[0]
            if first.has_zone != other.has_zone:
                what = f"one of --time-format {first.text!r} and {other.text!r} has a zone"
                raise UsageError(what, remedy="give formats that all have one, or none")
            against = next((each for each in formats if each.contradicts(other)), None)
            if against is not None:
                what = f"--time-format {against.text!r} and {other.text!r} differ in the order of day and month"
                raise UsageError(what, remedy="choose one order: a value could be read by either")
        return cls(formats)


def _refusal(text: str, what: str) -> UsageError:
    return UsageError(f"--time-format {text!r} {what}", remedy=_EXAMPLE)
