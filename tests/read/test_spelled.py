"""Lists in one text: read as whoever wrote them meant, or refused at their row."""

from __future__ import annotations

import json
import random

import numpy as np
import pyarrow as pa
import pytest

from negprep.checks import results
from negprep.checks.verify import verify
from negprep.errors import BadDataError
from negprep.read.prepared import open_prepared
from negprep.read.prepared_kinds import split_lists

LOG = pa.table({"user": [1, 1, 2, 2, 3, 3], "item": [10, 11, 12, 13, 14, 10]})


def split(*texts, by_spaces=False):
    return split_lists(pa.array(texts), lambda row: f"x:{row + 1}", by_spaces=by_spaces).to_pylist()


WRITERS = {
    "spaces": " ".join,
    "commas": ",".join,
    "commas and spaces": ", ".join,
    "semicolons": ";".join,
    "bars": "|".join,
    "tabs": "\t".join,
    "Python": lambda words: str([int(word) for word in words]),
    "Python, texts": lambda words: str(list(words)),
    "Python, tuples": lambda words: str(tuple(int(word) for word in words)),
    "Python, numpy 2": lambda words: str([np.int64(word) for word in words]),
    "numpy": lambda words: str(np.array([int(word) for word in words], np.int64)),
    "numpy, texts": lambda words: str(np.array(words, "U9")),
    "numpy, repr": lambda words: repr(np.array([int(word) for word in words], np.int64)).replace("\n", ""),
    "JSON": lambda words: json.dumps([int(word) for word in words]),
    "JSON, texts": json.dumps,
    "Postgres": lambda words: "{" + ",".join(words) + "}",
}


@pytest.mark.parametrize("name", WRITERS)
def test_lists_of_every_writer_are_read(name):
    chance = random.Random(name)
    for _ in range(40):
        lists = [
            [str(chance.randrange(10 ** chance.randint(1, 9))) for _ in range(chance.randint(0, 12))]
            for _ in range(chance.randint(1, 6))
        ]
        lists = [words or ["7"] if name == "numpy, repr" else words for words in lists]
        assert split(*map(WRITERS[name], lists)) == lists


@pytest.mark.parametrize("writer", [str, json.dumps, lambda words: str(np.array(words, object))])
def test_quoted_ids_may_hold_anything(writer):
    lists = [["it's", 'a "b"', "c, d", "[e]", "é\\f"], ["x"], []]
    if writer not in (str, json.dumps):
        lists = [["it's", "c, d", "[e]"], ["x"]]
    assert split(*map(writer, lists)) == lists


UNREADABLE = [
    "[1,,2]", "[1, 2", "[1)", "[[1], [2]]", "[1 2 ... 9]", "[1, None]", "[1, nan]", "['a', None]", "['a' , 'b' 'c']",
    '{"a": 1}', "10,,12", "10,12,", ",", "10,12;13", "[10]|[12]", "[b'1']", "['a]", "[1, 2 3]",
]  # fmt: skip


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_is_no_list_is_refused_at_its_row(text):
    with pytest.raises(BadDataError) as caught:
        split("", text)
    assert str(caught.value).startswith("x:2: the list of ids ")
    assert "write it like" in str(caught.value)


def test_words_with_spaces_between_may_hold_commas_and_brackets_where_they_are_known_to_be_such():
    assert split("a,b [c", "d|e", by_spaces=True) == [["a,b", "[c"], ["d|e"]]
    assert split("a,b c|d", "e,f") == [["a,b", "c|d"], ["e,f"]]


FORMS = {
    name: (f'"{a}"'.replace("|", sep), f'"{b}"'.replace("|", sep))
    for name, (a, b, sep) in {
        "brackets": ("[10, 12]", "[12, 10]", ""),
        "commas": ("10,12", "12,10", ""),
        "bars": ("10|12", "12|10", "|"),
        "spaces": ("10 12", "12 10", ""),
        "semicolons": ("10;12", "12;10", ""),
        "numpy": ("[10 12]", "[12 10]", ""),
        "texts": ("['10', '12']", "['12', '10']", ""),
        "JSON": ('[""10"", ""12""]', '[""12"", ""10""]', ""),
        "slashes": ("10/12", "12/10", ""),
        "dashes": ("10-12", "12-10", ""),
        "colons": ("10:12", "12:10", ""),
        "floats": ("[10.0, 12.0]", "[12.0, 10.0]", ""),
        "signs": ("+10 +12", "+12 +10", ""),
        "zeros": ("010 012", "012 010", ""),
    }.items()
}
READ = {"brackets", "commas", "bars", "spaces", "semicolons", "numpy", "texts", "JSON"}


@pytest.mark.parametrize("name", FORMS)
def test_a_list_with_false_negatives_never_passes(tmp_path, name):
    one, other = FORMS[name]
    path = tmp_path / "t.csv"
    path.write_text(f"user,pos_item,neg_items\n1,11,{one}\n2,13,{other}\n")
    report = verify([(str(path), "test")], LOG)
    failed = {check.name: check for check in report.checks if check.status == "failed"}
    if name in READ:
        assert {check: failed[check].count for check in failed} == {results.SEEN: 2}
        assert failed[results.SEEN].examples == [f"{path}:2: user 1, item 10", f"{path}:3: user 2, item 12"]
    else:
        assert set(failed) == {results.ITEMS}


def read(path):
    with open_prepared(path) as prepared:
        (batch,) = prepared.batches()
        return prepared, batch.rows.to_pydict()


LINES = {
    "(1,10)\t12\t13\n(2,12)\t10\n": [[12, 13], [10]],
    "(1, 10) 12 13\n(2, 12) 10\n": [[12, 13], [10]],
    "(1,10),12,13\n(2,12),10\n": [[12, 13], [10]],
    "(1,10)\t[12, 13]\n(2,12)\t[10]\n": [[12, 13], [10]],
    "(1,10)\t12,13\n(2,12)\t10\n": [[12, 13], [10]],
    "\ufeff(1,10)\t12\t13\n(2,12)\t10\n": [[12, 13], [10]],
    "1 10 12 13\n2 12 10\n": [[12, 13], [10]],
    "1\t10\t12\t13\n2\t12\t10\n": [[12, 13], [10]],
    "1,10,12,13\n2,12,10\n": [[12, 13], [10]],
    "1\t10\t12 13\n2\t12\t10\n": [[12, 13], [10]],
    "1\t10\t[12, 13]\n2\t12\t[10]\n": [[12, 13], [10]],
    "1 10 12 13\r\n\r\n2 12\r\n": [[12, 13], []],
}


@pytest.mark.parametrize("name", ["x.test.negative", "test_neg.txt"])
@pytest.mark.parametrize("text", LINES)
def test_lines_of_ids_are_read(tmp_path, text, name):
    (tmp_path / name).write_text(text, encoding="utf-8")
    prepared, rows = read(tmp_path / name)
    assert (prepared.layout, prepared.shape.kind) == ("listwise", "ncf negatives")
    assert rows == {"user": [1, 2], "pos_item": [10, 12], "neg_items": LINES[text]}


def test_ten_whole_numbers_in_a_line_are_candidates_and_fewer_are_a_table(tmp_path):
    (tmp_path / "a.txt").write_text("1 10 " + " ".join(map(str, range(20, 28))) + "\n")
    assert read(tmp_path / "a.txt")[1] == {"user": [1], "pos_item": [10], "neg_items": [list(range(20, 28))]}
    (tmp_path / "b.txt").write_text("1\t10\t5\t978300760\n1\t11\t3\t978300761\n")
    with pytest.raises(BadDataError):
        read(tmp_path / "b.txt")
    (tmp_path / "c.negative").write_text("user\tpos_item\tneg_items\n1\t10\t12 13\n")
    assert read(tmp_path / "c.negative")[1] == {"user": [1], "pos_item": [10], "neg_items": [[12, 13]]}


@pytest.mark.parametrize("line", ["1,,12", "1", "(1,10)x", "(1,10)\t[12", "1,10,12,,13"])
def test_a_line_of_another_form_is_refused_with_its_number(tmp_path, line):
    first = "(1,10)\t12\n" if line.startswith("(") else "1,10,12\n"
    (tmp_path / "x.test.negative").write_text(first + line + "\n")
    with pytest.raises(BadDataError, match=r"x.test.negative:2: the line is not"):
        read(tmp_path / "x.test.negative")


def test_the_files_of_rechorus(tmp_path):
    (tmp_path / "train.csv").write_text("user_id\titem_id\ttime\n1\t10\t5\n2\t12\t6\n")
    for part in ("dev", "test"):
        (tmp_path / f"{part}.csv").write_text(
            "user_id\titem_id\ttime\tneg_items\n1\t11\t5\t[12, 13]\n2\t13\t6\t[10, 14]\n"
        )
    prepared, rows = read(tmp_path / "train.csv")
    assert (prepared.layout, prepared.part, rows) == ("positives", "train", {"user": [1, 2], "item": [10, 12]})
    prepared, rows = read(tmp_path / "dev.csv")
    assert (prepared.layout, prepared.part) == ("listwise", "valid")
    assert rows == {"user": [1, 2], "pos_item": [11, 13], "neg_items": [[12, 13], [10, 14]]}
    files = [(str(tmp_path / f"{part}.csv"), None) for part in ("train", "dev", "test")]
    overlaps = verify(files, LOG).overlaps
    assert [(each.part, each.held_part, each.count) for each in overlaps] == [("valid", "test", 2)]
