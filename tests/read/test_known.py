"""Logs as others publish them: found where they show what they are, else by --from, and refused where they are not."""

import bz2
import gzip

import numpy as np
import pyarrow as pa
import pytest

import negprep
from negprep.errors import BadDataError, NegprepError, UsageError
from negprep.options.reading import ReadOptions
from negprep.read import item_lists
from negprep.read.lines import MAX_LINE
from negprep.read.log import open_log

SECOND = 10**9
ALL = ("user", "item", "value", "time")
RATED = [(1, 2, 3.0, 978300760 * SECOND), (1, 3, 4.0, 978300761 * SECOND), (2, 9, 1.0, 978300762 * SECOND)]
TAB = "1\t2\t3\t978300760\n1\t3\t4\t978300761\n2\t9\t1\t978300762\n"
FOUND = {
    "ml.train.rating": TAB,
    "u.data": TAB,
    "ratings.dat": TAB.replace("\t", "::"),
    "log.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + TAB,
    "log.jsonl": "".join(
        f'{{"user": {user}, "item": {item}, "rating": {value}, "timestamp": {time // SECOND}}}\n'
        for user, item, value, time in RATED
    ),
}


@pytest.mark.parametrize("name", FOUND)
@pytest.mark.parametrize("pack", [None, gzip.compress, bz2.compress], ids=["plain", "gzip", "bzip2"])
def test_found_without_a_word(here, read, name, pack):
    data = FOUND[name].encode()
    path = here / (name if pack is None else f"{name}.gz")
    path.write_bytes(data if pack is None else pack(data))
    assert read(path.name, ALL).rows == RATED


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("ncf", "ml.train.rating"),
        ("movielens", "u.data"),
        ("recbole", "log.inter"),
        ("movielens", "ratings.dat"),
        ("jsonl", "log.jsonl"),
    ],
)
def test_named_where_the_name_of_the_file_says_nothing(here, read, form, name):
    (here / "log").write_text(FOUND[name])
    assert read("log", ALL, from_=form).rows == RATED


@pytest.mark.parametrize("name", ["x.data", "movies.dat", "x.rating.csv", "x.jsonl.csv"])
def test_not_found_where_it_could_be_something_else(here, read, name):
    (here / name).write_text(TAB)
    with pytest.raises(BadDataError, match="there is no header"):
        read(name)


def test_columns_say_what_a_file_is_before_its_name_does(here, read):
    (here / "ml.train.rating").write_text(TAB)
    assert read("ml.train.rating", columns=("item", "user", "value", "time")).rows[0] == (2, 1)


def test_ncf_without_times(here, read):
    (here / "ml.train.rating").write_text("1\t2\t3\n1\t3\t4\n")
    found = read("ml.train.rating", ("user", "item", "value"))
    assert (found.rows, "time" in found.columns) == ([(1, 2, 3.0), (1, 3, 4.0)], False)


def test_a_folder_of_a_form_is_read_without_what_else_is_in_it(here, read):
    for name in ("ml.train.rating", "ml.test.rating"):
        (here / name).write_text(TAB)
    (here / "ml.test.negative").write_text("(1,2)\t7\t8\n")
    (here / "README").write_text("words\n")
    assert read(".", ALL, from_="ncf").rows == RATED * 2
    for name in ("train.txt", "test.txt", "candidates.txt", "user_list.txt"):
        (here / name).write_text("1 2 3\n")
    assert read(".", from_="lightgcn").rows == [(1, 2), (1, 3)] * 2
    with pytest.raises(BadDataError, match="no data file in the folder"):
        read(".", from_="recbole")


def test_movielens_with_a_header(here, read):
    (here / "ratings.csv").write_text("userId,movieId,rating,timestamp\n" + TAB.replace("\t", ","))
    assert read("ratings.csv", ALL, from_="movielens").rows == RATED


LISTS = "1 10 11 12\n\n2\n3 \n  4  10\t11 \r\nu5 a-b é\n"


@pytest.mark.parametrize("pack", [None, gzip.compress], ids=["plain", "gzip"])
def test_lists(here, read, pack):
    data = LISTS.encode()
    (here / "train.txt").write_bytes(data if pack is None else pack(data))
    wanted = [
        (user, item)
        for user, *items in map(str.split, LISTS.splitlines()[:1] + LISTS.splitlines()[2:])
        for item in items
    ]
    found = read("train.txt", from_="lightgcn")
    assert found.rows == wanted
    assert found.rows_read == 7
    assert set(found.columns) == {"user", "item"}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lists_over_many_blocks(here, read, end):
    chance = np.random.default_rng(3)
    lists = [(user, chance.integers(0, 10**18, chance.integers(0, 60)).tolist()) for user in range(18_000)]
    (here / "train.txt").write_text(
        end.join(" ".join(map(str, [user, *items])) for user, items in lists) + end, newline=""
    )
    assert (here / "train.txt").stat().st_size > 2 * MAX_LINE
    assert read("train.txt", from_="lightgcn").rows == [(user, item) for user, items in lists for item in items]


@pytest.mark.parametrize("n_blocks", [0, 2])
def test_bad_ids_in_lists_are_placed(here, read, n_blocks):
    line = "7 " + "123456789 " * 999 + "\n"
    before = n_blocks * (MAX_LINE // len(line) + 1)
    for bad, what in (
        (b"8 1 2\xff\n", "the item id is not UTF-8"),
        (b"\n9\0 1\n", "the user id holds a NUL byte"),
        (b"8 1 \xef\xbb\xbf2\n", "the item id holds a byte order mark"),
    ):
        (here / "train.txt").write_bytes(line.encode() * before + b"1 2 3\n4\n\n" + bad)
        with pytest.raises(BadDataError) as error:
            read("train.txt", from_="lightgcn")
        number = before + 4 + bad.startswith(b"\n")
        assert str(error.value).startswith(f"train.txt:{number}: {what}")


def test_a_list_that_is_too_long(here, read):
    (here / "train.txt").write_text("1 2\n3 " + "4 " * MAX_LINE + "\n")
    with pytest.raises(BadDataError) as error:
        read("train.txt", from_="lightgcn")
    assert str(error.value) == "train.txt:2: the line is longer than 4 MiB, the limit; is it the right file?"


def test_a_mark_at_the_start_of_lists(here, read):
    (here / "train.txt").write_bytes(b"\xef\xbb\xbf1 2\n")
    assert read("train.txt", from_="lightgcn").rows == [(1, 2)]


def test_pairs_in_order(here, read):
    (here / "log.txt").write_text("1 30\n1 10\n2 10\n1 20\n1 30\n")
    found = read("log.txt", ("time", "user", "item"), from_="sasrec")
    assert [row[1:] for row in found.rows] == [(1, 30), (1, 10), (2, 10), (1, 20), (1, 30)]
    times = [row[0] for row in found.rows]
    assert times == sorted(set(times))
    assert found.columns["time"] == "the order of the rows"
    assert read("log.txt", from_="sasrec").rows == [row[1:] for row in found.rows]


@pytest.mark.parametrize("memory", [None, 1 << 20])
def test_the_last_of_ordered_pairs_is_held_out(here, memory):
    chance = np.random.default_rng(5)
    rows = chance.integers(0, 200, (30_000, 2))
    (here / "log.txt").write_text("".join(f"{user} {item}\n" for user, item in rows))
    held = negprep.test("log.txt", from_="sasrec", num_neg=1, memory=memory).to_pandas().query("label == 1")
    last = dict(rows.tolist())
    assert dict(zip(held["user"], held["item"], strict=True)) == last


def test_ordered_pairs_in_parts_and_with_rows_dropped(here, read):
    (here / "1.txt").write_text("1 30\n1 10\n")
    (here / "2.txt").write_text(" 7\n1 40\n")
    found = read("[12].txt", ("time", "user", "item"), from_="sasrec", drop_invalid=True)
    assert [row[1:] for row in found.rows] == [(1, 30), (1, 10), (1, 40)]
    assert [row[0] for row in found.rows] == sorted(row[0] for row in found.rows)
    assert found.rows_dropped == {"null user id": 1}


@pytest.mark.parametrize(
    "options", [{"holdout": "after:5"}, {"holdout": "after:2024-01-01"}, {"available_at_time": True}]
)
def test_an_order_is_no_clock(here, options):
    (here / "log.txt").write_text("1 30\n1 10\n2 10\n")
    with pytest.raises(UsageError, match="compares the times of users, and a log whose order is the time has none"):
        negprep.test("log.txt", from_="sasrec", num_neg=1, **options)


def test_ordered_pairs_are_written_with_positions(here):
    (here / "log.txt").write_text("1 30\n1 10\n2 10\n")
    negprep.test("log.txt", "o/", from_="sasrec", num_neg=1, to="ncf")
    assert (here / "o" / "o.train.rating").read_text() == "1\t30\t1\t1\n2\t10\t1\t3\n"


REFUSED = {
    "NCF with two fields": (
        "1\t2\n",
        {"from_": "ncf"},
        "log:1: 2 fields between tabs, where --from ncf has user, item, value or user, item, value, "
        "time; leave --from out, or name another file",
    ),
    "NCF's negatives": (
        "(0,25)\t1\t2\t3\t4\n",
        {"from_": "ncf"},
        "log:1: 5 fields between tabs, where --from ncf has user, item, value or user, item, value, "
        "time; leave --from out, or name another file",
    ),
    "MovieLens' users": (
        "1::F::1::10::48067\n",
        {"from_": "movielens"},
        "log:1: 5 fields between ::, where --from movielens has user, item, value, time; "
        "leave --from out, or name another file",
    ),
    "SASRec with a time": (
        "1 2 3\n",
        {"from_": "sasrec"},
        "log:1: 3 fields between spaces, where --from sasrec has user, item; leave --from out, or name another file",
    ),
    "SASRec, later": (
        "1 2\n1 2 3\n",
        {"from_": "sasrec"},
        "log:2: 3 fields where --columns names 2; repair or remove the line",
    ),
    "RecBole without types": (
        "user_id\titem_id\n1\t2\n",
        {"from_": "recbole"},
        "log:1: the header names no field of type token (user_id:token); leave --from out, or name a RecBole file",
    ),
    "RecBole, ragged": (
        "user_id:token\titem_id:token\n1\n",
        {"from_": "recbole"},
        "log:2: 1 field where the header has 2; repair or remove the line",
    ),
    **{
        f"empty {form}": ("", {"from_": form}, "log: the file is empty")
        for form in ("ncf", "movielens", "sasrec", "jsonl")
    },
    "empty RecBole": ("\n", {"from_": "recbole"}, "log: the file is empty"),
    "lists without an item": ("1\n2\n", {"from_": "lightgcn"}, "log: no rows; is the log cut short?"),
    "empty lists": ("", {"from_": "lightgcn"}, "log: no rows; is the log cut short?"),
    "columns": (
        "1 2\n",
        {"from_": "sasrec", "columns": ("user", "item")},
        "--from sasrec and --columns are both given; leave one out",
    ),
    "delimiter": (
        "1 2\n",
        {"from_": "sasrec", "delimiter": " "},
        "--from sasrec and --delimiter are both given; leave one out",
    ),
    "times of lists": (
        "1 2\n",
        {"from_": "lightgcn", "time_col": "time"},
        "log: no column 'time' (found: user, item); name one of them with --time-col",
    ),
    "impressions without labels": (
        "1\tu\t11/11/2019 9:05:58 AM\t\tN1-1 N2-0\n\n2\tv\t11/11/2019 9:05:58 AM\tN1\tN3-0 N4 -1\n",
        {"from_": "mind"},
        "log:3: the item 'N4' has no label, -1 (clicked) or -0; MIND's test part has none: read the others",
    ),
    "another number of fields": (
        "1\tu\t11/11/2019 9:05:58 AM\tN1-1 N2-0\n",
        {"from_": "mind"},
        "log:1: 4 fields between tabs, where --from mind has impression, user, time, history, items; leave --from out, "
        "or repair the line",
    ),
    "quotes of impressions": (
        "1\tu\t11/11/2019 9:05:58 AM\t\tN1-1 N2-0\n",
        {"from_": "mind", "quote": "none"},
        "log: --quote is for CSV and its relatives, and these are lists of impressions; leave --quote out",
    ),
    "a user of an impression": (
        "1\t \t11/11/2019 9:05:58 AM\t\tN1-1 N2-0\n",
        {"from_": "mind"},
        "log:1: null user id; --drop-invalid drops and counts such rows",
    ),
    "UTF-16": (
        "1 2\n3 4\n".encode("utf-16").decode("latin-1"),
        {"from_": "lightgcn"},
        "log:1: the text is UTF-16; convert it: iconv -f UTF-16 -t UTF-8",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(here, read, name):
    text, options, message = REFUSED[name]
    (here / "log").write_bytes(text.encode("latin-1"))
    with pytest.raises(NegprepError) as error:
        read("log", **options)
    assert str(error.value) == message


def test_a_form_of_no_text(here):
    table = pa.table({"user": [1], "item": [2]})
    pa.parquet.write_table(table, "log.parquet")
    for source in (table, "log.parquet"):
        with pytest.raises(UsageError, match="--from is for text files"):
            open_log(source, ReadOptions(from_="ncf"))
    with pytest.raises(
        UsageError, match="from_ is 'csv'; choose one of ncf, movielens, recbole, lightgcn, sasrec, jsonl, mind"
    ):
        ReadOptions(from_="csv")


FORMED = {
    "lightgcn": "".join(f"{user} {user + 1} {user + 2}\n" for user in range(3_000)),
    "sasrec": "".join(f"{user} {user + 1}\n" for user in range(6_000)),
    "jsonl": "".join(f'{{"user": {user}, "item": {user + 1}}}\n' for user in range(6_000)),
    "ncf": "".join(f"{user}\t{user + 1}\t1\n" for user in range(6_000)),
    "mind": "".join(f"{user}\t{user}\t11/11/2019 9:05:58 AM\t\t {user}-0  N-1 \n" for user in range(3_000)),
}


@pytest.mark.parametrize("form", FORMED)
def test_damaged_and_cut_files(here, read, form):
    data = gzip.compress(FORMED[form].encode())
    (here / "log").write_bytes(data)
    assert read("log", from_=form, expect_rows=6_000).rows_read == 6_000
    with pytest.raises(BadDataError, match="6000 rows where --expect-rows says 5999"):
        read("log", from_=form, expect_rows=5_999)
    (here / "log").write_bytes(data[:-100])
    with pytest.raises(BadDataError, match=r"^log: the gzip data is cut short"):
        read("log", from_=form)
    (here / "log").write_bytes(data[:60] + bytes(9) + data[69:])
    with pytest.raises(BadDataError, match=r"^log: the gzip data is damaged"):
        read("log", from_=form)
    with gzip.open("log", "wt") as file:
        file.write(FORMED[form].rstrip("\n"))
    found = read("log", from_=form)
    assert (found.rows_read, len(found.warnings)) == (6_000, 1)


@pytest.mark.parametrize("form", FORMED)
def test_a_file_that_changes_meanwhile(here, form):
    (here / "log").write_text(FORMED[form])
    with open_log("log", ReadOptions(from_=form)) as log:
        batches = log.batches(["user", "item"])
        next(batches)
        with (here / "log").open("a") as file:
            file.write("1 2\n")
        with pytest.raises(BadDataError, match="the file changed while it was read"):
            list(batches)


def test_parts_of_json_lines(here, read):
    (here / "a.jsonl").write_text('{"user": 1, "item": 2}\n')
    (here / "b.jsonl.gz").write_bytes(gzip.compress(b'{"item": 4, "user": 3}\n'))
    assert read(".").rows == [(1, 2), (3, 4)]
    (here / "c.jsonl").write_text('{"user": 1, "product": 2}\n')
    with pytest.raises(BadDataError, match=r"^c\.jsonl: the columns are user, product, but in a\.jsonl user, item"):
        read(".")


def test_impressions_are_read_in_pieces(here, read, monkeypatch):
    """Of whole lines, whatever ends them; places are those of the file."""
    monkeypatch.setattr(item_lists, "_LINES_BYTES", 50)
    lines = [f"{at}\tu{at % 7}\t11/11/2019 9:05:58 AM\tN1 N2\tN{at}-1 N{at + 1}-0" for at in range(300)]
    wanted = [(f"u{at % 7}", f"N{at + more}") for at in range(300) for more in (0, 1)]
    for end in ("\n", "\r\n", "\r"):
        (here / "log").write_bytes((end.join(lines) + end).encode())
        assert read("log").rows == wanted
    (here / "log").write_text("\n".join([*lines[:200], "", lines[200].replace("-0", ""), *lines[201:]]))
    with pytest.raises(BadDataError, match="log:202: the item 'N201' has no label"):
        read("log")
