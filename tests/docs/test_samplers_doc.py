"""docs/guide/samplers.md: its example runs on what its command writes, and it shows every sampler and every picture."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.options.specs import SAMPLERS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "samplers.md").read_text(encoding="utf-8")
TRAINING, EXAMPLE = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
(COMMAND,) = re.findall(r"^    (negprep train log\.csv lists\.parquet .*)$", PAGE, flags=re.MULTILINE)


def cross_entropy(logits, classes):
    return (np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(logits)), classes]).mean()


def numpy_as_torch():
    """The functions of torch that the example calls, by numpy: torch is no dependency."""
    return SimpleNamespace(
        from_numpy=np.asarray,
        zeros=np.zeros,
        long=np.int64,
        nn=SimpleNamespace(functional=SimpleNamespace(cross_entropy=cross_entropy)),
    )


def test_the_example_computes_the_corrected_loss(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, *words = shlex.split(COMMAND.replace("log.csv", str(ROOT / "sample_data" / "log.csv")))
    subprocess.run([sys.executable, "-m", "negprep", *words, "--quiet", "--on-short", "drop"], check=True)
    lists = pq.read_table("lists.parquet").to_pylist()
    chance = np.random.default_rng(0)
    users = chance.normal(size=(pq.read_metadata("lists.users.parquet").num_rows, 4))
    items = chance.normal(size=(pq.read_metadata("lists.items.parquet").num_rows, 4))
    names = {"user_factors": lambda codes: users[codes], "item_factors": lambda codes: items[codes]}
    monkeypatch.setitem(sys.modules, "torch", numpy_as_torch())
    exec(EXAMPLE, names)
    expected = []
    for row in lists:
        scores = items[[row["pos_item"], *row["neg_items"]]] @ users[row["user"]]
        weights = np.exp(scores - [row["pos_log_q"], *row["neg_log_q"]])
        expected.append(-np.log(weights[0] / weights.sum()))
    assert names["loss"] == pytest.approx(np.mean(expected))


def test_the_loop_of_training_draws_by_the_model(monkeypatch):
    monkeypatch.chdir(ROOT / "sample_data")
    log = negprep.Sampler("log.csv", holdout="last")
    names = {"negprep": negprep, "user_factors": np.ones((log.n_users, 2)), "item_factors": np.ones((log.n_items, 2))}
    exec(TRAINING.replace("range(20)", "range(2)"), names | {"item_bias": (bias := np.arange(log.n_items))})
    names |= {"item_bias": -bias}
    exec(TRAINING.replace("range(20)", "range(1)"), names)
    drawn = {name: [] for name in ("item", "label")}
    for batch in names["sampler"].epoch(0):
        for name, values in drawn.items():
            values.append(batch[name])
    item, label = (np.concatenate(values) for values in drawn.values())
    assert item[label == 0].mean() < 0.4 * log.n_items  # the harder of two has the lower code


def test_the_console_shows_what_is_printed(monkeypatch):
    monkeypatch.chdir(ROOT)
    example = "".join(re.findall(r"```pycon\n(.*?)```", PAGE, flags=re.DOTALL))
    parsed = doctest.DocTestParser().get_doctest(example, {}, "samplers.md", None, 0)
    assert doctest.DocTestRunner().run(parsed).failed == 0


def test_the_example_of_impressions_draws_what_the_page_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log, command, rows = re.search(
        r"```csv\n(.*?)```\n\n    negprep (train slates\.csv .*?)\n\n```csv\n(.*?)```", PAGE, flags=re.DOTALL
    ).groups()
    (tmp_path / "slates.csv").write_text(log)
    subprocess.run([sys.executable, "-m", "negprep", *shlex.split(command), "--quiet"], check=True)
    assert (tmp_path / "pairs.csv").read_text() == rows


def test_every_sampler_has_its_heading_and_every_picture_is_shown():
    headings = re.findall(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    assert {name.capitalize() for name in SAMPLERS} <= set(headings)
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*/*.md"))
    shown = re.findall(r"\]\(\.\./pictures/([\w-]+\.(?:svg|png))\)", pages)
    assert sorted(set(shown)) == sorted(path.name for path in (ROOT / "docs" / "pictures").iterdir())


def test_log_q_of_the_positive_is_that_of_one_more_item():
    """As the page says of uniform, popularity, and weak alone."""
    log = {"user": [1, 1, 1, 2, 2, 3, 3], "item": list("abcadbe"), "value": [5, 1, 5, 5, 5, 5, 5]}

    def first(sampler, **options):
        options |= {"layout": "pairwise", "with_log_q": True, "holdout": "none"}
        rows = negprep.train(pd.DataFrame(log), positive=">=4", sampler=sampler, **options)
        return np.exp(rows["pos_log_q"][0])

    assert first("uniform") == pytest.approx(1 / 3)  # d and e are eligible for user 1
    assert first("popularity", alpha=1.0) == pytest.approx(2 / (2 + 1 + 1))  # a has two positives, d and e one each
    assert first("weak") == 0
    assert first(("uniform:0.5", "weak:0.5")) == pytest.approx(0.5 / 3)
