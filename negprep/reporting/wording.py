"""Numbers, counts and ids as a reader sees them."""

from __future__ import annotations

from negprep.errors import printable

LONGEST_ID = 48
"""Characters of an id that are shown; more would say nothing and take a phone's whole screen."""

_PERCENT = "\u00a0%"
"""After a space at which no line breaks."""


def number(value: float) -> str:
    """A count with separators, any other number with three significant digits."""
    if value == int(value) or abs(value) >= 1000:
        return f"{round(value):,}"
    return f"{value:.3g}"


def count(value: int, one: str, many: str | None = None) -> str:
    """``1 user`` or ``2 users``."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def share(part: float, whole: float) -> str:
    """A percentage: as many digits as tell it from nothing and from all."""
    if not whole:
        return "none"
    percent = 100 * part / whole
    if percent in (0, 100):
        return f"{percent:.0f}{_PERCENT}"
    if percent < 0.1:
        return f"less than 0.1{_PERCENT}"
    if percent > 99.9:
        return f"more than 99.9{_PERCENT}"
    return f"{percent:.1f}{_PERCENT}"


def listed(words: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "none"


def capital(sentence: str) -> str:
    """The sentence with a capital letter at its beginning."""
    return sentence[:1].upper() + sentence[1:]


def shown_id(value: object) -> str:
    """An id as text of one line: control characters escaped, a long one cut."""
    text = printable(str(value))
    return text if len(text) <= LONGEST_ID else f"{text[: LONGEST_ID - 1]}…"
