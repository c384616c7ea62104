"""Carry out a request: the one way from a command to the pipeline, for every command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from negprep.cli import stopping
from negprep.cli.libraries import load_libraries
from negprep.cli.processor import sort_without_avx512
from negprep.cli.progress import bars
from negprep.cli.summary_file import check_summary, write_summary
from negprep.cli.telling import tell
from negprep.errors import OutputError

if TYPE_CHECKING:
    from negprep.cli.request import Request


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
    if request.summary is not None:
        write_summary(request.summary, summary)
    if request.closing:
        tell(closing_text(summary, request.source, request.target))
