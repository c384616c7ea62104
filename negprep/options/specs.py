"""The little languages of options: --holdout, --sampler, --levels, --positive, --time-format; and whole numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import isfinite, lcm
from operator import index
from sys import float_info
from typing import Any, Literal

from negprep.errors import UsageError

HoldoutKind = Literal["none", "auto", "last", "random", "random-global", "fraction", "session", "after", "file"]

MAX_HELD = 1_000_000

_FORMS = "none, last, last:N, random, random:N, random:F, random-global:F, fraction:F, session, after:TIME, file:PATH"
_FRACTION_DIGITS = 9
_TIME = re.compile(r"-?[0-9]+(\.[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9].*)?", re.ASCII)


@dataclass(frozen=True)
class HoldoutRule:
    """Which positives are kept out of training.

    ``number`` is that of each user's positives (``last``, ``random``), ``share`` the numerator and denominator of their
    part (``fraction``, ``random:F``) or of all positives (``random-global``), ``time`` the cut as it was written
    (``after``), and ``cut`` the cut in nanoseconds since 1970, once the times of the log are known to be like it.
    ``tested`` is the largest word of a user who is held out, once ``--test-users`` has chosen some. ``path`` is the
    file with the pairs (``file``); what is written never names it.
    """

    kind: HoldoutKind
    number: int = 1
    share: tuple[int, int] = (0, 1)
    time: str = ""
    cut: int | None = None
    tested: int | None = None
    path: str = ""

    @classmethod
    def parse(cls, spec: object) -> HoldoutRule:
        """Parse ``last:2``, ``random:0.2``, ``after:2024-05-01`` and the like; ``UsageError`` for anything else."""
        kind, colon, rest = str(spec).partition(":")
        if kind in ("none", "auto", "last", "random", "session") and not colon:
            return cls(kind)  # type: ignore[arg-type]  # mypy does not narrow by membership
        share = _share(rest)
        if share is not None and kind in ("fraction", "random", "random-global"):
            return cls(kind, share=share)  # type: ignore[arg-type]
        if kind in ("last", "random"):
            number = int(rest) if re.fullmatch("[1-9][0-9]{0,6}", rest, re.ASCII) else 0
            if not 1 <= number <= MAX_HELD:
                what = f"{rest!r} is not a whole number from 1 to {MAX_HELD}"
                if kind == "random" and "." in rest:
                    what += f", nor a decimal number between 0 and 1 with up to {_FRACTION_DIGITS} digits"
                raise _bad_holdout(spec, what, f"{kind}:2, or {kind} alone")
            return cls(kind, number=number)  # type: ignore[arg-type]
        if kind in ("fraction", "random-global"):
            what = f"{rest!r} is not a decimal number between 0 and 1 with up to {_FRACTION_DIGITS} digits"
            raise _bad_holdout(spec, what, f"{kind}:0.2")
        if kind == "after":
            if not _TIME.fullmatch(rest):
                raise _bad_holdout(
                    spec, f"{rest!r} is not a time", "after:2024-05-01, or a number in the unit of the log"
                )
            return cls("after", time=rest)
        if kind == "file" and colon:
            if rest in ("", "-"):
                raise _bad_holdout(spec, "no file is named" if not rest else "it cannot be a pipe", "file:test.csv")
            return cls("file", path=rest)
        raise UsageError(f"holdout is {spec!r}", remedy=f"choose one of {_FORMS} or auto")

    def __str__(self) -> str:
        """The shortest way to write it."""
        if self.is_share:
            numerator, denominator = self.share
            return f"{self.kind}:0." + str(denominator + numerator)[1:].rstrip("0")
        if self.kind in ("after", "file"):
            return f"after:{self.time}" if self.kind == "after" else "file"
        return self.kind if self.number == 1 else f"{self.kind}:{self.number}"

    @property
    def needs_times(self) -> bool:
        """Whether the log must have times."""
        return self.kind in ("last", "fraction", "session", "after")

    @property
    def is_share(self) -> bool:
        """Whether ``share`` says how many are held out, in place of ``number``."""
        return self.share[0] > 0

    @property
    def is_drawn(self) -> bool:
        """Whether a hash decides, so that the split seed matters."""
        return self.kind not in ("none", "session", "after", "file")


def _share(text: str) -> tuple[int, int] | None:
    """A decimal number between 0 and 1 as numerator and denominator; None for other text."""
    # Exact, as decimals: 0.29 of 50 is 14.5, which binary fractions make a little less.
    digits = re.fullmatch(rf"0?\.([0-9]{{1,{_FRACTION_DIGITS}}})", text, re.ASCII)
    return None if digits is None or not int(digits[1]) else (int(digits[1]), 10 ** len(digits[1]))


@dataclass(frozen=True)
class UserSample:
    """How many users ``--test-users`` holds out: a number, or a share of those who could be."""

    given: int | float
    number: int = 0
    share: tuple[int, int] = (0, 1)

    @classmethod
    def parse(cls, given: Any) -> UserSample:  # noqa: ANN401
        """Parse a whole number or a decimal number between 0 and 1, as text, too; ``UsageError`` for anything else."""
        is_number = hasattr(given, "__index__") or isinstance(given, float | str)
        text = "" if isinstance(given, bool) or not is_number else str(given)
        share = _share(f"{Decimal(text):f}") if isinstance(given, float) and isfinite(given) else _share(text)
        if share is not None:
            return cls(share[0] / share[1], share=share)
        if re.fullmatch("[1-9][0-9]{0,9}", text, re.ASCII):
            return cls(int(text), number=int(text))
        what = f"test_users is {given!r}"
        raise UsageError(what, remedy="choose a number of users, such as 10000, or a share of them, such as 0.1")

    def of(self, n_users: int) -> int:
        """How many of so many users: a share is rounded, halves up, to one at least."""
        if self.number:
            return min(self.number, n_users)
        numerator, denominator = self.share
        return min(n_users, max(1, (2 * numerator * n_users + denominator) // (2 * denominator)))


def _bad_holdout(spec: object, what: str, example: str) -> UsageError:
    return UsageError(f"holdout is {spec!r}, but {what}", remedy=f"write, for example, {example}")


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
    "z": "(?:z|(?P<sign>[+-])(?P<zh>[0-9]{2})(?::?(?P<zm>[0-9]{2}))?)",
    "Z": "(?:z|utc|gmt)",
    "%": "%",
}
_TWO_DIGITS = "ymdHIMS"
_LONGER = {"%B": "%b", "%A": "%a", "%T": "%H:%M:%S", "%R": "%H:%M", "%F": "%Y-%m-%d", "%D": "%m/%d/%y"}
_SWAPPED = str.maketrans("md", "dm")
_EXAMPLE = "write it in strptime's words, such as '%m/%d/%Y %H:%M', or seconds, milliseconds, microseconds, nanoseconds"


@dataclass(frozen=True)
class TimeFormat:
    """A format as it was written; its RE2 pattern, with a group for each word; and the letters of its words, in order.

    A zone, ``%z`` or ``%Z``, is ``z`` among the words, and the groups ``sign``, ``zh`` and ``zm`` of the pattern.
    """

    text: str
    pattern: str
    words: str

    @classmethod
    def parse(cls, text: str) -> TimeFormat:
        """Parse a format; ``UsageError`` for an unknown word, one twice, or a format without year and month."""
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
                raise _bad_time_format(text, f"does not know {token!r}")
            words += "" if word in "a%" else "z" if word == "Z" else word
        twice = next((word for word in words if words.count(word) > 1), None)
        if twice is not None:
            raise _bad_time_format(text, f"has %{twice} twice")
        if not ("Y" in words or "y" in words) or not ("m" in words or "b" in words):
            raise _bad_time_format(text, "has no year and month")
        if ("Y" in words and "y" in words) or ("m" in words and "b" in words) or ("H" in words and "I" in words):
            raise _bad_time_format(text, "has the year, month or hour twice")
        if ("I" in words) != ("p" in words):
            raise _bad_time_format(text, "has one of %I and %p, which go together")
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
    """How the user says that times are written: formats, tried in order, or the unit of numbers since 1970."""

    formats: tuple[TimeFormat, ...] = ()
    unit: str | None = None

    def __bool__(self) -> bool:
        return bool(self.formats) or self.unit is not None

    @classmethod
    def parse(cls, given: Any) -> TimeForms:  # noqa: ANN401
        """Parse ``time_format``: a string, or several in a tuple; ``UsageError`` if they contradict each other."""
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


def _bad_time_format(text: str, what: str) -> UsageError:
    return UsageError(f"--time-format {text!r} {what}", remedy=_EXAMPLE)


PositiveKind = Literal["all", "number", "name", "bare"]

_OPERATORS = {
    **dict.fromkeys((">=", "=>", "≥", "⩾"), ">="),
    **dict.fromkeys(("<=", "=<", "≤", "⩽"), "<="),
    **dict.fromkeys(("!=", "<>", "≠"), "!="),
    **dict.fromkeys(("==", "=", "＝"), "="),
    **dict.fromkeys((">", "＞"), ">"),
    **dict.fromkeys(("<", "＜"), "<"),
}
"""How an operator may be written, the longest spellings first."""

_SPELLED = "|".join(map(re.escape, sorted(_OPERATORS, key=len, reverse=True)))
_SIGNS = "<>=≥≤≠⩾⩽＝＞＜"
_QUOTED = r"""\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'"""
_COMPARISON = re.compile(
    rf"\s*(?P<column>{_QUOTED}|(?:[^\s!\"'{_SIGNS}][^{_SIGNS}]*?)??)\s*(?P<sign>{_SPELLED})(?P<operands>.*)", re.DOTALL
)
_WORD = re.compile(rf"\s*(?P<word>{_QUOTED}|[^,\"'\s][^,]*?)\s*(?P<end>,|\Z)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_TRUTH = {"true": 1.0, "false": 0.0}
_EXAMPLES = "write it like '>=4', 'rating=3..5', 'label=1', 'event!=view' or purchase,cart"


@dataclass(frozen=True)
class PositiveRule:
    """Which interactions are positives: a rule, and the ``text`` that was written.

    The kind ``number`` compares a column with numbers: ``ranges``, both ends included, of which a single number is one;
    ``name`` compares a column with text, and ``bare`` has names alone, of events, or the one name of a column of true
    and false: ``names``. ``column`` is as the rule names it, None for the value (``number``) or the event (``bare``);
    one that ``is_quoted`` is exactly this one, never a role.
    """

    text: str
    kind: PositiveKind
    column: str | None = None
    is_quoted: bool = False
    operator: str = "="
    ranges: tuple[tuple[float, float], ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> PositiveRule:
        """Parse a rule; ``UsageError``, with the right form where it can be guessed, for other text."""
        if text.strip() == "all":
            return cls(text, "all")
        found = _COMPARISON.fullmatch(text)
        if found is None:
            words = list(_words(_plain_signs(text), text))
            found_ranges = [None if quoted or ".." not in text else _range(word, text, "") for word, quoted in words]
            if None not in found_ranges:
                return cls(text, "number", ranges=tuple(each for each in found_ranges if each is not None))
            return cls(text, "bare", names=tuple(word for word, _ in words), is_quoted=any(q for _, q in words))
        written, operator = found["column"], _OPERATORS[found["sign"]]
        column = _unquoted(written) if written else None
        operands = list(_words(_plain_signs(found["operands"]), text))
        numbers = [None if quoted else _range(word, text, written) for word, quoted in operands]
        of_column = (column, written[:1] in ("'", '"'), operator)
        if operator in ("=", "!=") and column is not None and None in numbers:
            return cls(text, "name", *of_column, names=tuple(word for word, _ in operands))
        ranges = tuple(number for number in numbers if number is not None)
        if len(ranges) < len(numbers):
            what = f"compares with {operands[numbers.index(None)][0]!r}, which is not a number"
            ready = {"=": found["operands"].strip(), "!=": f"event!={found['operands'].strip()}"}
            raise _bad_positive(text, what, ready.get(operator))
        if operator not in ("=", "!="):
            if len(ranges) > 1:
                whole, fraction = (word for word, _ in operands[:2])
                raise _bad_positive(text, "compares with several numbers", f"{written}{operator}{whole}.{fraction}")
            low, high = ranges[0]
            if low != high:
                raise _bad_positive(text, "compares with a range", f"{written}={operands[0][0]}")
        return cls(text, "number", *of_column, ranges=ranges)

    @property
    def shown(self) -> str:
        """The rule as the value of the option, in quotes."""
        return f"--positive {quoted_for_shell(self.text)}"


def quoted_for_shell(text: str) -> str:
    """A rule as a shell takes it."""
    return text if re.fullmatch(r"[\w,.:-]+", text) else "'" + text.replace("'", "'\\''") + "'"


def spelled_column(name: str) -> str:
    """The name of a column as a rule has it: in quotes where it would be read otherwise."""
    plain = name and name == name.strip() and not re.search(rf"[{_SIGNS}\"'!]", name)
    return name if plain else '"' + name.replace('"', '""') + '"'


def _words(text: str, rule: str) -> Iterator[tuple[str, bool]]:
    """The words between commas, and whether each is quoted."""
    at = 0
    while True:
        found = _WORD.match(text, at)
        if found is None:
            rest = text[at:].strip()
            if rest[:1] in ("'", '"'):
                raise _bad_positive(rule, f"has a quote that does not end, or text after it: {rest}")
            raise _bad_positive(rule, "lacks a name or a number" if rest[:1] in ("", ",") else f"ends in {rest!r}")
        word = found["word"]
        quoted = word[0] in "'\""
        if not quoted and (word[0] in _SIGNS + "!" or re.search(_SPELLED, word)):
            raise _bad_positive(rule, f"has {word!r} where a name or a number stands, which needs quotes")
        yield (_unquoted(word), quoted)
        at = found.end()
        if found["end"] != ",":
            return


def _unquoted(word: str) -> str:
    mark = word[:1]
    return word[1:-1].replace(mark * 2, mark) if mark in ("'", '"') else word


def _plain_signs(text: str) -> str:
    """Numbers and ranges as a program writes them: an ellipsis is two dots, a minus sign a hyphen."""
    return re.sub(r"(?<=[0-9])\s*…\s*(?=[-+.0-9−])", "..", text).replace("−", "-")


def _range(word: str, text: str, column: str) -> tuple[float, float] | None:
    """A number, ``3..5``, true or false as a range; None for other text."""
    if word.casefold().lstrip("+-") in ("nan", "inf", "infinity"):
        raise _bad_positive(text, f"compares with {word!r}, which counts as missing")
    if word.casefold() in _TRUTH:
        return (_TRUTH[word.casefold()],) * 2
    low, dots, high = (part.strip() for part in word.partition(".."))
    if not dots:
        return None if (number := _number(word)) is None else (number, number)
    ends = _number(low), _number(high)
    if ends[0] is None or ends[1] is None:
        if ends == (None, None) or (low and high):
            return None
        raise _bad_positive(
            text, f"has the range {word!r}, which lacks an end", f"{column}>={low}" if low else f"{column}<={high}"
        )
    if ends[0] > ends[1]:
        raise _bad_positive(text, f"has the range {word!r}, which is empty", f"{column}={high}..{low}")
    return ends[0], ends[1]


def _number(word: str) -> float | None:
    number = float(word) if _NUMBER.fullmatch(word) else float("inf")
    return None if number in (float("inf"), float("-inf")) else number


def _bad_positive(text: str, what: str, ready: str | None = None) -> UsageError:
    remedy = _EXAMPLES if ready is None else f"write --positive {quoted_for_shell(ready)}"
    return UsageError(f"--positive {text!r} {what}", remedy=remedy)


MAX_NUM_NEG = 1_000_000
MAX_JOBS = 1_024
MAX_ALPHA = 10.0
MAX_BOOTSTRAP = 1 << 32
MAX_HISTORY = 10_000
MAX_POOL = 1_000
DEFAULT_POOL, DEFAULT_TOP, DEFAULT_SKIP_TOP = 2, 1, 0
"""Of ``hard``. Against a model as it is trained a pool of 2 was on no log worse than uniform beyond the spread, and 4
was in a catalog of 34 items; against a frozen one every pool was on some, so that a run with a model file must be given
one."""

DEFAULT_POLICY_POOL, DEFAULT_POOL_WEAK, DEFAULT_TEMPERATURE = 30, 1, 1.0
"""Of ``reinforced``."""

MAX_TEMPERATURE = 1e6


def check_real(name: str, value: Any, least: float, most: float) -> None:  # noqa: ANN401
    """Refuse anything but a number from ``least`` to ``most``; a truth value is refused, too."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise UsageError(f"{name} is {value!r}", remedy=f"choose {real_in_words(least, most)}")


def real_in_words(least: float, most: float) -> str:
    """What `check_real` takes."""
    if least == float_info.min:
        return "a number above 0"
    return f"a number from {least:g}" + (f" to {most:g}" if most < float_info.max else "")


def whole(name: str, value: Any, least: int, most: int, *, or_else: str = "") -> int:  # noqa: ANN401
    """The number as an int; numpy's integers are taken, truth values and fractions are not, nor is text.

    ``or_else``: What else is taken, for the message.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or not least <= index(value) <= most:
        as_text = " (a number, not text)" if isinstance(value, str) else ""
        remedy = f"choose a whole number from {least} to {most}{or_else}{as_text}"
        raise UsageError(f"{name} is {value!r}", remedy=remedy)
    return index(value)


_MOST_DECIMALS = 9
OR_DECIMAL = ", or one with up to nine decimals, such as 0.5"


def decimal(name: str, value: float, most: int) -> int | float:
    """A number above 0 with at most nine decimals; as an int where it is whole."""
    number = Fraction(repr(float(value))) if isfinite(value) else Fraction(0)
    if not 0 < number <= most or (number * 10**_MOST_DECIMALS).denominator > 1:
        raise UsageError(f"{name} is {value!r}", remedy=f"choose a whole number from 1 to {most}{OR_DECIMAL}")
    return int(number) if number.denominator == 1 else float(value)


def check_marks(options: object) -> None:
    """Refuse a ``quote`` or an ``escape`` that is not a character to mark text with."""
    for name, words, example in (("quote", ("none",), '"'), ("escape", (), "\\")):
        mark = getattr(options, name)
        if mark is None or mark in words:
            continue
        if len(mark) != 1 or not mark.isascii() or not mark.isprintable() or mark.isalnum() or mark == " ":
            what = f"--{name} {mark!r} is not one ASCII character that is neither letter nor digit nor space"
            remedy = f"give one such as '{example}'" + (", or none: quotes are text" if words else "")
            raise UsageError(what, remedy=remedy)


_TABS = {r"\t": "\t", "tab": "\t"}


def delimiter_of(text: str) -> str:
    r"""The characters that a file holds for one character, ``::``, or a tab as ``\t`` or ``tab``."""
    characters = _TABS.get(text, text)
    if text != "::" and (len(characters) != 1 or not characters.isascii() or characters in '"\n\r\0'):
        raise UsageError(rf"{text!r} is neither one ASCII character, nor '::', '\t' or 'tab'")
    return characters


def column_names_of(text: str) -> tuple[str, ...]:
    """Names with commas between them, all different, at least two."""
    names = tuple(name.strip() for name in text.split(","))
    if "" in names:
        raise UsageError(f"name {names.index('') + 1} of {len(names)} is empty")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"{twice!r} is there twice")
    if len(names) < 2:
        raise UsageError("at least a user and an item column are needed, such as user,item")
    return names


def size_of(text: str) -> int:
    """A number of bytes, with K, M, G or T for the powers of 1024; at least 1 MiB."""
    found = re.fullmatch(r"([0-9]{1,15})([KMGT]?)(i?B)?", text.strip(), re.IGNORECASE | re.ASCII)
    size = int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[found[2].upper()] if found else 0
    if size < 1 << 20:
        raise UsageError(f"{text!r} is not a size of at least 1M, such as 512M or 4G")
    return size


def check_bool(name: str, value: Any) -> None:  # noqa: ANN401
    """Refuse anything but True and False."""
    if not isinstance(value, bool):
        raise UsageError(f"{name} is {value!r}", remedy="give True or False")


SAMPLERS = ("uniform", "popularity", "weak", "impression", "hard", "reinforced")
IMPRESSION = ""
"""The name, among columns that are carried along, of that of impressions: first in order, and no column's own."""

SESSION = " "
"""The same of that of sessions; a run has one of the two at most."""

SCORED = ("hard", "reinforced")
"""Those that draw by a model."""

LEVELS = ("weak", "uniform", "level")
"""The components of ``--levels``; the third takes the place of the positive, too."""

LEVEL_SOURCES = ("positive>weak", "positive>unobserved", "weak>unobserved")

FALLBACK = "fallback"
"""The source of a uniform draw in place of a sampler that has nothing for the user."""

_TERM = re.compile(r"([a-z]+)(?:([:=])(.*))?")
_SHARE = r"[0-9]*\.?[0-9]+"
_LARGEST_SHARE_UNIT = 1 << 32


@dataclass(frozen=True)
class SamplerRule:
    """The components of a sampler, all different, and their shares.

    Component ``c`` makes a draw with probability ``shares[c] / sum(shares)``. If ``fixed``, the shares are counts: the
    first component makes the first ``shares[0]`` draws of each group, and so on.
    """

    names: tuple[str, ...]
    shares: tuple[int, ...]
    fixed: bool

    @classmethod
    def parse(cls, terms: tuple[str, ...]) -> SamplerRule:
        """Parse terms such as ``popularity``, ``uniform:0.7`` or ``weak=1``; ``UsageError`` if they do not fit."""
        found = [_parse_term(term) for term in terms]
        if not found:
            raise UsageError("no sampler is named", remedy=f"name one of {', '.join(SAMPLERS)}")
        names = tuple(name for name, _, _ in found)
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"--sampler {name} is given twice", remedy="name each sampler once")
        if len({*names} & {*SCORED}) > 1:
            raise UsageError("--sampler hard and --sampler reinforced, which need a model each", remedy="choose one")
        marks = {mark for _, mark, _ in found}
        if len(found) == 1 and marks == {None}:
            return cls(names, (1,), fixed=False)
        if marks == {"="}:
            return cls(names, tuple(int(value) for _, _, value in found), fixed=True)
        if marks != {":"}:
            raise UsageError(
                f"--sampler {' --sampler '.join(terms)}: each needs a share, or each a count",
                remedy="write them like uniform:0.7 and weak:0.3, or like uniform=3 and weak=1",
            )
        total = sum(value for _, _, value in found)
        if total != 1:
            raise UsageError(
                f"the shares of the samplers sum to {float(total):g}, not to 1", remedy="give shares that sum to 1"
            )
        return cls(names, _as_counts([value for _, _, value in found]), fixed=False)

    @classmethod
    def parse_levels(cls, text: str) -> SamplerRule:
        """Parse ``W1,W2``: shares of pairs positive > weak and positive > unobserved; the rest is weak > unobserved.

        Raises ``UsageError`` unless both are above 0 and their sum below 1.
        Source: Ding et al., Improving implicit recommender systems with view data, IJCAI 2018.
        """
        words = [word.strip() for word in text.split(",")]
        shares = [Fraction(word) for word in words if re.fullmatch(_SHARE, word, re.ASCII)]
        if len(words) != 2 or len(shares) != 2 or not min(shares) > 0 or not sum(shares) < 1:
            raise UsageError(
                f"--levels {text!r} is not two shares above 0 with a sum below 1", remedy="write it like 0.3,0.5"
            )
        return cls(LEVELS, _as_counts([*shares, 1 - sum(shares, Fraction(0))]), fixed=False)

    @property
    def num_neg(self) -> int | None:
        """Negatives of each positive, where the counts are fixed."""
        return sum(self.shares) if self.fixed else None

    @property
    def is_mixed(self) -> bool:
        """Whether more than one sampler draws."""
        return len(self.names) > 1

    @property
    def scored(self) -> str | None:
        """The component that draws by a model."""
        return next((name for name in self.names if name in SCORED), None)

    @property
    def falls_back(self) -> bool:
        """Whether draws are uniform where a sampler has nothing; popularity alone leaves such a user short."""
        return self.names != ("popularity",)

    @property
    def sources(self) -> tuple[str, ...] | None:
        """What the ``source`` column may say of a negative: the components in order, then the fall-back. None: no such
        column, for there is one source alone.
        """
        if self.names == LEVELS:
            return (*LEVEL_SOURCES, FALLBACK)
        listed = ("weak", "impression", *SCORED)
        return (*self.names, FALLBACK) if self.is_mixed or self.names[0] in listed else None

    def __str__(self) -> str:
        if not self.is_mixed:
            return self.names[0]
        if self.names == LEVELS:
            return "levels " + " ".join(
                f"{name}:{share / sum(self.shares):.9g}" for name, share in zip(LEVEL_SOURCES, self.shares, strict=True)
            )
        if self.fixed:
            return " ".join(f"{name}={count}" for name, count in zip(self.names, self.shares, strict=True))
        total = sum(self.shares)
        return " ".join(f"{name}:{share / total:.9g}" for name, share in zip(self.names, self.shares, strict=True))


def _as_counts(shares: list[Fraction]) -> tuple[int, ...]:
    """Whole numbers in the proportion of the shares."""
    unit = lcm(*(share.denominator for share in shares))
    if unit > _LARGEST_SHARE_UNIT:
        raise UsageError("the shares of the samplers have too many digits", remedy="give at most nine decimals")
    return tuple(int(share * unit) for share in shares)


def _parse_term(term: str) -> tuple[str, str | None, Fraction]:
    found = _TERM.fullmatch(term.strip())
    if not found or found[1] not in SAMPLERS:
        raise UsageError(f"no sampler is called {term!r}", remedy=f"choose one of {', '.join(SAMPLERS)}")
    name, mark, text = found[1], found[2], found[3]
    if mark is None:
        return name, None, Fraction(1)
    form = r"[0-9]{1,7}" if mark == "=" else _SHARE
    value = Fraction(text) if re.fullmatch(form, text, re.ASCII) else Fraction(0)
    if value <= 0:
        wanted = "a whole number above 0, such as =3" if mark == "=" else "a share above 0, such as :0.3"
        raise UsageError(f"--sampler {term}: {text!r} is not {wanted}", remedy="correct it, or leave the sampler out")
    return name, mark, value
