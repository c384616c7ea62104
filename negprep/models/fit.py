"""A whole fit, from a log to a model file: read, encode, hold out, learn, write."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from negprep._version import __version__
from negprep.arrow import from_numpy
from negprep.assemble.section import split_train
from negprep.encode.kcore import find_core
from negprep.encode.load import Core, Progress, load
from negprep.encode.memory import ARROW_THREADS, MemoryPlan, check_room
from negprep.encode.pairs import Pairs, as_seen, merge_pairs, subtract_pairs
from negprep.encode.side_files import catalog_misfits
from negprep.encode.spill import check_spill_folder
from negprep.errors import UsageError, refuse_warnings
from negprep.holdout import check_times, choose_users, nothing_held_out, nothing_to_write, resolve_rule, settled_cut
from negprep.model_file import Model, sorted_model, write_model
from negprep.models.factorise import Learning, Learnt, ReportEpoch, Training, learn_als, learn_bpr, need_library
from negprep.models.gmf import Factors
from negprep.models.rns import Epoch, RnsLearning, learn_policy
from negprep.models.validation import AT, MIN_POSITIVES, FullRanking, lay_aside
from negprep.options.commands import takes
from negprep.options.declared import checked
from negprep.options.formats import refuse_foreign_ending
from negprep.options.options import LogSource, Options
from negprep.options.reading import paths_in
from negprep.options.specs import HoldoutRule
from negprep.read.log import open_log
from negprep.stores import without_secrets
from negprep.summary import peak_memory_bytes, split_facts
from negprep.write.destination import check_whole


def learn_rns(training: Training, learning: Learning, report: ReportEpoch) -> Learnt:
    """Play the game of ``negprep.models.rns``; its models know the users with train positives, and all items.

    Raises
    ------
    UsageError
        There is no exposure, or an option that does not fit another.
    """
    if not isinstance(learning, RnsLearning):
        raise TypeError("learn_rns wants an RnsLearning")
    items = training.items
    exposures = as_seen(subtract_pairs(training.weak, training.excluded, len(items)), items)
    if not len(exposures.items):
        raise UsageError(
            "there is no weak interaction with an item of the catalog, and --kind rns learns from what was shown and "
            "not liked",
            place=training.place,
            remedy="choose with --positive which interactions are positives, give --weak FILE, or choose --kind bpr",
        )
    if learning.patience is not None and not len(training.asked):
        raise UsageError(
            f"--patience needs a user with {MIN_POSITIVES} train positives, of whom one is laid aside",
            place=training.place,
            remedy="leave it out",
        )
    seen = as_seen(merge_pairs([training.positives, training.weak, training.excluded], len(items)), items)
    total, done = learning.start_epochs + learning.epochs, 0

    def tell(epoch: Epoch) -> None:
        nonlocal done
        done += 1
        words = f"loss {epoch.recommender_loss:.4g}"
        if done > learning.start_epochs:
            words += f", exposed share {epoch.exposed_share:.1%}"
        report(done, total, words)

    positives = training.positives
    with np.errstate(over="ignore", invalid="ignore"):  # steps that are too large end in NaN, which is refused below
        fitted = learn_policy(positives.users(), positives.items, seen, exposures, learning, tell, training.asked)
    taught = np.flatnonzero(positives.counts)
    own = set(RnsLearning.__dataclass_fields__) - set(Learning.__dataclass_fields__)
    facts = {
        **{name: value for name, value in asdict(learning).items() if name in own},
        "exposures": len(exposures.items),
        "start": [epoch.recommender_loss for epoch in fitted.start],
        "game": [asdict(epoch) for epoch in fitted.game],
    }
    ids = training.users.ids.take(from_numpy(taught)), items.ids.slice(0, len(fitted.sampler.items))

    def model(kind: str, factors: Factors) -> Model:
        arrays = {"user_factors": factors.users[taught], "item_factors": factors.items, "h": factors.h}
        return sorted_model(kind, *ids, arrays, facts, f"the model of {training.place}")

    return Learnt(model("rns", fitted.sampler), model("gmf", fitted.recommender))


@dataclass(frozen=True)
class Learner:
    """A kind of model: how it learns, with its defaults."""

    learn: Callable[[Training, Learning, ReportEpoch], Learnt]
    learning: Learning


LEARNERS: dict[str, Learner] = {
    "als": Learner(
        learn_als, Learning(factors=64, epochs=15, regularization=0.01, learning_rate=None, seed=0, threads=1)
    ),
    "bpr": Learner(
        learn_bpr, Learning(factors=32, epochs=60, regularization=0.2, learning_rate=0.1, seed=0, threads=1)
    ),
    "rns": Learner(learn_rns, RnsLearning()),
}


def learning_of(kind: str, **given: Any) -> Learning:  # noqa: ANN401
    """The options of learning, with the defaults of the kind for those that are None.

    Raises
    ------
    UsageError
        An unknown kind, an option that the kind has no use for, or a value beyond its limits.
    """
    if kind not in LEARNERS:
        raise UsageError(f"no model is of the kind {kind!r}", remedy=f"choose one of {', '.join(LEARNERS)}")
    defaults = LEARNERS[kind].learning
    chosen = {name: value for name, value in given.items() if value is not None}
    if "learning_rate" in chosen and defaults.learning_rate is None:
        raise UsageError(f"--learning-rate with --kind {kind}, which takes no steps", remedy="leave it out")
    foreign = [name for name in chosen if not hasattr(defaults, name)]
    if foreign:
        raise UsageError(f"--{foreign[0].replace('_', '-')} without --kind rns", remedy="add it, or leave this out")
    for name, value in chosen.items():
        if isinstance(value, float) and not isfinite(value):
            raise UsageError(f"--{name.replace('_', '-')} {value} is not a number", remedy="give a number")
        chosen[name] = checked(takes("fit")["jobs" if name == "threads" else name], value)
    if kind != "als" and chosen.get("threads", 1) != 1:
        what = f"--jobs {chosen['threads']} with --kind {kind}, which learns on one thread"
        raise UsageError(what, remedy="leave it out")
    return replace(defaults, **chosen)


def refuse_beside(kind: str, options: Options) -> None:
    """Refuse options that only a kind which learns from more than the positives can use."""
    for name in ("weak", "exclude", "items"):
        if kind != "rns" and getattr(options, name) is not None:
            raise UsageError(
                f"--{name} with --kind {kind}, which learns from the positives alone", remedy="leave it out"
            )


@dataclass(frozen=True, kw_only=True)
class FitSummary:
    """The facts of a fit.

    ``users``, ``items`` and ``positives`` were learnt from; ``unknown_users`` and ``unknown_items`` of the log have no
    train positive and are not in the model. ``laid_aside`` more train positives were not learnt from: the model was
    asked for them. ``model`` is what the model file holds about itself.
    """

    columns: dict[str, str]
    rows_read: int
    rows_dropped: dict[str, int]
    users: int
    items: int
    positives: int
    unknown_users: int
    unknown_items: int
    laid_aside: int
    held_out: int
    holdout: str
    model: dict[str, Any]
    unused_keys: list[str]
    warnings: list[str]
    seconds: float
    peak_memory_bytes: int
    rows_filtered: int = 0
    files_skipped: int = 0


def fit(
    source: LogSource,
    target: str,
    options: Options,
    kind: str,
    learning: Learning,
    progress: Progress,
    recommender: str | None = None,
) -> FitSummary:
    """Read a log, learn from its train part, and write a model file, whole or not at all.

    ``options`` are those of ``train`` that decide which positives there are, and which are held out; ``progress`` takes
    a step, what is done of it, and all of it where that is known. ``recommender`` is a file for that of ``rns``.

    Raises
    ------
    NegprepError
        With the place, what is wrong, and the remedy.
    """
    started = time.perf_counter()
    targets = [target] if recommender is None else [recommender, target]
    for each in targets:
        refuse_foreign_ending(each, "an archive of NumPy arrays", "end it with .npz", own=".npz")
    refuse_beside(kind, options)
    if recommender is not None and kind != "rns":
        raise UsageError(f"--recommender with --kind {kind}, whose model ranks", remedy="leave it out")
    if kind == "als":
        need_library(kind)
    check_room(algebra=2, threads=learning.threads + ARROW_THREADS)
    place = ", ".join(map(without_secrets, paths_in(source))) or "the table"
    named = [
        Path("/dev/stdin" if given == "-" else given)
        for each in (source, options.weak, options.exclude, options.valid_file, options.rule.path)
        for given in paths_in(each)
        if given
    ]
    for each in targets:
        check_whole(each, named)  # before a pipe is read, which may take long
    if recommender is not None and os.path.realpath(recommender) == os.path.realpath(target):
        raise UsageError("--recommender is MODEL", place=recommender, remedy="name another file")
    check_spill_folder(options.spill_dir)
    with open_log(source, options.read) as log:
        for each in targets:
            check_whole(each, log.paths)
        rule, warnings = resolve_rule(log, options)
        check_times(log, options)
        memory = MemoryPlan.of(options.memory, shuffle=False)
        spill_folder = options.spill_dir or str(Path(target).parent)
        loaded = load(
            log,
            options,
            with_times=rule.needs_times,
            kept_bytes=memory.kept_bytes,
            spill_folder=spill_folder,
            progress=progress,
        )
        try:
            rule = settled_cut(log, rule)
            if loaded.held is None:
                log.compare(users=len(loaded.users), items=loaded.n_items)
            if options.min_positives or options.core:
                core = find_core(loaded, options, memory.range_rows, progress)
            else:
                core = loaded.whole(memory.range_rows, again=options.sample is not None)
            rule, more = choose_users(rule, core.sections, options)
            warnings += more
            training, n_positives = _training(core, options, rule, place)
        finally:
            loaded.close()
        if not len(training.positives):
            raise nothing_to_write(rule, options) or UsageError("there is no positive", remedy="look at the log")
        asked, n_train = training.asked, len(training.positives) + len(training.asked)

        def report(done: int, total: int, words: str) -> None:
            progress(f"fit {words}".strip(), done, total)

        found = [*log.warnings, *warnings, *loaded.warnings, *_misfits(training)]
        if rule.kind != "none" and n_train == n_positives:
            found.append(nothing_held_out(rule))
        if options.strict:
            refuse_warnings(found)
        learnt = LEARNERS[kind].learn(training, learning, report)
        ranks = learnt.recommender or learnt.model
        ranking = _ranking(ranks, training) if len(asked) else None
        if ranking is not None and ranking["ndcg"] <= ranking["most_popular"]:
            found.append(_NO_BETTER.format(**ranking))
        if options.strict:
            refuse_warnings(found)
        facts = _facts(learning, training, options, rule, n_positives) | {"ranking": ranking}
        model = replace(learnt.model, facts=facts | learnt.model.facts)
        if recommender is not None:
            write_model(recommender, replace(ranks, facts=facts | ranks.facts))
        write_model(target, model)
        return FitSummary(
            columns=loaded.columns,
            rows_read=log.rows_read,
            rows_dropped=dict(log.rows_dropped),
            rows_filtered=log.rows_filtered,
            files_skipped=log.files_skipped,
            users=len(model.users),
            items=len(model.items),
            positives=len(training.positives),
            unknown_users=len(training.users) - len(model.users),
            unknown_items=len(training.items) - len(model.items),
            laid_aside=len(asked),
            held_out=n_positives - n_train,
            holdout=str(rule),
            model={"kind": kind, **model.facts},
            unused_keys=list(log.unused_keys),
            warnings=found,
            seconds=time.perf_counter() - started,
            peak_memory_bytes=peak_memory_bytes(),
        )


_NO_BETTER = (
    f"NDCG@{AT} over all items is {{ndcg:.4f}}, and {{most_popular:.4f}} with the most popular items first: the model "
    "has learnt no taste. Try another --regularization, --factors or --epochs; its hard negatives would do harm"
)


def _ranking(model: Model, training: Training) -> dict[str, Any]:
    """How the model ranks the positives laid aside, and how the most popular items first: NDCG, to six decimals.

    In the last places sums depend on how many threads numpy multiplies with.
    """
    asked = training.asked
    rows = model.users.find(training.users.ids.take(from_numpy(asked.users)))
    columns = model.items.find(training.items.ids)
    is_known = columns >= 0
    items = model.item_factors[columns]
    bias = np.zeros(len(items), np.float32) if model.item_bias is None else model.item_bias[columns]
    users = model.user_factors[rows] * (np.float32(1) if model.h is None else model.h)
    ndcg = asked.of_model(users, items, np.where(is_known, bias, np.float32(-np.inf)))
    found = {"ndcg": round(ndcg, 6), "most_popular": round(asked.of_most_popular(), 6)}
    return {"at": AT, "positives": len(asked), **found}


def _misfits(training: Training) -> list[str]:
    outside = int(np.count_nonzero(training.positives.items >= training.items.n_catalog))
    return catalog_misfits(training.items, positives=(outside, len(training.positives)))


def _training(core: Core, options: Options, rule: HoldoutRule, place: str) -> tuple[Training, int]:
    """What may be learnt from, and how many positives there are with those held out."""
    parts: list[tuple[Pairs, Pairs, Pairs]] = []
    n_positives = 0
    for section in core.sections:
        _, train = split_train(section.interactions, options, rule)
        parts.append((train.without_times(), section.interactions.weak, section.excluded))
        n_positives += len(section.interactions.positives)
    positives, weak, excluded = (_joined([part[which] for part in parts]) for which in range(3))
    asked = FullRanking.of(positives, lay_aside(positives), len(core.items))
    return Training(core.users, core.items, asked.train, weak, excluded, place, asked), n_positives


def _joined(parts: list[Pairs]) -> Pairs:
    """The pairs of consecutive ranges of users."""
    ends = np.cumsum([0, *(len(part) for part in parts)])
    starts = [part.starts[:-1] + end for part, end in zip(parts, ends[:-1], strict=True)]
    return Pairs(np.concatenate([*starts, ends[-1:]]), np.concatenate([part.items for part in parts]))


def _facts(
    learning: Learning,
    training: Training,
    options: Options,
    rule: HoldoutRule,
    n_positives: int,
) -> dict[str, Any]:
    """What decides the model, and what it was made of; nothing that differs from run to run."""
    n_train = len(training.positives) + len(training.asked)
    return {
        "version": __version__,
        "factors": learning.factors,
        "epochs": learning.epochs,
        "regularization": learning.regularization,
        "learning_rate": learning.learning_rate,
        "seed": learning.seed,
        "holdout_asked": str(options.rule),
        "train_positives": n_train,
        "laid_aside": len(training.asked),
        "held_out": n_positives - n_train,
        "split": split_facts(options, rule),
    }
