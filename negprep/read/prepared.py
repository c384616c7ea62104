"""A prepared file or folder, ready to be read: its kind, its layout, its vocabularies, and its rows."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Codes, Counts, Floats, Mask
from negprep.arrow import as_numpy, from_numpy, mask_as_numpy, pc
from negprep.errors import BadDataError, RowError, UsageError
from negprep.options.formats import ending_of
from negprep.options.reading import ReadOptions
from negprep.read.convert import canonical, parse_values
from negprep.read.delimited import TextInput
from negprep.read.dialect import Unnamed, first_lines, read_dialect
from negprep.read.foreign import refuse_foreign
from negprep.read.lines import Dialect
from negprep.read.log import delimited
from negprep.read.other_formats import with_quotes
from negprep.read.parquet import ParquetInput
from negprep.read.prepared_kinds import (
    RATING_COLUMNS,
    Kind,
    Lines,
    Part,
    Shape,
    is_bare,
    is_gcn_list,
    is_rating_file,
    lines_of,
    part_of,
    shape_of,
    split_lists,
)
from negprep.read.prepared_metadata import DATA_SET, Told, metadata_of, metadata_of_folder, metadata_of_parts
from negprep.read.sources import Closing, Piece, Source, find_sources, machine_errors
from negprep.read.tables import ArrowInput, table_input
from negprep.stores import StorePath, is_web, path_of, without_secrets

_IDS = {"user": "user", "item": "item", "pos_item": "item", "neg_item": "item"}
_LISTS = {
    "neg_items": "null list of negatives",
    "pos_items": "null list of positives",
    "history": "null history",
}


def canonical_rows(piece: Piece, *, by_spaces: bool) -> pa.RecordBatch:
    """The columns of a piece, by their canonical names; ``by_spaces`` if lists in text have spaces between.

    ``user``, ``item``, ``pos_item``, ``neg_item``: int64, string or dictionary of string; ``neg_items``, ``pos_items``,
    and ``history``, which is read where it is asked for: lists of such; ``label``: int8; ``epoch``: int64; all others
    as they are, but ``source`` beside lists is a list. Raises ``BadDataError`` at the place of a null, a bad id, an
    unreadable list, or a label that is not a small whole number.
    """
    columns = {}
    for name, column in piece.columns.items():
        if name in _IDS:
            columns[name] = _ids(name, column, piece.place)
        elif name in _LISTS:
            columns[name] = _lists(name, column, piece.place, by_spaces=by_spaces)
        elif name == "source" and "neg_items" in piece.columns:
            spelled = _spelled_out(column)
            if pa.types.is_string(spelled.type):
                spelled = split_lists(pc.fill_null(spelled, ""), piece.place, by_spaces=by_spaces)
            columns[name] = _as_lists(name, spelled, piece.place)
        elif name in ("label", "epoch"):
            columns[name] = _small(name, column, piece.place)
        else:
            columns[name] = column
    if "source" in columns and "neg_items" in columns:
        check_lengths("source", columns["source"], columns["neg_items"], piece.place)
    return pa.record_batch(columns)


def check_lengths(
    name: str, column: pa.Array, lists: pa.Array, place: Callable[[int], str], noun: str = "negatives"
) -> None:
    """Refuse lists of values that are not as long as the lists of items beside them; a null is an empty list."""
    found = as_numpy(pc.fill_null(pc.list_value_length(column), 0)).astype(np.int64)
    wanted = np.diff(as_numpy(lists.offsets))
    for row in np.flatnonzero(found != wanted)[:1].tolist():
        what = f"{wanted[row]} {noun} and {found[row]} values of {name!r}"
        raise BadDataError(what, place=place(row), remedy="make the file again")


def _ids(name: str, column: pa.Array, place: Callable[[int], str]) -> pa.Array:
    role = _IDS[name]
    return canonical(Piece({role: column}, place), drop_invalid=False, may_lack=()).batch.column(0)


def _lists(name: str, column: pa.Array, place: Callable[[int], str], *, by_spaces: bool) -> pa.Array:
    """Lists of ids, which may be texts."""
    column = _spelled_out(column)
    _refuse_null(column, _LISTS[name], place)
    if pa.types.is_string(column.type):
        column = split_lists(column, place, by_spaces=by_spaces)
    column = _as_lists(name, column, place)
    ends = as_numpy(column.offsets).astype(np.int64)
    ends -= ends[0]
    values = _ids("item", column.flatten(), _place_in_lists(ends, place))
    return pa.LargeListArray.from_arrays(from_numpy(ends), values)


def _as_lists(name: str, column: pa.Array, place: Callable[[int], str]) -> pa.Array:
    if pa.types.is_fixed_size_list(column.type):
        column = column.cast(pa.large_list(column.type.value_type))
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        raise BadDataError(f"the column {name!r} has the type {column.type}", place=place(0), remedy="give lists")
    return column


def _place_in_lists(ends: Counts, place: Callable[[int], str]) -> Callable[[int], str]:
    """The place of an element of lists, from that of the lists."""
    return lambda element: place(int(np.searchsorted(ends, element, side="right")) - 1)


def _spelled_out(column: pa.Array) -> pa.Array:
    """Text of any type as ``pa.string()``; of a null type, too, which is that of a column without a value."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    is_text = any(check(kind) for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_null))
    return column.cast(pa.string()) if is_text else column


def _refuse_null(column: pa.Array, what: str, place: Callable[[int], str]) -> None:
    if column.null_count:
        row = int(mask_as_numpy(column.is_null()).argmax())
        raise BadDataError(what, place=place(row), remedy="make the file again")


def _small(name: str, column: pa.Array, place: Callable[[int], str]) -> pa.Array:
    """Labels as int8, epochs as int64."""
    kind = pa.int8() if name == "label" else pa.int64()
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if pa.types.is_integer(column.type) and not column.null_count:
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            pass  # which row it is is found below
    _refuse_null(column, f"null {name}", place)
    try:
        text = pa.types.is_string(column.type) or pa.types.is_dictionary(column.type)
        values: Floats = as_numpy(parse_values(column.cast(pa.string()) if text else column))
    except RowError as error:
        raise RowError(error.row, f"the {name}: {error.what}", error.remedy).at(place(error.row)) from None
    most = 127 if name == "label" else 2**53
    bad = np.flatnonzero(~((values == np.floor(values)) & (np.abs(values) <= most)))
    if bad.size:
        what = f"the {name} {values[bad[0]]:g} is not a small whole number"
        remedy = "labels are 1 and 0" if name == "label" else None
        raise BadDataError(what, place=place(int(bad[0])), remedy=remedy)
    return from_numpy(values.astype(np.int8 if name == "label" else np.int64))


@dataclass(frozen=True, eq=False)
class CodedIds:
    """A vocabulary as it was written: the ids, the code of the first, and the type of integers in Parquet."""

    ids: pa.Array
    first: int
    kind: pa.DataType = pa.int64()  # noqa: RUF009  # a type never changes


def decoded(rows: pa.RecordBatch, ids: dict[str, CodedIds], place: Callable[[int], str]) -> pa.RecordBatch:
    """Rows with the ids (``users``, ``items``) that their codes stand for; refuses a code without one."""
    columns = {}
    for name, column in zip(rows.schema.names, rows.columns, strict=True):
        if name in _IDS:
            columns[name] = _decode(column, ids[f"{_IDS[name]}s"], place)
        elif name in _LISTS:
            values = _decode(column.values, ids["items"], _place_in_lists(as_numpy(column.offsets), place))
            columns[name] = pa.LargeListArray.from_arrays(column.offsets, values)
        else:
            columns[name] = column
    return pa.record_batch(columns)


def _decode(codes: pa.Array, vocabulary: CodedIds, place: Callable[[int], str]) -> pa.Array:
    ids, values = vocabulary.ids, _positions(codes, vocabulary, place)
    if pa.types.is_integer(ids.type):
        return from_numpy(as_numpy(ids).take(values))
    return pa.DictionaryArray.from_arrays(from_numpy(values.astype(np.int32)), ids)


def _positions(codes: pa.Array, vocabulary: CodedIds, place: Callable[[int], str]) -> npt.NDArray[Any]:
    """Where in its vocabulary the id of each code is; refuses a code without one."""
    ids = vocabulary.ids
    if not pa.types.is_integer(codes.type):
        raise BadDataError("ids where --encode writes codes", place=place(0), remedy="make the file again")
    values = as_numpy(codes) - vocabulary.first
    outside = np.flatnonzero((values < 0) | (values >= len(ids)))
    if outside.size:
        row = int(outside[0])
        what = f"the code {values[row] + vocabulary.first} is not in the vocabulary, which has {len(ids)}"
        raise BadDataError(what, place=place(row), remedy="are file and vocabulary of one run?")
    return values


_FORMS = ("parquet", "csv", "tsv", "csv.gz", "tsv.gz", "arrow")


def find_vocabularies(path: Path | StorePath, *, encoded: bool | None) -> dict[str, CodedIds] | None:
    """The vocabularies beside a prepared file, or in its folder: ``users`` and ``items``, the ids by code.

    ``encoded``: whether the metadata promise them; None, without metadata: vocabularies of the file's name count.
    Returns None if the file holds ids. Raises ``BadDataError`` if one is missing, or its codes do not run from 0, or
    from 1, without gaps.
    """
    if encoded is False:  # what lies beside is left from another run
        return None
    found = {column: _beside(path, column, by_folder=bool(encoded)) for column in ("user", "item")}
    if encoded is None and None in found.values():
        return None
    for column, place in found.items():
        if place is None:
            what = f"the vocabulary of the {column}s is not there, and the file holds codes (--encode)"
            raise BadDataError(what, place=str(path), remedy="put it back beside the file that it belongs to")
    return {f"{column}s": _read(place, column) for column, place in found.items() if place is not None}


def _beside(path: Path | StorePath, column: str, *, by_folder: bool) -> Path | StorePath | None:
    ending = ending_of(path.name)
    stem = path.name[: -len(ending)] if ending else path.stem
    for form in _FORMS:
        places = [path.with_name(f"{stem}.{column}s.{form}")] if path.is_file() else []
        if by_folder:
            folder = path if path.is_dir() else path.parent
            places += [folder / f"_{column}s.{form}"]
            places += [folder / f"{column}s.{form}"] if (folder / DATA_SET).is_file() else []
        for place in places:
            if place.is_file():
                return place
    return None


def _read(path: Path | StorePath, column: str) -> CodedIds:
    (source,) = find_sources(str(path))
    table: ParquetInput | ArrowInput | TextInput
    if source.is_table:
        table = table_input(source)
    else:
        unnamed = Unnamed(("code", column), by_option=False)
        table = TextInput(source, read_dialect(source, ReadOptions(quote='"'), unnamed))
    for name in ("code", column):
        if name not in table.names:
            what = f"no column {name!r} (found: {', '.join(table.names)})"
            raise BadDataError(what, place=str(path), remedy="put the vocabulary of the run there")
    codes, ids = [], []
    for task in table.pieces({"code": "code", column: column}):
        piece = task()
        try:
            codes.append(as_numpy(piece.columns.pop("code").cast(pa.int64())))
        except pa.ArrowInvalid:
            raise BadDataError("a code is not an integer", place=str(path), remedy="make the file again") from None
        ids.append(canonical(piece, drop_invalid=False).batch.column(0))
    found = np.concatenate([np.empty(0, np.int64), *codes])
    first = int(found[:1].sum() == 1)  # where a program keeps 0 for itself, as ReChorus does
    if not np.array_equal(found, np.arange(first, first + len(found))):
        raise BadDataError("the codes do not run from 0 without gaps", place=str(path), remedy="make the file again")
    kind = pa.int64() if all(pa.types.is_integer(part.type) for part in ids) else pa.string()
    found_ids = pa.concat_arrays([part.cast(kind) for part in ids]) if ids else pa.nulls(0, kind)
    written = table.schema.field(column).type if isinstance(table, ParquetInput) else kind
    return CodedIds(found_ids, first, written if pa.types.is_integer(written) else pa.int64())


_EPOCH = re.compile(r"epoch=([0-9]{1,10})")


@dataclass(frozen=True, eq=False)
class Batch:
    """Some consecutive rows; the number of the first one, from 0; and what turns a row of them, from 0, into its place.

    Columns: ``user``, and by layout ``item`` and ``label`` (pointwise), ``pos_item`` and ``neg_item`` (pairwise),
    ``pos_item`` and ``neg_items`` (listwise; of users, ``pos_items``), ``item`` (positives); then ``source`` and
    ``epoch``, if the file has them, and the extra columns. Ids are int64, string or dictionary of string, never codes;
    labels int8, epochs int64.
    Only extra columns may have nulls.
    """

    rows: pa.RecordBatch
    first: int
    place: Callable[[int], str]


class Prepared(Closing):
    """A prepared file or folder; a context manager.

    ``shape`` is its kind and layout, ``part`` what it is for (``train``, ``valid``, ``test``), if known; ``facts`` are
    the metadata that negprep writes, or those of a summary, if the file has none, and ``said_in`` is the name of the
    file or the summary that has them; ``names`` are all columns, as they are called in the file.
    """

    def __init__(
        self,
        name: str,
        sources: tuple[Source, ...],
        inputs: list[ParquetInput | ArrowInput | TextInput | Lines],
        shape: Shape,
        facts: dict[str, Any] | None,
        resources: ExitStack,
        said_in: str | None = None,
    ) -> None:
        self.name, self.shape, self.facts = name, shape, facts
        self.said_in = name if said_in is None else said_in
        self.part: Part | None = part_of(name, facts)
        self.names = inputs[0].names
        self._sources, self._inputs, self._resources = sources, inputs, resources
        self._places: list[tuple[int, Callable[[int], str]]] = []

    @property
    def layout(self) -> str:
        """``pointwise``, ``pairwise``, ``listwise`` or ``positives``."""
        return self.shape.layout

    @property
    def per_user(self) -> bool:
        """Whether a group has all positives of a user, as far as columns or metadata show it."""
        return "pos_items" in self.shape.columns or (self.facts or {}).get("per") == "user"

    def batches(self, extra: tuple[str, ...] = ()) -> Iterator[Batch]:
        """Yield the rows in order; every call starts anew. ``extra`` columns are passed on unchanged.

        Raises ``BadDataError`` at a row that cannot be read, or if a file changed meanwhile; ``UsageError``, at once,
        if the file lacks a column.
        """
        for column in extra:
            if column not in self.names:
                raise UsageError(f"no column {column!r} (found: {', '.join(self.names)})", place=self.name)
        columns = self.shape.columns | {column: column for column in extra}
        encoded = None if self.facts is None else bool(self.facts.get("encode"))
        if encoded and is_web(self.name):
            what = "holds codes (--encode), whose vocabularies are not looked for on the web"
            raise BadDataError(what, place=self.name, remedy="copy it and the vocabularies into a local folder")
        vocabularies = find_vocabularies(path_of(self.name), encoded=encoded)
        return self._read(columns, vocabularies)

    def _read(self, columns: dict[str, str], vocabularies: dict[str, CodedIds] | None) -> Iterator[Batch]:
        self._places = []
        first = 0
        for source, each in zip(self._sources, self._inputs, strict=True):
            epoch = _EPOCH.fullmatch(PurePath(source.name).parent.name)
            for task in each.pieces(columns):
                piece = task()
                by_spaces = self.facts is not None and self.shape.kind != "exchanged"
                rows = canonical_rows(piece, by_spaces=by_spaces)
                if not rows.num_rows:
                    continue
                if vocabularies is not None:
                    rows = decoded(rows, vocabularies, piece.place)
                if epoch is not None and "epoch" not in columns:
                    rows = rows.append_column("epoch", from_numpy(np.full(rows.num_rows, int(epoch[1]))))
                self._places.append((first, piece.place))
                yield Batch(rows, first, piece.place)
                first += rows.num_rows
            source.check_unchanged()

    def coded_positives(self, ids: dict[str, CodedIds]) -> tuple[Codes, Codes, int]:
        """The positives of rows with codes, in order and perhaps repeated: users, items; and how many rows there are.

        ``ids``: The vocabularies of the codes. Raises ``BadDataError`` as ``batches`` does.
        """
        item = "item" if self.layout == "pointwise" else "pos_item"
        columns = {role: name for role, name in self.shape.columns.items() if role in ("user", item, "label")}
        found, n_rows = [np.empty((2, 0), np.int32)], 0
        for source, each in zip(self._sources, self._inputs, strict=True):
            for task in each.pieces(columns):
                piece = task()
                rows = canonical_rows(piece, by_spaces=True)
                n_rows += rows.num_rows
                roles = (("user", "users"), (item, "items"))
                codes = np.array([_positions(rows[role], ids[of], piece.place) for role, of in roles], np.int32)
                if "label" in columns:
                    found.append(codes[:, as_numpy(rows["label"]) == 1])
                else:  # the rows of a pair stand together, unless they were shuffled
                    is_new = (codes[:, 1:] != codes[:, :-1]).any(axis=0)
                    found.append(codes[:, np.append(rows.num_rows > 0, is_new)[: rows.num_rows]])
            source.check_unchanged()
        users, items = np.hstack(found)
        return users, items, n_rows

    @property
    def is_parquet(self) -> bool:
        """Whether all files are Parquet."""
        return all(isinstance(each, ParquetInput) for each in self._inputs)

    def place(self, row: int) -> str:
        """Where a row is that ``batches`` has yielded, by its number from 0."""
        first, place = self._places[bisect_right(self._places, row, key=lambda entry: entry[0]) - 1]
        return place(row - first)

    @property
    def warnings(self) -> list[str]:
        """What is suspicious but not an error, once the rows were read."""
        return [text for each in self._inputs for text in each.warnings]


def open_prepared(where: str | os.PathLike[str], told: Told | None = None, read: ReadOptions | None = None) -> Prepared:
    """Recognise a prepared file or folder, and open it.

    ``where`` is output of negprep (a Parquet file or a folder of parts), other Parquet or text with the columns of a
    layout, RecBole's ``.inter``, NCF's ``.rating`` or ``.negative``. A file without metadata may have the summary
    ``told`` of the run that wrote it; text that negprep did not write has the quotes of the log, which ``read`` gives.

    Raises ``BadDataError`` if it is not a prepared file, is damaged, or its parts differ, ``UsageError`` if it has
    metadata, and a summary besides, ``OutputError`` if it does not exist or cannot be read.
    """
    name = os.fspath(where)
    with ExitStack() as stack:
        sources, name = find_sources(name), without_secrets(name)
        for source in sources:
            stack.callback(source.close)
            if not source.parquet:
                refuse_foreign(source)
        facts = metadata_of(name, metadata_of_folder(path_of(name)) if not sources[0].parquet else None, told)
        said_in = None if told is None else told.place
        lines = None if sources[0].is_table else lines_of(sources[0], is_ours=facts is not None)
        if lines is not None:
            shape = Shape(
                _kind_of_lines(name),
                "positives" if lines.form == "items" else "listwise",
                dict(zip(lines.names, lines.names, strict=True)),
            )
            return Prepared(
                name,
                sources,
                [replace(lines, source=source) for source in sources],
                shape,
                facts,
                stack.pop_all(),
                said_in,
            )
        quotes = ReadOptions() if read is None else read.of_text_beside()
        quotes = quotes if facts is None else ReadOptions(quote='"')
        inputs = [_input(source, quotes) for source in sources]
        described = [_described(source, each, facts, told) for source, each in zip(sources, inputs, strict=True)]
        for source, other in zip(sources[1:], described[1:], strict=True):
            if other != described[0]:
                what = f"columns or metadata are not those of {sources[0].name}"
                raise BadDataError(what, place=source.name, remedy="give files of one run")
        shape, facts = described[0]
        folder = path_of(name)
        if facts is not None and folder.is_dir() and not _is_whole(folder, facts, sources):
            raise BadDataError("no _SUCCESS in the folder: it is not whole", place=name, remedy="make it again")
        return Prepared(name, sources, list(inputs), shape, facts, stack.pop_all(), said_in)


def _kind_of_lines(name: str) -> Kind:
    if is_bare(name):
        return "exchanged"
    return "ncf" if is_rating_file(name) else "lightgcn" if is_gcn_list(name) else "ncf negatives"


def _is_whole(folder: Path | StorePath, facts: dict[str, Any], sources: tuple[Source, ...]) -> bool:
    """Whether a folder has its ``_SUCCESS``, or, where each epoch was written by a job of Spark, all epochs have."""
    if (folder / "_SUCCESS").exists():
        return True
    found = {source.name.rpartition("/")[0] for source in sources} - {str(folder)}
    return len(found) == facts.get("epochs") and all((path_of(each) / "_SUCCESS").exists() for each in found)


def _input(source: Source, quotes: ReadOptions) -> ParquetInput | ArrowInput | TextInput:
    with machine_errors(source.name):
        if source.is_table:
            return table_input(source)
        if is_rating_file(source.name) or is_bare(source.name):
            given = ReadOptions(quote="none") if is_bare(source.name) else quotes
            return TextInput(source, _rating_dialect(source, given))
        unnamed = Unnamed(("user", "item", "label"), by_option=False)
        return delimited(source, with_quotes(source, quotes), beside=True, unnamed=unnamed)


def _rating_dialect(source: Source, quotes: ReadOptions) -> Dialect:
    """Ratings without a header have two to four columns."""
    lines = [line for _, line in first_lines(source)]
    width = min(max(2, lines[0].count("\t") + 1), len(RATING_COLUMNS)) if lines else 2
    try:
        return read_dialect(source, replace(quotes, columns=RATING_COLUMNS[:width], delimiter="\t"), lines=lines)
    except UsageError as error:
        remedy = "a .rating has user, item, rating and time"
        raise BadDataError(error.what, place=source.name, remedy=remedy) from None


def _described(
    source: Source, each: ParquetInput | ArrowInput | TextInput, facts: dict[str, Any] | None, told: Told | None
) -> tuple[Shape, dict[str, Any] | None]:
    if not isinstance(each, TextInput):
        own = metadata_of_parts([each.footer], source.name)
        if own is not None or isinstance(each, ParquetInput):  # those of Arrow rows may be beside them
            facts = metadata_of(source.name, own, told)
        return shape_of(each.names, facts, source.name, parquet=True, rating=False), facts
    return shape_of(each.names, facts, source.name, parquet=False, rating=not each.dialect.header), facts


@dataclass(frozen=True, eq=False)
class CandidateLists:
    """Labelled rows of candidates, cut into lists: a positive and the negatives that it was put among.

    ``starts``: int64, shape (n_lists + 1,), the first row of each list, and the number of rows. ``positives``: int64,
    shape (n_lists,), how many each list has; a right one has one. ``owners``: int64, shape (n_lists,), the user of
    each list, by place among the users of the rows. ``first_rows``: int64, shape (n_users,), the first row of each
    user. ``clear``: bool, shape (n_users,), whether each list of the user has one positive; else the lists cannot be
    separated.
    """

    starts: Counts
    positives: Counts
    owners: Counts
    first_rows: Counts
    clear: Mask

    @property
    def of_rows(self) -> Counts:
        """The list of each row: int64, shape (n_rows,)."""
        return np.repeat(np.arange(len(self.positives)), np.diff(self.starts))


def candidate_lists(users: npt.NDArray[np.integer], positive: Mask, *, full: int | None = None) -> CandidateLists:
    """Cut the rows of each user into lists: n rows with h positives are h lists of n / h consecutive rows.

    The rows of a user whose n is not a multiple of h, or who has no positive, are one list. ``users``: integers, shape
    (n_rows,), codes of the users, whose rows stand together. ``positive``: bool, shape (n_rows,). Where lists may be
    shorter than a ``full`` one, several lists of a user are cut only if all are full.

    Source: the order of rows that ``negprep test`` writes (docs/reference/formats.md).
    """
    first_rows = np.flatnonzero(np.append(len(users) > 0, users[1:] != users[:-1]))
    sizes = np.diff(first_rows, append=len(users))
    ones = np.flatnonzero(positive)
    n_lists = np.diff(np.searchsorted(ones, np.append(first_rows, len(users))))
    n_lists[n_lists == 0] = 1
    n_lists[(sizes % n_lists != 0) | ((n_lists > 1) & (full is not None) & (sizes != n_lists * (full or 0)))] = 1
    owners = np.repeat(np.arange(len(sizes)), n_lists)
    number = np.arange(len(owners)) - (np.cumsum(n_lists) - n_lists)[owners]
    starts = np.append(first_rows[owners] + number * (sizes // n_lists)[owners], len(users))
    positives = np.diff(np.searchsorted(ones, starts))
    clear = np.bincount(owners[positives != 1], minlength=len(sizes)) == 0
    return CandidateLists(starts, positives, owners, first_rows, clear)
