"""The rows of a file, laid aside by ranges of users until each range has its turn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from negprep.verifying.grouping import Block
from negprep.verifying.parting import MEMBERS, joined, parted, spans
from negprep.verifying.ranges import Ranges
from negprep.verifying.shelf import Laid, Shelf


class RowParts:
    """Takes blocks in the order of the file, and gives those of a range in that order.

    Parameters
    ----------
    ranges : Ranges
    shelf : Shelf
    kept_bytes : int
        So much is gathered before it is laid aside, in larger blocks.
    """

    def __init__(self, ranges: Ranges, shelf: Shelf, kept_bytes: int) -> None:
        self._ranges, self._shelf, self._kept_bytes = ranges, shelf, kept_bytes
        self._kept: list[list[Block]] = [[] for _ in range(len(ranges))]
        self._laid: list[list[tuple[int, int, Laid]]] = [[] for _ in range(len(ranges))]
        self._bytes = 0

    def add(self, block: Block) -> None:
        """Take the next rows."""
        for at, part in parted(block, self._ranges):
            self._kept[at].append(part)
            self._bytes += sum(array.nbytes for name in MEMBERS if (array := getattr(part, name)) is not None)
        if self._bytes > self._kept_bytes:
            self.lay_aside()

    def lay_aside(self) -> None:
        """Keep nothing in memory."""
        for kept, laid in zip(self._kept, self._laid, strict=True):
            for begin, end in spans([block.epoch for block in kept]) if kept else ():
                block = joined(kept[begin:end])
                arrays = {name: getattr(block, name) for name in MEMBERS}
                if block.groups is not None:
                    arrays["groups"] = block.groups.astype(np.int32)
                laid.append((block.epoch, block.rows, self._shelf.put(arrays)))
            kept.clear()
        self._bytes = 0

    def of_range(self, at: int) -> Iterator[Block]:
        """The rows of a range, which can be had once."""
        laid, self._laid[at] = self._laid[at], []
        for epoch, rows, arrays in laid:
            members = self._shelf.get(arrays)
            if members["groups"] is not None:
                members["groups"] = members["groups"].astype(np.int64)
            yield Block(epoch, rows, **members)  # type: ignore[arg-type]
