"""One log, however its text is written, gives the same rows."""

import bz2
import gzip

import pyarrow as pa
import pytest

from negprep.read.lines import MAX_LINE

ROWS = [("u1", 10, 978300760), ("u2", 20, 978300761), ("u,3", 30, 978300762)]
PLAIN = b'user,item,time\nu1,10,978300760\nu2,20,978300761\n"u,3",30,978300762\n'
WANTED = [(user, item, time * 10**9) for user, item, time in ROWS]

FORMS = {
    "plain": PLAIN,
    "BOM": b"\xef\xbb\xbf" + PLAIN,
    "CRLF": PLAIN.replace(b"\n", b"\r\n"),
    "CR": PLAIN.replace(b"\n", b"\r"),
    "mixed": b"\r\n".join(PLAIN.split(b"\n", 1)).replace(b"\nu2", b"\ru2"),
    "blank lines": b"\n\n" + PLAIN.replace(b"\n", b"\n\n\r\n"),
    "quoted": b'"user","item","time"\n"u1","10","978300760"\n"u2",20,978300761\n"u,3",30,"978300762"\n',
    "tab": PLAIN.replace(b'"u,3"', b"u;3").replace(b",", b"\t").replace(b"u;3", b"u,3"),
    "semicolon": PLAIN.replace(b'"u,3"', b"u:3").replace(b",", b";").replace(b"u:3", b"u,3"),
    "pipe": PLAIN.replace(b'"u,3"', b"u:3").replace(b",", b"|").replace(b"u:3", b"u,3"),
    "space": PLAIN.replace(b'"u,3"', b"u:3").replace(b",", b" ").replace(b"u:3", b"u,3"),
    "double colon": PLAIN.replace(b'"u,3"', b"u;3").replace(b",", b"::").replace(b"u;3", b"u,3"),
    "gzip": gzip.compress(PLAIN),
    "gzip members": gzip.compress(PLAIN[:30]) + gzip.compress(PLAIN[30:]),
    "bzip2": bz2.compress(PLAIN),
    "zstd": pa.Codec("zstd").compress(PLAIN).to_pybytes(),
}


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS)
def test_every_form_gives_the_same_rows(here, read, data):
    (here / "wrong.parquet").write_bytes(data)
    found = read("wrong.parquet", ("user", "item", "time"))
    assert found.rows == WANTED
    assert found.rows_read == 3
    assert found.warnings == []


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("quote", [b"", b'"'], ids=["plain", "quoted"])
def test_blocks_lose_no_row(here, read, end, quote):
    pairs = [(n, n * 7 * 10**11) for n in range(350_000)]
    rows = [b"%d,%d" % pair for pair in pairs]
    rows[200_000] = b"%d,%s%d%s" % (pairs[200_000][0], quote, pairs[200_000][1], quote)
    (here / "in.csv").write_bytes(end.join([b"user,item", *rows, b""]))
    assert (here / "in.csv").stat().st_size > 2 * MAX_LINE
    assert read("in.csv").rows == pairs


def test_quoted_newlines_stay_in_ids(here, read):
    (here / "in.csv").write_bytes(b'user,item\n"a\nb",1\n"c\r\nd",2\n"say ""hi""",3\n5" pipe,4\n')
    assert read("in.csv").rows == [("a\nb", 1), ("c\r\nd", 2), ('say "hi"', 3), ('5" pipe', 4)]


def test_a_quoted_column_alone(here, read):
    (here / "in.csv").write_bytes(b'item\n"a"\n"b"\n')
    assert read("in.csv", ("item",), required=("item",)).rows == [("a",), ("b",)]


@pytest.mark.parametrize("data", [b"user,item\n1,2\n3,4", b'user,item\n"1",2\n3,4'], ids=["plain", "quoted"])
def test_missing_last_newline_is_a_warning(here, read, data):
    (here / "in.csv").write_bytes(data)
    found = read("in.csv")
    assert found.rows == [(1, 2), (3, 4)]
    what = "no newline at the end of the file; the last line may be cut (--expect-rows N checks)"
    assert found.warnings == [f"in.csv: {what}"]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [("1::1193::5::978300760\n", None), ("1\t1193\t5\t978300760\n", "\\t"), ("1;1193;5;978300760\r\n", ";")],
)
def test_columns_name_a_file_without_a_header(here, read, text, delimiter):
    (here / "in").write_text(text, newline="")
    roles = ("user", "item", "value", "time")
    found = read("in", roles, columns=roles, delimiter=delimiter)
    assert found.rows == [(1, 1193, 5.0, 978300760 * 10**9)]
    assert found.columns == {role: role for role in roles}


def test_columns_with_a_byte_order_mark(here, read):
    (here / "in").write_bytes(b"\xef\xbb\xbf7,8\n")
    assert read("in", columns=("user", "item")).rows == [(7, 8)]


def test_columns_that_are_not_read_are_not_checked(here, read):
    names = [f"c{n}" + "x" * 70 for n in range(2_000)]
    (here / "in.csv").write_bytes(
        f"user,item,{','.join(names)}\n".encode() + b"1,2," + b",".join([b"\xe9" * 10] * 2_000) + b"\n"
    )
    assert read("in.csv").rows == [(1, 2)]


def test_a_file_of_items_has_one_column(here, read):
    (here / "items.csv").write_bytes(b"item\n5\n6\n")
    assert read("items.csv", ("item",), required=("item",)).rows == [(5,), (6,)]


def test_batches_can_be_read_twice(here):
    from negprep.read.log import open_log

    (here / "in.csv").write_bytes(PLAIN[:-1])
    with open_log("in.csv") as log:
        for _ in range(2):
            assert sum(batch.num_rows for batch in log.batches(("user",))) == 3
            assert log.rows_read == 3
            assert len(log.warnings) == 1


def test_dropped_rows_are_counted_once_each(here, read):
    (here / "in.csv").write_bytes(b"user,item,time,rating\n,,1,1\n1,,1,1\n1,2,nan,1\n1,2,3,inf\n1,2,3,4\n1,2,,\n")
    found = read("in.csv", ("user", "item", "time", "value"), drop_invalid=True)
    assert found.rows == [(1, 2, 3 * 10**9, 4.0)]
    assert found.rows_read == 6
    assert found.rows_dropped == {
        "null user id": 1,
        "null item id": 1,
        "missing or infinite time": 2,
        "missing or infinite value": 1,
    }


@pytest.mark.parametrize("columns", ["user,item", "user, item", ["user", "item"]])
def test_columns_as_one_string(here, read, columns):
    (here / "log.csv").write_text("1,2\n3,4\n")
    assert read("log.csv", columns=columns).rows == [(1, 2), (3, 4)]
