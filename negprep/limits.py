"""What a single option may be: its limits, and its kind."""

from __future__ import annotations

from operator import index
from typing import Any

from negprep.errors import UsageError

MAX_NUM_NEG = 1_000_000
MAX_JOBS = 1_024
MAX_ALPHA = 10.0
MAX_BOOTSTRAP = 1 << 32
MAX_POOL = 1_000
MAX_TEMPERATURE = 1e6

RNS_OPTIONS = (
    "reward_weight",
    "feature_share",
    "pool",
    "pool_weak",
    "temperature",
    "start_epochs",
    "batch_size",
    "patience",
)
"""Options of ``fit`` that the kind ``rns`` alone has."""


def check_real(name: str, value: Any, least: float, most: float) -> None:  # noqa: ANN401
    """Refuse what is no number from ``least`` to ``most``; truth values are none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise UsageError(f"{name} is {value!r}", remedy=f"choose a number from {least:g} to {most:g}")


def whole(name: str, value: Any, least: int, most: int) -> int:  # noqa: ANN401
    """The number as an int; numpy's integers are taken, truth values and fractions are not."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or not least <= index(value) <= most:
        raise UsageError(f"{name} is {value!r}", remedy=f"choose a whole number from {least} to {most}")
    return index(value)


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


def check_bool(name: str, value: Any) -> None:  # noqa: ANN401
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool):
        raise UsageError(f"{name} is {value!r}", remedy="give True or False")


def check_kinds(options: object, kind: Any, *names: str) -> None:  # noqa: ANN401
    """Refuse the named options whose values are not of the kind."""
    for name in names:
        value = getattr(options, name)
        if not isinstance(value, kind):
            wanted = "True or False" if kind is bool else "a string"
            raise UsageError(f"{name} is {value!r}", remedy=f"give {wanted}")
