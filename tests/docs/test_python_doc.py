"""docs/reference/python.md: its programs run and print what it shows, and it names every function and what it gives."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from inspect import isclass, isfunction
from pathlib import Path

import negprep

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```\n\nIt prints:\n\n```text\n(.*?)```", PAGE, flags=re.DOTALL)


def test_programs_print_what_is_shown(tmp_path):
    assert len(PROGRAMS) == PAGE.count("```python")
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    for program, shown in PROGRAMS:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, capture_output=True, text=True
        )
        assert (done.stdout, done.stderr) == (shown, "")


def test_every_function_and_what_it_gives_is_named():
    told = PAGE.partition("|function|")[2].partition("\n\n")[0]
    functions = {name for name in negprep.__all__ if isfunction(getattr(negprep, name))}
    assert set(re.findall(r"`negprep\.([a-z]+)`", told)) == functions
    given = {
        name
        for name in negprep.__all__
        if isclass(getattr(negprep, name)) and not name.endswith(("Error", "Options", "Warning"))
    }
    assert set(re.findall(r"`([A-Z]\w+)`", told)) == given
