"""docs/reference/formats.md names every format of other programs, and the files that each has."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import get_args

import pytest

import negprep
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke
from negprep.options.formats import FOLDERS, FormName, SourceForm
from negprep.read.other_formats import is_file_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "formats.md").read_text(encoding="utf-8")
LOG = str(ROOT / "sample_data" / "log.csv")


def rows_after(heading):
    lines = PAGE.partition(f"\n{heading}\n")[2].partition("\n|---")[2].splitlines()[1:]
    end = next(place for place, line in enumerate(lines) if not line.startswith("|"))
    return [line.strip("|").split("|") for line in lines[:end]]


def names_in(text):
    return re.findall(r"`([^`]+)`", text)


def test_every_format_is_there():
    assert [name for row in rows_after("## Output files") for name in names_in(row[0])] == list(get_args(FormName))
    assert [name for row in rows_after("## Files of other programs") for name in names_in(row[0])] == list(
        get_args(SourceForm)
    )


@pytest.mark.parametrize("form", FOLDERS)
def test_the_files_of_a_folder(form, tmp_path):
    (cell,) = (row[2] for row in rows_after("## Output files") if names_in(row[0]) == [form])
    named = {name.replace("NAME", "shop") for name in names_in(cell) if "." in name}
    negprep.test(LOG, f"{tmp_path}/shop/", to=form, num_neg=1, with_valid=True, holdout="last")
    written = {path.name for path in (tmp_path / "shop").iterdir() if not path.name.startswith("_")}
    if form == "recbole":
        written.add("shop.inter")  # of train
    assert written == named
    assert "`_negprep.json`" in PAGE
    assert (tmp_path / "shop" / "_negprep.json").exists()
    if form not in get_args(SourceForm):
        return
    (taken,) = (row[3] for row in rows_after("## Files of other programs") if names_in(row[0]) == [form])
    parts = {name for name in written if is_file_of(name, form)}
    assert parts == {name for name in written if "negative" not in name and "candidates" not in name}
    assert {f"*.{name.rpartition('.')[2]}" if form != "lightgcn" else name for name in parts} <= set(names_in(taken))


@pytest.mark.parametrize("command", re.findall(r"`(negprep test sample_data[^`]+)` is", PAGE))
def test_commands(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "sample_data", "sample_data")
    assert guarded(lambda: invoke([*shlex.split(command)[1:], "--quiet"])) == 0
    form = shlex.split(command)[shlex.split(command).index("--to") + 1]
    assert (
        guarded(lambda: invoke(["test", "shop/", "again.parquet", "--from", form, "--holdout", "random", "--quiet"]))
        == 0
    )
