"""What a run costs, counted and not timed: passes over the log, columns decoded, memory at its peak."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tracemalloc
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep import pipeline
from negprep.assemble import section as cutting
from negprep.encode import load
from negprep.encode.pairs import Pairs
from negprep.options.options import Options
from negprep.pipeline import Run
from negprep.read.log import LogReader, open_log
from negprep.sample import sampler

ROWS = 200_000


@pytest.fixture(scope="module")
def log():
    """200,000 rows of 2,000 users and 5,000 items, no pair twice."""
    users, places = np.divmod(np.arange(ROWS), 100)
    items = (places * 50 + users * 7) % 5_000
    return pa.table({"user": users, "item": items, "time": places})


@pytest.fixture
def calls(monkeypatch):
    """How often the costly steps are called."""
    counts = Counter()

    def count(owner, name):
        real = getattr(owner, name)

        def counted(*given, **named):
            counts[name] += 1
            return real(*given, **named)

        monkeypatch.setattr(owner, name, counted)

    count(LogReader, "converted")
    count(load, "group_pairs")
    count(pipeline, "make_section")
    count(sampler, "uniform")
    return counts


@pytest.mark.parametrize("command", ["train", "test"])
def test_the_log_is_read_and_grouped_once_and_each_shard_sampled_once(log, calls, command):
    make = {"train": negprep.train, "test": negprep.test}[command]
    rows = make(log, shard_rows=50_000)
    shards = -(-rows.num_rows // 50_000)
    assert calls == {"converted": 1, "group_pairs": 1, "make_section": 1, "uniform": shards}


@pytest.mark.parametrize(("command", "name"), [("train", "time"), ("train", "value"), ("test", "value")])
def test_columns_that_are_not_needed_are_not_decoded(tmp_path, command, name):
    header = ["user", "item", "time", "value"]
    lines = [[str(user), str(item), str(item), "5"] for user in range(5) for item in range(user, user + 7)]
    lines[3][header.index(name)] = "nonsense"
    (tmp_path / "log.csv").write_text("\n".join(",".join(line) for line in [header, *lines]) + "\n")
    make = {"train": negprep.train, "test": negprep.test}[command]
    holdout = "none" if name == "time" else "auto"
    assert make(tmp_path / "log.csv", num_neg=2, holdout=holdout).num_rows > 10
    with pytest.raises(negprep.BadDataError, match=r"log\.csv:5: "):
        negprep.test(tmp_path / "log.csv", num_neg=2, positive=">=1")


def test_a_shard_takes_a_few_times_what_it_returns(log):
    """And no temporary of the size of the whole output, or of users by items (10 million here)."""
    with open_log(log) as reader, Run(reader, Options(command="train", num_neg=4, holdout="none")) as job:
        (whole,) = job.sections(0)
        whole.make(0, 1_000)  # what is made once stays: row starts, keys, the mask of this thread
        tracemalloc.start()
        try:
            rows = whole.make(0, 200_000)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert rows.num_rows == 200_000
    assert peak < 4 * rows.nbytes


def test_pairs_are_left_out_without_a_temporary_of_the_size_of_all():
    starts, items = np.arange(0, ROWS + 1, 20), np.tile(np.arange(20, dtype=np.int32), ROWS // 20)
    pairs, mask = Pairs(starts, items), np.ones(ROWS, bool)
    mask[::20] = False
    tracemalloc.start()
    try:
        kept = pairs.where(mask)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == ROWS * 19 // 20
    assert peak < 2 * kept.items.nbytes


@pytest.mark.parametrize(("jobs", "makers"), [(1, 1), (2, 1), (4, 3)])
def test_shards_are_not_made_far_ahead_of_the_writer(log, calls, monkeypatch, jobs, makers):
    monkeypatch.setattr(cutting, "ROW_GROUP_ROWS", 30_000)
    options = Options(command="train", num_neg=4, holdout="none", jobs=jobs, shard_rows=10_000)
    with open_log(log) as reader, Run(reader, options) as job:
        batches = job.rows()
        next(batches)
        most = 1 + makers + 1  # the one given, one that each thread makes, one that waits
        end = time.monotonic() + 20
        while calls["uniform"] < most and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.1)
        assert calls["uniform"] == most
        batches.close()


def test_groups_of_a_spilled_log_are_as_many_as_its_ranges(log, calls, monkeypatch):
    monkeypatch.setattr("negprep.encode.memory._FEWEST_ROWS", 20_000)
    negprep.train(log, memory=1, jobs=1)
    assert calls["converted"] == 1
    assert calls["make_section"] == calls["group_pairs"] == 10


@pytest.fixture(scope="module")
def large_log(tmp_path_factory):
    """1,600,000 rows of 16,000 users and 5,000 items, no pair twice."""
    users, places = np.divmod(np.arange(8 * ROWS, dtype=np.int32), 100)
    path = tmp_path_factory.mktemp("log") / "log.parquet"
    pq.write_table(pa.table({"user": users, "item": (places * 50 + users * 7) % 5_000}), path)
    return path


def peak_of(log, target, *words):
    """What a command takes at its peak, in MB, as it says; this process has 300 MB more meanwhile."""
    ours = bytearray(b"x") * (300 << 20)
    command = [sys.executable, "-m", "negprep", "train", str(log), str(target), "--holdout", "none", *words]
    summary = target.with_suffix(".json")
    subprocess.run([*command, "--summary", str(summary)], check=True, capture_output=True)
    del ours
    return json.loads(summary.read_bytes())["peak_memory_bytes"] / (1 << 20)


@pytest.mark.parametrize("kind", ["pairwise.csv", "pairwise.parquet", "listwise.csv"])
def test_many_threads_stay_within_the_memory(tmp_path, large_log, kind):
    layout = kind.partition(".")[0]
    assert peak_of(large_log, tmp_path / kind, "--layout", layout, "--memory", "200M", "--jobs", "48") < 1.2 * 200
