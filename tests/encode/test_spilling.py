"""Logs that outgrow memory: the same bytes as in memory, nothing left on disk, and a full disk named."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from logs import as_table, random_rows

import negprep
from negprep.encode import memory, spill
from negprep.encode.load import Rows, RowStore, partition
from negprep.encode.vocabulary import Encoder, Vocabulary, raw_ids
from negprep.options.options import Options

RUNS = {
    "train": {"command": "train", "num_neg": 4, "holdout": "none"},
    "train after a holdout": {"command": "train", "num_neg": 2, "holdout": "last", "with_valid": True},
    "test": {"command": "test", "num_neg": 9, "holdout": "last", "distinct": True},
    "weak": {"command": "train", "num_neg": 3, "holdout": "random", "positive": ">=3"},
    "a third": {"command": "test", "num_neg": 3, "holdout": "fraction:0.3", "distinct": True, "with_valid": True},
    "after": {"command": "train", "num_neg": 3, "holdout": "after:5"},
    "lists": {"command": "test", "num_neg": 5, "holdout": "last", "distinct": True, "layout": "listwise"},
    "codes": {"command": "train", "num_neg": 1, "holdout": "none", "encode": True},
}


@pytest.fixture
def tiny_ranges(monkeypatch):
    """Spilled rows in ranges of a few users."""
    monkeypatch.setattr(memory, "_FEWEST_ROWS", 40)


@pytest.fixture
def spills(monkeypatch):
    """The spill files that were made."""
    made = []

    class Watched(spill.SpillFile):
        def __init__(self, folder):
            super().__init__(folder)
            made.append(self)

    monkeypatch.setattr("negprep.encode.load.SpillFile", Watched)
    monkeypatch.setattr("negprep.encode.load.SpillFile", Watched)
    return made


def log_of(kind):
    log = as_table(random_rows(8, users=60, items=40, most=30))
    value = pa.array([1.0 + row % 5 for row in range(log.num_rows)])
    log = log.append_column("value", value)
    if kind == "text":
        for name in ("user", "item"):
            column = pa.chunked_array([pa.array([f"{name}-{value}" for value in log[name].to_pylist()])])
            log = log.set_column(log.column_names.index(name), name, column)
    return log


@pytest.mark.parametrize("kind", ["integers", "text"])
@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("target", ["out.parquet", "out/"])
def test_the_same_bytes_as_in_memory(tmp_path, tiny_ranges, spills, run, kind, target):
    digests = []
    for name, limit in (("kept", None), ("spilled", 1)):
        folder = tmp_path / name
        folder.mkdir()
        summary = negprep.prepare(
            log_of(kind), f"{folder}/{target}", Options(**RUNS[run], memory=limit, shard_rows=1_000)
        )
        assert len(spills) == (2 if limit else 0), "the rows as read, and by ranges"
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        digests.append({path.relative_to(folder): path.read_bytes() for path in files})
        assert summary.rows_written > 50
    assert digests[0] == digests[1]
    assert all(file._file.closed for file in spills)


def test_a_user_with_half_of_all_rows(tmp_path, tiny_ranges):
    light, heavy = np.repeat(np.arange(100), 3), np.full(300, 50)
    items = np.concatenate([np.tile(np.arange(3), 100), np.arange(300)])
    log = pa.table({"user": np.concatenate([light, heavy]), "item": items})
    kept, spilled = (negprep.train(log, memory=limit) for limit in (None, 1))
    assert kept.equals(spilled)


@pytest.fixture
def heavy():
    """4,000 rows in small batches, all but a few of one user, who has 25 items over and over."""
    chance = np.random.default_rng(3)
    table = pa.table(
        {
            "user": np.where(np.arange(4_000) % 50 == 0, chance.integers(0, 30, 4_000), 7),
            "item": chance.integers(0, 25, 4_000),
            "time": chance.integers(0, 10**6, 4_000),
            "value": chance.integers(1, 6, 4_000),
        }
    )
    return pa.Table.from_batches(table.to_batches(max_chunksize=50))


@pytest.mark.parametrize("keep_time", ["last", "first"])
@pytest.mark.parametrize(
    "chosen",
    [
        {"holdout": "last"},
        {"holdout": "last", "positive": ">=4"},
        {"holdout": "none", "shuffle": True},
        {"holdout": "last", "core": 2, "positive": ">=4"},
        {"holdout": "last", "available_at_time": True},
        {"holdout": "after:500000", "positive": ">=4", "sampler": ["uniform:0.5", "weak:0.5"]},
    ],
    ids=str,
)
def test_a_user_with_the_same_pairs_over_and_over(tmp_path, tiny_ranges, monkeypatch, heavy, chosen, keep_time):
    """The same bytes, and hardly more rows at a time than there are pairs."""
    rooms = []
    room_for = Rows.room_for
    monkeypatch.setattr(Rows, "room_for", lambda rows, **columns: (rooms.append(rows), room_for(rows, **columns))[1])
    for command in ("train", "test"):
        given = {name: value for name, value in chosen.items() if command == "train" or name != "shuffle"}
        if command == "test" and (given["holdout"] == "none" or "sampler" in given or "available_at_time" in given):
            continue
        made = {}
        for limit in (None, 1):
            rooms.clear()
            target = tmp_path / f"{command}{limit}.parquet"
            getattr(negprep, command)(heavy, target, memory=limit, keep_time=keep_time, num_neg=2, **given)
            made[limit] = target.read_bytes()
        assert made[None] == made[1]
        assert max(rooms) < 1_000


@pytest.mark.parametrize(("keep_time", "pick"), [("last", max), ("first", min)])
def test_the_time_of_a_pair_is_the_right_one_of_thousands(tiny_ranges, heavy, keep_time, pick):
    times = {}
    for row in heavy.to_pylist():
        if row["value"] >= 4:
            times.setdefault((row["user"], row["item"]), []).append(row["time"])
    latest = {}
    for (user, item), given in times.items():
        latest.setdefault(user, {})[item] = pick(given)
    expected = {user: max(items, key=items.get) for user, items in latest.items() if len(items) > 1}
    rows = negprep.test(heavy, holdout="last", memory=1, positive=">=4", keep_time=keep_time, num_neg=1)
    held = {row["user"]: row["item"] for row in rows.to_pylist() if row["label"] == 1}
    assert held[7] == expected[7]
    assert {user: expected[user] for user in held} == held


def test_ranges_cover_all_users_and_rows_once():
    chance = np.random.default_rng(4)
    users = Vocabulary(pa.array(range(50), pa.int64()))
    encode_users = Encoder(users)
    store = RowStore(0, None, has_times=False, has_positive=False)
    everything = []
    for _ in range(7):
        batch = chance.integers(0, 50, 30), chance.integers(0, 9, 30)
        everything += list(zip(*(part.tolist() for part in batch), strict=True))
        store.append(Rows(*(raw_ids(pa.array(part)) for part in batch), None, None))
    assert store.is_spilled

    def encode(rows):
        return Rows(encode_users(rows.users), rows.items, None, None)

    with spill.SpillFile(None) as file:
        ranges = partition(store, store, encode, lambda rows: file.write(rows.to_arrow()), 50, range_rows=25, jobs=2)
        assert [part.first for part in ranges[1:]] == [part.last for part in ranges[:-1]]
        assert (ranges[0].first, ranges[-1].last) == (0, 50)
        assert len(ranges) > 4
        found = []
        for part in ranges:
            rows = [Rows.from_arrow(file.read(extent)) for extent in part.pieces]
            mine = [pair for some in rows for pair in zip(some.users.tolist(), some.items.tolist(), strict=True)]
            assert all(part.first <= user < part.last for user, _ in mine)
            assert len(mine) == part.n_rows
            found += mine
    store.close()
    assert sorted(found) == sorted(everything)


def test_rows_survive_the_file():
    rows = Rows(
        raw_ids(pa.array(["b", "a", "b"])),
        raw_ids(pa.array([2**40, -1, 7])),
        np.array([5, 6, -(2**62)]),
        np.array([True, False, True]),
    )
    with spill.SpillFile(None) as file:
        file.write(rows.to_arrow())
        back = Rows.from_arrow(file.read(file.write(rows.to_arrow())))
    assert back.users[0].to_pylist() == rows.users[0].to_pylist()
    for name in ("items", "times", "positive"):
        assert getattr(back, name).tolist() == getattr(rows, name).tolist()
    assert back.users[1].tolist() == rows.users[1].tolist()


def test_it_stands_beside_the_output_or_where_told(tmp_path, tiny_ranges, spills):
    (tmp_path / "elsewhere").mkdir()
    target = str(tmp_path / "out.parquet")
    options = {"command": "train", "num_neg": 1, "holdout": "none", "memory": 1}
    negprep.prepare(log_of("integers"), target, Options(**options))
    negprep.prepare(log_of("integers"), target, Options(**options, spill_dir=str(tmp_path / "elsewhere")))
    assert [Path(file._folder) for file in spills] == [tmp_path] * 2 + [tmp_path / "elsewhere"] * 2
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["elsewhere", "out.parquet"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(negprep.OutputError) as caught:
        negprep.train(log_of("integers"), memory=1, spill_dir=str(tmp_path / "no"))
    assert str(caught.value) == (
        f"{tmp_path / 'no'}: cannot hold there what does not fit in memory: No such file or directory; "
        "name a folder with room with --spill-dir, or give more --memory"
    )


def test_a_full_folder_is_named_and_leaves_the_earlier_output(tmp_path, monkeypatch):
    target = tmp_path / "out.parquet"
    pq.write_table(pa.table({"old": [1]}), target)
    before = target.read_bytes()
    real = tempfile.TemporaryFile

    class Full:
        def __init__(self, file):
            self._file = file

        def __getattr__(self, name):
            return getattr(self._file, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._file.close()

        def write(self, _data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(spill.tempfile, "TemporaryFile", lambda **given: Full(real(**given)))
    with pytest.raises(negprep.OutputError, match=r"No space left on device; name a folder with room with --spill-dir"):
        negprep.train(log_of("integers"), target, memory=1)
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_the_default_is_half_of_the_machine_or_its_control_group(monkeypatch):
    whole = memory.default_budget()
    assert 0 < whole <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    monkeypatch.setattr(memory.Path, "read_text", lambda *_, **__: f"{512 << 20}\n")
    assert memory.default_budget() == 256 << 20
    monkeypatch.setattr(memory.Path, "read_text", lambda *_, **__: "max\n")
    assert memory.default_budget() >= whole
