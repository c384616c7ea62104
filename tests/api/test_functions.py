"""The functions of the library against the commands: the same options, the same results, the same refusals."""

from __future__ import annotations

import doctest
import importlib
import inspect
import json
import subprocess
import sys
from dataclasses import is_dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.cli.exit_codes import guarded
from negprep.cli.group import COMMANDS, invoke
from negprep.model_file import read_model
from negprep.options.commands import keywords_of

CHANCE = np.random.default_rng(8)
USERS, ITEMS = np.divmod(CHANCE.choice(40 * 60, 700, replace=False), 60)
LOG = pa.table(
    {
        "user": USERS,
        "item": ITEMS,
        "time": CHANCE.permutation(len(USERS)),
        "event": np.where(CHANCE.random(len(USERS)) < 0.6, "buy", "view"),
    }
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, with the log and two files made of it."""
    monkeypatch.chdir(tmp_path)
    pq.write_table(LOG, "log.parquet")
    negprep.train(LOG, "train.parquet", holdout="last")
    negprep.test(LOG, "test.parquet", num_neg=20)
    return tmp_path


def test_examples_of_the_docstrings():
    found = doctest.testmod(importlib.import_module("negprep.api"))
    assert (found.failed, found.attempted > 10) == (0, True)


def parameters_of(command):
    module = importlib.import_module(f"negprep.cli.{command}")
    return {parameter.name for parameter in module.command.params}


OF_A_PERSON = {"quiet", "progress", "summary", "as_json", "help_all", "source", "target"}
OF_A_PERSON |= {"engine", "master", "spark_conf"}  # negprep.spark has functions of its own


@pytest.mark.parametrize("command", ["train", "test", "inspect", "fit", "verify", "report"])
def test_keywords_are_the_options_of_the_command(command):
    function = getattr(negprep, command)
    named = set(inspect.signature(function).parameters) - {"keywords", "log", "output", "model"}
    assert named | keywords_of(command) | {"log"} == parameters_of(command) - OF_A_PERSON | {"log"}
    typed = function.__annotations__["keywords"].removeprefix("Unpack[").removesuffix("]")
    assert set(getattr(negprep.api, typed).__annotations__) == keywords_of(command)


def test_every_command_is_a_function():
    assert {name for name in COMMANDS if not callable(getattr(negprep, name))} == set()


@pytest.mark.parametrize("form", [LOG, LOG.to_pandas(), "log.parquet"], ids=["table", "frame", "path"])
def test_verify_finds_what_the_command_finds(folder, capsys, form):
    found = negprep.verify(["train.parquet", folder / "test.parquet"], form)
    assert (
        guarded(
            lambda: invoke(["verify", "train.parquet", str(folder / "test.parquet"), "--log", "log.parquet", "--json"])
        )
        == 0
    )
    assert found.as_dict() == json.loads(capsys.readouterr().out)
    assert is_dataclass(found)
    assert not found.failed
    with pytest.raises(AttributeError):
        found.files = ()


def test_verify_finds_the_same_in_little_memory(folder):
    found = negprep.verify(["train.parquet", "test.parquet"], LOG)
    assert negprep.verify(["train.parquet", "test.parquet"], LOG, memory=1, spill_dir=str(folder)) == found
    with pytest.raises(negprep.UsageError, match="memory is 0"):
        negprep.verify("train.parquet", LOG, memory=0)
    with pytest.raises(negprep.OutputError, match="is not a folder"):
        negprep.verify("train.parquet", LOG, spill_dir=str(folder / "absent"))


def test_verify_takes_one_path_and_files_that_do_not_say_what_they_are(folder):
    rows = pq.read_table("test.parquet").replace_schema_metadata()
    pq.write_table(rows, "mine.parquet")
    assert not negprep.verify("test.parquet", LOG).failed
    assert not negprep.verify([], LOG, test="mine.parquet", holdout="last", num_neg=20, sampler="uniform").failed
    users, items = rows["user"].to_numpy(), rows["item"].to_numpy().copy()
    other = next(i for u, i in zip(USERS, ITEMS, strict=True) if u == users[0] and i not in items[users == users[0]])
    items[np.flatnonzero(rows["label"].to_numpy() == 0)[0]] = other
    pq.write_table(rows.set_column(1, "item", pa.array(items)), "wrong.parquet")
    found = negprep.verify([], LOG, test="wrong.parquet", examples=1)
    (fault,) = [check for check in found.checks if check.status == "failed"]
    assert (found.failed, fault.name, fault.count) == (True, "no negative is a positive of its user", 1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"files": []}, "no file to check; name what train or test wrote"),
        ({"files": ""}, "a file name is empty; give a path"),
        ({"files": LOG}, "a prepared file is a Table; give its path"),
        ({"files": [LOG.to_pandas()]}, "a prepared file is a DataFrame; give its path"),
        ({"examples": -1}, "examples is -1; choose a whole number from 0 to 1000"),
        (
            {"num_neg": 0},
            "num_neg is 0; choose a whole number from 1 to 1000000, or one with up to nine decimals, such as 0.5",
        ),
        ({"sampler": 3}, "sampler is 3; give a string, or several in a tuple"),
        ({"keep_time": "middle"}, "keep_time is 'middle'; choose one of last, first"),
        ({"with_valid": 1, "holdout": "last"}, "with_valid is 1; give True or False"),
        ({"distinct": "no"}, "distinct is 'no'; give True or False"),
        ({"positive": 4}, "positive is 4; give a string"),
        ({"alpha": "x", "sampler": "popularity"}, "alpha is 'x'; choose a number from -10 to 10"),
        ({"num_neg": 20}, "--num-neg, which the metadata of the files specify; leave it out"),
        ({"weak": LOG}, "--weak, with which no file was made; leave it out"),
        ({"user_col": 7}, "user_col is 7; give a string"),
    ],
    ids=str,
)
@pytest.mark.parametrize("function", ["verify", "report"])
def test_what_is_no_check_is_refused(folder, function, given, words):
    chosen = {"files": "test.parquet", "log": LOG, **given}
    if function == "report":
        if "examples" in given:
            return
        chosen["output"] = "page.html"
    with pytest.raises(negprep.UsageError) as caught:
        getattr(negprep, function)(**chosen)
    assert str(caught.value) == words
    assert not (folder / "page.html").exists()


def test_standard_input_and_empty_names(folder):
    with pytest.raises(negprep.UsageError, match="is named twice; give files"):
        negprep.verify("-", "-")
    with pytest.raises(negprep.UsageError, match="is named twice; give files"):
        negprep.verify("test.parquet", "-", exclude="-")
    for call in (
        lambda: negprep.verify("test.parquet", ""),
        lambda: negprep.train(""),
        lambda: negprep.train(LOG, items=""),
        lambda: negprep.fit("", "m.npz", kind="rns"),
    ):
        with pytest.raises(negprep.UsageError, match="is empty; give a path"):
            call()


def test_outputs_that_are_not_paths_are_refused(folder):
    rows = negprep.train(LOG, "rows.parquet")
    for use in (
        lambda output: negprep.train(LOG, output),
        lambda output: negprep.prepare(LOG, output),
        lambda output: negprep.report(rows, output),
    ):
        with pytest.raises(TypeError, match=r"^output is a str or a path, not bytes$"):
            use(b"rows")
        with pytest.raises(negprep.UsageError, match=r"^output is empty; give a path$"):
            use("")


@pytest.mark.parametrize("function", ["verify", "report", "fit"])
def test_an_unknown_keyword_names_the_nearest(folder, function):
    given = {"verify": {}, "report": {"output": "page.html"}, "fit": {"model": "m.npz", "kind": "rns"}}[function]
    files = {} if function == "fit" else {"files": "test.parquet"}
    with pytest.raises(
        TypeError, match=rf"{function}\(\) got an unexpected keyword argument 'hold_out'; did you mean 'holdout'"
    ):
        getattr(negprep, function)(log=LOG, hold_out="last", **files, **given)


def test_report_gives_what_verify_finds(folder):
    pytest.importorskip("jinja2")
    found = negprep.report(["train.parquet", folder / "test.parquet"], folder / "page.html", log=LOG.to_pandas())
    assert found == negprep.verify(["train.parquet", str(folder / "test.parquet")], LOG)
    page = (folder / "page.html").read_text()
    assert (
        guarded(
            lambda: invoke(["report", "train.parquet", "test.parquet", "same.html", "--log", "log.parquet", "--quiet"])
        )
        == 0
    )
    assert page == (folder / "same.html").read_text()
    assert negprep.report("train.parquet", "alone.html") is None
    assert (folder / "alone.html").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"output": "page.pdf"}, "page.pdf: a report is a page of HTML"),
        ({"holdout": "last"}, "--holdout without --log, which it describes; add --log INPUT"),
        ({"log": "-"}, "a file name is '-', and a report reads its files more than once; give a path"),
        ({"files": ["test.parquet", "test.parquet"]}, "test.parquet: is named twice; name each file once"),
    ],
    ids=str,
)
def test_reports_that_are_refused(folder, given, words):
    pytest.importorskip("jinja2")
    with pytest.raises(negprep.UsageError) as caught:
        negprep.report(**{"files": "test.parquet", "output": "page.html", **given})
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("package", "call"),
    [
        ("jinja2", "negprep.report('test.parquet', 'page.html')"),
        ("implicit", "negprep.fit('log.parquet', 'm.npz', kind='als')"),
    ],
)
def test_without_its_extra_a_function_says_what_to_install(folder, package, call):
    script = f"""
import sys
sys.modules[{package!r}] = None
import negprep
try:
    {call}
except negprep.UsageError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr == ""
    assert "pip install 'negprep[" in done.stdout


@pytest.mark.parametrize("form", [LOG, LOG.to_pandas(), "log.parquet"], ids=["table", "frame", "path"])
def test_fit_makes_the_model_of_the_command(folder, form):
    options = {"holdout": "last", "positive": "buy", "factors": 4, "epochs": 2, "start_epochs": 1, "seed": 3}
    found = negprep.fit(form, folder / "ours.npz", kind="rns", **options)
    words = ["fit", "log.parquet", "theirs.npz", "--kind", "rns", "--quiet"]
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    assert guarded(lambda: invoke(words)) == 0
    ours, theirs = read_model("ours.npz"), read_model("theirs.npz")
    assert ours.facts == theirs.facts
    np.testing.assert_allclose(ours.user_factors, theirs.user_factors, rtol=1e-4, atol=1e-5)
    assert found.model["kind"] == "rns"
    buys = LOG.to_pandas().query("event == 'buy'")
    held = sum(size > 1 for size in buys.groupby("user").size())
    assert (found.positives + found.laid_aside, found.held_out) == (len(buys) - held, held)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"kind": "svd"}, "no model is of the kind 'svd'; choose one of als, bpr, rns"),
        ({"model": ""}, "model is empty; give a path"),
        ({"factors": 0}, "factors is 0; choose a whole number from 1 to 1024"),
        ({"factors": 4.5}, "factors is 4.5; choose a whole number from 1 to 1024"),
        ({"epochs": "2"}, "epochs is '2'; choose a whole number from 1 to 1000000"),
        ({"seed": -1}, "seed is -1; choose a whole number from 0 to 18446744073709551615"),
        ({"jobs": 0}, "jobs is 0; choose a whole number from 1 to 1024"),
        ({"regularization": -0.1}, "regularization is -0.1; choose a number from 0"),
        ({"regularization": float("nan")}, "--regularization nan is not a number; give a number"),
        ({"learning_rate": 0}, "learning_rate is 0; choose a number above 0"),
        ({"feature_share": 2}, "feature_share is 2; choose a number from 0 to 1"),
        ({"pool": 5, "pool_weak": 6}, "--pool-weak 6 of a pool of 5; enlarge it (--pool), or lower it"),
        ({"kind": "als", "pool": 5}, "--pool without --kind rns; add it, or leave this out"),
        ({"kind": "als", "items": LOG}, "--items with --kind als, which learns from the positives alone; leave it out"),
        ({"core": 3, "items": LOG}, "--core with --items: the catalog of a core is what remains"),
    ],
    ids=str,
)
def test_fits_that_are_refused(folder, given, words):
    with pytest.raises(negprep.UsageError) as caught:
        negprep.fit(**{"log": LOG, "model": "m.npz", "kind": "rns", "positive": "buy", **given})
    assert str(caught.value).startswith(words)
    assert not (folder / "m.npz").exists()


def test_logs_are_not_changed(folder):
    frame = LOG.to_pandas()
    before = frame.copy()
    negprep.verify("test.parquet", frame)
    negprep.fit(frame, "m.npz", kind="rns", positive="buy", factors=2, epochs=1)
    pd.testing.assert_frame_equal(frame, before)
