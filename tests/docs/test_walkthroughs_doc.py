"""docs/guide/walkthroughs.md: its lines run on small files of the public form, and the model learns from them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "walkthroughs.md").read_text(encoding="utf-8")
BEGIN = 1_500_000_000


def touches(n_users, n_each, n_items=120, seed=0):
    """Users, items and times: users and items have one of four tastes, and a user mostly touches their own."""
    chance = np.random.default_rng(seed)
    taste_of_user, taste_of_item = chance.integers(4, size=n_users), chance.integers(4, size=n_items)
    for user in range(n_users):
        weight = np.where(taste_of_item == taste_of_user[user], 12.0, 1.0)
        items = chance.choice(n_items, n_each, replace=False, p=weight / weight.sum())
        for place, item in enumerate(items):
            yield user, int(item), BEGIN + 86_400 * place + user, bool(taste_of_item[item] == taste_of_user[user])


def movielens():
    rows = ((user + 1, item + 1, 3 + liked, time) for user, item, time, liked in touches(150, 20))
    return "".join("::".join(map(str, row)) + "\n" for row in rows)


def retailrocket():
    rows = ["timestamp,visitorid,event,itemid,transactionid"]
    for user, item, time, liked in touches(150, 24):
        rows.append(f"{time}000,{user},view,{item},")
        if liked:
            rows.append(f"{time + 60}000,{user},transaction,{item},{user * 100 + item}")
    return "\n".join(rows) + "\n"


def open_bandit():
    rows = [",timestamp,item_id,position,click,propensity_score," + ",".join(f"user_feature_{n}" for n in range(4))]
    for user, item, time, liked in touches(80, 16, n_items=34):
        when = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S.000000+00:00")
        features = ",".join(f"{(user * 31 + n) % 97:08x}" for n in range(3)) + f",{user:08x}"
        rows.append(f"{len(rows) - 1},{when},{item},{len(rows) % 3 + 1},{int(liked)},0.03,{features}")
    return "\n".join(rows) + "\n"


def mind():
    rows = []
    for user, item, time, liked in touches(150, 12):
        others = [(item * 7 + place * 13) % 120 for place in range(1, 12)]
        shown = [(item, int(liked)), *((other, 0) for other in dict.fromkeys(others) if other != item)]
        when = datetime.fromtimestamp(time, UTC).strftime("%m/%d/%Y %I:%M:%S %p")
        news = " ".join(f"N{each}-{label}" for each, label in shown)
        rows.append(f"{len(rows) + 1}\tU{user}\t{when}\tN900 N901\t{news}")
    return "\n".join(rows) + "\n"


RAW = {
    "MovieLens 1M": {"ratings.dat": movielens},
    "Retailrocket": {"events.csv": retailrocket},
    "Open Bandit": {"men.csv": open_bandit},
    "MIND": {"behaviors.tsv": mind},
}


@pytest.mark.parametrize("name", RAW)
def test_the_lines_run(tmp_path, name):
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "bpr.py").write_text(program)
    for file, write in RAW[name].items():
        (tmp_path / file).write_text(write())
    (block,) = re.findall(rf"^## {re.escape(name)}\n.*?```console\n(.*?)```", PAGE, flags=re.DOTALL | re.MULTILINE)
    commands = block.removeprefix("$ ").rstrip("\n").split("\n$ ")
    assert len(commands) == 5
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env={**os.environ, "PATH": path}, text=True, capture_output=True
        )
        assert done.returncode == 0, (command, done.stderr)
    hits = float(re.search(r"^HR@\d+ +(\d\.\d+)", done.stdout, flags=re.MULTILINE)[1])
    assert hits > 0.25, done.stdout  # by chance 0.1


def test_every_data_set_is_run():
    assert re.findall(r"^## (.*)$", PAGE, flags=re.MULTILINE) == list(RAW)
