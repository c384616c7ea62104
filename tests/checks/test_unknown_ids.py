"""Ids that neither log nor catalog has: a fault of their own, named, and part of the checks that compare ids."""

from __future__ import annotations

import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from logs import as_table, random_rows

import negprep
from negprep.checks import log_ids, results
from negprep.checks.promises import Promised
from negprep.checks.verify import verify
from negprep.encode.vocabulary import Vocabulary
from negprep.errors import BadDataError

LOG = pa.table({"user": [1, 1, 2, 2, 3, 3], "item": [10, 11, 12, 13, 14, 10]})
BIG = as_table(random_rows(5, users=300, items=150, most=20, times=10**6, duplicates=0))


def checks(path, log=LOG, part="test", **claims):
    report = verify([(str(path), part)], log, promised=Promised(**claims), n_examples=1000)
    return {check.name: check for check in report.checks}


def failing(found):
    return {name: check.count for name, check in found.items() if check.status == "failed"}


def write(path, text):
    path.write_text(text)
    return path


def test_an_unknown_item_twice_in_a_group_fails_and_is_named(tmp_path):
    path = write(tmp_path / "x.test.negative", "(1,10)\t77\t77\n(2,12)\t10\t14\n")
    found = checks(path, distinct=True)
    assert failing(found) == {results.ITEMS: 2, results.DISTINCT: 1}
    assert found[results.ITEMS].examples == [f"{path}:1: user 1, item 77"] * 2
    assert failing(checks(path)) == {results.ITEMS: 2}
    assert found[results.CATALOG].note == "those that are known"


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("place", range(3))
def test_a_positive_without_negatives_of_an_unknown_user_is_named(tmp_path, place, part):
    groups = ["1,10,1\n1,12,0\n", "2,12,1\n2,10,0\n"]
    groups.insert(place, "9,10,1\n")
    path = write(tmp_path / "rows.csv", "user,item,label\n" + "".join(groups))
    for claims in ({}, {"num_neg": 1}, {"num_neg": 1, "distinct": True}):
        found = checks(path, part=part, **claims)
        assert failing(found)[results.USERS] == 1
        assert found[results.USERS].examples == [f"{path}:{2 + 2 * place}: user 9"]


def test_an_unknown_positive_among_its_own_negatives_is_counted(tmp_path):
    """DeepCF's AMusic has 18 of them, of which 7 are of items that its log lacks."""
    path = write(tmp_path / "x.test.negative", "(1,10)\t10\t12\n(2,99)\t99\t10\n(3,98)\t97\t11\n(3,97)\t98\t11\n")
    found = checks(path)
    assert failing(found)[results.OWN] == 2
    assert failing(found)[results.ITEMS] == 6
    assert {example.partition(": ")[2] for example in found[results.OWN].examples} == {
        "user 1, item 10",
        "user 2, item 99",
    }


def test_a_positive_among_its_own_negatives_may_be_written_as_text_and_as_a_number(tmp_path):
    rows = pa.table({"user": [1, 2], "pos_item": ["10", "99"], "neg_items": [[12, 13], [99, 10]]})
    pq.write_table(rows, tmp_path / "o.parquet")
    assert failing(checks(tmp_path / "o.parquet"))[results.OWN] == 1


def test_unknown_users_are_named_and_told_apart(tmp_path):
    text = "user,item,label\n1,10,1\n1,12,0\n8,10,1\n8,12,0\n9,10,1\n9,12,0\n"
    found = checks(write(tmp_path / "o.csv", text), num_neg=1)
    assert failing(found) == {results.USERS: 4}
    assert [example.rpartition(": ")[2] for example in found[results.USERS].examples] == [
        "user 8",
        "user 8",
        "user 9",
        "user 9",
    ]
    assert found[results.COUNTS].status == "passed"  # two users, and not one with two positives


@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
@pytest.mark.parametrize("spilled", [False, True])
def test_an_unknown_item_fails_in_every_layout_and_nothing_else_does(tmp_path, layout, spilled):
    negprep.test(BIG, tmp_path / "o.csv", layout=layout, num_neg=8)
    head, *rows = (tmp_path / "o.csv").read_text().splitlines(keepends=True)
    at = next(place for place, row in enumerate(rows) if layout != "pointwise" or row.rstrip().endswith(",0"))
    fields = rows[at].rstrip("\n").split(",")
    where = {"pointwise": 1, "pairwise": 2, "listwise": 2}[layout]
    first = fields[where].split(" ")
    fields[where] = " ".join(["no-such-item", *first[1:]])
    rows[at] = ",".join(fields) + "\n"
    path = write(tmp_path / "o.csv", "".join([head, *rows]))
    memory = {"memory": 1} if spilled else {}
    report = verify([(str(path), "test")], BIG, promised=Promised(holdout="last"), **memory)
    found = {check.name: check for check in report.checks}
    assert failing(found) == {results.ITEMS: 1}
    assert found[results.ITEMS].examples == [f"{path}:{at + 2}: user {fields[0]}, item 'no-such-item'"]


def unseen(user, mine):
    return [item for item in sorted(set(BIG["item"].to_pylist())) if item not in mine[user]]


def positives():
    mine = {}
    for row in BIG.to_pylist():
        mine.setdefault(row["user"], []).append(row["item"])
    return mine


def popular_faults(part):
    """Rows of fair draws, but that each tenth is the most popular item of the log: the user's own where it is."""
    chance, mine = random.Random(7), positives()
    counts = {}
    for items in mine.values():
        for item in items:
            counts[item] = counts.get(item, 0) + 1
    top = max(counts, key=counts.get)
    lines = ["user,pos_item,neg_items\n"]
    for user, items in mine.items():
        for item in items if part == "train" else items[-1:]:
            drawn = chance.choices(unseen(user, mine), k=30)
            if top in items and item != top:
                drawn[:10] = [top] * 10
            lines.append(f"{user},{item},{' '.join(map(str, drawn))}\n")
    return "".join(lines)


@pytest.mark.parametrize("spilled", [False, True])
@pytest.mark.parametrize("part", ["train", "test"])
def test_rows_that_failed_cause_no_doubt_of_the_others(tmp_path, part, spilled):
    """Fair draws stay fair, whatever wrong negatives stand beside them."""
    path = write(tmp_path / "o.csv", popular_faults(part))
    memory = {"memory": 1} if spilled else {}
    claims = Promised(holdout="none" if part == "train" else None, num_neg=30, distinct=False, sampler=("uniform",))
    report = verify([(str(path), part)], BIG, promised=claims, **memory)
    found = {check.name: check for check in report.checks}
    assert set(failing(found)) == {results.SEEN}
    assert failing(found)[results.SEEN] % 10 == 0
    of_chance = [check for check in report.checks if "draws by" in check.name]
    assert [check.status for check in of_chance] == ["passed"] * 4


def test_too_many_strangers_are_another_log(tmp_path, monkeypatch):
    monkeypatch.setattr(log_ids, "_MOST_STRANGERS", 3)
    path = write(tmp_path / "x.test.negative", "(1,10)\t71\t72\t73\n")
    assert failing(checks(path)) == {results.ITEMS: 3}
    path = write(tmp_path / "x.test.negative", "(1,10)\t71\t72\t73\t74\n")
    with pytest.raises(BadDataError, match="more than 3 items of the files are not in the log"):
        checks(path)


NOTHING = {
    "no negative": ("user,item,label\n1,10,1\n2,12,1\n", "no negative in 2 rows"),
    "no positive": ("user,item,label\n1,12,0\n2,10,0\n", "no positive in 2 rows"),
    "other labels": ("user,item,label\n1,10,2\n1,12,2\n", "no positive in 2 rows"),
    "minus one for a negative": ("user,item,label\n1,10,1\n1,12,-1\n", "no negative in 2 rows"),
    "empty lists": ("user,pos_item,neg_items\n1,11,\n2,13,[]\n", "no negative in 2 rows"),
    "a label that is none": ("user,item,label\n1,10,1\n1,12,nan\n", "o.csv:3: the label: 'nan'"),
    "a label that is missing": ("user,item,label\n1,10,1\n1,12,\n", "o.csv:3: the label: ''"),
    "a user that is missing": ("user,item,label\n1,10,1\n,12,0\n", "o.csv:3: null user id; repair or remove the row"),
    "an item that is missing": ("user,item,label\n1,10,1\n1,,0\n", "o.csv:3: null item id; repair or remove the row"),
}


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("name", NOTHING)
def test_a_file_in_which_nothing_can_be_checked_is_refused(tmp_path, name, part):
    text, message = NOTHING[name]
    with pytest.raises(BadDataError) as caught:
        checks(write(tmp_path / "o.csv", text), part=part)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


LEAST, MOST = -(2**63), 2**63 - 1


@pytest.mark.parametrize("known", [[1, 2, 4], [LEAST, LEAST + 2], [MOST - 1, MOST], [-1, 0, 1], [LEAST, MOST]])
def test_ids_far_from_those_of_the_log_are_unknown(known):
    """A place is a difference of ids, which may wrap."""
    codebook = log_ids.Codebook(Vocabulary(pa.array(known, pa.int64())))
    near = {id_ + step for id_ in known for step in range(-3, 4)}
    ids = sorted(id_ for id_ in near | {LEAST, LEAST + 1, -3, 0, 3, MOST - 1, MOST} if LEAST <= id_ <= MOST)
    wanted = [known.index(id_) if id_ in known else -1 for id_ in ids]
    assert codebook(pa.array(ids, pa.int64())).tolist() == wanted


def test_an_epoch_without_a_positive_fails_where_columns_are_kept(tmp_path):
    path = tmp_path / "train.parquet"
    negprep.train(BIG, path, epochs=2, holdout="none", with_time=True)
    made = pq.read_table(path)
    epochs = made["epoch"].to_pylist()
    epochs[-1] = 5
    made = made.set_column(
        made.column_names.index("epoch"), made.schema.field("epoch"), pa.array(epochs, made.schema.field("epoch").type)
    )
    pq.write_table(made, path)
    report = verify([(str(path), "train")], BIG)
    assert results.COUNTS in {check.name for check in report.checks if check.status == "failed"}
