"""JSON that is not a line for each row: named with a command that works."""

import gzip
import json
import shutil

import pandas as pd
import pytest
from remedies import carried_out

from negprep.errors import BadDataError

FRAME = pd.DataFrame({"user": ["007", "007", "é,b"], "item": [2**60 + 1, 11, 10], "rating": [1.5, 2.0, 3.0]})
ROWS = [("007", 2**60 + 1), ("007", 11), ("é,b", 10)]
RECORDS = FRAME.to_dict("records")
DOCUMENTS = {
    "columns": FRAME.to_json(),
    "columns, indented": FRAME.to_json(indent=2),
    "rows": FRAME.to_json(orient="index"),
    "split": FRAME.to_json(orient="split"),
    "split, indented": FRAME.to_json(orient="split", indent=2),
    "table": FRAME.to_json(orient="table", index=False),
    "lists": json.dumps(FRAME.to_dict("list")),
    "lists, indented": json.dumps(FRAME.to_dict("list"), indent=1),
    "wrapped": json.dumps({"ratings": RECORDS}),
    "wrapped, indented": json.dumps({"ratings": RECORDS}, indent=4),
    "dicts": "".join(f"{row}\n" for row in RECORDS),
    "dicts of Python 2": "".join(f"{row}\n".replace("{'", "{u'") for row in RECORDS) + "\n",
}


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("name", ["log.json", "log.jsonl", "log.json.gz"])
def test_the_advice_gives_the_rows(here, read, kind, name):
    text = DOCUMENTS[kind].encode()
    (here / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    with pytest.raises(BadDataError) as error:
        read(name)
    assert str(error.value).startswith(f"{name}: this is ")
    assert read(carried_out(str(error.value))).rows == ROWS


def test_objects_over_several_lines(here, read):
    (here / "log.json").write_text("".join(json.dumps(row, indent=2) + "\n" for row in RECORDS))
    with pytest.raises(BadDataError) as error:
        read("log.json")
    assert str(error.value) == (
        "log.json: this is JSON in objects over several lines; JSON lines have an object a line; "
        "convert it: jq -c . log.json > NEW.jsonl (jq 1.7 or newer)"
    )
    if shutil.which("jq"):
        assert len(read(carried_out(str(error.value).removesuffix(" (jq 1.7 or newer)"))).rows) == len(ROWS)


@pytest.mark.parametrize(
    "text",
    [
        '{"user": 1, "item": 2}\n',
        '{"user": 1, "item": 2, "tags": ["a"]}',
        '{"user": 1, "item": 2, "meta": {"a": 1}}\n{"user": 1, "item": 2, "meta": {"a": 1}}\n',
        '{"meta": {"a": 1}, "user": 1, "item": 2}\n',
    ],
)
def test_json_lines_that_look_like_a_document(here, read, text):
    (here / "log.json").write_text(text)
    assert set(read("log.json").rows) == {(1, 2)}


@pytest.mark.parametrize("late", [100, 60_000])
def test_a_key_that_appears_late(here, read, late):
    lines = [
        {"user": n, "item": n % 7, "more": {"date": 1}, **({"timestamp": n} if n >= late else {})}
        for n in range(late + 9)
    ]
    (here / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = read("log.jsonl")
    assert len(found.rows) == len(lines)
    assert found.warnings == [
        f"log.jsonl:{late + 1}: the key 'timestamp', which the first 100 lines lack, is not read; "
        "--time-col timestamp reads it"
    ]
    found = read("log.jsonl", ("user", "time"), time_col="timestamp", drop_invalid=True)
    assert [user for user, _ in found.rows] == [*range(late, late + 9)]
    assert found.rows_dropped == {"missing or infinite time": late}
    assert found.warnings == []
