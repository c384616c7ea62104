"""``report``: a page that shows prepared files."""

from __future__ import annotations

import os
from typing import Unpack

from negprep.api.claims import Files, claims_of, named_files, summaries
from negprep.api.keywords import CheckKeywords, warn_of
from negprep.errors import UsageError
from negprep.limits import check_bool
from negprep.options import LogSource
from negprep.reporting.job import report as run_report
from negprep.verifying.run import Report


def report(
    files: Files,
    output: str | os.PathLike[str],
    *,
    log: LogSource | None = None,
    train: Files = (),
    test: Files = (),
    made_by: Files = (),
    strict: bool = False,
    **keywords: Unpack[CheckKeywords],
) -> Report | None:
    """Write a page of HTML that shows what is in prepared files, whole or not at all.

    Parameters
    ----------
    files, train, test, made_by, **keywords
        As for ``verify``; the keywords need a log.
    output : str or path
        A name that ends in ``.html``.
    log : str, path, pyarrow.Table or pandas.DataFrame, optional
        What the files were made of; adds the checks of ``verify`` and the times of the holdouts.
    strict : bool
        Raise a warning, a check that is unlikely or one that failed as a ``BadDataError``, and write nothing.

    Returns
    -------
    Report or None
        What ``verify`` found, with five rows of each kind of fault; None without a log.

    Raises
    ------
    NegprepError
        The extra ``negprep[report]`` is missing, a file is no prepared file, or a failure to write; in one line.

    Examples
    --------
    >>> import negprep, os, pyarrow as pa, tempfile
    >>> log = pa.table({"user": [1, 1, 2], "item": [10, 11, 12]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = negprep.train(log, os.path.join(folder, "train.parquet"))
    ...     found = negprep.report(path, os.path.join(folder, "page.html"), log=log)
    >>> found.failed
    False
    """
    check_bool("strict", strict)
    claims, reading = claims_of("report", keywords, ("log", "train", "test", "made_by", "strict"))
    if log is None and keywords:
        raise UsageError(f"{min(keywords)} without a log, of which it says something", remedy="add log=...")
    named, told = named_files(files, train, test), summaries(made_by)
    found, warnings = run_report(
        named, os.fspath(output), log=log, claims=claims, made_by=told, reading=reading, strict=strict
    )
    if found is None:
        warn_of(warnings)
    return found
