"""What a run counts and did: as metadata of its output, as JSON, and for people."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from negprep._version import __version__
from negprep.arrays import Counts, Mask
from negprep.assemble.plan import Knowledge, model_rule, popularity_shape
from negprep.assemble.section import Section, as_heads
from negprep.encode.pairs import Items
from negprep.encode.side_files import HeldFit, Listed, WeightsFit, catalog_misfits
from negprep.errors import UsageError
from negprep.holdout import nothing_held_out
from negprep.options.options import Options
from negprep.options.specs import HoldoutRule
from negprep.read.log import LogReader
from negprep.sample.hard import Hardness
from negprep.sample.rng import ALGORITHM

_MARKED = 1 << 15
"""Items marked at a time: an index of all would be made 64 bits wide first."""


@dataclass(kw_only=True)
class Tally:
    """What a run counts: its metadata, its summary as JSON and its closing text all show these numbers.

    Attributes
    ----------
    users, items, catalog_items : int
        Distinct users and items of the log, and items that may be drawn; without those removed.
    removed_users, removed_items, removed_positives : int
        What ``min_positives`` and ``core`` left out.
    excluded_pairs : int
        Pairs of ``--exclude`` taken.
    positives, weak : int
        Distinct positive pairs, and the other observed pairs.
    holdouts, holdout_users, tied_holdouts : int
        Test holdouts, users with one, and users one of whose holdouts a hash chose between equal times.
    cold_holdouts : int
        Test holdouts whose item has no train positive.
    cold_users, unheld_users : int
        Users with a test holdout and no train positive, and users with positives who can have no test holdout.
    spared_users : int
        Users who could have a test holdout and are not in the sample of ``--test-users``.
    dropped_cold : int
        Holdouts of the fold that ``--drop-cold`` drops.
    repeated_holdouts : int
        Pairs of ``--holdout file`` and ``--valid-file`` that the log has as positives, too.
    short_users, full_users, dropped_users : int
        Users with too few eligible items, those of them with none, and those left out for it.
    positives_outside, holdouts_outside : int
        Positives and test holdouts of an item that is not in the catalog.
    eligible_min, eligible_max : int or None
        Items that can be drawn for a group.
    sources : dict of str to int
        Negatives from each sampler, and uniform ones that fell back from it; empty where there is one source.
    strangers : int
        Users with train positives whom the model that draws does not know.
    without_history : int
        Positives that lead rows of the first epoch and whose history, if it is written, is empty.
    """

    users: int = 0
    items: int = 0
    catalog_items: int = 0
    removed_users: int = 0
    removed_items: int = 0
    removed_positives: int = 0
    excluded_pairs: int = 0
    positives: int = 0
    weak: int = 0
    holdouts: int = 0
    holdout_users: int = 0
    tied_holdouts: int = 0
    cold_holdouts: int = 0
    cold_users: int = 0
    unheld_users: int = 0
    spared_users: int = 0
    dropped_cold: int = 0
    repeated_holdouts: int = 0
    short_users: int = 0
    full_users: int = 0
    dropped_users: int = 0
    positives_outside: int = 0
    holdouts_outside: int = 0
    groups: int = 0
    negatives: int = 0
    rows: int = 0
    eligible_min: int | None = None
    eligible_max: int | None = None
    sources: dict[str, int] = field(default_factory=dict)
    strangers: int = 0
    without_history: int = 0
    holds_out: bool = True

    def __iadd__(self, other: Tally) -> Self:
        """Add the counts of other users."""
        for member in fields(self):
            name = member.name
            mine, theirs = getattr(self, name), getattr(other, name)
            if name == "sources":
                self.add_sources(np.array(list(theirs.values()), np.int64))
            elif name in ("eligible_min", "eligible_max"):
                found = [each for each in (mine, theirs) if each is not None]
                setattr(self, name, (min if name == "eligible_min" else max)(found, default=None))
            elif name != "holds_out":
                setattr(self, name, mine + theirs)
        return self

    def add(self, section: Section, known: Mask | None = None) -> None:
        """Count one more section: its interactions, which all epochs share, and its rows.

        ``known`` marks the users whom a model knows.
        """
        self.add_rows(section)
        positives, heads, items = section.interactions.positives, section.heads, section.interactions.items
        held = positives.where(section.split.test)
        has_test = held.counts > 0
        self.positives += len(positives)
        self.weak += len(section.interactions.weak)
        self.holdouts += len(held)
        self.holdout_users += _number(has_test)
        self.tied_holdouts += _number(section.split.tied)
        self.cold_users += _number(has_test & (section.train.counts == 0))
        self.unheld_users += _number((positives.counts > 0) & ~has_test) if self.holds_out else 0
        if section.interactions.held is not None:
            self.repeated_holdouts += len(section.interactions.held.repeated)
        if section.split.spared is not None:
            n_spared = _number(section.split.spared)
            self.spared_users += n_spared
            self.unheld_users -= n_spared
        if section.split.cold is not None:
            self.dropped_cold += _number(getattr(section.split, section.fold) & section.split.cold)
        self.short_users += _number(section.short)
        self.full_users += _users_with_none(section)
        self.dropped_users += _number(section.short) if section.drops_short else 0
        self.groups += section.n_groups
        if section.history is not None:
            self.without_history += section.history.none(as_heads(heads))
        if known is not None:
            self.strangers += _number((section.train.counts > 0) & ~known)
        if len(items.others):
            self.positives_outside += _number(positives.items >= items.n_catalog)
            self.holdouts_outside += _number(held.items >= items.n_catalog)
        eligible = section.supply if section.sampling.by_group else section.supply[heads.counts > 0]
        if eligible.size:
            least, most = int(eligible.min()), int(eligible.max())
            self.eligible_min = least if self.eligible_min is None else min(least, self.eligible_min)
            self.eligible_max = most if self.eligible_max is None else max(most, self.eligible_max)

    def add_rows(self, section: Section) -> None:
        """Count the rows of a section whose interactions were counted in an earlier epoch."""
        self.negatives += section.n_negatives
        self.rows += section.n_rows

    def add_sources(self, counts: Counts) -> None:
        """Count the negatives of some rows, by source."""
        for name, count in zip(self.sources, counts.tolist(), strict=True):
            self.sources[name] += count

    def named(self, names: Iterable[str]) -> dict[str, Any]:
        """Some of the counts."""
        return {name: getattr(self, name) for name in names}


def _number(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def _users_with_none(section: Section) -> int:
    """Users who have a group for which nothing can be drawn."""
    nothing = section.supply == 0
    if section.sampling.by_group:
        return len(np.unique(section.heads.users()[nothing]))
    return _number(nothing & section.short)


class ColdItems:
    """Which items have a train positive, and how many test holdouts each has."""

    def __init__(self, n_items: int) -> None:
        self.warm, self.held = np.zeros(n_items, bool), np.zeros(n_items, np.int32)

    def add(self, section: Section) -> None:
        """Look at one more section."""
        for begin in range(0, len(section.train), _MARKED):
            self.warm[section.train.items[begin : begin + _MARKED]] = True
        np.add.at(self.held, section.interactions.positives.items[section.split.test], 1)

    @property
    def holdouts(self) -> int:
        """Test holdouts whose item has no train positive."""
        return int(self.held[~self.warm].sum())


@dataclass(eq=False, kw_only=True)
class Record:
    """What a run was asked for, what it found in the log, and what it counted so far: all that its summary needs.

    ``warnings`` are those of the options, and of what was loaded; ``columns`` were read, by role; ``items`` are those
    of the run; ``exclude``, ``weak`` and ``held``: what became of the rows of these files; ``knowledge`` is what the
    model that draws, if any, knows.
    """

    log: LogReader
    options: Options
    rule: HoldoutRule
    warnings: list[str]
    columns: dict[str, str]
    items: Items
    exclude: Listed
    weak: Listed
    held: HeldFit = field(default_factory=HeldFit)
    weights_fit: WeightsFit
    knowledge: Knowledge | None
    tally: Tally


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The facts of a run; ``as_dict`` is what ``--summary`` writes.

    Attributes
    ----------
    output : str
        Where the rows went, as it was given: a file, a folder with a slash at its end, or ``-``.
    rows_read : int
        Rows of the log: those used, those dropped and those filtered.
    rows_dropped : dict of str to int
        Reason and count.
    rows_filtered, files_skipped : int
        Rows that ``where`` leaves out, and files that were not opened, since the keys in their paths rule them out:
        their rows are in no count.
    holdout, holdout_asked : str
        The rule that chose the holdouts, and the rule as it was given: ``auto`` where the log decided which.
    num_neg : int, float or "all"
        Negatives asked for each positive, or each user.
    per : {"positive", "user"}
        Which of the two.
    seen : str
        What a user's negatives avoid.
    held_rows, held_left_out, new_users, new_items : int
        Rows of ``--holdout file`` and ``--valid-file``, those that ``--positive`` leaves out, and users and items of
        theirs that the log lacks.
    excluded_unknown, weak_unknown : int
        Rows of ``--exclude`` and of ``--weak`` whose user or item occurs nowhere else.
    excluded_rows, excluded_left_out, weak_rows : int
        Rows of ``--exclude`` and ``--weak``; those of ``--exclude`` besides that ``--positive`` leaves out.
    items_outside : int
        Items of the log that the catalog lacks.
    weights_rows, weights_unknown, unweighted_items : int
        Rows of ``--weights``, those whose item is not in the catalog, and items of the catalog that it lacks.
    columns : dict of str to str
        Role and header of the columns taken.
    unused_keys : list of str
        Keys in the paths of the log's parts (``day=1/``) that are not among them.
    warnings, notes : list of str
        What is suspicious but not an error; what follows from the options, or is usual.
    peak_memory_bytes : int
        Of the whole process so far.
    metadata : dict
        The metadata of a Parquet output, whole: ``verify --made-by`` reads here what a text promises.

    The other numbers are those of `Tally`; ``rows_written`` are its ``rows``.
    """

    command: str
    output: str
    rows_read: int
    rows_dropped: dict[str, int]
    users: int
    items: int
    catalog_items: int
    removed_users: int
    removed_items: int
    removed_positives: int
    positives: int
    weak: int
    holdout: str
    holdout_asked: str
    holdouts: int
    holdout_users: int
    tied_holdouts: int
    cold_holdouts: int
    cold_users: int
    unheld_users: int
    spared_users: int = 0
    dropped_cold: int = 0
    held_rows: int = 0
    held_left_out: int = 0
    new_users: int = 0
    new_items: int = 0
    repeated_holdouts: int = 0
    num_neg: int | float | Literal["all"]
    per: Literal["positive", "user"] = "positive"
    sampler: str
    sources: dict[str, int]
    negatives: int
    rows_written: int
    short_users: int
    full_users: int
    dropped_users: int
    seen: str
    excluded_pairs: int
    excluded_unknown: int
    weak_unknown: int
    excluded_rows: int = 0
    excluded_left_out: int = 0
    weak_rows: int = 0
    rows_filtered: int = 0
    files_skipped: int = 0
    items_outside: int = 0
    positives_outside: int = 0
    holdouts_outside: int = 0
    weights_rows: int = 0
    weights_unknown: int = 0
    unweighted_items: int = 0
    seed: int
    split_seed: int
    epoch: int = 0
    epochs: int | None = None
    columns: dict[str, str]
    unused_keys: list[str] = field(default_factory=list)
    warnings: list[str]
    notes: list[str] = field(default_factory=list)
    seconds: float
    peak_memory_bytes: int
    algorithm: int = ALGORITHM
    version: str = field(default=__version__)
    metadata: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """All facts, ready for JSON."""
        return asdict(self)

    def as_json(self) -> str:
        """All facts as JSON, with a newline at the end."""
        return json.dumps(self.as_dict(), indent=2, allow_nan=False) + "\n"


def peak_memory_bytes() -> int:
    """The largest resident size of this process so far, without that of the one that started it."""
    with suppress(OSError), Path("/proc/self/status").open("rb") as status:  # getrusage counts what was before exec
        for line in status:
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) << 10
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


_ASKED = ("test_users", "session_col")
"""What few splits have, and the facts of no other."""


def split_facts(options: Options, rule: HoldoutRule) -> dict[str, Any]:
    """What decides which positives are for training."""
    asked = {name: getattr(options, name) for name in _ASKED if getattr(options, name) is not None}
    asked |= {} if options.read.where is None else {"where": options.read.where}
    return {
        **asked,
        "holdout": str(rule),
        "with_valid": options.with_valid,
        "split_seed": options.split_seed,
        "positive": options.positive if options.leaves_weak else None,
        "keep_time": options.keep_time,
        "min_positives": options.min_positives,
        "core": options.core,
    }


MOST_UNKNOWN = 1 / 20
"""Of the items, those that a model may not know without a warning: some have no train positive."""


_IN_METADATA = (
    *("users", "catalog_items", "removed_users", "removed_items", "removed_positives", "positives", "weak"),
    *("excluded_pairs", "holdouts", "holdout_users", "tied_holdouts", "cold_holdouts", "cold_users", "short_users"),
    *("full_users", "dropped_users", "groups", "negatives", "rows", "sources", "eligible_min", "eligible_max"),
)


def _in_metadata(options: Options) -> tuple[str, ...]:
    own = True if options.rule.kind == "file" else None
    asked = {"spared_users": options.test_users, "dropped_cold": options.drop_cold, "repeated_holdouts": own}
    return (*_IN_METADATA, *(name for name, given in asked.items() if given is not None))


def facts_of(run: Record) -> dict[str, Any]:
    """What the output depends on and what it holds, the same wherever and however it was made."""
    options = run.options
    return {
        "algorithm": ALGORITHM,
        "command": options.command,
        **options.facts(),
        "sampler": str(options.sampler_rule),
        **_sampler_facts(run),
        "draws": "distinct" if options.distinct else "repeats",
        "holdout": str(run.rule),
        "holdout_asked": str(options.rule),
        "fold": options.fold if options.command == "test" else None,
        "catalog": _catalog(run),
        "weak": None if options.weak is None else "a file",
        "seen": _seen_policy(run),
        "seed": options.seed,
        "epoch": options.epoch,
        "epochs": options.epochs,
        "shuffle": options.shuffle,
        "split_seed": options.split_seed,
        "counts": run.tally.named(_in_metadata(options)),
        **({"per": options.per} if options.per_user else {}),
        **({} if options.read.data_set is None else {"recipe": options.read.data_set.name}),
        **({} if options.read.where is None else {"where": options.read.where}),
        **({"keep": list(options.keep)} if options.keep else {}),
        **({"with_time": True} if options.with_time else {}),
        **({"with_history": options.with_history} if options.with_history else {}),
    }


_TOLD = (
    *("positive", "keep_time", "min_positives", "core", "with_valid", "split_seed", "num_neg", "seed", "on_short"),
    *("layout", "label_dtype", "test_users", "session_col", "alpha", "smooth", "with_log_q"),
    *("pool", "top", "skip_top", "pool_weak", "temperature"),
)
"""Options that are facts under their own names."""


def options_again(facts: dict[str, Any], n_items: int, place: str, remedy: str) -> dict[str, Any]:
    """The options of ``train`` that facts tell, with a word for each file.

    ``n_items``: Those of the vocabulary. ``place``, ``remedy``: For messages.
    Raises UsageError: An option needs more than the train positives, the items and the users.
    """
    counts, weak = facts["counts"], "the rows lack the weak interactions, which negatives avoid"
    more = "it needs more of the log than the rows have"
    reasons = {
        "another version of negprep": (facts.get("algorithm") != ALGORITHM, "its draws are not those of this one"),
        "--epochs": (facts["epochs"] is not None, "only rows of one epoch are opened"),
        "--bootstrap": (facts["bootstrap"] is not None, "the rows lack the positives that were not drawn"),
        "--per user": (facts.get("per") == "user", "only groups of one positive are opened"),
        "--keep": ("keep" in facts, more),
        "--with-time": ("with_time" in facts, more),
        "--with-history": ("with_history" in facts, more),
        "--available-at-time": (facts["available_at_time"], more),
        "--same": (facts["same"] is not None, more),
        "--group-col": ("group_col" in facts, more),
        "--exclude": ("excluded pairs" in facts["seen"], "the rows lack the pairs, which negatives avoid"),
        "--weak": (facts["weak"] is not None, weak),
        f"--positive {facts['positive']}": (counts["weak"] > 0, weak),
        "--items": (
            facts["catalog"] == "a file" and counts["catalog_items"] < n_items,
            "the folder does not tell which items may be drawn",
        ),
        "--on-short drop": (counts["dropped_users"] > 0, "the rows lack the users that were dropped"),
    }
    for name, (is_so, why) in reasons.items():
        if is_so:
            raise UsageError(f"was made with {name}: {why}", place=place, remedy=remedy)
    made = {name: facts[name] for name in _TOLD if facts.get(name) is not None}
    made |= {"holdout": facts["holdout_asked"], "distinct": facts["draws"] == "distinct"}
    made["sampler"] = facts["sampler"].split(" ")
    given = {"weights": facts["weights"] == "a file", "model": facts["model"] is not None}
    given["items"] = facts["catalog"] == "a file"
    if facts["holdout_asked"] == "file":
        made["holdout"], given["valid_file"] = "file:given", facts["with_valid"]
    return made | {name: "given" for name, is_given in given.items() if is_given}


def summary_of(run: Record, output: str, seconds: float) -> Summary:
    """The facts of a run whose rows were all made."""
    options, tally = run.options, run.tally
    return Summary(
        **tally.named({member.name for member in fields(Summary)} & set(dir(tally))),
        command=options.command,
        output=output,
        rows_read=run.log.rows_read,
        rows_dropped=dict(run.log.rows_dropped),
        rows_filtered=run.log.rows_filtered,
        files_skipped=run.log.files_skipped,
        holdout=str(run.rule),
        holdout_asked=str(options.rule),
        num_neg=options.num_neg or options.negatives_each,
        per=options.per,
        sampler=str(options.sampler_rule),
        rows_written=tally.rows,
        seen=_seen_policy(run),
        excluded_unknown=run.exclude.unknown,
        weak_unknown=run.weak.unknown,
        excluded_rows=run.exclude.rows,
        excluded_left_out=run.exclude.left_out,
        weak_rows=run.weak.rows,
        held_rows=run.held.rows,
        held_left_out=run.held.left_out,
        new_users=run.held.new_users,
        new_items=run.held.new_items,
        items_outside=len(run.items.others),
        weights_rows=run.weights_fit.rows,
        weights_unknown=run.weights_fit.unknown,
        unweighted_items=run.weights_fit.unweighted,
        seed=options.seed,
        epoch=options.epoch,
        epochs=options.epochs,
        split_seed=options.split_seed,
        columns=run.columns,
        unused_keys=list(run.log.unused_keys),
        warnings=warnings_of(run),
        notes=notes_of(run),
        seconds=seconds,
        peak_memory_bytes=peak_memory_bytes(),
        metadata=facts_of(run),
    )


def warnings_of(run: Record) -> list[str]:
    """All warnings of a run whose rows were all made, one line each."""
    return [*run.log.warnings, *run.warnings, *_warnings_of_rows(run)]


def _warnings_of_rows(run: Record) -> list[str]:
    """Of files beside the log that name strangers, and of values that are of no use."""
    tally = run.tally
    warnings = []
    if len(run.items.others):
        warnings = catalog_misfits(
            run.items,
            positives=(tally.positives_outside, tally.positives),
            holdouts=(tally.holdouts_outside, tally.holdouts),
        )
    data_set = run.options.read.data_set
    if (
        data_set is not None
        and run.options.read.where is None
        and all(getattr(run.options, name) == value for name, value in data_set.rule.items())
    ):
        warnings += data_set.differences(run.log.place, positives=tally.positives)
    alone = run.options.sampler_rule.names if run.options.with_log_q else ()
    if alone == ("popularity",) and len(run.items) > run.items.n_catalog:
        warnings.append("the log q of a positive outside the catalog is -inf: it has no weight there")
    if any(run.tally.sources.values()) and run.tally.sources.get("weak") == 0:
        warnings.append("no weak interaction could be drawn: all negatives come from elsewhere")
    if any(run.tally.sources.values()) and run.tally.sources.get("impression") == 0:
        what = f"no positive has a weak interaction beside it in the column {run.options.group_col!r}"
        warnings.append(f"{what}: all negatives come from elsewhere")
    if run.rule.kind != "none" and not tally.holdouts:
        warnings.append(nothing_held_out(run.rule))
    model = run.knowledge
    if tally.strangers:
        warnings.append(f"{tally.strangers} users with rows are not in the model: their draws are uniform")
    warnings += [text for text, share in _unknown_items(run) if share > MOST_UNKNOWN]
    if model is not None and isinstance(model.split, dict):
        usual = dict.fromkeys((*_ASKED, "where"))
        mine, its = (usual | facts for facts in (split_facts(run.options, run.rule), model.split))
        warnings += [
            f"the model was made with {name} {_shown(its[name])}, and this run has {_shown(mine[name])}: it "
            "may have learnt from what is held out"
            for name in mine
            if name in its and its[name] != mine[name]
        ]
    return warnings + ([] if run.options.weights is None else run.weights_fit.warnings(run.items.n_catalog))


def notes_of(run: Record) -> list[str]:
    """What follows from the options, or is usual, and is worth a line all the same."""
    notes = [text for text, share in _unknown_items(run) if share <= MOST_UNKNOWN]
    if run.tally.without_history:
        what = f"{run.tally.without_history:,} of {run.tally.groups:,} positives"
        notes.append(f"the history of {what} is empty: their users have no train positive before them")
    names = run.options.sampler_rule.names
    if run.options.with_log_q and names in (("weak",), ("impression",)):
        what = f"the log q of a positive is -inf where {names[0]} alone draws"
        notes.append(f"{what}; mix it with uniform to correct by it")
    if run.options.with_log_q and run.options.sampler_rule.scored == "reinforced":
        notes.append("the log q of a positive is -inf: it is in no pool of reinforced")
    return notes


def _unknown_items(run: Record) -> list[tuple[str, float]]:
    """That the model does not know some items, and their share; nothing if it knows all."""
    model = run.knowledge
    if model is None or not model.unknown_items:
        return []
    words = "items are not in the model: drawn as often as uniform draws them"
    return [(f"{model.unknown_items} of {model.items} {words}", model.unknown_items / model.items)]


def _shown(value: object) -> str:
    return "none" if value is None else str(value)


def _catalog(run: Record) -> str:
    if run.options.core is not None:
        return "the items of the core"
    return "the items of the log" if run.options.items is None else "a file"


def _seen_policy(run: Record) -> str:
    parts = ["train positives" if run.options.command == "train" else "positives, held-out ones included"]
    if run.options.leaves_weak or run.options.weak is not None:
        parts.append("weak interactions")
    if run.options.exclude is not None:
        parts.append("excluded pairs")
    *most, last = parts
    return f"the user's {', '.join(most)} and {last}" if most else f"the user's {last}"


def _sampler_facts(run: Record) -> dict[str, Any]:
    options, popular = run.options, "popularity" in run.options.sampler_rule.names
    alpha, smooth = popularity_shape(options) if popular and options.weights is None else (None, None)
    return {
        "alpha": alpha,
        "smooth": smooth,
        "weights": ("a file" if options.weights is not None else "train positives") if popular else None,
        "available_at_time": options.available_at_time,
        "same": options.same,
        **({} if options.group_col is None else {"group_col": options.group_col}),
        "with_log_q": options.with_log_q,
        "q_kind": "conditional" if options.sampler_rule.scored == "reinforced" else "exact",
        **_model_facts(run),
    }


def _model_facts(run: Record) -> dict[str, Any]:
    """Which model draws, and how; null where none does."""
    rule, model = model_rule(run.options), run.knowledge
    facts: dict[str, Any] = dict.fromkeys(("model", "pool", "top", "skip_top", "pool_weak", "temperature"))
    if model is not None:
        facts["model"] = {
            "kind": model.kind,
            "sha256": model.digest,
            "unknown_users": model.unknown_users,
            "unknown_items": model.unknown_items,
        }
    if isinstance(rule, Hardness):
        facts |= {"pool": rule.pool, "top": rule.top, "skip_top": rule.skip}
    elif rule is not None:
        facts |= {"pool": rule.pool, "pool_weak": rule.exposed, "temperature": rule.temperature}
    return facts
