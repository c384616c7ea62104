"""A prepared file or folder, ready to be read: its kind, its layout, its metadata, and its rows batch by batch."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from negprep.arrow import from_numpy
from negprep.errors import BadDataError, UsageError
from negprep.options import ReadOptions
from negprep.prepared.canonical import canonical_rows, decoded
from negprep.prepared.folders import folder_facts
from negprep.prepared.listed import Lines, is_gcn_list, lines_of, pieces_of
from negprep.prepared.shape import (
    METADATA_KEY,
    RATING_COLUMNS,
    Part,
    Shape,
    facts_in,
    is_rating_file,
    part_of,
    shape_of,
)
from negprep.prepared.summaries import Told, said_of
from negprep.prepared.vocabularies import find_vocabularies
from negprep.reading.dialect import Dialect, read_dialect
from negprep.reading.header import Unnamed
from negprep.reading.known import with_quotes
from negprep.reading.opening import delimited
from negprep.reading.parquet import ParquetInput, parquet_input
from negprep.reading.sources import Source, find_sources, machine_errors
from negprep.reading.text import TextInput

_EPOCH = re.compile(r"epoch=([0-9]{1,10})")


@dataclass(frozen=True, eq=False)
class Batch:
    """Some consecutive rows.

    Attributes
    ----------
    rows : pa.RecordBatch
        Canonical columns: ``user``, and by layout ``item`` and ``label`` (pointwise), ``pos_item`` and ``neg_item``
        (pairwise), ``pos_item`` and ``neg_items`` (listwise), ``item`` (positives); then ``source`` and ``epoch``, if
        they are there, and what else was asked for. Ids are int64, string or dictionary of string, never codes; labels
        int8, epochs int64. No nulls, but in what else was asked for.
    first : int
        The number of the first row in the file or folder, from 0.
    place : callable
        Row of the batch, from 0, to ``test.csv:17`` or ``test.parquet: row 17``.
    """

    rows: pa.RecordBatch
    first: int
    place: Callable[[int], str]


class Prepared:
    """A prepared file or folder; a context manager.

    Attributes
    ----------
    name : str
        As it was given.
    shape : Shape
        Its kind and layout.
    part : {"train", "valid", "test"} or None
        What it is for, where it says so.
    facts : dict or None
        The metadata that negprep writes; those of a summary, where the file has none.
    said_in : str
        Where they are: the name of the file, or of the summary.
    names : tuple of str
        All columns, as they are called in the file.
    """

    def __init__(
        self,
        name: str,
        sources: tuple[Source, ...],
        inputs: list[ParquetInput | TextInput | Lines],
        shape: Shape,
        facts: dict[str, Any] | None,
        resources: ExitStack,
        said_in: str | None = None,
    ) -> None:
        self.name, self.shape, self.facts = name, shape, facts
        self.said_in = name if said_in is None else said_in
        self.part: Part | None = part_of(name, facts)
        self.names = tuple(shape.columns) if isinstance(inputs[0], Lines) else inputs[0].names
        self._sources, self._inputs, self._resources = sources, inputs, resources
        self._places: list[tuple[int, Callable[[int], str]]] = []

    @property
    def layout(self) -> str:
        """``pointwise``, ``pairwise``, ``listwise`` or ``positives``."""
        return self.shape.layout

    def batches(self, extra: tuple[str, ...] = ()) -> Iterator[Batch]:
        """The rows, in order. May be asked for again.

        Parameters
        ----------
        extra : tuple of str
            Columns of the file to pass on as they are, such as ``score``.

        Raises
        ------
        BadDataError
            A row that cannot be read, at its place; a file that changed meanwhile.
        UsageError
            The file has no such column. At once.
        """
        for column in extra:
            if column not in self.names:
                raise UsageError(f"no column {column!r} (found: {', '.join(self.names)})", place=self.name)
        columns = self.shape.columns | {column: column for column in extra}
        encoded = None if self.facts is None else bool(self.facts.get("encode"))
        vocabularies = find_vocabularies(Path(self.name), encoded=encoded)
        return self._read(columns, vocabularies)

    def _read(self, columns: dict[str, str], vocabularies: dict[str, pa.Array] | None) -> Iterator[Batch]:
        self._places = []
        first = 0
        for source, each in zip(self._sources, self._inputs, strict=True):
            epoch = _EPOCH.fullmatch(source.path.parent.name) if source.path is not None else None
            pieces = pieces_of(source, each) if isinstance(each, Lines) else (task() for task in each.pieces(columns))
            for piece in pieces:
                rows = canonical_rows(piece, by_spaces=self.facts is not None)
                if not rows.num_rows:
                    continue
                if vocabularies is not None:
                    rows = decoded(rows, vocabularies, piece.place)
                if epoch is not None and "epoch" not in columns:
                    rows = rows.append_column("epoch", _constant(int(epoch[1]), rows.num_rows))
                self._places.append((first, piece.place))
                yield Batch(rows, first, piece.place)
                first += rows.num_rows
            source.check_unchanged()

    def place(self, row: int) -> str:
        """Where a row is that ``batches`` has given, by its number from 0."""
        first, place = self._places[bisect_right(self._places, row, key=lambda entry: entry[0]) - 1]
        return place(row - first)

    @property
    def warnings(self) -> list[str]:
        """What is suspicious but no error, once the rows were read."""
        return [text for each in self._inputs if not isinstance(each, Lines) for text in each.warnings]

    def close(self) -> None:
        """Let go of temporary files."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def open_prepared(where: str | os.PathLike[str], told: Told | None = None, read: ReadOptions | None = None) -> Prepared:
    """Find out what a prepared file or folder is.

    Parameters
    ----------
    where : str or path
        What negprep wrote (a Parquet file or a folder of parts), other Parquet or text with the columns of a layout,
        RecBole's ``.inter``, NCF's ``.rating`` or ``.negative``.
    told : Told, optional
        The summary of the run that wrote it, of a file that has no metadata.
    read : ReadOptions, optional
        How the log is read: the quotes of text that negprep did not write are those of the log.

    Returns
    -------
    Prepared
        To be closed; a context manager.

    Raises
    ------
    BadDataError
        It is no prepared file, is damaged, or its parts differ.
    UsageError
        It has metadata, and a summary besides.
    OutputError
        It does not exist or cannot be read.
    """
    name = os.fspath(where)
    with ExitStack() as stack:
        sources = find_sources(name)
        for source in sources:
            stack.callback(source.close)
        facts = said_of(name, folder_facts(Path(name)) if not sources[0].parquet else None, told)
        said_in = None if told is None else told.place
        lines = None if sources[0].parquet else lines_of(sources[0], said=facts is not None)
        if lines is not None:
            form = lines.form
            columns = ("user", "item") if form == "items" else ("user", "pos_item", "neg_items")
            shape = Shape(
                "ncf" if is_rating_file(name) else "lightgcn" if is_gcn_list(name) else "ncf negatives",
                "positives" if form == "items" else "listwise",
                dict(zip(columns, columns, strict=True)),
            )
            return Prepared(name, sources, [lines] * len(sources), shape, facts, stack.pop_all(), said_in)
        quotes = ReadOptions() if read is None else read.of_text_beside()
        quotes = quotes if facts is None else ReadOptions(quote='"')
        inputs = [_input(source, quotes) for source in sources]
        described = [_described(source, each, facts, told) for source, each in zip(sources, inputs, strict=True)]
        for source, other in zip(sources[1:], described[1:], strict=True):
            if other != described[0]:
                what = f"columns or metadata are not those of {sources[0].name}"
                raise BadDataError(what, place=source.name, remedy="give files of one run")
        shape, facts = described[0]
        if facts is not None and Path(name).is_dir() and not Path(name, "_SUCCESS").exists():
            raise BadDataError("no _SUCCESS in the folder: it is not whole", place=name, remedy="make it again")
        return Prepared(name, sources, list(inputs), shape, facts, stack.pop_all(), said_in)


def _input(source: Source, quotes: ReadOptions) -> ParquetInput | TextInput:
    with machine_errors(source.name):
        if source.parquet:
            return parquet_input(source)
        if is_rating_file(source.name):
            return TextInput(source, _rating_dialect(source, quotes))
        unnamed = Unnamed(("user", "item", "label"), by_option=False)
        return delimited(source, with_quotes(source, quotes), beside=True, unnamed=unnamed)


def _rating_dialect(source: Source, quotes: ReadOptions) -> Dialect:
    """A ``.rating`` has no header, and two to four columns."""
    errors: list[UsageError] = []
    for width in range(len(RATING_COLUMNS), 1, -1):
        try:
            return read_dialect(source, replace(quotes, columns=RATING_COLUMNS[:width], delimiter="\t"))
        except UsageError as error:
            errors.append(error)
    raise BadDataError(errors[0].what, place=source.name, remedy="a .rating has user, item, rating and time")


def _described(
    source: Source, each: ParquetInput | TextInput, facts: dict[str, Any] | None, told: Told | None
) -> tuple[Shape, dict[str, Any] | None]:
    if isinstance(each, ParquetInput):
        facts = said_of(source.name, facts_in((each.schema.metadata or {}).get(METADATA_KEY), source.name), told)
        return shape_of(each.names, facts, source.name, parquet=True, rating=False), facts
    return shape_of(each.names, facts, source.name, parquet=False, rating=not each.dialect.header), facts


def _constant(value: int, size: int) -> pa.Array:
    return from_numpy(np.full(size, value))
