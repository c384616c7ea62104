"""A whole report: prepared files, and perhaps their log, to one page in a file."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from negprep._version import __version__
from negprep.arrow import as_numpy, from_numpy
from negprep.errors import BadDataError, UsageError
from negprep.prepared import Prepared, open_prepared
from negprep.reading import open_log
from negprep.reporting.gathering import Gathered, gather
from negprep.reporting.log_times import LogTimes, Pairs
from negprep.reporting.page import Page, check_extra, rendered
from negprep.reporting.sections import Described, section
from negprep.reporting.wording import count
from negprep.writing import check_output
from negprep.writing.document import write_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    import pyarrow as pa

    from negprep.options import ReadOptions

    Progress = Callable[[str, int, int | None], None]


def report(
    names: Sequence[str], target: str, *, log: str | None, reading: ReadOptions, progress: Progress | None = None
) -> None:
    """Write the page.

    Parameters
    ----------
    names : sequence of str
        Prepared files or folders, at least one.
    target : str
        A file whose name ends in ``.html`` or ``.htm``.
    log : str or None
        The log that they were made of.
    reading : ReadOptions
        How to read the log.
    progress : callable, optional
        Called with the step, the rows done and those to do, if known.

    Raises
    ------
    UsageError
        OUTPUT has another ending or is one of the inputs, a file is named twice, or Jinja2 is not installed.
    BadDataError
        One of the files is not a prepared file, has no rows, or is damaged.
    OutputError
        A file cannot be read or written.
    """
    check_extra()
    if Path(target).suffix.lower() not in (".html", ".htm"):
        raise UsageError(
            "a report is a page of HTML, and this name ends otherwise",
            place=target,
            remedy="give OUTPUT, the last argument, a name that ends in .html",
        )
    inputs = [Path(name) for name in (*names, *([log] if log is not None else []))]
    check_output(target, inputs)
    titles = _titles(names)
    described = []
    for name, title in zip(names, titles, strict=True):
        described.append(_described(name, title, log, reading, progress))
    sections = [section(f"file-{place}", file) for place, file in enumerate(described, 1)]
    one = len(names) == 1
    page = Page(
        title=titles[0] if one else f"{len(names)} prepared files",
        lead=_lead(described, log),
        version=__version__,
        files=sections,
    )
    write_document(target, rendered(page).encode("utf-8", "replace"))


def _described(
    name: str, title: str, log: str | None, reading: ReadOptions, progress: Progress | None
) -> Described:
    with open_prepared(name) as prepared:
        pairs = Pairs() if log is not None and prepared.part in ("test", "valid") else None
        gathered = _gathered(prepared, pairs, progress)
        if not gathered.rows:
            raise BadDataError("no rows", place=name, remedy="a report needs a prepared file with rows")
        times = _times(pairs, log, reading) if pairs is not None and log is not None else None
        return Described(
            name=title,
            kind=prepared.shape.kind,
            layout=prepared.layout,
            part=prepared.part,
            facts=prepared.facts,
            gathered=gathered,
            times=times,
        )


def _gathered(prepared: Prepared, pairs: Pairs | None, progress: Progress | None) -> Gathered:
    facts = prepared.facts or {}

    def batches() -> Iterator[pa.RecordBatch]:
        done = 0
        for batch in prepared.batches():
            if pairs is not None:
                _note_pairs(pairs, batch.rows, prepared.layout)
            yield batch.rows
            done += batch.rows.num_rows
            if progress is not None:
                progress("count", done, None)

    return gather(
        batches(),
        prepared.layout,
        placed=prepared.part != "train",
        grouped=not facts.get("shuffle") and facts.get("bootstrap") is None,
    )


def _note_pairs(pairs: Pairs, rows: pa.RecordBatch, layout: str) -> None:
    import numpy as np

    users = rows.column("user")
    if layout == "pointwise":
        at: pa.Array = from_numpy(np.flatnonzero(as_numpy(rows.column("label")) > 0))
        pairs.add(users.take(at), rows.column("item").take(at))
    elif layout == "positives":
        pairs.add(users, rows.column("item"))
    else:
        pairs.add(users, rows.column("pos_item"))


def _times(pairs: Pairs, log: str, reading: ReadOptions) -> LogTimes | None:
    with open_log(log, reading) as reader:
        if "time" not in reader.columns:
            return None
        return pairs.times(reader.batches(("user", "item", "time")))


def _titles(names: Sequence[str]) -> list[str]:
    """The last part of each path; the whole one where two would look alike."""
    real = [os.path.realpath(name) for name in names]
    for place, path in enumerate(real):
        if path in real[:place]:
            raise UsageError("is named twice", place=names[place], remedy="name each file once")
    short = [Path(path).name for path in real]
    return [name if short.count(brief) > 1 else brief for name, brief in zip(names, short, strict=True)]


def _lead(files: list[Described], log: str | None) -> str:
    rows = sum(file.gathered.rows for file in files)
    text = f"What is in {'this file' if len(files) == 1 else 'these files'} of {count(rows, 'row')}"
    return f"{text}{', and what its log says of it' if log else ''}: where the negatives come from, and what to beware of."
