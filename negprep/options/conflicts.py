"""What options exclude and need: every refusal once, in the spelling of the command line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from negprep.errors import UsageError
from negprep.options.formats import FOLDERS, TEXT, FormName

AVAILABLE_FROM = "available_from"
"""The column of a catalog file with the times from which its items exist."""

_NO_WEAK = "exclude some interactions with --positive, or give --weak FILE"


def refuse_conflicts(options: Mapping[str, Any]) -> None:
    """Refuse options that contradict each other, or have no effect together.

    Parameters
    ----------
    options : mapping
        The attributes of ``Options``, checked one by one and parsed; ``given`` names those that somebody chose.

    Raises
    ------
    UsageError
    """
    _refuse_counts(options)
    _refuse_samplers(options)
    _refuse_core(options)
    _refuse_split(options)
    _refuse_rows(options)


def _refuse_counts(options: Mapping[str, Any]) -> None:
    recipe, num_neg, bootstrap = options["recipe"], options["num_neg"], options["bootstrap"]
    if recipe.num_neg is not None and bootstrap is not None:
        raise UsageError("--bootstrap draws one negative a pair, fixed counts several", remedy="give shares")
    fixed = recipe.num_neg or (1 if bootstrap is not None else None)
    if fixed is not None and num_neg not in (None, fixed):
        what = f"the counts of the samplers sum to {fixed}" if recipe.fixed else "--bootstrap writes pairs"
        raise UsageError(f"{what}, and --num-neg says {num_neg}", remedy="leave --num-neg out")
    if num_neg != "all":
        return
    if options["command"] == "train":
        raise UsageError(
            "--num-neg all in train, where each positive would have the whole catalog beside it",
            remedy="give a number; test takes all",
        )
    if recipe.names != ("uniform",):
        raise UsageError(
            f"--num-neg all with --sampler {recipe}: every eligible item is taken, and none is drawn",
            remedy="leave --sampler out, or give a number",
        )
    if not options["distinct"]:
        raise UsageError("--num-neg all with --repeats, but no item is taken twice", remedy="leave one out")


def _refuse_samplers(options: Mapping[str, Any]) -> None:
    recipe, is_test = options["recipe"], options["command"] == "test"
    if options["levels"] is not None:
        if is_test or options["layout"] != "pairwise":
            raise UsageError("--levels writes pairs to train on", remedy="add --layout pairwise")
        if options["sampler"] is not None:
            raise UsageError("--levels and --sampler each say what is drawn", remedy="leave one out")
        if options["with_log_q"]:
            raise UsageError(
                "--with-log-q with --levels, whose pairs are not draws for one positive", remedy="leave one out"
            )
    refuse_popularity(options, is_drawn="popularity" in recipe.names)
    if "weak" in recipe.names:
        if is_test:
            raise UsageError(
                "candidates are items that the user never touched; weak ones were",
                remedy="choose --sampler uniform or popularity",
            )
        if not options["leaves_weak"] and options["weak"] is None:
            name = "--sampler weak" if options["levels"] is None else "--levels"
            raise UsageError(f"{name} without weak interactions", remedy=_NO_WEAK)
    _refuse_scored(options, recipe.scored)
    if options["same"] is not None and options["items"] is None:
        raise UsageError("--same names a column of --items, which is not given", remedy="add --items FILE")
    if options["same"] == AVAILABLE_FROM and options["available_at_time"]:
        raise UsageError(f"--same {options['same']} with --available-at-time, which reads it", remedy="leave one out")
    if options["bootstrap"] is not None and (is_test or options["layout"] != "pairwise"):
        raise UsageError("--bootstrap writes pairs to train on", remedy="add --layout pairwise")


def refuse_popularity(options: Mapping[str, Any], *, is_drawn: bool) -> None:
    """Refuse what shapes popularity where it is not drawn, or where item weights replace it."""
    for name in ("alpha", "smooth", "weights"):
        if options[name] is not None and not is_drawn:
            raise UsageError(f"--{name} without --sampler popularity", remedy="add it, or leave this out")
    for name in ("alpha", "smooth"):
        if options[name] is not None and options["weights"] is not None:
            raise UsageError(f"--{name} with --weights, which replaces what it shapes", remedy="leave one out")


_OF_MODELS = {
    "model": ("hard", "reinforced"),
    "pool": ("hard", "reinforced"),
    "top": ("hard",),
    "skip_top": ("hard",),
    "pool_weak": ("reinforced",),
    "temperature": ("reinforced",),
}
"""The samplers that each option is for."""


def _refuse_scored(options: Mapping[str, Any], scored: str | None) -> None:
    if scored is not None and options["command"] == "test":
        raise UsageError(
            f"candidates drawn by --sampler {scored} favour or punish whatever resembles its model",
            remedy="choose --sampler uniform or popularity",
        )
    if scored is not None and options["model"] is None:
        raise UsageError(f"--sampler {scored} without --model FILE", remedy="make one with negprep fit")
    for name, samplers in _OF_MODELS.items():
        if options[name] is not None and scored not in samplers:
            raise UsageError(
                f"--{name.replace('_', '-')} without --sampler {' or '.join(samplers)}",
                remedy="add it, or leave this out",
            )
    if options["pool_weak"] and not options["leaves_weak"] and options["weak"] is None:
        raise UsageError("--pool-weak without weak interactions", remedy=_NO_WEAK)
    if options["model"] is not None and not isinstance(options["model"], str | os.PathLike):
        raise UsageError(f"model is {options['model']!r}", remedy="give the path of a model file")
    if scored is not None and options["with_log_q"] and options["distinct"]:
        raise UsageError(
            f"--with-log-q with --distinct and --sampler {scored}, whose q is that of independent draws",
            remedy="leave one of them out",
        )
    if scored == "reinforced" and options["with_log_q"] and options["recipe"].is_mixed:
        raise UsageError(
            "--with-log-q with --sampler reinforced in a mixture: its q is known given a pool alone",
            remedy="leave out the other samplers, or the log q",
        )


def _refuse_core(options: Mapping[str, Any]) -> None:
    core, least = options["core"], options["min_positives"]
    if core is not None and options["items"] is not None:
        raise UsageError(
            "--core with --items: the catalog of a core is what remains of the log's items, not a file",
            remedy="leave one out",
        )
    if core is not None and least is not None and least <= core:
        raise UsageError(
            f"--min-positives {least} with --core {core}, in which every user has as many",
            remedy=f"leave it out, or choose {core + 1} or more",
        )


def _refuse_split(options: Mapping[str, Any]) -> None:
    rule, chosen_seed = options["rule"], "split_seed" in options["given"]
    if rule.kind == "none" and options["command"] == "test":
        raise UsageError(
            "--holdout none in test: a test set without a holdout has nothing to test",
            remedy="choose holdout last or random",
        )
    if rule.kind == "none" and options["with_valid"]:
        raise UsageError("--with-valid with --holdout none, which holds nothing out", remedy="leave one out")
    if rule.kind == "none" and chosen_seed:
        raise UsageError("--split-seed with --holdout none, which holds nothing out", remedy="leave one out")
    if rule.kind == "after" and options["with_valid"]:
        raise UsageError(
            f"--holdout {rule} with a validation holdout: one cut has no second",
            remedy="tune with a run of its own, with an earlier TIME",
        )
    if rule.kind == "after" and chosen_seed:
        raise UsageError("--split-seed with --holdout after, which leaves nothing to chance", remedy="leave it out")


def _refuse_rows(options: Mapping[str, Any]) -> None:
    epochs, given = options["epochs"], options["given"]
    if options["command"] == "test" and (options["epoch"] or epochs is not None):
        name = "--epochs" if epochs is not None else "--epoch"
        raise UsageError(f"{name} in test, whose candidates are drawn once", remedy="leave it out")
    if options["command"] == "test" and options["shuffle"]:
        raise UsageError("--shuffle in test, where the rows of a user stay together", remedy="leave it out")
    if "epoch" in given and epochs is not None:
        raise UsageError("--epoch with --epochs, which begins with epoch 0", remedy="leave one out")
    if "label_dtype" in given and options["layout"] != "pointwise":
        raise UsageError(f"--label-dtype with --layout {options['layout']}, which has no label", remedy="leave one out")


def refuse_unfit(form: FormName, options: Mapping[str, Any]) -> None:
    """Refuse options that have no effect in the form of the output.

    Parameters
    ----------
    form : {"parquet", "csv", "tsv", "ncf", "recbole", "lightgcn"}
    options : mapping
        The attributes of ``Options``.

    Raises
    ------
    UsageError
    """
    lists, given = form in ("ncf", "lightgcn"), options["given"]
    if form in TEXT and "label_dtype" in given:
        raise UsageError(f"--label-dtype with --to {form}: numbers in text have no type", remedy="leave one out")
    if form in FOLDERS and "layout" in given:
        raise UsageError(f"--layout with --to {form}, which has a layout of its own", remedy="leave --layout out")
    if lists and options["command"] == "train":
        raise UsageError(
            f"train with --to {form}, whose train file holds positives only",
            remedy=f"negprep test --to {form} writes it beside the test files",
        )
    if lists and options["with_log_q"]:
        raise UsageError(f"--with-log-q with --to {form}, which has no place for it", remedy="leave one out")


_ROLES = ("user", "item", "time", "value", "event")


def refuse_columns(options: Mapping[str, Any]) -> None:
    """Refuse columns that are named twice, or that ``--columns`` lacks; the attributes of ``ReadOptions``."""
    role_of: dict[str, str] = {}
    for role in _ROLES:
        header = options[f"{role}_col"]
        if header is None:
            continue
        if header in role_of:
            raise UsageError(
                f"--{role_of[header]}-col and --{role}-col both name {header!r}", remedy="give two columns"
            )
        if options["columns"] is not None and header not in options["columns"]:
            raise UsageError(
                f"--{role}-col {header}: --columns has no such name ({', '.join(options['columns'])})",
                remedy="name one of those",
            )
        role_of[header] = role


def refuse_streams(named: Iterable[tuple[str, object]]) -> None:
    """Refuse empty paths, and inputs of which two would be standard input; arguments or options and their values."""
    readers = []
    for argument, value in named:
        if isinstance(value, str) and not value:
            raise UsageError(f"{argument} is empty", remedy="give a path, or - for a pipe")
        if isinstance(value, str) and value == "-":
            readers.append(argument)
    if len(readers) > 1:
        raise UsageError(
            "standard input ('-') is named twice", remedy=f"give files for {', '.join(readers[:-1])} or {readers[-1]}"
        )


Files: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"
"""One path, or several."""


def named_files(files: Files, train: Files, test: Files) -> list[tuple[str, str | None]]:
    """Every path of a prepared file with what it is for, where that is known: ``train``, ``test`` or None.

    Raises
    ------
    UsageError
        No file is named, or something that is not a path.
    """
    named = [
        (path, part) for given, part in ((files, None), (train, "train"), (test, "test")) for path in _paths(given)
    ]
    if not named:
        raise UsageError("no file to check", remedy="name what train or test wrote")
    return named


def summaries(made_by: Files) -> list[str]:
    """The paths of summaries.

    Raises
    ------
    UsageError
        One is not a path, or is standard input.
    """
    paths = _paths(made_by)
    if "-" in paths:
        raise UsageError("--made-by is '-'", remedy="give the file that --summary has written")
    return paths


def _paths(given: Files) -> list[str]:
    paths = [given] if isinstance(given, str | os.PathLike) or not isinstance(given, Sequence) else given
    for path in paths:
        if not isinstance(path, str | os.PathLike):
            raise UsageError(f"a prepared file is a {type(path).__name__}", remedy="give its path")
        if not os.fspath(path):
            raise UsageError("a file name is empty", remedy="give a path")
    return [os.fspath(path) for path in paths]


def refuse_unread(log: object, given: Iterable[str]) -> None:
    """Refuse options that describe a log where none is given."""
    named = min(given, default=None)
    if log is None and named is not None:
        raise UsageError(f"--{named.replace('_', '-')} without --log, which it describes", remedy="add --log INPUT")
