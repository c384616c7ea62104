"""What a report counts is what pandas counts, however the rows are cut into batches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from negprep.read.prepared import open_prepared
from negprep.reports.gather import TIMES, IdTally, Pairs, PlaceTally, TimeTally, gather


def rows_of(path):
    """The rows as one frame of user, item, label and source, whatever the layout."""
    frame = pd.read_parquet(path)
    if "label" in frame:
        return frame
    if "neg_items" in frame:
        users, items = (pd.read_parquet(path.with_name(f"{path.stem}.{name}s.parquet")) for name in ("user", "item"))
        frame = frame.assign(
            user=users["user"].to_numpy()[frame["user"]],
            pos_item=items["item"].to_numpy()[frame["pos_item"]],
            neg_items=[items["item"].to_numpy()[codes] for codes in frame["neg_items"]],
        )
        negatives = frame.explode(["neg_items", "source"]).rename(columns={"neg_items": "item"})
        positives = frame.assign(source=None)
    else:
        negatives = frame.rename(columns={"neg_item": "item"})
        positives = frame.drop_duplicates(["user", "pos_item"]).assign(source=None)
    columns = ["user", "item", "label", "source"]
    positives = positives.rename(columns={"pos_item": "item"}).assign(label=1)
    return pd.concat([positives[columns], negatives.assign(label=0)[columns]])


def counts_of(rows, column):
    positive = rows[rows["label"] == 1].groupby(column).size()
    negative = rows[rows["label"] == 0].groupby(column).size()
    both = pd.DataFrame({"positives": positive, "negatives": negative}).fillna(0).astype(int)
    return {key: (row.positives, row.negatives) for key, row in both.iterrows()}


def as_counts(ids, counts):
    return dict(zip(ids.to_pylist(), map(tuple, counts.T.tolist()), strict=True))


@pytest.mark.parametrize("name", ["test", "train", "pairs", "lists"])
def test_counts_are_those_of_pandas(files, name):
    path = getattr(files, name)
    with open_prepared(path) as prepared:
        found = gather((batch.rows for batch in prepared.batches()), prepared.layout, placed=name == "test")
    rows = rows_of(path)
    assert as_counts(found.item_ids, found.items) == counts_of(rows, "item")
    assert as_counts(found.user_ids, found.users) == counts_of(rows, "user")
    negatives = rows[rows["label"] == 0]
    assert (found.positives, found.negatives) == ((rows["label"] == 1).sum(), len(negatives))
    assert found.sources == ({} if name == "test" else negatives.groupby("source").size().to_dict())


def test_places_are_those_of_pandas(files):
    frame = pd.read_parquet(files.test)
    places = frame.assign(place=frame.groupby("user").cumcount(), size=frame.groupby("user")["item"].transform("size"))
    places = places[places["label"] == 1]
    with open_prepared(files.test) as prepared:
        found = gather((batch.rows for batch in prepared.batches()), "pointwise", placed=True)
    assert found.places.observed.tolist() == np.bincount(places["place"], minlength=100).tolist()
    expected = [sum(1 / size for size in places["size"] if size > place) for place in range(100)]
    assert found.places.expected == pytest.approx(expected)
    assert (found.places.candidates_min, found.places.candidates_max) == (places["size"].min(), 100)
    assert found.unplaced == 0


def table_of(rows):
    users, items, labels = zip(*rows, strict=True)
    return pa.table({"user": list(users), "item": list(items), "label": pa.array(labels, pa.int8())})


GROUPS = [("a", "x", 0), ("a", "y", 1), ("a", "z", 0), ("a", "x", 1), ("a", "y", 0), ("a", "z", 0)]
"""A user with two holdouts: the second of three candidates, then the first of three."""


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 100])
def test_batches_may_end_anywhere(size):
    others = [("b", "x", 1), ("b", "z", 0), ("c", "x", 0), ("c", "y", 0), ("c", "z", 1), ("c", "y", 1)]
    batches = table_of(GROUPS + others).to_batches(max_chunksize=size)
    found = gather(batches, "pointwise", placed=True)
    assert found.places.observed.tolist() == [2, 1, 0]  # a at 1 and 0, b at 0; c's cannot be told apart
    assert found.places.expected == pytest.approx([1 / 2 + 2 / 3, 1 / 2 + 2 / 3, 2 / 3])
    assert found.unplaced == 1
    assert as_counts(found.user_ids, found.users) == {"a": (2, 4), "b": (1, 1), "c": (2, 2)}


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_positive_of_pairs_is_counted_once(size):
    rows = [("a", 1, 5), ("a", 1, 6), ("a", 2, 5), ("b", 2, 5), ("b", 2, 6), ("b", 1, 7)]
    users, positives, negatives = zip(*rows, strict=True)
    batches = pa.table({"user": users, "pos_item": positives, "neg_item": negatives}).to_batches(max_chunksize=size)
    assert gather(batches, "pairwise", placed=False).positives == 4
    assert gather(batches, "pairwise", placed=False, grouped=False).positives == 6


def test_a_user_without_positives_is_not_placed():
    found = gather(table_of([("a", 1, 0), ("a", 2, 0)]).to_batches(), "pointwise", placed=True)
    assert (found.places, found.unplaced, found.positives) == (None, 1, 0)


@pytest.mark.parametrize("pending", [1, 7, 1 << 20])
def test_ids_add_up_whatever_waits(monkeypatch, pending):
    monkeypatch.setattr("negprep.reports.gather.PENDING", pending)
    random = np.random.default_rng(1)
    tally, everything = IdTally(), []
    for batch in range(20):
        ids = random.integers(0, 50, 30)
        everything.append(ids)
        array = pa.array(ids) if batch % 3 else pa.array(map(str, ids)).dictionary_encode()
        tally.add(array, np.ones(30, np.int64), np.full(30, 2))
    ids, counts = tally.result()
    values, wanted = np.unique(np.concatenate(everything), return_counts=True)
    found = as_counts(ids, counts)
    assert found == {str(value): (count, 2 * count) for value, count in zip(values, wanted.tolist(), strict=True)}


def test_a_dictionary_larger_than_its_batch_counts_what_is_used():
    whole = pa.array([f"u{number}" for number in range(100)])
    tally = IdTally()
    tally.add(pa.DictionaryArray.from_arrays(pa.array([7, 7, 99], pa.int32()), whole), np.array([1, 2, 3]))
    assert as_counts(*tally.result()) == {"u7": (3, 0), "u99": (3, 0)}


@pytest.mark.parametrize("spread", [1, 10**6, 2**62])
def test_times_keep_their_number_and_about_their_place(spread):
    times = np.random.default_rng(2).integers(-spread, spread, 10_000)
    tally = TimeTally()
    for part in np.array_split(times, 7):
        tally.add(part)
    middles, sizes = tally.result()
    assert sizes.sum() == len(times)
    assert len(middles) <= TIMES
    width = max(2 * spread // (TIMES // 2), 1)
    below = [sizes[middles <= at].sum() for at in (-spread // 2, 0, spread // 2)]
    near = [[(times <= at - width).sum(), (times <= at + width).sum()] for at in (-spread // 2, 0, spread // 2)]
    assert all(low <= found <= high for found, (low, high) in zip(below, near, strict=True))


def test_places_of_long_lists_are_parts_of_them():
    tally = PlaceTally()
    tally.add(np.array([0, 999, 500]), np.array([1000, 1000, 1000]))
    assert np.flatnonzero(tally.observed).tolist() == [0, 50, 99]
    assert tally.expected == pytest.approx([3 / 100] * 100)


@pytest.mark.parametrize("as_text", [False, True])
def test_times_of_pairs_are_the_latest_of_the_log(as_text):
    kind = str if as_text else int
    pairs = Pairs()
    pairs.add(pa.array([kind(1), kind(2)]), pa.array([kind(7), kind(8)]))
    pairs.add(pa.array([kind(3)]), pa.array([kind(7)]))
    log = pa.table({"user": [1, 1, 2, 4, 2], "item": [7, 7, 8, 7, 9], "time": [5, 3, 9, 1, 2]})
    times = pairs.times(log.to_batches(max_chunksize=2))
    assert (sorted(times.found.tolist()), times.missing, times.log[1].sum()) == ([5, 9], 1, 5)
