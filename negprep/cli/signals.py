"""SIGINT, SIGTERM and SIGHUP as an exception, so that a run cleans up; words on standard error."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, NoReturn, TextIO

from negprep.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType


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


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_PATIENCE = 1.2
"""Seconds that the main thread has to clean up: users are promised two for all."""

_STACK_BYTES = 1 << 18
"""Of the thread that waits for signals; it would reserve eight megabytes, which a limit may forbid."""


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
    complete = False
    """Whether the output is complete: its files get their names, and no signal changes anything."""
    end = threading.Lock()
    """Taken once, by whoever ends the run: with its output, or without."""
    watched = False


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
    """From now on a signal must let the run clean up.

    Raises
    ------
    OutputError
        The machine has no thread left to wait for signals.
    """
    if not _State.watched:
        # Before anything is left: a signal should not come in the middle of an import.
        from negprep.threads import start
        from negprep.write.atomic import call_before_names

        _State.watched = True
        call_before_names(_keep_output)
        waiting, told = os.pipe()
        os.set_blocking(told, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        size = threading.stack_size(_STACK_BYTES)
        try:
            start(threading.Thread(target=_watch, args=(waiting,), name="negprep-signals", daemon=True))
        finally:
            threading.stack_size(size)
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
    _take_the_end()
    _remove_what_is_left()
    tell(_words(stopped.signum))
    return 128 + stopped.signum


def _keep_output() -> None:
    """The output is complete: the run ends with it, whatever signals come; unless one has come already."""
    if _State.complete:
        return
    check()
    _State.complete = True
    _take_the_end()


def _take_the_end() -> None:
    """Have the run end as the main thread ends it; or wait for the other thread, which is about to end it."""
    while not _State.end.acquire(blocking=False):
        time.sleep(1)


def _watch(waiting: int) -> None:
    """Wait for a signal, and end the run where the main thread does not."""
    while True:
        came = [signum for signum in os.read(waiting, 64) if signum in SIGNALS]
        if came:
            break
    time.sleep(_PATIENCE)
    if _State.end.acquire(blocking=False):
        _end_at_once(came[0])


def _end_at_once(signum: int) -> NoReturn:
    _remove_what_is_left()
    _leave(signum)


def _remove_what_is_left() -> None:
    """Remove what threads that the process does not wait for would leave behind."""
    from negprep.write.atomic import remove_all

    remove_all()


def _leave(signum: int) -> NoReturn:
    """End the process, now."""
    if sys.stderr is not None:
        # Not `tell`: the signal may have come while that was writing.
        with contextlib.suppress(OSError):
            os.write(sys.stderr.fileno(), f"{_words(signum)}\n".encode())
    os._exit(128 + signum)


def _words(signum: int) -> str:
    return f"negprep: stopped by {signal.Signals(signum).name}"


def _stop(signum: int, _frame: FrameType | None) -> None:
    if not _State.leaves_traces:
        # An exception would be at the mercy of whatever module is being imported.
        _leave(signum)
    if _State.complete:
        return
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
