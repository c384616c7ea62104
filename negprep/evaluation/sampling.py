"""What the metadata of a test file, or the options, say of how its candidates were drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from negprep.errors import BadDataError, UsageError
from negprep.evaluation.estimators import Sampling
from negprep.evaluation.lists import Counts
from negprep.evaluation.options import EvaluateOptions
from negprep.jsons import json_value

MOST_PLACES = 1500
"""Of all lengths of lists together. An estimate takes time in proportion to them, or to their square."""

_FULL = "the lists hold all items: these are the metrics of a full ranking"


def read_facts(footers: list[dict[bytes, bytes]], place: str) -> dict[str, Any] | None:
    """What negprep wrote into the footer of a test file, ``place``: None unless every part says the same.

    Raises
    ------
    BadDataError
        It is not JSON.
    """
    told = {footer.get(b"negprep", b"") for footer in footers}
    if len(told) != 1 or told == {b""}:
        return None
    try:
        facts = json_value(told.pop())
    except ValueError:
        what = "the metadata 'negprep' is not what negprep writes"
        raise BadDataError(what, place=place, remedy="make the file again") from None
    return facts if isinstance(facts, dict) and isinstance(facts.get("counts"), dict) and "draws" in facts else None


def is_distinct(facts: dict[str, Any] | None, options: EvaluateOptions) -> bool:
    """Whether the negatives of a list differ, as the options or the metadata say."""
    if options.distinct is not None:
        return options.distinct
    return facts is None or facts["draws"] == "distinct"


def find_sampling(
    facts: dict[str, Any] | None, options: EvaluateOptions, candidates: Counts
) -> tuple[Sampling | None, str]:
    """How the candidates were drawn, or why nothing can be estimated from them.

    Parameters
    ----------
    facts : dict or None
        The metadata of the test file.
    options : EvaluateOptions
    candidates : int64, shape (n_lists,)
        Negatives in each list.

    Raises
    ------
    UsageError
        ``catalog_size`` or ``gamma`` is given, but nothing can be estimated; or ``catalog_size`` is too small.
    """
    sampling, why = _sampling(facts, options, candidates)
    if sampling is None:
        for option, value in (("--catalog-size", options.catalog_size), ("--gamma", options.gamma)):
            if value is not None:
                raise UsageError(f"{option}: there is no estimate, because {why}", remedy="leave it out")
    return sampling, why


def _sampling(
    facts: dict[str, Any] | None, options: EvaluateOptions, candidates: Counts
) -> tuple[Sampling | None, str]:
    distinct = is_distinct(facts, options)
    drawn = facts or {}
    if drawn.get("sampler", "uniform") != "uniform":
        return None, f"the candidates are not uniform (the sampler is {drawn['sampler']})"
    if drawn.get("num_neg") == "all":
        return None, _FULL
    if drawn.get("available_at_time") or drawn.get("same"):
        return None, "each holdout has a catalog of its own (--available-at-time or --same)"
    competitors = options.catalog_size - 1 if options.catalog_size else _competitors(drawn.get("counts", {}))
    if competitors is None:
        return None, "it is unknown how many items there are; give --catalog-size, or negprep's test file with --test"
    most = int(candidates.max())
    if distinct and options.catalog_size is not None and most > competitors:
        raise UsageError(
            f"--catalog-size {options.catalog_size} is less than the {most + 1} items of a list",
            remedy="count all items that are ranked, the held-out one too",
        )
    sampling = Sampling(
        competitors=competitors, distinct=distinct, all_below=drawn.get("num_neg") if distinct else None
    )
    sampled = candidates[~sampling.is_full(candidates)]
    if not sampled.size:
        return None, _FULL
    places = int((np.unique(sampled) + 1).sum())
    if places > MOST_PLACES:
        return (
            None,
            f"the lists have {places:,} places, all lengths together, and {MOST_PLACES:,} are feasible",
        )
    return sampling, ""


def _competitors(counts: dict[str, Any]) -> int | None:
    """The mean number of eligible items of a user, within the range that the metadata gives."""
    if not counts.get("users") or not counts.get("eligible_max"):
        return None
    seen = sum(counts.get(kind, 0) for kind in ("positives", "weak", "excluded_pairs")) / counts["users"]
    return int(min(max(round(counts["catalog_items"] - seen), counts["eligible_min"]), counts["eligible_max"]))
