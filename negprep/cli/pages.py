"""What ``negprep report`` does with its options."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from negprep.cli import stopping
from negprep.cli.libraries import load_libraries
from negprep.cli.progress import bars
from negprep.cli.request import refuse_quiet_bars, shows_bars, taken
from negprep.cli.telling import tell, tell_warnings
from negprep.errors import UsageError, printable
from negprep.options import ReadOptions

_WITHOUT_LOG = {"files", "target", "log", "train", "test", "made_by", "quiet", "strict", "progress"}


def run_report(given: dict[str, Any]) -> None:
    """Write the page that the options ask for, and say so.

    Raises
    ------
    UsageError
        Two options contradict each other, or one would be ignored.
    """
    files: list[tuple[str, str | None]] = [(name, None) for name in given["files"]]
    files += [(name, part) for part in ("train", "test") for name in given[part]]
    if not files:
        raise UsageError("no FILE to report on", remedy="name what train or test wrote, and OUTPUT.html after it")
    refuse_quiet_bars(given)
    if given["log"] is None:
        _refuse_without_log()
    load_libraries(algebra=True)
    from negprep.reporting.job import report
    from negprep.verifying.claims import Claims

    overlaps: list[str] = []
    with bars(shown=shows_bars(given)) as show:
        stopping.expect_traces()
        found, warnings = report(
            files,
            given["target"],
            log=given["log"],
            claims=Claims(**taken(Claims, given)),
            made_by=given["made_by"],
            reading=ReadOptions(**taken(ReadOptions, given)),
            progress=show,
            strict=given["strict"],
            warn=overlaps.append,
        )
    for overlap in overlaps:
        tell(printable(f"negprep report: {overlap}"))
    tell_warnings("report", warnings)
    if not given["quiet"]:
        failed = None if found is None else sum(check.status == "failed" for check in found.checks)
        ending = {None: "", 0: ": no check failed", 1: ": 1 check failed"}.get(failed, f": {failed} checks failed")
        tell(printable(f"negprep report: {', '.join(name for name, _ in files)} -> {given['target']}{ending}"))


def _refuse_without_log() -> None:
    """An option that says how to read a log is a mistake where there is none."""
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in _WITHOUT_LOG or context.get_parameter_source(name) is ParameterSource.DEFAULT:
            continue
        if isinstance(parameter, click.Option) and name != "help":
            raise UsageError(f"{parameter.opts[0]} without --log, of which it says something", remedy="add --log INPUT")
