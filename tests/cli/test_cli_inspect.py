"""``negprep inspect`` as a user starts it: what it prints, for a person, for a program, through a pipe."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from dataclasses import fields
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke
from negprep.cli.inspect import bar_chart, command
from negprep.options.options import Options, ReadOptions

LOG = Path(__file__).parents[2] / "sample_data" / "log.csv"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def inspect(capsys, *words):
    """Exit code, standard output and standard error, in this process."""
    code = guarded(lambda: invoke(["inspect", *map(str, words)]))
    return (code, *capsys.readouterr())


def start(*words, **settings):
    return subprocess.run(
        [sys.executable, "-m", "negprep", "inspect", *map(str, words)], capture_output=True, **settings
    )


def on_a_terminal(columns, **environment):
    """What a terminal so wide is sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "TERM")}
    running = subprocess.Popen(
        [sys.executable, "-m", "negprep", "inspect", LOG, "--no-progress"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**clean, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **environment},
    )
    os.close(theirs)
    sent = b""
    try:
        while piece := os.read(ours, 1 << 16):
            sent += piece
    except OSError:  # how Linux says that nobody holds the other end any more
        pass
    os.close(ours)
    assert (running.wait(), running.stderr.read()) == (0, b"")
    running.stderr.close()
    return sent.decode()


def test_what_it_prints(capsys):
    code, out, err = inspect(capsys, LOG, "--holdout", "last")
    found = negprep.inspect(LOG, holdout="last")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"negprep inspect: {LOG}"
    for number in (found.log.rows, found.log.users, found.log.items, found.log.pairs, found.log.duplicates):
        assert f" {number:,}" in out
    assert f"  train  {found.train.rows:,} rows from {found.train.groups:,} positives, " in out
    assert f"  test   {found.test.rows:,} rows from {found.test.groups:,} holdouts, " in out
    assert found.warnings
    assert lines[1 : len(found.warnings) + 3] == ["", *(f"  warning: {warning}" for warning in found.warnings), ""]


def test_every_histogram_is_drawn_with_its_numbers(capsys):
    _, out, _ = inspect(capsys, LOG)
    charts = dict(block.split("\n", 1) for block in out.split("\n\n")[3:7])
    found = negprep.inspect(LOG).log
    numbers = [[int(line.split()[1].replace(",", "")) for line in bars.splitlines()] for bars in charts.values()]
    wanted = [found.user_degrees.histogram, [each for each in found.item_degrees.histogram if each.low >= 16]]
    assert numbers[:2] == [[each.count for each in bins] for bins in wanted]
    assert numbers[2:] == [[each.rows for each in found.values.histogram], list(found.events.rows.values())]
    assert [title.partition(":")[0] for title in charts] == [
        "users by their items",
        "items by their users",
        "rows by value",
        "rows by event",
    ]


def test_json_is_what_the_function_returns(capsys):
    code, out, err = inspect(capsys, LOG, "--json", "--core", "20", "--epochs", "3", "--jobs", "1")
    assert (code, err) == (0, "")
    facts, wanted = json.loads(out), json.loads(json.dumps(negprep.inspect(LOG, core=20, epochs=3, jobs=1).as_dict()))
    assert facts == wanted
    assert next(iter(facts)) == "warnings"


def test_standard_input_is_read_as_often_as_needed():
    with LOG.open("rb") as log:
        piped = start("-", "--json", stdin=log)
    assert piped.returncode == 0
    assert json.loads(piped.stdout)["train"]["rows"] == negprep.inspect(LOG).train.rows


@pytest.mark.parametrize(("encoding", "mark"), [("utf-8", "█"), ("ascii", "#")])
def test_a_pipe_gets_no_control_character(encoding, mark):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "FORCE_COLOR": "1", "COLUMNS": "200"}
    done = start(LOG, env=environment)
    text = done.stdout.decode(encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert re.findall(r"[^\S \n]|[\x00-\x09\x0b-\x1f\x7f]", text) == []
    bars = [line for line in text.splitlines() if mark in line]
    assert max(map(len, bars)) == 80


@pytest.mark.parametrize("columns", [60, 100])
def test_a_terminal_gets_colours_and_bars_as_wide_as_it_is(columns):
    sent = on_a_terminal(columns)
    assert COLOUR.search(sent)
    plain = COLOUR.sub("", sent)
    assert max(len(line) for line in plain.splitlines() if "█" in line) == columns
    assert not re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]", plain)


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_that_are_not_wanted(environment):
    assert "\x1b" not in on_a_terminal(80, **environment)


def test_names_in_the_data_move_no_cursor(tmp_path, capsys):
    users = [user for user in range(20) for _ in range(2)]
    items = ["evil\x1b[2J\n" if place % 2 else f"i{place}" for place in range(40)]
    events = ["buy\x1b[31m" if place % 3 else "view" for place in range(40)]
    pq.write_table(pa.table({"user": users, "item": items, "event": events}), tmp_path / "log.parquet")
    code, out, _ = inspect(capsys, tmp_path / "log.parquet")
    assert code == 0
    assert "\x1b" not in out
    assert r"item evil\x1b[2J\n is with 20 of 20 users" in out
    assert r"buy\x1b[31m" in out


def test_letters_that_the_output_cannot_write(tmp_path):
    (tmp_path / "log.csv").write_text("user,item,event\n1,é,kauf\n2,é,größer\n", encoding="utf-8")
    done = start(tmp_path / "log.csv", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"gr\xf6\xdfer" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("nowhere.csv", 4, "no such file"),
        ("empty.csv", 3, "empty"),
        ("log.csv --num-neg 0", 2, "num-neg"),
        ("log.csv --layout pairwise --label-dtype float32", 2, "--label-dtype with --layout pairwise"),
        ("log.csv --holdout none --with-valid", 2, "--with-valid with --holdout none"),
        ("log.csv --holdout sometimes", 2, "sometimes"),
        ("log.csv --user-col user --item-col user", 2, "both name 'user'"),
        ("log.csv --items -", 2, "--items is '-', and is read more than once"),
        ("- --items -", 2, "standard input ('-') is named twice"),
        ("log.csv --core 3 --items items.csv", 2, "--core with --items"),
        ("log.csv --epoch 0 --epochs 2", 2, "--epoch with --epochs, which begins with epoch 0"),
        ("log.csv --epoch 2147483648", 2, "'--epoch': 2147483648 is not in the range 0<=x<=2147483647"),
        ("log.csv --layout pairwise --bootstrap 4294967297", 2, "'--bootstrap': 4294967297 is not in the range"),
        ("log.csv --expect-rows 9", 3, "--expect-rows says 9"),
        ("log.csv --spill-dir nowhere", 4, "nowhere: is not a folder"),
        ("log.csv --positive >=9", 2, "no column 'value'|value-col"),
        ("log.csv --holdout last", 2, "needs times"),
        ("log.csv out.parquet", 2, "unexpected extra argument"),
        ("log.csv --force", 2, "no such option"),
        ("log.csv --summary facts.json", 2, "no such option"),
    ],
)
def test_what_is_refused(tmp_path, monkeypatch, capsys, words, code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.csv").write_text("user,item\n1,2\n1,3\n2,4\n")
    (tmp_path / "items.csv").write_text("item\n2\n")
    (tmp_path / "empty.csv").write_text("")
    before = sorted(tmp_path.iterdir())
    got, out, err = inspect(capsys, *words.split())
    assert (got, out) == (code, "")
    assert re.search(message.replace("(", r"\(").replace(")", r"\)"), err, re.IGNORECASE), err
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_run_that_would_be_refused_is_told_in_place_of_its_rows(capsys):
    code, out, _ = inspect(capsys, LOG, "--sampler", "weak", "--positive", "purchase")
    assert code == 0
    assert re.search(r"^  train  [\d,]+ rows from", out, re.MULTILINE)
    assert "  test   nothing: candidates are items that the user never touched; weak ones were; choose" in out


def test_no_output():
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m negprep inspect {LOG} >&-"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (4, "negprep: standard output is closed; redirect it (> report.txt)\n")


def test_every_option_has_an_effect():
    """Each is an attribute of the options that the inspection is made with, or says how it is shown."""
    known = {field.name for record in (Options, ReadOptions) for field in fields(record)}
    given = {parameter.name for parameter in command.params}
    assert given - known == {"source", "as_json", "progress", "help_all", "config", "recipe"}
    assert known - given == {
        "command",
        "condition",
        "given",
        "read",
        "rule",
        "sample",
        "sampler_rule",
        "data_set",
        "shard_rows",
        "most_eligible",
        "model_later",
        "time_forms",
        "positive_rule",
    }


def test_help_names_the_sections(capsys):
    _, out, _ = inspect(capsys, "--help-all")
    titles = [line for line in out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    pairs = "Pairs (with --layout pairwise):"
    assert titles == ["Reading:", "Positives:", "Holdout:", "Negatives:", "Output:", pairs, "Run:", "Report:", "Help:"]
    assert isinstance(command, click.Command)


def test_bars_are_in_proportion():
    drawn = bar_chart([("a", 80), ("bb", 40), ("c", 1), ("d", 0)], width=30, blocks=False)
    assert drawn == [" " * 3 + "a  80  " + "#" * 20, "  bb  40  " + "#" * 10 + "", "   c   1  #", "   d   0"]


def test_bars_of_eighths():
    drawn = bar_chart([("a", 160), ("b", 81), ("c", 1)], width=29, blocks=True)
    assert [line.rpartition("  ")[2] for line in drawn] == ["█" * 19, "█" * 9 + "▋", "▏"]


@pytest.mark.parametrize("width", [0, 10, 25])
def test_a_narrow_place_still_has_bars(width):
    (line,) = bar_chart([("label", 5)], width=width, blocks=True)
    assert line.count("█") >= 8
