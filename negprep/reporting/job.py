"""A whole report: prepared files, and perhaps their log, to one page in a file."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import count as count_up
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from negprep._version import __version__
from negprep.arrow import as_numpy, from_numpy
from negprep.errors import BadDataError, UsageError, refuse_warnings
from negprep.options import LogSource, ReadOptions
from negprep.prepared import Prepared, allotted, members, open_prepared
from negprep.reading import open_log
from negprep.reporting.described import Described
from negprep.reporting.gathering import Gathered, gather
from negprep.reporting.log_times import LogTimes, Pairs
from negprep.reporting.page import Page, check_extra, rendered
from negprep.reporting.sections import section, shown_check
from negprep.reporting.wording import count
from negprep.verifying.across import Overlap
from negprep.verifying.claims import Claims
from negprep.verifying.run import Report, verify
from negprep.writing import check_output
from negprep.writing.document import write_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from negprep.prepared.summaries import Told

    Progress = Callable[[str, int, int | None], None]

EXAMPLES = 5
"""Rows that the page shows of each kind of fault."""


def report(
    files: Sequence[tuple[str, str | None]],
    target: str,
    *,
    log: LogSource | None = None,
    claims: Claims | None = None,
    made_by: Sequence[str] = (),
    reading: ReadOptions | None = None,
    progress: Progress | None = None,
    warn: Callable[[str], None] = lambda _: None,
    strict: bool = False,
) -> tuple[Report | None, list[str]]:
    """Write the page.

    Parameters
    ----------
    files : sequence of (path, part)
        Prepared files or folders, at least one; ``part`` is ``train``, ``test`` or, where the file says it itself or
        nobody knows, None.
    target : str
        A file whose name ends in ``.html`` or ``.htm``.
    log : str, path, pyarrow.Table or pandas.DataFrame, optional
        The log that they were made of.
    claims : Claims, optional
        Of files that do not say what they promise.
    made_by : sequence of str
        The summaries of the runs that wrote those of the files that have no metadata.
    reading : ReadOptions, optional
        How to read the log.
    progress : callable, optional
        Called with the step, the rows done and those to do, if known.
    warn : callable, optional
        Is told of each overlap of train and test, as the page is.

    strict : bool
        Whether a warning, a check that is unlikely or one that failed is an error.

    Returns
    -------
    found : Report or None
        What the checks found; None without a log.
    warnings : list of str
        What is suspicious in how the log or a file is written.

    Raises
    ------
    UsageError
        OUTPUT has another ending or is one of the inputs, a file is named twice, is standard input, or Jinja2 is not
        installed.
    BadDataError
        One of the files is not a prepared file, has no rows, or is damaged.
    OutputError
        A file cannot be read or written.
    """
    check_extra()
    claims, reading = claims or Claims(), reading or ReadOptions()
    names = [name for name, _ in files]
    if Path(target).suffix.lower() not in (".html", ".htm") or target.endswith("/"):
        raise UsageError(
            "a report is a page of HTML, and this name ends otherwise",
            place=target,
            remedy="give OUTPUT, the last argument, a name that ends in .html",
        )
    beside = (log, claims.items, claims.exclude, claims.weak, claims.weights)
    paths = [os.fspath(name) for name in (*names, *made_by, *beside) if isinstance(name, str | os.PathLike)]
    for path in paths:
        if path in ("", "-"):
            what = "is empty" if path == "" else "is '-', and a report reads its files more than once"
            raise UsageError(f"a file name {what}", remedy="give a path")
    check_output(target, [Path(path) for path in paths])
    _titles(names)  # before a folder is taken apart: nothing may be named twice
    files = [(path, part) for name, part in files for path in members(name)]
    names = [name for name, _ in files]
    titles = _titles(names)
    tell = _telling(progress)
    found = None
    if log is not None:
        found = verify(files, log, claims=claims, made_by=made_by, read=reading, n_examples=EXAMPLES, tell=tell)
    told = allotted(names, made_by)
    described, shown = [], dict(zip(names, titles, strict=True))
    held: dict[str, tuple[str, Pairs]] = {}
    for place, ((name, part), title) in enumerate(zip(files, titles, strict=True)):
        file, pairs = _described(name, part, title, told.get(name), log, reading, progress, several=len(files) > 1)
        if pairs is not None and file.part is not None:
            held[name] = file.part, pairs
        if found is not None:
            checks = [shown_check(check, shown, file=name) for check in found.files[place].checks]
            file = replace(file, part=found.files[place].part, checks=checks)
        described.append(file)
    overlaps = (
        found.overlaps
        if found is not None
        else tuple(_overlaps(dict(zip(names, described, strict=True)), held, told, reading))
    )
    for overlap in overlaps:
        warn(overlap.line())
    warnings = list(
        dict.fromkeys([*([] if found is None else found.warnings), *(w for f in described for w in f.warnings)])
    )
    if strict:
        failed = (
            [] if found is None else [f"{check.name}: failed" for check in found.checks if check.status == "failed"]
        )
        refuse_warnings([*failed, *(warnings if found is None else found.doubts)])
    page = Page(
        title=titles[0] if len(names) == 1 else f"{len(names)} prepared files",
        lead=_lead(described, log),
        version=__version__,
        overlaps=[overlap.line(shown) for overlap in overlaps],
        files=[section(f"file-{place}", file) for place, file in enumerate(described, 1)],
        across=[] if found is None else [shown_check(check, shown) for check in found.across],
    )
    write_document(target, rendered(page).encode("utf-8", "replace"))
    return found, warnings


def _telling(progress: Progress | None) -> Callable[[str], None]:
    """What hands on, as a step of its own, each thing that the checks say they do next."""
    steps = count_up()

    def tell(words: str) -> None:
        if progress is not None:
            progress(f"check {words}", next(steps), None)

    return tell


def _described(
    name: str,
    part: str | None,
    title: str,
    told: Told | None,
    log: LogSource | None,
    reading: ReadOptions,
    progress: Progress | None,
    *,
    several: bool,
) -> tuple[Described, Pairs | None]:
    """What the page needs of a file; and the positives of one that holds some out."""
    with open_prepared(name, told, reading) as prepared:
        part = part or prepared.part
        pairs = Pairs() if part in ("test", "valid") and (several or log is not None) else None
        gathered = _gathered(prepared, part, pairs, progress)
        if not gathered.rows:
            raise BadDataError("no rows", place=name, remedy="a report needs a prepared file with rows")
        times = _times(pairs, log, reading) if pairs is not None and log is not None else None
        described = Described(
            name=title,
            kind=prepared.shape.kind,
            layout=prepared.layout,
            part=part,
            facts=prepared.facts,
            gathered=gathered,
            times=times,
            warnings=prepared.warnings,
        )
        return described, pairs


def _overlaps(
    files: dict[str, Described], held: dict[str, tuple[str, Pairs]], told: dict[str, Told], reading: ReadOptions
) -> Iterator[Overlap]:
    """Of files without a log: those of train, read once more, with those that hold something out."""
    for name, file in files.items():
        if file.part != "train":
            continue
        for other, (part, pairs) in held.items():
            with open_prepared(name, told.get(name), reading) as prepared:
                positives = (_positives(batch.rows, prepared.layout) for batch in prepared.batches())
                count, held_out = pairs.among(positives)
            if count:
                yield Overlap("train", part, name, other, count, held_out)


def _gathered(prepared: Prepared, part: str | None, pairs: Pairs | None, progress: Progress | None) -> Gathered:
    facts = prepared.facts or {}
    levels = str(facts.get("sampler")).startswith("levels")

    def batches() -> Iterator[pa.RecordBatch]:
        done = 0
        for batch in prepared.batches():
            if pairs is not None:
                pairs.add(*_positives(batch.rows, prepared.layout))
            yield batch.rows
            done += batch.rows.num_rows
            if progress is not None:
                progress("count", done, None)

    return gather(
        batches(),
        prepared.layout,
        placed=part != "train",
        grouped=not facts.get("shuffle") and facts.get("bootstrap") is None and not levels,
    )


def _positives(rows: pa.RecordBatch, layout: str) -> tuple[pa.Array, pa.Array]:
    """The users and the items of the positives."""
    users = rows.column("user")
    if layout == "pointwise":
        at: pa.Array = from_numpy(np.flatnonzero(as_numpy(rows.column("label")) > 0))
        return users.take(at), rows.column("item").take(at)
    return users, rows.column("item" if layout == "positives" else "pos_item")


def _times(pairs: Pairs, log: LogSource, reading: ReadOptions) -> LogTimes | None:
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
    short = [Path(name).name or Path(path).name for name, path in zip(names, real, strict=True)]
    return [name if short.count(brief) > 1 else brief for name, brief in zip(names, short, strict=True)]


def _lead(files: list[Described], log: LogSource | None) -> str:
    rows = count(sum(file.gathered.rows for file in files), "row")
    checked = " and checked against their log" if log is not None else ""
    return f"{rows} in all, counted{checked}: where the negatives come from, and what to beware of."
