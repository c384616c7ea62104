"""The package gives the rows of the plain reference, and those of the golden digests."""

from __future__ import annotations

import hashlib

import pytest
import reference
from logs import as_table, random_rows

import negprep

SMALL = {"users": 30, "items": 40, "most": 12}
DENSE = {"users": 25, "items": 14, "most": 14}


def text(given):
    """Ids of which some are canonical integers, some only look like them, and one is not ASCII."""
    return {0: f"{given}", 1: f"0{given}", 2: f"user {given} with a longer name", 3: f"é{given}"}[given % 4]


def tuples(table):
    return list(zip(*table.to_pydict().values(), strict=True))


LOGS = {
    "integers": (SMALL, None),
    "strings": (SMALL, text),
    "users who have nearly everything": (DENSE, None),
    "one item each": ({"users": 9, "items": 5, "most": 1}, None),
    "one item in all": ({"users": 4, "items": 1, "most": 1}, None),
    "sparse": ({"users": 12, "items": 400, "most": 9}, text),
}


@pytest.mark.parametrize("distinct", [False, True], ids=["repeats", "distinct"])
@pytest.mark.parametrize("num_neg", [1, 4, 9, 99])
@pytest.mark.parametrize("name", LOGS)
def test_train_gives_the_rows_of_the_reference(name, num_neg, distinct):
    shape, ids = LOGS[name]
    for seed, holdout in (
        (0, "none"),
        (2**64 - 1, "last"),
        (12345678901234567890, "random"),
        (4, "last:3"),
        (5, "fraction:0.3"),
        (6, "after:5"),
    ):
        log = random_rows(seed % 1000, **shape)
        if ids:
            log = [(ids(user), ids(item), time) for user, item, time in log]
        options = {"distinct": distinct, "holdout": holdout, "seed": seed, "split_seed": seed // 3}
        made = negprep.train(as_table(log), num_neg=num_neg, **options)
        assert tuples(made) == reference.rows("train", log, num_neg, **options)


@pytest.mark.parametrize("distinct", [False, True], ids=["repeats", "distinct"])
@pytest.mark.parametrize("num_neg", [1, 6, 99])
@pytest.mark.parametrize("name", [name for name in LOGS if not name.startswith("one item")])
def test_test_gives_the_rows_of_the_reference(name, num_neg, distinct):
    shape, ids = LOGS[name]
    for seed, holdout, fold in (
        (0, "last", "test"),
        (7, "last", "valid"),
        (2**63, "random", "test"),
        (1, "random", "valid"),
        (2, "random:2", "test"),
        (3, "last:2", "valid"),
        (4, "fraction:0.4", "test"),
        (5, "fraction:0.4", "valid"),
        (6, "after:4", "test"),
    ):
        log = random_rows(seed % 1000 + 50, **shape)
        if ids:
            log = [(ids(user), ids(item), time) for user, item, time in log]
        options = {"distinct": distinct, "holdout": holdout, "fold": fold, "seed": seed, "split_seed": seed // 3}
        made = negprep.test(as_table(log), num_neg=num_neg, with_valid=fold == "valid", **options)
        assert tuples(made) == reference.rows("test", log, num_neg, with_valid=fold == "valid", **options)


@pytest.mark.parametrize("command", ["train", "test"])
def test_a_catalog_gives_the_rows_of_the_reference(command):
    log = random_rows(3, **SMALL)
    catalog = {item for _, item, _ in log if item % 2} | {7, 8, 10**15, -5}  # without some items of the log
    table = as_table([(0, item, 0) for item in sorted(catalog, reverse=True)]).select(["item"])
    make = {"train": negprep.train, "test": negprep.test}[command]
    made = make(as_table(log), num_neg=5, distinct=True, holdout="last", items=table)
    assert tuples(made) == reference.rows(command, log, 5, distinct=True, catalog=catalog)


def digest(rows):
    """SHA-256 over the logical rows: tab-separated, each ended by a newline, UTF-8."""
    lines = "".join("\t".join(str(value) for value in row) + "\n" for row in rows)
    return hashlib.sha256(lines.encode()).hexdigest()


GOLDEN = {
    "train integers 4 0": "c20adf4a4ebc301c77a50bab66fa6a28464d8c978dc97200ff2b24f7b385be6c",
    "train integers 4 18446744073709551615": "01af1870b8361a62aabbb337a6c41222265d872e1838072283460e0d04cc5bb0",
    "train text 4 0": "9a597cda0eb7ec2d4de9e328693f5f949cc3a66c757d570d2a0c9cd9721f5139",
    "train dense 4 0": "aa49a1fa3097240aa0af6fd2b37ea149cceae8611ed52e0a8a5885b33a2ce531",
    "test dense 5 0": "50510f1c3e507ecd1379ff6ca1447fe89ba514ae84318b3bf107b3b909b574b5",
    "test integers 5 0": "1e75dd91bd0dea45b2ab182309ec7c08780a930268e07321f5dd5c40103babac",
    "test integers 99 1": "4d3be9f10923a7bef1a8f014e42ba136e012d4dbe6520810c945dcb4bbd333aa",
    "test text 5 0": "72f7e8a6825f9a0f4b6e58cf8943acc3f6dbd05129e8244f9b1c7e04c97de290",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_rows_of_a_seed_never_change(name):
    """A digest that fails means other rows for a seed that someone has used: CONTRIBUTING.md says what then."""
    command, kind, num_neg, seed = name.split()
    log = random_rows(2024, **(DENSE if kind == "dense" else SMALL))
    if kind == "text":
        log = [(text(user), text(item), time) for user, item, time in log]
    make = {"train": negprep.train, "test": negprep.test}[command]
    rows = tuples(make(as_table(log), num_neg=int(num_neg), holdout="last", seed=int(seed)))
    assert digest(rows) == GOLDEN[name]
