"""Words for a person, on standard error, which may be closed or gone; without click, so that it is there at once."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, TextIO

from negprep.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable


def tell(text: str) -> None:
    """Write lines to standard error, if there is one. That nobody can read them must not change how a run ends."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


def tell_warnings(command: str, warnings: Iterable[str]) -> None:
    """Write a line to standard error for each warning of a command."""
    for warning in warnings:
        tell(printable(f"negprep {command}: warning: {warning}"))


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person is there; a stream that was closed before the start is None."""
    return stream is not None and stream.isatty()
