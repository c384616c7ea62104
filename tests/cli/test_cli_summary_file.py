"""The summary file: whole or absent, and refused before any work where it cannot be written."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest


def test_it_holds_the_facts(line, tmp_path):
    path = tmp_path / "facts.json"
    assert line.run("train", "a", "b", "--summary", str(path)) == 0
    assert json.loads(path.read_text()) == line.summary.as_dict()
    assert list(tmp_path.iterdir()) == [path]


def test_a_dash_is_standard_output(line, capfd):
    assert line.run("train", "a", "b", "--summary", "-", "--quiet") == 0
    assert json.loads(capfd.readouterr().out) == line.summary.as_dict()


def test_its_mode_follows_the_umask(line, tmp_path):
    before = os.umask(0o027)
    try:
        assert line.run("train", "a", "b", "--summary", str(tmp_path / "facts.json")) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "facts.json").stat().st_mode) == 0o640


def test_a_link_stays_a_link(line, tmp_path):
    (tmp_path / "link.json").symlink_to(tmp_path / "facts.json")
    assert line.run("train", "a", "b", "--summary", str(tmp_path / "link.json")) == 0
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "facts.json").read_text()) == line.summary.as_dict()


def test_a_device_is_written_to_and_not_replaced(line):
    assert line.run("train", "a", "b", "--summary", "/dev/null") == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize("call", ["fsync", "fchmod", "replace"])
def test_a_failure_leaves_the_earlier_file(line, tmp_path, monkeypatch, capsys, call):
    path = tmp_path / "facts.json"
    path.write_text("earlier")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace" if call == "replace" else f"os.{call}", fail)
    assert line.run("train", "a", "b", "--summary", str(path)) == 4
    message = f"{path}: cannot be written: No space left on device; free some space, or give --summary another place"
    assert capsys.readouterr().err == f"negprep: {message}\n"
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("source", "target", "summary", "code", "message"),
    [
        ("a", "b", "missing/facts.json", 4, "no such folder; make it, or give --summary another place"),
        ("a", "b", ".", 4, "a folder, where --summary needs a file; name a file in it"),
        ("a", "b", "./b", 2, "--summary and OUTPUT are one file, ./b; give another name"),
        ("a", "b", "a", 2, "--summary and INPUT are one file, a; give another name"),
        ("a", "b", "", 2, "--summary is empty"),
    ],
)
def test_a_bad_place_is_refused_before_any_work(
    line, tmp_path, monkeypatch, capsys, source, target, summary, code, message
):
    monkeypatch.chdir(tmp_path)
    assert line.run("train", source, target, "--summary", summary) == code
    assert message in capsys.readouterr().err
    assert line.asked is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_refused_before_any_work(line, tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert line.run("train", "a", "b", "--summary", str(tmp_path / "facts.json")) == 4
    assert "the folder is read-only; give --summary another place" in capsys.readouterr().err
    assert line.asked is None


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Two folders of parts, files, and links of both kinds to them."""
    monkeypatch.chdir(tmp_path)
    for name in ("logs/a.csv", "logs/deep/b.csv", "other/c.txt", "log.csv", "items.csv", "out.parquet", "old/part-0"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    for name in ("logs/a.csv", "logs/deep/b.csv", "log.csv", "items.csv", "out.parquet"):
        flat = name.replace("/", "-")
        (tmp_path / f"soft-{flat}").symlink_to(tmp_path / name)
        (tmp_path / f"hard-{flat}").hardlink_to(tmp_path / name)
    (tmp_path / "soft-logs").symlink_to(tmp_path / "logs")
    return tmp_path


def held(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("words", "summary"),
    [
        *(("log.csv out.parquet", f"{link}log.csv") for link in ("", "soft-", "hard-", "./logs/../")),
        *(("log.csv out.parquet", f"{link}out.parquet") for link in ("soft-", "hard-")),
        *(
            (f"{source} out.parquet", summary)
            for source in ("logs", "logs/", "soft-logs", "log[s]", "lo*s")
            for summary in (
                "logs/a.csv",
                "logs/deep/b.csv",
                "soft-logs/new.json",
                "soft-logs-a.csv",
                "hard-logs-deep-b.csv",
            )
        ),
        *((f"{source} out.parquet", "logs/a.csv") for source in ("logs/*.csv", "logs/**", "**/*.csv", "*/a.csv")),
        *((f"{source} out.parquet", "logs/new.csv") for source in ("logs/*.csv", "logs/**", "**/*.csv", "./*/*.csv")),
        ("logs/*.csv out.parquet", "hard-logs-a.csv"),
        ("**/*.csv out.parquet", "new.csv"),
        *(("log.csv out.parquet --items items.csv", f"{link}items.csv") for link in ("", "soft-", "hard-")),
        ("log.csv out.parquet --exclude items.csv", "hard-items.csv"),
        ("log.csv out.parquet --items logs", "logs/new.json"),
        ("log.csv out.parquet --encode", "out.users.parquet"),
        ("log.csv out.parquet --encode", "./out.items.parquet"),
        ("log.csv soft-out.parquet --encode", "out.items.parquet"),
        ("log.csv new/", "new/facts.json"),
        ("log.csv old/ --force", "old/part-0"),
        ("log.csv old/ --force", "old/_facts.json"),
    ],
)
def test_what_the_run_reads_or_writes_is_refused(line, places, capsys, words, summary):
    before = held(places)
    assert line.run("train", *words.split(), "--summary", summary) == 2
    assert capsys.readouterr().err.startswith("negprep: --summary ")
    assert line.asked is None
    assert held(places) == before


@pytest.mark.parametrize(
    ("words", "summary"),
    [
        ("log.csv out.parquet", "other/c.txt"),
        ("log.csv out.parquet", "logs/a.csv"),
        ("log.csv out.parquet", "out.users.parquet"),
        ("logs/*.csv out.parquet", "logs/facts.json"),
        ("logs/*.csv out.parquet", "logs/deep/facts.csv"),
        ("logs out.parquet", "logs.json"),
        ("log.csv new/", "new.json"),
        ("log.csv /dev/null", "facts.json"),
    ],
)
def test_what_lies_beside_is_written(line, places, words, summary):
    assert line.run("train", *words.split(), "--summary", summary, "--quiet") == 0
    assert json.loads((places / summary).read_text())["command"] == "train"


@pytest.mark.parametrize(
    ("words", "name"),
    [("- out.parquet <log.csv", "INPUT"), ("log.csv - >>log.csv", "OUTPUT"), ("- - <log.csv", "INPUT")],
)
def test_a_redirected_file_is_refused(places, words, name):
    command = f'"$0" -m negprep train {words.replace("log.csv -", "items.csv -")} --summary log.csv'
    done = subprocess.run(["sh", "-c", command, sys.executable], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == f"negprep: --summary and {name} are one file, log.csv; give another name\n"
    assert (places / "log.csv").read_text() == "log.csv"


@pytest.mark.parametrize(
    ("option", "sampler"),
    [("--weak", "weak"), ("--weights", "popularity"), ("--model", "hard"), ("--items", None), ("--exclude", None)],
)
def test_a_summary_over_a_file_that_the_run_reads_is_refused(line, tmp_path, capsys, option, sampler):
    log, read = tmp_path / "log.csv", tmp_path / "read.csv"
    log.write_text("user,item\n1,1\n1,2\n2,2\n2,3\n")
    read.write_text(text := "user,item,weight\n1,3,1\n")
    words = ["train", log, tmp_path / "out.parquet", option, read, "--summary", read]
    words += [] if sampler is None else ["--sampler", sampler]
    words += ["--pool", 4] if sampler == "hard" else []
    assert line.run(*map(str, words)) == 2
    assert f"--summary and {option} are one file, {read}; give another name\n" in capsys.readouterr().err
    assert read.read_text() == text
    assert line.asked is None
