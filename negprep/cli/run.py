"""Carry out a request: the one way from a command to the pipeline, for every command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from negprep.cli import signals
from negprep.cli.closing import check_summary
from negprep.cli.signals import tell, tell_warnings
from negprep.cli.startup import load_libraries, sort_without_avx512
from negprep.cli.terminal import progress_bars
from negprep.errors import OutputError

if TYPE_CHECKING:
    from negprep.cli.request import Request


def execute(request: Request) -> None:
    """Prepare the output, and the summary with it; then tell about it, or with --quiet of its warnings alone.

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

    with progress_bars(shown=request.progress) as progress:
        signals.expect_traces()
        summary = prepare(
            request.source,
            request.target,
            request.options,
            force=request.force,
            summary=request.summary,
            progress=progress,
        )
    if request.closing:
        tell(closing_text(summary, request.source, request.target))
    else:
        tell_warnings(summary.command, summary.warnings)
