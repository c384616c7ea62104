"""The parts of a folder: each is filled by one thread, from its first shard to its last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from negprep.cutting import Shard
from negprep.threads import go_on
from negprep.writing import Part

_ROWS_AT_ONCE = 1 << 18
"""Of a shard, written between two looks at whether to go on: a quarter of a second as text."""


def by_part(shards: Iterable[Shard]) -> Iterator[list[Shard]]:
    """The shards of each part."""
    part: list[Shard] = []
    for shard in shards:
        if shard.starts_part and part:
            yield part
            part = []
        part.append(shard)
    if part:
        yield part


def fill(task: tuple[Part, list[Shard]]) -> npt.NDArray[np.int64]:
    """Write a part; how many negatives come from each source: int64, shape (n_sources,).

    Between shards, and between blocks of their rows, it looks whether anybody waits for the part.
    """
    part, shards = task
    sources = np.zeros(len(shards[0].source.form.sources or ()), np.int64)
    for shard in shards:
        go_on()
        rows = shard.make()
        sources += shard.source.form.source_counts(rows)
        for begin in range(0, len(rows), _ROWS_AT_ONCE):
            go_on()
            part.write(rows.slice(begin, _ROWS_AT_ONCE))
    part.end()
    return sources
