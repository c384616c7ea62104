"""`negprep verify`: its options, and its table of checks."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from negprep.cli import click_options, click_types, signals
from negprep.cli.click_types import SectionCommand, SectionOption, in_section
from negprep.cli.request import taken
from negprep.cli.signals import tell_warnings
from negprep.cli.startup import load_libraries, sort_without_avx512
from negprep.errors import OutputError, UsageError, printable, refuse_warnings
from negprep.options.options import ReadOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from negprep.checks.results import Check
    from negprep.checks.verify import Report


FAULT = 1
_MARKS = {"passed": "ok", "failed": "FAILED", "not checked": "not checked"}


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
    from negprep.checks.promises import Promised
    from negprep.checks.verify import verify

    signals.expect_traces()
    report = verify(
        files,
        given["log"],
        promised=Promised(**taken(Promised, given)),
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
        refuse_warnings(report.warnings)


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
        told += [f"{counts['not checked']} not checked"] if counts["not checked"] else []
        yield ", ".join(told)


def _lines(checks: Sequence[Check], width: int, *, brief: bool) -> Iterator[str]:
    for check in checks:
        if brief and check.status != "failed":
            continue
        count = f"{check.count:,} times" if check.count > 1 else "once" if check.count else ""
        told = "; ".join(part for part in (count, check.note) if part)
        yield printable(f"  {check.name:{width}}  {_MARKS[check.status]:11}  {told}".rstrip())
        for example in check.examples:
            yield printable(f"      {example}")
        hidden = check.count - len(check.examples)
        if hidden > 0 and check.examples and check.count > 1:
            yield f"      and {hidden:,} more"


_files = in_section("Files")
_foreign = in_section("Files that do not say it themselves")


@click.command(name="verify", cls=SectionCommand, short_help="Check prepared files against their log.")
@click.argument("files", metavar="FILE...", nargs=-1)
@_files("--log", "log", metavar="INPUT", required=True, help="The log that the files were made of.")
@_files(
    "--train",
    metavar="FILE",
    multiple=True,
    help="A file of train rows that does not say so itself, by its metadata or a name like x.train.rating.",
)
@_files("--test", metavar="FILE", multiple=True, help="A file of candidates that does not say so itself.")
@_files(
    "--made-by",
    metavar="SUMMARY",
    multiple=True,
    help="What `negprep train` or `test` wrote with --summary: it says of a FILE without metadata, such as a CSV, what "
    "metadata say. Known by the name of its output, or if one FILE and one SUMMARY are given.",
)
@_files("--items", metavar="FILE", help="The catalog, as it was given to train or test.")
@_files("--exclude", metavar="FILE", help="The excluded pairs, as they were given.")
@_files("--weak", metavar="FILE", help="The additional weak pairs, as they were given.")
@_files("--weights", metavar="FILE", help="The item weights, as they were given.")
@_foreign(
    "--positive",
    metavar="RULE",
    help="Which interactions are positives, as for train: '>=4', 'label=1', names of events, or all. The others are "
    "weak.  [default: all]",
)
@_foreign(
    "--keep-time",
    type=click.Choice(["last", "first"]),
    default="last",
    help="The time of a pair that occurs more than once.",
)
@_foreign(
    "--holdout",
    metavar="SPEC",
    help="How positives were held out: none, last, last:N, random, random:N, fraction:F, after:TIME or auto.  "
    "[default: not checked]",
)
@_foreign("--with-valid", is_flag=True, help="As many again were held out for validation.")
@_foreign(
    "--num-neg",
    metavar="K",
    type=click_types.NumNeg(),
    help="Negatives of each positive, or all: as many as there are.  [default: not checked]",
)
@_foreign(
    "--distinct/--repeats", default=None, help="Whether the negatives of one positive differ.  [default: not checked]"
)
@_foreign(
    "--sampler",
    metavar="NAME",
    multiple=True,
    help="What drew the negatives.  [default: not checked]",
)
@_foreign("--alpha", metavar="A", type=float, help="Of popularity.  [default: 0.75]")
@_foreign("--smooth", metavar="S", type=float, help="Of popularity.  [default: 0]")
@click_options.columns
@click_options.memory(spill_dir="where the system keeps temporary files", output="the report")
@click.option(
    "--examples",
    cls=SectionOption,
    section="Report",
    metavar="N",
    type=click.IntRange(0, 1_000),
    default=5,
    help="Rows shown of each kind of fault.",
)
@click.option("--json", "as_json", cls=SectionOption, section="Report", is_flag=True, help="Print JSON.")
@click.option(
    "--quiet",
    cls=SectionOption,
    section="Report",
    is_flag=True,
    help="Print only the checks that failed, and warnings on standard error.",
)
@click_options.strictness("Report", "the report is printed all the same")
def command(**given: Any) -> None:  # noqa: ANN401
    """Check prepared FILEs against their log, and print what was found.

    A FILE is what train or test wrote, in any layout; Parquet, CSV or TSV with the columns user, item, label (or
    pos_item and neg_item, or neg_items); RecBole's .inter; NCF's .rating and .negative; or the lists of LightGCN. Give
    train and test files together, and they are compared with each other.

    \b
      negprep verify train.parquet test.parquet --log log.csv
      negprep verify train.csv test.csv --log log.csv --made-by train.json --made-by test.json
      negprep verify x.train.rating x.test.negative --log log.csv --holdout last

    Everything is worked out anew from the log, by other means than those that drew: negatives that are positives,
    weak or excluded; a holdout among its own negatives; negatives that repeat, are too few or too many, or lie outside
    the catalog; positives and users that are missing, invented or in two files; holdouts that are not the latest; a
    place of the holdout that gives it away; a log q that is not that of the sampler; and, by chi-square, whether every
    item was drawn as often as the sampler promises. Metadata, or the summary of a run (--made-by), specify what a file
    of negprep promises; options specify it for other files. What is not specified is not checked, and the line names
    the option that would specify it.

    Exit code 1 where a check failed; with --strict, 3 where none failed and there is a warning. A check that could not
    be made gives the reason, and does not count as passed.

    Memory: that of --memory, besides the distinct ids and about 300 bytes for each user. Time: two or three times that
    of copying the files.
    """  # noqa: D301
    run_verify(given)
