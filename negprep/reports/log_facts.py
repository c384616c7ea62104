"""The facts of a log: one pass over its pairs, and one over each further column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Counts, Floats
from negprep.arrow import as_numpy, mask_as_numpy, pc
from negprep.encode.load import Loaded, Progress, load
from negprep.encode.memory import MemoryPlan
from negprep.encode.pairs import Pairs
from negprep.encode.vocabulary import Vocabulary
from negprep.errors import BadDataError
from negprep.options.options import Options
from negprep.read.log import LogReader

PERCENTS = (1, 5, 25, 50, 75, 95, 99)


@dataclass(frozen=True)
class Bin:
    """How many have a number from ``low`` to ``high``, both included."""

    low: int
    high: int
    count: int


@dataclass(frozen=True)
class Degrees:
    """The degrees of all users, or of all items.

    ``percentiles["95"]`` is the smallest degree that at least 95 % do not exceed (nearest rank); ``one`` counts those
    of degree 1. Each bin of ``histogram`` reaches up to twice its lower end.
    """

    least: int
    most: int
    mean: float
    percentiles: dict[str, int]
    one: int
    histogram: tuple[Bin, ...]

    @classmethod
    def of(cls, degrees: npt.NDArray[np.integer[Any]]) -> Degrees:
        """Of degrees, at least one and each at least 1: integer, shape (n,)."""
        ascending = np.sort(degrees)
        size = len(ascending)
        bins = np.bincount(np.frexp(ascending)[1] - 1)  # the position of the highest bit; exact below 2**53
        return cls(
            least=int(ascending[0]),
            most=int(ascending[-1]),
            mean=float(ascending.sum()) / size,
            percentiles={str(percent): int(ascending[-(-percent * size // 100) - 1]) for percent in PERCENTS},
            one=int(np.searchsorted(ascending, 1, side="right")),
            histogram=tuple(Bin(1 << bit, (2 << bit) - 1, count) for bit, count in enumerate(bins.tolist())),
        )


MOST_SINGLE = 20
"""Values that get a bin each; of more, there are ten bins."""

_N_BINS = 10
_MOST_DISTINCT = 100_000
_MOST_EVENTS, EVENTS_SHOWN = 10_000, 20
Batches = Callable[[], Iterable[pa.RecordBatch]]


@dataclass(frozen=True)
class ValueBin:
    """Rows with a value from ``low`` up to ``high``: without it, but in the last bin, and where both are one."""

    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class Values:
    """The value column. ``distinct`` is None beyond 100,000; ``histogram`` has a bin for each of at most 20 different
    values, else ten of equal width.
    """

    least: float
    most: float
    distinct: int | None
    histogram: tuple[ValueBin, ...]


@dataclass(frozen=True)
class Events:
    """The event column: the rows of the 20 most frequent names, and of all others."""

    rows: dict[str, int]
    others: int


def read_values(batches: Batches) -> Values | None:
    """Summarise the value column, in two passes if it has too many values to remember. None: there is no row.

    Parameters
    ----------
    batches : callable
        Gives the rows, with a column ``value``, from the beginning.
    """
    known: tuple[Floats, Counts] | None = (np.empty(0), np.empty(0, np.int64))
    least, most = np.inf, -np.inf
    for batch in batches():
        column = as_numpy(batch.column("value"))
        least, most = min(least, float(column.min())), max(most, float(column.max()))
        if known is not None:
            known = _merged(known, column)
            known = known if len(known[0]) <= _MOST_DISTINCT else None
    if least > most:
        return None
    if known is not None and len(known[0]) <= MOST_SINGLE:
        bins = tuple(
            ValueBin(value, value, rows) for value, rows in zip(*(part.tolist() for part in known), strict=True)
        )
        return Values(least, most, len(known[0]), bins)
    edges = np.linspace(least, most, _N_BINS + 1)
    rows = np.zeros(_N_BINS, np.int64)
    for values, counts in [known] if known is not None else ((as_numpy(b.column("value")), None) for b in batches()):
        places = (np.searchsorted(edges, values, side="right") - 1).clip(0, _N_BINS - 1)
        rows += np.bincount(places, counts, _N_BINS).astype(np.int64)
    bins = tuple(map(ValueBin, edges[:-1].tolist(), edges[1:].tolist(), rows.tolist()))
    return Values(least, most, None if known is None else len(known[0]), bins)


def _merged(known: tuple[Floats, Counts], column: Floats) -> tuple[Floats, Counts]:
    new, counts = np.unique(column, return_counts=True)
    values = np.concatenate([known[0], new])
    distinct, places = np.unique(values, return_inverse=True)
    return distinct, np.bincount(places, np.concatenate([known[1], counts])).astype(np.int64)


def read_events(batches: Batches) -> Events:
    """Count the names in a column ``event``: of more than 10,000, those that come first, to bound memory."""
    counted: Counter[str] = Counter()
    n_rows = 0
    for batch in batches():
        found = pc.value_counts(batch.column("event").cast(pa.string()))
        n_rows += len(batch)
        names, counts = found.field("values").to_pylist(), found.field("counts").to_pylist()
        for name, count in zip(names, counts, strict=True):
            if name in counted or len(counted) < _MOST_EVENTS:
                counted[name] += count
    shown = dict(sorted(counted.items(), key=lambda each: (-each[1], each[0]))[:EVENTS_SHOWN])
    return Events(shown, n_rows - sum(shown.values()))


@dataclass(frozen=True)
class Times:
    """The time column: ISO 8601 in UTC, and how many users have two items or more at their latest time."""

    first: str
    last: str
    seconds: float
    tied_users: int


@dataclass(frozen=True)
class Most:
    """Who has most of something: an id, and how many."""

    id: int | str
    count: int


@dataclass(frozen=True)
class FloatIds:
    """Distinct ids written like floats: how many, how many also occur without the fraction, and one of them."""

    count: int
    twins: int
    example: str | None


@dataclass(frozen=True, kw_only=True)
class LogFacts:
    """What a log holds.

    ``columns`` maps roles to headers; ``rows`` are those that are not dropped; ``duplicates`` = ``rows`` - ``pairs``;
    ``density`` = pairs per user and item. ``nearly_all_users`` have at least nine tenths of all items. ``top_item`` is
    the item with most users (the first by id of several), ``top_user`` the user with most rows. ``unusable`` explains
    why a column was not looked at; ``labels`` maps columns of labels, not all of them a positive's, to the rule that
    takes those which are.
    """

    columns: dict[str, str]
    rows_read: int
    rows_dropped: dict[str, int]
    rows: int
    users: int
    items: int
    pairs: int
    duplicates: int
    density: float
    user_degrees: Degrees
    item_degrees: Degrees
    nearly_all_users: int
    top_item: Most
    top_user: Most
    float_users: FloatIds
    float_items: FloatIds
    times: Times | None
    values: Values | None = None
    events: Events | None = None
    unusable: tuple[str, ...] = ()
    rows_filtered: int = 0
    files_skipped: int = 0
    labels: dict[str, str] = field(default_factory=dict)


_FLOAT_FORM = r"^-?[0-9]+\.0+$"

Found = TypeVar("Found")


def read_facts(log: LogReader, options: Options, progress: Progress) -> LogFacts:
    """Read a log within the memory of the options, which matter in nothing else.

    Raises
    ------
    NegprepError
        The log cannot be read, or its users and items cannot.
    """
    unusable = [str(problem) for role in ("time", "value", "event") if (problem := log.problem(role)) is not None]
    asks = Options(
        command="train",
        holdout="none",
        positive="all",
        read=options.read,
        memory=options.memory,
        spill_dir=options.spill_dir,
    )
    has_times = "time" in log.columns
    try:
        facts = _pair_facts(log, asks, has_times, progress)
    except BadDataError as error:
        if not has_times:
            raise
        facts = _pair_facts(log, asks, False, progress)  # raises again, if it was not for the times
        unusable.append(str(error))
    values = _column(log, "value", read_values, unusable, progress)
    events = _column(log, "event", read_events, unusable, progress)
    return replace(facts, values=values, events=events, unusable=tuple(unusable), labels=_labels(log, progress))


def _labels(log: LogReader, progress: Progress) -> dict[str, str]:
    """The columns of labels with negatives among them, and the rule that takes the positives of each."""
    if not log.label_columns:
        return {}
    for _ in log.batches(["user"], watched=log.label_columns):
        progress("label", log.rows_read, None)
    return {name: labels.rule(name) for name, labels in log.labels.items() if labels.negatives}


def _column(
    log: LogReader,
    role: str,
    read: Callable[[Callable[[], Iterable[pa.RecordBatch]]], Found],
    unusable: list[str],
    progress: Progress,
) -> Found | None:
    def batches() -> Iterable[pa.RecordBatch]:
        for batch in log.batches([role]):
            progress(role, log.rows_read, None)
            yield batch

    if role not in log.columns:
        return None
    try:
        return read(batches)
    except BadDataError as error:
        unusable.append(str(error))
        return None


def _pair_facts(log: LogReader, options: Options, has_times: bool, progress: Progress) -> LogFacts:
    """All facts but those of the value and the event column."""
    plan = MemoryPlan.of(options.memory)
    loaded = load(
        log,
        options,
        with_times=has_times,
        kept_bytes=plan.kept_bytes,
        spill_folder=options.spill_dir,
        progress=progress,
    )
    with closing(loaded):
        rows_of_users, span = _count_rows(loaded)
        n_users, n_items = len(loaded.users), len(loaded.items)
        of_users, of_items = np.zeros(n_users, np.int64), np.zeros(n_items, np.int64)
        tied = 0
        for section in loaded.sections(plan.range_rows):
            pairs = section.interactions.positives
            of_users[section.first_user : section.first_user + pairs.n_users] = pairs.counts
            of_items += np.bincount(pairs.items, minlength=n_items)
            tied += _tied_users(pairs)
            progress("group", int(of_users.sum()), None)
        users, items = loaded.users, loaded.items.catalog
    rows, n_pairs = int(rows_of_users.sum()), int(of_users.sum())
    return LogFacts(
        columns=dict(log.columns),
        rows_read=log.rows_read,
        rows_dropped=dict(log.rows_dropped),
        rows_filtered=log.rows_filtered,
        files_skipped=log.files_skipped,
        rows=rows,
        users=n_users,
        items=n_items,
        pairs=n_pairs,
        duplicates=rows - n_pairs,
        density=n_pairs / (n_users * n_items),
        user_degrees=Degrees.of(of_users),
        item_degrees=Degrees.of(of_items),
        nearly_all_users=int((10 * of_users >= 9 * n_items).sum()),
        top_item=_most(items, of_items),
        top_user=_most(users, rows_of_users),
        float_users=_float_ids(users),
        float_items=_float_ids(items),
        times=None if span is None else Times(_instant(span[0]), _instant(span[1]), (span[1] - span[0]) / 1e9, tied),
    )


def _count_rows(loaded: Loaded) -> tuple[npt.NDArray[np.int64], tuple[int, int] | None]:
    """Rows of each user, and the first and the last time."""
    counts, span = np.zeros(len(loaded.users), np.int64), None
    for rows in loaded.rows():
        counts += np.bincount(rows.users, minlength=len(counts))
        if rows.times is not None:
            least, most = int(rows.times.min()), int(rows.times.max())
            span = (least, most) if span is None else (min(least, span[0]), max(most, span[1]))
    return counts, span


def _tied_users(pairs: Pairs) -> int:
    """Users two of whose pairs have their latest time."""
    if pairs.times is None or not len(pairs):
        return 0
    starts = pairs.starts[:-1][pairs.counts > 0]
    latest = np.repeat(np.maximum.reduceat(pairs.times, starts), pairs.counts[pairs.counts > 0])
    return int((np.add.reduceat((pairs.times == latest).astype(np.int64), starts) > 1).sum())


def _most(vocabulary: Vocabulary, counts: npt.NDArray[np.int64]) -> Most:
    place = int(counts.argmax())
    return Most(vocabulary.ids[place].as_py(), int(counts[place]))


def _float_ids(vocabulary: Vocabulary) -> FloatIds:
    if vocabulary.is_integer:
        return FloatIds(0, 0, None)
    found = vocabulary.ids.filter(pc.match_substring_regex(vocabulary.ids, _FLOAT_FORM))
    whole = pc.replace_substring_regex(found, r"\.0+$", "")
    twins = int(mask_as_numpy(pc.is_in(whole, vocabulary.ids)).sum()) if len(found) else 0
    return FloatIds(len(found), twins, found[0].as_py() if len(found) else None)


def _instant(nanoseconds: int) -> str:
    """As ISO 8601, in UTC, as short as it can be."""
    text = str(np.datetime64(nanoseconds, "ns"))
    return text.rstrip("0").rstrip(".") + "Z" if "." in text else text + "Z"
