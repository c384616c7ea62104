"""The same bytes, whatever a run does not depend on: threads, shards, memory, files, order, environment."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke

LOG = Path(__file__).parents[2] / "sample_data" / "log.csv"
COMMANDS = {
    "train": ["--holdout", "last", "--positive", "cart,purchase"],
    "test": ["--with-valid", "--fold", "valid"],
}


def digest(tmp_path, command, log=LOG, *words):
    target = tmp_path / "out.parquet"
    assert guarded(lambda: invoke([command, str(log), str(target), *COMMANDS[command], "--quiet", *words])) == 0
    return hashlib.sha256(target.read_bytes()).hexdigest()


def digest_of_process(tmp_path, command, *before, **environment):
    target = tmp_path / "out.parquet"
    line = [*before, sys.executable, "-m", "negprep", command, str(LOG), str(target), *COMMANDS[command], "--quiet"]
    done = subprocess.run(line, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return hashlib.sha256(target.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    return {command: digest(tmp_path_factory.mktemp(command), command) for command in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("jobs", ["1", "2", "8"])
def test_jobs(tmp_path, usual, command, jobs):
    assert digest(tmp_path, command, LOG, "--jobs", jobs) == usual[command]


@pytest.mark.parametrize("command", COMMANDS)
def test_memory(tmp_path, usual, command):
    assert digest(tmp_path, command, LOG, "--memory", "1M") == usual[command]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("hash_seed", "zone", "locale"),
    [
        ("0", "Asia/Kathmandu", "C"),
        ("1", "America/St_Johns", "tr_TR.UTF-8"),
        ("2", "UTC", "POSIX"),
        ("4294967295", "Pacific/Apia", "C.UTF-8"),
    ],
)
def test_the_hash_seed_the_time_zone_and_the_locale(tmp_path, usual, command, hash_seed, zone, locale):
    made = digest_of_process(tmp_path, command, PYTHONHASHSEED=hash_seed, TZ=zone, LC_ALL=locale)
    assert made == usual[command]


@pytest.mark.parametrize("command", COMMANDS)
def test_one_cpu(tmp_path, usual, command):
    assert digest_of_process(tmp_path, command, "taskset", "-c", "0") == usual[command]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_form_and_the_order_of_the_log(tmp_path, usual, command):
    header, *rows = LOG.read_text().splitlines()
    random.Random(5).shuffle(rows)
    half = len(rows) // 2
    (tmp_path / "shuffled.csv").write_text("\n".join([header, *rows]) + "\n")
    (tmp_path / "windows.csv").write_bytes("\r\n".join([header, *rows, ""]).encode())
    (tmp_path / "tabs.tsv").write_text("\n".join([header, *rows]).replace(",", "\t") + "\n")
    (tmp_path / "doubled.csv").write_text("\n".join([header, *rows, *rows[:500]]) + "\n")
    (tmp_path / "packed.csv").write_bytes(gzip.compress(LOG.read_bytes()))
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.csv").write_text("\n".join([header, *rows[:half]]) + "\n")
    (tmp_path / "parts" / "b.csv").write_text("\n".join([header, *rows[half:]]) + "\n")
    forms = ("shuffled.csv", "windows.csv", "tabs.tsv", "doubled.csv", "packed.csv", "parts")
    for log in (*(tmp_path / form for form in forms), LOG.with_suffix(".parquet")):
        assert digest(tmp_path, command, log) == usual[command], log


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_has_the_same_parts(tmp_path, command):
    contents = []
    for jobs, memory in (("1", "4G"), ("2", "1M")):
        target = f"{tmp_path}/{jobs}/"
        line = [command, str(LOG), target, *COMMANDS[command], "--quiet", "--jobs", jobs, "--memory", memory]
        assert guarded(lambda: invoke(line)) == 0  # noqa: B023
        contents.append({path.name: path.read_bytes() for path in Path(target).iterdir()})
    assert contents[0] == contents[1]
    assert "_SUCCESS" in contents[0]


def test_another_seed_is_another_output(tmp_path, usual):
    assert digest(tmp_path, "train", LOG, "--seed", "1") != usual["train"]
    assert digest(tmp_path, "train", LOG, "--split-seed", "1") != usual["train"]
