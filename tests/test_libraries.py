"""Libraries load what --to wrote, as docs/reference/formats.md shows it: `make test-loaders` names their Python."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import negprep

PYTHON = os.environ.get("NEGPREP_LIBRARIES")
PAGE = (Path(__file__).parents[1] / "docs" / "reference" / "formats.md").read_text(encoding="utf-8")
BLOCKS = {
    re.match(r"# (\w+)", block)[1].lower(): block
    for block in re.findall(r"```python\n(# \w.*?)```", PAGE, flags=re.DOTALL)
}
MODULES = {"daisyrec": "pandas"}
"""Where the module has another name than the library."""

SHOWN = {
    "cornac": """
found = {"train": [row[:2] + row[3:] for row in train], "test": [row[:2] + row[3:] for row in test]}
uids, iids = {at: each for each, at in method.global_uid_map.items()}, method.global_iid_map
assert method.train_set.num_ratings == len(train) and set(iids) >= {row[1] for row in train}
""",
    "lenskit": """
def rows(frame):
    return [(str(user), str(item), time.value // 10**9) for user, item, time in zip(*map(frame.get, COLUMNS))]
COLUMNS = ["user_id", "item_id", "timestamp"]
found = {"train": rows(train.interaction_table(format="pandas", original_ids=True)), "test": rows(test.to_df())}
found["candidates"] = [(str(key[0]), str(item)) for key, items in candidates.items() for item in items.ids()]
""",
    "recpack": """
assert train.shape == test.shape
found = {name: [(int(user), int(item), int(time)) for (user, item), time in each.timestamps.items()]
         for name, each in (("train", train), ("test", test))}
""",
    "daisyrec": """
found = {name: each.drop(columns="rating").values.tolist() for name, each in (("train", train_set), ("test", test_set))}
""",
    "recommenders": """
found = {"candidates": [], "batches": []}
for users, items, ratings in data.test_loader():
    found["candidates"] += list(zip(users, items))
    found["batches"].append(ratings)
assert all(batch[0] == 1 and not any(batch[1:]) for batch in found.pop("batches"))
with data.train_datafile as train:
    found["pairs of train"] = [(row[data.col_user], row[data.col_item]) for row in train]
""",
}

pytestmark = pytest.mark.skipif(PYTHON is None, reason="make test-loaders runs it")


@pytest.mark.parametrize("form", SHOWN)
def test_a_library_loads_what_was_written(tmp_path, form):
    chance = np.random.default_rng(3)
    users, items = chance.integers(1, 30, 300), chance.integers(1, 40, 300)
    log = pd.DataFrame({"user": users, "item": items, "time": 1_700_000_000 + chance.permutation(300)})
    if form in ("cornac", "lenskit"):
        log["user"], log["item"] = [f'u "{user}", é' for user in users], [f" i'{item}" for item in items]
    negprep.test(log, f"{tmp_path}/shop/", to=form, num_neg=9, holdout="last")
    module = MODULES.get(form, form)
    text = f"import importlib.util, json, sys\nif importlib.util.find_spec({module!r}) is None:\n    sys.exit(77)\n"
    text += BLOCKS[form] + SHOWN[form] + 'json.dump(found, open("found.json", "w"))\n'
    (tmp_path / "load.py").write_text(text, encoding="utf-8")
    command = [str(Path(PYTHON).absolute()), "load.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip(f"{module} is not installed there")
    assert done.returncode == 0, done.stderr
    found = {name: sorted(map(tuple, rows)) for name, rows in json.loads((tmp_path / "found.json").read_text()).items()}
    times = log.groupby(["user", "item"])["time"].max()
    candidates = negprep.test(log, num_neg=9, holdout="last")
    train = negprep.train(log, num_neg=1, holdout="last").query("label == 1")
    wanted = {"candidates": candidates, "train": train, "test": candidates.query("label == 1"), "pairs of train": train}
    for name, rows in found.items():
        pairs = list(wanted[name][["user", "item"]].itertuples(index=False, name=None))
        timed = [(*pair, int(times[pair])) for pair in pairs] if name in ("train", "test") else pairs
        assert rows == sorted(tuple(map(type(rows[0][0]), row[:2])) + row[2:] for row in timed)
