"""``--keep``: columns of the log beside the rows, against plain loops; what verify says of them; what is refused."""

from __future__ import annotations

import json
import random
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from logs import random_rows

import negprep
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke
from negprep.encode import load
from negprep.options.options import Options

LAYOUTS = pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
KEPT = "columns kept hold what the log has"


def log_of(rows, *, timed=True):
    """A log with more columns, in which the rows of a pair and a time differ in all of them."""
    chance = random.Random(3)
    table = {
        "user": [row[0] for row in rows],
        "item": [row[1] for row in rows],
        "time": [row[2] for row in rows],
        "price": pa.array([chance.choice([None, 1, 7, 40]) for _ in rows], pa.int16()),
        "shop": [chance.choice([None, "", "a", "b, c", 'say "d"']) for _ in rows],
        "score": [chance.choice([0.5, -3.25, 1e300]) for _ in rows],
    }
    return pa.table(table if timed else {name: column for name, column in table.items() if name != "time"})


ROWS = random_rows(12, users=40, items=50, most=20, times=4, duplicates=0.6)
LOG = log_of(ROWS)


def values_of(log, names, *, keep_time="last", positive=lambda row: True):
    """By user and item, the values of the row of the pair: by time, then the smallest; null is greater than all."""
    sign, found = 1 if keep_time == "first" else -1, {}
    for row in filter(positive, log.to_pylist()):
        ranked = [(row[name] is None, 0 if row[name] is None else row[name]) for name in sorted(names)]
        rank = (sign * row.get("time", 0), *ranked)
        pair = row["user"], row["item"]
        if pair not in found or rank < found[pair][0]:
            found[pair] = rank, tuple(row[name] for name in names)
    return {pair: values for pair, (_, values) in found.items()}


def check_rows(rows, wanted, names, *, grouped=True):
    """Every row of a group has the values of its positive."""
    head, positives = None, 0
    for row in rows.to_pylist():
        if "label" in row:
            head = row["item"] if row["label"] == 1 else head
            if not grouped and row["label"] != 1:
                continue
        else:
            head = row["pos_item"]
        assert tuple(row[name] for name in names) == wanted[row["user"], head]
        positives += row.get("label", 1)
    assert positives


@LAYOUTS
@pytest.mark.parametrize("keep", [("price",), ("shop", "price", "score")], ids=str)
@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"keep_time": "first", "distinct": True},
        {"epochs": 2, "with_log_q": True},
        {"shuffle": True, "sampler": ("uniform:0.5", "popularity:0.5")},
        {"core": 3, "positive": "score>0", "on_short": "drop", "num_neg": 20, "distinct": True},
        {"holdout": "random", "label_dtype": None},
    ],
    ids=str,
)
def test_train(layout, keep, chosen):
    chosen = {name: value for name, value in chosen.items() if value is not None}
    rows = negprep.train(LOG, keep=keep, layout=layout, **{"num_neg": 2, **chosen})
    without = negprep.train(LOG, layout=layout, **{"num_neg": 2, **chosen})
    assert rows.drop_columns(list(keep)).equals(without)
    assert [rows.schema.field(name).type for name in keep] == [LOG.schema.field(name).type for name in keep]
    liked = (lambda row: row["score"] > 0) if "positive" in chosen else (lambda row: True)
    wanted = values_of(LOG, keep, keep_time=chosen.get("keep_time", "last"), positive=liked)
    check_rows(rows, wanted, keep, grouped="shuffle" not in chosen)


@LAYOUTS
def test_test(layout):
    rows = negprep.test(LOG, keep="shop", layout=layout, num_neg=7, fold="valid")
    wanted = values_of(LOG, ["shop"])
    for row in rows.to_pylist():
        if row.get("label", 1) == 1:
            assert (row["shop"],) == wanted[row["user"], row["item" if layout == "pointwise" else "pos_item"]]
    # All candidates of a holdout have its value, wherever it stands among them.
    if layout == "pointwise":
        heads = [row["shop"] for row in rows.to_pylist() if row["label"] == 1]
        assert rows["shop"].to_pylist()[::8] == heads


def test_bootstrap_repeats_the_value():
    rows = negprep.train(LOG, keep=["score", "price"], layout="pairwise", bootstrap=500)
    check_rows(rows, values_of(LOG, ["score", "price"]), ["score", "price"])


def test_without_times_the_smallest_row_decides():
    log = log_of(ROWS, timed=False)
    with pytest.warns(negprep.NegprepWarning, match="no times"):
        rows = negprep.train(log, keep=["price", "shop"], num_neg=1)
    check_rows(rows, values_of(log, ["price", "shop"]), ["price", "shop"])


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("chosen", [{}, {"shuffle": True, "layout": "listwise"}], ids=str)
def test_the_same_bytes_whatever_the_order_the_memory_and_the_threads(tmp_path, monkeypatch, form, chosen):
    order = list(range(len(LOG)))
    random.Random(9).shuffle(order)
    target, made = tmp_path / f"out.{form}", set()
    for log, run in (
        (LOG, {}),
        (LOG.take(pa.array(order)), {"jobs": 2, "shard_rows": 50}),
        (pa.Table.from_batches(LOG.to_batches(max_chunksize=30)), {"memory": 1}),
    ):
        if "memory" in run:
            monkeypatch.setattr(
                load,
                "partition",
                lambda *given, real=load.partition, **more: real(*given, **{**more, "range_rows": 60}),
            )
        negprep.train(log, target, keep=["shop", "price"], num_neg=2, **chosen, **run)
        made.add(target.read_bytes())
    assert len(made) == 1


SINGLE = {
    "int8": pa.array([3, None, -1], pa.int8()),
    "uint64": pa.array([2**64 - 1, None, 0], pa.uint64()),
    "float32": pa.array([0.1, None, float("nan")], pa.float32()),
    "bool": pa.array([True, None, False]),
    "string": pa.array(["b", None, ""]),
    "large_string": pa.array(["b", None, ""], pa.large_string()),
    "dictionary": pa.array(["b", None, ""]).dictionary_encode(),
    "date": pa.array([date(2024, 5, 1), None, date(1960, 1, 1)]),
    "timestamp": pa.array([datetime(2024, 5, 1, 12), None, datetime(1960, 1, 1)], pa.timestamp("us")),
    "zoned": pa.array([datetime(2024, 5, 1, 12), None, datetime(1960, 1, 1)], pa.timestamp("ms", "UTC")),
    "another zone": pa.array([datetime(2024, 5, 1, 12), None, datetime(1960, 1, 1)], pa.timestamp("us", "Asia/Tokyo")),
    "duration": pa.array([5, None, -5], pa.duration("s")),
    "decimal": pa.array([Decimal("1.50"), None, Decimal("-7.25")]),
    "null": pa.nulls(3),
}


@pytest.mark.parametrize("name", SINGLE)
def test_any_type_of_single_values_stays(tmp_path, name):
    values = SINGLE[name]
    items = pa.table({"item": [10, 11, 12, 13]})
    log = pa.table({"user": [1, 1, 1], "item": [10, 11, 12], "x": values, "other": [1, 2, 3]})
    written = {
        "large_string": pa.string(),
        "dictionary": pa.string(),
        "duration": pa.int64(),
        "another zone": pa.timestamp("us", "UTC"),
    }
    kind = written.get(name, values.type)
    for form in ("parquet", "csv"):
        target, summary = str(tmp_path / f"out.{form}"), str(tmp_path / "s.json")
        options = Options(command="train", holdout="none", items=items, num_neg=1, keep="x")
        negprep.prepare(log, target, options, summary=summary)
        made_by = {"made_by": summary} if form == "csv" else {}
        checks = {check.name: check.status for check in negprep.verify(target, log=log, items=items, **made_by).checks}
        assert checks[KEPT] == "passed"
        assert "failed" not in checks.values()
    column = pq.read_table(tmp_path / "out.parquet")["x"]
    assert column.type == kind
    assert repr(column.to_pylist()) == repr([value for value in values.cast(kind).to_pylist() for _ in range(2)])
    texts = [line.split(",", 3)[3] for line in (tmp_path / "out.csv").read_text().splitlines()[1:]]
    assert texts[2:4] == ["", ""]
    if "zone" in name:
        assert texts[0].startswith("2024-05-01 12:00:00.000")
        assert texts[0].endswith("Z")


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["7", "", "-12"], [7, None, -12]),
        (["07", "", "12"], ["07", None, "12"]),
        (["1.5", "2", "x"], ["1.5", "2", "x"]),
    ],
    ids=str,
)
def test_text_files_have_integers_or_text_in_whatever_block(tmp_path, monkeypatch, texts, wanted):
    monkeypatch.setattr("negprep.read.delimited.BLOCK", 64)
    lines = ["user,item,x", *(f"{at // 6},{at % 6},{texts[0 if at < 40 else at % 3]}" for at in range(60))]
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    rows = negprep.train(tmp_path / "log.csv", keep="x", holdout="none", items=pa.table({"item": range(20)}), num_neg=1)
    assert set(rows["x"].to_pylist()) == set(wanted)
    kind = pa.int64() if isinstance(wanted[0], int) else pa.string()
    assert rows.schema.field("x").type == kind


def run(*words):
    return guarded(lambda: invoke(list(words)))


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("words", ["", "--layout pairwise --epochs 2", "--layout listwise --shuffle"])
def test_verify_finds_a_value_that_the_log_does_not_have_there(tmp_path, monkeypatch, capsys, form, words):
    monkeypatch.chdir(tmp_path)
    pq.write_table(LOG, "log.parquet")
    target = f"out.{form}"
    line = ["train", "log.parquet", target, "--keep", "shop", "--keep", "score", *words.split(), "--summary", "s.json"]
    assert run(*line, "--quiet") == 0
    facts = json.loads((tmp_path / "s.json").read_text())
    assert facts["metadata"]["keep"] == ["shop", "score"]
    assert facts["columns"].keys() >= {"shop", "score"}
    told = ["--made-by", "s.json"] if form == "csv" else []

    def found(*more):
        capsys.readouterr()
        code = run("verify", target, "--log", "log.parquet", "--json", *told, *more)
        (check,) = (each for each in json.loads(capsys.readouterr().out)["files"][0]["checks"] if each["check"] == KEPT)
        return code, check

    assert found()[1]["status"] == "passed"
    rows = pyarrow.csv.read_csv(target) if form == "csv" else pq.read_table(target)
    column = rows["score"].to_pylist()
    place = len(column) // 2
    column[place] = 0.5 if column[place] != 0.5 else -3.25
    changed = rows.set_column(rows.schema.get_field_index("score"), "score", pa.array(column))
    if form == "csv":
        pyarrow.csv.write_csv(changed, target, pyarrow.csv.WriteOptions(quoting_style="needed"))
    else:
        pq.write_table(changed.replace_schema_metadata(pq.read_schema(target).metadata), target)
    code, check = found()
    assert (code, check["status"], check["count"]) == (1, "failed", 1)
    assert "the log has score" in check["examples"][0]
    monkeypatch.setattr(
        "negprep.checks.verify.MemoryBudget.of", lambda _, real=negprep.checks.verify.MemoryBudget.of: real(1)
    )
    assert found()[1] == check


def test_files_with_more_columns_are_read_by_all(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pq.write_table(LOG, "log.parquet")
    assert run("prepare", "log.parquet", "data/", "--keep", "price", "--keep", "shop", "--quiet") == 0
    files = [f"data/{part}.parquet" for part in ("train", "valid", "test")]
    assert run("verify", *files, "--log", "log.parquet", "--quiet") == 0
    assert run("report", *files, "report.html", "--quiet") == 0
    test = pq.read_table("data/test.parquet")
    pq.write_table(test.append_column("score", pa.array(np.arange(len(test), dtype=float))), "scored.parquet")
    assert run("evaluate", "scored.parquet") == 0
    assert run("inspect", "log.parquet", "--keep", "price") == 0
    assert "train  " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--keep prise", "no column 'prise' (found: user, item, time, price, shop, score); did you mean 'price'?"),
        ("--keep nothing", "score); name one of them with --keep"),
        ("--keep price --keep price", "--keep price is given twice; leave one out"),
        ("--keep item", "--keep item: an output has a column of that name by itself; leave it out, or rename"),
        ("--keep price --layout pairwise --levels 0.5,0.2 --positive score>0", "--keep with --levels"),
        ("--keep price --to recbole", "--keep with --to recbole, which has no place for it"),
        ("--keep price --engine spark", "--keep with --engine spark, whose workers make no columns"),
    ],
)
def test_refusals(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    pq.write_table(LOG, "log.parquet")
    target = "out/" if "--to" in words or "spark" in words else "out.parquet"
    assert run("train", "log.parquet", target, *words.split()) == 2
    assert message in capsys.readouterr().err


def test_what_is_not_a_single_value_is_refused():
    log = LOG.append_column("tags", pa.array([["a", "b"]] * len(LOG)))
    with pytest.raises(negprep.BadDataError, match="row 1: the column tags has the type list<item: string>; carried"):
        negprep.train(log, keep="tags")
    with pytest.raises(negprep.UsageError, match="keep is 7; give the name of a column"):
        negprep.train(LOG, keep=7)


def test_json_lines_and_keys_in_paths(tmp_path):
    lines = [json.dumps({"user": at // 5, "item": at % 5, "x": at if at < 18 else at + 0.5}) for at in range(20)]
    for number in (3, 40):
        folder = tmp_path / f"day={number}"
        folder.mkdir()
        (folder / "log.jsonl").write_text("\n".join(lines[number % 2 :: 2]) + "\n")
    rows = negprep.train(str(tmp_path), keep=["x", "day"], holdout="none", items=pa.table({"item": range(9)}))
    assert (rows.schema.field("x").type, rows.schema.field("day").type) == (pa.float64(), pa.int64())
    assert set(rows["day"].to_pylist()) == {3, 40}


def test_rows_that_are_dropped_take_their_values_along(tmp_path):
    lines = ["user,item,time,x", ",1,1,bad", *(f"{at % 3},{at},{at},{at * 10}" for at in range(30)), "1,,5,bad"]
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    rows = negprep.train(tmp_path / "log.csv", keep="x", drop_invalid=True, num_neg=1)
    for row in rows.to_pylist():
        assert row["label"] == 0 or row["x"] == row["item"] * 10


def test_frames():
    frame = LOG.to_pandas().assign(
        kind=lambda rows: rows["shop"].astype("category"), price=lambda rows: rows["price"].astype("Int16")
    )
    rows = negprep.train(frame, keep=["kind", "price", "score"], num_neg=1)
    wanted = values_of(LOG.append_column("kind", LOG["shop"]), ["kind", "price", "score"])
    check_rows(pa.Table.from_pandas(rows), wanted, ["kind", "price", "score"])


@pytest.mark.parametrize(
    ("texts", "want"),
    [
        (["4.5", "3", "-0.25", ""], [4.5, 3.0, -0.25, None]),
        (["4.50", "4.5", "1", "0"], [4.5, 4.5, 1.0, 0.0]),
        (["4.5", "007.5", "1", "2"], ["4.5", "007.5", "1", "2"]),
        (["1.10.2", "1.5", "1", "2"], ["1.10.2", "1.5", "1", "2"]),
        (["1234567890.5", "1.5", "1", "2"], ["1234567890.5", "1.5", "1", "2"]),
    ],
)
def test_decimals_from_text(tmp_path, texts, want):
    """They are numbers where a float holds them; a version or a code stays text."""
    (tmp_path / "log.csv").write_text("user,item,x\n" + "".join(f"1,{n},{text}\n" for n, text in enumerate(texts)))
    catalog = pa.table({"item": range(9)})
    rows = negprep.train(tmp_path / "log.csv", keep="x", holdout="none", items=catalog, num_neg=1)
    assert rows["x"].to_pylist()[::2] == want
    negprep.train(tmp_path / "log.csv", tmp_path / "t.csv", keep="x", holdout="none", items=catalog, num_neg=1)
    found = negprep.verify([], tmp_path / "log.csv", train=tmp_path / "t.csv", items=catalog)
    assert not found.failed
