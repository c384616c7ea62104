"""``test --num-neg all``: every eligible item is a candidate; against plain sets, and against large numbers."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from independent import groups_of
from logs import as_table, random_rows
from scipy import stats

import negprep
from negprep.assemble import section
from negprep.assemble import section as sectioning
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke

ROWS = random_rows(5, users=60, items=45, most=44)
LOG = as_table(ROWS)
CATALOG = {row[1] for row in ROWS}
CATEGORIES = pa.table({"item": sorted(CATALOG), "category": [item % 4 // 3 for item in sorted(CATALOG)]})
LAYOUTS = pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])


def touched():
    items = {}
    for user, item, _ in ROWS:
        items.setdefault(user, set()).add(item)
    return items


def groups(rows, layout):
    return groups_of(rows, whole_users=layout == "pointwise")


@LAYOUTS
def test_the_candidates_are_all_that_the_user_has_not_touched(layout):
    seen = touched()
    found = groups(negprep.test(LOG, num_neg="all", layout=layout), layout)
    assert len(found) == sum(len(items) > 1 and (layout != "pairwise" or items != CATALOG) for items in seen.values())
    for group in found:
        assert sorted(group.negatives) == sorted(CATALOG - seen[group.user])


@LAYOUTS
@pytest.mark.parametrize("options", [{}, {"holdout": "last:3"}, {"seed": 9}, {"fold": "valid"}], ids=str)
def test_rows_are_those_of_any_larger_number(layout, options):
    rows = negprep.test(LOG, num_neg="all", layout=layout, **options)
    assert rows.equals(negprep.test(LOG, num_neg=len(CATALOG), layout=layout, **options))
    assert rows.equals(negprep.test(LOG, num_neg=1_000_000, layout=layout, **options))
    assert rows.equals(negprep.test(LOG, num_neg="all", layout=layout, shard_rows=7, jobs=3, memory=1, **options))


@LAYOUTS
def test_only_the_items_of_the_window(layout):
    """In the category of the holdout, and there at its time."""
    category = dict(zip(*CATEGORIES.to_pydict().values(), strict=True))
    options = {"items": CATEGORIES, "same": "category", "available_at_time": True, "holdout": "last:2"}
    rows = negprep.test(LOG, num_neg="all", layout=layout, **options)
    first, seen, latest = {}, touched(), {}
    for user, item, time in ROWS:
        first[item] = min(time, first.get(item, time))
        latest[user, item] = max(time, latest.get((user, item), time))
    if layout == "pointwise":  # the lists of a user differ in size, and only their union is known
        for user in set(rows["user"].to_pylist()):
            mine = rows.filter(pc.equal(rows["user"], user)).to_pylist()
            wanted = []
            for positive in (row["item"] for row in mine if row["label"]):
                wanted += [
                    item
                    for item in CATALOG - seen[user]
                    if category[item] == category[positive] and first[item] <= latest[user, positive]
                ]
            assert sorted(row["item"] for row in mine if not row["label"]) == sorted(wanted)
        return
    for group in groups(rows, layout):
        wanted = {
            item
            for item in CATALOG - seen[group.user]
            if category[item] == category[group.positive] and first[item] <= latest[group.user, group.positive]
        }
        assert sorted(group.negatives) == sorted(wanted)


def test_every_order_of_the_candidates_is_as_likely():
    """Also within windows: the order of the negatives, and the place of the holdout, over many users.

    Power: 0.9999 against orders, and 0.9999 against places, a fifth more and less likely than they should be.
    """
    n = 4_000
    users, items = np.repeat(np.arange(n + 1), [2] * n + [4]), np.append(np.tile([0, 1], n), [2, 3, 4, 5])
    log = pa.table({"user": users, "item": items, "time": items})  # the last user has what all others can get
    catalog = pa.table({"item": range(6), "kind": ["a"] * 6})
    for options in ({}, {"items": catalog, "same": "kind"}):
        rows = negprep.test(log, num_neg="all", **options)
        candidates = rows["item"].to_numpy()[: n * 5].reshape(n, 5)
        assert (np.sort(candidates) == [1, 2, 3, 4, 5]).all()
        orders = Counter(map(tuple, candidates[candidates != 1].reshape(n, 4).tolist()))
        assert len(orders) == 24
        assert stats.chisquare(list(orders.values())).pvalue > 1e-4
        assert stats.chisquare((candidates == 1).sum(axis=0)).pvalue > 1e-4


def test_nobody_is_short_but_who_has_everything():
    log = pa.table({"user": [1, 1, 1, 2, 2, 3, 3], "item": [1, 2, 3, 1, 2, 2, 3], "time": [0, 1, 2, 0, 1, 0, 1]})
    options = negprep.Options(command="test", num_neg="all", holdout="last", distinct=True)
    assert (options.needed, options.takes_all) == (1, True)
    assert groups(negprep.test(log, num_neg="all", on_short="drop"), "pointwise")[0].user == 2
    with pytest.raises(negprep.BadDataError, match="user 1 has 0 eligible items of the 1 needed; choose --on-short"):
        negprep.test(log, num_neg="all", on_short="error")


def test_what_is_written_says_so_and_is_verified(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = negprep.Options(command="test", num_neg="all", holdout="last", distinct=True, layout="listwise")
    summary = negprep.prepare(LOG, "all.parquet", options)
    assert (summary.num_neg, summary.as_dict()["num_neg"]) == ("all", "all")
    facts = json.loads(pq.read_metadata("all.parquet").metadata[b"negprep"])
    assert (facts["num_neg"], facts["draws"], facts["sampler"]) == ("all", "distinct", "uniform")
    assert not negprep.verify("all.parquet", LOG).failed
    rows = pq.read_table("all.parquet")
    lists = rows["neg_items"].to_pylist()
    longest = max(range(len(lists)), key=lambda place: len(lists[place]))
    lists[longest] = lists[longest][:-1]
    kind = rows.schema.field("neg_items").type
    short = rows.set_column(2, "neg_items", pa.array(lists, kind))
    pq.write_table(short.replace_schema_metadata(rows.schema.metadata), "short.parquet")
    failed = {check.name for check in negprep.verify("short.parquet", LOG).checks if check.status == "failed"}
    assert "each positive has as many negatives as it must" in failed
    pq.write_table(short.replace_schema_metadata(None), "theirs.parquet")
    (fault,) = [check for check in negprep.verify([], LOG, test="theirs.parquet", num_neg="all").checks if check.count]
    assert fault.name == "each positive has as many negatives as it must"
    assert fault.count == 1


@pytest.mark.parametrize(
    "options", [{"layout": "pointwise"}, {"on_short": "drop"}, {"available_at_time": True}], ids=str
)
def test_whatever_is_written_is_verified(tmp_path, options):
    path = negprep.test(LOG, tmp_path / "all.parquet", num_neg="all", **options)
    assert not negprep.verify(path, LOG).failed


def test_row_groups_fit_the_catalog(tmp_path, monkeypatch):
    """In lists: about as many items as usual, whatever the catalog is, and not a list in each row group."""
    monkeypatch.setattr("negprep.assemble.section.ROW_GROUP_ROWS", 450)
    path = negprep.test(LOG, tmp_path / "all.parquet", num_neg="all", layout="listwise")
    footer = pq.read_metadata(path)
    assert footer.row_group(0).num_rows == 450 // len(CATALOG)
    assert pq.read_table(path).equals(negprep.test(LOG, num_neg="all", layout="listwise"))


def test_text_and_folders_hold_all(tmp_path):
    wanted = negprep.test(LOG, num_neg="all")
    assert pa.csv.read_csv(negprep.test(LOG, tmp_path / "all.csv", num_neg="all")).num_rows == wanted.num_rows
    folder = negprep.test(LOG, str(tmp_path / "ncf") + "/", num_neg="all", to="ncf", encode=True)
    (file,) = folder.glob("*.test.negative")
    assert sum(line.count("\t") for line in file.read_text().splitlines()) == wanted.num_rows - sum(
        wanted["label"].to_pylist()
    )


def test_inspect_knows(tmp_path):
    found = negprep.inspect(LOG, num_neg="all")
    assert found.train.refused.startswith("--num-neg all in train")
    assert (found.test.num_neg, found.test.needed) == ("all", 1)
    assert found.test.rows == negprep.test(LOG, num_neg="all").num_rows
    assert found.as_dict()["test"]["num_neg"] == "all"


def test_metrics_are_those_of_a_full_ranking(tmp_path):
    """Of a model that scores an item by its id, against the places that plain Python counts."""
    path = negprep.test(LOG, tmp_path / "all.parquet", num_neg="all")
    rows = pq.read_table(path)
    scored = rows.append_column("score", rows["item"].cast(pa.float64()))
    found = negprep.evaluate(scored, path, at=(5,), resamples=0)
    places = {}
    seen = touched()
    for row in rows.to_pylist():
        if row["label"] and CATALOG - seen[row["user"]]:
            places[row["user"]] = 1 + sum(item > row["item"] for item in CATALOG - seen[row["user"]])
    assert found.metrics["mrr"].value == pytest.approx(np.mean([1 / place for place in places.values()]))
    assert found.metrics["hr@5"].value == pytest.approx(np.mean([place <= 5 for place in places.values()]))
    assert found.no_estimates == "the lists hold all items: these are the metrics of a full ranking"
    windows = negprep.test(LOG, tmp_path / "there.parquet", num_neg="all", available_at_time=True)
    rows = pq.read_table(windows)
    found = negprep.evaluate(rows.append_column("score", rows["item"].cast(pa.float64())), windows, resamples=0)
    assert found.no_estimates == "the lists hold all items: these are the metrics of a full ranking"


@pytest.mark.parametrize(
    ("command", "words", "message"),
    [
        ("train", (), "--num-neg all in train, where each positive would have the whole catalog beside it"),
        ("test", ("--sampler", "popularity"), "--num-neg all with --sampler popularity: every eligible item is taken"),
        (
            "test",
            ("--sampler", "uniform:0.5", "--sampler", "popularity:0.5"),
            "--num-neg all with --sampler uniform:0.5",
        ),
        ("test", ("--sampler", "uniform=3"), "the counts of the samplers sum to 3, and --num-neg is all"),
        ("test", ("--repeats",), "--num-neg all with --repeats, but no item is taken twice; leave one out"),
    ],
)
def test_refusals(tmp_path, capsys, command, words, message):
    pq.write_table(LOG, tmp_path / "log.parquet")
    target = tmp_path / "out.parquet"
    code = guarded(lambda: invoke([command, str(tmp_path / "log.parquet"), str(target), "--num-neg", "all", *words]))
    assert (code, target.exists()) == (2, False)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("word", ["ALL", "every", "0", "1000001", ""])
def test_neither_a_number_nor_the_word(tmp_path, capsys, word):
    code = guarded(lambda: invoke(["test", "log.parquet", "out.parquet", "--num-neg", word]))
    assert code == 2
    assert "--num-neg" in capsys.readouterr().err
    with pytest.raises(negprep.UsageError, match="num_neg is 'ALL'; choose a whole number from 1 to 1000000"):
        negprep.test(LOG, num_neg="ALL")


def test_a_catalog_that_is_too_large_is_refused_with_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(sectioning, "MAX_NUM_NEG", 40)
    with pytest.raises(
        negprep.UsageError, match=r"--num-neg all would write 4\d negatives for one holdout, and 40 is the most; sample"
    ):
        negprep.test(LOG, tmp_path / "all.parquet", num_neg="all")
    assert not list(tmp_path.iterdir())


def test_no_table_of_the_longest_list_for_everybody(monkeypatch):
    """One user who can have 200,000 items beside 20,000 who can have two: 4 billion cells, were all in one table."""
    n, small = 200_000, 20_000
    kinds = np.repeat([0, 1], [n, 4])
    catalog = pa.table({"item": range(n + 4), "kind": kinds})
    users = np.concatenate([[0, 0], np.repeat(np.arange(1, small + 1), 2)])
    items = np.concatenate([[0, 1], np.tile([n, n + 1], small)])
    log = pa.table({"user": users, "item": items, "time": np.arange(len(users))})
    tracemalloc.start()
    try:
        rows = negprep.test(log, num_neg="all", items=catalog, same="kind")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows.num_rows == n - 2 + 1 + small * 3
    assert peak < 600e6


def test_pieces_of_level_size_cover_all_groups_in_order():
    chance = np.random.default_rng(3)
    counts = np.where(chance.random(5_000) < 0.01, chance.integers(1, section._MOST_CELLS, 5_000), 3)
    pieces = section._level_pieces(counts)
    assert [place for piece in pieces for place in range(*piece)] == [*range(5_000)]
    assert all(
        last - first == 1 or (last - first) * counts[first:last].max() <= section._MOST_CELLS for first, last in pieces
    )
    assert section._level_pieces(counts[:0]) == [(0, 0)]
