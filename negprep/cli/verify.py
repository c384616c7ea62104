"""``negprep verify``."""

from __future__ import annotations

from typing import Any

import click

from negprep.cli import shared, values
from negprep.cli.sections import SectionCommand, SectionOption, in_section

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
    "[default: not known, and not checked]",
)
@_foreign("--with-valid", is_flag=True, help="As many again were held out for validation.")
@_foreign(
    "--num-neg",
    metavar="K",
    type=values.NumNeg(),
    help="Negatives of each positive, or all: as many as there are.  [default: what explains most]",
)
@_foreign(
    "--distinct/--repeats", default=None, help="Whether the negatives of one positive differ.  [default: in test only]"
)
@_foreign(
    "--sampler",
    metavar="NAME",
    multiple=True,
    help="What drew the negatives.  [default: by the column source, else uniform]",
)
@_foreign("--alpha", metavar="A", type=float, help="Of popularity.  [default: 0.75]")
@_foreign("--smooth", metavar="S", type=float, help="Of popularity.  [default: 0]")
@shared.columns
@shared.memory(spill_dir="where the system keeps temporary files", output="the report")
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
    help="Print only the checks that failed or warn, and warnings on standard error.",
)
@shared.strictness("Report", "the report is printed all the same")
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
    item was drawn as often as the sampler says. What negprep wrote says in its metadata what it must be like, or in the
    summary of its run (--made-by); of other files the options say it; what nobody says and is not as usual is called
    unlikely, and is no fault.

    Exit code 1 where a check failed; with --strict, 3 where none failed and one is unlikely, or there is a warning. A
    check that could not be made says why, and does not count as passed.

    Memory: that of --memory, besides the distinct ids and about 300 bytes for each user. Time: two or three times that
    of copying the files.
    """  # noqa: D301
    from negprep.cli.verdicts import run_verify

    run_verify(given)
