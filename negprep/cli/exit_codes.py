"""Errors to one line on standard error and an exit code."""

from __future__ import annotations

import errno
import os
import traceback
from typing import TYPE_CHECKING

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
    """Run `body` and return the exit code, after one line on stderr about what went wrong, if anything did.

    Parameters
    ----------
    body : callable
        Takes nothing. May raise `NegprepError`, click's exceptions, `MemoryError`, `OSError`; anything else is a bug
        of negprep and is reported as one. ``NEGPREP_TRACEBACK=1`` in the environment shows its traceback.

    Returns
    -------
    int
        0 done, 2 usage, 3 bad data, 4 I/O or a limit, 70 a bug, 141 the reader of the output went away.
    """
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
        if any(reason in str(error) for reason in _NO_THREAD):
            return _fail(LIMIT, "no thread can be started; give the process more memory (ulimit -v), or lower --jobs")
        if os.environ.get("NEGPREP_TRACEBACK"):
            traceback.print_exc()
        return _fail(BUG, f"internal error: {type(error).__name__}: {error}; {_BUG_REMEDY}")
    return 0


_NO_THREAD = ("can't start new thread", "Failed to launch worker thread")
"""What Python and Arrow report where the machine refuses a thread."""


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
