"""The rows of a prepared file in canonical columns: ids as in a log, labels as small integers, lists as lists."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import as_numpy, from_numpy
from negprep.compute import pc
from negprep.errors import BadDataError
from negprep.prepared.spelled import split_lists
from negprep.reading.canonical import canonical
from negprep.reading.pieces import Piece, RowError, numbers
from negprep.reading.values import parse_values

_IDS = {"user": "user", "item": "item", "pos_item": "item", "neg_item": "item"}


def canonical_rows(piece: Piece, *, by_spaces: bool) -> pa.RecordBatch:
    """The columns of a piece, by their canonical names.

    Parameters
    ----------
    piece : Piece
    by_spaces : bool
        Lists in text are known to have spaces between.

    Returns
    -------
    pa.RecordBatch
        ``user``, ``item``, ``pos_item``, ``neg_item``: int64, string or dictionary of string. ``neg_items``: lists of
        such. ``label``: int8. ``epoch``: int64. All others as they are; ``source`` beside lists is a list.

    Raises
    ------
    BadDataError
        A null, an id that is none, a list that cannot be read, or a label that is no small whole number; with the place
        of the row.
    """
    columns = {}
    for name, column in piece.columns.items():
        if name in _IDS:
            columns[name] = _ids(name, column, piece.place)
        elif name == "neg_items":
            columns[name] = _lists(column, piece.place, by_spaces=by_spaces)
        elif name == "source" and "neg_items" in piece.columns and pa.types.is_string(column.type):
            columns[name] = split_lists(pc.fill_null(column, ""), piece.place, by_spaces=by_spaces)
        elif name in ("label", "epoch"):
            columns[name] = _small(name, column, piece.place)
        else:
            columns[name] = column
    return pa.record_batch(columns)


def _ids(name: str, column: pa.Array, place: Callable[[int], str]) -> pa.Array:
    role = _IDS[name]
    return canonical(Piece({role: column}, place, {}), drop_invalid=False, may_lack=()).batch.column(0)


def _lists(column: pa.Array, place: Callable[[int], str], *, by_spaces: bool) -> pa.Array:
    """Lists of ids, which may be texts."""
    column = _spelled_out(column)
    _refuse_null(column, "null list of negatives", place)
    if pa.types.is_string(column.type):
        column = split_lists(column, place, by_spaces=by_spaces)
    if pa.types.is_fixed_size_list(column.type):
        column = column.cast(pa.large_list(column.type.value_type))
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        raise BadDataError(f"the column 'neg_items' has the type {column.type}", place=place(0), remedy="give lists")
    ends = numbers(column.offsets).astype(np.int64)
    ends -= ends[0]

    def place_of(element: int) -> str:
        return place(int(np.searchsorted(ends, element, side="right")) - 1)

    values = _ids("item", column.flatten(), place_of)
    return pa.LargeListArray.from_arrays(from_numpy(ends), values)


def _spelled_out(column: pa.Array) -> pa.Array:
    """Text of any type as ``pa.string()``; of a null type, too, which is that of a column without a value."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    is_text = any(check(kind) for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_null))
    return column.cast(pa.string()) if is_text else column


def _refuse_null(column: pa.Array, what: str, place: Callable[[int], str]) -> None:
    if column.null_count:
        row = int(np.flatnonzero(numbers(column.is_null().cast(pa.uint8())))[0])
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
        values: npt.NDArray[np.float64] = as_numpy(parse_values(column.cast(pa.string()) if text else column))
    except RowError as error:
        raise BadDataError(f"the {name}: {error.what}", place=place(error.row), remedy=error.remedy) from None
    most = 127 if name == "label" else 2**53
    bad = np.flatnonzero(~((values == np.floor(values)) & (np.abs(values) <= most)))
    if bad.size:
        what = f"the {name} {values[bad[0]]:g} is no small whole number"
        remedy = "labels are 1 and 0" if name == "label" else None
        raise BadDataError(what, place=place(int(bad[0])), remedy=remedy)
    return from_numpy(values.astype(np.int8 if name == "label" else np.int64))


def decoded(rows: pa.RecordBatch, ids: dict[str, pa.Array], place: Callable[[int], str]) -> pa.RecordBatch:
    """Rows with the ids that their codes stand for.

    Parameters
    ----------
    ids : dict of str to pa.Array
        ``users`` and ``items``: the id of each code.

    Raises
    ------
    BadDataError
        A code that the vocabulary lacks.
    """
    columns = {}
    for name, column in zip(rows.schema.names, rows.columns, strict=True):
        if name in _IDS:
            columns[name] = _decode(column, ids[f"{_IDS[name]}s"], place)
        elif name == "neg_items":
            starts = as_numpy(column.offsets)

            def place_of(element: int, starts: npt.NDArray[np.int64] = starts) -> str:
                return place(int(np.searchsorted(starts, element, side="right")) - 1)

            columns[name] = pa.LargeListArray.from_arrays(
                column.offsets, _decode(column.values, ids["items"], place_of)
            )
        else:
            columns[name] = column
    return pa.record_batch(columns)


def _decode(codes: pa.Array, ids: pa.Array, place: Callable[[int], str]) -> pa.Array:
    if not pa.types.is_integer(codes.type):
        raise BadDataError("ids where --encode writes codes", place=place(0), remedy="make the file again")
    values = as_numpy(codes)
    outside = np.flatnonzero((values < 0) | (values >= len(ids)))
    if outside.size:
        row = int(outside[0])
        what = f"the code {values[row]} is not in the vocabulary, which has {len(ids)}"
        raise BadDataError(what, place=place(row), remedy="are file and vocabulary of one run?")
    if pa.types.is_integer(ids.type):
        return from_numpy(as_numpy(ids).take(values))
    return pa.DictionaryArray.from_arrays(from_numpy(values.astype(np.int32)), ids)
