"""What a run did: as metadata of its output, as JSON, and for people."""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from negprep._version import __version__
from negprep.assemble.plan import model_rule, popularity_shape
from negprep.encode.side_files import catalog_misfits
from negprep.holdout import nothing_held_out
from negprep.options.options import Options
from negprep.options.specs import HoldoutRule
from negprep.pipeline import Run
from negprep.sample.hard import Hardness
from negprep.sample.rng import ALGORITHM


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The facts of a run; ``as_dict`` is what ``--summary`` writes.

    Attributes
    ----------
    command : str
    output : str
        Where the rows went, as it was given: a file, a folder with a slash at its end, or ``-``.
    rows_read : int
        Rows of the log: those used and those dropped.
    rows_dropped : dict of str to int
        Reason and count.
    users, items, catalog_items : int
        Distinct users and items of the log, and items that may be drawn; without those removed.
    removed_users, removed_items, removed_positives : int
        What ``min_positives`` and ``core`` left out.
    positives, weak : int
        Distinct positive pairs, and observed pairs that are none.
    holdout : str
        The rule that chose the holdouts.
    holdout_asked : str
        The rule as it was given: ``auto`` where the log decided which.
    holdouts, holdout_users, tied_holdouts, cold_holdouts : int
        Test holdouts, users with one, users one of whose holdouts a hash chose between equal times, and test holdouts
        whose item has no train positive.
    cold_users, unheld_users : int
        Users with a test holdout and no train positive, and users with positives but without a test holdout.
    num_neg : int or "all"
        Negatives asked for each positive.
    negatives, rows_written : int
    sampler : str
    sources : dict of str to int
        Negatives from each sampler, and uniform ones that fell back from it; empty where there is one source.
    short_users, full_users, dropped_users : int
        Users with too few eligible items, those of them with none, and those left out for it.
    seen : str
        What a user's negatives avoid.
    excluded_pairs, excluded_unknown, weak_unknown : int
        Pairs of ``--exclude`` taken, and rows of it and of ``--weak`` whose user or item occurs nowhere else.
    excluded_rows, excluded_left_out, weak_rows : int
        Rows of ``--exclude`` and ``--weak``; those of ``--exclude`` besides that ``--positive`` leaves out.
    items_outside, positives_outside, holdouts_outside : int
        Items of the log that the catalog lacks, and positives and test holdouts of these.
    weights_rows, weights_unknown, unweighted_items : int
        Rows of ``--weights``, those whose item is not in the catalog, and items of the catalog that it lacks.
    seed, split_seed, algorithm : int
    epoch : int
    epochs : int or None
    columns : dict of str to str
        Role and header of the columns taken.
    unused_keys : list of str
        Keys in the paths of the log's parts (``day=1/``) that are not among them.
    warnings, notes : list of str
        What is suspicious but no error; what follows from the options, or is usual.
    seconds : float
    peak_memory_bytes : int
        Of the whole process so far.
    version : str
    metadata : dict
        What Parquet carries as metadata, whole, by which ``verify --made-by`` knows what a text promises.
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
    num_neg: int | Literal["all"]
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
    """The largest resident size of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def split_facts(options: Options, rule: HoldoutRule) -> dict[str, Any]:
    """What decides which positives are for training."""
    return {
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


def facts_of(run: Run) -> dict[str, Any]:
    """What the output depends on and what it holds, the same wherever and however it was made."""
    options, tally, loaded, core = run.options, run.tally, run.loaded, run.core
    return {
        "algorithm": ALGORITHM,
        "command": options.command,
        **options.facts(),
        "sampler": str(options.recipe),
        **_sampler_facts(run),
        "draws": "distinct" if options.distinct else "repeats",
        "holdout": str(run.rule),
        "holdout_asked": str(options.rule),
        "fold": options.fold if options.command == "test" else None,
        "catalog": _catalog(run),
        "weak": None if options.weak is None else "a file",
        "seen": _seen_policy(run),
        "counts": {
            "users": len(core.users),
            "catalog_items": core.items.n_catalog,
            "removed_users": core.removed_users,
            "removed_items": core.removed_items,
            "removed_positives": core.removed_positives,
            "positives": tally.positives,
            "weak": tally.weak,
            "excluded_pairs": len(loaded.excluded),
            "holdouts": tally.holdouts,
            "holdout_users": tally.holdout_users,
            "tied_holdouts": tally.tied_holdouts,
            "cold_holdouts": tally.cold_holdouts,
            "cold_users": tally.cold_users,
            "short_users": tally.short_users,
            "full_users": tally.full_users,
            "dropped_users": tally.dropped_users,
            "groups": tally.groups,
            "negatives": tally.negatives,
            "rows": tally.rows,
            "sources": run.sources,
            "eligible_min": tally.eligible_min,
            "eligible_max": tally.eligible_max,
        },
    }


def summary_of(run: Run, output: str, seconds: float) -> Summary:
    """The facts of a run whose batches were all made."""
    tally, loaded, core = run.tally, run.loaded, run.core
    return Summary(
        command=run.options.command,
        output=output,
        rows_read=run.log.rows_read,
        rows_dropped=dict(run.log.rows_dropped),
        users=len(core.users),
        items=loaded.n_items - core.removed_items,
        catalog_items=core.items.n_catalog,
        removed_users=core.removed_users,
        removed_items=core.removed_items,
        removed_positives=core.removed_positives,
        positives=tally.positives,
        weak=tally.weak,
        holdout=str(run.rule),
        holdout_asked=str(run.options.rule),
        holdouts=tally.holdouts,
        holdout_users=tally.holdout_users,
        tied_holdouts=tally.tied_holdouts,
        cold_holdouts=tally.cold_holdouts,
        cold_users=tally.cold_users,
        unheld_users=tally.unheld_users if run.rule.kind != "none" else 0,
        num_neg=run.options.num_neg or run.options.negatives_each,
        sampler=str(run.options.recipe),
        sources=run.sources,
        negatives=tally.negatives,
        rows_written=tally.rows,
        short_users=tally.short_users,
        full_users=tally.full_users,
        dropped_users=tally.dropped_users,
        seen=_seen_policy(run),
        excluded_pairs=len(loaded.excluded),
        excluded_unknown=loaded.exclude.unknown,
        weak_unknown=loaded.weak.unknown,
        excluded_rows=loaded.exclude.rows,
        excluded_left_out=loaded.exclude.left_out,
        weak_rows=loaded.weak.rows,
        items_outside=len(core.items.others),
        positives_outside=tally.outside_positives,
        holdouts_outside=tally.outside_holdouts,
        weights_rows=run.weights_fit.rows,
        weights_unknown=run.weights_fit.unknown,
        unweighted_items=run.weights_fit.unweighted,
        seed=run.options.seed,
        epoch=run.options.epoch,
        epochs=run.options.epochs,
        split_seed=run.options.split_seed,
        columns=run.loaded.columns,
        unused_keys=list(run.log.unused_keys),
        warnings=warnings_of(run),
        notes=notes_of(run),
        seconds=seconds,
        peak_memory_bytes=peak_memory_bytes(),
        metadata=facts_of(run),
    )


def warnings_of(run: Run) -> list[str]:
    """All warnings of a run whose batches were all made, one line each."""
    return [*run.log.warnings, *run.warnings, *run.loaded.warnings, *_warnings_of_rows(run)]


def _warnings_of_rows(run: Run) -> list[str]:
    """Of files beside the log that name strangers, and of values that are of no use."""
    tally = run.tally
    warnings = catalog_misfits(
        run.core.items,
        positives=(tally.outside_positives, tally.positives),
        holdouts=(tally.outside_holdouts, tally.holdouts),
    )
    alone = run.options.recipe.names if run.options.with_log_q else ()
    if alone == ("popularity",) and len(run.core.items) > run.core.items.n_catalog:
        warnings.append("the log q of a positive outside the catalog is -inf: it has no weight there")
    if any(run.sources.values()) and run.sources.get("weak") == 0:
        warnings.append("no weak interaction could be drawn: all negatives come from elsewhere")
    if run.rule.kind != "none" and not run.tally.holdouts:
        warnings.append(nothing_held_out(run.rule))
    model = run.knowledge
    if run.strangers:
        warnings.append(f"{run.strangers} users with rows are not in the model: their draws are uniform")
    warnings += [text for text, share in _unknown_items(run) if share > MOST_UNKNOWN]
    if model is not None and isinstance(model.split, dict):
        mine = split_facts(run.options, run.rule)
        warnings += [
            f"the model was made with {name} {_said(model.split[name])}, and this run has {_said(mine[name])}: it may "
            "have learnt from what is held out"
            for name in mine
            if name in model.split and model.split[name] != mine[name]
        ]
    return warnings + run.weights_fit.warnings(run.core.items.n_catalog)


def notes_of(run: Run) -> list[str]:
    """What follows from the options, or is usual, and is worth a line all the same."""
    notes = [text for text, share in _unknown_items(run) if share <= MOST_UNKNOWN]
    if run.options.with_log_q and run.options.recipe.names == ("weak",):
        notes.append("the log q of a positive is -inf where weak alone draws; mix it with uniform to correct by it")
    if run.options.with_log_q and run.options.recipe.scored == "reinforced":
        notes.append("the log q of a positive is -inf: it is in no pool of reinforced")
    return notes


def _unknown_items(run: Run) -> list[tuple[str, float]]:
    """That the model does not know some items, and their share; nothing if it knows all."""
    model = run.knowledge
    if model is None or not model.unknown_items:
        return []
    words = "items are not in the model: drawn as often as uniform draws them"
    return [(f"{model.unknown_items} of {model.items} {words}", model.unknown_items / model.items)]


def _said(value: object) -> str:
    return "none" if value is None else str(value)


def _catalog(run: Run) -> str:
    if run.options.core is not None:
        return "the items of the core"
    return "the items of the log" if run.options.items is None else "a file"


def _seen_policy(run: Run) -> str:
    parts = ["train positives" if run.options.command == "train" else "positives, held-out ones included"]
    if run.options.leaves_weak or run.options.weak is not None:
        parts.append("weak interactions")
    if run.options.exclude is not None:
        parts.append("excluded pairs")
    *most, last = parts
    return f"the user's {', '.join(most)} and {last}" if most else f"the user's {last}"


def _sampler_facts(run: Run) -> dict[str, Any]:
    options, popular = run.options, "popularity" in run.options.recipe.names
    alpha, smooth = popularity_shape(options) if popular and options.weights is None else (None, None)
    return {
        "alpha": alpha,
        "smooth": smooth,
        "weights": ("a file" if options.weights is not None else "train positives") if popular else None,
        "available_at_time": options.available_at_time,
        "same": options.same,
        "with_log_q": options.with_log_q,
        "q_kind": "conditional" if options.recipe.scored == "reinforced" else "exact",
        **_model_facts(run),
    }


def _model_facts(run: Run) -> dict[str, Any]:
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
