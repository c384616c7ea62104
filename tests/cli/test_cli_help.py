"""Help and version: quick, complete, and the same as the reference page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

import negprep
from negprep.cli.group import COMMANDS
from negprep.cli.group import negprep as group

ROOT = Path(__file__).parents[2]
HEAVY = ("numpy", "pandas", "pyarrow", "tqdm")


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["train", "--help"], ["test", "-h"], ["train", "a", "b", "c"]]
)
def test_nothing_heavy_is_imported(words):
    script = (
        "import sys; from negprep.cli.main import outcome\n"
        f"outcome(); print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version(line, capsys):
    assert line.run("--version") == 0
    assert capsys.readouterr().out == f"negprep {negprep.__version__}\n"


def test_version_imports_little_more_than_click():
    """`make bench` times it; here, without a clock, what is imported is counted."""

    def imported(*words):
        line = [sys.executable, "-X", "importtime", *words]
        done = subprocess.run(line, check=True, capture_output=True, text=True)
        return {name.rpartition("|")[2].strip() for name in done.stderr.splitlines()}

    more = imported("-m", "negprep", "--version") - imported("-c", "import click")
    assert len(more) < 40
    assert {name.partition(".")[0] for name in more}.isdisjoint({"numpy", "pyarrow", "pandas", "tqdm"})


def test_reference_is_what_the_commands_say():
    script = ROOT / "docs" / "make_cli_reference.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_section_and_a_sentence(name):
    command = group.get_command(click.Context(group), name)
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert all(option.section and option.help for option in options if option.name not in ("help", "help_all"))
    assert len({option.name for option in options}) == len(options)


def test_the_full_help_lists_sections_in_order(line, capsys):
    assert line.run("test", "--help-all") == 0
    lines = capsys.readouterr().out.splitlines()
    titles = [text for text in lines if text.endswith(":") and not text.startswith(" ")]
    assert titles == ["Reading:", "Positives:", "Holdout:", "Negatives:", "Output:", "Run:", "Engine:", "Help:"]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("width", [80, 100])
def test_the_short_help_fits_a_screen(line, capsys, monkeypatch, name, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert line.run(name, "--help") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 80
    assert all(len(text) <= width for text in lines)
    assert lines[-1] in (f"All options: negprep {name} --help-all", "  -h, --help  Show this message and exit.")


@pytest.mark.parametrize("name", ["train", "test"])
def test_the_short_help_has_the_ten_options_that_most_people_need(line, capsys, name):
    assert line.run(name, "-h") == 0
    shown = [text.split()[0] for text in capsys.readouterr().out.splitlines() if text.startswith("  --")]
    assert shown == [
        *("--user-col", "--item-col", "--time-col", "--positive", "--holdout"),
        *("--num-neg", "--sampler", "--seed", "--layout", "--encode", "--help-all"),
    ]
