"""Epochs: independent draws of one seed, alone or one after the other."""

from __future__ import annotations

import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reference
from logs import as_table, random_rows

import negprep
from negprep.encode import memory
from negprep.options.options import Options
from negprep.pipeline import prepare
from negprep.sample import rng

LOG = as_table(random_rows(5, users=40, items=60, most=20))
LAYOUTS = pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])


def test_epoch_0_is_the_run_without():
    assert negprep.train(LOG, epoch=0).equals(negprep.train(LOG))


@pytest.mark.parametrize("epoch", [0, 1, 2**31 - 1])
@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_the_key_is_that_of_the_page(seed, epoch):
    (key,) = rng.purpose_key(seed, "negatives", epoch).tolist()
    assert key == reference.word(reference.word(seed, 0), 1 + epoch * 2**32)


@LAYOUTS
@pytest.mark.parametrize("options", [{}, {"jobs": 2, "shard_rows": 7}, {"memory": 1}], ids=str)
def test_epochs_are_the_runs_of_each(layout, options, monkeypatch):
    monkeypatch.setattr(memory, "_FEWEST_ROWS", 40)
    made = negprep.train(LOG, layout=layout, epochs=3, holdout="last", **options)
    assert made.schema.field("epoch") == pa.field("epoch", pa.int32(), nullable=False)
    assert made.schema.names[-1] == "epoch"
    each = [negprep.train(LOG, layout=layout, epoch=epoch, holdout="last") for epoch in range(3)]
    assert made.drop_columns("epoch").equals(pa.concat_tables(each))
    assert made["epoch"].to_pylist() == [epoch for epoch, rows in enumerate(each) for _ in range(rows.num_rows)]
    assert not each[0].equals(each[1])


def test_one_epoch_that_is_asked_for_has_its_column():
    made = negprep.train(LOG, epochs=1)
    assert made.drop_columns("epoch").equals(negprep.train(LOG))


def test_a_folder_has_a_subfolder_each(tmp_path):
    for _ in range(2):
        negprep.train(LOG, f"{tmp_path}/out/", epochs=2, encode=True, force=True)
    names = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*"))
    parts = [f"epoch={epoch}{rest}" for epoch in range(2) for rest in ("", "/part-00000.parquet")]
    assert names == sorted(["_SUCCESS", "_items.parquet", "_users.parquet", *parts])
    for epoch in range(2):
        negprep.train(LOG, f"{tmp_path}/one{epoch}.parquet", epoch=epoch, encode=True)
        part = pq.ParquetFile(tmp_path / "out" / f"epoch={epoch}" / "part-00000.parquet").read()
        assert part.equals(pq.read_table(tmp_path / f"one{epoch}.parquet"))
    assert set(pq.read_table(tmp_path / "out")["epoch"].to_pylist()) == {0, 1}


def test_what_is_no_output_is_not_replaced(tmp_path):
    (tmp_path / "out" / "epoch=0").mkdir(parents=True)
    (tmp_path / "out" / "epoch=0" / "notes.txt").touch()
    with pytest.raises(negprep.UsageError, match=r"holds 'epoch=0/notes.txt', which negprep did not write"):
        negprep.train(LOG, f"{tmp_path}/out/", epochs=2, force=True)


def test_interactions_count_once_and_rows_for_every_epoch(tmp_path):
    one, three = (
        prepare(LOG, f"{tmp_path}/o.parquet", Options(command="train", num_neg=2, holdout="last", epochs=epochs))
        for epochs in (None, 3)
    )
    assert (three.positives, three.holdouts) == (one.positives, one.holdouts)
    assert (three.rows_written, three.negatives) == (3 * one.rows_written, 3 * one.negatives)
    assert pq.read_metadata(tmp_path / "o.parquet").num_rows == three.rows_written
    assert (one.epoch, one.epochs, three.epoch, three.epochs) == (0, None, 0, 3)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"epoch": -1}, "epoch is -1; choose a whole number from 0 to 2147483647"),
        ({"epoch": 2**31}, "epoch is 2147483648"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": 1.5}, "epochs is 1.5"),
        ({"epoch": 1, "epochs": 2}, "--epoch with --epochs, which begins with epoch 0"),
    ],
    ids=str,
)
def test_refusals(options, complaint):
    with pytest.raises(negprep.UsageError, match=complaint):
        negprep.train(LOG, **options)


def test_a_test_set_has_no_epochs():
    with pytest.raises(TypeError, match="unexpected keyword argument 'epochs'"):
        negprep.test(LOG, epochs=2)
    with pytest.raises(negprep.UsageError, match="whose candidates are drawn once"):
        Options(command="test", holdout="last", epoch=1)


def test_epoch_and_epochs_are_refused_together(tmp_path):
    (tmp_path / "log.csv").write_text("user,item\n1,10\n1,11\n2,12\n")
    words = [str(tmp_path / "log.csv"), str(tmp_path / "o.parquet"), "--quiet"]
    for more, complaint in (
        (["--epoch", "0", "--epochs", "2"], "--epoch with --epochs, which begins with epoch 0"),
        (["--epochs", "0"], "0 is not in the range"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "negprep", "train", *words, *more], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert complaint in done.stderr
    assert not (tmp_path / "o.parquet").exists()


@pytest.mark.parametrize("on_short", ["fewer", "drop"])
def test_epochs_that_differ_in_size_are_counted_each(tmp_path, on_short):
    """Drawn with replacement, positives without a possible negative take more of one epoch than of another."""
    log = pa.table({"user": [1, 1, 2, 2], "item": [10, 11, 10, 12], "time": [1, 2, 1, 3]})
    options = {"layout": "pairwise", "bootstrap": 40, "available_at_time": True, "on_short": on_short}
    options["holdout"] = "none"
    sizes = [negprep.train(log, epoch=epoch, **options).num_rows for epoch in range(3)]
    assert len(set(sizes)) > 1
    path = negprep.train(log, tmp_path / "rows.parquet", epochs=3, **options)
    counts = json.loads(pq.read_schema(path).metadata[b"negprep"])["counts"]
    assert counts["rows"] == counts["negatives"] == pq.read_table(path).num_rows == sum(sizes)
