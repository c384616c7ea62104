"""Forecasts of text and of the folders of other programs, against the bytes that the runs then write."""

from __future__ import annotations

import random

import pandas as pd
import pytest

import negprep

WITHIN = 0.5


def a_log(users=400, *, ids=lambda kind, number: number):
    chance = random.Random(2)
    rows = [
        (ids("customer", user * user), ids("thing", item**2), chance.randrange(10**6))
        for user in range(users)
        for item in chance.sample(range(90), chance.randint(2, 40))
    ]
    return pd.DataFrame(rows, columns=["user", "item", "time"])


NUMBERS = a_log()
WORDS = a_log(ids=lambda kind, number: f'{kind}, "{number}"')
SETS = [
    ("train", {"to": "csv"}),
    ("train", {"to": "tsv", "holdout": "last", "encode": True}),
    ("train", {"to": "csv", "layout": "pairwise", "with_log_q": True, "sampler": "popularity"}),
    ("train", {"to": "csv", "layout": "listwise"}),
    ("train", {"to": "csv", "epochs": 12, "shuffle": True}),
    ("train", {"to": "recbole", "epochs": 3, "holdout": "last"}),
    ("test", {"to": "csv", "num_neg": 30}),
    ("test", {"to": "tsv", "num_neg": "all", "encode": True}),
    ("test", {"to": "ncf", "num_neg": 30, "encode": True}),
    ("test", {"to": "ncf", "num_neg": 30, "holdout": "last:2", "with_valid": True, "encode": True}),
    ("test", {"to": "lightgcn", "num_neg": 30, "encode": True}),
    ("test", {"to": "recbole", "num_neg": 30, "holdout": "random", "with_valid": True}),
    ("test", {"to": "rechorus", "num_neg": 30, "on_short": "drop", "with_valid": True, "encode": True}),
    ("test", {"to": "recommenders", "num_neg": 30, "encode": True}),
    ("test", {"to": "recpack", "num_neg": 30, "encode": True}),
    ("test", {"to": "lenskit", "num_neg": 30, "holdout": "random"}),
]


def written(command, log, folder, options):
    """The rows of the run, and the bytes of all that it leaves."""
    options = {"distinct": command == "test", **options}
    target = f"{folder}/out{'.' + options['to'] if options['to'] in ('csv', 'tsv') else '/'}"
    summary = negprep.prepare(log, target, negprep.Options(command=command, **options))
    return summary.rows_written, sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("log", [NUMBERS, WORDS], ids=["numbers", "words"])
@pytest.mark.parametrize(("command", "options"), SETS, ids=str)
def test_bytes(tmp_path, monkeypatch, command, options, log):
    if log is WORDS and options.get("layout") == "listwise":
        return
    told = getattr(negprep.inspect(log, **options), command)
    rows, size = written(command, log, tmp_path, options)
    assert (told.refused, told.to, told.rows) == (None, options["to"], rows)
    assert told.bytes == pytest.approx(size, rel=WITHIN)
    if options["to"] == "lenskit":  # Parquet, whose small row groups take more
        return
    monkeypatch.setattr("negprep.assemble.section.ROW_GROUP_ROWS", 2_000)
    told = getattr(negprep.inspect(log, **options), command)
    assert told.bytes == pytest.approx(size, rel=WITHIN)


@pytest.mark.parametrize("to", ["ncf", "lightgcn"])
def test_what_a_form_cannot_hold_is_refused_with_the_reason_of_the_run(tmp_path, to):
    found = negprep.inspect(NUMBERS, to=to, num_neg=9)
    assert found.train.refused.startswith(f"train with --to {to}")
    assert found.test.refused is None
    with pytest.raises(negprep.UsageError) as caught:
        negprep.test(WORDS, f"{tmp_path}/out/", to=to, num_neg=9)
    with pytest.raises(negprep.UsageError) as told:
        negprep.inspect(WORDS, to=to, num_neg=9)
    assert str(told.value) == str(caught.value)
    with pytest.raises(negprep.UsageError, match=f"--with-log-q with --to {to}, which has no place for it"):
        negprep.inspect(NUMBERS, to=to, with_log_q=True)
    with pytest.raises(negprep.UsageError, match="--num-neg all with --sampler popularity"):
        negprep.inspect(NUMBERS, num_neg="all", sampler="popularity")


def test_a_list_of_ids_with_spaces_is_refused():
    refused = negprep.inspect(WORDS, to="csv", layout="listwise").train.refused
    assert refused.startswith("the id 'thing, \"0\"' holds a space")


def test_options_that_mean_nothing_in_text():
    with pytest.raises(negprep.UsageError, match="--label-dtype with --to csv"):
        negprep.inspect(NUMBERS, to="csv", label_dtype="float32")
    with pytest.raises(negprep.UsageError, match="--layout with --to recbole"):
        negprep.inspect(NUMBERS, to="recbole", layout="pairwise")
    with pytest.raises(negprep.UsageError, match="to is 'xml'"):
        negprep.inspect(NUMBERS, to="xml")
