"""docs/guide/tutorial.md: its programs and commands run in order, and print what it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "tutorial.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"\d+\.\d+")


def test_the_tutorial_prints_what_it_shows(tmp_path):
    """Words exactly; figures of the model within what another processor may round otherwise."""
    blocks = re.findall(r"([^\n]*(?:\n[^\n]+)*)\n\n```(python|console)\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == PAGE.count("```") / 2
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for before, language, block in blocks:
        if language == "python":
            (name,) = re.findall(r"`(\w+\.py)`", before)
            (tmp_path / name).write_text(block)
            continue
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-c", command],
                cwd=tmp_path,
                env={**os.environ, "PATH": path},
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            assert (NUMBER.sub("", done.stdout), done.returncode) == (NUMBER.sub("", shown), 0), command
            printed, told = ([float(number) for number in NUMBER.findall(text)] for text in (done.stdout, shown))
            assert printed == pytest.approx(told, abs=0.01), command
