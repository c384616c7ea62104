"""`negprep verify`: its options, and its table of checks."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from negprep.cli import signals
from negprep.cli.click_options import Decorator, Function, SectionCommand, declared, own
from negprep.cli.signals import tell_warnings
from negprep.cli.startup import load_libraries
from negprep.errors import OutputError, UsageError, printable, refuse_warnings
from negprep.options.commands import parted
from negprep.options.conflicts import named_files, refuse_streams, summaries
from negprep.options.reading import ReadOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from negprep.checks.results import Check
    from negprep.checks.verify import Report


FAULT = 1
_MARKS = {"passed": "ok", "failed": "FAILED", "not checked": "not checked"}


def run_verify(given: dict[str, Any]) -> None:
    """Check the files that the options name, print the report, and end with code 1 where a check failed."""
    files = named_files(given["files"], given["train"], given["test"])
    if given["as_json"] and given["quiet"]:
        raise UsageError("--json prints every check, and --quiet only some", remedy="leave one out")
    made_by = summaries(given["made_by"])
    named = [("--log", given["log"]), *(("FILE", name) for name, _ in files)]
    refuse_streams(
        [*named, *((f"--{name}", given[name]) for name in ("items", "exclude", "weak", "weights", "valid_file"))]
    )
    if sys.stdout is None:
        raise OutputError("standard output is closed", remedy="redirect it")
    load_libraries(algebra=1)
    from negprep.checks.promises import Promised
    from negprep.checks.verify import verify

    signals.expect_traces()
    promised, reading = parted(given, Promised, ReadOptions)
    report = verify(
        files,
        given["log"],
        promised=Promised(**promised),
        made_by=made_by,
        read=ReadOptions(**reading),
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
        refuse_warnings(report.warnings)


def report_lines(report: Report, *, brief: bool) -> Iterator[str]:
    """The report as lines of a table: a check, what became of it, how often it failed; then examples.

    An overlap of train and test comes first: whatever else is right, no figure that is measured on these files is.
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
        shown = [f"{counts['passed']} checks passed", f"{counts['failed']} failed"]
        shown += [f"{counts['not checked']} not checked"] if counts["not checked"] else []
        yield ", ".join(shown)


def _lines(checks: Sequence[Check], width: int, *, brief: bool) -> Iterator[str]:
    for check in checks:
        if brief and check.status != "failed":
            continue
        count = f"{check.count:,} times" if check.count > 1 else "once" if check.count else ""
        shown = "; ".join(part for part in (count, check.note) if part)
        yield printable(f"  {check.name:{width}}  {_MARKS[check.status]:11}  {shown}".rstrip())
        for example in check.examples:
            yield printable(f"      {example}")
        hidden = check.count - len(check.examples)
        if hidden > 0 and check.examples and check.count > 1:
            yield f"      and {hidden:,} more"


def files_of(log_help: str, *, required: bool) -> Decorator:
    """The options that name prepared files, their log and their summaries, for `verify` and `report`."""

    def decorate(function: Function) -> Function:
        for name, metavar, text, more in (
            (
                "--made-by",
                "SUMMARY",
                "What `negprep train` or `test` wrote with --summary: it stands in for the metadata of a FILE that "
                "has none, such as a CSV. Matched by the name of its output, or if one FILE and one SUMMARY are given.",
                {"multiple": True},
            ),
            (
                "--test",
                "FILE",
                "A file of candidates whose metadata and name do not show that.",
                {"multiple": True},
            ),
            (
                "--train",
                "FILE",
                "A file of train rows whose metadata and name (like x.train.rating) do not show that.",
                {"multiple": True},
            ),
            ("--log", "INPUT", log_help, {"required": required}),
        ):
            function = own(name, metavar=metavar, section="Files", common=True, help=text, type=click.Path(), **more)(
                function
            )
        return function

    return decorate


@click.command(name="verify", cls=SectionCommand, short_help="Check prepared files against their log.")
@click.argument("files", metavar="FILE...", nargs=-1, type=click.Path())
@files_of("The log that the files were made of.", required=True)
@own(
    "--examples",
    section="Report",
    metavar="N",
    type=click.IntRange(0, 1_000),
    default=5,
    help="Rows shown of each kind of fault.",
)
@declared("verify")
def command(**given: Any) -> None:  # noqa: ANN401
    """Check prepared FILEs against their log, and print what was found.

    A FILE is what train or test wrote, in any layout; Parquet, CSV or TSV with the columns user, item, label (or
    pos_item and neg_item, or neg_items); RecBole's .inter; NCF's .rating and .negative; or the lists of LightGCN. Give
    train and test files together, and they are compared with each other.

    \b
      negprep verify train.parquet test.parquet --log log.csv
      negprep verify a.csv b.csv --log log.csv --made-by a.json --made-by b.json
      negprep verify x.train.rating x.test.negative --log log.csv --holdout last

    Everything is recomputed from the log, with code that the samplers do not use: negatives that are positives,
    weak or excluded; a holdout among its own negatives; negatives that repeat, are too few or too many, or lie outside
    the catalog; positives and users that are missing, invented or in two files; holdouts that are not the latest; a
    holdout whose place gives it away; a log q that does not match the sampler; and, by chi-square, whether every
    item was drawn as often as the sampler promises. Metadata, or the summary of a run (--made-by), specify what a file
    of negprep promises; options specify it for other files. What is not specified is not checked, and the line names
    the option that would specify it.

    Exit code 1 where a check failed; with --strict, 3 where none failed and there is a warning. A check that could not
    be made gives the reason, and does not count as passed.

    Memory: up to --memory, plus the distinct ids and about 300 bytes for each user. Time: two or three times that
    of copying the files.
    """  # noqa: D301
    run_verify(given)
