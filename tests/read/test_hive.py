"""Keys in the paths of the parts of a log are columns."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.errors import BadDataError, NegprepError
from negprep.read.log import open_log

SECOND = 10**9
DAY = 86_400 * SECOND


def parts(files, columns=("user", "item")):
    """Write CSV or Parquet, by name, from tuples."""
    for name, rows in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".parquet"):
            made = {column: [row[at] for row in rows] for at, column in enumerate(columns)}
            pq.write_table(pa.table(made), name)
        else:
            lines = [columns, *rows]
            Path(name).write_text("".join(",".join(map(str, line)) + "\n" for line in lines))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("where", ["log", "log/", "log/*/*", "log/**/part-0.*"])
def test_an_event_in_the_path(here, read, ending, where):
    parts(
        {f"log/event_type=buy/part-0.{ending}": [(1, 10)], f"log/event_type=view/part-0.{ending}": [(1, 11), (2, 10)]}
    )
    found = read(where, ("user", "item", "event"))
    assert found.rows == [(1, 10, "buy"), (1, 11, "view"), (2, 10, "view")]
    assert found.columns["event"] == "event_type"
    assert read(where, ("event",)).rows == [("buy",), ("view",), ("view",)]


def test_positives_by_an_event_in_the_path(here):
    parts({"log/event_type=buy/a.parquet": [(1, 10), (2, 11)], "log/event_type=view/a.parquet": [(1, 11), (3, 12)]})
    made = negprep.train("log", positive="buy", num_neg=1, holdout="none").to_pylist()
    assert {(row["user"], row["item"]) for row in made if row["label"] == 1} == {(1, 10), (2, 11)}


def test_ids_and_values_in_the_path_are_decoded(here, read):
    parts(
        {"log/user=7/rating=4.5/a.csv": [(1,)], "log/user=007%2Fx%20y/rating=__HIVE_DEFAULT_PARTITION__/a.csv": [(2,)]},
        ("item",),
    )
    found = read("log", ("user", "item"))
    assert sorted(map(str, found.rows)) == sorted(map(str, [("007/x y", 2), (7, 1)]))
    with pytest.raises(BadDataError, match=r"a\.csv:2: missing or infinite value"):
        read("log", ("user", "item", "value"))
    kept = read("log", ("user", "item", "value"), drop_invalid=True)
    assert (kept.rows, kept.rows_dropped) == ([(7, 1, 4.5)], {"missing or infinite value": 1})


def test_a_day_in_the_path_is_a_time_where_it_is_named_or_the_only_one(here, read):
    days = {"log/dt=2024-01-01/a.csv": [(1, 2)], "log/dt=2024-01-02/a.csv": [(3, 4)]}
    parts(days)
    assert "time" not in read("log").columns
    times = [time for (time,) in read("log", ("time",), time_col="dt").rows]
    assert times[1] - times[0] == DAY
    parts({name.replace("dt=", "date=").replace("log", "dated"): rows for name, rows in days.items()})
    assert read("dated", ("time",)).columns["time"] == "date"
    parts({"timed/date=2024-01-01/a.csv": [(1, 2, 1_700_000_000)]}, ("user", "item", "timestamp"))
    assert read("timed", ("time",)).columns["time"] == "timestamp"


def test_a_key_that_nothing_needs_is_named(here):
    parts({"log/day=1/a.csv": [(1, 2)], "log/day=2/a.csv": [(3, 4)]})
    with open_log("log") as log:
        list(log.batches(["user", "item"]))
        assert log.unused_keys == ("day",)
    parts({"bought/event=buy/a.csv": [(1, 2)]})
    with open_log("bought") as log:
        list(log.batches(["user", "item"]))
        assert log.unused_keys == ("event",)
        list(log.batches(["user", "item", "event"]))
        assert log.unused_keys == ()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_column_of_the_same_name_must_be_equal(here, read, ending):
    parts({f"log/user=7/a.{ending}": [(7, 1), (7, 2)], f"log/user=8/a.{ending}": [(8, 1)]})
    assert read("log").rows == [(7, 1), (7, 2), (8, 1)]
    parts({f"log/user=8/a.{ending}": [(8, 1), (9, 1)]})
    with pytest.raises(BadDataError) as error:
        read("log")
    place = "a.csv:3" if ending == "csv" else "a.parquet: row 2"
    shown = "'9'" if ending == "csv" else "9"
    assert str(error.value) == (
        f"log/user=8/{place}: the column 'user' holds {shown}, but the folder is user=8; "
        "rename the folders or the column"
    )
    assert read("log", ("item",)).rows == [(1,), (2,), (1,), (1,)]


def test_a_key_that_some_parts_lack(here, read):
    parts({"log/event=buy/a.csv": [(1, 2)], "log/b.csv": [(3, 4)]})
    assert read("log").rows == [(3, 4), (1, 2)]
    for options in ({"roles": ("event",)}, {"event_col": "event"}):
        with pytest.raises(NegprepError) as error:
            read("log", **options)
        assert str(error.value) == (
            "log/b.csv: no column 'event' (found: user, item), but log/event=buy/a.csv has it; a column that is needed "
            "must be in all parts of a log"
        )


def test_no_keys_above_the_input(here, read):
    parts({"log/event=buy/a.csv": [(1, 2)]})
    for where in ("log/event=buy", "log/event=buy/a.csv", "log/event=buy/*.csv"):
        assert "event" not in read(where).columns


def test_keys_of_side_files(here):
    parts({"log.csv": [(1, 10), (1, 11), (2, 10), (2, 12)]})
    parts({"more/user=1/a.csv": [(12,)]}, ("item",))
    made = negprep.train("log.csv", exclude="more", num_neg=1, holdout="none", seed=3).to_pylist()
    assert {row["item"] for row in made if row["user"] == 1 and row["label"] == 0} == set()
