"""`Sampler`: the rows of an epoch are those of `train --epoch`, in batches that nothing but their size decides."""

from __future__ import annotations

import gc
import json
import random
import resource
import sys
import threading
from collections import Counter
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import reference
from scipy.stats import binomtest, chisquare

import negprep
from negprep import epoch as epochs
from negprep.sample import rng, seen
from negprep.sample import sampler as sampler_module
from negprep.sample.rng import Permutation, purpose_key


def make_log():
    chance, rows = random.Random(8), []
    for user in range(60):
        for item in chance.sample(range(50), chance.randint(1, 24)):
            rating, shown = chance.randint(1, 5), f"u{user}s{chance.randrange(3)}"
            rows.append((user * 7 - 3, item * 3 + 100, chance.randrange(9), rating, shown, chance.choice("abc")))
    chance.shuffle(rows)
    columns = [list(column) for column in zip(*rows, strict=True)]
    return pa.table(dict(zip(["user", "item", "time", "rating", "page", "device"], columns, strict=True)))


LOG = make_log()
ITEMS = pa.table({"item": [*range(100, 236, 3), 7], "shelf": [number % 4 for number in range(47)]})
PAIRS = pa.table({"user": [-3, 4, 4, 11], "item": [100, 103, 106, 109]})
WEIGHTS = pa.table({"item": list(range(100, 250, 3)), "weight": [1 + number % 5 for number in range(50)]})
LIKED = {"positive": "rating>=3"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    chance, path = np.random.default_rng(3), tmp_path_factory.mktemp("model") / "model.npz"
    factors = {
        f"{noun}_factors": chance.normal(size=(size, 4)).astype("f4") for noun, size in (("user", 60), ("item", 50))
    }
    np.savez(path, users=np.arange(60) * 7 - 3, items=np.arange(50) * 3 + 100, **factors)
    return path


CASES = {
    "uniform": {},
    "strings": {"log": "strings"},
    "distinct": {"distinct": True, "num_neg": 30},
    "short users dropped": {"distinct": True, "num_neg": 30, "on_short": "drop"},
    "pairs": {"layout": "pairwise"},
    "lists": {"layout": "listwise", "num_neg": 3},
    "short lists": {"layout": "listwise", "distinct": True, "num_neg": 32},
    "short pairs": {"layout": "pairwise", "distinct": True, "num_neg": 32},
    "one negative": {"num_neg": 1, "label_dtype": "float32"},
    "half a negative": {"num_neg": 0.5, "layout": "pairwise"},
    "2.5 negatives": {"num_neg": 2.5, "layout": "listwise"},
    "popularity": {"sampler": "popularity", "with_log_q": True},
    "popularity in lists": {"sampler": "popularity", "with_log_q": True, "layout": "listwise", "smooth": 1.0},
    "weights": {"sampler": "popularity", "weights": WEIGHTS, "layout": "pairwise", "with_log_q": True},
    "distinct by popularity": {"sampler": "popularity", "distinct": True, "num_neg": 20, "alpha": 2.0},
    "distinct mixture": {"sampler": ("uniform:0.2", "popularity:0.8"), "distinct": True, "num_neg": 24, "alpha": 3.0},
    "weak": {"sampler": "weak", **LIKED},
    "mixture": {"sampler": ("uniform:0.5", "popularity:0.3", "weak:0.2"), **LIKED},
    "mixture in lists": {"sampler": ("uniform=3", "weak=1"), "layout": "listwise", **LIKED},
    "impression": {"sampler": "impression", "group_col": "page", "layout": "pairwise", **LIKED},
    "levels": {"levels": "0.3,0.5", "layout": "pairwise", **LIKED},
    "hard": {"sampler": ("hard:0.5", "uniform:0.5"), "pool": 4, "model": None},
    "reinforced": {"sampler": "reinforced", "model": None, "with_log_q": True, "layout": "pairwise", **LIKED},
    "bootstrap": {"bootstrap": 500, "layout": "pairwise"},
    "kept": {"keep": ("device", "rating"), "with_time": True},
    "histories": {"with_history": 3, "layout": "pairwise", "holdout": "none"},
    "histories in lists": {"with_history": 5, "layout": "listwise", "distinct": True, "num_neg": 32},
    "per user": {"per": "user", "num_neg": 7},
    "lists per user": {"per": "user", "num_neg": 7, "layout": "listwise", "with_log_q": True, "sampler": "popularity"},
    "short lists per user": {"per": "user", "num_neg": 33, "distinct": True, "layout": "listwise"},
    "catalog": {"items": ITEMS, "exclude": PAIRS},
    "same": {"items": ITEMS, "same": "shelf", "distinct": True},
    "available": {"available_at_time": True, "on_short": "drop", "distinct": True},
    "core": {"core": 6, "holdout": "random:2", "with_valid": True},
    "most users": {"min_positives": 5, "holdout": "after:6", "seed": 9},
}


def case_of(name, model):
    options = dict(CASES[name])
    log = LOG
    if options.pop("log", None):
        log = LOG.set_column(1, "item", pa.array([f"item {item}" for item in LOG["item"].to_pylist()]))
    if "model" in options:
        options["model"] = model
    return log, options


def rows_of(batches, sources=()):
    """The rows of batches, lists without their padding."""
    rows = []
    for batch in batches:
        columns = []
        for name, values in batch.items():
            if name.endswith("_count"):
                continue
            found = values.tolist()
            if values.ndim == 2:
                of = "history" if name == "history" else "pos" if name.startswith("pos") else "neg"
                counts = batch[f"{of}_count"].tolist()
                found = [
                    row[len(row) - count :] if of == "history" else row[:count]
                    for row, count in zip(found, counts, strict=True)
                ]
            if name == "source":
                found = [[sources[code] for code in row] if isinstance(row, list) else sources[row] for row in found]
            columns.append([tuple(row) if isinstance(row, list) else row for row in found])
        rows += zip(*columns, strict=True)
    return rows


def rows_of_train(log, epoch, **options):
    table = negprep.train(log, epoch=epoch, **options)
    columns = [
        [tuple(value) if isinstance(value, list) else value for value in column.to_pylist()] for column in table.columns
    ]
    return list(zip(*columns, strict=True)), table.schema.names


@pytest.mark.parametrize("name", CASES)
def test_epochs_are_those_of_train(name, model, monkeypatch):
    log, options = case_of(name, model)
    sampler = negprep.Sampler(log, encode=False, **options)
    for epoch in (0, 3):
        rows, names = rows_of_train(log, epoch, **options)
        in_order = sampler.epoch(epoch, batch_size=37, shuffle=False)
        assert [column for column in in_order[0] if not column.endswith("_count")] == names
        assert rows_of(in_order, sampler.sources) == rows
        shuffled = sampler.epoch(epoch, batch_size=37)
        assert len(shuffled) == -(-len(rows) // 37)
        found = rows_of(shuffled, sampler.sources)
        assert found != rows
        assert Counter(found) == Counter(rows)
        for factor, few in ((0, 1 << 30), (1 << 30, 0)):  # by the filter of all users, and of the users in need alone
            monkeypatch.setattr(seen, "SPARSE_BELOW", factor)
            monkeypatch.setattr(sampler_module, "_FEW_USERS", few)
            again = negprep.Sampler(log, encode=False, **options).epoch(epoch, batch_size=9)
            some = range(0, len(again), 1 + len(again) // 6)
            few_rows = rows_of([again[place] for place in some], sampler.sources)
            monkeypatch.undo()
            assert few_rows == [row for place in some for row in found[9 * place : 9 * place + 9]]


SMALL = {
    "rows": {"num_neg": 3},
    "rows of different numbers": {"layout": "pairwise", "distinct": True, "num_neg": 28},
    "lists": {"layout": "listwise", "with_history": 4},
    "users": {"per": "user", "num_neg": 5},
}


FEW = LOG.filter(pc.less(LOG["user"], 40))


@pytest.fixture(scope="module")
def samplers():
    assert not isinstance(negprep.Sampler(FEW, **SMALL["rows of different numbers"]).prepared.section.group_sizes, int)
    return {name: negprep.Sampler(FEW, **options) for name, options in SMALL.items()}


def alike(one, other):
    return [*one] == [*other] and all(np.array_equal(one[name], other[name]) for name in one)


def all_alike(some, others):
    some, others = list(some), list(others)
    return len(some) == len(others) and all(map(alike, some, others))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_ranks_and_workers_share_the_batches(samplers, name, shuffle, size):
    sampler = samplers[name]
    whole = list(sampler.epoch(1, size, shuffle=shuffle))
    n_rows = sum(len(batch["user"]) for batch in whole)
    assert [len(batch["user"]) for batch in whole[:-1]] == [size] * (len(whole) - 1)
    for ranks in (2, 3):
        parts = [sampler.epoch(1, size, shuffle=shuffle, rank=rank, world_size=ranks) for rank in range(ranks)]
        assert [len(part) for part in parts] == [len(whole[rank::ranks]) for rank in range(ranks)]
        for rank, part in enumerate(parts):
            assert all_alike(part, whole[rank::ranks])
            assert all_alike(
                chain(part.batches(0, 2), part.batches(1, 2)),
                whole[rank :: 2 * ranks] + whole[rank + ranks :: 2 * ranks],
            )
        full = [
            sampler.epoch(1, size, shuffle=shuffle, rank=rank, world_size=ranks, drop_last=True)
            for rank in range(ranks)
        ]
        assert {len(part) for part in full} == {n_rows // size // ranks}
        assert all(all_alike(part, whole[rank::ranks][: len(part)]) for rank, part in enumerate(full))


@pytest.mark.parametrize("name", SMALL)
def test_windows_of_any_size_give_the_same(samplers, name, monkeypatch):
    whole = list(samplers[name].epoch(1, 7))
    for first, growth, groups, block in (
        (1, 1, 1 << 20, 1),
        (2, 2, 3, 7),
        (3, 3, 1 << 20, 64),
        (1 << 20, 2, 1 << 20, 4096),
    ):
        monkeypatch.setattr(epochs, "_FIRST_BATCHES", first)
        monkeypatch.setattr(epochs, "_GROWTH", growth)
        monkeypatch.setattr(epochs, "_MOST_GROUPS", groups)
        monkeypatch.setattr(epochs, "_BLOCK_GROUPS", block)
        epoch = samplers[name].epoch(1, 7)
        assert all_alike(epoch, whole)
        places = random.Random(groups).sample(range(-len(whole), len(whole)), len(whole))
        assert all_alike([epoch[place] for place in places], [whole[place] for place in places])
        assert all_alike([epoch[place] for place in range(len(epoch))], whole)
    with pytest.raises(IndexError, match=r"no batch \d+ in an epoch of \d+"):
        epoch[len(whole)]
    for index in ("a", 1.5, None):
        with pytest.raises(TypeError, match=rf"an epoch has its batches by whole numbers, .*not {index!r}"):
            epoch[index]
    assert all_alike([epoch[np.int64(1)]], [whole[1]])


@pytest.mark.parametrize("name", SMALL)
def test_an_epoch_goes_on_at_every_batch(samplers, name):
    first, again = samplers[name], negprep.Sampler(FEW, **SMALL[name])
    epoch = first.epoch(4, 40, rank=1, world_size=2)
    whole = list(epoch)
    assert epoch.state_dict()["batch"] == len(whole) == len(epoch)
    first.epoch(4, 40, rank=1, world_size=2)
    states = [first.state_dict()]
    first.load_state_dict(states[0])
    states += [first.state_dict() for _ in first.epoch(4, 40, rank=1, world_size=2)]
    for done, state in enumerate(states):
        assert state["batch"] == done
        again.load_state_dict(json.loads(json.dumps(state)))
        rest = again.epoch(4, 40, rank=1, world_size=2)
        assert again.state_dict() == state
        assert all_alike(rest, whole[done:])
        assert all_alike(rest, whole)  # the next time it is gone through from the first on
    part = first.epoch(4, 40, rank=1, world_size=2)
    part.load_state_dict(states[1])
    assert all_alike(part, whole[1:])


def test_states_of_something_else_are_refused(samplers):
    sampler = samplers["rows"]
    with pytest.raises(negprep.UsageError, match="state_dict\\(\\) before any epoch; call epoch\\(\\) first"):
        negprep.Sampler(LOG).state_dict()
    epoch = sampler.epoch(2, 40)
    next(iter(epoch))
    state = sampler.state_dict()
    shorter, changed = FEW.slice(1), FEW.set_column(2, "time", pa.array(range(len(FEW))))
    for log, options in (
        (shorter, {"num_neg": 3}),
        (changed, {"num_neg": 3}),
        (FEW, {"num_neg": 4}),
        (FEW, {"num_neg": 3, "seed": 1}),
        (FEW, {"num_neg": 3, "exclude": PAIRS}),
        (FEW, {"num_neg": 3, "encode": False}),
        (FEW, {"num_neg": 3, "items": ITEMS, "same": "shelf"}),
    ):
        with pytest.raises(negprep.UsageError, match="the state is of another log, or of other options; make"):
            negprep.Sampler(log, **options).load_state_dict(state)
    for wrong in ({}, None, {**state, "more": 1}):
        with pytest.raises(negprep.UsageError, match="that is not a state of a sampler; give what"):
            sampler.load_state_dict(wrong)
    for changes, complaint in (
        ({"batch_size": 41}, "the state has batch_size 40, and this epoch 41; give the same"),
        ({"shuffle": False}, "the state has shuffle True, and this epoch False"),
        ({"world_size": 2}, "the state has world_size 1, and this epoch 2"),
    ):
        sampler.load_state_dict(state)
        with pytest.raises(negprep.UsageError, match=complaint):
            sampler.epoch(**{"number": 2, "batch_size": 40, **changes})
    sampler.load_state_dict({**state, "batch": 10**6})
    with pytest.raises(negprep.UsageError, match="batch is 1000000; choose a whole number from 0 to"):
        sampler.epoch(2, 40)
    sampler.load_state_dict(state)
    assert len(list(sampler.epoch(3, 40))) == len(epoch)  # another epoch begins with its first batch


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"number": -1}, "epoch is -1; choose a whole number from 0 to 2147483647"),
        ({"number": 1.0}, "epoch is 1.0"),
        ({"batch_size": 0}, "batch_size is 0; choose a whole number from 1"),
        ({"batch_size": True}, "batch_size is True"),
        ({"shuffle": 1}, "shuffle is 1; give True or False"),
        ({"drop_last": "no"}, "drop_last is 'no'; give True or False"),
        ({"rank": -1}, "rank is -1"),
        ({"rank": 2, "world_size": 2}, "rank is 2 of a world_size of 2; ranks count from 0"),
        ({"world_size": 0}, "world_size is 0"),
    ],
    ids=str,
)
def test_bad_arguments_of_an_epoch(samplers, changes, complaint):
    with pytest.raises(negprep.UsageError, match=complaint):
        samplers["rows"].epoch(**{"number": 0, **changes})


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"shuffle": True}, "shuffle is not an option of a sampler; give it to epoch"),
        ({"epoch": 0}, "epoch is not an option of a sampler; give the number to epoch"),
        ({"epochs": 2}, "epochs is not an option of a sampler; call epoch"),
        ({"to": "parquet"}, "to is not an option of a sampler; rows in memory have no format"),
        ({"force": True}, "force is not an option of a sampler; nothing is written"),
        ({"memory": 1 << 30}, "memory is not an option of a sampler; a sampler holds the log in memory"),
        ({"spill_dir": "/tmp"}, "spill_dir is not an option of a sampler; a sampler holds"),
        ({"num_neg": 0}, "num_neg is 0"),
        ({"sampler": "weak"}, "--sampler weak without weak interactions"),
        ({"encode": 1}, "encode is 1; give True or False"),
    ],
    ids=str,
)
def test_bad_options_of_a_sampler(options, complaint):
    with pytest.raises(negprep.UsageError, match=complaint):
        negprep.Sampler(LOG, **options)


def test_bad_logs_and_unknown_keywords():
    with pytest.raises(
        TypeError, match=r"^Sampler\(\) got an unexpected keyword argument 'num_negs'; did you mean 'num_neg'"
    ):
        negprep.Sampler(LOG, num_negs=3)
    with pytest.raises(negprep.BadDataError, match="no column"):
        negprep.Sampler(pa.table({"a": [1]}))
    odd = pa.table({"user": [1, 1, 2], "item": [1, 2, 1], "label": [1, 0, 1]})
    with pytest.raises(negprep.BadDataError, match="would be positives"):
        negprep.Sampler(odd)
    bare = pa.table({"user": [1, 2], "item": [1, 2]})
    with pytest.warns(negprep.NegprepWarning, match="holds nothing out of this log"):
        negprep.Sampler(bare, holdout="random")
    with pytest.raises(negprep.BadDataError, match="holds nothing out of this log"):
        negprep.Sampler(bare, holdout="random", strict=True)


def test_users_without_negatives():
    """Of a log whose only user has the whole catalog, no pair is left, and lists are empty."""
    log = pa.table({"user": [1, 1], "item": [10, 11]})
    none = negprep.Sampler(log, holdout="none", layout="pairwise").epoch(0)
    assert (len(none), list(none), none.state_dict()["batch"]) == (0, [], 0)
    (batch,) = negprep.Sampler(log, holdout="none", layout="listwise", num_neg=2).epoch(0, shuffle=False)
    assert batch["neg_items"].tolist() == [[-1, -1], [-1, -1]]
    assert batch["neg_count"].tolist() == [0, 0]


def test_codes_stand_for_ids(samplers):
    for options in ({"num_neg": 3}, {"num_neg": 3, "items": ITEMS}):
        coded, plain = negprep.Sampler(LOG, **options), negprep.Sampler(LOG, encode=False, **options)
        assert (coded.n_users, coded.n_items) == (60, 50 + ("items" in options))
        assert coded.users.equals(plain.users)
        assert coded.items.to_pylist() == sorted(coded.items.to_pylist())
        for some, other in zip(coded.epoch(0, 64), plain.epoch(0, 64), strict=True):
            assert some["user"].dtype == some["item"].dtype == np.int32
            assert coded.users.take(pa.array(some["user"])).to_pylist() == other["user"].tolist()
            assert coded.items.take(pa.array(some["item"])).to_pylist() == other["item"].tolist()


def test_lists_are_padded():
    sampler = negprep.Sampler(
        LOG,
        layout="listwise",
        distinct=True,
        num_neg=32,
        with_history=4,
        sampler=("uniform:0.5", "popularity:0.5"),
        smooth=1.0,
    )
    assert sampler.sources == ("uniform", "popularity", "fallback", "positive")
    (batch,) = sampler.epoch(0, 10_000)
    n_rows = len(batch["user"])
    places = np.arange(32)
    beyond = places >= batch["neg_count"][:, None]
    assert beyond.any()
    assert batch["neg_items"].shape == (n_rows, 32)
    assert np.array_equal(batch["neg_items"] == -1, beyond)
    assert np.array_equal(batch["source"] == -1, beyond)
    assert batch["source"].dtype == np.int8
    assert batch["history"].shape == (n_rows, 4)
    assert np.array_equal(batch["history"] == -1, np.arange(4) < 4 - batch["history_count"][:, None])


@pytest.mark.parametrize(("first", "step", "message"), [(-1, 1, "first is -1"), (0, 0, "step is 0"), (0.5, 1, "first")])
def test_shares_of_no_worker_are_refused(samplers, first, step, message):
    with pytest.raises(negprep.UsageError, match=f"{message}.*; choose a whole number from"):
        next(samplers["rows"].epoch(0).batches(first, step))


def test_batches_belong_to_whoever_asked(samplers):
    for batch in (*samplers["rows"].epoch(0, 64), samplers["rows"].epoch(0, 64)[0]):
        for values in batch.values():
            assert values.flags.writeable
            assert values.flags.c_contiguous


def test_even_steps_are_made_several_at_a_time(samplers, monkeypatch):
    made, make = [], epochs.Epoch._made
    monkeypatch.setattr(epochs.Epoch, "_made", lambda epoch, places: made.append(len(places)) or make(epoch, places))
    whole = list(samplers["rows"].epoch(1, 7))
    made.clear()
    epoch = samplers["rows"].epoch(1, 7)
    assert all_alike([epoch[place] for place in range(1, len(whole), 2)], whole[1::2])
    assert made[:3] == [1, 1, 4]
    assert sum(made) == len(whole) // 2
    epoch[3]["user"][:] = -1  # what was given away is made anew when it is asked for again
    assert alike(epoch[3], whole[3])


def test_a_model_that_changes_empties_what_was_drawn_ahead(samplers, monkeypatch):
    made, make = [], epochs.Epoch._made
    monkeypatch.setattr(epochs.Epoch, "_made", lambda epoch, places: made.append(len(places)) or make(epoch, places))
    sampler = negprep.Sampler(FEW, num_neg=3)
    whole = list(samplers["rows"].epoch(1, 3))
    made.clear()
    found = []
    for batch in sampler.epoch(1, 3):
        found.append(batch)
        sampler.generation += len(found) % 2 == 0  # as update_model does
    assert all_alike(found, whole)
    assert sum(made) <= len(whole) + 16 + 64 + 2  # once more than needed, before it is known how often it changes
    made.clear()
    assert all_alike(sampler.epoch(1, 3), whole)
    assert (made[0], sum(made)) == (2, len(whole))


def test_epochs_and_seeds_differ(samplers):
    def users(seed, epoch):
        sampler = samplers["rows"] if not seed else negprep.Sampler(FEW, num_neg=3, seed=seed)
        return np.concatenate([batch["user"] for batch in sampler.epoch(epoch, 64)]).tolist()

    orders = [users(seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4
    assert len({tuple(sorted(order)) for order in orders}) == 1


def test_a_loop_that_is_left_leaves_no_thread(samplers):
    before = threading.active_count()
    for _ in samplers["rows"].epoch(0, 1):
        break
    assert threading.active_count() == before


def test_nothing_is_kept_over_epochs(samplers):
    sampler = samplers["lists"]

    def run(epochs):
        for epoch in epochs:
            for batch in sampler.epoch(epoch, 200):
                del batch
        gc.collect()
        return sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    blocks, kilobytes = run(range(40))
    more_blocks, more_kilobytes = run(range(40, 1_000))
    assert more_blocks - blocks < 300
    assert more_kilobytes - kilobytes < 4_000


def test_the_order_is_a_bijection(monkeypatch):
    key = purpose_key(0, "batches", 1)
    for most, sizes in ((1 << 16, (*range(1, 5_001), 65_536, 65_537)), (0, (*range(1, 500), *range(4_970, 5_001)))):
        monkeypatch.setattr(rng, "_SORTED", most)
        for size in sizes:
            seen = np.zeros(size, np.int8)
            seen[Permutation(key, size).at(np.arange(size))] = 1
            assert seen.all()
    order = Permutation(key, 1 << 34)
    places = np.arange(5) + (1 << 33)
    assert np.array_equal(order.at(places), np.concatenate([order.at(places[:2]), order.at(places[2:])]))
    assert len({*order.at(np.arange(10_000)).tolist()}) == 10_000


@pytest.mark.parametrize("size", [1, 7, 65_536, 65_537, 1_000_003, 20_000_263])
def test_the_order_is_that_of_the_page(size):
    order = Permutation(purpose_key(5, "batches", 3), size)
    places = [0, size // 3, size // 2, size - 1]
    assert order.at(np.array(places)).tolist() == [reference.group_at(place, size, 5, 3) for place in places]


@pytest.mark.parametrize(("most", "size"), [(1 << 16, 24), (0, 24), (0, 997)])
def test_the_order_is_uniform(monkeypatch, most, size):
    monkeypatch.setattr(rng, "_SORTED", most)
    orders = np.array([Permutation(purpose_key(seed, "batches"), size).at(np.arange(size)) for seed in range(1_000)])
    first = orders * 12 // size
    for column in (0, 1, size // 2, size - 1):
        assert (
            chisquare(np.bincount(first[:, column], minlength=12), expected(np.arange(size) * 12 // size)).pvalue > 1e-4
        )
    for one, other in ((0, 1), (0, size // 2), (size // 3, size - 1)):
        step = np.sign(orders[:, one] - orders[:, other])
        assert binomtest(int((step > 0).sum()), len(orders)).pvalue > 1e-4
        distance = (orders[:, one] - orders[:, other]) % size  # 1 to size - 1, all as likely
        assert distance.min() > 0
        found = np.bincount((distance - 1) * 8 // (size - 1), minlength=8)
        assert chisquare(found, expected(np.arange(size - 1) * 8 // (size - 1))).pvalue > 1e-4
    fixed = (orders == np.arange(size)).sum(axis=1)  # on average one, whatever the size
    assert abs(fixed.mean() - 1) < 5 / len(orders) ** 0.5


def expected(bins):
    """How many of 1,000 values fall into each bin, where all values are as likely."""
    return np.bincount(bins) * 1_000 / len(bins)
