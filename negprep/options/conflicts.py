"""What options exclude and need: every refusal once, in the spelling of the command line."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeAlias

from negprep.errors import UsageError
from negprep.options.formats import EXCHANGES, TEXT, FormName

Record: TypeAlias = Any
"""``Options`` or ``ReadOptions``, whose module imports this one."""

AVAILABLE_FROM = "available_from"
"""The column of a catalog file with the times from which its items exist."""

_NO_WEAK, _WEAK = "without weak interactions", "name the positives with --positive, or give --weak FILE"


def _refuse(is_wrong: object, what: str, remedy: str = "leave one out") -> None:
    if is_wrong:
        raise UsageError(what, remedy=remedy)


def refuse_conflicts(options: Record) -> None:
    """Raise ``UsageError`` if options, checked one by one and parsed, contradict each other or have no effect."""
    _refuse_kept(options)
    _refuse_counts(options)
    if options.per_user:
        _refuse_per_user(options)
    _refuse_samplers(options)
    _refuse_scored(options, options.sampler_rule.scored)
    _refuse_rows(options)


def _refuse_counts(options: Record) -> None:
    sampler, num_neg, bootstrap = options.sampler_rule, options.num_neg, options.bootstrap
    fixed = sampler.num_neg or (1 if bootstrap is not None else None)
    what = f"the counts of the samplers sum to {fixed}" if sampler.fixed else "--bootstrap writes pairs"
    _refuse(
        sampler.fixed and bootstrap is not None,
        "--bootstrap draws one negative a pair, fixed counts several",
        "give shares",
    )
    _refuse(
        fixed is not None and num_neg not in (None, fixed),
        f"{what}, and --num-neg is {num_neg}",
        "leave --num-neg out",
    )
    _refuse(
        options.command == "test" and options.chance_of_last is not None,
        f"--num-neg {num_neg} in test, where every holdout has as many negatives beside it",
        "give a whole number",
    )
    if not options.takes_all:
        return
    _refuse(
        options.command == "train",
        "--num-neg all in train, where each positive would have the whole catalog beside it",
        "give a number; test takes all",
    )
    _refuse(
        sampler.names not in (("uniform",), ("impression",)),
        f"--num-neg all with --sampler {sampler}: every eligible item is taken, and none is drawn",
        "leave --sampler out, or give a number",
    )
    _refuse(not options.distinct, "--num-neg all with --repeats, but no item is taken twice")


def _refuse_per_user(options: Record) -> None:
    _refuse(
        options.chance_of_last is not None,
        f"--num-neg {options.num_neg} with --per user, which draws one number for everybody",
        "give a whole number",
    )
    for name, why in (
        ("levels", "writes pairs of a positive each"),
        ("bootstrap", "writes pairs of a positive each"),
        ("available_at_time", "draws by the time of a positive"),
        ("same", "draws by a column of the positive"),
        ("group_col", "draws by the impression of a positive"),
        ("keep", "writes beside each negative what its positive has"),
        ("with_time", "writes beside each negative the time of its positive"),
        ("with_history", "writes what came before a positive"),
    ):
        given = getattr(options, name) not in (None, False, ())
        _refuse(given, f"--{name.replace('_', '-')} with --per user: it {why}")
    _refuse(
        options.layout == "pairwise",
        "--layout pairwise with --per user: a pair has one positive",
        "choose pointwise or listwise",
    )


def _refuse_samplers(options: Record) -> None:
    names, is_test, levels = options.sampler_rule.names, options.command == "test", options.levels is not None
    no_pairs = is_test or options.layout != "pairwise"
    _refuse(levels and no_pairs, "--levels writes pairs to train on", "add --layout pairwise")
    _refuse(levels and options.sampler is not None, "--levels and --sampler each specify what is drawn")
    _refuse(levels and options.with_log_q, "--with-log-q with --levels, whose pairs are not draws for one positive")
    for name, given in (("alpha", options.alpha), ("smooth", options.smooth), ("weights", options.weights)):
        is_given = given is not None
        _refuse(
            is_given and "popularity" not in names,
            f"--{name} without --sampler popularity",
            "add it, or leave this out",
        )
        _refuse(
            is_given and name != "weights" and options.weights is not None,
            f"--{name} with --weights, which replaces what it shapes",
        )
    _refuse(
        "weak" in names and is_test,
        "candidates are items that the user never touched; weak ones were",
        "choose --sampler uniform or popularity",
    )
    lacks_weak = not options.leaves_weak and options.weak is None
    _refuse("weak" in names and lacks_weak, f"{'--levels' if levels else '--sampler weak'} {_NO_WEAK}", _WEAK)
    _refuse_impressions(options, names)
    _refuse(
        options.same is not None and options.items is None,
        "--same names a column of --items, which is not given",
        "add --items FILE",
    )
    _refuse(
        options.same == AVAILABLE_FROM and options.available_at_time,
        f"--same {options.same} with --available-at-time, which reads it",
    )
    _refuse(options.bootstrap is not None and no_pairs, "--bootstrap writes pairs to train on", "add --layout pairwise")


_TAKEN = (
    *("user", "item", "label", "pos_item", "neg_item", "neg_items", "source", "log_q", "pos_log_q", "neg_log_q"),
    *("epoch", "time", "history"),
)
"""Columns that an output may have by itself."""


def _refuse_kept(options: Record) -> None:
    keep = options.keep
    for name in ("keep", "with_time", "group_col"):
        _refuse(
            getattr(options, name) and options.rule.kind == "file",
            f"--{name.replace('_', '-')} with --holdout file or --valid-file, whose pairs may have no row in the log",
            "leave it out, or join the column",
        )
    twice = next((name for name in keep if keep.count(name) > 1), None)
    _refuse(twice is not None, f"--keep {twice} is given twice")
    taken = next((name for name in keep if name in _TAKEN), None)
    _refuse(
        taken is not None,
        f"--keep {taken}: an output has a column of that name by itself",
        "leave it out, or rename the column of the log",
    )
    beside = beside_rows(options)
    _refuse(
        options.levels is not None and beside,
        f"{beside} with --levels, in whose pairs a weak item may stand in the place of the positive",
    )


def beside_rows(options: Record) -> str | None:
    """The first option that writes something of the positive beside its rows, if there is one."""
    given = {"--keep": options.keep, "--with-time": options.with_time, "--with-history": options.with_history}
    return next((name for name, value in given.items() if value), None)


_OF_MODELS = {
    "model": ("hard", "reinforced"),
    "pool": ("hard", "reinforced"),
    "top": ("hard",),
    "skip_top": ("hard",),
    "pool_weak": ("reinforced",),
    "temperature": ("reinforced",),
}
"""The samplers that each option is for."""


def _refuse_scored(options: Record, scored: str | None) -> None:
    _refuse(
        scored is not None and options.command == "test",
        f"candidates drawn by --sampler {scored} favour or punish whatever resembles its model",
        "choose --sampler uniform or popularity",
    )
    _refuse(
        scored is not None and options.model is None and not (scored == "hard" and options.model_later),
        f"--sampler {scored} without --model FILE",
        "make one with negprep fit",
    )
    _refuse(
        scored == "hard" and options.pool is None and options.model is not None,
        "--sampler hard --model FILE without --pool: negatives that are hard for a frozen model can be worse than "
        "uniform ones, whatever the pool",
        "choose one on a validation fold, from --pool 2 and 4 on; or draw against the model as it is trained",
    )
    for name, samplers in _OF_MODELS.items():
        _refuse(
            getattr(options, name) is not None and scored not in samplers,
            f"--{name.replace('_', '-')} without --sampler {' or '.join(samplers)}",
            "add it, or leave this out",
        )
    lacks_weak = not options.leaves_weak and options.weak is None
    _refuse(options.pool_weak and lacks_weak, f"--pool-weak {_NO_WEAK}", _WEAK)
    _refuse(
        not isinstance(options.model, str | os.PathLike | None),
        f"model is {options.model!r}",
        "give the path of a model file",
    )
    _refuse(
        scored is not None and options.with_log_q and options.distinct,
        f"--with-log-q with --distinct and --sampler {scored}, whose q is that of independent draws",
        "leave one of them out",
    )
    _refuse(
        scored == "reinforced" and options.with_log_q and options.sampler_rule.is_mixed,
        "--with-log-q with --sampler reinforced in a mixture: its q is known given a pool alone",
        "leave out the other samplers, or the log q",
    )


def _refuse_impressions(options: Record, names: Collection[str]) -> None:
    what, given = "--sampler impression", options.group_col is not None
    _refuse(
        "impression" in names and not given, f"{what} without --group-col", "name the column of impressions with it"
    )
    _refuse(given and "impression" not in names, f"--group-col without {what}", "add it, or leave this out")
    _refuse(
        given and not options.leaves_weak,
        f"{what} {_NO_WEAK}, which are the rows that --positive leaves over",
        "name the positives: --positive 'click=1'",
    )
    _refuse(given and options.weak is not None, f"--weak with {what}: the pairs of a file stand in no impression")


def _refuse_rows(options: Record) -> None:
    core, least, rule, given = options.core, options.min_positives, options.rule, options.given
    is_test, chosen_seed = options.command == "test", "split_seed" in given
    _refuse(
        core is not None and options.items is not None,
        "--core with --items: the catalog of a core is what remains of the log's items, not a file",
    )
    _refuse(
        core is not None and least is not None and least <= core,
        f"--min-positives {least} with --core {core}, in which every user has as many",
        f"leave it out, or choose {(core or 0) + 1} or more",
    )
    if rule.kind == "none":
        _refuse(
            is_test,
            "--holdout none in test: a test set without a holdout has nothing to test",
            "choose holdout last or random",
        )
        _refuse(options.with_valid, "--with-valid with --holdout none, which holds nothing out")
        _refuse(chosen_seed, "--split-seed with --holdout none, which holds nothing out")
        _refuse(options.test_users is not None, "--test-users with --holdout none, which holds nothing out")
    if rule.kind == "after":
        _refuse(
            options.with_valid,
            f"--holdout {rule} with a validation holdout: one cut has no second",
            "tune with a run of its own, with an earlier TIME",
        )
    _refuse(
        rule.kind != "none"
        and not rule.is_drawn
        and chosen_seed
        and options.test_users is None
        and options.session_col is None,
        f"--split-seed with --holdout {rule.kind}, which leaves nothing to chance",
        "leave it out",
    )
    _refuse(
        rule.kind == "random-global" and options.with_valid and 2 * rule.share[0] >= rule.share[1],
        f"--holdout {rule} with a validation holdout of the same share, which leaves nothing in train",
        "choose a share below 0.5",
    )
    _refuse(
        options.session_col is not None and rule.kind != "session",
        "--session-col without --holdout session, whose sessions it names",
        "add it, or leave this out",
    )
    _refuse(
        options.session_col is not None and options.group_col is not None,
        "--session-col with --group-col, which decides which of several rows of one time is that of a pair, too",
    )
    refuse_folds(rule.kind, with_valid=options.with_valid, valid_file=options.valid_file)
    _refuse(options.drop_cold and not is_test, "--drop-cold in train, which has no candidates", "give it to test")
    several = options.epochs is not None
    _refuse(
        is_test and (options.epoch or several),
        f"--epoch{'s' * several} in test, whose candidates are drawn once",
        "leave it out",
    )
    _refuse(is_test and options.shuffle, "--shuffle in test, where the rows of a user stay together", "leave it out")
    refuse_epochs(given, options.epochs)
    _refuse(
        "label_dtype" in given and options.layout != "pointwise",
        f"--label-dtype with --layout {options.layout}, which has no label",
    )


def refuse_folds(kind: str, *, with_valid: bool, valid_file: object) -> None:
    """Refuse validation items of one split beside the test items of another."""
    what = "--valid-file without --holdout file:TEST, whose validation items it has"
    _refuse(valid_file is not None and kind != "file", what, "add it, or leave this out")
    what = "--holdout file with a validation holdout, whose items are in a file as well"
    _refuse(kind == "file" and with_valid and valid_file is None, what, "add --valid-file FILE, or leave it out")


def refuse_epochs(given: Collection[str], epochs: int | None) -> None:
    """Refuse ``--epoch``, if it is among the options given, with ``--epochs``."""
    _refuse("epoch" in given and epochs is not None, "--epoch with --epochs, which begins with epoch 0")


def refuse_engine(engine: str, master: object, spark_conf: Collection[str]) -> None:
    """Refuse options of Spark without it, and settings that are not of the form K=V."""
    for name, value in (("master", master), ("spark-conf", spark_conf)):
        _refuse(value and engine != "spark", f"--{name} without --engine spark", "add it, or leave this out")
    for setting in spark_conf:
        name, equals, _ = setting.partition("=")
        _refuse(not (name and equals), f"--spark-conf {setting}: not a setting", "write NAME=VALUE")


def refuse_on_spark(
    options: Record, source: object = None, target: str | None = None, given: Collection[str] = ()
) -> None:
    """Raise ``UsageError`` for what a cluster has no place for; ``given`` are the options that somebody chose."""
    what = "with --engine spark"
    _refuse(
        options.bootstrap is not None,
        f"--bootstrap {what}: its draws depend on the place of a positive among all, which no worker knows",
        "prepare the pairs on one machine",
    )
    beside = beside_rows(options)
    _refuse(
        options.test_users is not None,
        f"--test-users {what}: who is in the sample depends on all users, whom no worker knows",
        "prepare the candidates on one machine",
    )
    _refuse(
        beside is not None,
        f"{beside} {what}, whose workers make no columns but those of the layout",
        "prepare on one machine, or join what is missing",
    )
    _refuse(
        options.chance_of_last is not None,
        f"--num-neg {options.num_neg} {what}, which counts the rows of one epoch for all",
        "give a whole number, or prepare them on one machine",
    )
    _refuse(options.per_user, f"--per user {what}, which makes groups of positives", "prepare them on one machine")
    _refuse(
        options.session_col is not None,
        f"--session-col {what}, whose workers read no columns but those that decide the rows",
        "choose another --holdout, or prepare on one machine",
    )
    _refuse(
        options.rule.kind == "file",
        f"--holdout file {what}, whose workers look at one log",
        "prepare it on one machine",
    )
    for name, why in (("memory", "workers have what Spark gives them"), ("spill_dir", "Spark spills by itself")):
        remedy = "leave it out (--spark-conf spark.executor.memory=8g, spark.local.dir=DIR)"
        _refuse(getattr(options, name) is not None, f"--{name.replace('_', '-')} {what}: {why}", remedy)
    _refuse(
        options.group_col is not None,
        f"--sampler impression {what}: workers know no impressions",
        "prepare the log on one machine",
    )
    _refuse(
        options.read.shown_col is not None,
        f"--shown-col {what}, whose workers read no lists",
        "write a row for each item first",
    )
    _refuse(
        options.read.where is not None,
        f"--where {what}, which has rules of its own for null, text and times",
        "filter the rows in Spark: spark.read.parquet(LOG).where(CONDITION).write.parquet(FOLDER)",
    )
    _refuse("jobs" in given, f"--jobs {what}, which decides how many tasks run at a time", "leave it out")
    _refuse(options.to not in (None, "parquet"), f"--to {options.to} {what}, which writes Parquet", "leave it out")
    named = {"INPUT": source} | {
        f"--{name}": getattr(options, name) for name in ("items", "exclude", "weak", "weights")
    }
    for argument, value in named.items():
        is_stream = isinstance(value, str) and value == "-"
        _refuse(is_stream, f"{argument} is '-' {what}, whose workers have no standard input", "name a file")
    if target is not None:
        remedy = "end OUTPUT with a slash: NAME/"
        _refuse(not target.endswith("/"), f"{target} is one file, {what} a folder of part files is written", remedy)


def refuse_unfit(form: FormName, options: Record) -> None:
    """Raise ``UsageError`` if options have no effect in the form of the output."""
    given, spec = options.given, EXCHANGES.get(form)
    _refuse(form in TEXT and "label_dtype" in given, f"--label-dtype with --to {form}: numbers in text have no type")
    if spec is None:
        return
    _refuse(
        "layout" in given,
        f"--layout with --to {form}, which has a layout of its own",
        "leave --layout out",
    )
    beside = beside_rows(options)
    _refuse(
        beside is not None,
        f"{beside} with --to {form}, which has no place for it",
        "write Parquet, CSV or TSV",
    )
    _refuse(
        options.command == "train" and not spec.reads_rows,
        f"train with --to {form}, whose train file holds positives only",
        f"negprep test --to {form} writes it beside the test files",
    )
    _refuse(
        options.per_user and not spec.reads_rows,
        f"--per user with --to {form}: {spec.program} reads lists of one holdout",
        "write Parquet, CSV or TSV",
    )
    is_listed, rule = spec.layout == "listwise", options.rule
    _refuse(is_listed and options.with_log_q, f"--with-log-q with --to {form}, which has no place for it")
    _refuse(
        "valid" in spec.needs and not options.with_valid,
        f"--to {form} without --with-valid: {spec.program} reads a validation part",
        "add it",
    )
    _refuse(
        spec.one_holdout and str(rule) not in ("auto", "last", "random"),
        f"--holdout {rule} with --to {form}: {spec.program} reads one list of candidates for each user",
        "choose --holdout last or random",
    )


def refuse_columns(options: Record) -> None:
    """Raise ``UsageError`` if a column is named twice, or ``--columns`` lacks it."""
    role_of: dict[str, str] = {}
    for role in ("user", "item", "time", "value", "event", "shown"):
        header = getattr(options, f"{role}_col")
        if header is None:
            continue
        columns, other = options.columns, role_of.setdefault(header, role)
        _refuse(other != role, f"--{other}-col and --{role}-col both name {header!r}", "give two columns")
        _refuse(
            columns is not None and header not in columns,
            f"--{role}-col {header}: --columns has no such name ({', '.join(columns or ())})",
            "name one of those",
        )


def refuse_streams(named: Iterable[tuple[str, object]]) -> None:
    """Raise ``UsageError`` for an empty path, or standard input twice, among (argument or option, value) pairs."""
    readers = []
    for argument, value in named:
        _refuse(isinstance(value, str) and not value, f"{argument} is empty", "give a path, or - for a pipe")
        if isinstance(value, str) and value == "-":
            readers.append(argument)
    _refuse(
        len(readers) > 1,
        "standard input ('-') is named twice",
        f"give files for {', '.join(readers[:-1])} or {readers[-1] if readers else ''}",
    )


Files: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"
"""One path, or several."""


def named_files(files: Files, train: Files, test: Files) -> list[tuple[str, str | None]]:
    """The paths of prepared files, each with ``train`` or ``test`` where that is known; ``UsageError`` without any."""
    named = [
        (path, part) for given, part in ((files, None), (train, "train"), (test, "test")) for path in _paths(given)
    ]
    _refuse(not named, "no file to check", "name what train or test wrote")
    return named


def summaries(made_by: Files) -> list[str]:
    """The paths of summaries; ``UsageError`` if one is not a path, or is standard input."""
    paths = _paths(made_by)
    _refuse("-" in paths, "--made-by is '-'", "give the file that --summary has written")
    return paths


def _paths(given: Files) -> list[str]:
    paths = [given] if isinstance(given, str | os.PathLike) or not isinstance(given, Sequence) else given
    for path in paths:
        is_path = isinstance(path, str | os.PathLike)
        _refuse(not is_path, f"a prepared file is a {type(path).__name__}", "give its path")
        _refuse(not os.fspath(path), "a file name is empty", "give a path")
    return [os.fspath(path) for path in paths]


def refuse_unread(log: object, given: Iterable[str]) -> None:
    """Raise ``UsageError`` for options that describe a log where none is given."""
    named = min(given, default="")
    _refuse(log is None and named, f"--{named.replace('_', '-')} without --log, which it describes", "add --log INPUT")
