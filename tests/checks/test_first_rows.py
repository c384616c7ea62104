"""Faults are reported with their first rows, also where rows are in no order."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from logs import as_table, random_rows

import negprep
from negprep.checks.results import Findings
from negprep.checks.verify import verify

LOG = as_table(random_rows(5, users=80, items=40, most=20, times=6))


@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
def test_faults_in_shuffled_rows_are_reported_with_the_first_rows(tmp_path, layout):
    negprep.train(LOG, tmp_path / "o.parquet", layout=layout, shuffle=True, holdout="last")
    table = pq.read_table(tmp_path / "o.parquet")
    name = "item" if layout == "pointwise" else "pos_item"
    items = table[name].to_pylist()
    log = set(zip(LOG["user"].to_pylist(), LOG["item"].to_pylist(), strict=True))
    users = table["user"].to_pylist()
    leads = table["label"].to_pylist() if layout == "pointwise" else [1] * len(items)
    changed = [row for row in range(0, len(items), 7) if leads[row]]
    for row in changed:
        items[row] = next(item for item in sorted(set(LOG["item"].to_pylist())) if (users[row], item) not in log)
    table = table.set_column(table.schema.get_field_index(name), name, [items])
    pq.write_table(table, tmp_path / "o.parquet")
    report = verify([(str(tmp_path / "o.parquet"), None)], LOG, n_examples=8)
    (check,) = (check for check in report.checks if check.name == "positives are positives of the log")
    assert check.count == len(changed)
    rows = [int(example.partition(": row ")[2].partition(":")[0]) for example in check.examples]
    assert rows == [row + 1 for row in changed[:8]]


def test_examples_are_those_of_the_first_rows_and_earlier_stages():
    found = Findings(3)
    chance, told = np.random.default_rng(2), []
    for _ in range(20):
        rows = chance.integers(0, 1_000, 30)
        found.found("a", np.arange(30), lambda at, rows=rows: f"{rows[at]}", rows=rows)
        told += rows.tolist()
    found.found("a", [1, 2], lambda at: f"late {at}", stage=1)
    found.found("b", [5, 6], lambda at: f"late {at}", stage=1)
    found.found("b", [7, 8, 9], lambda at: f"early {at}")
    first, second = found
    assert [int(example) for example in first.examples] == sorted(told)[:3]
    assert (first.count, second.count) == (602, 5)
    assert second.examples == ["early 7", "early 8", "early 9"]
    none = Findings(0)
    none.found("a", np.arange(3), str, rows=np.arange(3))
    assert next(iter(none)).examples == []
