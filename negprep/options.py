"""What a user may ask for: two frozen records that travel as one from the command line to the pipeline."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from operator import index
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from negprep.errors import UsageError
from negprep.forms import FormName, SourceForm
from negprep.holdout_rule import HoldoutRule
from negprep.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

LogSource: TypeAlias = "str | os.PathLike[str] | pa.Table | pd.DataFrame"
"""A path (file, folder, glob, or ``-``), or a table in memory."""

Command = Literal["train", "test"]
Layout = Literal["pointwise", "pairwise", "listwise"]
OnShort = Literal["fewer", "drop", "error"]


AVAILABLE_FROM = "available_from"
"""The column of a catalog file that says from when on an item can be had."""

MAX_NUM_NEG = 1_000_000
MAX_JOBS = 1_024
MAX_ALPHA = 10.0
MAX_BOOTSTRAP = 1 << 32
MAX_POOL = 1_000
MAX_TEMPERATURE = 1e6
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
    from_ : {"ncf", "movielens", "recbole", "lightgcn", "sasrec", "jsonl"} or None
        Whose form a text file has, where it does not show.
    drop_invalid : bool
        Count and drop rows with a null, NaN or empty id, or a missing or non-finite time or value, instead of refusing.
    expect_rows : int or None
        The number of rows the log must have.
    """

    user_col: str | None = None
    item_col: str | None = None
    time_col: str | None = None
    value_col: str | None = None
    event_col: str | None = None
    columns: tuple[str, ...] | None = None
    delimiter: str | None = None
    from_: SourceForm | None = None
    drop_invalid: bool = False
    expect_rows: int | None = None

    def __post_init__(self) -> None:
        _check_kinds(self, str | None, *(f"{role}_col" for role in ("user", "item", "time", "value", "event")))
        _check_kinds(self, str | None, "delimiter")
        _check_kinds(self, bool, "drop_invalid")
        if self.from_ is not None and self.from_ not in get_args(SourceForm):
            raise UsageError(f"from_ is {self.from_!r}", remedy=f"choose one of {', '.join(get_args(SourceForm))}")
        if self.expect_rows is not None:
            object.__setattr__(self, "expect_rows", _whole("expect_rows", self.expect_rows, 0, 2**63 - 1))


@dataclass(frozen=True, kw_only=True)
class Options:
    """Everything that decides the rows of an output, and how they are made.

    Attributes
    ----------
    command : {"train", "test"}
    num_neg : int or None
        Negatives for each positive, at least 1. None becomes the sum of fixed counts, 1 with ``bootstrap``, else 4 for
        ``train`` and 99 for ``test``.
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
        unit of time; ``auto``, ``last`` where the log has times, else ``random``.
    with_valid : bool
        Hold out as many again for validation, those before.
    fold : {"valid", "test"}
        The holdouts whose candidates are written (``test`` only).
    distinct : bool
        The negatives of one positive differ.
    layout : {"pointwise", "pairwise", "listwise"}
    positive : str or None
        ``>=4`` (a comparison on the value) or ``purchase,cart`` (event names). None: every interaction is one.
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
        Threads that sample. Does not change the output.
    memory : int or None
        Bytes that the run may take; rows that do not fit are spilled. None: half of what the machine has. Does not
        change the output.
    spill_dir : str or None
        Where they are spilled. None: beside the output.
    shard_rows : int
        Output rows made at a time by one thread. Does not change the output.
    """

    command: Command
    num_neg: int | None = None
    holdout: str
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
    shard_rows: int = 1 << 20
    read: ReadOptions = field(default_factory=ReadOptions)
    rule: HoldoutRule = field(init=False, repr=False, compare=False)
    """What ``holdout`` says, parsed."""
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
            ("num_neg", 1, MAX_NUM_NEG),
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
            object.__setattr__(self, name, _whole(name, getattr(self, name), least, most))
        _check_kinds(self, bool, "with_valid", "distinct", "encode", "shuffle", "with_log_q", "available_at_time")
        _check_kinds(self, str | None, "positive", "spill_dir", "same")
        if self.core is not None and self.min_positives is not None and self.min_positives <= self.core:
            raise UsageError(
                f"min_positives is {self.min_positives}, which every user of a core of {self.core} has anyway",
                remedy=f"leave it out, or choose {self.core + 1} or more",
            )
        if self.core is not None and self.items is not None:
            raise UsageError(
                "core with items: the catalog of a core is what remains of the log's items, not a file",
                remedy="leave one out",
            )
        object.__setattr__(self, "rule", HoldoutRule.parse(self.holdout))
        if self.command == "test" and (self.epoch or self.epochs is not None):
            raise UsageError("epochs of a test set: its candidates are drawn once", remedy="leave epoch and epochs out")
        if self.command == "test" and self.shuffle:
            raise UsageError("a test set is not shuffled: the rows of a user stay together", remedy="leave shuffle out")
        if self.epoch and self.epochs is not None:
            raise UsageError("epoch and epochs, which begin with epoch 0", remedy="leave one out")
        if self.command == "test" and self.rule.kind == "none":
            raise UsageError("a test set without a holdout has nothing to test", remedy="choose holdout last or random")
        if self.with_valid and self.rule.kind == "none":
            raise UsageError("a validation holdout without a test holdout", remedy="choose holdout last or random")
        if self.with_valid and self.rule.kind == "after":
            raise UsageError(
                f"holdout {self.rule} with a validation holdout: one cut has no second",
                remedy="tune with a run of its own, with an earlier TIME",
            )
        if self.fold == "valid" and not self.with_valid:
            raise UsageError("the fold is valid, but no validation holdout is made", remedy="ask for it: with_valid")

    @property
    def negatives_each(self) -> int:
        """``num_neg`` as it is settled."""
        return self.num_neg or DEFAULT_NUM_NEG[self.command]

    def _parse_recipe(self) -> Recipe:
        given: Any = "uniform" if self.sampler is None else self.sampler
        terms = (given,) if isinstance(given, str) else given
        if not isinstance(terms, tuple | list) or not all(isinstance(term, str) for term in terms):
            raise UsageError(f"sampler is {self.sampler!r}", remedy="give a string, or several in a tuple")
        return Recipe.parse(tuple(terms)) if self.levels is None else Recipe.parse_levels(self.levels)

    def _settle_sampler(self) -> None:
        """Refuse what does not go together, and say how many negatives a positive gets."""
        recipe = self.recipe
        fixed = recipe.num_neg or (1 if self.bootstrap is not None else None)
        if self.num_neg is None:
            object.__setattr__(self, "num_neg", fixed or DEFAULT_NUM_NEG[self.command])
        elif fixed is not None and self.num_neg != fixed:
            what = f"the counts of the samplers sum to {fixed}" if recipe.fixed else "--bootstrap writes pairs"
            raise UsageError(f"{what}, and --num-neg says {self.num_neg}", remedy="leave --num-neg out")
        if recipe.num_neg is not None and self.bootstrap is not None:
            raise UsageError("--bootstrap draws one negative a pair, fixed counts several", remedy="give shares")
        if self.levels is not None:
            self._check_levels()
        self._check_popularity("popularity" in recipe.names)
        if "weak" in recipe.names:
            if self.command == "test":
                raise UsageError(
                    "candidates are items that the user never touched; weak ones were",
                    remedy="choose --sampler uniform or popularity",
                )
            if self.positive is None and self.weak is None:
                raise UsageError(
                    f"--{'sampler weak' if self.levels is None else 'levels'} without weak interactions",
                    remedy="say with --positive which interactions of the log are none, or give --weak FILE",
                )
        self._check_scored(recipe.scored)
        if self.same is not None and self.items is None:
            raise UsageError("--same names a column of --items, which is not given", remedy="add --items FILE")
        if self.same == AVAILABLE_FROM and self.available_at_time:
            raise UsageError(f"--same {self.same} with --available-at-time, which reads it", remedy="leave one out")
        if self.bootstrap is not None and (self.command == "test" or self.layout != "pairwise"):
            raise UsageError("--bootstrap writes pairs to train on", remedy="add --layout pairwise")

    def _check_levels(self) -> None:
        if self.command == "test" or self.layout != "pairwise":
            raise UsageError("--levels writes pairs to train on", remedy="add --layout pairwise")
        if self.sampler is not None:
            raise UsageError("--levels and --sampler each say what is drawn", remedy="leave one out")
        if self.with_log_q:
            raise UsageError(
                "--with-log-q with --levels, whose pairs are not draws for one positive", remedy="leave one out"
            )

    def _check_scored(self, scored: str | None) -> None:
        """What draws by a model has one, and nothing else does."""
        if scored is not None and self.command == "test":
            raise UsageError(
                f"candidates drawn by --sampler {scored} favour or punish whatever resembles its model",
                remedy="choose --sampler uniform or popularity",
            )
        if scored is not None and self.model is None:
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
            if getattr(self, name) is not None and scored not in samplers:
                raise UsageError(
                    f"--{name.replace('_', '-')} without --sampler {' or '.join(samplers)}",
                    remedy="add it, or leave this out",
                )
        if self.pool_weak and self.positive is None and self.weak is None:
            raise UsageError(
                "--pool-weak without weak interactions",
                remedy="say with --positive which interactions of the log are none, or give --weak FILE",
            )
        if self.model is not None and not isinstance(self.model, str | os.PathLike):
            raise UsageError(f"model is {self.model!r}", remedy="give the path of a model file")
        if self.temperature is not None:
            _check_real("temperature", self.temperature, 1e-6, MAX_TEMPERATURE)
            object.__setattr__(self, "temperature", float(self.temperature))
        if scored is not None and self.with_log_q and self.distinct:
            raise UsageError(
                f"--with-log-q with --distinct and --sampler {scored}, whose q is that of independent draws",
                remedy="leave one of them out",
            )
        if scored == "reinforced" and self.with_log_q and self.recipe.is_mixed:
            raise UsageError(
                "--with-log-q with --sampler reinforced in a mixture: its q is known given a pool alone",
                remedy="leave out the other samplers, or the log q",
            )

    def _check_popularity(self, is_drawn: bool) -> None:
        for name in ("alpha", "smooth", "weights"):
            if getattr(self, name) is not None and not is_drawn:
                raise UsageError(f"--{name} without --sampler popularity", remedy="add it, or leave this out")
        for name, least, most in (("alpha", -MAX_ALPHA, MAX_ALPHA), ("smooth", 0.0, 1e9)):
            value = getattr(self, name)
            if value is None:
                continue
            if self.weights is not None:
                raise UsageError(f"--{name} with --weights, which replaces what it shapes", remedy="leave one out")
            _check_real(name, value, least, most)
            object.__setattr__(self, name, float(value))


def _check_real(name: str, value: Any, least: float, most: float) -> None:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise UsageError(f"{name} is {value!r}", remedy=f"choose a number from {least:g} to {most:g}")


def _whole(name: str, value: Any, least: int, most: int) -> int:  # noqa: ANN401
    """The number as an int; numpy's integers are taken, truth values and fractions are not."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or not least <= index(value) <= most:
        raise UsageError(f"{name} is {value!r}", remedy=f"choose a whole number from {least} to {most}")
    return index(value)


def _check_kinds(options: Options | ReadOptions, kind: Any, *names: str) -> None:  # noqa: ANN401
    for name in names:
        value = getattr(options, name)
        if not isinstance(value, kind):
            wanted = "True or False" if kind is bool else "a string"
            raise UsageError(f"{name} is {value!r}", remedy=f"give {wanted}")
