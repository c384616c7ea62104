"""The facts of a log: one pass over its pairs, and one over each further column."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import mask_as_numpy
from negprep.compute import pc
from negprep.errors import BadDataError
from negprep.inspecting.contents import read_events, read_values
from negprep.inspecting.degrees import Degrees
from negprep.inspecting.record import FloatIds, LogFacts, Most, Times
from negprep.loading import Loaded, Progress, load
from negprep.memory import MemoryPlan
from negprep.options import Options
from negprep.pairs import Pairs
from negprep.reading import LogReader
from negprep.vocabulary import Vocabulary

_FLOAT_FORM = r"^-?[0-9]+\.0+$"

Found = TypeVar("Found")


def read_facts(log: LogReader, options: Options, progress: Progress) -> LogFacts:
    """Read a log, within the memory of the options; of these, nothing else matters.

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
        for portion in loaded.portions(plan.range_rows):
            pairs = portion.interactions.positives
            of_users[portion.first_user : portion.first_user + pairs.n_users] = pairs.counts
            of_items += np.bincount(pairs.items, minlength=n_items)
            tied += _tied_users(pairs)
            progress("group", int(of_users.sum()), None)
        users, items = loaded.users, loaded.items.catalog
    rows, n_pairs = int(rows_of_users.sum()), int(of_users.sum())
    return LogFacts(
        columns=dict(log.columns),
        rows_read=log.rows_read,
        rows_dropped=dict(log.rows_dropped),
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
