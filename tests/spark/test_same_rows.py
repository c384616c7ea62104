"""Every option on Spark: the rows, their order, the counts and the metadata of the local engine."""

import json
import os
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import negprep
import negprep.spark
from negprep import Options, ReadOptions
from negprep.read.log import open_log
from negprep.read.prepared import open_prepared

REAL_LOG = os.environ.get("NEGPREP_REAL_LOG", "")
"""A log of your own: its columns must be recognised."""
NEVER_EQUAL = {"output", "seconds", "peak_memory_bytes", "warnings"}


def log_of(n_rows=3_000, n_users=120, n_items=90, seed=1):
    """A log with times, ratings and events, in which one user has a third of all rows, and pairs repeat."""
    rng = np.random.default_rng(seed)
    users = rng.integers(0, n_users, n_rows)
    users[: n_rows // 3] = 7
    items = (n_items * rng.random(n_rows) ** 2).astype(np.int64)
    rng.shuffle(users)
    return pa.table(
        {
            "user": users * 3 - 50,
            "item": items + 1000,
            "rating": rng.integers(1, 6, n_rows),
            "event": pa.array(np.array(["view", "cart", "buy"])[rng.integers(0, 3, n_rows)]),
            "time": rng.integers(1_500_000_000, 1_500_400_000, n_rows),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def beside(folder):
    """The files beside a log, by option."""
    rng = np.random.default_rng(2)
    items = np.arange(980, 1085)
    catalog = {"item": items, "genre": [f"g{code % 4}" for code in items], "available_from": 1_500_000_000 + items * 60}
    pairs = {"user": rng.integers(-30, 130, 600) * 3 - 50, "item": rng.integers(990, 1095, 600)}
    files = {
        "items": pa.table(catalog),
        "exclude": pa.table(pairs),
        "weak": pa.table({name: values[::-1] for name, values in pairs.items()}),
        "weights": pa.table({"item": items, "weight": rng.integers(0, 5, len(items))}),
    }
    for name, table in files.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return {name: str(folder / f"{name}.parquet") for name in files}


@pytest.fixture(scope="module")
def log(folder):
    path = folder / "log.parquet"
    pq.write_table(log_of(), path)
    return str(path)


@pytest.fixture(scope="module")
def models(folder, log):
    """A model for `hard`, and one for `reinforced`."""
    rng = np.random.default_rng(3)
    hard, policy = folder / "hard.npz", folder / "policy.npz"
    np.savez(
        hard,
        user_factors=rng.normal(size=(100, 8)).astype(np.float32),
        item_factors=rng.normal(size=(80, 8)).astype(np.float32),
        users=np.arange(100) * 3 - 50,
        items=np.arange(80) + 1000,
    )
    negprep.fit(log, policy, kind="rns", positive="buy", factors=4, epochs=1, start_epochs=1)
    return {"hard": str(hard), "reinforced": str(policy)}


def read_folder(folder):
    """The rows of a folder in order, text as text, and the metadata of its files."""
    epochs = sorted(Path(folder).glob("epoch=*"), key=lambda path: int(path.name.partition("=")[2])) or [Path(folder)]
    tables = [pq.ParquetFile(part).read() for epoch in epochs for part in sorted(epoch.glob("part-*.parquet"))]
    rows = pa.concat_tables([table.replace_schema_metadata() for table in tables])
    with open_prepared(str(folder)) as prepared:
        return plain(rows), prepared.facts


def plain(table):
    def kind(of):
        if pa.types.is_dictionary(of):
            return of.value_type
        return pa.list_(pa.field("element", kind(of.value_type), nullable=False)) if pa.types.is_list(of) else of

    return table.cast(pa.schema([pa.field(each.name, kind(each.type), nullable=False) for each in table.schema]))


def both(source, tmp_path, command="train", read=None, spark_source=None, **options):
    """Prepare a log by both engines; compare rows, metadata and summary."""
    options = {"distinct": command == "test"} | options
    chosen = Options(command=command, read=read or ReadOptions(), **options)
    here, there = f"{tmp_path / 'local'}/", f"{tmp_path / 'spark'}/"
    local = negprep.prepare(source, here, chosen)
    summary = tmp_path / "summary.json"
    remote = negprep.spark.prepare(spark_source or source, there, chosen, summary=str(summary))
    (want, facts), (got, footer) = read_folder(here), read_folder(there)
    assert footer == facts
    assert got.schema == want.schema
    assert len(want)
    assert got.equals(want)
    one, other = ({k: v for k, v in each.as_dict().items() if k not in NEVER_EQUAL} for each in (local, remote))
    assert other == one
    assert json.loads(summary.read_text())["rows_written"] == len(want)
    for name in ("_users.parquet", "_items.parquet") if options.get("encode") else ():
        mine, its = pq.read_table(Path(there, name)), pq.read_table(Path(here, name))
        assert mine.to_pydict() == its.to_pydict()
    return got


TRAIN = {
    "plain": {},
    "holdout none": {"holdout": "none"},
    "holdout last:2 with valid": {"holdout": "last:2", "with_valid": True},
    "holdout random": {"holdout": "random", "split_seed": 5},
    "holdout random:3": {"holdout": "random:3"},
    "holdout random share": {"holdout": "random:0.3", "split_seed": 2},
    "holdout global share": {"holdout": "random-global:0.1", "with_valid": True},
    "holdout session": {"holdout": "session"},
    "holdout fraction": {"holdout": "fraction:0.2"},
    "holdout after": {"holdout": "after:1500300000"},
    "positive by value": {"positive": ">=4"},
    "positive by event": {"positive": "buy,cart"},
    "keep first": {"keep_time": "first"},
    "popularity": {"sampler": "popularity", "alpha": 0.5, "with_log_q": True},
    "popularity smooth": {"sampler": "popularity", "smooth": 1.0, "distinct": True, "num_neg": 9},
    "mixture": {"sampler": ("uniform:0.5", "weak:0.5"), "positive": "buy", "with_log_q": True},
    "fixed counts": {"sampler": ("uniform=3", "weak=1"), "positive": "buy"},
    "weak": {"sampler": "weak", "positive": ">=3"},
    "pairwise": {"layout": "pairwise"},
    "listwise": {"layout": "listwise", "with_log_q": True, "num_neg": 7},
    "listwise sources": {"layout": "listwise", "sampler": ("uniform:0.5", "weak:0.5"), "positive": "buy"},
    "levels": {"layout": "pairwise", "levels": "0.4,0.3", "positive": "buy"},
    "available": {"available_at_time": True},
    "core": {"core": 6},
    "core by event": {"core": 3, "positive": "buy", "sampler": "popularity"},
    "min positives": {"min_positives": 25},
    "epochs": {"epochs": 3, "seed": 9},
    "epochs of a mixture": {"epochs": 2, "sampler": ("uniform:0.5", "weak:0.5"), "positive": "buy"},
    "epoch": {"epoch": 4},
    "shuffle": {"shuffle": True, "num_neg": 2},
    "shuffled epochs": {"shuffle": True, "epochs": 2},
    "encode": {"encode": True},
    "encode core shuffle": {"encode": True, "core": 6, "shuffle": True},
    "label float": {"label_dtype": "float32"},
    "short dropped": {"distinct": True, "num_neg": 40, "on_short": "drop"},
    "short fewer": {"distinct": True, "num_neg": 80},
}
TEST = {
    "plain": {},
    "valid": {"fold": "valid", "holdout": "last:2"},
    "all": {"num_neg": "all"},
    "popularity": {"sampler": "popularity", "num_neg": 20, "with_log_q": True},
    "listwise encode": {"layout": "listwise", "encode": True, "num_neg": 10},
    "after": {"holdout": "after:1500300000", "num_neg": 30},
    "no cold": {"holdout": "random-global:0.8", "num_neg": 30, "drop_cold": "both"},
    "positive": {"positive": ">=4", "num_neg": 30},
}
BESIDE = {
    "items": {},
    "items same": {"same": "genre"},
    "items available": {"available_at_time": True},
    "exclude": {},
    "weak": {"sampler": "weak"},
    "weights": {"sampler": "popularity"},
    "weak exclude": {"sampler": ("uniform:0.5", "weak:0.5"), "positive": "buy"},
    "items weak exclude weights": {"sampler": ("popularity:0.5", "weak:0.5"), "positive": ">=4", "with_log_q": True},
}
CASES = [("train", name, options) for name, options in TRAIN.items()] + [
    ("test", name, options) for name, options in TEST.items()
]


@pytest.mark.parametrize(("command", "options"), [(c, o) for c, _, o in CASES], ids=[f"{c} {n}" for c, n, _ in CASES])
def test_options(spark, log, tmp_path, command, options):
    both(log, tmp_path, command, **options)


@pytest.mark.parametrize("names", BESIDE)
def test_files_beside(spark, log, beside, tmp_path, names):
    files = {name: beside[name] for name in names.split() if name in beside}
    both(log, tmp_path, **files, **BESIDE[names])


@pytest.mark.parametrize("more", [{}, {"available_at_time": True}], ids=["plain", "available"])
@pytest.mark.parametrize("sampler", ["hard", "reinforced"])
def test_models(spark, log, models, tmp_path, sampler, more):
    positive = {"positive": "buy"} if sampler == "reinforced" else {}
    both(log, tmp_path, sampler=sampler, model=models[sampler], pool=30, encode=True, **positive, **more)


@pytest.mark.parametrize("partitions", [1, 4, 8])
def test_partitions(spark, log, partitions):
    want = negprep.train(log, positive=">=3", sampler="popularity")
    frame = negprep.spark.train(spark.read.parquet(log), positive=">=3", sampler="popularity", partitions=partitions)
    assert frame.rdd.getNumPartitions() == partitions
    assert frame.toArrow().cast(want.schema).equals(want)


def texts(table):
    ids = [pc.binary_join_element_wise("id", table[name].cast(pa.string()), "") for name in ("user", "item")]
    return table.set_column(0, "user", ids[0]).set_column(1, "item", ids[1])


def decimals(table):
    kind = pa.decimal128(20, 0)
    ids = [pa.array(list(map(Decimal, table[name].to_pylist())), kind) for name in ("user", "item")]
    return table.set_column(0, "user", ids[0]).set_column(1, "item", ids[1])


def mixed(table):
    """Ids as text, most of them integers: all of the column is text then."""
    ids = [str(each) if each % 5 else f"0{each}" for each in table["item"].to_pylist()]
    return table.set_column(0, "user", table["user"].cast(pa.string())).set_column(1, "item", pa.array(ids))


def timed(kind):
    def change(table):
        times = table["time"].cast(pa.timestamp("s")).cast(pa.timestamp("us"))
        return table.set_column(4, "time", times.cast(pa.timestamp("us", "UTC")) if kind == "zoned" else times)

    return change


@pytest.mark.parametrize("change", [texts, decimals, mixed, timed("zoned"), timed("plain")])
def test_types(spark, folder, tmp_path, change):
    path = folder / "typed.parquet"
    pq.write_table(change(log_of()), path)
    both(str(path), tmp_path, holdout="after:2017-07-17", encode=True, sampler="popularity")


def test_formats(spark, log, folder, tmp_path):
    rows = spark.read.parquet(log).repartition(3)
    for form, options in (("csv", {"header": "true", "sep": "\t"}), ("json", {}), ("orc", {}), ("parquet", {})):
        path = str(folder / f"log-{form}.{form}")
        rows.write.mode("overwrite").options(**options).format(form).save(path)
        (tmp_path / form).mkdir()
        both(log, tmp_path / form, spark_source=path, positive=">=4")


def test_a_table(spark, log, tmp_path):
    spark.read.parquet(log).write.mode("overwrite").saveAsTable("interactions")
    both(log, tmp_path, "test", spark_source="table:interactions", num_neg=10)


def test_text_without_a_header(spark, folder, tmp_path):
    path = folder / "plain.dat"
    table = log_of().select(["user", "item", "rating", "time"])
    path.write_text("".join("::".join(map(str, row.values())) + "\n" for row in table.to_pylist()))
    read = ReadOptions(columns=("user", "item", "rating", "time"), delimiter="::")
    both(str(path), tmp_path, read=read, positive=">=4")


def test_quoted_text(spark, folder, tmp_path):
    path = folder / "quoted.csv"
    path.write_text('user,item,title\n1,"a, b","x ""y"" z"\n1,c,plain\n2,"d","007"\n2,007,\n3,c,"q"\n')
    both(str(path), tmp_path, holdout="none", num_neg=2)


def test_dropped_rows(spark, folder, tmp_path):
    path = folder / "gaps.csv"
    rows = [
        f"{user % 17},{item},{time}" for user, item, time in zip(range(300), range(300, 0, -1), range(300), strict=True)
    ]
    rows[5], rows[80], rows[200] = ",8,100", "3,,100", "4,9,"
    path.write_text("user,item,time\n" + "\n".join(rows) + "\n")
    both(str(path), tmp_path, read=ReadOptions(drop_invalid=True), num_neg=2)


@pytest.mark.skipif(not REAL_LOG, reason="NEGPREP_REAL_LOG names no log")
def test_a_real_log(spark, tmp_path):
    both(REAL_LOG, tmp_path, sampler="popularity")


def test_a_stream_of_batches_is_the_log(log):
    """What a worker reads: the rows of a partition as they come, which the local engine takes as well."""
    table = pq.read_table(log)
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=100))
    with open_log(reader) as stream, open_log(table) as whole:
        streamed, at_once = (list(each.batches(["user", "item", "time"])) for each in (stream, whole))
    assert pa.Table.from_batches(streamed).equals(pa.Table.from_batches(at_once))


def test_parts_that_are_alike(spark, folder, tmp_path):
    """Tasks that find the same in as many rows all count."""
    path = folder / "alike"
    path.mkdir()
    for part in "abc":
        (path / f"{part}.csv").write_text("user,item\n" + "".join(f"{n % 4},{n % 5}\n" for n in range(20)))
    both(str(path), tmp_path, holdout="none")


def test_names_as_they_are_written(spark, tmp_path):
    """Names of columns with dots, quotes and capitals; keys in paths that look like numbers."""
    rng = np.random.default_rng(3)
    table = pa.table({"user.id": rng.integers(0, 30, 400), "it`em": rng.integers(0, 40, 400), "IT`EM": ["x"] * 400})
    for key in ("007", "7"):
        (tmp_path / f"log/kind={key}").mkdir(parents=True)
        pq.write_table(table if key == "7" else table.slice(0, 300), tmp_path / f"log/kind={key}/part.parquet")
    read = ReadOptions(user_col="user.id", item_col="it`em", event_col="kind")
    before = spark.conf.get("spark.sql.caseSensitive")
    both(f"{tmp_path}/log", tmp_path, read=read, holdout="random", positive="007")
    assert spark.conf.get("spark.sql.caseSensitive") == before


@pytest.mark.parametrize("options", [{}, {"encode": True}, {"layout": "listwise"}], ids=str)
def test_narrow_ids_keep_their_type(spark, tmp_path, options):
    rows = log_of(n_rows=400)
    rows = rows.set_column(0, "user", rows["user"].cast(pa.int16())).set_column(
        1, "item", rows["item"].cast(pa.int32())
    )
    pq.write_table(rows, tmp_path / "log.parquet")
    made = both(str(tmp_path / "log.parquet"), tmp_path, **options)
    kinds = [pa.int32(), pa.int32()] if "encode" in options else [pa.int16(), pa.int32()]
    assert made.schema.types[:2] == kinds


def test_ids_in_paths_are_int64(spark, tmp_path):
    rows = log_of(n_rows=300, n_users=4)
    rows = rows.set_column(1, "item", rows["item"].cast(pa.int32()))
    for user in set(rows["user"].to_pylist()):
        folder = tmp_path / "log" / f"user={user}"
        folder.mkdir(parents=True)
        pq.write_table(rows.filter(pc.equal(rows["user"], user)).drop_columns("user"), folder / "a.parquet")
    made = both(str(tmp_path / "log"), tmp_path)
    assert made.schema.types[:2] == [pa.int64(), pa.int32()]
