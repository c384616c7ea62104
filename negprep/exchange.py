"""The folders that other programs read: the positives of each part, and the candidates, as the rows of a run arrive.

What each form consists of is declared in `negprep.options.formats`; here is how it is written. The sources:

============ ==================================================== ==================================================
form         what reads it                                        source
============ ==================================================== ==================================================
ncf          ``Dataset.load_rating_file_as_matrix`` and its       github.com/hexiangnan/
             neighbours: tabs, integers, no header                neural_collaborative_filtering, Dataset.py
recbole      ``Dataset._load_feat``: pandas, tabs, a typed        github.com/RUCAIBox/RecBole,
             header; ``benchmark_filename`` names the parts       recbole/data/dataset/dataset.py
lightgcn     ``Loader.__init__``: a user and its items, integers  github.com/gusye1234/LightGCN-PyTorch,
             between spaces, at least one item a line             code/dataloader.py
elliot       ``DataSetLoader``: pandas, tabs, no header;          github.com/sisinflab/elliot (0.3.1),
             ``NegativeSampler.read_from_files``: integers, one   elliot/dataset/dataset.py,
             line a user                                          elliot/negative_sampling/negative_sampling.py
cornac       ``Reader.read``: a line is stripped and split at     github.com/PreferredAI/cornac,
             tabs, times are ``int``                              cornac/data/reader.py
lenskit      ``from_interactions_df`` of a frame, and             github.com/lenskit/lkpy,
             ``ItemListCollection.load_parquet``, flat            src/lenskit/data/adapt.py, collection/_base.py
rechorus     ``BaseReader._read_data``: pandas, tabs, integers    github.com/THUwangcy/ReChorus,
             from 1, lists by ``eval``, all of one length; the    src/helpers/BaseReader.py, data/README.md
             rows of a user in order of time
recpack      ``InteractionMatrix.load``: CSV, and the shape of    github.com/LienM/recpack,
             the matrix in YAML; times in seconds                 recpack/data/matrix.py
daisyrec     ``RawDataReader.get_data``: pandas, tabs, no         github.com/AmazingDD/daisyRec,
             header, as MovieLens's ``u.data``                    daisy/utils/loader.py
recommenders ``Dataset`` of NCF: ``csv.DictReader``, integers,    github.com/recommenders-team/recommenders,
             by user; each list a ``test_batch``                  recommenders/models/ncf/dataset.py
clayrs       ``CSVFile`` and ``Ratings``: ``csv.DictReader``,     github.com/swapUniba/ClayRS,
             times are ``int``                                    clayrs/content_analyzer/ratings_manager/ratings.py
============ ==================================================== ==================================================
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
import pyarrow as pa

from negprep.arrow import as_numpy, from_numpy, pc
from negprep.errors import BadDataError, UsageError
from negprep.options.formats import EXCHANGES, first_code
from negprep.write.text import TEXT_ROWS, Fields, word

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from negprep.arrays import Codes, Times
    from negprep.assemble.layout import Ids, RowLayout
    from negprep.assemble.section import Section
    from negprep.encode.pairs import Pairs
    from negprep.options.formats import Exchange
    from negprep.options.options import Options
    from negprep.write.output import NamedFile, NamedText

_SECOND = 10**9
_UNITS = {"in seconds": _SECOND, "in milliseconds": 10**6, "in microseconds": 10**3, "in nanoseconds": 1}


class ExchangeFolder(Protocol):
    """Where the files of a form are."""

    def start_text(self, name: str, header: Sequence[str] = (), separator: str = "\t") -> NamedText:
        """Begin a text of that name."""

    def start_rows(self, name: str, schema: pa.Schema) -> NamedFile:
        """Begin a Parquet file of that name."""

    def write_bytes(self, name: str, content: bytes) -> None:
        """Add a file of that name."""


def unit_of(kind: str | None) -> int:
    """Nanoseconds of the unit in which times are written: that of the log, or seconds where it has dates."""
    return _UNITS.get(kind or "", _SECOND)


class ExchangeFiles:
    """The files of ``options.to`` in a folder, which take the sections and the rows of a run, or of one for each fold.

    ``target``: The folder, after which files are named.
    ``form``, ``schema``: Of the rows.
    ``timed``: Whether the interactions have times.
    ``folds``: Those whose candidates are written, in the order in which they come; ``()``: that of the options.
    ``fold_of``: The fold of each file of candidates, by its name.

    Raises UsageError, BadDataError: The program would not read the ids, or needs times.
    """

    def __init__(
        self,
        options: Options,
        folder: ExchangeFolder,
        target: str,
        form: RowLayout,
        schema: pa.Schema,
        *,
        timed: bool,
        folds: Sequence[str] = (),
    ) -> None:
        to, spec = str(options.to), EXCHANGES[str(options.to)]
        name = Path(os.path.realpath(target)).name
        _refuse_ids(spec, to, form, encode=options.encode)
        if "time" in spec.needs and not timed:
            what = f"--to {to} needs times, and the log has no column that is recognised as one"
            raise UsageError(what, remedy="name it with --time-col")
        setting = _Setting(spec, folder, form, schema, first_code(to) if options.encode else 0, timed=timed)
        self.fold_of: dict[str, str] = {}
        if options.command == "train":
            self._folds: dict[str, str] = {"test": ""}
            self._tables: dict[str, Table | ItemLists] = {}
            self._rows: dict[str, Rows] = {"test": LabelledRows(setting, f"{name}.inter")}
            return
        alone = len(folds) < 2
        chosen = folds or (options.fold,)
        self._folds = {fold: "test" if alone and not spec.by_fold else fold for fold in chosen}
        parts = {part: file for part, file in spec.parts.items() if part != "valid" or options.with_valid}
        if not alone:
            parts.setdefault("valid", spec.parts["test"].replace("test", "valid"))
        lists = {fold: spec.candidates[called] for fold, called in self._folds.items()}
        self._spec, self._last = spec, chosen[-1]
        self._tables = {
            part: (Table if spec.columns else ItemLists)(setting, file.format(name))
            for part, file in parts.items()
            if file not in lists.values()
        }
        self._rows = {fold: _STYLES[spec.style](setting, file.format(name)) for fold, file in lists.items()}
        self.fold_of = {file.format(name): fold for fold, file in lists.items()}
        for part in parts if spec.properties else ():
            folder.write_bytes(spec.properties.format(part), _properties(form, timed=timed))

    def add(self, section: Section, unit: int, fold: str | None = None) -> None:
        """Write the positives of the next users; ``unit``: that of the log's times, in nanoseconds.

        With several folds, the sections of each one's run write its part, and those of the last all other parts.
        """
        fold = fold or next(iter(self._folds))
        self._rows[fold].expect(section.heads)
        for part, table in self._tables.items():
            if part == self._folds[fold] and self._spec.of_heads:
                table.write(section, section.heads, unit)
            elif part == self._folds[fold] or (fold == self._last and part not in self._folds.values()):
                table.write(section, section.interactions.positives.where(section.split.part(part)), unit)

    def write(self, batch: pa.RecordBatch, fold: str | None = None) -> None:
        """Write the next rows of the run, or of that of a fold."""
        self._rows[fold or next(iter(self._folds))].write(batch)

    def end(self) -> None:
        """Look back at all that was written.

        Raises BadDataError: The program would not take it.
        """
        most = max((table.highest for table in self._tables.values()), default=0)
        for rows in self._rows.values():
            rows.end(most)


@dataclass(frozen=True)
class _Setting:
    """What the files of a folder have in common; ``first``: the code that the first id is written as."""

    spec: Exchange
    folder: ExchangeFolder
    form: RowLayout
    schema: pa.Schema
    first: int
    timed: bool


class Table:
    """Positives of a part, a row each; ``highest``: the greatest item of them, where items are integers."""

    def __init__(self, setting: _Setting, name: str) -> None:
        self._spec, self._first, self.highest = setting.spec, setting.first, 0
        spec, form = setting.spec, setting.form
        self._columns = {what: column for what, column in spec.columns.items() if what != "time" or setting.timed}
        types = {"user": form.users.type, "item": form.items.type, "one": pa.int8(), "time": pa.timestamp("ns")}
        self._schema = pa.schema([pa.field(name, types[what], nullable=False) for what, name in self._columns.items()])
        self._fields = Fields(spec.separator, quotes=spec.header)
        if spec.separator:
            header = self._schema.names if spec.header else []
            self._text: NamedText | None = setting.folder.start_text(name, header, spec.separator)
        else:
            self._text, self._rows = None, setting.folder.start_rows(name, self._schema)

    def write(self, section: Section, pairs: Pairs, unit: int) -> None:
        """Take the positives of the next users."""
        for users, items, times in _by_time(pairs) if self._spec.style == "column" else _blocks(pairs):
            columns = {"user": section.form.users.take(users), "item": section.form.items.take(items)}
            columns = {what: _from(self._first, column) for what, column in columns.items()}
            if self._spec.first_code is not None and len(items):
                self.highest = max(self.highest, int(as_numpy(columns["item"]).max()))
            columns["one"] = from_numpy(np.ones(len(items), np.int8))
            if times is not None and "time" in self._columns:
                columns["time"] = _written(times, unit, self._spec)
            arrays = [columns[what] for what in self._columns]
            if self._text is not None:
                self._text.write_fields([self._fields.of(place, array) for place, array in enumerate(arrays)])
            else:
                self._rows.write(pa.RecordBatch.from_arrays(arrays, schema=self._schema))


class ItemLists:
    """Positives of a part, a user and its items a line; none for users without any: LightGCN's loader fails on them."""

    highest = 0

    def __init__(self, setting: _Setting, name: str) -> None:
        separator = setting.spec.separator
        self._file, self._fields = setting.folder.start_text(name, separator=separator), Fields(separator)

    def write(self, section: Section, pairs: Pairs, unit: int) -> None:  # noqa: ARG002
        """Take the positives of the next users."""
        for first, last in _user_blocks(pairs):
            some = pairs.of_users(first, last)
            users = np.flatnonzero(some.counts).astype(np.int32)
            starts = np.concatenate([some.starts[users], some.starts[-1:]])
            items = self._fields.of(1, section.form.items.take(some.items))
            lists = pc.binary_join(pa.LargeListArray.from_arrays(from_numpy(starts), items), word(" "))
            self._file.write_fields([self._fields.of(0, section.form.users.take(users + np.int32(first))), lists])


class LabelledRows:
    """Candidates, or train instances, as the rows of the run."""

    def __init__(self, setting: _Setting, name: str) -> None:
        spec, schema, folder = setting.spec, setting.schema, setting.folder
        names = [spec.renamed.get(column, spec.other.format(column)) for column in schema.names]
        self._schema = pa.schema([field.with_name(column) for field, column in zip(schema, names, strict=True)])
        self._file: NamedText | NamedFile
        if spec.separator:
            self._file = folder.start_text(name, names, spec.separator)
        else:
            self._file = folder.start_rows(name, self._schema)

    def expect(self, heads: Pairs) -> None:
        """The holdouts of the rows that come next."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next rows."""
        self._file.write(pa.RecordBatch.from_arrays(batch.columns, schema=self._schema))

    def end(self, highest: int) -> None:
        """Refuse what the program would not take, where ``highest`` is the greatest item of all positives."""


class _Lists(ABC):
    """Candidates of which each list becomes a line, or several."""

    def __init__(self, setting: _Setting, name: str) -> None:
        separator = setting.spec.separator
        self._spec, self._first, self._fields = setting.spec, setting.first, Fields(separator)
        self._file = setting.folder.start_text(name, self._header(), separator)

    def _header(self) -> Sequence[str]:
        return ()

    def expect(self, heads: Pairs) -> None:  # noqa: B027
        """The holdouts of the rows that come next."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next lists."""
        for start in range(0, len(batch), TEXT_ROWS):
            user, item, lists, *_ = (_from(self._first, column) for column in batch.slice(start, TEXT_ROWS).columns)
            self._write(user, item, lists)

    @abstractmethod
    def _write(self, user: pa.Array, item: pa.Array, lists: pa.ListArray) -> None:
        """Write some lists."""

    def end(self, highest: int) -> None:  # noqa: B027
        """Refuse what the program would not take, where ``highest`` is the greatest item of all positives."""


class PairLines(_Lists):
    """``(user,item)`` and the negatives of each list, all after the separator."""

    def _write(self, user: pa.Array, item: pa.Array, lists: pa.ListArray) -> None:
        separator = self._spec.separator
        pair = pc.binary_join_element_wise(
            word("("), self._fields.of(0, user), word(","), self._fields.of(1, item), word(")"), word("")
        )
        self._file.write_fields(_with_list([pair], self._fields.listed(2, lists, separator), separator))


class CandidateLines(_Lists):
    """The user, the holdout and the negatives of each list."""

    def _write(self, user: pa.Array, item: pa.Array, lists: pa.ListArray) -> None:
        pair, separator = [self._fields.of(0, user), self._fields.of(1, item)], self._spec.separator
        self._file.write_fields(_with_list(pair, self._fields.listed(2, lists, separator), separator))


class PositiveFirst(_Lists):
    """Rows of a user, an item, and 1 for the holdout, which comes first, or 0; and the number of the list."""

    _lists_written = 0

    def _header(self) -> Sequence[str]:
        columns = self._spec.columns
        return (columns["user"], columns["item"], columns["one"], "test_batch")

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next lists, about `TEXT_ROWS` rows at a time."""
        most = int(as_numpy(batch.columns[2].value_lengths()).max(initial=0)) + 1
        for start in range(0, len(batch), max(1, TEXT_ROWS // most)):
            super().write(batch.slice(start, max(1, TEXT_ROWS // most)))

    def _write(self, user: pa.Array, item: pa.Array, lists: pa.ListArray) -> None:
        counts = as_numpy(lists.value_lengths()) + 1
        firsts, n_lists = np.cumsum(counts) - counts, len(counts)
        is_first = np.zeros(int(counts.sum()), bool)
        is_first[firsts] = True
        items = np.empty(len(is_first), as_numpy(item).dtype)
        items[firsts], items[~is_first] = as_numpy(item), as_numpy(lists.flatten())
        numbers = np.repeat(np.arange(self._lists_written, self._lists_written + n_lists), counts)
        columns = (np.repeat(as_numpy(user), counts), items, is_first.view(np.int8), numbers)
        self._file.write_fields([from_numpy(column).cast(pa.large_string()) for column in columns])
        self._lists_written += n_lists


class ListColumn(_Lists):
    """The holdouts as positives are written, with the list of its negatives beside each."""

    def __init__(self, setting: _Setting, name: str) -> None:
        super().__init__(setting, name)
        self._times: deque[Times] = deque()
        self._width: int | None = None
        self._highest = self._highest_negative = 0

    def _header(self) -> Sequence[str]:
        return (*self._spec.columns.values(), "neg_items")

    def expect(self, heads: Pairs) -> None:
        """The holdouts of the rows that come next; here with their times."""
        if heads.times is not None:
            self._times.append(heads.times)

    def _write(self, user: pa.Array, item: pa.Array, lists: pa.ListArray) -> None:
        counts = as_numpy(lists.value_lengths())
        self._width = int(counts[0]) if self._width is None else self._width
        odd = np.flatnonzero(counts != self._width)
        if odd.size:
            what = f"user {user[int(odd[0])]} has {counts[odd[0]]} negatives and others {self._width}"
            remedy = "lower --num-neg, or choose --on-short drop"
            raise BadDataError(f"{what}: {self._spec.program} reads as many for each holdout", remedy=remedy)
        self._highest = max(self._highest, int(as_numpy(item).max()))
        self._highest_negative = max(self._highest_negative, int(as_numpy(lists.flatten()).max(initial=0)))
        texts = pc.binary_join_element_wise(word("["), self._fields.listed(2, lists, ", "), word("]"), word(""))
        times = _written(self._next_times(len(counts)), _SECOND, self._spec)
        self._file.write_fields([self._fields.of(0, user), self._fields.of(1, item), times, texts])

    def _next_times(self, count: int) -> Times:
        """The times of the next holdouts, whose rows arrive in the order of their sections."""
        taken = []
        while count:
            first = self._times.popleft()
            if len(first) > count:
                self._times.appendleft(first[count:])
            taken.append(first[:count])
            count -= len(taken[-1])
        return np.concatenate(taken)

    def end(self, highest: int) -> None:
        """Refuse a negative above all items that have a positive: ReChorus takes its number of items from those."""
        if self._highest_negative > max(highest, self._highest):
            known = f"{self._spec.program} knows items up to {max(highest, self._highest)}, the last with a positive"
            what = f"the item {self._highest_negative} is a candidate, and {known}"
            raise BadDataError(what, remedy="name the items that have positives with --items FILE")


Rows: TypeAlias = LabelledRows | _Lists

_STYLES: dict[str, type[Rows]] = {
    "rows": LabelledRows,
    "pairs": PairLines,
    "lists": CandidateLines,
    "positive first": PositiveFirst,
    "column": ListColumn,
}


def _refuse_ids(spec: Exchange, to: str, form: RowLayout, *, encode: bool) -> None:
    """Refuse ids that the program does not take, or would not read back."""
    for noun, ids, lost in (("user", form.users, spec.lost[0]), ("item", form.items, spec.lost[1])):
        if encode:
            continue
        values, first = ids.values, spec.first_code
        if first is not None and (not isinstance(values, np.ndarray) or (len(values) and values.min() < first)):
            what = f"the {noun} ids are not all integers from {first} on, as --to {to} needs them"
            raise UsageError(what, remedy="add --encode, which writes codes")
        if lost and isinstance(values, pa.Array):
            found = values.filter(pc.match_substring_regex(values, lost))
            if len(found):
                what = f"the {noun} id {found[0].as_py()!r} would {spec.losing}"
                raise BadDataError(what, remedy="add --encode, which writes codes")


def _properties(form: RowLayout, *, timed: bool) -> bytes:
    """The shape of the matrix of all parts, in YAML."""
    users, items = _number(form.users), _number(form.items)
    return f"has_timestamps: {str(timed).lower()}\nnum_items: {items}\nnum_users: {users}\n".encode()


def _number(ids: Ids) -> int:
    """One more than the greatest of integer ids."""
    return int(np.asarray(ids.values).max(initial=-1)) + 1


def _from(first: int, column: pa.Array) -> pa.Array:
    """Codes, or lists of codes, counted from ``first`` on; all else as it is."""
    if not first:
        return column
    if pa.types.is_list(column.type):
        return pa.ListArray.from_arrays(pc.subtract(column.offsets, column.offsets[0]), _from(first, column.flatten()))
    return from_numpy(as_numpy(column) + np.int32(first)) if pa.types.is_integer(column.type) else column


def _user_blocks(pairs: Pairs) -> Iterator[tuple[int, int]]:
    """Ranges of users who together have about `TEXT_ROWS` pairs, or of one who has more."""
    last = 0
    while (first := last) < pairs.n_users:
        enough = int(np.searchsorted(pairs.starts, pairs.starts[first] + TEXT_ROWS))
        last = min(max(enough, first + 1), pairs.n_users)
        yield first, last


def _blocks(pairs: Pairs) -> Iterator[tuple[Codes, Codes, Times | None]]:
    """Users, items and times of some pairs after the others."""
    for begin in range(0, len(pairs), TEXT_ROWS):
        end = min(begin + TEXT_ROWS, len(pairs))
        yield pairs.users(begin, end), pairs.items[begin:end], None if pairs.times is None else pairs.times[begin:end]


def _by_time(pairs: Pairs) -> Iterator[tuple[Codes, Codes, Times | None]]:
    """As `_blocks`, but those of a user in order of time; those of one time in order of the items."""
    for first, last in _user_blocks(pairs):
        some = pairs.of_users(first, last)
        users = some.users()
        order = np.arange(len(users)) if some.times is None else np.lexsort((some.times, users))
        yield users[order] + np.int32(first), some.items[order], None if some.times is None else some.times[order]


def _written(times: Times, unit: int, spec: Exchange) -> pa.Array:
    """Times as a form has them: ``large_string``, or timestamps."""
    if spec.time == "typed":
        return from_numpy(np.ascontiguousarray(times)).view(pa.timestamp("ns"))
    if spec.time == "whole" and (times % unit).any():
        what = f"a time has a fraction, and {spec.program} reads whole numbers"
        raise BadDataError(what, remedy="round the times, or write them in a finer unit")
    return _times(times, _SECOND if spec.time == "in seconds" else unit)


def _times(times: Times, unit: int) -> pa.Array:
    """Nanoseconds since 1970 as numbers of a unit, with a fraction where one is needed: ``large_string``."""
    whole, rest = np.divmod(np.abs(times), unit)
    if (rest % 1000).any():
        raise BadDataError(
            "a time is finer than a microsecond, which a number of seconds with a fraction cannot hold",
            remedy="round the times, or write them as integers of nanoseconds",
        )
    texts = from_numpy(np.where(times < 0, -whole, whole)).cast(pa.large_string())
    if not rest.any():
        return texts
    digits = pc.utf8_slice_codeunits(from_numpy(rest + unit).cast(pa.large_string()), 1)
    texts = pc.binary_join_element_wise(texts, pc.utf8_rtrim(digits, "0"), word("."))
    texts = pc.utf8_rtrim(texts, ".")
    small = from_numpy(((times < 0) & (whole == 0)).view(np.uint8)).cast(pa.bool_())
    return pc.if_else(small, pc.binary_join_element_wise(word("-"), texts, word("")), texts)


def _with_list(fields: list[pa.Array], lists: pa.Array, separator: str) -> list[pa.Array]:
    """The fields and a last one; where its list is empty, nothing, not even a separator, follows them."""
    filled = pc.binary_join_element_wise(word(separator), lists, word(""))
    last = pc.binary_join_element_wise(fields[-1], pc.if_else(pc.equal(lists, word("")), word(""), filled), word(""))
    return [*fields[:-1], last]
