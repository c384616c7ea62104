"""Folders as negprep writes them for other programs: their metadata in ``_negprep.json``, several kinds of files."""

from __future__ import annotations

from dataclasses import fields

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from logs import as_table, random_rows

import negprep
from negprep.checks import results
from negprep.checks.promises import Promised
from negprep.checks.verify import verify
from negprep.errors import BadDataError
from negprep.options.options import Options
from negprep.read.prepared import open_prepared
from negprep.read.prepared_kinds import members

LOG = as_table(random_rows(6, users=80, items=60, most=15, times=200))


def failing(report):
    return {check.name: check.count for check in report.checks if check.status == "failed"}


def made(folder):
    """Train positives, and groups of candidates: user, positive, negatives; as codes; and the metadata."""
    negprep.test(LOG, folder / "o.parquet", num_neg=12, layout="listwise", encode=True)
    negprep.train(LOG, folder / "t.parquet", holdout="last", encode=True, layout="listwise")
    groups = [tuple(row.values()) for row in pq.read_table(folder / "o.parquet").to_pylist()]
    train = [(row["user"], row["pos_item"]) for row in pq.read_table(folder / "t.parquet").to_pylist()]
    out = folder / "shop"
    out.mkdir()
    (out / "_negprep.json").write_bytes(pq.read_schema(folder / "o.parquet").metadata[b"negprep"])
    for column in ("users", "items"):
        table = pq.read_table(folder / f"o.{column}.parquet")
        pacsv.write_csv(table, out / f"_{column}.tsv", pacsv.WriteOptions(delimiter="\t", quoting_style="none"))
    return out, train, groups


def lines(*rows, between="\t"):
    return "".join(between.join(map(str, row)) + "\n" for row in rows)


def ncf(out, train, groups):
    (out / "shop.train.rating").write_text(lines(*((user, item, 1) for user, item in train)))
    (out / "shop.test.rating").write_text(lines(*((user, item, 1) for user, item, _ in groups)))
    text = lines(*((f"({user},{item})", *negatives) for user, item, negatives in groups))
    (out / "shop.test.negative").write_text(text)


def recbole(out, train, groups):
    head = ("user_id:token", "item_id:token", "label:float")
    (out / "shop.train.inter").write_text(lines(head, *((user, item, 1) for user, item in train)))
    (out / "shop.test.inter").write_text(lines(head, *((user, item, 1) for user, item, _ in groups)))
    rows = [
        (user, each, int(place == 3))
        for user, item, negatives in groups
        for place, each in enumerate([*negatives[:3], item, *negatives[3:]])
    ]
    (out / "shop.candidates.inter").write_text(lines(head, *rows))


def lightgcn(out, train, groups):
    items: dict[int, list[int]] = {}
    for user, item in train:
        items.setdefault(user, []).append(item)
    (out / "train.txt").write_text(lines(*((user, *mine) for user, mine in items.items()), between=" "))
    (out / "test.txt").write_text(lines(*((user, item) for user, item, _ in groups), between=" "))
    text = lines(*((user, item, *negatives) for user, item, negatives in groups), between=" ")
    (out / "candidates.txt").write_text(text)


FORMS = {"ncf": ncf, "recbole": recbole, "lightgcn": lightgcn}


@pytest.mark.parametrize("form", FORMS)
def test_folders_of_others_are_checked_file_by_file(tmp_path, form):
    out, train, groups = made(tmp_path)
    FORMS[form](out, train, groups)
    report = verify([(str(out), None)], LOG)
    # The candidates of RecBole stand where this test has put them.
    assert failing(report) == ({results.SLOT: 1} if form == "recbole" else {})
    assert sorted(file.part for file in report.files) == ["test", "test", "train"]
    assert {file.layout for file in report.files} >= {"positives"}


@pytest.mark.parametrize("form", FORMS)
def test_faults_in_them_are_found(tmp_path, form):
    out, train, groups = made(tmp_path)
    user, item, negatives = groups[7]
    groups[7] = (user, item, [*negatives[:4], item, *negatives[5:]])
    FORMS[form](out, [*train[:3], *train[4:], groups[9][:2]], groups)
    found = failing(verify([(str(out), None)], LOG))
    assert found.pop(results.SLOT, 1) == 1
    missing = results.ABSENT if [pair[0] for pair in train].count(train[3][0]) == 1 else results.MISSING
    assert {results.OWN: 1, missing: 1, results.HOLDOUTS: 1}.items() <= found.items()
    assert results.LEAK in found


def test_text_with_vocabularies_beside_it(tmp_path):
    negprep.train(LOG, tmp_path / "o.parquet", encode=True, layout="listwise", num_neg=3, holdout="none")
    rows = pq.read_table(tmp_path / "o.parquet").to_pylist()
    text = [(row["user"], row["pos_item"], " ".join(map(str, row["neg_items"]))) for row in rows]
    (tmp_path / "o.csv").write_text(lines(("user", "pos_item", "neg_items"), *text, between=","))
    for column in ("users", "items"):
        pacsv.write_csv(pq.read_table(tmp_path / f"o.{column}.parquet"), tmp_path / f"o.{column}.csv")
    claims = Promised(holdout="none", num_neg=3)
    assert failing(verify([(str(tmp_path / "o.csv"), "train")], LOG, promised=claims)) == {}
    with open_prepared(tmp_path / "o.csv") as prepared:
        first = next(prepared.batches()).rows.slice(0, 1).to_pylist()[0]
    ids = pq.read_table(tmp_path / "o.items.parquet")["item"].to_pylist()
    assert first["neg_items"] == [ids[code] for code in rows[0]["neg_items"]]


def test_lists_of_sources_in_text(tmp_path):
    sampler = ("uniform:0.5", "popularity:0.5")
    negprep.train(LOG, tmp_path / "o.parquet", layout="listwise", num_neg=3, sampler=sampler, holdout="none")
    rows = pq.read_table(tmp_path / "o.parquet").to_pylist()
    text = [
        [row["user"], row["pos_item"], *(" ".join(map(str, row[n])) for n in ("neg_items", "source"))] for row in rows
    ]
    (tmp_path / "train.csv").write_text(lines(("user", "pos_item", "neg_items", "source"), *text, between=","))
    claims = Promised(holdout="none", num_neg=3, distinct=False, sampler=("uniform:0.5", "popularity:0.5"))
    report = verify([(str(tmp_path / "train.csv"), None)], LOG, promised=claims)
    assert failing(report) == {}
    judged = {check.name for check in report.checks if check.status == "passed"}
    assert {"uniform draws by item", "popularity draws by item"} <= judged


def test_empty_lists_in_text(tmp_path):
    (tmp_path / "o.csv").write_text("user,pos_item,neg_items\n1,2,\n1,3, 4  5 \n1,6,\n")
    with open_prepared(tmp_path / "o.csv") as prepared:
        (batch,) = prepared.batches()
    assert batch.rows.column("neg_items").to_pylist() == [[], [4, 5], []]


def test_what_is_missing_or_damaged_is_told(tmp_path):
    out, train, groups = made(tmp_path)
    ncf(out, train, groups)
    assert [name.rpartition(".")[2] for name in members(str(out))] == ["negative", "rating", "rating"]
    (out / "_users.tsv").unlink()
    with pytest.raises(BadDataError, match="the vocabulary of the users is not there"):
        verify([(str(out), None)], LOG)
    (out / "_negprep.json").write_text("{}")
    with pytest.raises(BadDataError, match="metadata 'negprep'"):
        verify([(str(out), None)], LOG)
    (tmp_path / "train.txt").write_text("1 2 3\n4 \xff\n", encoding="latin-1")
    with pytest.raises(BadDataError, match=r"train.txt:2: the line is not ids"):
        verify([(str(tmp_path / "train.txt"), None)], LOG)


HAS_FORMS = "to" in {field.name for field in fields(Options)}


@pytest.mark.parametrize("encode", [False, True])
@pytest.mark.parametrize("to", ["csv", "tsv", "ncf", "recbole", "lightgcn"] if HAS_FORMS else [])
def test_what_is_written_for_others_passes(tmp_path, to, encode):
    log = pa.table({"user": pc.add(LOG["user"], 3), "item": LOG["item"], "time": LOG["time"]})
    negprep.test(log, f"{tmp_path}/shop/", to=to, encode=encode, num_neg=12)
    assert failing(verify([(f"{tmp_path}/shop/", None)], log)) == {}
