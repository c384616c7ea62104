"""Stray quotes are refused where they begin, or read as text; quotes and escapes as others write them are read."""

import gzip
import tracemalloc

import pytest

import negprep
from negprep.errors import BadDataError, UsageError
from negprep.options.reading import ReadOptions
from negprep.read.delimited import BLOCK
from negprep.read.dialect import read_dialect
from negprep.read.sources import find_sources

RAW = (
    'user\titem\ttext\nu1\ta\tok\nu2\tb\t"12 inch\nu3\tc\t5" screen\nu4\td\t"great" stuff\nu5\te\tBlue 12"\nu6\tf\tx\n'
)
RAW_PAIRS = [(f"u{n}", letter) for n, letter in enumerate("abcdef", 1)]
LOOK = "which look like rows; --quote none reads quotes as text, --quote '\"' takes it as it is"
REFUSED = {
    "text after the closing quote": (
        'user\titem\tname\nu1\ta\tx\nu1\tb\t"y\nu2\ta\tz\nu3\tb\t"v\nu3\td\tt\n',
        "in:3: the quoted field that begins here runs over 3 lines, and 'v' follows its closing quote; ",
    ),
    "a closing quote in the same column": (
        'user\titem\tn\nu0\tm0\t1\nu2\t"12 inch\t3\nu3\tm3\t4\nu3\tBlue 12"\t8\nu0\tm8\t9\n',
        f"in:3: the quoted field that begins here runs over 3 lines, {LOOK}",
    ),
    "the first column": (
        'text,user,item\nx,1,2\n"12 inch,3,4\ny,5,6\nBlue 12",7,8\nz,9,9\n',
        f"in:3: the quoted field that begins here runs over 3 lines, {LOOK}",
    ),
    "on the next line": (
        'user;item;text\n1;2;"12 inch\n3;4;Blue 12"\n5;6;x\n',
        f"in:2: the quoted field that begins here runs over 2 lines, {LOOK}",
    ),
    "another column": (
        'user|item|a|b\n1|2|"12 inch|x\n3|4|y|12"\n5|6|x|y\n',
        "in:2: the quoted field that begins here runs over 2 lines, and the row has 3 fields where the header has 4; ",
    ),
    "the last line": (
        'user\titem\ttext\nu1\ta\tx\nu2\tb\t"12 inch\n',
        "in:3: the quote that begins a field here is not closed; ",
    ),
    "beside quotes that are needed": (
        'user,item,title\nu1,a,"Hello, world"\nu2,b,"12 inch\nu3,c,x\nu4,d,Blue 12"\n',
        f"in:3: the quoted field that begins here runs over 3 lines, {LOOK}",
    ),
    "after a quoted field of several lines": (
        'user,item,text,more\nu1,a,"one\ntwo, and three",x\nu2,b,"one\ntwo","12 inch\nu3,c,x,y\nu4,d,x,12"z\n',
        "in:5: the quoted field that begins here runs over 3 lines, and 'z' follows its closing quote; ",
    ),
    "the header": (
        'user\titem\t"12 inch\nu1\ta\tx\nu2\tb\ty"\nu3\tc\tz\n',
        "in:1: a quoted field that begins here runs over 3 lines; ",
    ),
    "within a line": (
        'user\titem\ta\tb\nu1\ta\tx\ty\nu2\tb\t"x\ty"\n',
        "in:3: 3 fields where the header has 4; is a quote not closed, or text? --quote none reads quotes as text",
    ),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_a_stray_quote_is_refused_where_it_begins(here, read, text, message):
    (here / "in").write_text(text, newline="")
    with pytest.raises(BadDataError) as error:
        read("in")
    assert str(error.value).startswith(message)
    assert "--quote none" in str(error.value)
    lines = text.splitlines()
    if len({line.count(delimiter) for line in lines for delimiter in "\t,;|" if delimiter in text}) == 1:
        assert read("in", quote="none").rows_read == len(lines) - 1


def test_far_into_the_file(here, read):
    many = BLOCK // 250
    rows = "".join(f'{n}\t{n % 7}\t"fine, ""so""\n{"and so on" * 28}"\n' for n in range(many))
    (here / "in").write_text("user\titem\ttext\n" + rows + '1\t2\t"12 inch\n' + "3\t4\tx\n" * 100 + '5\t6\t12"\n')
    line = 2 + 2 * many
    with pytest.raises(
        BadDataError, match=rf"^in:{line}: the quoted field that begins here runs over 102 lines, which"
    ):
        read("in")


def test_never_closed_far_into_a_large_file(here, read):
    rest = f"3\t4\t{'some more text ' * 1000}\n" * (3 * BLOCK // 15_000)
    (here / "in").write_text('user\titem\ttext\n1\t2\tx\n1\t2\t"y\n' + rest)
    with pytest.raises(BadDataError, match=r"^in:3: .*--quote none"):
        read("in")


def test_quotes_as_text(here, read):
    (here / "in").write_text(RAW)
    assert read("in", quote="none").rows == RAW_PAIRS
    (here / "in").write_text('user,item\n"1","a"\n2,5" x\n')
    assert read("in", quote="none").rows == [('"1"', '"a"'), ("2", '5" x')]


def test_quotes_that_are_insisted_on(here, read):
    (here / "in").write_text('user,item,text\n1,2,"a\n3,4,b\n5,6,c"\n7,8,d\n')
    with pytest.raises(BadDataError, match="takes it as it is"):
        read("in")
    assert read("in", quote='"').rows == [(1, 2), (7, 8)]


def test_another_quote(here, read):
    (here / "in").write_text("user,item\n'a,b',1\n'it''s',2\n5\" pipe,3\n'x\ny',4\n")
    assert read("in", quote="'").rows == [("a,b", 1), ("it's", 2), ('5" pipe', 3), ("x\ny", 4)]


@pytest.mark.parametrize("many", [1, 5_000])
def test_escapes_as_spark_and_hive_write_them(here, read, many):
    row = '1,"a \\"b\\" c, d",x\\\\\n2,e,"two\nlines, \\"z\\""\n'.replace("z", "z" * 1000)
    (here / "in").write_text("user,item,text\n" + row * many)
    assert read("in", escape="\\").rows == [(1, 'a "b" c, d'), (2, "e")] * many
    row = '1,a\\,b,"x\n2,c\\\nd,y"\n3,e,\\\\\n'.replace("x", "x" * 1000)
    (here / "in").write_text("user,item,text\n" + row * many)
    assert read("in", quote="none", escape="\\").rows == [(1, "a,b"), (2, "c\nd"), (3, "e")] * many


@pytest.mark.parametrize("name", ["ra.inter", "x.user", "x.item", "x.kg", "x.link", "x.net", "ra.inter.gz"])
def test_atomic_files_are_never_quoted(here, read, name):
    data = RAW.replace("user\titem\ttext", "user_id:token\titem_id:token\ttext:token_seq").encode()
    (here / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert read(name).rows == RAW_PAIRS
    assert read(".", from_=None).rows == RAW_PAIRS
    (here / name).rename(here / "log")
    assert read("log", from_="recbole").rows == RAW_PAIRS


def test_what_negprep_writes_as_atomic_files_is_read_back(here, read):
    (here / "log.csv").write_text('user,item\n"""a""",1\n5" x,2\n"""a""",3\n5" x,4\n')
    negprep.train("log.csv", "shop/", to="recbole", num_neg=1, holdout="none")
    assert {user for user, _ in read("shop/shop.inter").rows} == {'"a"', '5" x'}
    assert not negprep.verify("shop/", log="log.csv").failed


@pytest.mark.parametrize("option", [{"quote": "none"}, {"quote": "'"}, {"escape": "\\"}])
def test_what_has_no_quotes_refuses_them(here, read, option):
    (here / "log.jsonl").write_text('{"user": 1, "item": 2}\n')
    with pytest.raises(UsageError, match="JSON lines"):
        read("log.jsonl", **option)
    (here / "in.dat").write_text("user::item\n1::2\n")
    if option != {"quote": "none"}:
        with pytest.raises(UsageError, match="delimiter ::"):
            read("in.dat", **option)


@pytest.mark.parametrize(
    ("option", "mark"),
    [*(("quote", mark) for mark in ("ab", "", "n", "é", ",")), ("escape", "none"), ("escape", "\n")],
)
def test_marks_that_cannot_be(here, read, option, mark):
    (here / "in").write_text("user,item\n1,2\n")
    with pytest.raises(UsageError):
        read("in", **{option: mark})


def test_files_beside_the_log_have_its_quotes_or_those_of_negprep(here):
    (here / "raw.tsv").write_text('user\titem\n1\t"12 inch\n1\tBlue 12"\n2\t"12 inch\n2\tx\n3\t"Heroes"\n')
    (here / "seen.tsv").write_text('user\titem\n2\t"12 inch\n1\t"Heroes"\n1\tBlue 12"\n')
    with pytest.raises(BadDataError, match=r"^seen\.tsv:2: .*--quote none"):
        negprep.train("seen.tsv", num_neg=1, exclude="seen.tsv", holdout="none")
    rows = negprep.train("raw.tsv", quote="none", exclude="seen.tsv", num_neg=1, holdout="none")
    assert '"Heroes"' not in {row["item"] for row in rows.to_pylist() if row["user"] == 1}
    negprep.train("raw.tsv", "out.csv", quote="none", exclude="seen.tsv", num_neg=1, holdout="none")
    assert '"""Heroes"""' in (here / "out.csv").read_text()
    own = negprep.verify((), train="out.csv", log="raw.tsv", quote="none", exclude="seen.tsv", holdout="none")
    assert not own.failed
    pairs = {
        '1\t"12 inch': "x",
        '1\tBlue 12"': '"Heroes"',
        '2\t"12 inch': 'Blue 12"',
        "2\tx": '"Heroes"',
        '3\t"Heroes"': "x",
    }
    foreign = "user\titem\tlabel\n" + "".join(f"{pair}\t1\n{pair[0]}\t{item}\t0\n" for pair, item in pairs.items())
    (here / "foreign.tsv").write_text(foreign)
    assert not negprep.verify((), train="foreign.tsv", log="raw.tsv", quote="none", holdout="none").failed


def test_scores_with_quotes_as_text(here):
    (here / "scores.tsv").write_text('user\titem\tlabel\tscore\n1\t"12 inch\t1\t3\n1\tBlue 12"\t0\t2\n')
    with pytest.raises(BadDataError, match="--quote none"):
        negprep.evaluate("scores.tsv", resamples=0)
    assert negprep.evaluate("scores.tsv", resamples=0, quote="none").metrics["mrr"].value == 1.0


def test_blank_lines_before_a_header_keep_nothing(here):
    (here / "in.csv").write_bytes(b"\n\r\n" * 30_000 + b"user,item\n1,2\n")
    (source,) = find_sources("in.csv")
    tracemalloc.start()
    dialect = read_dialect(source, ReadOptions())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (dialect.names, dialect.start) == (("user", "item"), 90_010)
    assert peak < 500_000
