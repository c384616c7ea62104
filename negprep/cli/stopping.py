"""SIGINT, SIGTERM and SIGHUP as an exception, so that every ``with`` and ``finally`` on the way out cleans up."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from negprep.cli.telling import tell

if TYPE_CHECKING:
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal asked the process to end. Not an ``Exception``: no library may take it for a failure of its own."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def raise_on_signals() -> None:
    """Raise `Stopped` in the main thread at the first signal, and ignore those that follow it.

    Notes
    -----
    A signal that the parent process chose to ignore stays ignored: ``nohup negprep ...`` outlives its terminal.
    """
    for signum in SIGNALS:
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, _raise_stopped)


def ignore_signals() -> None:
    """Let nothing interrupt what is left to do."""
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_IGN)


def say(stopped: Stopped) -> int:
    """Name the signal in one line on stderr and return the exit code that shells expect, 128 + its number."""
    tell(f"negprep: stopped by {signal.Signals(stopped.signum).name}")
    return 128 + stopped.signum


def _raise_stopped(signum: int, _frame: FrameType | None) -> None:
    # A second Ctrl-C is meant as "faster", but would break off the clean-up of the first.
    ignore_signals()
    raise Stopped(signum)
