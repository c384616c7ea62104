"""From the files that a user names to the arrays of a run, all at once or, where memory is short, range by range."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import as_numpy
from negprep.beside import CatalogFile, read_catalog, read_pairs
from negprep.encoding import DistinctIds, Encoder, RawIds, raw_ids
from negprep.errors import BadDataError
from negprep.interactions import Interactions, join_catalog
from negprep.options import Options
from negprep.pairs import Pairs, group_pairs, merge_pairs, subtract_pairs
from negprep.partition import UserRange, partition
from negprep.positives import PositiveRule
from negprep.reading import LogReader
from negprep.reading.ids import doubts, standing_for_none
from negprep.rows import Rows, RowStore, drained
from negprep.spill import SpillFile
from negprep.threads import on_threads
from negprep.vocabulary import Vocabulary

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, eq=False)
class Portion:
    """A range of users: all of them, or as many as fit in memory.

    Attributes
    ----------
    first_user : int
        The code of the first one.
    interactions : Interactions
    excluded : Pairs
        Their pairs of ``--exclude``.
    """

    first_user: int
    interactions: Interactions
    excluded: Pairs


class Loaded:
    """A log that was read, and what else the run was given about it. To be closed.

    Attributes
    ----------
    roles : list of str
        The columns that were read.
    users : Vocabulary
    items : Items
    n_items : int
        Distinct items of the log, in the catalog or not.
    excluded : Pairs
        The pairs of ``--exclude`` whose user and item are known.
    catalog : CatalogFile or None
    n_weak_listed : int
        Pairs of ``--weak`` whose user and item are known.
    excluded_unknown, weak_unknown : int
        Rows of ``--exclude`` and ``--weak`` that name a user or an item which occurs nowhere else.
    """

    def __init__(
        self, rows: RowStore, roles: list[str], users: Vocabulary, found_items: Vocabulary, options: Options
    ) -> None:
        self.roles = roles
        catalog = self.catalog = _read_catalog(options)
        self.items, self._recode = join_catalog(found_items, None if catalog is None else catalog.items)
        self.users, self.n_items = users, len(found_items)
        self.excluded, self.excluded_unknown = read_pairs(options.exclude, options.read, users, self.items)
        self._weak, self.weak_unknown = read_pairs(options.weak, options.read, users, self.items)
        self.n_weak_listed = len(self._weak)
        self._spill: SpillFile | None = None
        self._rows, self._latest, self._jobs = rows, options.keep_time == "last", options.jobs
        self._user_encoder, self._item_encoder = Encoder(users), Encoder(found_items)
        self._item_ids = found_items.ids

    @property
    def is_spilled(self) -> bool:
        """Whether the log outgrew memory."""
        return self._rows.is_spilled

    @property
    def row_bytes(self) -> int:
        """What the rows take, in memory or on disk."""
        return self._rows.n_bytes

    def rows(self) -> Iterator[Rows]:
        """The rows of the log, coded, batch by batch. To be asked for before ``portions``."""
        return map(self._encode, self._rows)

    def doubtful_ids(self) -> list[str]:
        """Warnings of ids that are spelled as ids seldom are. To be asked for before ``portions``."""
        vocabularies = {"user": self.users.ids, "item": self._item_ids}
        found = [warning for noun, ids in vocabularies.items() for warning in doubts(ids, noun)]
        for noun, ids in vocabularies.items():
            for place in standing_for_none(ids):
                code = place if noun == "user" or self._recode is None else self._recode[place]
                n_rows = sum(np.count_nonzero(_codes_of(rows, noun) == code) for rows in self.rows())
                found.append(
                    f"the {noun} id '{ids[place]}' has {n_rows:,} of {len(self._rows):,} rows: if it stands for no "
                    "id, leave the field empty in the log, and --drop-invalid drops these rows"
                )
        return found

    def first_times(self) -> npt.NDArray[np.int64]:
        """When each item of the catalog was first there: int64, shape (n_catalog,), nanoseconds since 1970.

        The earliest interaction of anybody, or what the catalog's file says, if that is earlier; the end of time for
        an item that has neither. To be asked before ``portions``.
        """
        firsts = np.full(len(self.items), np.iinfo(np.int64).max)
        for rows in self.rows():
            if rows.times is not None:
                np.minimum.at(firsts, rows.items, rows.times)
        firsts = firsts[: self.items.n_catalog]
        if self.catalog is not None and self.catalog.available is not None:
            firsts = np.minimum(firsts, self.catalog.available)
        return firsts

    def portions(self, range_rows: int, *, again: bool = False) -> Iterable[Portion]:
        """The users in the order of their codes, about ``range_rows`` rows a time. Uses the rows up; asked for once.

        With ``again``, what is returned may be gone through more than once: grouped rows stay in memory, or, where the
        log outgrew it, are grouped anew each time.
        """
        n_users = len(self.users)
        if not self.is_spilled:
            encode = partial(self._encode, in_place=True)
            coded = [
                rows for _, rows in on_threads(encode, self._rows.drain(), threads=self._jobs, ahead=self._jobs + 1)
            ]
            ranges = partition(
                coded, drained(coded), _as_it_is, _as_it_is, n_users, range_rows=range_rows, jobs=self._jobs
            )
            portions = (self._portion(users, drained(users.pieces)) for users in ranges)
            return list(portions) if again else portions
        spill = self._spill = SpillFile(self._rows.folder)
        spilled = partition(
            self._rows,
            self._rows,
            self._encode,
            lambda rows: spill.write(rows.to_arrow()),
            n_users,
            range_rows=range_rows,
            jobs=self._jobs,
        )
        self._rows.close()
        return _Grouped(
            lambda users: self._portion(users, map(Rows.from_arrow, map(spill.read, users.pieces))), spilled
        )

    def close(self) -> None:
        """Give back what the rows took."""
        self._rows.close()
        if self._spill is not None:
            self._spill.close()

    def _encode(self, rows: Rows, *, in_place: bool = False) -> Rows:
        users, items = (
            encoder(ids, in_place=in_place)
            for encoder, ids in ((self._user_encoder, rows.users), (self._item_encoder, rows.items))
        )
        return replace(rows, users=users, items=items if self._recode is None else self._recode[items])

    def _portion(self, of: UserRange[Any], coded: Iterable[Rows]) -> Portion:
        """Group the rows of a range."""
        users, items = np.empty(of.n_rows, np.int32), np.empty(of.n_rows, np.int32)
        times = np.empty(of.n_rows, np.int64) if self._rows.has_times else None
        positive = np.empty(of.n_rows, bool) if self._rows.has_positive else None
        end = 0
        for rows in coded:
            here = slice(end, end := end + len(rows))
            users[here] = rows.users
            items[here] = rows.items
            if times is not None and rows.times is not None:
                times[here] = rows.times
            if positive is not None and rows.positive is not None:
                positive[here] = rows.positive
        users -= np.int32(of.first)
        sizes = (of.last - of.first, len(self.items))
        weak = self._weak.of_users(of.first, of.last)
        if positive is None:
            positives = group_pairs(users, items, *sizes, times=times, latest=self._latest)
        else:
            timed = None if times is None else times[positive]
            positives = group_pairs(users[positive], items[positive], *sizes, times=timed, latest=self._latest)
            weak = merge_pairs([weak, group_pairs(users[~positive], items[~positive], *sizes)], len(self.items))
        weak = subtract_pairs(weak, positives, len(self.items))
        of_these = Vocabulary(self.users.ids.slice(of.first, sizes[0]))
        return Portion(
            of.first,
            Interactions(of_these, self.items, positives, weak),
            self.excluded.of_users(of.first, of.last),
        )


@dataclass(frozen=True)
class _Grouped:
    """Portions that are made each time they are gone through."""

    group: Callable[[UserRange[Any]], Portion]
    ranges: list[UserRange[Any]]

    def __iter__(self) -> Iterator[Portion]:
        return map(self.group, self.ranges)


def _codes_of(rows: Rows, noun: str) -> npt.NDArray[Any]:
    return np.asarray(rows.users if noun == "user" else rows.items)


def _as_it_is(rows: Rows) -> Rows:
    return rows


def _read_catalog(options: Options) -> CatalogFile | None:
    if options.items is None:
        return None
    return read_catalog(options.items, options.read, same=options.same, with_available=options.available_at_time)


def load(
    log: LogReader,
    options: Options,
    *,
    with_times: bool,
    kept_bytes: int,
    spill_folder: str | None,
    progress: Progress,
) -> Loaded:
    """Read a log.

    Parameters
    ----------
    log : LogReader
    options : Options
    with_times : bool
        Whether the times are needed.
    kept_bytes : int
        Of rows in memory; more are spilled.
    spill_folder : str or None
        Where to. None: where the system keeps temporary files.
    progress : callable

    Raises
    ------
    BadDataError
        What is wrong with the log, where, and what to do.
    UsageError
        Options that do not fit the log.
    """
    rule = PositiveRule.parse(options.positive) if options.positive is not None else None
    rows = RowStore(kept_bytes, spill_folder, has_times=with_times, has_positive=rule is not None)
    try:
        roles = ["user", "item", *(["time"] if with_times else []), *([rule.role] if rule else [])]
        users, items = _read_rows(log, roles, rule, rows, progress)
        loaded = Loaded(rows, roles, users, items, options)
        log.warn(loaded.doubtful_ids())
        return loaded
    except BaseException:
        rows.close()
        raise


def _read_rows(
    log: LogReader, roles: list[str], rule: PositiveRule | None, rows: RowStore, progress: Progress
) -> tuple[Vocabulary, Vocabulary]:
    """Fill the store; the vocabularies of users and of items."""
    users, items = DistinctIds(), DistinctIds()
    n_positive = 0
    for batch, ids in log.converted(roles, _raw_ids):
        times = as_numpy(batch.column("time")) if rows.has_times else None
        some = Rows(*ids, times, rule(batch) if rule else None)
        users.add(some.users)
        items.add(some.items)
        rows.append(some)
        n_positive += 0 if some.positive is None else int(some.positive.sum())
        progress("read", log.rows_read, None)
    progress("encode", 0, log.rows_read)
    if not len(rows):
        raise BadDataError("no rows are left after those dropped as invalid", remedy="look at the log")
    if rule is not None:
        rule.check(n_positive)
    vocabularies = users.finish(), items.finish()
    progress("encode", log.rows_read, log.rows_read)
    return vocabularies


def _raw_ids(batch: pa.RecordBatch) -> tuple[RawIds, RawIds]:
    """Of users and of items."""
    return raw_ids(batch.column("user")), raw_ids(batch.column("item"))
