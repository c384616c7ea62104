"""Which options go together: what contradicts another, or means nothing without it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from negprep.errors import UsageError
from negprep.limits import MAX_ALPHA, MAX_TEMPERATURE, check_real

if TYPE_CHECKING:
    from negprep.options import Options

AVAILABLE_FROM = "available_from"
"""The column of a catalog file that says from when on an item can be had."""


def refuse_sampler(options: Options) -> None:
    """What the samplers of a run, and what shapes them, need and exclude.

    Raises
    ------
    UsageError
        Two options contradict each other, or one has no effect with another.
    """
    recipe = options.recipe
    if recipe.num_neg is not None and options.bootstrap is not None:
        raise UsageError("--bootstrap draws one negative a pair, fixed counts several", remedy="give shares")
    if options.takes_all:
        _refuse_all(options)
    if options.levels is not None:
        _refuse_levels(options)
    _refuse_popularity(options, "popularity" in recipe.names)
    if "weak" in recipe.names:
        if options.command == "test":
            raise UsageError(
                "candidates are items that the user never touched; weak ones were",
                remedy="choose --sampler uniform or popularity",
            )
        if not options.leaves_weak and options.weak is None:
            raise UsageError(
                f"--{'sampler weak' if options.levels is None else 'levels'} without weak interactions",
                remedy="say with --positive which interactions of the log are none, or give --weak FILE",
            )
    _refuse_scored(options, recipe.scored)
    if options.same is not None and options.items is None:
        raise UsageError("--same names a column of --items, which is not given", remedy="add --items FILE")
    if options.same == AVAILABLE_FROM and options.available_at_time:
        raise UsageError(f"--same {options.same} with --available-at-time, which reads it", remedy="leave one out")
    if options.bootstrap is not None and (options.command == "test" or options.layout != "pairwise"):
        raise UsageError("--bootstrap writes pairs to train on", remedy="add --layout pairwise")


def _refuse_all(options: Options) -> None:
    if options.command == "train":
        raise UsageError(
            "--num-neg all in train, where each positive would have the whole catalog beside it",
            remedy="give a number; test takes all",
        )
    if options.recipe.names != ("uniform",):
        raise UsageError(
            f"--num-neg all with --sampler {options.recipe}: every eligible item is taken, and none is drawn",
            remedy="leave --sampler out, or give a number",
        )
    if not options.distinct:
        raise UsageError("--num-neg all with --repeats, but no item is taken twice", remedy="leave one out")


def _refuse_levels(options: Options) -> None:
    if options.command == "test" or options.layout != "pairwise":
        raise UsageError("--levels writes pairs to train on", remedy="add --layout pairwise")
    if options.sampler is not None:
        raise UsageError("--levels and --sampler each say what is drawn", remedy="leave one out")
    if options.with_log_q:
        raise UsageError(
            "--with-log-q with --levels, whose pairs are not draws for one positive", remedy="leave one out"
        )


def _refuse_scored(options: Options, scored: str | None) -> None:
    """What draws by a model has one, and nothing else does."""
    if scored is not None and options.command == "test":
        raise UsageError(
            f"candidates drawn by --sampler {scored} favour or punish whatever resembles its model",
            remedy="choose --sampler uniform or popularity",
        )
    if scored is not None and options.model is None:
        raise UsageError(f"--sampler {scored} without --model FILE", remedy="make one with negprep fit")
    users = {
        "model": ("hard", "reinforced"),
        "pool": ("hard", "reinforced"),
        "top": ("hard",),
        "skip_top": ("hard",),
        "pool_weak": ("reinforced",),
        "temperature": ("reinforced",),
    }
    for name, samplers in users.items():
        if getattr(options, name) is not None and scored not in samplers:
            raise UsageError(
                f"--{name.replace('_', '-')} without --sampler {' or '.join(samplers)}",
                remedy="add it, or leave this out",
            )
    if options.pool_weak and not options.leaves_weak and options.weak is None:
        raise UsageError(
            "--pool-weak without weak interactions",
            remedy="say with --positive which interactions of the log are none, or give --weak FILE",
        )
    if options.model is not None and not isinstance(options.model, str | os.PathLike):
        raise UsageError(f"model is {options.model!r}", remedy="give the path of a model file")
    if options.temperature is not None:
        check_real("temperature", options.temperature, 1e-6, MAX_TEMPERATURE)
    if scored is not None and options.with_log_q and options.distinct:
        raise UsageError(
            f"--with-log-q with --distinct and --sampler {scored}, whose q is that of independent draws",
            remedy="leave one of them out",
        )
    if scored == "reinforced" and options.with_log_q and options.recipe.is_mixed:
        raise UsageError(
            "--with-log-q with --sampler reinforced in a mixture: its q is known given a pool alone",
            remedy="leave out the other samplers, or the log q",
        )


def _refuse_popularity(options: Options, is_drawn: bool) -> None:
    for name in ("alpha", "smooth", "weights"):
        if getattr(options, name) is not None and not is_drawn:
            raise UsageError(f"--{name} without --sampler popularity", remedy="add it, or leave this out")
    for name, least, most in (("alpha", -MAX_ALPHA, MAX_ALPHA), ("smooth", 0.0, 1e9)):
        value = getattr(options, name)
        if value is None:
            continue
        if options.weights is not None:
            raise UsageError(f"--{name} with --weights, which replaces what it shapes", remedy="leave one out")
        check_real(name, value, least, most)


def refuse_core(options: Options) -> None:
    """What a core of the log excludes.

    Raises
    ------
    UsageError
        Two options contradict each other, or one has no effect with another.
    """
    if options.core is not None and options.min_positives is not None and options.min_positives <= options.core:
        raise UsageError(
            f"min_positives is {options.min_positives}, which every user of a core of {options.core} has anyway",
            remedy=f"leave it out, or choose {options.core + 1} or more",
        )
    if options.core is not None and options.items is not None:
        raise UsageError(
            "core with items: the catalog of a core is what remains of the log's items, not a file",
            remedy="leave one out",
        )


def refuse_split(options: Options) -> None:
    """What the epochs, the order and the holdouts of a command exclude, once ``rule`` is parsed.

    Raises
    ------
    UsageError
        Two options contradict each other, or one has no effect with another.
    """
    if options.command == "test" and (options.epoch or options.epochs is not None):
        raise UsageError("epochs of a test set: its candidates are drawn once", remedy="leave epoch and epochs out")
    if options.command == "test" and options.shuffle:
        raise UsageError("a test set is not shuffled: the rows of a user stay together", remedy="leave shuffle out")
    if options.epoch and options.epochs is not None:
        raise UsageError("epoch and epochs, which begin with epoch 0", remedy="leave one out")
    if options.command == "test" and options.rule.kind == "none":
        raise UsageError("a test set without a holdout has nothing to test", remedy="choose holdout last or random")
    if options.with_valid and options.rule.kind == "none":
        raise UsageError("a validation holdout without a test holdout", remedy="choose holdout last or random")
    if options.with_valid and options.rule.kind == "after":
        raise UsageError(
            f"holdout {options.rule} with a validation holdout: one cut has no second",
            remedy="tune with a run of its own, with an earlier TIME",
        )
    if options.fold == "valid" and not options.with_valid:
        raise UsageError("the fold is valid, but no validation holdout is made", remedy="ask for it: with_valid")
