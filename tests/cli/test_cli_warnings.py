"""Warnings: seen whatever is asked for, and errors with --strict, before anything is written."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke

CUT = "log.csv: no newline at the end of the file; the last line may be cut (--expect-rows N checks)"
RANDOM = (
    "the log has no times: each user's holdout is random (--time-col NAME if a column is the time, --holdout random if "
    "that is meant)"
)
REMEDY = "mend it, or leave out --strict, which makes a warning an error"
ROWS = "user,item,event\n1,10,buy\n1,11,buy\n1,12,view\n2,10,buy\n2,12,buy\n3,11,view\n3,13,buy"


def run(*words):
    return guarded(lambda: invoke([str(word) for word in words]))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A log that was perhaps cut, and has no times."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.csv").write_text(ROWS)
    return tmp_path


@pytest.fixture
def prepared(folder):
    """Files made of the whole log, which is cut now."""
    (folder / "log.csv").write_text(f"{ROWS}\n")
    for command in ("train", "test"):
        assert run(command, "log.csv", f"{command}.parquet", "--holdout", "random", "--num-neg", 1, "--quiet") == 0
    (folder / "log.csv").write_text(ROWS)
    return folder


def lines(command, *warnings):
    return "".join(f"negprep {command}: warning: {warning}\n" for warning in warnings)


RUNS = {
    "train": ("train", "log.csv", "out.parquet"),
    "test": ("test", "log.csv", "out.parquet"),
    "fit": ("fit", "log.csv", "out.npz", "--kind", "rns", "--positive", "buy", "--epochs", 1, "--factors", 4),
}


@pytest.mark.parametrize("command", RUNS)
def test_quiet_leaves_the_warnings(folder, capsys, command):
    assert run(*RUNS[command], "--quiet") == 0
    assert capsys.readouterr() == ("", lines(command, CUT, RANDOM))
    assert run(*RUNS[command]) == 0
    assert capsys.readouterr().err.endswith(f"  warning: {CUT}\n  warning: {RANDOM}\n")


@pytest.mark.parametrize("command", RUNS)
@pytest.mark.parametrize("earlier", [False, True])
def test_strict_makes_them_errors(folder, capsys, command, earlier):
    out = folder / RUNS[command][2]
    if earlier:
        out.write_text("earlier")
    assert run(*RUNS[command], "--strict") == 3
    assert capsys.readouterr().err == f"negprep: 2 warnings: (1) {CUT}; (2) {RANDOM}; {REMEDY}\n"
    assert sorted(path.name for path in folder.iterdir()) == sorted(["log.csv", *([out.name] if earlier else [])])
    assert not earlier or out.read_text() == "earlier"
    (folder / "log.csv").write_text(f"{ROWS}\n")
    assert run(*RUNS[command], "--strict", "--holdout", "random", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("target", ["out.parquet", "out/", "out.csv"])
def test_a_warning_that_comes_late_is_in_time(folder, capsys, target):
    """That nothing is held out is known only when all rows are made."""
    (folder / "log.csv").write_text("user,item\n1,10\n2,11\n")
    words = ("train", "log.csv", target, "--holdout", "random", "--summary", "facts.json", "--quiet")
    assert run(*words, "--strict") == 3
    assert capsys.readouterr().err == f"negprep: --holdout random holds nothing out of this log; {REMEDY}\n"
    assert [path.name for path in folder.iterdir()] == ["log.csv"]
    assert run(*words) == 0
    assert json.loads((folder / "facts.json").read_text())["warnings"] == [
        "--holdout random holds nothing out of this log"
    ]


def test_a_pipe_gets_nothing_where_the_reading_warns(folder, capfd):
    assert run("train", "log.csv", "-", "--to", "csv", "--quiet", "--strict") == 3
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "out.parts/"])
def test_a_name_that_fits(folder, capsys, name):
    (folder / "log.csv").write_text(f"{ROWS}\n")
    assert run("train", "log.csv", name, "--holdout", "random", "--strict", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_inspect_prints_them_and_is_strict_afterwards(folder, capsys):
    assert run("inspect", "log.csv") == 0
    printed, told = capsys.readouterr()
    assert f"  warning: {CUT}\n" in printed
    assert f"  warning: {RANDOM}\n" in printed
    assert told == ""
    assert run("inspect", "log.csv", "--strict") == 3
    again, told = capsys.readouterr()
    assert again.count("  warning: ") == printed.count("  warning: ")
    assert told.startswith(f"negprep: {printed.count('  warning: ')} warnings: (1) ")
    assert f") {CUT}; (" in told
    assert run("inspect", "log.csv", "--strict", "--json") == 3
    assert RANDOM in json.loads(capsys.readouterr().out)["warnings"]


def test_verify_warns_of_how_the_log_is_written(prepared, capsys):
    words = ("verify", "train.parquet", "test.parquet", "--log", "log.csv")
    assert run(*words, "--quiet") == 0
    assert capsys.readouterr() == ("", lines("verify", CUT))
    assert run(*words, "--json") == 0
    printed, told = capsys.readouterr()
    assert (json.loads(printed)["warnings"], told) == ([CUT], lines("verify", CUT))
    assert run(*words, "--strict", "--quiet") == 3
    assert capsys.readouterr().err == f"{lines('verify', CUT)}negprep: {CUT}; {REMEDY}\n"


def test_verify_warns_of_how_a_file_is_written(prepared, capsys):
    (prepared / "log.csv").write_text(f"{ROWS}\n")
    (prepared / "mine.csv").write_text("user,item,label\n1,10,1\n1,13,0")
    assert run("verify", "--test", "mine.csv", "--log", "log.csv", "--quiet") == 0
    assert capsys.readouterr().err == lines("verify", CUT.replace("log.csv", "mine.csv"))


def test_verify_a_fault_is_a_fault_strict_or_not(prepared, capsys):
    (prepared / "mine.csv").write_text("user,item,label\n1,10,1\n1,11,0\n")
    assert run("verify", "--test", "mine.csv", "--log", "log.csv", "--quiet", "--strict") == 1
    assert capsys.readouterr().err == lines("verify", CUT)


def test_report_warns_and_is_strict(prepared, capsys):
    words = ("report", "train.parquet", "page.html", "--log", "log.csv", "--quiet")
    assert run(*words, "--strict") == 3
    assert capsys.readouterr().err == f"negprep: {CUT}; {REMEDY}\n"
    assert not (prepared / "page.html").exists()
    assert run(*words) == 0
    assert capsys.readouterr() == ("", lines("report", CUT))
    assert (prepared / "page.html").exists()


def test_report_without_a_log_warns_of_its_files(prepared, capsys):
    (prepared / "mine.csv").write_text("user,item,label\n1,10,1\n1,13,0")
    told = CUT.replace("log.csv", "mine.csv")
    assert run("report", "--test", "mine.csv", "page.html", "--quiet", "--strict") == 3
    assert capsys.readouterr().err == f"negprep: {told}; {REMEDY}\n"
    assert run("report", "--test", "mine.csv", "page.html", "--quiet") == 0
    assert capsys.readouterr().err == lines("report", told)


def test_a_strict_report_takes_a_failed_check_for_an_error(prepared, capsys):
    (prepared / "log.csv").write_text(f"{ROWS}\n")
    (prepared / "mine.csv").write_text("user,item,label\n1,10,1\n1,11,0\n")
    words = ("report", "--test", "mine.csv", "page.html", "--log", "log.csv", "--quiet")
    assert run(*words, "--strict") == 3
    assert "no negative is a positive of its user: failed" in capsys.readouterr().err
    assert not (prepared / "page.html").exists()
    assert run(*words) == 0


SCORED = "user,item,label,score\n1,10,1,2\n1,11,0,1"


def test_evaluate_warns_and_is_strict(folder, capsys):
    (folder / "scored.csv").write_text(SCORED)
    told = CUT.replace("log.csv", "scored.csv")
    assert run("evaluate", "scored.csv", "--by-user", "users.parquet", "--strict") == 3
    assert capsys.readouterr() == ("", f"negprep: {told}; {REMEDY}\n")
    assert not (folder / "users.parquet").exists()
    assert run("evaluate", "scored.csv", "--by-user", "users.parquet") == 0
    assert capsys.readouterr().out.endswith(f"warning: {told}\n")
    assert run("evaluate", "scored.csv", "--json") == 0
    printed, shown = capsys.readouterr()
    assert (json.loads(printed)["warnings"], shown) == ([told], lines("evaluate", told))


def test_evaluate_warns_of_both_files(folder, capsys):
    (folder / "test.csv").write_text("user,item,label\n1,10,1\n1,11,0")
    (folder / "scores.csv").write_text("user,item,score\n1,10,2\n1,11,1")
    assert run("evaluate", "scores.csv", "--test", "test.csv", "--json") == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == [
        CUT.replace("log.csv", name) for name in ("test.csv", "scores.csv")
    ]


CALLS = {
    "train": lambda **strict: negprep.train("log.csv", **strict),
    "train to a file": lambda **strict: negprep.train("log.csv", "out.parquet", **strict),
    "test": lambda **strict: negprep.test("log.csv", num_neg=1, **strict),
    "fit": lambda **strict: negprep.fit("log.csv", "out.npz", kind="rns", positive="buy", epochs=1, **strict),
    "inspect": lambda **strict: negprep.inspect("log.csv", **strict),
    "prepare": lambda **strict: negprep.prepare("log.csv", "out.parquet", negprep.Options(command="train", **strict)),
    "verify": lambda **strict: negprep.verify("train.parquet", "log.csv", **strict),
    "report": lambda **strict: negprep.report("train.parquet", "page.html", log="log.csv", **strict),
    "evaluate": lambda **strict: negprep.evaluate("scored.csv", resamples=0, **strict),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_functions_are_strict_if_asked(prepared, name):
    (prepared / "scored.csv").write_text(SCORED)
    with pytest.raises(negprep.BadDataError, match=r"no newline at the end of the file.*--strict"):
        CALLS[name](strict=True)
    assert not any((prepared / written).exists() for written in ("out.parquet", "out.npz", "page.html"))
    with pytest.raises(negprep.UsageError, match="strict is 1; give True or False"):
        CALLS[name](strict=1)


@pytest.mark.parametrize("name", sorted(set(CALLS) - {"train", "train to a file", "test"}))
def test_what_has_a_place_for_warnings_holds_them(prepared, name):
    (prepared / "scored.csv").write_text(SCORED)
    found = CALLS[name]()
    assert any("no newline at the end" in warning for warning in found.warnings)


@pytest.mark.parametrize("name", ["train", "train to a file", "test"])
def test_what_has_none_issues_them(folder, name):
    with pytest.warns(negprep.NegprepWarning) as caught:
        CALLS[name]()
    assert [str(each.message) for each in caught] == [CUT, RANDOM]
    assert {each.filename for each in caught} == {__file__}


def test_a_report_without_a_log_issues_them(prepared):
    (prepared / "mine.csv").write_text("user,item,label\n1,10,1\n1,13,0")
    with pytest.warns(negprep.NegprepWarning, match=r"mine\.csv: no newline"):
        assert negprep.report([], "page.html", test="mine.csv") is None


def test_strict_does_not_change_the_output(tmp_path):
    log = pa.table({"user": [1, 1, 2, 2], "item": [10, 11, 12, 13], "time": [1, 2, 3, 4]})
    files = [negprep.train(log, tmp_path / f"{strict}.parquet", strict=strict) for strict in (False, True)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert pq.read_table(files[0]).num_rows == 10
