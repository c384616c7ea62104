"""Metrics of scored candidates: against plain counting, scipy and, where it is there, scikit-learn."""

from __future__ import annotations

import math
import random
import re
from pathlib import Path

import numpy as np
import pandas as pd
import plain_metrics as plain
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import mannwhitneyu, rankdata

import negprep
from negprep.metrics import lists as rows_module

ROOT = Path(__file__).parents[2]
AT = (1, 5, 10, 40)


def values(found):
    return {name: figure.value for name, figure in found.metrics.items()}


def coarse(rng, size):
    """Scores with many ties."""
    return rng.integers(0, 12, size)


@pytest.mark.parametrize("score", [coarse, lambda rng, size: rng.normal(size=size)])
@pytest.mark.parametrize(("lists", "k"), [(1, 99), (3, 20), (2, 1)])
def test_every_metric_is_the_plain_one(score, lists, k, scored, table, tmp_path):
    rows = scored(users=30, lists=lists, k=k, score=score, seed=k)
    target = tmp_path / "by_user.parquet"
    found = negprep.evaluate(table(rows), at=AT, resamples=0, by_user=target)
    names = [*(f"hr@{cut}" for cut in AT), *(f"ndcg@{cut}" for cut in AT), "mrr", "auc", "place"]
    assert list(found.metrics) == names
    written = pq.read_table(target)
    assert written.column_names == ["user", "lists", *names]
    assert written["lists"].to_pylist() == [lists] * 30
    for name in names:
        expected = plain.by_user(rows, name)
        assert written["user"].to_pylist() == sorted(expected)
        assert written[name].to_pylist() == pytest.approx([expected[user] for user in sorted(expected)], abs=1e-12)
        assert found.metrics[name].value == pytest.approx(plain.overall(rows, name), abs=1e-12)


def test_places_are_those_of_rankdata_and_auc_that_of_mann_and_whitney(scored, table):
    rows = scored(users=20, score=coarse)
    places, areas = [], []
    for candidates in plain.lists_of(rows).values():
        labels = np.array([label for _, label, _ in candidates])
        scores = np.array([score for _, _, score in candidates])
        places.append(rankdata(-scores)[labels == 1][0])
        areas.append(mannwhitneyu(scores[labels == 1], scores[labels == 0]).statistic / 99)
    found = values(negprep.evaluate(table(rows), resamples=0))
    assert found["place"] == pytest.approx(np.mean(places), abs=1e-12)
    assert found["auc"] == pytest.approx(np.mean(areas), abs=1e-12)


def test_metrics_are_those_of_scikit_learn(scored, table):
    """Its NDCG averages over ties as well; its reciprocal rank does not, and so is compared without them."""
    metrics = pytest.importorskip("sklearn.metrics")
    for score in (coarse, lambda rng, size: rng.normal(size=size)):
        rows = scored(users=40, score=score, seed=3)
        labels = np.array([label for *_, label, _ in rows]).reshape(40, 100)
        scores = np.array([score for *_, score in rows]).reshape(40, 100)
        found = values(negprep.evaluate(table(rows), at=AT, resamples=0))
        for cut in AT:
            assert found[f"ndcg@{cut}"] == pytest.approx(metrics.ndcg_score(labels, scores, k=cut), abs=1e-12)
        areas = [metrics.roc_auc_score(*pair) for pair in zip(labels, scores, strict=True)]
        assert found["auc"] == pytest.approx(np.mean(areas), abs=1e-12)
    assert found["mrr"] == pytest.approx(metrics.label_ranking_average_precision_score(labels, scores), abs=1e-12)
    hits = [metrics.top_k_accuracy_score([label.argmax()], [score], k=10, labels=range(100))
            for label, score in zip(labels, scores, strict=True)]  # fmt: skip
    assert found["hr@10"] == pytest.approx(np.mean(hits), abs=1e-12)


def test_a_constant_score_gets_the_expectation_in_any_order(scored, table):
    rows = scored(users=40, score=lambda rng, size: np.full(size, 0.25))
    expected = {
        "hr@10": 0.1,
        "ndcg@10": math.fsum(1 / math.log2(1 + place) for place in range(1, 11)) / 100,
        "mrr": math.fsum(1 / place for place in range(1, 101)) / 100,
        "auc": 0.5,
        "place": 50.5,
    }
    orders = [rows, rows[::-1], sorted(rows, key=lambda row: -row[3]), sorted(rows, key=lambda row: row[3])]
    for order in [*orders, random.Random(0).sample(rows, len(rows))]:
        found = values(negprep.evaluate(table(order), resamples=20))
        assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_random_scores_get_what_guessing_gets(scored, table):
    found = values(negprep.evaluate(table(scored(users=2000)), resamples=0))
    assert found["hr@10"] == pytest.approx(0.1, abs=4 * math.sqrt(0.1 * 0.9 / 2000))
    assert found["auc"] == pytest.approx(0.5, abs=4 * math.sqrt(1 / 12 / 2000))


def test_nothing_depends_on_the_order_of_the_rows(scored, table):
    alone = scored(users=30, score=coarse)
    several = scored(users=30, lists=3, k=20, score=coarse)
    for rows, names in ((alone, ()), (several, ("user", "group", "item", "label", "score"))):
        whole = negprep.evaluate(table(rows, *names), resamples=50, catalog_size=2000)
        mixed = negprep.evaluate(
            table(random.Random(1).sample(rows, len(rows)), *names), resamples=50, catalog_size=2000
        )
        assert mixed == whole


def test_lists_of_a_user_follow_one_another_where_no_group_names_them(scored, table):
    rows = scored(users=10, lists=3, k=20, score=coarse)
    named = negprep.evaluate(table(rows, "user", "group", "item", "label", "score"), resamples=0)
    ordered = negprep.evaluate(table(rows), resamples=0)
    assert values(ordered) == pytest.approx(values(named), abs=1e-15)
    assert (ordered.users, ordered.lists) == (10, 30)
    woven = [row for turn in range(63) for row in rows[turn::63]]  # users take turns; each keeps its order
    assert negprep.evaluate(table(woven), resamples=0) == ordered


def test_ranges_of_users_change_nothing(scored, table, monkeypatch):
    rows = random.Random(2).sample(scored(users=40, score=coarse), 4000)
    test, scores = table(rows, "user", "item", "label"), table(rows[::-1], "user", "item", "score")
    whole = [negprep.evaluate(table(rows), resamples=20), negprep.evaluate(scores, test, resamples=20)]
    for at_once in (1, 100, 701):
        monkeypatch.setattr(rows_module, "ROWS_AT_ONCE", at_once)
        parts = [negprep.evaluate(table(rows), resamples=20), negprep.evaluate(scores, test, resamples=20)]
        assert parts == whole
    assert whole[0] == whole[1]


def test_scores_beside_the_test_file(scored, table, tmp_path):
    rows = scored(users=20, score=coarse)
    whole = negprep.evaluate(table(rows), resamples=20)
    pq.write_table(table(rows, "user", "item", "label"), tmp_path / "test.parquet")
    mixed = random.Random(5).sample(rows, len(rows))
    lines = ["uid\titem_id\tprediction", *(f"{user}\t{item}\t{score!r}" for user, _, item, _, score in mixed)]
    (tmp_path / "scores.tsv").write_text("\n".join(lines) + "\n")
    assert negprep.evaluate(tmp_path / "scores.tsv", tmp_path / "test.parquet", resamples=20) == whole
    (tmp_path / "bare.csv").write_text("".join(f"{user},{item},{score!r}\n" for user, _, item, _, score in mixed))
    bare = negprep.evaluate(
        tmp_path / "bare.csv", tmp_path / "test.parquet", columns=("user", "item", "score"), resamples=20
    )
    assert bare == whole
    frame = table(rows, "user", "item", "score").to_pandas()
    assert negprep.evaluate(frame, tmp_path / "test.parquet", resamples=20) == whole


def test_ids_and_labels_of_every_type(scored, table):
    rows = scored(users=20, score=coarse)
    whole = negprep.evaluate(table(rows), resamples=20)
    text = table([(f"u{user:02}", group, f"i{item}", label, score) for user, group, item, label, score in rows])
    assert negprep.evaluate(text, resamples=20) == whole
    for kind in (pa.float32(), pa.bool_(), pa.string(), pa.int64()):
        labels = table(rows)["label"].cast(pa.int8()).cast(kind if kind != pa.string() else pa.string())
        assert negprep.evaluate(table(rows).set_column(2, "label", labels), resamples=20) == whole


def test_columns_of_other_names(scored, table):
    rows, columns = scored(users=20, score=coarse), ["user", "item", "label", "score"]
    whole = negprep.evaluate(table(rows), resamples=0)
    other = table(rows).rename_columns(["who", "what", "held", "logit"])
    names = {"user_col": "who", "item_col": "what", "label_col": "held", "score_col": "logit"}
    assert negprep.evaluate(other, resamples=0, **names) == whole
    assert negprep.evaluate(other.drop(["held"]), other.drop(["logit"]), resamples=0, **names) == whole
    named = table(rows, "group", "user", "item", "label", "score").rename_columns(["list", *columns])
    assert negprep.evaluate(named, resamples=0, group_col="list") == whole


def test_held_out_items_without_negatives_are_left_out_and_counted(scored, table):
    rows = scored(users=20, k=5)
    alone = [*rows, (77, 0, 3, 1, 0.5)]
    found = negprep.evaluate(table(alone), resamples=0)
    assert (found.users, found.without_negatives) == (20, 1)
    assert values(found) == values(negprep.evaluate(table(rows), resamples=0))
    assert "1 held-out items without any negative" in str(found)


def test_a_test_file_of_negprep_with_several_holdouts(tmp_path):
    negprep.test(ROOT / "sample_data" / "log.parquet", tmp_path / "test.parquet", holdout="last:3", num_neg=20)
    test = pq.read_table(tmp_path / "test.parquet")
    scores = np.random.default_rng(0).integers(0, 9, test.num_rows).astype(float)
    users, labels = test["user"].to_numpy(), test["label"].to_numpy()
    rows = []
    for user in np.unique(users):
        own = np.flatnonzero(users == user)
        for group, part in enumerate(np.split(own, labels[own].sum())):
            rows += [(user, group, test["item"][int(at)].as_py(), labels[at], scores[at]) for at in part]
    found = negprep.evaluate(test.append_column("score", pa.array(scores)), at=(3,), resamples=0)
    assert found.lists > 2 * found.users
    for name in ("hr@3", "ndcg@3", "mrr", "auc"):
        assert found.metrics[name].value == pytest.approx(plain.overall(rows, name), abs=1e-12)


def test_a_full_ranking_gives_what_the_readme_says(tmp_path):
    """All eligible items as candidates: then no list is a sample, whatever its length."""
    log = pd.read_csv(ROOT / "sample_data" / "log.csv")
    train = negprep.train(log, holdout="last")
    negprep.test(log, tmp_path / "test.parquet", num_neg=600)
    scores = pd.read_parquet(tmp_path / "test.parquet")
    scores["score"] = scores["item"].map(train.loc[train["label"] == 1, "item"].value_counts()).fillna(0)
    found = negprep.evaluate(scores, tmp_path / "test.parquet", at=(10,), resamples=0)
    assert found.no_estimates == "the lists hold all items: these are the metrics of a full ranking"
    said = (ROOT / "README.md").read_text().partition("the same model has an HR@10 of")[2].split("[Metrics]")[0]
    assert re.findall(r"0\.\d+", said) == [f"{found.metrics[name].value:.4f}" for name in ("hr@10", "ndcg@10")]


def test_the_page_names_every_metric_and_estimator(scored, table):
    page = (ROOT / "docs" / "guide" / "metrics.md").read_text()
    found = negprep.evaluate(table(scored(users=20)), at=(5,), resamples=0, catalog_size=1000)
    assert all(f"|`{name.replace('5', 'K')}`|" in page for name in found.metrics)
    assert all(f"**{name}**" in page.lower() for name in found.estimates)
