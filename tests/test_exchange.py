"""Files for other programs: they hold what Parquet holds, and read back they give the log's pairs and times.

The parsers here do what the programs' own do, which negprep/exchange.py names.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.errors import BadDataError, NegprepError, OutputError, UsageError
from negprep.options.formats import FOLDERS
from negprep.options.reading import ReadOptions
from negprep.read.log import open_log

FORMS = ("csv", "tsv", *FOLDERS)
WORDS = ["plain", "a,b", "tab\there", 'a "quote"', "two\nlines", "=1", " space ", "é", "007", "a:token", "x|y", "';--"]


def make_log(n_users=30, n_items=25, *, words=False, seed=1, unit=1, start=1_700_000_000):
    chance = np.random.default_rng(seed)
    size = n_users * 8
    users, items = chance.integers(0, n_users, size), chance.integers(0, n_items, size)
    times = start * unit + chance.integers(0, 10_000_000, size)
    rows = pd.DataFrame({"user": users, "item": items, "time": times})
    if words:
        rows["user"] = [f"u{user}{WORDS[user % len(WORDS)]}" for user in users]
        rows["item"] = [f"{WORDS[item % len(WORDS)]}{item}" for item in items]
    return rows


def pairs_of(log):
    """Each pair, and the latest of its times."""
    return {(user, item): time for (user, item), time in log.groupby(["user", "item"])["time"].max().items()}


def back(source, **options):
    """What a log that was written says when it is read: pairs and times in nanoseconds."""
    found = {}
    with open_log(str(source), ReadOptions(**options)) as log:
        for batch in log.batches(["user", "item", *(["time"] if "time" in log.columns else [])]):
            for user, item, *time in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                assert (user, item) not in found
                found[user, item] = time[0] if time else None
    return found


def ratings(path):
    """As ``Dataset.load_rating_file_as_list`` and ``_as_matrix``."""
    rows = []
    with path.open() as file:
        for line in file:
            user, item, rating, *_ = line.split("\t")
            assert float(rating) > 0
            rows.append((int(user), int(item)))
    return rows


def negatives(path):
    """As ``Dataset.load_negative_file``, and the pair."""
    with path.open() as file:
        lines = [line.split("\t") for line in file]
    return [(pair.strip(), [int(item) for item in items]) for pair, *items in lines]


def lists(path):
    """As ``Loader.__init__``."""
    found = {}
    with path.open() as file:
        for line in file:
            user, *items = line.strip("\n").split(" ")
            assert max(int(item) for item in items) >= 0
            assert int(user) not in found
            found[int(user)] = [int(item) for item in items]
    return found


def grouped(rows):
    """Lists of a listwise output."""
    return [
        (row["user"], row["pos_item"], row["neg_items"])
        for row in rows.select(["user", "pos_item", "neg_items"]).to_pylist()
    ]


def test_ncf_holds_what_parquet_holds(tmp_path):
    log = make_log()
    negprep.test(log, f"{tmp_path}/ml/", to="ncf", num_neg=7)
    wanted = grouped(negprep.test(pa.Table.from_pandas(log), num_neg=7, layout="listwise"))
    assert ratings(tmp_path / "ml" / "ml.test.rating") == [(user, item) for user, item, _ in wanted]
    assert negatives(tmp_path / "ml" / "ml.test.negative") == [
        (f"({user},{item})", found) for user, item, found in wanted
    ]
    train = negprep.train(log, num_neg=1, holdout="last").query("label == 1")
    assert ratings(tmp_path / "ml" / "ml.train.rating") == list(zip(train["user"], train["item"], strict=True))
    facts = json.loads((tmp_path / "ml" / "_negprep.json").read_text())
    assert (facts["command"], facts["counts"]["holdouts"]) == ("test", len(wanted))


def test_lightgcn_holds_what_parquet_holds(tmp_path):
    log = make_log()
    negprep.test(log, f"{tmp_path}/g/", to="lightgcn", num_neg=3, with_valid=True, holdout="last")
    for fold, name in (("test", "test"), ("valid", "valid")):
        rows = negprep.test(log, num_neg=1, fold=fold, with_valid=True, holdout="last").query("label == 1")
        wanted = rows.groupby("user")["item"].apply(list).to_dict()
        assert lists(tmp_path / "g" / f"{name}.txt") == wanted
    train = negprep.train(log, num_neg=1, holdout="last", with_valid=True).query("label == 1")
    assert lists(tmp_path / "g" / "train.txt") == train.groupby("user")["item"].apply(list).to_dict()
    wanted = grouped(
        negprep.test(pa.Table.from_pandas(log), num_neg=3, layout="listwise", with_valid=True, holdout="last")
    )
    with (tmp_path / "g" / "candidates.txt").open() as file:
        found = [list(map(int, line.split())) for line in file]
    assert found == [[user, item, *items] for user, item, items in wanted]


def test_lists_of_users_with_very_many_items(tmp_path):
    users = np.repeat(np.arange(6), [70_000, 1, 2, 66_000, 0, 9])
    items = np.concatenate([np.arange(n) for n in (70_000, 1, 2, 66_000, 0, 9)])
    log = pd.DataFrame({"user": users, "item": items})
    negprep.test(log, f"{tmp_path}/g/", to="lightgcn", holdout="random", num_neg=1)
    train, test = lists(tmp_path / "g" / "train.txt"), lists(tmp_path / "g" / "test.txt")
    for user, count in ((0, 70_000), (1, 1), (2, 2), (3, 66_000), (5, 9)):
        assert sorted(train[user] + test.get(user, [])) == list(range(count))


def test_recbole_holds_what_parquet_holds(tmp_path):
    log = make_log(words=True)
    negprep.test(log, f"{tmp_path}/shop/", to="recbole", num_neg=7, with_valid=True, holdout="last")

    def read(part):
        path = tmp_path / "shop" / f"shop.{part}.inter"
        return pd.read_csv(path, delimiter="\t", dtype={"user_id:token": str, "item_id:token": str}, engine="python")

    rows = negprep.test(log, num_neg=7, with_valid=True, holdout="last")
    found = read("candidates")
    assert list(found.columns) == ["user_id:token", "item_id:token", "label:float"]
    assert found.to_numpy().tolist() == rows.to_numpy().tolist()
    held = pairs_of(log)
    for part, positives in (
        ("train", negprep.train(log, num_neg=1, with_valid=True, holdout="last")),
        ("valid", negprep.test(log, num_neg=1, fold="valid", holdout="last")),
        ("test", rows),
    ):
        wanted = positives[positives["label"] == 1][["user", "item"]].to_numpy().tolist()
        assert list(read(part).columns) == [*found.columns, "timestamp:float"]
        assert read(part).to_numpy().tolist() == [[user, item, 1, held[user, item]] for user, item in wanted]


def test_recbole_gets_labelled_train_instances(tmp_path):
    log = make_log(words=True)
    negprep.train(log, f"{tmp_path}/shop/", to="recbole", num_neg=2, with_log_q=True, epochs=2)
    assert {path.name for path in (tmp_path / "shop").iterdir()} == {"shop.inter", "_SUCCESS", "_negprep.json"}
    found = pd.read_csv(tmp_path / "shop" / "shop.inter", delimiter="\t", engine="python")
    assert list(found.columns) == ["user_id:token", "item_id:token", "label:float", "log_q:float", "epoch:token"]
    wanted = negprep.train(log, num_neg=2, with_log_q=True, epochs=2)
    assert found.astype(str).to_numpy().tolist() == wanted.astype({"log_q": float}).astype(str).to_numpy().tolist()


@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
@pytest.mark.parametrize("name", ["out.csv", "out.tsv", "out.csv.gz", "out.TSV.GZ"])
def test_text_holds_what_parquet_holds(tmp_path, layout, name):
    log = make_log(words=layout != "listwise")
    negprep.test(log, f"{tmp_path}/{name}", num_neg=5, layout=layout)
    data = (tmp_path / name).read_bytes()
    text = (gzip.decompress(data) if name.lower().endswith("gz") else data).decode()
    delimiter = "\t" if "tsv" in name.lower() else ","
    header, *found = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    wanted = negprep.test(pa.Table.from_pandas(log), num_neg=5, layout=layout)
    assert header == wanted.column_names
    columns = [
        [" ".join(map(str, value)) if isinstance(value, list) else str(value) for value in column.to_pylist()]
        for column in wanted.columns
    ]
    assert found == [list(row) for row in zip(*columns, strict=True)]


def test_a_text_is_read_back_as_a_log(tmp_path):
    log = make_log(words=True)
    negprep.train(log, f"{tmp_path}/o.tsv", num_neg=1, layout="pairwise", holdout="none")
    assert set(back(tmp_path / "o.tsv", item_col="pos_item")) == set(pairs_of(log))


UNITS = {
    "seconds": (1, 10**9),
    "milliseconds": (1_000, 10**6),
    "microseconds": (10**6, 10**3),
    "nanoseconds": (10**9, 1),
}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("form", ["ncf", "recbole"])
def test_round_trip_of_pairs_and_times(tmp_path, form, unit):
    per_second, nanoseconds = UNITS[unit]
    log = make_log(words=form == "recbole", unit=per_second)
    negprep.test(log, f"{tmp_path}/o/", to=form, num_neg=1)
    wanted = {pair: time * nanoseconds for pair, time in pairs_of(log).items()}
    assert back(f"{tmp_path}/o/", from_=form) == wanted
    assert back(f"{tmp_path}/o/o.t[re]*{'rating' if form == 'ncf' else 'inter'}") == wanted


@pytest.mark.parametrize(
    "times",
    [
        ["2024-05-01", "2024-05-01 12:30:00", "2024-05-01T12:30:00.5", "2024-05-01T12:30:00.000001"],
        ["2024-05-01T12:30:00Z", "2024-05-01T12:30:00+02:00", "1969-12-31T23:59:59.25Z", "1899-01-01T00:00:00Z"],
        ["1700000000.25", "1700000000", "-1.5", "-0.5"],
        ["1700000000000.5", "1700000000001", "1700000000002", "1700000000000.001"],
    ],
    ids=["dates", "zones", "fractions", "milliseconds with fractions"],
)
@pytest.mark.parametrize("form", ["ncf", "recbole"])
def test_round_trip_of_times_in_other_forms(tmp_path, form, times):
    log = pd.DataFrame({"user": [1, 1, 1, 1, 2], "item": [1, 2, 3, 4, 1], "time": [*times, times[0]]})
    log.to_csv(tmp_path / "log.csv", index=False)
    negprep.test(tmp_path / "log.csv", f"{tmp_path}/o/", to=form, num_neg=1)
    assert back(f"{tmp_path}/o/", from_=form) == back(tmp_path / "log.csv")


def test_times_that_numbers_cannot_hold_are_refused(tmp_path):
    log = pd.DataFrame({"user": [1, 1], "item": [1, 2], "time": pd.to_datetime([10**18, 10**18 + 1])})
    with pytest.raises(BadDataError, match="a time is finer than a microsecond"):
        negprep.test(log, f"{tmp_path}/o/", to="ncf", num_neg=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["ncf", "recbole"])
def test_a_log_without_times(tmp_path, form):
    log = make_log()[["user", "item"]]
    negprep.test(log, f"{tmp_path}/o/", to=form, num_neg=1)
    assert back(f"{tmp_path}/o/", from_=form) == dict.fromkeys(set(zip(log["user"], log["item"], strict=True)))


def test_codes_are_read_back_through_the_vocabularies(tmp_path):
    log = make_log(words=True)
    negprep.test(log, f"{tmp_path}/o/", to="ncf", num_neg=1, encode=True)
    users, items = (
        pd.read_csv(tmp_path / "o" / f"_{name}.tsv", sep="\t", keep_default_na=False) for name in ("users", "items")
    )
    found = {
        (users["user"][user], items["item"][item]): time // 10**9
        for (user, item), time in back(f"{tmp_path}/o/", from_="ncf").items()
    }
    assert found == pairs_of(log)


def test_several_holdouts_and_short_users(tmp_path):
    log = make_log(n_users=12, n_items=10)
    options = {"holdout": "last:2", "num_neg": 6}
    negprep.test(log, f"{tmp_path}/o/", to="ncf", **options)
    wanted = grouped(negprep.test(pa.Table.from_pandas(log), layout="listwise", **options))
    assert any(len(found) < 6 for *_, found in wanted)
    assert negatives(tmp_path / "o" / "o.test.negative") == [
        (f"({user},{item})", found) for user, item, found in wanted
    ]


def test_a_holdout_without_a_negative_keeps_its_line(tmp_path):
    log = pd.DataFrame({"user": [1, 1, 2, 2], "item": [1, 2, 1, 2], "time": [1, 2, 1, 2]})
    for form in ("ncf", "lightgcn"):
        negprep.test(log, f"{tmp_path}/{form}/", to=form)
    assert (tmp_path / "ncf" / "ncf.test.negative").read_text() == "(1,2)\n(2,2)\n"
    assert ratings(tmp_path / "ncf" / "ncf.test.rating") == [(1, 2), (2, 2)]
    assert (tmp_path / "lightgcn" / "candidates.txt").read_text() == "1 2\n2 2\n"


def test_the_parts_of_valid_hold_the_validation_holdouts(tmp_path):
    log = make_log()
    negprep.test(log, f"{tmp_path}/o/", to="ncf", fold="valid", holdout="last", num_neg=2)
    wanted = grouped(
        negprep.test(pa.Table.from_pandas(log), fold="valid", holdout="last", num_neg=2, layout="listwise")
    )
    assert negatives(tmp_path / "o" / "o.test.negative") == [
        (f"({user},{item})", found) for user, item, found in wanted
    ]


def whole(path):
    if path.is_file():
        return {path.name: path.read_bytes()}
    return {held.name: held.read_bytes() for held in path.iterdir()}


@pytest.mark.parametrize("form", FORMS)
def test_bytes_depend_on_the_rows_alone(tmp_path, form):
    log = make_log(n_users=60, n_items=80)
    log.to_csv(tmp_path / "log.csv", index=False)
    output = tmp_path / ("out.tsv.gz" if form == "tsv" else "out.csv" if form == "csv" else "out")
    target = f"{output}/" if form in FOLDERS else str(output)
    variants = [
        (log, {"jobs": 1}),
        (log.sample(frac=1, random_state=3), {"jobs": 3, "shard_rows": 37}),
        (tmp_path / "log.csv", {"jobs": 2, "memory": 1 << 20}),
        (pd.concat([log, log.tail(50)]), {"jobs": 1, "shard_rows": 1}),
    ]
    found = []
    for source, options in variants:
        negprep.test(source, target, to=form, num_neg=5, encode=True, with_valid=True, force=True, **options)
        found.append(whole(output))
    assert len(found[0]) >= 1
    assert all(other == found[0] for other in found[1:])


@pytest.mark.parametrize("form", FOLDERS)
def test_force_replaces_what_negprep_wrote_and_nothing_else(tmp_path, form):
    log, target = make_log(), f"{tmp_path}/o/"
    negprep.test(log, target, to=form, num_neg=1, with_valid=True, holdout="last", encode=True)
    before = whole(tmp_path / "o")
    with pytest.raises(UsageError, match="is not empty"):
        negprep.test(log, target, to=form, num_neg=1, with_valid=True)
    negprep.test(log, target, to="csv", num_neg=1, force=True)
    assert {path.name for path in (tmp_path / "o").iterdir()} == {"part-00000.csv", "_SUCCESS", "_negprep.json"}
    negprep.test(log, target, to=form, num_neg=1, with_valid=True, holdout="last", encode=True, force=True)
    assert whole(tmp_path / "o") == before
    (tmp_path / "o" / "_negprep.json").unlink()
    with pytest.raises(UsageError, match="which negprep did not write"):
        negprep.test(log, target, to=form, num_neg=1, with_valid=True, force=True)


@pytest.mark.parametrize("form", ["ncf", "lightgcn"])
@pytest.mark.parametrize("column", ["user", "item"])
@pytest.mark.parametrize("kind", ["words", "negative"])
def test_ids_that_are_no_codes_are_refused(tmp_path, form, column, kind):
    log = make_log(words=kind == "words")
    if kind == "words":
        other = "item" if column == "user" else "user"
        log[other] = range(len(log))
        log.loc[0, other] = 3
    else:
        log.loc[0, column] = -1
    with pytest.raises(UsageError, match=f"the {column} ids are not all integers from 0 on, as --to {form} needs them"):
        negprep.test(log, f"{tmp_path}/o/", to=form, num_neg=1, holdout="random", on_short="fewer")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("column", ["user", "item"])
@pytest.mark.parametrize("word", ["NA", "null", "None", "nan", "N/A", "#N/A", "[PAD]"])
def test_ids_that_recbole_would_lose_are_refused(tmp_path, column, word):
    log = make_log(words=True)
    log.loc[log[column] == log[column][0], column] = word
    with pytest.raises(
        BadDataError, match=re.escape(f"the {column} id '{word}' would be read by RecBole as a missing value")
    ):
        negprep.test(log, f"{tmp_path}/o/", to="recbole", num_neg=1)
    assert list(tmp_path.iterdir()) == []
    negprep.test(log, f"{tmp_path}/o/", to="recbole", num_neg=1, encode=True)


REFUSED = {
    "a file for a folder": ("test", "o", {"to": "ncf"}, "o: --to ncf writes several files into a folder"),
    "standard output for a folder": ("test", "-", {"to": "recbole"}, "--to recbole writes several files into a folder"),
    "another name": ("test", "o.parquet", {"to": "csv"}, "--to csv, but the name says parquet"),
    "another name, gz": ("test", "o.csv.gz", {"to": "tsv"}, "--to tsv, but the name says csv"),
    "a name of text": ("test", "o.csv", {"to": "parquet"}, "--to parquet, but the name says csv"),
    "another packing": ("test", "o.csv.zst", {}, "text is written plain or as gzip, not as .zst"),
    "another packing, asked": ("test", "o.bz2", {"to": "tsv"}, "text is written plain or as gzip, not as .bz2"),
    "train for NCF": ("train", "o/", {"to": "ncf"}, "train with --to ncf, whose train file holds positives only"),
    "train for LightGCN": ("train", "o/", {"to": "lightgcn"}, "train with --to lightgcn, whose train file holds"),
    "a layout": ("test", "o/", {"to": "recbole", "layout": "pairwise"}, "--layout with --to recbole"),
    "log q": ("test", "o/", {"to": "ncf", "with_log_q": True}, "--with-log-q with --to ncf"),
    "a label type": ("test", "o.csv", {"label_dtype": "float32"}, "--label-dtype with --to csv"),
    "a form of rows in memory": ("test", None, {"to": "csv"}, "to without an output"),
    "no form": (
        "test",
        "o",
        {"to": "hdf5"},
        "to is 'hdf5'; choose one of parquet, arrow, csv, tsv, ncf, recbole, lightgcn, elliot",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused(tmp_path, monkeypatch, name):
    command, target, options, message = REFUSED[name]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NegprepError) as error:
        getattr(negprep, command)(make_log(), target, **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_finished_stays_as_it_was(tmp_path, monkeypatch):
    negprep.test(make_log(), f"{tmp_path}/o/", to="ncf", num_neg=1)
    before = whole(tmp_path / "o")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("negprep.write.atomic._write_all", full)
    with pytest.raises(OutputError, match="No space left on device"):
        negprep.test(make_log(), f"{tmp_path}/o/", to="ncf", num_neg=2, force=True)
    assert whole(tmp_path / "o") == before
    assert [path.name for path in tmp_path.iterdir()] == ["o"]


def test_the_form_of_a_folder_is_not_its_name(tmp_path):
    negprep.test(make_log(), f"{tmp_path}/o.csv/", num_neg=1)
    assert pq.read_table(tmp_path / "o.csv" / "part-00000.parquet").num_rows > 0
    shutil.rmtree(tmp_path / "o.csv")
    negprep.train(make_log(), f"{tmp_path}/o/", to="csv", num_neg=1, epochs=2)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.csv")) == [
        "o/epoch=0/part-00000.csv",
        "o/epoch=1/part-00000.csv",
    ]


RUN = """
import sys
from negprep.cli.main import outcome
for line in sys.argv[1:]:
    sys.argv = ["negprep", *line.split(), "--quiet"]
    assert outcome() == 0, line
print([name for name in ("pandas", "pyarrow.dataset", "pyarrow.parquet") if name in sys.modules], file=sys.stderr)
"""


def run(folder, *lines):
    """Standard output of commands in one interpreter of their own, which imports no more than it must."""
    done = subprocess.run([sys.executable, "-c", RUN, *lines], cwd=folder, capture_output=True)
    assert done.stderr.decode() == "['pyarrow.parquet']\n"
    return done.stdout


def test_commands_import_neither_pandas_nor_datasets(tmp_path):
    log = make_log()
    (tmp_path / "log.jsonl").write_text(log.to_json(orient="records", lines=True))
    outputs = [f"{form}/" if form in FOLDERS else f"o.{form}.gz" for form in FORMS]
    lists_of = log.astype(str).groupby("user")["item"].apply(" ".join)
    (tmp_path / "lists.txt").write_text("".join(f"{user} {items}\n" for user, items in lists_of.items()))
    log.sort_values("time")[["user", "item"]].to_csv(tmp_path / "pairs.txt", sep=" ", header=False, index=False)
    run(
        tmp_path,
        *(
            f"test log.jsonl {output} --to {form} --encode --num-neg 2 --with-valid"
            for output, form in zip(outputs, FORMS, strict=True)
        ),
        "train lists.txt lists.csv --from lightgcn --layout listwise --holdout none",
        "test pairs.txt pairs.csv --from sasrec --layout pairwise --num-neg 2",
    )


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_standard_output(tmp_path, form):
    make_log(words=True).to_csv(tmp_path / "log.csv", index=False)
    found = run(tmp_path, f"test log.csv - --to {form}")
    negprep.test(tmp_path / "log.csv", tmp_path / f"o.{form}")
    assert found == (tmp_path / f"o.{form}").read_bytes()


def test_a_terminal_may_show_text(tmp_path):
    make_log().to_csv(tmp_path / "log.csv", index=False)
    main, side = os.openpty()
    command = [sys.executable, "-m", "negprep", "test", "log.csv", "-", "--quiet", "--num-neg", "1"]
    for words, code, shown in ((["--to", "csv"], 0, b"user,item,label\r\n"), ([], 2, b"")):
        done = subprocess.run([*command, *words], cwd=tmp_path, stdout=side, stderr=subprocess.PIPE)
        assert done.returncode == code, done.stderr
        if shown:
            assert os.read(main, len(shown)) == shown
    os.close(side)
    os.close(main)


def test_a_catalog_in_json_lines(tmp_path):
    log = make_log()
    (tmp_path / "items.jsonl").write_text("".join(f'{{"item": {item}}}\n' for item in range(40)))
    rows = negprep.train(log, num_neg=4, items=str(tmp_path / "items.jsonl"))
    assert set(rows["item"]) == set(range(40))


@pytest.mark.parametrize("form", ["ncf", "lightgcn"])
def test_users_who_are_dropped_are_in_no_list_of_candidates(tmp_path, form):
    log = make_log(n_users=12, n_items=14)
    options = {"num_neg": 6, "on_short": "drop"}
    wanted = grouped(negprep.test(pa.Table.from_pandas(log), layout="listwise", **options))
    assert 0 < len({user for user, *_ in wanted}) < 12
    negprep.test(log, f"{tmp_path}/o/", to=form, **options)
    if form == "ncf":
        assert ratings(tmp_path / "o" / "o.test.rating") == [(user, item) for user, item, _ in wanted]
        assert [pair for pair, _ in negatives(tmp_path / "o" / "o.test.negative")] == [
            f"({user},{item})" for user, item, _ in wanted
        ]
    else:
        lines = (tmp_path / "o" / "candidates.txt").read_text().splitlines()
        assert [tuple(map(int, line.split()[:2])) for line in lines] == [(user, item) for user, item, _ in wanted]
