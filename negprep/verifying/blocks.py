"""The rows of a prepared file as arrays of codes: positives, and the negatives beside them, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import as_numpy
from negprep.compute import pc
from negprep.prepared import Batch, Prepared
from negprep.threads import one_ahead
from negprep.verifying.columns import Columns
from negprep.verifying.frame import Frame
from negprep.verifying.grouping import (
    Block,
    of_candidates,
    of_labels,
    of_lists,
    of_pairs,
    of_positives,
)
from negprep.verifying.pairs import Codes
from negprep.verifying.stated import NOTHING, StatedColumns, with_log_q
from negprep.verifying.terms import Terms


class Blocks:
    """The blocks of a file.

    Parameters
    ----------
    prepared : Prepared
    frame : Frame
    terms : Terms
    stated : StatedColumns, optional
        The columns of log q, to be read as well.

    Attributes
    ----------
    sources : list of str
        The names in the column ``source`` that were met so far.
    """

    def __init__(self, prepared: Prepared, frame: Frame, terms: Terms, stated: StatedColumns = NOTHING) -> None:
        self._prepared, self._frame, self._terms, self._stated = prepared, frame, terms, stated
        self.sources: list[str] = []

    def __iter__(self) -> Iterator[Block]:
        """The blocks, of which the next is read, in a thread, while one is checked."""
        return one_ahead(self._blocks(), name="negprep-verify")

    def _blocks(self) -> Iterator[Block]:
        if self._terms.layout == "listwise":
            for columns in self._columns():
                yield with_log_q(of_lists(columns), columns)
            return
        carried: Columns | None = None
        for columns in self._columns():
            if carried is not None and carried.epoch != columns.epoch:
                yield self._block(carried)
                carried = None
            joined = columns if carried is None else carried.joined(columns)
            whole = self._whole(joined)
            if whole:
                yield self._block(joined.slice(0, whole))
            carried = joined.slice(whole, len(joined)) if whole < len(joined) else None
        if carried is not None:
            yield self._block(carried)

    def _whole(self, columns: Columns) -> int:
        """How many rows belong to groups that surely end among them."""
        terms = self._terms
        if terms.layout == "positives" or (terms.shuffled and terms.is_train):
            return len(columns)
        if terms.layout == "pairwise":
            same = (columns.users == columns.users[-1]) & (columns.items == columns.items[-1])
        elif terms.is_train:
            heads = np.flatnonzero(columns.others == 1)
            return int(heads[-1]) if heads.size else 0
        else:
            same = columns.users == columns.users[-1]
        other = np.flatnonzero(~same)
        return int(other[-1]) + 1 if other.size else 0

    def _block(self, columns: Columns) -> Block:
        return with_log_q(self._grouped(columns), columns)

    def _grouped(self, columns: Columns) -> Block:
        if self._terms.layout == "pairwise":
            return of_pairs(columns, apart=self._terms.levels)
        if self._terms.layout == "positives":
            return of_positives(columns)
        if not self._terms.is_train:
            full = None if not self._terms.restricted or self._terms.num_neg is None else self._terms.num_neg + 1
            return of_candidates(columns, full)
        return of_labels(columns, grouped=not self._terms.shuffled)

    def _columns(self) -> Iterator[Columns]:
        for batch in self._prepared.batches(self._stated.names):
            yield from _by_epoch(self._coded(batch), batch)

    def _coded(self, batch: Batch) -> Columns:
        rows, frame = batch.rows, self._frame
        users = frame.users.with_strangers(rows.column("user"))
        heads = frame.items.with_strangers(rows.column("item" if "item" in rows.schema.names else "pos_item"))
        sources, ends = None, None
        others: Codes | npt.NDArray[np.int8] = heads[:0]
        if "label" in rows.schema.names:
            others = as_numpy(rows.column("label"))
        elif "neg_item" in rows.schema.names:
            others = frame.items.with_strangers(rows.column("neg_item"))
        elif "neg_items" in rows.schema.names:
            lists = rows.column("neg_items")
            others, ends = frame.items.with_strangers(lists.values), as_numpy(lists.offsets)[1:]
        else:
            others = np.ones(len(heads), np.int8)
        if "source" in rows.schema.names:
            column = rows.column("source")
            sources = self._source_codes(column if ends is None else column.flatten())
        return Columns(batch.first, 0, users, heads, others, sources, ends, *self._stated.values(batch))

    def _source_codes(self, column: pa.Array) -> npt.NDArray[np.int8]:
        coded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column.cast(pa.string()))
        known = []
        for word in coded.dictionary.to_pylist():
            if word not in self.sources:
                self.sources.append(word)
            known.append(self.sources.index(word))
        indices = as_numpy(coded.indices.cast(pa.int32()))
        found: npt.NDArray[np.int8] = np.array([*known, -1], np.int8)[indices]
        return found


def _by_epoch(columns: Columns, batch: Batch) -> Iterator[Columns]:
    if "epoch" not in batch.rows.schema.names:
        yield columns
        return
    epochs = as_numpy(batch.rows.column("epoch"))
    bounds = [0, *(np.flatnonzero(epochs[1:] != epochs[:-1]) + 1).tolist(), len(epochs)]
    for begin, end in pairwise(bounds):
        yield replace(columns.slice(begin, end), epoch=int(epochs[begin]))
