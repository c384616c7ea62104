"""The Makefile explains itself, and asks for nothing that is not there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()


def test_help_lists_every_target():
    shown = subprocess.run(["make", "-C", ROOT, "help"], capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^\.PHONY: (\S+)", MAKEFILE, flags=re.MULTILINE)
    assert targets
    for target in targets:
        assert re.search(rf"^  make {target} +\S", shown, flags=re.MULTILINE), target


def test_every_script_that_it_runs_exists():
    scripts = re.findall(r"[\w/]+\.py\b", MAKEFILE)
    assert scripts
    assert [script for script in scripts if not (ROOT / script).exists()] == []
