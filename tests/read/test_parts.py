"""The parts of a log: types that differ, and very many files."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.errors import BadDataError
from negprep.options.reading import ReadOptions
from negprep.read.log import open_log

TIMES = [dt.datetime(2024, 5, 1, hour) for hour in range(4)]
EPOCH = pa.array([1_714_521_600 + 3600 * hour for hour in range(4)])


def parts(name, *columns):
    """A folder of parts of four rows that differ in a column."""
    Path("log").mkdir()
    for number, column in enumerate(columns):
        items = [4 * number + row for row in range(4)]
        rows = {"user": pa.array([1, 1, 2, 2]), "item": pa.array(items), "ts": EPOCH, name: column}
        pq.write_table(pa.table(rows), f"log/{number}.parquet")


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        (pa.array([1, 2, 3, None]), pa.array([5, 6, 7, 8], pa.int16()), "int64"),
        (pa.array([1, 2, 3, 4]), pa.array([0.5, None, 1e300, -1.0]), "double"),
        (pa.array([1.5, 2.5, 3.5, 4.5], pa.float32()), pa.array([2**40] * 4), "double"),
        (pa.array(["a", "b", None, "d"]), pa.array(["a"] * 4, pa.large_string()).dictionary_encode(), "string"),
        (pa.array(TIMES, pa.timestamp("s")), pa.array(TIMES, pa.timestamp("us")), "timestamp[us]"),
        (pa.array(["a"] * 4), pa.nulls(4), "string"),
    ],
)
def test_types_that_one_type_holds(here, one, other, kind):
    parts("extra", one, other)
    made = negprep.train("log", keep=("extra",), holdout="none", num_neg=1)
    assert str(made.schema.field("extra").type) == kind
    wanted = dict(zip(range(8), [*one.to_pylist(), *other.to_pylist()], strict=True))
    found = {row["item"]: row["extra"] for row in made.to_pylist() if row["label"]}
    assert found == wanted


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("extra", pa.array([1, 2, 3, 4]), pa.array(["1", "2", "3", "4"])),
        ("extra", pa.array([True] * 4), pa.array([1, 0, 1, 0])),
        ("extra", pa.array(TIMES), pa.array([time.date() for time in TIMES])),
        ("extra", pa.array(TIMES), pa.array(TIMES, pa.timestamp("us", "UTC"))),
        ("ts", pa.array(TIMES), pa.array(TIMES, pa.timestamp("us", "UTC"))),
        ("ts", EPOCH, pa.array(TIMES)),
    ],
)
def test_types_that_no_type_holds_name_both_parts(here, name, one, other):
    parts(name, one, other)
    with pytest.raises(BadDataError) as error:
        negprep.train("log", keep=("extra",) if name == "extra" else ())
    wanted = f"log/1.parquet: the column {name!r} has the type {other.type}, but in log/0.parquet {one.type}; "
    assert str(error.value).startswith(wanted)


def test_a_value_that_the_joined_type_would_change_is_refused(here):
    parts("extra", pa.array([2**53 + 1] * 4), pa.array([0.5] * 4))
    with pytest.raises(BadDataError, match="the column 'extra' has a value that its type in another part, double, has"):
        negprep.train("log", keep=("extra",))


def test_other_types_of_columns_that_are_not_read_do_not_matter(here):
    parts("extra", pa.array([1] * 4), pa.array(["x"] * 4))
    assert len(negprep.train("log", holdout="none", num_neg=1)) == 16


def test_many_small_files_are_open_one_by_one_and_share_their_schema(here, monkeypatch):
    now, most = set(), [0]
    entered, left = pq.ParquetFile.__enter__, pq.ParquetFile.__exit__

    def enter(file):
        now.add(id(file))
        most[0] = max(most[0], len(now))
        return entered(file)

    def leave(file, *exception):
        now.discard(id(file))
        return left(file, *exception)

    for number in range(300):
        folder = Path(f"log/dt=2024-05-{1 + number % 28:02}")
        folder.mkdir(parents=True, exist_ok=True)
        made = pa.table({"user": [str(number % 7), "x"[: number % 2]], "item": [number, number + 1]})
        made = made.replace_schema_metadata({"pandas": f'{{"number": {number}}}'})
        pq.write_table(made, folder / f"{number}.parquet")
    monkeypatch.setattr(pq.ParquetFile, "__enter__", enter)
    monkeypatch.setattr(pq.ParquetFile, "__exit__", leave)
    with open_log("log", ReadOptions(drop_invalid=True)) as log:
        schemas = {id(part.input.schema) for part in log._parts}
        names = {id(part.input.names) for part in log._parts}
        items = [item for batch in log.batches(["user", "item"]) for item in batch.column("item").to_pylist()]
    assert (len(schemas), len(names)) == (1, 1)
    assert most[0] <= 2 * 8 + 1
    assert not now
    paths = sorted(Path("log").rglob("*.parquet"))
    right = [item for path in paths for item in pq.read_table(path)["item"].to_pylist()]
    empty = {number + 1 for number in range(300) if number % 2 == 0}
    assert len(items) == log.rows_read - sum(log.rows_dropped.values()) == 600 - len(empty)
    remaining = iter(right)
    assert all(item in remaining for item in items), "the order of the parts, and of their rows"


def test_errors_of_many_files_come_in_their_order(here):
    Path("log").mkdir()
    for number in range(80):
        users = [1, None if number in (40, 60) else 2]
        pq.write_table(pa.table({"user": users, "item": [number, 1]}), f"log/{number:02}.parquet")
    with pytest.raises(BadDataError, match=r"log/40\.parquet: row 2: null user id"):
        negprep.train("log")
    Path("log/50.parquet").write_bytes(b"PAR1 and nothing else")
    Path("log/45.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(BadDataError, match=r"log/45\.parquet: unreadable Parquet"):
        negprep.train("log")
