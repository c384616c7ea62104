"""Rows from lists: a line a user, then its items, with spaces between; as LightGCN's data sets are written.

Source: ``Loader.__init__`` in github.com/gusye1234/LightGCN-PyTorch, code/dataloader.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np

from negprep.compute import pc
from negprep.reading.blocks import line_blocks, place_of_line
from negprep.reading.pieces import Piece, arrow, numbers

if TYPE_CHECKING:
    import numpy.typing as npt

    from negprep.reading.sources import Source


@dataclass(frozen=True)
class ListsInput:
    """One file of lists, ready to be read.

    Attributes
    ----------
    source : Source
    start : int
        The offset of the first line.
    warnings : list of str
        Grows while the file is read.
    """

    source: Source
    start: int
    warnings: list[str] = field(default_factory=list)

    @property
    def footer(self) -> dict[bytes, bytes]:
        """Text has none."""
        return {}

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in order."""
        return ("user", "item")

    def pieces(self, columns: dict[str, str]) -> Iterator[Callable[[], Piece]]:
        """The rows, one for each item of a user, as functions that parse a block each and may run in any thread."""
        self.warnings.clear()
        for offset, block in line_blocks(self.source, self.start, self.warnings):
            yield partial(self._piece, columns, offset, block)

    def _piece(self, columns: dict[str, str], offset: int, block: bytes) -> Piece:
        import pyarrow as pa

        lines = block.splitlines()
        ends = np.cumsum([len(line) for line in lines], dtype=np.int32)
        starts = np.concatenate([np.zeros(1, np.int32), ends])
        texts = pa.Array.from_buffers(
            pa.string(), len(lines), [None, pa.py_buffer(starts), pa.py_buffer(b"".join(lines))]
        )
        texts = pc.ascii_trim_whitespace(texts)
        words = pc.ascii_split_whitespace(texts)
        filled = numbers(pc.binary_length(texts)) > 0
        offsets, flat = words.offsets, words.values
        firsts = numbers(offsets)[:-1][filled]
        counts = np.diff(numbers(offsets))[filled] - 1
        is_item = np.zeros(len(flat), bool)
        is_item[int(firsts[0]) if len(firsts) else 0 :] = True
        is_item[firsts] = False
        is_item[numbers(offsets)[:-1][~filled]] = False
        made = {
            "user": flat.take(arrow(np.repeat(firsts, counts))),
            "item": flat.take(arrow(np.flatnonzero(is_item).astype(np.int32))),
        }
        arrays = {role: made[name] for role, name in columns.items()}
        return Piece(arrays, partial(self._place, offset, np.cumsum(counts)), {})

    def _place(self, offset: int, ends: npt.NDArray[np.int64], row: int) -> str:
        line = cast(int, np.searchsorted(ends, row, side="right"))
        return place_of_line(self.source, offset, int(line))
