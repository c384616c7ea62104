"""Fairness where what can be drawn depends on the positive, and of distinct draws by popularity."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from logs import as_table, random_rows
from scipy import stats

import negprep
from negprep.checks.draws import WindowSets
from negprep.checks.expected import Placed, PlaceRanges, Windows
from negprep.checks.log_ids import LogIds
from negprep.checks.observed import LogByRange
from negprep.checks.promises import LogPromise, Promised
from negprep.checks.ranges import ArrayStore, Ranges
from negprep.checks.verify import verify
from negprep.options.reading import ReadOptions
from negprep.read.log import open_log

SAMPLE = Path(__file__).parents[2] / "sample_data"
SAMPLE_LOG = str(SAMPLE / "log.parquet")
TINY = as_table(random_rows(5, users=60, items=40, most=20, times=90))
KINDS = pa.table(
    {
        "item": [item * 3 + 100 for item in range(38)],  # two items of the log have none
        "kind": ["abc"[item % 3] for item in range(38)],
        "available_from": [7 * (item % 5) for item in range(38)],
    }
)
SAME, TIME = {"items": KINDS, "same": "kind"}, {"available_at_time": True}
BY = ("by item", "by all items", "by tenths of ids", "by tenths of popularity")


def chances(path, log=TINY, **options):
    """The checks of draws, by name."""
    claims = Promised(items=options.get("items"))
    return {
        check.name: check
        for check in verify([(str(path), None)], log, promised=claims).checks
        if check.name.endswith(BY) and check.note != "only 0 draws"
    }


def probability(check):
    return float(check.note.rpartition("p = ")[2])


# The sums.


@pytest.mark.parametrize("step", [7, 1 << 16])
@pytest.mark.parametrize("left_out", [True, False])
@pytest.mark.parametrize(("same", "available"), [("kind", False), (None, True), ("kind", True)])
def test_sums_over_windows_are_those_of_lists(monkeypatch, same, available, left_out, step):
    """Against sets that are written out, positive by positive, in plain Python; also some positives at a time."""
    monkeypatch.setattr("negprep.checks.expected._STEP", step)
    monkeypatch.setattr("negprep.checks.draws._STEP", step)
    terms = LogPromise(same=same, items=True, with_times=True, with_firsts=available)
    with open_log(TINY, ReadOptions()) as log:
        frame = LogIds(log, terms, Promised(items=KINDS), ReadOptions())
        truth = LogByRange(frame, Ranges.whole(len(frame.users)), ArrayStore(None, spilled=False)).of_range(0)
    rows, name = TINY.to_pylist(), [id_.as_py() for id_ in truth.items.vocabulary.ids]
    kinds = {row["item"]: row["kind"] for row in KINDS.to_pylist()}
    firsts = {row["item"]: row["available_from"] for row in KINDS.to_pylist()}
    for row in rows:
        firsts[row["item"]] = min(row["time"], firsts.get(row["item"], 10**9))
    users = [id_.as_py() for id_ in frame.users.vocabulary.ids]
    latest = {}
    for row in rows:
        pair = (row["user"], row["item"])
        latest[pair] = max(row["time"], latest.get(pair, -1))
    windows = Windows(truth, truth.catalog, available=available)
    pairs = truth.positives.where(truth.catalog[truth.positives.items])
    placed, owners = Placed(pairs, windows), np.arange(0, len(truth.positives), 2)
    sets = WindowSets(
        windows.items, placed.places, PlaceRanges.of(windows, placed, truth, owners), left_out, len(truth.items)
    )
    dense = np.zeros((len(owners), len(name)))
    for row, owner in enumerate(owners):
        user, item = users[truth.positives.users[owner]], name[truth.positives.items[owner]]
        for place, other in enumerate(name):
            inside = other in kinds and (same is None or kinds.get(item) == kinds[other])
            inside = inside and (not available or firsts[other] <= latest[user, item])
            dense[row, place] = inside and ((user, other) not in latest) == left_out
    assert 0 < dense.sum() < dense.size * 0.7
    chance = np.random.default_rng(1)
    of_owners, of_items = chance.random(len(owners)), chance.random(len(name))
    bins = chance.integers(-1, 4, len(name))
    assert np.allclose(sets.over_owners(of_owners), of_owners @ dense, atol=1e-11)
    assert np.allclose(sets.over_items(of_items), dense @ of_items, atol=1e-11)
    wanted = np.stack([dense @ (of_items * (bins == number)) for number in range(4)], axis=1)
    parts = list(sets.masses(of_items, bins, 4))
    assert len(parts) == -(-len(owners) // step)
    assert np.allclose(np.concatenate([found for _, found in parts]), wanted, atol=1e-11)
    whole = np.array([1 << chance.integers(0, 55) for _ in name])
    exact = [sum(number for number, inside in zip(whole.tolist(), row, strict=True) if inside) for row in dense]
    assert sets.over_items(whole).tolist() == [float(number) for number in exact]


# Right files.

FIRST = {"sampler": "popularity", "distinct": True}
RIGHT = {
    "same": SAME,
    "time": TIME,
    "both": {**SAME, **TIME},
    "same, distinct": {**SAME, "distinct": True, "num_neg": 6},
    "time, distinct pairs": {**TIME, "distinct": True, "layout": "pairwise", "num_neg": 9},
    "time by popularity": {**TIME, "sampler": "popularity"},
    "both by shares": {**SAME, **TIME, "sampler": ("uniform:0.5", "popularity:0.5"), "layout": "listwise"},
    "time, shuffled": {**TIME, "shuffle": True},
    "same, shuffled and distinct": {**SAME, "shuffle": True, "distinct": True, "num_neg": 6},
    "same, shuffled pairs": {**SAME, "shuffle": True, "distinct": True, "layout": "pairwise", "num_neg": 6},
    "epochs": {**TIME, "epochs": 2},
    "bootstrap": {**TIME, "bootstrap": 3_000, "layout": "pairwise", "num_neg": 1, "holdout": "none"},
    "first draws": FIRST,
    "first draws of lists": {**FIRST, "layout": "listwise", "shuffle": True},
    "first draws of pairs": {**FIRST, "layout": "pairwise", "num_neg": 8},
    "first draws of shares": {"sampler": ("uniform:0.4", "popularity:0.6"), "distinct": True},
    "first draws within a window": {**FIRST, **SAME},
}


@pytest.mark.parametrize("seeds", [15, pytest.param(50, marks=pytest.mark.heavy)])
@pytest.mark.parametrize("case", RIGHT)
def test_right_files_pass_at_many_seeds(tmp_path, case, seeds):
    """And their probabilities are as even as discrete numbers, and bounds, let them be."""
    found = {}
    for seed in range(seeds):
        options = {"holdout": "last:2", "num_neg": 4, **RIGHT[case]}
        negprep.train(TINY, tmp_path / "o.parquet", seed=seed, **options, force=True)
        for name, check in chances(tmp_path / "o.parquet", **options).items():
            assert check.status == "passed" or check.note.startswith("too few"), (name, seed, check)
            if check.status == "passed":
                found.setdefault(name, []).append(probability(check))
    assert set(map(len, found.values())) == {seeds}
    tenths = [name for name in found if "tenths" in name]
    assert len(tenths) >= 2
    for name in tenths:
        assert stats.kstest(found[name], "uniform").pvalue > 1e-4, name


@pytest.mark.parametrize("layout", ["pointwise", "listwise"])
@pytest.mark.parametrize("options", [FIRST, {**FIRST, **TIME}, {**FIRST, "to": "recbole"}])
def test_candidates_pass(tmp_path, layout, options):
    """Also where the first draw stands last, because the holdout took its place."""
    if "to" in options and layout == "listwise":
        return
    found, to_folder = {}, "to" in options
    target = tmp_path / ("o" if to_folder else "o.parquet")
    given = options if to_folder else {**options, "layout": layout}
    for seed in range(20):
        negprep.test(
            TINY, f"{target}/" if to_folder else target, holdout="last:2", num_neg=3, seed=seed, force=True, **given
        )
        for name, check in chances(target, **options).items():
            assert check.status in ("passed", "not checked"), (name, seed, check)
            if check.status == "passed":
                found.setdefault(name, []).append(probability(check))
    assert "popularity draws by tenths of ids" in found
    for name in found:
        if "tenths" in name:
            assert stats.kstest(found[name], "uniform").pvalue > 1e-4, name


# Wrong files.


def rewritten(path, choose):
    """Other negatives: ``choose`` takes the user, the positive and what was drawn."""
    table = pq.read_table(path)
    rows, head = table.to_pylist(), None
    for row in rows:
        if row["label"] == 1:
            head = row["item"]
        else:
            row["item"] = choose(row["user"], head, row["item"])
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def seen_of(log):
    seen = {}
    for row in log.to_pylist():
        seen.setdefault(row["user"], set()).add(row["item"])
    return seen


def failing(checks):
    return {name for name, check in checks.items() if check.status == "failed"}


def test_a_bias_within_a_category_is_found(tmp_path):
    """Of each category, the first items twice as often as the last: all stay within the restriction."""
    negprep.train(TINY, tmp_path / "o.parquet", num_neg=12, **SAME)
    seen, chance = seen_of(TINY), random.Random(1)
    kinds = {row["item"]: row["kind"] for row in KINDS.to_pylist()}

    def choose(user, head, _):
        mine = sorted(item for item, kind in kinds.items() if kind == kinds[head] and item not in seen[user])
        return chance.choices(mine, [2 if place < len(mine) / 2 else 1 for place in range(len(mine))])[0]

    rewritten(tmp_path / "o.parquet", choose)
    assert failing(chances(tmp_path / "o.parquet", **SAME)) >= {"uniform draws by tenths of ids"}


def test_a_sampler_that_draws_categories_right_and_one_item_never_is_found(tmp_path):
    negprep.train(TINY, tmp_path / "o.parquet", num_neg=12, **SAME)
    seen, chance = seen_of(TINY), random.Random(2)
    kinds = {row["item"]: row["kind"] for row in KINDS.to_pylist()}

    def choose(user, head, drawn):
        mine = [item for item, kind in kinds.items() if kind == kinds[head] and item not in seen[user] | {103}]
        return chance.choice(mine) if drawn == 103 and mine else drawn

    rewritten(tmp_path / "o.parquet", choose)
    check = chances(tmp_path / "o.parquet", **SAME)["uniform draws by item"]
    assert check.status == "failed"
    assert any("item 103: " in example for example in check.examples)


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_sampler_that_never_draws_the_newest_items_is_found(tmp_path, shuffled):
    """Of what was there at the positive's time, the newest quarter is left out."""
    negprep.train(TINY, tmp_path / "o.parquet", num_neg=12, **TIME)
    seen, chance, firsts, times = seen_of(TINY), random.Random(3), {}, {}
    for row in TINY.to_pylist():
        firsts[row["item"]] = min(row["time"], firsts.get(row["item"], 10**9))
        times[row["user"], row["item"]] = max(row["time"], times.get((row["user"], row["item"]), -1))

    def choose(user, head, drawn):
        mine = [item for item in firsts if firsts[item] <= times[user, head] and item not in seen[user]]
        mine.sort(key=firsts.get)
        return chance.choice(mine[: -(-len(mine) * 3 // 4)])

    rewritten(tmp_path / "o.parquet", choose)
    if shuffled:
        table = pq.read_table(tmp_path / "o.parquet")
        said = table.schema.metadata[b"negprep"].replace(b'"shuffle": false', b'"shuffle": true')
        pq.write_table(table.replace_schema_metadata({b"negprep": said}), tmp_path / "o.parquet")
    found = chances(tmp_path / "o.parquet", **TIME)
    assert failing(found) >= {"uniform draws by all items", "uniform draws by item"}
    if not shuffled:
        newest = Counter(firsts).most_common(8)
        assert any(f"item {item}: " in found["uniform draws by item"].examples[0] for item, _ in newest)


def test_popularity_of_the_time_at_hand_is_found(tmp_path):
    """Draws from all items, those that were not there yet made again: in the window, but by another law."""
    negprep.train(TINY, tmp_path / "o.parquet", num_neg=12, sampler="popularity", **TIME)
    table = pq.read_table(tmp_path / "o.parquet")
    said = table.schema.metadata[b"negprep"].replace(b'"alpha": 0.75', b'"alpha": 1.25')
    pq.write_table(table.replace_schema_metadata({b"negprep": said}), tmp_path / "o.parquet")
    assert "popularity draws by tenths of popularity" in failing(chances(tmp_path / "o.parquet", **TIME))


@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
def test_distinct_popularity_of_another_exponent_is_found(tmp_path, layout):
    options = {"sampler": "popularity", "distinct": True, "layout": layout}
    negprep.train(SAMPLE_LOG, tmp_path / "o.parquet", alpha=1, holdout="last", **options)
    assert failing(chances(tmp_path / "o.parquet", SAMPLE_LOG)) == set()
    table = pq.read_table(tmp_path / "o.parquet")
    said = table.schema.metadata[b"negprep"].replace(b'"alpha": 1.0', b'"alpha": 0.8')
    assert said != table.schema.metadata[b"negprep"]
    pq.write_table(table.replace_schema_metadata({b"negprep": said}), tmp_path / "o.parquet")
    found = chances(tmp_path / "o.parquet", SAMPLE_LOG)
    assert "popularity draws by tenths of popularity" in failing(found)
    assert found["popularity draws by tenths of popularity"].note.startswith("of first draws, chi-square ")


@pytest.mark.parametrize("distinct", [False, True])
def test_items_without_a_weight_that_are_drawn_are_found(tmp_path, distinct):
    """Smoothing that is not said: the items of the catalog that nobody has are drawn now and then."""
    options = {"items": str(SAMPLE / "catalog.csv"), "sampler": "popularity", "distinct": distinct}
    negprep.train(SAMPLE_LOG, tmp_path / "o.parquet", smooth=0.5, **options)
    assert failing(chances(tmp_path / "o.parquet", SAMPLE_LOG, **options)) == set()
    table = pq.read_table(tmp_path / "o.parquet")
    said = table.schema.metadata[b"negprep"].replace(b'"smooth": 0.5', b'"smooth": 0.0')
    assert said != table.schema.metadata[b"negprep"]
    pq.write_table(table.replace_schema_metadata({b"negprep": said}), tmp_path / "o.parquet")
    check = chances(tmp_path / "o.parquet", SAMPLE_LOG, **options)["popularity draws by item"]
    assert (check.status, ", 0.0 expected" in check.examples[0]) == ("failed", True)


def test_where_the_first_draw_is_not_known_it_says_so(tmp_path):
    options = {"sampler": "popularity", "distinct": True, "shuffle": True}
    negprep.train(TINY, tmp_path / "o.parquet", **options)
    found = chances(tmp_path / "o.parquet")
    assert {check.status for check in found.values()} == {"not checked"}
    assert {"which is the first is not known" in check.note for check in found.values()} == {True}


def test_levels_within_a_window_are_not_judged(tmp_path):
    events = TINY.append_column("event", pa.array(["buy" if row % 3 else "view" for row in range(TINY.num_rows)]))
    negprep.train(events, tmp_path / "o.parquet", layout="pairwise", levels="0.3,0.3", positive="buy", **TIME)
    assert {check.status for check in chances(tmp_path / "o.parquet", events).values()} == {"not checked"}
