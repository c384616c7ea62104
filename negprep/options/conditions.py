"""The condition of --where: its small language, parsed into a tree of comparisons."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from negprep.errors import UsageError

Operator = Literal["=", "!=", "<", "<=", ">", ">="]
Kind = Literal["number", "text", "time", "truth"]

NEGATED: dict[Operator, Operator] = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
"""What holds of two values where another comparison does not."""


@dataclass(frozen=True)
class Value:
    """What a column is compared with, and how it is written.

    A number is an int where it is whole, else the nearest float; a time is nanoseconds since 1970, of any size; a truth
    value is 1 or 0.
    """

    kind: Kind
    value: int | float | str
    written: str


@dataclass(frozen=True)
class Comparison:
    """A column compared with a value, or, by ``=`` (IN) and ``!=`` (NOT IN), with several of one kind."""

    column: str
    operator: Operator
    values: tuple[Value, ...]


@dataclass(frozen=True)
class IsNull:
    """Whether a column has no value, or, if ``negated``, has one."""

    column: str
    negated: bool = False


@dataclass(frozen=True)
class Joined:
    """Conditions of which all hold (``and``), or one (``or``)."""

    word: Literal["and", "or"]
    parts: tuple[Condition, ...]


Condition: TypeAlias = Comparison | IsNull | Joined
"""A condition; NOT was carried down to the comparisons, which changes nothing in a logic with null."""


def columns_of(condition: Condition) -> tuple[str, ...]:
    """The columns that a condition names, each once, in order."""
    if isinstance(condition, Joined):
        return tuple(dict.fromkeys(name for part in condition.parts for name in columns_of(part)))
    return (condition.column,)


def parse_condition(text: str) -> Condition:
    """Parse a condition.

    Raises UsageError: It is not one; the message shows the place.
    """
    parser = _Parser(text)
    condition = parser.condition(0)
    parser.expect_end()
    return condition


def time_of(text: str) -> int | None:
    """Nanoseconds since 1970 of a date or time in ISO 8601, in UTC without a zone; None for other text."""
    found = re.fullmatch(_TIME, text)
    if found is None:
        return None
    zone = (found["zone"] or "Z").replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(f"{found['day']}T{found['clock'] or '00:00'}{zone}")
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    seconds = since.days * 86400 + since.seconds
    return seconds * 10**9 + int((found["fraction"] or "").ljust(9, "0"))


_TIME = (
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T\x20](?P<clock>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.(?P<fraction>[0-9]{1,9}))?(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_TOKEN = re.compile(
    rf"""\s*(?:
    (?P<time>{_TIME})(?![\w.:-])
    | (?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![\w.:-])
    | (?P<text>'(?:[^']|'')*')
    | (?P<name>"(?:[^"]|"")+")
    | (?P<operator><=|>=|<>|!=|==|=|<|>|≤|≥|≠)
    | (?P<mark>[(),])
    | (?P<word>[^\W\d][\w.$]*(?::\w+)*)
    | (?P<end>\Z)
    | (?P<other>'.*|"[^"]*|\S[\w.:-]*)
    )""",
    re.VERBOSE | re.DOTALL,
)
_OPERATORS: dict[str, Operator] = {
    **dict.fromkeys(("=", "=="), "="),
    **dict.fromkeys(("!=", "<>", "≠"), "!="),
    **dict.fromkeys(("<=", "≤"), "<="),
    **dict.fromkeys((">=", "≥"), ">="),
    "<": "<",
    ">": ">",
}
_WORDS = frozenset(["AND", "OR", "NOT", "IN", "IS", "NULL", "BETWEEN", "TRUE", "FALSE"])
_DEEPEST = 100
_LEFT, _RIGHT = 40, 30


class _Parser:
    """A condition that is read from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._end = text, 0
        self._next()

    def _next(self) -> None:
        found = _TOKEN.match(self._text, self._end)
        assert found is not None  # noqa: S101 - any text is a token
        self._kind = str(next(kind for kind in _KINDS if found[kind] is not None))
        self._word = found[self._kind]
        self._at, self._end = found.start(self._kind), found.end()
        if self._kind == "word" and self._word.upper() in _WORDS:
            self._kind = self._word.upper()

    def _error(self, what: str, remedy: str | None = None) -> UsageError:
        """The error at the token at hand, which the message shows behind an arrow."""
        before, after = self._text[: self._at], self._text[self._at :]
        before = before if len(before) <= _LEFT else "..." + before[-_LEFT:]
        after = after if len(after) <= _RIGHT else after[:_RIGHT] + "..."
        return UsageError(f"--where {what}: {before}-->{after}", remedy=remedy)

    def _take(self, kind: str) -> bool:
        if self._kind == kind or (self._kind == "mark" and self._word == kind):
            self._next()
            return True
        return False

    def expect_end(self) -> None:
        """Refuse more text."""
        if self._kind != "end":
            has_mark = self._kind == "mark" and self._word == ")"
            what = "closes a parenthesis that is not open" if has_mark else "lacks AND or OR"
            raise self._error(what)

    def condition(self, depth: int, *, negated: bool = False) -> Condition:
        """Conditions between OR."""
        parts = [self._all_of(depth, negated=negated)]
        while self._take("OR"):
            parts.append(self._all_of(depth, negated=negated))
        return _joined("and" if negated else "or", parts)

    def _all_of(self, depth: int, *, negated: bool) -> Condition:
        parts = [self._one(depth, negated=negated)]
        while self._take("AND"):
            parts.append(self._one(depth, negated=negated))
        return _joined("or" if negated else "and", parts)

    def _one(self, depth: int, *, negated: bool) -> Condition:
        while self._take("NOT"):
            negated = not negated
        if depth > _DEEPEST:
            raise self._error("has too many parentheses within each other")
        if self._take("("):
            inner = self.condition(depth + 1, negated=negated)
            if not self._take(")"):
                raise self._error("lacks a closing parenthesis or AND or OR")
            return inner
        return self._comparison(self._column(), negated=negated)

    def _column(self) -> str:
        kind, token = self._kind, self._word
        if kind not in ("word", "name"):
            remedy = None
            if kind in _WORDS or kind == "other":
                remedy = f'a column of such a name needs quotes: "{token}"' if '"' not in token else "end the quote"
            raise self._error("lacks the name of a column", remedy)
        self._next()
        return token[1:-1].replace('""', '"') if kind == "name" else token

    def _comparison(self, column: str, *, negated: bool) -> Condition:
        if self._take("IS"):
            is_negated = self._take("NOT")
            if not self._take("NULL"):
                raise self._error("lacks NULL after IS")
            return IsNull(column, is_negated is not negated)
        if self._kind == "operator":
            operator = _OPERATORS[self._word]
            self._next()
            value = self._value()
            if value.kind == "truth" and operator not in ("=", "!="):
                raise self._error(f"compares true and false by {operator}", "write = or !=")
            return Comparison(column, NEGATED[operator] if negated else operator, (value,))
        negated = self._take("NOT") is not negated
        if self._take("IN"):
            return Comparison(column, "!=" if negated else "=", self._values())
        if self._take("BETWEEN"):
            low = self._value()
            if not self._take("AND"):
                raise self._error("lacks AND between two values")
            high = self._value()
            self._check_alike((low, high))
            least, most = Comparison(column, ">=", (low,)), Comparison(column, "<=", (high,))
            if not negated:
                return _joined("and", [least, most])
            return _joined("or", [replace(least, operator="<"), replace(most, operator=">")])
        remedy = "write COLUMN = VALUE; also !=, <, <=, >, >=, IN (...), BETWEEN a AND b, IS NULL"
        if self._kind in ("AND", "OR", "end") or self._word == ")":
            remedy = f"write {column} = true, or another comparison"
        raise self._error("lacks a comparison", remedy)

    def _values(self) -> tuple[Value, ...]:
        if not self._take("("):
            raise self._error("lacks a parenthesis after IN", "write IN (1, 2) or IN ('a', 'b')")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
            self._check_alike((values[0], values[-1]))
        if not self._take(")"):
            raise self._error("lacks a comma or a closing parenthesis")
        return tuple(dict.fromkeys(values))

    def _check_alike(self, values: tuple[Value, Value]) -> None:
        first, second = values
        if first.kind != second.kind:
            what = f"compares a column with {first.written} and with {second.written}, which are of two kinds"
            raise self._error(what, "write all as numbers, as 'text' or as times")

    def _value(self) -> Value:
        kind, token = self._kind, self._word
        if kind == "word" and token.upper() in ("DATE", "TIMESTAMP"):
            self._next()
            if self._kind != "text" or time_of(self._word[1:-1]) is None:
                raise self._error(f"lacks a time after {token}", "write 2024-05-01 or 2024-05-01T12:30:00")
            kind, token = "time", self._word[1:-1]
        value: int | float | str | None = None
        if kind == "number":
            value = _number(token)
            if value is None:
                raise self._error("has a number that is out of range")
        elif kind == "text":
            value = token[1:-1].replace("''", "'")
        elif kind == "time":
            value = time_of(token)
            if value is None:
                raise self._error("has a date that is not in the calendar")
        elif kind in ("TRUE", "FALSE"):
            value = int(kind == "TRUE")
        if value is None:
            raise self._no_value(kind, token)
        self._next()
        known: dict[str, Kind] = {"number": "number", "text": "text", "time": "time"}
        return Value(known.get(kind, "truth"), value, token)

    def _no_value(self, kind: str, token: str) -> UsageError:
        remedy = "a value is a number, 'text', a time like 2024-05-01T12:30:00, true or false"
        if kind == "NULL":
            remedy = "write IS NULL or IS NOT NULL"
        elif kind in ("word", "name"):
            text = (token[1:-1].replace('""', '"') if kind == "name" else token).replace("'", "''")
            remedy = f"write '{text}' if this is text; columns are not compared with each other"
        elif token.startswith("'"):
            remedy = "end the quote"
        return self._error("lacks a value", remedy)


_KINDS = ("time", "number", "text", "name", "operator", "mark", "word", "end", "other")


def _joined(word: Literal["and", "or"], parts: list[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))


def _number(token: str) -> int | float | None:
    """A whole number exactly, another as the nearest float; None for one that no float comes near."""
    if re.fullmatch(r"[+-]?[0-9]{1,300}", token):
        return int(token)
    number = float(token)
    if number in (float("inf"), float("-inf")):
        return None
    return int(number) if number.is_integer() else number
