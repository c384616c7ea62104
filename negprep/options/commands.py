"""The options of each command: those of learning and of reports, and what a command takes of all that are declared."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from sys import float_info
from typing import Any, Literal

from negprep.options.declared import Option, option, options_of
from negprep.options.options import Options, ReadOptions


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How a model is learnt; None is the default of its kind."""

    kind: Literal["als", "bpr", "rns"] = option(
        None,
        "als: least squares, for every user and item in turn, by the library implicit (pip install 'negprep[fit]'). "
        "bpr: pairs of a positive and another item, ranked right step by step. Both for --sampler hard. rns: a policy "
        "that learns from weak interactions which negatives to draw, for --sampler reinforced.",
        ("Model", "fit"),
        common="fit",
        differs={"fit": {"required": True}},
    )
    factors: int | None = option(
        None,
        "Numbers for each user and item.",
        ("Model", "fit"),
        metavar="D",
        limits=(1, 1024),
        common="fit",
        shown="64 for als, 32 for bpr and rns",
    )
    epochs: int | None = option(
        None,
        "Passes over the train positives; time grows in proportion.",
        ("Model", "fit"),
        metavar="E",
        limits=(1, 1_000_000),
        common="fit",
        shown="15 for als, 60 for bpr, 20 for rns",
    )
    regularization: float | None = option(
        None,
        "How strongly factors are drawn to 0.",
        ("Model", "fit"),
        metavar="R",
        limits=(0.0, float_info.max),
        shown="0.01 for als, 0.2 for bpr, 1e-5 for rns",
    )
    learning_rate: float | None = option(
        None,
        "For bpr and rns: the size of a step.",
        ("Model", "fit"),
        metavar="L",
        limits=(float_info.min, float_info.max),
        shown="0.1 for bpr, 0.001 for rns",
    )
    reward_weight: float | None = option(
        None,
        "How much weak interactions count in the reward of a draw, against its hardness; 0 is for hardness alone.",
        ("Reinforced (--kind rns)", "fit"),
        metavar="ALPHA",
        limits=(0.0, float_info.max),
        shown="2.5",
    )
    feature_share: float | None = option(
        None,
        "The share of that weight for likeness to weak interactions; the rest is for drawing them.",
        ("Reinforced (--kind rns)", "fit"),
        metavar="BETA",
        limits=(0.0, 1.0),
        shown="0.75",
    )
    start_epochs: int | None = option(
        None,
        "Epochs of BPR before the game starts.",
        ("Reinforced (--kind rns)", "fit"),
        metavar="E",
        limits=(0, 1_000_000),
        shown="20",
    )
    batch_size: int | None = option(
        None,
        "Positives a step.",
        ("Reinforced (--kind rns)", "fit"),
        metavar="N",
        limits=(1, 8192),
        shown="1024",
    )
    patience: int | None = option(
        None,
        "End the game when the recommender has ranked the positives laid aside no better for E epochs, and take its "
        "best epoch.",
        ("Reinforced (--kind rns)", "fit"),
        metavar="E",
        limits=(1, 1_000_000),
        shown="play all epochs",
    )
    recommender: str | os.PathLike[str] | None = option(
        None,
        "Write the recommender that played against the policy as well: factors that rank items.",
        ("Reinforced (--kind rns)", "fit"),
        metavar="FILE",
    )


_OF_FIT = (name for name in options_of(FitOptions) if name not in ("kind", "recommender"))
LEARNING = (*_OF_FIT, "seed", "pool", "pool_weak", "temperature")
"""The options of ``fit`` that decide how it learns, and not what from."""


@dataclass(frozen=True, kw_only=True)
class CommandOptions:
    """Where options come from, how a command reports, and what it may replace."""

    config: str | os.PathLike[str] | None = option(
        None,
        "Options from a TOML file with the tables [read], [positives], [split], [train] and [test]: "
        "num_neg = 8 under [train]. Those given here take precedence.",
        ("Reading", "train test inspect fit verify report"),
        metavar="FILE",
    )
    recipe: str | os.PathLike[str] | None = option(
        None,
        "How to read a public data set, such as movielens-1m (negprep recipes lists them), or a FILE.toml of your own. "
        "A log that differs from what is published of it is warned of. --config takes precedence.",
        ("Reading", "train test inspect fit verify report"),
        metavar="NAME",
    )
    force: bool = option(
        False,
        "Replace the contents of a folder that is not empty. A file is replaced without it.",
        ("Output", "train test"),
    )
    summary: str | None = option(
        None,
        "Write the facts of the run as JSON: rows, users, negatives, seconds, memory. '-' is standard output.",
        ("Run", "train test"),
        metavar="FILE",
        python=False,
    )
    dry_run: bool = option(
        False,
        "Read and count, show what would be written, and write nothing.",
        ("Run", "prepare"),
        common="prepare",
    )
    sampler_file: bool | None = option(
        None,
        "Write sampler.npz, too: the train part as codes, about 4 bytes for each train positive. "
        "negprep.Sampler.open(OUTPUT) draws from it while you train, without the log.",
        ("Output", "prepare"),
        spelling="--sampler-file/--no-sampler-file",
        shown="written, but for --to with a folder for a program or library",
    )
    engine: Literal["local", "spark"] = option(
        "local",
        "What makes the rows: this machine, or a Spark cluster, for a log that lives on one; the rows are the same. "
        "INPUT is then whatever Spark reads (hdfs://, s3a://, table:NAME, Parquet, CSV, JSON lines, ORC), and OUTPUT a "
        "folder. Needs pip install 'negprep[spark]', and Java.",
        ("Engine", "train test"),
        python=False,
    )
    master: str | None = option(
        None,
        "For --engine spark: the cluster, as for spark-submit, or sc://HOST:PORT of Spark Connect.",
        ("Engine", "train test"),
        metavar="URL",
        shown="that of spark-submit, SPARK_MASTER, else this machine",
        python=False,
    )
    spark_conf: tuple[str, ...] = option(
        (),
        "For --engine spark: a setting of Spark, such as spark.driver.memory=8g; may repeat.",
        ("Engine", "train test"),
        metavar="K=V",
        shown="Spark's own",
        python=False,
    )
    quiet: bool = option(
        False,
        "Write nothing on standard error but errors and warnings, a line each.",
        ("Run", "train test fit report verify"),
        python=False,
        differs={
            "verify": {
                "help": "Print only the checks that failed or warn, and warnings on standard error.",
                "section": "Report",
            }
        },
    )
    progress: bool | None = option(
        None,
        "Bars on standard error.",
        ("Run", "train test inspect fit report"),
        spelling="--progress/--no-progress",
        shown="on a terminal only",
        python=False,
    )
    as_json: bool = option(
        False,
        "Print JSON, with all digits, instead of a table.",
        ("Report", "inspect verify evaluate"),
        spelling="--json",
        common="inspect verify evaluate",
        python=False,
        differs={"evaluate": {"section": "Metrics"}},
    )


RECORDS: tuple[type[Any], ...] = (FitOptions, ReadOptions, Options, CommandOptions)
"""Where options are declared."""


OF_CANDIDATES = (
    *("num_neg", "per", "sampler", "distinct", "on_short", "with_log_q"),
    *("group_col", "alpha", "smooth", "weights", "layout"),
)
"""The options that ``prepare`` takes twice: for train, and with ``test_`` before their name for the candidates."""


def takes(command: str) -> dict[str, Option]:
    """The declared options of a command by name, in the order of the help."""
    found = {
        name: each
        for record in RECORDS
        for name, each in options_of(record).items()
        if command in each.declared.commands
    }
    return _of_prepare() | found if command == "prepare" else found


def _of_prepare() -> dict[str, Option]:
    """The options of ``train``, and those of ``test`` that differ, with ``test_`` before their name."""
    train, test = takes("train"), takes("test")
    found = {name: _for_prepare(each, "train") for name, each in train.items() if name not in _NOT_IN_PREPARE}
    found["drop_cold"] = _for_prepare(test["drop_cold"], "test")
    for name in OF_CANDIDATES:
        found[f"test_{name}"] = replace(_for_prepare(test[name], "test", prefix="test-"), name=f"test_{name}")
    return found


_NOT_IN_PREPARE = ("bootstrap", "engine", "master", "spark_conf")


def _for_prepare(option: Option, command: str, prefix: str = "") -> Option:
    """An option of another command as ``prepare`` has it."""
    differs = dict(option.declared.differs.get(command, {}))
    spelling, common = (
        option.declared.spelling,
        ("prepare",) if command in option.declared.common and not prefix else (),
    )
    if prefix:
        differs |= {"section": "Candidates (valid and test)"}
        spelling = spelling.replace("--", f"--{prefix}") if spelling else None
    if option.name == "with_valid":
        help_ = (
            "Hold out as many positives of each user again, the ones before, and write their candidates, to tune on."
        )
        differs, spelling = {"default": True, "help": help_}, "--with-valid/--no-valid"
    declared = replace(option.declared, spelling=spelling, common=common, differs={"prepare": differs})
    return replace(option, declared=declared)


def keywords_of(function: str) -> frozenset[str]:
    """The declared options that a function takes."""
    return frozenset(name for name, each in takes(function).items() if each.declared.python)


def parted(chosen: dict[str, Any], *records: type[Any]) -> list[dict[str, Any]]:
    """For each record, those of the values that it keeps."""
    return [
        {each.name: chosen[each.name] for each in record.__dataclass_fields__.values() if each.name in chosen}
        for record in records
    ]


DRAWS = (
    *("num_neg", "per", "sampler", "levels", "distinct", "seed", "on_short", "with_log_q", "alpha", "smooth"),
    *("weights", "model", "pool", "top", "skip_top", "pool_weak", "temperature"),
    *("bootstrap", "layout", "label_dtype", "encode", "jobs", "memory", "spill_dir", "strict"),
)
"""The options of ``train`` that decide what is drawn from a log, or how it is written, and not what is read of it."""

LEFT_OUT_ANEW = ("keep", "with_time", "with_history", "available_at_time", "same", "group_col")
"""Those that need something of the log, and that may be left out all the same where it was read for them."""

OF_SAMPLERS = (
    *("sampler", "levels", "alpha", "smooth", "weights", "model", "pool", "top", "skip_top", "pool_weak"),
    "temperature",
)
"""Those that belong to one sampler or another."""
