"""With little memory a check goes range by range of users: it holds little at a time, and tells the same."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from logs import as_table, random_rows
from test_faults import CASES as FAULTS
from test_faults import log_of, spoiled
from test_what_is_written import BESIDE, CASES, FULL, PAIR_CASES, SAMPLE_LOG, TINY, TRAIN_CASES

import negprep
from negprep.checks import observed, results
from negprep.checks import ranges as room
from negprep.checks import ranges as store
from negprep.checks import rows as parting
from negprep.checks.draws import UserSets
from negprep.checks.pair_set import PairSet
from negprep.checks.promises import Promised
from negprep.checks.ranges import PairParts, Ranges
from negprep.checks.rows import Block, RowParts
from negprep.checks.verify import verify
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke
from negprep.encode import spill

RANGE_ROWS = 50


@pytest.fixture
def spills(monkeypatch, tmp_path_factory):
    """Ranges of a few users where memory is short, and the spill files that were made: nobody sees them."""
    made, folder = [], tmp_path_factory.mktemp("spill")

    class Watched(spill.SpillFile):
        def __init__(self, _):
            super().__init__(str(folder))
            made.append(self)

        def write(self, batch):
            assert list(folder.iterdir()) == []
            return super().write(batch)

    monkeypatch.setattr(store, "SpillFile", Watched)
    monkeypatch.setattr(room, "_FEWEST_ROWS", RANGE_ROWS)
    monkeypatch.setattr(room, "_LEAST_GATHERED", 3_000)
    return made


def same(files, log, claims, spills):
    files = [(str(file), None) for file in files]
    kept = verify(files, log, promised=claims, n_examples=3).as_dict()
    assert spills == []
    spilled = verify(files, log, promised=claims, n_examples=3, memory=1).as_dict()
    assert len(spills) == 1
    assert spills[0]._file.closed
    assert spilled == kept
    return kept


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_told_alike(tmp_path, spills, monkeypatch, name):
    case = FAULTS[name]
    monkeypatch.setattr(room, "_FEWEST_ROWS", 9_000 if isinstance(case.log, str) else 150)
    path, _, claims = spoiled(tmp_path, case)
    assert same([path], log_of(case), claims, spills)["failed"]


RIGHT = [
    *((case, layout) for case in ("core and users", "shuffled") for layout in ("pairwise", "listwise")),
    *((case, "pointwise") for case, (log, _) in (CASES | TRAIN_CASES).items() if log is TINY or log is FULL),
]  # fmt: skip


@pytest.mark.parametrize(("case", "layout"), RIGHT)
def test_right_files_are_told_alike(tmp_path, spills, monkeypatch, case, layout):
    log, options = (CASES | TRAIN_CASES)[case]
    monkeypatch.setattr(room, "_FEWEST_ROWS", 150 if log is TINY else RANGE_ROWS)
    negprep.train(log, tmp_path / "train.parquet", layout=layout, **options)
    claims = Promised(**{name: options[name] for name in BESIDE if name in options})
    files = [tmp_path / "train.parquet"]
    if case in CASES and options.get("holdout"):
        negprep.test(log, tmp_path / "test.parquet", layout=layout, **{"num_neg": 4, **options})
        files.append(tmp_path / "test.parquet")
    assert not same(files, log, claims, spills)["failed"]


@pytest.mark.parametrize(
    ("case", "layout"),
    [(name, "pairwise") for name in PAIR_CASES]
    + [("all three", "listwise"), ("weak counted", "pointwise"), ("popularity", "pointwise"), ("same", "pointwise")],
)
def test_samplers_are_judged_alike(tmp_path, spills, monkeypatch, case, layout):
    monkeypatch.setattr(room, "_FEWEST_ROWS", 200 if case in PAIR_CASES and PAIR_CASES[case][0] is TINY else 9_000)
    log, options = (CASES | TRAIN_CASES | PAIR_CASES)[case]
    negprep.train(log, tmp_path / "o.parquet", layout=layout, **options)
    claims = Promised(**{name: options[name] for name in BESIDE if name in options})
    assert not same([tmp_path / "o.parquet"], log, claims, spills)["failed"]


@pytest.mark.parametrize("avoids_held", [False, True])
def test_foreign_files_are_told_alike(tmp_path, spills, avoids_held):
    """Of which the number of negatives, and what they avoid, is found out from the rows of all ranges."""
    negprep.train(TINY, tmp_path / "o.parquet", holdout="last")
    table = pq.read_table(tmp_path / "o.parquet").replace_schema_metadata(None)
    if avoids_held:
        seen = set(zip(TINY["user"].to_pylist(), TINY["item"].to_pylist(), strict=True))
        rows = [row for row in table.to_pylist() if row["label"] or (row["user"], row["item"]) not in seen]
        table = pa.Table.from_pylist(rows, schema=table.schema)
    pq.write_table(table, tmp_path / "x.train.parquet")
    negprep.test(TINY, tmp_path / "test.parquet", holdout="last", num_neg=9)
    rows = pq.read_table(tmp_path / "test.parquet").replace_schema_metadata(None).slice(0, 1_000)
    pq.write_table(rows, tmp_path / "x.test.parquet")
    same([tmp_path / "x.train.parquet", tmp_path / "x.test.parquet"], TINY, Promised(), spills)
    spills.clear()
    same([tmp_path / "x.train.parquet", tmp_path / "x.test.parquet"], TINY, Promised(holdout="last"), spills)


def test_leaks_are_told_alike(tmp_path, spills):
    negprep.train(TINY, tmp_path / "train.parquet", holdout="none")
    negprep.test(TINY, tmp_path / "test.parquet", holdout="last", num_neg=9)
    told = same([tmp_path / "train.parquet", tmp_path / "test.parquet"], TINY, Promised(), spills)
    (leak,) = told["across"]
    assert leak["check"] == results.LEAK
    assert leak["count"] > 10 * len(leak["examples"]) > 0


def test_little_is_held_at_a_time(tmp_path, spills, monkeypatch):
    """As many pairs as a range has, however long the log is, and as many rows as are gathered and a block has."""
    log = as_table(random_rows(9, users=400, items=60, most=30, times=9))
    negprep.train(log, tmp_path / "o.parquet", shuffle=True)
    most_pairs, most_bytes, ranges = [], [], []
    said, gathered = observed.UserPairs.of, RowParts.add

    def watched_said(*given, **options):
        found = said(*given, **options)
        most_pairs.append(len(found.positives))
        return found

    def watched_add(self, block):
        gathered(self, block)
        most_bytes.append(self._bytes)
        ranges.append(len(self._ranges))

    monkeypatch.setattr(observed.UserPairs, "of", watched_said)
    monkeypatch.setattr(RowParts, "add", watched_add)
    report = verify([(str(tmp_path / "o.parquet"), None)], log, memory=1)
    assert not report.failed
    counts = np.unique(np.array(log["user"].to_pylist()), return_counts=True)[1]
    assert len(most_pairs) == ranges[0] > 40
    assert max(most_pairs) < RANGE_ROWS + counts.max()
    assert max(most_bytes) <= 3_000


@pytest.mark.parametrize("keep_time", ["last", "first"])
def test_of_a_user_with_the_same_pairs_over_and_over_no_more_than_the_pairs_are_kept(
    tmp_path, spills, monkeypatch, keep_time
):
    chance = np.random.default_rng(3)
    heavy = pa.table(
        {
            "user": np.where(np.arange(6_000) % 20 == 0, chance.integers(0, 30, 6_000), 7),
            "item": chance.integers(0, 25, 6_000),
            "time": chance.integers(0, 10**6, 6_000),
            "value": chance.integers(1, 6, 6_000),
        }
    )
    log = pa.Table.from_batches(heavy.to_batches(max_chunksize=100))
    made = [tmp_path / "train.parquet", tmp_path / "test.parquet"]
    negprep.train(log, made[0], holdout="last", keep_time=keep_time, positive=">=4", num_neg=2)
    negprep.test(log, made[1], keep_time=keep_time, positive=">=4", num_neg=2)
    monkeypatch.setattr(observed, "_GATHERED", 200)
    timed, distinct, sizes = observed._timed, observed.distinct, []
    monkeypatch.setattr(observed, "_timed", lambda keys, *more: (sizes.append(len(keys)), timed(keys, *more))[1])
    monkeypatch.setattr(observed, "distinct", lambda keys: (sizes.append(len(keys)), distinct(keys))[1])
    spilled = verify([(str(path), None) for path in made], log, memory=1)
    monkeypatch.undo()
    whole = verify([(str(path), None) for path in made], log)
    assert spilled == whole
    assert not whole.failed
    assert max(sizes) < 1_000 < heavy.num_rows


def test_ranges_have_every_user_once():
    counts = np.random.default_rng(3).integers(0, 30, 500)
    ranges = Ranges.of_counts(counts, 100)
    bounds = ranges.bounds
    assert (bounds[0], bounds[-1]) == (0, 500)
    assert all(a < b for a, b in pairwise(bounds))
    assert max(counts[a:b].sum() for a, b in pairwise(bounds)) < 130
    users = np.arange(-1, 500, dtype=np.int32)
    found = ranges.range_of(users)
    assert found[0] == 0
    assert all(bounds[at] <= user < bounds[at + 1] for user, at in zip(users[1:], found[1:], strict=True))


@pytest.mark.parametrize("grouped", [False, True])
def test_blocks_are_parted_and_joined_without_loss(grouped):
    chance = np.random.default_rng(4)
    heads = chance.integers(-1, 30, 200).astype(np.int32)
    groups = chance.integers(-1, 200, 700) if grouped else None
    users = chance.integers(-1, 30, 700).astype(np.int32)
    if groups is not None:
        users = np.where(groups >= 0, heads[groups], users).astype(np.int32)
    block = Block(
        3, 900, heads, chance.integers(-1, 9, 200).astype(np.int32), np.arange(200), chance.integers(0, 9, 200), None,
        users, chance.integers(-1, 9, 700).astype(np.int32), 1_000 + np.arange(700), groups,
        odd_labels=np.array([5]),
    )  # fmt: skip
    ranges = Ranges((0, 7, 8, 20, 30))

    def told(some, first):
        of_heads = {
            (int(user) + (first if user >= 0 else 0), int(item), int(row), int(count))
            for user, item, row, count in zip(some.heads, some.head_items, some.head_rows, some.counts, strict=True)
        }
        lead = [-1] * len(some.users) if some.groups is None else some.groups
        of_negatives = {
            (
                int(user) + (first if user >= 0 else 0), int(item), int(row),
                int(some.head_rows[group]) if group >= 0 else -1,
            )
            for user, item, row, group in zip(some.users, some.items, some.negative_rows, lead, strict=True)
        }  # fmt: skip
        return of_heads | {("negative", *row) for row in of_negatives}

    whole, found = told(block, 0), set()
    for at, part in parting.parted(block, ranges):
        some = told(part, ranges.bounds[at])
        assert not found & some
        found |= some
        assert part.users.max(initial=-1) < ranges.bounds[at + 1] - ranges.bounds[at]
        assert told(parting.joined([part, part]), ranges.bounds[at]) == some
        assert len(part.odd_labels) == (at == 0)
    assert found == whole


def test_sums_over_parts_are_those_over_all_to_the_last_bit():
    chance = np.random.default_rng(5)
    pairs = PairSet(np.flatnonzero(chance.random(300 * 40) < 0.4), 300, 40)
    parts = PairParts(store.ArrayStore(None, spilled=False))
    for first, last in ((0, 100), (100, 101), (101, 250), (250, 300)):
        mine = pairs.keys[pairs.starts[first] : pairs.starts[last]] - first * 40
        parts.add(first, PairSet(mine, last - first, 40))
    catalog, of_users, of_items = np.ones(40, bool), chance.random(300) * 1e3, chance.random(40)
    for left_out in (False, True):
        one, other = UserSets(pairs, left_out, catalog), UserSets(parts, left_out, catalog)
        assert (one.over_owners(of_users) == other.over_owners(of_users)).all()
        assert (one.over_items(of_items) == other.over_items(of_items)).all()


def test_a_folder_for_what_is_spilled_that_is_not_there(tmp_path):
    with pytest.raises(negprep.OutputError, match=r"no: is not a folder; name one that is there with --spill-dir"):
        verify([(SAMPLE_LOG, None)], SAMPLE_LOG, spill_dir=str(tmp_path / "no"))


def test_a_folder_that_is_full(tmp_path, monkeypatch):
    def full(**_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    negprep.train(TINY, tmp_path / "o.parquet")
    monkeypatch.setattr(spill.tempfile, "TemporaryFile", full)
    assert not verify([(str(tmp_path / "o.parquet"), None)], TINY).failed
    with pytest.raises(negprep.OutputError, match=r"No space left on device; name a folder with room with --spill-dir"):
        verify([(str(tmp_path / "o.parquet"), None)], TINY, memory=1, spill_dir=str(tmp_path))


def run_in_child(script, *words, cwd):
    starting = "import sys\nfrom negprep.cli.main import run\n"
    return subprocess.Popen(
        [sys.executable, "-c", f"{starting}{script}\nrun()", "verify", *words],
        cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_the_command_tells_the_same_with_little_memory_and_refuses_what_it_cannot_do(
    tmp_path, spills, monkeypatch, capsys
):
    monkeypatch.setattr(room, "_FEWEST_ROWS", 9_000)
    monkeypatch.chdir(tmp_path)
    negprep.train(SAMPLE_LOG, "o.parquet", holdout="last")

    def told(*words):
        code = guarded(lambda: invoke(["verify", "o.parquet", "--log", SAMPLE_LOG, "--json", *words]))
        return *capsys.readouterr(), code

    kept = told()
    assert (kept[1:], len(spills)) == (("", 0), 0)
    assert told("--memory", "1M") == kept
    assert len(spills) == 1
    refused = [
        told("--memory", "1K"),
        told("--spill-dir", "nowhere"),
        told("--memory", "1M", "--spill-dir", "o.parquet"),
    ]
    assert [code for _, _, code in refused] == [2, 4, 4]
    assert "'1K' is not a size of at least 1M" in refused[0][1]
    assert refused[1][1] == "negprep: nowhere: is not a folder; name one that is there with --spill-dir\n"
    assert refused[2][1] == "negprep: o.parquet: is not a folder; name one that is there with --spill-dir\n"


def test_a_signal_leaves_nothing_of_what_was_spilled(tmp_path):
    negprep.train(SAMPLE_LOG, tmp_path / "o.parquet", holdout="last")
    (tmp_path / "spill").mkdir()
    script = """
import time
from negprep.checks.rows import RowParts
lay_aside = RowParts.lay_aside
def slow(self):
    lay_aside(self)
    print("spilled", flush=True)
    time.sleep(60)
RowParts.lay_aside = slow
"""
    words = ["o.parquet", "--log", SAMPLE_LOG, "--memory", "1M", "--spill-dir", "spill"]
    with run_in_child(script, *words, cwd=tmp_path) as process:
        assert process.stdout.readline() == "spilled\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
    assert (out, err, process.returncode) == ("", "negprep: stopped by SIGTERM\n", 143)
    assert list((tmp_path / "spill").iterdir()) == []
