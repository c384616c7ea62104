"""JSON lines: what they say is what is read, ids keep their type, and what is wrong is refused at its line."""

import bz2
import gzip
import json
import re

import pyarrow as pa
import pytest

from negprep.errors import BadDataError, NegprepError, UsageError
from negprep.read.lines import MAX_LINE

NANO = 10**9


def lines(*rows, end="\n"):
    return "".join(json.dumps(row) + end for row in rows)


@pytest.mark.parametrize("pack", ["plain", "gzip", "zstd", "bz2"])
def test_rows(here, read, pack):
    text = lines(
        {"user": "a", "item": 7, "rating": 4, "ts": 1.5, "type": "buy", "more": {"nested": [1]}},
        {"type": "view", "user": 'b,"c"\n\u00e9', "item": -3, "rating": 0.5, "ts": 2, "other": None},
    ).encode()
    packed = {
        "plain": bytes,
        "gzip": gzip.compress,
        "bz2": bz2.compress,
        "zstd": lambda data: pa.Codec("zstd").compress(data, asbytes=True),
    }
    (here / "log").write_bytes(packed[pack](text))
    found = read("log", ("user", "item", "value", "time", "event"))
    assert found.rows == [("a", 7, 4.0, 3 * NANO // 2, "buy"), ('b,"c"\n\u00e9', -3, 0.5, 2 * NANO, "view")]
    assert found.types["item"] == "int64"


def test_ids_keep_their_type(here, read):
    (here / "log").write_text(lines({"user": "007", "item": "2024-05-01"}, {"user": "7", "item": "1e3"}))
    assert read("log").rows == [("007", "2024-05-01"), ("7", "1e3")]
    (here / "log").write_text(lines({"user": 2**53 + 1, "item": "1"}, {"user": -(2**63), "item": "2"}))
    assert read("log").rows == [(2**53 + 1, 1), (-(2**63), 2)]


def test_times_of_every_form(here, read):
    for times in ([1_700_000_000_000, 1_700_000_000_001], ["2024-05-01", "2024-05-01T12:00:00"], [1, 2.25]):
        (here / "log").write_text(lines(*({"user": 1, "item": 2, "time": time} for time in times)))
        (here / "log.csv").write_text("user,item,time\n" + "".join(f"1,2,{time}\n" for time in times))
        assert read("log", ("time",)).rows == read("log.csv", ("time",)).rows


def test_exact_nanoseconds(here, read):
    times = [1_700_000_000_000_000_001, 1_700_000_000_000_000_003]
    (here / "log").write_text(lines(*({"user": 1, "item": 2, "time": time} for time in times)))
    assert read("log", ("time",)).rows == [(time,) for time in times]


def test_a_value_that_gets_a_fraction_far_into_the_file(here, read):
    rows = [{"user": 1, "item": n, "rating": 1, "title": "x" * 60} for n in range(90_000)]
    rows[75_000]["rating"] = 2.5
    (here / "log").write_text(lines(*rows))
    assert (here / "log").stat().st_size > 2 * MAX_LINE
    found = read("log", ("item", "value"))
    assert found.rows == [(row["item"], row["rating"]) for row in rows]


def test_spaces_empty_lines_and_line_ends(here, read):
    (here / "log").write_bytes(b'\xef\xbb\xbf\r\n  {"user": 1, "item": 2} \r\n\n \t\n{"item" :3, "user":1}')
    found = read("log")
    assert found.rows == [(1, 2), (1, 3)]
    assert found.warnings == [
        "log: no newline at the end of the file; the last line may be cut (--expect-rows N checks)"
    ]


def test_keys_may_come_late(here, read):
    (here / "log").write_text(lines({"user": 1, "item": 2}, {"user": None, "item": 3, "time": 5}))
    found = read("log", ("user", "item", "time"), drop_invalid=True)
    assert (found.rows, found.rows_dropped) == ([], {"missing or infinite time": 1, "null user id": 1})


OK = '{"user": "a", "item": 1, "time": 5}\n'
COLUMN = re.compile(r"column \d+")  # it depends on the version of Python
REMEDY = "a row is one object, in JSON lines on a line of its own; repair or remove it"
FORM = "write all in one form"
BAD = {
    "cut": (OK + '{"user": "a", "item"\n', f"log:2: this is not a JSON object (at column #); {REMEDY}"),
    "cut first": ('{"user": "a"\n', f"log:1: this is not a JSON object (at column #); {REMEDY}"),
    "trailing comma": (
        OK + '{"user": "a",}\n',
        f"log:2: this is not a JSON object (at column #); {REMEDY}",
    ),
    "single quotes": (
        OK + "\n{'user': 1}\n",
        f"log:3: this is not a JSON object (at column #); {REMEDY}",
    ),
    "a list": (OK + "[1, 2]\n", f"log:2: this is a list, not an object; {REMEDY}"),
    "a number": (OK + "5\n", f"log:2: this is an integer, not an object; {REMEDY}"),
    "a word": (OK + "null\n", f"log:2: this is null, not an object; {REMEDY}"),
    "CSV": (OK + "a,1,5\n", f"log:2: this is not a JSON object (at column #); {REMEDY}"),
    "two in a line": (OK + OK.strip() + OK, f"log:2: this is not a JSON object (at column #); {REMEDY}"),
    "one over two lines": (
        OK + '{"user": "a",\n"item": 1, "time": 5}\n',
        f"log:2: this is not a JSON object (at column #); {REMEDY}",
    ),
    "a key twice": (OK + '{"user": "a", "user": "b", "item": 1}\n', f"log:2: the key 'user' is there twice; {REMEDY}"),
    "nested": (
        OK + '{"user": {"id": 1}, "item": 1, "time": 5}\n',
        "log:2: the user is an object; write a string or a number",
    ),
    "nested from the start": (
        '{"user": [[1]], "item": 1, "time": 5}\n',
        "log: the column 'user' is in lists within lists; write a row of each, or choose another column",
    ),
    "another type": (
        OK + '{"user": 7, "item": 1, "time": 5}\n',
        f"log:2: the user 7 is an integer, but another is a string; {FORM}",
    ),
    "a string": (
        OK + '{"user": "b", "item": "1", "time": 5}\n',
        f"log:2: the item '1' is a string, but another is an integer; {FORM}",
    ),
    "a fraction": (
        OK + '{"user": "b", "item": 1.0, "time": 5}\n',
        f"log:2: the item 1.0 is a number with a fraction, but another is an integer; {FORM}",
    ),
    "a truth": (
        OK + '{"user": true, "item": 1, "time": 5}\n',
        f"log:2: the user True is true or false, but another is a string; {FORM}",
    ),
    "truths": (
        '{"user": true, "item": 1, "time": 5}\n',
        "log:1: the user id has the type bool; true and false name nobody: choose another column with --user-col",
    ),
    "too large": (
        OK + '{"user": "b", "item": 9223372036854775808, "time": 5}\n',
        "log:2: the item 9223372036854775808 is not a 64-bit integer; write all as strings",
    ),
    "null": (
        OK + '{"user": null, "item": 1, "time": 5}\n',
        "log:2: null user id; --drop-invalid drops and counts such rows",
    ),
    "absent": (
        OK + "\n" + OK + '{"user": "a", "time": 5}\n',
        "log:4: null item id; --drop-invalid drops and counts such rows",
    ),
    "empty": (
        OK + '{"user": "", "item": 1, "time": 5}\n',
        "log:2: null user id; --drop-invalid drops and counts such rows",
    ),
    "NaN": (
        OK + '{"user": "a", "item": 1, "time": NaN}\n',
        "log:2: missing or infinite time; --drop-invalid drops and counts such rows",
    ),
    "a time of another unit": (
        OK + '{"user": "a", "item": 1, "time": 5000000000000}\n',
        "log:2: the time 5000000000000 is in milliseconds, but 5 is in seconds; write all times in one form",
    ),
    "half a surrogate": (
        OK + '{"user": "\\ud800", "item": 1, "time": 5}\n',
        "log:2: the user holds half a surrogate pair; repair the text",
    ),
    "NUL": (
        OK + '{"user": "a\\u0000", "item": 1, "time": 5}\n',
        "log:2: the user id holds a NUL byte; UTF-16 text has them: iconv -f UTF-16 -t UTF-8 converts it",
    ),
    "Latin-1": (
        OK + '{"user": "\xff", "item": 1, "time": 5}\n',
        "log:2: the user id is not UTF-8; convert the text to UTF-8",
    ),
    "a mark in the middle": (
        OK + "\xef\xbb\xbf" + OK,
        f"log:2: this is not a JSON object (at column #); {REMEDY}",
    ),
    "deep": (
        OK + "[" * 100_000 + "\n",
        f"log:2: this is not a JSON object (nested too deeply); {REMEDY}",
    ),
    "no user": ('{"a": 1, "item": 2}\n', "log: no column for the users (found: a, item); name it with --user-col"),
    "no key": ("{}\n", "log: no column for the users (found: ); name it with --user-col"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_refused_at_its_line(here, read, name):
    text, message = BAD[name]
    (here / "log").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadDataError) as error:
        read("log", ("user", "item", "time"))
    assert COLUMN.sub("column #", str(error.value)) == message


@pytest.mark.parametrize("name", ["cut", "absent", "another type", "NaN"])
def test_lines_are_counted_right_far_into_the_file(here, read, name):
    text, message = BAD[name]
    before = 3 * MAX_LINE // len(OK)
    (here / "log").write_text(OK * before + "\n" + text)
    with pytest.raises(BadDataError) as error:
        read("log", ("user", "item", "time"))
    number = int(message.split(":")[1])
    assert COLUMN.sub("column #", str(error.value)) == message.replace(f"log:{number}:", f"log:{number + before + 1}:")


def test_a_line_that_is_too_long(here, read):
    (here / "log").write_text(OK + '{"user": "' + "x" * MAX_LINE + '"}\n')
    with pytest.raises(BadDataError) as error:
        read("log")
    assert str(error.value) == "log:2: the line is longer than 4 MiB, the limit; is it the right file?"


def test_options_for_other_texts(here, read):
    (here / "log.jsonl").write_text(OK)
    for option in ({"columns": ("user", "item")}, {"delimiter": ","}):
        with pytest.raises(NegprepError):
            read("log.jsonl", **option)
        with pytest.raises(UsageError, match="--from jsonl and"):
            read("log.jsonl", from_="jsonl", **option)


def test_a_name_that_says_so(here, read):
    (here / "log.jsonl").write_text("user,item\n1,2\n")
    with pytest.raises(BadDataError, match=r"^log\.jsonl:1: this is not a JSON object \(at column 1\)"):
        read("log.jsonl")
