"""``negprep evaluate``: what it prints and writes, and what it refuses, each in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep

LOG = Path(__file__).parents[2] / "sample_data" / "log.parquet"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A test file, its scores, and both in one."""
    folder = tmp_path_factory.mktemp("evaluate")
    negprep.test(LOG, folder / "test.parquet")
    test = pq.read_table(folder / "test.parquet")
    scores = pa.array(np.random.default_rng(0).normal(size=test.num_rows) + 2 * test["label"].to_numpy())
    scored = test.append_column("score", scores)
    pq.write_table(scored, folder / "scored.parquet")
    pq.write_table(scored.drop(["label"]), folder / "scores.parquet")
    negprep.test(LOG, folder / "popular.parquet", sampler="popularity", num_neg=9)
    popular = pq.read_table(folder / "popular.parquet")
    pq.write_table(popular.append_column("score", popular["label"].cast("float64")), folder / "popular.parquet")
    return folder


def test_a_table_for_a_person(line, capsys, folder):
    assert line.run("evaluate", f"{folder}/scored.parquet", "--at", "1,10", "--resamples", "50") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("999 users, 999 lists of 5 to 99 candidates and the held-out item\n")
    assert [row.split()[0] for row in out.splitlines()[3:8]] == ["HR@1", "HR@10", "NDCG@1", "NDCG@10", "MRR"]
    assert "rescale" in out
    assert "without replacement; gamma 0.01" in out
    found = negprep.evaluate(folder / "scored.parquet", at=(1, 10), resamples=50)
    assert out == f"{found}\n"


def test_json_for_a_program(line, capsys, folder):
    words = ["--at", "10", "--resamples", "20", "--seed", "3", "--gamma", "0.5", "--json"]
    assert line.run("evaluate", f"{folder}/scores.parquet", "--test", f"{folder}/test.parquet", *words) == 0
    facts = json.loads(capsys.readouterr().out)
    found = negprep.evaluate(
        folder / "scores.parquet", folder / "test.parquet", at=(10,), resamples=20, seed=3, gamma=0.5
    )
    assert facts == found.as_dict()
    assert set(facts["estimates"]) == {"rescale", "bias-variance", "em"}
    assert facts["metrics"]["hr@10"]["low"] < facts["metrics"]["hr@10"]["value"] < facts["metrics"]["hr@10"]["high"]
    metadata = json.loads(pq.read_schema(folder / "test.parquet").metadata[b"negprep"])["counts"]
    assert facts["competitors"] == round(metadata["catalog_items"] - metadata["positives"] / metadata["users"])


def test_the_options_reach_the_estimates(line, capsys, folder):
    def estimates(*words):
        assert line.run("evaluate", f"{folder}/scored.parquet", "--resamples", "0", "--json", *words) == 0
        found = json.loads(capsys.readouterr().out)
        return {name: values["hr@10"]["value"] for name, values in found["estimates"].items()}

    usual = estimates()
    larger = estimates("--catalog-size", "50000")
    assert all(larger[name] != usual[name] for name in usual)
    assert {name for name in usual if estimates("--gamma", "1")[name] != usual[name]} == {"bias-variance"}
    assert {name for name in usual if estimates("--repeats")[name] != usual[name]} >= {"bias-variance", "em"}


def test_candidates_that_are_not_uniform_are_not_estimated_from(line, capsys, folder):
    assert line.run("evaluate", f"{folder}/popular.parquet") == 0
    out = capsys.readouterr().out
    assert (
        "no estimate of the metrics over all items: the candidates are not uniform (the sampler is popularity)" in out
    )
    assert "rescale" not in out


def test_metrics_by_user(line, capsys, folder, tmp_path):
    words = ["--at", "5", "--resamples", "0"]
    assert line.run("evaluate", f"{folder}/scored.parquet", *words, "--by-user", f"{tmp_path}/by.parquet") == 0
    written = pq.read_table(tmp_path / "by.parquet")
    assert written.column_names == ["user", "lists", "hr@5", "ndcg@5", "mrr", "auc", "place"]
    assert written.num_rows == 999
    mean = np.mean(written["ndcg@5"].to_numpy())
    assert f"NDCG@5      {mean:.4f}" in capsys.readouterr().out


def test_no_metrics_by_user_after_an_error(line, folder, tmp_path):
    scores = pq.read_table(folder / "scores.parquet")
    pq.write_table(scores.slice(1), tmp_path / "scores.parquet")
    (tmp_path / "by.parquet").write_text("as it was")
    words = ["--test", f"{folder}/test.parquet", "--by-user", f"{tmp_path}/by.parquet"]
    assert line.run("evaluate", f"{tmp_path}/scores.parquet", *words) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["by.parquet", "scores.parquet"]
    assert (tmp_path / "by.parquet").read_text() == "as it was"


def test_standard_input(folder):
    script = "from negprep.cli.main import run; run()"
    words = ["evaluate", "-", "--test", f"{folder}/test.parquet", "--resamples", "0"]
    scores = pq.read_table(folder / "scores.parquet").to_pylist()
    text = "user,item,score\n" + "".join(f"{row['user']},{row['item']},{row['score']!r}\n" for row in scores)
    done = subprocess.run([sys.executable, "-c", script, *words], input=text, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{negprep.evaluate(folder / 'scored.parquet', resamples=0)}\n"


def test_neither_pandas_nor_datasets_are_imported(folder, tmp_path):
    script = (
        "import sys\nfrom negprep.cli.main import outcome\n"
        "assert outcome() == 0\n"
        "print([name for name in ('pandas', 'pyarrow.dataset', 'scipy') if name in sys.modules])"
    )
    words = ["evaluate", f"{folder}/scores.parquet", "--test", f"{folder}/test.parquet", "--resamples", "10"]
    words += ["--by-user", f"{tmp_path}/by.parquet"]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("[]", "")


ROWS = """user,item,label,score
1,10,1,0.5
1,11,0,0.4
2,10,0,0.1
2,12,1,0.3
"""
"""A file that is right; each test makes something wrong of it."""

APART = (
    "cannot be told apart: its rows with label 1 do not lead lists of one length; "
    "keep the order of the test file (--test), or name the lists in a column 'group'"
)
TWO_LISTS = "3,1,1,0.1\n3,2,0,0.2\n3,3,0,0.1\n3,4,1,0.3\n"
SCORED_FAULTS = {
    "no score column": (
        ROWS.replace("score", "age"),
        "no column for the scores (found: user, item, label, age); name it with --score-col",
    ),
    "no label column": (
        ROWS.replace("label", "age"),
        "no column for the labels (found: user, item, age, score); "
        "name it with --label-col, or give the test file: --test",
    ),
    "two score columns": (
        "user,item,label,pred,score\n1,2,1,0,0\n",
        "more than one column could be the score: pred, score; choose with --score-col",
    ),
    "two group columns": (
        "user,item,label,score,group,Group\n1,2,1,0,0,0\n",
        "more than one column could be the group: group, Group; choose with --group-col",
    ),
    "pairs": (
        "user,pos_item,neg_item,label,score\n1,2,3,0,1\n",
        "has candidates, but no score for each; give a file of user, item and score, and this one with --test",
    ),
    "NaN": (ROWS.replace("0.4", "nan"), "3: missing or infinite score; repair or remove the row"),
    "infinite": (ROWS.replace("0.4", "-inf"), "3: missing or infinite score; repair or remove the row"),
    "empty score": (ROWS.replace("0.4", ""), "3: missing or infinite score; repair or remove the row"),
    "text": (ROWS.replace("0.4", "high"), "3: 'high' is not a score; a score must be a finite number"),
    "empty user": (ROWS.replace("2,10", ",10"), "4: null user id; repair or remove the row"),
    "empty label": (ROWS.replace("10,1,", "10,,"), "2: missing label; repair or remove the row"),
    "label 2": (ROWS.replace("10,1,", "10,2,"), "2: the label is 2; 1 is a positive and 0 a negative"),
    "a label in words": (ROWS.replace("10,1,", "10,yes,"), "2: 'yes' is not a label; a label must be a finite number"),
    "no positive": (ROWS.replace("12,1,", "12,0,"), "user 2 has no row with label 1; keep the held-out item"),
    "lists of two lengths": (ROWS + "2,13,1,0.1\n", f"the lists of user 2 {APART}"),
    "lists in disorder": (ROWS + TWO_LISTS.replace("2,0", "2,1").replace("4,1", "4,0"), f"the lists of user 3 {APART}"),
    "a candidate twice": (
        ROWS + "1,11,0,0.7\n",
        "user 1, item 11 is twice in one list; remove one row; or --repeats, if it was drawn twice",
    ),
    "among its own negatives": (
        ROWS + "1,10,0,0.7\n",
        "user 1, item 10 is held out and also among its own negatives; "
        "make the test file again; negprep test never writes such rows",
    ),
    "no negative at all": (
        "user,item,label,score\n1,10,1,0.5\n",
        "no row has the label 0; each held-out item needs negatives",
    ),
    "no rows": (
        "user,item,label,score\n",
        "no rows; is it cut short, or of a run that had nothing to write? Make it again",
    ),
}


@pytest.mark.parametrize("fault", SCORED_FAULTS)
def test_faults_of_a_scored_file(fault, line, capsys, tmp_path):
    text, message = SCORED_FAULTS[fault]
    path = tmp_path / "scored.csv"
    path.write_text(text)
    assert line.run("evaluate", str(path)) == 3
    out, err = capsys.readouterr()
    between = ":" if message[0].isdigit() else ": "
    assert (out, err) == ("", f"negprep: {path}{between}{message}\n")


def test_the_file_that_is_right(line, tmp_path):
    (tmp_path / "scored.csv").write_text(ROWS)
    assert line.run("evaluate", f"{tmp_path}/scored.csv") == 0
    (tmp_path / "scored.csv").write_text(ROWS + TWO_LISTS)
    assert line.run("evaluate", f"{tmp_path}/scored.csv") == 0
    (tmp_path / "scored.csv").write_text(ROWS + "1,11,0,0.4\n")
    assert line.run("evaluate", f"{tmp_path}/scored.csv", "--repeats") == 0


def test_a_group_with_two_positives(line, capsys, tmp_path):
    (tmp_path / "scored.csv").write_text("user,item,label,score,group\n1,1,1,0,0\n1,2,1,0,0\n1,3,0,0,0\n")
    assert line.run("evaluate", f"{tmp_path}/scored.csv") == 3
    message = "a group of user 1 has 2 rows with label 1; give each held-out item a group of its own"
    assert capsys.readouterr().err == f"negprep: {tmp_path}/scored.csv: {message}\n"


SCORES = "user,item,score\n1,10,0.5\n1,11,0.4\n2,10,0.1\n2,12,0.3\n"
EXTRA = "has a score, but is not a candidate of the test file; is it the right test file? Leave such pairs out"
JOINED_FAULTS = {
    "missing": (
        SCORES.replace("2,10,0.1\n", ""),
        "user 2, item 10 has no score; score every candidate of the test file",
    ),
    "two scores": (SCORES + "1,10,0.6\n", "user 1, item 10 has two scores, 0.5 and 0.6; give each pair one"),
    "an item of another user": (SCORES + "1,12,0.6\n", f"user 1, item 12 {EXTRA}"),
    "an unknown user": (SCORES + "ann,12,0.6\n", f"user 'ann', item 12 {EXTRA}"),
    "an unknown item": (SCORES + "1,99,0.6\n", f"user 1, item 99 {EXTRA}"),
}


@pytest.mark.parametrize("fault", JOINED_FAULTS)
def test_faults_of_scores_beside_a_test_file(fault, line, capsys, tmp_path):
    text, message = JOINED_FAULTS[fault]
    (tmp_path / "test.csv").write_text("user,item,label\n1,10,1\n1,11,0\n2,10,0\n2,12,1\n")
    (tmp_path / "scores.csv").write_text(text)
    assert line.run("evaluate", f"{tmp_path}/scores.csv", "--test", f"{tmp_path}/test.csv") == 3
    assert capsys.readouterr().err == f"negprep: {tmp_path}/scores.csv: {message}\n"


def test_one_score_for_a_pair_that_occurs_twice(line, tmp_path):
    (tmp_path / "test.csv").write_text("user,item,label\n1,10,1\n1,11,0\n2,10,0\n2,12,1\n")
    (tmp_path / "scores.csv").write_text(SCORES + "1,10,0.5\n")
    assert line.run("evaluate", f"{tmp_path}/scores.csv", "--test", f"{tmp_path}/test.csv") == 0


REFUSED = {
    "--at 0": "is not a list of cutoffs",
    "--at 5,5": "--at '5,5' is not a list of cutoffs; give different whole numbers from 1, such as 5,10,20",
    "--at five": "'five' is not a list of cutoffs, such as 5,10,20",
    "--gamma 2": "2.0 is not in the range",
    "--gamma nan": "--gamma nan is not between 0 and 1",
    "--resamples -1": "-1 is not in the range",
    "--resamples 0 --seed 1": "--seed with --resamples 0, which draws nothing; leave one out",
    "--seed x": "is not a whole number",
    "--catalog-size 1": "1 is not in the range",
    "--catalog-size 50": "--catalog-size 50 is less than the 100 items of a list; count all items that are ranked",
    "--test -": "standard input is",
    "--score-col nothing": "no column 'nothing' (found: user, item, label, score); name one of them with --score-col",
    "--label-col score --score-col score": "--label-col and --score-col both name 'score'; give two columns",
    "--by-user -": "--by-user '-': standard output is for the table; name a file",
    "--test ''": "--test is empty; give a path",
}


@pytest.mark.parametrize("words", REFUSED)
def test_options_that_are_refused(words, line, capsys, folder, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    arguments = [word.strip("'") for word in words.split()]
    code = line.run("evaluate", f"{folder}/scored.parquet", *arguments)
    err = capsys.readouterr().err
    assert code == (4 if words == "--test -" else 2), err
    assert REFUSED[words] in err
    assert err.count("\n") == 1


def test_options_that_would_have_no_effect(line, capsys, folder):
    for words in (["--gamma", "0.1"], ["--catalog-size", "600"]):
        assert line.run("evaluate", f"{folder}/popular.parquet", *words) == 2
        reason = "there is no estimate, because the candidates are not uniform (the sampler is popularity)"
        assert capsys.readouterr().err == f"negprep: {words[0]}: {reason}; leave it out\n"


def test_places_that_cannot_be_written_or_read(line, capsys, folder, tmp_path):
    scored = f"{folder}/scored.parquet"
    assert line.run("evaluate", scored, "--by-user", scored) == 2
    assert "is the input" in capsys.readouterr().err
    assert line.run("evaluate", scored, "--by-user", f"{tmp_path}/no/by.parquet") == 4
    assert "there is no folder" in capsys.readouterr().err
    assert line.run("evaluate", f"{tmp_path}/none.parquet") == 4
    assert capsys.readouterr().err == (
        f"negprep: {tmp_path}/none.parquet: no such file or folder; check the name: it is not in {tmp_path}\n"
    )
    assert line.run("evaluate", "-", "--test", "-") == 2
    assert capsys.readouterr().err == "negprep: standard input ('-') is named twice; give files for SCORES or --test\n"


def test_a_file_to_train_on_gets_a_warning(line, capsys, tmp_path):
    negprep.train(LOG, tmp_path / "train.parquet", distinct=True, num_neg=9)
    train = pq.read_table(tmp_path / "train.parquet")
    pq.write_table(train.append_column("score", train["label"].cast("float64")), tmp_path / "scored.parquet")
    assert line.run("evaluate", f"{tmp_path}/scored.parquet", "--resamples", "0") == 0
    assert "warning: this is a training file" in capsys.readouterr().out
