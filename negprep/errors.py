"""The errors that negprep raises on purpose: one line, a place, a remedy, an exit code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")


class NegprepError(Exception):
    """An error that a user can act on: ``str()`` gives ``place: what; remedy`` in one line, control characters escaped.

    ``what`` is wrong, in one clause, with the value and the limit; ``place`` is ``log.csv:17`` for a line of a text
    file, ``log.parquet: row 17``, or a path; ``remedy`` is what to do about it.
    """

    exit_code = 3

    def __init__(self, what: str, *, place: str | None = None, remedy: str | None = None) -> None:
        self.what, self.place, self.remedy = what, place, remedy
        super().__init__(what)

    def __str__(self) -> str:
        text = self.what if self.place is None else f"{self.place}: {self.what}"
        return printable(text if self.remedy is None else f"{text}; {self.remedy}")


class BadDataError(NegprepError):
    """The input is not what it should be (exit code 3)."""


class UsageError(NegprepError):
    """Options that do not fit each other or the input (exit code 2)."""

    exit_code = 2


class OutputError(NegprepError):
    """The machine refused: no space, no permission, no memory, a limit (exit code 4)."""

    exit_code = 4


class RowError(Exception):
    """A row that cannot be used, counted from 0 within the arrays at hand; ``at`` its place, it is for the user."""

    def __init__(self, row: int, what: str, remedy: str | None = None) -> None:
        super().__init__(what)
        self.row, self.what, self.remedy = row, what, remedy

    def at(self, place: str) -> BadDataError:
        """The error for the user, once the place is known."""
        return BadDataError(self.what, place=place, remedy=self.remedy)


class NegprepWarning(UserWarning):
    """What is suspicious but not an error, from a function whose result has no place for it."""


def refuse_warnings(warnings: Sequence[str]) -> None:
    """Raise warnings, if there are any, as one ``BadDataError``, as ``strict`` asks."""
    if not warnings:
        return
    what = warnings[0]
    if len(warnings) > 1:
        listed = "; ".join(f"({number}) {warning}" for number, warning in enumerate(warnings, 1))
        what = f"{len(warnings)} warnings: {listed}"
    raise BadDataError(what, remedy="mend it, or leave out --strict, which makes a warning an error")


def printable(text: str) -> str:
    """Escape control characters, so that an id cannot move the cursor or break the line."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)
