"""`negprep prepare`: byte for byte what the single commands write, from one read; facts, hashes, a data card."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep import BadDataError, NegprepError, Options, ReadOptions, UsageError
from negprep.bundle import options_of_parts, prepare_all
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke
from negprep.options.config import read_options
from negprep.options.formats import EXCHANGES

ROOT = Path(__file__).parents[1]
LOG = str(ROOT / "sample_data" / "log.csv")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    rng = np.random.default_rng(0)
    n = 20_000
    table = pa.table(
        {
            "user": rng.integers(0, 400, n),
            "item": rng.integers(0, 300, n),
            "rating": rng.integers(1, 6, n),
            "time": rng.integers(0, 10**6, n),
            "slate": np.arange(n) % 7,
        }
    )
    path = tmp_path_factory.mktemp("log") / "log.parquet"
    pq.write_table(table, path)
    pq.write_table(
        pa.table({"user": table["user"][:50], "item": table["item"][50:100]}), path.with_name("weak.parquet")
    )
    return path


def made(log, target, dry_run=False, **chosen):
    parts = options_of_parts({"distinct": False, "with_valid": True} | chosen)
    return prepare_all(str(log), f"{target}/", parts, dry_run=dry_run)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


SHOWN = {"positive": ">=4", "test_sampler": "impression", "test_group_col": "slate"}
CASES = {
    "plain": {},
    "no valid": {"with_valid": False},
    "after": {"with_valid": False, "holdout": "after:500000"},
    "random": {"holdout": "random:2", "split_seed": 3, "seed": 9},
    "some users, no cold": {"holdout": "random-global:0.1", "test_users": 0.2, "drop_cold": "both", "test_num_neg": 9},
    "positive": {"positive": ">=4", "sampler": ("uniform:0.5", "weak:0.5"), "with_log_q": True},
    "candidates": {"test_num_neg": 20, "test_sampler": "popularity", "test_alpha": 0.5, "test_with_log_q": True},
    "impressions": SHOWN | {"sampler": "impression", "group_col": "slate", "test_num_neg": "all"},
    "impressions in test": SHOWN,
    "core": {"core": 20, "sampler": "popularity"},
    "columns along": {"keep": ("rating", "slate"), "with_time": True, "with_history": 5, "layout": "pairwise"},
    "a share": {"num_neg": 0.5, "holdout": "random:0.2", "test_num_neg": 20},
    "sessions, per user": {"num_neg": 30, "per": "user", "holdout": "session"},
    "lists": {"layout": "listwise", "num_neg": 2, "test_layout": "listwise", "test_num_neg": "all"},
    "epochs": {"epochs": 2, "shuffle": True},
    "available": {"available_at_time": True, "on_short": "fewer"},
    "jobs": {"jobs": 3},
    "small memory": {"memory": 1 << 20},
}


@pytest.mark.parametrize("case", CASES)
def test_the_files_are_those_of_the_single_commands(log, tmp_path, case):
    chosen = CASES[case]
    whole = made(log, tmp_path / "whole", **chosen)
    of_test = {name: value for name, value in chosen.items() if name.startswith("test_") and name != "test_users"}
    ours = {name.removeprefix("test_"): value for name, value in of_test.items()}
    own = {"num_neg", "per", "sampler", "group_col", "alpha", "with_log_q", "layout", "on_short", "epochs", "shuffle"}
    own |= of_test.keys()
    shared = {name: value for name, value in chosen.items() if name not in own}
    valid = chosen.get("with_valid", True)
    train = {name: value for name, value in chosen.items() if name not in {*of_test, "drop_cold"}}
    train["with_valid"] = valid
    negprep.prepare(str(log), str(tmp_path / "train.parquet"), Options(command="train", **train))
    for fold in ("valid", "test") if valid else ("test",):
        options = Options(command="test", distinct=True, **(shared | ours | {"fold": fold, "with_valid": valid}))
        negprep.prepare(str(log), str(tmp_path / f"{fold}.parquet"), options)
    names = ["train", *(["valid"] if valid else []), "test"]
    assert list(whole.parts) == names
    for name in names:
        assert (tmp_path / "whole" / f"{name}.parquet").read_bytes() == (tmp_path / f"{name}.parquet").read_bytes(), (
            name
        )
    assert not negprep.verify(str(tmp_path / "whole"), str(log)).failed
    again = read_options("prepare", tmp_path / "whole" / "negprep.toml", None)
    assert again.target == f"{tmp_path / 'whole'}/"
    prepare_all(again.source, f"{tmp_path / 'again'}/", options_of_parts(again.values))
    assert contents(tmp_path / "again") == contents(tmp_path / "whole")
    dry = made(log, tmp_path / "dry", **chosen, dry_run=True)
    assert not (tmp_path / "dry").exists()
    assert dry.files == {}
    rows = {name: (part.rows_written, part.negatives, part.holdouts) for name, part in whole.parts.items()}
    assert {name: (part.rows_written, part.negatives, part.holdouts) for name, part in dry.parts.items()} == rows


def test_what_else_is_in_the_folder(log, tmp_path):
    whole = made(log, tmp_path / "whole", encode=True)
    folder = tmp_path / "whole"
    names = {path.name for path in folder.iterdir()}
    rows = {"train.parquet", "valid.parquet", "test.parquet", "users.parquet", "items.parquet", "sampler.npz"}
    assert names == rows | {"negprep.json", "negprep.toml", "README.md", "_SUCCESS"}
    facts = json.loads((folder / "negprep.json").read_text())
    assert facts["files"] == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in rows}
    assert facts["files"] == whole.files
    assert facts["parts"]["train"]["counts"]["rows"] == pq.read_metadata(folder / "train.parquet").num_rows
    card = (folder / "README.md").read_text()
    assert "20,000 rows were read" in card
    assert f"| `train.parquet` | {whole.parts['train'].rows_written:,} rows: the train positives, with 4 neg" in card
    users, items = (pq.read_table(folder / f"{name}.parquet") for name in ("users", "items"))
    coded, plain = pq.read_table(folder / "train.parquet"), negprep.train(str(log), with_valid=True)
    assert users["user"].take(coded["user"]).equals(plain["user"])
    assert items["item"].take(coded["item"]).equals(plain["item"])
    assert not negprep.verify([str(folder / "train.parquet"), str(folder / "test.parquet")], str(log)).failed


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_text(log, tmp_path, form):
    made(log, tmp_path / "whole", to=form)
    negprep.prepare(str(log), str(tmp_path / f"train.{form}"), Options(command="train", with_valid=True))
    assert (tmp_path / "whole" / f"train.{form}").read_bytes() == (tmp_path / f"train.{form}").read_bytes()
    found = negprep.verify(str(tmp_path / "whole"), str(log))
    assert not found.failed
    assert [(file.part, file.rows > 0) for file in found.files] == [("test", True), ("train", True), ("valid", True)]
    (tmp_path / "whole" / "negprep.json").write_text("{}")
    with pytest.raises(BadDataError, match="not what negprep prepare writes"):
        negprep.verify(str(tmp_path / "whole"), str(log))


@pytest.mark.parametrize("form", EXCHANGES)
def test_other_programs(log, tmp_path, form):
    """Their files are those of `test --to`, and the validation holdouts have candidates as well."""
    chosen = {"to": form, "encode": True, "test_num_neg": 5}
    made(log, tmp_path / "out", **chosen)
    (tmp_path / "alone").mkdir()
    negprep.test(str(log), f"{tmp_path}/alone/out/", to=form, encode=True, num_neg=5, with_valid=True)
    ours, alone = contents(tmp_path / "out"), contents(tmp_path / "alone" / "out")
    own = {"_SUCCESS", "_negprep.json", "_users.tsv", "_items.tsv", "_users.parquet", "_items.parquet"}
    equal = {name for name in set(ours) & set(alone) if ours[name] == alone[name]}
    assert set(alone) - own <= set(ours)
    assert {name for name in set(alone) - own - equal if "valid" not in name and "dev" not in name} == set()
    facts = json.loads(ours["negprep.json"])
    assert set(facts["rows"].values()) == {"valid", "test"}
    assert {"users.tsv", "items.tsv"} <= set(facts["files"])
    found = negprep.verify(str(tmp_path / "out"), str(log))
    assert not found.failed, [check for check in found.checks if check.status == "failed"]
    again = read_options("prepare", tmp_path / "out" / "negprep.toml", None)
    (tmp_path / "again").mkdir()
    prepare_all(again.source, f"{tmp_path}/again/out/", options_of_parts(again.values))
    assert set(contents(tmp_path / "again" / "out")) == set(ours)
    assert json.loads(contents(tmp_path / "again" / "out")["negprep.json"]) == facts


def test_the_order_of_the_log_decides_nothing(log, tmp_path):
    table = pq.read_table(log)
    pq.write_table(table.take(np.random.default_rng(1).permutation(len(table))), tmp_path / "log.parquet")
    assert made(log, tmp_path / "one").files == made(tmp_path / "log.parquet", tmp_path / "other").files


@pytest.mark.parametrize(
    ("chosen", "kind", "words"),
    [
        ({"holdout": "none", "with_valid": False}, UsageError, "--holdout none in prepare"),
        ({"holdout": "after:500000", "with_valid": True}, UsageError, "validation"),
        ({"to": "ncf", "test_layout": "listwise"}, UsageError, "--layout with --to ncf"),
        ({"test_sampler": "weak", "positive": ">=4"}, UsageError, "candidates are items that the user never touched"),
        ({"positive": ">=9"}, BadDataError, "no interaction has a value"),
        (
            {"strict": True, "core": 2, "weights": None, "with_log_q": True, "sampler": "weak", "positive": ">=4"},
            NegprepError,
            "",
        ),
        ({"on_short": "error", "num_neg": 500, "distinct": True}, BadDataError, "eligible items"),
    ],
)
def test_what_is_refused_leaves_nothing(log, tmp_path, chosen, kind, words):
    if words:
        with pytest.raises(kind, match=words):
            made(log, tmp_path / "whole", **chosen)
        assert list(tmp_path.iterdir()) == []


def test_refusals_of_the_validation_part_that_nobody_asked_for(log, tmp_path):
    for holdout, words in (("none", "--holdout none in prepare"), ("after:500000", "add --no-valid")):
        with pytest.raises(UsageError, match=words):
            negprep.prepare(str(log), tmp_path / "whole", holdout=holdout)


def test_the_target(log, tmp_path):
    with pytest.raises(UsageError, match="end OUTPUT with a slash"):
        prepare_all(str(log), str(tmp_path / "whole"), options_of_parts({"distinct": False, "with_valid": True}))
    made(log, tmp_path / "whole")
    with pytest.raises(UsageError, match="is not empty"):
        made(log, tmp_path / "whole")
    bad = tmp_path / "bad.csv"
    bad.write_text("user,item,time\n1,2,3\n,3,4\n")
    with pytest.raises(BadDataError, match="null user id"):
        made(bad, tmp_path / "other")
    assert not (tmp_path / "other").exists()
    options = options_of_parts({"distinct": False, "with_valid": True})
    prepare_all(str(log), f"{tmp_path / 'whole'}/", options, force=True)
    assert ReadOptions() == options["train"].read


def test_the_config_of_a_data_set(log, tmp_path, monkeypatch):
    """All that decides a byte is in it, wherever the command runs; what cannot be is named."""
    folder = tmp_path / 'a "folder" ü'
    folder.mkdir()
    weak, items = folder / "weak.csv", folder / "items.csv"
    weak.write_text("user,item\n" + "".join(f"{n},{n + 1}\n" for n in range(200)))
    items.write_text("item\n" + "".join(f"{n}\n" for n in range(310)))
    keywords = {"weak": str(weak), "items": str(items), "sampler": ("uniform=2", "weak=1"), "time_col": "time"}
    keywords |= {"encode": True, "label_dtype": "float32", "test_on_short": "drop", "split_seed": 2**64 - 1}
    keywords |= {"test_distinct": False}
    negprep.prepare(str(log), folder / "one", **keywords)
    text = (folder / "one" / "negprep.toml").read_text()
    assert 'weak = "../weak.csv"' in text
    assert "num_neg" not in text.split("[test]")[0]  # the sum of fixed counts
    monkeypatch.chdir(folder)
    negprep.prepare(str(log), "two", config="one/negprep.toml")
    assert contents(folder / "two") == contents(folder / "one")
    table = pq.read_table(log)
    negprep.prepare(table, folder / "three", weak=pa.table({"user": [1], "item": [2]}), sampler="weak")
    lines = (folder / "three" / "negprep.toml").read_text().splitlines()
    assert {"# input: a table in memory", "# weak: a table in memory", 'sampler = "weak"'} <= set(lines)


def test_a_config_names_input_and_output(capsys, log, tmp_path):
    def run(*arguments, code=0):
        assert guarded(lambda: invoke(["prepare", *map(str, arguments)])) == code
        return capsys.readouterr().err

    negprep.prepare(str(log), tmp_path / "one", num_neg=2)
    config = tmp_path / "one" / "negprep.toml"
    assert "is not empty" in run("--config", config, code=2)
    assert run("--config", config, "--force", "--quiet") == ""
    run("--config", config, f"{tmp_path}/two/")
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    assert "(dry run: nothing is written)" in run("--config", config, log, f"{tmp_path}/three/", "--dry-run")
    assert not (tmp_path / "three").exists()
    assert "missing argument 'OUTPUT'" in run("--config", config, log, code=2)
    assert "missing argument 'INPUT'" in run(code=2)
    assert "--summary with --dry-run" in run(log, "a/", "--dry-run", "--summary", "s.json", code=2)
    config.write_text("input = 3\n")
    assert "input is 3; give a path" in run("--config", config, code=2)
