"""What ``negprep verify`` does with its options, and how it shows what was found."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from negprep.cli import stopping
from negprep.cli.libraries import load_libraries
from negprep.cli.processor import sort_without_avx512
from negprep.cli.request import taken
from negprep.cli.telling import tell_warnings
from negprep.errors import OutputError, UsageError, printable, refuse_warnings
from negprep.options import ReadOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from negprep.verifying.findings import Check
    from negprep.verifying.run import Report

FAULT = 1
_MARKS = {"passed": "ok", "failed": "FAILED", "warning": "unlikely", "not checked": "not checked"}


def run_verify(given: dict[str, Any]) -> None:
    """Check the files that the options name, print the report, and end with code 1 where a check failed."""
    files: list[tuple[str, str | None]] = [(name, None) for name in given["files"]]
    files += [(name, part) for part in ("train", "test") for name in given[part]]
    if not files:
        raise UsageError("no FILE to check", remedy="name what train or test wrote")
    names = [given["log"], *(name for name, _ in files), *given["made_by"]]
    names += [given[name] for name in ("items", "exclude", "weak", "weights") if given[name] is not None]
    if given["as_json"] and given["quiet"]:
        raise UsageError("--json prints every check, and --quiet only some", remedy="leave one out")
    if "" in names:
        raise UsageError("a file name is empty", remedy="give a path")
    if "-" in given["made_by"]:
        raise UsageError("--made-by is '-'", remedy="give the file that --summary has written")
    if names.count("-") > 1:
        raise UsageError("standard input ('-') is named twice", remedy="give files")
    if sys.stdout is None:
        raise OutputError("standard output is closed", remedy="redirect it")
    sort_without_avx512()
    load_libraries(algebra=True)
    from negprep.verifying.claims import Claims
    from negprep.verifying.run import verify

    stopping.expect_traces()
    report = verify(
        files,
        given["log"],
        claims=Claims(**taken(Claims, given)),
        made_by=given["made_by"],
        read=ReadOptions(**taken(ReadOptions, given)),
        n_examples=given["examples"],
        memory=given["memory"],
        spill_dir=given["spill_dir"],
    )
    if given["as_json"]:
        click.echo(json.dumps(report.as_dict(), indent=2, allow_nan=False))
    else:
        text = "\n".join(report_lines(report, brief=given["quiet"]))
        click.echo(text, nl=bool(text))
    tell_warnings("verify", report.warnings)
    if report.failed:
        raise click.exceptions.Exit(FAULT)
    if given["strict"]:
        refuse_warnings(report.doubts)


def report_lines(report: Report, *, brief: bool) -> Iterator[str]:
    """The report as lines of a table: a check, what became of it, how often it failed; then examples.

    An overlap of train and test comes first: whatever else is right, no figure that is measured on these files is.

    Parameters
    ----------
    brief : bool
        Leave out what passed or was not checked.
    """
    width = max(len(check.name) for check in report.checks)
    for overlap in report.overlaps:
        yield printable(f"{overlap.line()}: {_MARKS['failed']}")
    for file in report.files:
        lines = list(_lines(file.checks, width, brief=brief))
        if lines or not brief:
            rows = f"{file.rows:,} rows, {file.negatives:,} negatives"
            yield printable(f"{file.name}: {file.part}, {file.layout} ({file.kind}), {rows}")
            yield from lines
    lines = list(_lines(report.across, width, brief=brief))
    if lines:
        yield "the files together:"
        yield from lines
    counts = {status: sum(check.status == status for check in report.checks) for status in _MARKS}
    if not brief or counts["failed"]:
        told = [f"{counts['passed']} checks passed", f"{counts['failed']} failed"]
        told += [f"{counts['warning']} unlikely"] if counts["warning"] else []
        told += [f"{counts['not checked']} not checked"] if counts["not checked"] else []
        yield ", ".join(told)


def _lines(checks: Sequence[Check], width: int, *, brief: bool) -> Iterator[str]:
    for check in checks:
        if brief and check.status not in ("failed", "warning"):
            continue
        count = f"{check.count:,} times" if check.count > 1 else "once" if check.count else ""
        told = "; ".join(part for part in (count, check.note) if part)
        yield printable(f"  {check.name:{width}}  {_MARKS[check.status]:11}  {told}".rstrip())
        for example in check.examples:
            yield printable(f"      {example}")
        hidden = check.count - len(check.examples)
        if hidden > 0 and check.examples and check.count > 1:
            yield f"      and {hidden:,} more"
