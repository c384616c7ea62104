"""What a prepared file promises: as its metadata says, or, where it has none, as the person who checks it says."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

from negprep.errors import BadDataError, UsageError
from negprep.holdout_rule import HoldoutRule
from negprep.prepared import Prepared
from negprep.recipe import FALLBACK, LEVEL_SOURCES, SAMPLERS, Recipe
from negprep.verifying.claims import Claims
from negprep.verifying.terms import ALL, Terms, TruthTerms

_WHOLE = ("negprep", "text")
"""Kinds of files that are the whole output of a run, in its layout."""


_NO_SAMPLER = {"positive", FALLBACK}
_KNOWN = {*SAMPLERS, *LEVEL_SOURCES}
"""What the column ``source`` says."""


def terms_of(prepared: Prepared, part: str | None, claims: Claims, *, log_has_times: bool) -> Terms:
    """The terms of a file.

    Raises
    ------
    UsageError
        It was made with a file that is not given, or nobody says what it is for.
    """
    if prepared.facts is not None and "train" in (part, prepared.part) and part not in (None, prepared.part):
        what = f"given as --{part}, but its metadata say {prepared.part}"
        raise UsageError(what, place=prepared.name, remedy="name it without an option")
    part = part if prepared.facts is None and part is not None else prepared.part
    if part is None:
        raise UsageError(
            "train rows or test rows? The file does not say", place=prepared.name, remedy="give it as --train or --test"
        )
    if prepared.facts is None:
        return _claimed(prepared, part, claims, log_has_times)
    try:
        terms = _said(prepared, part, prepared.facts)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"the metadata 'negprep' is not what negprep writes ({error})"
        raise BadDataError(what, place=prepared.said_in, remedy="make the file again") from None
    if prepared.shape.kind in _WHOLE and terms.layout != prepared.facts["layout"]:
        what = f"{prepared.layout} rows, and {prepared.said_in} says {prepared.facts['layout']}"
        raise BadDataError(what, place=prepared.name, remedy="are they of one run?")
    for option in ("items", "exclude", "weak"):
        if getattr(terms.truth, option) and getattr(claims, option) is None:
            raise UsageError(f"made with --{option}", place=prepared.name, remedy=f"add --{option} FILE, the same file")
    return terms


def _said(prepared: Prepared, part: str, facts: dict[str, Any]) -> Terms:
    rule = HoldoutRule.parse(facts["holdout"])
    words = [word for word in facts["sampler"].split() if word != "levels"]
    names = tuple(re.split("[:=]", word)[0] for word in words)
    shares = tuple(float(re.split("[:=]", word)[1]) if re.search("[:=]", word) else 1.0 for word in words)
    return Terms(
        part=part,
        layout=prepared.layout,
        says_itself=True,
        num_neg=ALL if facts["num_neg"] == "all" else int(facts["num_neg"]),
        distinct=facts["draws"] == "distinct",
        samplers=names,
        shares=shares,
        fixed="=" in facts["sampler"],
        exposed="reinforced" in names and bool(facts["pool_weak"]),
        alpha=0.75 if facts["alpha"] is None else float(facts["alpha"]),
        smooth=0.0 if facts["smooth"] is None else float(facts["smooth"]),
        weights=facts["weights"] == "a file",
        rule=rule,
        with_valid=bool(facts["with_valid"]),
        drops_short=facts["on_short"] == "drop",
        bootstrap=facts["bootstrap"],
        shuffled=bool(facts["shuffle"]),
        epochs=facts["epochs"] or 1,
        available=bool(facts["available_at_time"]),
        truth=TruthTerms(
            positive=facts["positive"],
            keep_time=facts["keep_time"],
            min_positives=facts["min_positives"],
            core=facts["core"],
            same=facts["same"],
            items=facts["catalog"] == "a file",
            exclude="excluded pairs" in facts["seen"],
            weak=facts["weak"] == "a file",
            with_times=rule.needs_times or bool(facts["available_at_time"]),
            with_firsts=bool(facts["available_at_time"]),
        ),
        counts=dict(facts["counts"]),
    )


def _claimed(prepared: Prepared, part: str, claims: Claims, log_has_times: bool) -> Terms:
    rule = None if claims.holdout is None else HoldoutRule.parse(claims.holdout)
    if rule is not None and rule.kind == "auto":
        rule = HoldoutRule("last" if log_has_times else "random")
    recipe = Recipe.parse(claims.sampler or ("uniform",))
    epochs, sources = _shown(prepared)
    samplers = recipe.names if claims.sampler or not sources else sources
    unsaid = {name for name in ("num_neg", "distinct", "items") if getattr(claims, name) is None}
    unsaid |= {"sampler"} if not claims.sampler else set()
    unsaid |= {"weak"} if claims.positive is None and claims.weak is None else set()
    return Terms(
        part=part,
        layout=prepared.layout,
        says_itself=False,
        num_neg=ALL if claims.num_neg == "all" else claims.num_neg,
        distinct=part != "train" if claims.distinct is None else claims.distinct,
        samplers=samplers,
        shares=tuple(map(float, recipe.shares)) if samplers is recipe.names else (1.0,) * len(samplers),
        fixed=recipe.fixed,
        exposed="reinforced" in samplers,
        alpha=0.75 if claims.alpha is None else claims.alpha,
        smooth=0.0 if claims.smooth is None else claims.smooth,
        weights=claims.weights is not None,
        rule=rule,
        with_valid=claims.with_valid,
        drops_short=False,
        bootstrap=None,
        shuffled=True,
        epochs=epochs,
        available=False,
        truth=TruthTerms(
            positive=claims.positive,
            keep_time=claims.keep_time,
            items=claims.items is not None,
            exclude=claims.exclude is not None,
            weak=claims.weak is not None,
            with_times=rule is not None and rule.needs_times,
        ),
        counts={},
        unsaid=frozenset(unsaid),
    )


def _shown(prepared: Prepared) -> tuple[int, tuple[str, ...]]:
    """How many epochs the rows of others are of, by a column or folders; and what drew them, by the column of it."""
    epochs: set[int] = set()
    sources: set[str] = set()
    for batch in prepared.batches():
        names = batch.rows.schema.names
        if "epoch" not in names and "source" not in names:
            break
        if "epoch" in names:
            epochs.update(batch.rows.column("epoch").unique().to_pylist())
        if "source" in names:
            column = batch.rows.column("source")
            sources.update((column.flatten() if pa.types.is_large_list(column.type) else column).unique().to_pylist())
    sources -= _NO_SAMPLER
    return max(1, len(epochs)), tuple(sorted(sources)) if sources <= _KNOWN else ()
