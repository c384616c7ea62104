"""What a user may ask for: two frozen records, which check themselves, from the command line to the pipeline."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from negprep.errors import UsageError
from negprep.options.formats import FormName, SourceForm
from negprep.options.specs import (
    MAX_ALPHA,
    MAX_BOOTSTRAP,
    MAX_JOBS,
    MAX_NUM_NEG,
    MAX_POOL,
    MAX_TEMPERATURE,
    HoldoutRule,
    PositiveRule,
    Recipe,
    TimeForms,
    check_kinds,
    check_marks,
    check_real,
    whole,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


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


LogSource: TypeAlias = "str | os.PathLike[str] | pa.Table | pd.DataFrame"
"""A path (file, folder, glob, or ``-``), or a table in memory."""

Command = Literal["train", "test"]
Layout = Literal["pointwise", "pairwise", "listwise"]
OnShort = Literal["fewer", "drop", "error"]

DEFAULT_NUM_NEG: dict[Command, int] = {"train": 4, "test": 99}


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How a log is read.

    Attributes
    ----------
    user_col, item_col, time_col, value_col, event_col : str or None
        The header of a column, where recognition does not suffice.
    columns : tuple of str or None
        The names of all columns, in order, of a text file without a header.
    delimiter : str or None
        What separates the fields of a text file: one character, or ``::``. None: found from the first line.
    quote : str or None
        What stands around fields of a text file: one ASCII character, or ``none``: quotes are text. None: ``"``, but a
        quoted field whose lines look like rows is refused. Holds for the files beside the log, too.
    escape : str or None
        The ASCII character that makes the next one text, such as a backslash. None: there is none.
    from_ : {"ncf", "movielens", "recbole", "lightgcn", "sasrec", "jsonl"} or None
        Whose form a text file has, where it does not show.
    drop_invalid : bool
        Count and drop rows with a null, NaN or empty id, or a missing or non-finite time, value or event, in any column
        that has one of these roles, whether it is needed or not, instead of refusing.
    expect_rows : int or None
        The number of rows the log must have.
    time_format : str or tuple of str
        How times are written, in the words of strptime (``%m/%d/%Y %H:%M``); of several, a row takes the first that
        fits. Or the unit of numbers: ``seconds``, ``milliseconds``, ``microseconds``, ``nanoseconds``. Kept as a tuple.
    """

    user_col: str | None = None
    item_col: str | None = None
    time_col: str | None = None
    value_col: str | None = None
    event_col: str | None = None
    columns: tuple[str, ...] | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    from_: SourceForm | None = None
    drop_invalid: bool = False
    expect_rows: int | None = None
    time_format: str | tuple[str, ...] = ()
    time_forms: TimeForms = field(init=False, repr=False, compare=False)
    """What ``time_format`` says, parsed."""

    def of_text_beside(self) -> ReadOptions:
        """What holds for the files beside the log, too: its quotes, and how it writes times."""
        return ReadOptions(quote=self.quote, escape=self.escape, time_format=self.time_format)

    def __post_init__(self) -> None:
        check_kinds(self, str | None, *(f"{role}_col" for role in ("user", "item", "time", "value", "event")))
        check_kinds(self, str | None, "delimiter", "quote", "escape")
        check_marks(self)
        check_kinds(self, bool, "drop_invalid")
        given: Any = self.columns
        if given is not None:
            names = given.split(",") if isinstance(given, str) else given
            object.__setattr__(self, "columns", tuple(name.strip() for name in names))
        if self.from_ is not None and self.from_ not in get_args(SourceForm):
            raise UsageError(f"from_ is {self.from_!r}", remedy=f"choose one of {', '.join(get_args(SourceForm))}")
        if self.expect_rows is not None:
            object.__setattr__(self, "expect_rows", whole("expect_rows", self.expect_rows, 0, 2**63 - 1))
        object.__setattr__(self, "time_forms", TimeForms.parse(self.time_format))
        given = (self.time_format,) if isinstance(self.time_format, str) else tuple(self.time_format)
        object.__setattr__(self, "time_format", given)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Everything that decides the rows of an output, and how they are made.

    Attributes
    ----------
    command : {"train", "test"}
    num_neg : int, "all" or None
        Negatives for each positive, at least 1; ``all`` (``test`` only): every eligible item. None becomes the sum of
        fixed counts, 1 with ``bootstrap``, else 4 for ``train`` and 99 for ``test``.
    sampler : str, tuple of str or None
        The rule that draws: ``uniform`` (None), ``popularity``, ``weak``, ``hard``, ``reinforced``; several with shares
        (``uniform:0.7``, ``weak:0.3``) or with fixed counts (``uniform=3``, ``weak=1``).
    alpha, smooth : float or None
        The weight of an item is (train positives + smooth) ** alpha. None: 0.75 and 0.
    weights : str, path, pyarrow.Table, pandas.DataFrame or None
        Item weights in place of these.
    weak : str, path, pyarrow.Table, pandas.DataFrame or None
        More weak pairs, such as a log of what was shown.
    model : str, path or None
        The model file that ``hard`` and ``reinforced`` draw with.
    pool : int or None
        Eligible items of which they choose one. None: 32 for ``hard``, 30 for ``reinforced``.
    top, skip_top : int or None
        ``hard`` takes one of the ``top`` highest scores of a pool, after leaving out the ``skip_top`` highest. None: 1
        and 0.
    pool_weak : int or None
        Of the pools of ``reinforced``, how many items are the user's weak ones. None: 1.
    temperature : float or None
        What ``reinforced`` divides scores by. None: 1.
    with_log_q : bool
        Write the natural logarithm of the probability of each draw.
    available_at_time : bool
        Draw only items that were there at the positive's time.
    same : str or None
        A column of ``items``: draw only items whose value there is that of the positive.
    bootstrap : int or None
        Write this many pairs, of positives drawn with replacement (``train`` in the pairwise layout).
    levels : str or None
        ``W1,W2``: the shares of pairs positive > weak and of positive > unobserved; the rest is weak > unobserved
        (``train`` in the pairwise layout, in place of ``sampler``).
    holdout : str
        Which positives are kept out of training: ``none``; ``last`` or ``random``, one of each user, or with ``:N`` N;
        ``fraction:F``, the latest F of each user's; ``after:TIME``, all at or after a date, or a number in the log's
        unit of time; ``auto``, ``last`` where the log has times, else ``random`` (with a warning). ``none`` is for a
        log that is split already.
    with_valid : bool
        Hold out as many again for validation, those before.
    fold : {"valid", "test"}
        The holdouts whose candidates are written (``test`` only).
    distinct : bool
        The negatives of one positive differ.
    layout : {"pointwise", "pairwise", "listwise"}
    positive : str or None
        ``>=4`` or ``3..5`` (the value), ``purchase,cart`` (event names), or any column by its name: ``rating>=4``,
        ``label=1``, ``is_click=true``, ``type!=view``. ``all``: every interaction is one. None: the same, unless the
        log has a column of labels, which is refused.
    keep_time : {"last", "first"}
        The time of a pair that occurs more than once.
    min_positives : int or None
        Users with fewer distinct positives are left out whole, before the split.
    core : int or None
        Users and items with fewer positives are left out, again and again until all have as many; the catalog is what
        remains.
    exclude, items : str, path, pyarrow.Table, pandas.DataFrame or None
        More seen pairs, and the catalog.
    on_short : {"fewer", "drop", "error"}
        What happens to a user with too few eligible items.
    encode : bool
        Write codes instead of ids, and the vocabularies beside the output.
    label_dtype : {"int8", "float32"}
    to : {"parquet", "csv", "tsv", "ncf", "recbole", "lightgcn"} or None
        The form of the output. None: as its name says (``out.csv``, ``out.tsv.gz``), else Parquet.
    seed : int
        Decides the negatives and the order of candidates, 0 to 2**64 - 1.
    epoch : int
        Which of the independent draws of a seed, 0 to 2**31 - 1 (``train`` only).
    epochs : int or None
        Write so many draws, those of the epochs from 0 on, and say which a row is of. None: that of ``epoch`` alone.
    shuffle : bool
        Put the rows of an epoch in random order (``train`` only).
    split_seed : int
        Decides the holdout where chance does (``random``, and ties in time), 0 to 2**64 - 1.
    jobs : int
        Threads that make and write the rows. Does not change the output.
    memory : int or None
        Bytes that the run may take; rows that do not fit are spilled. None: half of what the machine has. Does not
        change the output.
    spill_dir : str or None
        Where they are spilled. None: beside the output.
    shard_rows : int
        Output rows made at a time by one thread. Does not change the output.
    strict : bool
        A warning is an error: nothing is written. Does not change the output.
    most_eligible : int
        Of a run that takes all eligible items: no user has more. The run fills it in.
    """

    command: Command
    num_neg: int | Literal["all"] | None = None
    holdout: str = "auto"
    sampler: str | tuple[str, ...] | None = None
    alpha: float | None = None
    smooth: float | None = None
    weights: LogSource | None = None
    weak: LogSource | None = None
    model: str | os.PathLike[str] | None = None
    pool: int | None = None
    top: int | None = None
    skip_top: int | None = None
    pool_weak: int | None = None
    temperature: float | None = None
    with_log_q: bool = False
    available_at_time: bool = False
    same: str | None = None
    bootstrap: int | None = None
    levels: str | None = None
    with_valid: bool = False
    fold: Literal["valid", "test"] = "test"
    distinct: bool = False
    layout: Layout = "pointwise"
    positive: str | None = None
    keep_time: Literal["last", "first"] = "last"
    min_positives: int | None = None
    core: int | None = None
    exclude: LogSource | None = None
    items: LogSource | None = None
    on_short: OnShort = "fewer"
    encode: bool = False
    label_dtype: Literal["int8", "float32"] = "int8"
    to: FormName | None = None
    seed: int = 0
    epoch: int = 0
    epochs: int | None = None
    shuffle: bool = False
    split_seed: int = 0
    jobs: int = 1
    memory: int | None = None
    spill_dir: str | None = None
    shard_rows: int = 1 << 19
    strict: bool = False
    most_eligible: int = field(default=MAX_NUM_NEG, repr=False, compare=False)
    read: ReadOptions = field(default_factory=ReadOptions)
    rule: HoldoutRule = field(init=False, repr=False, compare=False)
    """What ``holdout`` says, parsed."""
    positive_rule: PositiveRule | None = field(init=False, repr=False, compare=False)
    """What ``positive`` says, parsed."""
    recipe: Recipe = field(init=False, repr=False, compare=False)
    """What ``sampler`` or ``levels`` says, parsed."""

    def __post_init__(self) -> None:
        allowed: dict[str, Any] = {
            "command": get_args(Command),
            "fold": ("valid", "test"),
            "layout": get_args(Layout),
            "keep_time": ("last", "first"),
            "on_short": get_args(OnShort),
            "label_dtype": ("int8", "float32"),
            **({"to": get_args(FormName)} if self.to is not None else {}),
        }
        for name, choices in allowed.items():
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} is {getattr(self, name)!r}", remedy=f"choose one of {', '.join(choices)}")
        object.__setattr__(self, "recipe", self._parse_recipe())
        self._settle_sampler()
        for name, least, most in (
            *([("num_neg", 1, MAX_NUM_NEG)] if not self.takes_all else []),
            ("seed", 0, 2**64 - 1),
            ("split_seed", 0, 2**64 - 1),
            ("epoch", 0, 2**31 - 1),
            ("jobs", 1, MAX_JOBS),
            ("shard_rows", 1, 2**31 - 1),
            # With fewer than 2, everybody has enough who has a row at all.
            *((name, 2, 2**31 - 1) for name in ("min_positives", "core") if getattr(self, name) is not None),
            *([("epochs", 1, 2**31)] if self.epochs is not None else []),
            *([("memory", 1, 2**63 - 1)] if self.memory is not None else []),
            *([("bootstrap", 1, MAX_BOOTSTRAP)] if self.bootstrap is not None else []),
            *((name, 1, MAX_POOL) for name in ("pool", "top") if getattr(self, name) is not None),
            *((name, 0, MAX_POOL) for name in ("skip_top", "pool_weak") if getattr(self, name) is not None),
        ):
            object.__setattr__(self, name, whole(name, getattr(self, name), least, most))
        check_kinds(
            self, bool, "with_valid", "distinct", "encode", "shuffle", "with_log_q", "available_at_time", "strict"
        )
        check_kinds(self, str | None, "positive", "spill_dir", "same")
        rule = None if self.positive is None else PositiveRule.parse(self.positive)
        object.__setattr__(self, "positive_rule", rule)
        refuse_core(self)
        object.__setattr__(self, "rule", HoldoutRule.parse(self.holdout))
        refuse_split(self)

    @property
    def negatives_each(self) -> int:
        """``num_neg`` as it is settled; where all are taken, the most that a user can have."""
        if self.num_neg == "all":
            return self.most_eligible
        return self.num_neg or DEFAULT_NUM_NEG[self.command]

    @property
    def leaves_weak(self) -> bool:
        """Whether ``positive`` may leave observed pairs over, which are weak."""
        return self.positive is not None and self.positive.strip() != "all"

    @property
    def takes_all(self) -> bool:
        """Whether every eligible item is a candidate."""
        return self.num_neg == "all"

    @property
    def needed(self) -> int:
        """Eligible items below which a user is short."""
        return self.negatives_each if self.distinct and not self.takes_all else 1

    def _parse_recipe(self) -> Recipe:
        given: Any = "uniform" if self.sampler is None else self.sampler
        terms = (given,) if isinstance(given, str) else given
        if not isinstance(terms, tuple | list) or not all(isinstance(term, str) for term in terms):
            raise UsageError(f"sampler is {self.sampler!r}", remedy="give a string, or several in a tuple")
        return Recipe.parse(tuple(terms)) if self.levels is None else Recipe.parse_levels(self.levels)

    def _settle_sampler(self) -> None:
        """Say how many negatives a positive gets, and refuse what does not go together with its sampler."""
        recipe = self.recipe
        fixed = recipe.num_neg or (1 if self.bootstrap is not None else None)
        if self.num_neg is None:
            object.__setattr__(self, "num_neg", fixed or DEFAULT_NUM_NEG[self.command])
        elif fixed is not None and self.num_neg != fixed:
            what = f"the counts of the samplers sum to {fixed}" if recipe.fixed else "--bootstrap writes pairs"
            raise UsageError(f"{what}, and --num-neg says {self.num_neg}", remedy="leave --num-neg out")
        refuse_sampler(self)
        for name in ("alpha", "smooth", "temperature"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, float(getattr(self, name)))
