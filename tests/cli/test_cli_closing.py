"""The closing summary: aligned, short, and only of what happened."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from negprep.cli.closing import closing_text
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke


def test_a_plain_run(facts):
    assert closing_text(facts, "log.csv", "train.parquet") == (
        "negprep train: log.csv -> train.parquet\n"
        "  columns       user from userId, item from movieId\n"
        "  rows read      60,012\n"
        "  users           1,000\n"
        "  items             600  640 in the catalog\n"
        "  positives      46,349\n"
        "  holdouts            0  none: every positive is in training\n"
        "  negatives     185,396  4 for each positive, avoiding the user's positives\n"
        "  rows written  231,745  seed 0, split seed 0\n"
        "  took          0.41 s, 123 MB of memory at its peak"
    )


def test_everything_that_can_happen(facts):
    facts = replace(
        facts,
        command="test",
        rows_dropped={"null user": 10, "null time": 1_200},
        weak=9,
        excluded_pairs=50,
        excluded_unknown=4,
        weak_unknown=0,
        holdout="last",
        holdouts=990,
        holdout_users=990,
        tied_holdouts=7,
        cold_holdouts=2,
        unheld_users=10,
        short_users=3,
        full_users=1,
        dropped_users=3,
        warnings=["the last line has no newline"],
    )
    text = closing_text(facts, "log.csv", "test.parquet")
    for line in (
        "  rows dropped     1,210  null user: 10, null time: 1,200",
        "  weak                 9  observed pairs that are not positives",
        "  excluded            50  more pairs; 4 of a user or item that occurs nowhere else",
        "  holdouts           990  last; 7 chosen by hash among the latest; 2 of an item without a train positive",
        "  not held out        10  users with too few positives",
        "  short users          3  with too few eligible items",
        "  full users           1  with no eligible item at all",
        "  dropped users        3  for being short (--on-short drop)",
        "  warning: the last line has no newline",
    ):
        assert line in text.splitlines()


def test_a_core(facts):
    text = closing_text(replace(facts, removed_users=12, removed_items=3, removed_positives=1_234), "a", "b")
    assert "  left out           12  users and 3 items with too few positives: 1,234 in all\n" in text


def test_a_cut(facts):
    facts = replace(
        facts, holdout="after:5", holdouts=9, holdout_users=4, cold_holdouts=2, cold_users=1, unheld_users=3
    )
    lines = closing_text(facts, "log.csv", "test.parquet").splitlines()
    assert "  holdouts            9  after:5; of 4 users; 2 of an item without a train positive" in lines
    assert "  cold users          1  with holdouts and without a train positive" in lines
    assert "  not held out        3  users with none that late" in lines


def test_a_column_named_as_its_role_is_said_once(facts):
    text = closing_text(replace(facts, columns={"user": "user", "item": "movieId"}), "a", "b")
    assert "  columns       user, item from movieId\n" in text


def test_names_from_the_data_cannot_move_the_cursor(facts):
    text = closing_text(replace(facts, columns={"user": "u\x1b[2J\nx"}), "a\rb", "out")
    assert "\x1b" not in text
    assert r"user from u\x1b[2J\nx" in text
    assert r"a\rb -> out" in text


def test_it_goes_to_stderr_unless_quiet(line, capsys):
    assert line.run("train", "a", "b") == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == closing_text(line.summary, "a", "b") + "\n"
    assert line.run("train", "a", "b", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_keys_in_paths_that_nothing_needs_are_named(tmp_path, capsys):
    for day in ("1", "2"):
        (tmp_path / f"log/day={day}").mkdir(parents=True)
        (tmp_path / f"log/day={day}/a.csv").write_text(f"user,item\n1,1{day}\n2,2{day}\n")
    summary = tmp_path / "s.json"
    names = (str(tmp_path / "log"), str(tmp_path / "out.parquet"))
    assert guarded(lambda: invoke(["train", *names, "--num-neg", "1", "--summary", str(summary)])) == 0
    assert re.search(r"\n  not used +day, named in the paths of the log\n", capsys.readouterr().err)
    assert json.loads(summary.read_text())["unused_keys"] == ["day"]


def test_a_fall_from_last_to_random_is_named(facts):
    facts = replace(facts, holdout="random", holdout_asked="auto", holdouts=3, holdout_users=3)
    assert "  holdouts            3  random; the log has no times" in closing_text(facts, "a", "b").splitlines()


@pytest.mark.parametrize("command", ["train", "test"])
def test_warnings_outlive_quiet_a_line_each(line, capsys, command):
    line.summary = replace(line.summary, command=command, warnings=["one\nof two", "another"])
    assert line.run(command, "a", "b", "--quiet") == 0
    first, second = rf"negprep {command}: warning: one\nof two", f"negprep {command}: warning: another"
    assert capsys.readouterr() == ("", f"{first}\n{second}\n")
    assert line.run(command, "a", "b") == 0
    assert capsys.readouterr().err.endswith("  warning: one\\nof two\n  warning: another\n")
