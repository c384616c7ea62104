"""The scripts of docs/experiments run, and the pictures are those that they draw."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS / "experiments"))

from factorisation import Draws, Factorisation, Settings  # noqa: E402


def run(script, *words):
    return subprocess.run(
        [sys.executable, DOCS / "experiments" / script, *map(str, words)],
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ).stdout


LEARNT = {"reinforced.svg"}
"""Pictures of floating point, which are compared where the learning is tested."""


def test_pictures_are_those_of_the_script(tmp_path):
    run("popularity_pictures.py", tmp_path)
    run("sampled_metrics.py", "--picture", tmp_path)
    drawn = {path.name: path.read_text() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text() for path in (DOCS / "pictures").glob("*.svg") if path.name not in LEARNT}
    assert drawn == kept


def test_sampled_metrics_are_compared():
    shown = run("sampled_metrics.py", "--sets", 1, "--users", 300)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in shown.splitlines() if "@10" in line]
    assert [row[:2] for row in rows[:2]] == [["excellent", "HR@10"], ["excellent", "NDCG@10"]]
    assert len(rows) == 8
    for row in rows:
        truth, raw, *estimates = (float(cell.split(" ")[0]) for cell in row[2:])
        assert len(estimates) == 3
        assert all(abs(estimate - truth) < raw - truth for estimate in estimates)


@pytest.mark.parametrize(
    ("script", "words", "lines"),
    [
        ("compare_samplers.py", [], 8),
        ("compare_samplers.py", ["--softmax"], 4),
        ("compare_learned.py", ["--users", 50], 17),
    ],
    ids=["bpr", "softmax", "learned"],
)
def test_samplers_are_compared(script, words, lines, tmp_path):
    chance = np.random.default_rng(1)
    pairs = pd.DataFrame({"user": chance.integers(0, 60, 900), "item": chance.integers(0, 250, 900)})
    pairs["value"] = chance.integers(1, 6, 900)
    pairs.drop_duplicates(["user", "item"]).to_csv(tmp_path / "log.tsv", sep="\t", index=False)
    shown = run(
        script,
        tmp_path / "log.tsv",
        "--positive",
        ">=3",
        "--seeds",
        2,
        "--epochs",
        1,
        "--factors",
        4,
        *words,
    )
    rows = [line for line in shown.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == lines
    for row in rows:
        values = [float(cell.split(" ")[0]) for cell in row.strip("| ").split(" | ")[1:]]
        assert len(values) == 4
        assert all(0 <= value <= 1 for value in values)


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_files_and_loader_give_pytorch_the_same_losses(tmp_path):
    chance = np.random.default_rng(1)
    pairs = pd.DataFrame({"user": chance.integers(0, 60, 900), "item": chance.integers(0, 250, 900)})
    pairs.drop_duplicates().to_csv(tmp_path / "log.tsv", sep="\t", index=False)
    shown = run("train_in_torch.py", tmp_path / "log.tsv", "--epochs", 2, "--factors", 4, "--seed", 3)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in shown.splitlines() if "|" in line]
    losses = [row[1:] for row in rows if row[0] in ("0", "1")]
    assert len(losses) == 4
    for file, in_order, shuffled, loader in losses:
        assert file == in_order
        assert abs(float(shuffled) - float(loader)) < 0.02
    of_ncf = losses[2:]  # in two epochs BPR has learned nothing yet
    assert all(float(after) < float(before) for before, after in zip(*of_ncf, strict=True))


def test_hard_negatives_in_training_are_compared(tmp_path):
    """Two tastes that a model can learn: every line ranks better than chance, which finds 0.04 of 110 items."""
    chance = np.random.default_rng(2)
    pairs = [(user, item * 2 + user % 2) for user in range(60) for item in chance.choice(60, 20, replace=False)]
    pd.DataFrame(pairs, columns=["user", "item"]).to_csv(tmp_path / "log.tsv", sep="\t", index=False)
    shown = run("hard_in_training.py", tmp_path / "log.tsv", "--epochs", 6, "--factors", 4, "--seeds", 1)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in shown.splitlines() if "±" in line]
    assert [row[0].partition(",")[0] for row in rows] == ["uniform", "popularity", *["hard"] * 4]
    for _, figure, settings, speed in rows:
        assert 0.04 < float(figure.split(" ")[0]) < 0.5
        assert float(settings.split(", ")[0]) in (0.05, 0.1)
        assert float(speed) > 0


@pytest.mark.parametrize("loss", ["bpr", "softmax"])
def test_a_step_goes_downhill_as_a_numerical_derivative_says(loss):
    """The sign of the first step of every parameter: Adagrad divides by the size."""
    users, items = np.array([0, 1]), np.array([[0, 1, 2], [2, 3, 0]])
    log_q = np.array([[-1, -2, -3], [-2, -1, -4]], np.float32)
    draws = Draws(users, items[:, 0], items[:, 1:], log_q)
    model = Factorisation(2, 4, Settings(factors=2, rate=1e-3, penalty=0.0), seed=3)

    def value():
        scores = np.stack([model.scores(users)[row, items[row]] for row in range(2)]).astype(float)
        if loss == "bpr":
            return np.log1p(np.exp(scores[:, 1:] - scores[:, :1])).mean(axis=1).sum()
        logits = scores - log_q
        return (np.log(np.exp(logits).sum(axis=1)) - logits[:, 0]).sum()

    slopes = []
    for values in (model.users, model.items):
        for place in np.ndindex(*values.shape):
            kept, around = values[place], []
            for change in (1e-2, -1e-2):
                values[place] = kept + change
                around.append(value())
            values[place] = kept
            slopes.append(around[0] - around[1])
    before = np.concatenate([model.users.ravel(), model.items.ravel()])
    model.learn(draws, loss)
    moved = np.concatenate([model.users.ravel(), model.items.ravel()]) - before
    assert (np.sign(moved) == -np.sign(slopes)).all()
