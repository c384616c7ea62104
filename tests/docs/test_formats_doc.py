"""docs/reference/formats.md names every key, column name and file that there is."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke
from negprep.read.columns import _GROUPS, _KNOWN, _OTHERS, _RARE
from negprep.summary import Summary
from negprep.write.output import PART_ROWS
from negprep.write.parquet import ROW_GROUP_ROWS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "formats.md").read_text(encoding="utf-8")
LOG = pa.table({"user": [1, 1, 2, 2], "item": ["a", "b", "a", "c"], "time": [1, 2, 3, 4]})


def first_cells(before):
    """The names in the first column of the first table after some words."""
    lines = [*PAGE.partition(before)[2].splitlines(), ""]
    first = next(place for place, line in enumerate(lines) if line.startswith("|"))
    last = next(place for place, line in enumerate(lines) if place > first and not line.startswith("|"))
    return [name for line in lines[first + 2 : last] for name in re.findall(r"`(\w+)`", line.split("|")[1])]


def written(folder, **options):
    target = folder / "out.parquet"
    negprep.test(LOG, target, **options)
    return target


def test_the_example_of_what_was_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log, command, rows = re.search(
        r"```csv\n(.*?)```\n\n    negprep (train requests\.csv .*?)\n\n```csv\n(.*?)```", PAGE, flags=re.DOTALL
    ).groups()
    (tmp_path / "requests.csv").write_text(log)
    subprocess.run([sys.executable, "-m", "negprep", *shlex.split(command), "--quiet"], check=True)
    assert (tmp_path / "rows.csv").read_text() == rows


def test_metadata_keys(tmp_path):
    facts = json.loads(pq.read_schema(written(tmp_path)).metadata[b"negprep"])
    assert sorted(first_cells('metadata[b"negprep"]')) == sorted(facts)
    assert sorted(first_cells("the numbers below|\n")) == sorted(facts["counts"])


def test_summary_keys():
    assert sorted(first_cells("### The summary")) == sorted(field.name for field in fields(Summary))


@pytest.mark.parametrize("role", _KNOWN)
def test_recognised_names(role):
    usual, rare = (
        re.search(rf"\|role\|{title}\|\n.*?^\|{role}\|(.*?)\|$", PAGE, flags=re.MULTILINE | re.DOTALL)[1]
        for title in ("names", "rarer names")
    )
    assert re.findall(r"`(\w+)`", usual) == _KNOWN[role].split()
    assert re.findall(r"`(\w+)`", rare) == _RARE[role].split()


def test_ids_of_other_things_than_items():
    (groups,) = re.findall(r"unless it names (.*?)\.", PAGE, flags=re.DOTALL)
    assert set(re.findall(r"\ban?\s+(\w+)", groups)) == {*_GROUPS, *_OTHERS}


@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
def test_columns(layout, tmp_path):
    (row,) = re.findall(rf"^\|`{layout}`\|(.*?)\|", PAGE, flags=re.MULTILINE)
    assert re.findall(r"`(\w+)`", row) == pq.read_schema(written(tmp_path, layout=layout)).names


def test_files(tmp_path):
    written(tmp_path, encode=True)
    names = {path.name for path in tmp_path.iterdir()}
    negprep.test(LOG, f"{tmp_path}/out/", encode=True)
    names |= {path.name for path in (tmp_path / "out").iterdir()}
    assert len(names) == 7
    assert {name for name in names if f"`{name}`" not in PAGE} == set()
    vocabulary = pq.read_schema(tmp_path / "out.items.parquet")
    assert (vocabulary.names, vocabulary.types) == (["code", "item"], [pa.int32(), pa.string()])


def test_sizes():
    assert f"{ROW_GROUP_ROWS:,} rows" in PAGE
    assert PART_ROWS == 8 * ROW_GROUP_ROWS


FILES = {
    "movielens": ("userId,movieId,rating,timestamp\n1,2,3.5,1700000000\n1,3,4.0,1700000001\n2,9,1.0,1\n", {}),
    "recbole": ("user_id:token\titem_id:token\ttimestamp:float\n1\ta\t1.5\n1\tb\t2.5\n2\tc\t1\n", {}),
    "amazon": ("user_id,parent_asin,rating,timestamp\nu,a,1.0,1\nu,b,2.0,2\nv,c,1.0,1\n", {}),
    "movielens 1M": (
        "1::2::3::978300760\n1::3::4::978300761\n2::9::1::1\n",
        {"columns": ("user", "item", "value", "time")},
    ),
    "ncf": ("1\t2\t3\t978300760\n1\t3\t4\t978300761\n2\t9\t1\t1\n", {"columns": ("user", "item", "value", "time")}),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_read(name, tmp_path):
    text, options = FILES[name]
    (tmp_path / "log").write_text(text)
    assert negprep.test(str(tmp_path / "log"), num_neg=1, holdout="last", **options).num_rows == 2


TIMES = [
    ["2024-05-01", "2024-05-01 12:30:00", "2024-05-01T12:30:00.5"],
    ["2024-05-01T12:30:00Z", "2024-05-01T12:30:00+02:00"],
    ["1700000000.25", "1700000000"],
    ["1700000000000", "1700000000001"],
]


@pytest.mark.parametrize("times", TIMES, ids=lambda times: times[0])
def test_times_that_are_read(times):
    assert all(f"`{time}`" in PAGE for time in times[:1])
    log = pa.table({"user": [1] * len(times) + [2], "item": range(len(times) + 1), "time": [*times, times[0]]})
    assert negprep.test(log, num_neg=1).num_rows == 2


def test_columns_kept_from_the_log(tmp_path, monkeypatch):
    """The example of the page, on a log of two devices."""
    (command,) = re.findall(r"^    negprep (train log\.csv train\.parquet --keep .*)$", PAGE, flags=re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    lines = ["user,item,time,device,price", "u,a,1,phone,5", "u,b,2,,7", "u,d,3,tv,1", "v,c,3,tv,"]
    Path("log.csv").write_text("\n".join(lines) + "\n")
    assert guarded(lambda: invoke([*command.split(), "--quiet"])) == 0
    rows = pq.read_table("train.parquet")
    beside = ["device", "price", "time", "history"]
    assert rows.schema.names == ["user", "item", "label", *beside]
    heads = [[row["item"], *(row[name] for name in beside)] for row in rows.to_pylist() if row["label"] == 1]
    assert heads == [["a", "phone", 5, 1, []], ["b", None, 7, 2, ["a"]], ["c", "tv", None, 3, []]]


def test_the_example_of_a_condition(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    command = re.search(r"^negprep inspect (\S+) --where \"(.*)\"$", PAGE, re.MULTILINE)
    rows = [line.split(",") for line in Path(command[1]).read_text(encoding="utf-8").splitlines()[1:]]
    start = datetime(2024, 2, 1, tzinfo=UTC).timestamp()
    kept = [row for row in rows if row[2] in ("purchase", "cart") and int(row[4]) >= start and row[3] != "1"]
    assert 0 < negprep.inspect(command[1], where=command[2]).log.rows == len(kept) < len(rows)


def test_the_sessions_of_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    section = PAGE.partition("### Lists and objects")[2].partition("\n### ")[0]
    Path("sessions.jsonl").write_text(re.search(r"```json\n(.*?)```", section, flags=re.DOTALL)[1], encoding="utf-8")
    command = re.search(r"^    negprep (.*)$", section, flags=re.MULTILINE)[1].split()
    assert guarded(lambda: invoke([*command, "--holdout", "none", "--quiet"])) == 0
    rows = pq.read_table("train.parquet").to_pylist()
    positives = [(row["user"], row["item"]) for row in rows if row["label"] == 1]
    assert positives == [(1, 10), (1, 11), (2, 10), (2, 12)]
    summary = negprep.inspect("sessions.jsonl", user_col="session", item_col="events.aid").log.columns
    assert (summary["time"], summary["event"]) == ("events.ts", "events.type")
