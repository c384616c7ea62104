"""``negprep fit --kind rns``: what it learns from, what it writes, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke
from negprep.model_file import read_model

SAMPLE = str(Path(__file__).parents[2] / "sample_data" / "log.csv")
FAST = ["--kind", "rns", "--factors", "4", "--epochs", "1", "--start-epochs", "1", "--batch-size", "64"]


def write(path, rows, header="user,item,event"):
    path.write_text("\n".join([header, *rows]) + "\n")
    return str(path)


@pytest.fixture
def folder(tmp_path):
    """A log of 30 users: three things bought and two viewed by each, of 40."""
    chance = np.random.default_rng(1)
    rows = []
    for user in range(30):
        items = chance.choice(40, 5, replace=False).tolist()
        rows += [f"u{user},i{item},{'buy' if place < 3 else 'view'}" for place, item in enumerate(items)]
    write(tmp_path / "log.csv", rows)
    write(tmp_path / "bought.csv", [row.rpartition(",")[0] for row in rows if row.endswith("buy")], "user,item")
    write(tmp_path / "shown.csv", [row.rpartition(",")[0] for row in rows if row.endswith("view")], "user,item")
    return tmp_path


def run(*words):
    return guarded(lambda: invoke(["fit", *map(str, words)]))


def fit(folder, *words, name="model.npz", log="log.csv"):
    assert run(folder / log, folder / name, *FAST, "--quiet", *words) == 0
    return read_model(folder / name)


def test_the_model_has_the_policy_and_how_it_was_made(folder):
    model = fit(folder, "--positive", "buy", "--holdout", "none")
    assert model.kind == "rns"
    assert len(model.users) == 30
    assert model.user_factors.shape == (30, 4)
    assert model.item_factors.shape == (len(model.items), 4)
    assert model.h.shape == (4,)
    assert model.item_bias is None
    assert (model.facts["exposures"], model.facts["train_positives"]) == (60, 90)
    assert len(model.facts["start"]) == len(model.facts["game"]) == 1
    json.dumps(model.facts)


def test_weak_pairs_of_a_file_are_those_of_the_log(folder):
    of_log = fit(folder, "--positive", "buy")
    of_file = fit(folder, "--weak", folder / "shown.csv", "--items", folder / "log.csv", log="bought.csv")
    assert of_log.digest == of_file.digest


def test_the_seed_decides_and_the_order_of_rows_does_not(folder):
    lines = (folder / "log.csv").read_text().splitlines()
    write(folder / "turned.csv", lines[:0:-1])
    first = fit(folder, "--positive", "buy", "--seed", 3)
    assert fit(folder, "--positive", "buy", "--seed", 3, log="turned.csv").digest == first.digest
    assert fit(folder, "--positive", "buy", "--seed", 4).digest != first.digest


@pytest.mark.parametrize(
    "words",
    [
        ["--reward-weight", "0"],
        ["--feature-share", "0"],
        ["--pool", "4"],
        ["--pool-weak", "3"],
        ["--temperature", "0.1"],
        ["--start-epochs", "2"],
        ["--batch-size", "32"],
        ["--epochs", "2"],
        ["--factors", "5"],
        ["--learning-rate", "0.1"],
        ["--regularization", "1"],
        ["--exclude", "excluded.csv"],
        ["--items", "items.csv"],
        ["--weak", "more.csv"],
        ["--holdout", "none"],
    ],
    ids=" ".join,
)
def test_every_option_changes_the_model(folder, words, monkeypatch):
    monkeypatch.chdir(folder)
    write(folder / "excluded.csv", ["u0,i0", "u1,i1"], "user,item")
    write(folder / "items.csv", [f"i{item}" for item in range(30)], "item")
    write(folder / "more.csv", [f"u0,i{item}" for item in range(10)], "user,item")
    assert fit(folder, "--positive", "buy", *words).digest != fit(folder, "--positive", "buy").digest


def test_nothing_is_learnt_from_what_is_held_out(folder):
    model = fit(folder, "--positive", "buy", "--holdout", "random")
    assert (model.facts["train_positives"], model.facts["held_out"]) == (60, 30)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "there is no weak interaction with an item of the catalog"),
        (["--positive", "buy", "--jobs", "2"], 2, "--jobs 2 with --kind rns"),
        (["--positive", "buy", "--pool", "3", "--pool-weak", "4"], 2, "--pool-weak 4 of a pool of 3"),
        (["--positive", "buy", "--weak", "nothing.csv"], 4, "nothing.csv"),
        (["--positive", "buy", "--learning-rate", "1e30"], 3, "holds NaN or an infinite number"),
        (["--positive", "sold"], 3, "no event 'sold'"),
        (["--positive", "buy", "--feature-share", "1.5"], 2, "--feature-share"),
        (["--positive", "buy", "--reward-weight", "nan"], 2, "'--reward-weight': nan is not a number"),
        (["--positive", "buy", "--recommender", "{}/model.npz"], 2, "model.npz: --recommender is MODEL; name another"),
        (["--positive", "buy", "--patience", "1"], 2, "--patience needs a user with 3 train positives"),
        (["--positive", "buy", "--recommender", "d.csv"], 2, "d.csv"),
        (["--positive", "buy", "--recommender", "none/d.npz"], 4, "there is no folder"),
        (["--kind", "als", "--pool", "4"], 2, "--pool without --kind rns"),
        (["--kind", "bpr", "--patience", "2"], 2, "--patience without --kind rns"),
        (["--kind", "bpr", "--weak", "x"], 2, "--weak with --kind bpr"),
        (["--kind", "als", "--items", "x"], 2, "--items with --kind als"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else None,
)
def test_what_cannot_be_learnt_is_refused_in_one_line(folder, words, code, said, capsys):
    usual = [] if "--kind" in words else FAST
    words = [word.format(folder) for word in words]
    assert run(folder / "log.csv", folder / "model.npz", *usual, *words) == code
    shown = capsys.readouterr().err
    assert said in shown
    assert len(shown.splitlines()) == 1
    assert not (folder / "model.npz").exists()


def test_patience_ends_the_game(folder):
    model = fit(folder, "--positive", "buy", "--holdout", "none", "--epochs", "40", "--patience", "2")
    ranked = [epoch["validation"] for epoch in model.facts["game"]]
    assert len(ranked) == int(np.argmax(ranked)) + 3 < 40
    assert model.facts["ranking"]["ndcg"] == pytest.approx(max(ranked), abs=1e-6)


def test_users_without_anything_to_draw_do_no_harm(tmp_path):
    rows = [f"all,i{item},buy" for item in range(6)] + ["all,i0,view", "one,i0,buy", "one,i1,view", "none,i2,view"]
    write(tmp_path / "log.csv", rows)
    model = fit(tmp_path, "--positive", "buy")
    assert model.users.ids.to_pylist() == ["all", "one"]
    assert np.isfinite(model.user_factors).all()


@pytest.mark.parametrize("n_bought", [1, 30])
def test_one_user_is_enough(tmp_path, n_bought):
    """All features of a batch are then those of a few items."""
    rows = [f"u,i{item},buy" for item in range(n_bought)] + ["u,x,view", "v,y,view"]
    write(tmp_path / "log.csv", rows)
    model = fit(tmp_path, "--positive", "buy", "--epochs", "3")
    assert model.users.ids.to_pylist() == ["u"]


def test_a_run_says_what_it_learnt_and_needs_neither_extra_nor_pandas(tmp_path):
    script = f"""
import sys
from negprep.cli.main import outcome
sys.argv = ["negprep", "fit", {SAMPLE!r}, "model.npz", "--positive", "purchase", *{FAST!r}, "--batch-size", "1024"]
assert outcome() == 0
print(*[name for name in ("implicit", "scipy", "threadpoolctl", "pandas") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout == "\n"
    assert "exposed share of the draws" in done.stderr
    assert "chance is 3.3%" in done.stderr


def test_the_recommender_ranks_items_and_the_policy_draws(folder, capsys):
    """What the game made of D; hard draws with it, and reinforced does not."""
    policy = fit(folder, "--positive", "buy", "--recommender", folder / "d.npz")
    found = read_model(folder / "d.npz")
    assert (found.kind, policy.kind) == ("gmf", "rns")
    assert found.facts["ranking"] == policy.facts["ranking"]
    assert (found.user_factors.shape, found.h.shape) == (policy.user_factors.shape, (4,))
    assert not (found.user_factors == policy.user_factors).all()
    words = ["train", folder / "log.csv", folder / "o.parquet", "--positive", "buy", "--model", folder / "d.npz"]
    assert guarded(lambda: invoke(list(map(str, [*words, "--sampler", "hard", "--pool", "2"])))) == 0
    capsys.readouterr()
    assert guarded(lambda: invoke(list(map(str, [*words, "--sampler", "reinforced"])))) == 2
    assert "the model is of the kind gmf, which has no policy" in capsys.readouterr().err


def test_rows_of_a_frozen_policy_are_warned_of(folder, capsys):
    fit(folder, "--positive", "buy")
    words = ["train", folder / "log.csv", folder / "o.parquet", "--positive", "buy", "--model", folder / "model.npz"]
    words = [*map(str, words), "--sampler", "uniform:0.7", "--sampler", "reinforced:0.3", "--quiet"]
    capsys.readouterr()
    assert guarded(lambda: invoke(words)) == 0
    assert "made a worse model than uniform ones" in capsys.readouterr().err
    (folder / "o.parquet").unlink()
    assert guarded(lambda: invoke([*words, "--strict"])) == 3
    assert not (folder / "o.parquet").exists()
