from typing import NamedTuple

import pytest

from negprep.options.reading import ReadOptions
from negprep.read.log import open_log


class Read(NamedTuple):
    rows: list
    columns: dict
    rows_read: int
    rows_dropped: dict
    warnings: list
    types: dict
    paths: tuple


@pytest.fixture
def read():
    """Read a whole log: its rows as tuples, and what the reader says of them."""

    def read(source, roles=("user", "item"), required=("user", "item"), **options):
        with open_log(source, ReadOptions(**options), required=required) as log:
            rows, types = [], {}
            for batch in log.batches(roles):
                assert batch.schema.names == list(roles)
                assert all(column.null_count == 0 for column in batch.columns)
                types = {name: str(batch.schema.field(name).type) for name in batch.schema.names}
                rows += zip(*(column.to_pylist() for column in batch.columns), strict=True)
            return Read(rows, log.columns, log.rows_read, log.rows_dropped, log.warnings, types, log.paths)

    return read


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder, so that messages name files without a folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
