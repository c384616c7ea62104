"""What ``--positive`` asks for: a comparison of a column, names of events, or everything; parsed once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from negprep.errors import UsageError

Kind = Literal["all", "number", "name", "bare"]

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
    """Which interactions are positives.

    Attributes
    ----------
    text : str
        As it was written.
    kind : {"all", "number", "name", "bare"}
        ``number``: a column compared with numbers. ``name``: a column compared with text. ``bare``: names alone, of
        events, or the one name of a column of true and false.
    column : str or None
        As the rule names it. None: the value (``number``) or the event (``bare``).
    is_quoted : bool
        The column is named in quotes: exactly this one, never a role.
    operator : {">=", "<=", ">", "<", "=", "!="}
    ranges : tuple of (float, float)
        ``number``: what the operator compares with, both ends included; a single number is a range of its own.
    names : tuple of str
        ``name`` and ``bare``.
    """

    text: str
    kind: Kind
    column: str | None = None
    is_quoted: bool = False
    operator: str = "="
    ranges: tuple[tuple[float, float], ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> PositiveRule:
        """Parse what a user wrote.

        Raises
        ------
        UsageError
            It has none of the forms of a rule; the message shows the right one where it can be guessed.
        """
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
            raise _refusal(text, what, ready.get(operator))
        if operator not in ("=", "!="):
            if len(ranges) > 1:
                whole, fraction = (word for word, _ in operands[:2])
                raise _refusal(text, "compares with several numbers", f"{written}{operator}{whole}.{fraction}")
            low, high = ranges[0]
            if low != high:
                raise _refusal(text, "compares with a range", f"{written}={operands[0][0]}")
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
                raise _refusal(rule, f"has a quote that does not end, or text after it: {rest}")
            raise _refusal(rule, "lacks a name or a number" if rest[:1] in ("", ",") else f"ends in {rest!r}")
        word = found["word"]
        quoted = word[0] in "'\""
        if not quoted and (word[0] in _SIGNS + "!" or re.search(_SPELLED, word)):
            raise _refusal(rule, f"has {word!r} where a name or a number stands, which needs quotes")
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
        raise _refusal(text, f"compares with {word!r}, which counts as missing")
    if word.casefold() in _TRUTH:
        return (_TRUTH[word.casefold()],) * 2
    low, dots, high = (part.strip() for part in word.partition(".."))
    if not dots:
        return None if (number := _number(word)) is None else (number, number)
    ends = _number(low), _number(high)
    if ends[0] is None or ends[1] is None:
        if ends == (None, None) or (low and high):
            return None
        raise _refusal(
            text, f"has the range {word!r}, which lacks an end", f"{column}>={low}" if low else f"{column}<={high}"
        )
    if ends[0] > ends[1]:
        raise _refusal(text, f"has the range {word!r}, which is empty", f"{column}={high}..{low}")
    return ends[0], ends[1]


def _number(word: str) -> float | None:
    number = float(word) if _NUMBER.fullmatch(word) else float("inf")
    return None if number in (float("inf"), float("-inf")) else number


def _refusal(text: str, what: str, ready: str | None = None) -> UsageError:
    remedy = _EXAMPLES if ready is None else f"write --positive {quoted_for_shell(ready)}"
    return UsageError(f"--positive {text!r} {what}", remedy=remedy)
