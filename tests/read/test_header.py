"""Whether a first line is a header, what its columns are called where it is none, and that no row is lost for it."""

import random
import re
import string

import pytest

from negprep.errors import BadDataError, NegprepError
from negprep.options.reading import ReadOptions
from negprep.read.dialect import guessed, judged, kind_of
from negprep.read.log import open_log


def fields(*lines):
    return [line.split(",") for line in lines]


JUDGED = {
    # names that are known
    ("userId,movieId", "1,2"): "header",
    ("userId,1,2", "7,5,5"): "header",
    ("item", "apple", "pear"): "header",
    ("item_code,user_code", "a,b"): "doubt",
    ("customer,thing", "a,b"): "header",
    ("user,item,2020", "a,b,3"): "header",
    # a text above numbers or dates
    ("who,what,stars", "bob,pear,3", "bob,apple,4"): "header",
    ("who,what,day", "bob,pear,2024-01-01"): "header",
    ("who,what,stars", "bob,pear,", "bob,apple,4"): "header",
    ("c1,c2", "10,20"): "header",
    # joined with its own header
    ("who,what,stars", "bob,pear,3", "who,what,stars", "ann,fig,2"): "header",
    # numbers above numbers, dates above dates
    ("1,2,3", "1,3,4"): "row",
    ("1,,3", "1,2,4"): "row",
    ("u1,i1,5.0", "u2,i2,4"): "row",
    ("u1,i1,2024-01-01", "u2,i2,2024-01-02"): "row",
    ("alice,apple,3", "bob,pear,4"): "row",
    ("u1,i1,5,1300000000",): "row",
    ("1,2",): "row",
    ("7,Kid Id,3", "8,Abba,5"): "row",
    ("7, x,3", "8, y,5"): "row",
    # text above text
    ("alice,apple", "bob,pear", "alice,fig"): "row",
    ("u1,i1", "u2,i2"): "row",
    ("A39HTATAQ9V7YF,B000000001", "A3JM6GV9MNOF9X,B000000002"): "row",
    ("3bd73256-3905-4f3a-97e2-8b341527f805,x", "f2fb0ff0-5679-42ec-a55c-15109ce6e320,y"): "row",
    ("news,pen", "news,cup", "toy,pen"): "row",
    ("bob,The Elder Scrolls V: Skyrim!", "ann,Portal"): "row",
    ("same,same", "a,b"): "row",
    # either
    ("alice,apple", "bob,pear"): "doubt",
    ("who,what", "bob,pear", "bob,apple"): "doubt",
    ("alice,apple",): "doubt",
    ("u1,i1,unknown", "u2,i2,5"): "doubt",
    ("u1,book", "u2,pen"): "doubt",
}


@pytest.mark.parametrize(("lines", "wanted"), JUDGED.items(), ids=map("|".join, JUDGED))
def test_judged(lines, wanted):
    first, *rest = fields(*lines)
    assert judged(first, rest) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("5", "number"),
        ("-1.5e3", "number"),
        ("1_000", "text"),
        ("0x1F", "text"),
        ("inf", "text"),
        ("nan", None),
        (r"\N", None),
        (" ", None),
        ("2024-05-01", "date"),
        ("2010-10-19T23:55:27Z", "date"),
        ("2018-07-07 22:09:11", "date"),
        ("11/11/2019 9:05:58 AM", "date"),
        ("Tue Apr 03 18:00:09 +0000 2012", "date"),
        ("05 21, 2014", "text"),
        ("1.2.3", "text"),
        ("٣", "text"),
    ],
)
def test_kinds(text, wanted):
    assert kind_of(text) == wanted


MANY = range(30)
GUESSED = {
    "user,item,value,time": ["1,10,5,978300760", "2,11,3,978300761"],
    "user,item,value": ["1,2,3", "1,3,4"],
    "user,item,time": ["1,2,2024-05-01", "1,3,2024-05-02"],
    "user,item,time,value": ["u,i,1700000000000,2", "u,j,1700000000001,1"],
    "user,item,event,time": ["1,2,view,1700000000", "1,3,buy,1700000001"],
    "user,event,item": ["u1,click,i1", "u2,purchase,i2"],
    "time,user,item": ["2024-05-01,u1,i1", "2024-05-02,u1,i2"],
    "user,value,item": [f"u{n % 4},{n % 5 + 1},name {n}" for n in MANY],
    "other1,user,item,value": [f"{n},u{n % 4},i{n},{n % 5}" for n in MANY],
    "user,other1,other2,time,item": ["7,30.2359,-97.7951,2010-10-19T23:55:27Z,22847"],
    "user,item": ["1,2"],
    "user,item,other1": ["u1,i1,red", "u2,i2,blue"],
    "item,user,value": ["B00021DJ32,A2GJX2KCUSR0EI,4.0", "0143026860,A1V6B6TNIC10QE,1.0"],
}


@pytest.mark.parametrize(("names", "lines"), GUESSED.items())
def test_guessed(names, lines):
    assert ",".join(guessed(fields(*lines))) == names


def test_other_names_go_by_position():
    assert guessed(fields("10,0.5"), ("item", "weight")) == ("item", "weight")
    assert guessed(fields("1,10,1,0.5,x"), ("user", "item", "label", "score"))[3:] == ("score", "other1")


ALPHABETS = (string.ascii_lowercase, string.ascii_uppercase + string.digits, string.digits)


def random_log(chance):
    """Columns of users, items and perhaps values and times, as text, and without a header."""
    alphabet, size = chance.choice(ALPHABETS), chance.randint(5, 12)
    made = [{"".join(chance.choices(alphabet, k=size)) for _ in range(12)} for _ in range(2)]
    users, items = map(sorted, made)
    more = [
        lambda: str(chance.randint(1, 5)),
        lambda: f"{chance.random() * 5:.2f}",
        lambda: str(1_600_000_000 + chance.randint(0, 10**6)),
        lambda: f"2024-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}",
    ]
    chosen = chance.sample(more, chance.randint(0, 2))
    return [[chance.choice(users), chance.choice(items), *(make() for make in chosen)] for _ in range(60)]


@pytest.mark.parametrize("seed", range(100))  # of a fault in one log of twenty: 0.994 to find it
def test_no_row_of_a_random_log_is_lost(here, read, seed):
    """Without a header it is refused, and read whole by the line of the message; with one it is read without it."""
    chance = random.Random(seed)
    rows = random_log(chance)
    delimiter = chance.choice(",\t;|")
    text = "".join(delimiter.join(row) + "\n" for row in rows)
    (here / "log").write_text(text)
    with pytest.raises(BadDataError, match="there is no header") as error:
        read("log", user_col=chance.choice([None, rows[0][0]]))
    (ready,) = re.findall(r"--columns (\S+)", str(error.value))
    assert ready.split(",")[:2] == ["user", "item"]
    assert read("log", columns=tuple(ready.split(","))).rows_read == len(rows)
    names = ["viewer", "thing", "how", "when did"][: len(rows[0])]
    (here / "named").write_text(delimiter.join(names) + "\n" + text)
    found = read("named", user_col="viewer", item_col="thing")
    assert found.rows_read == len(rows)
    assert len(found.warnings) == (len(names) == 2 and not rows[0][0].isdigit())


def test_a_header_in_doubt_is_told(here, read):
    (here / "log.csv").write_text("alice,apple\nbob,pear\n")
    with pytest.raises(NegprepError) as error:
        read("log.csv")
    doubt = "the first line (alice,apple) is read as the header; if it is a row, --columns user,item"
    assert str(error.value) == (
        f"log.csv: no column for the users (found: alice, apple); name it with --user-col; {doubt}"
    )
    found = read("log.csv", user_col="alice", item_col="apple")
    assert (found.rows, found.warnings) == ([("bob", "pear")], [f"log.csv: {doubt}"])
    found = read("log.csv", columns=("user", "item"))
    assert (found.rows, found.warnings) == ([("alice", "apple"), ("bob", "pear")], [])


def test_a_header_below_given_names_is_told(here, read):
    (here / "log.csv").write_text("who,what,stars\nbob,pear,3\nbob,apple,4\n")
    found = read("log.csv", columns=("user", "item", "value"))
    assert found.rows == [("who", "what"), ("bob", "pear"), ("bob", "apple")]
    (warning,) = found.warnings
    given = "--user-col who --item-col what --value-col stars in place of --columns"
    assert warning == (
        "log.csv: the first line looks like a header (who,what,stars) and is read as a row; if it is one, put " + given
    )
    found = read("log.csv", ("user", "item", "value"), user_col="who", item_col="what", value_col="stars")
    assert (found.rows, found.warnings) == ([("bob", "pear", 3.0), ("bob", "apple", 4.0)], [])


def test_parts_without_headers_are_named_together(here, read):
    (here / "log").mkdir()
    for name, row in (("a", "u1,i1,5"), ("b", "u2,i2,4")):
        (here / "log" / f"{name}.csv").write_text(row + "\n")
    with pytest.raises(BadDataError, match=r"^log/a.csv:1: there is no header.*--columns user,item,value$"):
        read("log")
    assert read("log", columns=("user", "item", "value")).rows == [("u1", "i1"), ("u2", "i2")]


def test_a_line_of_one_field(here, read):
    (here / "log.csv").write_text("10\n11\n")
    with pytest.raises(BadDataError, match="a log needs a user and an item in a line"):
        read("log.csv")


@pytest.mark.parametrize(
    "tail", [b'"never closed, 3\n1,2,3\n' * 100, b"\xff,\xfe,1\n", b"1,2\n", b"9" * 6000 + b",1,2\n", b'"a\nb",c,1\n']
)
def test_what_is_wrong_below_does_not_hide_that_there_is_no_header(here, read, tail):
    (here / "log.csv").write_bytes(b"u1,i1,3\nu2,i2,4\n" + tail)
    with pytest.raises(BadDataError, match=r"^log.csv:1: there is no header.*--columns user,item,value$"):
        read("log.csv")


def test_many_lines_are_not_all_looked_at(here):
    (here / "log.csv").write_text("who,what,stars\n" + "\n" * 3_000_000 + "u1,i1,3\n" * 1_000_000)
    with open_log("log.csv", ReadOptions(user_col="who", item_col="what")) as log:
        assert log.columns["user"] == "who"
