"""JSON of others: whatever it is, a value or one error."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from logs import as_table, random_rows

import negprep
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke
from negprep.jsons import json_value

DEEP = "[" * 200_000 + "]" * 200_000
INSIDE = '{"command": "test", "layout": "pointwise", "counts": ' + "[" * 900 + "]" * 900 + "}"


def test_values_are_those_of_json():
    for value in ([], {}, {"a": [1, {"b": None}]}, "x", 3.5, [[[[[1]]]]]):
        assert json_value(json.dumps(value)) == value
    assert json_value(b'{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    "text", [DEEP, '{"a":' * 100_000 + "1" + "}" * 100_000, "[" * 65 + "]" * 65, "[1", "", b"\xff"]
)
def test_all_else_is_one_error(text):
    with pytest.raises(ValueError):
        json_value(text)


@pytest.mark.parametrize("text", [DEEP, INSIDE])
def test_metadata_that_are_nested_deeply_are_refused_with_their_place(tmp_path, capsys, text):
    log = as_table(random_rows(1))
    pq.write_table(log, tmp_path / "log.parquet")
    rows = pa.table({"user": [1, 1], "item": [2, 3], "label": [1, 0], "score": [0.5, 0.1]})
    path = tmp_path / "o.parquet"
    pq.write_table(rows.replace_schema_metadata({"negprep": text}), path)
    folder = tmp_path / "o"
    negprep.test(log, f"{folder}.csv")
    (tmp_path / "o.json").write_text(text)
    folder.mkdir()
    (folder / "_negprep.json").write_text(text)
    (folder / "x.test.negative").write_text("(1,2)\t3\n")
    log_option = ["--log", str(tmp_path / "log.parquet")]
    for place, words in {
        str(path): ["verify", "--test", str(path), *log_option],
        f"{path} ": ["report", str(path), str(tmp_path / "page.html")],
        f"{path}  ": ["evaluate", str(path), "--test", str(path)],
        str(tmp_path / "o.json"): [
            "verify", "--test", f"{folder}.csv", "--made-by", str(tmp_path / "o.json"), *log_option,
        ],
        str(folder / "_negprep.json"): ["verify", str(folder / "x.test.negative"), *log_option],
    }.items():  # fmt: skip
        assert guarded(lambda words=words: invoke(words)) == 3, words
        err = capsys.readouterr().err
        assert (err.count("\n"), place.strip() in err) == (1, True), err
