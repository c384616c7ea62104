"""How a log is read, as a user may ask for it: columns, delimiters, times; and what is checked of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from negprep.errors import UsageError
from negprep.options.conditions import Condition, parse_condition
from negprep.options.conflicts import refuse_columns
from negprep.options.data_set import DataSet
from negprep.options.declared import check_options, option
from negprep.options.formats import SourceForm
from negprep.options.specs import TimeForms, check_marks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import pyarrow as pa
    from pyarrow.dataset import Dataset


class ArrowStream(Protocol):
    """What gives Arrow batches: a frame of Polars, a relation of DuckDB, a ``pa.RecordBatchReader`` and others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule with a C stream of batches."""


LogSource: TypeAlias = (
    "str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | pa.Table | pd.DataFrame | ArrowStream | Dataset"
)
"""A path (file, folder, glob, or ``-``) or several, a table in memory, or anything that gives Arrow batches."""


def paths_in(source: object) -> list[str]:
    """The paths that a source consists of; none for a table.

    Raises UsageError: It is an empty list.
    Raises TypeError: It is a list with something else.
    """
    if isinstance(source, str | os.PathLike):
        return [os.fspath(source)]
    if not isinstance(source, list | tuple):
        return []
    for each in source:
        if not isinstance(each, str | os.PathLike):
            raise TypeError(f"a log is a path, or a list of paths, not a list with {type(each).__name__}")
    if not source:
        raise UsageError("the list of files is empty", remedy="give a path, or several")
    return [os.fspath(each) for each in source]


LOGS = "train test inspect fit verify report"
"""The commands that read a log."""


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How a log is read. ``negprep train --help-all`` and docs/reference/cli.md explain each option, under Reading.

    ``time_format`` is kept as a tuple.
    """

    user_col: str | None = option(
        None,
        "The user column.",
        ("Reading", f"{LOGS} evaluate"),
        metavar="NAME",
        common=f"{LOGS}",
        shown="recognised: user, user_id, userId, uid and the like",
    )
    item_col: str | None = option(
        None,
        "The item column.",
        ("Reading", f"{LOGS} evaluate"),
        metavar="NAME",
        common=f"{LOGS}",
        shown="recognised: item, item_id, movieId, asin and the like",
    )
    time_col: str | None = option(
        None,
        "The time column.",
        ("Reading", LOGS),
        metavar="NAME",
        common=LOGS,
        shown="recognised: timestamp, ts, time, date and the like",
    )
    value_col: str | None = option(
        None,
        "The value column.",
        ("Reading", LOGS),
        metavar="NAME",
        shown="recognised: rating, value, score, count",
    )
    event_col: str | None = option(
        None, "The event column.", ("Reading", LOGS), metavar="NAME", shown="recognised: event, behavior, type"
    )
    shown_col: str | None = option(
        None,
        "A column with the items that were shown beside the item of a row: lists, or text with spaces, commas, "
        "semicolons or bars between. Each of them becomes a row of its own, with 0 in a column 'click', and the item "
        "of the row has 1; a row may lack an item.",
        ("Reading", LOGS),
        metavar="NAME",
    )
    columns: tuple[str, ...] | None = option(
        None,
        "The names of all columns, in order, of a text file without a header: user,item,value,time.",
        ("Reading", f"{LOGS} evaluate"),
        metavar="A,B,...",
        reads="names",
        differs={"evaluate": {"help": "The names of all columns, in order, of SCORES without a header."}},
    )
    delimiter: str | None = option(
        None,
        r"What separates the fields of a text file: one character, '::', or a tab as '\t' or tab.",
        ("Reading", f"{LOGS} evaluate"),
        metavar="TEXT",
        reads="delimiter",
        shown="found from the first line",
    )
    quote: str | None = option(
        None,
        "The character around fields of a text file, doubled within them; or none: quotes are text. Applies to every "
        "text file that is read.",
        ("Reading", f"{LOGS} evaluate"),
        metavar="CHAR",
        shown="'\"'; refused where lines within a field look like rows",
    )
    escape: str | None = option(
        None,
        r"The character that makes the next one text, such as '\' in CSV of Spark and Hive.",
        ("Reading", f"{LOGS} evaluate"),
        metavar="CHAR",
        shown="none",
    )
    from_: SourceForm | None = option(
        None,
        "The format of INPUT, where the file does not show it: lists of items (lightgcn), pairs in order of time "
        "(sasrec), or impressions (mind), which become rows of user, item, time, click and impression.",
        ("Reading", LOGS),
        spelling="--from",
        shown="found from the first line",
    )
    time_format: str | tuple[str, ...] = option(
        (),
        "How times are written, in strptime's words, such as '%m/%d/%Y %I:%M:%S %p'; may repeat: a time takes the "
        "first that fits. Or the unit of numbers: seconds, milliseconds, microseconds, nanoseconds.",
        ("Reading", LOGS),
        metavar="FORMAT",
        shown="recognised",
    )
    drop_invalid: bool = option(
        False,
        "Count and drop rows without a usable id, time, value or event, instead of refusing the log. Columns that are "
        "not needed count, too: every command drops the same rows.",
        ("Reading", LOGS),
    )
    expect_rows: int | None = option(
        None,
        "Refuse a log with another number of rows, such as one that was cut short.",
        ("Reading", LOGS),
        metavar="N",
        limits=(0, 2**63 - 1),
    )
    where: str | None = option(
        None,
        "Read only the rows for which a condition is true: \"country = 'KR' AND event_time >= 2024-01-01\"; also !=, "
        "<, <=, >, IN (...), BETWEEN a AND b, IS NULL, OR, NOT and parentheses. The other rows are counted.",
        ("Reading", LOGS),
        metavar="CONDITION",
        shown="all rows",
    )
    data_set: DataSet | None = field(default=None, repr=False, compare=False)
    """What a recipe says of the data set that the log is."""
    time_forms: TimeForms = field(init=False, repr=False, compare=False)
    """``time_format``, parsed."""
    condition: Condition | None = field(init=False, repr=False, compare=False)
    """``where``, parsed."""

    def of_text_beside(self) -> ReadOptions:
        """What applies to the files beside the log, too: its quotes, and how it writes times."""
        return ReadOptions(quote=self.quote, escape=self.escape, time_format=self.time_format)

    def __post_init__(self) -> None:
        check_options(self)
        check_marks(self)
        given: Any = self.columns
        if given is not None:
            names = given.split(",") if isinstance(given, str) else given
            object.__setattr__(self, "columns", tuple(name.strip() for name in names))
        object.__setattr__(self, "time_forms", TimeForms.parse(self.time_format))
        given = (self.time_format,) if isinstance(self.time_format, str) else tuple(self.time_format)
        object.__setattr__(self, "time_format", given)
        object.__setattr__(self, "condition", None if self.where is None else parse_condition(self.where))
        refuse_columns(self)
