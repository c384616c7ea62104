"""Files, folders, globs, pipes."""

import bz2
import gzip
import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.errors import BadDataError, NegprepError, OutputError
from negprep.read.log import open_log

TEXT = b"user,item\n1,2\n3,4\n"


def parts(folder, files):
    for name, data in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def test_folder_of_parts(here, read):
    other = b"user,item\n5,6\n"
    files = {
        "part-1": gzip.compress(other),
        "part-0": TEXT,
        "day=7/part-2": other,
        "_SUCCESS": b"",
        ".crc": b"x",
        "_private/a": b"x",
    }
    parts("log", files)
    found = read("log")
    assert found.rows == [(5, 6), (1, 2), (3, 4), (5, 6)]
    assert found.columns == {"user": "user", "item": "item"}
    assert [str(path) for path in found.paths] == ["log/day=7/part-2", "log/part-0", "log/part-1"]


def test_glob(here, read):
    parts("log", {"a.csv": TEXT, "b.csv": TEXT, "_b.csv": TEXT, "c.txt": b"x"})
    assert len(read("log/*.csv").rows) == 4


def test_a_file_whose_name_looks_like_a_glob(here, read):
    parts(".", {"a[1].csv": TEXT})
    assert len(read("a[1].csv").rows) == 2


@pytest.mark.parametrize(
    ("where", "message", "code"),
    [
        ("empty", "empty: no data file in the folder; names starting with _ or . are ignored", 3),
        ("*.csv", "*.csv: no file matches; check the pattern", 4),
        ("nothing.csv", "nothing.csv: no such file or folder; check the name: it is not in HERE", 4),
        ("empy", "empy: no such file or folder; did you mean 'empty'?", 4),
        ("none/nothing.csv", "none/nothing.csv: no such file or folder; check the path: there is no folder none", 4),
    ],
)
def test_nothing_found(here, read, where, message, code):
    """A file that is not there is one mistake, named or by a pattern; a folder without one is another."""
    parts("empty", {"_SUCCESS": b""})
    with pytest.raises(NegprepError) as error:
        read(where)
    assert (str(error.value).replace(str(here), "HERE"), error.value.exit_code) == (message, code)


def test_parts_with_different_headers(here, read):
    parts("log", {"a": TEXT, "b": b"item\tuser\n6\t5\n"})
    assert read("log").rows == [(1, 2), (3, 4), (5, 6)]
    parts("log", {"b": b"user,thing\n1,2\n"})
    with pytest.raises(BadDataError) as error:
        read("log")
    message = (
        "log/b: the columns are user, thing, but in log/a user, item; the parts of a log must have the same columns"
    )
    assert str(error.value) == message


def test_parquet_parts(here, read):
    Path("log").mkdir()
    pq.write_table(pa.table({"user": pa.array([1], pa.int32()), "item": ["7"]}), "log/a")
    pq.write_table(pa.table({"item": [8], "user": pa.array([2], pa.int64())}), "log/b")
    assert read("log").rows == [(1, 7), (2, 8)]
    pq.write_table(pa.table({"user": [1]}), "log/c")
    with pytest.raises(BadDataError, match=r"^log/c: no column 'item' \(found: user\), but log/a has it; "):
        read("log")


def test_parts_with_more_columns(here, read):
    """What all have is read, in any order; what only some have, and a role needs, is refused, and never guessed."""
    parts("log", {"a": TEXT, "b": b"device,item,user\nx,6,5\n"})
    found = read("log")
    assert found.rows == [(1, 2), (3, 4), (5, 6)]
    assert found.warnings == ["log/b: other parts lack the columns device, which are not read"]
    parts("log", {"c": b"user,item,time\n7,8,9\n"})
    assert read("log").rows == [(1, 2), (3, 4), (5, 6), (7, 8)]
    for options in ({"time_col": "time"}, {"roles": ("time",)}):
        with pytest.raises(BadDataError, match=r"^log/a: no column 'time' \(found: user, item\), but log/c has it; "):
            read("log", **options)
    with pytest.raises(BadDataError, match="no column 'time'"):
        negprep.test("log", num_neg=1, holdout="auto")
    pq.write_table(pa.table({"user": [1], "item": [2], "x": [0.5]}), "1.parquet")
    pq.write_table(pa.table({"item": [4], "user": [3]}), "2.parquet")
    assert read("[12].parquet").rows == [(1, 2), (3, 4)]


def test_parts_of_two_logs(here, read):
    """Each has a column that the other lacks: no log with one column more."""
    parts("log", {"ratings": b"user,item,rating\n1,2,3\n", "tags": b"user,item,tag\n1,2,x\n"})
    with pytest.raises(BadDataError, match=r"^log/tags: the columns are user, item, tag, but in log/ratings user, "):
        read("log")


def test_a_part_without_a_byte(here, read):
    parts("log", {"a.csv": TEXT, "b.csv": b"", "c.csv.gz": gzip.compress(b"")})
    found = read("log")
    assert found.rows == [(1, 2), (3, 4)]
    assert found.warnings == ["log/b.csv: the file is empty", "log/c.csv.gz: the file is empty"]
    assert len(found.paths) == 3
    parts("none", {"a.csv": b"", "b.csv": b""})
    with pytest.raises(BadDataError, match=r"^none/a\.csv: the file is empty"):
        read("none")
    Path("rows").mkdir()
    pq.write_table(pa.table({"user": [1], "item": [2]}), "rows/a")
    parts("rows", {"0": b""})
    with pytest.raises(BadDataError) as error:
        read("rows")
    assert str(error.value) == (
        "rows/0: the file has 0 bytes, and Parquet never has; was a copy or a job cut short? "
        "Make it again, or remove it"
    )


def test_parts_of_two_kinds(here, read):
    parts("log", {"a": TEXT})
    pq.write_table(pa.table({"user": [1], "item": [2]}), "log/b")
    with pytest.raises(BadDataError) as error:
        read("log")
    assert str(error.value) == "log/b: this is Parquet, but log/a is text; the parts of a log must be of one kind"


def test_clock_is_one_for_all_parts(here, read):
    parts("log", {"a": b"user,item,time\n1,2,5\n", "b": b"user,item,time\n1,2,2024-05-01\n"})
    with pytest.raises(BadDataError, match=r"^log/b:2: the time 2024-05-01 is without a zone, but 5 is in seconds"):
        read("log", ("time",))


COMPRESSED = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "zstd": lambda data: pa.Codec("zstd").compress(data).to_pybytes(),
}


@pytest.mark.parametrize("codec", COMPRESSED)
@pytest.mark.parametrize("quoted", [False, True])
def test_cut_compressed_text(here, read, codec, quoted):
    rows = b"".join(
        b'"%d",%d\n' % (n, n * n % 7919) if quoted else b"%d,%d\n" % (n, n * n % 7919) for n in range(200_000)
    )
    data = COMPRESSED[codec](b"user,item\n" + rows)
    (here / "in.csv").write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(BadDataError) as error:
        read("in.csv")
    assert str(error.value) == f"in.csv: the {codec} data is cut short; copy or make the file again"


def test_compressed_twice(here, read):
    (here / "in.csv").write_bytes(gzip.compress(bz2.compress(TEXT)))
    with pytest.raises(BadDataError) as error:
        read("in.csv")
    assert str(error.value) == "in.csv: bz2 inside gzip; decompress the gzip first"


PIPED = """
from negprep.read import open_log
with open_log("-") as log:
    print([batch.to_pydict() for batch in log.batches(["user", "item"])], log.paths)
"""


@pytest.mark.parametrize("kind", ["text", "parquet", "gzip"])
@pytest.mark.parametrize("piped", [True, False])
def test_standard_input(here, kind, piped):
    sink = io.BytesIO()
    pq.write_table(pa.table({"user": [1, 3], "item": [2, 4]}), sink)
    data = {"text": TEXT, "parquet": sink.getvalue(), "gzip": gzip.compress(TEXT)}[kind]
    (here / "in").write_bytes(data)
    with (here / "in").open("rb") as file:
        source = {"input": data} if piped else {"stdin": file}
        run = subprocess.run([sys.executable, "-c", PIPED], **source, capture_output=True, check=True)
    assert run.stdout.decode().strip() == "[{'user': [1, 3], 'item': [2, 4]}] ()"


def test_bad_row_of_a_pipe_has_a_line(here):
    run = subprocess.run([sys.executable, "-c", PIPED], input=TEXT + b",5\n", capture_output=True, check=False)
    assert b"BadDataError: stdin:4: null user id; " in run.stderr


def test_named_pipe(here, read):
    os.mkfifo("pipe")
    writer = threading.Thread(target=lambda: Path("pipe").write_bytes(TEXT))
    writer.start()
    assert read("pipe").rows == [(1, 2), (3, 4)]
    writer.join()


@pytest.mark.parametrize(
    "change", [lambda path: path.write_bytes(TEXT + b"5,6\n"), lambda path: (path.unlink(), path.write_bytes(TEXT))]
)
def test_file_that_changes_while_it_is_read(here, change):
    path = here / "in.csv"
    path.write_bytes(TEXT)
    with open_log("in.csv") as log:
        batches = log.batches(["user"])
        next(batches)
        change(path)
        with pytest.raises(BadDataError) as error:
            next(batches)
    assert str(error.value) == "in.csv: the file changed while it was read; run again when it is whole"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_without_permission(here, read):
    (here / "in.csv").write_bytes(TEXT)
    (here / "in.csv").chmod(0)
    with pytest.raises(OutputError, match=r"^in\.csv: permission denied$"):
        read("in.csv")


def test_files_do_not_import_pandas(here):
    (here / "in.csv").write_bytes(
        b"user,item,rating,time,event\n1,a,4.5,2024-05-01T00:00:00Z,buy\n,a,4.5,2024-05-01T00:00:00Z,buy\n"
    )
    table = pa.table(
        {"user": [1, None], "item": ["a", "b"], "rating": [4.5, 1], "time": [5.5, 6], "event": ["buy", "buy"]}
    )
    pq.write_table(table, "in.parquet")
    code = """
import sys
from negprep.options.reading import ReadOptions
from negprep.read import open_log
for name in ("in.csv", "in.parquet"):
    log = open_log(name, ReadOptions(drop_invalid=True))
    assert [b.num_rows for b in log.batches(["user", "item", "value", "time", "event"])] == [1]
print([name for name in ("pandas", "pyarrow.dataset") if name in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert run.stdout == b"[]\n"


def test_file_that_is_gone_before_it_is_read(here):
    (here / "in.csv").write_bytes(TEXT)
    with open_log("in.csv") as log:
        (here / "in.csv").unlink()
        with pytest.raises(OutputError) as error:
            next(log.batches(["user"]))
    assert str(error.value) == f"in.csv: no such file or folder; check the name: it is not in {here}"
