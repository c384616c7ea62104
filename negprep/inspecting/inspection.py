"""A log inspected: its facts, what `train` and `test` would write, and what is suspicious."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from negprep._version import __version__
from negprep.errors import BadDataError, NegprepError, UsageError
from negprep.inspecting.forecast import Forecast, forecast
from negprep.inspecting.logfacts import read_facts
from negprep.inspecting.record import LogFacts
from negprep.inspecting.suspicions import suspicions
from negprep.loading import Progress
from negprep.options import Command, LogSource, Options, ReadOptions
from negprep.reading import open_log
from negprep.resolving import in_form
from negprep.run import silent
from negprep.spill import check_spill_folder

_DEFAULTS: dict[Command, dict[str, Any]] = {"train": {"distinct": False}, "test": {"distinct": True}}
_OF_TRAIN = ("epoch", "epochs", "shuffle", "bootstrap", "levels")
_BESIDE = ("items", "exclude", "weak", "weights", "model")


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What there is to know of a log before it is prepared; ``as_dict`` is what ``--json`` prints.

    Attributes
    ----------
    log : LogFacts
    train, test : Forecast
    warnings : tuple of str
    version : str
    """

    log: LogFacts
    train: Forecast
    test: Forecast
    warnings: tuple[str, ...]
    version: str = __version__

    def as_dict(self) -> dict[str, Any]:
        """All facts, ready for JSON; of a forecast that is refused, why, and nothing else."""
        facts = asdict(self)
        for command in _DEFAULTS:
            if facts[command]["refused"] is not None:
                facts[command] = {name: facts[command][name] for name in ("command", "refused")}
        return facts


def inspect_log(source: LogSource, given: Mapping[str, Any], progress: Progress | None = None) -> Inspection:
    """Read a log, several times, and say what it holds and what would become of it. Nothing is written.

    Parameters
    ----------
    source : str, path, pyarrow.Table or pandas.DataFrame
    given : mapping
        Attributes of ``ReadOptions`` and of ``Options``. Where ``distinct`` or ``num_neg`` is None or not there,
        each command has its own default. Those that ``test`` does not have (epochs, for example) are for
        ``train`` alone.
    progress : callable, optional
        As for ``prepare``.

    Raises
    ------
    NegprepError
        The log cannot be read; or neither command takes these options, or neither with this log.
    """
    for name in _BESIDE:
        if isinstance(given.get(name), str | os.PathLike) and os.fspath(given[name]) == "-":
            raise UsageError(f"--{name} is '-', and is read more than once", remedy="give a file")
    read = ReadOptions(**_taken(ReadOptions, given))
    outcomes: dict[Command, Forecast | NegprepError] = {}
    asked: dict[Command, Options] = {}
    for command in _DEFAULTS:
        try:
            asked[command] = _options(command, given, read)
        except UsageError as error:
            outcomes[command] = error
    _refuse_useless(outcomes, given)
    options = next(iter(asked.values()))
    check_spill_folder(options.spill_dir)
    tell = progress or silent
    with open_log(source, read) as log:
        facts = read_facts(log, options, tell)
        for command, each in asked.items():
            try:
                outcomes[command] = forecast(log, each, tell)
            except (BadDataError, UsageError) as error:
                outcomes[command] = error
        _refuse_useless(outcomes, given)
        told = list(log.warnings)
    train, test = (_as_forecast(command, outcomes[command]) for command in _DEFAULTS)
    found = suspicions(facts, options.positive, [train, test])
    return Inspection(
        log=facts, train=train, test=test, warnings=(*(each for each in told if each not in found), *found)
    )


def _refuse_useless(outcomes: Mapping[Command, Forecast | NegprepError], given: Mapping[str, Any]) -> None:
    """Raise what is wrong with options that neither command takes; of those for ``test`` alone, what it says."""
    of_test = given.get("num_neg") == "all" or given.get("to") in ("ncf", "lightgcn")
    errors = [outcomes.get(command) for command in _DEFAULTS]
    told = errors[1 if of_test else 0]
    if isinstance(told, UsageError) and all(isinstance(error, UsageError) for error in errors):
        raise told


def _as_forecast(command: Command, outcome: Forecast | NegprepError) -> Forecast:
    return outcome if isinstance(outcome, Forecast) else Forecast(command=command, refused=str(outcome))


def _options(command: Command, given: Mapping[str, Any], read: ReadOptions) -> Options:
    """The options of a command."""
    chosen = {name: value for name, value in _taken(Options, given).items() if name not in ("command", "read")}
    for name, default in _DEFAULTS[command].items():
        chosen[name] = default if chosen.get(name) is None else chosen[name]
    for name in _OF_TRAIN if command == "test" else ("fold",):
        chosen.pop(name, None)
    if given.get("fold") == "valid" and chosen.get("holdout") != "none":  # refused for test, and said there
        chosen["with_valid"] = True
    options = Options(command=command, read=read, **chosen)
    return in_form(options, options.to or "parquet")


def _taken(record: type[Options | ReadOptions], given: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: given[field.name] for field in fields(record) if field.init and field.name in given}
