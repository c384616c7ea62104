"""The files beside a log, read for a check: the catalog with its categories, pairs, and weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import as_numpy
from negprep.encoding import DistinctIds, raw_ids
from negprep.errors import UsageError
from negprep.options import LogSource, ReadOptions
from negprep.reading import LogReader, open_log
from negprep.verifying.codebook import Codebook
from negprep.verifying.pairs import Codes
from negprep.vocabulary import Vocabulary

_FIRST = "available_from"


def opened(
    source: LogSource,
    read: ReadOptions,
    required: tuple[str, ...],
    extra: dict[str, str],
    may_lack: tuple[str, ...] | None = None,
) -> LogReader:
    """A file whose columns are named like the log's, or recognised, or as ``extra`` says; some may lack values."""
    wanted = {f"{role}_col": getattr(read, f"{role}_col") for role in required} | extra

    def fitting(names: tuple[str, ...]) -> ReadOptions:
        return ReadOptions(**{option: header for option, header in wanted.items() if header in names})

    return open_log(
        source, ReadOptions(time_format=read.time_format), required=required, fitting=fitting, may_lack=may_lack
    )


def catalog_ids(source: LogSource, read: ReadOptions) -> Vocabulary:
    """The distinct items of a catalog file."""
    ids = DistinctIds()
    with opened(source, read, ("item",), {}) as file:
        for batch in file.batches(["item"]):
            ids.add(raw_ids(batch.column("item")))
    return ids.finish()


def categories(source: LogSource, read: ReadOptions, same: str, items: Codebook) -> npt.NDArray[np.int64]:
    """The category of each item, numbered from 0; -1 for one without: shape (n_items,).

    Raises
    ------
    UsageError
        There is no such column.
    """
    found = np.full(len(items), -1)
    numbers: dict[str, int] = {}
    with opened(source, read, ("item",), {"event_col": same}, ("event",)) as file:
        if file.columns.get("event") != same:
            raise UsageError(f"no column {same!r} among those of --items, by which the negatives were chosen")
        for batch in file.batches(["item", "event"]):
            words = batch.column("event").cast(pa.string()).dictionary_encode()
            mine = [numbers.setdefault(word, len(numbers)) for word in words.dictionary.to_pylist()]
            codes, places = items(batch.column("item")), as_numpy(words.indices.fill_null(len(mine)))
            found[codes[codes >= 0]] = np.array([*mine, -1])[places][codes >= 0]
    return found


def first_times(source: LogSource, read: ReadOptions, items: Codebook) -> Iterator[tuple[Codes, npt.NDArray[np.int64]]]:
    """Codes of items and the times from when on they are available; nothing where no column says it."""
    with opened(source, read, ("item",), {"time_col": _FIRST}, ("time",)) as file:
        if file.columns.get("time") == _FIRST:
            for batch in file.batches(["item", "time"]):
                batch = batch.filter(batch.column("time").is_valid())
                codes = items(batch.column("item"))
                yield codes[codes >= 0], as_numpy(batch.column("time"))[codes >= 0]


def known_pairs(
    source: LogSource, read: ReadOptions, users: Codebook, items: Codebook
) -> Iterator[tuple[Codes, Codes]]:
    """The users and items of a file's rows where both are known."""
    with opened(source, read, ("user", "item"), {}) as file:
        for batch in file.batches(["user", "item"]):
            of_users, of_items = users(batch.column("user")), items(batch.column("item"))
            known = (of_users >= 0) & (of_items >= 0)
            yield of_users[known], of_items[known]


def item_weights(source: LogSource, read: ReadOptions, items: Codebook) -> npt.NDArray[np.float64]:
    """The weight of each item, 0 for one that the file lacks: shape (n_items,)."""
    weights = np.zeros(len(items))
    with opened(source, read, ("item", "value"), {"value_col": "weight"}) as file:
        for batch in file.batches(["item", "value"]):
            codes = items(batch.column("item"))
            weights[codes[codes >= 0]] = as_numpy(batch.column("value"))[codes >= 0]
    return weights
