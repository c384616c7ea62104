"""A log with labels such as 0 and 1 is refused until --positive says which rows count; and so are files beside it."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

import negprep
from negprep.errors import BadDataError
from negprep.options.options import Options, ReadOptions
from negprep.pipeline import prepare

PAIRS = [(1, 10), (1, 11), (2, 11), (2, 12)]
ZEROS_AND_ONES = [1, 0, 0, 1]


def log_of(labels, name="label", **columns):
    users, items = zip(*PAIRS, strict=True)
    return pa.table({"user": list(users), "item": list(items), name: labels, **columns})


def positives_of(log, **options):
    rows = negprep.train(log, holdout="none", num_neg=1, **options)
    return sorted((row["user"], row["item"]) for row in rows.to_pylist() if row["label"])


def written(log, folder, form):
    path = folder / f"log.{form}"
    if form == "parquet":
        pq.write_table(log, path)
    elif form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in log.to_pylist()))
    else:
        log.to_pandas().to_csv(path, index=False)
    return str(path)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("labels", "held", "rule"),
    [
        (ZEROS_AND_ONES, "0 and 1", "label=1"),
        ([1.0, 0.0, 0.0, 1.0], "0 and 1", "label=1"),
        ([True, False, False, True], "0 and 1", "label=1"),
        (["true", "FALSE", "false", "True"], "0 and 1", "label=1"),
        (["1", "0.0", "0", "1.00"], "0 and 1", "label=1"),
        ([1, -1, -1, 1], "-1 and 1", "label=1"),
        ([1, -1, 0, 1], "0, -1 and 1", "label=1"),
        (["Yes", "No", "No", "Yes"], "No and Yes", "label=Yes"),
        (["t", "f", "f", "t"], "f and t", "label=t"),
    ],
    ids=str,
)
def test_labels_are_refused_and_the_rule_of_the_message_takes_the_ones(labels, held, rule, form, tmp_path):
    log = written(log_of(labels), tmp_path, form)
    with pytest.raises(BadDataError) as error:
        negprep.train(log, holdout="none")
    assert f"{log}: the column 'label' holds {held}" in str(error.value)
    assert f"--positive '{rule}' (the other pairs are weak) or --positive all" in str(error.value)
    assert positives_of(log, positive=rule) == [(1, 10), (2, 12)]
    assert positives_of(log, positive="all") == PAIRS


@pytest.mark.parametrize(
    "name",
    ["label", "Label", "labels", "label:float", "click", "clicked", "is_click", "isClicked", "clk", "target", "y"],
)
def test_names_of_labels(name):
    with pytest.raises(BadDataError, match="would be positives"):
        negprep.train(log_of(ZEROS_AND_ONES, name), holdout="none")
    assert positives_of(log_of(ZEROS_AND_ONES, name), positive=f"{name.partition(':')[0]}=1") == [(1, 10), (2, 12)]


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ([1, 1, 1, 1], "label"),
        ([1, None, 1, 1], "label"),
        ([0, 1, 2, 0], "label"),
        ([0.0, 0.5, 1.0, 0.0], "label"),
        (["0", "1", "cat", "0"], "label"),
        ([["a"], [], ["b"], []], "labels"),
        ([None] * 4, "label"),
        (ZEROS_AND_ONES, "premium"),
    ],
    ids=str,
)
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_what_is_no_label_is_no_hindrance(labels, name, form, tmp_path):
    assert positives_of(written(log_of(labels, name), tmp_path, form)) == PAIRS


def test_labels_that_are_missing_are_refused_or_dropped_and_counted(tmp_path):
    log = log_of([1, 0, None, 1])
    with pytest.raises(BadDataError, match="would be positives"):
        negprep.train(log, holdout="none")
    with pytest.raises(BadDataError, match="row 3: missing value in the column of --positive"):
        negprep.train(log, holdout="none", positive="label=1")
    options = Options(command="train", holdout="none", positive="label=1", read=ReadOptions(drop_invalid=True))
    summary = prepare(log, str(tmp_path / "o.parquet"), options)
    assert summary.rows_dropped == {"missing value in the column of --positive": 1}
    assert (summary.positives, summary.weak) == (2, 1)
    assert summary.columns["positive"] == "label"


def test_mixed_json_is_looked_at_line_by_line(tmp_path):
    path = tmp_path / "log.jsonl"
    lines = [{"user": u, "item": i, "label": v} for (u, i), v in zip(PAIRS, [1, True, "0", None], strict=True)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(BadDataError, match="would be positives"):
        negprep.train(str(path), holdout="none")


def test_a_frame_of_mixed_types(tmp_path):
    users, items = zip(*PAIRS, strict=True)
    frame = pd.DataFrame({"user": users, "item": items, "label": [1, "a", 0, None]})
    rows = negprep.train(frame, holdout="none", num_neg=1)
    assert int(rows["label"].sum()) == 4


@pytest.mark.parametrize("last", [0, 1])
def test_the_whole_column_is_looked_at(last, tmp_path):
    n = 300_000
    log = {"user": [i % 7 for i in range(n)], "item": [i % 11 for i in range(n)], "label": [1] * (n - 1) + [last]}
    pq.write_table(pa.table(log), tmp_path / "log.parquet", row_group_size=100_000)
    if last:
        negprep.train(str(tmp_path / "log.parquet"), holdout="none", num_neg=1)
        return
    with pytest.raises(BadDataError, match="would be positives"):
        negprep.train(str(tmp_path / "log.parquet"), holdout="none", num_neg=1)


def test_nothing_is_written_and_every_command_refuses(tmp_path):
    log = written(log_of(ZEROS_AND_ONES), tmp_path, "csv")
    target = tmp_path / "o.parquet"
    for command in ("train", "test"):
        holdout = "none" if command == "train" else "random"
        with pytest.raises(BadDataError, match="--positive all"):
            prepare(log, str(target), Options(command=command, holdout=holdout))
    assert not target.exists()
    with pytest.raises(BadDataError, match="--positive all"):
        negprep.fit(log, str(tmp_path / "m.npz"), kind="rns")
    prepare(log, str(target), Options(command="train", holdout="none", positive="label=1"))
    rows = negprep.train(log, holdout="none", positive="label=1")
    pq.write_table(rows, tmp_path / "plain.parquet")
    with pytest.raises(BadDataError, match="made without --positive"):
        negprep.verify([], train=[str(tmp_path / "plain.parquet")], log=log)
    assert not negprep.verify([], train=[str(tmp_path / "plain.parquet")], log=log, positive="label=1").failed
    assert not negprep.verify(str(target), log=log).failed


def test_another_rule_is_a_warning(tmp_path):
    log = log_of(ZEROS_AND_ONES, rating=[5, 4, 1, 2])
    options = Options(command="train", holdout="none", positive="rating>=4")
    summary = prepare(log, str(tmp_path / "o.parquet"), options)
    assert [warning for warning in summary.warnings if "does not use it" in warning] == summary.warnings != []
    assert summary.positives == 2
    for positive in ("label=1", "all", "label>0", "label"):
        assert prepare(log, str(tmp_path / "o.parquet"), replace(options, positive=positive)).warnings == []


def test_a_label_that_is_the_value(tmp_path):
    log = log_of(ZEROS_AND_ONES)
    assert positives_of(log, value_col="label", positive=">=1") == [(1, 10), (2, 12)]
    assert positives_of(log_of([True, False, False, True]), value_col="label", positive=">=1") == [(1, 10), (2, 12)]
    with pytest.raises(BadDataError, match="would be positives"):
        negprep.train(log, holdout="none", value_col="label")
    assert positives_of(log_of([1, 0, 1, 0]).rename_columns(["user", "x", "label"]), item_col="label", positive="all")


def test_what_negprep_writes_is_refused_as_a_log(tmp_path):
    log = pa.table({"user": [1, 1, 2, 2, 3], "item": [1, 2, 3, 4, 5]})
    for to, target in (("csv", "o.csv"), ("parquet", "o.parquet"), ("recbole", "o/")):
        path = f"{tmp_path}/{target}"
        prepare(log, path, Options(command="train", holdout="none", to=to, num_neg=1))
        with pytest.raises(BadDataError, match="--positive 'label=1'"):
            negprep.train(path, holdout="none", from_="recbole" if to == "recbole" else None)
        back = positives_of(path, positive="label=1", from_="recbole" if to == "recbole" else None)
        assert back == [(1, 1), (1, 2), (2, 3), (2, 4), (3, 5)]


def test_inspect_warns_with_both_commands():
    found = negprep.inspect(log_of(ZEROS_AND_ONES))
    assert found.log.labels == {"label": "label=1"}
    assert found.train.refused is not None
    (warning,) = [each for each in found.warnings if "label" in each]
    assert "--positive 'label=1'" in warning
    assert "--positive all" in warning
    assert negprep.inspect(log_of(ZEROS_AND_ONES), positive="label=1").train.positives == 2


# files beside the log


def test_exclude_with_labels(tmp_path):
    log = log_of(ZEROS_AND_ONES)
    plain = log.select(["user", "item"])
    exclude = pa.table({"user": [1, 2, 1], "item": [12, 10, 10], "label": [0, 1, 1]})
    options = Options(command="train", holdout="none", exclude=exclude)
    for source, positive in ((plain, None), (log_of([5, 4, 1, 2], "rating"), ">=4")):
        with pytest.raises(BadDataError, match="--exclude would take its rows of 0 as well"):
            prepare(source, str(tmp_path / "o.parquet"), replace(options, positive=positive))
    summary = prepare(log, str(tmp_path / "o.parquet"), replace(options, positive="label=1"))
    assert (summary.excluded_pairs, summary.excluded_rows, summary.excluded_left_out) == (2, 2, 1)
    pq.write_table(exclude, tmp_path / "exclude.parquet")
    assert not negprep.verify(str(tmp_path / "o.parquet"), log=log, exclude=str(tmp_path / "exclude.parquet")).failed
    assert prepare(plain, str(tmp_path / "o.parquet"), replace(options, positive="all")).excluded_pairs == 3
    ones = exclude.set_column(2, "label", pa.array([1, 1, 1]))
    assert prepare(plain, str(tmp_path / "o.parquet"), replace(options, exclude=ones)).excluded_pairs == 3


def test_weak_with_labels(tmp_path):
    weak = pa.table({"user": [1, 2], "item": [12, 10], "click": [0, 1]})
    options = Options(command="train", holdout="none", weak=weak)
    plain = log_of(ZEROS_AND_ONES).select(["user", "item"])
    with pytest.raises(BadDataError, match="--weak wants pairs that are not positives"):
        prepare(plain, str(tmp_path / "o.parquet"), options)
    assert prepare(plain, str(tmp_path / "o.parquet"), replace(options, positive="all")).weak == 2


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("first", ["labelled", "plain"])
def test_labels_in_some_parts_alone(kind, first, tmp_path):
    labelled = pa.table({"user": [1, 1], "item": [10, 11], "label": [1, 0]})
    plain = pa.table({"user": [2, 2], "item": [10, 12]})
    parts = [labelled, plain] if first == "labelled" else [plain, labelled]
    for number, part in enumerate(parts):
        path = tmp_path / f"log/{number}.{kind}"
        path.parent.mkdir(exist_ok=True)
        if kind == "parquet":
            pq.write_table(part, path)
        elif kind == "csv":
            csv.write_csv(part, path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in part.to_pylist()))
    log = str(tmp_path / "log")
    with pytest.raises(negprep.BadDataError, match="some parts have the column 'label', and others lack it"):
        negprep.train(log, num_neg=1, holdout="none")
    with pytest.raises(negprep.NegprepError, match="label"):
        negprep.train(log, num_neg=1, holdout="none", positive="label=1")
    with pytest.warns(negprep.NegprepWarning, match="label"):
        rows = negprep.train(log, num_neg=1, holdout="none", positive="all").to_pylist()
    assert sorted((row["user"], row["item"]) for row in rows if row["label"]) == [(1, 10), (1, 11), (2, 10), (2, 12)]
