"""Bad input and refusals on Spark: one line with the place and the remedy, the local exit codes, and nothing left."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep.spark
from negprep import BadDataError, NegprepError, Options, OutputError, ReadOptions, UsageError
from negprep.spark.session import Engine

GOOD = "user,item,time\n" + "".join(f"{n % 5},{n % 7},{n}\n" for n in range(60))


@pytest.fixture
def refused(spark, tmp_path):
    """What a run is refused with, once it has left nothing."""

    def run(source, kind, command="train", target=None, read=None, **options):
        (tmp_path / "there").mkdir(exist_ok=True)
        with pytest.raises(kind) as caught:
            negprep.spark.prepare(
                source,
                target or f"{tmp_path / 'there' / 'out'}/",
                Options(command=command, read=read or ReadOptions(), **options),
            )
        assert type(caught.value) is kind
        assert list((tmp_path / "there").iterdir()) == []
        text = str(caught.value)
        assert "\n" not in text
        return text

    return run


def written(tmp_path, text, name="log.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


BAD_TEXT = {
    "a null id": (GOOD + ",3,9\n", "log.csv: null user id; --drop-invalid drops and counts such rows", ""),
    "a time": (GOOD + "1,3,soon\n", "'soon'", "log.csv"),
    "two units of time": (GOOD + "1,3,1500000000000\n", "log.csv", "time"),
    "too few fields": (GOOD + "1,2\n", "another number of fields", "log.csv"),
    "too many fields": (GOOD + "1,2,3,4\n", "another number of fields", "log.csv"),
    "a field over two lines": (GOOD + '1,"a\nb",3\n', "spans lines", "--quote none"),
    "a field over two lines of as many fields": (GOOD + '1,2,"a\nb,c,d"\n', "spans lines", "Parquet"),
    "a stray quote": (GOOD + '1,5" disk,3\n', "a quote stands within a field", "--quote none"),
    "text behind a quote": (GOOD + '1,"5"x,3\n', "a quote stands within a field", "--quote none"),
    "bytes that are not UTF-8": (GOOD.encode() + b"1,caf\xe9,3\n", "not UTF-8", "log.csv"),
    "a NUL": (GOOD + "1,a\0b,3\n", "NUL", "log.csv"),
    "no header": ("1,2,3\n4,5,6\n", "--columns", "log.csv"),
    "nothing": ("", "empty", "log.csv"),
    "a header alone": ("user,item,time\n", "no rows", "log.csv"),
    "columns of labels": ("user,item,label\n1,2,0\n1,3,1\n", "--positive", "label"),
    "no item column": ("user,thing\n1,2\n", "no column for the items", "--item-col"),
}


@pytest.mark.parametrize("case", BAD_TEXT)
def test_bad_text(refused, tmp_path, case):
    text, *parts = BAD_TEXT[case]
    message = refused(written(tmp_path, text), BadDataError)
    for part in parts:
        assert part in message


def test_other_kinds_of_bad_input(refused, spark, tmp_path):
    table = pa.table({"user": [1, 1, 2], "item": [3, 4, 5], "time": pa.array([1, 2, 3], pa.timestamp("ns"))})
    pq.write_table(table, tmp_path / "ns.parquet", version="2.6", coerce_timestamps=None)
    assert "nanosAsLong=true" in refused(str(tmp_path / "ns.parquet"), BadDataError)
    assert "damaged" in refused(written(tmp_path, b"PAR1 and then nothing", "cut.parquet"), BadDataError)
    assert "not JSON" in refused(written(tmp_path, '{"user":1,"item":2}\n{"user":\n', "log.jsonl"), BadDataError)
    assert "no such file" in refused(str(tmp_path / "nowhere.parquet"), OutputError)
    assert "no such table" in refused("table:nothing.there", OutputError)
    assert "access to this kind of store" in refused("gs://bucket/log.parquet", OutputError)
    assert ".xlsx" in refused(str(tmp_path / "log.xlsx"), UsageError)
    lists = pa.table({"user": [1, 2], "item": [[1, 2], [3]]})
    pq.write_table(lists, tmp_path / "lists.parquet")
    assert "explode" in refused(str(tmp_path / "lists.parquet"), BadDataError)
    (tmp_path / "two").mkdir()
    written(tmp_path / "two", GOOD, "a.csv")
    written(tmp_path / "two", GOOD.replace("user,item", "item,user"), "b.csv")
    assert "header" in refused(str(tmp_path / "two"), BadDataError)


def test_rows_and_options(refused, tmp_path):
    log = written(tmp_path, GOOD)
    short = refused(log, BadDataError, distinct=True, num_neg=50, on_short="error")
    assert "eligible item of the 50 needed" in short
    assert "--expect-rows" in refused(log, BadDataError, read=ReadOptions(expect_rows=7))
    assert "no positive is at or after" in refused(log, BadDataError, "test", distinct=True, holdout="after:1000")
    assert "no user is left" in refused(log, BadDataError, core=1000)
    assert "--bootstrap with --engine spark" in refused(log, UsageError, bootstrap=9, layout="pairwise")
    assert "--test-users with --engine spark" in refused(log, UsageError, test_users=9)
    shown = {"sampler": "impression", "group_col": "time", "positive": "item>2"}
    assert "--sampler impression with --engine spark" in refused(log, UsageError, **shown)
    assert "--memory with --engine spark" in refused(log, UsageError, memory=1 << 30)
    assert "one file" in refused(log, UsageError, target=str(tmp_path / "there" / "out.parquet"))
    assert "--to csv with --engine spark" in refused(log, UsageError, to="csv")
    assert "standard input" in refused("-", UsageError)
    with pytest.raises(UsageError, match="which negprep did not write"):
        negprep.spark.prepare(log, f"{tmp_path}/", Options(command="train"), force=True)


def test_an_output_that_is_there(spark, tmp_path):
    log, out = written(tmp_path, GOOD), tmp_path / "out"
    negprep.spark.prepare(log, f"{out}/", Options(command="train"))
    first = sorted(path.name for path in out.iterdir())
    with pytest.raises(UsageError, match="is not empty"):
        negprep.spark.prepare(log, f"{out}/", Options(command="train"))
    assert sorted(path.name for path in out.iterdir()) == first
    negprep.spark.prepare(log, f"{out}/", Options(command="train", seed=1), force=True)
    assert sorted(path.name for path in out.iterdir()) != first
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_file_system_that_renames(spark, tmp_path):
    """The way of HDFS, by a file system of Hadoop that is mounted on a local folder."""
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    hadoop.set("fs.viewfs.mounttable.cluster.link./data", f"file://{tmp_path}/data")
    (tmp_path / "data").mkdir()
    log, out = written(tmp_path / "data", GOOD), "viewfs://cluster/data/out/"
    negprep.spark.prepare("viewfs://cluster/data/log.csv", out, Options(command="train", encode=True, epochs=2))
    made = {str(path.relative_to(tmp_path / "data" / "out")) for path in (tmp_path / "data" / "out").rglob("[!.]*")}
    assert {"_SUCCESS", "_users.parquet", "_items.parquet", "epoch=0", "epoch=1"} <= made
    assert not negprep.verify(str(tmp_path / "data" / "out"), log).failed
    with pytest.raises(UsageError, match="is there already"):
        negprep.spark.prepare(log, out, Options(command="train"))
    negprep.spark.prepare(log, out, Options(command="train"), force=True)
    assert not (tmp_path / "data" / "out" / "epoch=0").exists()
    with pytest.raises(BadDataError, match="null user id"):
        negprep.spark.prepare(
            written(tmp_path, GOOD + ",1,2\n"), "viewfs://cluster/data/none/", Options(command="train")
        )
    (tmp_path / "data" / "mine").mkdir()
    written(tmp_path / "data" / "mine", "precious")
    with pytest.raises(UsageError, match="holds no _SUCCESS"):
        negprep.spark.prepare(log, "viewfs://cluster/data/mine/", Options(command="train"), force=True)
    held = {path.name for path in (tmp_path / "data").iterdir()} - {".log.csv.crc"}
    assert held == {"log.csv", "mine", "out"}


def test_what_a_frame_is_refused_with(spark):
    frame = spark.createDataFrame(pa.table({"user": [1, 1, 2], "item": [3, 4, 5]}))
    with pytest.raises(UsageError, match="takes others"):
        negprep.spark.train(frame.toArrow())
    with pytest.raises(UsageError, match="encode without an output"):
        negprep.spark.train(frame, encode=True)
    with pytest.raises(UsageError, match="--jobs with --engine spark"):
        negprep.spark.train(frame, jobs=2)
    with pytest.raises(TypeError, match="did you mean"):
        negprep.spark.train(frame, num_negs=2)
    with pytest.raises(NegprepError, match="no column"):
        negprep.spark.train(frame.withColumnRenamed("user", "who"))


def command(*words, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "negprep", "train", *words, "--engine", "spark"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_what_the_command_is_refused_with(tmp_path):
    log, out = written(tmp_path, GOOD), f"{tmp_path / 'out'}/"
    assert command(log, out, PATH="/nowhere") == (
        2,
        "negprep: Spark needs Java, and there is no java in PATH, and JAVA_HOME is not set; install Java 17 (apt-get "
        "install openjdk-17-jre-headless), or correct JAVA_HOME\n",
    )
    code, line = command(log, out, "--master", "spark://127.0.0.1:1", PATH="/usr/bin:/bin")
    assert (code, line.count("\n")) == (4, 1)
    assert "nobody answers there" in line
    code, line = command(log, out, "--spark-conf", "spark.driver.memory", PATH="/usr/bin:/bin")
    assert (code, line) == (2, "negprep: --spark-conf spark.driver.memory: not a setting; write NAME=VALUE\n")
    without = [
        sys.executable,
        "-c",
        "import sys; sys.modules['pyspark'] = None; from negprep.cli.main import run; run()",
    ]
    done = subprocess.run([*without, "train", log, out, "--engine", "spark"], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "pip install 'negprep[spark]'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_command_without_spark(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "negprep", "train", "a", "b", "--master", "local"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (
        2,
        "negprep: --master without --engine spark; add it, or leave this out\n",
    )


def test_the_command_says_what_it_did(tmp_path):
    log, out = written(tmp_path, GOOD), f"{tmp_path / 'out'}/"
    words = ["train", log, out, "--engine", "spark", "--master", "local[1]", "--spark-conf", "spark.driver.memory=640m"]
    done = subprocess.run([sys.executable, "-m", "negprep", *words, "--seed", "3"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    lines = done.stderr.splitlines()
    assert lines[0] == f"negprep train: {log} -> {out}"
    assert [line.split()[:2] for line in lines[1:]][-2][0] == "rows"
    rows = pq.read_table(tmp_path / "out")
    assert np.array_equal(rows["item"], negprep.train(log, seed=3)["item"])


def test_items_that_do_not_fit_into_a_worker(spark, monkeypatch):
    n = 200_000
    frame = spark.createDataFrame(pa.table({"user": np.arange(n) // 2, "item": np.arange(n)}))
    monkeypatch.setattr(Engine, "_room", 212e6)
    with pytest.raises(OutputError, match=r"a worker needs about .* MB for the items, and has 212 MB"):
        negprep.spark.train(frame)
