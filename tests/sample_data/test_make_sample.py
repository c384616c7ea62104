"""The sample data is what its script makes, and has what the documentation promises."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest

FOLDER = Path(__file__).parents[2] / "sample_data"


@pytest.fixture(scope="module")
def rows():
    with (FOLDER / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_made_again_it_is_the_same(tmp_path):
    subprocess.run([sys.executable, FOLDER / "make_sample.py", tmp_path], check=True)
    for name in ("log.csv", "catalog.csv"):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()
    assert pq.read_table(tmp_path / "log.parquet").equals(pq.read_table(FOLDER / "log.parquet"))


def test_parquet_and_csv_hold_the_same_rows(rows):
    table = pq.read_table(FOLDER / "log.parquet").to_pylist()
    assert [{name: str(value) for name, value in row.items()} for row in table] == rows


def test_it_is_what_its_readme_says(rows):
    with (FOLDER / "catalog.csv").open() as file:
        catalog = {row["item"] for row in csv.DictReader(file)}
    items = defaultdict(set)
    for row in rows:
        items[row["user"]].add(row["item"])
    met = set().union(*items.values())
    assert (len(rows), len(items), len(met), len(catalog)) == (60_000, 1_000, 600, 640)
    assert met < catalog
    assert {row["event"] for row in rows} == {"view", "cart", "purchase"}
    assert {row["value"] for row in rows} == set("12345")
    assert len(items["1000"]) == 1
    assert len(items["1001"]) == 595
    assert (FOLDER / "log.csv").stat().st_size < 2_500_000


def test_it_has_ties_recurring_pairs_and_long_tails(rows):
    assert max(Counter((row["user"], row["time"]) for row in rows).values()) > 1
    assert len({(row["user"], row["item"]) for row in rows}) < len(rows) * 0.9
    for role in ("user", "item"):
        counts = sorted(Counter(row[role] for row in rows).values())
        assert sum(counts[-len(counts) // 5 :]) > 2.5 * sum(counts[: len(counts) // 2])


def test_the_demo_shows_the_first_rows():
    script, log = FOLDER / "show_rows.py", FOLDER / "log.parquet"
    shown = subprocess.run([sys.executable, script, log], capture_output=True, text=True, check=True).stdout
    lines = shown.splitlines()
    assert lines[1] == f"{log}: 60,000 rows, the first 6:"
    assert lines[2].split() == ["user", "item", "event", "value", "time"]
    assert len({len(line) for line in lines[2:9]}) == 1
