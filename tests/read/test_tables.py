"""Tables in memory, streams, Arrow files: the same rows from all; what is damaged, read twice or not a log."""

from __future__ import annotations

import gzip
import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from servers import Web

import negprep
from negprep import BadDataError, OutputError, UsageError
from negprep.read.log import open_log


def log_of(n=3_000):
    rng = np.random.default_rng(4)
    names = np.array([f"i{number:03}" for number in range(80)])
    return pa.table(
        {
            "user": rng.integers(0, 60, n).astype(np.int32),
            "item": names[rng.integers(0, 80, n)],
            "kind": pa.array(np.array(["view", "buy"])[rng.integers(0, 2, n)]).dictionary_encode(),
            "time": pa.array(rng.integers(10**9, 2 * 10**9, n), pa.timestamp("s")),
            "nested": [[1, 2]] * n,
        }
    )


class Stream:
    """An object with a stream of its own for each reading, and nothing else."""

    def __init__(self, table, size=700):
        self._table, self._size = table, size

    def __arrow_c_stream__(self, requested_schema=None):
        batches = self._table.to_batches(max_chunksize=self._size)
        return pa.RecordBatchReader.from_batches(self._table.schema, batches).__arrow_c_stream__(requested_schema)


class Array:
    def __init__(self, table):
        (self._batch,) = table.combine_chunks().to_batches()

    def __arrow_c_array__(self, requested_schema=None):
        return self._batch.__arrow_c_array__(requested_schema)


class HuggingFace:
    """The part of a ``datasets.Dataset`` that is used."""

    def __init__(self, table):
        self._table, self.column_names = table, table.column_names

    def with_format(self, kind):
        assert kind == "arrow"
        return self

    def iter(self, batch_size):
        return (self._table.slice(begin, batch_size) for begin in range(0, len(self._table), batch_size))


def written(table, path, kind, **options):
    opened = {"file": pa.ipc.new_file, "stream": pa.ipc.new_stream}[kind]
    with opened(str(path), table.schema, options=pa.ipc.IpcWriteOptions(**options)) as sink:
        sink.write_table(table, max_chunksize=900)
    return path


FILES = ("csv", "csv.gz", "csv.zst", "jsonl", "jsonl.gz", "json", "arrow", "feather", "arrows", "arrow.gz")


def sources(folder):
    table = log_of()
    parts = [folder / f"part-{number}.parquet" for number in range(3)]
    for number, path in enumerate(parts):
        pq.write_table(table.slice(number * 1000, 1000), path)
    flat = table.drop_columns("nested")
    rows = flat.set_column(3, "time", flat["time"].cast(pa.int64())).to_pylist()
    text = "user,item,kind,time\n" + "".join(",".join(map(str, row.values())) + "\n" for row in rows)
    texts = {"csv": text.encode(), "jsonl": "".join(f"{json.dumps(row)}\n" for row in rows).encode()}
    (folder / "log.json").write_text(json.dumps(rows, indent=1))
    for ending, content in texts.items():
        (folder / f"log.{ending}").write_bytes(content)
        (folder / f"log.{ending}.gz").write_bytes(gzip.compress(content))
    with pa.CompressedOutputStream(str(folder / "log.csv.zst"), "zstd") as stream:
        stream.write(texts["csv"])
    for kind in ("view", "buy"):
        (folder / f"hive/kind={kind}").mkdir(parents=True)
        part = flat.filter(pc.equal(flat["kind"].cast(pa.string()), kind)).drop_columns("kind")
        pq.write_table(part, folder / f"hive/kind={kind}/part-0.parquet")
    packed = folder / "log.arrow.gz"
    packed.write_bytes(gzip.compress(written(table, folder / "plain.arrow", "stream").read_bytes()))
    (folder / "plain.arrow").unlink()
    frame = table.drop_columns("nested").to_pandas()
    return {
        "table": table,
        "pandas": frame,
        "stream": Stream(table),
        "array": Array(table),
        "reader": pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=500)),
        "dataset": ds.dataset(parts),
        "Hugging Face": HuggingFace(table.drop_columns("nested")),
        **{f"a file {name}": folder / f"log.{name}" for name in FILES[:6]},
        "Hive": folder / "hive",
        "several paths": [parts[0], str(parts[1]), parts[2]],
        "file": written(table, folder / "log.arrow", "file"),
        "packed file": written(table, folder / "log.feather", "file", compression="zstd"),
        "stream file": str(written(table, folder / "log.arrows", "stream", compression="lz4")),
        "gzip": packed,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sources")


def rows_of(found):
    table = found if isinstance(found, pa.Table) else pa.Table.from_pandas(found, preserve_index=False)
    return table.replace_schema_metadata(None).to_pydict()


def test_every_source_gives_the_same_rows(folder):
    options = {"positive": "kind=buy", "holdout": "last", "num_neg": 2}
    made = {name: negprep.train(source, **options) for name, source in sources(folder).items()}
    there = {f"/log.{name}": (folder / f"log.{name}").read_bytes() for name in FILES}
    there["/part.parquet"] = parquet_of(log_of())
    with Web(there).serve() as address:
        made |= {f"the web{path}": negprep.train(f"{address}{path}", **options) for path in there}
    want = rows_of(made["table"])
    assert {name: rows_of(found) == want for name, found in made.items()} == dict.fromkeys(made, True)
    assert {name for name, found in made.items() if not isinstance(found, pa.Table)} == {"pandas"}


def parquet_of(table):
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=900)
    return sink.getvalue()


def test_lists_of_each_user_give_the_same_rows(folder):
    """Of JSON lines, an array and Parquet."""
    frame = log_of().drop_columns("nested").to_pandas()
    frame["time"] = frame["time"].astype("datetime64[s]").astype("int64")
    sessions = [
        {"user": int(user), "events": rows[["item", "kind", "time"]].to_dict("records")}
        for user, rows in frame.groupby("user")
    ]
    (folder / "users.jsonl").write_text("".join(f"{json.dumps(session)}\n" for session in sessions))
    (folder / "users.json").write_text(json.dumps(sessions))
    pq.write_table(pa.Table.from_pylist(sessions), folder / "users.parquet")
    want = negprep.train(log_of(), positive="kind=buy", num_neg=2).to_pydict()
    for ending in ("jsonl", "json", "parquet"):
        found = negprep.train(folder / f"users.{ending}", positive="events.kind=buy", num_neg=2)
        assert found.to_pydict() == want, ending


def test_hugging_face(folder):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    log = datasets.Dataset(log_of())
    options = {"positive": "kind=buy", "num_neg": 2}
    want = rows_of(negprep.train(log_of(), **options))
    shuffled = log.shuffle(seed=3)  # rows by way of a list of indices
    for given in (log, shuffled, shuffled.with_format("pandas"), log.to_iterable_dataset()):
        found = negprep.train(given, **options)
        assert isinstance(found, pa.Table)
        assert rows_of(found) == want
    part = log.filter(lambda row: row["kind"] == "buy")
    assert rows_of(negprep.train(part, positive="all", num_neg=2)) == rows_of(
        negprep.train(log_of().filter(pc.equal(log_of()["kind"].cast(pa.string()), "buy")), positive="all", num_neg=2)
    )
    log.save_to_disk(folder / "saved")
    assert rows_of(negprep.train(datasets.load_from_disk(folder / "saved"), **options)) == want
    assert rows_of(negprep.train(str(next((folder / "saved").glob("*.arrow"))), **options)) == want
    with pytest.raises(BadDataError, match=r"^the table: no column for the users \(found: item, kind, time"):
        negprep.train(log.remove_columns("user"))
    with pytest.raises(TypeError, match="a log is a path, a table, a frame or a stream, not DatasetDict"):
        negprep.train(datasets.DatasetDict({"train": log}))


def test_polars(folder):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    frame = polars.from_arrow(log_of().drop_columns("nested"))
    found = negprep.test(frame, num_neg=5)
    assert isinstance(found, polars.DataFrame)
    assert found.to_dict(as_series=False) == negprep.test(log_of(), num_neg=5).to_pydict()
    with pytest.raises(TypeError, match="not LazyFrame: collect it first"):
        negprep.train(frame.lazy())
    frame.write_ipc(folder / "polars.arrow")
    assert negprep.test(folder / "polars.arrow", num_neg=5).to_pydict() == found.to_dict(as_series=False)


def test_duckdb():
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    log = log_of()  # noqa: F841  # DuckDB finds it by its name
    relation = duckdb.sql("SELECT user, item, time FROM log")
    assert negprep.train(relation).equals(negprep.train(log_of()))


def test_a_stream_is_read_once():
    table = log_of()
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches())
    negprep.train(reader)
    with pytest.raises(BadDataError, match="the table: no rows"):
        negprep.train(reader)
    with open_log(pa.RecordBatchReader.from_batches(table.schema, table.to_batches())) as log:
        assert sum(len(batch) for batch in log.batches(["user", "item"])) == len(table)
        with pytest.raises(BadDataError, match="the stream was read already; give a table"):
            list(log.batches(["user", "item"]))
    with open_log(Stream(table)) as log:
        lengths = [sum(len(batch) for batch in log.batches(["user"])) for _ in range(2)]
        assert lengths == [len(table)] * 2
    assert negprep.inspect(Stream(table)).as_dict() == negprep.inspect(table).as_dict()


def test_beside_the_log():
    """What a log may be, the files beside it may be as well."""
    table = log_of()
    pairs = table.select(["user", "item"]).slice(0, 200)
    want = negprep.train(table, exclude=pairs, items=table.select(["item"]))
    items = Stream(table.select(["item"]))
    assert negprep.train(table, exclude=ds.dataset(pairs), items=items).equals(want)


@pytest.mark.parametrize("log", [3, None, [3], {"user": [1]}, object(), b"log.csv"])
def test_what_is_not_a_log(log):
    with pytest.raises(TypeError, match="a log is a path"):
        negprep.train(log)
    with pytest.raises(UsageError, match="the list of files is empty"):
        negprep.train([])


def test_a_stream_that_fails():
    def batches():
        yield from log_of().to_batches(max_chunksize=1000)
        raise pa.ArrowInvalid("the connection was lost")

    reader = pa.RecordBatchReader.from_batches(log_of().schema, batches())
    with pytest.raises(BadDataError, match="unreadable Arrow data: the connection was lost"):
        negprep.train(reader)


def test_damaged_files(tmp_path):
    table = log_of()
    for kind in ("file", "stream"):
        whole = written(table, tmp_path / "log.arrow", kind).read_bytes()
        for length in (9, 200, len(whole) // 2, len(whole) - 1, len(whole) - 8):
            (tmp_path / "cut.arrow").write_bytes(whole[:length])
            with pytest.raises(BadDataError, match=r"cut.arrow: .*cut short"):
                negprep.train(tmp_path / "cut.arrow", strict=True)
    body = bytearray(whole)
    place = whole.index(b"i0", 2000) - 600  # offsets of strings, most likely
    for at in range(place, place + 400, 7):
        body[at] ^= 0xFF
    (tmp_path / "odd.arrow").write_bytes(body)
    with pytest.raises(BadDataError):
        negprep.train(tmp_path / "odd.arrow")


def test_text_options_and_names(tmp_path):
    path = written(log_of(), tmp_path / "log.arrow", "stream")
    with pytest.raises(UsageError, match="--delimiter"):
        negprep.train(path, delimiter=",")
    with pytest.raises(OutputError, match="no such file"):
        negprep.train([path, tmp_path / "nowhere.arrow"])
    double = pa.table([[1], [2], [3]], names=["user", "item", "user"])
    with pytest.raises(BadDataError, match="user"):
        negprep.train(written(double, tmp_path / "double.arrow", "file"))
    with pytest.raises(BadDataError, match="user"):
        negprep.train(Stream(double))


def test_standard_input(tmp_path, monkeypatch):
    path = written(log_of(), tmp_path / "log.arrow", "stream")
    with path.open("rb") as file:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(file)))
        assert negprep.train("-").equals(negprep.train(path))


def test_a_frame_is_not_a_stream():
    """pandas has a C stream as well, whose index would be lost."""
    frame = pd.DataFrame({"user": [1, 1, 2], "item": [5, 6, 7], "time": [1, 2, 3]}).set_index("user")
    assert negprep.train(frame, num_neg=1)["user"].tolist() == [1, 1, 2, 2]


def test_prepared_rows_in_arrow_files(tmp_path):
    """As other programs pass them on; the metadata of the schema are negprep's own."""
    pq.write_table(log_of(), tmp_path / "log.parquet", store_schema=False)
    negprep.test(tmp_path / "log.parquet", tmp_path / "test.parquet", encode=True)
    for name in ("test", "test.users", "test.items"):
        written(pq.read_table(tmp_path / f"{name}.parquet"), tmp_path / f"{name}.arrow", "file")
    (tmp_path / "test.users.parquet").unlink()
    found = negprep.verify(tmp_path / "test.arrow", tmp_path / "log.parquet")
    assert not found.failed
    assert found.files[0].rows == pq.read_metadata(tmp_path / "test.parquet").num_rows


def test_parts_of_two_kinds(tmp_path):
    table = log_of().drop_columns("nested")
    (tmp_path / "log").mkdir()
    written(table, tmp_path / "log" / "a.arrow", "file")
    for name, kind in (("b.csv", "text"), ("b.parquet", "Parquet")):
        path = tmp_path / "log" / name
        if kind == "text":
            path.write_text("user,item,kind,time\n1,i001,buy,5\n")
        else:
            pq.write_table(table, path)
        with pytest.raises(BadDataError, match=rf"this is {kind}, but .*a\.arrow is Arrow"):
            negprep.train(tmp_path / "log")
        path.unlink()
