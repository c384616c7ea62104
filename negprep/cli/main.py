"""The entry point: signals are taken care of before anything slow is imported."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn

from negprep.cli import signals


def run() -> NoReturn:
    """Run the command line of this process and exit with the code that says how it went.

    At once, as all is written and let go of: to take numpy and pyarrow apart takes a sixth of the time of a short run.
    """
    code = outcome()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # full, closed, or none: said before, where it mattered
            stream.flush()
    os._exit(code)


def outcome() -> int:
    """Run the command line of this process: the code to exit with."""
    signals.raise_on_signals()
    try:
        # click alone takes 20 ms: a signal in that time must not end in a traceback either.
        from negprep.cli.exit_codes import guarded
        from negprep.cli.group import invoke

        def body() -> None:
            try:
                invoke(sys.argv[1:])
            finally:
                # A library may have swallowed the signal, or made another error of it.
                signals.check()

        code = guarded(body)
        signals.ignore_signals()
    except signals.Stopped as stopped:
        signals.ignore_signals()
        code = signals.say(stopped)
    return code
