"""Words for a person, on standard error, which may be closed or gone; without click, so that it is there at once."""

from __future__ import annotations

import contextlib
import sys


def tell(text: str) -> None:
    """Write lines to standard error, if there is one. That nobody can read them must not change how a run ends."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


def is_terminal() -> bool:
    """Whether a person reads standard error; it is None where it was closed before the start."""
    return sys.stderr is not None and sys.stderr.isatty()
