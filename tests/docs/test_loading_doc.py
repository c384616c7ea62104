"""docs/guide/loading.md: its loaders run on what its commands write, wherever their packages are installed."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "loading.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ (negprep .*)$", PAGE, flags=re.MULTILINE)
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)

CHECKS = {
    "for number in range(2)": """
rows = negprep.train("sample_data/log.csv", epoch=1)
assert sum(len(batch["user"]) for batch in sampler.epoch(1)) == len(rows)
assert label.dtype == "float32"
""",
    "NegativeSampler": """
by_two = DataLoader(data, batch_size=None, num_workers=2)
for found in (loader, by_two):
    for batch, arrays in zip(found, sampler.epoch(1), strict=True):
        assert {name: values.tolist() for name, values in batch.items()} == {
            name: values.tolist() for name, values in arrays.items()}
assert torch.isfinite(loss)
""",
    "jax.numpy": """
arrays = sampler.epoch(0, drop_last=True)[-1]
assert [user.tolist(), neg_item.tolist()] == [arrays["user"].tolist(), arrays["neg_item"].tolist()]
assert user.shape == (8192,)
""",
    "tf.data.Dataset.from_generator": """
for found, arrays in zip(data, sampler.epoch(0), strict=True):
    assert {name: values.numpy().tolist() for name, values in found.items()} == {
        name: values.tolist() for name, values in arrays.items()}
assert label.dtype == tf.float32
""",
    "IterableDataset.from_generator": """
from collections import Counter
def rows(batches):
    return Counter(row for batch in batches for row in zip(*(values.tolist() for values in batch.values())))
found = list(data)
assert found[0]["user"].shape == (8192,)
assert rows(found) == rows(sampler.epoch(0))
assert data.num_shards == 4
""",
    "now.npz": """
rows = pq.read_table("now.parquet")
assert rows.num_rows == pq.read_metadata("start.parquet").num_rows
assert rows != pq.read_table("start.parquet")
""",
    "class Rows": """
found = {name: torch.cat([batch[name] for batch in loader]) for name in ("user", "item", "label")}
rows = pq.read_table("train.parquet")
for name, values in found.items():
    assert values.numpy().tolist() == rows[name].to_pylist(), name
assert found["label"].dtype == torch.float32
by_two = DataLoader(Rows("train.parquet", 5000), batch_size=None, num_workers=2)
assert sum(len(batch["user"]) for batch in by_two) == len(rows)
assert n_users == int(found["user"].max()) + 1
""",
    "TensorDataset": """
assert len(dataset) == len(rows)
for values, name in ((user, "user"), (item, "item"), (label, "label")):
    assert values.tolist() == rows[name][:100].to_pylist()
""",
    "negatives = ": """
assert negatives.shape == (len(rows), 8)
assert negatives.tolist() == rows["neg_items"].to_pylist()
""",
    "histories = ": """
assert sum(len(history) > 0 for history in histories.to_pylist()) > 1_000
for row, history in zip(padded.tolist(), histories.to_pylist()):
    assert row == [n_items] * (50 - len(history)) + history
""",
    "load_dataset": """
import pyarrow.parquet as pq
assert {name: len(part) for name, part in data.items()} == {
    name: pq.read_metadata(f"{name}.parquet").num_rows for name in ("train", "test")}
rows = pq.read_table("train.parquet")
assert {name: first[name].tolist() for name in first} == {name: rows[name][:8192].to_pylist() for name in first}
assert sorted(first) == ["item", "label", "user"]
""",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loading")
    shutil.copytree(ROOT / "sample_data", folder / "sample_data")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in COMMANDS:
        subprocess.run(["bash", "-c", command], cwd=folder, env={**os.environ, "PATH": path}, check=True)
    # Several row groups, as a large file has, so that workers have something to share.
    table = pq.read_table(folder / "train.parquet")
    pq.write_table(table, folder / "train.parquet", row_group_size=50_000)
    return folder


def test_every_example_is_checked():
    assert len(COMMANDS) == 4
    assert [sum(mark in example for mark in CHECKS) for example in EXAMPLES] == [1] * len(CHECKS)


@pytest.mark.parametrize("mark", CHECKS)
def test_examples(folder, mark):
    (example,) = (example for example in EXAMPLES if mark in example)
    packages = set(re.findall(r"^(?:import|from) (\w+)", example, flags=re.MULTILINE))
    assert packages
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    body = f"def main():\n{re.sub('^(?=.)', '    ', CHECKS[mark], flags=re.MULTILINE)}"
    # Workers that are spawned import the file again.
    (folder / "example.py").write_text(f"{example}\n{body}\n\nif __name__ == '__main__':\n    main()\n")
    offline = {"HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=folder, env={**os.environ, **offline}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
