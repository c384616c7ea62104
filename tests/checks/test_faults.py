"""Files made wrong on purpose: each fault is found by the check that is for it, and the row is named."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from logs import as_table, random_rows

import negprep
from negprep.checks import results
from negprep.checks.promises import Promised
from negprep.checks.rows import Blocks
from negprep.checks.sweep import Epochs
from negprep.checks.verify import verify
from negprep.errors import BadDataError

SAMPLE = Path(__file__).parents[2] / "sample_data"
SAMPLE_LOG, CATALOG = str(SAMPLE / "log.parquet"), str(SAMPLE / "catalog.csv")
TINY = as_table(random_rows(3, users=60, items=30, most=20, times=50))
EVENTS = TINY.append_column("event", pa.array(["buy" if row % 3 else "view" for row in range(TINY.num_rows)]))
HALF = pa.table({"item": [item * 3 + 100 for item in range(20)], "kind": ["ab"[item % 2] for item in range(20)]})
EXCLUDED = pa.table(
    {"user": [-3 + 7 * user for user in range(60)], "item": [100 + 3 * (user % 30) for user in range(60)]}
)


class Log:
    """The log in plain Python."""

    def __init__(self, log: Any, positive: str | None = None) -> None:
        table = pq.read_table(log) if isinstance(log, str) else log
        self.positives: dict[Any, dict[Any, Any]] = {}
        self.weak: dict[Any, set[Any]] = {}
        for row in table.to_pylist():
            if positive is None or row["event"] == positive:
                mine = self.positives.setdefault(row["user"], {})
                mine[row["item"]] = max(row["time"], mine.get(row["item"], row["time"]))
        for row in table.to_pylist():
            if row["item"] not in self.positives.get(row["user"], {}):
                self.weak.setdefault(row["user"], set()).add(row["item"])
        self.items = sorted(set(table["item"].to_pylist()))

    def unseen(self, user: Any) -> list[Any]:
        return [item for item in self.items if item not in self.positives[user] and item not in self.weak.get(user, ())]


@dataclass
class Case:
    """A good file, and how to make it wrong: ``spoil`` changes the rows and says which one (from 0) is named."""

    check: str
    spoil: Any
    command: str = "train"
    options: dict[str, Any] | None = None
    log: Any = None
    positive: str | None = None


def first(rows, wanted, after=0):
    return next(place for place, row in enumerate(rows) if place >= after and wanted(row))


def negative(rows, after=0):
    return first(rows, lambda row: row["label"] == 0, after)


def head_of(rows, place):
    return max(at for at in range(place + 1) if rows[at]["label"] == 1)


def train_items(rows, user):
    return [row["item"] for row in rows if row["user"] == user and row["label"] == 1]


def put(rows, place, item):
    rows[place]["item"] = item
    return place


def seen_positive(rows, log):
    place = first(rows, lambda row: row["label"] == 0 and len(train_items(rows, row["user"])) > 1, 50)
    own = rows[head_of(rows, place)]["item"]
    return put(rows, place, next(item for item in train_items(rows, rows[place]["user"]) if item != own))


def weak_negative(rows, log):
    place = first(rows, lambda row: row["label"] == 0 and log.weak.get(row["user"]), 20)
    return put(rows, place, min(log.weak[rows[place]["user"]]))


def excluded_negative(rows, log):
    pairs = {(row["user"], row["item"]) for row in EXCLUDED.to_pylist()}

    def fits(row):
        mine = [item for user, item in pairs if user == row["user"] and item not in log.positives[user]]
        return row["label"] == 0 and mine

    place = first(rows, fits, 10)
    user = rows[place]["user"]
    return put(rows, place, next(item for one, item in pairs if one == user and item not in log.positives[user]))


def own_positive(rows, log):
    place = negative(rows, 30)
    return put(rows, place, rows[head_of(rows, place)]["item"])


def outside_catalog(rows, log):
    catalog = HALF["item"].to_pylist()
    place = first(rows, lambda row: row["label"] == 0 and set(log.unseen(row["user"])) - set(catalog), 5)
    return put(rows, place, next(item for item in log.unseen(rows[place]["user"]) if item not in catalog))


def unknown_item(rows, log):
    return put(rows, negative(rows, 7), 123_456)


def repeated(rows, log):
    place = negative(rows, 40)
    while rows[place + 1]["label"]:
        place = negative(rows, place + 1)
    return put(rows, place + 1, rows[place]["item"])


def one_too_few(rows, log):
    place = negative(rows, 60)
    head = head_of(rows, place)
    del rows[place]
    return head


def one_too_many(rows, log):
    place = negative(rows, 60)
    rows.insert(place, dict(rows[place]))
    return head_of(rows, place)


def missing_positive(rows, log):
    place = first(rows, lambda row: row["label"] == 1 and len(train_items(rows, row["user"])) > 2, 30)
    gone = rows[place]
    end = first(rows, lambda row: row["label"] == 1, place + 1)
    del rows[place:end]
    return f"user {gone['user']}, item {gone['item']} is not there"


def invented_positive(rows, log):
    place = first(rows, lambda row: row["label"] == 1, 30)
    return put(rows, place, log.unseen(rows[place]["user"])[0])


def positive_twice(rows, log):
    place = first(rows, lambda row: row["label"] == 1, 30)
    end = first(rows, lambda row: row["label"] == 1, place + 1)
    rows[end:end] = [dict(row) for row in rows[place:end]]
    return end


def holdout_in_train(rows, log):
    def latest(user):
        times = sorted(log.positives[user].values())
        return len(times) > 2 and times[-1] > times[-2]

    place = first(rows, lambda row: row["label"] == 1 and latest(row["user"]), 30)
    user = rows[place]["user"]
    end = first(rows, lambda row: row["label"] == 1, place + 1)
    extra = [dict(row) for row in rows[place:end]]
    extra[0]["item"] = max(log.positives[user], key=log.positives[user].get)
    rows[end:end] = extra
    return end


def missing_user(rows, log):
    user = rows[100]["user"]
    rows[:] = [row for row in rows if row["user"] != user]
    return f"user {user} has"


def odd_label(rows, log):
    place = negative(rows, 11)
    rows[place]["label"] = 2
    return place


def unknown_user(rows, log):
    place = first(rows, lambda row: row["label"] == 1, 25)
    rows[place]["user"] = 987_654
    return place


def false_source(rows, log):
    place = first(rows, lambda row: row["source"] == "uniform", 9)
    rows[place]["source"] = "weak"
    return place


def other_kind(rows, log):
    kinds = dict(zip(HALF["item"].to_pylist(), HALF["kind"].to_pylist(), strict=True))
    place = negative(rows, 9)
    other = [item for item in log.unseen(rows[place]["user"]) if item in kinds]
    return put(rows, place, next(item for item in other if kinds[item] != kinds[rows[place]["item"]]))


def too_early(rows, log):
    firsts = {}
    for row in TINY.to_pylist():
        firsts[row["item"]] = min(row["time"], firsts.get(row["item"], 99))
    late = max(firsts, key=firsts.get)

    def fits(row):
        when = log.positives[row["user"]].get(row["item"], 99) if row["label"] else 99
        return when < firsts[late] and late in log.unseen(row["user"])

    return put(rows, first(rows, fits) + 1, late)


def stray(rows, log):
    place = negative(rows, 33)
    other = next(user for user in log.positives if rows[place]["item"] not in log.positives[user])
    assert other != rows[place]["user"]
    rows[place]["user"] = other
    return place


def early_holdout(rows, log):
    def fits(row):
        times = sorted(log.positives[row["user"]].values())
        return row["label"] == 1 and len(times) > 3 and times[0] < times[-1]

    place = first(rows, fits, 20)
    mine = log.positives[rows[place]["user"]]
    return put(rows, place, min(mine, key=mine.get))


def candidate_seen(rows, log):
    place = first(rows, lambda row: row["label"] == 0 and len(log.positives[row["user"]]) > 3, 20)
    held = first(rows, lambda row: row["user"] == rows[place]["user"] and row["label"] == 1)
    return put(rows, place, next(item for item in log.positives[rows[place]["user"]] if item != rows[held]["item"]))


def holdout_among_negatives(rows, log):
    place = negative(rows, 20)
    held = first(rows, lambda row: row["user"] == rows[place]["user"] and row["label"] == 1)
    return put(rows, place, rows[held]["item"])


def two_positives(rows, log):
    place = negative(rows, 20)
    rows[place]["label"] = 1
    rows[place]["item"] = next(iter(log.positives[rows[place]["user"]]))
    return first(rows, lambda row: row["user"] == rows[place]["user"])


def repeated_candidate(rows, log):
    place = negative(rows, 40)
    other = first(rows, lambda row: row["user"] == rows[place]["user"] and row["label"] == 0, place + 1)
    return put(rows, other, rows[place]["item"])


def always_first(rows, log):
    rows.sort(key=lambda row: (row["user"], -row["label"]))
    return "degrees of freedom"


def pair_lost(rows, log):
    user, item = rows[20]["user"], rows[20]["pos_item"]
    del rows[first(rows, lambda row: (row["user"], row["pos_item"]) == (user, item))]
    return first(rows, lambda row: (row["user"], row["pos_item"]) == (user, item))


def pair_seen(rows, log):
    place = first(rows, lambda row: sum(other["user"] == row["user"] for other in rows) > 12, 15)
    mine = {row["pos_item"] for row in rows if row["user"] == rows[place]["user"]}
    rows[place]["neg_item"] = next(iter(mine - {rows[place]["pos_item"]}))
    return place


def list_seen(rows, log):
    place = first(rows, lambda row: sum(other["user"] == row["user"] for other in rows) > 3, 15)
    mine = {row["pos_item"] for row in rows if row["user"] == rows[place]["user"]}
    rows[place]["neg_items"][1] = next(iter(mine - {rows[place]["pos_item"]}))
    return place


def list_repeated(rows, log):
    rows[21]["neg_items"][2] = rows[21]["neg_items"][0]
    return 21


def list_short(rows, log):
    rows[22]["neg_items"] = rows[22]["neg_items"][1:]
    return 22


def twice_in_an_epoch(rows, log):
    """Missing in epoch 0, twice in epoch 1: the sum is right."""
    later = [place for place, row in enumerate(rows) if row["epoch"] == 1 and row["label"] == 1]
    begin, end = later[3], later[4]
    pair = (rows[begin]["user"], rows[begin]["item"])
    rows[end:end] = [dict(row) for row in rows[begin:end]]
    gone = first(rows, lambda row: (row["user"], row["item"], row["label"]) == (*pair, 1))
    until = first(rows, lambda row: row["label"] == 1, gone + 1)
    del rows[gone:until]
    return end - (until - gone)


def lost_by_user(rows, log):
    place = negative(rows, 100)
    user = rows[place]["user"]
    del rows[place]
    return f"user {user}: "


def one_pair_more(rows, log):
    rows.append(dict(rows[-1]))
    return "301 rows, not the 300 of --bootstrap"


def level_not_weak(rows, log):
    place = first(rows, lambda row: row["source"] == "weak>unobserved")
    rows[place]["pos_item"] = next(item for item in log.unseen(rows[place]["user"]) if item != rows[place]["neg_item"])
    return place


LAST = {"holdout": "last"}
DISTINCT = {**LAST, "distinct": True}
CASES = {
    "a negative is a positive": Case(results.SEEN, seen_positive),
    "and the rows are shuffled": Case(results.SEEN, seen_positive, options={"shuffle": True, **LAST}),
    "a negative is weak": Case(results.WEAK, weak_negative, log=EVENTS, positive="buy"),
    "a negative is excluded": Case(results.EXCLUDED, excluded_negative, options={"exclude": EXCLUDED}),
    "a positive is its own negative": Case(results.OWN, own_positive),
    "a negative is outside the catalog": Case(results.CATALOG, outside_catalog, options={"items": HALF}),
    "a negative is unknown": Case(results.ITEMS, unknown_item),
    "a negative occurs twice": Case(results.DISTINCT, repeated, options=DISTINCT),
    "a negative is missing": Case(results.COUNTS, one_too_few),
    "a negative is too many": Case(results.COUNTS, one_too_many),
    "a positive is missing": Case(results.MISSING, missing_positive, options=LAST),
    "a positive is invented": Case(results.POSITIVES, invented_positive),
    "a positive occurs twice": Case(results.ONCE, positive_twice),
    "a holdout is in train": Case(results.HOLDOUTS, holdout_in_train, options=LAST),
    "a user is missing": Case(results.ABSENT, missing_user, options=LAST),
    "a label is two": Case(results.LABELS, odd_label),
    "a user is unknown": Case(results.USERS, unknown_user),
    "a source is false": Case(
        results.DRAWN_WEAK, false_source, options={"sampler": ("uniform:0.5", "weak:0.5")}, log=EVENTS, positive="buy"
    ),
    "a negative is of another kind": Case(results.WITHIN, other_kind, options={"items": HALF, "same": "kind"}),
    "a negative was not there yet": Case(results.WITHIN, too_early, options={"available_at_time": True}),
    "a negative is of another user": Case(results.COUNTS, stray),
    "a holdout is early": Case(results.HOLDOUTS, early_holdout, "test"),
    "a candidate is a positive": Case(results.SEEN, candidate_seen, "test"),
    "a holdout is among its candidates": Case(results.OWN, holdout_among_negatives, "test"),
    "a user is not tested": Case(results.ABSENT, missing_user, "test"),
    "a group has two positives": Case(results.COUNTS, two_positives, "test"),
    "a candidate occurs twice": Case(results.DISTINCT, repeated_candidate, "test"),
    "the holdout stands first": Case(results.SLOT, always_first, "test"),
    "a pair is missing": Case(results.COUNTS, pair_lost, options={"layout": "pairwise"}),
    "a pair's negative is a positive": Case(results.SEEN, pair_seen, options={"layout": "pairwise"}),
    "a list holds a positive": Case(results.SEEN, list_seen, options={"layout": "listwise"}),
    "a list repeats": Case(results.DISTINCT, list_repeated, options={"layout": "listwise", "distinct": True}),
    "a list is short": Case(results.COUNTS, list_short, options={"layout": "listwise"}),
    "an epoch has a positive twice": Case(results.ONCE, twice_in_an_epoch, options={"epochs": 2}),
    "a shuffled negative is missing": Case(results.COUNTS, lost_by_user, options={"shuffle": True}),
    "a bootstrap has a pair too many": Case(
        results.COUNTS, one_pair_more, options={"layout": "pairwise", "bootstrap": 300, "holdout": "none"}
    ),
    "a level is not weak": Case(
        results.POSITIVES,
        level_not_weak,
        options={"layout": "pairwise", "levels": "0.3,0.3"},
        log=EVENTS,
        positive="buy",
    ),
}


def log_of(case):
    return TINY if case.log is None else case.log


def spoiled(folder, case):
    """The path of the wrong file, and what its report must name."""
    log = log_of(case)
    options = {**({"positive": case.positive} if case.positive else {}), **(case.options or {})}
    if case.command == "test":
        options = {"num_neg": 7, **options}
    path = folder / "o.parquet"
    getattr(negprep, case.command)(log, path, **options)
    table = pq.read_table(path)
    rows = table.to_pylist()
    named = case.spoil(rows, Log(log, case.positive))
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    beside = {name: options[name] for name in ("items", "exclude") if name in options}
    return path, f"row {named + 1}" if isinstance(named, int) else named, Promised(**beside)


def failing(report):
    return {check.name: check for check in report.checks if check.status == "failed"}


@pytest.mark.parametrize("name", CASES)
def test_a_planted_fault_is_found_and_named(tmp_path, name):
    case = CASES[name]
    path, named, claims = spoiled(tmp_path, case)
    found = failing(verify([(str(path), None)], log_of(case), promised=claims))
    assert case.check in found
    told = [*found[case.check].examples, found[case.check].note]
    assert any(named in f"{line}:" for line in told), told
    # Nothing else is called wrong, but for what follows from it.
    follows = {
        results.METADATA, results.COUNTS, results.MISSING, results.POSITIVES, results.SEEN, results.HOLDOUTS,
        results.ONCE, results.ABSENT,
    }  # fmt: skip
    assert set(found) - {case.check} <= follows


def rewritten(path, change):
    """A file with other negatives: ``change`` takes a row and gives the item."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    for row in rows:
        if row["label"] == 0:
            row["item"] = change(row)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def test_a_truncated_sampler_is_found_by_the_tenths_of_ids(tmp_path):
    """The known fault: of the sorted unseen items, only those in the lower half are drawn."""
    chance, log = random.Random(1), Log(TINY)
    negprep.train(TINY, tmp_path / "o.parquet", holdout="last", num_neg=8)
    unseen = {user: log.unseen(user) for user in log.positives}
    rewritten(
        tmp_path / "o.parquet", lambda row: chance.choice(unseen[row["user"]][: -(-len(unseen[row["user"]]) // 2)])
    )
    found = failing(verify([(str(tmp_path / "o.parquet"), None)], TINY))
    assert {"uniform draws by tenths of ids", "uniform draws by all items", "uniform draws by item"} <= set(found)
    ratios = [float(word) for word in found["uniform draws by tenths of ids"].examples[0].partition(": ")[2].split()]
    assert min(ratios[:3]) > 1 > 0.1 > max(ratios[-2:])


def test_an_item_that_is_never_drawn_is_named(tmp_path):
    """``randint(0, n - 1)``: the last item never comes."""
    chance, log = random.Random(2), Log(TINY)
    negprep.train(TINY, tmp_path / "o.parquet", holdout="last", num_neg=12)
    rewritten(
        tmp_path / "o.parquet", lambda row: chance.choice([i for i in log.unseen(row["user"]) if i != log.items[-1]])
    )
    found = failing(verify([(str(tmp_path / "o.parquet"), None)], TINY))
    assert f"item {log.items[-1]}: 0 draws" in found["uniform draws by item"].examples[0]


def test_another_sampler_than_stated_is_found_by_the_tenths_of_popularity(tmp_path):
    negprep.train(SAMPLE_LOG, tmp_path / "o.parquet", sampler="popularity", holdout="last")
    said = pq.read_schema(tmp_path / "o.parquet").metadata[b"negprep"]
    table = pq.read_table(tmp_path / "o.parquet")
    false = said.replace(b'"sampler": "popularity"', b'"sampler": "uniform"')
    assert false != said
    pq.write_table(table.replace_schema_metadata({b"negprep": false}), tmp_path / "o.parquet")
    found = failing(verify([(str(tmp_path / "o.parquet"), None)], SAMPLE_LOG))
    assert "uniform draws by tenths of popularity" in found


def test_a_popularity_of_another_exponent_is_found(tmp_path):
    negprep.train(SAMPLE_LOG, tmp_path / "o.parquet", sampler="popularity", alpha=1, holdout="last")
    table = pq.read_table(tmp_path / "o.parquet")
    false = table.schema.metadata[b"negprep"].replace(b'"alpha": 1.0', b'"alpha": 0.9')
    pq.write_table(table.replace_schema_metadata({b"negprep": false}), tmp_path / "o.parquet")
    assert "popularity draws by tenths of popularity" in failing(
        verify([(str(tmp_path / "o.parquet"), None)], SAMPLE_LOG)
    )


@pytest.mark.parametrize(
    ("said", "true"), [("uniform:0.5 weak:0.5", "uniform:0.47 weak:0.53"), ("uniform=2 weak=2", "uniform=3 weak=1")]
)
def test_other_shares_than_stated_are_found(tmp_path, said, true):
    negprep.train(SAMPLE_LOG, tmp_path / "o.parquet", sampler=tuple(true.split()), positive="purchase")
    report = verify([(str(tmp_path / "o.parquet"), None)], SAMPLE_LOG)
    assert results.SHARES in {check.name for check in report.checks if check.status == "passed"}
    table = pq.read_table(tmp_path / "o.parquet")
    false = table.schema.metadata[b"negprep"].replace(true.encode(), said.encode())
    pq.write_table(table.replace_schema_metadata({b"negprep": false}), tmp_path / "o.parquet")
    assert results.SHARES in failing(verify([(str(tmp_path / "o.parquet"), None)], SAMPLE_LOG))


def test_train_and_test_of_other_split_seeds_leak(tmp_path):
    negprep.train(TINY, tmp_path / "train.parquet", holdout="random", split_seed=1)
    negprep.test(TINY, tmp_path / "test.parquet", holdout="random", split_seed=2, num_neg=5)
    report = verify([(str(tmp_path / "train.parquet"), None), (str(tmp_path / "test.parquet"), None)], TINY)
    (check,) = [check for check in report.across if check.name == results.LEAK]
    assert check.status == "failed"
    train = {
        (row["user"], row["item"]) for row in pq.read_table(tmp_path / "train.parquet").to_pylist() if row["label"]
    }
    test = {(row["user"], row["item"]) for row in pq.read_table(tmp_path / "test.parquet").to_pylist() if row["label"]}
    assert check.count == len(train & test)
    assert "test.parquet: row" in check.examples[0]
    assert "train.parquet: row" in check.examples[0]


def test_another_log_and_lost_rows_are_told_from_the_metadata(tmp_path):
    negprep.train(TINY, tmp_path / "o.parquet")
    more = pa.concat_tables([TINY, pa.table({"user": [-3], "item": [999], "time": [9]})])
    check = failing(verify([(str(tmp_path / "o.parquet"), None)], more))[results.METADATA]
    assert any("catalog_items 30 in the metadata, 31 of the log" in example for example in check.examples)
    pq.write_table(pq.read_table(tmp_path / "o.parquet").slice(0, 500), tmp_path / "o.parquet")
    check = failing(verify([(str(tmp_path / "o.parquet"), None)], TINY))[results.METADATA]
    assert any("500 of the file" in example for example in check.examples)


@pytest.mark.parametrize("repeat", [False, True])
@pytest.mark.parametrize("epochs", [2, 11])
def test_a_positive_twice_of_an_epoch_is_found_where_epochs_alternate(tmp_path, epochs, repeat):
    """Each user's rows of all epochs stand together, so that other epochs lie between the two."""
    negprep.train(TINY, tmp_path / "o.parquet", holdout="last", epochs=epochs)
    table = pq.read_table(tmp_path / "o.parquet")
    rows = sorted(table.to_pylist(), key=lambda row: row["user"])  # stable: by epoch within each user
    end = first(rows, lambda row: row["user"] != rows[0]["user"])
    if repeat:
        until = first(rows, lambda row: row["label"] == 1, 1)
        rows[end:end] = [dict(row) for row in rows[:until]]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), tmp_path / "o.parquet")
    found = failing(verify([(str(tmp_path / "o.parquet"), None)], TINY))
    assert set(found) == ({results.ONCE, results.METADATA} if repeat else set())
    if repeat:
        assert (found[results.ONCE].count, f": row {end + 1}:" in found[results.ONCE].examples[0]) == (1, True)


def test_epochs_in_any_order_are_those_of_a_set_of_pairs():
    chance, epochs, seen = random.Random(4), Epochs(40), set()
    for _ in range(300):
        epoch = chance.choice([-7, 0, 3, 10**12, *range(100, 130)])
        places = sorted(chance.sample(range(40), 5))
        assert epochs.add(np.array(places), epoch).tolist() == [(place, epoch) in seen for place in places]
        seen |= {(place, epoch) for place in places}


MIXED = {"sampler": ("uniform:0.5", "popularity:0.5"), "num_neg": 3, "holdout": "none"}


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        (None, "3 negatives and 0 values of 'source'"),
        (["uniform"], "3 negatives and 1 values of 'source'"),
        (["uniform"] * 4, "3 negatives and 4 values of 'source'"),
    ],
)
@pytest.mark.parametrize("kind", ["list", "dictionary", "text"])
def test_sources_that_do_not_fit_their_lists_are_refused(tmp_path, cell, what, kind):
    negprep.train(TINY, str(tmp_path / "o.parquet"), layout="listwise", **MIXED)
    rows = pq.read_table(tmp_path / "o.parquet")
    cells = rows["source"].to_pylist()
    cells[7] = cell
    column = pa.array(cells, pa.list_(pa.string()))
    if kind != "list":
        column = pa.array([None if each is None else " ".join(each) for each in cells])
        column = column.dictionary_encode() if kind == "dictionary" else column
    pq.write_table(rows.set_column(rows.schema.get_field_index("source"), "source", column), tmp_path / "o.parquet")
    with pytest.raises(BadDataError, match=rf"o\.parquet: row 8\b.*{what}"):
        verify([(str(tmp_path / "o.parquet"), "train")], TINY)


class Growing(list):
    """Names to which another is added while they are counted, as the thread that reads may do at any time."""

    def __len__(self):
        size = super().__len__()
        self.append(f"later {size}")
        return size


@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
def test_a_sampler_that_is_first_met_in_the_next_block_disturbs_nothing(tmp_path, layout, monkeypatch):
    negprep.train(TINY, str(tmp_path / "o.parquet"), layout=layout, **MIXED)
    plain = verify([(str(tmp_path / "o.parquet"), "train")], TINY)
    made = Blocks.__init__

    def grows(self, *given, **more):
        made(self, *given, **more)
        self.sources = Growing()

    monkeypatch.setattr(Blocks, "__init__", grows)
    assert verify([(str(tmp_path / "o.parquet"), "train")], TINY).checks == plain.checks
    assert not any(check.status == "failed" for check in plain.checks)
