"""What a prepared file promises: by its metadata, or by the options of the person who checks it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any, Literal

import pyarrow as pa

from negprep.errors import BadDataError, UsageError
from negprep.options.conflicts import refuse_folds
from negprep.options.reading import LogSource
from negprep.options.specs import (
    FALLBACK,
    IMPRESSION,
    LEVEL_SOURCES,
    MAX_ALPHA,
    SAMPLERS,
    SESSION,
    HoldoutRule,
    SamplerRule,
    UserSample,
)
from negprep.read.prepared import Prepared


@dataclass(frozen=True, kw_only=True)
class Promised:
    """What options promise of files without metadata, and the files beside them.

    Attributes
    ----------
    positive, keep_time, num_neg, holdout, with_valid, distinct, sampler, group_col, alpha, smooth
        As the options of ``train`` and ``test``. What is None, or empty, is not specified, and not checked.
    items, exclude, weak, weights, valid_file : path or table, or None
    suggested : frozenset of str
        Those of them that come from a file of options, which may be about more files than those at hand.
    """

    positive: str | None = None
    keep_time: str = "last"
    holdout: str | None = None
    with_valid: bool = False
    num_neg: int | float | Literal["all"] | None = None
    distinct: bool | None = None
    sampler: tuple[str, ...] = ()
    group_col: str | None = None
    alpha: float | None = None
    smooth: float | None = None
    items: LogSource | None = None
    exclude: LogSource | None = None
    weak: LogSource | None = None
    weights: LogSource | None = None
    valid_file: LogSource | None = None
    suggested: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name, least, most in (("alpha", -MAX_ALPHA, MAX_ALPHA), ("smooth", 0.0, 1e9)):
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise UsageError(f"--{name} is {value!r}", remedy=f"choose a number from {least:g} to {most:g}")
            if value is not None and not any(term.startswith("popularity") for term in self.sampler):
                raise UsageError(f"--{name} without --sampler popularity", remedy="add it, or leave this out")
        draws_shown = any(term.startswith("impression") for term in self.sampler)
        if draws_shown != (self.group_col is not None):
            lacking, given = ("group-col", "sampler impression") if draws_shown else ("sampler impression", "group-col")
            raise UsageError(f"--{given} without --{lacking}", remedy="add it, or leave this out")
        if self.holdout is None and (self.with_valid or self.keep_time != "last"):
            option = "with-valid" if self.with_valid else "keep-time"
            raise UsageError(f"--{option} without a holdout", remedy="add --holdout SPEC")
        kind = "" if self.holdout is None else HoldoutRule.parse(self.holdout).kind
        refuse_folds(kind, with_valid=self.with_valid, valid_file=self.valid_file)

    @property
    def held_files(self) -> tuple[LogSource, ...]:
        """The files that hold pairs out, for test and for validation."""
        path = "" if self.holdout is None else HoldoutRule.parse(self.holdout).path
        return tuple(file for file in (path or None, self.valid_file) if file is not None)


ALL = (1 << 31) - 1
"""More negatives than any catalog has."""


@dataclass(frozen=True, kw_only=True)
class LogPromise:
    """What decides which pairs of a log are positives, weak, excluded, and which items may be drawn."""

    positive: str | None = None  # As the options
    keep_time: str = "last"  # As the options
    min_positives: int | None = None  # As the options
    core: int | None = None  # As the options
    same: str | None = None  # As the options
    group_col: str | None = None  # As the options
    session_col: str | None = None  # As the options
    items: bool = False  # Whether the files of these names count
    exclude: bool = False  # Whether the files of these names count
    weak: bool = False  # Whether the files of these names count
    held: int = 0  # How many files hold pairs out
    with_times: bool = False  # Whether the times of positives, and of the first interaction with each item, are needed
    with_firsts: bool = False  # Whether the times of positives, and of the first interaction with each item, are needed
    kept: tuple[str, ...] = ()  # Columns that decide, one after the other, which of several rows a positive's is

    @property
    def carried(self) -> tuple[str, ...]:
        """What is read along with the rows of the log: impressions first."""
        first = [(SESSION, self.session_col), (IMPRESSION, self.group_col)]
        return (*(name for name, column in first if column is not None), *self.kept)


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What the rows of a file must be like."""

    part: str
    layout: str
    has_metadata: bool  # Whether the file has the metadata of negprep
    num_neg: int | None  # The most that a positive has. ``ALL``: as many as there are. None: not specified
    distinct: bool | None  # None: not specified
    samplers: tuple[str, ...]  # Names; of ``--levels`` the names of its sources
    shares: tuple[float, ...]  # Of the samplers
    fixed: bool  # The shares are fixed counts of each group
    exposed: bool  # The pools of ``reinforced`` have weak items
    alpha: float
    smooth: float
    weights: bool  # Popularity comes from a file
    rule: HoldoutRule | None
    with_valid: bool
    split_seed: int = 0
    sample: UserSample | None = None
    drop_cold: str | None = None
    drops_short: bool
    bootstrap: int | None
    shuffled: bool
    epochs: int
    available: bool
    of_log: LogPromise
    counts: dict[str, Any]  # The numbers of the metadata
    kept: tuple[str, ...] = ()  # Columns of the log that the file has
    per_user: bool = False  # A group has all positives of a user
    chance: Fraction | None = None  # With which a positive has the last of ``num_neg``. None: it has
    has_slots: bool = True  # A holdout in labelled rows stands at a random place among its candidates
    history: int | None = None  # Items of a history at most
    unspecified: frozenset[str] = frozenset()

    @property
    def compares_histories(self) -> bool:
        """Whether the histories of a group are on rows of their own, and which rows are a group is known."""
        return self.history is not None and self.layout == "pointwise" and not (self.shuffled and self.is_train)

    @property
    def takes_all(self) -> bool:
        """Whether every item that can be drawn is there, so that nothing is left to chance."""
        return self.num_neg == ALL

    @property
    def fewest(self) -> int | None:
        """The fewest negatives of a positive for which enough can be drawn."""
        return self.num_neg if self.num_neg is None or self.chance is None else self.num_neg - 1

    @property
    def mixes_rows(self) -> bool:
        """Whether the rows of a user, holdouts and negatives, are in random order."""
        return self.per_user and not self.is_train and self.layout == "pointwise"

    @property
    def is_train(self) -> bool:
        """Whether held-out positives may be drawn."""
        return self.part == "train"

    @property
    def levels(self) -> bool:
        """Whether weak items stand in the place of positives."""
        return "weak>unobserved" in self.samplers

    @property
    def windowed(self) -> bool:
        """Whether the positive restricts which items of the catalog can be drawn."""
        return self.available or self.of_log.same is not None

    @property
    def restricted(self) -> bool:
        """Whether what can be drawn depends on the positive."""
        return self.windowed or self.draws_shown

    @property
    def draws_weak(self) -> bool:
        """Whether any weak item of the user may be a negative."""
        return bool({"weak", "positive>weak"} & set(self.samplers))

    @property
    def draws_shown(self) -> bool:
        """Whether the weak items of a positive's impression may be its negatives."""
        return "impression" in self.samplers

    @property
    def heads_repeat(self) -> bool:
        """Whether which positives lead rows, and how many, is left to chance."""
        return self.bootstrap is not None or self.levels

    @property
    def heads_may_lack(self) -> bool:
        """Whether chance may leave a positive without a negative, and so without a row."""
        return self.chance is not None and self.num_neg == 1 and self.layout == "pairwise"

    @property
    def heads_by_chance(self) -> bool:
        """Whether it is left to chance which positives lead rows."""
        return self.heads_repeat or self.heads_may_lack


_WHOLE = ("negprep", "text")
"""Kinds of files that are the whole output of a run, in its layout."""


_NO_SAMPLER = {"positive", FALLBACK}
_KNOWN = {*SAMPLERS, *LEVEL_SOURCES}
"""Values of the column ``source``."""


def terms_of(prepared: Prepared, part: str | None, promised: Promised, *, log_has_times: bool) -> Promise:
    """The terms of a file."""
    if prepared.facts is not None and "train" in (part, prepared.part) and part not in (None, prepared.part):
        what = f"given as --{part}, but its metadata say {prepared.part}"
        raise UsageError(what, place=prepared.name, remedy="name it without an option")
    part = part if prepared.facts is None and part is not None else prepared.part
    if part is None:
        raise UsageError(
            "train rows or test rows? The file does not say", place=prepared.name, remedy="give it as --train or --test"
        )
    if prepared.facts is None:
        return _by_options(prepared, part, promised, log_has_times)
    try:
        terms = _by_metadata(prepared, part, prepared.facts, log_has_times)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"the metadata 'negprep' is not what negprep writes ({error})"
        raise BadDataError(what, place=prepared.said_in, remedy="make the file again") from None
    if prepared.shape.kind in _WHOLE and terms.layout != prepared.facts["layout"]:
        what = f"{prepared.layout} rows, and {prepared.said_in} says {prepared.facts['layout']}"
        raise BadDataError(what, place=prepared.name, remedy="are they of one run?")
    if prepared.layout == "listwise" and terms.per_user != ("pos_items" in prepared.shape.columns):
        what = f"a positive in each row, and {prepared.said_in} says --per user"
        raise BadDataError(what, place=prepared.name, remedy="are they of one run?")
    for option in ("items", "exclude", "weak"):
        if getattr(terms.of_log, option) and getattr(promised, option) is None:
            raise UsageError(f"made with --{option}", place=prepared.name, remedy=f"add --{option} FILE, the same file")
    if terms.of_log.held > len(promised.held_files):
        option = "--valid-file FILE" if promised.held_files else "--holdout file:TEST"
        raise UsageError(f"made with {option}", place=prepared.name, remedy=f"add {option}, the same file")
    return terms


def _by_metadata(prepared: Prepared, part: str, facts: dict[str, Any], log_has_times: bool) -> Promise:
    rule = HoldoutRule("file") if facts["holdout"] == "file" else HoldoutRule.parse(facts["holdout"])
    kept = tuple(map(str, facts.get("keep", ())))
    kept += ("time",) if facts.get("with_time") else ()
    history = None if facts.get("with_history") is None else int(facts["with_history"])
    words = [word for word in facts["sampler"].split() if word != "levels"]
    names = tuple(re.split("[:=]", word)[0] for word in words)
    shares = tuple(float(re.split("[:=]", word)[1]) if re.search("[:=]", word) else 1.0 for word in words)
    return Promise(
        part=part,
        layout=prepared.layout,
        has_metadata=True,
        num_neg=ALL if facts["num_neg"] == "all" else ceil(facts["num_neg"]),
        chance=_chance(facts["num_neg"]),
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
        split_seed=int(facts["split_seed"]),
        sample=UserSample.parse(facts["test_users"]) if facts.get("test_users") is not None else None,
        drop_cold=facts.get("drop_cold"),
        drops_short=facts["on_short"] == "drop",
        bootstrap=facts["bootstrap"],
        shuffled=bool(facts["shuffle"]),
        epochs=facts["epochs"] or 1,
        available=bool(facts["available_at_time"]),
        of_log=LogPromise(
            positive=facts["positive"],
            keep_time=facts["keep_time"],
            min_positives=facts["min_positives"],
            core=facts["core"],
            same=facts["same"],
            group_col=facts.get("group_col"),
            session_col=facts.get("session_col"),
            items=facts["catalog"] == "a file",
            exclude="excluded pairs" in facts["seen"],
            weak=facts["weak"] == "a file",
            held=_files_of(rule, with_valid=bool(facts["with_valid"])),
            with_times=rule.needs_times
            or bool(facts["available_at_time"])
            or history is not None
            or (log_has_times and bool(kept or facts.get("group_col"))),
            with_firsts=bool(facts["available_at_time"]),
            kept=tuple(sorted(kept)),
        ),
        counts=dict(facts["counts"]),
        kept=kept,
        per_user=prepared.per_user,
        has_slots=prepared.shape.kind != "exchanged",
        history=history,
    )


def _files_of(rule: HoldoutRule, *, with_valid: bool) -> int:
    """How many files hold pairs out."""
    return 1 + with_valid if rule.kind == "file" else 0


def _by_options(prepared: Prepared, part: str, promised: Promised, log_has_times: bool) -> Promise:
    rule = None if promised.holdout is None else HoldoutRule.parse(promised.holdout)
    if rule is not None and rule.kind == "auto":
        rule = HoldoutRule("last" if log_has_times else "random")
    if rule is not None and rule.kind == "random-global":
        what = f"--holdout {rule}: which pairs it holds out follows from the split seed, which the file does not say"
        raise UsageError(what, place=prepared.name, remedy="give the summary of its run: --made-by SUMMARY")
    sampler = SamplerRule.parse(promised.sampler or ("uniform",))
    epochs, sources = _shown(prepared)
    samplers = sampler.names if promised.sampler or not sources else sources
    unspecified = {"sampler"} if not promised.sampler else set()
    unspecified |= {"weak"} if promised.positive is None and promised.weak is None else set()
    return Promise(
        part=part,
        layout=prepared.layout,
        has_metadata=False,
        num_neg=ALL if promised.num_neg == "all" else None if promised.num_neg is None else ceil(promised.num_neg),
        chance=_chance(promised.num_neg),
        distinct=promised.distinct,
        samplers=samplers,
        shares=tuple(map(float, sampler.shares)) if samplers is sampler.names else (1.0,) * len(samplers),
        fixed=sampler.fixed,
        exposed="reinforced" in samplers,
        alpha=0.75 if promised.alpha is None else promised.alpha,
        smooth=0.0 if promised.smooth is None else promised.smooth,
        weights=promised.weights is not None,
        rule=rule,
        with_valid=promised.with_valid or promised.valid_file is not None,
        drops_short=False,
        bootstrap=None,
        shuffled=True,
        epochs=epochs,
        available=False,
        of_log=LogPromise(
            positive=promised.positive,
            keep_time=promised.keep_time,
            group_col=promised.group_col,
            items=promised.items is not None,
            exclude=promised.exclude is not None,
            weak=promised.weak is not None,
            held=len(promised.held_files),
            with_times=(rule is not None and rule.needs_times) or (log_has_times and promised.group_col is not None),
        ),
        counts={},
        per_user=prepared.per_user,
        unspecified=frozenset(unspecified),
    )


def _chance(num_neg: object) -> Fraction | None:
    """The part behind the point."""
    return Fraction(repr(num_neg)) % 1 if isinstance(num_neg, float) and num_neg % 1 else None


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
