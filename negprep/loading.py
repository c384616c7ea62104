"""From the files that a user names to the arrays of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from negprep.arrow import as_numpy
from negprep.errors import BadDataError, UsageError
from negprep.interactions import (
    Interactions,
    Mask,
    Pairs,
    group_pairs,
    group_timed_pairs,
    join_catalog,
    subtract_pairs,
)
from negprep.options import LogSource, Options, ReadOptions
from negprep.positives import PositiveRule
from negprep.reading import LogReader, open_log
from negprep.vocabulary import Vocabulary, VocabularyBuilder

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, eq=False)
class Loaded:
    """A log in memory, and what else the run was given about it.

    Attributes
    ----------
    interactions : Interactions
    n_items : int
        Distinct items of the log, in the catalog or not.
    excluded : Pairs
        The pairs of ``--exclude`` whose user and item are known.
    excluded_unknown : int
        Pairs of ``--exclude`` that name a user or an item which occurs nowhere else.
    """

    interactions: Interactions
    n_items: int
    excluded: Pairs
    excluded_unknown: int


def load(log: LogReader, options: Options, *, with_times: bool, progress: Progress) -> Loaded:
    """Read a log, encode it, and group it by user.

    Raises
    ------
    BadDataError
        What is wrong with the log, where, and what to do.
    UsageError
        Options that do not fit the log.
    """
    rule = PositiveRule.parse(options.positive) if options.positive is not None else None
    roles = ["user", "item", *(["time"] if with_times else []), *([rule.role] if rule else [])]
    users, items = VocabularyBuilder(), VocabularyBuilder()
    times, positive = [], []
    for batch in log.batches(roles):
        users.add(batch.column("user"))
        items.add(batch.column("item"))
        if with_times:
            times.append(as_numpy(batch.column("time")).copy())
        if rule:
            positive.append(rule(batch))
        progress("read", log.rows_read, None)
    progress("encode", 0, log.rows_read)
    user_vocabulary, user_codes = users.finish()
    found_items, item_codes = items.finish()
    if not len(user_codes):
        raise BadDataError("no rows are left after those dropped as invalid", remedy="look at the log")
    catalog = read_catalog(options.items, options.read) if options.items is not None else None
    all_items, recode = join_catalog(found_items, catalog)
    if recode is not None:
        item_codes = recode[item_codes]

    def grouped(rows: Mask | slice) -> Pairs:
        sizes = (len(user_vocabulary), len(all_items))
        if not with_times:
            return group_pairs(user_codes[rows], item_codes[rows], *sizes)
        latest = options.keep_time == "last"
        return group_timed_pairs(user_codes[rows], item_codes[rows], all_times[rows], *sizes, latest=latest)

    all_times = np.concatenate(times) if with_times else np.empty(0, np.int64)
    times.clear()
    if rule is None:
        positives = grouped(slice(None))
        weak = Pairs(np.zeros(len(user_vocabulary) + 1, np.int64), np.empty(0, np.int32))
    else:
        is_positive = np.concatenate(positive)
        rule.check(int(is_positive.sum()))
        positives = grouped(is_positive)
        weak = subtract_pairs(grouped(~is_positive).without_times(), positives, len(all_items))
    progress("encode", log.rows_read, log.rows_read)
    interactions = Interactions(user_vocabulary, all_items, positives, weak)
    return Loaded(interactions, len(found_items), *_read_excluded(options, interactions))


def read_catalog(source: LogSource, read: ReadOptions) -> Vocabulary:
    """The distinct items of a catalog file."""
    items = VocabularyBuilder()
    with _open_beside(source, read, ("item",)) as file:
        for batch in file.batches(["item"]):
            items.add(batch.column("item"))
    return items.finish()[0]


def _read_excluded(options: Options, interactions: Interactions) -> tuple[Pairs, int]:
    users, items = interactions.users, interactions.items
    all_items = Vocabulary(items.ids)
    user_codes, item_codes = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    if options.exclude is not None:
        with _open_beside(options.exclude, options.read, ("user", "item")) as file:
            for batch in file.batches(["user", "item"]):
                user_codes.append(users.find(batch.column("user")))
                item_codes.append(all_items.find(batch.column("item")))
    found_users, found_items = np.concatenate(user_codes), np.concatenate(item_codes)
    known = (found_users >= 0) & (found_items >= 0)
    return group_pairs(found_users[known], found_items[known], len(users), len(items)), int((~known).sum())


def _open_beside(source: LogSource, read: ReadOptions, required: tuple[str, ...]) -> LogReader:
    """Open what stands beside the log: its columns are named like the log's, or recognised."""
    named = {f"{role}_col": getattr(read, f"{role}_col") for role in required}
    if any(named.values()):
        try:
            return open_log(source, ReadOptions(**named), required=required)
        except UsageError:
            pass  # it has other names than the log; if none is recognised either, the next line says so
    return open_log(source, ReadOptions(), required=required)
