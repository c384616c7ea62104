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

        code = guarded(lambda: invoke(sys.argv[1:]))
    except stopping.Stopped as stopped:
        code = stopping.say(stopped)
    stopping.ignore_signals()
    sys.exit(code)
