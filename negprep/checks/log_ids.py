"""The log as it is read: its ids as codes, and its rows and those of the files beside it as records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Codes, Mask
from negprep.arrow import as_numpy, from_numpy, mask_as_numpy, pc, spelled, strings
from negprep.checks.pair_set import Rows
from negprep.checks.promises import LogPromise, Promised
from negprep.encode.vocabulary import DistinctIds, DistinctValues, Values, Vocabulary, raw_ids, raw_values
from negprep.errors import BadDataError, UsageError
from negprep.options.reading import LogSource, ReadOptions
from negprep.options.specs import IMPRESSION, SESSION, PositiveRule, quoted_for_shell
from negprep.read.columns import CARRIED, VALUE, listed, plain_name
from negprep.read.convert import parse_carried
from negprep.read.log import LogReader, open_beside
from negprep.read.times import Clock

_WIDEST = 1 << 26
_MOST_STRANGERS = 1 << 20


class Codebook:
    """The codes of some distinct ids: their places in ascending order. Strangers have codes below -1."""

    def __init__(self, vocabulary: Vocabulary, noun: str = "id") -> None:
        self.vocabulary = vocabulary
        self._noun = noun
        self._strangers: dict[str, int] = {}
        self._stranger_names: list[str] = []
        self._table: Codes | None = None
        self._before = np.zeros(1, np.int64)
        self._dictionary: tuple[tuple[int, int, int], Codes] | None = None
        if vocabulary.is_integer and len(vocabulary):
            ids = as_numpy(vocabulary.ids)
            lowest, width = ids[:1], int(ids[-1]) - int(ids[0]) + 1
            if width <= max(_WIDEST, 8 * len(ids)):
                self._table = np.full(width + 2, -1, np.int32)  # the first and last place: of ids out of range
                self._before = lowest - 1  # may wrap, and a difference wraps back
                self._table[ids - self._before] = np.arange(len(ids), dtype=np.int32)

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __call__(self, ids: pa.Array) -> Codes:
        """The codes of a column (int64, string or dictionary of string): int32, -1 for an id that is not here."""
        found: Codes
        if pa.types.is_dictionary(ids.type):
            codes = np.append(self._of_dictionary(ids.dictionary), np.int32(-1)).astype(np.int32)
            indices: Codes = as_numpy(ids.indices)
            found = codes[indices]
            return found
        if self._table is not None and pa.types.is_integer(ids.type):
            return self._table.take(as_numpy(ids) - self._before, mode="clip")
        return self.vocabulary.find(ids)

    def with_strangers(self, ids: pa.Array) -> Codes:
        """The same, but that an id which is not here has a code of its own, below -1: equal ids have equal codes."""
        codes = self(ids)
        strange = np.flatnonzero(codes < 0)
        if strange.size:
            codes = codes.copy()
            codes[strange] = self._met(ids.take(from_numpy(strange)))
        return codes

    def _met(self, ids: pa.Array) -> Codes:
        """Codes of ids that are not here."""
        encoded = ids if pa.types.is_dictionary(ids.type) else ids.dictionary_encode()
        used, places = np.unique(as_numpy(encoded.indices), return_inverse=True)
        words = encoded.dictionary.take(from_numpy(used)).to_pylist()
        codes = np.empty(len(words), np.int32)
        for at, word in enumerate(words):
            number = self._strangers.setdefault(str(word), len(self._strangers))
            if number == len(self._stranger_names):
                self._stranger_names.append(repr(word))
            codes[at] = -2 - number
        if len(self._stranger_names) > _MOST_STRANGERS:
            what = f"more than {_MOST_STRANGERS:,} {self._noun}s of the files are not in the log, such as {words[0]!r}"
            raise BadDataError(what, remedy="is it the log that the files were made of, and the right columns?")
        found: Codes = codes[places]
        return found

    def _of_dictionary(self, words: pa.Array) -> Codes:
        """The same dictionary comes with batch after batch."""
        buffer = words.buffers()[2]
        key = (buffer.address if buffer is not None else 0, words.offset, len(words))
        if self._dictionary is None or self._dictionary[0] != key:
            self._dictionary = (key, self.vocabulary.find(words.cast(pa.string())))
            self._kept = words  # so that no other array takes its address
        return self._dictionary[1]

    def name(self, code: int) -> str:
        """An id as it stands in messages."""
        if code < -1:
            return self._stranger_names[-2 - int(code)]
        return "unknown" if code < 0 else repr(self.vocabulary.ids[int(code)].as_py())


@dataclass(frozen=True, eq=False)
class CodesFrom:
    """Consecutive codes of a codebook, counted from 0."""

    codebook: Codebook
    first: int
    size: int

    def __len__(self) -> int:
        return self.size

    def name(self, code: int) -> str:
        """An id as it stands in messages."""
        return self.codebook.name(code if code < 0 else int(code) + self.first)


class KeptValues:
    """The distinct values of a column of the log that files keep; the code of one is its place in ascending order."""

    def __init__(self, name: str, values: Values) -> None:
        self.name, self._values = name, values

    def codes(self, column: pa.Array) -> Codes:
        """The codes of a column as the log is read: int32, shape (n_rows,)."""
        return self._values.codes(raw_values(column))

    @property
    def null_code(self) -> int | None:
        """The code of rows without a value, if there are any."""
        return self._values.null_code

    @cached_property
    def _texts(self) -> pa.Array:
        """The values as a text file has them."""
        return pc.fill_null(spelled(self._values.values).cast(pa.string()), "")

    @cached_property
    def first_alike(self) -> Codes:
        """The first of the values that are written alike as text: int32, shape (n_values,)."""
        return as_numpy(pc.index_in(self._texts, value_set=self._texts))

    def in_file(self, column: pa.Array, *, is_text: bool) -> Codes:
        """The codes of a column of a prepared file: int32, shape (n_rows,), -1 for a value that the log does not have.

        Of those that a text cannot tell apart, the first.
        """
        distinct, rows = raw_values(parse_carried(column, CARRIED + self.name))
        try:
            if is_text:
                found = pc.index_in(pc.fill_null(distinct.cast(pa.string()), ""), value_set=self._texts)
                codes: Codes = as_numpy(pc.fill_null(found, pa.scalar(-1, pa.int32())))
            else:
                codes = self._values.find(distinct)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # another type, whose values are others, too
            codes = np.full(len(distinct), -1, np.int32)
        return codes[rows]

    def shown(self, code: int) -> str:
        """A value for a message."""
        return repr(self._values.values[int(code)].as_py())


_FIRST = "available_from"


def read_catalog_ids(source: LogSource, read: ReadOptions) -> Vocabulary:
    """The distinct items of a catalog file."""
    ids = DistinctIds()
    with open_beside(source, read, ("item",)) as file:
        for batch in file.batches(["item"]):
            ids.add(raw_ids(batch.column("item")))
    return ids.finish()


def categories(source: LogSource, read: ReadOptions, same: str, items: Codebook) -> npt.NDArray[np.int64]:
    """The category of each item, numbered from 0; -1 for one without: shape (n_items,)."""
    found = np.full(len(items), -1)
    numbers: dict[str, int] = {}
    with open_beside(source, read, ("item",), {"event_col": same}, may_lack=("event",)) as file:
        if file.columns.get("event") != same:
            raise UsageError(f"no column {same!r} among those of --items, which the negatives were chosen by")
        for batch in file.batches(["item", "event"]):
            words = batch.column("event").cast(pa.string()).dictionary_encode()
            mine = [numbers.setdefault(word, len(numbers)) for word in words.dictionary.to_pylist()]
            codes, places = items(batch.column("item")), as_numpy(words.indices.fill_null(len(mine)))
            found[codes[codes >= 0]] = np.array([*mine, -1])[places][codes >= 0]
    return found


def first_times(source: LogSource, read: ReadOptions, items: Codebook) -> Iterator[tuple[Codes, npt.NDArray[np.int64]]]:
    """Codes of items and the times at which they become available; nothing without such a column."""
    with open_beside(source, read, ("item",), {"time_col": _FIRST}, may_lack=("time",)) as file:
        if file.columns.get("time") == _FIRST:
            for batch in file.batches(["item", "time"]):
                batch = batch.filter(batch.column("time").is_valid())
                codes = items(batch.column("item"))
                yield codes[codes >= 0], as_numpy(batch.column("time"))[codes >= 0]


def item_weights(source: LogSource, read: ReadOptions, items: Codebook) -> npt.NDArray[np.float64]:
    """The weight of each item, 0 for one that the file lacks: shape (n_items,)."""
    weights = np.zeros(len(items))
    with open_beside(source, read, ("item", "value"), {"value_col": "weight"}) as file:
        for batch in file.batches(["item", "value"]):
            codes = items(batch.column("item"))
            weights[codes[codes >= 0]] = as_numpy(batch.column("value"))[codes >= 0]
    return weights


POSITIVE, WEAK, EXCLUDED, TEST, VALID = range(5)
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Records:
    """Pairs as they are read."""

    users: Codes  # int32 (n,)
    items: Codes  # int32 (n,)
    kinds: npt.NDArray[np.int8]  # int8 (n,): ``POSITIVE``, ``WEAK`` (or listed as such), or another of those above
    times: Rows | None  # int64 (n,), or None
    kept: Codes | None = None  # int32 (n, n_columns), or None: The values of columns that files keep


class LogIds:
    """A log that was read once, for its ids."""

    def __init__(self, log: LogReader, terms: LogPromise, promised: Promised, read: ReadOptions) -> None:
        self.terms = terms
        self._rule = None if terms.positive is None else PositiveRule.parse(terms.positive)
        self._compared = {} if self._rule is None else log.compared(self._rule)
        self._log, self._promised, self._read = log, promised, read
        user_ids, item_ids = DistinctIds(), DistinctIds()
        roles = {
            "time": log.columns.get("time", "time"),
            IMPRESSION: terms.group_col or "",
            SESSION: terms.session_col or "",
        }
        columns = {name: roles.get(name, name) for name in terms.carried}
        lost = next((column for column in columns.values() if column not in log.names), None)
        if lost is not None:
            what = f"no column {lost!r} (found: {listed(log.names)}), which a file was made with"
            raise BadDataError(what, place=log.place, remedy="give the log that the file was made of")
        self._roles = {CARRIED + name: column for name, column in columns.items()}
        values = {
            CARRIED + name: DistinctValues(column, is_untyped=log.is_untyped(column))
            for name, column in columns.items()
        }
        watched = () if self._rule else log.label_columns
        for batch in log.batches(["user", "item"], also=self._roles, watched=watched):
            user_ids.add(raw_ids(batch.column("user")))
            item_ids.add(raw_ids(batch.column("item")))
            for role, distinct_values in values.items():
                distinct_values.add(raw_values(batch.column(role)))
        self.kept = [KeptValues(role.removeprefix(CARRIED), each.finish()) for role, each in values.items()]
        self._refuse_labels()
        for _, batch, _ in self._held_batches(with_times=False):
            user_ids.add(raw_ids(batch.column("user")))
            item_ids.add(raw_ids(batch.column("item")))
        in_log = item_ids.finish()
        self.users = Codebook(user_ids.finish(), "user")
        if not terms.held:  # then these are the log's alone
            log.compare(users=len(self.users), items=len(in_log))
        vocabulary, catalog_ids = in_log, None
        if terms.items and promised.items is not None:
            catalog_ids = read_catalog_ids(promised.items, read)
            vocabulary = in_log.union(catalog_ids)
        self.items = Codebook(vocabulary, "item")
        self.catalog = np.ones(len(self.items), bool)  # bool (n_items,): Before ``--core``
        if catalog_ids is not None:
            self.catalog[:] = False
            self.catalog[self.items(catalog_ids.ids)] = True
            if not self.catalog[self.items(in_log.ids)].any():
                raise BadDataError("no item of the log is in --items", remedy="is it the catalog of this log?")
        self.firsts = self._listed_firsts() if terms.with_firsts else None  # int64 (n_items,), or None
        self.categories = None  # int64 (n_items,), or None
        if terms.same is not None:
            if promised.items is None:
                raise UsageError(f"made with --same {terms.same}", remedy="add --items FILE, the same file")
            self.categories = categories(promised.items, read, terms.same, self.items)

    @property
    def rows(self) -> int:
        """Rows of the log."""
        return self._log.rows_read

    @property
    def clock(self) -> Clock | None:
        """How the log writes its times, once ``records`` were gone through."""
        return self._log.clock

    def user_counts(self) -> Rows:
        """How many records each user has: int64, shape (n_users,)."""
        counts = np.zeros(len(self.users), np.int64)
        for batch in self._log.batches(["user"]):
            np.add.at(counts, self.users(batch.column("user")), 1)
        for records in chain(self._listed(), self._held()):
            np.add.at(counts, records.users, 1)
        return counts

    def records(self) -> Iterator[Records]:
        """The pairs of the log, and of the files beside it that count."""
        with_times = self.terms.with_times or self.firsts is not None
        roles = ["user", "item", *(["time"] if with_times else [])]
        for batch in self._log.batches(roles, also=self._compared | self._roles):
            users, items = self.users(batch.column("user")), self.items(batch.column("item"))
            when = as_numpy(batch.column("time")) if with_times else None
            if self.firsts is not None and when is not None:
                np.minimum.at(self.firsts, items, when)
            kinds = np.full(len(users), POSITIVE, np.int8)
            for role in self._compared:
                if self._rule is not None:
                    kinds[~is_positive(self._rule, batch.column(role))] = WEAK
            of_columns = [each.codes(batch.column(role)) for each, role in zip(self.kept, self._roles, strict=True)]
            kept = np.stack(of_columns, axis=1) if of_columns else None
            yield Records(users, items, kinds, when if self.terms.with_times else None, kept)
        yield from self._listed()
        yield from self._held()

    def _held(self) -> Iterator[Records]:
        """The pairs of the files that hold out: each is a positive, and of its fold."""
        timed = self.terms.with_times or self.firsts is not None
        for kind, batch, mask in self._held_batches(with_times=timed):
            users, items = self.users(batch.column("user")), self.items(batch.column("item"))
            when = np.full(len(users), no_time(self.terms))
            if "time" in batch.schema.names:
                when = as_numpy(batch.column("time"))
                if self.firsts is not None:
                    np.minimum.at(self.firsts, items[mask], when[mask])
            times = when if self.terms.with_times else None
            for each, where in ((POSITIVE, mask), (kind, mask), (WEAK, ~mask)):
                kinds = np.full(int(np.count_nonzero(where)), each, np.int8)
                yield Records(users[where], items[where], kinds, None if times is None else times[where])

    def _held_batches(self, *, with_times: bool) -> Iterator[tuple[int, pa.RecordBatch, Mask]]:
        """The rows of the files that hold out: of which fold, and which of them are positives."""
        roles = ("time_col", "value_col", "event_col")
        named = {role: name for role in roles if (name := getattr(self._read, role)) is not None}
        for kind, source in zip((TEST, VALID), self._promised.held_files[: self.terms.held], strict=False):
            with open_beside(source, self._read, ("user", "item"), named, form=self._read.from_) as file:
                compared = self._compared_in(file, any_name=True)
                timed = with_times and "time" in file.columns and not file.is_ordered
                for batch in file.batches(["user", "item", *(["time"] if timed else [])], also=compared):
                    mask = np.ones(len(batch), bool)
                    for role in compared if self._rule is not None else ():
                        mask = is_positive(self._rule, batch.column(role))  # type: ignore[arg-type]
                    yield kind, batch, mask

    def _listed(self) -> Iterator[Records]:
        promised, terms = self._promised, self.terms
        for counts, source, kind in ((terms.weak, promised.weak, WEAK), (terms.exclude, promised.exclude, EXCLUDED)):
            if counts and source is not None:
                with open_beside(source, self._read, ("user", "item")) as file:
                    labels = self._compared_in(file) if kind == EXCLUDED else {}
                    for batch in file.batches(["user", "item"], also=labels):
                        users, items = self.users(batch.column("user")), self.items(batch.column("item"))
                        known = (users >= 0) & (items >= 0)
                        for role in labels if self._rule is not None else ():
                            known &= is_positive(self._rule, batch.column(role))  # type: ignore[arg-type]
                        users, items = users[known], items[known]
                        times = np.zeros(len(users), np.int64) if terms.with_times else None
                        kept = np.zeros((len(users), len(self.kept)), np.int32) if self.kept else None
                        yield Records(users, items, np.full(len(users), kind, np.int8), times, kept)

    def _compared_in(self, file: LogReader, *, any_name: bool = False) -> dict[str, str]:
        """The column of a file of pairs with the labels that the rule compares, if it has it, by its role."""
        for role, column in self._compared.items():
            for name in file.names if any_name else file.label_columns:
                if plain_name(name) == plain_name(column):
                    return {role: name}
            plain = "value" if role == VALUE else role
            if any_name and plain in file.columns:
                return {role: file.columns[plain]}
        return {}

    def _refuse_labels(self) -> None:
        """A log with labels that no rule uses: whoever made a file of it took its negatives for positives."""
        for name, labels in self._log.labels.items():
            if labels.negatives:
                negative = " and ".join(labels.negatives)
                raise BadDataError(
                    f"the column {name!r} holds {labels.held()}, and the files were made without --positive: rows of "
                    f"{negative} would be positives",
                    place=self._log.place,
                    remedy=f"make them with --positive {quoted_for_shell(labels.rule(name))} or --positive all; of "
                    "files without metadata, give it here",
                )

    def _listed_firsts(self) -> Rows:
        firsts = np.full(len(self.items), _NEVER)
        if self.terms.items and self._promised.items is not None:
            for codes, given in first_times(self._promised.items, self._read, self.items):
                np.minimum.at(firsts, codes, given)
        return firsts


def no_time(terms: LogPromise) -> int:
    """What stands for the time of a pair whose file has none: any other takes its place."""
    return _NEVER if terms.keep_time == "first" else np.iinfo(np.int64).min


def is_positive(rule: PositiveRule, column: pa.Array) -> npt.NDArray[np.bool_]:
    """Which values or names are those of positives: bool, one a row."""
    if not pa.types.is_floating(column.type):
        names = strings(sorted(set(rule.names)))
        named = mask_as_numpy(pc.is_in(column.cast(pa.string()), value_set=names))
        return named if rule.operator == "=" else ~named
    values = as_numpy(column)
    if rule.operator in (">=", "<=", ">", "<"):
        bound = rule.ranges[0][0]
        at_least, at_most = values >= bound, values <= bound
        return {">=": at_least, "<=": at_most, ">": ~at_most, "<": ~at_least}[rule.operator]
    # A name alone is that of a column of true and false.
    low, high = np.array(rule.ranges or [(1.0, 1.0)]).T
    inside: npt.NDArray[np.bool_] = ((values[:, None] >= low) & (values[:, None] <= high)).any(axis=1)
    return inside if rule.operator == "=" else ~inside
