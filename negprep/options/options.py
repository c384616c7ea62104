"""What a user may ask for: frozen records that check themselves, from the command line to the pipeline.

Each option is declared here once, as the field of a record (see ``declared``).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil
from typing import Any, Literal, get_args

from negprep.errors import UsageError
from negprep.options.conflicts import refuse_conflicts
from negprep.options.declared import check_options, option, options_of
from negprep.options.formats import FormName
from negprep.options.reading import LOGS as _LOGS
from negprep.options.reading import LogSource as LogSource
from negprep.options.reading import ReadOptions as ReadOptions
from negprep.options.specs import (
    DEFAULT_POLICY_POOL,
    DEFAULT_POOL_WEAK,
    DEFAULT_SKIP_TOP,
    DEFAULT_TEMPERATURE,
    DEFAULT_TOP,
    MAX_ALPHA,
    MAX_BOOTSTRAP,
    MAX_HISTORY,
    MAX_JOBS,
    MAX_NUM_NEG,
    MAX_POOL,
    MAX_TEMPERATURE,
    HoldoutRule,
    PositiveRule,
    SamplerRule,
    UserSample,
    whole,
)

Command = Literal["train", "test"]
Layout = Literal["pointwise", "pairwise", "listwise"]
OnShort = Literal["fewer", "drop", "error"]

DEFAULT_NUM_NEG: dict[Command, int] = {"train": 4, "test": 99}

_ROWS = "train test inspect"
_CHECKS = ("verify", "report")
_UNKNOWN = "Files without metadata"
_SEEDS = (0, 2**64 - 1)
_MOST = 2**31 - 1


def _checks(help: str, shown: str | None = None, section: str = _UNKNOWN, **more: Any) -> dict[str, dict[str, Any]]:  # noqa: A002, ANN401
    """What is different where files are checked: an option describes what is there already."""
    return {command: {"help": help, "shown": shown, "section": section, **more} for command in _CHECKS}


def _names(option: str, given: Any) -> tuple[str, ...]:  # noqa: ANN401
    """Names of columns, as a tuple."""
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, tuple | list) or not all(isinstance(name, str) and name for name in names):
        raise UsageError(f"{option} is {given!r}", remedy="give the name of a column, or several in a tuple")
    return tuple(names)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What decides the rows of an output, and how they are made.

    ``negprep train --help-all`` and docs/reference/cli.md explain each option. ``num_neg`` is settled: None becomes the
    sum of fixed counts, 1 with ``bootstrap``, else 4 for ``train`` and 99 for ``test``.
    ``fold="valid"`` sets ``with_valid``.
    """

    command: Command
    positive: str | None = option(
        None,
        "Which interactions are positives: a comparison with the value column ('>=4', 3..5), names in the event column "
        "(purchase,cart), or a comparison with any column: 'rating>=4', 'label=1', 'type!=view', is_click. The other "
        "pairs are weak: never a positive, never a negative.",
        ("Positives", _LOGS),
        metavar="RULE",
        common=_LOGS,
        shown="all; a log with a column of labels such as 0 and 1 is refused without a rule",
        fact=True,
        differs=_checks("Which interactions are positives, as for train. The others are weak.", "all"),
    )
    keep_time: Literal["last", "first"] = option(
        "last",
        "A pair that occurs more than once is one positive; this is its time.",
        ("Positives", _LOGS),
        fact=True,
        differs=_checks("The time of a pair that occurs more than once."),
    )
    min_positives: int | None = option(
        None,
        "Leave out users with fewer than N positives, before the split: they are neither trained on nor tested. The "
        "catalog stays.",
        ("Positives", f"{_ROWS} fit"),
        metavar="N",
        limits=(2, _MOST),  # with fewer than 2, everybody has enough who has a row at all
        shown="everybody stays",
        fact=True,
    )
    core: int | None = option(
        None,
        "Keep the N-core: leave out users and items with fewer than N positives, again and again until all have N, "
        "before the split. The catalog is what remains. Each round takes a pass over the log.",
        ("Positives", f"{_ROWS} fit"),
        metavar="N",
        limits=(2, _MOST),
        shown="everybody stays",
        fact=True,
    )
    holdout: str = option(
        "auto",
        "Which positives are kept out of training: of each user the last in time (last, last:N), random ones (random, "
        "random:N, random:0.2), the latest part (fraction:0.2) or all of the latest time (session); a random share of "
        "the whole log (random-global:0.1); or all from a time (after:2024-05-01, or after: and a number as in the "
        "log). file:TEST takes the pairs of a file, of a split of your own; none is for the train part of one alone. "
        "auto is last where the log has times, else random. With the same SPEC, `negprep test` on the same log agrees "
        "on them.",
        ("Holdout", _LOGS),
        metavar="SPEC",
        common=_LOGS,
        differs={
            "test": {
                "help": "Which positives are test items: of each user the last in time (last, last:N), random ones "
                "(random, random:N, random:0.2), the latest part (fraction:0.2) or all of the latest time (session); a "
                "random share of the whole log (random-global:0.1); all from a time (after:2024-05-01, or after: and a "
                "number as in the log); or the pairs of a file, of a split of your own (file:TEST). auto is last where "
                "the log has times, else random."
            },
            "inspect": {
                "help": "Which positives are kept out of training and tested: none, last, last:N, random, random:N, "
                "random:0.2, random-global:0.1, fraction:0.2, session, after:2024-05-01, file:TEST or auto, as for the "
                "commands."
            },
            "fit": {
                "help": "Which positives are kept out of training, as in train: give both the same, so that the model "
                "learns from nothing that is held out."
            },
            **_checks(
                "How positives were held out: none, last, last:N, random, random:N, random:F, fraction:F, session, "
                "after:TIME, file:TEST or auto. Files that were made with file:TEST need it again.",
                "not checked",
                default=None,
            ),
        },
    )
    with_valid: bool = option(
        False,
        "Hold out as many positives of each user again, the ones before, to tune on.",
        ("Holdout", _LOGS),
        fact=True,
        differs=_checks("As many again were held out for validation."),
    )
    session_col: str | None = option(
        None,
        "For --holdout session: the session of a positive is the value of this column in the row that gives it its "
        "time. Held out is the session of the user's latest row.",
        ("Holdout", f"{_ROWS} fit"),
        metavar="COLUMN",
        shown="a session is one time",
    )
    valid_file: LogSource | None = option(
        None,
        "Beside --holdout file:TEST: the file with the validation items of a split of your own. They leave train, too "
        "(implies --with-valid).",
        ("Holdout", _LOGS),
        metavar="FILE",
        differs=_checks("The file with the validation items, as it was given.", section="Files"),
    )
    fold: Literal["valid", "test"] = option(
        "test",
        "Whose candidates are written: those of the test items, or of the ones before, to tune on (implies "
        "--with-valid).",
        ("Holdout", "test inspect"),
    )
    split_seed: int = option(
        0,
        "Decides random holdouts and ties in time. Apart from --seed, so that training sets with other seeds agree "
        "with one test set. Give train and test the same.",
        ("Holdout", f"{_ROWS} fit"),
        metavar="N",
        limits=_SEEDS,
        reads="seed",
        fact=True,
    )
    test_users: int | float | str | None = option(
        None,
        "Hold out for a random sample of the users alone: N of those who could be, or a share of them, such as 0.1. "
        "The others stay whole in train.",
        ("Holdout", f"{_ROWS} fit"),
        metavar="N|SHARE",
        shown="everybody who can be",
    )
    drop_cold: Literal["users", "items", "both"] | None = option(
        None,
        "Write no candidates for holdouts of users, of items, or of both, that have no positive in train. They stay "
        "out of train, and are counted.",
        ("Holdout", "test inspect"),
        shown="none are dropped",
    )
    num_neg: int | float | Literal["all"] | None = option(
        None,
        "Negatives for each positive. Time and the size of the output grow in proportion. With decimals (0.5), chance "
        "decides who has one more.",
        ("Negatives", f"{_ROWS} verify report"),
        metavar="K",
        limits=(1, MAX_NUM_NEG),
        common=f"{_ROWS} verify",
        shown="4, or the sum of fixed counts",
        decimals=True,
        fact=True,
        differs={
            "test": {
                "decimals": False,
                "help": "Negatives for each positive, or all: every item that the user has not touched. Time and the "
                "size of the output grow in proportion.",
                "shown": "99, or the sum of fixed counts",
            },
            "inspect": {
                "help": "Negatives for each positive; in test, all: every item that the user has not touched.",
                "shown": "4 for train, 99 for test, or the sum of fixed counts",
            },
            **_checks("Negatives of each positive, or all: as many as there are.", "not checked"),
        },
    )
    per: Literal["positive", "user"] = option(
        "positive",
        "Whether each positive has K negatives, or each user: then one group has all train positives of the user (in "
        "test the holdouts) and K negatives.",
        ("Negatives", _ROWS),
    )
    sampler: str | tuple[str, ...] | None = option(
        None,
        "The rule that draws: uniform, popularity, weak (the user's weak interactions; uniform for a user without "
        "any), impression (those shown with the positive), and in train hard or reinforced (by the scores of --model). "
        "Several make a mixture, with shares (--sampler uniform:0.7 --sampler weak:0.3) or with a fixed count each "
        "(--sampler uniform=3 --sampler weak=1).",
        ("Negatives", f"{_ROWS} verify report"),
        metavar="NAME",
        common=f"{_ROWS} verify",
        shown="uniform",
        differs=_checks("What drew the negatives.", "not checked", default=()),
    )
    seed: int = option(
        0,
        "Decides every negative and the order of candidates. The same seed gives the same bytes.",
        ("Negatives", f"{_ROWS} fit evaluate"),
        metavar="N",
        limits=_SEEDS,
        reads="seed",
        common=_ROWS,
        fact=True,
        differs={
            "fit": {"help": "Decides the first factors, the pairs of bpr and the draws of rns.", "section": "Model"},
            "evaluate": {"help": "Decides which users the resamples draw.", "section": "Intervals"},
        },
    )
    distinct: bool = option(
        False,
        "Whether the negatives of one positive all differ, or may repeat.",
        ("Negatives", f"{_ROWS} verify report evaluate"),
        spelling="--distinct/--repeats",
        differs={
            "test": {"default": True},
            "inspect": {"default": None, "shown": "repeats for train, distinct for test"},
            "evaluate": {
                "help": "Whether the candidates of a list were drawn without replacement.",
                "section": "Estimates over all items",
                "shown": "from the metadata, else distinct",
                "default": None,
            },
            **_checks("Whether the negatives of one positive differ.", "not checked", default=None),
        },
    )
    items: LogSource | None = option(
        None,
        "The catalog: a file with an item column, as CSV or Parquet. Negatives come from it alone; it may hold items "
        "that the log lacks.",
        ("Negatives", _LOGS),
        metavar="FILE",
        shown="the items of the log",
        differs={
            "fit": {"help": "The catalog, as in train.", "section": "Reinforced (--kind rns)"},
            **_checks("The catalog, as it was given to train or test.", section="Files"),
        },
    )
    exclude: LogSource | None = option(
        None,
        "More (user, item) pairs that are never negatives, as CSV or Parquet.",
        ("Negatives", _LOGS),
        metavar="FILE",
        differs={
            "fit": {"section": "Reinforced (--kind rns)"},
            **_checks("The excluded pairs, as they were given.", section="Files"),
        },
    )
    weak: LogSource | None = option(
        None,
        "More weak (user, item) pairs, such as a log of what was shown, for the samplers weak and reinforced.",
        ("Negatives", _LOGS),
        metavar="FILE",
        differs={
            "fit": {
                "help": "More weak (user, item) pairs, such as a log of what was shown, from which rns learns.",
                "section": "Reinforced (--kind rns)",
            },
            **_checks("The additional weak pairs, as they were given.", section="Files"),
        },
    )
    on_short: OnShort = option(
        "fewer",
        "What to do when a user has too few eligible items: write fewer negatives, drop the user, or stop. Such users "
        "are always counted.",
        ("Negatives", _ROWS),
        fact=True,
    )
    with_log_q: bool = option(
        False,
        "Write the natural logarithm of the probability of each draw, and of the positive's, as the logQ correction "
        "needs them.",
        ("Negatives", _ROWS),
    )
    available_at_time: bool = option(
        False,
        "Draw only items that existed at the positive's time: with an interaction of anybody by then, or "
        "available_from in --items.",
        ("Negatives", _ROWS),
    )
    same: str | None = option(
        None,
        "Draw only items with the positive's value in this column of --items, such as its category.",
        ("Negatives", _ROWS),
        metavar="COLUMN",
    )
    group_col: str | None = option(
        None,
        "For impression: the column that says which rows were shown together, such as an impression, a slate or a "
        "session. Positives draw from the weak rows of their user with the same value.",
        ("Negatives", f"{_ROWS} verify report"),
        metavar="NAME",
        differs=_checks("For impression: the column that says which rows were shown together."),
    )
    alpha: float | None = option(
        None,
        "For popularity: an item with c train positives has the weight (c + S) ** A.",
        ("Negatives", f"{_ROWS} verify report"),
        metavar="A",
        limits=(-MAX_ALPHA, MAX_ALPHA),
        shown="0.75",
        differs=_checks("For popularity.", "0.75"),
    )
    smooth: float | None = option(
        None,
        "Above 0, popularity draws items without a train positive, too.",
        ("Negatives", f"{_ROWS} verify report"),
        metavar="S",
        limits=(0.0, 1e9),
        shown="0",
        differs=_checks("For popularity.", "0"),
    )
    weights: LogSource | None = option(
        None,
        "Item weights in place of popularity: a file with the columns item and weight.",
        ("Negatives", f"{_ROWS} verify report"),
        metavar="FILE",
        differs=_checks("The item weights, as they were given.", section="Files"),
    )
    model: str | os.PathLike[str] | None = option(
        None,
        "The model that hard and reinforced draw with, from `negprep fit`, or factors of your own. Users and items "
        "that it does not know get uniform draws.",
        ("Negatives", "train inspect"),
        metavar="FILE",
    )
    pool: int | None = option(
        None,
        "hard and reinforced choose one of N eligible items, drawn anew for each negative. Their time grows in "
        "proportion.",
        ("Negatives", "train inspect fit"),
        metavar="N",
        limits=(1, MAX_POOL),
        shown=f"{DEFAULT_POLICY_POOL} for reinforced; hard needs it",
        differs={
            "fit": {
                "help": "Candidates from which one is drawn. Give train the same.",
                "section": "Reinforced (--kind rns)",
                "shown": str(DEFAULT_POLICY_POOL),
            }
        },
    )
    top: int | None = option(
        None,
        "For hard: take one of the M items of the pool with the highest scores, each alike.",
        ("Negatives", "train inspect"),
        metavar="M",
        limits=(1, MAX_POOL),
        shown=str(DEFAULT_TOP),
    )
    skip_top: int | None = option(
        None,
        "For hard: leave out the S highest first, which may be items that the user would like.",
        ("Negatives", "train inspect"),
        metavar="S",
        limits=(0, MAX_POOL),
        shown=str(DEFAULT_SKIP_TOP),
    )
    pool_weak: int | None = option(
        None,
        "For reinforced: X items of each pool are weak interactions of the user, if there are any.",
        ("Negatives", "train inspect fit"),
        metavar="X",
        limits=(0, MAX_POOL),
        shown=str(DEFAULT_POOL_WEAK),
        differs={
            "fit": {
                "help": "X of them are weak interactions of the user, if there are any. Give train the same.",
                "section": "Reinforced (--kind rns)",
            }
        },
    )
    temperature: float | None = option(
        None,
        "For reinforced: divide scores by T before the softmax.",
        ("Negatives", "train inspect fit"),
        metavar="T",
        limits=(1e-6, MAX_TEMPERATURE),
        shown=f"{DEFAULT_TEMPERATURE:g}",
        differs={
            "fit": {
                "help": "Divide scores by T before the softmax. Give train the same.",
                "section": "Reinforced (--kind rns)",
            }
        },
    )
    epoch: int = option(
        0,
        "Which of the independent draws of a seed to write.",
        ("Negatives", "train inspect"),
        metavar="E",
        limits=(0, _MOST),
        fact=True,
    )
    epochs: int | None = option(
        None,
        "Write the draws of epochs 0 to E - 1, one after the other: in a column 'epoch', or in a folder one subfolder "
        "each, epoch=0/. Time and the size of the output grow in proportion.",
        ("Negatives", "train inspect"),
        metavar="E",
        limits=(1, 2**31),
        shown="one, --epoch",
        fact=True,
    )
    shuffle: bool = option(
        False,
        "Write the rows of each epoch in random order instead of user by user; --seed decides it.",
        ("Negatives", "train inspect"),
        fact=True,
    )
    layout: Layout = option(
        "pointwise",
        "Rows of (user, item, label), of (user, pos_item, neg_item), or of (user, pos_item, neg_items).",
        ("Output", _ROWS),
        common="train test",
        fact=True,
    )
    label_dtype: Literal["int8", "float32"] = option(
        "int8", "The type of the label, 1 or 0. PyTorch's BCE loss wants float32.", ("Output", _ROWS), fact=True
    )
    keep: str | tuple[str, ...] = option(
        (),
        "Keep this column of the log: its value in the row of the positive stands beside each row of its group; may "
        "repeat.",
        ("Output", _ROWS),
        metavar="COLUMN",
        shown="none",
    )
    with_time: bool = option(
        False, "Write the positive's time beside each row of its group, as the log has it.", ("Output", _ROWS)
    )
    with_history: int | None = option(
        None,
        "Write the user's last N train positives before the positive's time, oldest first: a list in the column "
        "'history'.",
        ("Output", _ROWS),
        metavar="N",
        limits=(1, MAX_HISTORY),
        shown="none",
    )
    encode: bool = option(
        False,
        "Write codes from 0 instead of ids, and the vocabularies beside the output. One log gives the same codes in "
        "train and test.",
        ("Output", _ROWS),
        common="train test",
        fact=True,
    )
    to: FormName | None = option(
        None,
        "The format of OUTPUT: Parquet, Arrow (a stream where OUTPUT is -), CSV or TSV (gz where the name ends so), or "
        "a folder for a program or library, such as RecBole.",
        ("Output", _ROWS),
        shown="by the name of OUTPUT, else parquet",
        differs={
            "inspect": {
                "help": "The format whose size is forecast: text uncompressed; or the folder of other programs.",
                "shown": "parquet",
            }
        },
    )
    bootstrap: int | None = option(
        None,
        "Write N rows, whose positives are drawn with replacement from those of train, as BPR learns from them. A "
        "positive without an eligible item takes its draws away: then there are fewer rows.",
        ("Pairs (with --layout pairwise)", "train inspect"),
        metavar="N",
        limits=(1, MAX_BOOTSTRAP),
        fact=True,
    )
    levels: str | None = option(
        None,
        "In place of --sampler: a pair is positive > weak with probability W1, positive > unobserved with W2, else "
        "weak > unobserved. For a user without weak interactions all are positive > unobserved.",
        ("Pairs (with --layout pairwise)", "train inspect"),
        metavar="W1,W2",
    )
    jobs: int = option(
        1,
        "Threads that make and write the rows. The output does not depend on it.",
        ("Run", f"{_ROWS} fit"),
        metavar="N",
        limits=(1, MAX_JOBS),
        reads="cpus",
        shown="the CPUs this process may use",
        differs={
            "fit": {
                "help": "Threads that learn, with --kind als.",
                "reads": None,
                "shown": None,
            }
        },
    )
    memory: int | None = option(
        None,
        "Memory to take, such as 512M or 4G. Rows that do not fit are spilled to disk, which takes half the time "
        "again; the output does not depend on it. About 250 MB are always needed, besides the distinct ids.",
        ("Run", f"{_ROWS} fit verify"),
        metavar="SIZE",
        limits=(1, 2**63 - 1),
        reads="size",
        shown="half of what the machine has",
        differs={
            "fit": {
                "help": "Memory to take for reading, such as 512M or 4G; what does not fit is spilled to disk. The "
                "train positives and the factors are held besides."
            },
            "verify": {
                "help": "Memory to take, such as 512M or 4G. If the log and the file exceed it, verify processes one "
                "range of users at a time; the report is the same."
            },
        },
    )
    spill_dir: str | None = option(
        None,
        "Where rows are spilled, in a file without a name.",
        ("Run", f"{_ROWS} fit verify"),
        metavar="DIR",
        shown="beside the output",
        differs={
            "fit": {"shown": "beside MODEL"},
            **{name: {"shown": "the system's folder for temporary files"} for name in ("inspect", "verify")},
        },
    )
    strict: bool = option(
        False,
        "Make every warning an error: nothing is written, and the exit code is 3.",
        ("Run", f"{_LOGS} evaluate"),
        differs={
            name: {
                "help": "Make every warning an error: the output is printed all the same, and the exit code is 3.",
                "section": "Report",
            }
            for name in ("verify", "inspect")
        },
    )
    shard_rows: int = 1 << 19
    """Output rows that a thread makes at a time. The output does not depend on it."""
    most_eligible: int = field(default=MAX_NUM_NEG, repr=False, compare=False)
    """Where ``num_neg`` is ``all``: no user has more eligible items. The run fills it in."""
    read: ReadOptions = field(default_factory=ReadOptions)
    model_later: bool = field(default=False, repr=False, compare=False)
    """Whether ``hard`` may lack a model, which a trainer gives before anything is drawn."""
    given: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    """The options that somebody chose, even if they chose the default."""
    rule: HoldoutRule = field(init=False, repr=False, compare=False)
    """``holdout``, parsed."""
    sample: UserSample | None = field(init=False, repr=False, compare=False)
    """``test_users``, parsed."""
    positive_rule: PositiveRule | None = field(init=False, repr=False, compare=False)
    """``positive``, parsed."""
    sampler_rule: SamplerRule = field(init=False, repr=False, compare=False)
    """``sampler`` or ``levels``, parsed."""

    def __post_init__(self) -> None:
        if self.command not in get_args(Command):
            raise UsageError(f"command is {self.command!r}", remedy="choose one of train, test")
        check_options(self)
        self._settle("keep", _names("keep", self.keep))
        self._settle("shard_rows", whole("shard_rows", self.shard_rows, 1, _MOST))
        changed = {
            name
            for name, each in options_of(type(self)).items()
            if each.kind is not object and getattr(self, name) != each.default
        } - {"split_seed"}  # programs hand it on to every run
        self._settle("given", self.given | changed)
        self._settle("with_valid", self.with_valid or self.fold == "valid" or self.valid_file is not None)
        self._settle("sampler_rule", self._parse_sampler())
        self._settle("positive_rule", None if self.positive is None else PositiveRule.parse(self.positive))
        self._settle("rule", HoldoutRule.parse(self.holdout))
        self._settle("sample", None if self.test_users is None else UserSample.parse(self.test_users))
        self._settle("test_users", None if self.sample is None else self.sample.given)
        refuse_conflicts(self)
        if self.num_neg is None:
            fixed = self.sampler_rule.num_neg or (1 if self.bootstrap is not None else None)
            self._settle("num_neg", fixed or DEFAULT_NUM_NEG[self.command])

    def _settle(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _parse_sampler(self) -> SamplerRule:
        given: Any = "uniform" if self.sampler is None else self.sampler
        terms = (given,) if isinstance(given, str) else given
        if not isinstance(terms, tuple | list) or not all(isinstance(term, str) for term in terms):
            raise UsageError(f"sampler is {self.sampler!r}", remedy="give a string, or several in a tuple")
        return SamplerRule.parse(tuple(terms)) if self.levels is None else SamplerRule.parse_levels(self.levels)

    def without_files(self) -> Options:
        """The same with a word in place of each file or table, for processes that need none of them."""
        files = ("items", "exclude", "weak", "weights", "model", "valid_file")
        words: dict[str, Any] = {name: "given" for name in files if getattr(self, name) is not None}
        return replace(self, **words)

    def facts(self) -> dict[str, Any]:
        """What the metadata of a run hold of its options, by name."""
        return {name: getattr(self, name) for name, each in options_of(type(self)).items() if each.declared.fact} | {
            name: getattr(self, name)
            for name in ("test_users", "drop_cold", "session_col")
            if getattr(self, name) is not None
        }

    @property
    def carried(self) -> dict[str, str]:
        """The columns of the log that are carried along with its rows, each with the option that names it."""
        return dict.fromkeys(self.keep, "--keep")

    @property
    def negatives_each(self) -> int:
        """``num_neg`` as it is settled, rounded up; where all are taken, the most that a user can have."""
        if self.num_neg == "all":
            return self.most_eligible
        return ceil(self.num_neg or DEFAULT_NUM_NEG[self.command])

    @property
    def chance_of_last(self) -> Fraction | None:
        """Where ``num_neg`` has decimals: the probability that a positive has the last of ``negatives_each``."""
        return Fraction(repr(self.num_neg)) % 1 if isinstance(self.num_neg, float) else None

    @property
    def per_user(self) -> bool:
        """Whether a group has all positives of a user."""
        return self.per == "user"

    @property
    def epochs_differ(self) -> bool:
        """Whether epochs may have different numbers of rows."""
        return self.bootstrap is not None or self.chance_of_last is not None

    @property
    def leaves_weak(self) -> bool:
        """Whether ``positive`` may leave observed pairs over, which are weak."""
        return self.positive is not None and self.positive.strip() != "all"

    @property
    def times_of_train(self) -> bool:
        """Whether the times of train positives matter once it is known what is held out."""
        return self.available_at_time or self.with_history is not None

    @property
    def takes_all(self) -> bool:
        """Whether every eligible item is a candidate."""
        return self.num_neg == "all"

    @property
    def needed(self) -> int:
        """Eligible items below which a user is short."""
        return self.negatives_each if self.distinct and not self.takes_all else 1
