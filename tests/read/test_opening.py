"""Prepared files are recognised, and read back as what was written."""

from __future__ import annotations

import gzip

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from logs import as_table, random_rows

import negprep
from negprep.errors import BadDataError, OutputError, UsageError
from negprep.read.prepared import open_prepared

LOG = as_table(random_rows(1))
TEXT_LOG = as_table(random_rows(1), "u{}".format)


def read(path, extra=()):
    """What it is, and all rows as lists of Python values by column."""
    with open_prepared(path) as prepared:
        tables = [pa.table(batch.rows.to_pydict()) for batch in prepared.batches(extra)]
        places = [batch.place(0) for batch in prepared.batches(extra)]
    whole = pa.concat_tables(tables, promote_options="permissive").to_pydict()
    return prepared, whole, places


WRITTEN = {
    "pointwise": {},
    "pairwise": {"layout": "pairwise"},
    "listwise": {"layout": "listwise"},
    "encoded": {"encode": True},
    "encoded lists": {"encode": True, "layout": "listwise"},
    "float labels": {"label_dtype": "float32"},
    "sources": {"sampler": ("uniform:0.5", "popularity:0.5")},
}


@pytest.mark.parametrize("target", ["o.parquet", "o/"])
@pytest.mark.parametrize("log", [LOG, TEXT_LOG], ids=["integers", "texts"])
@pytest.mark.parametrize("options", WRITTEN.values(), ids=WRITTEN)
def test_what_was_written_is_read_with_its_ids(tmp_path, log, options, target):
    rows = negprep.train(log, num_neg=3, **{**options, "encode": False})
    negprep.train(log, f"{tmp_path}/{target}", num_neg=3, **options)
    prepared, found, places = read(f"{tmp_path}/{target}")
    assert found == rows.to_pydict()
    assert (prepared.shape.kind, prepared.part) == ("negprep", "train")
    assert prepared.layout == options.get("layout", "pointwise")
    assert prepared.facts["counts"]["rows"] == rows.num_rows
    assert places[0].endswith("parquet: row 1")


@pytest.mark.parametrize("target", ["o.parquet", "o/"])
def test_epochs_are_named_in_files_and_folders(tmp_path, target):
    negprep.train(LOG, f"{tmp_path}/{target}", epochs=3, seed=5)
    _, found, _ = read(f"{tmp_path}/{target}")
    alone = negprep.train(LOG, epoch=2, seed=5).num_rows
    assert [found["epoch"].count(epoch) for epoch in range(4)] == [alone] * 3 + [0]
    assert found["epoch"] == sorted(found["epoch"])


@pytest.mark.parametrize(("fold", "holdout"), [("test", "last"), ("valid", "last:2")])
def test_test_files_say_their_fold(tmp_path, fold, holdout):
    negprep.test(LOG, tmp_path / "o.parquet", fold=fold, with_valid=True, holdout=holdout)
    assert read(tmp_path / "o.parquet")[0].part == fold


def test_ncf_files(tmp_path):
    (tmp_path / "x.train.rating").write_text("0\t25\t5\t978\n1\t3\t1\t979\n")
    (tmp_path / "x.test.rating").write_text("0\t7\n")
    (tmp_path / "x.test.negative").write_text("(0,7)\t1\t2\n\n(1,a)\t4\n(2,7)\n")
    prepared, found, places = read(tmp_path / "x.train.rating")
    assert (prepared.shape.kind, prepared.layout, prepared.part) == ("ncf", "positives", "train")
    assert (found, places) == ({"user": [0, 1], "item": [25, 3]}, [f"{tmp_path}/x.train.rating:1"])
    assert read(tmp_path / "x.test.rating")[1] == {"user": [0], "item": [7]}
    prepared, found, _ = read(tmp_path / "x.test.negative")
    assert (prepared.shape.kind, prepared.layout, prepared.part) == ("ncf negatives", "listwise", "test")
    assert found == {"user": [0, 1, 2], "pos_item": ["7", "a", "7"], "neg_items": [[1, 2], [4], []]}
    assert prepared.place(1) == f"{tmp_path}/x.test.negative:3"


def test_recbole_and_plain_files(tmp_path):
    (tmp_path / "x.valid.inter").write_text("user_id:token\titem_id:token\ttimestamp:float\nu1\ti3\t1\nu2\ti4\t9\n")
    prepared, found, _ = read(tmp_path / "x.valid.inter")
    assert (prepared.shape.kind, prepared.layout, prepared.part) == ("recbole", "positives", "valid")
    assert found == {"user": ["u1", "u2"], "item": ["i3", "i4"]}
    with gzip.open(tmp_path / "y.csv.gz", "wt") as file:
        file.write("score,label,user_id,item\n0.5,1,1,30\n0.4,0.0,1,40\n")
    prepared, found, places = read(tmp_path / "y.csv.gz", ("score",))
    assert (prepared.shape.kind, prepared.layout, prepared.part) == ("text", "pointwise", None)
    assert found == {"user": [1, 1], "item": [30, 40], "label": [1, 0], "score": ["0.5", "0.4"]}
    assert places == [f"{tmp_path}/y.csv.gz:2"]
    pd.DataFrame({"user": ["a"], "pos_item": [1], "neg_items": [[2, 3]]}).to_parquet(tmp_path / "z.parquet")
    prepared, found, _ = read(tmp_path / "z.parquet")
    assert (prepared.shape.kind, found["neg_items"]) == ("parquet", [[2, 3]])


def write_prepared(folder, **options):
    negprep.train(LOG, f"{folder}/o.parquet", **options)
    return folder / "o.parquet"


def test_what_is_no_prepared_file_is_refused_in_one_line(tmp_path):
    good = write_prepared(tmp_path).read_bytes()
    cases = {
        "log.csv": ("user,item\n1,2\n", "not a prepared file: no column 'label'"),
        "nothing.csv": ("", "the file is empty"),
        "label.csv": ("user,item,label\n1,2,1\n1,3,0.5\n", "label.csv:3: the label 0.5"),
        "word.csv": ("user,item,label\n1,2,yes\n", "word.csv:2: the label: 'yes' is not a value"),
        "id.csv": ("user,item,label\n1,2,1\n,3,0\n", "id.csv:3: null user id"),
        "item.csv": ("user,thing,label\n1,2,1\n", "not a prepared file: no column for the items"),
        "x.rating": ("1\n", "1 field"),
        "x.test.negative": ("(1,2)\t3\n4\t5\n", "x.test.negative:2: the line is not (user,item)"),
        "cut.parquet": (good[: len(good) // 2], "cut short or damaged"),
    }
    for name, (content, message) in cases.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(BadDataError) as caught:
            read(tmp_path / name)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(OutputError, match="no such file"):
        open_prepared(tmp_path / "missing")
    with open_prepared(tmp_path / "o.parquet") as prepared, pytest.raises(UsageError, match="no column 'score'"):
        prepared.batches(("score",))


def test_folders_must_be_whole_and_of_one_run(tmp_path):
    negprep.train(LOG, f"{tmp_path}/o/", epochs=2)
    (tmp_path / "o" / "epoch=1" / "part-00000.parquet").unlink()
    pq.write_table(pa.table({"user": [1], "item": [2], "label": [0]}), tmp_path / "o" / "epoch=1" / "p.parquet")
    with pytest.raises(BadDataError, match="are not those of"):
        open_prepared(tmp_path / "o")
    (tmp_path / "o" / "epoch=1" / "p.parquet").unlink()
    (tmp_path / "o" / "_SUCCESS").unlink()
    with pytest.raises(BadDataError, match="no _SUCCESS"):
        open_prepared(tmp_path / "o")


def test_vocabularies_must_be_there_and_fit(tmp_path):
    path = write_prepared(tmp_path, encode=True)
    items = pq.read_table(tmp_path / "o.items.parquet")
    pq.write_table(items.slice(0, 3), tmp_path / "o.items.parquet")
    with pytest.raises(BadDataError, match=r"o.parquet: row \d+: the code \d+ is not in the vocabulary, which has 3"):
        read(path)
    pq.write_table(items.slice(3), tmp_path / "o.items.parquet")
    with pytest.raises(BadDataError, match="without gaps"):
        read(path)
    pq.write_table(items.rename_columns(["code", "thing"]), tmp_path / "o.items.parquet")
    with pytest.raises(BadDataError, match="no column 'item'"):
        read(path)
    (tmp_path / "o.items.parquet").unlink()
    with pytest.raises(BadDataError, match="the vocabulary of the items is not there"):
        read(path)


def test_vocabularies_of_an_earlier_run_are_not_those_of_this_one(tmp_path):
    write_prepared(tmp_path, encode=True)
    path = write_prepared(tmp_path)
    assert (tmp_path / "o.users.parquet").exists()
    _, rows, _ = read(path)
    assert set(rows["item"]) <= set(LOG["item"].to_pylist())


def test_foreign_metadata_and_nulls_are_refused(tmp_path):
    rows = pa.table({"user": [1, 2], "pos_item": [2, 3], "neg_items": [[3], None]})
    pq.write_table(rows, tmp_path / "a.parquet")
    with pytest.raises(BadDataError, match=r"a.parquet: row 2: null list"):
        read(tmp_path / "a.parquet")
    pq.write_table(rows.replace_schema_metadata({"negprep": "[]"}), tmp_path / "b.parquet")
    with pytest.raises(BadDataError, match="metadata 'negprep'"):
        open_prepared(tmp_path / "b.parquet")
