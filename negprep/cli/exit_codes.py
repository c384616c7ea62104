"""Errors to one line on standard error and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from typing import TYPE_CHECKING, TextIO

import click

from negprep.cli.signals import tell
from negprep.errors import NegprepError, printable

if TYPE_CHECKING:
    from collections.abc import Callable


BROKEN_PIPE = 141  # 128 + SIGPIPE, which Python turns into an exception
LIMIT = 4
BUG = 70  # EX_SOFTWARE of sysexits.h

_BUG_REMEDY = "this is a bug of negprep: please report it, with what NEGPREP_TRACEBACK=1 shows"
_REMEDIES = {
    errno.ENOSPC: "free some space, or write elsewhere",
    errno.EDQUOT: "free some space, or write elsewhere",
    errno.EFBIG: "raise the file-size limit (ulimit -f)",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.EACCES: "check the permissions",
    errno.EROFS: "write elsewhere",
}


def guarded(body: Callable[[], None]) -> int:
    """Run `body` and return the exit code, after saying in one line on stderr what went wrong, if anything did.

    Parameters
    ----------
    body : callable
        Takes nothing. May raise `NegprepError`, click's exceptions, `MemoryError`, `OSError`; anything else is a bug
        of negprep and is called so. ``NEGPREP_TRACEBACK=1`` in the environment shows its traceback.

    Returns
    -------
    int
        0 done, 2 usage, 3 bad data, 4 I/O or a limit, 70 a bug, 141 the reader of the output went away.
    """
    code = _outcome(body)
    for stream in (sys.stdout, sys.stderr):
        _settle(stream)
    return code


def _outcome(body: Callable[[], None]) -> int:
    try:
        body()
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        return _fail(error.exit_code, _usage(error))
    except NegprepError as error:
        return _fail(error.exit_code, str(error))
    except BrokenPipeError:
        return BROKEN_PIPE
    except MemoryError:
        return _fail(LIMIT, "out of memory; give the process more, or prepare a part of the log at a time")
    except OSError as error:
        return _fail(LIMIT, _refusal(error))
    except Exception as error:
        if _denies_a_thread(error):
            return _fail(LIMIT, "no thread can be started; give the process more memory (ulimit -v), or lower --jobs")
        return _bug(error)
    return 0


def _denies_a_thread(error: Exception) -> bool:
    """Whether Python, or Arrow by an ArrowException, was refused a thread."""
    return "can't start new thread" in str(error) or "Failed to launch worker thread" in str(error)


def _bug(error: Exception) -> int:
    if os.environ.get("NEGPREP_TRACEBACK"):
        traceback.print_exc()
    return _fail(BUG, f"internal error: {type(error).__name__}: {error}; {_BUG_REMEDY}")


def _fail(code: int, message: str) -> int:
    tell(f"negprep: {printable(message)}")
    return code


def _usage(error: click.ClickException) -> str:
    """Click's message, which may take several lines and a capital, in one line that says where the help is."""
    message = " ".join(error.format_message().split()).rstrip(".")
    message = message[:1].lower() + message[1:]
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message}; see '{context.command_path if context else 'negprep'} --help'"


def _refusal(error: OSError) -> str:
    place = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{place}{error.strerror or error}" + (f"; {remedy}" if remedy else "")


def _settle(stream: TextIO | None) -> None:
    """Flush `stream`, or point it at nothing, so that the interpreter has no reason to complain as it exits."""
    if stream is None:
        return
    try:
        stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
