"""The small files that may stand beside a log: the catalog, item weights, and pairs to exclude or to draw."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.agreement import AVAILABLE_FROM
from negprep.arrow import as_numpy, number
from negprep.encoding import DistinctIds, Encoder, RawIds, raw_ids
from negprep.errors import BadDataError, UsageError
from negprep.interactions import Items
from negprep.options import LogSource, ReadOptions
from negprep.pairs import Pairs, group_pairs
from negprep.reading import LogReader, open_log
from negprep.reading.columns import find_roles
from negprep.samplers.weights import Weights, quantised
from negprep.seen import Codes
from negprep.vocabulary import Vocabulary

WEIGHT = "weight"
"""The column of weights in a file of them."""

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class CatalogFile:
    """What a catalog file says.

    Attributes
    ----------
    items : Vocabulary
    categories : int32, shape (n_items,), or None
        The category of each item, numbered from 0; -1 for an item without one.
    available : int64, shape (n_items,), or None
        From when on: nanoseconds since 1970; the end of time for an item of which nothing is said.
    """

    items: Vocabulary
    categories: Codes | None = None
    available: npt.NDArray[np.int64] | None = None


def read_catalog(source: LogSource, read: ReadOptions, *, same: str | None, with_available: bool) -> CatalogFile:
    """The distinct items of a catalog file, and what it says of them.

    Parameters
    ----------
    source : str, path, pyarrow.Table or pandas.DataFrame
    read : ReadOptions
        Of the log.
    same : str or None
        The column of categories.
    with_available : bool
        Whether to read ``available_from``, if there is such a column.

    Raises
    ------
    BadDataError
        No such column; or an item that occurs with two categories or times.
    """
    extra = ({"event_col": same} if same is not None else {}) | ({"time_col": AVAILABLE_FROM} if with_available else {})
    items = DistinctIds()
    parts: list[tuple[RawIds, pa.Array | None, pa.Array | None]] = []
    with _in_words_of(same), _open(source, read, ("item",), extra, may_lack=("event", "time")) as file:
        place = str(file.paths[0]) if file.paths else "--items"
        has_times = with_available and file.columns.get("time") == AVAILABLE_FROM
        if same is not None and file.columns.get("event") != same:
            raise BadDataError(f"no column {same!r} among those of the items", place=place, remedy="correct --same")
        roles = ["item", *(["event"] if same is not None else []), *(["time"] if has_times else [])]
        for batch in file.batches(roles):
            ids = raw_ids(batch.column("item"))
            items.add(ids)
            if len(roles) > 1:
                events = batch.column("event").cast(pa.string()) if same is not None else None
                parts.append((ids, events, batch.column("time") if has_times else None))
    vocabulary = items.finish()
    if not parts:
        return CatalogFile(vocabulary)
    encode = Encoder(vocabulary)
    codes = np.concatenate([encode(ids) for ids, _, _ in parts])
    categories = available = None
    if same is not None:
        words = pa.concat_arrays([events for _, events, _ in parts if events is not None]).dictionary_encode()
        categories = _of_items(codes, _without_null(words.indices, -1), vocabulary, same, place)
    if has_times:
        times = np.concatenate([_without_null(times, _NEVER) for _, _, times in parts if times is not None])
        available = _of_items(codes, times, vocabulary, AVAILABLE_FROM, place)
    return CatalogFile(vocabulary, categories, available)


def read_weights(source: LogSource, read: ReadOptions, items: Items) -> tuple[Weights, int]:
    """The weights of the catalog's items, 0 for those that the file lacks; and how many of its items are unknown.

    Raises
    ------
    BadDataError
        No column ``weight``, a negative weight, an item with two weights, or no item of the catalog with a positive
        one.
    """
    catalog = items.catalog
    with _open(source, read, ("item",), {"value_col": WEIGHT}) as file:
        place = str(file.paths[0]) if file.paths else "--weights"
        if file.columns.get("value") != WEIGHT:
            raise BadDataError(f"no column {WEIGHT!r}, which --weights needs", place=place, remedy="name it so")
        parts = [
            (catalog.find(batch.column("item")), as_numpy(batch.column("value")))
            for batch in file.batches(["item", "value"])
        ]
    codes = np.concatenate([np.empty(0, np.int32), *(codes for codes, _ in parts)])
    given = np.concatenate([np.empty(0), *(values for _, values in parts)])
    known = codes >= 0
    codes, given = codes[known], given[known]
    values = _of_items(codes, given, catalog, WEIGHT, place)
    if (values < 0).any():
        item = int(np.flatnonzero(values < 0)[0])
        raise BadDataError(
            f"item {catalog.ids[item].as_py()!r} has the weight {values[item]:g}",
            place=place,
            remedy="give weights of 0 and more",
        )
    if not values.any():
        raise BadDataError("no item of the catalog has a weight above 0", place=place, remedy="are its ids the log's?")
    distinct, which = np.unique(values, return_inverse=True)
    return quantised([Decimal(float(value)) for value in distinct], which), int((~known).sum())


def read_pairs(source: LogSource | None, read: ReadOptions, users: Vocabulary, items: Items) -> tuple[Pairs, int]:
    """The pairs of a file whose user and item are known, and how many rows name one that is not."""
    known_items = Vocabulary(items.ids)
    user_codes, item_codes = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    if source is not None:
        with _open(source, read, ("user", "item"), {}) as file:
            for batch in file.batches(["user", "item"]):
                user_codes.append(users.find(batch.column("user")))
                item_codes.append(known_items.find(batch.column("item")))
    found_users, found_items = np.concatenate(user_codes), np.concatenate(item_codes)
    known = (found_users >= 0) & (found_items >= 0)
    return group_pairs(found_users[known], found_items[known], len(users), len(items)), int((~known).sum())


def _open(
    source: LogSource,
    read: ReadOptions,
    required: tuple[str, ...],
    extra: dict[str, str],
    *,
    may_lack: tuple[str, ...] = (),
) -> LogReader:
    """Open what stands beside the log: its columns are named like the log's, or recognised."""
    wanted = {f"{role}_col": getattr(read, f"{role}_col") for role in required} | extra

    def fitting(names: tuple[str, ...]) -> ReadOptions:
        there = {option: header for option, header in wanted.items() if header in names}
        same = there.get("event_col")
        item = find_roles(names, ReadOptions(item_col=there.get("item_col")), "").found.get("item")
        if same is not None and same == item:
            raise UsageError(f"--same {same}: that is the column of the items, all different", remedy="name another")
        return ReadOptions(**there)

    return open_log(
        source, ReadOptions(time_format=read.time_format), required=required, fitting=fitting, may_lack=may_lack
    )


@contextmanager
def _in_words_of(same: str | None) -> Iterator[None]:
    """Say of the column of categories what it is: the reader takes it for events."""
    try:
        yield
    except BadDataError as error:
        if same is None or not error.what.startswith("the event "):
            raise
        what = error.what.replace("the event", f"the column {same!r}", 1)
        typed = "--same needs names or whole numbers: write them as strings or integers"
        remedy = typed if " has the type " in what else error.remedy
        raise BadDataError(what, place=error.place, remedy=remedy) from None


def _without_null(values: pa.Array, instead: int) -> npt.NDArray[Any]:
    return as_numpy(values.fill_null(number(instead, values.type)))


def _of_items(codes: Codes, values: npt.NDArray[Any], items: Vocabulary, column: str, place: str) -> npt.NDArray[Any]:
    """The value of each item, 0 for one without; refuses an item with two."""
    of_items = np.zeros(len(items), values.dtype)
    of_items[codes] = values
    other = np.flatnonzero(of_items[codes] != values)
    if other.size:
        item = items.ids[int(codes[other[0]])].as_py()
        raise BadDataError(f"item {item!r} has two values of {column}", place=place, remedy="give one row an item")
    return of_items
