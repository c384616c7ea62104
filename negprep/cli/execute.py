"""Carry out a request: the one way from a command to the pipeline, for every command."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from negprep.cli import stopping
from negprep.cli.libraries import load_libraries
from negprep.cli.processor import sort_without_avx512
from negprep.cli.progress import bars
from negprep.cli.summary_file import check_summary, write_summary
from negprep.cli.telling import tell
from negprep.errors import OutputError
from negprep.forms import form_of

if TYPE_CHECKING:
    from negprep.cli.request import Request

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
