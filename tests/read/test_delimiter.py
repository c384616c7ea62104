"""What separates the fields: by what is alike in the first lines, by sep=, or runs of spaces."""

import gzip
import random

import pytest

from negprep.errors import BadDataError, NegprepError
from negprep.read.dialect import is_aligned, likely_delimiter, named_delimiter


@pytest.mark.parametrize(
    ("lines", "delimiter"),
    [
        (["u1\tEarth, Wind, Fire, & Co\t5", "u1\tAbba\t4", "u2\tQueen, The\t2"], "\t"),
        (["u1\tEarth, Wind, & Co\t5", "u1\ta, b, c\t4"], "\t"),
        (["user;title, year, and place", "1;a", "2;b, c"], ";"),
        (["1;2,5;3", "2;3,5;4"], ";"),
        (["user,item,a|b|c|d", "1,2,x|y", "3,4,z"], ","),
        (['user,item,"a;b;c;d"', "1,2,x", "3,4,y"], ","),
        (['user,item,"a\tb', 'c",x'], ","),
        (["1::2::a,b,c,d", "1::3::x"], "::"),
        (["user,item"], ","),
        (["user item", "1 2"], " "),
        (["user"], None),
    ],
)
def test_the_delimiter_is_what_all_lines_have(lines, delimiter):
    assert likely_delimiter(lines) == delimiter


def test_more_commas_than_tabs(here, read):
    (here / "log.tsv").write_text("u1\tEarth, Wind, Fire, & Co\t5\nu1\tAbba\t4\nu2\tAbba\t3\nu2\tQueen, The\t2\n")
    rows = [("u1", "Earth, Wind, Fire, & Co"), ("u1", "Abba"), ("u2", "Abba"), ("u2", "Queen, The")]
    assert read("log.tsv", columns=("user", "item", "value")).rows == rows
    (here / "head.tsv").write_text("user\titem, or title, or name\n1\ta, b\n2\tc\n")
    assert read("head.tsv", item_col="item, or title, or name").rows == [(1, "a, b"), (2, "c")]


def test_rows_of_quoted_line_ends_do_not_mislead(here, read):
    (here / "log.csv").write_text('user,item,text\n1,2,"a\tb\nc, d\te\nf"\n3,4,"x"\n')
    assert read("log.csv").rows == [(1, 2), (3, 4)]


@pytest.mark.parametrize(("line", "delimiter"), [("sep=;", ";"), ('"sep=,"', ","), ("SEP=\t", "\t"), ("sep=\\t", "\t")])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_line_that_names_the_delimiter(here, read, line, delimiter, end, mark):
    text = end.join([line, f"user{delimiter}item", f"1{delimiter}2", f"3{delimiter}4", ""])
    (here / "log.csv").write_text(mark + text, newline="")
    assert read("log.csv").rows == [(1, 2), (3, 4)]
    (here / "bare.csv").write_text(mark + end.join([line, f"1{delimiter}2", f"3{delimiter}x"]) + end, newline="")
    assert read("bare.csv", columns=("user", "item")).rows == [(1, "2"), (3, "x")]
    (here / "bad.csv").write_text(mark + text + f"5{delimiter}{end}", newline="")
    with pytest.raises(BadDataError, match=r"^bad\.csv:5: null item id"):
        read("bad.csv")


def test_what_names_no_delimiter(here, read):
    assert named_delimiter("sep=;x") is None
    assert named_delimiter("sepal=;") is None
    (here / "log.csv").write_text("sep=;\n")
    with pytest.raises(BadDataError, match="no line after the one that names the delimiter"):
        read("log.csv")


ALIGNED = "   1   1   2.0  \n   1  20   4.0  \n\n 200   1   3.5  \n   2   3   3.0"


@pytest.mark.parametrize("pack", [None, gzip.compress])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_aligned_columns(here, read, pack, end):
    data = ALIGNED.replace("\n", end).encode()
    (here / "log.txt").write_bytes(pack(data) if pack else data)
    wanted = [(1, 1, 2.0), (1, 20, 4.0), (200, 1, 3.5), (2, 3, 3.0)]
    for options in ({}, {"delimiter": " "}):
        assert read("log.txt", ("user", "item", "value"), columns=("user", "item", "value"), **options).rows == wanted
    header = "  user   item  rating \n".replace("\n", end).encode()
    (here / "head.txt").write_bytes(header + data)
    assert read("head.txt", ("user", "item", "value")).rows == wanted
    (here / "bad.txt").write_bytes(data + f"{end}  7  8  9  10{end}".encode())
    with pytest.raises(NegprepError, match=r"^bad\.txt:6: 4 fields where --columns names 3"):
        read("bad.txt", columns=("user", "item", "value"))


def test_aligned_columns_over_many_blocks(here, read):
    chance = random.Random(5)
    rows = [(chance.randrange(10**6), chance.randrange(10**4)) for _ in range(150_000)]
    text = "".join(f"{' ' * chance.randrange(9)}{user}{' ' * chance.randrange(1, 30)}{item}\n" for user, item in rows)
    (here / "log.txt").write_text("user  item\n" + text)
    assert read("log.txt").rows == rows


def test_single_spaces_and_empty_fields_stay(here, read):
    assert not is_aligned(["1 2", "3 4"], None)
    assert not is_aligned([" 7", "1 40"], None)
    assert not is_aligned(["1  3", "2  4"], 3)
    assert not is_aligned(['1  "a  b"', "1 2"], None)
    (here / "log.txt").write_text("1  3\n2  4\n")
    assert read("log.txt", columns=("user", "x", "item"), delimiter=" ").rows == [(1, 3), (2, 4)]
    quoted = "1   3\n" * 30 + '2   "a   b"\n'
    (here / "log.txt").write_text(quoted)
    with pytest.raises(BadDataError, match="a quote in columns that runs of spaces separate"):
        read("log.txt", columns=("user", "item"))


SCRIPTS = {"gb18030": "用户", "shift_jis": "ユーザ", "big5": "使用者", "euc_kr": "사용자", "cp1251": "пользователь"}


@pytest.mark.parametrize("encoding", SCRIPTS)
def test_text_of_another_script(here, read, encoding):
    (here / "log.csv").write_bytes(f"user,item\n{SCRIPTS[encoding]},1\n".encode(encoding))
    with pytest.raises(BadDataError) as error:
        read("log.csv")
    assert "is not UTF-8; the text looks like another script (GB18030, " in str(error.value)
    assert "iconv -f GB18030 -t UTF-8, or from the encoding that it has" in str(error.value)


def test_text_with_accents_looks_like_latin_1(here, read):
    (here / "log.csv").write_bytes("user,item\ncafé crème,1\n".encode("latin-1"))
    with pytest.raises(BadDataError, match="looks like Latin-1; convert it: iconv -f LATIN1 -t UTF-8"):
        read("log.csv")
