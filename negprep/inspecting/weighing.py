"""What the rows of a run weigh in the form of its output: they are written, and the bytes are counted and not kept."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from negprep.exchange import open_exchange, unit_of
from negprep.forms import FOLDERS
from negprep.layout import vocabulary_tables
from negprep.resolving import writes_times
from negprep.writing.folder import NamedText
from negprep.writing.kind import Kind, kind_of
from negprep.writing.sink import Sink
from negprep.writing.text import TextStream

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from negprep.run import Run
    from negprep.section import Section


class Scale(Sink):
    """Weighs bytes, and keeps none."""

    def __init__(self) -> None:
        super().__init__(-1)
        self.n_bytes = 0

    def _append(self, data: bytes) -> None:
        self.n_bytes += len(data)


class Weigher(ABC):
    """Takes some of the rows of a run.

    Attributes
    ----------
    wants_sections : bool
        Whether the output holds the positives of each section, too.
    """

    wants_sections = False

    @abstractmethod
    def take(self, section: Section) -> None:
        """Weigh the positives of the next users."""

    @abstractmethod
    def write(self, rows: pa.RecordBatch) -> None:
        """Weigh the next rows."""

    @abstractmethod
    def weigh(self, facts: dict[str, Any]) -> tuple[int, int]:
        """Bytes of the rows that were written, in proportion to which others will be; and those of all else."""


class _File(Weigher):
    """One file, of Parquet or of text."""

    def __init__(self, run: Run, kind: Kind) -> None:
        self._run, self._kind = run, kind
        self._scale, self._rows = Scale(), 0
        self._stream = kind.stream(self._scale, run.form.schema)

    def take(self, section: Section) -> None:
        """Nothing: the rows are all."""

    def write(self, rows: pa.RecordBatch) -> None:
        self._stream.write(rows)
        self._rows += rows.num_rows

    def weigh(self, facts: dict[str, Any]) -> tuple[int, int]:
        self._stream.close({"negprep": json.dumps(facts, sort_keys=True)})
        if self._kind.separator is None:  # a footer is taken for a part of the rows, and so is the column of epochs
            return self._scale.n_bytes, 0
        header = _line(self._run.form.schema.names, self._kind.separator)
        epochs, title = _epochs(self._run, self._rows, ",epoch")
        return self._scale.n_bytes - header + epochs, header + title


class _Folder(Weigher):
    """The texts that another program reads."""

    def __init__(self, run: Run) -> None:
        self._run, self._rows = run, 0
        timed = writes_times(run.log, run.options)
        self._unit = unit_of(run.log.clock.kind if run.log.clock else None)
        self._beside, self._texts = (_Texts(), _Texts())  # apart, because only the second is a sample
        self._of_sections, self._of_rows = (
            open_exchange(run.options, texts, "out/", run.form, run.form.schema, timed=timed)
            for texts in (self._beside, self._texts)
        )
        self.wants_sections = run.options.command == "test"

    def take(self, section: Section) -> None:
        self._of_sections.add(section, self._unit)

    def write(self, rows: pa.RecordBatch) -> None:
        self._of_rows.write(rows)
        self._rows += rows.num_rows

    def weigh(self, facts: dict[str, Any]) -> tuple[int, int]:
        epochs, title = _epochs(self._run, self._rows, "\tepoch:token")
        metadata = len(json.dumps(facts, sort_keys=True).encode()) + 1
        return self._texts.weigh() - self._texts.headers + epochs, self._beside.weigh() + title + metadata


class _Texts:
    """Stands for a folder, whose texts are weighed.

    Attributes
    ----------
    headers : int
        Bytes of the headers of all.
    """

    def __init__(self) -> None:
        self.headers = 0
        self._held: list[tuple[Scale, TextStream]] = []

    def start_text(self, name: str, header: Sequence[str] = (), separator: str = "\t") -> NamedText:
        """Begin a text."""
        scale = Scale()
        stream = TextStream(scale, header, separator)
        self._held.append((scale, stream))
        self.headers += _line(header, separator) if header else 0
        return NamedText(stream, name)

    def weigh(self) -> int:
        """Bytes of all."""
        for _, stream in self._held:
            stream.end_rows()
        return sum(scale.n_bytes for scale, _ in self._held)


def open_weigher(run: Run, group_rows: int) -> Weigher:
    """Begin the output of a run, in the form that its options say.

    Raises
    ------
    UsageError, BadDataError
        The ids do not fit the form.
    """
    form = run.options.to or "parquet"
    return _Folder(run) if form in FOLDERS else _File(run, kind_of(form, "", group_rows))


def vocabulary_bytes(run: Run) -> int:
    """The size of the vocabularies beside the output, if there are any."""
    if not run.options.encode:
        return 0
    total = 0
    for table in vocabulary_tables(run.core.users.ids, run.core.items.vocabulary[0]).values():
        scale = Scale()
        stream = kind_of(run.options.to or "parquet", "").stream(scale, table.schema)
        for batch in table.to_batches():
            stream.write(batch)
        stream.close({})
        total += scale.n_bytes
    return total


def _line(names: Sequence[str], separator: str) -> int:
    return len(separator.join(names).encode()) + 1


def _epochs(run: Run, rows: int, title: str) -> tuple[int, int]:
    """What the column of epochs adds to so many rows of text, and to the header."""
    if run.options.epochs is None:
        return 0, 0
    digits = sum(1 + len(str(epoch)) for epoch in run.epochs) / len(run.epochs)
    return round(rows * digits), len(title)
