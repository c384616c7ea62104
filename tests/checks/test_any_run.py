"""Random runs of train and test, of any options, into any form, on small random logs: verify finds no fault in them.

More of them by hand: ``ANY_RUNS=500 ANY_FIRST=1000 pytest tests/checks/test_any_run.py``.
"""

from __future__ import annotations

import json
import os
import random
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke
from negprep.options.formats import EXCHANGES

RUNS, FIRST = int(os.environ.get("ANY_RUNS", "60")), int(os.environ.get("ANY_FIRST", "0"))
PARTS = 10
FORMS = ("o.parquet", "o/", "o.csv", "o.tsv", "o.csv.gz", "o.dat --to csv", "o/ --to csv", "o/ --to tsv")
FOLDERS = ("o/ --to recbole", *(f"o/ --to {form}" for form, spec in EXCHANGES.items() if not spec.one_holdout))
OF_CODES = [form for form, spec in EXCHANGES.items() if spec.first_code is not None]
HOLDOUTS = ("last", "last:2", "random", "random:2", "fraction:0.3", "after:2", "auto")
HOLDOUTS += ("random:0.3", "random-global:0.3", "session", "file:held.csv", "file:timed.csv")
POPULAR = (
    *("popularity", "popularity --alpha 0.3", "popularity --smooth 1", "popularity --weights weights.csv"),
    *("uniform:0.6 --sampler popularity:0.4", "uniform=2 --sampler popularity=1"),
)
WEAK = (
    *("weak", "weak:0.4 --sampler uniform:0.6", "weak=1 --sampler uniform=2"),
    "weak:1 --sampler popularity:1 --sampler uniform:1",
    "reinforced --model own.parquet --pool-weak 2 --temperature 0.5",
)
MODELS = (
    *("hard --model own.parquet --pool 32", "hard --model own.parquet --pool 4 --top 2 --skip-top 1"),
    *("reinforced --model own.parquet --pool 5", "uniform:0.5 --sampler hard:0.5 --model own.parquet --pool 32"),
)
SHOWN = (
    *("impression", "impression:0.5 --sampler uniform:0.5", "impression=2 --sampler uniform=1"),
    *("popularity:0.6 --sampler impression:0.4", "weak:0.5 --sampler impression:0.5"),
    *("impression:0.5 --sampler hard:0.5 --model own.parquet --pool 32", "impression --num-neg all"),
)


class Draw:
    """What chance decides of a run."""

    def __init__(self, seed):
        self.chance = random.Random(seed)

    def __call__(self, share, *words):
        """One of some words, as often as the share says, else none."""
        return self.chance.choice(words).split(" ") if self.chance.random() < share else []


def write_log(folder, draw):
    """The log, and what may stand beside it; whether some of its rows are broken."""
    chance = draw.chance
    n_users, n_items = chance.choice([(6, 5), (25, 12), (60, 40), (40, 150), (8, 60)])
    most, n_times = min(n_items, chance.choice([3, 12, 150])), chance.choice([3, 40, 10**6])
    as_user, as_item = chance.choice(["{}", "u{}", "7{}"]), chance.choice(["{}", "i{}", "{}x"])
    rows = []
    for user in range(n_users):
        for item in chance.sample(range(n_items), chance.randint(1, most)):
            for _ in range(1 + (chance.random() < 0.2)):
                event = chance.choice(["view", "cart", "buy"])
                ids, slate = (as_user.format(user), as_item.format(item)), chance.choice(["", "a", "b", "b", "12"])
                rows.append((*ids, chance.randrange(n_times), chance.randint(1, 5), event, slate))
    chance.shuffle(rows)
    broken = chance.random() < 0.1
    if broken:
        rows.insert(len(rows) // 2, ("", rows[0][1], 1, 1, "buy", "a"))
    lines = ["user,item,time,rating,event,slate", *(",".join(map(str, row)) for row in rows)]
    (folder / "log.csv").write_text("\n".join(lines) + "\n")
    items = [as_item.format(item) for item in range(n_items + 3)]
    users = [as_user.format(user) for user in range(n_users)]
    catalog = [f"{item},{'abc'[at % 3]},{at}" for at, item in enumerate(items) if at % 7]
    (folder / "catalog.csv").write_text("\n".join(["item,category,available_from", *catalog]) + "\n")
    weights = [f"{item},{at % 4}" for at, item in enumerate(items)]
    (folder / "weights.csv").write_text("\n".join(["item,weight", *weights]) + "\n")
    for name in ("weak", "exclude"):
        pairs = [f"{user},{chance.choice(items)}" for user in users for _ in range(chance.randint(0, 3))]
        (folder / f"{name}.csv").write_text("\n".join(["user,item", f"{users[0]},{items[0]}", *pairs]) + "\n")
    for name in ("held", "timed", "later"):
        pairs = {(chance.choice([*users, as_user.format(99)]), chance.choice(items)) for _ in range(2 * n_users)}
        more = ["rating"] if name == "later" else ["rating", "time"] if name == "timed" else []
        lines = [",".join([*pair, *(str(chance.randint(1, 5)) for _ in more)]) for pair in sorted(pairs)]
        (folder / f"{name}.csv").write_text("\n".join([",".join(["user", "item", *more]), *lines]) + "\n")
    known = [users[1:], items]
    table = {
        "side": [side for side, ids in zip(("user", "item"), known, strict=True) for _ in ids],
        "id": [each for ids in known for each in ids],
        "factors": [[chance.gauss(0, 1), chance.gauss(0, 1)] for ids in known for _ in ids],
    }
    pq.write_table(pa.table(table), folder / "own.parquet")
    return broken


def split_of(draw):
    """What train and test must agree on: whom it is about, the holdout, and whether there is a second."""
    words = draw(0.4, "--positive >=3", "--positive buy", "--positive buy,cart", "--positive <2")
    words += draw(0.3, "--keep-time first")
    words += draw(0.3, "--min-positives 2", "--min-positives 4", "--core 2", "--core 3")
    holdout = draw.chance.choice(HOLDOUTS)
    words += draw(0.25, "--test-users 9", "--test-users 0.3")
    words += draw(0.5, "--split-seed 5") if holdout[:4] not in ("afte", "sess", "file") else []
    words += draw(0.5, "--session-col event") if holdout == "session" else []
    valid = "--valid-file later.csv" if "file" in holdout else "--with-valid"
    return words, ["--holdout", holdout], draw(0.3, valid) if "after" not in holdout else []


def draws_of(draw, command, shared):
    """What is drawn, and how it is written; the output, and its form."""
    layout = draw.chance.choice([[], [], ["--layout", "pairwise"], ["--layout", "listwise"]])
    words = draw(0.3, "--weak weak.csv") + draw(0.3, "--exclude exclude.csv") + draw(0.5, "--seed 7")
    has_weak = "--weak" in words or "--positive" in shared
    kind = draw.chance.choice(["uniform", "uniform", "popular", "popular", "weak", "model", "shown"])
    pairs = draw.chance.choice([[], ["--bootstrap", "60"], ["--bootstrap", "900"], ["--levels", "0.4,0.3"]])
    if command == "train" and layout[1:] == ["pairwise"] and (has_weak or pairs[:1] != ["--levels"]):
        words += pairs
    if "--levels" in words or (kind == "weak" and not has_weak) or (kind in ("weak", "model") and command == "test"):
        kind = "uniform"
    shown = [one for one in SHOWN if command == "train" or not {"weak:0.5", "hard:0.5"} & {*one.split()}]
    if kind == "shown" and ("--positive" not in shared or {"--weak", "--levels"} & {*words}):
        kind = "uniform"
    samplers = {"weak": WEAK, "model": MODELS, "shown": [f"{one} --group-col slate" for one in shown]}
    words += draw(kind != "uniform", *(f"--sampler {one}" for one in samplers.get(kind, POPULAR)))
    catalogs = ("--items catalog.csv", "--items catalog.csv --same category")
    words += draw(0.3, *catalogs) if "--core" not in shared else []
    words += draw(0.25, "--available-at-time") + draw(0.35, "--on-short drop") + draw(0.3, "--distinct", "--repeats")
    words += draw(0.15, "--with-log-q") if "--levels" not in words else []
    if not {"--bootstrap", "--num-neg"} & {*words} and "=" not in "".join(word for word in words if "--" not in word):
        numbers = (1, 3, 8, 30) if command == "test" else (0.4, 1, 2.5, 8, 30)
        words += draw(0.6, *(f"--num-neg {number}" for number in numbers))
    if command == "train":
        words += draw(0.25, "--epochs 2", "--epoch 3") + draw(0.3, "--shuffle")
    output = draw.chance.choice(FORMS if layout else (*FORMS, *(2 * FOLDERS if command == "test" else FOLDERS[:1])))
    words += draw(0.9 if any(f"--to {form}" in output for form in OF_CODES) else 0.3, "--encode")
    words += draw(0.3, "--label-dtype float32") if output in FORMS[:2] and not layout else []
    if output not in FOLDERS and "--levels" not in words:
        words += draw(0.25, "--keep rating", "--keep event --keep rating --with-time", "--with-time")
        words += draw(0.25, "--with-history 2", "--with-history 9")
    of_positives = {
        "--available-at-time",
        "--same",
        "--group-col",
        "--keep",
        "--with-time",
        "--with-history",
        "2.5",
        "0.4",
    }
    if layout[1:] != ["pairwise"] and not of_positives & {*words}:
        words += draw(0.4, "--per user")
    return words + layout, output.split(" ")


def beside_of(words):
    """The files that verify must be given again."""
    options = ("--items", "--exclude", "--weak", "--weights")
    return {option: words[words.index(option) + 1] for option in options if option in words}


def run(capsys, *words):
    """The exit code, and both streams."""
    code = guarded(lambda: invoke(list(words)))
    return code, *capsys.readouterr()


def any_run(folder, capsys, seed):
    """Write a file or several of one log, and check them. Returns the words, or None where nothing was written."""
    draw = Draw(seed)
    reading = ["--drop-invalid"] if write_log(folder, draw) else []
    shared, holdout, valid = split_of(draw)
    files, told, beside, lines = [], [], {}, []
    parts = draw.chance.choice([("train",), ("test",), ("valid",), ("train", "test"), ("train", "valid", "test")])
    is_own = holdout[1].startswith("file")
    if "after:2" in holdout:  # which has no second
        parts = tuple(part for part in parts if part != "valid") or ("test",)
    if "valid" in parts:
        valid = ["--valid-file", "later.csv"] if is_own else ["--with-valid"]
    for part in parts:
        command = "test" if part == "valid" else part
        none = parts == ("train",) and "--test-users" not in shared and draw(0.3, "x")
        held = ["--holdout", "none"] if none else holdout
        words, (name, *form) = draws_of(draw, command, shared)
        words += valid if held is holdout else []
        words += ["--fold", "valid"] if part == "valid" else []
        words += draw(0.2, "--drop-cold users", "--drop-cold items", "--drop-cold both") if command == "test" else []
        target = name.replace("o", part, 1)
        summary = f"{part}.json"
        line = [command, "log.csv", target, *form, *shared, *held, *words, *reading, "--summary", summary, "--quiet"]
        code, _, err = run(capsys, *line)
        if code != 0:
            assert code in (2, 3), (line, err)
            continue
        lines.append(" ".join(line))
        files.append(target)
        beside |= beside_of(words)
        if not name.endswith(("parquet", "/")):
            told += ["--made-by", summary]
    if not files:
        return None
    if is_own and any("--holdout file" in line for line in lines):
        beside |= {"--holdout": holdout[1]} | dict(zip(valid[::2], valid[1::2], strict=True))
    check = ["verify", *files, "--log", "log.csv", *(word for pair in beside.items() for word in pair), *reading, *told]
    code, out, err = run(capsys, *check, "--json")
    lines.append(" ".join(check))
    faults = []
    if code in (0, 1):
        found = json.loads(out)
        checks = [each for file in found["files"] for each in file["checks"]] + found["across"]
        faults = [each for each in checks if each["status"] == "failed"]
    assert (code, faults, err) == (0, [], ""), "\n".join([f"seed {seed}", *lines])
    return lines


@pytest.mark.parametrize("part", range(PARTS))
def test_verify_finds_no_fault_in_what_is_written(tmp_path, monkeypatch, capsys, part):
    written = 0
    for seed in range(FIRST + part, FIRST + RUNS, PARTS):
        folder = tmp_path / str(seed)
        folder.mkdir()
        monkeypatch.chdir(folder)
        written += any_run(folder, capsys, seed) is not None
        monkeypatch.chdir(tmp_path)
        shutil.rmtree(folder)
    assert written >= RUNS // PARTS // 3  # of all combinations of options some are refused
