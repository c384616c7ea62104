"""The summary file: whole or absent, and refused before any work where it cannot be written."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from negprep.cli.summary_file import write_summary


def test_it_holds_the_facts(line, tmp_path):
    path = tmp_path / "facts.json"
    assert line.run("train", "a", "b", "--summary", str(path)) == 0
    assert json.loads(path.read_text()) == line.summary.as_dict()
    assert list(tmp_path.iterdir()) == [path]


def test_a_dash_is_standard_output(line, capsys):
    assert line.run("train", "a", "b", "--summary", "-", "--quiet") == 0
    assert json.loads(capsys.readouterr().out) == line.summary.as_dict()


def test_its_mode_follows_the_umask(line, tmp_path):
    before = os.umask(0o027)
    try:
        write_summary(str(tmp_path / "facts.json"), line.summary)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "facts.json").stat().st_mode) == 0o640


def test_a_link_stays_a_link(line, tmp_path):
    (tmp_path / "link.json").symlink_to(tmp_path / "facts.json")
    write_summary(str(tmp_path / "link.json"), line.summary)
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
    message = f"{path}: the summary could not be written: No space left on device; the output itself is complete"
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
