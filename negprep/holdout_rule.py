"""What ``--holdout`` asks for: a rule in a few characters, parsed once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from negprep.errors import UsageError

Kind = Literal["none", "auto", "last", "random", "fraction", "after"]

MAX_HELD = 1_000_000

_FORMS = "none, last, last:N, random, random:N, fraction:F, after:TIME or auto"
_FRACTION_DIGITS = 9
_TIME = re.compile(r"-?[0-9]+(\.[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9].*)?", re.ASCII)


@dataclass(frozen=True)
class HoldoutRule:
    """Which positives are kept out of training.

    Attributes
    ----------
    kind : {"none", "auto", "last", "random", "fraction", "after"}
    number : int
        Positives of each user (``last``, ``random``).
    share : (int, int)
        Numerator and denominator of the part of each user's positives (``fraction``).
    time : str
        The cut as it was written (``after``).
    cut : int or None
        The cut in nanoseconds since 1970, once the times of the log are known to be like it.
    """

    kind: Kind
    number: int = 1
    share: tuple[int, int] = (0, 1)
    time: str = ""
    cut: int | None = None

    @classmethod
    def parse(cls, spec: object) -> HoldoutRule:
        """Take ``none``, ``auto``, ``last``, ``last:N``, ``random``, ``random:N``, ``fraction:F`` or ``after:TIME``.

        Raises
        ------
        UsageError
            It is none of these, or N, F or TIME is out of range.
        """
        kind, colon, rest = str(spec).partition(":")
        if kind in ("none", "auto", "last", "random") and not colon:
            return cls(kind)  # type: ignore[arg-type]  # mypy does not narrow by membership
        if kind in ("last", "random"):
            number = int(rest) if re.fullmatch("[1-9][0-9]{0,6}", rest, re.ASCII) else 0
            if not 1 <= number <= MAX_HELD:
                raise _refusal(spec, f"{rest!r} is no whole number from 1 to {MAX_HELD}", f"{kind}:2, or {kind} alone")
            return cls(kind, number=number)  # type: ignore[arg-type]
        if kind == "fraction":
            # Exact, as decimals: 0.29 of 50 is 14.5, which binary fractions make a little less.
            digits = re.fullmatch(rf"0?\.([0-9]{{1,{_FRACTION_DIGITS}}})", rest, re.ASCII)
            if digits is None or not int(digits[1]):
                what = f"{rest!r} is no decimal number between 0 and 1 with up to {_FRACTION_DIGITS} digits"
                raise _refusal(spec, what, "fraction:0.2")
            return cls("fraction", share=(int(digits[1]), 10 ** len(digits[1])))
        if kind == "after":
            if not _TIME.fullmatch(rest):
                raise _refusal(spec, f"{rest!r} is no time", "after:2024-05-01, or a number in the unit of the log")
            return cls("after", time=rest)
        raise UsageError(f"holdout is {spec!r}", remedy=f"choose one of {_FORMS}")

    def __str__(self) -> str:
        """The shortest way to write it."""
        if self.kind == "fraction":
            numerator, denominator = self.share
            return "fraction:0." + str(denominator + numerator)[1:].rstrip("0")
        if self.kind == "after":
            return f"after:{self.time}"
        return self.kind if self.number == 1 else f"{self.kind}:{self.number}"

    @property
    def needs_times(self) -> bool:
        """Whether the log must have times."""
        return self.kind in ("last", "fraction", "after")


def _refusal(spec: object, what: str, example: str) -> UsageError:
    return UsageError(f"holdout is {spec!r}, but {what}", remedy=f"write, for example, {example}")
