"""SIGINT, SIGTERM and SIGHUP as an exception, so that every ``with`` and ``finally`` on the way out cleans up."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
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


class _State:
    signum: int | None = None
    """The first signal that came."""
    leaves_traces = False
    """Whether there may be something to clean up."""


def raise_on_signals() -> None:
    """End at a signal: at once until `expect_traces` is called, from then on by `Stopped` in the main thread.

    Notes
    -----
    A signal that the parent process chose to ignore stays ignored: ``nohup negprep ...`` outlives its terminal.

    Python discards what is raised in ``__del__`` and in the callback of a weak reference, and a library may discard an
    exception too. The signal is kept, therefore: `check` raises it again, and so does the next signal.
    """
    for signum in SIGNALS:
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, _stop)
    report = sys.unraisablehook

    def report_others(unraisable: sys.UnraisableHookArgs) -> None:
        if not isinstance(unraisable.exc_value, Stopped):
            report(unraisable)

    sys.unraisablehook = report_others


def expect_traces() -> None:
    """From now on a signal must let the run clean up."""
    _State.leaves_traces = True


def check() -> None:
    """Raise `Stopped` if a signal has come and the run goes on all the same."""
    if _State.signum is not None:
        raise Stopped(_State.signum)


def ignore_signals() -> None:
    """Let nothing interrupt what is left to do."""
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_IGN)


def say(stopped: Stopped) -> int:
    """Name the signal in one line on stderr and return the exit code that shells expect, 128 + its number."""
    tell(_words(stopped.signum))
    return 128 + stopped.signum


def _words(signum: int) -> str:
    return f"negprep: stopped by {signal.Signals(signum).name}"


def _stop(signum: int, _frame: FrameType | None) -> None:
    if not _State.leaves_traces:
        # An exception would be at the mercy of whatever module is being imported.
        if sys.stderr is not None:
            # Not `tell`: the signal may have come while that was writing.
            with contextlib.suppress(OSError):
                os.write(sys.stderr.fileno(), f"{_words(signum)}\n".encode())
        os._exit(128 + signum)
    if _State.signum is None:
        _State.signum = signum
    # A second Ctrl-C is meant as "faster", but would break off the clean-up of the first.
    if not _is_cleaning_up():
        raise Stopped(_State.signum)


def _is_cleaning_up() -> bool:
    """Whether a `Stopped` is on its way out, and the signal interrupts a ``finally`` or an ``__exit__``."""
    error = sys.exception()
    while error is not None and not isinstance(error, Stopped):
        error = error.__context__
    return error is not None
