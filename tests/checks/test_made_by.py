"""Texts that the summary of their run speaks for: the promises of metadata, and which summary belongs to which file."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from logs import as_table, random_rows

import negprep
from negprep._version import __version__
from negprep.checks import results
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke
from negprep.errors import UsageError
from negprep.read.prepared_metadata import allotted

TIMES = 40


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run in a folder with a log and files beside it; gives the exit code and both streams."""
    monkeypatch.chdir(tmp_path)
    log = as_table(random_rows(3, users=60, items=30, most=20, times=TIMES))
    log = log.append_column("event", pa.array(["buy" if row % 3 else "view" for row in range(log.num_rows)]))
    pacsv.write_csv(log, "log.csv")
    items = sorted(set(log["item"].to_pylist()))
    pacsv.write_csv(pa.table({"item": items, "kind": ["ab"[item % 2] for item in items]}), "catalog.csv")
    pacsv.write_csv(log.slice(0, 50).select(["user", "item"]), "weak.csv")

    def with_words(line):
        code = guarded(lambda: invoke(shlex.split(line)))
        return code, *capsys.readouterr()

    return with_words


def write(run, line, target, summary="told.json"):
    command, _, rest = line.partition(" ")
    code, _, err = run(f"{command} log.csv {target} {rest} --summary {summary} --quiet")
    assert (code, err) == (0, "")


def checks(run, line, code=0):
    """Name, status, count and note of each check."""
    found, out, err = run(f"verify --log log.csv --json {line}")
    assert (found, err) == (code, ""), out + err
    return [
        {name: check[name] for name in ("check", "status", "count", "note")}
        for file in json.loads(out)["files"]
        for check in file["checks"]
    ]


RUNS = {
    "valid": ("test --fold valid --num-neg 5", ""),
    "few positives": ("test --min-positives 5 --num-neg 5", ""),
    "core": ("train --core 4 --holdout last", ""),
    "same": ("train --items catalog.csv --same kind --distinct --num-neg 6", "--items catalog.csv"),
    "there at the time": ("train --available-at-time --holdout last:2 --distinct", ""),
    "epochs": ("train --epochs 3 --holdout random --with-valid --shuffle", ""),
    "pairs": ("train --layout pairwise --bootstrap 900 --holdout last", ""),
    "levels": ("train --layout pairwise --positive buy --levels 0.4,0.3", ""),
    "mixture": ("train --positive buy --sampler uniform:0.5 --sampler weak:0.5 --layout listwise", ""),
    "weak pairs": ("train --positive buy --weak weak.csv --sampler weak", "--weak weak.csv"),
    "first times": (f"test --keep-time first --holdout after:{TIMES // 2} --num-neg 30", ""),
    "dropped": ("train --num-neg 25 --distinct --on-short drop --holdout fraction:0.2", ""),
    "popular": ("train --sampler popularity --alpha 0.3 --with-log-q --encode", ""),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_summary_makes_of_a_text_what_metadata_make_of_parquet(run, name):
    line, beside = RUNS[name]
    for target in ("o.csv.gz", "o.parquet"):
        write(run, line, target)
    of_text = checks(run, f"o.csv.gz --made-by told.json {beside}")
    shutil.copy("told.json", "other.json")
    assert of_text == checks(run, f"o.parquet {beside}")
    assert {check["check"]: check["status"] for check in of_text}[results.METADATA] == "passed"
    said = json.loads(Path("told.json").read_text())
    assert said["metadata"] == json.loads(pq.read_schema("o.parquet").metadata[b"negprep"])


def test_faults_are_found_by_what_it_says(run):
    write(run, "train --holdout last --core 3", "o.csv")
    head, *rows = Path("o.csv").read_text().splitlines(keepends=True)
    user, *_ = rows[0].split(",")
    place = next(place for place, row in enumerate(rows) if row.split(",")[0] != user)
    Path("o.csv").write_text("".join([head, *rows[place:]]))
    failed = {check["check"] for check in checks(run, "o.csv --made-by told.json", 1) if check["status"] == "failed"}
    assert failed == {results.METADATA, results.ABSENT}
    write(run, "train --holdout last --core 3", "o.csv")
    text = Path("told.json").read_text()
    Path("told.json").write_text(text.replace('"core": 3', '"core": null'))
    failed = {check["check"] for check in checks(run, "o.csv --made-by told.json", 1) if check["status"] == "failed"}
    assert results.ABSENT in failed


def test_each_file_gets_the_summary_of_its_name_wherever_it_is(run):
    write(run, "train --holdout last --layout pairwise", "train.csv", "a.json")
    write(run, "test --num-neg 4", "test.tsv", "b.json")
    write(run, "train --holdout last", "train.parquet", "c.json")
    Path("kept").mkdir()
    shutil.move("train.csv", "kept/train.csv")
    found = run("verify kept/train.csv test.tsv train.parquet --log log.csv --quiet --made-by b.json --made-by a.json")
    assert found == (0, "", "")
    shutil.move("test.tsv", "kept/renamed")
    assert run("verify kept/renamed --log log.csv --quiet --made-by b.json") == (0, "", "")


def test_files_of_a_folder_are_known_by_it_and_those_of_a_name_by_their_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    facts = {"command": "test", "layout": "pointwise", "counts": {}}
    for place, output in {"a": "x/shop/", "b": "x/o.csv", "c": "y/o.csv", "d": "-"}.items():
        said = {"command": "test", "version": __version__, "output": output, "metadata": facts}
        Path(place).write_text(json.dumps(said))
    told = allotted(["z/shop.test.rating", "shop/train.txt", "q/shop"], ["a"])
    assert {file: each.place for file, each in told.items()} == dict.fromkeys(told, "a")
    assert len(told) == 3
    told = allotted(["y/o.csv", "x/o.csv", "other"], ["b", "c"])
    assert {file: each.place for file, each in told.items()} == {"y/o.csv": "c", "x/o.csv": "b"}
    assert allotted(["any.csv", "any.csv"], ["d"])["any.csv"].place == "d"
    for files, summaries, message in (
        (["z/o.csv", "p.csv"], ["b", "c"], "z/o.csv: the summaries b and c were both written"),
        (["z/o.csv", "y/o.csv"], ["b"], "b: z/o.csv and y/o.csv are both named as the output"),
        (["p.csv", "o.csv"], ["d"], "d: no FILE is that has gone to standard output"),
        (["o.csv", "p.csv"], ["a"], "a: no FILE is named shop, which"),
    ):
        with pytest.raises(UsageError) as caught:
            allotted(files, summaries)
        assert str(caught.value).startswith(message)


def changed(**keys):
    """A summary of the file with other keys; None leaves one out."""
    said = json.loads(Path("told.json").read_text()) | keys
    Path("x.json").write_text(json.dumps({name: value for name, value in said.items() if value is not None}))


BAD = {
    "no JSON": (lambda: Path("x.json").write_text("user,item\n"), 3, "x.json: not a summary: it is not JSON"),
    "an empty file": (lambda: Path("x.json").write_text(""), 3, "not a summary: it is not JSON"),
    "not UTF-8": (lambda: Path("x.json").write_bytes(b'{"a": "\xff"}'), 3, "not a summary: it is not JSON"),
    "very deep": (lambda: Path("x.json").write_text("[" * 100_000), 3, "not a summary: it is not JSON"),
    "a list": (lambda: Path("x.json").write_text("[1]"), 3, "JSON, but not what --summary writes"),
    "something else": (lambda: Path("x.json").write_text('{"files": []}'), 3, "JSON, but not what --summary writes"),
    "fit": (lambda: changed(command="fit"), 3, "the summary of a run of fit, which writes no rows"),
    "a newer version": (lambda: changed(version="99.0"), 3, "of negprep 99.0, and this is"),
    "an older version": (lambda: changed(metadata=None), 3, "without the key 'metadata'"),
    "no output": (lambda: changed(output=None), 3, "not a summary as --summary writes it"),
    "an output that is none": (lambda: changed(output=["o.csv"]), 3, "not a summary as --summary writes it"),
    "empty metadata": (lambda: changed(metadata={}), 3, "not a summary as --summary writes it"),
    "metadata of another": (lambda: changed(command="test"), 3, "not a summary as --summary writes it"),
    "half of the metadata": (
        lambda: changed(metadata={"command": "train", "layout": "pointwise", "counts": {}}),
        3,
        "x.json: the metadata 'negprep' is not what negprep writes",
    ),
    "a large file": (lambda: os.truncate("x.json", 1 << 25), 3, "too large to be a summary"),
    "a missing file": (lambda: Path("x.json").unlink(), 4, "no such file"),
    "a folder": (lambda: (Path("x.json").unlink(), Path("x.json").mkdir()), 4, "x.json"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_summaries_are_refused_in_one_line(run, name):
    write(run, "train", "o.csv")
    Path("x.json").touch()
    spoil, code, message = BAD[name]
    spoil()
    found, out, err = run("verify o.csv --log log.csv --made-by x.json")
    assert (found, out, err.count("\n"), message in err) == (code, "", 1, True), err
    if name != "half of the metadata":
        found, out, err = run("report o.csv o.html --made-by x.json")
        assert (found, out, err.count("\n"), message in err) == (code, "", 1, True), err


REFUSED = {
    "says itself": ("o.parquet --made-by p.json", "has metadata of its own, the same as p.json; leave"),
    "says something else": (
        "o.parquet --made-by told.json",
        "with another 'num_neg' than told.json (4, and there 3); leave the summary out: it is of another run",
    ),
    "twice": ("o.csv --made-by told.json --made-by ./told.json", "told.json: this summary is given twice"),
    "needed by none": ("o.csv --made-by told.json --made-by q.json", "q.json: no FILE is named q.csv, which"),
    "which of them": ("q.csv r.csv --made-by told.json", "no FILE is named o.csv, which this summary was written with"),
    "standard input": ("o.csv --made-by -", "--made-by is '-'; give the file"),
    "an empty name": ("o.csv --made-by ''", "a file name is empty"),
    "another part": ("--test o.csv --made-by told.json", "given as --test, but its metadata say train"),
    "an option in vain": (
        "o.csv --made-by told.json --num-neg 3",
        "--num-neg, which the metadata of the files specify",
    ),
    "another layout": ("pairs.csv --made-by told.json", "pairwise rows, and told.json says pointwise"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_summary_in_the_wrong_place_is_refused(run, name):
    write(run, "train --num-neg 3", "o.csv")
    write(run, "train", "o.parquet", "p.json")
    write(run, "train", "q.csv", "q.json")
    write(run, "train --layout pairwise", "pairs.csv", "r.json")
    shutil.copy("q.csv", "r.csv")
    line, message = REFUSED[name]
    code, out, err = run(f"verify --log log.csv {line}")
    assert (out, err.count("\n"), message in err) == ("", 1, True), err
    assert code == (3 if name == "another layout" else 2)


def test_a_report_is_told_too(run):
    write(run, "train --holdout last --min-positives 5", "o.csv")
    write(run, "test --min-positives 5 --num-neg 5", "p.csv", "p.json")
    line = "report o.csv p.csv o.html --made-by told.json --made-by p.json"
    code, out, err = run(f"{line} --log log.csv")
    assert (code, out, err) == (0, "", "negprep report: o.csv, p.csv -> o.html: no check failed\n")
    assert "min positives" in Path("o.html").read_text()
    assert run(f"{line} --quiet") == (0, "", "")
    shutil.copy("told.json", "told.html")
    code, _, err = run("report o.csv told.html --made-by told.html")
    assert (code, "told.html" in err, json.loads(Path("told.html").read_text())["output"]) == (2, True, "o.csv")


def test_functions_are_told_too(run):
    write(run, "train --holdout last --core 4", "o.csv")
    found = negprep.verify("o.csv", "log.csv", made_by="told.json")
    assert ([check for check in found.checks if check.status == "failed"], found.files[0].part) == ([], "train")
    assert not negprep.report("o.csv", "o.html", log="log.csv", made_by=["told.json"]).failed
    with pytest.raises(UsageError, match="--made-by is '-'"):
        negprep.verify("o.csv", "log.csv", made_by="-")
