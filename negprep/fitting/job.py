"""A whole fit, from a log to a model file: read, encode, hold out, learn, write."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from negprep._version import __version__
from negprep.beside import catalog_misfits
from negprep.core import Core, find_core
from negprep.errors import UsageError, refuse_warnings
from negprep.fitting.learners import LEARNERS, refuse_beside
from negprep.fitting.split import split_facts
from negprep.fitting.training import Learning, Training
from negprep.forms import refuse_foreign_ending
from negprep.holdout_rule import HoldoutRule
from negprep.loading import Progress, load
from negprep.memory import ARROW_THREADS, MemoryPlan, check_room
from negprep.model import Model, write_model
from negprep.options import LogSource, Options
from negprep.pairs import Pairs
from negprep.reading import open_log
from negprep.resolving import check_times, nothing_held_out, nothing_to_write, resolve_rule, settled_cut
from negprep.sectioning import split_train
from negprep.spill import check_spill_folder
from negprep.summary import peak_memory_bytes
from negprep.writing import check_whole


@dataclass(frozen=True, kw_only=True)
class FitSummary:
    """The facts of a fit.

    Attributes
    ----------
    columns : dict of str to str
    rows_read : int
    rows_dropped : dict of str to int
    users, items, positives : int
        What was learnt about, and from.
    unknown_users, unknown_items : int
        Those of the log that have no train positive, and are not in the model.
    held_out : int
        Positives that nothing was learnt from.
    holdout : str
    model : dict of str
        What the model file says of itself.
    unused_keys : list of str
        Keys in the paths of the log's parts (``day=1/``) that are not among them.
    warnings : list of str
    seconds : float
    peak_memory_bytes : int
    """

    columns: dict[str, str]
    rows_read: int
    rows_dropped: dict[str, int]
    users: int
    items: int
    positives: int
    unknown_users: int
    unknown_items: int
    held_out: int
    holdout: str
    model: dict[str, Any]
    unused_keys: list[str]
    warnings: list[str]
    seconds: float
    peak_memory_bytes: int


def fit(
    source: LogSource, target: str, options: Options, kind: str, learning: Learning, progress: Progress
) -> FitSummary:
    """Read a log, learn from its train part, and write a model file, whole or not at all.

    Parameters
    ----------
    source : str, path, pyarrow.Table or pandas.DataFrame
    target : str
        The model file.
    options : Options
        Of ``train``: which positives there are, and which are held out.
    kind : str
        One of ``LEARNERS``.
    learning : Learning
    progress : callable
        Called with a step, what is done of it, and all of it where that is known.

    Raises
    ------
    NegprepError
        With the place, what is wrong, and the remedy.
    """
    started = time.perf_counter()
    refuse_foreign_ending(target, "an archive of NumPy arrays", "end it with .npz", own=".npz")
    refuse_beside(kind, options)
    LEARNERS[kind].need(kind)
    check_room(algebra=2, threads=learning.threads + ARROW_THREADS)
    place = os.fspath(source) if isinstance(source, str | os.PathLike) else "the table"
    named = [
        Path("/dev/stdin" if given == "-" else given)
        for given in (source, options.weak, options.exclude)
        if isinstance(given, str | os.PathLike) and os.fspath(given)
    ]
    check_whole(target, named)  # before a pipe is read, which may take long
    check_spill_folder(options.spill_dir)
    with open_log(source, options.read) as log:
        check_whole(target, log.paths)
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
            core = find_core(loaded, options, memory.range_rows, progress, again=False)
            training, n_positives = _training(core, options, rule, place)
        finally:
            loaded.close()
        if not len(training.positives):
            raise nothing_to_write(rule, options) or UsageError("there is no positive", remedy="look at the log")

        def told(done: int, total: int, words: str) -> None:
            progress(f"fit {words}".strip(), done, total)

        found = [*log.warnings, *warnings, *loaded.warnings, *_misfits(training)]
        if rule.kind != "none" and len(training.positives) == n_positives:
            found.append(nothing_held_out(rule))
        if options.strict:
            refuse_warnings(found)
        model = LEARNERS[kind].learn(training, learning, told)
        model = replace(model, facts=_facts(kind, learning, model, training, options, rule, n_positives))
        write_model(target, model)
        return FitSummary(
            columns=loaded.columns,
            rows_read=log.rows_read,
            rows_dropped=dict(log.rows_dropped),
            users=len(model.users),
            items=len(model.items),
            positives=len(training.positives),
            unknown_users=len(training.users) - len(model.users),
            unknown_items=len(training.items) - len(model.items),
            held_out=n_positives - len(training.positives),
            holdout=str(rule),
            model={"kind": kind, **model.facts},
            unused_keys=list(log.unused_keys),
            warnings=found,
            seconds=time.perf_counter() - started,
            peak_memory_bytes=peak_memory_bytes(),
        )


def _misfits(training: Training) -> list[str]:
    outside = int(np.count_nonzero(training.positives.items >= training.items.n_catalog))
    return catalog_misfits(training.items, positives=(outside, len(training.positives)))


def _training(core: Core, options: Options, rule: HoldoutRule, place: str) -> tuple[Training, int]:
    """What may be learnt from, and how many positives there are with those held out."""
    parts: list[tuple[Pairs, Pairs, Pairs]] = []
    n_positives = 0
    for portion in core.portions:
        _, train = split_train(portion.interactions, options, rule)
        parts.append((train.without_times(), portion.interactions.weak, portion.excluded))
        n_positives += len(portion.interactions.positives)
    positives, weak, excluded = (_joined([part[which] for part in parts]) for which in range(3))
    return Training(core.users, core.items, positives, weak, excluded, place), n_positives


def _joined(parts: list[Pairs]) -> Pairs:
    """The pairs of consecutive ranges of users."""
    ends = np.cumsum([0, *(len(part) for part in parts)])
    starts = [part.starts[:-1] + end for part, end in zip(parts, ends[:-1], strict=True)]
    return Pairs(np.concatenate([*starts, ends[-1:]]), np.concatenate([part.items for part in parts]))


def _facts(
    kind: str,
    learning: Learning,
    model: Model,
    training: Training,
    options: Options,
    rule: HoldoutRule,
    n_positives: int,
) -> dict[str, Any]:
    """What decides the model, and what it was made of; nothing that differs from run to run."""
    is_repeatable = kind != "bpr" or learning.threads == 1
    return {
        "version": __version__,
        "factors": learning.factors,
        "epochs": learning.epochs,
        "regularization": learning.regularization,
        "learning_rate": learning.learning_rate,
        "seed": learning.seed,
        "repeatable": is_repeatable,
        "holdout_asked": str(options.rule),
        "train_positives": len(training.positives),
        "held_out": n_positives - len(training.positives),
        "split": split_facts(options, rule),
        **model.facts,
    }
