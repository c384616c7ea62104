"""What must not change the rows of any sampler: threads, shards, memory, the order of the log and of other files."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest
from randomness.sampled import LOG, RESTRICTIONS, SCENARIOS, arguments

import negprep
from negprep.encode import memory
from negprep.sample import seen, uniform

CASES = [
    (scenario, restriction, command)
    for scenario in ("uniform", "popularity", "weights", "weak, from a file", "weak and uniform", "all three", "counts")
    for restriction in RESTRICTIONS
    for command in ("train", "test")
    if command == "train" or "weak" not in SCENARIOS[scenario].model.get("names", ())
]


def shuffled(table, seed):
    order = list(range(table.num_rows))
    random.Random(seed).shuffle(order)
    return table.take(order)


@pytest.mark.parametrize(("scenario", "restriction", "command"), CASES)
def test_rows_do_not_depend_on_how_they_are_made(monkeypatch, scenario, restriction, command):
    keywords = arguments(scenario, restriction, command)[0] | {"distinct": command == "test", "with_log_q": True}
    make = getattr(negprep, command)
    whole = make(LOG, **keywords)
    assert whole.num_rows
    for jobs, shard_rows in ((1, 29), (2, 64), (8, 1 << 20)):
        assert make(LOG, **keywords, jobs=jobs, shard_rows=shard_rows).equals(whole)
    moved = {name: shuffled(given, 5) for name, given in keywords.items() if isinstance(given, pa.Table)}
    assert make(shuffled(LOG, 6), **keywords | moved).equals(whole)
    monkeypatch.setattr(memory, "_FEWEST_ROWS", 40)
    assert make(LOG, **keywords, memory=1, jobs=2, shard_rows=64).equals(whole)


@pytest.mark.parametrize("scenario", ["popularity", "weak and uniform", "counts"])
def test_files_have_the_same_bytes(tmp_path, monkeypatch, scenario):
    keywords = arguments(scenario, "at time, same", "train")[0] | {"with_log_q": True}
    files = []
    for place, options in enumerate(({}, {"jobs": 8}, {"memory": 1}, {"memory": 1, "jobs": 2})):
        if "memory" in options:
            monkeypatch.setattr(memory, "_FEWEST_ROWS", 40)
        files.append(negprep.train(LOG, tmp_path / f"{place}.parquet", **keywords, **options).read_bytes())
    assert len(set(files)) == 1


@pytest.mark.parametrize("sampler", ["uniform", "popularity", ["uniform:0.5", "popularity:0.5"]])
@pytest.mark.parametrize("distinct", [False, True], ids=["repeats", "distinct"])
def test_groups_drawn_one_after_the_other_are_the_same(monkeypatch, sampler, distinct):
    rows = []
    for few in (1 << 20, 1):
        monkeypatch.setattr(uniform, "_FEW_DRAWS", few)
        for fold in (0, 1 << 24):  # a mask that folds, and one that is exact
            monkeypatch.setattr(seen, "_LARGEST_EXACT_MASK", fold)
            rows.append(negprep.train(LOG, sampler=sampler, num_neg=6, distinct=distinct, holdout="none"))
    assert rows[0].num_rows
    assert all(table.equals(rows[0]) for table in rows)
