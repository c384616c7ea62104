"""The facts of a log against pandas, which counts them another way."""

from __future__ import annotations

import random
from dataclasses import asdict

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import negprep
from negprep.reports.log_facts import PERCENTS, Degrees

PERCENT_OF_ALL = 90


def a_log(seed, *, users=60, items=40, text=False, times=12):
    """Users of 1 to all items, pairs twice and more, few times, values of halves, three events."""
    chance = random.Random(seed)
    rows = []
    for user in range(users):
        most = items if user % 10 == 0 else 6
        for item in chance.sample(range(items), chance.randint(1, most)):
            for _ in range(chance.choice([1, 1, 1, 2, 4])):
                moment = 1_700_000_000 + 86_400 * chance.randrange(times)
                rows.append((user * 3, item * 5, moment, chance.randint(1, 10) / 2, chance.choice("abc")))
    chance.shuffle(rows)
    log = pd.DataFrame(rows, columns=["user", "item", "time", "rating", "event"])
    return log.assign(user="u" + log["user"].astype(str), item="i" + log["item"].astype(str)) if text else log


def expected(log):
    """What pandas says."""
    pairs = log.groupby(["user", "item"])["time"].max().reset_index()
    of_users, of_items = pairs.groupby("user").size(), pairs.groupby("item").size()
    latest = pairs[pairs["time"] == pairs.groupby("user")["time"].transform("max")]
    first, last = (pd.to_datetime(moment, unit="s") for moment in (log["time"].min(), log["time"].max()))
    rows_of = log["user"].value_counts()
    return {
        "rows": len(log),
        "users": log["user"].nunique(),
        "items": log["item"].nunique(),
        "pairs": len(log.drop_duplicates(["user", "item"])),
        "duplicates": int(log.duplicated(["user", "item"]).sum()),
        "density": len(pairs) / (log["user"].nunique() * log["item"].nunique()),
        "user_degrees": degrees_of(of_users),
        "item_degrees": degrees_of(of_items),
        "nearly_all_users": int((of_users * 100 >= PERCENT_OF_ALL * log["item"].nunique()).sum()),
        "top_item": int(of_items.max()),
        "top_user": int(rows_of.max()),
        "times": {
            "first": first.isoformat() + "Z",
            "last": last.isoformat() + "Z",
            "seconds": (last - first).total_seconds(),
            "tied_users": int((latest.groupby("user").size() > 1).sum()),
        },
        "values": log["rating"].value_counts().to_dict(),
        "events": log["event"].value_counts().to_dict(),
    }


def degrees_of(sizes):
    return {
        "least": int(sizes.min()),
        "most": int(sizes.max()),
        "mean": pytest.approx(sizes.mean()),
        "percentiles": {str(p): int(np.percentile(sizes, p, method="inverted_cdf")) for p in PERCENTS},
        "one": int((sizes == 1).sum()),
    }


def told(found):
    """The same facts, as negprep says them."""
    facts = asdict(found.log)
    for name in ("user_degrees", "item_degrees"):
        del facts[name]["histogram"]
    facts["top_item"], facts["top_user"] = found.log.top_item.count, found.log.top_user.count
    facts["values"] = {each.low: each.rows for each in found.log.values.histogram}
    facts["events"] = found.log.events.rows
    return facts


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("text", [False, True])
def test_facts(seed, text):
    log = a_log(seed, text=text)
    facts, wanted = told(negprep.inspect(log)), expected(log)
    assert {name: facts[name] for name in wanted} == wanted
    assert facts["rows_read"] == len(log)
    assert (facts["rows_dropped"], facts["unusable"]) == ({}, ())


def test_who_has_most():
    log = a_log(5)
    found = negprep.inspect(log).log
    assert log.drop_duplicates(["user", "item"])["item"].value_counts()[found.top_item.id] == found.top_item.count
    assert log["user"].value_counts()[found.top_user.id] == found.top_user.count


def test_histograms_hold_everybody():
    log = a_log(6)
    sizes = log.drop_duplicates(["user", "item"]).groupby("user").size()
    bins = negprep.inspect(log).log.user_degrees.histogram
    assert [each.count for each in bins] == [int(sizes.between(each.low, each.high).sum()) for each in bins]
    assert sum(each.count for each in bins) == len(sizes)
    assert [(each.low, each.high) for each in bins] == [(2**bit, 2 ** (bit + 1) - 1) for bit in range(len(bins))]
    assert bins[-1].low <= sizes.max() <= bins[-1].high


@pytest.mark.parametrize("degrees", [[1], [7, 7, 7], [1, 2, 3, 4], [1023, 1024, 1025, 2**31]])
def test_degrees_of_a_few(degrees):
    found = Degrees.of(np.array(degrees))
    assert found.percentiles == {str(p): int(np.percentile(degrees, p, method="inverted_cdf")) for p in PERCENTS}
    for each in found.histogram:
        assert each.count == sum(each.low <= degree <= each.high for degree in degrees)


@pytest.mark.parametrize("how", ["csv", "parquet", "table", "shuffled", "spilled"])
def test_neither_the_format_nor_the_memory_nor_the_order_changes_a_fact(tmp_path, how, monkeypatch):
    log, keywords = a_log(7), {}
    wanted = negprep.inspect(log).as_dict()
    source = {
        "csv": tmp_path / "log.csv",
        "parquet": tmp_path / "log.parquet",
        "table": pa.Table.from_pandas(log, preserve_index=False),
        "shuffled": log.sample(frac=1, random_state=0),
        "spilled": log,
    }[how]
    if how == "csv":
        log.to_csv(source, index=False)
    if how == "parquet":
        log.to_parquet(source)
    if how == "spilled":
        monkeypatch.setattr("negprep.encode.memory._FEWEST_ROWS", 100)
        keywords = {"memory": 1 << 20, "spill_dir": str(tmp_path)}
    assert negprep.inspect(source, **keywords).as_dict() == wanted
    assert sorted(path.name for path in tmp_path.iterdir()) == ([source.name] if how in ("csv", "parquet") else [])


def test_the_log_is_not_changed():
    log = a_log(8)
    before = log.copy()
    negprep.inspect(log)
    pd.testing.assert_frame_equal(log, before)


@pytest.mark.parametrize(("distinct", "known"), [(21, 21), (1000, 1000), (200_000, None)])
def test_many_values_have_ten_bins(distinct, known):
    values = np.random.default_rng(0).permutation(np.arange(max(distinct, 2_000)) % distinct) / 8 - 3
    log = pd.DataFrame({"user": np.arange(len(values)) % 50, "item": np.arange(len(values)) % 70, "value": values})
    found = negprep.inspect(log).log.values
    assert (found.least, found.most, found.distinct) == (values.min(), values.max(), known)
    counts, edges = np.histogram(values, bins=10)
    assert [each.rows for each in found.histogram] == counts.tolist()
    assert [each.low for each in found.histogram] == pytest.approx(edges[:-1])
    assert found.histogram[-1].high == values.max()


def test_the_most_frequent_events_are_named():
    names = [f"e{number:02}" for number in range(30) for _ in range(number + 1)]
    log = pd.DataFrame({"user": range(len(names)), "item": 1, "event": names})
    events = negprep.inspect(log).log.events
    assert list(events.rows.items()) == [(f"e{number:02}", number + 1) for number in range(29, 9, -1)]
    assert events.others == sum(range(1, 11))


def test_columns_that_are_not_there():
    found = negprep.inspect(a_log(9)[["user", "item"]]).log
    assert (found.times, found.values, found.events, found.columns) == (
        None,
        None,
        None,
        {"user": "user", "item": "item"},
    )


@pytest.mark.parametrize(
    ("column", "wrong", "attribute"),
    [("time", "soon", "times"), ("rating", "good", "values"), ("rating", "", "values")],
)
def test_a_column_that_cannot_be_used_stops_nothing_but_is_told(tmp_path, column, wrong, attribute):
    log = a_log(10)
    log[column] = log[column].astype(object)
    log.loc[5, column] = wrong
    log.to_csv(tmp_path / "log.csv", index=False)
    found = negprep.inspect(tmp_path / "log.csv")
    assert getattr(found.log, attribute) is None
    assert found.log.pairs == len(log.drop_duplicates(["user", "item"]))
    (problem,) = found.log.unusable
    assert "log.csv:7" in problem
    assert f"not looked at: {problem}" in found.warnings
    assert (found.test.refused is None) == (column != "time")


def test_two_columns_that_could_be_the_time():
    log = a_log(11)
    found = negprep.inspect(log.assign(timestamp=log["time"]))
    (problem,) = found.log.unusable
    assert "time" in problem
    assert found.log.times is None
    assert negprep.inspect(log.assign(timestamp=log["time"]), time_col="time").log.times is not None


def test_rows_that_are_dropped_are_counted():
    log = a_log(12).astype({"user": object})
    log.loc[[3, 4], "user"] = None
    found = negprep.inspect(log, drop_invalid=True).log
    assert (found.rows_read, found.rows, found.rows_dropped) == (len(log), len(log) - 2, {"null user id": 2})


@pytest.mark.parametrize(
    ("text", "keywords"),
    [
        ("", {}),
        ("user,item\n", {}),
        ("user,item\n1,\n", {}),
        ("user,item\n1,\n", {"drop_invalid": True}),
        ("customer,thing\n1,2\n", {}),
        ("user,item,item_id\n1,2,3\n", {}),
        ("user,item\n1,2\n", {"expect_rows": 2}),
        ("user,item\n1,2\n", {"time_col": "when"}),
        ("user,item\n1,2\n", {"delimiter": "long"}),
        ("user,item,rating\n1,2,3\n", {"positive": ">=9"}),
        ("user,item\n1,2\n", {"positive": "buy"}),
    ],
    ids=str,
)
def test_what_train_refuses_is_refused_alike(tmp_path, text, keywords):
    (tmp_path / "log.csv").write_text(text)
    refused = []
    for function in (negprep.train, negprep.inspect):
        try:
            found = function(tmp_path / "log.csv", **keywords)
            refused.append(found.train.refused if function is negprep.inspect else None)
        except negprep.NegprepError as error:
            refused.append(str(error))
    assert refused[0] is not None
    assert refused[0] == refused[1]
