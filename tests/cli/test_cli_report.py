"""``negprep report`` on the command line: what it refuses, what it says, and that its page is whole or absent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import negprep
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke

LOG = "user,item,time\nann,milk,1\nann,tea,2\nann,corn,3\nbob,milk,1\nbob,corn,2\ncho,lime,1\n"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run in a folder with a log, its train and test files, and others; gives the exit code and standard error."""
    monkeypatch.chdir(tmp_path)
    Path("log.csv").write_text(LOG)
    negprep.test("log.csv", "test.parquet", num_neg=2)
    negprep.train("log.csv", "train.parquet", num_neg=2, holdout="last")
    Path("empty.csv").touch()
    Path("header.csv").write_text("user,item,label\n")
    Path("notes.txt").write_text("some words\nand more\n")
    Path("foreign.csv").write_text("user,item,label\nann,milk,0\nann,corn,1\nbob,corn,1\nbob,lime,0\n")

    def with_words(line):
        code = guarded(lambda: invoke(["report", *line.split()]))
        captured = capsys.readouterr()
        assert captured.out == ""
        return code, captured.err.strip()

    return with_words


def test_a_page_is_written(run):
    assert run("train.parquet test.parquet page.html") == (
        0,
        "negprep report: train.parquet, test.parquet -> page.html",
    )
    assert Path("page.html").read_text().startswith("<!DOCTYPE html>")
    assert run("test.parquet page.HTM --log log.csv") == (
        0,
        "negprep report: test.parquet -> page.HTM: no check failed",
    )
    assert run("test.parquet page.html --quiet") == (0, "")
    assert [path for path in Path().iterdir() if path.name.startswith(".")] == []


def test_failed_checks_are_said(run):
    code, told = run("--test foreign.csv page.html --log log.csv --num-neg 1")
    assert code == 0
    assert told == "negprep report: foreign.csv -> page.html: 1 check failed"
    assert "line 2: user 'ann', item 'milk'" in Path("page.html").read_text().replace("&#39;", "'")


REFUSED = {
    "": (2, "OUTPUT.html"),
    "page.html": (2, "no file to check"),
    "test.parquet train.parquet": (2, "train.parquet: a report is a page of HTML"),
    "test.parquet page": (2, "page: a report is a page of HTML"),
    "test.parquet page.html/": (2, "page.html/: a report is a page of HTML"),
    "test.parquet test.parquet page.html": (2, "test.parquet: is named twice"),
    "test.parquet ./test.parquet page.html": (2, "./test.parquet: is named twice"),
    "absent.parquet page.html": (4, "absent.parquet"),
    "log.csv page.html": (3, "not a prepared file"),
    "notes.txt page.html": (3, "notes.txt"),
    "empty.csv page.html": (3, "empty.csv"),
    "header.csv page.html": (3, "header.csv: no rows"),
    "- page.html": (2, "is '-', and a report reads its files more than once"),
    "test.parquet page.html --log -": (2, "is '-', and a report reads its files more than once"),
    "test.parquet absent/page.html": (4, "there is no folder"),
    "test.parquet page.html --user-col who": (2, "--user-col without --log"),
    "test.parquet page.html --positive >=4": (2, "--positive without --log"),
    "test.parquet page.html --log log.csv --holdout last": (2, "--holdout, which the metadata of the files specify"),
    "test.parquet page.html --quiet --progress": (2, "contradict each other"),
    "test.parquet page.html --log absent.csv": (4, "absent.csv"),
}


@pytest.mark.parametrize("line", REFUSED)
def test_bad_words_are_refused(run, line):
    code, words = REFUSED[line]
    found, told = run(line)
    assert found == code
    assert words in told
    assert told.count("\n") == 0
    assert not any(path.suffix == ".html" for path in Path().iterdir())


@pytest.mark.parametrize("form", ["ncf", "recbole", "lightgcn"])
def test_a_folder_for_another_program_is_taken_apart(run, form):
    """As `negprep verify` does it: each of its files has a section."""
    negprep.test("log.csv", "folder/", to=form, num_neg=2, holdout="last", encode=form != "recbole")
    assert run("folder/ page.html --log log.csv") == (0, "negprep report: folder/ -> page.html: no check failed")
    page = Path("page.html").read_text()
    files = [
        path.name for path in Path("folder").iterdir() if path.suffix in (".rating", ".negative", ".inter", ".txt")
    ]
    assert len(files) > 1
    assert page.count("<section") >= len(files)
    assert all(f">{name}<" in page for name in files)
    inside = f"folder/{files[0]}"
    assert run(f"folder/ {inside} page.html") == (2, f"negprep: {inside}: is named twice; name each file once")


def test_an_input_is_not_overwritten(run):
    os.link("test.parquet", "linked.html")
    before = Path("linked.html").read_bytes()
    code, told = run("test.parquet linked.html")
    assert (code, Path("linked.html").read_bytes()) == (2, before)
    assert "linked.html: is the input test.parquet" in told
    Path("log.html").symlink_to("log.csv")
    code, told = run("test.parquet log.html --log log.csv")
    assert (code, Path("log.csv").read_text()) == (2, LOG)


def test_a_failed_run_leaves_the_earlier_page(run):
    Path("page.html").write_text("earlier")
    data = Path("test.parquet").read_bytes()
    Path("cut.parquet").write_bytes(data[:40] + bytes(100) + data[140:])
    code, _ = run("cut.parquet page.html")
    assert code == 3
    assert Path("page.html").read_text() == "earlier"


def test_a_full_disk_leaves_nothing(run):
    """A limit on the size of files stands in for it."""
    line = f'ulimit -f 8; exec "{sys.executable}" -m negprep report test.parquet page.html'
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.returncode == 4
    assert done.stderr.startswith("negprep: page.html: cannot be written: File too large")
    assert [path.name for path in Path().iterdir() if "html" in path.name] == []


def test_the_mode_of_a_page_is_kept(run):
    Path("page.html").touch(0o640)
    Path("page.html").chmod(0o640)
    assert run("test.parquet page.html")[0] == 0
    assert Path("page.html").stat().st_mode & 0o777 == 0o640


def test_the_extra_is_asked_for_in_one_line(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert run("test.parquet page.html") == (
        2,
        "negprep: a report needs Jinja2, which is not installed; pip install 'negprep[report]'",
    )
    assert not Path("page.html").exists()


def test_neither_pandas_nor_datasets_are_imported(run):
    script = (
        "import sys; from negprep.cli.main import outcome\n"
        "sys.argv = 'negprep report train.parquet test.parquet page.html --log log.csv --quiet'.split()\n"
        "print(outcome(), [n for n in ('pandas', 'pyarrow.dataset') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0 []\n", "")
