"""What a worker does with its part of a log: Arrow batches in, Arrow batches out; knows nothing of Spark.

Each task is a function of what all workers were given, `Carried`, and of the batches of a partition. What it counted
comes last, as a row with a pickled note; bad data is a note as well, since an exception would be tried again.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Codes, Mask, Positions, Times
from negprep.arrow import as_numpy, from_numpy, mask_as_numpy, number, pc
from negprep.assemble.plan import count_train
from negprep.assemble.section import Section, make_form, make_section
from negprep.encode.kcore import count_remaining, restrict
from negprep.encode.load import LoadedSection, Rows, group
from negprep.encode.pairs import Items, group_pairs
from negprep.encode.positives import Positives
from negprep.encode.side_files import LabelRule
from negprep.encode.vocabulary import Encoder, RawIds, Vocabulary, integers_among, raw_ids
from negprep.errors import BadDataError, NegprepError
from negprep.model_file import Model
from negprep.options.options import Options
from negprep.options.specs import HoldoutRule
from negprep.read.convert import Spelling, standing_for_none
from negprep.read.log import Found, Reading
from negprep.sample.sampler import Plan
from negprep.summary import ColdItems, Tally

Batches = Iterator[pa.RecordBatch]
Held = TypeVar("Held", covariant=True)

READ_ROWS = 1 << 17
"""Rows that are parsed at a time, whatever the size of the batches that come."""

SECTION_ROWS = 1 << 20
WRITTEN_ROWS = 1 << 17

WEAK, POSITIVE, LISTED, EXCLUDED = range(4)
"""The kinds of grouped rows: of the log, of ``--weak``, and of ``--exclude``."""


class Carried(Protocol[Held]):
    """What was handed to every worker."""

    @property
    def value(self) -> Held:
        """The thing itself."""


class Pickled(Generic[Held]):
    """Something that travels as bytes within a task, and is unpickled once a process."""

    _known: dict[bytes, Any] = {}  # noqa: RUF012 - one for all

    def __init__(self, value: Held) -> None:
        self._bytes = pickle.dumps(value)

    @property
    def value(self) -> Held:
        """What it was made of."""
        if self._bytes not in self._known:
            self._known.clear()  # a worker has one task at a time
            self._known[self._bytes] = pickle.loads(self._bytes)  # noqa: S301 - our own
        held: Held = self._known[self._bytes]
        return held


NOTE = pa.field("note", pa.binary())


def notes_in(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """What the tasks noted; raises the error of the first that has one."""
    notes = [pickle.loads(text) for text in column.to_pylist() if text is not None]  # noqa: S301 - our own
    for note in notes:
        if isinstance(note, NegprepError):
            raise note
    return notes


def _noted(schema: pa.Schema, note: object) -> pa.RecordBatch:
    """A row that has a note alone."""
    columns = [pa.nulls(1, each.type) for each in schema]
    columns[schema.get_field_index("note")] = pa.array([pickle.dumps(note)], NOTE.type)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _or_its_error(schema: pa.Schema, made: Iterable[pa.RecordBatch]) -> Batches:
    """The batches; after bad data, a note of it in their place."""
    try:
        yield from made
    except NegprepError as error:
        yield _noted(schema, error)


def with_names(names: list[str], task: Callable[..., Batches], carried: object, batches: Batches) -> Batches:
    """What a task makes of columns that go by other names on their way to it."""
    return task(carried, (batch.rename_columns(names) for batch in batches))


# Reading


@dataclass(frozen=True)
class Scan:
    """How the rows of the log are read: the columns by role, and the rule of the positives."""

    reading: Reading
    roles: tuple[str, ...]
    also: dict[str, str]
    watched: tuple[str, ...]
    positives: Positives | None
    wants_firsts: bool
    path: str | None = None
    """The column with the file of each row, which is read to find a bad row alone."""


@dataclass
class LogNote:
    """What a task found in its part of the log."""

    found: Found
    positives: Positives | None
    n_positive: int = 0
    n_used: int = 0
    is_text: dict[str, bool] = field(default_factory=lambda: {"user": False, "item": False})
    spelling: dict[str, Spelling] = field(default_factory=lambda: {"user": Spelling(), "item": Spelling()})
    for_none: Counter[tuple[str, str]] = field(default_factory=Counter)


SURVEYED = pa.schema([("number", pa.int64()), ("text", pa.string()), ("first", pa.int64()), NOTE])


def survey(carried: Carried[Scan], batches: Batches) -> Batches:
    """Go through a part of the log: its distinct items, with the first time of each where wanted; and a `LogNote`."""
    return _or_its_error(SURVEYED, _survey(carried.value, batches))


def _survey(scan: Scan, batches: Batches) -> Batches:
    note, firsts = LogNote(Found(), scan.positives), _Firsts()
    for stream, place in _streams(batches, scan.path):
        log = replace(scan.reading, place=place or scan.reading.place).open(stream)
        ids = _user_and_item
        for batch, (users, items) in log.converted(scan.roles, ids, also=scan.also, watched=scan.watched):
            note.n_used += len(batch)
            if scan.positives is not None:
                note.n_positive += int(np.count_nonzero(scan.positives(batch)))
            for noun, raw in (("user", users), ("item", items)):
                _look_at(note, noun, raw)
            firsts.add(batch.column("item"), batch.column("time") if scan.wants_firsts else None)
        note.found = log.found
    yield from firsts.batches()
    if note.found.rows_read:
        yield _noted(SURVEYED, note)


def _user_and_item(batch: pa.RecordBatch) -> tuple[RawIds, RawIds]:
    return raw_ids(batch.column("user")), raw_ids(batch.column("item"))


def _look_at(note: LogNote, noun: str, raw: RawIds) -> None:
    if not isinstance(raw, tuple):
        note.spelling[noun].look_at(from_numpy(raw[:1]))
        return
    texts, codes = raw
    note.is_text[noun] = True
    note.spelling[noun].look_at(texts)
    for place in standing_for_none(texts):
        note.for_none[noun, texts[place].as_py()] += int(np.count_nonzero(codes == place))


def _streams(batches: Batches, path: str | None) -> Iterator[tuple[pa.RecordBatchReader, str | None]]:
    """The rows of a partition as one stream, if there are any; with ``path``, as one a file, with its name."""
    first = next(batches, None)
    if first is None:
        return
    gathered = _gathered(first, batches)
    if path is None:
        yield pa.RecordBatchReader.from_batches(first.schema, gathered), None
        return
    for batch in gathered:
        names = batch.column(path).dictionary_encode()
        for code, name in enumerate(names.dictionary.to_pylist()):
            some = batch.drop_columns([path]).take(from_numpy(np.flatnonzero(as_numpy(names.indices) == code)))
            yield pa.RecordBatchReader.from_batches(some.schema, [some]), unquote(name)


def _gathered(first: pa.RecordBatch, batches: Batches) -> Batches:
    """The batches, small ones joined: each has a cost of its own."""
    held, rows = [first], len(first)
    for batch in batches:
        if rows and rows + len(batch) > READ_ROWS:
            yield pa.concat_batches(held)
            held, rows = [], 0
        held.append(batch)
        rows += len(batch)
    yield pa.concat_batches(held)


class _Firsts:
    """The distinct items of some rows, and the first time of each."""

    def __init__(self) -> None:
        self._merged: pa.Table | None = None
        self._new: list[pa.Table] = []
        self._rows = 0

    def add(self, items: pa.Array, times: pa.Array | None) -> None:
        """Take some rows."""
        items = items.cast(pa.string()) if pa.types.is_dictionary(items.type) else items
        columns = {"item": items, "first": pa.nulls(len(items), pa.int64()) if times is None else times}
        self._new.append(_firsts_of(pa.table(columns)))
        self._rows += len(self._new[-1])
        if self._merged is None or self._rows > len(self._merged):
            self._merge()

    def _merge(self) -> None:
        tables = ([] if self._merged is None else [self._merged]) + self._new
        if len({table.schema.field("item").type for table in tables}) > 1:
            tables = [table.set_column(0, "item", table["item"].cast(pa.string())) for table in tables]
        self._merged, self._new, self._rows = _firsts_of(pa.concat_tables(tables)), [], 0

    def batches(self) -> Batches:
        """The items."""
        if self._new:
            self._merge()
        if self._merged is None:
            return
        for batch in self._merged.to_batches(max_chunksize=READ_ROWS):
            items, nothing = batch.column("item"), {kind: pa.nulls(len(batch), kind) for kind in SURVEYED.types}
            is_number = pa.types.is_integer(items.type)
            columns = [items if is_number else nothing[pa.int64()], nothing[pa.string()] if is_number else items]
            yield pa.RecordBatch.from_arrays([*columns, batch.column("first"), nothing[NOTE.type]], schema=SURVEYED)


def _firsts_of(table: pa.Table) -> pa.Table:
    return (
        table.group_by("item")
        .aggregate([("first", "min")])
        .select(["item", "first_min"])
        .rename_columns(["item", "first"])
    )


@dataclass(frozen=True)
class PairScan:
    """How the rows of ``--weak`` or ``--exclude`` are read."""

    reading: Reading
    rule: LabelRule


@dataclass
class PairNote:
    """What a task found in its part of a file of pairs: the rows that count, those that do not, and the labels."""

    found: Found
    rows: int
    left_out: int


NOTED = pa.schema([NOTE])


def survey_pairs(carried: Carried[PairScan], batches: Batches) -> Batches:
    """Go through a part of a file of pairs: a `PairNote`."""
    return _or_its_error(NOTED, _survey_pairs(carried.value, batches))


def _survey_pairs(scan: PairScan, batches: Batches) -> Batches:
    rows = left_out = 0
    for stream, _ in _streams(batches, None):
        file = scan.reading.open(stream)
        for batch, others in scan.rule.rows(file):
            rows += len(batch)
            left_out += others
        yield _noted(NOTED, PairNote(file.found, rows, left_out))


# Coded rows, to be grouped by user


@dataclass(frozen=True, eq=False)
class Coding:
    """How ids become what rows are grouped by.

    ``users_are_text``: Of the whole log; else they are integers.
    ``recode``: The code in ``items`` of each code in ``found``; None where they are the same.
    """

    found: Vocabulary
    recode: Codes | None
    items: Items
    users_are_text: bool
    with_times: bool
    scan: Scan
    pairs: dict[int, PairScan]

    @cached_property
    def encoder(self) -> Encoder:
        """Gives the codes of items of the log."""
        return Encoder(self.found)

    @cached_property
    def all_items(self) -> Vocabulary:
        """Those of the log and of the catalog."""
        return Vocabulary(self.items.ids)

    @property
    def schema(self) -> pa.Schema:
        """The columns of coded rows."""
        user = pa.string() if self.users_are_text else pa.int64()
        columns = [("user", user), ("item", pa.int32()), ("kind", pa.int8())]
        return pa.schema([*columns, ("time", pa.int64())] if self.with_times else columns)

    def batch(
        self, users: pa.Array, items: Codes, kinds: npt.NDArray[np.int8], times: pa.Array | None
    ) -> pa.RecordBatch:
        """Coded rows."""
        columns = [users, from_numpy(items), from_numpy(kinds)]
        if self.with_times:
            columns.append(pa.nulls(len(users), pa.int64()) if times is None else times)
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def code(carried: Carried[Coding], batches: Batches) -> Batches:
    """The rows of the log, with the codes of their items."""
    coding = carried.value
    scan = coding.scan
    for stream, _ in _streams(batches, None):
        log = scan.reading.open(stream)
        for batch, (_, raw) in log.converted(scan.roles, _user_and_item, also=scan.also):
            users = batch.column("user")
            if coding.users_are_text:
                users = users.cast(pa.string())
            elif not pa.types.is_integer(users.type):
                raise _changed(scan.reading.place)
            items = coding.encoder(raw) if len(coding.found) else np.full(len(batch), -1, np.int32)
            _check_items(coding.found, items, raw, scan.reading.place)
            if coding.recode is not None:
                items = coding.recode[items]
            kinds = np.full(len(batch), POSITIVE, np.int8) if scan.positives is None else scan.positives(batch)
            yield coding.batch(users, items, kinds.astype(np.int8), batch.column("time") if coding.with_times else None)


def _check_items(found: Vocabulary, codes: Codes, raw: RawIds, place: str) -> None:
    """Refuse an item that was not there when the log was read for the first time."""
    if isinstance(raw, tuple) or not found.is_integer:
        is_known = not len(codes) or codes.min() >= 0
    else:
        is_known = np.array_equal(as_numpy(found.ids)[codes], raw)
    if not is_known:
        raise _changed(place)


def _changed(place: str) -> BadDataError:
    return BadDataError("the log changed while it was read", place=place, remedy="run again when it is complete")


def code_pairs(carried: Carried[Coding], batches: Batches, kind: int) -> Batches:
    """The rows of a file of pairs with the codes of their items; -1 for an unknown one, null for an impossible user."""
    coding = carried.value
    scan = coding.pairs[kind]
    for stream, _ in _streams(batches, None):
        for batch, _ in scan.rule.rows(scan.reading.open(stream)):
            users, items = batch.column("user"), coding.all_items.find(batch.column("item"))
            if coding.users_are_text:
                users = users.cast(pa.string())
            elif not pa.types.is_integer(users.type):
                users = integers_among(users.cast(pa.string()))
            yield coding.batch(users, items, np.full(len(batch), kind, np.int8), None)


# Grouped rows


@dataclass(frozen=True, eq=False)
class Job:
    """What the users of a run have in common.

    ``items``: Those of the log and the catalog; with ``core``, what remains of them is ``core.kept``.
    ``has_positive``: Whether some rows of the log are not positives.
    ``user_kind``: The type in which integer ids of users are written.
    ``first_users``: The code of the first user of each partition, where they are known.
    ``model``: Which draws, if any; ``plan`` has its scores for no user yet.
    ``warm``: bool, shape (n_items,), or None. Which items have a train positive, where ``drop_cold`` asks for that.
    ``counts_sources``: Whether the draws are made when rows are counted, since the metadata have their sources.
    """

    options: Options
    rule: HoldoutRule
    items: Items
    has_positive: bool
    user_kind: pa.DataType
    core: CoreRule | None = None
    plan: Plan | None = None
    model: Model | None = None
    first_users: dict[int, int] = field(default_factory=dict)
    warm: Mask | None = None
    counts_sources: bool = False


@dataclass(frozen=True, eq=False)
class CoreRule:
    """What remains of a log: items by a mask, bool of shape (n_items,), and users with enough positives of these."""

    least: int
    remaining: Mask
    kept: Items


@dataclass
class PartNote:
    """What a task found in its partition.

    ``part``: Its number.
    ``n_users``: Of the users that remain.
    ``unknown``: Rows of ``--weak`` and ``--exclude`` whose user or item occurs nowhere else, by kind.
    ``pairs``: Distinct pairs of ``--weak`` and ``--exclude`` of known ones, by kind.
    ``tally``: Of the rows, where they were counted.
    """

    part: int = 0
    n_users: int = 0
    removed_users: int = 0
    positives: int = 0
    remaining: int = 0
    users_unknown: int = 0
    example: object = None
    unknown: Counter[int] = field(default_factory=Counter)
    pairs: Counter[int] = field(default_factory=Counter)
    tally: Tally | None = None


COUNTED = pa.schema([("item", pa.int32()), ("count", pa.int64()), ("held", pa.int64()), NOTE])


def count_core(carried: Carried[Job], batches: Batches) -> Batches:
    """A round of the k-core: positives of each item that remains; and a `PartNote`."""
    job = carried.value
    if job.core is None:
        raise ValueError("a round of a core without its rule")
    note, counts = PartNote(), np.zeros(len(job.items), np.int64)
    for section in _loaded(replace(job, core=None), batches, note):
        positives = section.interactions.positives
        enough, of_section = count_remaining(positives, job.core.remaining, job.core.least)
        counts += of_section
        note.n_users += int(np.count_nonzero(enough))
    yield from _counts(counts)
    yield _noted(COUNTED, note)


def count_popularity(carried: Carried[Job], batches: Batches) -> Batches:
    """The train positives of each item."""
    job, note, counts = carried.value, PartNote(), None
    for section in _loaded(job, batches, note):
        of_section = count_train(section, job.options, job.rule)
        counts = of_section if counts is None else counts + of_section
    if counts is not None:
        yield from _counts(counts)


def _counts(counts: Positions, held: Positions | None = None) -> Batches:
    """The items that have any."""
    places = np.flatnonzero(counts if held is None else counts + held).astype(np.int32)
    for begin in range(0, len(places), READ_ROWS):
        some = places[begin : begin + READ_ROWS]
        of_some = counts[some], np.zeros(len(some), np.int64) if held is None else held[some].astype(np.int64)
        columns = [from_numpy(some), *map(from_numpy, of_some), pa.nulls(len(some), NOTE.type)]
        yield pa.RecordBatch.from_arrays(columns, schema=COUNTED)


def count(carried: Carried[Job], batches: Batches) -> Batches:
    """Count the rows of a partition, in a `PartNote`; and for each item its train positives and test holdouts."""
    return _or_its_error(COUNTED, _count(carried.value, batches))


def _count(job: Job, batches: Batches) -> Batches:
    note, cold = PartNote(), None
    note.tally = Tally(
        holds_out=job.rule.kind != "none", sources=dict.fromkeys(job.options.sampler_rule.sources or (), 0)
    )
    for loaded in _loaded(job, batches, note):
        section, known = _section(job, loaded)
        note.n_users += len(loaded.interactions.users)
        if known is not None:
            note.users_unknown += int(np.count_nonzero(~known))
            note.example = loaded.interactions.users.ids[0].as_py()
        note.tally.add(section, known)
        if note.tally.holds_out:
            cold = cold or ColdItems(len(loaded.interactions.items))
            cold.add(section)
        if job.counts_sources:
            for batch in _made(section):
                note.tally.add_sources(section.form.source_counts(batch))
    if cold is not None:
        yield from _counts(cold.warm.astype(np.int64), cold.held.astype(np.int64))
    if note.n_users or note.unknown or note.removed_users:
        yield _noted(COUNTED, note)


def users_of(carried: Carried[Job], batches: Batches) -> Batches:
    """The users that remain, with their codes."""
    job, note = carried.value, PartNote()
    first = None
    for loaded in _loaded(job, batches, note):
        first = job.first_users[note.part] if first is None else first
        ids = loaded.interactions.users.written
        codes = np.arange(first, first + len(ids), dtype=np.int32)
        yield pa.RecordBatch.from_arrays([from_numpy(codes), ids], names=["code", "user"])
        first += len(ids)


WORD = "__word__"
"""The column by which rows are shuffled: int64, of `ORDER_BITS`."""


def make_rows(carried: Carried[Job], batches: Batches) -> Batches:
    """The rows of a partition, ascending by user and positive; with `WORD` if they are to be shuffled."""
    job, note, first = carried.value, PartNote(), 0
    for at, loaded in enumerate(_loaded(job, batches, note)):
        if at == 0:
            first = job.first_users.get(note.part, 0)
        section, _ = _section(job, loaded, first)
        first += len(loaded.interactions.users)
        begin = 0
        for batch in _made(section):
            columns = [_plain(column) for column in batch.columns]
            names = list(batch.schema.names)
            if job.options.shuffle:
                words = section.order_words(begin, begin + len(batch))
                columns.append(from_numpy(words.view(np.int64)))
                names.append(WORD)
            begin += len(batch)
            yield pa.RecordBatch.from_arrays(columns, names=names)


def _made(section: Section) -> Batches:
    for begin in range(0, section.n_rows, WRITTEN_ROWS):
        yield section.make(begin, min(section.n_rows, begin + WRITTEN_ROWS))


def _plain(column: pa.Array) -> pa.Array:
    """Text without its dictionary, in lists, too: Spark knows no dictionaries."""
    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    if pa.types.is_list(column.type) and pa.types.is_dictionary(column.type.value_type):
        return pa.ListArray.from_arrays(column.offsets, column.values.dictionary_decode())
    return column


def _section(job: Job, loaded: LoadedSection, first_user: int = 0) -> tuple[Section, Mask | None]:
    """A section ready to draw, and the users whom the model knows, if one draws."""
    plan, known = job.plan, None
    if plan is None:
        raise ValueError("rows without a plan")
    users = loaded.interactions.users
    if plan.scores is not None and job.model is not None:
        found = job.model.users.find(users.ids)
        plan, known = plan.for_users(found), found >= 0
    section = make_section(loaded.interactions, loaded.excluded, job.options, job.rule, plan, warm=job.warm)
    if job.options.encode:
        section = replace(section, form=make_form(users, loaded.interactions.items, job.options, first_user))
    return section, known


def _loaded(job: Job, batches: Batches, note: PartNote) -> Iterator[LoadedSection]:
    """The interactions of the users of a partition, whose rows ascend by user: range by range."""
    for rows in _ranges(batches, note, latest=job.options.keep_time == "last"):
        section = _grouped(job, rows, note)
        if section is None:
            continue
        positives = section.interactions.positives
        note.positives += len(positives)
        if job.core is None:
            yield section
            continue
        users, of_items = count_remaining(positives, job.core.remaining, job.core.least)
        note.removed_users += int(np.count_nonzero(~users))
        note.remaining += int(of_items.sum())
        if users.any():
            yield restrict(section, users, job.core.remaining, job.core.kept, first_user=0)


@dataclass(frozen=True, eq=False)
class _Coded:
    """Coded rows, ascending by user, item and kind."""

    users: pa.Array
    items: Codes
    kinds: npt.NDArray[np.int8]
    times: Times | None

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> _Coded:
        times = (
            as_numpy(batch.column("time").fill_null(number(0, pa.int64()))) if "time" in batch.schema.names else None
        )
        items, kinds = (as_numpy(batch.column(name)) for name in ("item", "kind"))
        return cls(batch.column("user"), items, kinds, times)

    def __len__(self) -> int:
        return len(self.items)

    def slice(self, begin: int, end: int | None = None) -> _Coded:
        here = slice(begin, end)
        length = None if end is None else end - begin
        times = None if self.times is None else self.times[here]
        return _Coded(self.users.slice(begin, length), self.items[here], self.kinds[here], times)

    @classmethod
    def joined(cls, parts: list[_Coded]) -> _Coded:
        items, kinds = (np.concatenate([getattr(part, name) for part in parts]) for name in ("items", "kinds"))
        times = None if parts[0].times is None else np.concatenate([part.times for part in parts])
        return cls(pa.concat_arrays([part.users for part in parts]), items, kinds, times)

    def distinct(self, new_user: Mask, *, latest: bool) -> _Coded:
        """The rows, those of the log that repeat a pair made one."""
        first = new_user.copy()
        first[0] = True
        first[1:] |= (self.items[1:] != self.items[:-1]) | (self.kinds[1:] != self.kinds[:-1])
        first |= self.kinds > POSITIVE  # these are counted row by row
        if first.all():
            return self
        places = np.flatnonzero(first)
        times = None
        if self.times is not None:
            times = (np.maximum if latest else np.minimum).reduceat(self.times, places)
        return _Coded(self.users.take(from_numpy(places)), self.items[places], self.kinds[places], times)


def _ranges(batches: Batches, note: PartNote, *, latest: bool) -> Iterator[_Coded]:
    """The rows of about `SECTION_ROWS` at a time, a user's rows together, wherever batches end."""
    held: list[_Coded] = []
    n_rows, open_at, last_user = 0, (0, 0), None  # where the rows of the last user begin: in which part, at which row
    for batch in batches:
        if not len(batch):
            continue
        note.part = batch.column("part")[0].as_py()
        rows = _Coded.of(batch)
        new_user = _begins_user(rows.users, last_user)
        rows = rows.distinct(new_user, latest=latest)
        new_user = _begins_user(rows.users, last_user)
        begins = np.flatnonzero(new_user)
        last_user = rows.users[len(rows) - 1]
        held.append(rows)
        n_rows += len(rows)
        if len(begins):
            open_at = len(held) - 1, int(begins[-1])
        if n_rows >= SECTION_ROWS and open_at != (0, 0):
            part, row = open_at
            yield _Coded.joined([*held[:part], held[part].slice(0, row)])
            held = [held[part].slice(row), *held[part + 1 :]]
            n_rows, open_at = sum(map(len, held)), (0, 0)
    if held:
        yield _Coded.joined(held)


def _begins_user(users: pa.Array, before: pa.Scalar | None) -> Mask:
    """With which rows another user begins; refuses rows that do not ascend by user."""
    begins = np.ones(len(users), bool)
    if users.null_count:  # impossible ids of a file of pairs: they come first, together
        filled = mask_as_numpy(users.is_null())
        begins[1:] = filled[1:] != filled[:-1]
        rest = int(np.count_nonzero(filled))
        if not filled[:rest].all():
            raise _unsorted()
        begins[rest:] = _begins_user(users.slice(rest), None)
    elif len(users):
        later = mask_as_numpy(pc.greater(users.slice(1), users.slice(0, len(users) - 1)))
        same = mask_as_numpy(pc.equal(users.slice(1), users.slice(0, len(users) - 1)))
        if not (later | same).all():
            raise _unsorted()
        begins[1:] = later
    if len(users) and before is not None:
        begins[0] = users[0] != before
        if before.is_valid and users[0].is_valid and users[0].as_py() != before.as_py() and _is_less(users[0], before):
            raise _unsorted()
    return begins


def _is_less(one: pa.Scalar, other: pa.Scalar) -> bool:
    return bool(pc.less(one, other).as_py())


def _unsorted() -> ValueError:
    return ValueError("rows that do not ascend by user: the engine did not keep their order")


def _grouped(job: Job, rows: _Coded, note: PartNote) -> LoadedSection | None:
    """The interactions of some users; None if none of them is in the log."""
    begins = _begins_user(rows.users, None)
    runs = np.cumsum(begins) - 1
    of_log = rows.kinds <= POSITIVE
    mine = np.zeros(int(runs[-1]) + 1, bool)
    mine[runs[of_log]] = True
    codes = (np.cumsum(mine, dtype=np.int32) - np.int32(1))[runs]
    usable = mine[runs] & (rows.items >= 0)
    users = Vocabulary(rows.users.take(from_numpy(np.flatnonzero(begins)[mine])), job.user_kind)
    sizes = len(users), len(job.items)
    listed = {}
    for kind in (LISTED, EXCLUDED):
        here = rows.kinds == kind
        note.unknown[kind] += int(np.count_nonzero(here & ~usable))
        here &= usable
        listed[kind] = group_pairs(codes[here], rows.items[here], *sizes)
        note.pairs[kind] += len(listed[kind])
    if not len(users):
        return None
    positive = rows.kinds[of_log] == POSITIVE if job.has_positive else None
    times = None if rows.times is None else rows.times[of_log]
    found = Rows(codes[of_log], rows.items[of_log], times, positive)
    return group(found, users, job.items, listed[LISTED], listed[EXCLUDED], latest=job.options.keep_time == "last")
