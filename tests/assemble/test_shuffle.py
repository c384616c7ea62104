"""Shuffled rows: the same rows, in an order that the seed and the ids alone decide."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reference
from logs import as_table, random_rows
from scipy import stats

import negprep
from negprep.assemble import shuffle
from negprep.encode import memory
from negprep.options.options import Options

ROWS = random_rows(5, users=40, items=60, most=20)
LOG = as_table(ROWS)
FEW = 10  # bits
LAYOUTS = pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])


def tuples(table):
    return list(zip(*table.to_pydict().values(), strict=True))


@pytest.fixture
def small(monkeypatch):
    """Buckets of few rows, and ranges of few users."""
    monkeypatch.setattr(memory, "_FEWEST_ROWS", 40)
    monkeypatch.setattr("negprep.pipeline.row_group_rows", lambda options: 50)


@LAYOUTS
@pytest.mark.parametrize("ids", [None, "u{}".format], ids=["integers", "text"])
@pytest.mark.parametrize("options", [{}, {"with_log_q": True}, {"encode": True}], ids=str)
def test_the_same_rows_in_another_order(tmp_path, layout, ids, options):
    log = as_table(ROWS, ids) if ids else LOG
    plain, shuffled = (
        pq.read_table(negprep.train(log, tmp_path / f"{on}.parquet", layout=layout, shuffle=on, **options))
        for on in (False, True)
    )
    assert shuffled.schema.equals(plain.schema)
    assert tuples(shuffled) != tuples(plain)
    assert sorted(map(repr, tuples(shuffled))) == sorted(map(repr, tuples(plain)))


@LAYOUTS
@pytest.mark.parametrize("options", [{}, {"jobs": 2}, {"jobs": 3, "shard_rows": 7}, {"memory": 1}], ids=str)
def test_jobs_memory_shards_and_row_order_do_not_matter(layout, options, small):
    rows = list(ROWS)
    random.Random(3).shuffle(rows)
    made = negprep.train(as_table(rows), layout=layout, shuffle=True, **options)
    assert made.equals(negprep.train(LOG, layout=layout, shuffle=True))


@LAYOUTS
@pytest.mark.parametrize("options", [{"jobs": 2}, {"jobs": 3, "shard_rows": 7}, {"memory": 1}], ids=str)
@pytest.mark.parametrize("more", [{}, {"with_log_q": True}], ids=str)
def test_equal_words_ascend_by_user_and_item_wherever_their_rows_were(few_words, layout, options, more, small):
    made = negprep.train(LOG, layout=layout, shuffle=True, **options, **more)
    assert made.equals(negprep.train(LOG, layout=layout, shuffle=True, **more))


@pytest.fixture
def few_words(monkeypatch):
    """Words that many rows share."""
    for module in ("section", "shuffle"):
        monkeypatch.setattr(f"negprep.assemble.{module}.ORDER_BITS", FEW)


@pytest.mark.parametrize("epoch", [0, 3])
def test_the_order_is_that_of_the_page(epoch):
    check_order(epoch, 40, {})


@pytest.mark.parametrize("more", [{}, {"with_log_q": True}], ids=str)
def test_of_few_words_the_order_is_that_of_the_page(few_words, more):
    check_order(3, FEW, more)


def check_order(epoch, bits, more):
    plain = tuples(negprep.train(LOG, seed=9, epoch=epoch, **more))
    key = reference.word(reference.word(9, 0), 7 + epoch * 2**32)
    words = []
    for number, (user, item, label, *_) in enumerate(plain):
        if label:
            pair, first = reference.mix(reference.mix(key ^ reference.id_key(user)) ^ reference.id_key(item)), number
        words.append(reference.word(pair, number - first) >> 64 - bits)
    wanted = sorted(zip(words, plain, strict=True), key=lambda row: (row[0], row[1][:2]))
    made = tuples(negprep.train(LOG, seed=9, epoch=epoch, shuffle=True, **more))
    assert made == [row for _, row in wanted]


@LAYOUTS
def test_groups_of_very_uneven_sizes_are_made_in_pieces(layout, monkeypatch):
    """Users who can have 2 to 58 of 60 items: in one table, or in tables of few cells."""
    options = {"layout": layout, "num_neg": 58, "distinct": True, "shuffle": True}
    whole = negprep.train(LOG, **options)
    monkeypatch.setattr("negprep.assemble.section._MOST_CELLS", 100)
    assert negprep.train(LOG, **options).equals(whole)


def test_epochs_are_shuffled_each():
    made = negprep.train(LOG, epochs=2, shuffle=True).drop_columns("epoch")
    assert made.equals(pa.concat_tables([negprep.train(LOG, epoch=epoch, shuffle=True) for epoch in range(2)]))


@pytest.mark.parametrize("epochs", [None, 2])
def test_parts_are_stretches_of_the_order(tmp_path, small, epochs, monkeypatch):
    monkeypatch.setattr("negprep.pipeline.row_group_rows", lambda options: 50)
    negprep.train(LOG, f"{tmp_path}/out/", shuffle=True, epochs=epochs, jobs=2)
    parts = sorted((tmp_path / "out").rglob("part-*"))
    assert len(parts) > 2
    rows = pa.concat_tables([pq.ParquetFile(part).read() for part in parts])
    whole = negprep.train(LOG, shuffle=True, epochs=epochs)
    assert tuples(rows) == tuples(whole.select(["user", "item", "label"]))


def test_rows_are_spilled_and_the_file_goes(tmp_path, small, monkeypatch):
    made = []

    class Watched(shuffle.SpillFile):
        def __init__(self, folder):
            super().__init__(folder)
            made.append(self)

    monkeypatch.setattr(shuffle, "SpillFile", Watched)
    negprep.train(LOG, tmp_path / "o.parquet", shuffle=True, memory=1)
    assert [file._file.closed for file in made] == [True]
    assert [path.name for path in tmp_path.iterdir()] == ["o.parquet"]


@pytest.mark.parametrize("bits", [40, 51, 52, 63], ids="words of {} bits".format)
def test_ascending_settles_ties_by_columns_and_then_by_place(bits, monkeypatch):
    """Also where word and place have no room in 64 bits."""
    monkeypatch.setattr(shuffle, "ORDER_BITS", bits)
    chance = np.random.default_rng(1)
    words = chance.integers(0, 1 << 10, 5_000).astype(np.uint64) << np.uint64(bits - 10)
    users, items = chance.integers(0, 3, 5_000), chance.integers(0, 2, 5_000)
    wanted = sorted(range(5_000), key=lambda at: (words[at], users[at], items[at]))
    assert shuffle.ascending(words, [users, items]).tolist() == wanted


@pytest.mark.parametrize(("bits", "n"), [(1, 1), (3, 2), (5, 6_000), (14, 1 << 18), (14, (1 << 18) + 1)])
def test_positions_by_bucket_are_stable(bits, n):
    """Up to 32 bits for bucket and place, and beyond."""
    buckets = np.random.default_rng(n).integers(0, 1 << bits, n).astype(np.uint64)
    buckets[buckets == 1] = 0  # an empty bucket
    order, bounds = shuffle.by_bucket(buckets, bits)
    assert (order == np.argsort(buckets, kind="stable")).all()
    assert np.diff(bounds).tolist() == np.bincount(buckets.astype(int), minlength=1 << bits).tolist()


def test_permutations_and_places_are_even():
    """Of 4,000 times four rows of one file, whose orders are independent of each other.

    Power: 0.9999 against orders a fifth more and less likely than they should be, and 0.992 against rows that stay in
    their tenth of the file a quarter too often.
    """
    fours = 4_000
    log = pa.table({"user": np.arange(fours * 4) // 2, "item": np.arange(fours * 4)})
    rows = negprep.train(log, holdout="none", num_neg=1, layout="pairwise", shuffle=True)
    place = np.argsort(rows["pos_item"].to_numpy())  # of each row, in the order of the log
    orders = Counter(map(tuple, place.reshape(fours, 4).argsort(axis=1).tolist()))
    assert len(orders) == 24
    assert stats.chisquare(list(orders.values())).pvalue > 1e-4
    tenths = np.bincount(np.arange(fours * 4) * 10 // (fours * 4) * 10 + place * 10 // (fours * 4), minlength=100)
    assert stats.chisquare(tenths, ddof=99 - 81).pvalue > 1e-4  # each row and each column sums to a tenth


def test_refusals():
    with pytest.raises(negprep.UsageError, match="shuffle is 'yes'; give True or False"):
        negprep.train(LOG, shuffle="yes")
    with pytest.raises(TypeError, match="unexpected keyword argument 'shuffle'"):
        negprep.test(LOG, shuffle=True)
    with pytest.raises(negprep.UsageError, match="--shuffle in test, where the rows of a user stay together"):
        Options(command="test", holdout="last", shuffle=True)
