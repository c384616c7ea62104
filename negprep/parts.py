"""The parts of a folder: each is filled by one thread, from its first shard to its last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from negprep.cutting import Shard
from negprep.writing import Part


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
    """Write a part; how many negatives come from each source: int64, shape (n_sources,)."""
    part, shards = task
    sources = np.zeros(len(shards[0].source.form.sources or ()), np.int64)
    for shard in shards:
        rows = shard.make()
        sources += shard.source.form.source_counts(rows)
        part.write(rows)
    part.end()
    return sources
