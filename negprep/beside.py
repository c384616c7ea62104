"""The small files that may stand beside a log: the catalog, and pairs to exclude."""

from __future__ import annotations

import numpy as np

from negprep.encoding import DistinctIds, raw_ids
from negprep.errors import UsageError
from negprep.interactions import Items, Pairs, group_pairs
from negprep.options import LogSource, ReadOptions
from negprep.reading import LogReader, open_log
from negprep.vocabulary import Vocabulary


def read_catalog(source: LogSource, read: ReadOptions) -> Vocabulary:
    """The distinct items of a catalog file."""
    items = DistinctIds()
    with _open(source, read, ("item",)) as file:
        for batch in file.batches(["item"]):
            items.add(raw_ids(batch.column("item")))
    return items.finish()


def read_excluded(source: LogSource | None, read: ReadOptions, users: Vocabulary, items: Items) -> tuple[Pairs, int]:
    """The pairs of a file whose user and item are known, and how many rows name one that is not."""
    known_items = Vocabulary(items.ids)
    user_codes, item_codes = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    if source is not None:
        with _open(source, read, ("user", "item")) as file:
            for batch in file.batches(["user", "item"]):
                user_codes.append(users.find(batch.column("user")))
                item_codes.append(known_items.find(batch.column("item")))
    found_users, found_items = np.concatenate(user_codes), np.concatenate(item_codes)
    known = (found_users >= 0) & (found_items >= 0)
    return group_pairs(found_users[known], found_items[known], len(users), len(items)), int((~known).sum())


def _open(source: LogSource, read: ReadOptions, required: tuple[str, ...]) -> LogReader:
    """Open what stands beside the log: its columns are named like the log's, or recognised."""
    named = {f"{role}_col": getattr(read, f"{role}_col") for role in required}
    if any(named.values()):
        try:
            return open_log(source, ReadOptions(**named), required=required)
        except UsageError:
            pass  # it has other names than the log; if none is recognised either, the next line says so
    return open_log(source, ReadOptions(), required=required)
