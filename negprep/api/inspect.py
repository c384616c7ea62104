"""``inspect``: what a log holds, and what would become of it."""

from __future__ import annotations

from typing import Literal, Unpack

from negprep.api.keywords import TrainKeywords, refuse_unknown
from negprep.errors import refuse_warnings
from negprep.inspecting.inspection import Inspection, inspect_log
from negprep.options import LogSource


def inspect(
    log: LogSource,
    *,
    num_neg: int | Literal["all"] | None = None,
    holdout: str = "auto",
    distinct: bool | None = None,
    fold: Literal["valid", "test"] = "test",
    **keywords: Unpack[TrainKeywords],
) -> Inspection:
    """What a log holds, what ``train`` and ``test`` would write, and what is suspicious. Nothing is written.

    Parameters
    ----------
    log : str, path, pyarrow.Table or pandas.DataFrame
        As for ``train``. It is read several times, and not changed.
    num_neg, holdout, distinct, fold, **keywords
        As for ``train`` and ``test``; where ``num_neg`` or ``distinct`` is None, each has its own default. What
        ``test`` does not take (``epochs``, ``bootstrap``) is for ``train`` alone. With ``strict=True``, what is
        suspicious is raised as a ``BadDataError``.

    Returns
    -------
    Inspection
        Frozen; ``log`` are the facts, ``train`` and ``test`` the forecasts, ``warnings`` one line each. ``as_dict()``
        gives the same as a dict. Rows are exact; bytes, seconds and memory are estimated.

    Raises
    ------
    NegprepError
        The log cannot be read, or neither command takes these options.

    Examples
    --------
    >>> import negprep, pyarrow as pa
    >>> log = pa.table({"user": [1, 1, 2, 2], "item": [10, 11, 12, 13], "time": [1, 2, 3, 4]})
    >>> found = negprep.inspect(log)
    >>> found.log.users, found.log.density, found.train.rows, found.test.rows
    (2, 0.5, 10, 6)
    """
    known = TrainKeywords.__optional_keys__ - {"force"} | {"shard_rows"}
    refuse_unknown("inspect", keywords, known, ("num_neg", "holdout", "distinct", "fold"))
    found = inspect_log(log, {"num_neg": num_neg, "holdout": holdout, "distinct": distinct, "fold": fold, **keywords})
    if keywords.get("strict"):
        refuse_warnings(found.warnings)
    return found
