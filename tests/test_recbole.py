"""RecBole itself loads what --to recbole wrote: `make test-loaders`, which installs it apart and names its Python."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest

import negprep
from negprep.options.reading import ReadOptions
from negprep.read.log import open_log

PYTHON = os.environ.get("NEGPREP_RECBOLE")
ROOT = Path(__file__).parents[1]
(CONFIG,) = re.findall(
    r"```yaml\n(.*?)```", (ROOT / "docs" / "reference" / "formats.md").read_text(encoding="utf-8"), flags=re.DOTALL
)

LOAD = """
import json
import sys
from recbole.config import Config
from recbole.data import create_dataset, data_preparation

changes = json.loads(sys.argv[1])
config = Config(model="BPR", config_file_list=["shop.yaml"], config_dict=changes)
dataset = create_dataset(config)
parts = {}
names = config["benchmark_filename"] or ["all"]
for name, part in zip(names, dataset.build() if config["benchmark_filename"] else [dataset]):
    found = part.inter_feat
    rows = [dataset.id2token("user_id", found["user_id"].tolist()).tolist(),
            dataset.id2token("item_id", found["item_id"].tolist()).tolist()]
    rows += [found[field].tolist() for field in ("label", "timestamp") if field in found]
    parts[name] = sorted(zip(*rows))
json.dump(parts, open("found.json", "w"))
"""

pytestmark = pytest.mark.skipif(PYTHON is None, reason="make test-loaders runs it")


def loaded(folder, **changes):
    """What RecBole holds after loading: by part, the rows of user, item and further fields."""
    (folder / "load.py").write_text(LOAD)
    (folder / "shop.yaml").write_text(CONFIG)
    changes = {"eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full"}, **changes}
    command = [str(Path(PYTHON).absolute()), "load.py", json.dumps(changes)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {
        name: [tuple(row) for row in rows] for name, rows in json.loads((folder / "found.json").read_text()).items()
    }


@pytest.fixture(scope="module")
def log():
    with open_log(str(ROOT / "sample_data" / "log.csv"), ReadOptions()) as reader:
        columns = {role: [] for role in ("user", "item", "time")}
        for batch in reader.batches(columns):
            for role, values in columns.items():
                values.extend(batch.column(role).to_pylist())
    words = ["a b", "a,b", 'a "b"', "a\tb", "007", "a\nb", "a\rb", " a ", "'", "#", "a:token", "1e5"]
    users = [f"{words[user % len(words)]}{user}" for user in columns["user"]]
    items = [f"{words[item % len(words)]}{item}" for item in columns["item"]]
    return pa.table({"user": users, "item": items, "time": [time // 10**9 for time in columns["time"]]})


def test_recbole_loads_the_parts(tmp_path, log):
    negprep.test(log, f"{tmp_path}/shop/", to="recbole", with_valid=True, holdout="last")
    latest = {}
    for user, item, time in zip(*(column.to_pylist() for column in log.columns), strict=True):
        latest[user, item] = max(time, latest.get((user, item), time))
    found = loaded(tmp_path)
    train = negprep.train(log, with_valid=True, holdout="last", num_neg=1).to_pandas()
    valid, test = (
        negprep.test(log, fold=fold, holdout="last", with_valid=True).to_pandas() for fold in ("valid", "test")
    )
    for name, rows in (("train", train), ("valid", valid), ("test", test)):
        wanted = sorted(rows[rows["label"] == 1][["user", "item"]].itertuples(index=False, name=None))
        assert [(user, item) for user, item, _ in found[name]] == wanted
        # RecBole keeps times as float32.
        assert all(abs(time - latest[user, item]) <= 128 for user, item, time in found[name])


def test_recbole_loads_the_candidates(tmp_path, log):
    negprep.test(log, f"{tmp_path}/shop/", to="recbole", with_valid=True, holdout="last", num_neg=9)
    columns = {"inter": ["user_id", "item_id", "label"]}
    found = loaded(tmp_path, benchmark_filename=["train", "valid", "candidates"], load_col=columns)
    rows = negprep.test(log, with_valid=True, holdout="last", num_neg=9).to_pandas()
    assert found["candidates"] == sorted(rows.astype({"label": float}).itertuples(index=False, name=None))


def test_recbole_loads_train_instances(tmp_path, log):
    negprep.train(log, f"{tmp_path}/shop/", to="recbole", num_neg=2)
    columns = {"inter": ["user_id", "item_id", "label"]}
    found = loaded(tmp_path, benchmark_filename=None, load_col=columns, eval_args={"mode": "labeled"})
    rows = negprep.train(log, num_neg=2).to_pandas()
    assert found["all"] == sorted(rows.astype({"label": float}).itertuples(index=False, name=None))
