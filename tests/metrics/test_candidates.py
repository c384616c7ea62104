"""Candidates in every kind and layout that `verify` takes, with the metrics of plain Python."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pandas as pd
import plain_metrics as plain
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke

NAMES = ("hr@3", "ndcg@3", "mrr", "auc", "place")


@pytest.fixture(scope="module")
def log():
    chance = random.Random(4)
    rows = [(user * 7, 100 - item, time) for user in range(40) for time, item in enumerate(chance.sample(range(60), 9))]
    return pd.DataFrame(rows, columns=["user", "item", "time"])


def run(*words):
    """The exit code of a command."""
    return guarded(lambda: invoke(list(words)))


def score_of(user, item):
    """The same for the same pair, with ties."""
    return float((int(user) * 31 + int(item) * 17) % 23)


@pytest.fixture(scope="module")
def rows(log):
    """(user, group, item, label, score) of every candidate."""
    test = negprep.test(log, num_neg=12, holdout="last:2")
    group = test.groupby("user").cumcount() // 13
    return [
        (user, number, item, label, score_of(user, item))
        for user, number, item, label in zip(test["user"], group, test["item"], test["label"], strict=True)
    ]


def write_scores(rows, path, *, user=lambda value: value, item=lambda value: value):
    pairs = {(user(each[0]), item(each[2])): each[4] for each in rows}
    mixed = random.Random(1).sample(sorted(pairs.items()), len(pairs))
    frame = pd.DataFrame([(*pair, score) for pair, score in mixed], columns=["user", "item", "score"])
    frame.to_csv(path, index=False)
    return path


def check(found, rows):
    assert (found.users, found.lists) == (40, 80)
    assert found.candidates_min == found.candidates_max == 12
    for name in NAMES:
        assert found.metrics[name].value == pytest.approx(plain.overall(rows, name), abs=1e-12)


KINDS = {
    "test.parquet": {},
    "test.csv": {},
    "test.tsv.gz": {},
    "parts/": {},
    "lists.parquet": {"layout": "listwise"},
    "lists.csv": {"layout": "listwise"},
    "pairs.parquet": {"layout": "pairwise"},
    "pairs.tsv": {"layout": "pairwise"},
    "ncf/": {"to": "ncf"},
    "recbole/": {"to": "recbole"},
    "lightgcn/": {"to": "lightgcn"},
    "clayrs/": {"to": "clayrs"},
    "recommenders/": {"to": "recommenders"},
}


@pytest.mark.parametrize("encode", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_candidates(log, rows, tmp_path, kind, encode):
    """Where the file holds codes, scores may name ids or codes."""
    target = f"{tmp_path}/{kind}"
    negprep.test(log, target, num_neg=12, holdout="last:2", encode=encode, **KINDS[kind])
    scores = [write_scores(rows, tmp_path / "scores.csv")]
    if encode:
        codes = [{value: code for code, value in enumerate(sorted(set(log[name])))} for name in ("user", "item")]
        scores.append(write_scores(rows, tmp_path / "codes.csv", user=codes[0].get, item=codes[1].get))
    for each in scores:
        check(negprep.evaluate(each, target, at=(3,), resamples=0), rows)


def test_one_file_of_a_folder(log, rows, tmp_path):
    scores = write_scores(rows, tmp_path / "scores.csv")
    for to, name in (("ncf", "test.negative"), ("recbole", "candidates.inter"), ("lightgcn", "candidates.txt")):
        negprep.test(log, f"{tmp_path}/{to}/", num_neg=12, holdout="last:2", to=to)
        path = tmp_path / to / (name if to == "lightgcn" else f"{to}.{name}")
        found = negprep.evaluate(scores, path, at=(3,), resamples=0)
        check(found, rows)
        assert found.competitors is not None


def test_pairs_in_any_order(log, rows, tmp_path):
    pairs = negprep.test(log, num_neg=12, holdout="last:2", layout="pairwise")
    pairs.sample(frac=1, random_state=3).to_csv(tmp_path / "pairs.csv", index=False)
    check(negprep.evaluate(write_scores(rows, tmp_path / "s.csv"), tmp_path / "pairs.csv", at=(3,), resamples=0), rows)


@pytest.mark.parametrize("packed", [False, True])
def test_the_published_form_of_ncf(rows, tmp_path, packed):
    lists = plain.lists_of(rows)
    lines = []
    for (user, _), candidates in lists.items():
        (held,) = [item for item, label, _ in candidates if label == 1]
        lines.append(
            "\t".join([f"({user},{held})", *(str(item) for item, label, _ in candidates if label == 0)]) + "\n"
        )
    text = "".join(lines).encode()
    path = tmp_path / ("ml.test.negative.gz" if packed else "ml.test.negative")
    path.write_bytes(gzip.compress(text) if packed else text)
    scores = write_scores(rows, tmp_path / "scores.csv")
    found = negprep.evaluate(scores, path, at=(3,), resamples=0)
    check(found, rows)
    assert found.rows == 80
    assert found.no_estimates.startswith("it is unknown how many items there are; give --catalog-size")
    assert negprep.evaluate(scores, path, at=(3,), resamples=0, catalog_size=60).competitors == 59


def test_a_summary_stands_for_metadata(log, rows, tmp_path):
    write_scores(rows, tmp_path / "scores.csv")
    log.to_csv(tmp_path / "log.csv", index=False)
    words = ["--num-neg", "12", "--holdout", "last:2", "--quiet"]
    for name, layout in (("test.csv", "pointwise"), ("lists.csv", "listwise")):
        summary = f"{tmp_path}/{name}.json"
        words_of_run = [*words, "--layout", layout, "--summary", summary]
        assert run("test", f"{tmp_path}/log.csv", f"{tmp_path}/{name}", *words_of_run) == 0
        found = negprep.evaluate(tmp_path / "scores.csv", tmp_path / name, made_by=summary, at=(3,), resamples=0)
        check(found, rows)
        facts = json.loads(Path(summary).read_text())["metadata"]["counts"]
        assert found.competitors == round(facts["catalog_items"] - facts["positives"] / facts["users"])
        assert found.rows == facts["rows"]
    scored = pd.read_csv(tmp_path / "test.csv")
    scored["score"] = [score_of(*pair) for pair in zip(scored["user"], scored["item"], strict=True)]
    scored.to_csv(tmp_path / "scored.csv", index=False)
    alone = negprep.evaluate(tmp_path / "scored.csv", made_by=tmp_path / "test.csv.json", at=(3,), resamples=0)
    assert alone.competitors == found.competitors
    check(alone, rows)


def test_codes_whose_vocabularies_were_left_behind(log, rows, tmp_path):
    """Rows of codes are rows all the same; lists of codes need them, as for `verify`."""
    for name, layout in (("test", "pointwise"), ("lists", "listwise")):
        negprep.test(log, tmp_path / f"{name}.parquet", num_neg=12, holdout="last:2", layout=layout, encode=True)
    codes = [{value: code for code, value in enumerate(sorted(set(log[name])))} for name in ("user", "item")]
    scores = write_scores(rows, tmp_path / "scores.csv", user=codes[0].get, item=codes[1].get)
    for vocabulary in tmp_path.glob("*.users.parquet"):
        vocabulary.unlink()
    check(negprep.evaluate(scores, tmp_path / "test.parquet", at=(3,), resamples=0), rows)
    table = pq.read_table(tmp_path / "test.parquet")
    users = {code: value for value, code in codes[0].items()}, {code: value for value, code in codes[1].items()}
    pairs = zip(table["user"].to_pylist(), table["item"].to_pylist(), strict=True)
    scored = table.append_column("score", pa.array([score_of(users[0][user], users[1][item]) for user, item in pairs]))
    pq.write_table(scored, tmp_path / "scored.parquet")
    check(negprep.evaluate(tmp_path / "scored.parquet", at=(3,), resamples=0), rows)
    with pytest.raises(negprep.BadDataError, match="the vocabulary of the users is not there"):
        negprep.evaluate(scores, tmp_path / "lists.parquet", at=(3,), resamples=0)


def test_scored_rows_without_a_header(rows, tmp_path):
    lines = [f"{user},{item},{label},{score}\n" for user, _, item, label, score in rows]
    (tmp_path / "bare.csv").write_text("".join(lines))
    columns = ("user", "item", "label", "score")
    check(negprep.evaluate(tmp_path / "bare.csv", columns=columns, at=(3,), resamples=0), rows)
    with pytest.raises(negprep.NegprepError, match="columns user,item,label,score"):
        negprep.evaluate(tmp_path / "bare.csv", at=(3,), resamples=0)


@pytest.fixture
def faults(log, rows, tmp_path, monkeypatch):
    """A folder with files of several kinds."""
    monkeypatch.chdir(tmp_path)
    log.to_csv("log.csv", index=False)
    write_scores(rows, "scores.csv")
    words = ["log.csv", "--num-neg", "12", "--holdout", "last:2", "--quiet"]
    assert run("test", *words, "test.csv", "--summary", "test.json") == 0
    assert run("test", "log.csv", "--quiet", "other.csv", "--summary", "other.json") == 0
    assert run("test", *words, "test.parquet") == 0
    assert run("test", *words, "x/", "--to", "ncf") == 0
    negprep.test(log, "lists.parquet", num_neg=12, holdout="last:2", layout="listwise")


FAULTS = {
    "scores.csv --test test.csv --made-by other.json": (
        3,
        "test.csv: has 1,040 rows, and the run of other.json wrote ",
    ),
    "scores.csv --test test.parquet --made-by test.json": (2, "test.parquet: has metadata of its own"),
    "scores.csv --test test.csv --made-by scores.csv": (3, "scores.csv: not a summary: it is not JSON; give the file"),
    "scores.csv --test test.csv --made-by none.json": (4, "none.json: no such file"),
    "scores.csv --test test.csv --made-by -": (2, "--made-by is '-'; give the file that --summary has written"),
    "x/x.test.negative": (
        3,
        "x/x.test.negative: has candidates, but no score for each; give a file of user, item and score",
    ),
    "lists.parquet": (3, "lists.parquet: has candidates, but no score for each; give a file of user, item and score"),
    "scores.csv --test x/x.test.rating": (
        3,
        "x/x.test.rating: holds positives alone; name the file of the candidates, such as x.test.negative",
    ),
    "log.csv --test x/x.test.negative": (3, "log.csv: no column for the scores"),
    "few.csv --test x/": (3, "few.csv: user 0, item "),
}


@pytest.mark.usefixtures("faults")
@pytest.mark.parametrize("words", FAULTS)
def test_faults(capsys, words):
    Path("few.csv").write_text("user,item,score\n" + Path("scores.csv").read_text().split("\n", 1)[1].split("\n0,")[0])
    capsys.readouterr()
    code, message = FAULTS[words]
    found = run("evaluate", *words.split())
    out, err = capsys.readouterr()
    assert (found, out, err.count("\n")) == (code, "", 1), err
    assert err.startswith(f"negprep: {message}"), err


@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
def test_candidates_without_a_row(tmp_path, layout):
    """A user who owns the catalog has no pairs, and --on-short drop leaves no rows at all."""
    log = pa.table({"user": [1, 1], "item": [5, 6], "time": [1, 2]})
    path, scores = tmp_path / "test.parquet", pa.table({"user": [1], "item": [6], "score": [0.5]})
    negprep.test(log, path, num_neg=1, layout=layout, on_short="drop")
    assert pq.read_table(path).num_rows == 0
    with pytest.raises(negprep.NegprepError, match=r"test\.parquet: no rows; "):
        negprep.evaluate(scores, test=path)
