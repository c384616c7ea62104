"""The entry point: signals are taken care of before anything slow is imported."""

from __future__ import annotations

import sys
from typing import NoReturn

from negprep.cli import stopping


def run() -> NoReturn:
    """Run the command line of this process and exit with the code that says how it went."""
    stopping.raise_on_signals()
    try:
        # click alone takes 20 ms: a signal in that time must not end in a traceback either.
        from negprep.cli.boundary import guarded
        from negprep.cli.group import invoke

        def body() -> None:
            try:
                invoke(sys.argv[1:])
            finally:
                # A library may have swallowed the signal, or made another error of it.
                stopping.check()

        code = guarded(body)
        stopping.ignore_signals()
    except stopping.Stopped as stopped:
        stopping.ignore_signals()
        code = stopping.say(stopped)
    sys.exit(code)
