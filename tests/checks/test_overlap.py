"""An overlap of train and test is the first thing that verify and report say."""

from __future__ import annotations

import json
import re

import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from logs import as_table, random_rows

import negprep
from negprep.checks import results
from negprep.checks.verify import verify
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke

LOG = as_table(random_rows(5, users=300, items=150, most=20, times=10**6, duplicates=0))


def heads(path):
    rows = pq.read_table(path).to_pylist()
    return {(row["user"], row["item"]) for row in rows if row["label"] == 1}


@pytest.fixture
def leaking(tmp_path):
    """A train file of all positives, and test candidates of the same log, with the number of holdouts in both."""
    pacsv.write_csv(LOG, tmp_path / "log.csv")
    negprep.train(LOG, tmp_path / "train.parquet", holdout="none")
    negprep.test(LOG, tmp_path / "test.parquet", holdout="last", num_neg=9)
    return tmp_path, len(heads(tmp_path / "train.parquet") & heads(tmp_path / "test.parquet"))


def run(*words):
    return guarded(lambda: invoke([*map(str, words)]))


def test_the_first_line_says_how_many_held_out_items_are_trained_on(leaking, capsys):
    folder, count = leaking
    train, test = folder / "train.parquet", folder / "test.parquet"
    said = f"train/test overlap: {count} of {count} held-out items of {test} are positives in {train}"
    for files in ((train, test), (test, train)):
        for more in ((), ("--quiet",)):
            assert run("verify", *files, "--log", folder / "log.csv", *more) == 1
            assert capsys.readouterr().out.splitlines()[0] == f"{said}: FAILED"
    assert run("verify", train, test, "--log", folder / "log.csv", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["overlaps"] == [
        {"parts": ["train", "test"], "files": [str(train), str(test)], "count": count, "held_out": count}
    ]
    assert {check["check"] for check in found["across"] if check["status"] == "failed"} == {results.LEAK}


def test_some_of_the_holdouts_are_counted_in_ranges_too(tmp_path):
    negprep.train(LOG, tmp_path / "train.parquet", holdout="random", split_seed=1)
    negprep.test(LOG, tmp_path / "test.parquet", holdout="random", split_seed=2, num_neg=5)
    train, test = heads(tmp_path / "train.parquet"), heads(tmp_path / "test.parquet")
    files = [(str(tmp_path / f"{part}.parquet"), None) for part in ("train", "test")]
    for memory in (None, 1):
        (overlap,) = verify(files, LOG, memory=memory).overlaps
        assert (overlap.count, overlap.held_out) == (len(train & test), len(test))
        assert 0 < overlap.count < overlap.held_out


def test_nothing_is_said_where_nothing_overlaps_or_there_is_one_file(tmp_path, capsys):
    pacsv.write_csv(LOG, tmp_path / "log.csv")
    for part in ("train", "test"):
        getattr(negprep, part)(LOG, tmp_path / f"{part}.parquet", holdout="last")
    files = [tmp_path / "train.parquet", tmp_path / "test.parquet"]
    for given in (files, files[:1], files[1:]):
        assert run("verify", *given, "--log", tmp_path / "log.csv") == 0
        assert "overlap" not in capsys.readouterr().out


def lines_of_page(path):
    """The text of the page, line by line, but for the link that skips to the content."""
    body = path.read_text().partition("<body>")[2]
    text = re.sub(r"<[^>]*>", "", re.sub(r"</(p|h1|div|dt|dd|li|tr|a)>", "\n", body))
    return [line.strip() for line in text.splitlines() if line.strip()][1:]


@pytest.mark.parametrize("with_log", [True, False])
def test_the_page_says_it_first(leaking, capsys, with_log):
    folder, count = leaking
    page = folder / "page.html"
    more = ("--log", folder / "log.csv") if with_log else ()
    assert run("report", folder / "test.parquet", folder / "train.parquet", page, *more) == 0
    said = f"train/test overlap: {count} of {count} held-out items of"
    assert lines_of_page(page)[0] == f"Failed {said} test.parquet are positives in train.parquet"
    assert capsys.readouterr().err.startswith(f"negprep report: {said} {folder}/test.parquet")


def test_a_page_without_an_overlap_says_nothing_of_it(tmp_path):
    for part in ("train", "test"):
        getattr(negprep, part)(LOG, tmp_path / f"{part}.parquet", holdout="last")
    files = [tmp_path / "train.parquet", tmp_path / "test.parquet"]
    negprep.report(files, tmp_path / "page.html")
    assert "overlap:" not in (tmp_path / "page.html").read_text()


def test_files_of_others_overlap_without_a_word_of_metadata(tmp_path, capsys):
    (tmp_path / "log.csv").write_text("user,item\n1,10\n1,11\n2,12\n2,13\n3,14\n3,10\n")
    (tmp_path / "x.train.rating").write_text("1\t10\n2\t12\n2\t13\n3\t14\n")
    (tmp_path / "x.test.negative").write_text("(1,11)\t12\t13\n(2,13)\t10\t11\n(3,10)\t11\t12\n")
    files = [tmp_path / "x.train.rating", tmp_path / "x.test.negative"]
    assert run("verify", *files, "--log", tmp_path / "log.csv") == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"train/test overlap: 1 of 3 held-out items of {files[1]} are positives in {files[0]}: FAILED"
