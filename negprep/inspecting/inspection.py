"""A log inspected: its facts, what `train` and `test` would write, and what is suspicious."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from negprep._version import __version__
from negprep.errors import UsageError
from negprep.inspecting.forecast import Forecast, forecast, refusal
from negprep.inspecting.logfacts import LogFacts, read_facts
from negprep.inspecting.suspicions import suspicions
from negprep.loading import Progress
from negprep.options import Command, LogSource, Options, ReadOptions
from negprep.reading import open_log

_DEFAULTS: dict[Command, dict[str, Any]] = {
    "train": {"holdout": "none", "distinct": False},
    "test": {"holdout": "auto", "distinct": True},
}
_OF_TRAIN = ("epoch", "epochs", "shuffle", "bootstrap", "levels")
_BESIDE = ("items", "exclude", "weak", "weights")


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
        Attributes of ``ReadOptions`` and of ``Options``. Where ``holdout``, ``distinct`` or ``num_neg`` is None or not
        there, each command has its own default. Those that ``test`` does not have (epochs, for example) are for
        ``train`` alone.
    progress : callable, optional
        As for ``prepare``.

    Raises
    ------
    NegprepError
        The log cannot be read; or no command takes these options.
    """
    for name in _BESIDE:
        if isinstance(given.get(name), str | os.PathLike) and os.fspath(given[name]) == "-":
            raise UsageError(f"--{name} is '-', and is read more than once", remedy="give a file")
    read = ReadOptions(**_taken(ReadOptions, given))
    asked: dict[Command, Options | UsageError] = {command: _options(command, given, read) for command in _DEFAULTS}
    usable = [options for options in asked.values() if isinstance(options, Options)]
    if not usable:
        raise next(error for error in asked.values() if isinstance(error, UsageError))
    tell = progress or _silent
    with open_log(source, read) as log:
        facts = read_facts(log, usable[0], tell)
        train, test = (
            forecast(log, options, tell) if isinstance(options, Options) else refusal(command, options)
            for command, options in asked.items()
        )
        told = list(log.warnings)
    found = suspicions(facts, usable[0].positive, [train, test])
    return Inspection(
        log=facts, train=train, test=test, warnings=(*(each for each in told if each not in found), *found)
    )


def _options(command: Command, given: Mapping[str, Any], read: ReadOptions) -> Options | UsageError:
    """The options of a command; or why there are none."""
    chosen = {name: value for name, value in _taken(Options, given).items() if name not in ("command", "read")}
    for name, default in _DEFAULTS[command].items():
        chosen[name] = default if chosen.get(name) is None else chosen[name]
    for name in _OF_TRAIN if command == "test" else ("fold",):
        chosen.pop(name, None)
    chosen["with_valid"] = chosen.get("with_valid", False) or given.get("fold") == "valid"
    try:
        return Options(command=command, read=read, **chosen)
    except UsageError as error:
        return error


def _taken(record: type[Options | ReadOptions], given: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: given[field.name] for field in fields(record) if field.init and field.name in given}


def _silent(step: str, done: int, total: int | None) -> None:
    """Tell nobody."""
