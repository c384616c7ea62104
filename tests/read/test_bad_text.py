"""What is wrong with a text file, at its true line."""

import gzip

import pytest

from negprep.errors import BadDataError, OutputError, UsageError
from negprep.read.delimited import BLOCK
from negprep.read.lines import MAX_LINE
from negprep.read.log import open_log

HEAD = b"user,item,time\n"
MISSING = "--drop-invalid drops and counts such rows"
NO_MARK = "were files joined that each start with one? Remove it"
TO_UTF8 = "UTF-16 text has them: iconv -f UTF-16 -t UTF-8 converts it"
KINDS = "negprep reads CSV, TSV, JSON lines and arrays, Parquet, Arrow, and text in gzip, zstd, bzip2 or zip"
REDOUBLE = "double a quote that is text; or --quote none reads quotes as text"
UNCLOSED = "the quote that begins a field here is not closed; close it; or --quote none reads quotes as text"
LATIN = "the text looks like Latin-1; convert it: iconv -f LATIN1 -t UTF-8"
FORMS = (
    "times are seconds, milliseconds, microseconds or nanoseconds since 1970, 20240501, or like 2024-05-01T12:30:00; "
    "--time-format reads others, in strptime's words"
)
RANGE = "times reach from 1677-09-21 to 2262-04-11"

BAD = {
    "empty file": (b"", "in.csv: the file is empty"),
    "blank lines": (b"\n\r\n\n", "in.csv: the file is empty"),
    "header only": (HEAD, "in.csv: no rows; is the log cut short?"),
    "short row": (HEAD + b"1,2,3\n1,2\n", "in.csv:3: 2 fields where the header has 3; repair or remove the line"),
    "long row": (HEAD + b"1,2,3,4\n", "in.csv:2: 4 fields where the header has 3; repair or remove the line"),
    "one field": (HEAD + b"1,2,3\n\n\n7\n", "in.csv:5: 1 field where the header has 3; repair or remove the line"),
    "ragged after quoted newlines": (
        HEAD + b'"a\nb\n",2,3\n\n1,2\n',
        "in.csv:6: 2 fields where the header has 3; repair or remove the line",
    ),
    "ragged after CR": (
        (HEAD + b"1,2,3\n1,2\n").replace(b"\n", b"\r"),
        "in.csv:3: 2 fields where the header has 3; repair or remove the line",
    ),
    "open quote": (
        HEAD + b'1,2,3\n1,"2,3\n1,2,3\n',
        f"in.csv:3: {UNCLOSED}",
    ),
    "open quote in the last field": (
        HEAD + b'1,2,3\n\n1,2,"3\n1,2,3\n',
        f"in.csv:4: {UNCLOSED}",
    ),
    "empty user": (HEAD + b"1,2,3\n,2,3\n", f"in.csv:3: null user id; {MISSING}"),
    "empty item": (HEAD + b"1,2,3\n1,,3\n,2,3\n", f"in.csv:3: null item id; {MISSING}"),
    "empty quoted user": (HEAD + b'1,2,3\n"",2,3\n', f"in.csv:3: null user id; {MISSING}"),
    "empty user after a quoted newline": (HEAD + b'"a\nb",2,3\n,2,3\n', f"in.csv:4: null user id; {MISSING}"),
    "empty time": (HEAD + b"1,2,\n", f"in.csv:2: missing or infinite time; {MISSING}"),
    "NaN time": (HEAD + b"1,2,3\n1,2,NaN\n", f"in.csv:3: missing or infinite time; {MISSING}"),
    "infinite time": (HEAD + b"1,2,3\n1,2,-inf\n", f"in.csv:3: missing or infinite time; {MISSING}"),
    "no time": (HEAD + b"1,2,3\n1,2,soon\n", f"in.csv:3: 'soon' is not a time; {FORMS}"),
    "hexadecimal time": (HEAD + b"1,2,0x1F\n", f"in.csv:2: '0x1F' is not a time; {FORMS}"),
    "late time": (HEAD + b"1,2,3000-01-01\n", f"in.csv:2: the time 3000-01-01 is out of range; {RANGE}"),
    "large time": (HEAD + b"1,2,99999999999\n", f"in.csv:2: the time 99999999999 is out of range; {RANGE}"),
    "mixed units": (
        HEAD + b"1,2,978300760\n1,2,978300760000\n",
        "in.csv:3: the time 978300760000 is in milliseconds, but 978300760 is in seconds; write all times in one form",
    ),
    "mixed zones": (
        HEAD + b"1,2,2024-05-01T12:30:00\n1,2,2024-05-01T12:30:00Z\n",
        "in.csv:3: the time 2024-05-01T12:30:00Z is with a zone, but 2024-05-01T12:30:00 is without a zone; "
        "write all times in one form",
    ),
    "number and date": (
        HEAD + b"1,2,978300760\n1,2,2024-05-01\n",
        "in.csv:3: the time 2024-05-01 is without a zone, but 978300760 is a number; write all times in one form",
    ),
    "NUL in an id": (HEAD + b"1,2,3\n1\0,2,3\n", f"in.csv:3: the user id holds a NUL byte; {TO_UTF8}"),
    "BOM in an id": (
        HEAD + b"1,2,3\n" + b"\xef\xbb\xbf1,2,3\n",
        f"in.csv:3: the user id holds a byte order mark (U+FEFF); {NO_MARK}",
    ),
    "BOM in the first id": (
        HEAD + b"\xef\xbb\xbf1,2,3\n1,2,3\n",
        f"in.csv:2: the user id holds a byte order mark (U+FEFF); {NO_MARK}",
    ),
    "BOM in the first id beside a quote": (
        HEAD + b'\xef\xbb\xbf1,2,3\n"1",2,3\n',
        f"in.csv:2: the user id holds a byte order mark (U+FEFF); {NO_MARK}",
    ),
    "BOM in the first id of a :: file": (
        HEAD.replace(b",", b"::") + b"\xef\xbb\xbf1::2::3\n",
        f"in.csv:2: the user id holds a byte order mark (U+FEFF); {NO_MARK}",
    ),
    "BOM twice": (
        b"\xef\xbb\xbf" * 2 + HEAD + b"1,2,3\n",
        "in.csv:1: the header holds a byte order mark (U+FEFF); only the file may start with one, once; remove it",
    ),
    "text after a quote": (
        HEAD + b'1,2,3\n"a\nb",2,3\n"10"x,2,3\n',
        f"in.csv:5: a closing quote is followed by 'x'; {REDOUBLE}",
    ),
    "text after a quote behind an inch": (
        HEAD + b'5" pipe,2,3\n1,"1""0" "y",3\n',
        f"in.csv:3: a closing quote is followed by ' \"y\"'; {REDOUBLE}",
    ),
    "PNG": (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\0\0\1\0\x08\6\0\0\0",
        f"in.csv: this is neither text nor Parquet; {KINDS}",
    ),
    "zeros": (b"\0" * 100, f"in.csv: this is neither text nor Parquet; {KINDS}"),
    "an object over several lines": (
        b'{\n"user": 1\n}\n',
        "in.csv: this is JSON in objects over several lines; JSON lines have an object a line; convert it: jq -c . "
        "in.csv > NEW.jsonl (jq 1.7 or newer)",
    ),
    "HTML": (b"<!DOCTYPE html>\n<html>", f"in.csv:1: this looks like HTML or XML, not CSV; {KINDS}"),
    "huge time": (HEAD + b"1,2,1e30\n", f"in.csv:2: the time 1e+30 is out of range; {RANGE}"),
    "UTF-16 body": (
        HEAD + b"1,2,3\n" + "1,2,3\n".encode("utf-16-be"),
        f"in.csv:3: the user id holds a NUL byte; {TO_UTF8}",
    ),
    "UTF-16": (
        "user,item\n1,2\n".encode("utf-16"),
        "in.csv:1: the text is UTF-16; convert it: iconv -f UTF-16 -t UTF-8",
    ),
    "UTF-16 without BOM": (
        "user,item\n1,2\n".encode("utf-16-le"),
        "in.csv:1: the text is UTF-16; convert it: iconv -f UTF-16 -t UTF-8",
    ),
    "UTF-32": (
        "user,item\n1,2\n".encode("utf-32"),
        "in.csv:1: the text is UTF-32; convert it: iconv -f UTF-32 -t UTF-8",
    ),
    "Latin-1 body": (HEAD + b"1,2,3\n1,caf\xe9,3\n", f"in.csv:3: the byte 0xE9 is not UTF-8; {LATIN}"),
    "Latin-1 header": (b"user,item,caf\xe9\n1,2,3\n", f"in.csv:1: the byte 0xE9 is not UTF-8; {LATIN}"),
    "duplicate header": (b"user,item,user\n1,2,3\n", "in.csv:1: two columns are named 'user'; rename one of them"),
    "header again": (
        HEAD + b"1,2,3\nuser,item,4\n",
        "in.csv:3: the header occurs again; were files joined? Remove the line",
    ),
    "no header": (
        b"1::1193::5::978300760\n",
        "in.csv:1: there is no header: the first line is 1::1193::5::978300760; "
        "add a header, or name the columns of INPUT: --columns user,item,value,time",
    ),
    "no user": (b"a,item,c\n1,2,3\n", "in.csv: no column for the users (found: a, item, c); name it with --user-col"),
    "two users": (
        b"user,uid,item\n1,2,3\n",
        "in.csv: more than one column could be the user: user, uid; choose with --user-col",
    ),
    "long id": (
        HEAD + b"u" * 70_000 + b",2,3\n",
        "in.csv:2: the user id has 70000 bytes, and the limit is 65536; "
        "shorten it, such as by a hash, or read another column",
    ),
    "very long id": (
        HEAD + b"u" * 1_000_000 + b",2,3\n",
        "in.csv:2: the user id has 1000000 bytes, and the limit is 65536; "
        "shorten it, such as by a hash, or read another column",
    ),
    "after a long field": (
        b"user,item,text\n1,2," + b"x" * 200_000 + b"\n,3,y\n",
        "in.csv:3: null user id; --drop-invalid drops and counts such rows",
    ),
    "after a long field of many lines": (
        b'user,item,text\n1,2,"' + b"xy\n" * 100_000 + b'"\n1,3\n',
        "in.csv:100003: 2 fields where the header has 3; repair or remove the line",
    ),
    "zip": (
        b"PK\x03\x04 and so on",
        "in.csv: the zip archive is cut short or damaged (File is not a zip file); copy or make the file again",
    ),
}


@pytest.mark.parametrize(("data", "message"), BAD.values(), ids=BAD)
def test_bad_text_is_refused_at_its_line(here, read, data, message):
    (here / "in.csv").write_bytes(data)
    with pytest.raises(BadDataError) as error:
        read("in.csv", ("user", "item", "time") if b"time" in data else ("user", "item"))
    assert str(error.value) == message


@pytest.mark.parametrize("quote", [b"", b'"'], ids=["plain", "quoted"])
def test_byte_order_mark_where_a_block_starts(here, read, quote):
    row = b"1,2," + b"9" * 995 + b"\n"
    rows = row * (BLOCK // len(row))
    rows += b"1,2," + b"9" * (BLOCK - len(rows) - 5) + b"\n"
    assert len(rows) == BLOCK
    (here / "in.csv").write_bytes(HEAD + rows + b"\xef\xbb\xbf1,2,%s3%s\n" % (quote, quote))
    with pytest.raises(BadDataError) as error:
        read("in.csv")
    line = BLOCK // len(row) + 3
    assert str(error.value) == f"in.csv:{line}: the user id holds a byte order mark (U+FEFF); {NO_MARK}"


def test_a_byte_that_is_not_utf8_in_a_later_block(here, read):
    row = "u1,é\n".encode()
    rows = BLOCK // len(row) + 10
    (here / "in.csv").write_bytes(b"user,item\n" + row * rows + b"u1,\xe9\n" + row)
    with pytest.raises(BadDataError) as error:
        read("in.csv")
    assert str(error.value) == f"in.csv:{rows + 2}: the byte 0xE9 is not UTF-8; {LATIN}"


def test_half_of_the_header_is_an_id(here, read):
    (here / "in.csv").write_bytes(b"user,item\nuser,b\na,item\nitem,user\n")
    assert read("in.csv").rows == [("user", "b"), ("a", "item"), ("item", "user")]


def test_a_byte_order_mark_without_a_header_counts_once(here, read):
    (here / "in.csv").write_bytes(b"\xef\xbb\xbf" * 2 + b"7,8\n")
    with pytest.raises(BadDataError) as error:
        read("in.csv", columns=("user", "item"))
    assert str(error.value) == f"in.csv:1: the user id holds a byte order mark (U+FEFF); {NO_MARK}"


def test_two_columns_for_one_role_are_a_problem_of_that_role(here):
    (here / "tt.csv").write_bytes(b"user,item,time,timestamp\n1,2,3,4\n")
    message = "tt.csv: more than one column could be the time: time, timestamp; choose with --time-col"
    with open_log("tt.csv") as log:
        assert log.columns == {"user": "user", "item": "item"}
        assert log.problem("user") is None
        assert log.problem("value") is None
        problem = log.problem("time")
        assert isinstance(problem, BadDataError)
        assert str(problem) == message
        with pytest.raises(BadDataError) as error:
            log.batches(["user", "time"])
        assert str(error.value) == message


def test_text_after_a_quote_far_into_the_file(here, read):
    rows = [b'"%d","a, ""b""",%s' % (n, b"3" * 60) for n in range(120_000)]
    (here / "in.csv").write_bytes(HEAD + b"\r\n".join(rows) + b'\r\n1,"2"3,4\r\n')
    with pytest.raises(BadDataError) as error:
        read("in.csv")
    assert str(error.value) == f"in.csv:120002: a closing quote is followed by '3'; {REDOUBLE}"


def test_text_after_a_quote_in_a_column_that_is_not_read(here, read):
    (here / "in.csv").write_bytes(HEAD + b'1,"2","3"x\n5" pipe,"4""", "3"\n')
    assert read("in.csv").rows == [("1", "2"), ('5" pipe', '4"')]


def test_brackets_in_a_header_that_is_known(here, read):
    (here / "in.csv").write_bytes(b"<user>,[item]\n1,2\n")
    assert read("in.csv").rows == [(1, 2)]
    (here / "in.csv").write_bytes(b"{a},{b}\n1,2\n")
    assert read("in.csv", user_col="{a}", item_col="{b}").rows == [(1, 2)]


def test_line_number_is_right_far_into_the_file(here, read):
    (here / "in.csv").write_bytes(HEAD + b"12345,67890,978300760\r\n" * 500_000 + b"\r\n,7,8\n")
    with pytest.raises(BadDataError, match=r"^in\.csv:500003: null user id"):
        read("in.csv")


def test_change_of_unit_far_into_the_file(here, read):
    (here / "in.csv").write_bytes(HEAD + b"12345,67890,978300760\n" * 300_000 + b"1,2,978300760000\n" * 300_000)
    with pytest.raises(BadDataError, match=r"^in\.csv:\d+: the time 978300760000 is in milliseconds, but 978300760 is"):
        read("in.csv", ("time",))


@pytest.mark.parametrize("quote", [b"", b'"'], ids=["plain", "after a quote"])
def test_line_longer_than_the_limit(here, read, quote):
    rows = b"1," + quote + b"2" + quote + b",3\n" + b"7,8," + b"9" * 10_000_000 + b"\n1,2,3\n"
    (here / "in.csv").write_bytes(HEAD + rows)
    with pytest.raises(BadDataError) as error:
        read("in.csv")
    assert str(error.value) == "in.csv:3: the line is longer than 4 MiB, the limit; is it the right file?"


def test_line_just_below_the_limit(here, read):
    (here / "in.csv").write_bytes(HEAD + b"1,2,3\n7,8," + b"9" * (MAX_LINE - 10) + b"\n1,2,3\n")
    assert read("in.csv").rows == [(1, 2), (7, 8), (1, 2)]


def test_a_gzip_bomb_of_one_line_is_stopped_at_the_limit(here, read):
    (here / "in.csv").write_bytes(gzip.compress(b"x" * 200_000_000, 1))
    with pytest.raises(BadDataError) as error:
        read("in.csv")
    assert str(error.value) == "in.csv:1: the line is longer than 4 MiB, the limit; is it the right file?"


USAGE = {
    "wrong delimiter": (
        {"delimiter": ";"},
        "in.csv:1: only one column with ';'; the first line looks separated by ','; "
        "leave --delimiter out, or correct it",
    ),
    "long delimiter": ({"delimiter": "ab"}, "--delimiter 'ab' is neither one ASCII character nor ::"),
    "columns beside a header": (
        {"columns": ("user", "item", "time")},
        "in.csv:1: the first line is a header (user, item, ...); leave --columns out",
    ),
    "too few columns": (
        {"columns": ("user", "item")},
        "in.csv:1: --columns names 2 columns, but the first line has 3 fields; name every column, or what "
        "separates them (--delimiter)",
    ),
    "unknown column": (
        {"user_col": "usr"},
        "in.csv: no column 'usr' (found: user, item, time); did you mean 'user'?",
    ),
    "unlike any column": (
        {"user_col": "xyz"},
        "in.csv: no column 'xyz' (found: user, item, time); name one of them with --user-col",
    ),
    "one column twice": (
        {"user_col": "time", "item_col": "time"},
        "--user-col and --item-col both name 'time'; give two columns",
    ),
    "role without a column": (
        {},
        "in.csv: no column for the values (found: user, item, time); name it with --value-col",
    ),
}


@pytest.mark.parametrize(("options", "message"), USAGE.values(), ids=USAGE)
def test_options_that_do_not_fit(here, read, options, message):
    (here / "in.csv").write_bytes(HEAD + b"1,2,3\n")
    with pytest.raises(UsageError) as error:
        read("in.csv", ("user", "item", "value"), **options)
    assert str(error.value) == message


def test_ragged_row_of_a_file_without_a_header(here, read):
    (here / "in.csv").write_bytes(b"1::2::3\n1::2\n")
    with pytest.raises(BadDataError) as error:
        read("in.csv", columns=("user", "item", "value"))
    assert str(error.value) == "in.csv:2: 2 fields where --columns names 3; repair or remove the line"


def test_the_substitute_of_a_double_colon_is_refused_in_the_data(here, read):
    (here / "in.csv").write_bytes(b"1::2\n1\x1f::2\n")
    with pytest.raises(BadDataError, match="U\\+001F"):
        read("in.csv", columns=("user", "item"))


def test_missing_file(here, read):
    with pytest.raises(OutputError) as error:
        read("nowhere.csv")
    assert str(error.value) == f"nowhere.csv: no such file or folder; check the name: it is not in {here}"


def test_wrong_number_of_rows(here, read):
    (here / "in.csv").write_bytes(HEAD + b"1,2,3\n")
    assert read("in.csv", expect_rows=1).rows_read == 1
    with pytest.raises(BadDataError) as error:
        read("in.csv", expect_rows=2)
    assert str(error.value) == "in.csv: 1 rows where --expect-rows says 2; is the log cut short?"


def test_control_characters_are_escaped(here, read):
    (here / "in.csv").write_bytes(HEAD + b"1,2,\x1b[31m\n")
    with pytest.raises(BadDataError) as error:
        read("in.csv", ("time",))
    assert "\x1b" not in str(error.value)


def test_an_open_quote_after_a_doubled_one(here, read):
    (here / "in.csv").write_bytes(HEAD + b'"1"x,2,3\n')
    with pytest.raises(BadDataError, match=r"^in\.csv:2: a closing quote is followed by 'x'; "):
        read("in.csv")
    (here / "in.csv").write_bytes(HEAD + b'1,2,"3""\n')
    with pytest.raises(BadDataError, match=r"^in\.csv:2: the quote that begins a field here is not closed; "):
        read("in.csv")
