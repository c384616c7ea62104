"""The facts of a run whose rows were all made: for the metadata of its output, and for people."""

from __future__ import annotations

from typing import Any

from negprep.beside import catalog_misfits
from negprep.draw import ALGORITHM
from negprep.fitting.split import split_facts
from negprep.planning import model_rule, popularity_shape
from negprep.resolving import nothing_held_out
from negprep.run import Run
from negprep.samplers.hardness import Hardness
from negprep.summary import Summary, peak_memory_bytes

MOST_UNKNOWN = 1 / 20
"""Of the items, those that a model may not know without a warning: some have no train positive."""


def facts_of(run: Run) -> dict[str, Any]:
    """What the output depends on and what it holds, the same wherever and however it was made."""
    options, tally, loaded, core = run.options, run.tally, run.loaded, run.core
    return {
        "algorithm": ALGORITHM,
        "command": options.command,
        "sampler": str(options.recipe),
        **_sampler_facts(run),
        "draws": "distinct" if options.distinct else "repeats",
        "num_neg": options.num_neg,
        "bootstrap": options.bootstrap,
        "holdout": str(run.rule),
        "holdout_asked": str(options.rule),
        "with_valid": options.with_valid,
        "fold": options.fold if options.command == "test" else None,
        "layout": options.layout,
        "positive": options.positive,
        "keep_time": options.keep_time,
        "min_positives": options.min_positives,
        "core": options.core,
        "on_short": options.on_short,
        "encode": options.encode,
        "label_dtype": options.label_dtype,
        "catalog": _catalog(run),
        "weak": None if options.weak is None else "a file",
        "seen": _seen_policy(run),
        "seed": options.seed,
        "epoch": options.epoch,
        "epochs": options.epochs,
        "shuffle": options.shuffle,
        "split_seed": options.split_seed,
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
