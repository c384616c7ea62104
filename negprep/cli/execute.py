"""Carry out a request: the one way from a command to the pipeline, for every command."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from negprep.cli import stopping
from negprep.cli.allocator import keep_freed_memory, touch_ahead
from negprep.cli.processor import sort_without_avx512
from negprep.cli.progress import bars
from negprep.cli.request import available_cpus
from negprep.cli.summary_file import check_summary, write_summary
from negprep.cli.telling import tell
from negprep.errors import OutputError
from negprep.forms import form_of
from negprep.memory import default_budget

if TYPE_CHECKING:
    from negprep.cli.request import Request

_SHARE_TOUCHED = 8
"""Of the memory that a run may take, one part in so many at most is touched ahead."""

_OTHER_KINDS = {".txt", ".json", ".jsonl"}


def execute(request: Request) -> None:
    """Prepare the output, then tell about it where the request says.

    Raises
    ------
    NegprepError, OSError, MemoryError
        From reading, sampling or writing; the output is as it was.
    """
    if request.target == "-" and sys.stdout is None:
        raise OutputError("standard output is closed", remedy="redirect it (> out.parquet), or name a file")
    check_summary(request)
    sort_without_avx512()
    load_libraries(request)
    from negprep.cli.closing import closing_text
    from negprep.pipeline import prepare

    with bars(shown=request.progress) as progress:
        stopping.expect_traces()
        summary = prepare(request.source, request.target, request.options, force=request.force, progress=progress)
    is_parquet = form_of(request.target, request.options.to) == "parquet"
    if is_parquet and Path(request.target).suffix.lower() in _OTHER_KINDS and not request.target.endswith("/"):
        summary = replace(summary, warnings=[*summary.warnings, "the output is Parquet, whatever its name"])
    if request.summary is not None:
        write_summary(request.summary, summary)
    if request.closing:
        tell(closing_text(summary, request.source, request.target))


def load_libraries(request: Request | None = None) -> None:
    """Import numpy and pyarrow, only now: help and usage errors need not wait for them.

    Memory for a request, where there is one, is made ready at the same time.
    """
    # --jobs makes the threads; OpenBLAS would reserve memory for more as numpy is imported, and send the
    # process a SIGINT where a limit forbids it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if keep_freed_memory() and request is not None and available_cpus() > 1:
        budget = default_budget() if request.options.memory is None else request.options.memory
        touch_ahead(request.source, budget // _SHARE_TOUCHED)
    for name in ("numpy", "pyarrow", "pyarrow.parquet"):
        try:
            import_module(name)
        except (ImportError, SystemError) as error:
            # numpy wraps the reason in a page of advice.
            reason = str(error.__cause__ or error).strip().partition("\n")[0]
            raise OutputError(
                f"{name} cannot be loaded: {reason}",
                remedy="give the process more memory (ulimit -v), or install it again",
            ) from error
