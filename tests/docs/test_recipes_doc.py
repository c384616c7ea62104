"""The examples of docs/guide/recipes.md run, in order, and print what the page shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from negprep.options.config import read_recipe, recipe_names

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "recipes.md").read_text(encoding="utf-8")


def test_the_examples_run(tmp_path):
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    commands = 0
    for kind, block in re.findall(r"^```(toml|console)\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE):
        if kind == "toml":
            (tmp_path / block.split()[1]).write_text(block)
            continue
        for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, flags=re.MULTILINE):
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-c", command],
                cwd=tmp_path,
                env={**os.environ, "PATH": path},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            assert (command, done.returncode, done.stdout) == (command, 0, shown)
            commands += 1
    assert commands == 12
    facts = json.loads(pq.read_metadata(tmp_path / "fewer.parquet").metadata[b"negprep"])
    assert (facts["num_neg"], facts["sampler"]) == (2, "uniform:0.7 weak:0.3")


def test_the_recipes_that_need_a_conversion_are_named():
    told = re.search(r"need a conversion first \((.*?)\)", PAGE, flags=re.DOTALL)[1]
    assert set(re.findall(r"`([\w-]+)`", told)) == {name for name in recipe_names() if read_recipe(name).convert}
