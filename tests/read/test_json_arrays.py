"""A file that is one JSON array: its elements are rows, wherever blocks are cut, and what is wrong is one line."""

import gzip
import io
import json
import random

import pytest

import negprep
from negprep.errors import BadDataError, NegprepError, UsageError
from negprep.read import sources
from negprep.read.other_formats import _Object, object_of

ROWS = [
    {"user": "a]", "item": 7, "rating": 4, "ts": 1.5, "tags": ["x", {"y": "],["}]},
    {"ts": 2, "user": 'b,"\\', "item": -3, "rating": 0.5, "more": {"a": "{"}},
    {"user": 'c\\"\n\u00e9\u2028', "item": 2**60 + 1, "rating": 1, "ts": 3},
]
SHOWN = [(row["user"], row["item"], float(row["rating"]), int(row["ts"] * 10**9)) for row in ROWS]
COLUMNS = ("user", "item", "value", "time")
TEXTS = {
    "compact": json.dumps(ROWS, separators=(",", ":")),
    "indented": json.dumps(ROWS, indent=2),
    "a line each": "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n]\n",
    "commas in front": "[" + "\r\n, ".join(json.dumps(row) for row in ROWS) + "\r\n]\r\n \n",
    "a mark": "\ufeff " + json.dumps(ROWS),
}


@pytest.mark.parametrize("block", [7, 1 << 20])
@pytest.mark.parametrize("kind", TEXTS)
def test_objects_are_rows(here, read, monkeypatch, kind, block):
    monkeypatch.setattr(sources, "_BLOCK", block)
    text = TEXTS[kind].encode()
    (here / "log.json").write_bytes(text)
    (here / "log.json.gz").write_bytes(gzip.compress(text))
    (here / "folder").mkdir()
    for name in ("log.json", "log.json.gz"):
        found = read(name, COLUMNS)
        assert found.rows == SHOWN
        assert found.warnings == []
        (here / "folder" / name).write_bytes((here / name).read_bytes())
    assert read("log.json", COLUMNS, from_="jsonl").rows == SHOWN
    assert read("folder", COLUMNS).rows == SHOWN * 2


@pytest.mark.parametrize("block", [5, 1 << 20])
def test_lists_are_rows_with_the_names_of_columns(here, read, monkeypatch, block):
    monkeypatch.setattr(sources, "_BLOCK", block)
    rows = [[row["user"], row["item"], ["x", {"y": [1, 2]}], row["ts"]] for row in ROWS]
    names = ("user", "item", 'od"d', "time")
    for indent in (None, 1):
        (here / "log.json").write_text(json.dumps(rows, indent=indent))
        found = read("log.json", ("user", "item", "time"), columns=names)
        assert found.rows == [(user, item, time) for user, item, _, time in SHOWN]
    with pytest.raises(UsageError) as error:
        read("log.json")
    assert str(error.value) == (
        "log.json: this is a JSON array of lists, which have no names; name their values: --columns user,item,..."
    )
    (here / "log.json").write_text(json.dumps(ROWS))
    with pytest.raises(UsageError, match=r"^log\.json: --columns names columns, and this is a JSON array of objects,"):
        read("log.json", columns=("user", "item"))


def test_lists_in_objects_are_rows_as_in_json_lines(here, read):
    sessions = [{"session": n, "events": [{"aid": n, "ts": 5}, {"aid": n + 1, "ts": 6}]} for n in range(3)]
    (here / "log.json").write_text(json.dumps(sessions, indent=1))
    found = read("log.json", ("user", "item", "time"), user_col="session", item_col="events.aid", time_col="events.ts")
    assert found.rows == [(n, n + more, (5 + more) * 10**9) for n in range(3) for more in (0, 1)]
    sessions[1]["events"][1]["aid"] = "x"
    (here / "log.json").write_text(json.dumps(sessions, indent=1))
    with pytest.raises(
        BadDataError, match=r"^log\.json: row 2, element 2: the item 'x' is a string, but another is an"
    ):
        read("log.json", user_col="session", item_col="events.aid")


def test_files_beside_the_log(tmp_path):
    (tmp_path / "log.csv").write_text("user,item\n1,2\n1,3\n2,2\n2,4\n")
    (tmp_path / "items.json").write_text(json.dumps([{"item": n} for n in range(2, 9)]))
    (tmp_path / "seen.json").write_text("[[1, 5], [1, 6],\n[2, 7]]")
    rows = negprep.train(
        str(tmp_path / "log.csv"),
        items=str(tmp_path / "items.json"),
        exclude=str(tmp_path / "seen.json"),
        num_neg=40,
        holdout="none",
    ).to_pylist()
    assert {row["item"] for row in rows if row["user"] == 1 and not row["label"]} == {4, 7, 8}


OWN = "a row is one object, in JSON lines on a line of its own; repair or remove it"
MORE = "more follows where the JSON array ends behind this; is a bracket wrong, or missing?"
OK = '[{"user": 1, "item": 2},\n {"user": 2, "item": 3}'
BAD = {
    OK: "log.json: row 2: the JSON array has no end; is the file cut short? Copy or make it again",
    OK[:-3]: "log.json: row 2: the JSON array has no end; is the file cut short? Copy or make it again",
    OK[:-3] + ': "x': "log.json: row 2: the JSON array has no end; is the file cut short? Copy or make it again",
    OK + "]\nx": "log.json: row 2: " + MORE,
    OK + "]\n[]": "log.json: row 2: " + MORE,
    OK + "}": "log.json: row 2: " + MORE,
    OK + ", ]": "log.json: row 3: no value stands here between commas or brackets; remove the comma",
    OK + ",\n,{}]": "log.json: row 3: no value stands here between commas or brackets; remove the comma",
    "[" + OK[1:] + ', {"user": "a\n", "item": 1}]': (
        "log.json: row 3: a line ends within a string; write \\n there, or close the string"
    ),
    OK + "\n{}]": "log.json: row 2: this is not a JSON object (at column 26); " + OWN,
    OK + ", 5]": "log.json: row 3: this is an integer, not an object; " + OWN,
    OK + ", [1, 2]]": "log.json: row 3: this is a list, not an object; " + OWN,
    OK + ', {"user": 1, "item": [}]}]': "log.json: row 3: " + MORE,
    OK + ', {"user": 1}]': "log.json: row 3: null item id; --drop-invalid drops and counts such rows",
    OK
    + ', {"user": 1, "item": "x"}]': "log.json: row 3: the item 'x' is a string, but another is an integer; write all "
    "in one form",
    "[]": "log.json: the file is empty",
    " [\n] ": "log.json: the file is empty",
    "[": "log.json: row 1: the JSON array has no end; is the file cut short? Copy or make it again",
    " [\n": "log.json: row 1: the JSON array has no end; is the file cut short? Copy or make it again",
    "[{}": "log.json: row 1: the JSON array has no end; is the file cut short? Copy or make it again",
}
ON_LINES = (
    "log.json:1: this is a JSON list on a line of its own, where a row is an object; make one array of all lines, "
    "[[1, 2], [3, 4]], or take the brackets away"
)
LISTS = {
    "[1, 2]\n[3, 4]\n": ON_LINES,
    '\ufeff["a", 2],\r\n["b", [4]]\n': ON_LINES,
    "[[1, 2], [3]]": "log.json: row 2: 1 value where --columns names 2; name them all, or repair the row",
    "[[1, 2], [3, 4, 5]]": "log.json: row 2: 3 values where --columns names 2; name them all, or repair the row",
    '[[1, 2], {"user": 1}]': "log.json: row 2: this is an object, but others are lists; write all in one form",
    "[[1, 2], []]": "log.json: row 2: 1 value where --columns names 2; name them all, or repair the row",
    "[[1, 2],, [3, 4]]": "log.json: row 2: no value stands here between commas or brackets; remove the comma",
    "[[1, 2], [, 4]]": "log.json: row 2: this is not a JSON object (at column 10); " + OWN,
    "[[1, 2], [3, 4]": "log.json: row 2: the JSON array has no end; is the file cut short? Copy or make it again",
}


@pytest.mark.parametrize("block", [3, 1 << 20])
@pytest.mark.parametrize("text", [*BAD, *LISTS])
def test_what_is_wrong_is_one_line(here, read, monkeypatch, text, block):
    monkeypatch.setattr(sources, "_BLOCK", block)
    (here / "log.json").write_text(text)
    with pytest.raises(NegprepError) as error:
        read("log.json", columns=("user", "item") if text in LISTS else None)
    assert str(error.value) == (LISTS if text in LISTS else BAD)[text]


def test_brackets_that_are_no_list_are_text(here, read):
    (here / "log.csv").write_text("[a,1]\n[b,2]\n")
    assert read("log.csv", ("user", "item"), columns=("user", "item")).rows == [("[a", "1]"), ("[b", "2]")]
    (here / "log.csv").write_text("[1,1]\n[2,2]\n")
    found = read("log.csv", ("user", "item"), columns=("user", "item"), delimiter=",")
    assert found.rows == [("[1", "1]"), ("[2", "2]")]


def test_an_element_far_into_the_file(here, read):
    many = [{"user": n, "item": n % 7, "tags": ["é]"] * 3} for n in range(90_000)]
    (here / "log.json").write_text(json.dumps(many))
    found = read("log.json")
    assert found.rows == [(row["user"], row["item"]) for row in many]
    many[85_000]["item"] = "x"
    (here / "log.json").write_text(json.dumps(many, ensure_ascii=False))
    with pytest.raises(BadDataError, match=r"^log\.json: row 85001: the item 'x' is a string, but another"):
        read("log.json")
    long = [*many[:10], {"user": "x" * (1 << 22), "item": 1}]
    (here / "log.json").write_text(json.dumps(long))
    with pytest.raises(BadDataError, match=r"^log\.json: row 11: the line is longer than 4 MiB, the limit"):
        read("log.json")


def test_any_text_is_taken_as_json_takes_it(monkeypatch):
    """Texts with one character more or less: the rows are those of a parser of JSON, or both refuse."""
    chance = random.Random(5)
    strings = ["", "a", '"', "\\", "]", "[{", ",", '\\"', "\\\\", "é", "\n"]

    def value(depth):
        kinds = [lambda: chance.choice(strings), lambda: chance.choice([0, -1.5, None, True])]
        if depth:
            kinds += [lambda: [value(depth - 1) for _ in range(chance.randrange(3))]]
            kinds += [lambda: {chance.choice(strings): value(depth - 1) for _ in range(chance.randrange(3))}]
        return chance.choice(kinds)()

    def taken(text):
        with io.BufferedReader(sources._Rows(io.BytesIO(text.encode()), "log", ())) as stream:
            return [object_of(line, "log") for line in stream.read().decode().split("\n") if line.strip()]

    def plain(found):
        if isinstance(found, _Object):
            return {key: plain(inner) for key, inner in found}
        return [plain(each) for each in found] if isinstance(found, list) else found

    refused = 0
    for _ in range(400):
        monkeypatch.setattr(sources, "_BLOCK", chance.choice([1, 3, 10, 1000]))
        made = [{"k": value(2), "m": value(1)} for _ in range(chance.randrange(4))]
        text = json.dumps(made, indent=chance.choice([None, 1]), ensure_ascii=chance.random() < 0.5)
        at = chance.randrange(1, len(text) + 1)
        text = chance.choice([text, text[:at] + text[at + 1 :], text[:at] + chance.choice('[]{},"\\ \n') + text[at:]])
        try:
            right = json.loads(text)
            if not all(isinstance(row, dict) for row in right):
                right = None
        except ValueError:
            right = None
        if right is None:
            refused += 1
            with pytest.raises(BadDataError):
                taken(text)
        else:
            rows = [{key: plain(inner) for key, inner in row.items()} for row in taken(text)]
            assert repr(rows) == repr(right)
    assert 100 < refused < 300
