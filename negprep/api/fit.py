"""``fit``: a log to a model that ``train`` draws with."""

from __future__ import annotations

import os
from dataclasses import fields
from typing import Any, Literal, Unpack

from negprep.api.keywords import FitKeywords, refuse_unknown
from negprep.errors import UsageError
from negprep.fitting.job import FitSummary
from negprep.fitting.job import fit as run_fit
from negprep.fitting.learners import learning_of
from negprep.limits import RNS_OPTIONS
from negprep.options import LogSource, Options, ReadOptions
from negprep.run import silent

_NAMED = ("kind", "holdout", "factors", "epochs", "regularization", "learning_rate", "seed", "jobs")


def fit(
    log: LogSource,
    model: str | os.PathLike[str],
    *,
    kind: Literal["als", "bpr", "rns"],
    holdout: str = "auto",
    factors: int | None = None,
    epochs: int | None = None,
    regularization: float | None = None,
    learning_rate: float | None = None,
    seed: int = 0,
    jobs: int = 1,
    **keywords: Unpack[FitKeywords],
) -> FitSummary:
    """Make a model from the train part of a log, and write it to a file, whole or not at all.

    Parameters
    ----------
    log : str, path, pyarrow.Table or pandas.DataFrame
        As for ``train``. It is not changed.
    model : str or path
        The file to write: numpy arrays, to be named by ``train(..., model=...)``.
    kind : {"als", "bpr", "rns"}
        ``als`` and ``bpr`` (which need the extra ``negprep[fit]``) are for ``sampler="hard"``, ``rns`` is for
        ``sampler="reinforced"``.
    holdout : str
        The positives that nothing is learnt from, by default those of ``train``; give both the same.
    factors : int, optional
        Numbers for each user and item, 1 to 1024: 64, or 32 for ``rns``.
    epochs : int, optional
        Passes over the train positives: 15 for ``als``, 100 for ``bpr``, 20 for ``rns``.
    regularization : float, optional
        How strongly factors are drawn to 0: 0.01, or 1e-5 for ``rns``.
    learning_rate : float, optional
        The size of a step: 0.05 for ``bpr``, 0.001 for ``rns``.
    seed : int
        Decides the first factors and whatever is drawn while learning.
    jobs : int
        Threads that learn. With more than one, ``bpr`` gives another model each time.
    **keywords
        The other options of ``negprep fit``: those of the positives and the holdout, and ``ReadOptions``, as for
        ``train``; and those of ``rns``, which the page docs/learned-samplers.md explains.

    Returns
    -------
    FitSummary
        Frozen: what was learnt from, what was held out, and what the file says of itself.

    Raises
    ------
    NegprepError
        Bad data, an option that the kind has no use for, an extra that is missing, or a failure to write; in one line.

    Notes
    -----
    One seed gives one model, on one machine with one version of the libraries. With ``rns``, numpy must keep to one
    thread for that, which it decides when it is imported: set OPENBLAS_NUM_THREADS=1 before.

    Examples
    --------
    >>> import negprep, os, pyarrow as pa, tempfile
    >>> events = ["buy", "view", "buy", "view"]
    >>> log = pa.table({"user": [1, 1, 2, 2], "item": [10, 11, 11, 12], "event": events, "time": [1, 2, 3, 4]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "policy.npz")
    ...     found = negprep.fit(log, path, kind="rns", positive="buy", factors=4, epochs=1)
    >>> found.positives, found.users, found.held_out
    (2, 2, 0)
    """
    given: dict[str, Any] = dict(keywords)
    refuse_unknown("fit", given, FitKeywords.__optional_keys__, _NAMED)
    target = os.fspath(model)
    if not target:
        raise UsageError("model is empty", remedy="give a path")
    learning = learning_of(
        kind,
        factors=factors,
        epochs=epochs,
        regularization=regularization,
        learning_rate=learning_rate,
        seed=seed,
        threads=jobs,
        **{name: given.pop(name, None) for name in RNS_OPTIONS},
    )
    reading = {field.name for field in fields(ReadOptions)}
    read = ReadOptions(**{name: value for name, value in given.items() if name in reading})
    rest = {name: value for name, value in given.items() if name not in reading}
    options = Options(command="train", holdout=holdout, jobs=jobs, read=read, **rest)
    return run_fit(log, target, options, kind, learning, silent)
