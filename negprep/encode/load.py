"""From a log to coded rows, held in memory or spilled, and to the interactions of one section after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Codes, Positions
from negprep.arrow import as_numpy, from_numpy
from negprep.encode.memory import range_starts
from negprep.encode.pairs import (
    Held,
    Interactions,
    Items,
    Pairs,
    Shown,
    group_pairs,
    join_catalog,
    merge_pairs,
    no_pairs,
    subtract_pairs,
    with_held,
)
from negprep.encode.positives import Positives
from negprep.encode.side_files import CatalogFile, HeldFiles, HeldFit, Listed, is_many, read_catalog, read_pairs
from negprep.encode.spill import Extent, SpillFile
from negprep.encode.vocabulary import (
    DistinctIds,
    DistinctValues,
    Encoder,
    RawIds,
    RawValues,
    Values,
    Vocabulary,
    raw_values,
)
from negprep.errors import BadDataError
from negprep.options.options import Options
from negprep.options.specs import IMPRESSION, SESSION, quoted_for_shell
from negprep.read.columns import CARRIED
from negprep.read.convert import doubts, may_stand_for_none, standing_for_none
from negprep.read.log import LogReader
from negprep.threads import on_threads


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a log.

    ``users``, ``items``: `RawIds`; of coded rows int32, shape (n,).
    ``times``: int64, shape (n,), or None.
    ``positive``: bool, shape (n,), or None. None: all are.
    ``carried``: By column that is carried along, `RawValues`; of coded rows int32, shape (n,).
    """

    users: Any
    items: Any
    times: npt.NDArray[np.int64] | None
    positive: npt.NDArray[np.bool_] | None
    carried: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def room_for(cls, n_rows: int, *, times: bool, positive: bool, carried: Iterable[str] = ()) -> Rows:
        """Room for so many coded rows."""
        return cls(
            np.empty(n_rows, np.int32),
            np.empty(n_rows, np.int32),
            np.empty(n_rows, np.int64) if times else None,
            np.empty(n_rows, bool) if positive else None,
            {name: np.empty(n_rows, np.int32) for name in carried},
        )

    def __len__(self) -> int:
        return len(self.users[1] if isinstance(self.users, tuple) else self.users)

    def take(self, which: slice | npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Rows:
        """Some of the rows, which are coded, in that order; of a slice, views."""
        times = None if self.times is None else self.times[which]
        positive = None if self.positive is None else self.positive[which]
        carried = {name: codes[which] for name, codes in self.carried.items()}
        return Rows(self.users[which], self.items[which], times, positive, carried)

    def put(self, begin: int, rows: Rows) -> int:
        """Copy coded rows to where they begin; where they end."""
        here = slice(begin, end := begin + len(rows))
        self.users[here] = rows.users
        self.items[here] = rows.items
        if self.times is not None and rows.times is not None:
            self.times[here] = rows.times
        if self.positive is not None and rows.positive is not None:
            self.positive[here] = rows.positive
        for name, codes in self.carried.items():
            codes[here] = rows.carried[name]
        return end

    def to_arrow(self) -> pa.RecordBatch:
        """As a batch."""
        columns = {"users": _ids_to_arrow(self.users), "items": _ids_to_arrow(self.items)}
        if self.times is not None:
            columns["times"] = from_numpy(self.times)
        if self.positive is not None:
            columns["positive"] = from_numpy(self.positive.view(np.uint8))
        columns |= {CARRIED + name: _ids_to_arrow(values) for name, values in self.carried.items()}
        return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    @classmethod
    def from_arrow(cls, batch: pa.RecordBatch) -> Rows:
        """What ``to_arrow`` made."""
        has = set(batch.schema.names)
        return cls(
            _ids_from_arrow(batch.column("users")),
            _ids_from_arrow(batch.column("items")),
            as_numpy(batch.column("times")) if "times" in has else None,
            as_numpy(batch.column("positive")).view(np.bool_) if "positive" in has else None,
            {
                name.removeprefix(CARRIED): _ids_from_arrow(batch.column(name))
                for name in batch.schema.names
                if name.startswith(CARRIED)
            },
        )


class RowStore:
    """Keeps the rows of a log, in their order; spilled ones can be gone through again.

    ``limit``: Bytes kept in memory; beyond, all rows are in a spill file.
    ``folder``: Where that file is.
    ``has_times``, ``has_positive``: Which columns the rows have.
    ``n_bytes``: Of all rows, wherever they are.
    ``texts``: Of users and of items that are places: the strings at them.
    """

    def __init__(self, limit: int, folder: str | None, *, has_times: bool, has_positive: bool) -> None:
        self.has_times, self.has_positive = has_times, has_positive
        self._limit, self.folder = limit, folder
        self.texts: tuple[pa.StringArray | None, pa.StringArray | None] = (None, None)
        self.n_bytes = self._count = 0
        self._kept: list[Rows] = []
        self._spill: SpillFile | None = None
        self._extents: list[Extent] = []

    def __len__(self) -> int:
        return self._count

    @property
    def is_spilled(self) -> bool:
        """Whether the rows are in a file."""
        return self._spill is not None

    def append(self, rows: Rows) -> None:
        """Add rows."""
        self._kept.append(rows)
        self._count += len(rows)
        self.n_bytes += sum(map(_size, (rows.users, rows.items, rows.times, rows.positive, *rows.carried.values())))
        if self._spill is None and self.n_bytes > self._limit:
            self._spill = SpillFile(self.folder)
        if self._spill is not None:
            self._extents.extend(self._spill.write(kept.to_arrow()) for kept in self._kept)
            self._kept.clear()

    def __iter__(self) -> Iterator[Rows]:
        yield from self._kept
        if self._spill is not None:
            for extent in self._extents:
                yield Rows.from_arrow(self._spill.read(extent))

    def drain(self) -> Iterator[Rows]:
        """The rows, each batch forgotten as it is given."""
        kept, self._kept = self._kept, []
        return drained(kept)

    def close(self) -> None:
        """Forget the rows."""
        self._kept.clear()
        if self._spill is not None:
            self._spill.close()


def drained(pieces: list[Rows]) -> Iterator[Rows]:
    """The pieces, each forgotten as it is given."""
    pieces.reverse()
    while pieces:
        yield pieces.pop()


def _size(values: RawIds | npt.NDArray[np.generic] | None) -> int:
    if values is None:
        return 0
    return values[0].nbytes + values[1].nbytes if isinstance(values, tuple) else values.nbytes


def _ids_to_arrow(ids: RawIds) -> pa.Array:
    if isinstance(ids, tuple):
        return pa.DictionaryArray.from_arrays(from_numpy(ids[1]), ids[0])
    return from_numpy(ids)


def _ids_from_arrow(column: pa.Array) -> RawIds:
    if pa.types.is_dictionary(column.type):
        return column.dictionary, as_numpy(column.indices)
    values: npt.NDArray[np.int64] = as_numpy(column)
    return values


Kept = TypeVar("Kept")


@dataclass(frozen=True)
class UserRange(Generic[Kept]):
    """The users from code ``first`` up to ``last``, how many rows they have, and what was kept of those."""

    first: int
    last: int
    n_rows: int
    pieces: list[Kept]


def partition(
    rows: Iterable[Rows],
    again: Iterable[Rows],
    encode: Callable[[Rows], Rows],
    keep: Callable[[Rows], Kept],
    n_users: int,
    *,
    range_rows: int,
    jobs: int,
) -> list[UserRange[Kept]]:
    """Hand encoded rows on range by range.

    ``rows``, ``again``: The same, the first for counting and the second for handing on.
    ``encode``: From rows of ids to rows of codes. Runs on threads.
    ``keep``: Takes rows of one range, views of others; what it returns is put in ``pieces``.
    ``range_rows``: A range ends with the user that brings it to so many rows.
    Returns list of UserRange: In the order of user codes, covering all of them.
    """
    counts = np.zeros(n_users, np.int64)
    for _, (users, times) in on_threads(lambda some: _tallied(encode(some)), rows, threads=jobs):
        np.add.at(counts, users, times)  # np.bincount would go through all users for every batch
    firsts = range_starts(counts, range_rows)
    range_of = np.repeat(np.arange(len(firsts), dtype=np.int16), np.diff(firsts, append=n_users))
    pieces: list[list[Kept]] = [[] for _ in firsts]
    for _, split in on_threads(lambda some: _split(encode(some), range_of), again, threads=jobs):
        for place, piece in split:
            pieces[place].append(keep(piece))
    lasts = [*firsts[1:].tolist(), n_users]
    n_rows = np.add.reduceat(counts, firsts).tolist()
    return [UserRange(*members) for members in zip(firsts.tolist(), lasts, n_rows, pieces, strict=True)]


def _tallied(coded: Rows) -> tuple[Codes, Positions | int]:
    """Users, and how many rows each of them adds: by runs, where rows of a user come together."""
    users = np.asarray(coded.users, np.int32)
    starts = np.flatnonzero(users[1:] != users[:-1]) + 1
    if 2 * len(starts) >= len(users):
        return users, 1
    starts = np.append(0, starts)
    return users[starts], np.diff(starts, append=len(users))


def _split(coded: Rows, range_of: npt.NDArray[np.int16]) -> list[tuple[int, Rows]]:
    """The ranges that rows are in, and the rows of each."""
    ranges = range_of[coded.users]
    if (ranges[1:] < ranges[:-1]).any():
        order = np.argsort(ranges, kind="stable")  # of 16-bit integers: a radix sort
        coded, ranges = coded.take(order), ranges[order]
    bounds = np.flatnonzero(ranges[1:] != ranges[:-1]) + 1
    within = pairwise([0, *bounds.tolist(), len(ranges)]) if len(ranges) else ()
    return [(int(ranges[begin]), coded.take(slice(begin, end))) for begin, end in within]


Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, eq=False)
class LoadedSection:
    """A range of users: all of them, or as many as fit in memory.

    ``first_user``: The code of the first one.
    ``excluded``: Their pairs of ``--exclude``.
    """

    first_user: int
    interactions: Interactions
    excluded: Pairs


@dataclass(frozen=True, eq=False)
class Core:
    """The part of a log that a run is about: its users and items, and the sections of these alone, in their codes.

    ``removed_users``, ``removed_items`` and ``removed_positives`` are what else the log has; ``values`` are those of
    each column that is carried along.
    """

    users: Vocabulary
    items: Items
    sections: Iterable[LoadedSection]
    removed_users: int = 0
    removed_items: int = 0
    removed_positives: int = 0
    values: Mapping[str, Values] = field(default_factory=dict)


class Loaded:
    """A log that was read, and what else the run was given about it. To be closed.

    ``columns``: The columns that were read, by role.
    ``n_items``: Distinct items of the log, in the catalog or not.
    ``excluded``: The pairs of ``--exclude`` whose user and item are known.
    ``exclude``, ``weak``: What became of the rows of ``--exclude`` and ``--weak``.
    ``values``: Of each column that is carried along, by its name: what its codes in ``positives.carried`` stand for.
    ``held``, ``held_fit``: The pairs of ``--holdout file``, and how its files fit the log.
    ``warnings``: What is suspicious about the labels of the log, and the files beside it.
    """

    def __init__(
        self,
        rows: RowStore,
        columns: dict[str, str],
        users: Vocabulary,
        found_items: Vocabulary,
        options: Options,
        positives: Positives | None,
        warnings: list[str],
        values: Mapping[str, Values],
        held_files: HeldFiles | None = None,
    ) -> None:
        self.columns, self.values = columns, values
        catalog = self.catalog = _read_catalog(options)
        self.items, self._recode = join_catalog(found_items, None if catalog is None else catalog.items)
        self.users, self.n_items = users, len(found_items)
        takes_all = options.positive is not None and positives is None
        self.exclude, self.weak = (
            Listed(no_pairs(len(users)))
            if source is None
            else read_pairs(
                source, options.read, users, self.items, option=option, positives=positives, takes_all=takes_all
            )
            for option, source in (("--exclude", options.exclude), ("--weak", options.weak))
        )
        self.excluded, self._weak = self.exclude.pairs, self.weak.pairs
        self.held, self.held_fit = None, HeldFit()
        if held_files is not None:
            self.held, weak, self.held_fit = held_files.coded(self._recode, len(self.items))
            self._weak = merge_pairs([self._weak, weak], len(self.items))
        self.warnings = warnings
        for option, listed in (("--exclude", self.exclude), ("--weak", self.weak)):
            self.warnings += misfits(option, listed) if listed.rows or listed.left_out else []
        self.warnings += self.held_fit.warnings
        self._spill: SpillFile | None = None
        self._rows, self._latest, self._jobs = rows, options.keep_time == "last", options.jobs
        self._most_gathered = 0
        self._user_encoder, self._item_encoder = Encoder(users, rows.texts[0]), Encoder(found_items, rows.texts[1])
        self._item_ids = found_items.ids

    @property
    def is_spilled(self) -> bool:
        """Whether the log outgrew memory."""
        return self._rows.is_spilled

    def rows(self) -> Iterator[Rows]:
        """The rows of the log, coded, batch by batch. To be asked for before ``sections``."""
        return map(self._encode, self._rows)

    def doubtful_ids(self) -> list[str]:
        """Warnings of ids that are spelled as ids seldom are. To be asked for before ``sections``."""
        vocabularies = {"user": self.users.ids, "item": self._item_ids}
        found = [warning for noun, ids in vocabularies.items() for warning in doubts(ids, noun)]
        for noun, ids in vocabularies.items():
            for place in standing_for_none(ids):
                code = place if noun == "user" or self._recode is None else self._recode[place]
                n_rows = int(sum(np.count_nonzero(_codes_of(rows, noun) == code) for rows in self.rows()))
                found.append(may_stand_for_none(noun, ids[place], n_rows, len(self._rows)))
        return found

    def first_times(self) -> npt.NDArray[np.int64]:
        """When each item of the catalog was first there: int64, shape (n_catalog,), nanoseconds since 1970.

        The earliest interaction of anybody, or the time in the catalog's file, if that is earlier; the end of time for
        an item that has neither. To be asked before ``sections``.
        """
        firsts = np.full(len(self.items), np.iinfo(np.int64).max)
        for rows in self.rows():
            if rows.times is not None:
                np.minimum.at(firsts, rows.items, rows.times)
        for pairs in () if self.held is None else (self.held.test, self.held.valid):
            if pairs.times is not None:
                np.minimum.at(firsts, pairs.items, pairs.times)
        firsts = firsts[: self.items.n_catalog]
        if self.catalog is not None and self.catalog.available is not None:
            firsts = np.minimum(firsts, self.catalog.available)
        return firsts

    def sections(self, range_rows: int, *, again: bool = False) -> Iterable[LoadedSection]:
        """The users in the order of their codes, about ``range_rows`` rows a time. Uses the rows up; asked for once.

        With ``again``, what is returned may be gone through more than once: grouped rows stay in memory, or, where the
        log outgrew it, are grouped anew each time.
        """
        n_users = len(self.users)
        self._most_gathered = 2 * range_rows
        if not self.is_spilled:
            encode = partial(self._encode, in_place=True)
            coded = [rows for _, rows in on_threads(encode, self._rows.drain(), threads=self._jobs)]
            ranges = partition(
                coded, drained(coded), _as_it_is, _as_it_is, n_users, range_rows=range_rows, jobs=self._jobs
            )
            sections = (self._section(users, drained(users.pieces)) for users in ranges)
            return list(sections) if again else sections
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
            lambda users: self._section(users, map(Rows.from_arrow, map(spill.read, users.pieces))), spilled
        )

    def whole(self, range_rows: int, *, again: bool = False) -> Core:
        """All users and items; ``range_rows`` and ``again`` as for `sections`."""
        return Core(self.users, self.items, self.sections(range_rows, again=again), values=self.values)

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
        items = items if self._recode is None else self._recode[items]
        carried = {name: values.codes(rows.carried[name]) for name, values in self.values.items()}
        return replace(rows, users=users, items=items, carried=carried)

    def _section(self, of: UserRange[Any], coded: Iterable[Rows]) -> LoadedSection:
        n_users = of.last - of.first
        rows = gather(
            coded,
            Rows.room_for(
                min(of.n_rows, self._most_gathered),
                times=self._rows.has_times,
                positive=self._rows.has_positive,
                carried=self.values,
            ),
            (n_users, len(self.items)),
            first_user=of.first,
            latest=self._latest,
        )
        return group(
            rows,
            self.users.some(self.users.ids.slice(of.first, n_users)),
            self.items,
            self._weak.of_users(of.first, of.last),
            self.excluded.of_users(of.first, of.last),
            first_user=of.first,
            latest=self._latest,
            none=self.values[IMPRESSION].null_code if IMPRESSION in self.values else None,
            held=None if self.held is None else self.held.of_users(of.first, of.last),
        )


def group(
    rows: Rows,
    users: Vocabulary,
    items: Items,
    listed: Pairs,
    excluded: Pairs,
    *,
    first_user: int = 0,
    latest: bool = True,
    none: int | None = None,
    held: Held | None = None,
) -> LoadedSection:
    """Group the rows of a range of users, whose codes count from 0.

    ``listed``, ``excluded``, ``held``: Their pairs of ``--weak``, of ``--exclude`` and of ``--holdout file``.
    ``latest``: Whether a pair that occurs more than once has the latest of its times; else the earliest.
    ``none``: The code of no impression.
    """
    sizes = len(users), len(items)
    positives, weak = _pairs_of(rows, sizes, latest=latest)
    if held is not None:
        positives, held = with_held(positives, held, len(items))
    weak = subtract_pairs(merge_pairs([listed, weak], len(items)), positives, len(items))
    shown = None
    if IMPRESSION in rows.carried:
        shown = _shown_of(rows, sizes, none).without(positives, len(items))
    return LoadedSection(first_user, Interactions(users, items, positives, weak, shown, held=held), excluded)


def gather(
    pieces: Iterable[Rows],
    room: Rows,
    sizes: tuple[int, int],
    *,
    first_user: int = 0,
    latest: bool = True,
) -> Rows:
    """The rows of a range of users in one piece, with codes of users that count from 0.

    A user with many more rows than a range should have makes it as large. Whenever the rows fill what room there is,
    those that repeat a pair are left out, so that memory grows with the pairs and not with the rows; of weak rows in
    impressions, those that repeat a pair of the same one.

    ``room``: For the rows; more is made where needed.
    ``sizes``: How many users and items there are.
    """
    end = 0
    for rows in pieces:
        if end + len(rows) > len(room):
            kept = _distinct(room.take(slice(end)), sizes, latest=latest)
            if 2 * (len(kept) + len(rows)) > len(room):
                columns = {"times": room.times is not None, "positive": room.positive is not None}
                room = Rows.room_for(2 * (len(kept) + len(rows)), **columns, carried=room.carried)
            end = room.put(0, kept)
        begin, end = end, room.put(end, rows)
        room.users[begin:end] -= np.int32(first_user)
    return room.take(slice(end))


def _pairs_of(rows: Rows, sizes: tuple[int, int], *, latest: bool) -> tuple[Pairs, Pairs]:
    """The distinct positives, and the other pairs, without times."""
    if rows.positive is None:
        return _positives_of(rows, sizes, latest=latest), no_pairs(sizes[0])
    others = ~rows.positive
    positives = _positives_of(rows.take(rows.positive), sizes, latest=latest)
    return positives, group_pairs(rows.users[others], rows.items[others], *sizes)


def _positives_of(rows: Rows, sizes: tuple[int, int], *, latest: bool) -> Pairs:
    return group_pairs(rows.users, rows.items, *sizes, times=rows.times, latest=latest, carried=rows.carried)


def _shown_of(rows: Rows, sizes: tuple[int, int], none: int | None = None) -> Shown:
    """The weak rows by impression, without those that have ``none``."""
    groups = rows.carried[IMPRESSION]
    kept = np.zeros(len(rows), bool) if rows.positive is None else ~rows.positive
    if none is not None:
        kept &= groups != none
    return Shown.of(rows.users[kept], groups[kept], rows.items[kept], *sizes)


def _distinct(rows: Rows, sizes: tuple[int, int], *, latest: bool) -> Rows:
    """The rows, those of a pair made one; weak ones within an impression, if there are any."""
    positives, others = _pairs_of(rows, sizes, latest=latest)
    users, items, groups = others.users(), others.items, np.zeros(len(others), np.int32)
    if IMPRESSION in rows.carried:
        shown = _shown_of(rows, sizes)
        impressions = shown.pairs.users()
        users, items, groups = shown.users()[impressions], shown.pairs.items, shown.groups[impressions]
    none = np.zeros(len(items), np.int32)
    return Rows(
        np.append(positives.users(), users),
        np.append(positives.items, items),
        None if positives.times is None else np.append(positives.times, none.astype(np.int64)),
        None if rows.positive is None else np.arange(len(positives) + len(items)) < len(positives),
        {name: np.append(codes, groups if name == IMPRESSION else none) for name, codes in positives.carried.items()},
    )


@dataclass(frozen=True)
class _Grouped:
    """Sections that are made each time they are gone through."""

    group: Callable[[UserRange[Any]], LoadedSection]
    ranges: list[UserRange[Any]]

    def __iter__(self) -> Iterator[LoadedSection]:
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

    ``with_times``: Whether the times are needed.
    ``kept_bytes``: Of rows in memory; more are spilled.
    ``spill_folder``: Where to. None: where the system keeps temporary files.
    Raises BadDataError: What is wrong with the log, where, and what to do.
    Raises UsageError: Options that do not fit the log.
    """
    rule = options.positive_rule
    positives = None if rule is None else Positives.of(rule, log)
    rows = RowStore(kept_bytes, spill_folder, has_times=with_times, has_positive=positives is not None)
    try:
        roles = ["user", "item", *(["time"] if with_times else [])]
        watched = watched_columns(log, options, positives)
        carried = carried_columns(log, options)
        users, items, values = _read_rows(log, roles, positives, watched, carried, rows, progress)
        warnings = check_labels(log, options)
        columns = {role: log.columns[role] for role in roles}
        columns |= positives.columns if positives is not None else {}
        shown = {IMPRESSION: "impression", SESSION: "session"}
        columns |= {shown.get(name, name): column for name, column in carried.items() if name not in columns}
        if SESSION in values and values[SESSION].null_code is not None:
            what = f"the column {options.session_col!r} of --session-col lacks a value in some rows"
            raise BadDataError(what, place=log.place, remedy="give each row a session, or leave --session-col out")
        files = None
        if options.rule.kind == "file":
            files = HeldFiles(options, positives, with_times=with_times)
            users, items = files.join(users, items)
        loaded = Loaded(rows, columns, users, items, options, positives, warnings, values, files)
        log.warn(loaded.doubtful_ids())
        return loaded
    except BaseException:
        rows.close()
        raise


def carried_columns(log: LogReader, options: Options) -> dict[str, str]:
    """The columns that are carried along, by the name of each among what is carried: its own, or ``time``.

    They ascend by name: in this order they decide which of several rows of one time is that of a pair. Impressions and
    sessions are first, so that nothing that is written beside the rows changes them.
    Raises UsageError: The log has no such column.
    """
    named = {IMPRESSION: (options.group_col, "--group-col"), SESSION: (options.session_col, "--session-col")}
    carried = {}
    for name, (column, option) in {**named, **{name: (name, each) for name, each in options.carried.items()}}.items():
        if column is not None:
            log.require(column, option)
            carried[name] = column
    if options.with_time:
        carried["time"] = log.columns["time"]
    return dict(sorted(carried.items()))


def watched_columns(log: LogReader, options: Options, positives: Positives | None) -> tuple[str, ...]:
    """The columns that may hold labels that no rule explains."""
    if options.positive is not None and positives is None:
        return ()
    return tuple(name for name in log.label_columns if positives is None or name != positives.column)


def check_labels(log: LogReader, options: Options) -> list[str]:
    """Warnings of labels that the rule does not use; or, without a rule, the refusal of a log that has some.

    Raises BadDataError: Rows that are not positives, by their label, would become positives.
    """
    warnings = []
    for name, labels in log.labels.items():
        if not labels.negatives:
            continue
        negative, rule = " and ".join(labels.negatives), quoted_for_shell(labels.rule(name))
        if options.positive is None:
            raise BadDataError(
                f"the column {name!r} holds {labels.held()}, and its rows of {negative} would be positives",
                place=log.place,
                remedy=f"choose --positive {rule} (the other pairs are weak) or --positive all",
            )
        chosen = f"--positive {quoted_for_shell(options.positive)}"
        warnings.append(
            f"the column {name!r} holds {labels.held()}, and {chosen} does not use it: rows of {negative} may be "
            f"positives (--positive {rule} takes none of them)"
        )
    return warnings


def misfits(option: str, listed: Listed) -> list[str]:
    """What is suspicious about a file of pairs."""
    found = []
    if listed.left_out:
        found.append(
            f"{listed.left_out} of {listed.left_out + listed.rows} rows of {option} are left out by --positive"
        )
    if listed.unknown and listed.unknown == listed.rows:
        what = f"none of the {listed.rows} pairs of {option} has a user and an item that are known"
        found.append(f"{what}: are its ids the log's?{listed.forms}")
    elif is_many(listed.unknown, listed.rows):
        what = f"{listed.unknown} of {listed.rows} pairs of {option} have a user or an item that occurs nowhere else"
        found.append(f"{what}: are its ids the log's?{listed.forms}")
    return found


def _read_rows(
    log: LogReader,
    roles: list[str],
    positives: Positives | None,
    watched: tuple[str, ...],
    carried: Mapping[str, str],
    rows: RowStore,
    progress: Progress,
) -> tuple[Vocabulary, Vocabulary, dict[str, Values]]:
    """Fill the store; the vocabularies of users, of items, and of each column that is ``carried`` along, by name."""
    users, items = DistinctIds(), DistinctIds()
    distinct = {name: DistinctValues(column, is_untyped=log.is_untyped(column)) for name, column in carried.items()}
    n_positive = 0
    also = {} if positives is None else {positives.role: positives.column}
    also |= {CARRIED + name: column for name, column in carried.items()}

    def raw(batch: pa.RecordBatch) -> tuple[Any, Any, dict[str, RawValues]]:
        values = {name: raw_values(batch.column(CARRIED + name)) for name in carried}
        return users.look_up(batch.column("user")), items.look_up(batch.column("item")), values

    for batch, (of_users, of_items, found) in log.converted(roles, raw, also=also, watched=watched):
        times = as_numpy(batch.column("time")) if rows.has_times else None
        is_positive = positives(batch) if positives else None
        some = Rows(users.keep(of_users), items.keep(of_items), times, is_positive, found)
        for name, values in found.items():
            distinct[name].add(values)
        rows.append(some)
        n_positive += 0 if some.positive is None else int(some.positive.sum())
        progress("read", log.rows_read, None)
    progress("encode", 0, log.rows_read)
    if not len(rows):
        raise BadDataError("no rows are left after those dropped as invalid", remedy="look at the log")
    if positives is not None:
        positives.check(n_positive)
    vocabularies = users.finish(log.id_types["user"]), items.finish(log.id_types["item"])
    rows.texts = users.texts, items.texts
    others = {name: each.finish() for name, each in distinct.items()}
    progress("encode", log.rows_read, log.rows_read)
    return *vocabularies, others
