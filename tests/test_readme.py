"""README.md is true: its commands run, print what it shows, and leave the files that it shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from inspect import isfunction
from pathlib import Path

import pandas as pd
import pytest

import negprep
from negprep.cli.group import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def fenced_blocks(text):
    """The paragraph before each fenced block, its language, and its text."""
    parts = re.split(r"^```(.*)\n", text, flags=re.MULTILINE)
    before, languages, blocks = parts[0::4], parts[1::4], parts[2::4]
    return list(zip((part.strip().rpartition("\n\n")[2] for part in before), languages, blocks, strict=False))


BLOCKS = fenced_blocks(README)
MEASURED = re.compile(r"\d+\.\d\d s, [\d,]+ MB")
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def run(command, folder):
    """Standard output and error of a shell command, as a terminal shows them, and its exit code."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=ENVIRONMENT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return done.stdout, done.returncode


def commands(block):
    """Each `$ ` line of a console block with the output shown below it."""
    return [part.partition("\n")[::2] for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]


def table(header):
    """The rows of the table with this header line: a list of cells each."""
    lines = README.partition(f"{header}\n")[2].splitlines()[1:]
    end = next(place for place, line in enumerate(lines) if not line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[:end]]


def test_every_kind_of_block_is_checked():
    assert {language for _, language, _ in BLOCKS} == {"csv", "console", "text", "python", "sh"}


def test_commands_print_and_write_what_is_shown(tmp_path):
    """In order and in one folder, as a reader would type them."""
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    printed = ""
    for before, language, block in BLOCKS:
        names = re.findall(r"`([\w.-]+)`", before)
        if language == "csv":
            (tmp_path / names[-1]).write_text(block)
        elif language == "python":
            (tmp_path / "example.py").write_text(block)
            printed, code = run("python -W error example.py", tmp_path)
            assert code == 0, printed
        elif language == "text" and "prints" in before:
            assert printed == block
        elif language == "text":
            assert pd.read_parquet(tmp_path / names[-1]).to_string(index=False) + "\n" == block
        elif language == "console":
            for command, shown in commands(block):
                output, code = run(command, tmp_path)
                assert (MEASURED.sub("", output), code) == (MEASURED.sub("", shown), 0), command


@pytest.mark.heavy
def test_install(tmp_path):
    """Needs the network, as `pip install` does."""
    (block,) = (block for _, language, block in BLOCKS if language == "sh")
    left_out = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, tmp_path / "project", ignore=left_out)
    output, code = run(f"set -e\n{block}command -v negprep; negprep --version", tmp_path / "project")
    assert code == 0, output
    assert output.splitlines()[-2] == str(tmp_path / "project" / ".venv" / "bin" / "negprep")


def test_dependencies_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [name for name, _ in table("| package or extra | for |")]
    assert [name.strip("`") for name in names if name.startswith("`")] == project["dependencies"]
    extras = dict(re.fullmatch(r"extra `(\w+)`: (.*)", name).groups() for name in names if name.startswith("extra"))
    assert {extra: added.split(", ") for extra, added in extras.items()} == {
        extra: [re.match(r"[\w-]+", package)[0] for package in packages]
        for extra, packages in project["optional-dependencies"].items()
        if extra not in {"test", "lint"}
    }


def test_every_command_and_every_function_is_named():
    assert [re.match(r"\[`(\w+)`\]", name)[1] for name, _ in table("| command | does |")] == list(COMMANDS)
    functions = re.findall(r"`negprep\.([a-z]+)`", README.partition("**[Python]")[2].partition("\n- **")[0])
    public = [name for name in negprep.__all__ if not name.startswith("_") and isfunction(getattr(negprep, name))]
    assert sorted(functions) == sorted(public)
    assert set(COMMANDS) <= set(functions)


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 200
    assert len(README.split()) <= 1400


def test_every_make_target_exists():
    targets = set(re.findall(r"^\.PHONY: (\S+)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = {word for words in re.findall(r"`make ([^`]+)`", README) for word in words.split()}
    assert named
    assert named <= targets


def test_links_lead_somewhere():
    """In every page, to files and headings."""
    done = subprocess.run([sys.executable, ROOT / "docs" / "check_links.py"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
