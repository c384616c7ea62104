"""Folders whose files alone are not the rows are refused by name, however their files are reached."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negprep.errors import BadDataError

TABLE = pa.table({"user": [1, 2], "item": [3, 4]})
KINDS = {
    "Delta Lake": ("_delta_log/00000000000000000000.json", "delta_scan('{}')"),
    "Iceberg": ("metadata/00001-9c12d441-03fe-4693-9a96-a0705ddf69c1.metadata.json", "iceberg_scan('{}')"),
    "Hudi": (".hoodie/hoodie.properties", "spark.read.format('hudi').load('{}')"),
    "Spark stream": ("_spark_metadata/0", "spark.read.parquet('{}')"),
}


def table_folder(name, marker, inner="country=DE"):
    for path in (Path(name, marker), Path(name, inner, "part-0.parquet")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    pq.write_table(TABLE, Path(name, inner, "part-0.parquet"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_with_a_log_of_its_own(here, read, kind):
    marker, command = KINDS[kind]
    table_folder("lake/log", marker)
    inside = "lake/log/country=DE"
    for where in ("lake/log", "lake", inside, f"{inside}/part-0.parquet", "lake/*", "lake/**/*.parquet"):
        with pytest.raises(BadDataError) as error:
            read(where)
        message = str(error.value)
        assert "/log: this is " in message.replace("lake/log", "/log")
        assert kind in message
        assert command.format("lake/log") in message or command.format(here / "lake/log") in message
        assert "some may be deleted or replaced" in message


def test_a_folder_of_metadata_is_not_a_table(here, read):
    table_folder("log", "metadata/readme.json", inner="data")
    Path("log/metadata/readme.json").unlink()
    assert read("log").rows == [(1, 3), (2, 4)]


@pytest.mark.parametrize("where", ["jobs/log", "jobs", "jobs/log/*.parquet", "jobs/log/part-0.parquet"])
def test_what_a_dead_job_left(here, read, where):
    table_folder("jobs/log", "_temporary/0/task_1/part-1.parquet", inner=".")
    with pytest.raises(BadDataError) as error:
        read(where)
    assert str(error.value) == (
        "jobs/log: holds _temporary: a Spark or Hadoop job is writing here, or died before its end; run the job again, "
        "or, if the other files are whole, rm -r jobs/log/_temporary"
    )


def test_what_a_dead_job_has_not_committed(here, read):
    table_folder("log/_temporary/0", "x", inner="task_1")
    for where in ("log/_temporary/0/task_1/part-0.parquet", "log/_temporary"):
        with pytest.raises(BadDataError, match="has not committed these files"):
            read(where)
    with pytest.raises(BadDataError, match="log: holds _temporary"):
        read("log")


def test_a_file_of_ones_own_beside_a_temporary_folder(here, read):
    Path("_temporary").mkdir()
    Path("log.csv").write_text("user,item\n1,2\n")
    assert read("log.csv").rows == [(1, 2)]
