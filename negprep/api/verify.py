"""``verify``: prepared files checked against their log."""

from __future__ import annotations

from typing import Unpack

from negprep.api.claims import Files, claims_of, named_files, refuse_streams, summaries
from negprep.api.keywords import CheckKeywords
from negprep.errors import refuse_warnings
from negprep.limits import check_bool, whole
from negprep.options import LogSource
from negprep.verifying.run import Report
from negprep.verifying.run import verify as run_verify

MOST_EXAMPLES = 1_000


def verify(
    files: Files,
    log: LogSource,
    *,
    train: Files = (),
    test: Files = (),
    made_by: Files = (),
    examples: int = 5,
    memory: int | None = None,
    spill_dir: str | None = None,
    strict: bool = False,
    **keywords: Unpack[CheckKeywords],
) -> Report:
    """Check prepared files against the log that they were made of, and train files against test files.

    Parameters
    ----------
    files : str, path, or sequence of them
        What ``train`` or ``test`` wrote, or a file of another program that says in its name what it is; may be empty
        where ``train`` or ``test`` name some.
    log : str, path, pyarrow.Table or pandas.DataFrame
        As for ``train``. It is not changed.
    train, test : str, path, or sequence of them
        Files that do not say themselves what they are.
    made_by : str, path, or sequence of them
        Summaries of the runs that wrote those of the files that have no metadata, such as CSV.
    examples : int
        Rows told of each kind of fault, 0 to 1000.
    memory : int, optional
        Bytes to take; what does not fit is spilled, and found is the same. None: half of what the machine has.
    spill_dir : str, optional
        A folder for what is spilled. None: where the system keeps temporary files.
    strict : bool
        Where no check failed, raise a warning, or a check that is unlikely, as a ``BadDataError``.
    **keywords
        The other options of ``negprep verify``: what is beside the files (``items``, ``exclude``, ``weak``,
        ``weights``), what files do not say themselves (``holdout``, ``num_neg``, ``sampler`` and so on), and how the
        log is read: the attributes of ``ReadOptions``.

    Returns
    -------
    Report
        Frozen; true ``failed`` where a check failed, ``files`` and ``across`` the checks, ``as_dict()`` the same as a
        dict. A check that could not be made has the status ``not checked``, and why as its note.

    Raises
    ------
    NegprepError
        A file that is no prepared file, another log, or an option without effect; in one line. A fault in a file
        raises nothing.

    Examples
    --------
    >>> import negprep, os, pyarrow as pa, tempfile
    >>> log = pa.table({"user": [1, 1, 2], "item": [10, 11, 12]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = negprep.train(log, os.path.join(folder, "train.parquet"))
    ...     found = negprep.verify(path, log)
    >>> found.failed, found.files[0].rows
    (False, 10)
    """
    check_bool("strict", strict)
    claims, read = claims_of(
        "verify", keywords, ("train", "test", "made_by", "examples", "memory", "spill_dir", "strict")
    )
    named = named_files(files, train, test)
    refuse_streams(named, log, claims.items, claims.exclude, claims.weak, claims.weights)
    most = whole("examples", examples, 0, MOST_EXAMPLES)
    if memory is not None:
        memory = whole("memory", memory, 1, 2**63 - 1)
    found = run_verify(
        named,
        log,
        claims=claims,
        made_by=summaries(made_by),
        read=read,
        n_examples=most,
        memory=memory,
        spill_dir=spill_dir,
    )
    if strict and not found.failed:
        refuse_warnings(found.doubts)
    return found
