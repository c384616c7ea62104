"""A log inspected: its facts, what `train` and `test` would write, and what is suspicious."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from negprep._version import __version__
from negprep.arrow import take_rows
from negprep.assemble.section import Cutter, row_group_rows
from negprep.encode.load import Progress
from negprep.encode.spill import check_spill_folder
from negprep.errors import BadDataError, NegprepError, UsageError
from negprep.exchange import ExchangeFiles, unit_of
from negprep.holdout import in_form, writes_times
from negprep.options.conflicts import refuse_epochs
from negprep.options.formats import EXCHANGES, FOLDERS
from negprep.options.options import Command, LogSource, Options, ReadOptions
from negprep.options.specs import quoted_for_shell
from negprep.pipeline import Run, silent
from negprep.read.log import LogReader, open_log
from negprep.reports.log_facts import MOST_SINGLE, FloatIds, LogFacts, Values, read_facts
from negprep.summary import facts_of, summary_of
from negprep.write.atomic import Sink
from negprep.write.output import Kind, NamedFile, NamedText, RowStream, kind_of
from negprep.write.text import TextStream

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

MOST_OF_USERS = 0.5
"""An item that more of the users have is reported."""

MOST_OF_ROWS = 0.1
"""A user with more of the rows is reported if that is also ten times the average."""

MOST_DUPLICATES = 0.3
"""The share of rows that may repeat a pair."""

MOST_TIED = 0.5
"""The share of users with several items whose latest time may belong to more than one of them."""

FEWEST_USERS = 10
"""Below, shares of users mean little."""

_NAMES_SHOWN = 5

_COUNTED = ("count", "playcount", "plays", "quantity", "weight")
"""Headers of values that count something, in small letters and without marks; a low count is not a dislike."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a run of a command would write.

    Attributes
    ----------
    command : {"train", "test"}
    refused : str or None
        Why the run would fail; everything below is then empty.
    holdout, sampler, layout, to : str
    num_neg : int, float or "all"
        Negatives requested for each positive, or each user.
    per : {"positive", "user"}
        Which of the two.
    needed : int
        A user with fewer eligible items is short.
    epochs : int
    users, catalog_items : int
        Those that take part: ``min_positives`` and ``core`` have removed the others.
    positives, holdouts, users_held_out : int
        Distinct positives, those held out for test, and their users.
    groups : int
        Positives that lead rows in the first epoch, or users with rows; for ``test``, the holdouts of the fold.
    negatives, rows : int
        Exact, over all epochs.
    short_users, full_users, dropped_users : int
        As in ``Summary``.
    bytes : int
        Estimated from the first row group and rounded to one digit; vocabularies are not included.
    warnings : tuple of str
        Those of the run.
    """

    command: Command
    refused: str | None = None
    holdout: str = ""
    sampler: str = ""
    layout: str = ""
    to: str = ""
    num_neg: int | float | Literal["all"] = 0
    per: Literal["positive", "user"] = "positive"
    needed: int = 0
    epochs: int = 0
    users: int = 0
    catalog_items: int = 0
    positives: int = 0
    holdouts: int = 0
    users_held_out: int = 0
    groups: int = 0
    negatives: int = 0
    rows: int = 0
    short_users: int = 0
    full_users: int = 0
    dropped_users: int = 0
    bytes: int = 0
    warnings: tuple[str, ...] = ()


def forecast(log: LogReader, options: Options, progress: Progress) -> Forecast:
    """Count the rows of a run, and write its first row group to nowhere.

    Raises
    ------
    NegprepError
        What would stop the run.
    """
    with Run(log, options, progress=progress, again=True) as run:
        run.count()
        n_bytes = _size(run)
        summary = summary_of(run, "-", 0.0)
        return Forecast(
            command=options.command,
            holdout=summary.holdout,
            sampler=summary.sampler,
            layout=options.layout,
            to=options.to or "parquet",
            num_neg=summary.num_neg,
            per=summary.per,
            needed=options.needed,
            epochs=len(run.epochs),
            users=summary.users,
            catalog_items=summary.catalog_items,
            positives=summary.positives,
            holdouts=summary.holdouts,
            users_held_out=summary.holdout_users,
            groups=run.tally.groups,
            negatives=summary.negatives,
            rows=summary.rows_written,
            short_users=summary.short_users,
            full_users=summary.full_users,
            dropped_users=summary.dropped_users,
            bytes=n_bytes,
            warnings=tuple(summary.warnings),
        )


class _Scale(Sink):
    """Counts bytes and drops them; as a folder, those of all its texts."""

    def __init__(self) -> None:
        super().__init__(-1)
        self.n_bytes = 0
        self.streams: list[RowStream] = []

    def _append(self, data: bytes | memoryview) -> None:
        self.n_bytes += len(data)

    def start_text(self, name: str, header: Sequence[str] = (), separator: str = "\t") -> NamedText:
        """Begin a text of that name."""
        stream = TextStream(self, header, separator)
        self.streams.append(stream)
        return NamedText(stream, name)

    def start_rows(self, name: str, schema: pa.Schema) -> NamedFile:
        """Begin a Parquet file of that name."""
        stream = Kind().stream(self, schema)
        self.streams.append(stream)
        return NamedFile(stream, name)

    def write_bytes(self, name: str, content: bytes) -> None:  # noqa: ARG002
        """Add a file of that name."""
        self._append(content)


def _size(run: Run) -> int:
    """The bytes of the output, to one digit: what does not grow with the rows, and a row group in proportion.

    What the format cannot hold is refused as the run would refuse it.
    """
    options, scale, group_rows = run.options, _Scale(), row_group_rows(run.options)
    form, schema = options.to or "parquet", run.form.schema
    output: ExchangeFiles | RowStream
    if form in FOLDERS:
        timed = writes_times(run.log, options)
        output = ExchangeFiles(options, scale, "out/", run.form, schema, timed=timed)
        for section in run.sections(0) if options.command == "test" else ():
            output.add(section, unit_of(run.log.clock.kind if run.log.clock else None))
    else:
        output = kind_of(form, "", group_rows).stream(scale, schema)
        scale.streams.append(output)
    for stream in scale.streams:
        stream.end_rows()
    fixed, rows = scale.n_bytes, 0
    for batch in _first_rows(run, group_rows):
        output.write(batch)
        rows += len(batch)
    for stream in scale.streams:
        stream.close({"negprep": json.dumps(facts_of(run))})
    n_bytes = fixed + (scale.n_bytes - fixed) * run.tally.rows / max(1, rows)
    return round(float(f"{n_bytes:.1g}"))


def _first_rows(run: Run, most: int) -> Iterator[pa.RecordBatch]:
    """About the first rows of a run; if it shuffles, in the order that they have among themselves."""
    cutter = Cutter(most)
    for section in (each for epoch in run.epochs for each in run.sections(epoch)):
        for shard in cutter.cut(section):
            rows = shard.make()
            if run.options.shuffle:
                order = np.argsort(section.order_words(shard.begin, shard.end), kind="stable")
                rows = run.form.decode(take_rows(rows, order).columns)
            yield rows
            most -= len(rows)
            if most <= 0:
                return


def suspicions(facts: LogFacts, positive: str | None, forecasts: list[Forecast]) -> list[str]:
    """Warnings, one line each; ``positive`` is the rule of ``--positive``."""
    found = [f"not looked at: {problem}" for problem in facts.unusable]
    for noun, ids in (("user", facts.float_users), ("item", facts.float_items)):
        found += _of_ids(noun, ids)
    found += _of_shares(facts)
    if positive is None:
        found += _of_labels(facts)
    if facts.values is not None and positive is None:
        found += _of_values(facts.values, facts.columns["value"])
    if facts.events is not None and positive is None and len(facts.events.rows) > 1:
        names = list(facts.events.rows)
        found.append(
            f"'{facts.columns['event']}' has {_listed(names)}: all count as positives, unless --positive {names[-1]} "
            "or the like says otherwise"
        )
    found += _of_times(facts)
    for each in forecasts:
        found += _of_short(each)
        found += [warning for warning in each.warnings if warning not in found]
    return found


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and others"


def _of_ids(noun: str, ids: FloatIds) -> Iterator[str]:
    if ids.count:
        twins = f", and {ids.twins:,} of them occur without it, too" if ids.twins else ""
        yield (
            f"{ids.count:,} {noun} ids look like floats, such as '{ids.example}'{twins}: "
            "did a program read a column with gaps as numbers?"
        )


def _of_shares(facts: LogFacts) -> Iterator[str]:
    if facts.duplicates > MOST_DUPLICATES * facts.rows:
        yield (
            f"{facts.duplicates:,} of {facts.rows:,} rows repeat a pair of user and item: they add nothing, a pair "
            "is one positive"
        )
    rows = facts.top_user.count
    if rows > MOST_OF_ROWS * facts.rows and rows > 10 * facts.rows / facts.users:
        yield (
            f"user {facts.top_user.id} has {rows:,} of {facts.rows:,} rows: a robot, or an id shared by all unknown "
            "users?"
        )
    users = facts.top_item.count
    if facts.users >= FEWEST_USERS and users > MOST_OF_USERS * facts.users:
        yield (
            f"item {facts.top_item.id} is with {users:,} of {facts.users:,} users, who never get it as a negative: is "
            "it a choice of theirs?"
        )


def _of_labels(facts: LogFacts) -> Iterator[str]:
    for name, rule in facts.labels.items():
        yield (
            f"{name!r} holds labels, and not all are those of positives: train and test refuse such a log without "
            f"a rule: --positive {quoted_for_shell(rule)} (the other pairs are weak) or --positive all"
        )


def _of_values(values: Values, header: str) -> Iterator[str]:
    """Low values that count as positives, where the values are of a scale as ratings have."""
    levels = [each.low for each in values.histogram]
    is_scale = values.distinct is not None and 2 <= values.distinct <= MOST_SINGLE
    is_scale = is_scale and all(float(2 * level).is_integer() for level in levels) and values.most <= 10
    if not is_scale or "".join(filter(str.isalpha, header.lower())) in _COUNTED:
        return
    middle = (values.least + values.most) / 2
    low = sum(each.rows for each in values.histogram if each.low < middle)
    rows = sum(each.rows for each in values.histogram)
    if low:
        least = min(level for level in levels if level > middle)
        yield (
            f"'{header}' goes from {values.least:g} to {values.most:g}, and {low:,} of {rows:,} rows are below the "
            f"middle: all count as positives, unless --positive '>={least:g}' or the like says otherwise"
        )


def _of_times(facts: LogFacts) -> Iterator[str]:
    times, several = facts.times, facts.users - facts.user_degrees.one
    if times is None:
        return
    if times.seconds == 0 and facts.rows > 1:
        yield "all times are equal: no holdout is later than the training data, and a hash chooses it"
    elif times.tied_users > MOST_TIED * several:
        yield (
            f"the latest time of {times.tied_users:,} of {several:,} users with several items belongs to more than one "
            "item: a hash chooses their holdout"
        )


def _of_short(forecast: Forecast) -> Iterator[str]:
    if forecast.short_users:
        fewer = "no eligible item"
        if forecast.needed > 1:
            none = f", {forecast.full_users:,} of them none" if forecast.full_users else ""
            fewer = f"fewer eligible items than the {forecast.needed:,} needed{none}"
        users = "1 user has" if forecast.short_users == 1 else f"{forecast.short_users:,} users have"
        yield f"{forecast.command}: {users} {fewer}"


_DEFAULTS: dict[Command, dict[str, Any]] = {"train": {"distinct": False}, "test": {"distinct": True}}
_OF_TRAIN = ("epoch", "epochs", "shuffle", "bootstrap", "levels")
_BESIDE = ("items", "exclude", "weak", "weights", "model", "valid_file")


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """A summary of a log and a preview of the runs on it; ``as_dict`` is what ``--json`` prints, warnings first."""

    warnings: tuple[str, ...]
    log: LogFacts
    train: Forecast
    test: Forecast
    version: str = __version__

    def as_dict(self) -> dict[str, Any]:
        """All facts, ready for JSON; a refused forecast has its reason alone."""
        facts = asdict(self)
        for command in _DEFAULTS:
            if facts[command]["refused"] is not None:
                facts[command] = {name: facts[command][name] for name in ("command", "refused")}
        return facts


def inspect_log(
    source: LogSource,
    given: Mapping[str, Any],
    progress: Progress | None = None,
    *,
    of_rows: Mapping[Command, Mapping[str, Any]] | None = None,
) -> Inspection:
    """Read a log several times, summarise it, and preview `train` and `test`.

    Parameters
    ----------
    source : str, path, pyarrow.Table or pandas.DataFrame
    given : mapping
        Attributes of ``ReadOptions`` and of ``Options``. Where ``distinct`` or ``num_neg`` is None or missing, each
        command has its own default. Those that ``test`` lacks (epochs, for example) are for ``train`` alone.
    progress : callable, optional
        As for ``prepare``.
    of_rows : mapping, optional
        By command, what replaces ``given`` in its preview alone.

    Raises
    ------
    NegprepError
        The log cannot be read; or neither command takes these options, or neither with this log.
    """
    for name in _BESIDE:
        if isinstance(given.get(name), str | os.PathLike) and os.fspath(given[name]) == "-":
            raise UsageError(f"--{name} is '-', and is read more than once", remedy="give a file")
    refuse_epochs(given.get("given", ()), given.get("epochs"))  # for `train` alone, and a mistake in any case
    read = ReadOptions(**_taken(ReadOptions, given))
    outcomes: dict[Command, Forecast | NegprepError] = {}
    asked: dict[Command, Options] = {}
    for command in _DEFAULTS:
        try:
            asked[command] = _options(command, given, read, (of_rows or {}).get(command, {}))
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
        warnings = list(log.warnings)
    train, test = (_as_forecast(command, outcomes[command]) for command in _DEFAULTS)
    found = suspicions(facts, options.positive, [train, test])
    return Inspection(
        log=facts, train=train, test=test, warnings=(*(each for each in warnings if each not in found), *found)
    )


def _refuse_useless(outcomes: Mapping[Command, Forecast | NegprepError], given: Mapping[str, Any]) -> None:
    """Raise the error about options that neither command takes: for options of ``test`` alone, its error."""
    of_test = given.get("num_neg") == "all" or _is_of_test(given.get("to"))
    errors = [outcomes.get(command) for command in _DEFAULTS]
    error = errors[1 if of_test else 0]
    if isinstance(error, UsageError) and all(isinstance(each, UsageError) for each in errors):
        raise error


def _is_of_test(form: object) -> bool:
    """Whether ``test`` alone writes a form."""
    return form in FOLDERS and not EXCHANGES[str(form)].reads_rows


def _as_forecast(command: Command, outcome: Forecast | NegprepError) -> Forecast:
    return outcome if isinstance(outcome, Forecast) else Forecast(command=command, refused=str(outcome))


def _options(command: Command, given: Mapping[str, Any], read: ReadOptions, of_command: Mapping[str, Any]) -> Options:
    chosen = {name: value for name, value in _taken(Options, given).items() if name not in ("command", "read")}
    for name, default in _DEFAULTS[command].items():
        chosen[name] = default if chosen.get(name) is None else chosen[name]
    for name in _OF_TRAIN if command == "test" else ("fold", "drop_cold"):
        chosen.pop(name, None)
    if given.get("fold") == "valid" and chosen.get("holdout") != "none":  # test refuses it
        chosen["with_valid"] = True
    chosen |= of_command
    chosen["given"] = frozenset(chosen.get("given", ())) | set(of_command)
    options = Options(command=command, read=read, **chosen)
    return in_form(options, options.to or "parquet")


def _taken(record: type[Options | ReadOptions], given: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: given[field.name] for field in fields(record) if field.init and field.name in given}
