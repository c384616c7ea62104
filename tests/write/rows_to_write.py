"""Small outputs for the tests of writing: rows, a run that writes them, and what a folder holds afterwards."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from negprep.write.output import open_output

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SCHEMA = pa.schema(
    [
        pa.field("user", pa.int64(), nullable=False),
        pa.field("item", pa.int64(), nullable=False),
        pa.field("label", pa.int8(), nullable=False),
    ]
)
USERS = pa.table({"user": [1, 2, 3]})


def rows(count: int, *, seed: int = 0, items: int = 1000) -> pa.RecordBatch:
    """Users in runs, random items, one positive in five."""
    position = np.arange(count)
    drawn = np.random.default_rng(seed).integers(0, items, count)
    columns = (position // 70, drawn, (position % 5 == 0).astype(np.int8))
    return pa.record_batch([pa.array(column) for column in columns], schema=SCHEMA)


def in_pieces(batch: pa.RecordBatch, sizes: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """The rows in batches of these sizes, over and over."""
    start, turn = 0, 0
    while start < batch.num_rows:
        yield batch.slice(start, sizes[turn % len(sizes)])
        start += sizes[turn % len(sizes)]
        turn += 1


def run(target: str, batch: pa.RecordBatch, *, name: str = "", beside: bool = False, force: bool = False) -> None:
    """One whole run: two parts, perhaps the users beside them, `name` in the metadata."""
    half = batch.num_rows // 2
    with open_output(target, batch.schema, force=force) as output:
        output.write(batch.slice(0, half))
        output.next_part()
        if beside:
            output.write_beside("users", pa.table({"name": [name]}))
        output.write(batch.slice(half))
        output.finish({"name": name})


def name_of(path: Path) -> str:
    """The name that `run` was given, of a file that can be read to its end."""
    table = pq.read_table(path, page_checksum_verification=True)
    if table.column_names == ["name"]:
        return table["name"][0].as_py()
    return pq.read_metadata(path).metadata[b"name"].decode()


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def small_row_groups(monkeypatch, row_group_rows: int) -> Iterator[None]:
    """Row groups of so few rows, and no buffer, so that small outputs take many writes."""
    with monkeypatch.context() as patch:
        patch.setattr("negprep.write.parquet.ROW_GROUP_ROWS", row_group_rows)
        patch.setattr("negprep.write.parquet._BUFFER_BYTES", 1)
        yield
