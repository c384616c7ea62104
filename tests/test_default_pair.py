"""What `train` and `test` write without an option: nothing that is tested is trained on, whatever the log is."""

from __future__ import annotations

import json
import random

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from independent import check_partition, groups_of

import negprep
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke

LEAK = "no positive is in two parts"


def interactions(*, times=None):
    """60 users of 2 to 9 items out of 160, in random order; ``times`` is how many different times there are."""
    chance = random.Random(3)
    rows = [(user, item) for user in range(60) for item in chance.sample(range(160), chance.randint(2, 9))]
    chance.shuffle(rows)
    columns = {"user": [row[0] for row in rows], "item": [row[1] for row in rows]}
    if times is not None:
        columns["time"] = [chance.randrange(times) for _ in rows]
    return pa.table(columns)


def renamed(log, *names):
    return log.rename_columns(list(names))


def as_csv(log, folder, name="log.csv"):
    pa_csv.write_csv(log, folder / name)
    return folder / name


def as_parquet(log, folder):
    pq.write_table(log, folder / "log.parquet")
    return folder / "log.parquet"


def as_sasrec(log, folder):
    lines = [
        f"{user} {item}\n" for user, item in zip(*(log[name].to_pylist() for name in ("user", "item")), strict=True)
    ]
    (folder / "log.txt").write_text("".join(lines))
    return folder / "log.txt"


def as_recbole(log, folder):
    return as_csv(renamed(log, "user_id:token", "item_id:token", "timestamp:float"), folder, "log.inter")


def as_ratings(log, folder):
    frame = log.to_pandas().assign(rating=1)[["user", "item", "rating", "time"]]
    frame.to_csv(folder / "log.rating", sep="\t", header=False, index=False)
    return folder / "log.rating"


TIMED = interactions(times=10**6)
LOGS = {
    "times": (lambda folder: as_csv(TIMED, folder), (), "last"),
    "no times": (lambda folder: as_csv(interactions(), folder), (), "random"),
    "ties": (lambda folder: as_csv(interactions(times=2), folder), (), "last"),
    "all at once": (lambda folder: as_csv(interactions(times=1), folder), (), "last"),
    "parquet": (lambda folder: as_parquet(TIMED, folder), (), "last"),
    "parquet without times": (lambda folder: as_parquet(interactions(), folder), (), "random"),
    "a time of another name": (
        lambda folder: as_csv(renamed(TIMED, "user", "item", "bought"), folder),
        ("--time-col", "bought"),
        "last",
    ),
    "two times, one named": (
        lambda folder: as_csv(TIMED.append_column("timestamp", TIMED["time"]), folder),
        ("--time-col", "timestamp"),
        "last",
    ),
    "sasrec": (lambda folder: as_sasrec(TIMED, folder), ("--from", "sasrec"), "last"),
    "ratings of ncf": (lambda folder: as_ratings(TIMED, folder), (), "last"),
    "two positives of each": (lambda folder: as_csv(TIMED, folder), ("--min-positives", "3"), "last"),
}


def run(*words):
    return guarded(lambda: invoke([str(word) for word in words]))


def memoriser(train, test):
    """HR@10 of a model that knows which pairs it was trained on, and nothing else; ties count by expectation."""
    known = {(group.user, group.positive) for group in groups_of(train)}
    scored = test.to_pandas()
    scored["score"] = [float(pair in known) for pair in zip(scored["user"], scored["item"], strict=True)]
    return negprep.evaluate(scored, at=(10,), resamples=0).metrics["hr@10"].value


@pytest.mark.parametrize("name", LOGS)
def test_the_pair_does_not_leak(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    make, words, rule = LOGS[name]
    log = make(tmp_path)
    for command in ("train", "test"):
        assert run(command, log, f"{command}.parquet", "--quiet", "--summary", f"{command}.json", *words) == 0
        told = capsys.readouterr().err
        warned = f"negprep {command}: warning: the log has no times: each user's holdout is random"
        assert (warned in told) == (rule == "random"), told
        assert told.count("\n") == (rule == "random")
        summary = json.loads((tmp_path / f"{command}.json").read_text())
        assert (summary["holdout"], summary["holdout_asked"]) == (rule, "auto")
        facts = json.loads(pq.read_schema(f"{command}.parquet").metadata[b"negprep"])
        assert (facts["holdout"], facts["holdout_asked"]) == (rule, "auto")
    train, test = pq.read_table("train.parquet"), pq.read_table("test.parquet")
    assert memoriser(train, test) == pytest.approx(0.1, abs=1e-9)
    reading = [word for word in words if word != "--min-positives" and word != "3"]
    assert run("verify", "train.parquet", "test.parquet", "--log", log, "--json", *reading) == 0
    found = json.loads(capsys.readouterr().out)
    assert {check["check"]: check["status"] for check in found["across"]}[LEAK] == "passed"
    if name == "times":
        check_partition(TIMED, groups_of(train), groups_of(test, whole_users=True))


@pytest.mark.parametrize("kind", [pa.Table, pd.DataFrame])
@pytest.mark.parametrize("times", [None, 10**6, 2])
def test_the_functions_agree_too(kind, times):
    log = interactions(times=times)
    given = log if kind is pa.Table else log.to_pandas()
    if times is None:
        with pytest.warns(negprep.NegprepWarning, match="the log has no times") as caught:
            train, test = negprep.train(given), negprep.test(given)
        assert {each.filename for each in caught} == {__file__}
    else:
        train, test = negprep.train(given), negprep.test(given)
    train, test = (pa.Table.from_pandas(rows) if kind is pd.DataFrame else rows for rows in (train, test))
    check_partition(log, groups_of(train), groups_of(test, whole_users=True))
    assert memoriser(train, test) == pytest.approx(0.1, abs=1e-9)


def test_a_text_is_checked_by_its_summary(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    log = as_csv(interactions(), tmp_path)
    for command in ("train", "test"):
        assert run(command, log, f"{command}.csv", "--quiet", "--summary", f"{command}.json") == 0
    made = ("--made-by", "train.json", "--made-by", "test.json")
    assert run("verify", "train.csv", "test.csv", "--log", log, *made, "--quiet") == 0
    assert capsys.readouterr().out == ""
    # with everything in train, the same check fails
    assert run("train", log, "train.csv", "--holdout", "none", "--quiet", "--summary", "train.json") == 0
    assert run("verify", "train.csv", "test.csv", "--log", log, *made, "--quiet") == 1
    assert LEAK in capsys.readouterr().out


def test_the_memoriser_wins_where_the_log_is_not_split():
    train = negprep.train(TIMED, holdout="none")
    assert memoriser(train, negprep.test(TIMED)) == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("train", "log.csv", "out.parquet"), 3),
        (("test", "log.csv", "out.parquet"), 3),
        (("fit", "log.csv", "out.npz", "--kind", "rns", "--positive", "buy"), 3),
        (("inspect", "log.csv"), 0),  # which shows that both would be refused
    ],
)
def test_which_column_is_the_time_must_be_clear(tmp_path, monkeypatch, capsys, words, code):
    monkeypatch.chdir(tmp_path)
    events = pa.array(["buy" if row % 3 else "view" for row in range(len(TIMED))])
    as_csv(TIMED.append_column("timestamp", TIMED["time"]).append_column("event", events), tmp_path)
    assert run(*words) == code
    said = "".join(capsys.readouterr())
    assert "more than one column could be the time: time, timestamp; choose with --time-col" in said
    assert not list(tmp_path.glob("out.*"))


def test_a_model_and_a_run_agree_by_default(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    events = pa.array(["buy" if row % 3 else "view" for row in range(len(TIMED))])
    log = as_csv(TIMED.append_column("event", events), tmp_path)
    assert run("fit", log, "policy.npz", "--kind", "rns", "--positive", "buy", "--epochs", "1", "--factors", "4") == 0
    assert "  held out" in (told := capsys.readouterr().err)
    assert " last: nothing was learnt from these\n" in told
    words = ("--positive", "buy", "--sampler", "reinforced", "--model", "policy.npz")
    assert run("train", log, "train.parquet", *words) == 0
    assert "the model was made with" not in capsys.readouterr().err


def test_nobody_has_two_positives(tmp_path, monkeypatch, capsys):
    """Nothing can be held out: train keeps all and says so, test refuses."""
    monkeypatch.chdir(tmp_path)
    log = as_csv(pa.table({"user": [1, 2, 3], "item": [7, 8, 9], "time": [1, 2, 3]}), tmp_path)
    assert run("train", log, "train.parquet", "--num-neg", "1", "--quiet") == 0
    assert capsys.readouterr().err == "negprep train: warning: --holdout last holds nothing out of this log\n"
    assert pq.read_table("train.parquet").num_rows == 6
    assert run("test", log, "test.parquet", "--num-neg", "1") == 3
    assert "no user has enough positives for a test holdout" in capsys.readouterr().err


def test_a_split_log_is_kept_whole(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    log = as_csv(TIMED, tmp_path)
    assert run("train", log, "train.parquet", "--holdout", "none", "--num-neg", "1") == 0
    assert "  holdouts" in (told := capsys.readouterr().err)
    assert " none: every positive is in training\n" in told
    pairs = {(group.user, group.positive) for group in groups_of(pq.read_table("train.parquet"))}
    assert pairs == set(zip(TIMED["user"].to_pylist(), TIMED["item"].to_pylist(), strict=True))


def test_inspect_previews_the_default_pair(tmp_path):
    found = negprep.inspect(TIMED)
    assert (found.train.holdout, found.test.holdout) == ("last", "last")
    assert found.train.rows == negprep.train(TIMED).num_rows
    assert found.train.holdouts == found.test.groups == 60
