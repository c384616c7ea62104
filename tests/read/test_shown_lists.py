"""A column of what was shown beside the item of a row (`--shown-col`): lists and text, against a plain loop."""

from __future__ import annotations

import gzip
import json
import random

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.errors import BadDataError, NegprepError, UsageError
from negprep.options.conflicts import refuse_on_spark
from negprep.options.options import Options
from negprep.options.reading import ReadOptions
from negprep.read import item_lists
from negprep.read.columns import CARRIED, NUMBER
from negprep.read.log import open_log


def log_rows(seed=3, count=400):
    """User, item (or None: nothing was taken), time, request, and the items shown, the own one perhaps among them."""
    chance = random.Random(seed)
    rows = []
    for request in range(count):
        shown = [chance.randrange(30) for _ in range(chance.randint(0, 6))]
        item = None if chance.random() < 0.2 else chance.choice([*shown, chance.randrange(30)])
        rows.append((chance.randrange(20), item, 1000 + request, f"r{request}", shown))
    return rows


ROWS = log_rows()


def plain(rows, ids=lambda item: item):
    """The rows that these become, as a multiset."""
    made = []
    for user, item, time, request, shown in rows:
        made += [(user, ids(item), time * 10**9, 1.0, request)] if item is not None else []
        made += [(user, ids(other), time * 10**9, 0.0, request) for other in shown if other != item]
    return sorted(made)


def read(source, **options):
    roles = ["user", "item", "time"]
    with open_log(source, ReadOptions(shown_col="shown", **options)) as log:
        also = {NUMBER: "click", CARRIED + "request": "request"}
        found = []
        for batch in log.batches(roles, also=also):
            found += zip(*(batch.column(role).to_pylist() for role in (*roles, *also)), strict=True)
        assert log.rows_read == len(found)
        return sorted(found)


def as_table(rows, kind):
    users, items, times, requests, shown = (list(column) for column in zip(*rows, strict=True))
    return pa.table(
        {"user": users, "item": pa.array(items, kind), "time": times, "request": requests}
        | {"shown": pa.array(shown, pa.list_(kind))}
    )


def as_text(rows, separator, brackets="{}"):
    lines = ["user;item;time;request;shown"]
    for user, item, time, request, shown in rows:
        words = brackets.format(separator.join(map(str, shown)))
        lines.append(f"{user};{'' if item is None else item};{time};{request};{words}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("most", [1 << 18, 7])
@pytest.mark.parametrize("form", ["table", "int32", "frame", "parquet", "large lists", "dictionary"])
def test_columns_of_lists(tmp_path, monkeypatch, form, most):
    monkeypatch.setattr(item_lists, "_MOST_SHOWN", most)
    source = as_table(ROWS, pa.int32() if form == "int32" else pa.int64())
    if form == "frame":
        source = source.to_pandas()
        assert isinstance(source, pd.DataFrame)
        assert source["item"].dtype.kind == "f"  # what pandas makes of gaps
    elif form == "large lists":
        source = source.set_column(4, "shown", source["shown"].cast(pa.large_list(pa.int64())))
    elif form == "dictionary":
        source = source.set_column(3, "request", source["request"].dictionary_encode())
    elif form == "parquet":
        pq.write_table(source, tmp_path / "log.parquet", row_group_size=50)
        source = tmp_path / "log.parquet"
    assert read(source) == plain(ROWS)


@pytest.mark.parametrize("words", [" ", ",", "|", ", ", "  "])
@pytest.mark.parametrize("brackets", ["{}", "[{}]", "({} )"])
def test_text(tmp_path, words, brackets):
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(as_text(ROWS, words, brackets).encode()))
    assert read(path) == plain(ROWS)


@pytest.mark.parametrize("ids", [lambda item: item, lambda item: f"i{item}"], ids=["integers", "text"])
@pytest.mark.parametrize("as_words", [False, True], ids=["lists", "words"])
def test_json_lines(tmp_path, ids, as_words):
    path = tmp_path / "log.jsonl"
    with path.open("w") as file:
        for user, item, time, request, shown in ROWS:
            row = {"user": user, "item": None if item is None else ids(item), "time": time, "request": request}
            named = [ids(each) for each in shown]
            file.write(json.dumps(row | {"shown": " ".join(map(str, named)) if as_words else named}) + "\n")
    assert read(path) == plain(ROWS, ids)


def test_a_list_of_other_types_than_the_item():
    """7 and '7' are one id."""
    table = as_table(ROWS, pa.int64())
    texts = pa.array([[str(item) for item in shown] for *_, shown in ROWS], pa.list_(pa.string()))
    assert read(table.set_column(4, "shown", texts)) == plain(ROWS)


def test_what_is_missing_in_a_list_is_not_shown():
    rows = [(1, 2, 5, "a", [2, None, 3]), (1, None, 6, "b", None), (2, 4, 7, "c", [])]
    table = as_table(rows, pa.int64())
    assert read(table) == [(1, 2, 5 * 10**9, 1.0, "a"), (1, 3, 5 * 10**9, 0.0, "a"), (2, 4, 7 * 10**9, 1.0, "c")]


def test_rows_are_those_of_the_log_written_out(tmp_path):
    """With impressions; and `verify` finds no fault."""
    options = {"positive": "click=1", "sampler": "impression", "group_col": "request", "num_neg": 3}
    written = [(user, item, time // 10**9, int(click), request) for user, item, time, click, request in plain(ROWS)]
    names = ("user", "item", "time", "click", "request")
    plainly = pa.table({name: list(column) for name, column in zip(names, zip(*written, strict=True), strict=True)})
    for run in (negprep.train, negprep.test):
        rows = run(as_table(ROWS, pa.int64()), shown_col="shown", **options)
        assert rows.equals(run(plainly, **options))
    negprep.train(as_table(ROWS, pa.int64()), tmp_path / "t.parquet", shown_col="shown", **options)
    assert not negprep.verify(tmp_path / "t.parquet", as_table(ROWS, pa.int64()), shown_col="shown").failed


REFUSED = {
    "no such column": ({"shown_col": "show"}, r"no column 'show' \(found: .*\); did you mean 'shown'\?"),
    "a flat column": ({"shown_col": "time"}, "the column 'time' has the type int64, and holds no lists"),
    "the item itself": ({"shown_col": "item", "item_col": "item"}, "--item-col and --shown-col both name 'item'"),
    "no rule": ({"shown_col": "shown"}, r"the column 'click' holds 0 and 1, .*; choose --positive 'click=1'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    options, message = REFUSED[name]
    with pytest.raises(NegprepError, match=message):
        negprep.train(as_table(ROWS, pa.int64()), **options)


def test_what_a_log_may_not_hold(tmp_path):
    table = as_table(ROWS, pa.int64())
    with pytest.raises(UsageError, match="--shown-col makes a column 'click', and the log has one; rename it"):
        negprep.train(table.append_column("click", table["user"]), shown_col="shown")
    with pytest.raises(UsageError, match="--shown-col with --engine spark"):
        refuse_on_spark(Options(command="train", read=ReadOptions(shown_col="shown")))
    path = tmp_path / "log.jsonl"
    for shown, message in (
        ([1, "a"], r"log\.jsonl:2, element 2: the shown items hold 'a', which is a string, but another is an integer"),
        ([[1]], r"log\.jsonl:2, element 1: the shown items is a list; write a string or a number"),
        ({"a": 1}, r"log\.jsonl:2: the shown items is an object"),
    ):
        rows = {"user": 1, "item": 2, "shown": [3]}, {"user": 1, "item": 4, "shown": shown}
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        with pytest.raises(BadDataError, match=message):
            negprep.train(path, shown_col="shown", positive="click=1")


def test_places_are_those_of_the_log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item,shown\n1,2,3 4\n,5,6 7\n")
    with pytest.raises(BadDataError, match=r"log\.csv:3: null user id"):
        negprep.train(path, shown_col="shown", positive="click=1")
    path.write_text("user,item,shown\n1,2,3 4\n1,5,6 7\n")
    options = {"positive": "click=1", "sampler": "weak", "holdout": "none", "expect_rows": 6}
    assert len(negprep.train(path, shown_col="shown", **options)) == 2 * (1 + 4)
